"""Attributes: modes, owners, set-id bits, times, extended attributes, ACLs, the flags of chattr, quotactl."""
import ctypes
import os
import struct

from posix_calls import AT_FDCWD, UTIME_NOW, UTIME_OMIT, Timespec, case, slow
from posix_cases_names import remove_tree
from posix_cases_ranges import ioctl

NOFOLLOW, EMPTY_PATH = 0x100, 0x1000
GETFLAGS, SETFLAGS, FSGETXATTR, FSSETXATTR, GETVERSION = 0x80086601, 0x40086602, 0x801c581f, 0x401c5820, 0x80087601
FLAGS = {'s': 1, 'u': 2, 'c': 4, 'S': 8, 'i': 0x10, 'a': 0x20, 'd': 0x40, 'A': 0x80, 'm': 0x400, 'I': 0x1000, 'j': 0x4000, 't': 0x8000, 'D': 0x10000, 'T': 0x20000,
         'e': 0x80000, 'V': 0x100000, 'C': 0x800000, 'N': 0x10000000, 'P': 0x20000000, 'x': 0x2000000}
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
NOBODY = 0xffffffff


@case
def chmod_by_all(c):
    c.make('f', b'', 0o644, (1001, 2000))
    c.make('g', b'', 0o644, (1001, 1002))
    c.make_dir('d', 0o755, (1001, 1002))
    c.make_link('f', 'l')
    for user in ('u1', 'u2', 'root'):
        with c.by(user):
            for name in ('f', 'g', 'd', 'l', 'missing'):
                for mode in (0o600, 0o7777, 0o2755, 0o4711, 0o1644, 0o2644, 0o100644, 0o644):
                    c.chmod(name, mode)
            fd = c.open('f', os.O_RDONLY)
            c.fchmod(fd, 0o640)
            c.fchmod(fd, 0o640)
            c.fchmodat(AT_FDCWD, 'l', 0o600, NOFOLLOW)


@case
@slow
def chown_by_all(c):
    """Owners give to their groups; bits go, of directories not; nothing given is a change of the time."""
    for mode in (0o644, 0o6755, 0o6644, 0o2755, 0o2644, 0o4711):
        for owner, group in ((1001, 1001), (1001, 2000), (1002, 1001), (0, 0)):
            c.make('f', b'', mode, (owner, group))
            c.make_dir('d', mode, (owner, group))
            c.make_link('f', 'l')
            for user in ('u1', 'u2', 'root'):
                with c.by(user):
                    for uid, gid in ((-1, -1), (owner, -1), (-1, group), (-1, 2000), (1001, 2000), (-1, 1001), (-1, 1002), (1002, -1), (0, 0), (owner, group)):
                        c.chown('f', uid, gid)
                        c.chown('d', uid, gid)
                    c.lchown('l', -1, 2000)
                    c.lchown('l', 1001, -1)
                with c.as_root():
                    for name in ('f', 'd'):
                        os.chown(name, owner, group)
                        os.chmod(name, mode)
                    c.before = c.snapshot()
            os.unlink('f')
            os.unlink('l')
            os.rmdir('d')
            c.before = c.snapshot()
    c.make('f')
    c.chown('f', 2**32 - 2, 2**31)
    c.chown('missing', 1, 1)
    c.chown('f/x', 1, 1)
    c.fchownat(AT_FDCWD, 'f', 3, 4, 0x8000)


