#!/usr/bin/env python3
"""nasty_tree.py DIR [--seed N] [--size small|normal|full]: makes a source tree of everything that is hard to copy.
nasty_tree.py --tune DIR --nodesize N [--no-extref]: what depends on the node size, in DIR/tuned.

The same seed gives the same tree. Hard links, symlinks, devices, fifos, sockets, holes, xattrs, ACLs, odd owners, modes and
times, names of any bytes, names with equal hashes, wide and deep directories, sizes around every edge. What needs root is
left out for others. `--shuffle N SOURCE DIR` copies a tree, creating its entries in another order (so readdir's differs).
"""
import argparse
import os
import random
import shutil
import socket
import stat
import struct
import sys

K = 1024
M = 1024 * K
NODE_HEADER = 101
ITEM_HEADER = 25
DIR_ITEM_HEADER = 30
INLINE_EXTENT_HEADER = 21
INODE_REF_HEADER = 10
LINUX_SYMLINK_MAX = 4095
LARGEST_XATTR_NAME = 'user.largest'
LINK_NAME = 'l%05d'

SIZES = {
    'small': dict(links=60, wide=150, deep=12, comb=40, long_names=12, tiny_content=True),
    'normal': dict(links=1000, wide=5000, deep=60, comb=600, long_names=100, tiny_content=False),
    'full': dict(links=10000, wide=100000, deep=60, comb=4000, long_names=400, tiny_content=False),
}
EDGES = [0, 1, 2047, 2048, 2049, 3900, 4095, 4096, 4097, 8191, 8192, 8193, 64 * K - 1, 64 * K, 64 * K + 1, 128 * K - 1,
         128 * K, 128 * K + 1, 128 * K + 4096, 256 * K + 1]
LARGE_EDGES = [M - 1, M, M + 1, 3 * M]
TIMES_NS = [0, 1, 999999999, -1, -999999999, -1000000000, -2208988800 * 10**9 + 123456789, (2**31 - 1) * 10**9 + 5,
            2**31 * 10**9 + 6, 2**32 * 10**9 + 7, (2**34 + 1) * 10**9 + 8, 253402300799 * 10**9 + 999999999,
            -62135596800 * 10**9 + 1, 1234567890123456789]
IDS = [0, 1, 1000, 65533, 65534, 65535, 65536, 70000, 2**31 - 1, 2**31, 2**32 - 2]
CRC32C_POLYNOMIAL = 0x11EDC6F41


def crc32c_raw(data, crc):
    """CRC-32C without inversion, the way names are hashed with the seed 0xFFFFFFFE."""
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc


def name_hash(name):
    return crc32c_raw(name, 0xFFFFFFFE)


def colliding_names(rng, nr, length=10, prefix=b'', avoid=b'/\0'):
    """nr names with one hash: xoring multiples of the polynomial into a name does not change its CRC."""
    def as_bytes(bits, nr_bytes):
        # The stream's first bit is the lowest of the first byte.
        stream = bin(bits)[2:].zfill(nr_bytes * 8)
        return bytes(int(stream[i:i + 8][::-1], 2) for i in range(0, len(stream), 8))

    free_bits = length * 8 - 33
    base = bytes(rng.choice(b'abcdefghijklmnopqrstuvwxyz') for _ in range(length))
    names = {prefix + base}
    while len(names) < nr:
        multiple, factor = 0, rng.getrandbits(free_bits + 1)
        for bit in range(free_bits + 1):
            if factor >> bit & 1:
                multiple ^= CRC32C_POLYNOMIAL << bit
        name = bytes(a ^ b for a, b in zip(base, as_bytes(multiple, length)))
        if not set(avoid) & set(name):
            names.add(prefix + name)
    assert len({name_hash(n) for n in names}) == 1
    return sorted(names)


