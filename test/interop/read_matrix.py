#!/usr/bin/env python3
"""read_matrix.py [--full] [--list] [--only WORD] [--jobs N] [--shard I/N]: whatever mkfs.btrfs makes and the kernel fills, we read.

Node size x checksum x feature set x profile, each filled by kernel_image.py from a seed of its own. `cp -a` and `export` of all
of it equal what the kernel shows; then again without as many devices as the profile bears, and again with as many overwritten
with noise (DUP: one copy of each chunk). Normally a sample in which pairs of values meet, with --full all of it, those outside
the sample from smaller contents; --shard does the I-th of N parts. Each combination is a line of TAP.
"""
import argparse
import concurrent.futures
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib

from mkfs_matrix import pairs, sample

HERE = os.path.dirname(os.path.abspath(__file__))
UBTRFS = os.environ.get('UBTRFS', 'ubtrfs')
SAMPLE = 16
LIMIT_S = 200
TMP_SIZE = '4g'
NODESIZES = ['4096', '8192', '16384', '32768', '65536']
CSUMS = ['crc32c', 'xxhash', 'sha256', 'blake2']
# Features of mkfs.btrfs, mount options.
FEATURES = {
    'default': ('', ''), 'no-bgt': ('^block-group-tree', ''), 'v1-cache': ('^block-group-tree,^free-space-tree', 'space_cache=v1'),
    'no-cache': ('^block-group-tree,^free-space-tree', 'nospace_cache'), 'bgt': ('block-group-tree', ''),
    'no-no-holes': ('^no-holes', ''), 'no-skinny': ('^skinny-metadata', ''), 'no-extref': ('^extref', ''), 'mixed': ('', ''),
    'quota': ('quota', ''), 'squota': ('squota', ''),
    'oldest': ('^block-group-tree,^free-space-tree,^no-holes,^skinny-metadata,^extref', 'space_cache=v1'),
}
PROFILES = ['single/single/1', 'single/dup/1', 'dup/dup/1', 'single/raid1/2', 'raid0/raid0/2', 'raid0/raid1/3', 'raid1/raid1/2',
            'raid1/raid1/3', 'raid1c3/raid1c3/3', 'raid1c4/raid1c4/4', 'raid10/raid10/4', 'raid10/raid1c3/5', 'raid5/raid5/2',
            'raid5/raid1/3', 'raid5/raid5/4', 'raid6/raid6/3', 'raid6/raid1c3/4', 'raid6/raid6/5']
MIXED_PROFILES = {'single/single/1', 'dup/dup/1', 'raid0/raid0/2', 'raid1/raid1/2', 'raid10/raid10/4', 'raid1c3/raid1c3/3',
                  'raid5/raid5/4', 'raid6/raid6/5'}
BEARS = {'single': 0, 'dup': 0, 'raid0': 0, 'raid1': 1, 'raid10': 1, 'raid5': 1, 'raid6': 2, 'raid1c3': 2, 'raid1c4': 3}
SUPERS = [64 << 10, 64 << 20]
SUPER_SIZE = 4096
PIECE = 1 << 20
FULL = bool(os.environ.get('UBTRFS_FULL')) or '--full' in sys.argv
# What archives of pax do not hold, and export says so.
ARCHIVE_LACKS = re.compile('a socket: archives have none|with a name that is not plain ASCII is left out')
STRIPE = re.compile(r'stripe \d+ devid (\d+) offset (\d+)')
CHUNK = re.compile(r'length (\d+) owner .* type (\S+)')


def possible(combination):
    nodesize, _, features, profile = combination
    # Mixed groups have one profile, and nodes of a sector.
    return features != 'mixed' or (nodesize == '4096' and profile in MIXED_PROFILES)


def run(*command, **how):
    p = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=LIMIT_S, **how)
    return p.returncode, p.stdout.decode(errors='replace').strip()


def noise_range(fd, noise, start, end):
    """Over what there is of the range; holes are left."""
    at = start
    while at < end:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        stop = min(os.lseek(fd, at, os.SEEK_HOLE), end)
        while at < stop:
            shift = at // 4096 % 251
            at += os.pwrite(fd, noise[shift:shift + min(PIECE, stop - at)], at)


