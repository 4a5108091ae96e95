# ls, stat, tree and cat: paths inside an image, and what is shown of them.
load cli_lib.bash

setup()
{
	cli_setup
	small_tree src
	"$UBTRFS" mkfs -q -r src disk.img
}
teardown() { cli_teardown; }

@test "a path is IMAGE:/PATH, and an image with a colon gets ./ before" {
	same hello "$("$UBTRFS" cat disk.img:/file)"
	same hello "$("$UBTRFS" cat disk.img:file)"
	same hello "$("$UBTRFS" cat ./disk.img:/file)"
	same hello "$("$UBTRFS" cat "$PWD/disk.img:/dir/../file")"
	same a "$("$UBTRFS" cat disk.img:/with:colon)"
	same a "$("$UBTRFS" cat ./disk.img:/with:colon)"
	ln disk.img di:sk.img
	same hello "$("$UBTRFS" cat ./di:sk.img:/file)"
	refused "di" "$UBTRFS" cat di:sk.img:/file
}

@test "what is no such path is refused" {
	refused "write IMAGE:/PATH" "$UBTRFS" ls disk.img
	refused "no image before the colon" "$UBTRFS" ls :/file
	refused "the top is disk.img:/" "$UBTRFS" ls disk.img:
	refused "disk.img:/nosuch" "$UBTRFS" ls disk.img:/nosuch
	refused "nosuch.img" "$UBTRFS" ls nosuch.img:/
	refused "src" "$UBTRFS" ls src/file:/
	for command in ls stat tree cat; do
		refused "$command: no IMAGE:/PATH given" "$UBTRFS" $command
		refused "--frob" "$UBTRFS" $command --frob disk.img:/
		refused "-Z" "$UBTRFS" $command -Z disk.img:/
	done
}

@test "the rest is shown when one of several is not there" {
	run "$UBTRFS" cat disk.img:/nosuch disk.img:/file
	[ "$status" -eq 1 ]
	[[ "$output" == *nosuch*hello ]]
}

@test "ls: names in order, hidden ones with -a" {
	same "$(ls src)" "$("$UBTRFS" ls disk.img:/)"
	same "$(ls -A src)" "$("$UBTRFS" ls -a disk.img:/)"
	same "$(ls src/dir)" "$("$UBTRFS" ls disk.img:/dirlink)"
	same "disk.img:/file" "$("$UBTRFS" ls disk.img:/file)"
}

@test "ls -R: as ls" {
	same "$(cd src && ls -R . | sed 's,^\.\(.*\):$,disk.img:/\1:,; s,//,/,')" "$("$UBTRFS" ls -R disk.img:/)"
}

@test "ls -l: as ls" {
	if [ "$(id -u)" = 0 ]; then
		mknod src/node c 5 300
		chmod 2640 src/node
	fi
	"$UBTRFS" mkfs -q -f -r src disk.img
	# A directory of btrfs has one link, and a size of its own.
	same "$(ls -ln --time-style=long-iso src | tail -n +2 | grep -v ^d | tr -s ' ')" \
	     "$("$UBTRFS" ls -l disk.img:/ | grep -v ^d | tr -s ' ')"
	same "$(ls -ln --time-style=long-iso src/dir | tail -n +2 | grep -v ^d | tr -s ' ')" \
	     "$("$UBTRFS" ls -l disk.img:/dir | grep -v ^d | tr -s ' ')"
	"$UBTRFS" ls -l disk.img:/ | grep -q '^drwxrwxrwt 1 \|^drwxrwxrwt   1 '
	# With -l a symlink is shown itself, unless a slash says otherwise.
	"$UBTRFS" ls -l disk.img:/dirlink | grep -q ' disk.img:/dirlink -> dir$'
	same "$("$UBTRFS" ls -l disk.img:/dir)" "$("$UBTRFS" ls -l disk.img:/dirlink/)"
}

