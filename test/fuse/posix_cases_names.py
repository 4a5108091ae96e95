"""Names: making, linking, renaming and removing them; paths, symlinks, sticky and set-group-ID directories, the order of checks."""
import ctypes
import os
import stat

from posix_calls import AT_FDCWD, Fd, case, slow

NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_REMOVEDIR = 0x400, 0x1000, 0x200
KINDS = ['file', 'dir', 'full', 'link', 'fifo', 'none', 'dangling']


def make_kind(c, kind, name):
    if kind == 'file':
        c.make(name, name.encode())
    elif kind == 'dir':
        c.make_dir(name)
    elif kind == 'full':
        c.make_dir(name)
        c.make(name + '/inside')
    elif kind == 'link':
        c.make_link('target', name)
    elif kind == 'dangling':
        c.make_link('nowhere/at/all', name)
    elif kind == 'fifo':
        with c.as_root():
            os.mkfifo(name)
            c.before = c.snapshot()


def remove_tree(c, *names):
    with c.as_root():
        for name in names:
            if os.path.isdir(name) and not os.path.islink(name):
                for root, dirs, files in os.walk(name, topdown=False):
                    for f in files:
                        os.unlink(os.path.join(root, f))
                    for d in dirs:
                        p = os.path.join(root, d)
                        os.unlink(p) if os.path.islink(p) else os.rmdir(p)
                os.rmdir(name)
            elif os.path.lexists(name):
                os.unlink(name)
        c.before = c.snapshot()


@case
def name_lengths(c):
    for length in (1, 254, 255, 256, 1000):
        name = 'n' * length
        c.close(c.open(name, os.O_CREAT | os.O_RDWR))
        c.mkdir(name + 'd', 0o755)
        c.mkdir('d' * length, 0o755)
        c.symlink('target', 's' * length)
        c.mknod('p' * length, stat.S_IFIFO | 0o600, 0)
        c.link(name, 'l' * length)
        c.rename(name, 'r' * length)
        c.renameat2(AT_FDCWD, 'r' * length, AT_FDCWD, 'R' * length, NOREPLACE)
        c.unlink('R' * length)
        c.rmdir('d' * length)
        c.access('missing' + 'm' * length, os.F_OK)
        c.truncate('missing' + 'm' * length, 0)
    for name in ('\xe4' * 127, '\xe4' * 128, 'a\nb', ' ', '...', 'trailing.', '\x7f', '\\', 'a:b*?'):
        c.mkdir(name, 0o755)
        c.rmdir(name)
    c.mkdir(b'\xff\xfe\x80', 0o755)
    c.rmdir(b'\xff\xfe\x80')


@case
def path_lengths(c):
    for length in (4094, 4095, 4096, 4097):
        path = './' * (length // 2) + 'x' * (length % 2)
        path = path[:length - 1] + 'x'
        assert len(path) == length
        c.close(c.open(path, os.O_CREAT | os.O_RDWR))
        c.mkdir(path, 0o755)
        c.unlink(path)
        c.mkdir(path, 0o755)
        c.rmdir(path)
        c.symlink('t', path)
        c.unlink(path)
        c.rename(path, 'y')
        c.access(path, os.F_OK)


@case
def symlink_lengths(c):
    for length in (0, 1, 255, 256, 2047, 2048, 3499, 3500, 3900, 3949, 3950, 4000, 4094, 4095, 4096, 5000):
        name = f's{length}'
        c.symlink('t' * length, name)
        buf = ctypes.create_string_buffer(6000)
        c.readlink(name, buf, 6000)
        c.readlink(name, buf, 10)
    c.readlink('s1', buf, 0)
    c.make('file')
    c.readlink('file', buf, 100)
    c.readlink('.', buf, 100)
    c.readlink('missing', buf, 100)
    c.readlink('file/x', buf, 100)
    c.readlink('s1/', buf, 100)


@case
def trailing_slashes(c):
    c.make('file')
    c.make_dir('dir')
    c.make_link('dir', 'tdir')
    c.make_link('file', 'tfile')
    c.make_link('missing', 'tmissing')
    for name in ('file/', 'dir/', 'tdir/', 'tfile/', 'tmissing/', 'new/', 'file/.', 'dir/.', 'dir/..', 'new/.', '.', '..', '/', '', './', 'tdir/.'):
        c.open(name, os.O_RDONLY)
        c.open(name, os.O_CREAT | os.O_RDWR)
        c.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR)
        c.mkdir(name, 0o755) if name not in ('new/',) else None
        c.mknod(name, stat.S_IFREG | 0o644, 0)
        c.symlink('x', name)
        c.link('file', name)
        c.unlink(name)
        if name not in ('dir/', 'tdir/'):
            c.rmdir(name)
        c.rename('file', name)
        if name not in ('dir/', 'tdir/'):
            c.rename(name, 'renamed')
            c.rename('renamed', name.rstrip('/') or 'x')
        c.access(name, os.F_OK)
        c.truncate(name, 0)
        c.chmod(name, 0o755) if name not in ('..', 'dir/..', '/') else None
    c.mkdir('new/', 0o755)
    c.rename('new/', 'newer/')
    c.rename('newer/', 'file/')
    c.rename('file', 'newest/')
    c.rmdir('newer/')


