#!/usr/bin/env python3
"""
What st_blocks says of files of every kind: `st_blocks.py DIR make` makes them and tells it at once, behind fsync and
behind syncfs; `st_blocks.py DIR show` tells it of what is there. The lines are the same on every btrfs.
"""
import ctypes, fcntl, os, random, struct, sys

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_NOCOW_FL, FS_COMPR_FL = 0x00800000, 0x4
KEEP, PUNCH, ZERO = 1, 2, 16
libc = ctypes.CDLL(None, use_errno=True)


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), "fallocate")


def text(length, seed=0):
    return (b"%08d line of text\n" % seed * (length // 8 + 1))[:length]


def noise(length, seed=0):
    return random.Random(seed).randbytes(length)


def flag(fd, flag):
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("q", flag))


def put(fd, offset, data):
    while data:
        n = os.pwrite(fd, data, offset)
        offset, data = offset + n, data[n:]


K, M = 1024, 1 << 20


def clone(src, fd, *args):
    name = os.path.join(top, src)
    with open(name, "rb") as file:
        src_offset, length, dst_offset = args
        done = 0
        while done < length:
            n = os.copy_file_range(file.fileno(), fd, length - done, src_offset + done, dst_offset + done)
            if not n:
                break
            done += n


# name, steps: each a function of the descriptor
CASES = [
    ("empty", []),
    ("byte", [lambda f: put(f, 0, b"x")]),
    ("inline_text", [lambda f: put(f, 0, text(2000))]),
    ("inline_noise", [lambda f: put(f, 0, noise(2000))]),
    ("text_3000", [lambda f: put(f, 0, text(3000))]),
    ("text_sector", [lambda f: put(f, 0, text(4096))]),
    ("text_5000", [lambda f: put(f, 0, text(5000))]),
    ("noise_5000", [lambda f: put(f, 0, noise(5000))]),
    ("text_1m", [lambda f: put(f, 0, text(M))]),
    ("noise_1m", [lambda f: put(f, 0, noise(M))]),
    ("half_1m", [lambda f: put(f, 0, text(512 * K)), lambda f: put(f, 512 * K, noise(512 * K))]),
    ("text_odd", [lambda f: put(f, 0, text(300001))]),
    ("inline_grows", [lambda f: put(f, 0, text(1000)), os.fsync, lambda f: put(f, 1000, text(1000))]),
    ("inline_to_extent", [lambda f: put(f, 0, text(1000)), os.fsync, lambda f: put(f, 1000, text(9000))]),
    ("inline_behind", [lambda f: put(f, 0, text(1000)), os.fsync, lambda f: put(f, 100000, text(100))]),
    ("hole_first", [lambda f: put(f, M, text(5000))]),
    ("hole_between", [lambda f: put(f, 0, text(5000)), lambda f: put(f, M, noise(5000))]),
    ("only_hole", [lambda f: os.ftruncate(f, 10 * M)]),
    ("append", [lambda f: put(f, 0, text(100000)), os.fsync, lambda f: put(f, 100000, text(100000))]),
    ("overwrite_text", [lambda f: put(f, 0, text(M)), os.fsync, lambda f: put(f, 200000, text(100000, 1))]),
    ("overwrite_noise", [lambda f: put(f, 0, noise(M)), os.fsync, lambda f: put(f, 200000, noise(100000, 1))]),
    ("overwrite_dirty", [lambda f: put(f, 0, text(M)), lambda f: put(f, 200000, text(100000, 1))]),
    ("overwrite_over_end", [lambda f: put(f, 0, text(100000)), os.fsync, lambda f: put(f, 50000, text(200000))]),
    ("overwrite_into_hole", [lambda f: put(f, 0, text(65536)), lambda f: put(f, 200000, text(65536)), os.fsync,
                             lambda f: put(f, 30000, text(200000, 1))]),
    ("fill_hole", [lambda f: put(f, 0, text(65536)), lambda f: put(f, M, text(65536)), os.fsync,
                   lambda f: put(f, 65536, text(65536, 1))]),
    ("truncate_down", [lambda f: put(f, 0, text(M)), os.fsync, lambda f: os.ftruncate(f, 100000)]),
    ("truncate_dirty", [lambda f: put(f, 0, text(M)), lambda f: os.ftruncate(f, 100000)]),
    ("truncate_up", [lambda f: put(f, 0, text(100000)), lambda f: os.ftruncate(f, M)]),
    ("truncate_inline", [lambda f: put(f, 0, text(2000)), os.fsync, lambda f: os.ftruncate(f, 1000)]),
    ("punch", [lambda f: put(f, 0, text(M)), os.fsync, lambda f: fallocate(f, KEEP | PUNCH, 100000, 500000)]),
    ("punch_dirty", [lambda f: put(f, 0, text(M)), lambda f: fallocate(f, KEEP | PUNCH, 100000, 500000)]),
    ("punch_write", [lambda f: put(f, 0, text(M)), os.fsync, lambda f: fallocate(f, KEEP | PUNCH, 100000, 500000),
                     lambda f: put(f, 150000, text(100000))]),
    ("prealloc", [lambda f: fallocate(f, 0, 0, M)]),
    ("prealloc_keep", [lambda f: fallocate(f, KEEP, 0, M)]),
    ("prealloc_write", [lambda f: fallocate(f, 0, 0, M), lambda f: put(f, 100000, text(100000))]),
    ("prealloc_sync_write", [lambda f: fallocate(f, 0, 0, M), os.fsync, lambda f: put(f, 100000, text(100000))]),
    ("prealloc_all", [lambda f: fallocate(f, 0, 0, M), os.fsync, lambda f: put(f, 0, noise(M))]),
    ("prealloc_behind", [lambda f: put(f, 0, text(5000)), os.fsync, lambda f: fallocate(f, KEEP, 0, M),
                         lambda f: put(f, 5000, text(100000))]),
    ("prealloc_over_end", [lambda f: fallocate(f, 0, 0, 65536), os.fsync, lambda f: put(f, 32768, text(65536))]),
    ("prealloc_punch", [lambda f: fallocate(f, 0, 0, M), lambda f: fallocate(f, KEEP | PUNCH, 65536, 65536)]),
    ("zero_range", [lambda f: put(f, 0, text(M)), os.fsync, lambda f: fallocate(f, ZERO, 65536, 262144)]),
    ("nocow", [lambda f: flag(f, FS_NOCOW_FL), lambda f: put(f, 0, text(M))]),
    ("nocow_overwrite", [lambda f: flag(f, FS_NOCOW_FL), lambda f: put(f, 0, text(M)), os.fsync,
                         lambda f: put(f, 100000, text(100000))]),
    ("nocow_append", [lambda f: flag(f, FS_NOCOW_FL), lambda f: put(f, 0, text(100000)), os.fsync,
                      lambda f: put(f, 90000, text(100000))]),
    ("compr", [lambda f: flag(f, FS_COMPR_FL), lambda f: put(f, 0, text(M)), os.fsync,
               lambda f: put(f, 300000, noise(300000))]),
    ("clone_all", [lambda f: clone("text_1m", f, 0, M, 0)]),
    ("clone_part", [lambda f: clone("text_1m", f, 131072, 262144, 65536)]),
    ("clone_over", [lambda f: put(f, 0, text(M, 3)), os.fsync, lambda f: clone("noise_1m", f, 0, 262144, 65536)]),
]


def show(name, when):
    st = os.stat(os.path.join(top, name))
    print(f"{name} {when}: {st.st_size} bytes, {st.st_blocks} blocks")


def make(name, steps):
    fd = os.open(os.path.join(top, name), os.O_RDWR | os.O_CREAT, 0o644)
    for step in steps:
        step(fd)
    show(name, "written")
    os.fsync(fd)
    show(name, "synced")
    os.close(fd)


top = sys.argv[1]
if sys.argv[2] == "make":
    for case in CASES:
        make(*case)
    # Without fsync, told before and behind a commit.
    for name, steps in CASES:
        name = "late_" + name
        fd = os.open(os.path.join(top, name), os.O_RDWR | os.O_CREAT, 0o644)
        for step in steps:
            step(fd)
        os.close(fd)
        show(name, "late")
    fd = os.open(top, os.O_RDONLY)
    libc.syncfs(fd)
for prefix in ("", "late_"):
    for name, _ in CASES:
        show(prefix + name, "there")
