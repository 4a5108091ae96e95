#!/usr/bin/env python3
"""restore_craft.py WHAT IMAGE [...]: changes tree blocks of an image and gives them right checksums (crc32c, one device).

WHAT: rename-index OLD NEW     the name of an entry in the index of a directory
      spoil-symlink TARGET     the target of a symlink cannot be decompressed
      chunk-web                below the root of the chunk tree a web of nodes, each of which leads to all of the next level
      long-chunk               the last chunk is one of metadata and, like the device, longer than any device
      cut                      the file ends in the middle of the last chunk of metadata, behind its blocks; the fs tree's root is gone
      many-copies              the chunk tree is gone; what is free is full of copies of the leaves that tell of chunks
"""
import mmap
import os
import struct
import sys

from crafted_leaf import HEADER, ITEM, crc32c
from restore_compare import chunks_of, dump_tree

SUPER = 65536
SUPERS = (SUPER, 64 << 20)


def sealed(data):
    return struct.pack('<I', crc32c(data[32:])) + bytes(28) + data[32:]


class Image:
    def __init__(self, path):
        self.path = path
        self.chunks = chunks_of(path)
        self.file = open(path, 'r+b')
        self.data = mmap.mmap(self.file.fileno(), 0)
        self.cut_at = None
        self.nodesize = struct.unpack_from('<I', self.data, SUPER + 148)[0]

    def save(self):
        self.data.close()
        if self.cut_at:
            self.file.truncate(self.cut_at)
        self.file.close()

    def places(self, addr):
        start, _, stripes = next(c for c in self.chunks if c[0] <= addr < c[0] + c[1])
        return [s + addr - start for s in stripes]

    def block(self, addr):
        at = self.places(addr)[0]
        return bytearray(self.data[at:at + self.nodesize])

    def put(self, addr, block):
        for at in self.places(addr):
            self.data[at:at + self.nodesize] = sealed(bytes(block))

    def destroy(self, addr):
        for at in self.places(addr):
            self.data[at:at + self.nodesize] = os.urandom(self.nodesize)

    def super_set(self, fmt, offset, value):
        for at in SUPERS:
            struct.pack_into(fmt, self.data, at + offset, value)
            self.data[at:at + 4096] = sealed(bytes(self.data[at:at + 4096]))

    def blocks_of(self, tree):
        lines = dump_tree(self.path, '-t', tree).splitlines()
        return list(dict.fromkeys(int(line.split()[1]) for line in lines if line.startswith(('leaf ', 'node '))))


def items_of(block):
    """Index, (objectid, type, offset), where its data begins in the block, its length."""
    for i in range(struct.unpack_from('<I', block, 96)[0]):
        objectid, kind, offset, at, length = struct.unpack_from('<QBQII', block, HEADER + i * ITEM)
        yield i, (objectid, kind, offset), HEADER + at, length


def edit_leaf(image, tree, change):
    for addr in image.blocks_of(tree):
        block = image.block(addr)
        if block[100] == 0 and any([change(block, *item) for item in items_of(block)]):
            image.put(addr, block)
            return
    raise RuntimeError('nothing to change')


def rename_index(image, old, new):
    def change(block, _, key, at, length):
        if key[1] != 96 or block[at + 30:at + length] != old.encode():
            return False
        block[at + 30:at + length] = new.encode()
        return True

    edit_leaf(image, '5', change)


def spoil_symlink(image, target):
    def change(block, _, key, at, length):
        if key[1] != 108 or block[at + 20] != 0 or block[at + 21:at + length] != target.encode():
            return False
        block[at + 16] = 1
        return True

    edit_leaf(image, '5', change)


def chunk_web(image):
    root, = image.blocks_of('chunk')
    header = image.block(root)[:HEADER]
    generation, = struct.unpack_from('<Q', header, 80)
    device = next(bytes(image.block(root)[at:at + length]) for _, key, at, length in items_of(image.block(root)) if key[1] == 216)
    fan = (image.nodesize - HEADER) // 33
    # In the chunk that the superblock tells of.
    addr = image.chunks[0][0] + (512 << 10)
    below = []
    for level in range(8):
        nodes = []
        for i in range(fan if level < 7 else 1):
            block = header + bytes(image.nodesize - HEADER)
            struct.pack_into('<Q', block, 48, addr)
            struct.pack_into('<IB', block, 96, 1 if level == 0 else fan - i, level)
            if level == 0:
                at = image.nodesize - len(device)
                struct.pack_into('<QBQII', block, HEADER, 1, 216, i + 1, at - HEADER, len(device))
                block[at:] = struct.pack('<Q', i + 1) + device[8:]
            for slot, to in enumerate(below[i:]):
                struct.pack_into('<QBQQQ', block, HEADER + slot * 33, 1, 216, i + slot + 1, to, generation)
            image.put(addr, block)
            nodes.append(addr)
            addr += image.nodesize
        below = nodes
    image.super_set('<Q', 88, below[0])
    image.super_set('<B', 199, 7)


def long_chunk(image):
    length = 1 << 47
    start = image.chunks[-1][0]

    def change(block, _, key, at, __):
        if key[1:] != (228, start):
            return False
        struct.pack_into('<Q', block, at, length)
        struct.pack_into('<Q', block, at + 24, 4)
        return True

    edit_leaf(image, 'chunk', change)
    image.super_set('<Q', 201 + 8, 1 << 50)


def cut(image):
    root = image.blocks_of('5')[0]
    start, length, (at,) = next(c for c in image.chunks if c[0] <= root < c[0] + c[1])
    # What is written last lies highest.
    used = max(a for tree in ('5', 'root', 'extent', 'csum', 'chunk', 'dev') for a in image.blocks_of(tree) if start <= a < start + length)
    image.destroy(root)
    end = at + used - start + image.nodesize + 8192
    assert end % (1 << 20), 'the cut must be in the middle of a MiB'
    image.cut_at = end


def many_copies(image):
    root = image.blocks_of('chunk')[0]
    leaves = [image.block(a) for tree in ('chunk', 'dev', 'extent') for a in image.blocks_of(tree)]
    leaves = [b for b in leaves if any(key[1] in (228, 204, 192) for _, key, _, _ in items_of(b))]
    nr = sum(1 for b in leaves for _, key, _, _ in items_of(b) if key[1] in (228, 204, 192))
    image.destroy(root)
    used = max(s + length for _, length, st in image.chunks for s in st)
    at, made, everything = used, 0, b''.join(bytes(b) for b in leaves)
    while made < 300000:
        image.file.seek(at)
        image.file.write(everything)
        at += len(everything)
        made += nr


def main():
    image = Image(sys.argv[2])
    {'rename-index': rename_index, 'spoil-symlink': spoil_symlink, 'chunk-web': chunk_web, 'long-chunk': long_chunk,
     'cut': cut, 'many-copies': many_copies}[sys.argv[1]](image, *sys.argv[3:])
    image.save()


if __name__ == '__main__':
    main()
