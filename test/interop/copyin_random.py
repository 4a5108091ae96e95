#!/usr/bin/env python3
"""copyin_random.py WORK FIRST-LAST: random copies into images that the kernel made, beside a twin that the kernel changes.

For each seed: a filesystem of random options filled by the kernel (kernel_image.py), twice. Then rounds: a tree copied in, files and
directories overwritten, archives unpacked over what is there, names removed, copies within; by cp, tar and rm on the mounted twin and
by us on the other image. After each, btrfs check of ours is clean and the kernel shows the same in both; what did not fit left ours as
it was. In between the kernel changes both. A failure names its seed; with --keep the images stay. UBTRFS names the command.
"""
import argparse
import contextlib
import os
import random
import shutil
import stat
import subprocess
import sys
import time
import types

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare_trees
import kernel_image

UBTRFS = os.environ.get('UBTRFS', 'ubtrfs')
K, M = 1024, 1024 * 1024
kernel_image.SIZES['tiny'] = dict(nasty=None, links=120, wide=150, rounds=4, files=3, length=200 * K, changes=8)

FEATURES = ['', '', '^no-holes', '^skinny-metadata', '^extref', '^free-space-tree', '^block-group-tree', '^no-holes,^block-group-tree',
            '^no-holes,^skinny-metadata,^extref,^block-group-tree', '^free-space-tree,^block-group-tree,^no-holes']
PROFILES = [(1, 'single', 'dup'), (1, 'single', 'single'), (1, 'dup', 'dup'), (2, 'raid1', 'raid1'), (2, 'raid0', 'raid1'), (2, 'single', 'raid1'),
            (3, 'raid1c3', 'raid1c3'), (4, 'raid10', 'raid10'), (4, 'raid1c4', 'raid1c4'), (4, 'raid0', 'raid10'), (3, 'single', 'raid1c3')]


class Wrong(Exception):
    pass


def run(*args, ok=True):
    done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors='replace').strip()
    if ok and done.returncode:
        raise Wrong(f'{" ".join(map(str, args))}: exit code {done.returncode}: {text[:2000]}')
    return done.returncode, text


