"""Contents: reading, writing and truncating at all edges, limits, pipes between files, mappings, asynchronous calls."""
import ctypes
import mmap
import os
import resource
import signal
import struct

from posix_calls import LIBC, case

MAX = 2**63 - 1
SYS_IO_SETUP, SYS_IO_SUBMIT, SYS_IO_GETEVENTS, SYS_IO_URING_SETUP = 206, 209, 208, 425
RWF = {'HIPRI': 1, 'DSYNC': 2, 'SYNC': 4, 'NOWAIT': 8, 'APPEND': 16, 'NOAPPEND': 32, 'ATOMIC': 64, 'DONTCACHE': 128, 'unknown': 1 << 30}


class Iovec(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]


def vector(*pieces):
    """iovec of buffers; keeps them alive by a field."""
    buffers = [ctypes.create_string_buffer(p, max(len(p), 1)) for p in pieces]
    vec = (Iovec * len(buffers))(*[Iovec(ctypes.addressof(b), len(p)) for b, p in zip(buffers, pieces)])
    vec.buffers = buffers
    return vec


@case
def write_edges(c):
    """At and beyond the largest offset."""
    fd = c.open('f', os.O_CREAT | os.O_RDWR)
    for offset in (MAX, MAX - 1, MAX - 4095, MAX - 4096, MAX - 8192, 2**62, 2**44, 2**44 - 1):
        for size in (0, 1, 2, 4096, 10000):
            c.pwrite(fd, b'z' * size, offset)
            c.pread(fd, size, offset)
        c.ftruncate(fd, 0)
    for size in (MAX, MAX - 1, MAX - 4095, MAX - 4096, 2**62, 0):
        c.ftruncate(fd, size)
        c.seek(fd, 0, 2)
        c.write(fd, b'abc')
        c.read(fd, 10)
    c.ftruncate(fd, MAX)
    for offset in (0, 100, 2**62, MAX - 1, MAX):
        for whence in (3, 4):
            c.seek(fd, offset, whence)
    app = c.open('f', os.O_WRONLY | os.O_APPEND)
    c.write(app, b'x')
    c.ftruncate(fd, MAX - 5)
    c.write(app, b'0123456789')
    c.write(app, b'0')
    c.ftruncate(fd, 0)
    for mode in (0, 1, 3, 0x10, 0x11):
        c.fallocate(fd, mode, MAX - 4096, 4096)
        c.fallocate(fd, mode, MAX - 4095, 4096)
        c.fallocate(fd, mode, MAX, 1)
        c.fallocate(fd, mode, 0, 0)
        c.fallocate(fd, mode, -1, 10)
        c.fallocate(fd, mode, 10, -1)
        c.fallocate(fd, mode, 4096, MAX)
    c.ftruncate(fd, 0)


@case
def read_edges(c):
    c.make('f', b'0123456789')
    fd = c.open('f', os.O_RDWR)
    c.ftruncate(fd, 10000)
    c.pwrite(fd, b'end', 20000)
    for offset in (0, 5, 9, 10, 4095, 4096, 9999, 10000, 19999, 20000, 20002, 20003, 20004, MAX, 2**62):
        for size in (0, 1, 10, 5000, 100000):
            c.pread(fd, size, offset)
    c.ftruncate(fd, 4090)
    c.ftruncate(fd, 5000)
    c.pread(fd, 2000, 4000)
    c.ftruncate(fd, 5)
    c.ftruncate(fd, 12)
    c.pread(fd, 100, 0)


@case
def vectors(c):
    fd = c.open('f', os.O_CREAT | os.O_RDWR)
    for name, flag in [('0', 0)] + list(RWF.items()):
        for offset in (0, 7, -1, -2):
            vec = vector(b'one', b'', b'three')
            c.call('pwritev2', fd, vec, 3, offset, flag, show=f'{name} {offset}')
            back = vector(bytes(4), bytes(10))
            c.call('preadv2', fd, back, 2, offset, flag, show=f'{name} {offset}')
            c.lines.append({'call': 'got', 'result': str([bytes(b) for b in back.buffers]), 'changes': {}})
    app = c.open('f', os.O_RDWR | os.O_APPEND)
    for name, flag in [('0', 0)] + list(RWF.items()):
        c.call('pwritev2', app, vector(b'app'), 1, 2, flag, show=f'O_APPEND {name} 2')
    c.pwrite(app, b'positioned', 0)
    c.seek(app, 0, 1)
    c.call('writev', fd, vector(*[b'a'] * 1025), 1025, show='1025')
    c.call('writev', fd, vector(b'a'), 0, show='0')
    c.call('writev', fd, vector(b'a'), -1, show='-1')
    bad = vector(b'good' * 2000, b'x')
    bad[1].base = 8
    bad[1].len = 4096
    c.call('pwritev2', fd, bad, 2, 0, 0, show='partly unreadable')
    c.call('pwrite64', fd, ctypes.c_void_p(8), 100, 0, show='unreadable')
    c.call('pread64', fd, ctypes.c_void_p(8), 100, 0, show='unwritable')


