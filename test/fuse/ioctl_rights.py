"""ioctl_rights.py DIR: what each ioctl answers to whoever runs this, on files of several owners."""
import errno, fcntl, os, struct, sys
def ioc(dir, nr, size, group=0x94): return dir << 30 | size << 16 | group << 8 | nr
W, R, RW = 1, 2, 3
top = sys.argv[1]
def call(name, path, number, data, flags=os.O_RDONLY):
    try:
        fd = os.open(os.path.join(top, path), flags)
    except OSError as e:
        print(name, path, 'open', errno.errorcode[e.errno]); return
    b = bytearray(data)
    try:
        fcntl.ioctl(fd, number, b)
        # The kernel answers 1 to SUBVOL_INFO of one, and nobody says why.
        print(name, path or '.', 'done')
    except OSError as e:
        print(name, path or '.', errno.errorcode[e.errno])
    os.close(fd)
def q(*v): return struct.pack('<%dQ' % len(v), *v)
SETFLAGS = ioc(W, 2, 8, ord('f')); FSSETXATTR = ioc(W, 32, 28, ord('X'))
for path in ('', 'mine', 'roots', 'minero', 'mysub', 'rootsub', 'mydir'):
    call('GETFLAGS', path, ioc(R, 1, 8, ord('f')), bytes(8))
    call('SETFLAGS +d', path, SETFLAGS, struct.pack('<Q', 0x40))
    call('SETFLAGS -', path, SETFLAGS, struct.pack('<Q', 0))
    call('SETFLAGS +i', path, SETFLAGS, struct.pack('<Q', 0x10))
    call('SETFLAGS +a', path, SETFLAGS, struct.pack('<Q', 0x20))
    call('SETFLAGS -', path, SETFLAGS, struct.pack('<Q', 0))
    call('SETFLAGS bad', path, SETFLAGS, struct.pack('<Q', 0x80000000))
    call('FSGETXATTR', path, ioc(R, 31, 28, ord('X')), bytes(28))
    call('FSSETXATTR +A', path, FSSETXATTR, struct.pack('<I', 0x40).ljust(28, b'\0'))
    call('FSSETXATTR -', path, FSSETXATTR, bytes(28))
    call('FSSETXATTR +i', path, FSSETXATTR, struct.pack('<I', 0x8).ljust(28, b'\0'))
    call('FSSETXATTR -', path, FSSETXATTR, bytes(28))
    call('FSSETXATTR projid', path, FSSETXATTR, struct.pack('<5I', 0, 0, 0, 7, 0).ljust(28, b'\0'))
    call('GETVERSION', path, ioc(R, 1, 8, ord('v')), bytes(8))
    call('SET_LABEL', path, ioc(W, 50, 256), b'new'.ljust(256, b'\0'))
    call('SET_LABEL long', path, ioc(W, 50, 256), b'n' * 256)
    call('GET_LABEL', path, ioc(R, 49, 256), bytes(256))
    call('FS_INFO', path, ioc(R, 31, 1024), bytes(1024))
    call('DEV_INFO', path, ioc(RW, 30, 4096), q(1).ljust(4096, b'\0'))
    call('DEV_INFO none', path, ioc(RW, 30, 4096), q(9).ljust(4096, b'\0'))
    call('FEATURES', path, ioc(R, 57, 24), bytes(24))
    call('SYNC', path, ioc(0, 8, 0), b'')
    for tree, oid in ((0, 256), (5, 256), (5, 257), (0, 257), (77, 256), (77, 257), (0, 99999), (1, 256), (2, 257)):
        call('INO_LOOKUP %d %d' % (tree, oid), path, ioc(RW, 18, 4096), q(tree, oid).ljust(4096, b'\0'))
    key = struct.pack('<QQQQQQQIIIIQQQQ', 0, 256, 256, 0, 2**64 - 1, 0, 2**64 - 1, 0, 255, 1, 0, 0, 0, 0, 0)
    call('TREE_SEARCH', path, ioc(RW, 17, 4096), key.ljust(4096, b'\0'))
    call('SUBVOL_INFO', path, ioc(R, 60, 504), bytes(504))
    call('ROOTREF', path, ioc(RW, 61, 4096), bytes(4096))
    call('SUBVOL_GETFLAGS', path, ioc(R, 25, 8), bytes(8))
    call('SUBVOL_SETFLAGS bad', path, ioc(W, 26, 8), q(1 << 40))
    call('SUBVOL_SETFLAGS async', path, ioc(W, 26, 8), q(1))
    call('SUBVOL_SETFLAGS ro', path, ioc(W, 26, 8), q(2))
    call('SUBVOL_GETFLAGS', path, ioc(R, 25, 8), bytes(8))
    call('SETFLAGS in ro', path, SETFLAGS, struct.pack('<Q', 0x40))
    call('SUBVOL_SETFLAGS rw', path, ioc(W, 26, 8), q(0))
    call('DEFAULT_SUBVOL none', path, ioc(W, 19, 8), q(777))
    call('DEFAULT_SUBVOL', path, ioc(W, 19, 8), q(5))
