# Images from archives: what the archive keeps stands in the image. Judged against the source, or, where the format loses
# something, against what its own program extracts; under the kernel's mount.
source "$ROOT/test/interop/lib.bash"

PAX=(tar --format=pax --xattrs --xattrs-include='*' --acls --numeric-owner --sparse)
EXTRACT=(tar --xattrs --xattrs-include='*' --acls --numeric-owner --same-owner -xpf)

setup()
{
	judge_setup
	python3 "$HERE/nasty_tree.py" --size small "$WORK/src"
	python3 "$HERE/nasty_tree.py" --size small --tune "$WORK/src"
	archivable "$WORK/src"
}

# archivable DIR: without what tar does not keep: sockets, and that two names are one fifo; and what libarchive reads differently
# from how GNU tar means it: fractions of seconds before 1970. Times of directories stay.
archivable()
{
	python3 - "$1" <<-'PY'
		import os, sys
		for name in ('special/socket', 'links/dir1/fifo'):
		    path = os.path.join(sys.argv[1], name)
		    when = os.stat(os.path.dirname(path))
		    os.unlink(path)
		    os.utime(os.path.dirname(path), ns=(when.st_atime_ns, when.st_mtime_ns))
		for folder, dirs, files in os.walk(sys.argv[1], topdown=False):
		    for path in [os.path.join(folder, n) for n in dirs + files]:
		        when = os.lstat(path).st_mtime_ns
		        if when < 0 and when % 10**9:
		            os.utime(path, ns=(0, when // 10**9 * 10**9), follow_symlinks=False)
	PY
}

teardown()
{
	judge_teardown
}

# image_is IMAGE EXPECTED [ARGUMENT OF compare_trees.py]...: clean, mounts without a warning, holds that.
image_is()
{
	local image=$1 expected=$2
	shift 2
	check_clean "$image" || return 1
	kernel_mark
	image_mount "$MNT" noatime "$image" || return 1
	kernel_quiet "${JUDGE_DEVICES[@]}" || return 1
	python3 "$HERE/compare_trees.py" "$expected" "$MNT" "$@" || return 1
	image_umount "$MNT"
}

# no_giants: what only a sparse format can hold goes.
no_giants()
{
	rm -f "$WORK"/src/holes/*[0-9]g*
}

as_nobody()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# nobody_dir: $WORK/nobody belongs to uid 65534, which may get there.
nobody_dir()
{
	mkdir -p "$WORK/nobody"
	chown 65534:65534 "$WORK/nobody"
	chmod 755 "$TEST_TMP" "$WORK"
}

@test "tar, pax: xattrs, ACLs, holes, nanoseconds, hard links, devices; and the kernel goes on" {
	"${PAX[@]}" -C "$WORK/src" -cf "$WORK/a.tar" .
	make_image -b 1G --from "$WORK/a.tar" "$WORK/a.img"
	kernel_judges "$WORK/src" "$WORK/a.img"
}

@test "tar, pax of a large tree, zstd in and out" {
	local size=normal
	[ -z "$FULL" ] || size=full
	python3 "$HERE/nasty_tree.py" --seed 7 --size $size "$WORK/large"
	archivable "$WORK/large"
	"${PAX[@]}" -C "$WORK/large" -cf - . | zstd -q >"$WORK/a.tar.zst"
	make_image --from "$WORK/a.tar.zst" --compress zstd "$WORK/a.img"
	image_is "$WORK/a.img" "$WORK/large"
}

@test "tar, gnu and oldgnu: sparse files, long names; gzip and xz" {
	local format program
	for format in gnu:gzip oldgnu:xz; do
		program=${format#*:}
		tar --format="${format%:*}" --numeric-owner --sparse -C "$WORK/src" -cf - . 2>/dev/null | $program -1 >"$WORK/a.tar" || true
		mkdir "$WORK/out"
		$program -dc "$WORK/a.tar" | "${EXTRACT[@]}" - -C "$WORK/out" 2>"$WORK/tar.txt"
		make_image --from "$WORK/a.tar" "$WORK/a.img"
		image_is "$WORK/a.img" "$WORK/out"
		rm -rf "$WORK/out" "$WORK/a.img"
	done
}

@test "tar, ustar and v7; bzip2 and none" {
	local format
	no_giants
	for format in ustar v7; do
		tar --format=$format --numeric-owner -C "$WORK/src" -cf "$WORK/a.tar" . 2>/dev/null || true
		mkdir "$WORK/out"
		"${EXTRACT[@]}" "$WORK/a.tar" -C "$WORK/out" 2>"$WORK/tar.txt"
		[ $format = v7 ] || { bzip2 -1 <"$WORK/a.tar" >"$WORK/b.tar" && mv "$WORK/b.tar" "$WORK/a.tar"; }
		make_image --from "$WORK/a.tar" "$WORK/a.img"
		image_is "$WORK/a.img" "$WORK/out" --no-holes
		rm -rf "$WORK/out" "$WORK/a.img"
	done
}

@test "tar of libarchive's own: pax with its xattrs and ACLs" {
	no_giants
	# It keeps names of attributes that are not plain only in a way of its own, besides another name; it complains of file names
	# that are not UTF-8, and keeps them.
	python3 - "$WORK/src/xattrs" <<-'PY'
		import os, sys
		for name in os.listdir(sys.argv[1]):
		    path = os.path.join(sys.argv[1], name)
		    for xattr in os.listxattr(path, follow_symlinks=False):
		        if not all(33 <= c <= 126 for c in os.fsencode(xattr)):
		            os.removexattr(path, xattr, follow_symlinks=False)
	PY
	bsdtar --format pax --xattrs --acls --numeric-owner -C "$WORK/src" -cf "$WORK/a.tar" . 2>"$WORK/bsdtar.txt" || true
	make_image --from "$WORK/a.tar" "$WORK/a.img"
	image_is "$WORK/a.img" "$WORK/src"
}

@test "cpio, newc and odc" {
	local format
	no_giants
	# What the formats can hold: whole seconds, no attributes, numbers of a few digits.
	rm -rf "$WORK/src/times" "$WORK/src/owners"
	python3 - "$WORK/src" <<-'PY'
		import os, sys
		for folder, dirs, files in os.walk(os.fsencode(sys.argv[1]), topdown=False):
		    for path in [os.path.join(folder, n) for n in files + dirs] + [folder]:
		        for name in os.listxattr(path, follow_symlinks=False):
		            os.removexattr(path, name, follow_symlinks=False)
		        os.utime(path, ns=(10**18, os.lstat(path).st_mtime_ns // 10**9 * 10**9), follow_symlinks=False)
	PY
	for format in newc odc; do
		[ $format = newc ] || rm -rf "$WORK"/src/special "$WORK"/src/xattrs/device
		(cd "$WORK/src" && touch -d @1000000001 . xattrs && find . -print0 | cpio -0 -o -H $format --quiet >"$WORK/a.cpio" 2>/dev/null)
		make_image --from "$WORK/a.cpio" "$WORK/a.img"
		image_is "$WORK/a.img" "$WORK/src" --no-holes
		rm "$WORK/a.img"
	done
}

@test "mtree: owners, modes, devices and times from a manifest that a user wrote" {
	local when=1234567890.123456789
	mkdir -p "$WORK/files/sub" "$WORK/expected/dev" "$WORK/expected/etc"
	echo content >"$WORK/files/sub/data"
	cat >"$WORK/files/m.mtree" <<-END
		#mtree
		/set uid=0 gid=0 time=$when
		. type=dir mode=0755
		./dev type=dir mode=0750 gid=5
		./dev/console type=char mode=0600 device=linux,5,1
		./dev/disk type=block mode=0660 gid=6 device=native,259,1000
		./dev/pipe type=fifo mode=0640 uid=70000
		./etc type=dir mode=0755
		./etc/passwd type=file mode=04711 uid=1 gid=2 contents=sub/data
		./etc/with\\040space type=file mode=0644 contents=sub/data
		./etc/link type=link mode=0777 link=passwd
	END
	cd "$WORK/expected"
	mknod -m 600 dev/console c 5 1
	mknod -m 660 dev/disk b 259 1000
	chgrp 6 dev/disk
	mkfifo -m 640 dev/pipe
	chown 70000 dev/pipe
	echo content >etc/passwd
	chown 1:2 etc/passwd
	chmod 4711 etc/passwd
	echo content >'etc/with space'
	ln -s passwd etc/link
	chmod 750 dev
	chgrp 5 dev
	find . -depth -exec touch -h -d "@$when" {} +
	cd "$WORK"
	make_image --from files/m.mtree a.img
	image_is a.img expected
	nobody_dir
	as_nobody "$UBTRFS" mkfs -q --from files/m.mtree nobody/b.img
	image_is nobody/b.img expected
}

@test "mtree of the nasty tree, made by bsdtar" {
	# libarchive tells the owning group's permissions of an ACL instead of the mode, and its lines are text.
	rm -rf "$WORK"/src/names "$WORK"/src/names-collide "$WORK"/src/times "$WORK"/src/acls
	no_giants
	touch -d @1000000001.5 "$WORK/src"
	(cd "$WORK/src" && bsdtar --format=mtree --options='mtree:!all,mtree:uid,mtree:gid,mtree:mode,mtree:time,mtree:type,mtree:link,mtree:device,mtree:size' \
		--numeric-owner -cf "$WORK/m.mtree" .)
	mv "$WORK/m.mtree" "$WORK/src/m.mtree"
	make_image --from "$WORK/src/m.mtree" "$WORK/a.img"
	rm "$WORK/src/m.mtree"
	touch -d @1000000001.5 "$WORK/src"
	# A manifest has no xattrs. Names of one inode are such by what lies on the disk.
	python3 - "$WORK/src" <<-'PY'
		import os, sys
		for folder, dirs, files in os.walk(os.fsencode(sys.argv[1])):
		    for path in [folder] + [os.path.join(folder, n) for n in dirs + files]:
		        for name in os.listxattr(path, follow_symlinks=False):
		            os.removexattr(path, name, follow_symlinks=False)
	PY
	image_is "$WORK/a.img" "$WORK/src" --no-holes
}

# layers: two OCI layers in $WORK/1.tar and 2.tar, and what they give in $WORK/expected.
layers()
{
	mkdir -p "$WORK/l1"/{keep,gone-dir/sub,opaque/old-dir,deep/a/b,to-file} "$WORK/l2"/{opaque,deep/a,to-dir,gone-then-new}
	cd "$WORK/l1"
	echo 1 | tee keep/file keep/changed gone-file gone-dir/sub/f opaque/old opaque/both opaque/old-dir/f deep/a/b/c deep/a/stay to-file/f to-dir \
		gone-then-new .wh-is-no-whiteout shared >/dev/null
	ln shared shared-too
	setfattr -n user.layer -v one keep/changed
	mknod keep/device c 10 200
	"${PAX[@]}" -cf "$WORK/1.tar" .
	cd "$WORK/l2"
	mkdir keep
	echo 2 | tee keep/changed opaque/both opaque/new to-dir/f to-file gone-then-new/f >/dev/null
	touch .wh.gone-file .wh.gone-dir opaque/.wh..wh..opq deep/a/.wh.b .wh.never-was .wh.shared
	ln -s ../keep/file deep/link
	# The whiteout of a directory's contents behind what the layer itself puts there.
	"${PAX[@]}" -cf "$WORK/2.tar" ./keep ./opaque/both ./opaque/new ./opaque/.wh..wh..opq ./opaque ./to-dir ./to-file ./deep ./.wh.never-was \
		./gone-then-new ./.wh.gone-file ./.wh.gone-dir ./.wh.shared
	mkdir "$WORK/expected"
	"${EXTRACT[@]}" "$WORK/1.tar" -C "$WORK/expected"
	cd "$WORK/expected"
	rm -r gone-file gone-dir opaque deep/a/b to-dir to-file gone-then-new shared keep/changed
	"${EXTRACT[@]}" "$WORK/2.tar" -C "$WORK/expected" --exclude='.wh.*'
	cd "$WORK"
}

@test "OCI layers: whiteouts and opaque directories" {
	layers
	make_image -b 512M --from 1.tar --from 2.tar a.img
	# A removed name changes its directory's time to a time that no layer tells: times of files are compared, not these.
	image_is a.img expected --no-dir-times
	zstd -q 1.tar
	gzip 2.tar
	make_image -b 512M --compress zstd --from 1.tar.zst --from 2.tar.gz b.img
	image_is b.img expected --no-dir-times
	# One archive is no layer: its names are names.
	make_image --from 2.tar.gz c.img
	image_mount "$MNT" ro c.img
	[ -e "$MNT/.wh.gone-file" ]
}

@test "standard input" {
	"${PAX[@]}" -C "$WORK/src" -cf - . | zstd -q | "$UBTRFS" mkfs -q --from - "$WORK/a.img"
	image_is "$WORK/a.img" "$WORK/src"
}

@test "as an ordinary user: root's files, devices and xattrs from an archive" {
	nobody_dir
	"${PAX[@]}" -C "$WORK/src" -cf "$WORK/a.tar" .
	cd "$WORK/nobody"
	as_nobody "$UBTRFS" mkfs -q -b 1G --from ../a.tar a.img
	[ "$(stat -c %u a.img)" = 65534 ]
	kernel_judges "$WORK/src" "$WORK/nobody/a.img"
}

@test "as an ordinary user: two layers" {
	layers
	nobody_dir
	as_nobody "$UBTRFS" mkfs -q --from 1.tar --from 2.tar nobody/a.img
	image_is nobody/a.img expected --no-dir-times
}

@test "as an ordinary user: a directory, given to root" {
	nobody_dir
	# Through standard input: the checkout may lie where this user cannot read.
	as_nobody "$PYTHON" - --size small "$WORK/nobody/src" <"$HERE/nasty_tree.py"
	cd "$WORK/nobody"
	as_nobody "$UBTRFS" mkfs -q --rootdir src --owner 0:0 a.img
	image_is a.img src --owner 0:0
	as_nobody "$UBTRFS" mkfs -q --rootdir src --root-owner 12:70000 b.img
	chown 12:70000 src
	image_is b.img src
}

@test "a directory with subvolumes: their types under the kernel" {
	"$UBTRFS" mkfs -q --rootdir "$WORK/src" --subvol rw:deep --subvol ro:contents --subvol default:wide "$WORK/a.img"
	check_clean "$WORK/a.img"
	kernel_mark
	image_mount "$MNT" noatime,subvolid=5 "$WORK/a.img"
	kernel_quiet "${JUDGE_DEVICES[@]}"
	python3 "$HERE/compare_trees.py" "$WORK/src" "$MNT" --no-dir-times
	[ "$(stat -c %i "$MNT/deep" "$MNT/contents" "$MNT/wide" | sort -u)" = 256 ]
	[ "$(btrfs property get -ts "$MNT/contents" ro)" = ro=true ]
	[ "$(btrfs property get -ts "$MNT/deep" ro)" = ro=false ]
	btrfs subvolume get-default "$MNT" | grep -q 'path wide$'
	image_umount "$MNT"
	image_mount "$MNT" noatime "$WORK/a.img"
	python3 "$HERE/compare_trees.py" "$WORK/src/wide" "$MNT"
	touch "$MNT/writable"
}
