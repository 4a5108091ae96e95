#!/usr/bin/env bats
# Names on a mount: what is removed or replaced while somebody uses it, renaming of all kinds, listing while names change.

setup()
{
	load fuse_lib
	fuse_setup
}

teardown()
{
	fuse_teardown
}

# orphans: how many there are in the unmounted image.
orphans()
{
	btrfs inspect-internal dump-tree -t fs "$IMG" | grep -c ORPHAN_ITEM || true
}

@test 'what is unlinked, replaced or removed while it is used lives until it is not, and no longer' {
	image_new 200M
	ours_mount
	python3 - "$M" <<'PY'
import mmap, os, sys
os.chdir(sys.argv[1])
def make(name, text):
    f = os.open(name, os.O_RDWR | os.O_CREAT)
    os.write(f, text)
    return f
f = make('unlinked', b'x' * 100000)
os.unlink('unlinked')
assert not os.path.exists('unlinked')
assert os.fstat(f).st_nlink == 0
os.pwrite(f, b'more', 200000)
os.fsync(f)
assert os.pread(f, 4, 200000) == b'more' and os.pread(f, 3, 99998) == b'xx\0'
os.ftruncate(f, 10)
m = mmap.mmap(f, 10)
assert m[:] == b'x' * 10
g = make('replaced', b'old')
os.close(make('new', b'new'))
os.rename('new', 'replaced')
assert os.pread(g, 3, 0) == b'old' and open('replaced').read() == 'new'
assert os.fstat(g).st_nlink == 0
h = make('linked', b'two')
os.link('linked', 'other')
os.unlink('linked')
assert os.fstat(h).st_nlink == 1 and open('other').read() == 'two'
os.mkdir('dir'); os.chdir('dir')
os.rmdir('../dir')
assert os.stat('.').st_nlink == 0 and os.listdir('.') == []
try:
    os.mkdir('inside'); assert False
except FileNotFoundError:
    pass
# a file that nobody names, as programs make them
os.chdir(sys.argv[1])
for i in range(300):
    t = make('tmp%d' % i, b'y' * 5000)
    os.unlink('tmp%d' % i)
    if i % 3:
        os.close(t)
PY
	# Nobody uses them any more, and the kernel says so behind the last close.
	for i in $(seq 50); do
		"$UBTRFS" filesystem sync "$M"
		[ "$(orphans)" != 0 ] || break
		sleep 0.1
	done
	[ "$(orphans)" = 0 ]
	ours_umount
	[ "$(orphans)" = 0 ]
	check_clean "$IMG"
	ours_mount
	[ "$(ls "$M" | tr '\n' ' ')" = 'other replaced ' ]
	ours_umount
}

@test 'a file that was open and unlinked when the server died is gone after the next opening' {
	image_new 200M
	ours_mount
	exec 9<>"$M/file"
	head -c 3000000 /dev/urandom >&9
	rm "$M/file"
	echo other >"$M/other"
	sync "$M/other"
	kill -KILL "$SERVER"
	ours_gone "$SERVER"
	exec 9>&-
	umount -l "$M"
	[ "$(orphans)" = 1 ]
	check_clean "$IMG"
	ours_mount
	[ "$(ls "$M")" = other ]
	ours_umount
	[ "$(orphans)" = 0 ]
	check_clean "$IMG"
}

@test 'renameat2: over files and directories, not over, exchanged, with a whiteout' {
	image_new 200M
	ours_mount
	python3 - "$M" <<'PY'
import ctypes, errno, os, stat, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def rename(a, b, flags=0):
    r = libc.renameat2(-100, a.encode(), -100, b.encode(), flags)
    return 0 if r == 0 else ctypes.get_errno()
def put(name, text):
    with open(name, 'w') as f:
        f.write(text)
def get(name):
    with open(name) as f:
        return f.read()
put('a', 'A'); put('b', 'B'); os.mkdir('d'); os.mkdir('e'); put('e/x', 'X')
ino = os.stat('a').st_ino
assert rename('a', 'b', 1) == errno.EEXIST and get('a') == 'A' and get('b') == 'B'
assert rename('a', 'b', 2) == 0 and get('a') == 'B' and get('b') == 'A' and os.stat('b').st_ino == ino
assert rename('a', 'none', 2) == errno.ENOENT
assert rename('a', 'd', 2) == 0 and os.path.isdir('a') and get('d') == 'B'
assert rename('a', 'd', 2) == 0
assert rename('b', 'e') == errno.EISDIR and rename('d', 'b') == errno.ENOTDIR
assert rename('d', 'e') == errno.ENOTEMPTY
assert rename('e', 'd') == 0 and get('d/x') == 'X' and not os.path.exists('e')
assert rename('d', 'd/sub') == errno.EINVAL
os.link('a', 'same')
assert rename('a', 'same') == 0 and os.path.exists('a') and os.path.exists('same')
os.chown('.', 1234, 4321)
assert rename('a', 'd/moved', 4) == 0
st = os.stat('a')
assert (st.st_uid, st.st_gid) == (0, 0)
os.chown('.', 0, 0)
assert stat.S_ISCHR(st.st_mode) and st.st_rdev == 0 and get('d/moved') == 'B'
os.mkdir('deep'); os.rename('d', 'deep/d')
assert os.path.realpath('deep/d/..') == os.path.realpath('deep')
assert sorted(os.listdir('.')) == ['a', 'b', 'deep', 'same']
PY
	mkdir "$WORK/copy"
	cp -a "$M/." "$WORK/copy"
	ours_umount
	judged "$WORK/copy"
}

