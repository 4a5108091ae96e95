#!/usr/bin/env bats
# Attributes on a mount: ACLs and the umask, flags of inodes, set-id bits, times of last access, the ioctls that cross FUSE.

setup()
{
	load fuse_lib
	fuse_setup
}

teardown()
{
	fuse_teardown
}

@test 'default ACLs come before the umask; chmod follows the mask; modes and ACLs as under the kernel' {
	work()
	{
		mkdir plain acl group
		chmod 2775 group
		chown 0:1234 group
		setfacl -m u:1000:rwx,d:u:1000:rwx,d:g:2000:rx,d:o::- acl
		for mask in 022 077 000; do
			umask $mask
			for dir in plain acl group; do
				touch $dir/f$mask; mkdir $dir/d$mask; mkfifo $dir/p$mask; ln -s x $dir/l$mask
			done
		done
		chmod 640 acl/f022
		setfacl -m u:5:r plain/f000
		setfacl -b acl/f077
		setfacl -m o::rwx plain/f022
		chmod 4711 plain/f077
		setfacl -m g:7:rwx plain/f077
		getfacl -Rn . 2>&1
		find . -printf '%p %M %U %G\n' | sort
		! setfattr -n system.posix_acl_access -v 0x0200 plain/f022 || false
		! setfacl -d -m u:1:r plain/f022 || false
	}
	same_on_both '' '' 50
}

@test 'chattr and lsattr: what they forbid, what is inherited' {
	work()
	{
		mkdir c n dir
		chattr +c c
		chattr +C n
		touch c/f n/f plain
		lsattr -d c n c/f n/f plain | awk '{print $1, $2}'
		echo text >i; chattr +i i
		rm -f i; mv i j; ln i k; chmod 600 i; touch i; setfattr -n user.x -v y i
		truncate -s 0 i
		chattr -i i; rm i && echo removed
		echo text >a; chattr +a a
		echo more >>a; truncate -s 0 a; rm -f a; mv a b; cat a
		chattr -a a
		chattr +i dir; touch dir/f; mkdir dir/d; chattr -i dir
		chattr +dAS plain; lsattr plain | awk '{print $1}'; chattr -dAS plain
		chattr +c plain; chattr +m plain; lsattr plain | awk '{print $1}'
		getfattr -n btrfs.compression c
		before=$(stat -c %z plain); sleep 0.05; chattr +d plain
		[ "$before" = "$(stat -c %z plain)" ] || echo changed
	}
	same_on_both '' '' 15
}

@test 'set-id bits and capabilities go when somebody else writes, cuts or gets the file' {
	work()
	{
		chmod 777 .
		for how in write append cut map chown chgrp allocate punch copy; do
			echo text >$how; chmod 6777 $how
			setcap cap_net_raw=ep $how 2>/dev/null || setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 $how
			chmod 6777 $how
		done
		echo text >nogroup; chmod 6767 nogroup; echo text >root; chmod 6777 root
		echo text >acl; chown 65534:1234 acl; chmod 2660 acl
		as_user sh -c 'echo new | dd of=write conv=notrunc status=none; echo new >>append; truncate -s 1 cut; echo new >>nogroup
			fallocate -l 10000 allocate; fallocate -p -o 0 -l 2 punch; setfacl -m u:5:rwx acl'
		as_user "$PYTHON" -c 'import os; os.copy_file_range(os.open("write", os.O_RDONLY), os.open("copy", os.O_WRONLY), 3)'
		echo new >>root
		chown 65534 chown
		chgrp 1234 chgrp
		stat -c '%n %a' write append cut chown chgrp nogroup root allocate punch copy acl
		getfattr -d -m security write append cut chown chgrp allocate punch copy 2>&1
	}
	same_on_both
}

@test 'extended attributes: namespaces, flags, sizes' {
	work()
	{
		touch f; mkdir d; ln -s f l; mkfifo p
		python3 - <<'PY'
import os
def tried(f, *a, **k):
    try:
        r = f(*a, **k)
        print(f.__name__, a[:2], len(r) if isinstance(r, bytes) else r)
    except OSError as e:
        print(f.__name__, a[:2], e.errno)
for name in ('user.a', 'trusted.a', 'security.a', 'system.a', 'other.a', 'user.' + 'n' * 250, 'user.' + 'n' * 251):
    for path in ('f', 'd', 'p'):
        tried(os.setxattr, path, name, b'value')
        tried(os.getxattr, path, name)
tried(os.setxattr, 'l', 'trusted.l', b'', follow_symlinks=False)
tried(os.setxattr, 'l', 'user.l', b'', follow_symlinks=False)
tried(os.setxattr, 'f', 'user.a', b'x', os.XATTR_CREATE)
tried(os.setxattr, 'f', 'user.b', b'x', os.XATTR_REPLACE)
tried(os.setxattr, 'f', 'user.b', b'', os.XATTR_CREATE)
tried(os.setxattr, 'f', 'user.c', b'x' * 16000)
tried(os.setxattr, 'f', 'user.c', b'x' * 17000)
tried(os.setxattr, 'f', 'btrfs.compression', b'zstd')
tried(os.getxattr, 'f', 'btrfs.compression')
tried(os.setxattr, 'f', 'btrfs.compression', b'fish')
for path in ('f', 'd'):
    tried(os.setxattr, path, 'btrfs.a', b'value')
print(sorted(os.listxattr('f')), sorted(os.listxattr('d')))
tried(os.removexattr, 'f', 'user.c'); tried(os.removexattr, 'f', 'user.c')
PY
	}
	same_on_both '' '' 40
}

