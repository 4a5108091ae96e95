#!/usr/bin/env python3
"""dump_compare.py [--full] [--list] [--only WORD] [--keep DIR]: dump-tree and dump-super of ours and of btrfs-progs.

On each image that dump_images.py makes, both programs are run with the same options, and every line of what they say must
be the same, but for the rules below that say what may differ and why. Normally a sample of the cases; with --full all of
them, each with every set of options. A line of TAP for each case.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

import dump_images

SAMPLE = ('crafted', 'zoo-1', 'node-4k', 'csum-blake2', 'oldest', 'mixed', 'profile-raid5', 'quota', 'squota', 'seed', 'metadata-uuid', 'received',
          'log-tree', 'orphans', 'replaced', 'cache-v1')
TREES = ('root', 'extent', 'chunk', 'dev', 'fs', 'csum', 'quota', 'uuid', 'free-space', 'block-group', 'data-reloc', 'tree-log',
         'raid-stripe', '256', '257')
TREE_OPTIONS = [[], ['--csum-headers', '--csum-items'], ['--dfs', '--hide-names']]
TREE_OPTIONS_FULL = [['--bfs'], ['-e'], ['-d'], ['-r'], ['-R'], ['-u'], ['--dfs'], ['--dfs', '-e']] + [['-t', t] for t in TREES]
SUPER_OPTIONS = [['-fa'], []]
SUPER_OPTIONS_FULL = [['-f'], ['-a'], ['-s', '1'], ['-F'], ['--bytenr', '67108864']]

# What may differ: each rule changes what both programs said to what must be the same, or is about an exit code.
# 1. The first line of dump-tree: each program names itself.
NAME_LINE = re.compile(r'^(btrfs-progs|ubtrfs) v')
# 2. --hide-names of btrfs-progs shows the names of subvolumes in ROOT_REF and ROOT_BACKREF; ours keeps the promise.
ROOT_REF = re.compile(r'^(\t\troot (?:back)?ref key dirid \d+ sequence \d+ name ).*')
# 3. A tree that is not there: ours fails, btrfs-progs prints nothing of it and succeeds.
NO_TREE = re.compile(r'has no tree \d+$', re.M)
# 4. Of a replace btrfs-progs shows the time of its start twice, ours the start and the stop.
STOP_TIME = re.compile(r'^(\t\tstop time ).*')


def lines_of(program, command, options, files):
    done = subprocess.run([program, 'inspect-internal', command, *options, *files], capture_output=True, timeout=120, check=False)
    # Not as text: a carriage return in a name is no end of a line.
    said, errors = (stream.decode('utf-8', 'surrogateescape') for stream in (done.stdout, done.stderr))
    text = [STOP_TIME.sub(r'\1', line) for line in said.split('\n') if not NAME_LINE.match(line)]
    if '--hide-names' in options:
        text = [ROOT_REF.sub(r'\1HIDDEN', line) for line in text]
    code = 0 if '-t' in options and NO_TREE.search(errors) else done.returncode
    return text, code, errors


def difference(ubtrfs, command, options, files):
    """None, or what to tell."""
    theirs, their_code, their_errors = lines_of('btrfs', command, options, files)
    ours, our_code, our_errors = lines_of(ubtrfs, command, options, files)
    if theirs == ours and (our_code == 0) == (their_code == 0):
        return None
    out = [f'{command} {" ".join(options)} {" ".join(files)}: exit codes {their_code} and {our_code}']
    out += [f'btrfs: {line}' for line in their_errors.splitlines()[:5]]
    out += [f'ubtrfs: {line}' for line in our_errors.splitlines()[:5]]
    return '\n'.join(out + first_differences(theirs, ours))


def first_differences(theirs, ours):
    """Where the first line differs, with what is around it (a whole diff of such texts takes minutes)."""
    at = next((i for i, (a, b) in enumerate(zip(theirs, ours)) if a != b), min(len(theirs), len(ours)))
    if at == len(theirs) == len(ours):
        return []
    out = [f'line {at + 1} of {len(theirs)} and {len(ours)}:'] + [f'  {line[:200]}' for line in theirs[max(at - 3, 0):at]]
    out += [f'- {line[:400]}' for line in theirs[at:at + 6]] + [f'+ {line[:400]}' for line in ours[at:at + 6]]
    return out


def blocks_of(files):
    """Two addresses for -b: of an internal node, if there is one, and of a leaf."""
    text = lines_of('btrfs', 'dump-tree', [], files)[0]
    nodes = [line.split()[1] for line in text if re.match(r'node \d+ level', line)]
    leaves = [line.split()[1] for line in text if re.match(r'leaf \d+ items', line)]
    return nodes[:1] + leaves[-1:]


def compare(ubtrfs, files, full):
    tree = TREE_OPTIONS + (TREE_OPTIONS_FULL if full else [])
    if full:
        for block in blocks_of(files):
            tree += [['-b', block], ['-b', block, '--follow'], ['-b', block, '--follow', '--dfs', '--csum-headers']]
        tree.append([word for block in blocks_of(files) for word in ('-b', block)])
    found = [difference(ubtrfs, 'dump-tree', options, files) for options in tree]
    found += [difference(ubtrfs, 'dump-super', options, files) for options in SUPER_OPTIONS + (SUPER_OPTIONS_FULL if full else [])]
    return [f for f in found if f]


def run_case(ubtrfs, name, make, work, full, keep):
    """What differs, in words; an empty list is good."""
    found = []
    with dump_images.Lab(work) as lab:
        for label, files in make(lab):
            found += [f'{label}: {text}' for text in compare(ubtrfs, files, full)]
            if keep:
                for file in files:
                    kept = f'{name}-{label.replace(" ", "-")}-{os.path.basename(file)}'
                    subprocess.run(['cp', '--sparse=always', file, os.path.join(keep, kept)], check=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--full', action='store_true', default=bool(os.environ.get('UBTRFS_FULL')))
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--only', default='')
    parser.add_argument('--keep', help='copies of the images go to this folder')
    args = parser.parse_args()
    cases = dump_images.cases()
    names = [n for n in cases if args.only in n and (args.full or args.only or n in SAMPLE)]
    if args.list:
        print('\n'.join(names))
        return 0
    ubtrfs = os.environ.get('UBTRFS') or shutil.which('ubtrfs')
    work = tempfile.mkdtemp(prefix='dump-compare.', dir=os.environ.get('TEST_TMP'))
    failed = 0
    print(f'1..{len(names)}')
    try:
        for number, name in enumerate(names, 1):
            try:
                found = run_case(ubtrfs, name, cases[name], work, args.full, args.keep)
            except Exception:  # pylint: disable=broad-except
                found = [traceback.format_exc()]
            # A tab, not a space, behind ok: bats counts only its own lines. So does its plan: ours is added to it.
            print(f'{"not ok" if found else "ok"}\t{number} {name}')
            for text in found:
                print('\n'.join('#   ' + line for line in text.split('\n')))
            failed += bool(found)
            sys.stdout.flush()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.stdout.reconfigure(errors='surrogateescape')
    sys.exit(main())
