#!/usr/bin/env bats
# The mount is killed under load at random moments: the image is clean, and what was synced is there.

. "$ROOT/test/fuse/fuse_lib.bash"

setup()
{
	fuse_setup
}

teardown()
{
	fuse_teardown
	! mountpoint -q "$WORK/kill/mnt" 2>/dev/null || umount -l "$WORK/kill/mnt"
}

@test "SIGKILL of the mount under load: btrfs check is clean, the kernel shows what was synced" {
	local rounds=6
	[ -z "$FULL" ] || rounds=300
	mkdir "$WORK/kill"
	"$PYTHON" "$ROOT/test/fuse/kill_mount.py" "$UBTRFS" "$WORK/kill" --rounds "$rounds" --seed "${UBTRFS_KILL_SEED:-1}"
}