@test 'the time of last access: relatime, noatime, strictatime' {
	image_new 200M
	for option in relatime noatime strictatime; do
		ours_mount "$option"
		echo "$option" >"$M/$option"
		touch -a -d '2001-01-01' "$M/$option"
		ours_umount
		ours_mount "$option"
		cat "$M/$option" >/dev/null
		year=$(stat -c %x "$M/$option" | cut -c1-4)
		case $option in
		noatime) [ "$year" = 2001 ] ;;
		*) [ "$year" != 2001 ] ;;
		esac
		ours_umount
	done
	check_clean "$IMG"
}

@test 'ioctls of btrfs: what the kernel answers for the same filesystem' {
	cat >"$WORK/ioctls.py" <<'PY'
import fcntl, os, struct, sys
def ioc(dir, nr, size): return dir << 30 | size << 16 | 0x94 << 8 | nr
W, R, RW = 1, 2, 3
top = os.open(sys.argv[1], os.O_RDONLY)
def call(fd, number, data):
    b = bytearray(data)
    try:
        fcntl.ioctl(fd, number, b)
    except OSError as e:
        return 'errno %d' % e.errno
    return bytes(b)
info = call(top, ioc(R, 31, 1024), struct.pack('<QQ16sIIIHHQQ', 0, 0, b'', 0, 0, 0, 0, 0, 1, 0).ljust(1024, b'\0'))
max_id, nr, fsid, node, sector, clone, csum, csum_size, flags = struct.unpack_from('<QQ16sIIIHHQ', info)
print('FS_INFO', max_id, nr, fsid.hex(), node, sector, clone, csum, csum_size, flags & 1)
dev = call(top, ioc(RW, 30, 4096), struct.pack('<Q', 1).ljust(4096, b'\0'))
print('DEV_INFO', struct.unpack_from('<Q16sQQ', dev)[0], struct.unpack_from('<Q16sQQ', dev)[3])
print('DEV_INFO 7', call(top, ioc(RW, 30, 4096), struct.pack('<Q', 7).ljust(4096, b'\0')))
print('LABEL', call(top, ioc(R, 49, 256), bytes(256)).rstrip(b'\0'))
print('FEATURES', call(top, ioc(R, 57, 24), bytes(24)).hex())
for path in ('', 'dir', 'dir/file', 'sub', 'sub/dir'):
    fd = os.open(os.path.join(sys.argv[1], path), os.O_RDONLY)
    ino = os.fstat(fd).st_ino & (1 << 43) - 1
    for objectid in (256, ino, 99999):
        r = call(fd, ioc(RW, 18, 4096), struct.pack('<QQ', 0, objectid).ljust(4096, b'\0'))
        print('INO_LOOKUP', path, objectid, r if isinstance(r, str) else (struct.unpack_from('<Q', r)[0], r[16:].split(b'\0')[0]))
    r = call(fd, ioc(R, 60, 504), bytes(504))
    print('SUBVOL_INFO', path, struct.unpack_from('<Q256sQQ', r)[0], struct.unpack_from('<Q256sQQ', r)[1].rstrip(b'\0'), struct.unpack_from('<Q256sQQ', r)[2:], r[296:304].hex(), r[304:320].hex())
    r = call(fd, ioc(RW, 61, 4096), bytes(4096))
    print('ROOTREF', path, struct.unpack_from('<Q255Q', r)[:7] if not isinstance(r, str) else r, r[-8:] if not isinstance(r, str) else '')
    print('GETFLAGS', path, call(fd, ioc(R, 25, 8), bytes(8)))
    # An int is written, although the number says long.
    print('GETVERSION', path, call(fd, 2 << 30 | 8 << 16 | ord('v') << 8 | 1, b'\xff' * 8).hex())
# tree, objectids, offsets, transids, types, number
def search(tree, lo, hi, nr, types=(0, 255)):
    key = struct.pack('<QQQQQQQIIIIQQQQ', tree, lo, hi, 0, 2**64 - 1, 0, 2**64 - 1, types[0], types[1], nr, 0, 0, 0, 0, 0)
    r = call(top, ioc(RW, 17, 4096), key.ljust(4096, b'\0'))
    if isinstance(r, str): return r
    n = struct.unpack_from('<I', r, 64)[0]
    out, at = [], 104
    for _ in range(n):
        transid, oid, off, type, length = struct.unpack_from('<QQQII', r, at)
        out.append((oid, type, off, r[at + 32:at + 32 + length].hex())); at += 32 + length
    return out
for what in ((5, 256, 2**64 - 1, 1000), (0, 256, 256, 3), (5, 257, 257, 0), (5, 256, 300, 100, (84, 96)), (77, 0, 2**64 - 1, 10)):
    print('SEARCH', what, search(*what))
big = os.open(os.path.join(sys.argv[1], 'dir'), os.O_RDONLY)
print('UNKNOWN', call(top, ioc(RW, 200, 64), bytes(64)))
PY
	image_new 300M -L 'a label'
	image_mount "$MNT" rw "$IMG"
	mkdir "$MNT/dir"
	echo text >"$MNT/dir/file"
	setfattr -n user.x -v "$(head -c 3000 /dev/zero | tr '\0' v)" "$MNT/dir/file"
	btrfs -q subvolume create "$MNT/sub"
	mkdir "$MNT/sub/dir"
	btrfs -q subvolume create "$MNT/sub/deep"
	btrfs -q subvolume snapshot -r "$MNT/sub" "$MNT/snap"
	image_umount "$MNT"
	image_mount "$MNT" ro,noatime "$IMG"
	python3 "$WORK/ioctls.py" "$MNT" >"$WORK/kernels.txt"
	image_umount "$MNT"
	ours_mount noatime
	python3 "$WORK/ioctls.py" "$M" >"$WORK/ours.txt"
	diff "$WORK/kernels.txt" "$WORK/ours.txt" | cut -c1-500
	cmp -s "$WORK/kernels.txt" "$WORK/ours.txt"
	[ "$(wc -l <"$WORK/ours.txt")" -gt 30 ]
	fuse_for_all
	as_user "$PYTHON" "$WORK/ioctls.py" "$M" >"$WORK/users.txt"
	[ "$(grep -c '^SEARCH.*errno 1$' "$WORK/users.txt")" = "$(grep -c '^SEARCH' "$WORK/users.txt")" ]
	grep -q '^SEARCH' "$WORK/users.txt"
	grep -q '^FS_INFO 1 1' "$WORK/users.txt"
	ours_umount
	check_clean "$IMG"
}

