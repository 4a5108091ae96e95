"""crafted_leaf: a leaf with an item of every key type there is, and some that nobody knows, with contents by a seed.

Owns: building it in Python from the layout alone, and putting it, with a right checksum, in the place of a leaf of an image
that mkfs.btrfs has made (crc32c, one copy of metadata). Sizes are those of the structures; numbers, flags and names are
anything. dump_compare.py shows it to both programs.
"""
import random
import struct

NODESIZE = 16384
HEADER, ITEM = 101, 25
U64 = 2**64
CRC_TABLE = []
for _i in range(256):
    _crc = _i
    for _ in range(8):
        _crc = _crc >> 1 ^ (0x82f63b78 if _crc & 1 else 0)
    CRC_TABLE.append(_crc)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


class Contents:
    """Item data of a seed."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def u64(self):
        """Small, any, or all ones."""
        kind = self.rng.randrange(4)
        return self.rng.randrange(100000) if kind < 2 else self.rng.randrange(U64) if kind == 2 else U64 - 1

    def flags(self, nr_bits=12):
        return sum(1 << self.rng.randrange(nr_bits) for _ in range(self.rng.randrange(4)))

    def block_group_type(self):
        """Of two profiles btrfs-progs would name one, ours both; SYSTEM beside METADATA it writes as one word."""
        return self.rng.choice((0, 1, 2, 4, 5)) | (1 << self.rng.randrange(3, 11) if self.rng.randrange(3) else 0)

    def u64s(self, nr):
        return struct.pack(f'<{nr}Q', *(self.u64() for _ in range(nr)))

    def key(self):
        return struct.pack('<QBQ', self.u64(), self.rng.choice((1, 84, 132, 168, 77)), self.u64())

    def name(self, longest=60):
        # No zero byte: a name of this kind ends a line of btrfs-progs there.
        return bytes(self.rng.randrange(1, 256) for _ in range(self.rng.randrange(1, longest)))

    def time(self):
        return struct.pack('<qI', self.rng.randrange(-2**33, 2**36), self.rng.randrange(2**32))

    def inode(self):
        return self.u64s(5) + struct.pack('<IIIIQQQ', *(self.rng.randrange(2**32) for _ in range(3)), 0o100644, self.u64(),
                                          self.flags(13), self.u64()) + bytes(32) + b''.join(self.time() for _ in range(4))

    def root(self):
        generation = self.u64()
        out = self.inode() + struct.pack('<QQQQQQQI', generation, self.u64(), self.u64(), self.u64(), self.u64(), self.u64(),
                                         self.rng.choice((0, 1, 1 << 48, 3)), self.rng.randrange(9))
        out += self.key() + bytes((self.rng.randrange(8), self.rng.randrange(8)))
        out += struct.pack('<Q', generation if self.rng.randrange(4) else generation ^ 1)
        return out + self.rng.randbytes(48) + self.u64s(4) + b''.join(self.time() for _ in range(4)) + bytes(64)

    def dir_entry(self, data=b''):
        name = self.name()
        return self.key() + struct.pack('<QHHB', self.u64(), len(data), len(name), self.rng.randrange(12)) + name + data

    def inline_refs(self):
        out = b''
        for kind in self.rng.choices((172, 176, 178, 182, 184), k=self.rng.randrange(6)):
            out += bytes((kind,))
            if kind == 178:
                out += self.u64s(3) + struct.pack('<I', self.rng.randrange(9))
            else:
                out += self.u64s(1) + (struct.pack('<I', self.rng.randrange(9)) if kind == 184 else b'')
        return out

    def chunk(self, nr_stripes):
        out = self.u64s(3) + struct.pack('<QIIIHH', self.block_group_type(), 1, 2, 3, nr_stripes, self.rng.randrange(4))
        return out + b''.join(self.u64s(2) + self.rng.randbytes(16) for _ in range(nr_stripes))

    def file_extent(self, kind):
        head = self.u64s(2) + bytes((self.rng.randrange(5), 0, 0, 0, kind))
        return head + (self.rng.randbytes(self.rng.randrange(50)) if kind == 0 else self.u64s(4))

    def balance_args(self):
        return self.u64s(10) + struct.pack('<II', 1, 2) + bytes(48)


def items(seed):
    """(key, data), every key type at least once."""
    c = Contents(seed)
    rng = c.rng

    def any_key(kind):
        return (rng.choice((1, 5, 256, 257, U64 - 9, U64 - 5, U64 - 1, c.u64())), kind, c.u64())
    simple = {
        1: c.inode, 12: lambda: b''.join(struct.pack('<QH', c.u64(), len(n)) + n for n in (c.name(), c.name())),
        13: lambda: b''.join(struct.pack('<QQH', c.u64(), c.u64(), len(n)) + n for n in (c.name(), c.name())),
        24: lambda: c.dir_entry(rng.randbytes(300)), 36: lambda: c.u64s(3) + b'\0', 37: lambda: rng.randbytes(64), 48: lambda: b'',
        60: lambda: c.u64s(1), 72: lambda: c.u64s(1), 84: lambda: c.dir_entry() + c.dir_entry(), 96: c.dir_entry,
        120: lambda: rng.randbytes(8), 128: lambda: rng.randbytes(4 * rng.randrange(1, 20)), 132: c.root,
        168: lambda: c.u64s(2) + struct.pack('<Q', rng.choice((1, 257))) + c.inline_refs(),
        169: lambda: c.u64s(2) + struct.pack('<Q', rng.choice((2, 258))) + c.inline_refs(), 172: lambda: c.u64s(1), 176: lambda: b'',
        178: lambda: c.u64s(3) + struct.pack('<I', 3), 180: lambda: c.u64s(2), 182: lambda: b'', 184: lambda: struct.pack('<I', 7),
        192: lambda: c.u64s(2) + struct.pack('<Q', c.block_group_type()), 198: lambda: struct.pack('<II', rng.randrange(99), rng.randrange(3)),
        199: lambda: b'', 200: lambda: rng.randbytes(32), 204: lambda: c.u64s(4) + rng.randbytes(16),
        216: lambda: c.u64s(3) + struct.pack('<III', 1, 2, 3) + c.u64s(3) + rng.randbytes(38), 228: lambda: c.chunk(rng.randrange(1, 5)),
        230: lambda: c.u64s(2 * rng.randrange(1, 4)), 240: lambda: c.u64s(2) + struct.pack('<QQQ', rng.choice((0, 1, 2, 5, 7, 23, 33)), c.u64(), c.u64()),
        242: lambda: c.u64s(5), 244: lambda: c.u64s(5), 246: lambda: b'', 249: lambda: c.u64s(5),
        250: lambda: c.u64s(3) + struct.pack('<QQ', rng.randrange(3), rng.randrange(7)) + struct.pack('<QQQQ', 1, 2**31, 3, 4),
        251: lambda: c.u64s(2), 252: lambda: c.u64s(1), 253: c.name, 77: lambda: rng.randbytes(9), 255: lambda: b'', 2: lambda: b'x',
    }
    out = [(any_key(kind), make()) for kind, make in simple.items() for _ in range(2)]
    for kind in (132, 144, 156):
        # It is not escaped in the text, and what compares the text goes by lines.
        name = c.name().replace(b'\n', b'_')
        body = c.root() if kind == 132 else struct.pack('<QQH', c.u64(), c.u64(), len(name)) + name
        out.append(((U64 - 8 if kind == 132 else 5, kind, rng.choice((5, 256))), body))
    tree_block = c.u64s(2) + struct.pack('<Q', 2 | rng.choice((0, 256))) + c.key() + bytes((rng.randrange(8),)) + c.inline_refs()
    out += [((c.u64(), 168, NODESIZE), tree_block), ((256, 132, 7), c.root()[:239])]
    out += [((257, 108, 4096 * i), c.file_extent(i % 3)) for i in range(7)]
    out += [((U64 - 4, 248, 0), c.u64s(1) + b''.join(c.balance_args() for _ in range(3)) + bytes(32)),
            ((U64 - 13, 248, rng.randrange(6)), b''), ((99, 248, 3), b''), ((0, 249, 3), c.u64s(5)), ((U64 - 11, 0, 7), c.key() + c.u64s(3)),
            ((7, 0, 7), b''), ((256, 228, 9), c.chunk(2)), ((1, 216, 1), c.u64s(3) + bytes(74))]
    unique = dict(out)
    return sorted(unique.items())


def build(header, seed):
    """The 16 KiB: the old header, the items as far as there is room, the checksum."""
    heads, data, end = b'', b'', NODESIZE - HEADER
    nr = 0
    for key, body in items(seed):
        if (nr + 1) * ITEM + len(data) + len(body) > NODESIZE - HEADER:
            break
        nr += 1
        end -= len(body)
        data = body + data
        heads += struct.pack('<QBQII', *key, end, len(body))
    node = header[:96] + struct.pack('<IB', nr, 0) + heads
    node += bytes(NODESIZE - len(node) - len(data)) + data
    return struct.pack('<I', crc32c(node[32:])) + bytes(28) + node[32:]


def place(path, seed, at=None):
    """Puts it over the only leaf of the fs tree; where that is."""
    with open(path, 'r+b') as f:
        while at is None:
            where = f.tell()
            node = f.read(4096)
            if len(node) < 4096:
                raise RuntimeError('no leaf of the fs tree')
            owner, _, level = struct.unpack('<QIB', node[88:101])
            if owner == 5 and level == 0 and node[56] == 1 and node[63] == 1:
                at = where
        f.seek(at)
        node = f.read(NODESIZE)
        f.seek(at)
        f.write(build(node[:HEADER], seed))
    return at
