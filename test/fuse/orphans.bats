# What lost its name while it was open: a kernel finds what a killed mount of ours left, we what a kernel left, and both delete it.

setup()
{
	. "$ROOT/test/fuse/fuse_lib.bash"
	fuse_setup
}

teardown()
{
	fuse_teardown
}

# orphans IMAGE [TREE]: how many.
orphans()
{
	btrfs inspect-internal dump-tree -t "${2:-5}" "$1" | grep -c 'key (ORPHAN ORPHAN_ITEM' || true
}

# lose DIR COMMAND...: in DIR a file, a big file, one that was renamed over and a directory are held open and lose
# their names; then COMMAND.
lose()
{
	local dir=$1
	shift
	python3 - "$dir" "$@" <<-'END'
		import os, subprocess, sys
		d, command = sys.argv[1], sys.argv[2:]
		held = []
		for name in ("file", "big", "over"):
		    fd = os.open(os.path.join(d, name), os.O_RDWR | os.O_CREAT)
		    for i in range(3000 if name == "big" else 3):
		        os.pwrite(fd, b"x" * 100, i * 8192)
		    held.append(fd)
		os.mkdir(os.path.join(d, "dir"))
		held.append(os.open(os.path.join(d, "dir"), os.O_RDONLY))
		os.sync()
		os.unlink(os.path.join(d, "file"))
		os.unlink(os.path.join(d, "big"))
		with open(os.path.join(d, "stays"), "w") as f:
		    f.write("stays")
		os.rename(os.path.join(d, "stays"), os.path.join(d, "over"))
		os.rmdir(os.path.join(d, "dir"))
		assert os.pread(held[1], 3, 8192 * 2999) == b"xxx"
		fd = os.open(d, os.O_RDONLY)
		subprocess.run(["sync", "-f", d], check=True)
		sys.exit(subprocess.run(command).returncode)
	END
}

@test "the kernel deletes what a killed mount held without a name, and goes on" {
	image_new 1G
	ours_mount
	# A FUSE server is not told of syncfs: the command asks it.
	lose "$M" sh -c '"$1" filesystem sync "$2" && kill -9 "$3"' sh "$UBTRFS" "$M" "$SERVER"
	umount -l "$M" || true
	ours_gone "$SERVER"
	SERVER=
	[ "$(orphans "$IMG")" -eq 4 ]
	check_clean "$IMG"
	kernel_mark
	image_mount "$MNT" noatime "$IMG"
	[ "$(ls "$MNT")" = over ]
	[ "$(cat "$MNT/over")" = stays ]
	echo more >"$MNT/more"
	mv "$MNT/more" "$MNT/over"
	kernel_quiet "${JUDGE_DEVICES[@]}"
	image_umount "$MNT"
	[ "$(orphans "$IMG")" -eq 0 ]
	check_clean "$IMG"
}

@test "what a kernel held without a name is deleted by the first command that writes" {
	truncate -s 1G "$WORK/theirs"
	mkfs.btrfs -q "$WORK/theirs"
	image_mount "$MNT" noatime "$WORK/theirs"
	btrfs -q subvolume create "$MNT/sub"
	# The image as it is at the last commit: that is what a crash leaves.
	lose "$MNT" cp "$WORK/theirs" "$IMG"
	lose "$MNT/sub" cp "$WORK/theirs" "$WORK/two"
	image_umount "$MNT"
	[ "$(orphans "$IMG")" -eq 4 ]
	check_clean "$IMG"
	"$UBTRFS" touch "$IMG:/new"
	[ "$(orphans "$IMG")" -eq 0 ]
	check_clean "$IMG"
	[ "$("$UBTRFS" cat "$IMG:/over")" = stays ]
	# In another subvolume before the first change there.
	IMG=$WORK/two
	[ "$(orphans "$IMG" 256)" -eq 4 ]
	"$UBTRFS" touch "$IMG:/new"
	[ "$(orphans "$IMG" 256)" -eq 4 ]
	"$UBTRFS" touch "$IMG:/sub/new"
	[ "$(orphans "$IMG" 256)" -eq 0 ]
	check_clean "$IMG"
}

# The only copy of a tree block, with that of $1: saved in $WORK/saved, and garbage.
damage()
{
	at=$(btrfs-map-logical -l "$1" "$IMG" | sed -n 's/.*physical \([0-9]*\) .*/\1/p' | head -n 1)
	dd if="$IMG" of="$WORK/saved" bs=16384 count=1 skip="$at" iflag=skip_bytes status=none
	head -c 16384 /dev/urandom | dd of="$IMG" bs=16384 seek="$at" oflag=seek_bytes conv=notrunc status=none
}

@test "one that cannot be read stays for the next opening, with one warning, and the others are deleted" {
	local block at
	truncate -s 1G "$WORK/theirs"
	mkfs.btrfs -q -m single "$WORK/theirs"
	image_mount "$MNT" noatime "$WORK/theirs"
	lose "$MNT" cp "$WORK/theirs" "$IMG"
	image_umount "$MNT"
	# In the middle of the extents of the big one.
	block=$(btrfs inspect-internal dump-tree -t 5 "$IMG" |
		awk '/^leaf/ { leaf = $2; other = 0 } /key \(/ && !/\(258 EXTENT_DATA/ { other = 1 } /^\titem 50 / && !other { print leaf }' |
		sed -n 8p)
	[ -n "$block" ]
	damage "$block"
	"$UBTRFS" touch "$IMG:/new" 2>"$WORK/err"
	cat "$WORK/err"
	[ "$(grep -c 'inode 258 has lost its name and cannot be deleted' "$WORK/err")" -eq 1 ]
	[ "$(wc -l <"$WORK/err")" -eq 1 ]
	"$UBTRFS" touch "$IMG:/more" 2>"$WORK/err"
	[ "$(wc -l <"$WORK/err")" -eq 1 ]
	ours_mount
	echo 'a line' >"$M/by-mount"
	ours_umount
	dd if="$WORK/saved" of="$IMG" bs=16384 seek="$at" oflag=seek_bytes conv=notrunc status=none
	[ "$(orphans "$IMG")" -eq 1 ]
	check_clean "$IMG"
	"$UBTRFS" touch "$IMG:/last"
	[ "$(orphans "$IMG")" -eq 0 ]
	check_clean "$IMG"
	[ "$("$UBTRFS" ls "$IMG:/" | sort | tr '\n' ' ')" = 'by-mount last more new over ' ]
}
