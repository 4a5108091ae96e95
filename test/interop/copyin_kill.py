#!/usr/bin/env python3
"""copyin_kill.py WORK [--nr N] [--seed S] [--files N]: a copy into an image that the kernel made is killed at random moments.

The moments are device writes and flushes counted from the start (UBTRFS_FAULT=write:N!), and points of time. After each the image is
what it was before, or has all of the copy: by btrfs check, by what the kernel shows, and by its log staying quiet. Prints what is
wrong; exits 1 then. UBTRFS names the command.
"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare_trees
import copyin_random
import kernel_image

UBTRFS = os.environ.get('UBTRFS', 'ubtrfs')


class Kill:
    def __init__(self, work, seed, nr_files):
        self.work, self.rng = work, random.Random(seed)
        self.base, self.image, self.mnt = f'{work}/base.img', f'{work}/k.img', f'{work}/mnt'
        with open(self.base, 'wb') as out:
            out.truncate(600 << 20)
        kernel_image.run('mkfs.btrfs', '-q', self.base)
        with kernel_image.mounted([self.base], self.mnt, 'noatime') as top:
            copyin_random.Tree(self.rng).make(f'{top}/there', 300)
            kernel_image.run('btrfs', 'subvolume', 'snapshot', top, f'{top}/snap')
        # What is there is overwritten, and there is more.
        self.source = f'{work}/src'
        with kernel_image.mounted([self.base], self.mnt, 'noatime') as top:
            shutil.copytree(f'{top}/there', f'{self.source}/there', symlinks=True, ignore=lambda d, names: [n for n in names if n[0] == 'p'])
        for path, _, files in os.walk(self.source):
            for name in files[::3]:
                full = os.path.join(path, name)
                if not os.path.islink(full):
                    copyin_random.Tree(self.rng).file(full)
        copyin_random.Tree(self.rng).make(f'{self.source}/new', 200)
        os.mkdir(f'{self.source}/many')
        for i in range(nr_files):
            with open(f'{self.source}/many/{i}', 'wb') as out:
                out.write(b'%d ' % i * (2000 // len(b'%d ' % i)))
        self.old = self.view(self.base)
        shutil.copy(self.base, self.image)
        started = time.time()
        self.copy(None)
        self.seconds = time.time() - started
        self.new = self.view(self.image)
        if not list(compare_trees.differences(self.old, self.new)):
            sys.exit('the copy changes nothing')

    def view(self, image):
        with kernel_image.mounted([image], self.mnt, 'ro,subvolid=5') as top:
            found = compare_trees.walk(os.fsencode(top), copyin_random.walk_args())
        for facts, _ in found.values():
            # Directories that get names are stamped with the time of the copy.
            if facts.get('mtime', 0) > 17 * 10**17:
                facts['mtime'] = 'now'
        return found

    def copy(self, fault, after=None):
        env = dict(os.environ, UBTRFS_FAULT=fault) if fault else None
        with subprocess.Popen([UBTRFS, 'cp', '-a', '--compress', 'zstd:1', f'{self.source}/.', f'{self.image}:/'], env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            if after is not None:
                time.sleep(after)
                process.kill()
            said = process.stdout.read().decode(errors='replace')
            code = process.wait()
        if code not in (0, -signal.SIGKILL):
            sys.exit(f'the copy ends with {code}: {said}')
        return code == 0

    def count(self, kind):
        """How many hits a whole copy has."""
        low, high = 1, 2
        while not self.fresh(f'{kind}:{high}!'):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            if self.fresh(f'{kind}:{middle}!'):
                high = middle
            else:
                low = middle
        return low

    def fresh(self, fault, after=None):
        copyin_random.run('cp', '--sparse=always', self.base, self.image)
        return self.copy(fault, after)

    def judge(self, what, done):
        code, text = copyin_random.run('btrfs', 'check', '--check-data-csum', self.image, ok=False)
        if code or 'no error found' not in text:
            return f'{what}: {text[:1000]}'
        found = self.view(self.image)
        if not list(compare_trees.differences(self.new, found)):
            return None
        different = list(compare_trees.differences(self.old, found))
        if done or different:
            return f'{what}: {"done" if done else "killed"}, neither old nor new: ' + '; '.join(different[:4])
        return 'old'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('work')
    parser.add_argument('--nr', type=int, default=100)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--files', type=int, default=0)
    args = parser.parse_args()
    os.umask(0o022)
    kill = Kill(args.work, args.seed, args.files)
    writes, flushes = kill.count('write'), kill.count('flush')
    bad, old, new = 0, 0, 0
    for nr in range(args.nr):
        if nr < flushes + 6:
            # Around the superblocks, where it is decided.
            what = f'flush:{nr + 1}!' if nr < flushes else f'write:{writes - (nr - flushes)}!'
            done = kill.fresh(what)
        elif nr % 3:
            what = f'write:{kill.rng.randrange(1, writes + 1)}!'
            done = kill.fresh(what)
        else:
            after = kill.rng.random() * kill.seconds * 1.1
            what = f'after {after:.3f} s'
            done = kill.fresh(None, after)
        wrong = kill.judge(what, done)
        if wrong == 'old':
            old += 1
        elif wrong:
            bad += 1
            print(wrong, flush=True)
        else:
            new += 1
    print(f'{args.nr} moments of {writes} writes, {flushes} flushes, {kill.seconds:.2f} s: {old} old, {new} new, {bad} wrong')
    shutil.rmtree(args.work, ignore_errors=True)
    return 1 if bad or not old or not new else 0


if __name__ == '__main__':
    sys.exit(main())
