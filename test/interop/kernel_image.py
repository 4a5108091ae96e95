#!/usr/bin/env python3
"""kernel_image.py DIR [OPTIONS]: a filesystem made by mkfs.btrfs and filled by the kernel, the same for the same seed (but for
UUIDs, times of the clock and where the kernel puts what).

DIR/disk0.img ... are its devices, unmounted and whole; DIR/view is what the kernel shows of it from the top (subvolume 5), for
`kernel_image.py --compare DIR TREE`, which needs neither root nor a mount; DIR/facts.json names what is in it. Needs root.

Filled with: the nasty tree (nasty_tree.py: names, xattrs, ACLs, owners, times, special files, colliding hashes), files of each
compression (mount option, file attribute, property), inline files, prealloc (kept size, partly written, shared), punched holes,
extents overwritten in the middle, reflinks whole and partial within and between subvolumes, NODATACOW, many links, wide
directories, sparse files of 16 TiB and of the largest size, nested subvolumes, snapshots (read-only and not, of snapshots, changed
afterwards, one that was received), deleted files and subvolumes, blocks that a balance has moved.
"""
import argparse
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pickle
import random
import shutil
import signal
import stat
import struct
import subprocess
import sys

import compare_trees
import nasty_tree

K = 1024
M = 1024 * K
T = 1024 * 1024 * M
SIZES = {
    # Few blocks and little data: for going through thousands of changed copies.
    'tiny': dict(nasty=None, links=300, wide=60, rounds=5, files=2, length=20 * K, changes=4),
    'small': dict(nasty='small', links=300, wide=300, rounds=5, files=3, length=300 * K, changes=6),
    'normal': dict(nasty='normal', links=10000, wide=3000, rounds=10, files=8, length=2 * M, changes=30),
    'full': dict(nasty='normal', links=10000, wide=50000, rounds=16, files=20, length=12 * M, changes=80),
}
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_COMPR_FL, FS_NOCOMP_FL, FS_NODUMP_FL, FS_NOATIME_FL, FS_NOCOW_FL = 0x4, 0x400, 0x40, 0x80, 0x800000
FICLONERANGE = 0x4020940D
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
LARGEST_FILE = 2**63 - 1
SECTOR = 4096
# What is written under each: every algorithm, and data as it comes.
MOUNTS = ['compress=no', 'compress-force=zlib', 'compress-force=lzo', 'compress-force=zstd', 'compress=no,max_inline=0',
          'compress=zstd:1', 'compress-force=zlib:9', 'compress-force=zstd:15', 'compress=no,nodatasum', 'compress=lzo']
MOUNT_DEFAULTS = 'datasum,datacow,max_inline=2048'

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate64.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def run(*command, **how):
    """A program that must succeed; what it said otherwise."""
    p = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **how)
    if p.returncode:
        raise RuntimeError(f'{" ".join(map(str, command))}: {p.stdout.decode(errors="replace").strip()}')
    return p.stdout.decode(errors='replace')


def fallocate(fd, mode, offset, length):
    if libc.fallocate64(fd, mode, offset, length) < 0:
        raise OSError(ctypes.get_errno(), 'fallocate')


def clone_range(source, offset, length, dest, at):
    fcntl.ioctl(dest, FICLONERANGE, struct.pack('=qQQQ', source, offset, length, at))