@case
def set_id_bits(c):
    """What takes them away, by whom."""
    for mode in (0o6755, 0o6777, 0o2767, 0o4777, 0o6666):
        for user in ('u1', 'u2', 'root'):
            for what in range(12):
                c.make('f', b'0123456789' * 1000, mode, (1001, 1001))
                c.make('other', b'other' * 1000, 0o666)
                with c.by(user):
                    fd = c.open('f', os.O_RDWR)
                    if what == 0:
                        c.pwrite(fd, b'w', 5)
                    elif what == 1:
                        c.pwrite(fd, b'', 5)
                    elif what == 2:
                        c.ftruncate(fd, 100)
                    elif what == 3:
                        c.truncate('f', 100)
                    elif what == 4:
                        c.truncate('f', 10000)
                    elif what == 5:
                        c.open('f', os.O_WRONLY | os.O_TRUNC)
                    elif what == 6:
                        c.fallocate(fd, 3, 0, 4096)
                    elif what == 7:
                        c.fallocate(fd, 0, 0, 20000)
                    elif what == 8:
                        src, off = c.open('other', os.O_RDONLY), (ctypes.c_int64 * 2)(0, 0)
                        c.call('copy_file_range', src, ctypes.byref(off, 0), fd, ctypes.byref(off, 8), 5000, 0, show='')
                    elif what == 9:
                        c.call('sendfile64', fd, c.open('other', os.O_RDONLY), None, 10, show='')
                    elif what == 10:
                        c.setxattr('f', 'user.x', b'y')
                    elif what == 11:
                        c.utimens('f', (1, 1), (2, 2))
                with c.as_root():
                    os.unlink('f')
                    os.unlink('other')
                    c.before = c.snapshot()


@case
def times(c):
    c.make('f', b'', 0o666, (1001, 1001))
    c.make_dir('d', 0o777, (1002, 1002))
    c.make_link('f', 'l')
    now, omit = (0, UTIME_NOW), (0, UTIME_OMIT)
    for user in ('root', 'u1', 'u2'):
        with c.by(user):
            for name in ('f', 'd', 'l', 'missing'):
                for a, m in (((1, 2), (3, 4)), (now, now), (omit, omit), (now, omit), (omit, now), ((5, 6), now), (now, (7, 8)), ((9, 10), omit), (omit, (11, 12))):
                    c.utimens(name, a, m)
                    c.utimens(name, a, m, NOFOLLOW)
                c.call('utimensat', AT_FDCWD, name, None, 0, show=f'{name} NULL')
    for sec, nsec in ((-2**31, 0), (-2**31 - 1, 5), (-1, 999999999), (0, 0), (2**31 - 1, 1), (2**31, 0), (2**32, 999999999), (15032385535, 0), (15032385536, 0), (2**40, 7), (-2**40, 7),
                      (2**62, 0), (-2**63, 0), (2**63 - 1, 999999999), (0, 1000000000), (0, -1), (0, UTIME_OMIT - 1), (0, UTIME_NOW + 1), (-2177452800, 0)):
        c.utimens('f', (sec, nsec), (sec, nsec))
        st = os.stat('f')
        c.lines.append({'call': 'times', 'result': f'{st.st_atime_ns} {st.st_mtime_ns}', 'changes': {}})
    fd = c.open('f', os.O_RDONLY)
    both = (Timespec * 2)(Timespec(100, 200), Timespec(300, 400))
    c.call('utimensat', fd, None, both, 0, show='fd NULL')
    c.call('utimensat', fd, '', both, EMPTY_PATH, show='fd, empty')
    c.call('utimensat', AT_FDCWD, 'f', both, 0x8000, show='bad flags')
    c.call('futimens', fd, None, show='now')


@case
def times_by_change(c):
    """Which operation moves which times of what."""
    c.make_dir('d')
    c.make('d/f', b'text')
    fd = c.open('d/f', os.O_RDWR)
    c.mkdir('d/e', 0o755)
    c.rename('d/f', 'd/e/f')
    c.link('d/e/f', 'd/g')
    c.unlink('d/g')
    c.symlink('x', 'd/s')
    c.chmod('d/s', 0o644)
    c.chmod('d/e/f', 0o644)
    c.chmod('d/e/f', 0o644)
    c.chown('d/e/f', 0, 0)
    c.setxattr('d/e/f', 'user.a', b'1')
    c.setxattr('d/e/f', 'user.a', b'1')
    c.lremovexattr('d/e/f', 'user.a')
    c.setxattr('d/e', 'user.a', b'1')
    c.lremovexattr('d/e', 'user.missing')
    c.fsync(fd)
    c.write(fd, b'more')
    c.rmdir('d/e')
    c.rename('d/e', 'd/h')
    c.rename('d/h', 'h')
    c.open('d/s', os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW)
    c.open('h/f', os.O_RDONLY | os.O_CREAT)
    c.open('h/new', os.O_RDONLY | os.O_CREAT)


