#!/usr/bin/env python3
"""raid_noise.py all SEED FILE...: noise over everything that these devices hold but the copies of the superblock.
raid_noise.py units SEED FILE...: noise over units of 64 KiB here and there on all devices of one filesystem, in each row of
each chunk on at most as many devices as its profile survives. Prints how many units.

Holes of the files stay holes: nothing was ever written there.
"""
import os
import random
import re
import subprocess
import sys

UNIT = 65536
SUPERS = [65536, 64 << 20, 256 << 30]
SUPER_SIZE = 4096
# Stripes of one row that may be lost; raid10: one of each pair.
SURVIVES = {'RAID1': 1, 'RAID1C3': 2, 'RAID1C4': 3, 'RAID5': 1, 'RAID6': 2, 'DUP': 1}
DATA_COLUMNS = {'RAID0': lambda n: n, 'RAID10': lambda n: n // 2, 'RAID5': lambda n: n - 1, 'RAID6': lambda n: n - 2}


def overwrite(fd, start, end, rng):
    """[start, end) without the superblocks."""
    for at in SUPERS:
        if start < at + SUPER_SIZE and at < end:
            overwrite(fd, start, at, rng)
            start = at + SUPER_SIZE
    if start < end:
        os.pwrite(fd, rng.randbytes(end - start), start)


def noise_all(path, rng):
    fd = os.open(path, os.O_RDWR)
    size, at = os.fstat(fd).st_size, 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        end = min(os.lseek(fd, at, os.SEEK_HOLE), at + (4 << 20))
        overwrite(fd, at, end, rng)
        at = end
    os.close(fd)


def devids(paths):
    out = {}
    for path in paths:
        text = subprocess.run(['btrfs', 'inspect-internal', 'dump-super', path], check=True, capture_output=True, text=True).stdout
        out[int(re.search(r'^dev_item\.devid\s+(\d+)', text, re.M).group(1))] = path
    return out


def chunks(paths):
    """(profile, length, [(devid, offset)]) of each."""
    text = subprocess.run(['btrfs', 'inspect-internal', 'dump-tree', '-t', 'chunk', *paths],
                          check=True, capture_output=True, text=True).stdout
    for item in text.split('\titem ')[1:]:
        head = re.search(r'length (\d+) owner \d+ stripe_len 65536 type (\S+)', item)
        if head:
            stripes = [(int(a), int(b)) for a, b in re.findall(r'stripe \d+ devid (\d+) offset (\d+)', item)]
            yield head.group(2).split('|')[-1], int(head.group(1)), stripes


def groups(profile, stripes):
    """The stripes that stand for each other, and how many of each group may go."""
    if profile == 'RAID10':
        return [(stripes[i:i + 2], 1) for i in range(0, len(stripes), 2)]
    return [(stripes, SURVIVES.get(profile, 0))]


def noise_units(paths, rng):
    files = {devid: os.open(path, os.O_RDWR) for devid, path in devids(paths).items()}
    sizes = {devid: os.fstat(fd).st_size for devid, fd in files.items()}
    nr = 0
    for profile, length, stripes in list(chunks(paths)):
        columns = DATA_COLUMNS.get(profile, lambda n: 1)(len(stripes))
        for row in range(length // columns // UNIT):
            for members, may_go in groups(profile, stripes):
                for devid, offset in rng.sample(members, rng.randint(0, may_go)):
                    at = offset + row * UNIT
                    # A hole tells that nothing of the row is in use here; other columns may be.
                    if at + UNIT > sizes[devid] or os.pread(files[devid], UNIT, at) == bytes(UNIT):
                        continue
                    overwrite(files[devid], at, at + UNIT, rng)
                    nr += 1
    for fd in files.values():
        os.close(fd)
    print(nr)


def main():
    what, seed, *paths = sys.argv[1:]
    rng = random.Random(int(seed))
    if what == 'all':
        for path in paths:
            noise_all(path, rng)
    else:
        noise_units(paths, rng)


if __name__ == '__main__':
    main()
