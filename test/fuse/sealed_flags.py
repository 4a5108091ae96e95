#!/usr/bin/env python3
"""
What an ordinary user cannot do to a file that is append-only or immutable when he comes: `sealed_flags.py DIR`. The
lines are the same on every btrfs, and with a page cache that keeps what is written.
"""
import errno
import fcntl
import mmap
import os
import struct
import sys
import time

FS_IOC_SETFLAGS = 0x40086602
USER = 1000
FLAGS = (("append", 0x20), ("immutable", 0x10))


def tell(what, call):
    try:
        ret = call()
        print(what, "->", "done" if ret is None else ret)
    except OSError as error:
        print(what, "->", errno.errorcode[error.errno])


def overwrite(path):
    """O_APPEND is taken off the descriptor again."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, 0)
        os.pwrite(fd, b"OVER", 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def store(path):
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        with mmap.mmap(fd, 4096) as mapped:
            mapped[10:14] = b"MMAP"
            mapped.flush()
    except OSError as error:
        # EACCES, or ENODEV where the kernel does not know why.
        return "refused" if error.errno in (errno.EACCES, errno.ENODEV) else errno.errorcode[error.errno]
    finally:
        os.close(fd)


def by_descriptor(path, times):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.utime(fd, ns=times)
    finally:
        os.close(fd)


def append(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        for _ in range(3):
            os.write(fd, b"more\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def lines(name, path):
    start = os.stat(path)
    now = time.time_ns()
    tell(f"{name} overwrite", lambda: overwrite(path))
    tell(f"{name} store", lambda: store(path))
    tell(f"{name} append", lambda: append(path))
    before = os.stat(path)
    # The first leaves the time of access as it is: touch -m.
    for how in ("touch -m", "touch -m -d 50 s before", "touch -m -d now"):
        mtime = {"touch -m": "now", "touch -m -d now": now}.get(how, before.st_mtime_ns - 50 * 10**9)
        arg = [] if mtime == "now" else ["-d", f"@{mtime // 10**9}"]
        tell(f"{name} {how}", lambda: os.spawnlp(os.P_WAIT, "touch", "touch", "-m", *arg, path))
    tell(f"{name} futimens", lambda: by_descriptor(path, (start.st_atime_ns, before.st_mtime_ns - 50 * 10**9)))
    after = os.stat(path)
    print(name, "mtime", "back" if after.st_mtime_ns < before.st_mtime_ns else "on" if after.st_mtime_ns > before.st_mtime_ns
          else "same", "ctime", "same" if after.st_ctime_ns == before.st_ctime_ns else "other")
    with open(path, "rb") as file:
        data = file.read()
    print(name, len(data), data[:20], data[-20:])


def main(top):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for name, flag in FLAGS:
        path = os.path.join(top, f"sealed-{name}")
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.write(fd, b"first\n" * 1000)
        os.fsync(fd)
        os.fchown(fd, USER, USER)
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("q", flag))
        os.close(fd)
    time.sleep(0.05)
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    for name, _ in FLAGS:
        lines(name, os.path.join(top, f"sealed-{name}"))


main(sys.argv[1])
