# What df shows of our mount is what it shows of the kernel's, for each profile: size, free, available; also where much is
# used, and on a mount of ours that has just been written to.
. "$ROOT/test/fuse/fuse_lib.bash"

setup() { fuse_setup; }
teardown() { fuse_teardown; }

# figures DIR
figures() { stat -f -c '%s %b %f %a %l' "$1"; }

# compare NR OPTION-OF-MKFS...: NR devices of 1 GiB, filled by the kernel.
compare()
{
	local nr=$1 images=() i kernel
	shift
	for ((i = 1; i <= nr; i++)); do
		rm -f "$WORK/$i.img"
		truncate -s 1G "$WORK/$i.img"
		images+=("$WORK/$i.img")
	done
	mkfs.btrfs -q "$@" "${images[@]}"
	image_mount "$MNT" rw "${images[@]}"
	head -c 40M /dev/urandom >"$MNT/big"
	mkdir "$MNT/dir"
	for ((i = 0; i < 200; i++)); do head -c 3000 /dev/zero >"$MNT/dir/$i"; done
	judge_release
	image_mount "$MNT" ro "${images[@]}"
	kernel=$(figures "$MNT")
	judge_release
	IMG=${images[0]}
	ours_mount
	[ "$(figures "$M")" = "$kernel" ] || { echo "$*: kernel $kernel, ours $(figures "$M")"; return 1; }
	[ -n "${CHANGES:-}" ] || { ours_umount; return; }
	head -c 100M /dev/urandom >"$M/more"
	rm "$M/big"
	rm -r "$M/dir"
	sync -f "$M"
	ours_umount
	image_mount "$MNT" ro "${images[@]}"
	kernel=$(figures "$MNT")
	judge_release
	ours_mount
	[ "$(figures "$M")" = "$kernel" ] || { echo "$*, changed: kernel $kernel, ours $(figures "$M")"; return 1; }
	ours_umount
}

@test "statfs as the kernel: one device" {
	CHANGES=1 compare 1
	compare 1 -m single
	compare 1 -d dup -m dup
	compare 1 -O ^free-space-tree,^block-group-tree
	compare 1 --mixed -n 4096
}

@test "statfs as the kernel: several devices" {
	compare 2 -d raid1 -m raid1
	compare 2 -d raid0 -m raid1
	[ -n "$FULL" ] || return 0
	compare 3 -d raid1c3 -m raid1c3
	compare 4 -d raid10 -m raid1c4
	compare 3 -d raid0 -m raid1
}