@case
def too_many_links(c):
    for i in range(45):
        c.make_link(f'c{i + 1}', f'c{i}')
    c.make('c45')
    c.make_link('loop', 'loop')
    c.make_link('loopb', 'loopa')
    c.make_link('loopa', 'loopb')
    for name in ('c0', 'c4', 'c5', 'c6', 'c44', 'loop', 'loopa', 'loop/x'):
        c.open(name, os.O_RDONLY)
        c.open(name, os.O_RDWR | os.O_CREAT)
        c.open(name, os.O_RDONLY | os.O_NOFOLLOW)
        c.open(name, os.O_PATH | os.O_NOFOLLOW)
        c.truncate(name, 1)
        c.chmod(name, 0o600)
        c.link(name, 'hard_' + name.replace('/', '_'))
        c.linkat(AT_FDCWD, name, AT_FDCWD, 'followed_' + name.replace('/', '_'), AT_SYMLINK_FOLLOW)
        c.mkdir(name, 0o755)
        c.rename(name, name)
        c.setxattr(name, 'user.x', b'y')


def rename_matrix_with(flags):
    def run(c):
        c.make('target')
        for a in KINDS:
            for b in KINDS:
                make_kind(c, a, 'a')
                make_kind(c, b, 'b')
                c.renameat2(AT_FDCWD, 'a', AT_FDCWD, 'b', flags)
                remove_tree(c, 'a', 'b')
    run.__name__ = f'rename_matrix_{flags}'
    return run


for combination in range(9):
    case(rename_matrix_with(combination))


@case
def rename_into_itself(c):
    c.make_dir('d')
    c.make_dir('d/e')
    c.make_dir('d/e/f')
    c.make('d/file')
    for flags in (0, NOREPLACE, EXCHANGE, WHITEOUT):
        for old, new in (('d', 'd/x'), ('d', 'd/e/x'), ('d', 'd/e/f'), ('d/e', 'd'), ('d/e/f', 'd'), ('d', 'd'), ('d/e', 'd/e/'), ('d/e', 'd/./e'),
                         ('d/.', 'x'), ('d/..', 'x'), ('x', 'd/.'), ('d/e', 'd/e/..'), ('.', 'x'), ('d/file', 'd'), ('d', 'd/file'),
                         ('d/file', 'd/file'), ('d/file/x', 'y'), ('d', 'missing/x'), ('missing', 'x'), ('missing', 'd/file/x')):
            c.renameat2(AT_FDCWD, old, AT_FDCWD, new, flags)


@case
def rename_hard_links(c):
    c.make('a')
    c.make_dir('d')
    c.link('a', 'b')
    c.link('a', 'd/c')
    for flags in (0, NOREPLACE, EXCHANGE, WHITEOUT):
        c.renameat2(AT_FDCWD, 'a', AT_FDCWD, 'b', flags)
        c.renameat2(AT_FDCWD, 'a', AT_FDCWD, 'd/c', flags)
        c.renameat2(AT_FDCWD, 'd/c', AT_FDCWD, 'a', flags)


