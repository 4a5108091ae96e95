#!/usr/bin/env bats
# restore of filesystems that the kernel wrote, each damaged in one way.

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

# kernel_image [MKFS OPTION]...: a small tree, in ORIGINAL too.
kernel_image()
{
	truncate -s 300M "$IMAGE"
	mkfs.btrfs -q "$@" "$IMAGE"
	image_mount "$MNT" noatime "$IMAGE"
	small_tree "$MNT"
	ORIGINAL=$WORK/original
	mkdir "$ORIGINAL"
	cp -a "$MNT/." "$ORIGINAL"
	image_umount "$MNT"
}

small_tree()
{
	mkdir -p "$1/dir/below"
	head -c 3000000 /dev/urandom >"$1/dir/noise"
	yes 'some text' | head -c 500000 >"$1/dir/below/text"
	echo small >"$1/dir/small"
	ln "$1/dir/small" "$1/hard"
	ln -s dir/small "$1/soft"
	mkfifo "$1/fifo"
	mknod "$1/device" c 7 3
	truncate -s 100M "$1/hole"
	echo end >>"$1/hole"
	setfattr -n user.note -v something "$1/dir/small"
	setfacl -m u:1234:rw "$1/dir/noise"
	chown 1000:1001 "$1/dir/below/text"
	chmod 2751 "$1/dir/below"
	btrfs -q subvolume create "$1/sub"
	cp -a "$HERE" "$1/sub/copy"
	touch -d '1965-01-02 03:04:05.678' "$1/dir/below" "$1/hard"
	sync -f "$1"
}

# noise IMAGE OFFSET BYTES
noise()
{
	dd if=/dev/urandom of="$1" bs=4096 seek=$(($2 / 4096)) count=$((($3 + 4095) / 4096)) conv=notrunc status=none
}

# phys ADDR: where the copies of a logical address lie.
phys()
{
	python3 - "$IMAGE" "$1" <<'END'
import sys, os
sys.path.insert(0, os.environ['ROOT'] + '/test/interop')
import restore_compare as rc
addr = int(sys.argv[2])
for start, length, stripes in rc.chunks_of(sys.argv[1]):
    if start <= addr < start + length:
        print(*[s + addr - start for s in stripes])
END
}

super_field()
{
	btrfs inspect-internal dump-super "$IMAGE" | awk -v name="$1" '$1 == name { print $2; exit }'
}

whole()
{
	rm -f "$OUT/.ubtrfs-restore"
	python3 "$HERE/compare_trees.py" "$ORIGINAL" "$OUT"
}

@test "everything of a whole filesystem, and no device is written" {
	kernel_image
	sum=$(sha256sum <"$IMAGE")
	"$UBTRFS" restore "$IMAGE" "$OUT"
	whole
	[ "$sum" = "$(sha256sum <"$IMAGE")" ]
}

@test "a second run copies nothing, and goes on with what was not whole" {
	kernel_image
	"$UBTRFS" restore "$IMAGE" "$OUT" >/dev/null
	before=$(stat -c '%i %z' "$OUT/dir/noise")
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 0 ]
	[[ "$output" == *'Restored 0 files'* ]]
	[ "$before" = "$(stat -c '%i %z' "$OUT/dir/noise")" ]
	# A file of somebody else stays, but for --overwrite.
	echo other >"$OUT/dir/below/text"
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[[ "$output" == *'Left alone, since they were there: 1'* ]]
	[ "$(cat "$OUT/dir/below/text")" = other ]
	"$UBTRFS" restore -o "$IMAGE" "$OUT" >/dev/null
	whole
}

