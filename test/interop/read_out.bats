# What is read out of an image by several threads: cp -a, export, du and find against what the kernel shows of the same image.
# Export is judged by what tar and bsdtar extract, du and find by du(1) and find(1) on the kernel's mount.
source "$ROOT/test/interop/lib.bash"

# One image for all tests of this file: filled by the kernel from a nasty tree, compressed, with a snapshot and a big sparse file.
setup_file()
{
	[ "$(id -u)" -eq 0 ] || return 0
	export SHARED=$(mktemp -d "$TEST_TMP/read-out.XXXXXX")
	python3 "$ROOT/test/interop/nasty_tree.py" --size small "$SHARED/src"
	archivable "$SHARED/src"
	truncate -s 1G "$SHARED/img"
	mkfs.btrfs -q "$SHARED/img"
	mkdir "$SHARED/mnt"
	local loop
	loop=$(flock /run/lock losetup -f --show "$SHARED/img")
	mount -o compress=zstd "$loop" "$SHARED/mnt"
	cp -a "$SHARED/src" "$SHARED/mnt/tree"
	head -c 12000000 /dev/urandom >"$SHARED/mnt/tree/random"
	seq 1 1500000 >"$SHARED/mnt/tree/text"
	truncate -s ${SPARSE:=$([ -n "${UBTRFS_FULL:-}" ] && echo 15T || echo 4G)} "$SHARED/mnt/tree/sparse"
	printf x | dd of="$SHARED/mnt/tree/sparse" bs=1 seek=3G conv=notrunc status=none
	btrfs -q subvolume snapshot "$SHARED/mnt" "$SHARED/mnt/tree/snap" >/dev/null
	umount "$SHARED/mnt"
	losetup -d "$loop"
}
teardown_file() { rm -rf "${SHARED:-}"; }

setup()
{
	judge_setup
	IMG=$SHARED/img
	image_mount "$MNT" ro "$IMG"
	cd "$WORK"
}
teardown() { judge_teardown; }