@case
@slow
def xattr_names(c):
    c.make('f', b'', 0o644, (1001, 1001))
    c.make_dir('d', 0o1777)
    c.make_link('f', 'l')
    with c.as_root():
        os.mkfifo('p', 0o666)
        os.mknod('dev', 0o20666, os.makedev(1, 3))
        c.before = c.snapshot()
    names = ('user.a', 'user.', 'user', 'trusted.a', 'trusted.', 'security.a', 'security.', 'security.selinux', 'security.capability', 'system.a', 'system.posix_acl_access',
             'system.posix_acl_default', 'system.', 'btrfs.a', 'btrfs.compression', 'btrfs.', 'other.a', 'a', '', '.', 'user.' + 'n' * 249, 'user.' + 'n' * 250, 'user.' + 'n' * 251,
             'USER.a', 'user.a\n', 'os2.a', 'nfs4_acl')
    for user in ('root', 'u1', 'u2'):
        with c.by(user):
            for path in ('f', 'd', 'l', 'p', 'dev'):
                for name in names:
                    for value, flags in ((b'value', 0), (b'', 1), (b'other', 2), (b'x', 3), (b'x', 4)):
                        c.setxattr(path, name, value, flags)
                    c.getxattr(path, name)
                    c.getxattr(path, name, 1)
                    c.getxattr(path, name, 0)
                    c.lremovexattr(path, name)
                    c.lremovexattr(path, name)
                c.listxattr(path)


@case
def xattr_limits(c):
    c.make('f')
    for size in (0, 1, 255, 256, 3900, 4000, 8000, 16000, 16150, 16200, 16207, 16208, 16220, 16240, 16260, 16283, 16300, 16384, 32768, 65535, 65536, 65537):
        for name in ('user.a', 'user.' + 'n' * 250):
            c.setxattr('f', name, b'v' * size)
            c.getxattr('f', name, 0)
            c.lremovexattr('f', name)
    for i in range(30):
        c.setxattr('f', f'user.many{i:03}', b'v' * 1000)
    c.listxattr('f')
    c.listxattr('f', 10)
    c.listxattr('f', 0)
    c.setxattr('f', 'user.many000', b'w' * 16000)
    c.setxattr('f', 'user.many000', b'')
    c.getxattr('f', 'user.many000')
    c.setxattr('missing', 'user.a', b'')
    c.getxattr('missing', 'user.a')
    c.listxattr('missing')
    c.listxattr('f/x')


def acl(*entries):
    return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries)


def plain_acl(user, mask, group=4, other=4, uid=1002):
    return acl((USER_OBJ, 6, NOBODY), (USER, user, uid), (GROUP_OBJ, group, NOBODY), (MASK, mask, NOBODY), (OTHER, other, NOBODY))


