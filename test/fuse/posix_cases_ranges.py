"""Ranges of contents: fallocate, copy_file_range, the ioctls that clone and compare, holes; where each refuses."""
import ctypes
import os
import struct

from posix_calls import Fd, case, errno_name

FICLONE, FICLONERANGE, FIDEDUPERANGE, FIEMAP, FIBMAP, FIGETBSZ, FIONREAD = 0x40049409, 0x4020940d, 0xc0189436, 0xc020660b, 1, 2, 0x541b
MAX = 2**63 - 1


def pattern(size, seed=1):
    return bytes((i * 7 + seed * 31 + (i >> 8)) & 0xff for i in range(size))


def ioctl(c, fd, number, data, text):
    """An ioctl with a buffer; what comes back stands in the buffer."""
    buf = ctypes.create_string_buffer(data, max(len(data), 1))
    result = c.raw('ioctl', fd, number, buf)
    c.note(f'ioctl {shown_fd(fd)} {text}', errno_name(c.err) if result < 0 else result)
    return buf.raw


def shown_fd(fd):
    return fd.label if isinstance(fd, Fd) else str(fd)


@case
def fallocate_modes(c):
    """All modes with ranges inside, at and behind the end."""
    for mode in (0, 1, 2, 3, 4, 8, 9, 0x10, 0x11, 0x12, 0x20, 0x21, 0x40, 0x41, 0x80, 0x1000):
        fd = c.open(f'f{mode:x}', os.O_CREAT | os.O_RDWR)
        c.write(fd, pattern(20000))
        for offset, size in ((0, 4096), (100, 200), (4000, 5000), (19999, 1), (19999, 5000), (20000, 1), (20480, 4096), (100000, 8192), (0, 200000), (8192, 0), (-1, 1), (1, -1)):
            c.fallocate(fd, mode, offset, size)
        c.seek(fd, 0, 4)
        c.seek(fd, 0, 3)
    fd = c.open('f0', os.O_RDONLY)
    c.fallocate(fd, 0, 0, 1)
    fd = c.open('.', os.O_RDONLY)
    c.fallocate(fd, 0, 0, 1)
    r, w = os.pipe()
    c.fallocate(Fd(w), 0, 0, 1)
    with c.as_root():
        os.mkfifo('p')
        os.mknod('dev', 0o20666, os.makedev(1, 3))
        c.before = c.snapshot()
    c.fallocate(c.open('p', os.O_RDWR), 0, 0, 1)
    c.fallocate(c.open('dev', os.O_RDWR), 0, 0, 1)


@case
def copying(c):
    """copy_file_range: alignment, ends, overlaps, one file, flags, kinds."""
    c.make('src', pattern(30000))
    src, dst = c.open('src', os.O_RDWR), c.open('dst', os.O_CREAT | os.O_RDWR)
    def copy(a, a_off, b, b_off, size, flags=0):
        offsets = (ctypes.c_int64 * 2)(a_off or 0, b_off or 0)
        c.call('copy_file_range', a, None if a_off is None else ctypes.byref(offsets, 0), b, None if b_off is None else ctypes.byref(offsets, 8), size, flags,
               show=f'{shown_fd(a)} {a_off} {shown_fd(b)} {b_off} {size} {flags}')
        c.lines.append({'call': 'offsets', 'result': f'{offsets[0]} {offsets[1]}', 'changes': {}})
    for a_off, b_off, size in ((0, 0, 4096), (0, 0, 30000), (0, 0, 40000), (1, 0, 4096), (0, 1, 4096), (100, 5000, 100), (8192, 65536, 21808), (30000, 0, 1), (29999, 0, 10), (50000, 0, 10),
                               (0, 100000, 30000), (0, 0, 0), (-1, 0, 10), (0, -1, 10), (0, MAX, 1), (0, MAX - 10, 100), (MAX, 0, 1), (0, 0, MAX), (0, 0, -1), (4096, 2**40, 4096)):
        copy(src, a_off, dst, b_off, size)
        c.pread(dst, 3000, max(b_off, 0)) if b_off < MAX - 10000 else None
    c.ftruncate(dst, 50000)
    for a_off, b_off, size in ((0, 8192, 4096), (0, 8192, 8192), (0, 8192, 8193), (0, 4096, 8192), (8192, 4096, 8192), (0, 0, 4096), (0, 30000, 30000), (100, 20000, 500), (29000, 30000, 10000), (0, 4096, 4097)):
        copy(src, a_off, src, b_off, size)
    copy(src, None, dst, None, 100)
    c.seek(src, 0, 1)
    c.seek(dst, 0, 1)
    copy(src, 0, dst, 0, 100, 1)
    ro, wo, app = c.open('src', os.O_RDONLY), c.open('dst', os.O_WRONLY), c.open('dst', os.O_WRONLY | os.O_APPEND)
    top = c.open('.', os.O_RDONLY)
    r, w = os.pipe()
    for a, b in ((ro, wo), (wo, dst), (src, ro), (src, app), (top, dst), (src, top), (Fd(r), dst), (src, Fd(w)), (Fd(-1), dst), (src, Fd(-1))):
        copy(a, 0, b, 0, 10)
    with open('/etc/hostname') as other:
        copy(Fd(other.fileno()), 0, dst, 0, 3)