@case
def direct(c):
    """O_DIRECT: alignment of memory, offset and length."""
    fd = c.open('f', os.O_CREAT | os.O_RDWR | os.O_DIRECT)
    mem = mmap.mmap(-1, 1 << 20)
    mem.write(bytes(range(256)) * 4096)
    base = ctypes.addressof(ctypes.c_char.from_buffer(mem))
    for offset, size, shift in ((0, 4096, 0), (4096, 65536, 0), (512, 512, 0), (1, 4096, 0), (0, 100, 0), (8192, 4096, 512), (8192, 4096, 1), (0, 0, 0), (1 << 20, 4096, 0)):
        c.call('pwrite64', fd, ctypes.c_void_p(base + shift), size, offset, show=f'{offset} {size} {shift}')
    for offset, size, shift in ((0, 4096, 0), (4096, 65536, 0), (512, 512, 0), (1, 4096, 0), (0, 100, 0), (8192, 4096, 512), (8192, 4096, 1), (1 << 20, 65536, 0),
                                ((1 << 20) + 4096, 4096, 0), (2 << 20, 4096, 0)):
        c.call('pread64', fd, ctypes.c_void_p(base + shift), size, offset, show=f'{offset} {size} {shift}')
    buffered = c.open('f', os.O_RDWR)
    c.pwrite(buffered, b'buffered', 4000)
    mem[:4096] = bytes(4096)
    c.call('pread64', fd, ctypes.c_void_p(base), 4096, 0, show='what was buffered')
    c.note('seen', mem[4000:4008])
    mem[:4096] = b'd' * 4096
    c.call('pwrite64', fd, ctypes.c_void_p(base), 4096, 0, show='over what was buffered')
    c.pread(buffered, 8, 4000)


@case
def synchronous(c):
    for flags in (os.O_SYNC, os.O_DSYNC, os.O_SYNC | os.O_APPEND):
        fd = c.open('f', os.O_CREAT | os.O_RDWR | flags)
        c.write(fd, b'text')
        c.pwrite(fd, b'over', 0)
        c.ftruncate(fd, 2)
        c.fallocate(fd, 0, 0, 8192)
        c.close(fd)


@case
def appending(c):
    a = c.open('f', os.O_CREAT | os.O_RDWR | os.O_APPEND)
    b = c.open('f', os.O_RDWR | os.O_APPEND)
    for i in range(6):
        c.write(a, b'a' * (i * 1000))
        c.seek(b, 3, 0)
        c.write(b, b'b' * (i * 700))
        c.seek(b, 0, 1)
    c.ftruncate(a, 100)
    c.write(b, b'end')
    c.pread(a, 20000, 0)
    c.call('fcntl', a, 4, 0, show='F_SETFL 0')
    c.write(a, b'x')


@case
def appending_processes(c):
    """Two writers, each record whole and once."""
    c.make('f')
    pids = []
    for letter in (b'A', b'B'):
        pid = os.fork()
        if pid == 0:
            fd = os.open('f', os.O_WRONLY | os.O_APPEND)
            for i in range(300):
                os.write(fd, letter * 99 + b'\n')
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    with open('f', 'rb') as f:
        lines = f.read().split(b'\n')
    c.note('lines', f'{len(lines)} {sorted(set(lines))}')
    os.unlink('f')
    c.before = c.snapshot()