# archivable DIR: without what a tar cannot keep: sockets, attributes whose names are not plain ASCII, and fractions of seconds
# before 1970, which libarchive means otherwise than GNU tar.
archivable()
{
	python3 - "$1" <<-'PY'
		import os, sys
		def touched(path):
		    when = os.stat(os.path.dirname(path))
		    return lambda: os.utime(os.path.dirname(path), ns=(when.st_atime_ns, when.st_mtime_ns))
		for name in ('special/socket', 'links/dir1/fifo'):
		    path = os.path.join(sys.argv[1], name)
		    back = touched(path)
		    os.unlink(path)
		    back()
		for folder, dirs, files in os.walk(sys.argv[1], topdown=False):
		    for path in [os.path.join(folder, n) for n in dirs + files]:
		        for name in os.listxattr(path, follow_symlinks=False):
		            if not all(33 <= c <= 126 and chr(c) not in '%=' for c in os.fsencode(name)):
		                os.removexattr(path, name, follow_symlinks=False)
		        when = os.lstat(path).st_mtime_ns
		        if when < 0 and when % 10**9:
		            os.utime(path, ns=(when // 10**9 * 10**9,) * 2, follow_symlinks=False)
	PY
}

same()
{
	[ "$1" = "$2" ] && return 0
	printf 'expected:\n%s\nfound:\n%s\n' "$1" "$2"
	return 1
}

# du_find_same DIR COMMAND...: the command prints the same of the mounted tree and of the image, but for the names of their tops.
du_find_same()
{
	local what=$1
	shift
	(cd "$MNT" && LC_ALL=C "$what" "${@/@/tree}") | LC_ALL=C sort -z >"$WORK/kernel"
	"$UBTRFS" "$what" "${@/@/$IMG:/tree}" | sed -z "s#$IMG:/tree#tree#" | LC_ALL=C sort -z >"$WORK/ours"
	[ -s "$WORK/kernel" ]
	diff <(tr '\0' '\n' <"$WORK/kernel") <(tr '\0' '\n' <"$WORK/ours") | head -n 20
	cmp "$WORK/kernel" "$WORK/ours"
}

@test "cp -a is what the kernel shows, with one thread and with many" {
	"$UBTRFS" cp -a -j 1 "$IMG:/tree" one
	"$UBTRFS" cp -a -j 7 "$IMG:/tree" many
	python3 "$HERE/compare_trees.py" "$MNT/tree" one
	python3 "$HERE/compare_trees.py" "$MNT/tree" many
	# again, over what is there
	"$UBTRFS" cp -a "$IMG:/tree/." many
	python3 "$HERE/compare_trees.py" "$MNT/tree" many
}

@test "export: tar and bsdtar extract what the kernel shows; the threads do not matter" {
	"$UBTRFS" export -o one.tar -j 1 "$IMG:/tree"
	"$UBTRFS" export -j 7 "$IMG:/tree" | cmp - one.tar
	# holes are no bytes
	[ "$(stat -c %s one.tar)" -lt 100000000 ]
	mkdir gnu bsd
	tar -C gnu --warning=none --xattrs --xattrs-include='*' --acls --numeric-owner --same-owner -xpf one.tar
	python3 "$HERE/compare_trees.py" "$MNT/tree" gnu
	bsdtar -C bsd --numeric-owner --xattrs --acls --fflags -xpf one.tar
	# bsdtar leaves the directory that it is told to extract into alone
	touch -r "$MNT/tree" bsd
	python3 "$HERE/compare_trees.py" "$MNT/tree" bsd
}

@test "export: compressed, as cpio, of a single file" {
	run "$UBTRFS" export -o plain.tar "$IMG:/tree/tree-of-nothing"
	[ "$status" -eq 1 ]
	[ ! -e plain.tar ]
	"$UBTRFS" export -o plain.tar "$IMG:/tree/names"
	"$UBTRFS" export --zstd "$IMG:/tree/names" | zstd -dc | cmp - plain.tar
	"$UBTRFS" export --xz "$IMG:/tree/names" | xz -dc | cmp - plain.tar
	"$UBTRFS" export --gzip "$IMG:/tree/names" >a.gz
	sleep 1.1
	"$UBTRFS" export --gzip "$IMG:/tree/names" | cmp - a.gz
	gzip -dc a.gz | cmp - plain.tar
	"$UBTRFS" export "$IMG:/tree/text" | tar -xO text | cmp - "$MNT/tree/text"
	mkdir cpio
	"$UBTRFS" export --format newc "$IMG:/tree/links" 2>/dev/null | (cd cpio && cpio -idm --quiet)
	diff -r --no-dereference -x fifo "$MNT/tree/links" cpio
	# names of one file are names of one file there, too
	same "$(cd "$MNT/tree/links" && find . -type f -links +1 | sort)" "$(cd cpio && find . -type f -links +1 | sort)"
}

@test "du is du(1) on the kernel's mount" {
	local options
	for options in -0 -0a '-0 -b' '-0ab' '-0S' '-0h -d1' '-0 --si' '-0sl' '-0 -x' '-0 -m -d 2' '-0c' '-0hs'; do
		du_find_same du $options @
	done
	cd "$MNT/tree"
	diff <(du -sc links names links/.) <("$UBTRFS" du -sc "$IMG:/tree/links" "$IMG:/tree/names" "$IMG:/tree/links/." | sed "s#$IMG:/tree/##")
	diff <(du -sl links) <("$UBTRFS" du -sl "$IMG:/tree/links" | sed "s#$IMG:/tree/##")
}

@test "find is find(1) on the kernel's mount" {
	du_find_same find @ -print0
	du_find_same find @ -mindepth 1 -printf '%P|%s|%b|%k|%m|%M|%U|%G|%n|%i|%y|%d|%l\0'
	du_find_same find @ -name 'f*' -type f -size +1k -print0
	du_find_same find @ -type d,l -print0
	du_find_same find @ ! \( -perm -4000 -o -perm /022 \) -print0
	du_find_same find @ -empty -print0
	du_find_same find @ -links +1 -type f -print0
	du_find_same find @ -maxdepth 1 -iname 'T*' -print0
	du_find_same find @ -name snap -prune -o -uid 0 -print0
	du_find_same find @ -xdev -mindepth 2 -maxdepth 2 -print0
	du_find_same find @ -mmin -600 -print0
	du_find_same find @ -mtime +10000 -print0
	du_find_same find @ -type f -a -not -name 'a*' -and -links 1 -print0
	diff <(cd "$MNT" && find tree -newer tree/text | sort) <("$UBTRFS" find "$IMG:/tree" -newer /tree/text | sed "s#$IMG:/##" | sort)
	diff <(cd "$MNT" && find tree -mindepth 1 -type f -printf '%T@ %A@ %p %f %h\n' | grep -v '^-' | sort) \
		<("$UBTRFS" find "$IMG:/tree" -mindepth 1 -type f -printf '%T@ %A@ %p %f %h\n' | grep -v '^-' | sed "s#$IMG:/##g" | sort)
	# the same with any number of threads, in the same order
	cmp <("$UBTRFS" find -j 1 "$IMG:/tree") <("$UBTRFS" find -j 8 "$IMG:/tree")
}
