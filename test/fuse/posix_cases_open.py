"""Opening: flags, permissions, what descriptors of each kind may do; files without a name, handles, listing while names change."""
import ctypes
import itertools
import os
import stat
import struct

from posix_calls import AT_FDCWD, LIBC, O_TMPFILE, case, slow

AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = 0x400, 0x1000
FLAGS = [os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW, os.O_DIRECTORY]


def make_all(c):
    c.make('file', b'contents', 0o666)
    c.make_dir('dir', 0o777)
    c.make_link('file', 'tofile')
    c.make_link('dir', 'todir')
    c.make_link('created', 'dangling')
    with c.as_root():
        os.mkfifo('fifo')
        os.mknod('dev', stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod('nodev', stat.S_IFBLK | 0o666, os.makedev(250, 77))
        os.mknod('sock', stat.S_IFSOCK | 0o666)
        c.before = c.snapshot()


@case
@slow
def open_flags(c):
    """All of them together, on all kinds."""
    for access in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, 3):
        for nr in range(len(FLAGS) + 1):
            for some in itertools.combinations(FLAGS, nr):
                if nr > 2 and access != os.O_RDWR:
                    continue
                make_all(c) if not os.path.exists('file') else None
                for name in ('file', 'dir', 'tofile', 'todir', 'dangling', 'missing', 'fifo', 'dev', 'nodev', 'sock'):
                    fd = c.open(name, access | os.O_NONBLOCK | sum(some))
                    if fd >= 0:
                        os.close(fd)
                for name in ('created', 'missing'):
                    if os.path.exists(name):
                        os.unlink(name)
                c.before = c.snapshot()


@case
def open_path(c):
    make_all(c)
    for name in ('file', 'dir', 'tofile', 'dangling', 'missing', 'fifo'):
        for more in (0, os.O_NOFOLLOW, os.O_DIRECTORY, os.O_CREAT, os.O_TRUNC | os.O_RDWR):
            fd = c.open(name, os.O_PATH | more)
            if fd < 0:
                continue
            c.read(fd, 10)
            c.write(fd, b'x')
            c.ftruncate(fd, 0)
            c.fchmod(fd, 0o600)
            c.fchown(fd, 1, 1)
            c.fsync(fd)
            c.getdents64(fd, ctypes.create_string_buffer(100), 100)
            c.fstat(fd)
            c.fchdir(fd) if name != 'dir' else None
            c.flistxattr(fd, None, 0)
            os.close(fd)


@case
@slow
def open_permissions(c):
    for mode in (0o000, 0o400, 0o200, 0o100, 0o040, 0o020, 0o004, 0o002, 0o001, 0o077, 0o707, 0o644, 0o755):
        c.make('f', b'x', mode, (1001, 2000))
        c.make_dir('d', mode, (1001, 2000))
        c.make('d/in', b'', 0o666)
        for user in ('u1', 'u2', 'root'):
            with c.by(user):
                for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND, os.O_RDONLY | os.O_NOATIME,
                              os.O_RDWR | os.O_CREAT, os.O_PATH):
                    fd = c.open('f', flags)
                    os.close(fd) if fd >= 0 else None
                    fd = c.open('d', flags)
                    os.close(fd) if fd >= 0 else None
                    fd = c.open('d/in', flags)
                    os.close(fd) if fd >= 0 else None
                for amode in (os.R_OK, os.W_OK, os.X_OK):
                    c.faccessat(AT_FDCWD, 'f', amode, 0x200)
                    c.faccessat(AT_FDCWD, 'd', amode, 0x200)
                if c.chdir('d') == 0:
                    os.chdir('..')
                c.truncate('f', 0)
                c.open('d/new', os.O_CREAT | os.O_RDWR)
        with c.as_root():
            for name in ('d/in', 'd/new', 'f'):
                if os.path.exists(name):
                    os.unlink(name)
            os.rmdir('d')
            c.before = c.snapshot()


@case
def created_without_rights(c):
    """The mode of what one creates does not hold for the descriptor that created it."""
    c.make_dir('d', 0o777)
    with c.by('u1'):
        for mode in (0, 0o444, 0o222, 0o111):
            fd = c.open(f'd/f{mode:o}', os.O_CREAT | os.O_RDWR, mode)
            c.write(fd, b'text')
            c.pread(fd, 10, 0)
            c.open(f'd/f{mode:o}', os.O_RDWR)
            c.open(f'd/f{mode:o}', os.O_CREAT | os.O_RDWR)
            c.open(f'd/f{mode:o}', os.O_CREAT | os.O_RDWR | os.O_TRUNC)
            c.ftruncate(fd, 1)
            c.fchmod(fd, 0o600)