@test 'who may do which ioctl: the errnos of the kernel, for a user, root, root without rights, and with those of his own' {
	fuse_for_all
	cp "$ROOT/test/fuse/ioctl_rights.py" "$WORK"
	chmod 644 "$WORK/ioctl_rights.py"
	for who in user root nocap userns; do
		for mode in rw ro; do
			[ "$who.$mode" != nocap.ro ] && [ "$who.$mode" != userns.ro ] || continue
			as=
			case $who in
			user) as=as_user ;;
			nocap | userns) as='setpriv --bounding-set=-sys_admin,-linux_immutable --inh-caps=-all --' ;;
			esac
			# All rights, in a user namespace that he makes himself: none over what lies outside.
			if [ $who = userns ]; then
				as="$as unshare -U -r --"
				$as true 2>/dev/null || continue
			fi
			image_new 200M
			image_mount "$MNT" rw "$IMG"
			btrfs -q subvolume create "$MNT/mysub"
			btrfs -q subvolume create "$MNT/rootsub"
			touch "$MNT/mine" "$MNT/roots" "$MNT/minero"
			mkdir "$MNT/mydir"
			chown 65534:65534 "$MNT/mysub" "$MNT/mine" "$MNT/minero" "$MNT/mydir"
			chmod 444 "$MNT/minero"
			image_umount "$MNT"
			cp --sparse=always "$IMG" "$WORK/copy.img"
			image_mount "$MNT" $mode "$WORK/copy.img"
			$as "$PYTHON" "$WORK/ioctl_rights.py" "$MNT" >"$WORK/kernels.txt"
			image_umount "$MNT"
			ours_mount $mode
			$as "$PYTHON" "$WORK/ioctl_rights.py" "$M" >"$WORK/ours.txt"
			ours_umount
			echo "$who $mode"
			diff "$WORK/kernels.txt" "$WORK/ours.txt"
			[ "$(wc -l <"$WORK/ours.txt")" -gt 280 ]
		done
	done
	check_clean "$IMG"
}