def noise_file(path, rng, keep_supers):
    noise = rng.randbytes(PIECE + 256)
    kept = []
    fd = os.open(path, os.O_RDWR)
    size = os.fstat(fd).st_size
    for at in SUPERS if keep_supers else []:
        kept.append((at, os.pread(fd, SUPER_SIZE, at)))
    noise_range(fd, noise, 0, size)
    for at, data in kept:
        os.pwrite(fd, data, at)
    os.close(fd)


def noise_dup(path, rng):
    """One copy of each chunk that has two on this device; the number of chunks."""
    code, text = run('btrfs', 'inspect-internal', 'dump-tree', '-t', 'chunk', path)
    if code:
        raise RuntimeError(text)
    noise, length, dup, stripes, nr = rng.randbytes(PIECE + 256), 0, False, [], 0
    fd = os.open(path, os.O_RDWR)
    for line in text.split('\n'):
        chunk, stripe = CHUNK.search(line), STRIPE.search(line)
        if chunk:
            length, dup, stripes = int(chunk.group(1)), 'DUP' in chunk.group(2), []
        elif stripe and dup:
            stripes.append(int(stripe.group(2)))
            if len(stripes) == 2:
                at = rng.choice(stripes)
                noise_range(fd, noise, at, at + length)
                nr += 1
    os.close(fd)
    return nr


