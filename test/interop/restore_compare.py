#!/usr/bin/env python3
"""restore_compare.py: what is brought out of damaged images, beside what btrfs restore brings out.

  fill DIR SEED                a tree of a few thousand files on a mounted btrfs, written in several commits
  facts DIR FILE               what DIR holds, as JSON
  run [options] IMAGE FACTS    for each count of blocks and each seed: destroys that many random tree blocks of a copy of
                               IMAGE on all mirrors, runs both, compares each file with FACTS, and prints a line (--table: one
                               for each count)

run fails when btrfs restore has more files or more bytes, or when something that we call whole differs from the original.
A file counts when its contents are equal; of the others the equal blocks of 4 KiB count as bytes.
"""
import argparse
import hashlib
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys

BLOCK = 4096
OWN = {'.ubtrfs-restore', '.ubtrfs-restore.new'}


# ---- the tree ------------------------------------------------------------------------------------------------

def some_bytes(rng, size):
    if rng.random() < 0.4:
        return rng.randbytes(size)
    word = b'%d lines of text that compress well\n' % rng.randrange(1000000)
    return (word * (size // len(word) + 1))[:size]


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)


def sync(top):
    subprocess.run(['sync', '-f', top], check=True)


def fill_dir(rng, top, nr, depth):
    dirs = [top]
    for i in range(nr):
        parent = rng.choice(dirs)
        name = f'{rng.choice(("file", "a-somewhat-longer-name-of-a-file", "n"))}-{i}'
        path = os.path.join(parent, name)
        kind = rng.random()
        if kind < 0.12 and parent.count('/') - top.count('/') < depth:
            os.mkdir(path, rng.choice((0o755, 0o700, 0o1777)))
            dirs.append(path)
        elif kind < 0.17:
            os.symlink('x' * rng.randrange(1, 200), path)
        elif kind < 0.20:
            os.mknod(path, stat.S_IFCHR | 0o640, os.makedev(rng.randrange(200), i))
        else:
            write(path, some_bytes(rng, int(rng.choice((100, 3000, 9000, 40000)) * (0.2 + rng.random()))))
            if rng.random() < 0.3:
                os.setxattr(path, 'user.note', rng.randbytes(rng.randrange(1, 300)))
            if rng.random() < 0.2:
                os.chown(path, rng.randrange(3000), rng.randrange(3000))
            if rng.random() < 0.05:
                for k in range(rng.randrange(1, 5)):
                    os.link(path, os.path.join(rng.choice(dirs), f'link-{i}-{k}'))
    return dirs


def deep_dirs(rng, top):
    path = os.path.join(top, 'deep')
    for level in range(60):
        os.mkdir(path)
        write(os.path.join(path, 'file'), some_bytes(rng, 5000))
        path = os.path.join(path, f'level-{level}')


def large_files(rng, top):
    write(os.path.join(top, 'large-noise'), rng.randbytes(6 << 20))
    write(os.path.join(top, 'large-text'), some_bytes(rng, 20 << 20))
    with open(os.path.join(top, 'sparse'), 'wb') as f:
        for at in (0, 1 << 20, 9 << 20, 30 << 20):
            f.seek(at)
            f.write(rng.randbytes(20000))
        f.truncate(50 << 20)


def subvolume(*args):
    subprocess.run(['btrfs', '-q', 'subvolume', *args], check=True)


def fill(top, seed):
    rng = random.Random(seed)
    fill_dir(rng, top, 900, 6)
    deep_dirs(rng, top)
    sync(top)
    subvolume('create', os.path.join(top, 'subvolume'))
    fill_dir(rng, os.path.join(top, 'subvolume'), 700, 4)
    large_files(rng, top)
    sync(top)
    subvolume('snapshot', os.path.join(top, 'subvolume'), os.path.join(top, 'snapshot'))
    subvolume('snapshot', top, os.path.join(top, 'snapshot-of-top'))
    sync(top)
    # The snapshots and their origins go apart.
    for name in ('subvolume', 'snapshot'):
        os.mkdir(os.path.join(top, name, 'later'))
        fill_dir(rng, os.path.join(top, name, 'later'), 250, 3)
    os.mkdir(os.path.join(top, 'more'))
    fill_dir(rng, os.path.join(top, 'more'), 600, 4)
    for base, _, files in os.walk(os.path.join(top, 'more')):
        for name in files:
            if rng.random() < 0.1:
                os.unlink(os.path.join(base, name))
    sync(top)


# ---- what a tree holds ----------------------------------------------------------------------------------------

def file_blocks(path):
    blocks = []
    with open(path, 'rb') as f:
        while True:
            data = f.read(BLOCK)
            if not data:
                return blocks
            blocks.append(hashlib.blake2b(data, digest_size=8).hexdigest())


def xattrs_of(path):
    try:
        return {k: os.getxattr(path, k, follow_symlinks=False).hex()
                for k in sorted(os.listxattr(path, follow_symlinks=False)) if not k.startswith('btrfs.')}
    except OSError:
        return {}


def fact(path):
    st = os.lstat(path)
    entry = {'mode': st.st_mode, 'uid': st.st_uid, 'gid': st.st_gid, 'mtime': st.st_mtime_ns, 'xattrs': xattrs_of(path)}
    if stat.S_ISREG(st.st_mode):
        entry.update(size=st.st_size, blocks=file_blocks(path), nlink=st.st_nlink)
    elif stat.S_ISLNK(st.st_mode):
        entry['target'] = os.readlink(path)
    elif not stat.S_ISDIR(st.st_mode):
        entry['rdev'] = st.st_rdev
    return entry


def facts(top):
    result = {}
    for base, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(base, name)
            if name not in OWN:
                result[os.path.relpath(path, top)] = fact(path)
    return result


# ---- destroying -----------------------------------------------------------------------------------------------

def dump_tree(image, *args):
    return subprocess.run(['btrfs', 'inspect-internal', 'dump-tree', *args, image], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout


def node_size(image):
    out = subprocess.run(['btrfs', 'inspect-internal', 'dump-super', image], check=True, stdout=subprocess.PIPE, text=True)
    return int(re.search(r'^nodesize\s+(\d+)', out.stdout, re.M).group(1))


def chunks_of(image):
    chunks = []
    for part in dump_tree(image, '-t', 'chunk').split('\titem ')[1:]:
        head = re.match(r'\d+ key \(FIRST_CHUNK_TREE CHUNK_ITEM (\d+)\)', part)
        if head:
            length = int(re.search(r'length (\d+)', part).group(1))
            chunks.append((int(head.group(1)), length, [int(x) for x in re.findall(r'stripe \d+ devid \d+ offset (\d+)', part)]))
    return chunks


def tree_blocks(image):
    return sorted({int(x) for x in re.findall(r'^(?:leaf|node) (\d+) ', dump_tree(image), re.M)})


def destroy(image, blocks, chunks, size, rng):
    with open(image, 'r+b') as f:
        for addr in blocks:
            start, _, stripes = next(c for c in chunks if c[0] <= addr < c[0] + c[1])
            for stripe in stripes:
                f.seek(stripe + addr - start)
                f.write(rng.randbytes(size))


# ---- comparing ------------------------------------------------------------------------------------------------

class Score:
    def __init__(self, original, got):
        self.files = self.bytes = self.others = 0
        for path, want in original.items():
            have = got.get(path)
            if have is None or stat.S_IFMT(have['mode']) != stat.S_IFMT(want['mode']):
                continue
            if not stat.S_ISREG(want['mode']):
                self.others += not stat.S_ISDIR(want['mode']) and have.get('target') == want.get('target')
                continue
            if have['size'] == want['size'] and have['blocks'] == want['blocks']:
                self.files += 1
                self.bytes += want['size']
                continue
            for i, block in enumerate(want['blocks']):
                if i < len(have['blocks']) and have['blocks'][i] == block:
                    self.bytes += min(BLOCK, want['size'] - i * BLOCK)


def false_claims(original, got, report):
    """What is there, is not told as damaged, and differs."""
    told = {entry['path'].lstrip('/') for entry in report['restore']['lost']}
    wrong = []
    for path, have in got.items():
        if path in told or path.startswith('lost+found') or '/lost+found' in path:
            continue
        want = original.get(path)
        if want is None:
            wrong.append(f'{path}: was not there')
            continue
        for what, value in want.items():
            # How many names are left is no matter of the file; directories get what is below.
            if what == 'nlink' or (what == 'mtime' and stat.S_ISDIR(want['mode'])):
                continue
            if have.get(what) != value:
                wrong.append(f'{path}: {what} differs')
                break
    return wrong


def run_theirs(image, out):
    os.mkdir(out)
    subprocess.run(['btrfs', 'restore', '-i', '-s', '-S', '-x', '-m', image, out], input='a\n' * 100000, text=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run_ours(ubtrfs, image, out):
    report = out + '.json'
    done = subprocess.run([ubtrfs, 'restore', '-s', '--report', report, image, out], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, errors='replace', timeout=300)
    if done.returncode not in (0, 1) or not os.path.exists(report):
        sys.exit(f'ubtrfs restore {image} ends with {done.returncode}:\n{done.stderr}')
    with open(report) as f:
        return json.load(f)


def one_run(args, original, nr, seed, known):
    rng = random.Random(f'{nr}-{seed}')
    work = os.path.join(args.work, f'{nr}-{seed}')
    os.mkdir(work)
    image = os.path.join(work, 'image')
    subprocess.run(['cp', '--sparse=always', args.image, image], check=True)
    blocks, chunks, size = known
    destroy(image, rng.sample(blocks, min(nr, len(blocks))), chunks, size, rng)
    run_theirs(image, os.path.join(work, 'theirs'))
    report = run_ours(args.ubtrfs, image, os.path.join(work, 'ours'))
    theirs = Score(original, facts(os.path.join(work, 'theirs')))
    got = facts(os.path.join(work, 'ours'))
    ours = Score(original, got)
    wrong = false_claims(original, got, report)
    if args.keep:
        return theirs, ours, wrong, work
    shutil.rmtree(work)
    return theirs, ours, wrong, work


def run(args):
    with open(args.facts) as f:
        original = json.load(f)
    total = Score(original, original)
    known = tree_blocks(args.image), chunks_of(args.image), node_size(args.image)
    failed = False
    if args.table:
        print(f'{len(known[0])} tree blocks of {known[2]} bytes, {total.files} files, {total.bytes >> 20} MiB; '
              f'{len(args.seeds)} seeds: mean (least to most).\n')
        print('| tree blocks destroyed | files: btrfs restore | files: ubtrfs | MiB: btrfs restore | MiB: ubtrfs |')
        print('|---|---|---|---|---|')
    for nr in args.blocks:
        rows = []
        for seed in args.seeds:
            theirs, ours, wrong, work = one_run(args, original, nr, seed, known)
            rows.append((theirs.files, ours.files, theirs.bytes >> 20, ours.bytes >> 20))
            if not args.table:
                print(f'| {nr} | {seed} | {theirs.files} | {ours.files} | {theirs.bytes} | {ours.bytes} |', flush=True)
            if theirs.files > ours.files or theirs.bytes > ours.bytes or theirs.others > ours.others:
                print(f'btrfs restore has more (others {theirs.others}, ours {ours.others}): {work}')
                failed = True
            if wrong:
                print(f'{len(wrong)} called whole and differing: {wrong[:5]}')
                failed = True
        if args.table:
            print(f'| {nr} | ' + ' | '.join(f'{sum(c) // len(c)} ({min(c)} to {max(c)})' for c in zip(*rows)) + ' |', flush=True)
    return 1 if failed else 0


def numbers(text):
    result = []
    for part in text.split(','):
        first, _, last = part.partition('-')
        result += range(int(first), int(last or first) + 1)
    return result


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest='command', required=True)
    command = commands.add_parser('fill')
    command.add_argument('dir')
    command.add_argument('seed', type=int)
    command = commands.add_parser('facts')
    command.add_argument('dir')
    command.add_argument('file')
    command = commands.add_parser('run')
    command.add_argument('--ubtrfs', default=os.environ.get('UBTRFS', 'build/ubtrfs'))
    command.add_argument('--work', required=True)
    command.add_argument('--blocks', type=numbers, default=[1, 10, 100])
    command.add_argument('--seeds', type=numbers, default=[1])
    command.add_argument('--table', action='store_true')
    command.add_argument('--keep', action='store_true')
    command.add_argument('image')
    command.add_argument('facts')
    args = parser.parse_args()
    if args.command == 'fill':
        fill(args.dir, args.seed)
    elif args.command == 'facts':
        with open(args.file, 'w') as f:
            json.dump(facts(args.dir), f)
    else:
        return run(args)
    return 0


if __name__ == '__main__':
    sys.exit(main())
