#!/usr/bin/env bats
# The random operations of test/model by system calls on our mount. On a kernel's mount they have judged the model.

. "$ROOT/test/fuse/fuse_lib.bash"
TESTS=$(dirname "$UBTRFS_DEV")

setup()
{
	fuse_setup
}

teardown()
{
	fuse_teardown
}

# sample FEW MANY: the number of the normal run, or that of the full one.
sample()
{
	[ -n "$FULL" ] && echo "$2" || echo "$1"
}

# model_run OPTIONS SEEDS OPERATIONS THREADS: then the image is clean, and the kernel mounts it without a word.
model_run()
{
	local pid
	image_new 1G
	ours_mount "$1"
	pid=$SERVER
	timeout 3000 "$TESTS/ops_model_test" --dir "$M" --seeds "$2" --ops "$3" --threads "$4"
	umount "$M"
	ours_gone "$pid"
	check_clean "$IMG"
	kernel_mark
	image_mount "$MNT" ro "$IMG"
	kernel_quiet "${JUDGE_DEVICES[@]}"
	[ -z "$(ls "$MNT")" ]
	image_umount "$MNT"
}

@test "random operations on our mount, one thread" {
	model_run '' "1-$(sample 2 50)" "$(sample 400 2000)" 1
}

@test "random operations on our mount, four threads" {
	model_run compress=zstd "1-$(sample 2 50)" "$(sample 300 2000)" 4
}

# data_run OPTIONS OPERATIONS
data_run()
{
	local pid
	image_new 1G
	ours_mount "$1"
	pid=$SERVER
	timeout 3000 "$TESTS/data_test" --dir "$M" --ops "$2"
	umount "$M"
	ours_gone "$pid"
	check_clean "$IMG"
}

@test "contents of files on our mount, with mappings" {
	data_run '' "$(sample 2000 1000000)"
}

@test "contents of compressed files on our mount, with mappings" {
	data_run compress-force=lzo "$(sample 1500 1000000)"
}
