#!/usr/bin/env python3
"""
What calls about attributes answer on files of every kind, as root and as somebody else: `xattr_errors.py DIR` (as
root, DIR is empty) prints a line for each call. The lines are the same on every btrfs.
"""
import ctypes, errno, os, socket, stat, sys

CREATE, REPLACE = 1, 2
KINDS = ["file", "dir", "fifo", "link", "chr", "blk", "sock", "sticky"]
NAMES = [b"btrfs.unknown", b"btrfs.", b"btrfs.compression", b"user.", b"user.a", b"trusted.", b"trusted.a", b"security.",
         b"security.a", b"system.", b"system.a", b"system.posix_acl_access", b"system.posix_acl_default", b"other.a",
         b"user", b"", b"btrfs", b"USER.a", b"user." + b"n" * 250, b"user." + b"n" * 251]
libc = ctypes.CDLL(None, use_errno=True)
top = sys.argv[1].encode()


def call(what, function, *args):
    ret = function(*args)
    print(what, "->", errno.errorcode[ctypes.get_errno()] if ret < 0 else ret)
    return ret


def path(kind):
    return os.path.join(top, kind.encode())


def make(kind):
    name = path(kind)
    if kind == "file":
        open(name, "w").close()
    elif kind in ("dir", "sticky"):
        os.mkdir(name)
    elif kind == "fifo":
        os.mkfifo(name)
    elif kind == "link":
        os.symlink("nowhere", name)
    elif kind == "chr":
        os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    elif kind == "blk":
        os.mknod(name, stat.S_IFBLK | 0o666, os.makedev(7, 200))
    else:
        with socket.socket(socket.AF_UNIX) as sock:
            here = os.getcwd()
            os.chdir(top)
            sock.bind(kind)
            os.chdir(here)
    if kind != "link":
        os.chmod(name, 0o1777 if kind == "sticky" else 0o777)


def names(who, kind):
    name = path(kind)
    for xattr in NAMES:
        what = f"{who} {kind} {xattr.decode()[:20]}({len(xattr)})"
        buffer = ctypes.create_string_buffer(256)
        call(f"{what} get", libc.lgetxattr, name, xattr, buffer, 256)
        call(f"{what} remove", libc.lremovexattr, name, xattr)
        call(f"{what} set", libc.lsetxattr, name, xattr, b"value", 5, 0)
        call(f"{what} set nothing", libc.lsetxattr, name, xattr, b"", 0, 0)
        call(f"{what} set again", libc.lsetxattr, name, xattr, b"value", 5, CREATE)
        call(f"{what} replace", libc.lsetxattr, name, xattr, b"other value", 11, REPLACE)
        call(f"{what} both", libc.lsetxattr, name, xattr, b"value", 5, CREATE | REPLACE)
        call(f"{what} flags", libc.lsetxattr, name, xattr, b"value", 5, 8)
        call(f"{what} size", libc.lgetxattr, name, xattr, None, 0)
        call(f"{what} small", libc.lgetxattr, name, xattr, buffer, 3)
        call(f"{what} get", libc.lgetxattr, name, xattr, buffer, 256)
        size = call(f"{what} list size", libc.llistxattr, name, None, 0)
        call(f"{what} list small", libc.llistxattr, name, buffer, 3)
        if size > 0:
            listed = ctypes.create_string_buffer(size)
            call(f"{what} list", libc.llistxattr, name, listed, size)
            print(f"{what} listed", sorted(n[:20] for n in listed.raw.split(b"\0")))
        call(f"{what} remove", libc.lremovexattr, name, xattr)
        call(f"{what} remove again", libc.lremovexattr, name, xattr)


def sizes(kind):
    name = path(kind)
    for size in (1000, 4000, 16000, 16200, 16400, 65536, 65537, 1 << 20):
        # Nothing is replaced: the kernel does not when the leaf has no room for the difference.
        libc.lremovexattr(name, b"trusted.size")
        call(f"{kind} value of {size}", libc.lsetxattr, name, b"trusted.size", b"v" * size, ctypes.c_size_t(size), 0)
    for value in (b"zlib", b"lzo", b"zstd", b"none", b"no", b"", b"zstd:3", b"zstd:99", b"bad", b"zlib\0"):
        call(f"{kind} compression {value}", libc.lsetxattr, name, b"btrfs.compression", value, len(value), 0)
        buffer = ctypes.create_string_buffer(64)
        call(f"{kind} compression", libc.lgetxattr, name, b"btrfs.compression", buffer, 64)
        print(f"{kind} compression is", buffer.value)
    call(f"{kind} compression remove", libc.lremovexattr, name, b"btrfs.compression")


for kind in KINDS:
    make(kind)
for kind in KINDS:
    names("root", kind)
    sizes(kind)
# Somebody who may write to all of it but the sticky directory, and then to what is his.
for who, owner in (("other", 0), ("owner", 65534)):
    for kind in KINDS:
        os.lchown(path(kind), owner, owner)
    os.setegid(65534)
    os.seteuid(65534)
    for kind in KINDS:
        names(who, kind)
    os.seteuid(0)
    os.setegid(0)