@case
@slow
def acl_values(c):
    """What is a valid one, and what it makes of the mode."""
    c.make('f', b'', 0o644, (1001, 1001))
    c.make_dir('d', 0o755, (1001, 1001))
    values = [acl(), acl((USER_OBJ, 6, NOBODY), (GROUP_OBJ, 4, NOBODY), (OTHER, 0, NOBODY)), acl((USER_OBJ, 6, 0), (GROUP_OBJ, 4, 0), (OTHER, 0, 0)), plain_acl(7, 5), plain_acl(7, 0),
              plain_acl(7, 7, uid=NOBODY), plain_acl(8, 7), acl((USER_OBJ, 6, NOBODY), (USER, 4, 5), (GROUP_OBJ, 4, NOBODY), (OTHER, 0, NOBODY)),
              acl((USER_OBJ, 6, NOBODY), (USER, 4, 5), (USER, 4, 5), (GROUP_OBJ, 4, NOBODY), (MASK, 4, NOBODY), (OTHER, 0, NOBODY)),
              acl((USER_OBJ, 6, NOBODY), (USER, 4, 7), (USER, 4, 5), (GROUP_OBJ, 4, NOBODY), (MASK, 4, NOBODY), (OTHER, 0, NOBODY)),
              acl((GROUP_OBJ, 4, NOBODY), (USER_OBJ, 6, NOBODY), (OTHER, 0, NOBODY)), acl((USER_OBJ, 6, NOBODY), (OTHER, 0, NOBODY)), acl((USER_OBJ, 6, NOBODY)),
              acl((USER_OBJ, 6, NOBODY), (GROUP_OBJ, 4, NOBODY), (GROUP, 7, 2000), (GROUP, 5, 3000), (MASK, 7, NOBODY), (OTHER, 0, NOBODY)),
              acl((USER_OBJ, 6, NOBODY), (GROUP_OBJ, 4, NOBODY), (OTHER, 0, NOBODY), (64, 1, 1)), plain_acl(7, 5)[:-1], plain_acl(7, 5) + b'\0', b'\1\0\0\0', b'\2\0\0', b'',
              acl((USER_OBJ, 6, NOBODY), (GROUP_OBJ, 4, NOBODY), (MASK, 7, NOBODY), (MASK, 7, NOBODY), (OTHER, 0, NOBODY)),
              acl((USER_OBJ, 6, NOBODY), *[(USER, 7, 5000 + i) for i in range(300)], (GROUP_OBJ, 4, NOBODY), (MASK, 7, NOBODY), (OTHER, 0, NOBODY)),
              acl((USER_OBJ, 6, NOBODY), *[(USER, 7, 5000 + i) for i in range(3000)], (GROUP_OBJ, 4, NOBODY), (MASK, 7, NOBODY), (OTHER, 0, NOBODY))]
    for user in ('u1', 'u2', 'root'):
        with c.by(user):
            for name in ('system.posix_acl_access', 'system.posix_acl_default'):
                for path in ('f', 'd'):
                    for value in values:
                        c.setxattr(path, name, value)
                        c.getxattr(path, name)
                    c.setxattr(path, name, values[3], 1)
                    c.setxattr(path, name, values[3], 2)
                    c.chmod(path, 0o641)
                    c.getxattr(path, name)
                    c.lremovexattr(path, name)
                    c.lremovexattr(path, name)
                    c.getxattr(path, name)


@case
def acl_rights(c):
    """Who may do what by an ACL; the group bits are the mask."""
    c.make('f', b'text', 0o640, (1001, 1001))
    c.make_dir('d', 0o750, (1001, 1001))
    for value in (plain_acl(7, 7), plain_acl(7, 4), plain_acl(4, 7), plain_acl(0, 7, 7, 7), plain_acl(2, 3, 0, 0),
                  acl((USER_OBJ, 0, NOBODY), (GROUP_OBJ, 0, NOBODY), (GROUP, 6, 2000), (GROUP, 1, 1002), (MASK, 7, NOBODY), (OTHER, 7, NOBODY))):
        c.setxattr('f', 'system.posix_acl_access', value)
        c.setxattr('d', 'system.posix_acl_access', value)
        for user in ('u1', 'u2'):
            with c.by(user):
                for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
                    fd = c.open('f', flags)
                    os.close(fd) if fd >= 0 else None
                for amode in (1, 2, 4, 6):
                    c.faccessat(AT_FDCWD, 'f', amode, 0x200)
                    c.faccessat(AT_FDCWD, 'd', amode, 0x200)
                c.mkdir('d/x', 0o777)
                c.rmdir('d/x')
                c.truncate('f', 4)
                c.chmod('f', 0o664)


