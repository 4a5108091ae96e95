#!/usr/bin/env python3
"""compare_trees.py A B [--no-times] [--no-dir-times] [--no-holes] [--unit BYTES] [--ignore NAME]...: whether two trees hold the same.

Prints one line per difference (the first 40) and exits 1 when there is one. Compared, as root with all of it readable:
type, mode, owner, size, device number, modification time to the nanosecond, symlink target, every xattr (trusted.* and
security.* too), contents, which names share an inode, and the map of holes in units of 4 KiB (or --unit). --ignore leaves out a name
of the top directory. --owner UID:GID expects that owner everywhere.
"""
import argparse
import array
import fcntl
import hashlib
import os
import stat
import struct
import sys

UNIT = 4096
PIECE = 1 << 20
# What btrfs shows where a snapshot has a subvolume's name but not the subvolume: owner and times are made up.
PLACEHOLDER_INO = 2
FS_IOC_FIEMAP = 0xC020660B
FIEMAP_HEADER, FIEMAP_EXTENT, FIEMAP_NR = '=QQLLLL', '=QQQQQLLLL', 1000
FIEMAP_LAST, FIEMAP_UNWRITTEN = 0x1, 0x800
MAX_SHOWN = 40


def data_map(fd, size, unit):
    """Stretches (start, end) that hold data, cut at multiples of unit and at the end of the file, joined."""
    out, at = [], 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(fd, start, os.SEEK_HOLE)
        start, end = start // unit * unit, min(-(-at // unit) * unit, size)
        if out and out[-1][1] >= start:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def fiemap_map(fd, size, unit):
    """The same by the list of extents: to SEEK_HOLE btrfs answers that a file of this kind has none when its prealloc came by
    cloning, since only the inode that was preallocated is marked."""
    out, start, last = [], 0, False
    while not last:
        buffer = array.array('B', struct.pack(FIEMAP_HEADER, start, 2**64 - 1 - start, 0, 0, FIEMAP_NR, 0) +
                             bytes(FIEMAP_NR * struct.calcsize(FIEMAP_EXTENT)))
        fcntl.ioctl(fd, FS_IOC_FIEMAP, buffer)
        nr = struct.unpack_from(FIEMAP_HEADER, buffer)[3]
        for i in range(nr):
            extent = struct.unpack_from(FIEMAP_EXTENT, buffer, struct.calcsize(FIEMAP_HEADER) + i * struct.calcsize(FIEMAP_EXTENT))
            begin, length, flags = extent[0], extent[2], extent[5]
            start, last = begin + length, bool(flags & FIEMAP_LAST)
            if flags & FIEMAP_UNWRITTEN or begin >= size:
                continue
            end = min(start, size)
            if out and out[-1][1] >= begin:
                out[-1] = (out[-1][0], end)
            else:
                out.append((begin, end))
        last = last or not nr
    return out


def digest(fd, stretches):
    """Of the contents, whatever of the zeros is a hole."""
    h, zeros = hashlib.blake2b(digest_size=16), bytes(UNIT)
    for start, end in stretches:
        at = start
        while at < end:
            piece = os.pread(fd, min(PIECE, end - at), at)
            if not piece:
                raise OSError(f'short read at {at}')
            for i in range(0, len(piece), UNIT):
                unit = piece[i:i + UNIT]
                if unit != zeros[:len(unit)]:
                    h.update(b'%d:' % (at + i) + unit)
            at += len(piece)
    return h.hexdigest()


