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
	as_btrfs dump-super -i 1 disk.img
	as_btrfs dump-super --bytenr 67108864 disk.img
	as_btrfs dump-super -s 67108864 disk.img
	as_btrfs dump-super -f disk.img other.img
	head -c 1M /dev/zero >zero
	as_btrfs dump-super -F zero
}

@test "dump-tree: everything, and each choice" {
	"$UBTRFS" mkfs -q -r src --compress zstd -u ro:dir disk.img
	as_btrfs dump-tree disk.img
	local choice
	for choice in -e -d -r -R -u '-t fs' '-t 5' '-t extent' '-t EXTENT_TREE' '-t chunk' '-t root' '-t dev' '-t csum' '-t uuid' \
		      '-t free-space' '-t block-group' '-t 256' --bfs --dfs --csum-headers --csum-items '-e --dfs' '-e -d' '-u -e' \
		      '-d -t fs' '-r -u' '-t BTRFS_FS_TREE' '--noscan -t fs' '-e -r' '-R -t fs'; do
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
	as_btrfs dump-tree -b "$root" --follow --dfs disk.img
	as_btrfs dump-tree -b "$root" --follow -e disk.img
	local others
	others=$("$UBTRFS" inspect-internal dump-tree -t fs disk.img | sed -n 's/^leaf \([0-9]*\) items.*/-b \1/p' | sed -n '3p;1p;5p')
	as_btrfs dump-tree $others -b "$root" disk.img
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

# change_leaf ADDRESS BYTE VALUE: one byte of a tree block and its checksum, in every copy of it.
change_leaf()
{
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$ROOT/test/interop python3 - "$@" <<-'PY'
		import struct, sys, crafted_leaf
		address, byte, value = map(int, sys.argv[1:])
		data, nr = bytearray(open('disk.img', 'rb').read()), 0
		for at in range(0, len(data) - 16384, 4096):
		    if struct.unpack_from('<Q', data, at + 48)[0] == address and data[at + 63] == 1:
		        data[at + byte] = value
		        data[at:at + 4] = struct.pack('<I', crafted_leaf.crc32c(data[at + 32:at + 16384]))
		        nr += 1
		open('disk.img', 'r+b').write(data)
		sys.exit(nr == 0)
	PY
}

@test "a block that its parent does not expect is told; one of another level is not shown, any other is" {
	mkdir src/many
	(cd src/many && seq 1 3000 | sed 's/^/a-name-that-takes-some-room-/' | xargs touch)
	"$UBTRFS" mkfs -q -r src good.img
	local leaf choice
	leaf=$("$UBTRFS" inspect-internal dump-tree -t fs good.img | sed -n 's/^leaf \([0-9]*\) items.*/\1/p' | sed -n 3p)
	"$UBTRFS" inspect-internal dump-tree -t fs good.img | grep -v '^leaf\|^ubtrfs' >good
	for choice in '80 99 has generation 99' '101 0 does not begin with the key of its parent' '100 3 has level 3'; do
		cp good.img disk.img
		change_leaf "$leaf" $(cut -d' ' -f1-2 <<<"$choice")
		code=0
		"$UBTRFS" inspect-internal dump-tree -t fs disk.img >out 2>errors || code=$?
		same 1 $code
		grep -q "^ERROR: tree block $leaf $(cut -d' ' -f3- <<<"$choice")" out
		grep -q "^ERROR: tree block $leaf " errors
		[ "$(grep -c '^leaf .* items' out)" -ge 10 ]
		same $((3 != $(cut -d' ' -f2 <<<"$choice"))) "$(grep -c "^leaf $leaf items" out)"
	done
	# A good copy is found.
	"$UBTRFS" mkfs -q -f -m dup -r src disk.img
	leaf=$("$UBTRFS" inspect-internal dump-tree -t fs disk.img | sed -n 's/^leaf \([0-9]*\) items.*/\1/p' | sed -n 3p)
	"$UBTRFS" inspect-internal dump-tree disk.img >before
	python3 - "$leaf" <<-'PY'
		import sys
		data, leaf = open('disk.img', 'rb').read(), int(sys.argv[1]).to_bytes(8, 'little')
		at = next(i for i in range(0, len(data), 4096) if data[i + 48:i + 56] == leaf)
		with open('disk.img', 'r+b') as f:
		    f.seek(at + 2000)
		    f.write(b'Z' * 9)
	PY
	"$UBTRFS" inspect-internal dump-tree disk.img | diff - before
}

# as_json PYTHON ARGUMENTS...: what inspect-internal gives with these as JSON is `d`, and the lines of Python hold.
as_json()
{
	local check=$1
	shift
	"$UBTRFS" inspect-internal "$@" --format json >json || return 1
	python3 - <<-PY
		import json
		d = json.load(open('json', 'rb'))
		assert d['__header'] == {'version': '1'}, d['__header']
		$check
	PY
}

@test "--format json: the trees" {
	printf 'x' >src/$'odd \xff name'
	"$UBTRFS" mkfs -q -n 4k -r src --compress zstd -u ro:dir disk.img
	"$UBTRFS" inspect-internal dump-tree --csum-items disk.img >text
	as_json "
d = d['dump-tree']
titles = [t['title'] for t in d['trees']]
assert titles[:3] == ['root', 'chunk', 'extent'] and 'fs' in titles and 'file' in titles, titles
fs = next(t for t in d['trees'] if t['title'] == 'fs')
assert fs['key'] == {'objectid': 5, 'type': 132, 'type_name': 'ROOT_ITEM', 'offset': 0}, fs['key']
assert fs['level'] == fs['nodes'][0]['level'] > 0 and fs['nodes'][0]['bytenr'] == fs['bytenr']
assert fs['nodes'][0]['ptrs'][0]['blockptr'] in [n['bytenr'] for n in fs['nodes']]
assert all(len(n.get('items', n.get('ptrs'))) == n['nritems'] for n in fs['nodes'])
items = [i for n in fs['nodes'] for i in n.get('items', [])]
odd = [e for i in items for e in i['data'].get('entries', []) if 'name_hex' in e]
assert [bytes.fromhex(e['name_hex']) for e in odd] == [b'odd \\xff name'] * 2, odd
assert odd[0]['name'] == 'odd \\ufffd name'
assert any(i['key']['type_name'] == 'INODE_ITEM' and i['data']['mtime']['sec'] > 0 for i in items)
" dump-tree disk.img
	# The same items as the text has, in the other order too.
	as_json "
text = open('text').read()
assert text.count('\\titem ') == sum(len(n.get('items', [])) for t in d['dump-tree']['trees'] for n in t['nodes'])
csum = next(t for t in d['dump-tree']['trees'] if t['title'] == 'checksum')
item = csum['nodes'][-1]['items'][0]['data']
assert '[%d] 0x%s' % (item['start'], item['csums'][0]) in text
" dump-tree --csum-items --dfs disk.img
	as_json "assert all('nodes' not in t for t in d['dump-tree']['trees']) and len(d['dump-tree']['backup_roots']) == 4" \
		dump-tree -R disk.img
	as_json "assert 'odd' not in open('json').read() and 'HIDDEN' in open('json').read()" dump-tree --hide-names -t fs disk.img
	as_json "assert d['dump-tree']['nodes'][0]['items']" \
		dump-tree -b "$(sed -n '/^chunk tree/,$s/^leaf \([0-9]*\) items.*/\1/p' text | head -n 1)" disk.img
}

@test "--format json: damage, and what is not there" {
	"$UBTRFS" mkfs -q -b 128m disk.img
	head -c 1M /dev/zero >zero
	code=0
	"$UBTRFS" inspect-internal dump-tree --format json -b 4096 disk.img >json || code=$?
	same 1 $code
	python3 -c "import json; n = json.load(open('json'))['dump-tree']['nodes']; assert n[0]['bytenr'] == 4096 and 'no chunk' in n[0]['error'], n"
	code=0
	"$UBTRFS" inspect-internal dump-tree --format json -t 300 disk.img >json || code=$?
	same 1 $code
	python3 -c "import json; assert json.load(open('json'))['dump-tree']['trees'] == []"
	code=0
	"$UBTRFS" inspect-internal dump-super --format json zero disk.img >json || code=$?
	same 1 $code
	python3 -c "import json; assert [s['device'] for s in json.load(open('json'))['dump-super']] == ['disk.img']"
}

@test "--format json: superblocks" {
	"$UBTRFS" mkfs -q -b 200m -L 'la"bel' --csum sha256 disk.img
	as_json "
s, t = d['dump-super']
assert s['offset'] == s['bytenr'] == 65536 and t['bytenr'] == 67108864
assert s['label'] == 'la' + chr(34) + 'bel' and s['csum_match'] and s['magic_match'] and len(s['csum']) == 64
assert s['dev_item']['devid'] == 1 and s['dev_item']['total_bytes'] == s['total_bytes'] == 200 << 20
assert 'SKINNY_METADATA' in s['incompat_names'] and s['sys_chunks'][0]['stripes'][0]['devid'] == 1
assert len(s['super_roots']) == 4 and s['root'] in [b['tree_root'] for b in s['super_roots']]
" dump-super -fa disk.img
	as_json "assert 'sys_chunks' not in d['dump-super'][0] and 'super_roots' not in d['dump-super'][0]" dump-super disk.img
}

@test "refusals" {
	"$UBTRFS" mkfs -q -b 128m disk.img
	head -c 1M /dev/zero >zero
	refused "no command given" "$UBTRFS" inspect-internal
	refused "unknown command" "$UBTRFS" inspect-internal frob
	refused "--super: 'x'" "$UBTRFS" inspect-internal dump-super -s x disk.img
	refused "--bytenr: '1k'" "$UBTRFS" inspect-internal dump-super --bytenr 1k disk.img
	refused "ends before the superblock at 18446744073709551615" \
		"$UBTRFS" inspect-internal dump-super --bytenr 18446744073709551615 disk.img
	refused "--format: 'xml'" "$UBTRFS" inspect-internal dump-super --format xml disk.img
	refused "--format: 'xml'" "$UBTRFS" inspect-internal dump-tree --format xml disk.img
	refused "ends before the superblock at 274877906944" "$UBTRFS" inspect-internal dump-super -s 2 disk.img
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
