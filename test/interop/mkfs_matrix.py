#!/usr/bin/env python3
"""mkfs_matrix.py [--full] [--list] [--only WORD] [--from NR] [--jobs N]: every option of mkfs with every other, judged by the kernel.

Node size x checksum x compression x feature set x profile. Normally a sample in which pairs of values meet (chosen the
same way every time, and the pairs that are left are few); with --full all of it, those outside the sample from a smaller
tree. Each combination is a line of TAP; mkfs_case.bash does one. Two run side by side, in trees of their own.
"""
import argparse
import concurrent.futures
import itertools
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = 40
CASE_LIMIT_S = 120
NODESIZES = ['4096', '8192', '16384', '32768', '65536']
CSUMS = ['crc32c', 'xxhash', 'sha256', 'blake2']
COMPRESSIONS = ['none', 'zlib', 'lzo', 'zstd']
FEATURES = {
    'default': '', 'no-bgt': '^block-group-tree', 'no-fst': '^block-group-tree,^free-space-tree',
    'no-no-holes': '^block-group-tree,^no-holes', 'no-skinny': '^skinny-metadata', 'no-extref': '^extref', 'mixed': 'mixed-bg',
    'oldest': '^block-group-tree,^free-space-tree,^no-holes,^skinny-metadata,^extref',
}
PROFILES = ['single/single/1', 'single/dup/1', 'dup/dup/1', 'raid0/raid0/2', 'raid0/raid1/3', 'raid0/raid0/4', 'single/raid1/2',
            'raid1/raid1/2', 'raid1/raid1/3', 'raid1c3/raid1c3/3', 'raid1/raid1c3/4', 'raid1c4/raid1c4/4', 'raid10/raid10/4',
            'raid10/raid1c4/4']
MIXED_PROFILES = {'single/single/1', 'dup/dup/1', 'raid0/raid0/2', 'raid1/raid1/2', 'raid10/raid10/4', 'raid1c3/raid1c3/3'}


def possible(combination):
    nodesize, _, _, features, profile = combination
    # Mixed groups have one profile, and nodes of a sector.
    return features != 'mixed' or (nodesize == '4096' and profile in MIXED_PROFILES)


def pairs(combination):
    return set(itertools.combinations(enumerate(combination), 2))


def sample(everything, nr):
    """Greedy: each next one brings the most pairs that were not there yet."""
    rng = random.Random(2)
    rest = list(everything)
    rng.shuffle(rest)
    missing = set().union(*(pairs(c) for c in rest))
    chosen = []
    while len(chosen) < nr and missing:
        best = max(rest, key=lambda c: len(pairs(c) & missing))
        chosen.append(best)
        rest.remove(best)
        missing -= pairs(best)
    return chosen


class Runner:
    def __init__(self, jobs):
        self.tmp = tempfile.mkdtemp(prefix='matrix.', dir=os.environ['TEST_TMP'])
        os.chmod(self.tmp, 0o755)
        self.running = set()
        self.stopped = False
        self.places = queue.Queue()
        for i in range(jobs):
            for size in ('small', 'normal'):
                subprocess.run([os.path.join(HERE, 'nasty_tree.py'), '--size', size, self.tree(i, size)], check=True)
            self.places.put(i)

    def tree(self, place, size):
        return os.path.join(self.tmp, f'{size}-{place}')

    def run(self, combination, size):
        """None, or what was wrong."""
        place = self.places.get()
        try:
            if self.stopped:
                return 'not run'
            p = subprocess.Popen(['bash', os.path.join(HERE, 'mkfs_case.bash'), self.tree(place, size), size] +
                                 [*combination[:3], FEATURES[combination[3]], *combination[4].split('/')],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 start_new_session=True)
            self.running.add(p)
            try:
                text = p.communicate(timeout=CASE_LIMIT_S)[0]
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGTERM)
                text = p.communicate()[0] + b'\nstopped: it took too long'
            self.running.discard(p)
            return text.decode(errors='replace') or f'exit code {p.returncode}' if p.returncode else None
        finally:
            self.places.put(place)

    def stop(self, *_):
        self.stopped = True
        for p in list(self.running):
            os.killpg(p.pid, signal.SIGTERM)

    def close(self):
        shutil.rmtree(self.tmp, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(prog='mkfs_matrix.py')
    parser.add_argument('--full', action='store_true', default=bool(os.environ.get('UBTRFS_FULL')))
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--only', default='')
    parser.add_argument('--from', dest='first', type=int, default=1, metavar='NR', help='go on with this one of them')
    parser.add_argument('--jobs', type=int, default=2)
    args = parser.parse_args()
    everything = [c for c in itertools.product(NODESIZES, CSUMS, COMPRESSIONS, FEATURES, PROFILES) if possible(c)]
    chosen = sample(everything, SAMPLE)
    left = len(set().union(*map(pairs, everything)) - set().union(*map(pairs, chosen)))
    cases = [(c, 'normal') for c in chosen]
    if args.full:
        cases += [(c, 'small') for c in everything if c not in set(chosen)]
    cases = [(c, size) for c, size in cases if args.only in ' '.join(c)][args.first - 1:]
    if args.list:
        print('\n'.join(' '.join(c) for c, _ in cases))
        return 0
    # A tab, not a space, behind ok: bats counts only its own lines. So does its plan: ours is added to it.
    print(f'# {len(cases)} of {len(everything)} combinations; {left} pairs of values are not in the sample')
    print(f'1..{len(cases)}', flush=True)
    runner = Runner(args.jobs)
    signal.signal(signal.SIGTERM, runner.stop)
    signal.signal(signal.SIGINT, runner.stop)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        futures = [pool.submit(runner.run, c, size) for c, size in cases]
        for nr, ((c, _), future) in enumerate(zip(cases, futures), 1):
            wrong = future.result()
            failed += wrong is not None
            print(f'{"ok" if wrong is None else "not ok"}\t{nr} {" ".join(c)}')
            for line in (wrong or '').rstrip().split('\n') if wrong else []:
                print(f'#   {line}')
            sys.stdout.flush()
    runner.close()
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
