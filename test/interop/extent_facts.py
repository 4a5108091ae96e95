#!/usr/bin/env python3
"""extent_facts.py DIR: how btrfs stores each regular file of a directory of a mounted filesystem, a line per file, by name:
NAME SIZE inline|regular|none plain|compressed|both nocompress|-."""
import array
import fcntl
import os
import struct
import sys

FS_IOC_FIEMAP = 0xC020660B
FS_IOC_GETFLAGS = 0x80086601
FS_NOCOMP_FL = 0x400
EXTENT_LAST = 0x1
EXTENT_ENCODED = 0x8
EXTENT_INLINE = 0x200
NR_EXTENTS = 500
HEADER = '=QQLLLL'
EXTENT = '=QQQQQLLLL'


def extent_flags(fd):
    """The flags of each extent."""
    out, start = [], 0
    while True:
        buffer = array.array('B', struct.pack(HEADER, start, 2**64 - 1, 1, 0, NR_EXTENTS, 0) +
                             bytes(NR_EXTENTS * struct.calcsize(EXTENT)))
        fcntl.ioctl(fd, FS_IOC_FIEMAP, buffer)
        nr = struct.unpack_from(HEADER, buffer)[3]
        for i in range(nr):
            logical, _, length, _, _, flags, *_ = struct.unpack_from(EXTENT, buffer, struct.calcsize(HEADER) + i * struct.calcsize(EXTENT))
            out.append(flags)
            start = logical + length
            if flags & EXTENT_LAST:
                return out
        if not nr:
            return out


def main():
    top = os.fsencode(sys.argv[1])
    for name in sorted(os.listdir(top)):
        fd = os.open(os.path.join(top, name), os.O_RDONLY)
        flags = extent_flags(fd)
        attributes = array.array('i', [0, 0])
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, attributes)
        kinds = {bool(f & EXTENT_ENCODED) for f in flags}
        print(name.decode(), os.fstat(fd).st_size,
              'none' if not flags else 'inline' if flags[0] & EXTENT_INLINE else 'regular',
              'both' if len(kinds) == 2 else 'compressed' if kinds == {True} else 'plain',
              'nocompress' if attributes[0] & FS_NOCOMP_FL else '-')
        os.close(fd)
    return 0


if __name__ == '__main__':
    sys.exit(main())