@case
def protected_in_sticky(c):
    """fs.protected_*: files, fifos of others in sticky directories; links to what one may not write."""
    c.make_dir('d', 0o1777)
    for owner in ((1001, 1001), (1002, 1002)):
        c.make(f'd/f{owner[0]}', b'x', 0o666, owner)
        with c.by('u1' if owner[0] == 1001 else 'u2'):
            c.symlink('f1001', f'd/l{owner[0]}')
    for user in ('u1', 'u2', 'root'):
        with c.by(user):
            for name in ('f1001', 'f1002', 'l1001', 'l1002'):
                c.open(f'd/{name}', os.O_RDWR | os.O_CREAT)
                c.open(f'd/{name}', os.O_RDWR | os.O_TRUNC)
                c.open(f'd/{name}', os.O_RDONLY)


@case
def descriptors(c):
    """Calls on descriptors that were not opened for them."""
    c.make('f', b'0123456789', 0o666)
    c.make_dir('d')
    for name, flags in (('f', os.O_RDONLY), ('f', os.O_WRONLY), ('f', os.O_WRONLY | os.O_APPEND), ('d', os.O_RDONLY)):
        fd = c.open(name, flags)
        c.read(fd, 4)
        c.pread(fd, 4, 2)
        c.pread(fd, 4, -1)
        c.write(fd, b'ab')
        c.pwrite(fd, b'cd', 3)
        c.pwrite(fd, b'cd', -1)
        c.write(fd, b'')
        for size in (5, -1, 1 << 62):
            c.ftruncate(fd, size)
        c.ftruncate(fd, 10)
        for mode in (0, 1, 3, 0x10):
            c.fallocate(fd, mode, 0, 4096)
        for offset, whence in ((0, 0), (-1, 0), (3, 1), (-100, 1), (0, 2), (-20, 2), (5, 2), (0, 3), (0, 4), (100, 3), (100, 4), (0, 9), (2**63 - 1, 0), (1, 1)):
            c.seek(fd, offset, whence)
        c.fsync(fd)
        c.fdatasync(fd)
        c.syncfs(fd)
        c.posix_fadvise(fd, 0, 0, 4)
        c.readahead(fd, 0, 4096)
        c.sync_file_range(fd, 0, 4096, 7)
        c.getdents64(fd, ctypes.create_string_buffer(10), 10)
        c.fchmod(fd, 0o666)
        c.lockf(fd, 2, 0)
        c.flock(fd, 6)
    c.truncate('f', -1)
    c.truncate('d', 0)
    c.truncate('missing', 0)
    c.truncate('f/x', 0)
    c.truncate('f', 2**63 - 1)
    c.truncate('f', 5)


@case
def nameless(c):
    """Open files whose last name is gone."""
    fd = c.open('f', os.O_CREAT | os.O_RDWR)
    c.write(fd, b'text')
    c.link('f', 'g')
    c.unlink('g')
    c.unlink('f')
    c.fstat(fd)
    c.pread(fd, 10, 0)
    c.pwrite(fd, b'more' * 5000, 100)
    c.fchmod(fd, 0o604)
    c.fchown(fd, 5, 6)
    c.ftruncate(fd, 50)
    c.fsetxattr(fd, 'user.a', b'b', 1, 0)
    c.fstat(fd)
    c.fsync(fd)
    proc = f'/proc/self/fd/{int(fd)}'
    c.call('linkat', AT_FDCWD, proc, AT_FDCWD, 'again', AT_SYMLINK_FOLLOW, show='/proc/self/fd/N again')
    c.linkat(fd, '', AT_FDCWD, 'again', AT_EMPTY_PATH)
    again = c.new_fd(c.raw('openat', AT_FDCWD, proc, os.O_RDWR, 0))
    c.note('open /proc/self/fd/N', again >= 0 or c.err)
    c.fstat(again)
    c.call('truncate', proc, 7, show='/proc/self/fd/N 7')
    c.call('chmod', proc, 0o600, show='/proc/self/fd/N 600')
    c.fstat(fd)
    c.close(fd)
    c.pread(again, 100, 0)
    # one that has another name left
    fd = c.open('two', os.O_CREAT | os.O_RDWR)
    c.link('two', 'names')
    c.unlink('two')
    proc = f'/proc/self/fd/{int(fd)}'
    c.call('linkat', AT_FDCWD, proc, AT_FDCWD, 'three', AT_SYMLINK_FOLLOW, show='/proc/self/fd/N three')
    c.linkat(fd, '', AT_FDCWD, 'four', AT_EMPTY_PATH)
    # replaced by rename, and a directory
    fd = c.open('old', os.O_CREAT | os.O_RDWR)
    c.make('new', b'new')
    c.rename('new', 'old')
    c.fstat(fd)
    c.mkdir('dir', 0o755)
    d = c.open('dir', os.O_RDONLY)
    c.rmdir('dir')
    c.fstat(d)
    c.fchmod(d, 0o700)
    c.fsync(d)
    c.getdents64(d, ctypes.create_string_buffer(1000), 1000)
    c.fstat(d)


