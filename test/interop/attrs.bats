# ACLs, flags and attributes: the commands of an image beside the system's tools on a kernel mount of its twin.
load lib.bash

setup() { judge_setup; }
teardown()
{
	[ ! -d "${WORK:-/nosuch}/fuse" ] || umount "$WORK/fuse" 2>/dev/null || true
	judge_teardown
}

# twins: a filesystem of the kernel with some files, mounted at MNT, and a copy of its image.
twins()
{
	truncate -s 256M "$WORK/theirs.img"
	mkfs.btrfs -q "$WORK/theirs.img"
	image_mount "$MNT" noatime "$WORK/theirs.img"
	(
		cd "$MNT"
		umask 022
		mkdir -p d/sub/deep
		touch f d/f
		echo contents >d/sub/f
		mkfifo fifo
		ln -s f d/link
		btrfs subvolume create s >/dev/null
	)
	image_umount "$MNT"
	cp --sparse=always "$WORK/theirs.img" "$WORK/ours.img"
	image_mount "$MNT" noatime "$WORK/theirs.img"
}

# facts DIR: what the kernel says of all files, but for times. One mount after the other, because the twins have one fsid.
facts()
{
	(cd "$1" && find . -mindepth 1 -printf '%P %y %m %U %G\n' | sort && getfacl -Rpn . | sed 's/^# file: \.\///' &&
		getfattr -Rhd -m - -e hex . && find . \( -type f -o -type d \) -exec lsattr -d {} +)
}

@test "random sequences of setfacl, chmod, chattr, setfattr and new files give what the kernel and the tools give" {
	local seed
	for seed in ${UBTRFS_ATTRS_SEEDS:-1 2 ${FULL:+3 4 5 6 7 8 9 10 11 12}}; do
		twins
		umask 027
		"$PYTHON" "$HERE/attrs_random.py" "$UBTRFS" "$WORK/ours.img" "$MNT" $seed $(( ${FULL:+1}0 ? 600 : 120 ))
		umask 022
		facts "$MNT" | sort >"$WORK/theirs.txt"
		chattr -R -ia "$MNT" 2>/dev/null || true
		image_umount "$MNT"
		check_clean "$WORK/ours.img"
		image_mount "$MNT" ro "$WORK/ours.img"
		facts "$MNT" | sort >"$WORK/ours.txt"
		diff "$WORK/theirs.txt" "$WORK/ours.txt"
		image_umount "$MNT"
		rm "$WORK"/*.img
	done
}

# through_mount: a command like `ubtrfs` in the eyes of attrs_random.py, which runs the system's tools on our mount.
through_mount()
{
	printf '#!/bin/bash\ncd %q || exit 9\nexec "${@/#ours.img:\\//}"\n' "$WORK/fuse" >"$WORK/tool"
	chmod 755 "$WORK/tool"
	mkdir -p "$WORK/fuse"
	"$UBTRFS" mount "$WORK/ours.img" "$WORK/fuse" 3>&-
}

@test "the same sequences by the system's tools on our mount and on the kernel's" {
	local seed
	for seed in ${UBTRFS_ATTRS_SEEDS:-51 ${FULL:+52 53 54 55 56 57}}; do
		twins
		through_mount
		umask 027
		"$PYTHON" "$HERE/attrs_random.py" "$WORK/tool" ours.img "$MNT" $seed $(( ${FULL:+1}0 ? 1500 : 150 ))
		umask 022
		facts "$MNT" | sort >"$WORK/theirs.txt"
		facts "$WORK/fuse" | sort >"$WORK/ours.txt"
		diff "$WORK/theirs.txt" "$WORK/ours.txt"
		chattr -R -ia "$MNT" 2>/dev/null || true
		image_umount "$MNT"
		umount "$WORK/fuse"
		# The mount ends when its process has written everything.
		flock "$WORK/ours.img" true
		check_clean "$WORK/ours.img"
		rm "$WORK"/*.img
	done
}