class Case:
    """One combination: what is wrong with it, as lines."""

    def __init__(self, combination, size, folder):
        self.nodesize, self.csum, self.features, profile = combination
        self.data, self.metadata, nr = profile.split('/')
        self.nr = int(nr)
        self.size = size
        self.seed = zlib.crc32(' '.join(combination).encode())
        self.rng = random.Random(self.seed)
        self.folder = folder
        # An archive of the other ones would take minutes.
        self.tame = self.rng.random() < 0.7
        self.image = os.path.join(folder, 'image')
        self.wrong = []

    def files(self):
        return [os.path.join(self.image, f'disk{i}.img') for i in range(self.nr)]

    def make(self):
        features, mount = FEATURES[self.features]
        options = ['--tame'] if self.tame else []
        options += ['--mixed'] if self.features == 'mixed' else []
        for option, value in (('--features', features), ('--mount', mount)):
            options += [option, value] if value else []
        code, text = run(os.path.join(HERE, 'kernel_image.py'), self.image, '--seed', str(self.seed), '--size', self.size,
                         '--nodesize', self.nodesize, '--csum', self.csum, '--data', self.data, '--metadata', self.metadata,
                         '--devices', str(self.nr), *options)
        if code:
            self.wrong.append(f'making it: {text}')
        return code == 0

    def source(self, files):
        """The arguments that name the filesystem: all its devices, or one and the others are found."""
        if self.rng.random() < 0.5:
            return [f'{files[0]}:/']
        return [*itertools.chain(*(('-D', name) for name in files[1:])), f'{files[0]}:/']

    def judge(self, what, out, *options):
        code, text = run(os.path.join(HERE, 'kernel_image.py'), self.image, '--compare', out, *options)
        if code:
            self.wrong.append(f'{what}: {text}')
        shutil.rmtree(out)

    def warnings_only(self, what, code, text, expected):
        """Nothing may fail, nothing be said without a reason."""
        if code or (text and not expected):
            self.wrong.append(f'{what}: exit code {code}: {text[:4000]}')

    def copy(self, what, files, *options):
        out = os.path.join(self.folder, 'out')
        code, text = run(UBTRFS, 'cp', '-a', *self.source(files), out)
        self.warnings_only(f'cp -a, {what}', code, text, expected=what != 'whole')
        if os.path.isdir(out):
            self.judge(f'cp -a, {what}', out, *options)

    def export(self, what, files, *options):
        out, tar = os.path.join(self.folder, 'out'), os.path.join(self.folder, 'tar')
        code, text = run(UBTRFS, 'export', '-o', tar, *self.source(files))
        text = '\n'.join(line for line in text.split('\n') if not ARCHIVE_LACKS.search(line))
        self.warnings_only(f'export, {what}', code, text, expected=what != 'whole')
        os.mkdir(out)
        code, text = run('tar', '--warning=no-unknown-keyword', '-xpf', tar, '-C', out, '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '--same-owner')
        if code:
            self.wrong.append(f'tar of export, {what}: {text[:4000]}')
        os.unlink(tar)
        self.judge(f'export, {what}', out, '--exported', *options)

    def both(self, what, files, *options):
        self.copy(what, files, *options)
        if self.tame:
            self.export(what, files, *options)

    def degrade(self):
        bears = min(BEARS[self.data], BEARS[self.metadata])
        victims = self.rng.sample(range(self.nr), bears)
        if bears:
            for i in victims:
                os.rename(self.files()[i], self.files()[i] + '.gone')
            (self.both if FULL else self.copy)(f'without {victims}', [f for i, f in enumerate(self.files()) if i not in victims])
            for i in victims:
                os.rename(self.files()[i] + '.gone', self.files()[i])
            victims = self.rng.sample(range(self.nr), bears)
            keep_supers = self.rng.random() < 0.6
            for i in victims:
                noise_file(self.files()[i], self.rng, keep_supers)
            # The first that is named must be one that can be opened.
            order = sorted(range(self.nr), key=lambda i: i in victims)
            self.both(f'noise on {victims}{"" if keep_supers else " and their superblocks"}', [self.files()[i] for i in order],
                      '--no-contents-of', 'nosum')
        elif self.nr == 1 and noise_dup(self.files()[0], self.rng):
            # What has no checksum cannot be told from noise.
            self.both('noise on one copy of each DUP chunk', self.files(), '--no-contents-of', 'nosum')

    def run(self):
        try:
            if self.make():
                self.both('whole', self.files())
                self.degrade()
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as e:
            self.wrong.append(f'{type(e).__name__}: {e}')
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.wrong


class Runner:
    def __init__(self):
        self.tmp = tempfile.mkdtemp(prefix='read.', dir=os.environ.get('TEST_TMP'))
        # What should be a hole and is written instead must not fill the machine.
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={TMP_SIZE},mode=755', 'tmpfs', self.tmp], check=True)
        self.stopped = False

    def run(self, nr, combination, size):
        if self.stopped:
            return ['not run']
        return Case(combination, size, os.path.join(self.tmp, str(nr))).run()

    def stop(self, *_):
        self.stopped = True

    def close(self):
        subprocess.run(['umount', '-l', self.tmp], check=False)
        os.rmdir(self.tmp)


def cases_of(args):
    everything = [c for c in itertools.product(NODESIZES, CSUMS, FEATURES, PROFILES) if possible(c)]
    chosen = sample(everything, SAMPLE)
    left = len(set().union(*map(pairs, everything)) - set().union(*map(pairs, chosen)))
    cases = [(c, 'normal' if args.full else 'small') for c in chosen]
    if args.full:
        rest = [(c, 'small') for c in everything if c not in set(chosen)]
        random.Random(1).shuffle(rest)
        cases += rest
    cases = [(c, size) for c, size in cases if args.only in ' '.join(c)]
    shard, nr_shards = map(int, args.shard.split('/'))
    return cases[shard::nr_shards], len(everything), left


def main():
    parser = argparse.ArgumentParser(prog='read_matrix.py')
    parser.add_argument('--full', action='store_true', default=FULL)
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--only', default='')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--shard', default='0/1', help='I/N, I from 0')
    args = parser.parse_args()
    cases, nr_everything, left = cases_of(args)
    if args.list:
        print('\n'.join(' '.join(c) for c, _ in cases))
        return 0
    # A tab, not a space, behind ok: bats counts only its own lines. So does its plan: ours is added to it.
    print(f'# {len(cases)} of {nr_everything} combinations; {left} pairs of values are not in the sample')
    print(f'1..{len(cases)}', flush=True)
    runner = Runner()
    signal.signal(signal.SIGTERM, runner.stop)
    signal.signal(signal.SIGINT, runner.stop)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        futures = [pool.submit(runner.run, nr, c, size) for nr, (c, size) in enumerate(cases)]
        for nr, ((c, _), future) in enumerate(zip(cases, futures), 1):
            wrong = future.result()
            failed += bool(wrong)
            print(f'{"not ok" if wrong else "ok"}\t{nr} {" ".join(c)}')
            for line in '\n'.join(wrong).split('\n') if wrong else []:
                print(f'#   {line}')
            sys.stdout.flush()
    runner.close()
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
