# Questions about images of ours: filesystem, subvolume, inspect-internal. What btrfs-progs answers is compared in
# test/interop/questions.bats.
load cli_lib.bash

setup()
{
	cli_setup
	small_tree src
	mkdir -p src/sub/inner
	head -c 300000 /dev/urandom >src/sub/big
	"$UBTRFS" mkfs -q -b 300m -L name -r src -u ro:sub -u sub/inner disk.img
}
teardown() { cli_teardown; }

json() { "$UBTRFS" "$@" --format json | python3 -c "import json, sys; d = json.load(sys.stdin); print($FIELD)"; }

@test "an image alone stands for its top; paths go through subvolumes" {
	same 5 "$("$UBTRFS" inspect-internal rootid disk.img)"
	same 5 "$("$UBTRFS" inspect-internal rootid disk.img:/)"
	id=$("$UBTRFS" inspect-internal rootid disk.img:/sub)
	same sub "$("$UBTRFS" inspect-internal subvolid-resolve "$id" disk.img)"
	inner=$("$UBTRFS" inspect-internal rootid disk.img:/sub/inner)
	same sub/inner "$("$UBTRFS" inspect-internal subvolid-resolve "$inner" disk.img)"
	same disk.img:/sub/big "$("$UBTRFS" inspect-internal inode-resolve 257 disk.img:/sub)"
	same disk.img:/sub "$("$UBTRFS" inspect-internal inode-resolve 256 disk.img:/sub)"
	same disk.img:/sub/big "$("$UBTRFS" inspect-internal inode-resolve 257 disk.img --subvolid "$id")"
}

@test "logical-resolve: data by its files, tree blocks by their trees" {
	local addr root id
	id=$("$UBTRFS" inspect-internal rootid disk.img:/sub)
	addr=$("$UBTRFS" inspect-internal dump-tree -t "$id" disk.img | sed -n 's/.*extent data disk byte \([0-9]*\) nr .*/\1/p' | head -n 1)
	same disk.img:/sub/big "$("$UBTRFS" inspect-internal logical-resolve "$addr" disk.img)"
	same "inode 257 offset 8192 root $id" "$("$UBTRFS" inspect-internal logical-resolve -P $((addr + 8192)) disk.img)"
	same "inode 257 offset 0 root $id" "$("$UBTRFS" inspect-internal logical-resolve -Po $((addr + 8192)) disk.img)"
	FIELD="d['logical-resolve']['inodes'][0]['paths']"
	same "['sub/big']" "$(json inspect-internal logical-resolve "$addr" disk.img)"
	root=$("$UBTRFS" inspect-internal dump-tree -r disk.img | sed -n "s/^file tree key ($id .*) \([0-9]*\) level .*/\1/p")
	same "tree block root $id" "$("$UBTRFS" inspect-internal logical-resolve "$root" disk.img)"
	FIELD="d['logical-resolve']['type'], d['logical-resolve']['roots']"
	same "metadata [$id]" "$(json inspect-internal logical-resolve "$root" disk.img)"
}

@test "filesystem show, df, usage, du: the numbers agree" {
	"$UBTRFS" filesystem show disk.img | grep -q "^Label: 'name'  uuid: "
	FIELD="d['filesystem-show'][0]['devices'][0]['size']"
	same 314572800 "$(json filesystem show disk.img)"
	FIELD="d['filesystem-usage'][0]['device-size'] - d['filesystem-usage'][0]['device-allocated'] - d['filesystem-usage'][0]['device-unallocated']"
	same 0 "$(json filesystem usage disk.img)"
	FIELD="[(s['total'], s['exclusive'], s['set-shared'], s['filename']) for s in d['filesystem-du']]"
	same "[(303104, 303104, 0, 'disk.img:/sub/big')]" "$(json filesystem du disk.img:/sub/big)"
	same 1 "$("$UBTRFS" filesystem du -s --raw disk.img | grep -c ' disk.img:/$')"
}

@test "a label is set, and refused" {
	"$UBTRFS" filesystem label disk.img 'another one'
	same 'another one' "$("$UBTRFS" filesystem label disk.img)"
	"$UBTRFS" filesystem label disk.img ''
	same '' "$("$UBTRFS" filesystem label disk.img)"
	"$UBTRFS" filesystem show disk.img | grep -q '^Label: none  uuid: '
	refused "at most 255 bytes" "$UBTRFS" filesystem label disk.img "$(printf '%256s' x)"
	refused "no newline" "$UBTRFS" filesystem label disk.img $'a\nb'
}

@test "subvolumes" {
	same 2 "$("$UBTRFS" subvolume list disk.img | wc -l)"
	same 'path sub/inner' "$("$UBTRFS" subvolume list -o disk.img:/sub | grep -o 'path .*')"
	same 'path inner' "$("$UBTRFS" subvolume list --sort=path disk.img:/sub | grep -o 'path inner')"
	"$UBTRFS" subvolume show disk.img:/sub | grep -q '^	Flags: 			readonly$'
	uuid=$("$UBTRFS" subvolume show disk.img:/sub | sed -n 's/^\tUUID: \t*//p')
	same "$("$UBTRFS" subvolume show disk.img:/sub)" "$("$UBTRFS" subvolume show -u "$uuid" disk.img)"
	same "ID 5 (FS_TREE)" "$("$UBTRFS" subvolume get-default disk.img)"
	FIELD="[(s['path'], s['readonly']) for s in d['subvolume-list']]"
	same "[('sub', True), ('sub/inner', False)]" "$(json subvolume list disk.img)"
}

@test "refusals" {
	refused "no command given" "$UBTRFS" filesystem
	refused "unknown command" "$UBTRFS" filesystem frob
	refused "is ambiguous" "$UBTRFS" filesystem d
	refused "no image given" "$UBTRFS" filesystem show
	refused "one image or mount is needed" "$UBTRFS" filesystem df
	refused "--frob" "$UBTRFS" filesystem usage --frob disk.img
	refused "neither text nor json" "$UBTRFS" filesystem df --format xml disk.img
	refused "no extent lies" "$UBTRFS" inspect-internal logical-resolve 4096 disk.img
	refused "'x' is no number" "$UBTRFS" inspect-internal logical-resolve x disk.img
	refused "no name for inode 99999" "$UBTRFS" inspect-internal inode-resolve 99999 disk.img
	refused "tree 7 is no subvolume" "$UBTRFS" inspect-internal subvolid-resolve 7 disk.img
	refused "no tree 999" "$UBTRFS" inspect-internal subvolid-resolve 999 disk.img
	refused "no tree 999" "$UBTRFS" inspect-internal tree-stats -t 999 disk.img
	refused "no device 7" "$UBTRFS" inspect-internal min-dev-size --id 7 disk.img
	refused "unknown sort key: foo" "$UBTRFS" inspect-internal list-chunks --sort devid,foo disk.img
	refused "is not a subvolume" "$UBTRFS" subvolume show disk.img:/sub/big
	refused "exclude each other" "$UBTRFS" subvolume show -r 5 -u 00000000-0000-0000-0000-000000000001 disk.img
	refused "no subvolume with that uuid" "$UBTRFS" subvolume show -u 00000000-0000-0000-0000-000000000001 disk.img
	refused "none of gen, ogen, rootid, path" "$UBTRFS" subvolume list --sort=size disk.img
	refused "'+x' is no generation" "$UBTRFS" subvolume list -G +x disk.img
	refused "nosuch" "$UBTRFS" filesystem du disk.img:/nosuch
}