@case
def size_limit(c):
    """RLIMIT_FSIZE: the part that fits, then EFBIG and SIGXFSZ."""
    caught = []
    signal.signal(signal.SIGXFSZ, lambda *_: caught.append(1))
    fd = c.open('f', os.O_CREAT | os.O_RDWR)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10000, resource.RLIM_INFINITY))
    for offset, size in ((0, 100), (9990, 100), (10000, 1), (9999, 1), (20000, 5), (0, 20000), (10000, 0)):
        c.pwrite(fd, b'l' * size, offset)
    for size in (10000, 10001, 5, 20000):
        c.ftruncate(fd, size)
        c.truncate('f', size)
    for mode in (0, 1, 3, 0x10):
        c.fallocate(fd, mode, 0, 10000)
        c.fallocate(fd, mode, 0, 10001)
        c.fallocate(fd, mode, 20000, 1)
    src = c.open('f', os.O_RDONLY)
    g = c.open('g', os.O_CREAT | os.O_RDWR)
    two = (ctypes.c_int64 * 2)(0, 9000)
    c.call('copy_file_range', src, ctypes.byref(two, 0), g, ctypes.byref(two, 8), 5000, 0, show='0 9000 5000')
    c.call('copy_file_range', src, ctypes.byref(two, 0), g, ctypes.byref(two, 8), 5000, 0, show='again')
    c.call('sendfile64', g, src, None, 20000, show='20000')
    app = c.open('f', os.O_WRONLY | os.O_APPEND)
    c.write(app, b'q' * 20000)
    c.write(app, b'q')
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    c.note('signals', len(caught))


@case
def pipes(c):
    """sendfile, splice, tee between files and pipes."""
    c.make('f', bytes(range(256)) * 50)
    src, dst = c.open('f', os.O_RDONLY), c.open('g', os.O_CREAT | os.O_RDWR)
    r, w = os.pipe()
    off = ctypes.c_int64(5000)
    c.call('sendfile64', dst, src, ctypes.byref(off), 3000, show='5000 3000')
    c.call('sendfile64', dst, src, ctypes.byref(off), 30000, show='to the end')
    c.call('sendfile64', dst, src, ctypes.byref(off), 1, show='at the end')
    app = c.open('g', os.O_WRONLY | os.O_APPEND)
    c.call('sendfile64', app, src, None, 10, show='O_APPEND')
    c.call('sendfile64', src, dst, None, 10, show='to what is read-only')
    c.call('sendfile64', dst, w, None, 10, show='from a pipe')
    off = ctypes.c_int64(100)
    c.call('splice', src, ctypes.byref(off), w, None, 4000, 0, show='file to pipe')
    off = ctypes.c_int64(50)
    c.call('splice', r, None, dst, ctypes.byref(off), 2000, 0, show='pipe to file')
    c.call('splice', r, None, dst, None, 2000, 1, show='pipe to file, moved')
    c.call('splice', r, None, dst, None, 10, 2, show='empty pipe, not waiting')
    c.call('splice', src, None, dst, None, 10, 0, show='file to file')
    c.call('splice', r, None, app, None, 10, 2, show='to O_APPEND')
    off = ctypes.c_int64(-1)
    c.call('splice', src, ctypes.byref(off), w, None, 10, 0, show='-1')
    off = ctypes.c_int64(100000)
    c.call('splice', src, ctypes.byref(off), w, None, 10, 2, show='behind the end')
    c.call('vmsplice', w, vector(b'of memory'), 1, 0, show='in')
    c.call('splice', r, None, dst, ctypes.byref(ctypes.c_int64(30000)), 100, 0, show='memory to file')


@case
def mappings(c):
    c.make('f', b'A' * 5000, 0o644)
    fd = c.open('f', os.O_RDWR)
    shared = mmap.mmap(fd, 5000)
    private = mmap.mmap(fd, 5000, flags=mmap.MAP_PRIVATE)
    shared[10:15] = b'share'
    private[20:27] = b'private'
    c.pread(fd, 30, 5)
    shared.flush()
    c.note('msync', 'done')
    c.pwrite(fd, b'written', 40)
    c.note('seen', f'{shared[38:50]} {private[38:50]}')
    c.note('tail', 0 if len(shared) == 5000 else 1)
    c.ftruncate(fd, 12000)
    c.ftruncate(fd, 4100)
    c.ftruncate(fd, 8000)
    c.pread(fd, 20, 4095)
    shared.close()
    c.fsync(fd)
    c.pread(fd, 40, 0)
    ro = c.open('f', os.O_RDONLY)
    wo = c.open('f', os.O_WRONLY)
    for name, f in (('read only', ro), ('write only', wo), ('both', fd)):
        for prot in (1, 2, 3):
            for kind in (1, 2):
                c.said(f'mmap {name} {prot} {kind}', lambda: bool(mmap.mmap(f, 4096, flags=kind, prot=prot)))
    c.said('mmap behind the end', lambda: LIBC.mmap(None, ctypes.c_long(4096), 1, 1, int(fd), ctypes.c_long(65536)) != -1)
    c.said('mmap at an odd offset', lambda: LIBC.mmap(None, ctypes.c_long(4096), 1, 1, int(fd), ctypes.c_long(100)) == -1)
    d = c.open('.', os.O_RDONLY)
    c.said('mmap of a directory', lambda: bool(mmap.mmap(d, 4096, prot=1)))
    c.note('the end of the file', 'reached')


