"""Random sequences of system calls by three users on a few names. They are drawn before the first call: results do not steer them."""
import ctypes
import os
import random
import stat

from posix_calls import AT_FDCWD
from posix_cases_attrs import plain_acl

NAMES = ['a', 'b', 'd/a', 'd/b', 'd/e/a', 'e/a', 'e/d', 'd', 'e', 'd/e', 'l', 'd/l', 'a/x', 'missing/x', 'd/', '.', 'd/..', 'l/a']
MODES = [0o644, 0o600, 0o666, 0o777, 0o755, 0o700, 0o444, 0o000, 0o1777, 0o2775, 0o2755, 0o4755, 0o6777]
OFFSETS = [0, 1, 100, 4095, 4096, 4097, 8192, 65536, 100000, 131072, 1 << 20]
IDS = [-1, 0, 1001, 1002, 2000]
NR_FDS = 6


def draw(rng, step):
    """One call as a function of a Case and its open descriptors."""
    a, b, mode = rng.choice(NAMES), rng.choice(NAMES), rng.choice(MODES)
    offset, size, slot = rng.choice(OFFSETS), rng.choice(OFFSETS), rng.randrange(NR_FDS)
    data = bytes([65 + step % 26]) * min(size, 20000)
    uid, gid = rng.choice(IDS), rng.choice(IDS)
    flags = rng.choice([0, 0, 0, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW, os.O_DIRECTORY])
    access = rng.choice([os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR])
    seconds = rng.randrange(1, 10**9)
    def opened(c, fds, flag):
        fd = c.open(a, access | flag | flags | os.O_NONBLOCK, mode)
        if fd >= 0:
            if fds[slot] is not None:
                os.close(fds[slot])
            fds[slot] = fd
    def on(method, *args, **named):
        # Of fifos the kernel keeps the times of what is behind FUSE to itself.
        return lambda c, fds: fds[slot] is not None and not stat.S_ISFIFO(os.fstat(fds[slot]).st_mode) and getattr(c, method)(fds[slot], *args, **named)
    def copy(c, fds):
        other = fds[(slot + 1) % NR_FDS]
        if fds[slot] is not None and other is not None and fds[slot] != other:
            offsets = (ctypes.c_int64 * 2)(offset, rng.choice(OFFSETS))
            # How much one call copies is the filesystem's to decide: whole sectors, so that both do all of it.
            c.call('copy_file_range', fds[slot], ctypes.byref(offsets, 0), other, ctypes.byref(offsets, 8), 4096, 0, show='4096')
    return rng.choices([
        lambda c, fds: opened(c, fds, os.O_CREAT), lambda c, fds: opened(c, fds, 0), lambda c, fds: c.mkdir(a, mode), lambda c, fds: c.rename(a, b),
        lambda c, fds: c.renameat2(AT_FDCWD, a, AT_FDCWD, b, rng.choice([1, 2, 4])), lambda c, fds: c.link(a, b), lambda c, fds: c.symlink(b, a), lambda c, fds: c.unlink(a), lambda c, fds: c.rmdir(a),
        lambda c, fds: c.chmod(a, mode), lambda c, fds: c.chown(a, uid, gid), lambda c, fds: c.lchown(a, uid, gid), lambda c, fds: c.truncate(a, offset + 1),
        lambda c, fds: c.utimens(a, (seconds, 5), (seconds, 6)), lambda c, fds: c.call('utimensat', AT_FDCWD, a, None, 0, show=f'{a} NULL'),
        lambda c, fds: c.setxattr(a, 'user.x', data[:100]), lambda c, fds: c.lremovexattr(a, 'user.x'), lambda c, fds: c.setxattr(a, 'system.posix_acl_access', plain_acl(mode & 7, mode >> 3 & 7)),
        lambda c, fds: c.setxattr(a, 'system.posix_acl_default', plain_acl(mode & 7, mode >> 3 & 7)), lambda c, fds: c.mknod(a, stat.S_IFIFO | mode, 0), lambda c, fds: c.faccessat(AT_FDCWD, a, mode & 7, 0x200),
        on('pwrite', data, offset), on('write', data), on('pread', size, offset), on('read', size), on('ftruncate', size), on('fallocate', rng.choice([0, 1, 3, 0x10, 0x11]), offset, size), on('fsync'),
        on('fchmod', mode), on('fchown', uid, gid), on('fstat'), copy, lambda c, fds: c.said('listdir', lambda: sorted(os.listdir(a)), show=a)],
        weights=[8, 4, 6, 6, 3, 4, 4, 4, 3, 4, 3, 1, 2, 2, 1, 2, 1, 2, 1, 1, 2, 4, 3, 3, 2, 3, 3, 1, 1, 1, 1, 1, 1])[0]


def sequence(seed, nr_ops):
    """A case of so many calls."""
    def run(c):
        rng = random.Random(seed)
        fds = [None] * NR_FDS
        for step in range(nr_ops):
            user = rng.choice(['u1', 'u1', 'u2', 'root', 'root'])
            call = draw(rng, step)
            with c.by(user):
                call(c, fds)
    return run