class Tree:
    def __init__(self, top, seed, size):
        self.top = os.fsencode(top)
        self.rng = random.Random(seed)
        self.size = SIZES[size]
        self.full = size == 'full'
        self.root = os.geteuid() == 0
        words = [b'extent', b'tree', b'the', b'leaf', b'of', b'generation', b'checksum', b'a', b'key', b'offset']
        self.text = b' '.join(self.rng.choice(words) for _ in range(60000))
        self.noise = self.rng.randbytes(4 * M)

    def path(self, *names):
        return os.path.join(self.top, *(n if isinstance(n, bytes) else n.encode() for n in names))

    def folder(self, *names):
        path = self.path(*names)
        os.makedirs(path, exist_ok=True)
        return path

    def content(self, kind, length):
        start = self.rng.randrange(1000)
        if kind == 'text':
            times = length // (len(self.text) - start) + 1
            return (self.text[start:] * times)[:length]
        if kind == 'noise':
            return self.noise[start:start + length]
        if kind == 'zero':
            return bytes(length)
        # Mixed: stretches of 20 KiB that compress and that do not, so that 128 KiB pieces differ.
        out, text = [], True
        for at in range(0, length, 20 * K):
            out.append((self.text if text else self.noise)[at % M:at % M + 20 * K].ljust(20 * K, b'.'))
            text = not text or self.rng.random() < 0.5
        return b''.join(out)[:length]

    @staticmethod
    def write(path, data):
        with open(path, 'wb') as f:
            f.write(data)

    @staticmethod
    def sparse(path, length, pieces):
        """A file of this length whose only data are pieces (offset, bytes)."""
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        os.ftruncate(fd, length)
        for offset, data in pieces:
            os.pwrite(fd, data, offset)
        os.close(fd)

    def contents(self):
        folder = self.folder('contents')
        for kind in ('text', 'noise', 'mixed', 'zero'):
            for length in EDGES:
                if self.size['tiny_content'] and kind in ('mixed', 'zero') and length % 2:
                    continue
                self.write(os.path.join(folder, b'%s-%d' % (kind.encode(), length)), self.content(kind, length))
        kinds = ('text', 'noise') if not self.size['tiny_content'] else ('mixed',)
        for kind in kinds:
            for length in LARGE_EDGES[:1] if self.size['tiny_content'] else LARGE_EDGES:
                self.write(os.path.join(folder, b'%s-%d' % (kind.encode(), length)), self.content(kind, length))
        # First incompressible, then not, and the other way round.
        self.write(os.path.join(folder, b'noise-then-text'), self.content('noise', 256 * K) + self.content('text', 300 * K))
        self.write(os.path.join(folder, b'text-then-noise'), self.content('text', 256 * K) + self.content('noise', 300 * K))

    def holes(self):
        folder = self.folder('holes')
        page = self.content('noise', 4096)
        text = self.content('text', 200 * K)
        maps = {
            'none': (0, []), 'all': (M, []), 'all-odd': (M + 77, []), 'start': (M, [(M - 8192, text[:8192])]),
            'middle': (3 * M, [(0, text[:4096]), (2 * M, text)]), 'end': (2 * M, [(0, text)]),
            'end-odd': (2 * M + 5, [(4096, page)]), 'page-then-hole': (8192, [(0, page)]),
            'hole-then-page': (8192, [(4096, page)]), 'tail': (M + 100, [(M, page[:100])]),
            'comb': (self.size['comb'] * 8192, [(i * 8192, page) for i in range(self.size['comb'])]),
            '16g': (16 << 30, [(5 << 30, text), ((16 << 30) - 4096, page)]), '16g-all': (16 << 30, []),
        }
        if self.full:
            maps['over-4g'] = ((5 << 30) + 3, [((5 << 30) - 4096, page), (5 << 30, b'end')])
        for name, (length, pieces) in maps.items():
            self.sparse(os.path.join(folder, name.encode()), length, pieces)
        if self.full:
            with open(os.path.join(folder, b'real-4g'), 'wb') as f:
                piece = self.text[:256 * K].ljust(M, b'.')
                for i in range(4100):
                    f.write(struct.pack('<Q', i) + piece[8:])

    def names(self):
        folder = self.folder('names')
        odd = [b'\xff\xfe', b'\x80', b'new\nline', b'\x01\x7f', b' ', b'  two', b'trailing ', b'tab\t', b'"quote\'', b'back\\slash',
               b'-dash', b'--help', b'*', b'?', b'$HOME', b'`id`', b';', b'#', b':', b'a:b', b'%s%n', b'...', b'..a', b'.a', b'\\x41',
               'é'.encode(), 'e\u0301'.encode(), '日本'.encode(), b'\xed\xa0\x80', b'\xf8\x88\x80\x80\x80', b'con', b'x' * 255, b'\xff' * 255,
               bytes(c for c in range(1, 256) if c != 0x2f), bytes(c for c in range(255, 0, -1) if c != 0x2f)]
        for name in odd:
            self.write(os.path.join(folder, name), name)
        folder = self.folder('names-long')
        for i in range(self.size['long_names']):
            self.write(os.path.join(folder, (b'%03d' % i) + self.rng.choice((b'a', b'z')) * 252), b'')
        folder = self.folder('names-collide')
        for i, name in enumerate(colliding_names(self.rng, 60)):
            if i % 3 == 0:
                os.mkdir(os.path.join(folder, name))
            elif i % 3 == 1:
                self.write(os.path.join(folder, name), name)
            else:
                os.symlink(name, os.path.join(folder, name))

    def wide(self):
        folder = self.folder('wide')
        for i in range(self.size['wide']):
            name = b'%d-%s' % (i, b'w' * self.rng.randrange(40))
            path = os.path.join(folder, name)
            if i % 50 == 7:
                self.write(path, self.content('text', self.rng.randrange(6000)))
            elif i % 50 == 8:
                os.mkdir(path)
            elif i % 50 == 9:
                os.symlink(b'../' + name, path)
            else:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))

    def deep(self):
        path = self.folder('deep')
        for i in range(self.size['deep']):
            path = os.path.join(path, b'level-%d-' % i + b'd' * (i % 40))
            os.mkdir(path)
            self.write(os.path.join(path, b'f'), self.content('text', 100 * i))

    def links(self):
        folder = self.folder('links')
        for i in range(4):
            self.folder('links', 'dir%d' % i)
        first = os.path.join(folder, b'first')
        self.write(first, self.content('noise', 9000))
        for i in range(10):
            os.link(first, os.path.join(folder, b'dir%d' % (i % 4), b'link%d' % i))
        # Other kinds can have several names too.
        os.symlink(b'target', os.path.join(folder, b'symlink'))
        os.link(os.path.join(folder, b'symlink'), os.path.join(folder, b'dir0', b'symlink'), follow_symlinks=False)
        os.mkfifo(os.path.join(folder, b'fifo'))
        os.link(os.path.join(folder, b'fifo'), os.path.join(folder, b'dir1', b'fifo'))
        self.write(os.path.join(folder, b'with-xattr'), b'one inode')
        os.setxattr(os.path.join(folder, b'with-xattr'), 'user.both', b'see it')
        os.link(os.path.join(folder, b'with-xattr'), os.path.join(folder, b'dir2', b'with-xattr'))
        folder = self.folder('symlinks')
        for name, target in (('dangling', b'/no/such/place'), ('self', b'self'), ('dir', b'../wide'), ('absolute', b'/etc/passwd'),
                             ('bytes', b'\xff\x80\n'), ('one', b'x'), ('2047', b'y' * 2047), ('2048', b'y' * 2048),
                             ('2049', b'y' * 2049), ('3900', b'z/' * 1950)):
            os.symlink(target, os.path.join(folder, name.encode()))

    def special(self):
        folder = self.folder('special')
        os.mkfifo(os.path.join(folder, b'fifo'), 0o600)
        with socket.socket(socket.AF_UNIX) as s:
            # The path of a socket is limited to 108 bytes.
            here = os.open('.', os.O_RDONLY)
            os.chdir(folder)
            s.bind(b'socket')
            os.fchdir(here)
            os.close(here)
        if not self.root:
            return
        for name, kind, major, minor in (('null', stat.S_IFCHR, 1, 3), ('tty', stat.S_IFCHR, 5, 0), ('zero', stat.S_IFCHR, 0, 0),
                                         ('sda', stat.S_IFBLK, 8, 0), ('minor', stat.S_IFBLK, 259, 1000),
                                         ('largest', stat.S_IFBLK, 4095, (1 << 20) - 1), ('wide', stat.S_IFCHR, 300, 70000)):
            os.mknod(os.path.join(folder, name.encode()), kind | 0o640, os.makedev(major, minor))

    def xattrs(self):
        folder = self.folder('xattrs')

        def file(name):
            path = os.path.join(folder, name.encode())
            self.write(path, name.encode())
            return path

        path = file('values')
        for name, value in (('user.empty', b''), ('user.zero', b'\0'), ('user.bytes', bytes(range(256))), ('user.a' * 40, b'long name'),
                            ('user.\u00e9', b'utf-8'), ('user.long', b'v' * 1500)):
            os.setxattr(path, name, value)
        path = file('many')
        for i in range(100):
            os.setxattr(path, 'user.n%d' % i, b'value %d' % i)
        path = file('collide')
        # One prefix before equal-length tails with one hash gives one hash again. (tar cannot keep = and % in a name.)
        for name in colliding_names(self.rng, 12, prefix=b'user.', avoid=b'/\0=%'):
            os.setxattr(path, name, name[5:])
        os.setxattr(folder, 'user.of-directory', b'here too')
        if not self.root:
            return
        path = file('spaces')
        os.setxattr(path, 'trusted.t', b'trusted')
        os.setxattr(path, 'security.other', b'label')
        link, node = os.path.join(folder, b'symlink'), os.path.join(folder, b'device')
        os.symlink(b'spaces', link)
        os.setxattr(link, 'trusted.symlink', b'on a symlink', follow_symlinks=False)
        os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(1, 5))
        os.setxattr(node, 'trusted.device', b'on a device')
        path = file('capability')
        os.chmod(path, 0o755)
        os.setxattr(path, 'security.capability', struct.pack('<5I', 0x02000001, 0x2400, 0, 0, 0))

    def acls(self):
        folder = self.folder('acls')
        user_obj, user, group_obj, group, mask, other = 1, 2, 4, 8, 16, 32
        undefined = 0xFFFFFFFF

        def acl(*entries):
            return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', tag, perm, who) for tag, perm, who in entries)

        access = acl((user_obj, 6, undefined), (user, 4, 1234), (user, 6, 70000), (group_obj, 4, undefined), (group, 5, 99999),
                     (mask, 7, undefined), (other, 0, undefined))
        default = acl((user_obj, 7, undefined), (user, 7, 4321), (group_obj, 5, undefined), (mask, 7, undefined),
                      (other, 5, undefined))
        path = os.path.join(folder, b'file')
        self.write(path, b'acl')
        os.setxattr(path, 'system.posix_acl_access', access)
        path = os.path.join(folder, b'dir')
        os.mkdir(path)
        self.write(os.path.join(path, b'made-before-the-default'), b'')
        os.setxattr(path, 'system.posix_acl_access', default)
        os.setxattr(path, 'system.posix_acl_default', access)

    def owners_and_modes(self):
        folder = self.folder('owners')
        for uid in IDS:
            for kind in ('file', 'dir', 'symlink'):
                path = os.path.join(folder, b'%s-%d' % (kind.encode(), uid))
                if kind == 'file':
                    self.write(path, b'')
                elif kind == 'dir':
                    os.mkdir(path)
                else:
                    os.symlink(b'x', path)
                if self.root:
                    os.chown(path, uid, IDS[(IDS.index(uid) + 3) % len(IDS)], follow_symlinks=False)
        folder = self.folder('modes')
        # What its owner cannot read is left out when we are not root.
        modes = [0o000, 0o200, 0o400, 0o444, 0o644, 0o755, 0o777, 0o4755, 0o2755, 0o1777, 0o7777, 0o4000, 0o2644, 0o6111]
        for mode in modes:
            if not self.root and not mode & 0o400:
                continue
            path = os.path.join(folder, b'file-%o' % mode)
            self.write(path, b'm')
            os.chmod(path, mode)
            if self.root or mode & 0o500 == 0o500:
                path = os.path.join(folder, b'dir-%o' % mode)
                os.mkdir(path)
                os.chmod(path, mode)

    def times(self):
        folder = self.folder('times')
        for i, when in enumerate(TIMES_NS):
            for kind in ('file', 'dir', 'symlink'):
                path = os.path.join(folder, b'%s-%d' % (kind.encode(), i))
                if kind == 'file':
                    self.write(path, b't')
                elif kind == 'dir':
                    os.mkdir(path)
                else:
                    os.symlink(b'x', path)
                os.utime(path, ns=(when, when), follow_symlinks=False)

    def stamp(self):
        """A modification time of its own for all that has none yet, directories after what is in them."""
        for folder, dirs, files in os.walk(self.top, topdown=False):
            names = [os.path.join(folder, n) for n in sorted(dirs + files)]
            if os.path.basename(folder) == b'times':
                names = []
            for path in names + [folder]:
                if os.path.basename(os.path.dirname(path)) != b'times':
                    when = self.rng.randrange(10**18, 17 * 10**17)
                    os.utime(path, ns=(when, when), follow_symlinks=False)

    def make(self):
        os.makedirs(self.top, exist_ok=True)
        for part in (self.contents, self.holes, self.names, self.wide, self.deep, self.links, self.special, self.xattrs, self.acls,
                     self.owners_and_modes, self.times):
            part()
        os.chmod(self.top, 0o751)
        self.stamp()