def dies(work):
    """The signal that ends a child doing this."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        work()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


@case
def mapped_behind_the_end(c):
    c.make('f', b'A' * 10000)
    fd = c.open('f', os.O_RDWR)
    LIBC.mmap.restype = ctypes.c_void_p
    at = LIBC.mmap(None, ctypes.c_long(16384), 3, 1, int(fd), ctypes.c_long(0))
    for place in (0, 9999, 10000, 12287, 12288, 16383):
        c.note(f'read {place}', dies(lambda: ctypes.string_at(at + place, 1)))
        c.note(f'write {place}', dies(lambda: ctypes.memset(at + place, 90, 1)))
    c.ftruncate(fd, 100)
    for place in (0, 99, 100, 4095, 4096):
        c.note(f'read {place}', dies(lambda: ctypes.string_at(at + place, 1)))
    c.note('zeroes', ctypes.string_at(at + 90, 20))
    c.ftruncate(fd, 16384)
    c.note('again', ctypes.string_at(at + 4096, 5))
    ctypes.memset(at + 16000, 77, 3)
    c.pread(fd, 5, 15999)
    c.unlink('f')
    c.note('unlinked', ctypes.string_at(at + 16000, 3))
    c.fstat(fd)


@case
def mapped_set_id(c):
    """Who maps and writes takes the bits away when it writes them by system calls."""
    c.make('f', b'A' * 100, 0o6777, (1002, 1002))
    with c.by('u1'):
        fd = c.open('f', os.O_RDWR)
        m = mmap.mmap(fd, 100)
        m[0:1] = b'x'
        m.flush()
        c.note('written through the mapping', '')
        c.pwrite(fd, b'', 0)
        c.pwrite(fd, b'y', 0)


@case
def sparse(c):
    fd = c.open('f', os.O_CREAT | os.O_RDWR)
    c.ftruncate(fd, 1 << 40)
    c.pwrite(fd, b'middle', 1 << 39)
    c.pwrite(fd, b'end', (1 << 40) - 3)
    c.fsync(fd)
    for offset in (0, 1, 4095, 4096, (1 << 39) - 1, 1 << 39, (1 << 39) + 5, (1 << 39) + 4095, (1 << 39) + 4096, (1 << 40) - 4096, (1 << 40) - 1, 1 << 40):
        c.seek(fd, offset, 3)
        c.seek(fd, offset, 4)
        c.pread(fd, 10, offset)
    fd = c.open('g', os.O_CREAT | os.O_RDWR)
    c.write(fd, b'x' * 100)
    c.seek(fd, 0, 4)
    c.seek(fd, 50, 3)
    c.seek(fd, 99, 4)
    c.seek(fd, 100, 4)
    c.seek(fd, 100, 3)
    c.seek(fd, -1, 3)
    c.seek(fd, -1, 4)
    c.ftruncate(fd, 20000)
    c.seek(fd, 0, 4)
    c.seek(fd, 4096, 3)
    c.fallocate(fd, 0, 8192, 4096)
    c.seek(fd, 0, 4)
    c.seek(fd, 5000, 3)
    c.seek(fd, 8192, 4)
    c.pwrite(fd, b'in prealloc', 9000)
    c.seek(fd, 5000, 3)
    c.seek(fd, 9000, 4)
    e = c.open('empty', os.O_CREAT | os.O_RDWR)
    c.seek(e, 0, 3)
    c.seek(e, 0, 4)


@case
def advice(c):
    c.make('f', b'A' * 100000)
    fd = c.open('f', os.O_RDWR)
    for kind in range(7):
        c.posix_fadvise(fd, 0, 0, kind)
    c.posix_fadvise(fd, 0, -1, 0)
    for flags in (0, 1, 2, 4, 7, 8):
        c.sync_file_range(fd, 0, 0, flags)
    c.sync_file_range(fd, -1, 0, 0)
    c.readahead(fd, 0, 100000)
    c.syncfs(fd)
    c.pread(fd, 5, 99000)


@case
def aio(c):
    """io_setup and io_submit: read, write, fsync."""
    c.make('f', b'0123456789' * 1000)
    fd = c.open('f', os.O_RDWR)
    ctx = ctypes.c_ulong(0)
    c.call('syscall', SYS_IO_SETUP, 8, ctypes.byref(ctx), show='io_setup')
    buf = ctypes.create_string_buffer(b'written by aio'.ljust(100), 100)
    for name, opcode, size, offset, flags in (('pwrite', 1, 14, 100, 0), ('pread', 0, 100, 95, 0), ('fsync', 2, 0, 0, 0), ('fdsync', 3, 0, 0, 0), ('pread end', 0, 100, 9990, 0),
                                              ('pread behind', 0, 100, 20000, 0), ('pwrite far', 1, 10, 2**63 - 5, 0), ('nonsense', 77, 0, 0, 0), ('DSYNC', 1, 5, 0, 2)):
        iocb = ctypes.create_string_buffer(struct.pack('QIiHhIQQqQII', 1, 0, flags, opcode, 0, int(fd), ctypes.addressof(buf), size, offset, 0, 0, 0))
        pointers = (ctypes.c_void_p * 1)(ctypes.addressof(iocb))
        got = c.call('syscall', SYS_IO_SUBMIT, ctx.value, 1, pointers, show=f'io_submit {name}')
        if got == 1:
            event = ctypes.create_string_buffer(32)
            c.raw('syscall', SYS_IO_GETEVENTS, ctx.value, 1, 1, event, None)
            c.note(f'event {name}', struct.unpack_from('q', event, 16)[0])


@case
def io_uring(c):
    """A ring of 8: write, read, fsync, openat, statx, renameat, unlinkat."""
    params = ctypes.create_string_buffer(120)
    ring = c.raw('syscall', SYS_IO_URING_SETUP, 8, params)
    if ring < 0:
        c.note('io_uring_setup', c.err)
        return
    sq_entries, cq_entries = struct.unpack_from('II', params, 0)
    sq_off, cq_off = struct.unpack_from('8I', params, 40), struct.unpack_from('8I', params, 80)
    rings = mmap.mmap(ring, max(sq_off[6] + 4 * sq_entries, cq_off[5] + 16 * cq_entries))
    sqes = mmap.mmap(ring, 64 * sq_entries, offset=0x10000000)
    c.make('f', b'0123456789' * 1000)
    fd = c.open('f', os.O_RDWR)
    buf = ctypes.create_string_buffer(b'written by ring'.ljust(4096), 4096)
    path, other = ctypes.create_string_buffer(b'f'), ctypes.create_string_buffer(b'h')
    at = 2**32 - 100
    statx = ctypes.create_string_buffer(256)
    address = ctypes.addressof
    for name, opcode, f, off, addr, size, rw in (
            ('write', 23, int(fd), 50, address(buf), 15, 0), ('read', 22, int(fd), 45, address(buf), 100, 0), ('fsync', 3, int(fd), 0, 0, 0, 0), ('fallocate', 17, int(fd), 0, 20000, 0, 0),
            ('openat', 18, at, 0, address(path), 0, os.O_RDWR), ('openat missing', 18, at, 0, address(other), 0, 0), ('statx', 21, at, address(statx), address(path), 0x7ff, 0),
            ('renameat', 35, at, address(other), address(path), at, 0), ('unlinkat', 36, at, 0, address(other), 0, 0), ('write far', 23, int(fd), 2**63 - 3, address(buf), 10, 0)):
        tail = struct.unpack_from('I', rings, sq_off[1])[0]
        index = tail & (sq_entries - 1)
        struct.pack_into('BBHiQQIIQ24x', sqes, 64 * index, opcode, 0, 0, f if f < 2**31 else f - 2**32, off, addr, size, rw, 1)
        struct.pack_into('I', rings, sq_off[6] + 4 * index, index)
        struct.pack_into('I', rings, sq_off[1], tail + 1)
        c.raw('syscall', 426, ring, 1, 1, 1, None, 0)
        head = struct.unpack_from('I', rings, cq_off[0])[0]
        result = struct.unpack_from('Qii', rings, cq_off[5] + 16 * (head & (cq_entries - 1)))[1]
        struct.pack_into('I', rings, cq_off[0], head + 1)
        c.note(f'uring {name}', 'fd' if name == 'openat' and result > 0 else result)
    c.fstat(fd)
