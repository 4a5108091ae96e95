#!/usr/bin/env bats
# Tables of what system calls answer: line by line the same on a mount of ours and on the kernel's.

setup()
{
	load fuse_lib
	fuse_setup
	TABLES=$ROOT/test/fuse
}

teardown()
{
	fuse_teardown
}

@test 'attributes of every kind of file, by name, size and user: the same values and errors' {
	work()
	{
		mkdir files
		python3 "$TABLES/xattr_errors.py" files
	}
	same_on_both allow_other,default_permissions '' 7000
}

@test 'st_blocks is the same before writing back and behind it, and what the kernel says of such a file' {
	for options in compress=zstd ${UBTRFS_FULL:+rw compress-force=lzo}; do
		image_new 200M
		image_mount "$MNT" "$options" "$IMG"
		python3 "$TABLES/st_blocks.py" "$MNT" make >"$WORK/kernels.txt"
		image_umount "$MNT"
		image_new 200M
		ours_mount "$options"
		python3 "$TABLES/st_blocks.py" "$M" make >"$WORK/ours.txt"
		ours_umount
		diff "$WORK/kernels.txt" "$WORK/ours.txt"
		[ "$(wc -l <"$WORK/ours.txt")" -ge 200 ]
		# Behind a remount, and as the kernel sees it.
		ours_mount ro
		python3 "$TABLES/st_blocks.py" "$M" show >"$WORK/again.txt"
		ours_umount
		diff <(grep there: "$WORK/ours.txt") "$WORK/again.txt"
		image_mount "$MNT" ro "$IMG"
		python3 "$TABLES/st_blocks.py" "$MNT" show >"$WORK/kernels.txt"
		image_umount "$MNT"
		diff "$WORK/kernels.txt" "$WORK/again.txt"
		# What the kernel has gathered counts as soon as we have it.
		image_new 200M
		ours_mount "$options,writeback_cache"
		python3 "$TABLES/st_blocks.py" "$M" make | grep 'synced:\|there:' >"$WORK/again.txt"
		ours_umount
		diff <(grep 'synced:\|there:' "$WORK/ours.txt") "$WORK/again.txt"
	done
}

@test 'writeback_cache: what a program wrote is written, also when the file is append-only or immutable by then' {
	work()
	{
		python3 "$TABLES/opened_flags.py" .
	}
	same_on_both writeback_cache '' 100
	# What is on the devices behind it.
	image_mount "$MNT" ro "$IMG"
	(cd "$MNT" && md5sum *) >"$WORK/kernels.txt"
	image_umount "$MNT"
	image_new 200M
	ours_mount writeback_cache
	python3 "$TABLES/opened_flags.py" "$M" >"$WORK/out"
	ours_umount
	image_mount "$MNT" ro "$IMG"
	(cd "$MNT" && md5sum *) >"$WORK/ours.txt"
	image_umount "$MNT"
	diff "$WORK/kernels.txt" "$WORK/ours.txt"
	check_clean "$IMG"
}

@test 'who may not change an append-only or immutable file does not, with a cache of what is written either' {
	work()
	{
		chmod 755 .
		python3 "$TABLES/sealed_flags.py" .
	}
	same_on_both writeback_cache '' 17
	# Nor on the devices.
	image_new 200M
	ours_mount writeback_cache
	python3 "$TABLES/sealed_flags.py" "$M" >"$WORK/out"
	ours_umount
	image_mount "$MNT" ro "$IMG"
	cat "$MNT"/sealed-* | sort | uniq -c >"$WORK/lines"
	image_umount "$MNT"
	[ "$(tr -s ' ' <"$WORK/lines")" = "$(printf ' 2000 first\n 3 more')" ]
}