def describe(path, st, args, seen):
    if st.st_ino == PLACEHOLDER_INO and stat.S_ISDIR(st.st_mode) and args.placeholders:
        return {'type': stat.S_IFDIR, 'mode': oct(stat.S_IMODE(st.st_mode))}
    facts = {'type': stat.S_IFMT(st.st_mode), 'mode': oct(stat.S_IMODE(st.st_mode)),
             'owner': f'{st.st_uid}:{st.st_gid}'}
    if not args.no_times and not (args.no_dir_times and stat.S_ISDIR(st.st_mode)):
        facts['mtime'] = st.st_mtime_ns
    if args.owner and args.owner_now:
        facts['owner'] = args.owner
    facts['xattrs'] = {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)
                       if not n.startswith(args.ignore_xattrs)}
    if stat.S_ISLNK(st.st_mode):
        facts['target'] = os.readlink(path)
    elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        facts['device'] = (os.major(st.st_rdev), os.minor(st.st_rdev))
    elif stat.S_ISREG(st.st_mode):
        facts['size'] = st.st_size
        inode = (st.st_dev, st.st_ino)
        if inode not in seen:
            fd = os.open(path, os.O_RDONLY)
            stretches = args.data_map(fd, st.st_size, args.unit)
            seen[inode] = (stretches, digest(fd, stretches))
            os.close(fd)
        if not args.no_holes:
            facts['data'] = seen[inode][0]
        facts['contents'] = seen[inode][1]
    if not stat.S_ISDIR(st.st_mode):
        facts['links'] = st.st_nlink
    return facts


def walk(top, args):
    """path below top -> (facts, inode)"""
    out, seen, todo = {}, {}, [b'']
    while todo:
        folder = todo.pop()
        path = os.path.join(top, folder) if folder else top
        st = os.lstat(path)
        out[folder] = (describe(path, st, args, seen), None)
        for name in os.listdir(path):
            if not folder and name in args.ignore:
                continue
            below = os.path.join(folder, name)
            full = os.path.join(top, below)
            st = os.lstat(full)
            if stat.S_ISDIR(st.st_mode):
                todo.append(below)
            else:
                out[below] = (describe(full, st, args, seen), (st.st_dev, st.st_ino))
    return out


def shown(value):
    text = repr(value)
    return text if len(text) < 200 else text[:200] + '...'


def differences(a, b):
    for path in sorted(a.keys() - b.keys()):
        yield f'{path!r}: only in the first'
    for path in sorted(b.keys() - a.keys()):
        yield f'{path!r}: only in the second'
    first_of = {}
    for path in sorted(a.keys() & b.keys()):
        (facts_a, inode_a), (facts_b, inode_b) = a[path], b[path]
        if set(facts_a) == {'type', 'mode'}:
            facts_b = {key: facts_b[key] for key in facts_a}
        for key in sorted(facts_a.keys() | facts_b.keys()):
            if facts_a.get(key) != facts_b.get(key):
                yield f'{path!r}: {key}: {shown(facts_a.get(key))} != {shown(facts_b.get(key))}'
        if inode_a and first_of.setdefault(('a', inode_a), path) != first_of.setdefault(('b', inode_b), path):
            yield f'{path!r}: is the same file as {first_of["a", inode_a]!r} in the first, {first_of["b", inode_b]!r} in the second'


class View:
    """What a tree is compared by when its copy lies on a filesystem of another kind."""
    no_times = no_dir_times = no_holes = owner = owner_now = False
    placeholders = True
    data_map = staticmethod(data_map)
    unit, ignore = UNIT, ()
    ignore_xattrs = 'btrfs.'


class KernelView(View):
    data_map = staticmethod(fiemap_map)


def view(top, kernel=False):
    """kernel: top is a btrfs that the kernel has mounted."""
    return walk(os.fsencode(top), KernelView if kernel else View)


def main():
    parser = argparse.ArgumentParser(prog='compare_trees.py')
    parser.add_argument('a')
    parser.add_argument('b')
    parser.add_argument('--no-times', action='store_true')
    parser.add_argument('--no-dir-times', action='store_true')
    parser.add_argument('--no-holes', action='store_true')
    parser.add_argument('--unit', type=int, default=UNIT)
    parser.add_argument('--owner')
    parser.add_argument('--ignore', action='append', default=[])
    args = parser.parse_args()
    args.ignore_xattrs, args.placeholders, args.data_map = (), False, data_map
    args.ignore = {os.fsencode(n) for n in args.ignore}
    args.owner_now = True
    a = walk(os.fsencode(args.a), args)
    args.owner_now = False
    b = walk(os.fsencode(args.b), args)
    found = list(differences(a, b))
    for line in found[:MAX_SHOWN]:
        print(line)
    if len(found) > MAX_SHOWN:
        print(f'... {len(found)} differences')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