@case
def rename_across_directories(c):
    """The times of both directories, of what is moved and of what is replaced."""
    for kind in ('file', 'dir', 'link'):
        c.make_dir('p')
        c.make_dir('q')
        make_kind(c, kind, 'p/x')
        c.rename('p/x', 'q/x')
        make_kind(c, kind, 'p/x')
        c.rename('p/x', 'q/x')
        make_kind(c, 'file', 'p/y')
        c.renameat2(AT_FDCWD, 'p/y', AT_FDCWD, 'q/x', EXCHANGE)
        c.renameat2(AT_FDCWD, 'q/x', AT_FDCWD, 'p/white', WHITEOUT)
        remove_tree(c, 'p', 'q')


@case
@slow
def rename_permissions(c):
    """Who may move what out of and into which directory; a directory's own mode counts when its parent changes."""
    for mode in (0o777, 0o755, 0o555, 0o1777, 0o700):
        c.make_dir('from', mode, (1001, 1001))
        c.make_dir('to', mode, (1002, 1002))
        for owner in ((1001, 1001), (1002, 1002), (0, 0)):
            c.make('from/file', b'', 0o600, owner)
            c.make_dir('from/dir', 0o755, owner)
            c.make('to/there', b'', 0o600, owner)
            for user in ('u1', 'u2'):
                with c.by(user):
                    for flags in (0, NOREPLACE, EXCHANGE, WHITEOUT):
                        c.renameat2(AT_FDCWD, 'from/file', AT_FDCWD, 'to/file', flags)
                        c.renameat2(AT_FDCWD, 'to/file', AT_FDCWD, 'from/file', 0)
                        c.renameat2(AT_FDCWD, 'from/file', AT_FDCWD, 'from/other', flags)
                        c.renameat2(AT_FDCWD, 'from/other', AT_FDCWD, 'from/file', 0)
                        c.renameat2(AT_FDCWD, 'from/dir', AT_FDCWD, 'from/dir2', flags)
                        c.renameat2(AT_FDCWD, 'from/dir2', AT_FDCWD, 'from/dir', 0)
                        c.renameat2(AT_FDCWD, 'from/dir', AT_FDCWD, 'to/dir', flags)
                        c.renameat2(AT_FDCWD, 'to/dir', AT_FDCWD, 'from/dir', 0)
                        c.renameat2(AT_FDCWD, 'from/file', AT_FDCWD, 'to/there', EXCHANGE if flags else NOREPLACE)
            remove_tree(c, *[f'{d}/{n}' for d in ('from', 'to') for n in ('file', 'dir', 'dir2', 'other', 'there')])
        remove_tree(c, 'from', 'to')


@case
@slow
def sticky(c):
    for dir_owner in ((0, 0), (1001, 1001)):
        for mode in (0o1777, 0o777, 0o1755):
            c.make_dir('d', mode, dir_owner)
            for owner in ((0, 0), (1001, 1001), (1002, 1002)):
                for user in ('u1', 'u2'):
                    c.make('d/f', b'', 0o666, owner)
                    c.make_dir('d/s', 0o777, owner)
                    c.make_link('x', 'd/l')
                    with c.by(user):
                        c.rename('d/f', 'd/g')
                        c.rename('d/g', 'd/f')
                        c.link('d/f', 'd/h')
                        c.unlink('d/h')
                        c.rename('d/s', 'd/t')
                        c.rmdir('d/t')
                        c.unlink('d/l')
                        c.unlink('d/f')
                        c.rmdir('d/s')
                    remove_tree(c, 'd/f', 'd/g', 'd/h', 'd/s', 'd/t', 'd/l')
            remove_tree(c, 'd')


