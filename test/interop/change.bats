# mkdir, rm, rmdir, ln, touch, truncate, chmod, chown, chgrp: what coreutils do on a kernel mount of the same image.
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

@test "the same commands on a kernel mount and by us: every third case, all in the full run" {
	mkdir "$WORK/oracle"
	python3 "$HERE/change_oracle.py" "$WORK/oracle" ${FULL:+--every 1}
}