@case
def tmpfile(c):
    fd = c.open('.', O_TMPFILE | os.O_RDWR)
    fd = c.open('.', O_TMPFILE | os.O_RDWR | os.O_EXCL)
    fd = c.open('.', O_TMPFILE | os.O_RDONLY)
    fd = c.open('missing', O_TMPFILE | os.O_RDWR)


@case
def statfs(c):
    """What does not depend on how full it is."""
    for path in ('.', 'missing'):
        try:
            st = os.statvfs(path)
            c.note(f'statvfs {path}', f'{st.f_bsize} {st.f_frsize} {st.f_blocks} {st.f_files} {st.f_ffree} {st.f_namemax} {st.f_flag & 0xf}')
        except OSError as e:
            c.note(f'statvfs {path}', e.errno)
    buf = ctypes.create_string_buffer(120)
    c.raw('statfs64', '.', buf)
    words = struct.unpack_from('15q', buf)
    c.note('statfs', f'type {words[0]:x} bsize {words[1]} files {words[5]} {words[6]} fsid {words[7] != 0} namelen {words[8]} frsize {words[9]}')
    for name in range(0, 21):
        c.pathconf('.', name)


@case
def handles(c):
    c.make('f', b'x')
    c.make_dir('d')
    c.make('d/g', b'deep')
    mount = os.open('.', os.O_RDONLY)
    for name in ('f', 'd', 'd/g', '.', 'missing'):
        buf = ctypes.create_string_buffer(struct.pack('Ii', 128, 0) + bytes(128))
        mount_id = ctypes.c_int()
        result = c.raw('name_to_handle_at', AT_FDCWD, name, buf, ctypes.byref(mount_id), 0)
        c.note(f'name_to_handle_at {name}', c.err if result < 0 else 'ok')
        small = ctypes.create_string_buffer(struct.pack('Ii', 0, 0) + bytes(8))
        c.call('name_to_handle_at', AT_FDCWD, name, small, ctypes.byref(mount_id), 0, show=f'{name} small')
        if result < 0:
            continue
        fd = c.new_fd(c.raw('open_by_handle_at', mount, buf, os.O_RDONLY))
        c.note(f'open_by_handle_at {name}', c.err if fd < 0 else 'ok')
        c.fstat(fd)
        if name == 'd/g':
            c.unlink(name)
            again = c.new_fd(c.raw('open_by_handle_at', mount, buf, os.O_RDONLY))
            c.note('of what is open and unlinked', c.err if again < 0 else 'ok')
            c.close(again)
            c.close(fd)
            again = c.new_fd(c.raw('open_by_handle_at', mount, buf, os.O_RDONLY))
            c.note('of what is gone', c.err if again < 0 else 'ok')
        elif name == 'd':
            c.rename('d', 'e')
            c.call('open_by_handle_at', mount, buf, os.O_RDONLY | os.O_DIRECTORY, show='moved')
            c.rename('e', 'd')
        buf[8:16] = b'\xff' * 8
        c.call('open_by_handle_at', mount, buf, os.O_RDONLY, show='nonsense')
        with c.by('u1'):
            c.call('open_by_handle_at', mount, buf, os.O_RDONLY, show='without the right')


def names_in(fd, size=32768):
    """One getdents64: names and their cookies."""
    buf = ctypes.create_string_buffer(size)
    LIBC.getdents64.restype = ctypes.c_long
    got = LIBC.getdents64(int(fd), buf, ctypes.c_long(size))
    found, at = [], 0
    while at < got:
        ino, cookie, length, kind = struct.unpack_from('QqHB', buf, at)
        found.append((buf.raw[at + 19:at + length].split(b'\0')[0].decode(), cookie, kind))
        at += length
    return got, found


