# The judges see what they should: each thing that a tree or an image can have wrong is made wrong once.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
	python3 "$HERE/nasty_tree.py" --size small "$WORK/a"
}

teardown()
{
	judge_teardown
}

differs()
{
	! python3 "$HERE/compare_trees.py" "$WORK/a" "$WORK/b" >"$WORK/found.txt" || { echo "not seen: $*"; return 1; }
	grep -q "$1" "$WORK/found.txt" || { echo "seen otherwise: $*"; cat "$WORK/found.txt"; return 1; }
}

# breaks WORD COMMAND...: the comparison tells WORD after the command has changed the copy b.
breaks()
{
	local word=$1
	shift
	rm -rf "$WORK/b"
	python3 "$HERE/nasty_tree.py" --shuffle 1 "$WORK/a" "$WORK/b"
	(cd "$WORK/b" && "$@")
	differs "$word" "$@"
}

@test "a copy is the same, and one seed gives one tree" {
	python3 "$HERE/nasty_tree.py" --shuffle 1 "$WORK/a" "$WORK/b"
	same_tree "$WORK/a" "$WORK/b"
	rm -rf "$WORK/b"
	python3 "$HERE/nasty_tree.py" --size small "$WORK/b"
	same_tree "$WORK/a" "$WORK/b"
}

@test "names that collide do collide" {
	python3 - "$HERE" "$WORK/a" <<-'PY'
		import os, sys
		sys.path.insert(0, sys.argv[1])
		import nasty_tree
		assert nasty_tree.name_hash(b'default') == 0x8dbfc2d2
		names = os.listdir(os.fsencode(sys.argv[2]) + b'/names-collide')
		assert len(names) == 60 and len({nasty_tree.name_hash(n) for n in names}) == 1
	PY
}

@test "comparing sees each difference" {
	breaks 'only in the first' rm symlinks/one
	breaks 'only in the second' touch new
	breaks type sh -c 'rm special/fifo; touch special/fifo'
	breaks mode chmod 600 modes/file-4755
	breaks owner chown 65537 owners/file-65536
	breaks owner chown -h :3 owners/symlink-0
	breaks mtime python3 -c 'import os; p = "times/file-3"; os.utime(p, ns=(0, os.stat(p).st_mtime_ns + 1))'
	breaks target ln -sfn other symlinks/dangling
	breaks device sh -c 'rm special/minor; mknod special/minor b 259 1001'
	breaks xattrs setfattr -x security.capability xattrs/capability
	breaks xattrs setfattr -n trusted.t -v other xattrs/spaces
	breaks xattrs setfacl -k acls/dir
	breaks size truncate -s +1 contents/text-4096
	breaks contents sh -c 'printf x | dd of=contents/text-4096 bs=1 seek=4000 conv=notrunc status=none'
	breaks contents sh -c 'printf x | dd of=holes/16g bs=1 seek=17179869183 conv=notrunc status=none'
	breaks data sh -c 'head -c 4096 /dev/zero | dd of=holes/all bs=4096 seek=3 conv=notrunc status=none'
	breaks data fallocate -p -o 4096 -l 8192 contents/zero-65536
	breaks 'same file' sh -c 'cp -a links/first x && mv x links/dir0/link0'
}

@test "a complete image is not refused, a damaged one is not clean, a warning is heard" {
	truncate -s 256M "$WORK/good.img"
	mkfs.btrfs -q "$WORK/good.img"
	image_mount "$MNT" noatime "$WORK/good.img"
	cp -a "$WORK/a/contents" "$MNT"
	image_umount "$MNT"
	check_clean "$WORK/good.img"
	looks_complete "$WORK/good.img"
	! refused_by_all "$WORK/good.img" || false
	# One byte of data, and one of the superblock.
	python3 - "$WORK/good.img" "$WORK" <<-'PY'
		import sys
		image = open(sys.argv[1], 'rb').read()
		text = image.find(b'checksum')
		for name, at in (('data', text), ('super', 65536 + 300)):
		    with open(f'{sys.argv[2]}/{name}.img', 'wb') as f:
		        f.write(image[:at] + bytes([image[at] ^ 1]) + image[at + 1:])
	PY
	! check_clean "$WORK/data.img" || false
	! check_clean "$WORK/super.img" || false
	kernel_mark
	image_mount "$MNT" noatime "$WORK/data.img"
	kernel_quiet "${JUDGE_DEVICES[@]}"
	cat "$MNT"/contents/* >/dev/null 2>&1 || true
	! kernel_quiet "${JUDGE_DEVICES[@]}" || false
	image_umount "$MNT"
}