@test "data with a wrong checksum: the rest of the file, the range told, a later run repairs" {
	kernel_image
	cp --sparse=always "$IMAGE" "$WORK/good"
	addr=$(btrfs inspect-internal dump-tree -t 5 "$IMAGE" | awk '/extent data disk byte [1-9].* nr 3[0-9]*/ { print $5; exit }')
	for at in $(phys $((addr + 40960))); do noise "$IMAGE" "$at" 8192; done
	run "$UBTRFS" restore --report "$WORK/report" "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'/dir/noise: damaged: bytes of it are lost'* ]]
	[[ "$output" == *'bytes 40960 to 49151: wrong checksum'* ]]
	python3 - "$WORK/report" "$ORIGINAL/dir/noise" "$OUT/dir/noise" <<'END'
import json, sys
report = json.load(open(sys.argv[1]))['restore']
loss, = report['lost']
assert loss['path'] == '/dir/noise' and loss['restored'] and loss['state'] == ['bad-data'], loss
assert loss['ranges'] == [{'offset': 40960, 'length': 8192, 'why': 'wrong checksum'}], loss
assert report['summary']['damaged'] == 1
want, have = open(sys.argv[2], 'rb').read(), open(sys.argv[3], 'rb').read()
assert have[:40960] == want[:40960] and have[49152:] == want[49152:] and have[40960:49152] == bytes(8192)
END
	# The bytes as they are, when they are asked for.
	run "$UBTRFS" restore --ignore-csum "$IMAGE" "$WORK/out2"
	[ "$status" -eq 1 ]
	! cmp -s <(head -c 49152 "$OUT/dir/noise" | tail -c 8192) <(head -c 49152 "$WORK/out2/dir/noise" | tail -c 8192) || false
	# What was not whole is copied again.
	run "$UBTRFS" restore "$WORK/good" "$OUT"
	[ "$status" -eq 0 ]
	[[ "$output" == *'Restored 1 files'* ]]
	whole
}

@test "one copy of everything is noise: the other is read" {
	kernel_image -m dup -d dup
	python3 - "$IMAGE" <<'END'
import os, sys
sys.path.insert(0, os.environ['ROOT'] + '/test/interop')
import restore_compare as rc
chunks = rc.chunks_of(sys.argv[1])
with open(sys.argv[1], 'r+b') as f:
    for start, length, stripes in chunks:
        f.seek(stripes[0])
        f.write(os.urandom(min(length, 16 << 20)))
END
	"$UBTRFS" restore "$IMAGE" "$OUT"
	whole
}

@test "superblocks: the primary gone, a chosen copy, all gone" {
	kernel_image
	noise "$IMAGE" 65536 4096
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 0 ]
	[[ "$output" != *'no superblock left'* ]]
	whole
	"$UBTRFS" restore --super 1 "$IMAGE" "$WORK/out1" >/dev/null
	run "$UBTRFS" restore --super 0 -D "$IMAGE"
	[[ "$output" == *'has no superblock left'* ]]
	noise "$IMAGE" $((64 << 20)) 4096
	rm -r "$OUT"
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[[ "$output" == *'has no superblock left: looking for tree blocks'* ]]
	whole
}

@test "the chunk tree gone: chunks from older leaves and from device extents" {
	kernel_image
	root=$(super_field chunk_root)
	for at in $(phys "$root"); do noise "$IMAGE" "$at" 16384; done
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 0 ]
	[[ "$output" == *'the chunk tree is damaged: looking for chunks'* ]]
	whole
	# No leaf of the chunk tree at all: device extents and block groups.
	python3 - "$IMAGE" <<'END'
import struct, sys
with open(sys.argv[1], 'r+b') as f:
    data = f.read()
    fsid = data[65536 + 32:65536 + 48]
    for at in range(0, len(data), 4096):
        if data[at + 32:at + 48] == fsid and at not in (65536, 64 << 20) and struct.unpack_from('<Q', data, at + 88)[0] == 3:
            f.seek(at)
            f.write(bytes(16384))
END
	rm -r "$OUT"
	"$UBTRFS" restore "$IMAGE" "$OUT"
	whole
}

@test "the tree of roots gone: the newest older root is taken and said; roots are listed and chosen" {
	kernel_image
	image_mount "$MNT" noatime "$IMAGE"
	echo later >"$MNT/later"
	sync -f "$MNT"
	image_umount "$MNT"
	run "$UBTRFS" restore --list-roots "$IMAGE"
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == "* $(super_field root) generation $(super_field generation) level 0 "* ]]
	[ "${#lines[@]}" -ge 3 ]
	older=$(awk '/^ .* blocks ([0-9]+)\/\1/ { print $1 }' <<<"$output" | head -n 1)
	older=${older:-$(awk '/^ .* blocks / { print $1; exit }' <<<"$output")}
	"$UBTRFS" restore --list-roots --format json "$IMAGE" | python3 -c 'import json, sys; assert len(json.load(sys.stdin)["roots"]) >= 3'
	run "$UBTRFS" restore --root "$older" "$IMAGE" "$WORK/older"
	[ -e "$WORK/older/dir/small" ]
	for at in $(phys "$(super_field root)"); do noise "$IMAGE" "$at" 16384; done
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[[ "$output" == *'the tree of roots of generation '*' cannot be read: going on with the one of generation '* ]]
	cmp "$OUT/dir/noise" "$ORIGINAL/dir/noise"
	cmp "$OUT/sub/copy/lib.bash" "$ORIGINAL/sub/copy/lib.bash"
	[ "$(cat "$OUT/later")" = later ]
}

