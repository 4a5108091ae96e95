# Random copies into images that the kernel made, and copies that are killed: a sample; all of it in the full run.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
	export UBTRFS
}

teardown()
{
	judge_teardown
}

@test "random copies, overwrites, archives and removals beside a twin that the kernel changes" {
	local seeds=1-8
	[ -z "$FULL" ] || seeds=1-200
	python3 "$HERE/copyin_random.py" "$WORK" $seeds
}

@test "a copy killed at random moments leaves the old or the new state" {
	local nr=9
	[ -z "$FULL" ] || nr=100
	mkdir "$WORK/kill" "$WORK/many"
	python3 "$HERE/copyin_kill.py" "$WORK/kill" --nr $nr
	# So many files that blocks are written long before the commit.
	[ -z "$FULL" ] || python3 "$HERE/copyin_kill.py" "$WORK/many" --nr 40 --seed 2 --files 40000
}
