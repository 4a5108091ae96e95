"""Times of last access, where reading moves them: for mounts with strictatime, and with relatime. Files are looked at by name, for a listing is an access too."""
import ctypes
import fcntl
import mmap
import os
import struct
import time

from posix_calls import case

SETFLAGS = 0x40086602


def watched(*names):
    def mark(function):
        function.watch = names
        return case(function)
    return mark


def pause():
    """Longer than a tick of the clock that coarse times are taken from."""
    time.sleep(0.02)


@watched('f')
def read_moves_atime(c):
    with open('f', 'wb') as f:
        f.write(b'text' * 100)
    c.before = c.snapshot()
    for flags in (os.O_RDONLY, os.O_RDWR):
        pause()
        fd = c.open('f', flags)
        c.pread(fd, 0, 0)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        c.pread(fd, 10, 0)
        c.close(fd)


@watched('f')
def quiet_reading(c):
    """O_NOATIME; a write is no access."""
    with open('f', 'wb') as f:
        f.write(b'text' * 5000)
    os.fsync(os.open('f', os.O_RDWR))
    os.posix_fadvise(os.open('f', os.O_RDONLY), 0, 0, os.POSIX_FADV_DONTNEED)
    c.before = c.snapshot()
    pause()
    fd = c.open('f', os.O_RDWR | os.O_NOATIME)
    c.pread(fd, 100, 0)
    c.pread(fd, 10000, 8192)
    c.pwrite(fd, b'x', 5)
    c.fsync(fd)
    c.stat64('f', ctypes.create_string_buffer(256))
    c.access('f', os.R_OK)
    c.lgetxattr('f', 'user.none', None, 0)


@watched('f')
def flag_against_atime(c):
    """chattr +A."""
    with open('f', 'wb') as f:
        f.write(b'text' * 5000)
    fd = c.open('f', os.O_RDWR)
    os.fsync(fd)
    fcntl.ioctl(fd, SETFLAGS, struct.pack('l', 0x80))
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    c.before = c.snapshot()
    pause()
    c.pread(fd, 100, 0)


@watched('d', 'd/l')
def listing_and_links(c):
    os.mkdir('d')
    os.symlink('target', 'd/l')
    open('d/f', 'w').close()
    c.before = c.snapshot()
    pause()
    c.access('d/f', os.F_OK)
    c.said('listdir', lambda: sorted(os.listdir('d')))
    pause()
    c.open('d/f', os.O_RDONLY)


@watched('f', 'g')
def copying_is_reading(c):
    with open('f', 'wb') as f:
        f.write(b'text' * 5000)
    open('g', 'w').close()
    c.before = c.snapshot()
    pause()
    src, dst = c.open('f', os.O_RDONLY), c.open('g', os.O_RDWR)
    os.fsync(src)
    off = (ctypes.c_int64 * 2)(0, 0)
    c.call('copy_file_range', src, ctypes.byref(off, 0), dst, ctypes.byref(off, 8), 4096, 0, show='')


@watched('f')
def mapped_reading(c):
    with open('f', 'wb') as f:
        f.write(b'text' * 5000)
    fd = c.open('f', os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    c.before = c.snapshot()
    pause()
    m = mmap.mmap(fd, 4096, prot=1)
    c.note('mapped', m[:4])
