#!/usr/bin/env bats
# restore of images whose tree blocks have right checksums and say what no filesystem says, and of cut ones.

setup()
{
	source "$ROOT/test/interop/lib.bash"
	judge_setup
	IMAGE=$WORK/image
	OUT=$WORK/out
}

teardown()
{
	judge_teardown
}

# kernel_image MOUNT_OPTIONS [MKFS OPTION]...: empty, and mounted.
kernel_image()
{
	local options=$1
	shift
	truncate -s 200M "$IMAGE"
	mkfs.btrfs -q "$@" "$IMAGE"
	image_mount "$MNT" "$options" "$IMAGE"
}

done_with_image()
{
	sync -f "$MNT"
	image_umount "$MNT"
}

craft()
{
	python3 "$HERE/restore_craft.py" "$1" "$IMAGE" "${@:2}"
}

@test "two files of one name: the first stays, also with --overwrite; links lead to the right file" {
	kernel_image noatime
	echo first >"$MNT/aaa"
	echo second >"$MNT/bbb"
	ln "$MNT/aaa" "$MNT/ccc"
	done_with_image
	craft rename-index bbb aaa
	"$UBTRFS" restore -o "$IMAGE" "$OUT"
	[ "$(cat "$OUT/aaa")" = first ]
	[ "$(cat "$OUT/ccc")" = first ]
}

@test "a compressed extent with a wrong checksum is told with --ignore-csum too" {
	kernel_image noatime,compress-force=lzo
	{ yes 'what is compressed' | head -c 60000; echo a-mark-in-it; yes 'more' | head -c 60000; } >"$MNT/file"
	done_with_image
	python3 - "$IMAGE" <<'END'
import mmap, sys
with open(sys.argv[1], 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:
    at = m.find(b'a-mark-in-it')
    assert at > 0
    m[at] = ord('b')
END
	run "$UBTRFS" restore --ignore-csum "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'/file: damaged: bytes of it are lost'*'wrong checksum'* ]]
	grep -q b-mark-in-it "$OUT/file"
}

@test "a chunk tree whose nodes lead to the same nodes ends" {
	truncate -s 200M "$IMAGE"
	mkfs.btrfs -q -n 4096 -m single "$IMAGE"
	craft chunk-web
	run timeout 25 "$UBTRFS" restore --list-roots "$IMAGE"
	[ "$status" -ne 124 ]
}

@test "a chunk that is longer than all devices ends" {
	truncate -s 200M "$IMAGE"
	mkfs.btrfs -q -m single "$IMAGE"
	craft long-chunk
	run timeout 25 "$UBTRFS" restore --list-roots "$IMAGE"
	[ "$status" -eq 0 ]
}

@test "a cut image: what lies before the cut is found" {
	kernel_image noatime -n 4096 -m single
	mkdir "$MNT/dir"
	for i in $(seq 200); do echo "$i" >"$MNT/dir/$i"; done
	done_with_image
	craft cut
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$(find "$OUT" -type f | wc -l)" -ge 200 ]
}

@test "chunks are found among hundreds of thousands of old items about them" {
	truncate -s 200M "$IMAGE"
	mkfs.btrfs -q -n 4096 "$IMAGE"
	image_mount "$MNT" noatime "$IMAGE"
	echo one >"$MNT/one"
	done_with_image
	craft many-copies
	"$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$(cat "$OUT/one")" = one ]
}