def tune(top, nodesize, extref, nr_links):
    """What is only just possible at this node size."""
    folder = os.path.join(top, 'tuned')
    before = os.stat(top)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    item_max = nodesize - NODE_HEADER - ITEM_HEADER
    os.symlink('t' * min(item_max - INLINE_EXTENT_HEADER, LINUX_SYMLINK_MAX), os.path.join(folder, 'symlink'))
    path = os.path.join(folder, 'xattr')
    with open(path, 'wb') as f:
        f.write(b'the largest attribute')
    length = min(item_max - DIR_ITEM_HEADER - len(LARGEST_XATTR_NAME), 65536)
    os.setxattr(path, LARGEST_XATTR_NAME, random.Random(nodesize).randbytes(length))
    if not extref:
        # Without extended references all names in one directory share one item.
        nr_links = min(nr_links, item_max // (INODE_REF_HEADER + len(LINK_NAME % 0)) - 1)
    os.mkdir(os.path.join(folder, 'links'))
    first = os.path.join(folder, 'links', LINK_NAME % 0)
    with open(first, 'wb') as f:
        f.write(b'many names')
    for i in range(1, nr_links):
        os.link(first, os.path.join(folder, 'links', LINK_NAME % i))
    for path in (os.path.join(folder, 'symlink'), os.path.join(folder, 'xattr'), first, os.path.join(folder, 'links'), folder):
        os.utime(path, ns=(10**18 + 1, 10**18 + nodesize), follow_symlinks=False)
    os.utime(top, ns=(before.st_atime_ns, before.st_mtime_ns))


def copy_node(source, dest, made):
    """One entry but a directory; made maps inodes to their copies."""
    st = os.lstat(source)
    first = made.get((st.st_dev, st.st_ino))
    if first:
        os.link(first, dest, follow_symlinks=False)
        return
    made[(st.st_dev, st.st_ino)] = dest
    if stat.S_ISLNK(st.st_mode):
        os.symlink(os.readlink(source), dest)
    elif stat.S_ISREG(st.st_mode):
        with open(source, 'rb') as a, open(dest, 'wb') as b:
            os.ftruncate(b.fileno(), st.st_size)
            at = 0
            while at < st.st_size:
                try:
                    at = os.lseek(a.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                end = os.lseek(a.fileno(), at, os.SEEK_HOLE)
                while at < end:
                    at += os.pwrite(b.fileno(), os.pread(a.fileno(), min(end - at, M), at), at)
    else:
        os.mknod(dest, st.st_mode, st.st_rdev)


def copy_attributes(source, dest):
    st = os.lstat(source)
    os.chown(dest, st.st_uid, st.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(st.st_mode):
        os.chmod(dest, stat.S_IMODE(st.st_mode))
    for name in os.listxattr(source, follow_symlinks=False):
        os.setxattr(dest, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(dest, ns=(st.st_atime_ns, st.st_mtime_ns), follow_symlinks=False)


def shuffle_copy(source, dest, rng, made, top=True):
    os.mkdir(dest)
    names = os.listdir(source)
    rng.shuffle(names)
    for name in names:
        a, b = os.path.join(source, name), os.path.join(dest, name)
        if stat.S_ISDIR(os.lstat(a).st_mode):
            shuffle_copy(a, b, rng, made, False)
        else:
            copy_node(a, b, made)
            copy_attributes(a, b)
    # Attributes of files with several names are set again by the last: the same values.
    copy_attributes(source, dest)


def main():
    parser = argparse.ArgumentParser(prog='nasty_tree.py')
    parser.add_argument('dirs', nargs='+')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--size', choices=SIZES, default='normal')
    parser.add_argument('--tune', action='store_true')
    parser.add_argument('--nodesize', type=int, default=16384)
    parser.add_argument('--no-extref', action='store_true')
    parser.add_argument('--shuffle', type=int)
    args = parser.parse_args()
    os.umask(0o022)
    if args.shuffle is not None:
        shuffle_copy(os.fsencode(args.dirs[0]), os.fsencode(args.dirs[1]), random.Random(args.shuffle), {})
    elif args.tune:
        tune(args.dirs[0], args.nodesize, not args.no_extref, SIZES[args.size]['links'])
    else:
        Tree(args.dirs[0], args.seed, args.size).make()
    return 0


if __name__ == '__main__':
    sys.exit(main())
