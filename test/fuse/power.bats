#!/usr/bin/env bats
# What people do to a mounted filesystem sooner or later, and what is left of it after mounting again: power_user.py.

. "$ROOT/test/fuse/fuse_lib.bash"

setup()
{
	fuse_setup
}

teardown()
{
	fuse_teardown
}

@test "open and mapped files lose their names, long names and paths, 64-bit sizes, old and far times, many files" {
	local case number=5000 failed=0
	[ -z "$FULL" ] || number=1000000
	image_new 4G
	ours_mount
	for case in $("$PYTHON" "$ROOT/test/fuse/power_user.py" list); do
		"$PYTHON" "$ROOT/test/fuse/power_user.py" "$M" "$case" "$number" || { echo "$case fails"; failed=1; }
	done
	umount "$M"
	ours_gone "$SERVER"
	check_clean "$IMG"
	ours_mount
	for case in $("$PYTHON" "$ROOT/test/fuse/power_user.py" again list); do
		"$PYTHON" "$ROOT/test/fuse/power_user.py" again "$M" "$case" "$number" || { echo "$case, again, fails"; failed=1; }
	done
	umount "$M"
	ours_gone "$SERVER"
	image_mount "$MNT" ro "$IMG"
	for case in $("$PYTHON" "$ROOT/test/fuse/power_user.py" again list); do
		"$PYTHON" "$ROOT/test/fuse/power_user.py" again "$MNT" "$case" "$number" || { echo "$case, kernel, fails"; failed=1; }
	done
	image_umount "$MNT"
	[ "$failed" -eq 0 ]
}

# 64 MiB of dirty contents, and 128 MiB for all the rest.
@test "a fast writer does not fill the memory" {
	local peak size=512
	[ -z "$FULL" ] || size=3000
	image_new 4G
	ours_mount
	dd if=/dev/zero of="$M/big" bs=1M count="$size" status=none
	dd if=/dev/urandom of="$M/random" bs=1M count=$((size / 4)) status=none
	peak=$(awk '/^VmHWM:/ { print $2 }' "/proc/$SERVER/status")
	echo "peak $peak KiB"
	[ "$peak" -le $(((64 + 128) * 1024)) ]
	umount "$M"
	ours_gone "$SERVER"
	check_clean "$IMG"
}
