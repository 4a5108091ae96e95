#!/usr/bin/env bats
# undelete of what the kernel deleted.

setup()
{
	source "$ROOT/test/interop/lib.bash"
	judge_setup
	IMAGE=$WORK/image
	OUT=$WORK/out
	ORIGINAL=$WORK/original
	truncate -s 400M "$IMAGE"
	mkfs.btrfs -q "$IMAGE"
	image_mount "$MNT" noatime "$IMAGE"
	mkdir -p "$MNT/dir/below" "$MNT/kept" "$ORIGINAL"
	head -c 400000 /dev/urandom >"$MNT/dir/noise"
	yes text | head -c 100000 >"$MNT/dir/below/text"
	echo small >"$MNT/dir/small"
	setfattr -n user.note -v something "$MNT/dir/small"
	chown 1000:1001 "$MNT/dir/small"
	ln -s small "$MNT/dir/link"
	head -c 70000 /dev/urandom >"$MNT/kept/gone"
	echo kept >"$MNT/kept/kept"
	echo moved >"$MNT/kept/to-be-moved"
	btrfs -q subvolume create "$MNT/sub"
	cp -a "$HERE" "$MNT/sub/copy"
	sync -f "$MNT"
	cp -a "$MNT/." "$ORIGINAL"
}

teardown()
{
	judge_teardown
}

@test "files and directories: listed, brought back whole, nothing else" {
	rm -r "$MNT/dir" "$MNT/kept/gone"
	mv "$MNT/kept/to-be-moved" "$MNT/kept/moved"
	sync -f "$MNT"
	image_umount "$MNT"
	run "$UBTRFS" undelete --list "$IMAGE:/"
	[ "$status" -eq 0 ]
	[[ "$output" == *' verified  '*' /dir/noise'* && "$output" == *' verified  '*' /kept/gone'* ]]
	[[ "$output" != *moved* && "$output" != */kept/kept* && "$output" != */sub* ]]
	[[ "$output" =~ [0-9]+\ +20[0-9-]+\ [0-9:]+\ +verified\ +-rw-r--r--\ +400000\ +/dir/noise ]]
	"$UBTRFS" undelete --list --format json "$IMAGE:/" | python3 -c '
import json, sys
rows = {row["path"]: row for row in json.load(sys.stdin)["undelete"]}
assert rows["/dir/noise"]["size"] == 400000 and rows["/dir/noise"]["state"] == "verified" and rows["/dir/noise"]["generation"] > 0'
	"$UBTRFS" undelete "$IMAGE:/" "$OUT"
	python3 "$HERE/compare_trees.py" "$ORIGINAL/dir" "$OUT/dir"
	cmp "$ORIGINAL/kept/gone" "$OUT/kept/gone"
	[ "$(ls "$OUT/kept")" = gone ]
	[ ! -e "$OUT/sub" ]
	# One path only.
	"$UBTRFS" undelete "$IMAGE:/kept/gone" "$WORK/one" >/dev/null
	[ "$(ls "$WORK/one")" = gone ]
	"$UBTRFS" undelete "$IMAGE:/dir/below" "$WORK/two" >/dev/null
	cmp "$ORIGINAL/dir/below/text" "$WORK/two/below/text"
}

@test "a deleted subvolume" {
	btrfs -q subvolume delete "$MNT/sub"
	sync -f "$MNT"
	image_umount "$MNT"
	"$UBTRFS" undelete "$IMAGE:/sub" "$OUT"
	python3 "$HERE/compare_trees.py" "$ORIGINAL/sub" "$OUT/sub"
}

@test "in a subvolume that is still there" {
	rm -r "$MNT/sub/copy"
	sync -f "$MNT"
	image_umount "$MNT"
	"$UBTRFS" undelete "$IMAGE:/" "$OUT"
	python3 "$HERE/compare_trees.py" "$ORIGINAL/sub/copy" "$OUT/sub/copy"
}

@test "data that was written over is told as damaged" {
	rm "$MNT/kept/gone"
	sync -f "$MNT"
	image_umount "$MNT"
	python3 - "$IMAGE" "$ORIGINAL/kept/gone" <<'END'
import sys
part = open(sys.argv[2], 'rb').read()[8192:12288]
with open(sys.argv[1], 'r+b') as f:
    at = f.read().find(part)
    assert at > 0
    f.seek(at)
    f.write(bytes(4096))
END
	run "$UBTRFS" undelete --list "$IMAGE:/kept"
	[[ "$output" == *' damaged  '*' /gone'* ]]
	run "$UBTRFS" undelete "$IMAGE:/kept" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'bytes 8192 to 12287: wrong checksum'* ]]
	cmp -n 8192 "$ORIGINAL/kept/gone" "$OUT/gone"
}

@test "nothing deleted, nothing found" {
	image_umount "$MNT"
	run "$UBTRFS" undelete --list "$IMAGE:/kept"
	[ "$status" -eq 1 ]
	[ "$output" = 'Nothing was found.' ]
}