@case
def listing(c):
    """Order, kinds, cookies that lead back; names that come and go meanwhile."""
    c.make_dir('d')
    with c.as_root():
        for i in range(40):
            open(f'd/f{i:02}', 'w').close()
        os.mkdir('d/dir')
        os.symlink('x', 'd/link')
        os.mkfifo('d/fifo')
    c.quiet = True
    fd = c.open('d', os.O_RDONLY)
    got, found = names_in(fd)
    c.note('getdents', [(n, k) for n, _, k in found])
    c.note('end', names_in(fd)[1])
    c.note('and again', names_in(fd)[1])
    for i in (0, 5, 20, len(found) - 1):
        c.raw('lseek64', fd, found[i][1], 0)
        c.note(f'behind {i}', [n for n, _, _ in names_in(fd)[1]])
    c.raw('lseek64', fd, 0, 0)
    _, some = names_in(fd, 400)
    c.note('some', [n for n, _, _ in some])
    os.unlink('d/f00')
    os.unlink('d/f39')
    os.rename('d/f20', 'd/renamed')
    open('d/added', 'w').close()
    rest = []
    while True:
        got, more = names_in(fd, 400)
        if not more:
            break
        rest += [n for n, _, _ in more]
    c.note('the rest', rest)
    c.raw('lseek64', fd, 0, 0)
    c.note('rewound', [n for n, _, _ in names_in(fd)[1]])
    c.note('small', f'{names_in(fd, 10)[0]}')
    c.raw('lseek64', fd, 0, 0)
    c.call('getdents64', fd, ctypes.create_string_buffer(10), 10)
    c.seek(fd, -1, 0)
    c.seek(fd, 0, 1)
    c.seek(fd, 0, 2)
    c.seek(fd, 0, 3)
    for name in os.listdir('d'):
        os.rmdir(f'd/{name}') if name == 'dir' else os.unlink(f'd/{name}')
    c.raw('lseek64', fd, 0, 0)
    c.note('empty', [n for n, _, _ in names_in(fd)[1]])
    os.rmdir('d')
    c.note('removed', names_in(fd))
    c.quiet = False
    c.before = c.snapshot()


@case
@slow
def listing_while_removing(c):
    """As rm -r: every name is met once."""
    c.make_dir('d')
    for i in range(3000):
        open(f'd/name_{i}', 'w').close()
    fd = os.open('d', os.O_RDONLY)
    met = []
    while True:
        _, some = names_in(fd, 2048)
        if not some:
            break
        for name, _, _ in some:
            if name not in ('.', '..'):
                met.append(name)
                os.unlink(f'd/{name}')
    c.note('met', f'{len(met)} {len(set(met))}')
    c.rmdir('d')


@case
def exchanged_while_listing(c):
    c.make_dir('d')
    for i in range(200):
        open(f'd/{i}', 'w').close()
    fd = os.open('d', os.O_RDONLY)
    _, some = names_in(fd, 1000)
    for i in range(0, 200, 2):
        c.raw('renameat2', AT_FDCWD, f'd/{i}', AT_FDCWD, f'd/{i + 1}', 2)
    met = [n for n, _, _ in some]
    while some:
        _, some = names_in(fd, 1000)
        met += [n for n, _, _ in some]
    # Those that got a new place meanwhile are met or not.
    c.note('met twice', len(met) - len(set(met)))
    for name in os.listdir('d'):
        os.unlink(f'd/{name}')
    c.before = c.snapshot()


@case
def renaming_while_listing(c):
    """Each name gets a new place behind the others: the listing ends all the same."""
    c.make_dir('d')
    for i in range(500):
        open(f'd/name_{i:05}', 'w').close()
    fd = os.open('d', os.O_RDONLY)
    nr, some = 0, [None]
    while some and nr < 6000:
        _, some = names_in(fd, 2048)
        for name, _, _ in some:
            if name not in ('.', '..'):
                nr += 1
                if nr < 6000:
                    os.rename(f'd/{name}', f'd/{name}x' if len(name) < 40 else f'd/{name[:10]}{nr}')
    c.note('met', nr)
    c.note('there', len(os.listdir('d')))
    for name in os.listdir('d'):
        os.unlink(f'd/{name}')
    c.before = c.snapshot()