@case
def acl_inherited(c):
    defaults = [plain_acl(7, 7), plain_acl(6, 4, 7, 0), acl((USER_OBJ, 4, NOBODY), (GROUP_OBJ, 2, NOBODY), (OTHER, 1, NOBODY)),
                acl((USER_OBJ, 7, NOBODY), (GROUP_OBJ, 7, NOBODY), (GROUP, 7, 2000), (MASK, 7, NOBODY), (OTHER, 7, NOBODY))]
    for i, value in enumerate(defaults):
        for dir_mode in (0o777, 0o2777):
            d = f'd{i}.{dir_mode:o}'
            c.make_dir(d, dir_mode)
            c.setxattr(d, 'system.posix_acl_default', value)
            for user, mask in (('root', 0), ('root', 0o077), ('u1', 0), ('u1', 0o777)):
                with c.by(user):
                    c.said('umask', os.umask, mask, show=oct(mask))
                    for mode in (0o777, 0o640, 0o6777):
                        name = f'{d}/{user}{mask:o}.{mode:o}'
                        c.open(name + 'f', os.O_CREAT | os.O_RDWR, mode)
                        c.mkdir(name + 'd', mode)
                        c.mknod(name + 'p', 0o10000 | mode, 0)
                    c.symlink('x', f'{d}/{user}l')
                    os.umask(0o022)
                remove_tree(c, *[f'{d}/{name}' for name in os.listdir(d)])
            c.mkdir(f'{d}/below', 0o755)
            c.mkdir(f'{d}/below/below', 0o700)
            c.open(f'{d}/below/below/f', os.O_CREAT | os.O_RDWR, 0o666)
            remove_tree(c, d)


def flags_set(c, path, flags):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    buf = ctypes.create_string_buffer(struct.pack('l', flags))
    result = c.raw('ioctl', fd, SETFLAGS, buf)
    c.note(f'SETFLAGS {path} {flags:x}', c.err if result < 0 else 0)
    buf = ctypes.create_string_buffer(8)
    result = c.raw('ioctl', fd, GETFLAGS, buf)
    c.note(f'GETFLAGS {path}', c.err if result < 0 else hex(struct.unpack_from('I', buf)[0]))
    os.close(fd)


@case
@slow
def flags_each(c):
    """Every flag and pair of chattr, by all, on files and directories."""
    c.make('f', b'', 0o666, (1001, 1001))
    c.make('full', b'contents' * 1000, 0o666, (1001, 1001))
    c.make_dir('d', 0o777, (1001, 1001))
    for user in ('root', 'u1', 'u2'):
        with c.by(user):
            for path in ('f', 'full', 'd'):
                for value in FLAGS.values():
                    flags_set(c, path, value)
                    flags_set(c, path, 0)
                for a, b in (('c', 'm'), ('c', 'C'), ('m', 'C'), ('S', 'D'), ('A', 'd'), ('c', 'A')):
                    flags_set(c, path, FLAGS[a] | FLAGS[b])
                    flags_set(c, path, 0)


@case
def flags_beside(c):
    """FSGETXATTR and FSSETXATTR, the generation, and calls on what cannot have flags."""
    c.make('f', b'', 0o666, (1001, 1001))
    fd = c.open('f', os.O_RDWR)
    for user in ('root', 'u1', 'u2'):
        with c.by(user):
            for value in (0, 1, 2, 8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x8000, 0x10000, 0x80000000):
                ioctl(c, fd, FSSETXATTR, struct.pack('IIIII8x', value, 0, 0, 0, 0), f'FSSETXATTR {value:x}')
                data = ioctl(c, fd, FSGETXATTR, bytes(28), 'FSGETXATTR')
                c.note('has', struct.unpack_from('IIIII', data))
                ioctl(c, fd, FSSETXATTR, bytes(28), 'FSSETXATTR 0')
            ioctl(c, fd, FSSETXATTR, struct.pack('IIIII8x', 0, 4096, 0, 0, 0), 'extent size')
            ioctl(c, fd, FSSETXATTR, struct.pack('IIIII8x', 0, 0, 0, 5, 0), 'project')
    with c.as_root():
        os.mkfifo('p', 0o666)
        c.before = c.snapshot()
    p = c.open('p', os.O_RDWR | os.O_NONBLOCK)
    ioctl(c, p, GETFLAGS, bytes(8), 'GETFLAGS of a fifo')
    path = c.open('f', os.O_PATH)
    ioctl(c, path, GETFLAGS, bytes(8), 'GETFLAGS of O_PATH')


