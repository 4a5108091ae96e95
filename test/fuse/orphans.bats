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
