# --shrink: the smallest file that holds the result, whatever the starting size; it still mounts, is written to, and grows.
source "$ROOT/test/interop/lib.bash"

UUID=a1b2c3d4-0000-4000-8000-000000000003
WHEN=1700000000

setup()
{
	judge_setup
}

teardown()
{
	judge_teardown
}

# plain_tree DIR: what mkfs.btrfs of btrfs-progs copies well too: no holes, no xattrs, no odd names.
plain_tree()
{
	python3 "$HERE/nasty_tree.py" "$WORK/nasty"
	mkdir "$1"
	mv "$WORK/nasty/contents" "$WORK/nasty/wide" "$WORK/nasty/deep" "$1"
	rm -rf "$WORK/nasty"
}

small_tree()
{
	python3 "$HERE/nasty_tree.py" --size small "$1"
	python3 "$HERE/nasty_tree.py" --size small --tune "$1"
}

# no_empty_group FILE...: every block group holds something.
no_empty_group()
{
	local dump
	dump=$(btrfs inspect-internal dump-tree "$@" 2>&1 | awk '
		/ BLOCK_GROUP_ITEM / { key = $0; wanted = 1; nr++; next }
		wanted && /block group used/ { if ($4 == 0) { print "empty:" key; bad = 1 } wanted = 0 }
		END { if (!nr) print "no block group at all" }')
	[ -z "$dump" ] && return 0
	echo "$dump"
	return 1
}

# not_larger TREE OPTION...: ours against mkfs.btrfs with the same options. Its result depends on where it starts: a file of its own
# choice, and one of 1 GiB; the smaller counts.
not_larger()
{
	local tree=$1 ours theirs
	shift
	rm -f "$WORK/ours.img" "$WORK/theirs.img"
	make_image --rootdir "$tree" --shrink "$@" "$WORK/ours.img" || return 1
	mkfs.btrfs -q -f --rootdir "$tree" --shrink -O block-group-tree "$@" "$WORK/theirs.img" || return 1
	theirs=$(stat -c %s "$WORK/theirs.img")
	rm "$WORK/theirs.img"
	truncate -s "${START:-1G}" "$WORK/theirs.img"
	mkfs.btrfs -q -f --rootdir "$tree" --shrink -O block-group-tree "$@" "$WORK/theirs.img" || return 1
	ours=$(stat -c %s "$WORK/ours.img")
	[ "$theirs" -lt "$(stat -c %s "$WORK/theirs.img")" ] || theirs=$(stat -c %s "$WORK/theirs.img")
	no_empty_group "$WORK/ours.img" || return 1
	check_clean "$WORK/ours.img" || return 1
	echo "# --shrink $*: $ours bytes, mkfs.btrfs $theirs" >&3
	[ "$ours" -le "$theirs" ]
}

@test "not larger than mkfs.btrfs --shrink with the same options" {
	plain_tree "$WORK/src"
	not_larger "$WORK/src"
	not_larger "$WORK/src" -m single
	not_larger "$WORK/src" --compress zstd
	not_larger "$WORK/src" --compress zlib:9 -n 4096
	not_larger "$WORK/src" --compress lzo --csum sha256 -d dup
	not_larger "$WORK/src" -n 65536 --csum blake2
}

@test "not larger for a few bytes, for nothing, for one large file" {
	mkdir "$WORK/few" "$WORK/none" "$WORK/one"
	echo few >"$WORK/few/file"
	head -c 50000000 /dev/urandom >"$WORK/one/file"
	not_larger "$WORK/few"
	not_larger "$WORK/none"
	not_larger "$WORK/one"
	not_larger "$WORK/one" -m single -d single
}

@test "the starting size does not matter" {
	local size
	small_tree "$WORK/src"
	make_image -U $UUID --timestamp $WHEN --rootdir "$WORK/src" --shrink "$WORK/a.img"
	for size in 512M 1G 8G 40G; do
		make_image -U $UUID --timestamp $WHEN -b $size --rootdir "$WORK/src" --shrink "$WORK/b.img"
		cmp "$WORK/a.img" "$WORK/b.img"
		rm "$WORK/b.img"
	done
	# A file that stands there already, larger than needed.
	truncate -s 3G "$WORK/b.img"
	make_image -U $UUID --timestamp $WHEN --rootdir "$WORK/src" --shrink "$WORK/b.img"
	cmp "$WORK/a.img" "$WORK/b.img"
}

@test "it mounts, is written to, grows, is clean" {
	local options before
	small_tree "$WORK/src"
	for options in '' '--compress zstd' '-m single' '-d dup' '-O ^block-group-tree,^free-space-tree' '-n 32768 --csum xxhash'; do
		# shellcheck disable=SC2086 # several words
		make_image --rootdir "$WORK/src" --shrink $options "$WORK/a.img"
		no_empty_group "$WORK/a.img"
		check_clean "$WORK/a.img"
		before=$(stat -c %s "$WORK/a.img")
		truncate -s 3G "$WORK/a.img"
		kernel_mark
		image_mount "$MNT" noatime "$WORK/a.img"
		same_tree "$WORK/src" "$MNT"
		touch "$MNT/written-before-it-grows" && sync -f "$MNT" && rm "$MNT/written-before-it-grows"
		[ "$(btrfs filesystem usage -b "$MNT" | awk '/Device size:/ { print $3 }')" -le "$before" ]
		btrfs filesystem resize max "$MNT" >/dev/null
		kernel_goes_on "$MNT"
		kernel_quiet "${JUDGE_DEVICES[@]}"
		image_umount "$MNT"
		check_clean "$WORK/a.img"
		rm "$WORK/a.img"
	done
}

@test "a shrunk image of mixed groups" {
	python3 "$HERE/nasty_tree.py" --size small "$WORK/src"
	make_image --rootdir "$WORK/src" --shrink -M "$WORK/a.img"
	no_empty_group "$WORK/a.img"
	check_clean "$WORK/a.img"
	image_mount "$MNT" noatime "$WORK/a.img"
	same_tree "$WORK/src" "$MNT"
}

@test "several devices shrink too" {
	small_tree "$WORK/src"
	make_image --rootdir "$WORK/src" --shrink -d raid0 -m raid1 "$WORK/a.img" "$WORK/b.img"
	no_empty_group "$WORK/a.img" "$WORK/b.img"
	check_clean "$WORK/a.img" "$WORK/b.img"
	[ "$(stat -c %s "$WORK/a.img")" -lt 200000000 ]
	truncate -s 3G "$WORK/a.img" "$WORK/b.img"
	kernel_mark
	image_mount "$MNT" noatime "$WORK/a.img" "$WORK/b.img"
	same_tree "$WORK/src" "$MNT"
	btrfs filesystem resize 1:max "$MNT" >/dev/null
	btrfs filesystem resize 2:max "$MNT" >/dev/null
	kernel_goes_on "$MNT"
	kernel_quiet "${JUDGE_DEVICES[@]}"
	image_umount "$MNT"
	check_clean "$WORK/a.img" "$WORK/b.img"
}

@test "the Linux source (full run), or our own: not larger, and the starting size does not matter" {
	local archive tree=$WORK/tree
	mkdir "$tree"
	if [ -n "$FULL" ]; then
		archive=$(find /usr/src -maxdepth 1 -name 'linux-source-*.tar.*' | sort | tail -n 1)
		[ -n "$archive" ] || skip 'the package linux-source is not installed'
		tar -xf "$archive" -C "$tree"
	else
		cp -a "$ROOT/src" "$ROOT/test" "$ROOT/include" "$tree"
	fi
	START=6G not_larger "$tree"
	START=6G not_larger "$tree" --compress zstd
	rm "$WORK"/*.img
	make_image -U $UUID --timestamp $WHEN --rootdir "$tree" --shrink "$WORK/a.img"
	make_image -U $UUID --timestamp $WHEN -b 20G --rootdir "$tree" --shrink "$WORK/b.img"
	cmp "$WORK/a.img" "$WORK/b.img"
}

# Moving many tree blocks counts a worst case far above what it needs; a chunk that was made for it stayed, 8 TiB from the start.
@test "large trees of space: no chunk for the worst case of moving them stays" {
	mkdir "$WORK/src"
	head -c 250M /dev/zero >"$WORK/src/zeros"
	make_image --rootdir "$WORK/src" --shrink --csum sha256 -n 4096 "$WORK/a.img"
	no_empty_group "$WORK/a.img"
	[ "$(stat -c %s "$WORK/a.img")" -lt $((280 << 20)) ]
	check_clean "$WORK/a.img"
}