class Tree:
    """Random trees of this machine. The kind of a name never changes, as tar and cp differ in what they make of that."""

    def __init__(self, rng):
        self.rng = rng
        self.noise = rng.randbytes(M)

    def data(self):
        rng = self.rng
        size = rng.choice([0, 1, 2047, 2048, 2049, 4095, 4096, 4097, rng.randrange(9000), rng.randrange(9000), 131072, 131073,
                           rng.randrange(400 * K), rng.randrange(400 * K), rng.randrange(3 * M)])
        start = rng.randrange(M // 2)
        unit = self.noise[start:start + rng.choice([7, 300, 100 * K, M // 2])]
        return (unit * (size // len(unit) + 1))[:size]

    def file(self, path):
        rng = self.rng
        with open(path, 'wb') as file:
            file.write(self.data())
            if rng.random() < 0.15:
                file.seek(rng.randrange(4 * M))
                file.write(self.data()[:20000])
            if rng.random() < 0.1:
                file.truncate(rng.randrange(6 * M))

    def dress(self, path):
        rng = self.rng
        if not os.path.islink(path):
            # cp has a way of its own with directories that hand down their group.
            os.chmod(path, rng.choice([0o644, 0o600, 0o755, 0o4711, 0o755 if os.path.isdir(path) else 0o2750, 0o1777]))
            if rng.random() < 0.15 and (os.path.isfile(path) or os.path.isdir(path)):
                # Not every filesystem of this machine takes so much.
                with contextlib.suppress(OSError):
                    os.setxattr(path, f'user.x{rng.randrange(4)}', rng.randbytes(rng.choice([0, 5, 300, 2500])))
        if rng.random() < 0.3:
            os.chown(path, rng.randrange(70000), rng.randrange(70000), follow_symlinks=False)
            if not os.path.islink(path) and rng.random() < 0.3:
                os.chmod(path, 0o755)
        when = rng.randrange(10**18, 16 * 10**17)
        os.utime(path, ns=(when, when + rng.randrange(10**9)), follow_symlinks=False)

    def make(self, top, nr):
        rng, folders, files = self.rng, [top], []
        os.mkdir(top)
        for _ in range(nr):
            folder, what = rng.choice(folders), rng.random()
            name = f'{rng.randrange(60)}' + 'n' * rng.choice([0, 0, 0, 30, 200])
            if what < 0.2:
                path = os.path.join(folder, f'd{name}')
                if not os.path.isdir(path):
                    os.mkdir(path)
                    folders.append(path)
            elif what < 0.28:
                path = os.path.join(folder, f'l{name}')
                if not os.path.islink(path):
                    os.symlink('t' * rng.choice([1, 100, 2000]), path)
            elif what < 0.32:
                path = os.path.join(folder, f'p{name}')
                if not os.path.lexists(path):
                    os.mkfifo(path)
            elif what < 0.4 and files:
                path = os.path.join(folder, f'f{name}')
                if not os.path.lexists(path):
                    os.link(rng.choice(files), path)
            else:
                path = os.path.join(folder, f'f{name}')
                self.file(path)
                files.append(path)
        for path, folders, files in os.walk(top, topdown=False):
            for name in sorted(files):
                self.dress(os.path.join(path, name))
            self.dress(path)
        return top


def walk_args():
    return types.SimpleNamespace(no_times=False, no_dir_times=False, no_holes=True, owner=None, owner_now=False, placeholders=True,
                                 data_map=compare_trees.fiemap_map, unit=compare_trees.UNIT, ignore=(), ignore_xattrs=())


class Seed:
    def __init__(self, work, seed, size):
        self.work, self.seed, self.rng = work, seed, random.Random(seed)
        self.mnt = f'{work}/mnt'
        self.started = time.time_ns() - 10**9
        self.nr, self.said = 0, []
        self.options(size)

    def options(self, size):
        rng = self.rng
        mixed = rng.random() < 0.15
        devices, data, metadata = rng.choice(PROFILES)
        self.args = types.SimpleNamespace(
            seed=self.seed, size=size, devices=devices, data=data, metadata=metadata, mixed=mixed, label=None, mount=None,
            nodesize=None if mixed else rng.choice([None, 4096, 16384, 32768, 65536]),
            csum=rng.choice(['crc32c', 'crc32c', 'xxhash', 'sha256', 'blake2']), features=rng.choice(FEATURES),
            bytes=rng.choice([1200 * M, 700 * M, 400 * M]) // (1 if devices == 1 else 2))
        if mixed:
            self.args.data = self.args.metadata = rng.choice(['single', 'dup']) if devices == 1 else metadata
        self.ours = [f'{self.work}/ours/disk{i}.img' for i in range(devices)]
        self.twin = [f'{self.work}/twin/disk{i}.img' for i in range(devices)]
        os.mkdir(f'{self.work}/ours')
        os.mkdir(f'{self.work}/twin')

    def mounted(self, files):
        return kernel_image.mounted(files, self.mnt, 'noatime,subvolid=5')

    def say(self, text):
        self.said.append(text)

    def make(self):
        for file in self.ours:
            with open(file, 'wb') as out:
                out.truncate(self.args.bytes)
        run(*kernel_image.mkfs_command(self.args, self.ours))
        with self.mounted(self.ours) as top:
            filler = kernel_image.Filler(top, self.rng, self.args)
            filler.data = lambda length, data=filler.data: data(min(length, 300 * K))
            filler.sparse = lambda: None
            try:
                filler.make()
            except OSError as e:
                # A small one may be full before it is filled: so much the better.
                self.say(f'filled until {e}')
            except RuntimeError as e:
                if 'space' not in str(e):
                    raise
                self.say(f'filled until {e}')
        self.copy(self.ours, self.twin)

    @staticmethod
    def copy(a, b):
        for source, dest in zip(a, b):
            run('cp', '--sparse=always', source, dest)

    def check(self):
        with kernel_image.attached(self.ours) if len(self.ours) > 1 else memoryview(b'') as devices:
            _, text = run('btrfs', 'check', '--check-data-csum', devices[0] if len(self.ours) > 1 else self.ours[0], ok=False)
        if 'no error found' not in text:
            raise Wrong(f'btrfs check: {text[:3000]}')

    def look(self, top):
        found = compare_trees.walk(os.fsencode(top), walk_args())
        for facts, _ in found.values():
            if facts.get('mtime', 0) > self.started:
                facts['mtime'] = 'now'
        return found

    def view(self, files):
        with self.mounted(files) as top:
            return self.look(top)

    def compare(self):
        differences = list(compare_trees.differences(self.view(self.twin), self.view(self.ours)))
        if differences:
            raise Wrong('the twin (first) and ours differ:\n' + '\n'.join(differences[:12]))

    # ---- what there is to work on, by the names in the twin

    def places(self, top):
        """Directories and regular files that may be changed, relative."""
        folders, files = [], []
        self.placeholders = set(self.subvolumes)
        for path, names, leaves in os.walk(top):
            st = os.lstat(path)
            if st.st_ino == 2:
                # A subvolume's name in a snapshot: what is above cannot be removed.
                self.placeholders.add(os.path.relpath(path, top))
                names.clear()
                continue
            readonly = not os.access(path, os.W_OK)
            rel = os.path.relpath(path, top)
            if readonly or len(rel) > 1500 or '\n' in rel or not rel.isprintable():
                continue
            folders.append(rel)
            for leaf in leaves:
                st = os.lstat(os.path.join(path, leaf))
                if stat.S_ISREG(st.st_mode) and leaf.isprintable() and st.st_size < 8 * M and st.st_nlink < 50:
                    files.append(os.path.normpath(os.path.join(rel, leaf)))
        return sorted(folders), sorted(files)

    # ---- one change by both: theirs gets the mounted twin, ours is a command

    def know_properties(self, top):
        """Linux 6.18 hands a directory's property down only when it found it as it read the inode, and does not when the attribute
        lies in the next leaf: setting what is set already makes it known."""
        for path, _, _ in os.walk(os.fsencode(top)):
            try:
                os.setxattr(path, 'btrfs.compression', os.getxattr(path, 'btrfs.compression'))
            except OSError:
                pass  # it has none, or is read-only

    def both(self, what, theirs, *ours):
        self.say(f'{what}: {" ".join(ours)}')
        with self.mounted(self.twin) as top:
            self.know_properties(top)
            theirs(top)
        code, text = run(*ours, ok=False)
        self.check()
        if code and 'No space' not in text and 'no space' not in text:
            raise Wrong(f'{" ".join(ours)}: exit code {code}: {text}')
        if code:
            self.say('  no space')
            differences = list(compare_trees.differences(self.before, self.view(self.ours)))
            if differences:
                raise Wrong('it failed and changed something:\n' + '\n'.join(differences[:12]))
            self.copy(self.ours, self.twin)
            return
        self.compare()

    def tree(self, nr):
        self.nr += 1
        return Tree(self.rng).make(f'{self.work}/tree{self.nr}', nr)

    def some_options(self):
        rng = self.rng
        out = [] if rng.random() < 0.5 else ['--compress', rng.choice(['zlib', 'lzo', 'zstd', 'zstd:12', 'no'])]
        return out + (['-j', '1'] if rng.random() < 0.3 else [])

    @staticmethod
    def may_fail(*args):
        """On the twin what does not fit fails too; ours is compared only where it did not."""
        run(*args, ok=False)

    @staticmethod
    def plain_mode(options, source, dest):
        """GNU cp sets the mode as an ACL, which leaves old set-id bits where the source has none; ours sets the mode of the source."""
        if options not in (['-a'], ['-p'], ['-rp']):
            return
        paths = [source] + [os.path.join(path, name) for path, names, leaves in os.walk(source) for name in names + leaves]
        for path in paths:
            try:
                if not os.path.islink(path):
                    os.chmod(os.path.normpath(os.path.join(dest, os.path.relpath(path, source))), stat.S_IMODE(os.stat(path).st_mode))
            except OSError:
                pass  # what did not fit is not there

    def copy_in(self, folders, files):
        source = self.tree(self.rng.choice([3, 30, 120, 400]))
        dest = os.path.normpath(os.path.join(self.rng.choice(folders), self.rng.choice([f'new{self.nr}', '.'])))
        options = self.rng.choice([['-a'], ['-a'], ['-r'], ['-rp'], ['-dR', '--preserve=links']])
        dot = dest in folders

        def on_twin(top):
            self.may_fail('cp', *options, '-T', source, f'{top}/{dest}')
            self.plain_mode(options, source, f'{top}/{dest}')
        self.both('copy in', on_twin,
                  UBTRFS, 'cp', *options, *self.some_options(), *([source + '/.'] if dot else ['-T', source]), f'{self.ours[0]}:/{dest}')

    def overwrite(self, folders, files):
        rng = self.rng
        source = self.tree(3)
        options = rng.choice([[], ['-a'], ['--remove-destination'], ['-p']])
        chosen = rng.sample(files, min(len(files), rng.randrange(1, 9)))
        pairs = []
        for i, path in enumerate(chosen):
            local = f'{source}/over{i}'
            Tree(rng).file(local)
            Tree(rng).dress(local)
            pairs.append((local, path))
        for local, path in pairs:
            def on_twin(top):
                self.may_fail('cp', *options, local, f'{top}/{path}')
                self.plain_mode(options, local, f'{top}/{path}')
            self.both('overwrite', on_twin,
                      UBTRFS, 'cp', *options, *self.some_options(), local, f'{self.ours[0]}:/{path}')
            self.before = self.view(self.ours)

    def archive(self, folders, files):
        rng = self.rng
        source, dest = self.tree(rng.choice([5, 60, 200])), rng.choice(folders)
        # Some of it under the names of what is there.
        for path in rng.sample(files, min(len(files), 6)):
            if path.startswith(dest + '/') or dest == '.':
                local = os.path.join(source, os.path.relpath(path, dest))
                above = os.path.dirname(local)
                if not os.path.lexists(local) and not os.path.lexists(above):
                    os.makedirs(above)
                if os.path.isdir(above) and not os.path.lexists(local):
                    Tree(rng).file(local)
        run('tar', '--format=posix', '--xattrs', '--acls', '-S', '-cf', f'{source}.tar', '-C', source, '.')
        self.both('archive', lambda top: self.may_fail('tar', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '-xpf', f'{source}.tar',
                                                       '-C', f'{top}/{dest}'),
                  UBTRFS, 'import', *self.some_options(), f'{source}.tar', f'{self.ours[0]}:/{dest}')

    def remove(self, folders, files):
        """What OCI layers take away."""
        rng = self.rng
        gone = set(rng.sample(files, min(len(files), rng.randrange(1, 30))))
        for folder in rng.sample(folders, min(len(folders), 2)):
            if folder.count('/') >= 1 and folder not in self.placeholders and not any(s.startswith(folder + '/') for s in self.placeholders):
                gone = {g for g in gone if not g.startswith(folder + '/')} | {folder}
        layer = f'{self.work}/layer{self.nr}'
        self.nr += 1
        os.mkdir(layer)
        for path in gone:
            os.makedirs(os.path.join(layer, os.path.dirname(path)), exist_ok=True)
            open(os.path.join(layer, os.path.dirname(path), '.wh.' + os.path.basename(path)), 'w', encoding='utf-8').close()
        gone = [g for g in gone if len(os.path.basename(g)) < 250]
        names = [os.path.join(os.path.dirname(g), '.wh.' + os.path.basename(g)) for g in gone]
        with open(f'{layer}.list', 'w', encoding='utf-8') as file:
            file.write('\n'.join(names) + '\n')
        run('tar', '-cf', f'{layer}.tar', '-C', layer, '--no-recursion', '--verbatim-files-from', '-T', f'{layer}.list')
        with open(f'{layer}.none', 'w', encoding='utf-8'):
            pass
        run('tar', '-cf', f'{layer}.empty.tar', '-C', self.work, f'{os.path.basename(layer)}.none')

        def theirs(top):
            open(f'{top}/{os.path.basename(layer)}.none', 'w', encoding='utf-8').close()
            os.chmod(f'{top}/{os.path.basename(layer)}.none', os.stat(f'{layer}.none').st_mode & 0o7777)
            for path in gone:
                run('rm', '-rf', f'{top}/{path}')
        self.both('remove', theirs, UBTRFS, 'import', f'{layer}.empty.tar', f'{layer}.tar', f'{self.ours[0]}:/')

    def within(self, folders, files):
        rng = self.rng
        source = rng.choice(files + [f for f in folders if f.count('/') >= 1 and not any(s.startswith(f) for s in self.placeholders)])
        dest = os.path.normpath(os.path.join(rng.choice(folders), f'within{self.nr}'))
        self.nr += 1
        if dest.startswith(source + '/'):
            return
        self.both('within', lambda top: self.may_fail('cp', '-a', '-T', f'{top}/{source}', f'{top}/{dest}'),
                  UBTRFS, 'cp', '-a', '-T', *self.some_options(), f'{self.ours[0]}:/{source}', f'{self.ours[0]}:/{dest}')

    # ---- what the kernel does in between, to both alike

    def kernel(self):
        seed, nr = self.rng.random(), self.nr
        self.nr += 1
        for files in (self.twin, self.ours):
            rng = random.Random(seed)
            with self.mounted(files) as top:
                folders, leaves = self.places(top)
                for path in rng.sample(leaves, min(len(leaves), 5)):
                    self.kernel_change(rng, f'{top}/{path}')
                what = rng.random()
                if what < 0.4:
                    run('btrfs', 'subvolume', 'snapshot', *rng.choice([[], ['-r']]), f'{top}/{rng.choice(self.subvolumes)}', f'{top}/kernel{nr}', ok=False)
                elif what < 0.6:
                    run('btrfs', 'balance', 'start', '--full-balance', top, ok=False)
                elif what < 0.7:
                    run('btrfs', 'balance', 'start', '-musage=60', '-dusage=60', top, ok=False)
        self.say('the kernel changes both')
        self.check()
        self.compare()

    def kernel_change(self, rng, path):
        """The same whether there is space or not: never more than there was."""
        size = os.path.getsize(path)
        what = rng.random()
        with open(path, 'r+b') as file:
            if what < 0.4 and size:
                file.seek(rng.randrange(size))
                file.write(b'kernel'[:max(1, min(6, size - file.tell()))])
            elif what < 0.6:
                file.truncate(rng.randrange(size + 1))
            elif what < 0.7:
                try:
                    kernel_image.fallocate(file.fileno(), kernel_image.PUNCH_HOLE | kernel_image.KEEP_SIZE, rng.randrange(size + 1), 9000)
                except OSError:
                    pass

    def run(self, rounds):
        self.make()
        with self.mounted(self.ours) as top:
            self.subvolumes = ['.'] + [line.split(' path ', 1)[1] for line in run('btrfs', 'subvolume', 'list', '-a', top)[1].splitlines() if ' path ' in line]
            self.subvolumes = [s.replace('<FS_TREE>/', '') for s in self.subvolumes]
        self.check()
        for nr in range(rounds):
            with self.mounted(self.ours) as top:
                folders, files = self.places(top)
                self.before = self.look(top)
            step = self.rng.choice([self.copy_in, self.copy_in, self.overwrite, self.archive, self.remove, self.within])
            step(folders, files)
            if nr % 2:
                self.kernel()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('work')
    parser.add_argument('seeds')
    parser.add_argument('--rounds', type=int, default=4)
    parser.add_argument('--size', default='tiny')
    parser.add_argument('--keep', action='store_true')
    args = parser.parse_args()
    first, last = (args.seeds.split('-') * 2)[:2]
    os.umask(0o022)
    bad = 0
    for seed in range(int(first), int(last) + 1):
        work = f'{args.work}/seed{seed}'
        os.makedirs(work)
        one = Seed(work, seed, args.size)
        try:
            one.run(args.rounds)
        except Wrong as wrong:
            bad += 1
            print(f'seed {seed} ({vars(one.args)}):')
            print('  ' + '\n  '.join(one.said))
            print(wrong, flush=True)
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
    print(f'{int(last) - int(first) + 1} seeds, {bad} failed')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