@test 'directories in place of subvolumes are each their own: used, removed, not renamed, as under the kernel' {
	image_new 300M
	image_mount "$MNT" rw "$IMG"
	mkdir "$MNT/dir" "$MNT/other"
	for name in a b c d; do btrfs -q subvolume create "$MNT/dir/$name"; done
	btrfs -q subvolume create "$MNT/top"
	for nr in 1 2 3; do btrfs -q subvolume snapshot "$MNT" "$MNT/snap$nr"; done
	image_umount "$MNT"
	cat >"$WORK/absent.py" <<'PY'
import errno, os, sys, threading
os.chdir(sys.argv[1])
def tried(f, *a):
    try:
        r = f(*a)
        print(f.__name__, a, [r.st_ino & (1 << 43) - 1, r.st_nlink, r.st_mode] if isinstance(r, os.stat_result) else r)
    except OSError as e:
        print(f.__name__, a, e.errno)
fds = [os.open('dir/' + name, os.O_RDONLY) for name in 'abcd'] + [os.open('top', os.O_RDONLY)]
for fd in fds:
    print(os.listdir(fd))
tried(os.stat, 'dir/a'); tried(os.stat, 'dir/b'); tried(os.stat, 'top')
print(sorted(e.name for e in os.scandir('dir') if e.is_dir()))
tried(os.rename, 'dir/a', 'dir/z'); tried(os.rename, 'dir/a', 'other/a')
try: os.mkdir('dir/a/inside')
except OSError as e: print('no mkdir', e.errno in (errno.EPERM, errno.EROFS))
os.chdir('dir/b')
print(os.getcwd().endswith('/dir/b'))
tried(os.rmdir, '../a'); tried(os.stat, '../a')
print(os.getcwd().endswith('/dir/b'))
tried(os.stat, '.'); tried(os.stat, '../b'); tried(os.listdir, '.')
os.mkdir('../new'); tried(os.rename, '../new', '../c'); tried(os.stat, '../c/.')
print(os.getcwd().endswith('/dir/b'))
os.chdir('..')
print(sorted(os.listdir('.')))
tried(os.rmdir, 'b'); tried(os.stat, 'b')
os.chdir('..')
# Beside each other: each one's path stays its own.
fd = os.open('dir/d', os.O_RDONLY)
def look(name, wrong):
    for _ in range(300):
        f = os.open(name, os.O_RDONLY)
        if not os.readlink('/proc/self/fd/%d' % f).endswith('/' + name): wrong.append(name)
        os.close(f)
wrong = []
threads = [threading.Thread(target=look, args=(n, wrong)) for n in ('dir/d', 'top')]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(wrong))
PY
	image_mount "$MNT" rw "$IMG"
	python3 "$WORK/absent.py" "$MNT/snap1" >"$WORK/kernels.txt"
	image_umount "$MNT"
	ours_mount
	python3 "$WORK/absent.py" "$M/snap2" >"$WORK/ours.txt"
	ours_umount
	diff "$WORK/kernels.txt" "$WORK/ours.txt"
	ours_mount subvol=/snap3
	python3 "$WORK/absent.py" "$M" >"$WORK/ours.txt"
	[ "$(stat -c %i "$M/top")" = 2 ]
	ours_umount
	diff "$WORK/kernels.txt" "$WORK/ours.txt"
	[ "$(wc -l <"$WORK/ours.txt")" -gt 20 ]
	check_clean "$IMG"
}

@test 'a name that stays is listed once while others come and go' {
	image_new 200M
	ours_mount
	python3 - "$M" <<'PY'
import os, sys, threading
os.chdir(sys.argv[1])
stay = {'stay%04d' % i for i in range(2000)}
for name in stay:
    os.close(os.open(name, os.O_CREAT))
over = False
def churn():
    i = 0
    while not over:
        os.close(os.open('churn%d' % (i % 500), os.O_CREAT)); i += 1
        try: os.unlink('churn%d' % ((i + 250) % 500))
        except FileNotFoundError: pass
t = threading.Thread(target=churn); t.start()
try:
    for _ in range(30):
        seen = [n for n in os.listdir('.') if n.startswith('stay')]
        assert len(seen) == len(stay) and set(seen) == stay, (len(seen), len(set(seen)))
finally:
    over = True; t.join()
with os.scandir('.') as it:
    for n, entry in enumerate(it):
        assert entry.inode() == os.stat(entry.name).st_ino
        if n > 100: break
PY
	ours_umount
	check_clean "$IMG"
}
