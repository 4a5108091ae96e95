#!/usr/bin/env python3
"""redirect_entry.py IMAGE DIR_INODE NAME INODE: lets a name lead to another inode of its subvolume, with good checksums (crc32c), as
no filesystem would: two names for a directory, a directory inside itself. Every copy of every leaf that holds the name."""
import os
import struct
import sys

HEADER, ITEM, DIR_ITEM_HEADER = 101, 25, 30
SUPER_AT = 65536
DIR_ITEM, DIR_INDEX = 84, 96
POLYNOMIAL = 0x82F63B78


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def redirect(block, dir_inode, name, inode):
    nr, level = struct.unpack_from('<IB', block, 96)
    found = False
    for i in range(nr if level == 0 else 0):
        objectid, kind, _, at, _ = struct.unpack_from('<QBQII', block, HEADER + i * ITEM)
        at += HEADER
        if objectid == dir_inode and kind in (DIR_ITEM, DIR_INDEX) and \
           block[at + DIR_ITEM_HEADER:at + DIR_ITEM_HEADER + len(name)] == name:
            struct.pack_into('<Q', block, at, inode)
            found = True
    return found


def main():
    path, dir_inode, name, inode = sys.argv[1], int(sys.argv[2]), os.fsencode(sys.argv[3]), int(sys.argv[4])
    fd = os.open(path, os.O_RDWR)
    super_block = os.pread(fd, 4096, SUPER_AT)
    sectorsize, nodesize = struct.unpack_from('<II', super_block, 144)
    at, nr = 0, 0
    while True:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA) // sectorsize * sectorsize
        except OSError:
            break
        block = bytearray(os.pread(fd, nodesize, at))
        if at != SUPER_AT and block[32:48] == super_block[32:48] and redirect(block, dir_inode, name, inode):
            struct.pack_into('<I', block, 0, crc32c(block[32:]))
            os.pwrite(fd, block, at)
            nr += 1
        at += sectorsize
    sys.exit(0 if nr else f'{path}: no name {name} in directory {dir_inode}')


if __name__ == '__main__':
    main()
