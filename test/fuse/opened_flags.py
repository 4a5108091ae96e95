#!/usr/bin/env python3
"""
What happens to a file that was open for writing when it became append-only or immutable: `opened_flags.py DIR`. The
lines are the same on every btrfs, and with a page cache that keeps what is written.
"""
import errno
import fcntl
import mmap
import os
import struct
import subprocess
import sys

FS_IOC_SETFLAGS = 0x40086602
FLAGS = (("append", 0x20), ("immutable", 0x10))
top = sys.argv[1]


def tell(what, call):
    try:
        ret = call()
        print(what, "->", "done" if ret is None else ret)
    except OSError as error:
        print(what, "->", errno.errorcode[error.errno])


def set_flag(fd, flag):
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("q", flag))


def store(mapped):
    mapped[0:5] = b"third"
    mapped.flush()


def append(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, b"appended\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def opened(what, fd, how):
    tell(f"{what} write", lambda: os.pwrite(fd, b"late\n" * 10, 100))
    tell(f"{what} write at the end", lambda: os.pwrite(fd, b"late\n" * 10, 7000))
    if what.startswith("append"):
        tell(f"{what} ftruncate", lambda: os.ftruncate(fd, 3))
    tell(f"{what} futimens", lambda: os.utime(fd, (1, 1)))
    tell(f"{what} fchmod", lambda: os.fchmod(fd, 0o600))
    if how == "fsync":
        tell(f"{what} fsync", lambda: os.fsync(fd))
    if how == "sync":
        subprocess.run(["sync", "-f", top], check=True)
    tell(f"{what} close", lambda: os.close(fd))


def closed(what, path):
    for name, flags in (("w", os.O_WRONLY), ("rw", os.O_RDWR), ("r", os.O_RDONLY), ("a", os.O_WRONLY | os.O_APPEND),
                        ("trunc", os.O_WRONLY | os.O_TRUNC), ("a trunc", os.O_WRONLY | os.O_TRUNC | os.O_APPEND)):
        tell(f"{what} open {name}", lambda: os.close(os.open(path, flags)))
    tell(f"{what} append", lambda: append(path))
    tell(f"{what} times", lambda: os.utime(path, (1, 1)))
    tell(f"{what} times now", lambda: os.utime(path))
    tell(f"{what} truncate", lambda: os.truncate(path, 5))
    tell(f"{what} unlink", lambda: os.unlink(path))
    with open(path, "rb") as file:
        data = file.read()
    print(what, len(data), data[:8], data[100:110], data[6990:])


for name, flag in FLAGS:
    for how in ("fsync", "close", "sync", "mmap"):
        what, path = f"{name} {how}", os.path.join(top, f"{name}-{how}")
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.write(fd, b"first\n" * 1000)
        os.fsync(fd)
        os.pwrite(fd, b"second\n" * 1000, 0)
        mapped = mmap.mmap(fd, 4096) if how == "mmap" else None
        tell(f"{what} set", lambda: set_flag(fd, flag))
        if mapped:
            tell(f"{what} store", lambda: store(mapped))
            mapped.close()
        opened(what, fd, how)
        closed(what, path)
