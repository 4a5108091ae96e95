#!/usr/bin/env python3
"""make_corpus.py CORPUS IMAGE...: inputs for the fuzz targets, taken out of filesystems (those of kernel_image.py, nodes of 4 KiB
or more): superblocks, leaves that hold every item type there is, chunks, file extents, compressed streams.

Every file is named by what it holds. What is there already stays; libFuzzer adds its own (`-merge=1` makes them few).
"""
import hashlib
import os
import struct
import sys

SUPER_AT, SUPER_SIZE = 65536, 4096
HEADER, ITEM = 101, 25
CHUNK_TREE, EXTENT_DATA, CHUNK_ITEM = 3, 108, 228
NODESIZES = [4096, 4096, 8192, 16384]
STREAMS_OF_EACH = 6
EXTENT_FILES = 14


class Corpus:
    def __init__(self, top):
        self.top = top

    def add(self, target, name, data):
        folder = os.path.join(self.top, target)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f'{name}-{hashlib.md5(data).hexdigest()[:8]}'), 'wb') as f:
            f.write(data)


class Image:
    def __init__(self, path):
        with open(path, 'rb') as f:
            f.seek(SUPER_AT)
            self.super = f.read(SUPER_SIZE)
        self.path = path
        self.fsid = self.super[32:48]
        self.sectorsize, self.nodesize = struct.unpack_from('<II', self.super, 144)
        self.csum_type, = struct.unpack_from('<H', self.super, 196)

    def blocks(self):
        """Everything in the file that looks like a tree block of this filesystem."""
        fd = os.open(self.path, os.O_RDONLY)
        size, at = os.fstat(fd).st_size, 0
        while at < size:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA) // self.sectorsize * self.sectorsize
            except OSError:
                break
            data = os.pread(fd, self.nodesize, at)
            if data[32:48] == self.fsid and at != SUPER_AT and len(data) == self.nodesize:
                yield data
            at += self.sectorsize
        os.close(fd)


def items(leaf):
    """key, contents of each item."""
    nr, level = struct.unpack_from('<IB', leaf, 96)
    for i in range(nr if level == 0 else 0):
        objectid, kind, offset, at, length = struct.unpack_from('<QBQII', leaf, HEADER + i * ITEM)
        yield (objectid, kind, offset), leaf[HEADER + at:HEADER + at + length]


def add_leaves(corpus, image, seen):
    if image.nodesize not in NODESIZES:
        return
    choice = max(i for i, n in enumerate(NODESIZES) if n == image.nodesize) | image.csum_type << 2
    for leaf in image.blocks():
        kinds = {key[1] for key, _ in items(leaf)}
        if kinds - seen:
            seen |= kinds
            corpus.add('leaf', 'types-' + '-'.join(map(str, sorted(kinds)))[:60], bytes([choice]) + leaf)


def add_chunks(corpus, image):
    corpus.add('super', 'super', image.super)
    length, = struct.unpack_from('<I', image.super, 160)
    corpus.add('chunk', 'system', image.super[811:811 + length])
    for leaf in image.blocks():
        if struct.unpack_from('<Q', leaf, 88)[0] != CHUNK_TREE:
            continue
        out = b''
        for key, data in items(leaf):
            if key[1] == CHUNK_ITEM and len(out) + 17 + len(data) <= 2048:
                out += struct.pack('<QBQ', *key) + data
        if out:
            corpus.add('chunk', 'all', out)
            return


def add_extents(corpus, image):
    """Extents of a file each, as fuzz_extent wants them; the streams of inline ones."""
    files, nr_streams = {}, {}
    for leaf in image.blocks():
        for key, data in items(leaf):
            if key[1] != EXTENT_DATA or len(data) < 21:
                continue
            if len(data) < 256:
                files.setdefault(key[0], {})[key[2]] = data
            codec, kind = data[16], data[20]
            ram, = struct.unpack_from('<Q', data, 8)
            if kind == 0 and codec and nr_streams.setdefault(codec, 0) < STREAMS_OF_EACH:
                nr_streams[codec] += 1
                first = 0 if codec == 2 else 9 if codec == 1 else 11
                corpus.add('stream', f'inline-{codec}', bytes([first]) + struct.pack('<H', (ram - 1) // 2) + data[21:])
    chosen = sorted(files.values(), key=lambda f: (-len({d[16:21] for d in f.values()}), len(f)))
    for extents in chosen[:EXTENT_FILES]:
        out, sector = b'\x01\x80' + struct.pack('<Q', max(extents) + 70000), 0
        for offset, data in sorted(extents.items())[:40]:
            # The disk address becomes that of the noise in the small filesystem.
            skip = min(offset // 4096 - sector, 255)
            if skip < 0:
                continue
            out += bytes([skip, len(data)]) + data
            sector += skip + 1
        corpus.add('extent', f'extents-{len(extents)}', out)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    corpus, seen = Corpus(sys.argv[1]), set()
    for path in sys.argv[2:]:
        image = Image(path)
        add_leaves(corpus, image, seen)
        add_chunks(corpus, image)
        add_extents(corpus, image)


if __name__ == '__main__':
    main()
