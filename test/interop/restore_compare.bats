#!/usr/bin/env bats
# What restore brings out of damaged images, beside btrfs restore: never fewer files, never fewer bytes, and nothing called
# whole that is not. A sample of seeds in the normal run, many in the full one.

load_lib()
{
	source "$ROOT/test/interop/lib.bash"
}

setup()
{
	load_lib
	judge_setup
}

teardown()
{
	load_lib
	judge_teardown
}

# filled_image NODESIZE: WORK/image, a tree written by the kernel, and its facts in WORK/facts.
filled_image()
{
	truncate -s 600M "$WORK/image"
	mkfs.btrfs -q -n "$1" -m dup "$WORK/image"
	image_mount "$MNT" compress=zstd "$WORK/image"
	python3 "$HERE/restore_compare.py" fill "$MNT" 1
	image_umount "$MNT"
	image_mount "$MNT" ro "$WORK/image"
	python3 "$HERE/restore_compare.py" facts "$MNT" "$WORK/facts"
	image_umount "$MNT"
}

compare()
{
	mkdir "$WORK/runs"
	python3 "$HERE/restore_compare.py" run --ubtrfs "$UBTRFS" --work "$WORK/runs" "$@" "$WORK/image" "$WORK/facts"
}

@test "nodes of 4 KiB: 1, 10 and 100 tree blocks destroyed" {
	filled_image 4096
	if [ -n "$FULL" ]; then
		compare --seeds 1-60
	else
		compare --blocks 10,100 --seeds 1
	fi
}

@test "nodes of 16 KiB: 1, 10 and 100 tree blocks destroyed" {
	filled_image 16384
	if [ -n "$FULL" ]; then
		compare --seeds 1-60
	else
		compare --blocks 1,100 --seeds 2
	fi
}