@test "stat: what stat knows, and what btrfs knows" {
	"$UBTRFS" stat disk.img:/file >out
	local field
	for field in %s:Size %h:Links; do
		same "$(stat -c ${field%:*} src/file)" "$(grep -oE "${field#*:}: [0-9]+" out | awk '{ print $2 }')"
	done
	grep -q "^Access: (0$(stat -c %a src/file)/$(stat -c %A src/file))  Uid: $(stat -c %u src/file) *Gid: $(stat -c %g src/file)" out
	grep -qx 'Modify: 2001-02-03 04:05:06.123456789 +0000' out
	grep -qE '^Subvol: 5 +' out
	grep -qE '^   Gen: [0-9]+$' out
	grep -qE '^ Flags: 0x' out
	"$UBTRFS" stat disk.img:/dir/sub | grep -qx 'Modify: 1969-12-31 23:59:58.500000000 +0000'
	"$UBTRFS" stat disk.img:/link | grep -q 'File: disk.img:/link -> file'
	"$UBTRFS" stat -L disk.img:/link | grep -q 'regular file'
	"$UBTRFS" stat disk.img:/dir/sub/fifo | grep -q ' fifo$'
	# Holes take no space.
	[ "$("$UBTRFS" stat disk.img:/dir/sparse | grep -oE 'Blocks: [0-9]+' | awk '{ print $2 }')" -le 8 ]
}

@test "tree: drawn in ASCII, with -d and -L" {
	same "$(printf '%s\n' 'disk.img:/' '|-- dangling -> nowhere' '|-- dir' '|   |-- big' '|   |-- hard' '|   |-- sparse' \
		'|   `-- sub' '|       `-- fifo' '|-- dirlink -> dir' '|-- empty' '|-- file' '|-- link -> file' '`-- with:colon' '' \
		'3 directories, 9 files')" "$("$UBTRFS" tree disk.img:/)"
	same "$(printf '%s\n' 'disk.img:/' '|-- dir' '`-- empty' '' '2 directories')" "$("$UBTRFS" tree -d -L1 disk.img:/)"
	"$UBTRFS" tree -a disk.img:/ | grep -qx '|-- .hidden'
	refused "-L: '0'" "$UBTRFS" tree -L 0 disk.img:/
}

@test "tree: box characters in a UTF-8 locale" {
	locale -a | grep -qi '^C.utf' || skip "no UTF-8 locale"
	LC_ALL=C.UTF-8 "$UBTRFS" tree disk.img:/ | grep -q '^├── dir$'
}

@test "cat: contents of every kind of file, in order" {
	"$UBTRFS" cat disk.img:/dir/big disk.img:/file | cmp - <(cat src/dir/big src/file)
	"$UBTRFS" cat disk.img:/dir/sparse | cmp - src/dir/sparse
	same hello "$("$UBTRFS" cat disk.img:/link)"
	refused "is a directory" "$UBTRFS" cat disk.img:/dir
	refused "not a regular file" "$UBTRFS" cat disk.img:/dir/sub/fifo
	run bash -c '"$UBTRFS" cat disk.img:/dir/big >/dev/full'
	[ "$status" -eq 1 ]
	[[ "$output" == "ERROR: disk.img:/dir/big: cannot write"* ]]
}

@test "cat: a bad checksum is an error, not bytes" {
	local at
	at=$(grep -abo '10000' disk.img | head -1 | cut -d: -f1)
	printf 'Z' | dd of=disk.img bs=1 seek="$at" conv=notrunc status=none
	run "$UBTRFS" cat disk.img:/dir/big
	[ "$status" -eq 1 ]
	[[ "$output" == *"ERROR: disk.img:/dir/big"* ]]
}

@test "a filesystem over several files is named by one and --device for the others" {
	"$UBTRFS" mkfs -q -r src -d raid0 -m raid1 1.img 2.img
	# Names are on both, contents are not.
	same "$(ls src)" "$("$UBTRFS" ls --noscan 1.img:/ 2>warned)"
	same "WARNING: 1.img: device 2 is missing" "$(cat warned)"
	run "$UBTRFS" cat --noscan 1.img:/dir/big
	[ "$status" -eq 1 ]
	[[ "$output" == *"ERROR: 1.img:/dir/big"* ]]
	same "$(ls src)" "$("$UBTRFS" ls --device 2.img 1.img:/)"
	"$UBTRFS" cat --device 2.img 1.img:/dir/big | cmp - src/dir/big
}