@case
@slow
def setgid_directories(c):
    """What is made in them; who of another group makes executable files loses the bit."""
    for dir_mode in (0o2777, 0o777, 0o3777):
        for group in (1001, 1002, 2000, 0):
            c.make_dir('d', dir_mode, (0, group))
            for user in ('root', 'u1', 'u2'):
                with c.by(user):
                    for mode in (0o666, 0o777, 0o2777, 0o2767, 0o6777, 0o2666):
                        c.open(f'd/f{mode:o}', os.O_CREAT | os.O_RDWR, mode)
                        c.mknod(f'd/n{mode:o}', stat.S_IFREG | mode, 0)
                        c.mkdir(f'd/d{mode:o}', mode)
                        c.mknod(f'd/p{mode:o}', stat.S_IFIFO | mode, 0)
                    c.symlink('x', 'd/l')
                remove_tree(c, 'd')
                c.make_dir('d', dir_mode, (0, group))
            remove_tree(c, 'd')


@case
def umask(c):
    for mask in (0, 0o022, 0o027, 0o077, 0o777):
        c.said('umask', os.umask, mask, show=oct(mask))
        for mode in (0o777, 0o666, 0o7777, 0o1777, 0):
            c.open(f'f{mask:o}.{mode:o}', os.O_CREAT | os.O_RDWR, mode)
            c.mkdir(f'd{mask:o}.{mode:o}', mode)
            c.mknod(f'p{mask:o}.{mode:o}', stat.S_IFIFO | mode, 0)
        remove_tree(c, *[n for n in os.listdir('.')])


@case
def link_matrix(c):
    c.make('target')
    for a in KINDS:
        for b in KINDS:
            make_kind(c, a, 'a')
            make_kind(c, b, 'b')
            c.link('a', 'b')
            c.linkat(AT_FDCWD, 'a', AT_FDCWD, 'c', AT_SYMLINK_FOLLOW)
            remove_tree(c, 'a', 'b', 'c')
    c.linkat(AT_FDCWD, 'target', AT_FDCWD, 'x', 0x8000)
    c.linkat(AT_FDCWD, '', AT_FDCWD, 'x', AT_EMPTY_PATH)
    c.linkat(AT_FDCWD, '', AT_FDCWD, 'x', 0)
    c.link('target', 'missing/x')
    c.link('target', 'target/x')
    c.link('missing', 'target')
    c.link('.', 'x')
    c.make('secret', b'', 0o600, (0, 0))
    c.make('suid', b'', 0o4755, (1002, 1002))
    c.make('own', b'', 0o600, (1001, 1001))
    with c.by('u1'):
        for name in ('secret', 'suid', 'own', 'target'):
            c.link(name, name + '.l')


@case
@slow
def link_limit(c):
    """65535 links as the format has them."""
    c.make('f')
    with c.as_root():
        made, refused = 0, 0
        os.mkdir('many')
        for i in range(65540):
            try:
                os.link('f', f'many/{i}')
                made += 1
            except OSError as e:
                refused = e.errno
                break
    c.lines.append({'call': 'links', 'result': f'{made} {refused}', 'changes': {}})
    c.lines.append({'call': 'nlink', 'result': str(os.stat('f').st_nlink), 'changes': {}})
    os.unlink('many/0')
    os.link('f', 'again')
    os.unlink('again')
    for i in range(1, made):
        os.unlink(f'many/{i}')
    c.before = c.snapshot()


@case
def unlink_and_rmdir(c):
    c.make('target')
    for kind in KINDS:
        make_kind(c, kind, 'a')
        c.unlink('a')
        remove_tree(c, 'a')
        make_kind(c, kind, 'a')
        c.rmdir('a')
        remove_tree(c, 'a')
        make_kind(c, kind, 'a')
        c.unlinkat(AT_FDCWD, 'a', AT_REMOVEDIR)
        c.unlinkat(AT_FDCWD, 'a', 0x1)
        c.unlink('a/x')
        c.rmdir('a/x')
        remove_tree(c, 'a')
    for name in ('.', '..', '', '/', 'x/.', 'target/.', 'target/..'):
        c.rmdir(name)
        c.unlink(name)
    c.make_dir('d')
    c.make_dir('d/e')
    for name in ('d/e/..', 'd/e/.', 'd/e/../e', 'd'):
        c.rmdir(name)


