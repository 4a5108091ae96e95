# dump-super and dump-tree: line by line what btrfs-progs prints, of images of ours.
load cli_lib.bash

setup()
{
	cli_setup
	small_tree src
	cp -r "$ROOT/docs" "$ROOT/include" src
}
teardown() { cli_teardown; }

# as_btrfs ARGUMENTS...: the same from both programs.
as_btrfs()
{
	command -v btrfs >/dev/null || skip "no btrfs-progs to compare with"
	"$UBTRFS" inspect-internal "$@" >ours || return 1
	[ -s ours ] || return 1
	diff <(btrfs inspect-internal "$@" | grep -v '^btrfs-progs v') <(grep -v '^ubtrfs v' ours)
}

@test "dump-super" {
	"$UBTRFS" mkfs -q -b 200m -L label disk.img
	"$UBTRFS" mkfs -q --csum blake2 -r src other.img
	as_btrfs dump-super disk.img
	as_btrfs dump-super -f disk.img
	as_btrfs dump-super -fa disk.img
	as_btrfs dump-super -s 1 disk.img
	as_btrfs dump-super -f disk.img other.img
	head -c 1M /dev/zero >zero
	as_btrfs dump-super -F zero
}

@test "dump-tree: everything, and each choice" {
	"$UBTRFS" mkfs -q -r src --compress zstd -u ro:dir disk.img
	as_btrfs dump-tree disk.img
	local choice
	for choice in -e -d -r -R -u '-t fs' '-t 5' '-t extent' '-t EXTENT_TREE' '-t chunk' '-t root' '-t dev' '-t csum' '-t uuid' \
		      '-t free-space' '-t block-group' '-t 256'; do
		as_btrfs dump-tree $choice disk.img || { echo "with $choice"; false; }
	done
}

@test "dump-tree: trees of several levels, other sizes and profiles" {
	mkdir src/many
	(cd src/many && seq 1 3000 | sed 's/^/a-name-that-takes-some-room-/' | xargs touch)
	"$UBTRFS" mkfs -q -n 4k --csum sha256 -O ^block-group-tree -r src disk.img
	as_btrfs dump-tree disk.img
	"$UBTRFS" inspect-internal dump-tree -t fs disk.img | grep -q '^node .* level 2 '
	"$UBTRFS" mkfs -q -M -r src mixed.img
	as_btrfs dump-tree mixed.img
	"$UBTRFS" mkfs -q -r src -m raid1 -d raid0 1.img 2.img
	as_btrfs dump-tree 1.img 2.img
}

@test "dump-tree -b: one block, and with --follow what is below" {
	mkdir src/many
	(cd src/many && seq 1 3000 | sed 's/^/a-name-that-takes-some-room-/' | xargs touch)
	"$UBTRFS" mkfs -q -r src disk.img
	local root
	root=$("$UBTRFS" inspect-internal dump-tree -r disk.img | sed -n 's/^fs tree key .*) \([0-9]*\) level 1$/\1/p')
	[ -n "$root" ]
	as_btrfs dump-tree -b "$root" disk.img
	as_btrfs dump-tree -b "$root" --follow disk.img
}

@test "a damaged block is told in its place, and the rest is shown" {
	mkdir src/many
	(cd src/many && seq 1 3000 | sed 's/^/a-name-that-takes-some-room-/' | xargs touch)
	"$UBTRFS" mkfs -q -m single -r src disk.img
	local leaf at
	leaf=$("$UBTRFS" inspect-internal dump-tree -t fs disk.img | sed -n 's/^leaf \([0-9]*\) items.*/\1/p' | sed -n 3p)
	at=$(python3 - "$leaf" <<-'PY'
		import sys
		data, leaf = open('disk.img', 'rb').read(), int(sys.argv[1]).to_bytes(8, 'little')
		at = data.find(leaf, 0)
		while at < 48 or (at - 48) % 4096:
		    at = data.find(leaf, at + 1)
		print(at - 48)
	PY
	)
	printf 'Z' | dd of=disk.img bs=1 seek=$((at + 2000)) conv=notrunc status=none
	code=0
	"$UBTRFS" inspect-internal dump-tree -t fs disk.img >out 2>errors || code=$?
	same 1 $code
	grep -q "^ERROR: tree block $leaf " out
	grep -q "^ERROR: tree block $leaf " errors
	grep -q '^total bytes' out
	[ "$(grep -c '^leaf .* items' out)" -gt 5 ]
}

@test "refusals" {
	"$UBTRFS" mkfs -q -b 128m disk.img
	head -c 1M /dev/zero >zero
	refused "no command given" "$UBTRFS" inspect-internal
	refused "unknown command" "$UBTRFS" inspect-internal frob
	refused "--super: '3'" "$UBTRFS" inspect-internal dump-super -s 3 disk.img
	refused "ends before superblock copy 2" "$UBTRFS" inspect-internal dump-super -s 2 disk.img
	refused "--force" "$UBTRFS" inspect-internal dump-super zero
	refused "nosuch" "$UBTRFS" inspect-internal dump-super nosuch
	refused "--frob" "$UBTRFS" inspect-internal dump-super --frob disk.img
	refused "--tree: 'foo'" "$UBTRFS" inspect-internal dump-tree -t foo disk.img
	refused "--block: 'foo'" "$UBTRFS" inspect-internal dump-tree -b foo disk.img
	refused "--follow must be used with --block" "$UBTRFS" inspect-internal dump-tree --follow disk.img
	refused "zero" "$UBTRFS" inspect-internal dump-tree zero
	run "$UBTRFS" inspect-internal dump-tree -t 300 disk.img
	[ "$status" -eq 1 ]
	[[ "$output" == *"ERROR: disk.img has no tree 300" ]]
	run "$UBTRFS" inspect-internal dump-tree -b 12345 disk.img
	[ "$status" -eq 1 ]
	[[ "$output" == *"not aligned"* ]]
}
