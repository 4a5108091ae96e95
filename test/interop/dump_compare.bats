# dump-tree and dump-super of ours and of btrfs-progs over images that the kernel filled: dump_compare.py counts each case as
# a test of its own.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
	command -v btrfs >/dev/null || skip 'no btrfs-progs to compare with'
}

teardown()
{
	judge_teardown
}

@test "every image, every option: the same lines (each image counts)" {
	python3 "$HERE/dump_compare.py" >&3
}