@case
@slow
def order_of_checks(c):
    """What is wrong in two ways: which errno comes first."""
    c.make_dir('ro', 0o555, (1001, 1001))
    c.make_dir('locked', 0o000, (1001, 1001))
    c.make_dir('free', 0o777, (1001, 1001))
    c.make('ro/file', b'x', 0o444, (1001, 1001))
    c.make_dir('ro/dir', 0o755, (1001, 1001))
    c.make('ro/dir/inside')
    c.make('free/file', b'x', 0o000, (0, 0))
    long_name = 'n' * 256
    for user in ('u1', 'u2', 'root'):
        with c.by(user):
            for d in ('ro', 'locked', 'free', 'free/file', 'missing'):
                for name in ('file', 'dir', 'new', long_name, '.'):
                    path = f'{d}/{name}'
                    c.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY)
                    c.open(path, os.O_CREAT | os.O_WRONLY | os.O_DIRECTORY)
                    c.mkdir(path, 0o755)
                    c.mknod(path, stat.S_IFIFO | 0o600, 0)
                    c.mknod(path, stat.S_IFCHR | 0o600, 0)
                    c.symlink('', path)
                    c.symlink('x', path)
                    c.link('ro/file', path)
                    c.link('ro/dir', path)
                    c.link('ro', path)
                    c.rename(path, path)
                    c.rename('ro/dir', path)
                    c.rename(path, 'ro/dir')
                    c.rename('ro', path)
                    if user != 'root' or name not in ('file', 'dir'):
                        c.rmdir(path)
                        c.unlink(path)
                    c.truncate(path, -1)
                    c.chown(path, -1, -1)
                    c.chown(path, 1001, 1002)
                    c.setxattr(path, 'user.a', b'')
                    c.setxattr(path, 'trusted.a', b'')
                    c.setxattr(path, '', b'')


@case
def mknod_types(c):
    for user in ('root', 'u1'):
        with c.by(user):
            for kind in (0, stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFDIR, stat.S_IFLNK, 0o170000, 0o30000):
                for dev in (0, os.makedev(1, 3), os.makedev(4095, 1048575), 0xffffffff, os.makedev(8, 300)):
                    name = f'{user}.{kind:o}.{dev}'
                    c.mknod(name, kind | 0o6755, dev)
    c.mknod('zero', stat.S_IFCHR | 0o666, os.makedev(1, 5))
    fd = c.open('zero', os.O_RDONLY)
    c.read(fd, 10)
    fd = c.open('root.14000.0', os.O_RDONLY)
    fd = c.open('root.10000.0', os.O_RDWR | os.O_NONBLOCK)
    c.write(fd, b'through')
    c.read(fd, 100)


@case
def directory_links(c):
    """st_nlink and st_size of directories."""
    c.mkdir('d', 0o755)
    c.mkdir('d/e', 0o755)
    c.mkdir('d/a longer name', 0o755)
    c.rename('d/e', 'e')
    c.symlink('x', 'd/s')
    c.rename('d/a longer name', 'd/b')
    c.rmdir('d/b')
    c.unlink('d/s')
    c.rmdir('d')


