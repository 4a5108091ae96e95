# Equal input gives an equal file: whatever the threads, the order of readdir, the run, the names of files, the zone, the umask.
source "$ROOT/test/interop/lib.bash"

UUID=a1b2c3d4-0000-4000-8000-000000000002
WHEN=1700000000

setup()
{
	judge_setup
	local size=small
	[ -z "$FULL" ] || size=normal
	python3 "$HERE/nasty_tree.py" --size $size "$WORK/src"
	python3 "$HERE/nasty_tree.py" --size $size --tune "$WORK/src"
	python3 "$HERE/nasty_tree.py" --shuffle 5 "$WORK/src" "$WORK/other"
	# Reading and linking leave other times of access and change.
	touch -a "$WORK/other/contents/text-4096"
}

teardown()
{
	judge_teardown
}

# both ARGUMENT...: two builds; cmp; clean. The second differs in all that must not matter.
both()
{
	cd "$WORK"
	make_image -U $UUID --timestamp $WHEN -j 1 --rootdir src "$@" a.img || return 1
	mkdir -p elsewhere
	(
		cd elsewhere
		umask 077
		export TZ=Asia/Kathmandu LC_ALL=C SOURCE_DATE_EPOCH=$WHEN
		make_image --rootdir "$WORK/other" "$@" -j 4 -U $UUID other-name.img
	) || return 1
	differ_not a.img elsewhere/other-name.img || return 1
	check_clean a.img
}

# differ_not A B: with a look at what differs.
differ_not()
{
	cmp "$1" "$2" && return 0
	echo "$(stat -c '%n %s' "$1" "$2")"
	echo "$(cmp -l "$1" "$2" | wc -l) bytes differ; items:"
	diff <(btrfs inspect-internal dump-tree "$1" 2>&1) <(btrfs inspect-internal dump-tree "$2" 2>&1) | head -n 30
	return 1
}

@test "another order of readdir, other threads" {
	# The copy does stand in another order.
	[ "$(ls -U "$WORK/src/wide")" != "$(ls -U "$WORK/other/wide")" ]
	both
}

@test "with zstd" {
	both --compress zstd
}

@test "with zlib and a level" {
	both --compress zlib:7
}

@test "with lzo" {
	both --compress lzo
}

@test "with --shrink" {
	both --shrink
}

@test "with --shrink, zstd, other checksums and nodes" {
	python3 "$HERE/nasty_tree.py" --size small --nodesize 4096 --tune "$WORK/src"
	python3 "$HERE/nasty_tree.py" --size small --nodesize 4096 --tune "$WORK/other"
	both --shrink --compress zstd:9 --csum blake2 -n 4096 -m single
}

@test "with a fixed size, old features, mixed groups" {
	both -b 700M -O ^block-group-tree,^free-space-tree,^no-holes
	rm -rf "$WORK"/*.img "$WORK/elsewhere"
	python3 "$HERE/nasty_tree.py" --size small --nodesize 4096 --tune "$WORK/src"
	python3 "$HERE/nasty_tree.py" --size small --nodesize 4096 --tune "$WORK/other"
	both -M
}

@test "with subvolumes, owners and clamped times" {
	both --subvol ro:contents --subvol default:wide --owner 5:70000 --root-owner 6:7 --clamp-mtime
}

@test "several devices" {
	local i
	cd "$WORK"
	make_image -U $UUID --timestamp $WHEN -j 1 --rootdir src --compress zstd -d raid1 -m raid1c3 a1.img a2.img a3.img
	make_image -U $UUID --timestamp $WHEN -j 3 --rootdir other --compress zstd -d raid1 -m raid1c3 b1.img b2.img b3.img
	for i in 1 2 3; do
		cmp a$i.img b$i.img
	done
	rm b?.img
	check_clean a1.img a2.img a3.img
	rm a?.img
	make_image -U $UUID --timestamp $WHEN -j 1 --rootdir src -d raid0 -m raid10 a1.img a2.img a3.img a4.img
	make_image -U $UUID --timestamp $WHEN -j 4 --rootdir other -d raid0 -m raid10 b1.img b2.img b3.img b4.img
	for i in 1 2 3 4; do
		cmp a$i.img b$i.img
	done
}

@test "from an archive" {
	cd "$WORK"
	tar --format=pax --xattrs --xattrs-include='*' --acls --numeric-owner --sparse -C src -cf a.tar . 2>/dev/null || true
	make_image -U $UUID --timestamp $WHEN -j 1 --compress zstd --from a.tar a.img
	sleep 1.1
	SOURCE_DATE_EPOCH=$WHEN "$UBTRFS" mkfs -U $UUID -j 4 --compress zstd --from - b.img <a.tar
	differ_not a.img b.img
	make_image -U $UUID --timestamp $WHEN -j 1 --shrink --from a.tar --from a.tar c.img
	make_image -U $UUID --timestamp $WHEN -j 4 --shrink --from a.tar --from a.tar d.img
	differ_not c.img d.img
}

@test "an empty filesystem" {
	cd "$WORK"
	make_image -U $UUID --timestamp $WHEN -b 300M a.img
	sleep 1.1
	make_image -U $UUID --timestamp $WHEN -b 300M b.img
	differ_not a.img b.img
}

@test "without -U and a timestamp two filesystems have two identities" {
	cd "$WORK"
	make_image --rootdir src a.img
	make_image --rootdir src b.img
	[ "$(blkid -s UUID -o value a.img)" != "$(blkid -s UUID -o value b.img)" ]
	[ "$(blkid -s UUID_SUB -o value a.img)" != "$(blkid -s UUID_SUB -o value b.img)" ]
}

@test "the timestamp stands where no source tells a time" {
	cd "$WORK"
	SOURCE_DATE_EPOCH=$WHEN "$UBTRFS" mkfs -q -U $UUID --rootdir src --clamp-mtime a.img
	image_mount "$MNT" noatime a.img
	[ "$(find "$MNT" -newermt "@$WHEN" | wc -l)" = 0 ]
	# The same file before and after: earlier times stay.
	[ "$(stat -c %y "$MNT/tuned/xattr")" = "$(stat -c %y src/tuned/xattr)" ]
	[ "$(stat -c %x.%z "$MNT/tuned/xattr")" = "$(stat -c %y.%y "$MNT/tuned/xattr")" ]
}