def forbidden(c, f, d):
    """Everything one can do to a file and a directory, as root."""
    fd = c.open(f, os.O_RDONLY)
    c.open(f, os.O_WRONLY)
    app = c.open(f, os.O_WRONLY | os.O_APPEND)
    c.write(app, b"appended")
    c.open(f, os.O_RDWR | os.O_TRUNC)
    c.open(f, os.O_WRONLY | os.O_APPEND | os.O_TRUNC)
    c.truncate(f, 3)
    c.chmod(f, 0o640)
    c.chown(f, 7, 8)
    c.chown(f, -1, -1)
    c.utimens(f, (1, 1), (2, 2))
    c.call('utimensat', AT_FDCWD, f, None, 0, show=f'{f} NULL')
    c.setxattr(f, 'user.x', b'y')
    c.lremovexattr(f, 'user.before')
    c.setxattr(f, 'trusted.x', b'y')
    c.setxattr(f, 'system.posix_acl_access', plain_acl(7, 7))
    c.link(f, f + '.linked')
    c.rename(f, f + '.moved')
    c.rename('other', f)
    c.renameat2(AT_FDCWD, 'other', AT_FDCWD, f, 2)
    c.unlink(f)
    c.access(f, os.W_OK)
    c.read(fd, 3)
    c.fsync(fd)
    c.mkdir(d + '/new', 0o755)
    c.open(d + '/newfile', os.O_CREAT | os.O_RDWR)
    c.symlink('x', d + '/newlink')
    c.link('other', d + '/hard')
    c.open(d + '/in', os.O_RDWR)
    c.rename(d + '/in', d + '/out')
    c.rename('other', d + '/moved')
    c.rename(d + '/in', 'out')
    c.unlink(d + '/in')
    c.rmdir(d + '/sub')
    c.chmod(d, 0o700)
    c.setxattr(d, 'user.x', b'y')
    c.call('utimensat', AT_FDCWD, d, None, 0, show=f'{d} NULL')
    c.rename(d, d + '.moved')
    c.rmdir(d)


def flagged_case(letter):
    def run(c):
        c.make('f', b'contents', 0o666)
        c.make('other')
        c.make_dir('d')
        c.make('d/in')
        c.make_dir('d/sub')
        c.setxattr('f', 'user.before', b'1')
        writing = c.open('f', os.O_RDWR)
        appending = c.open('f', os.O_WRONLY | os.O_APPEND)
        for name in ('f', 'd'):
            flags_set(c, name, FLAGS[letter])
        c.note('opened before', '')
        c.pwrite(writing, b'over', 0)
        c.write(appending, b'more')
        c.ftruncate(writing, 2)
        c.fallocate(writing, 0, 0, 100)
        c.fallocate(writing, 1, 0, 100000)
        c.fallocate(writing, 3, 0, 100)
        c.fchmod(writing, 0o600)
        forbidden(c, 'f', 'd')
        for name in ('f', 'd', 'f.moved', 'd.moved'):
            if os.path.exists(name):
                flags_set(c, name, 0)
    run.__name__ = f'flagged_{letter}'
    return run


for flag in 'iaAScm':
    case(flagged_case(flag))


@case
def flags_inherited(c):
    for letter in 'cmCASDd':
        c.make_dir(letter)
        flags_set(c, letter, FLAGS[letter])
        c.open(f'{letter}/f', os.O_CREAT | os.O_RDWR)
        c.mkdir(f'{letter}/d', 0o755)
        c.symlink('x', f'{letter}/l')
        for name in ('f', 'd'):
            fd = os.open(f'{letter}/{name}', os.O_RDONLY)
            buf = ctypes.create_string_buffer(8)
            c.raw('ioctl', fd, GETFLAGS, buf)
            c.note(f'GETFLAGS {letter}/{name}', hex(struct.unpack_from('I', buf)[0]))
            os.close(fd)


@case
def quotas(c):
    for command in (0x800001, 0x800002, 0x800004, 0x800005, 0x800007, 0x800009, 0x12345):
        for kind in (0, 1, 2, 3):
            c.call('quotactl', command << 8 | kind, None, 0, ctypes.create_string_buffer(200), show=f'{command:x} {kind}')
            fd = os.open('.', os.O_RDONLY)
            c.call('syscall', 443, fd, command << 8 | kind, 0, ctypes.create_string_buffer(200), show=f'quotactl_fd {command:x} {kind}')
            os.close(fd)