@case
def relative_to_descriptors(c):
    c.make_dir('d')
    c.make('d/f')
    d = c.open('d', os.O_RDONLY | os.O_DIRECTORY)
    p = c.open('d', os.O_PATH)
    f = c.open('d/f', os.O_RDONLY)
    pf = c.open('d/f', os.O_PATH)
    for at in (d, p, f, pf, Fd(-1), Fd(999)):
        c.mkdirat(at, 'm', 0o755)
        c.unlinkat(at, 'm', AT_REMOVEDIR)
        c.renameat2(at, 'f', at, 'g', 0)
        c.renameat2(at, 'g', at, 'f', 0)
        c.linkat(at, '', AT_FDCWD, 'empty_link', AT_EMPTY_PATH)
        c.unlinkat(AT_FDCWD, 'empty_link', 0)
        c.fchownat(at, '', 5, 6, AT_EMPTY_PATH)
        c.fchmod(at, 0o755)
        c.fchmodat(at, 'f', 0o600, 0)
        c.faccessat(at, 'f', os.R_OK, 0)
    c.rmdir('d')
    c.rename('d', 'moved')
    c.mkdirat(d, 'in_moved', 0o755)
    c.unlinkat(d, 'f', 0)
    c.unlinkat(d, 'in_moved', AT_REMOVEDIR)
    c.rmdir('moved')
    c.mkdirat(d, 'in_removed', 0o755)
    c.open('x', os.O_CREAT | os.O_RDWR, at=d)
    c.open('.', os.O_RDONLY, at=d)
    c.open('..', os.O_PATH, at=d)
    c.linkat(AT_FDCWD, 'x', d, 'y', 0)
    c.symlinkat('t', d, 'y')
    c.fstat(d)
    c.fstat(f)


@case
def subvolumes(c):
    """What is below the top of the mount: a subvolume and a snapshot that is read-only; here they are siblings of the cases."""
    sub = c.mount_root + '/sub'
    snap = c.mount_root + '/snapro'
    with c.as_root():
        for name in os.listdir(sub):
            p = f'{sub}/{name}'
            os.rmdir(p) if os.path.isdir(p) and not os.path.islink(p) else os.unlink(p)
    c.make('f')
    c.make_dir('d')
    c.make_dir('full')
    c.make('full/x')
    os.mkdir(sub + '/there')
    open(sub + '/file', 'w').close()
    here = lambda p: p.replace(c.mount_root, '')
    def two(name, a, b, *more):
        c.call(name, *more[:1], a, *more[:1], b, *more[1:], show=f'{here(a)} {here(b)} {more[1:]}')
    for flags in (0, NOREPLACE, EXCHANGE, WHITEOUT):
        for a, b in (('f', sub + '/f'), ('d', sub + '/d'), (sub + '/file', 'file'), (sub + '/there', 'there'), (sub, 'd'), (sub, 'full'), (sub, 'f'),
                     ('d', sub), ('full', sub), ('f', sub), (sub, sub + '/x'), (sub, sub), ('f', snap + '/f'), (snap + '/x', 'x'), (sub + '/file', sub + '/there'),
                     (c.mount_root, 'x'), ('d', c.mount_root)):
            c.call('renameat2', AT_FDCWD, a, AT_FDCWD, b, flags, show=f'{here(a)} {here(b)} {flags}')
    two('link', 'f', sub + '/l')
    two('link', sub + '/file', 'l')
    two('link', sub, 'l')
    for path in (sub, sub + '/.', sub + '/there', sub + '/file', c.mount_root):
        c.call('unlink', path, show=here(path))
        c.call('rmdir', path, show=here(path))
    c.call('mkdir', sub, 0o755, show='/sub')
    for path in (snap + '/new', snap + '/.', snap):
        c.call('mkdir', path, 0o755, show=here(path))
        c.call('mknod', path, 0o10644, 0, show=here(path))
        c.call('symlink', 'x', path, show=here(path))
        c.call('link', 'f', path, show=here(path))
        c.call('chmod', path, 0o777, show=here(path))
        c.call('chown', path, 1, 1, show=here(path))
        c.call('lsetxattr', path, 'user.x', b'y', 1, 0, show=here(path))
        c.call('lremovexattr', path, 'user.x', show=here(path))
        c.call('utimensat', AT_FDCWD, path, None, 0, show=here(path))
        c.call('access', path, os.W_OK, show=here(path))
        c.call('rmdir', path, show=here(path)) if path != snap else None
        c.call('unlink', path, show=here(path))
        c.call('open', path, os.O_RDWR | os.O_CREAT, 0o644, show=here(path))
        c.call('truncate', path, 0, show=here(path))
    c.call('rename', snap, 'x', show='/snapro x')
    c.call('rename', 'x', snap, show='x /snapro')
    c.call('rename', sub, 'sub', show='/sub sub')
    c.call('rename', 'sub', sub, show='sub /sub')