@contextlib.contextmanager
def opened(path, flags=os.O_RDWR | os.O_CREAT):
    fd = os.open(path, flags, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def attached(files):
    """The loop devices of these files, known to the kernel as one filesystem; they go in any case."""
    devices = []
    try:
        for file in files:
            # Others take loop devices too, between the question for a free one and the taking.
            devices.append(run('flock', '/run/lock', 'losetup', '-f', '--show', file).strip())
        if len(devices) > 1:
            run('btrfs', 'device', 'scan', *devices)
        yield devices
    finally:
        for device in devices:
            subprocess.run(['btrfs', 'device', 'scan', '--forget', device], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            subprocess.run(['losetup', '-d', device], check=False)


@contextlib.contextmanager
def mounted(files, where, options):
    with attached(files) as devices:
        os.makedirs(where, exist_ok=True)
        run('mount', '-t', 'btrfs', '-o', options, devices[0], where)
        try:
            yield where
        finally:
            if subprocess.run(['umount', where], check=False).returncode:
                subprocess.run(['umount', '-l', where], check=False)
            os.rmdir(where)


class Filler:
    """Fills a mounted, empty filesystem."""

    def __init__(self, top, rng, args):
        self.top = top
        self.rng = rng
        self.args = args
        self.size = SIZES[args.size]
        self.text = b' '.join(rng.choice([b'extent', b'tree', b'of', b'the', b'leaf', b'%d' % i]) for i in range(40000))
        self.noise = rng.randbytes(2 * M)
        self.files = []      # with checksums and copy-on-write: what may be cloned, changed, deleted
        self.subvolumes = []
        self.options = ''

    def path(self, *names):
        return os.path.join(self.top, *names)

    def folder(self, *names):
        path = self.path(*names)
        os.makedirs(path, exist_ok=True)
        return path

    def data(self, length):
        """Noise, text, or both by turns."""
        kind = self.rng.randrange(4)
        out = bytearray()
        while len(out) < length:
            source = self.noise if kind == 0 or (kind == 1 and self.rng.random() < 0.5) else self.text
            start = self.rng.randrange(len(source) // 2)
            out += source[start:start + (length if kind != 1 else self.rng.randrange(5000, 90000))]
        return bytes(out[:length])

    def length(self):
        return self.rng.choice([self.rng.randrange(1, 4096), self.rng.randrange(1, 64 * K), self.rng.randrange(1, self.size['length'])])

    def sync(self):
        run('btrfs', 'filesystem', 'sync', self.top)

    def remount(self, options):
        run('mount', '-o', f'remount,{MOUNT_DEFAULTS},{options}', self.top)
        self.options = options

    # ---- files

    def write(self, path, data, keep=True):
        with opened(path) as fd:
            os.pwrite(fd, data, 0)
        if keep and 'nodatasum' not in self.options:
            self.files.append(path)

    def some_file(self):
        while True:
            path = self.rng.choice(self.files)
            if os.path.exists(path):
                return path
            self.files.remove(path)

    def some_range(self, size, unit=1):
        start = self.rng.randrange(0, max(1, size)) // unit * unit
        length = self.rng.choice([1, SECTOR, 3 * SECTOR, self.rng.randrange(1, 128 * K), self.rng.randrange(1, 128 * K)])
        return start, -(-length // unit) * unit

    def change(self, path):
        """One change of a file that is there."""
        size = os.path.getsize(path)
        what = self.rng.randrange(8)
        start, length = self.some_range(size)
        with opened(path, os.O_RDWR) as fd:
            if what <= 2:
                os.pwrite(fd, self.data(length), start)
            elif what == 3:
                os.ftruncate(fd, self.rng.choice([start, size + length, (size + length) // SECTOR * SECTOR]))
            elif what == 4:
                fallocate(fd, PUNCH_HOLE | KEEP_SIZE, start, length)
            elif what == 5:
                fallocate(fd, self.rng.choice([0, KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE]), start, length + 20000)
            elif what == 6:
                self.clone(path, path)
            else:
                os.fsync(fd)

    def clone(self, source, dest):
        """Part of a file into another or itself, at whole sectors, as the kernel wants it."""
        size = os.path.getsize(source)
        if size < 2 * SECTOR:
            return
        start, length = self.some_range(size - SECTOR, SECTOR)
        length = min(length, size // SECTOR * SECTOR - start)
        at = self.rng.randrange(0, 40) * SECTOR
        if length <= 0 or (source == dest and start < at + length and at < start + length):
            return
        with opened(source, os.O_RDONLY) as a, opened(dest) as b:
            clone_range(a, start, length, b, at)

    def round(self, nr):
        """Files under one set of mount options, in a subvolume, and changes of older ones."""
        # Names say what has no checksum, and so cannot be told from noise.
        folder = f'{"nosum-" if "nodatasum" in self.options else ""}round-{nr}'
        folder = self.folder(os.path.relpath(self.rng.choice(self.subvolumes), self.top), folder)
        for i in range(self.size['files']):
            self.write(os.path.join(folder, f'file-{i}'), self.data(self.length()))
        self.write(os.path.join(folder, 'inline'), self.data(self.rng.randrange(1, 2048)))
        self.write(os.path.join(folder, 'inline-text'), self.text[nr:nr + self.rng.randrange(2048, 4096)])
        self.sync()
        for _ in range(self.size['changes']):
            self.change(self.some_file())
        # A file without checksums shares no extents with one that has them.
        for i in range(0 if 'nodatasum' in self.options else 1 + self.size['changes'] // 4):
            self.clone_new(os.path.join(folder, f'clone-{i}'))
        self.sync()
        for _ in range(self.size['changes'] // 2):
            self.change(self.some_file())
        self.delete(self.some_file())

    def clone_new(self, dest):
        source = self.some_file()
        if self.rng.random() < 0.5:
            with opened(source, os.O_RDONLY) as a, opened(dest) as b:
                clone_range(a, 0, 0, b, 0)
        else:
            with opened(dest) as b:
                os.pwrite(b, self.data(self.rng.randrange(1, 60000)), 0)
            for _ in range(3):
                self.clone(self.some_file(), dest)
        self.files.append(dest)

    def delete(self, path):
        os.unlink(path)
        self.files.remove(path)

    # ---- what has a place of its own

    def attributes(self):
        """Compression and copy-on-write by attribute and property, of files and inherited."""
        folder = self.folder('attributes')
        for name, flags in (('compr', FS_COMPR_FL), ('nocompr', FS_NOCOMP_FL), ('nosum-nocow', FS_NOCOW_FL), ('nodump', FS_NODUMP_FL | FS_NOATIME_FL)):
            os.mkdir(os.path.join(folder, name))
            for path in (os.path.join(folder, name), os.path.join(folder, f'{name}-file')):
                with opened(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR | os.O_CREAT) as fd:
                    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack('=l', flags))
            for path in (os.path.join(folder, name, 'inherits'), os.path.join(folder, f'{name}-file')):
                self.write(path, self.data(150000), keep='nosum' not in name)
        for method in ('zlib', 'lzo', 'zstd'):
            path = os.path.join(folder, method)
            os.mkdir(path)
            os.setxattr(path, 'btrfs.compression', method.encode())
            self.write(os.path.join(path, 'inherits'), self.text[:200000])
            self.write(os.path.join(path, 'inherits-inline'), self.text[:1500])
        # Overwritten in place after the extent was shared and unshared.
        nocow = os.path.join(folder, 'nosum-nocow', 'overwritten')
        with opened(nocow) as fd:
            os.pwrite(fd, self.data(500000), 0)
            self.sync()
            os.pwrite(fd, self.data(100000), 123456)

    def prealloc(self):
        folder = self.folder('prealloc')

        def file(name, steps, clone=None):
            with opened(os.path.join(folder, name)) as fd:
                for step in steps:
                    step(fd)
                if clone:
                    os.fsync(fd)
                    with opened(os.path.join(folder, clone)) as to:
                        clone_range(fd, 0, 0, to, 0)
        file('all', [lambda fd: fallocate(fd, 0, 0, M)])
        file('all-odd', [lambda fd: fallocate(fd, 0, 100, 777777)])
        file('keep-size', [lambda fd: os.pwrite(fd, b'x' * 5000, 0), lambda fd: fallocate(fd, KEEP_SIZE, 0, M)])
        file('keep-size-empty', [lambda fd: fallocate(fd, KEEP_SIZE, 0, M)])
        file('part', [lambda fd: fallocate(fd, 0, 0, M), os.fsync, lambda fd: os.pwrite(fd, self.data(100000), 200000)], 'part-shared')
        file('comb', [lambda fd: fallocate(fd, 0, 0, 64 * 8192), os.fsync] +
             [lambda fd, i=i: os.pwrite(fd, self.data(4096), i * 8192) for i in range(64)])
        file('punched', [lambda fd: os.pwrite(fd, self.data(M), 0), os.fsync, lambda fd: fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 100001, 400000)], 'punched-shared')
        file('zeroed', [lambda fd: os.pwrite(fd, self.data(M), 0), os.fsync, lambda fd: fallocate(fd, ZERO_RANGE, 50000, 300000)])
        file('far', [lambda fd: fallocate(fd, 0, 5 << 30, 64 * K), lambda fd: os.pwrite(fd, b'far', (5 << 30) + 5000)])
        self.files += [os.path.join(folder, name) for name in ('part', 'comb', 'punched-shared', 'zeroed')]

    def sparse(self):
        folder = self.folder('sparse')
        piece = self.data(20000)
        end = T * 32 if self.args.tame else LARGEST_FILE
        for name, length, at in (('16t', 16 * T, (0, 5 * T + 12345, 16 * T - 20000)), ('16t-empty', 16 * T, ()), ('3t-odd', 3 * T + 77, (T - 1, )),
                                 ('largest', LARGEST_FILE, (0, end // 2, end - 9 * SECTOR)), ('largest-empty', LARGEST_FILE, ())):
            with opened(os.path.join(folder, name)) as fd:
                os.ftruncate(fd, length)
                for offset in at:
                    os.pwrite(fd, piece, offset)

    def links(self):
        folder = self.folder('links-many')
        first = os.path.join(folder, 'first')
        self.write(first, b'one of many')
        for i in range(4):
            os.mkdir(os.path.join(folder, f'd{i}'))
        for i in range(self.size['links'] - 1):
            try:
                os.link(first, os.path.join(folder, f'd{i % 4}' if i % 10 == 0 else 'd0', f'link-{i:05}'))
            except OSError as e:
                # Without extended references there is an end to the names of one inode in a directory.
                if e.errno != errno.EMLINK:
                    raise
                break
        for i in range(0, self.size['links'], 7):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, 'd0', f'link-{i:05}'))

    def wide(self):
        """Names come and go, so that indices of the directory have gaps."""
        folder = self.folder('wide-dir')
        for i in range(self.size['wide']):
            os.close(os.open(os.path.join(folder, f'{self.rng.getrandbits(40):x}-{i}'), os.O_CREAT | os.O_WRONLY, 0o600))
        for name in self.rng.sample(sorted(os.listdir(folder)), self.size['wide'] // 4):
            os.unlink(os.path.join(folder, name))

    def nasty(self):
        if not self.size['nasty']:
            return
        top = self.path('nasty')
        nasty_tree.Tree(top, self.args.seed, self.size['nasty']).make()
        extref = '^extref' not in (self.args.features or '')
        nasty_tree.tune(top, self.args.nodesize or (SECTOR if self.args.mixed else 16 * K), extref, 60)

    # ---- subvolumes

    def subvolume(self, *names):
        run('btrfs', 'subvolume', 'create', self.path(*names))
        self.subvolumes.append(self.path(*names))
        return self.path(*names)

    def snapshot(self, source, *names, readonly=False):
        run('btrfs', 'subvolume', 'snapshot', *(['-r'] if readonly else []), source, self.path(*names))
        return self.path(*names)

    def snapshots(self, nr):
        """Of one subvolume: a read-only one, and one that goes on."""
        source = self.rng.choice(self.subvolumes + [self.top])
        self.snapshot(source, 'snaps', f'ro-{nr}', readonly=True)
        again = self.snapshot(source, 'snaps', f'rw-{nr}')
        self.subvolumes.append(again)
        for path in self.rng.sample(self.files, min(len(self.files), self.size['changes'])):
            inside = os.path.join(again, os.path.relpath(path, source))
            if path.startswith(source) and os.path.isfile(inside):
                self.change(inside)
                self.files.append(inside)

    def received(self):
        """A subvolume that came as a stream: it has a received UUID."""
        sent = self.snapshot(self.path('sv', 'inner'), 'snaps', 'sent', readonly=True)
        os.mkdir(self.path('received'))
        with subprocess.Popen(['btrfs', 'send', '-q', sent], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as send:
            p = subprocess.run(['btrfs', 'receive', '-q', self.path('received')], stdin=send.stdout, check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            told = p.stderr + send.stderr.read()
        if p.returncode or send.returncode:
            raise RuntimeError(f'btrfs send | btrfs receive: {told.decode(errors="replace")}')

    def forget(self):
        """A subvolume with contents and one with a snapshot that stays are deleted, for good."""
        gone = self.subvolume('gone')
        for i in range(20):
            self.write(os.path.join(gone, f'f{i}'), self.data(self.length()), keep=False)
        self.snapshot(gone, 'snaps', 'of-gone')
        self.subvolumes.remove(gone)
        run('btrfs', 'subvolume', 'delete', '-c', gone)
        run('btrfs', 'subvolume', 'sync', self.top)

    def make(self):
        os.mkdir(self.path('snaps'))
        self.subvolume('sv')
        self.subvolume('sv', 'inner')
        os.mkdir(self.path('sv', 'inner', 'd'))
        self.subvolume('sv', 'inner', 'd', 'innermost')
        self.snapshot(self.path('sv'), 'snaps', 'of-sv', readonly=True)
        self.subvolumes.append(self.top)
        for part in (self.nasty, self.attributes, self.prealloc, self.sparse, self.links, self.wide):
            part()
            self.sync()
        for nr in range(self.size['rounds']):
            self.remount(MOUNTS[nr % len(MOUNTS)])
            self.round(nr)
            if nr % 2:
                self.snapshots(nr)
        self.remount('compress=no')
        self.received()
        self.forget()
        if self.rng.random() < 0.5:
            # Moved blocks have back references by parent, and keep flags of their own.
            run('btrfs', 'balance', 'start', '--full-balance', self.top)
        if self.rng.random() < 0.3:
            run('btrfs', 'subvolume', 'set-default', self.path('sv'))
        for path in self.files[:self.size['changes'] // 2]:
            if os.path.exists(path):
                self.change(path)


def mkfs_command(args, files):
    out = ['mkfs.btrfs', '-q', '-f']
    for option, value in (('-n', args.nodesize), ('--csum', args.csum), ('-O', args.features), ('-d', args.data),
                          ('-m', args.metadata), ('-L', args.label)):
        if value:
            out += [option, str(value)]
    return out + (['--mixed'] if args.mixed else []) + files


def image_files(folder):
    with open(os.path.join(folder, 'facts.json'), encoding='utf-8') as f:
        return [os.path.join(folder, name) for name in json.load(f)['files']]


def make(args):
    os.makedirs(args.dir, exist_ok=True)
    files = [os.path.join(args.dir, f'disk{i}.img') for i in range(args.devices)]
    for file in files:
        with open(file, 'wb') as f:
            f.truncate(args.bytes)
    run(*mkfs_command(args, files))
    where = os.path.join(args.dir, 'mnt')
    with mounted(files, where, 'noatime' + (f',{args.mount}' if args.mount else '')) as top:
        Filler(top, random.Random(args.seed), args).make()
        subvolumes = [line.split(None, 8)[8] for line in run('btrfs', 'subvolume', 'list', top).splitlines()]
    with mounted(files, where, 'ro,subvolid=5') as top:
        view = compare_trees.view(top, kernel=True)
    with open(os.path.join(args.dir, 'view'), 'wb') as f:
        pickle.dump(view, f)
    facts = {k: v for k, v in vars(args).items() if k not in ('dir', 'compare', 'exported', 'no_contents_of')}
    with open(os.path.join(args.dir, 'facts.json'), 'w', encoding='utf-8') as f:
        json.dump(dict(facts, files=[os.path.basename(n) for n in files], subvolumes=subvolumes), f, indent=1)
    return 0


def as_archived(facts):
    """What an archive of libarchive's keeps: no xattrs with names beyond ASCII; before 1970 it writes the fraction of a second with
    the sign of the whole, so that tar takes it off where it should be added."""
    if facts.get('xattrs'):
        facts['xattrs'] = {n: v for n, v in facts['xattrs'].items() if n.isascii() and n.isprintable()}
    if facts.get('mtime', 0) < 0:
        seconds, ns = divmod(facts['mtime'], 10**9)
        facts['mtime'] = seconds * 10**9 - ns


def compare(args):
    """The differences between what the kernel shows and a copy on a filesystem that has no attributes of btrfs."""
    with open(os.path.join(args.dir, 'view'), 'rb') as f:
        expected = pickle.load(f)
    found = compare_trees.view(args.compare)
    for path, (facts, _) in list(expected.items()):
        if args.exported and facts['type'] == stat.S_IFSOCK:
            del expected[path]
            continue
        if args.exported:
            as_archived(facts)
        if args.no_contents_of and os.fsencode(args.no_contents_of) in path and path in found:
            facts.pop('contents', None)
            found[path][0].pop('contents', None)
    return list(compare_trees.differences(expected, found))


def main():
    parser = argparse.ArgumentParser(prog='kernel_image.py', description='an image filled by the kernel')
    parser.add_argument('dir')
    parser.add_argument('--compare', metavar='TREE', help='print what differs between the kernel\'s view of the image in DIR and a copy')
    parser.add_argument('--exported', action='store_true', help='the copy came through an archive: no sockets, xattrs with names of ASCII')
    parser.add_argument('--no-contents-of', metavar='WORD', help='do not compare contents of files with this word in their path')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--size', choices=SIZES, default='normal')
    parser.add_argument('--devices', type=int, default=1)
    parser.add_argument('--bytes', type=int, help='of each device (sparse); by default 4 GiB, full size 8 GiB')
    parser.add_argument('--nodesize', type=int)
    for option in ('--csum', '--features', '--data', '--metadata', '--label', '--mount'):
        parser.add_argument(option)
    parser.add_argument('--tame', action='store_true', help='no data behind a hole of EiB, which takes an archive a minute')
    parser.add_argument('--mixed', action='store_true')
    args = parser.parse_args()
    args.bytes = args.bytes or (8 << 30 if args.size == 'full' else 4 << 30)
    os.umask(0o022)
    if args.compare:
        found = compare(args)
        print('\n'.join(found[:compare_trees.MAX_SHOWN]), end='\n' if found else '')
        return 1 if found else 0
    # Whoever stops this must find nothing mounted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return make(args)
    except BaseException:
        shutil.rmtree(args.dir, ignore_errors=True)
        raise


if __name__ == '__main__':
    sys.exit(main())