@test "the checksum tree gone: data is taken and told as unverified" {
	kernel_image
	root=$(btrfs inspect-internal dump-tree -t csum "$IMAGE" | awk '/^leaf / { print $2; exit }')
	# Also what older states left of it.
	python3 - "$IMAGE" <<'END'
import struct, sys
with open(sys.argv[1], 'r+b') as f:
    data = f.read()
    fsid = data[65536 + 32:65536 + 48]
    for at in range(0, len(data), 4096):
        if data[at + 32:at + 48] == fsid and at not in (65536, 64 << 20) and struct.unpack_from('<Q', data, at + 88)[0] == 7:
            f.seek(at)
            f.write(bytes(16384))
END
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 0 ]
	[[ "$output" =~ 'Without checksums to compare with: '[1-9] ]]
	whole
}

@test "16 EiB of hole, 16 TiB with a little data" {
	truncate -s 200M "$IMAGE"
	mkfs.btrfs -q "$IMAGE"
	image_mount "$MNT" noatime "$IMAGE"
	truncate -s 9223372036854771712 "$MNT/huge"
	truncate -s 16T "$MNT/large"
	echo end >>"$MNT/large"
	image_umount "$MNT"
	timeout 20 "$UBTRFS" restore "$IMAGE" "$OUT" || true
	[ "$(stat -c %s "$OUT/large")" -eq $(((16 << 40) + 4)) ]
	[ "$(tail -c 4 "$OUT/large")" = end ]
	[ "$(du -k "$OUT/large" | cut -f 1)" -le 64 ]
}

@test "snapshots with -s only, one subvolume with -r, some paths, as a user" {
	kernel_image
	image_mount "$MNT" noatime "$IMAGE"
	btrfs -q subvolume snapshot "$MNT/sub" "$MNT/snap"
	id=$(btrfs inspect-internal rootid "$MNT/sub")
	image_umount "$MNT"
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[[ "$output" == *'Left out: 1 snapshots'* ]]
	[ ! -e "$OUT/snap" ]
	"$UBTRFS" restore -s "$IMAGE" "$OUT" >/dev/null
	cmp "$OUT/snap/copy/lib.bash" "$ORIGINAL/sub/copy/lib.bash"
	"$UBTRFS" restore -r "$id" "$IMAGE" "$WORK/one" >/dev/null
	cmp "$WORK/one/copy/lib.bash" "$ORIGINAL/sub/copy/lib.bash"
	run "$UBTRFS" restore -l "$IMAGE"
	[[ "$output" == *"tree key (FS_TREE 5 ROOT_ITEM 0)"* && "$output" == *"tree key ($id ROOT_ITEM 0)"* ]]
	"$UBTRFS" restore --path-regex '^/(|dir(|/below(|/.*)))$' "$IMAGE" "$WORK/some" >/dev/null
	[ "$(cd "$WORK/some" && find . -type f | sort | tr '\n' ' ')" = './dir/below/text ' ]
	run "$UBTRFS" restore -D "$IMAGE"
	[[ "$output" == *$'\n/dir/below/text\n'* ]]
	chmod 755 "$TEST_TMP"
	chmod 644 "$IMAGE"
	install -d -o 65534 "$WORK/user"
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$UBTRFS" restore "$IMAGE" "$WORK/user/out"
	[[ "$output" == *'only root can give files their owners'* ]]
	cmp "$WORK/user/out/dir/noise" "$ORIGINAL/dir/noise"
}