@case
def cloning(c):
    """FICLONE and FICLONERANGE, whether they cross or not."""
    c.make('src', pattern(30000))
    src, dst = c.open('src', os.O_RDONLY), c.open('dst', os.O_CREAT | os.O_RDWR)
    result = c.raw('ioctl', dst, FICLONE, src)
    c.note('FICLONE', errno_name(c.err) if result < 0 else result)
    for args in ((0, 4096, 0), (0, 100, 0), (1, 4096, 0), (0, 0, 65536), (4096, 100000, 0), (40000, 1, 0)):
        ioctl(c, dst, FICLONERANGE, struct.pack('qQQQ', int(src), *args), f'FICLONERANGE {args}')
    ioctl(c, dst, FICLONERANGE, struct.pack('qQQQ', -1, 0, 0, 0), 'FICLONERANGE of nothing')
    ioctl(c, src, FICLONERANGE, struct.pack('qQQQ', int(src), 0, 0, 0), 'FICLONERANGE to what is read-only')
    top = c.open('.', os.O_RDONLY)
    result = c.raw('ioctl', dst, FICLONE, top)
    c.note('FICLONE of a directory', errno_name(c.err))
    c.make('same', pattern(30000))
    same = c.open('same', os.O_RDWR)
    for offset, size in ((0, 4096), (0, 30000), (1, 4096), (0, 4097)):
        data = ioctl(c, src, FIDEDUPERANGE, struct.pack('QQHHI', offset, size, 1, 0, 0) + struct.pack('qQQiI', int(same), offset, 0, 0, 0), f'FIDEDUPERANGE {offset} {size}')
        c.note('status', struct.unpack_from('Qi', data, 24 + 16))


@case
def other_ioctls(c):
    c.make('f', pattern(10000))
    fd, top = c.open('f', os.O_RDWR), c.open('.', os.O_RDONLY)
    c.fsync(fd)
    for f in (fd, top):
        data = ioctl(c, f, FIGETBSZ, bytes(4), 'FIGETBSZ')
        c.note('size', struct.unpack_from('I', data)[0])
        ioctl(c, f, FIBMAP, bytes(4), 'FIBMAP')
        data = ioctl(c, f, FIONREAD, bytes(4), 'FIONREAD')
        c.note('left', struct.unpack_from('I', data)[0])
        ioctl(c, f, FIEMAP, struct.pack('QQIIII', 0, MAX, 0, 0, 0, 0), 'FIEMAP')
        ioctl(c, f, 0x12345678, bytes(8192), 'what nobody knows')
        ioctl(c, f, 0x5401, bytes(100), 'TCGETS')
    with c.by('u1'):
        ioctl(c, fd, FIBMAP, bytes(4), 'FIBMAP')


@case
def holes(c):
    """What is a hole after each change."""
    fd = c.open('f', os.O_CREAT | os.O_RDWR)
    def told(what):
        c.fsync(fd)
        size, at, found = os.fstat(fd).st_size, 0, []
        while at < size:
            start = c.raw('lseek64', fd, at, 3)
            if start < 0:
                break
            at = c.raw('lseek64', fd, start, 4)
            found.append((start, at))
        c.note(f'data after {what}', found)
    c.write(fd, pattern(40960))
    told('writing')
    c.fallocate(fd, 3, 8192, 8192)
    told('punching')
    c.fallocate(fd, 3, 20000, 100)
    told('punching inside')
    c.fallocate(fd, 3, 22000, 10000)
    told('punching unaligned')
    c.fallocate(fd, 0x10, 0, 4096)
    told('zeroing')
    c.fallocate(fd, 0x10, 36000, 10000)
    told('zeroing over the end')
    c.ftruncate(fd, 10)
    told('cutting')
    c.ftruncate(fd, 100000)
    told('growing')
    c.pwrite(fd, b'x', 65536)
    told('a byte')
    c.fallocate(fd, 1, 200000, 8192)
    told('keeping the size')
    c.fallocate(fd, 0, 0, 300000)
    told('allocating')
    c.pread(fd, 1000, 65500)
    c.ftruncate(fd, 0)
    c.pwrite(fd, bytes(10000), 5000)
    told('zeroes')


@case
def times_of_ranges(c):
    """Which change moves the times although nothing changes."""
    c.make('f', pattern(10000))
    fd = c.open('f', os.O_RDWR)
    c.pwrite(fd, b'', 0)
    c.write(fd, b'')
    c.ftruncate(fd, 10000)
    c.truncate('f', 10000)
    c.ftruncate(fd, 9000)
    c.truncate('f', 9000)
    c.truncate('f', 0)
    c.open('f', os.O_RDWR | os.O_TRUNC)
    c.ftruncate(fd, 0)
    c.ftruncate(fd, 100)
    c.fallocate(fd, 3, 200, 100)
    c.fallocate(fd, 3, 8192, 100)
    c.fallocate(fd, 1, 0, 100)
    c.fallocate(fd, 0, 0, 100)
    c.fallocate(fd, 0x10, 0, 100)
    c.fallocate(fd, 0x11, 0, 100)
    c.fallocate(fd, 0, 0, 5000)
    c.fallocate(fd, 0, 0, 5000)
