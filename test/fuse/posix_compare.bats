#!/usr/bin/env bats
# System calls one by one, beside the kernel's own mount of the same image: results, errnos, and what each changed.

setup()
{
	load fuse_lib
	fuse_setup
}

teardown()
{
	fuse_teardown
}

# both_mounted OPTIONS: of one image, which has a subvolume and a snapshot; the kernel's at $MNT, ours at $M.
both_mounted()
{
	truncate -s 2G "$WORK/kernels.img"
	mkfs.btrfs -q "$WORK/kernels.img"
	image_mount "$MNT" noatime "$WORK/kernels.img"
	btrfs subvolume create "$MNT/sub" >"$WORK/made"
	chmod 777 "$MNT" "$MNT/sub"
	btrfs subvolume snapshot -r "$MNT/sub" "$MNT/snapro" >>"$WORK/made"
	image_umount "$MNT"
	cp --sparse=always "$WORK/kernels.img" "$IMG"
	image_mount "$MNT" "$1" "$WORK/kernels.img"
	ours_mount "$1"
	mkdir -m 777 "$MNT/run" "$M/run"
}

compare()
{
	PYTHONDONTWRITEBYTECODE=1 "$PYTHON" "$ROOT/test/fuse/posix_compare.py" "$@" "$MNT/run" "$M/run"
}

@test 'every system call gives what a kernel mount gives, and changes what it changes there' {
	both_mounted noatime
	if [ -n "$FULL" ]; then
		compare --seeds 1-200 --ops 400
	else
		compare --sample --seeds 1-4 --ops 120
	fi
	image_umount "$MNT"
	ours_umount
	check_clean "$IMG"
}

@test 'reading moves times of last access as on a kernel mount, and O_NOATIME leaves them' {
	for option in strictatime relatime noatime; do
		both_mounted "$option"
		compare --theme atime
		image_umount "$MNT"
		ours_umount
		rm "$WORK"/*.img
	done
}