@test "directories whose blocks are gone: names come back through the inodes" {
	truncate -s 300M "$IMAGE"
	mkfs.btrfs -q -n 4096 "$IMAGE"
	image_mount "$MNT" noatime "$IMAGE"
	mkdir "$MNT/many"
	for i in $(seq 300); do echo "$i" >"$MNT/many/a-name-that-takes-some-room-$i"; done
	sync -f "$MNT"
	image_umount "$MNT"
	python3 - "$IMAGE" <<'END'
import os, re, sys
sys.path.insert(0, os.environ['ROOT'] + '/test/interop')
import restore_compare as rc
image = sys.argv[1]
chunks = rc.chunks_of(image)
blocks = []
# Every leaf that holds names of the directory, and no inode of a file.
for part in re.split(r'^leaf ', rc.dump_tree(image, '-t', '5'), flags=re.M)[1:]:
    if 'DIR_INDEX' in part or 'DIR_ITEM' in part:
        if not re.search(r'item \d+ key \(\d+ INODE_ITEM', part):
            blocks.append(int(part.split()[0]))
assert blocks
import random
rc.destroy(image, blocks, chunks, 4096, random.Random(1))
END
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[ "$(find "$OUT" -type f -name 'a-name*' | wc -l)" -eq 300 ]
	for i in 1 150 300; do [ "$(cat "$OUT/many/a-name-that-takes-some-room-$i")" = "$i" ]; done
}

@test "several devices: found beside the first, one missing, one noise; a partition" {
	local raid=$WORK/raid
	mkdir "$raid"
	truncate -s 300M "$raid/1" "$raid/2" "$raid/3"
	mkfs.btrfs -q -m raid1 -d raid1 "$raid/1" "$raid/2" "$raid/3"
	image_mount "$MNT" noatime "$raid/1" "$raid/2" "$raid/3"
	small_tree "$MNT"
	ORIGINAL=$WORK/original
	mkdir "$ORIGINAL"
	cp -a "$MNT/." "$ORIGINAL"
	image_umount "$MNT"
	"$UBTRFS" restore "$raid/2" "$OUT"
	whole
	mv "$raid/3" "$WORK/away"
	rm -r "$OUT"
	"$UBTRFS" restore "$raid/1" "$OUT"
	whole
	mv "$WORK/away" "$raid/3"
	noise "$raid/1" $((1 << 20)) $((299 << 20))
	rm -r "$OUT"
	"$UBTRFS" restore --noscan --device "$raid/2" --device "$raid/3" "$raid/1" "$OUT"
	whole
	# In a partition of a disk image.
	truncate -s 320M "$WORK/disk"
	printf 'label: gpt\nstart=2048, size=614400\n' | sfdisk -q "$WORK/disk"
	kernel_image_again
	dd if="$IMAGE" of="$WORK/disk" bs=1M seek=1 conv=notrunc,sparse status=none
	"$UBTRFS" restore --partition 1 "$WORK/disk" "$WORK/part" >/dev/null
	cmp "$WORK/part/dir/noise" "$ORIGINAL/dir/noise"
	"$UBTRFS" restore --offset 1M "$WORK/disk" "$WORK/offset" >/dev/null
	cmp "$WORK/offset/dir/noise" "$ORIGINAL/dir/noise"
}

kernel_image_again()
{
	rm -r "$ORIGINAL"
	kernel_image
}

@test "the root of a subvolume's tree gone: everything below it is found" {
	truncate -s 300M "$IMAGE"
	mkfs.btrfs -q -n 4096 "$IMAGE"
	image_mount "$MNT" noatime "$IMAGE"
	mkdir "$MNT/many"
	for i in $(seq 300); do echo "$i" >"$MNT/many/file-$i"; done
	sync -f "$MNT"
	image_umount "$MNT"
	root=$(btrfs inspect-internal dump-tree -t 5 "$IMAGE" | awk '/^node / { print $2; exit }')
	[ -n "$root" ]
	for at in $(phys "$root"); do noise "$IMAGE" "$at" 4096; done
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[[ "$output" == *"tree 5: tree block $root: wrong checksum"* ]]
	[ "$(ls "$OUT/many" | wc -l)" -eq 300 ]
	for i in $(seq 300); do [ "$(cat "$OUT/many/file-$i")" = "$i" ]; done
	# The extent tree says which blocks are of the state that is lost: files inside one are whole.
	[ "$(grep -c 'file-.*damaged' <<<"$output")" -lt 150 ]
}
