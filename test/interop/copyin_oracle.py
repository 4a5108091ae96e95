#!/usr/bin/env python3
"""copyin_oracle.py WORK [--full] [--seed N]: cp(1) into a kernel mount, and ubtrfs cp with the same arguments into a copy of the image.

For each case: where cp succeeds, the trees must hold the same (names, kinds, contents, owners, modes, links, xattrs, times that were
kept), and btrfs check is clean; where cp fails, ours fails and the image is as it was. Sources are read three ways: from this machine,
from another image, and from the image that is written. Where ours differs from cp on purpose, the case says so. Prints what
differs; exits 1 when something does. UBTRFS names the command; WORK is a directory of our own.
"""
import argparse
import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
import time

UBTRFS = os.environ.get('UBTRFS', 'ubtrfs')
OLD = 1500000000


def run(*args, **kwargs):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', **kwargs)


def must(*args):
    done = run(*args)
    if done.returncode:
        sys.exit(f'{" ".join(args)}: {done.stdout}')
    return done.stdout


class Mount:
    """An image mounted; loop devices are taken one at a time and always given back."""

    def __init__(self, image, where):
        self.image, self.where = image, where

    def __enter__(self):
        self.dev = must('flock', '/run/lock', 'losetup', '-f', '--show', self.image).strip()
        try:
            must('mount', '-t', 'btrfs', self.dev, self.where)
        except BaseException:
            run('losetup', '-d', self.dev)
            raise
        return self.where

    def __exit__(self, *_):
        must('umount', self.where)
        run('btrfs', 'device', 'scan', '--forget', self.dev)
        must('losetup', '-d', self.dev)


def write(path, data, mode=0o644, uid=0, when=OLD):
    with open(path, 'wb') as file:
        file.write(data)
    os.chown(path, uid, uid)
    os.chmod(path, mode)
    os.utime(path, ns=(when * 10**9 + 7, when * 10**9 + 123456789))


def make_source(top):
    """Every kind of thing that cp treats in a way of its own."""
    os.makedirs(f'{top}/dir/sub/deep')
    write(f'{top}/file', b'the file\n', 0o640, 1001)
    write(f'{top}/exec', b'#!/bin/sh\n', 0o4755, 1002)
    write(f'{top}/empty', b'')
    write(f'{top}/big', random.Random(1).randbytes(400000), 0o600, 1003)
    write(f'{top}/newer', b'newer than what is there\n', 0o644, 0, OLD + 10**8)
    write(f'{top}/older', b'older than what is there\n', 0o644, 0, OLD - 10**8)
    with open(f'{top}/sparse', 'wb') as file:
        file.truncate(3 * 2**20 + 5)
        file.seek(2**20)
        file.write(b'data' * 3000)
        file.seek(2**20 + 131072)
        file.write(bytes(65536) + b'x')
    os.setxattr(f'{top}/file', 'user.name', b'value')
    os.setxattr(f'{top}/dir', 'user.dir', b'value of a directory')
    must('setfacl', '-m', 'u:1005:rwx,g:1006:r', f'{top}/exec')
    must('setfacl', '-d', '-m', 'u:1005:rwx', f'{top}/dir/sub')
    os.link(f'{top}/file', f'{top}/dir/link')
    os.link(f'{top}/file', f'{top}/dir/sub/link2')
    os.symlink('file', f'{top}/symlink')
    os.symlink('dir', f'{top}/symdir')
    os.symlink('nowhere', f'{top}/dangling')
    os.symlink('../file', f'{top}/dir/up')
    os.mkfifo(f'{top}/dir/fifo', 0o622)
    os.mknod(f'{top}/dir/device', stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for number in range(40):
        write(f'{top}/dir/sub/n{number}', b'%d' % number * (number * 97), 0o644 | number % 8)
    os.chmod(f'{top}/dir/sub', 0o1777)
    os.chown(f'{top}/dir', 1001, 1002)
    os.chmod(f'{top}/dir', 0o2755)
    for path in ('dir/sub/deep', 'dir/sub', 'dir', ''):
        os.utime(f'{top}/{path}', ns=(OLD * 10**9, OLD * 10**9 + 1))


def make_target(top):
    os.makedirs(f'{top}/t/dir/sub')
    os.makedirs(f'{top}/t/file_as_dir/file')
    os.makedirs(f'{top}/t/empty_dir')
    os.makedirs(f'{top}/t/setgid')
    os.chown(f'{top}/t/setgid', 0, 1234)
    os.chmod(f'{top}/t/setgid', 0o2775)
    write(f'{top}/t/file', b'an old file that is longer than the new one\n', 0o666, 1100)
    write(f'{top}/t/newer', b'old\n')
    write(f'{top}/t/older', b'old\n')
    write(f'{top}/t/big', random.Random(2).randbytes(900000), 0o644, 1101)
    write(f'{top}/t/dir/sub/n5', b'another n5\n')
    write(f'{top}/t/dir/other', b'stays\n')
    write(f'{top}/t/dir/linked', b'two names\n')
    os.link(f'{top}/t/dir/linked', f'{top}/t/dir/link')
    os.symlink('victim', f'{top}/t/symlink')
    write(f'{top}/t/victim', b'behind a symlink\n')
    os.symlink('victim', f'{top}/t/exec')
    os.symlink('nothing', f'{top}/t/empty')
    os.symlink('dir', f'{top}/t/to_dir')
    os.setxattr(f'{top}/t/file', 'user.old', b'old')
    must('setfacl', '-m', 'u:1007:rwx', f'{top}/t/file')
    os.mkdir(f'{top}/t/acl')
    must('setfacl', '-d', '-m', 'u:1005:rwx,g:1006:r-x,o:--x', f'{top}/t/acl')
    os.mkdir(f'{top}/t/acl_plain')
    must('setfacl', '-d', '-m', 'u::rwx,g::r-x,o::r-x', f'{top}/t/acl_plain')
    os.mkdir(f'{top}/t/nodir')
    write(f'{top}/t/nodir/dir', b'no directory\n')


# OPTIONS, SOURCES, DEST (below t/). None: whether cp fails is the same, but what is there is not compared.
CASES = [
    ('', ['file'], 'new'), ('', ['file'], ''), ('', ['file'], 'file'), ('', ['file', 'big', 'empty_not'], ''),
    ('', ['file', 'big'], ''), ('', ['file', 'big'], 'new'), ('', ['file'], 'new/'), ('', ['file'], 'missing/new'),
    ('', ['dir'], 'new'), ('', ['symlink'], 'new'), ('', ['dangling'], 'new'), ('', ['file'], 'file/'),
    ('', ['exec'], ''), ('', ['empty'], ''), ('', ['big'], 'big'), ('', ['file'], 'to_dir'), ('-T', ['file'], 'to_dir'),
    ('-T', ['file'], 'dir'), ('-T', ['file'], 'new'), ('', ['file'], 'setgid'), ('', ['file'], 'acl'), ('-r', ['dir'], 'acl'), ('-a', ['dir/.'], 'acl'), ('-r', ['exec', 'dir'], 'acl_plain'),
    ('--preserve=timestamps', ['exec', 'file', 'symlink'], 'acl'), ('-rP', ['symlink', 'dir/fifo'], 'acl'), ('', ['file'], 'file_as_dir'),
    ('-r', ['dir'], 'new'), ('-r', ['dir'], ''), ('-r', ['dir/.'], 'new'), ('-r', ['dir/.'], ''), ('-r', ['dir/'], 'dir'),
    ('-r', ['dir'], 'new/'), ('-r', ['dir'], 'file'), ('-r', ['dir'], 'nodir'), ('-r', ['dir', 'file', 'symlink'], 'empty_dir'),
    ('-r', ['.'], 'new'), ('-r', ['.'], 'empty_dir'), ('-r', ['dir/sub/..'], 'empty_dir'), ('-r', ['dir'], 'setgid'),
    ('-rT', ['dir'], 'dir'), ('-rT', ['dir'], 'new'), ('-rT', ['dir/.'], 'dir'), ('-r', ['symdir'], 'new'),
    ('-r', ['symdir/'], 'new'), ('-rL', ['symdir'], 'new'), ('-rH', ['symdir', 'dir'], 'empty_dir'), ('-rL', ['dir'], 'new'),
    ('-rP', ['symdir'], 'new'), ('-P', ['symlink'], 'new'), ('-P', ['symlink'], ''), ('-d', ['symlink', 'file'], 'empty_dir'),
    ('-a', ['.'], 'new'), ('-a', ['.'], 'empty_dir'), ('-a', ['dir'], ''), ('-a', ['dir/.'], ''), ('-a', ['dir/.'], 'dir'),
    ('-a', ['file'], ''), ('-a', ['file'], 'file'), ('-a', ['exec'], ''), ('-a', ['file', 'dir'], 'empty_dir'),
    ('-a', ['dir', 'file'], 'empty_dir'), ('-a', ['symlink', 'dangling'], ''), ('-a', ['sparse'], 'big'), ('-a', ['dir'], 'setgid'),
    ('-aL', ['symdir'], 'new'), ('-a', ['file', 'dir/link'], 'empty_dir'), ('-aT', ['dir'], 'to_dir'), ('-a', ['dir/fifo'], 'file'),
    ('-p', ['exec'], 'new'), ('-p', ['file'], 'file'), ('-rp', ['dir'], ''), ('--preserve=mode', ['exec'], 'new'),
    ('--preserve=ownership', ['exec'], 'new'), ('--preserve=timestamps', ['file'], 'file'), ('--preserve=xattr', ['file'], 'file'),
    ('-r --preserve=links', ['.'], 'new'), ('-a --no-preserve=mode', ['dir'], 'new'), ('-a --no-preserve=ownership', ['dir'], 'new'),
    ('-a --no-preserve=links', ['.'], 'new'), ('-a --no-preserve=timestamps', ['exec'], 'new'), ('--no-preserve=mode', ['exec'], 'new'),
    ('-n', ['file'], 'file'), ('-n', ['file', 'exec', 'big'], ''), ('-rn', ['dir'], ''), ('-n', ['file'], 'new'),
    ('-u', ['newer', 'older', 'file'], ''), ('-ru', ['dir'], ''), ('-au', ['dir/sub'], 'dir'), ('-u', ['file'], 'new'),
    ('--remove-destination', ['file', 'exec', 'empty'], ''), ('-a --remove-destination', ['.'], ''), ('-f', ['file'], 'file'),
    ('-x -r', ['.'], 'new'), ('--sparse=never', ['sparse'], 'new'), ('--sparse=always', ['sparse', 'big'], ''), ('-a --sparse=never', ['sparse'], 'new'),
    ('-t', ['file', 'big'], ''), ('-t', ['file'], 'file'), ('-t', ['file'], 'new'), ('--reflink=auto', ['big'], 'new'),
    ('', ['file', 'dir/sub/n1', 'file'], ''), ('', ['file', 'dir/up'], 'empty_dir'), ('-r', ['dir/sub', 'dir/sub'], 'empty_dir'),
    ('-a', ['symlink', 'dir/sub/n3'], 'empty_dir'), ('', ['missing'], ''), ('-r', ['dir', 'missing'], ''), ('', ['file'], '..'), ('', ['file'], 'dir/../'),
    ('-r', ['dir'], 'dir/sub'), ('-a', ['dir/sub'], 'dir'), ('-R', ['dir/device', 'dir/fifo'], 'empty_dir'), ('-rL', ['dangling'], 'new'),
]


def listing(top, started, blocks):
    """What there is, comparable: a time of this run is only 'now'."""
    found, inodes = {}, {}
    for path, dirs, files in os.walk(top, followlinks=False):
        dirs.sort()
        for name in [''] + sorted(files) + [d for d in dirs if os.path.islink(os.path.join(path, d))]:
            full = os.path.join(path, name) if name else path
            st = os.lstat(full)
            rel = os.path.relpath(full, top)
            fact = {'mode': oct(st.st_mode), 'owner': (st.st_uid, st.st_gid)}
            if not stat.S_ISDIR(st.st_mode):
                fact['links'] = st.st_nlink
                fact['first'] = inodes.setdefault(st.st_ino, rel)
            if stat.S_ISREG(st.st_mode):
                fact['size'] = st.st_size
                with open(full, 'rb') as file:
                    fact['data'] = hashlib.sha1(file.read()).hexdigest()
                if blocks:
                    fact['blocks'] = st.st_blocks
            elif stat.S_ISLNK(st.st_mode):
                fact['target'] = os.readlink(full)
            elif not stat.S_ISDIR(st.st_mode):
                fact['rdev'] = st.st_rdev
            fact['mtime'] = st.st_mtime_ns if st.st_mtime < started - 1000 else 'now'
            fact['xattrs'] = {x: os.getxattr(full, x, follow_symlinks=False) for x in os.listxattr(full, follow_symlinks=False)}
            found[rel] = fact
    return found


def differences(want, got):
    out = []
    for path in sorted(set(want) | set(got)):
        if path not in got or path not in want:
            out.append(f'{path}: only {"there" if path in want else "in ours"}')
        elif want[path] != got[path]:
            keys = [k for k in want[path] if want[path].get(k) != got[path].get(k)]
            out.append(f'{path}: ' + ', '.join(f'{k} {want[path].get(k)} became {got[path].get(k)}' for k in keys))
    return out


# Where ours is not what cp does: modes that its way of setting ACLs loses, xattrs of what a symlink leads to.
QUIRKS = {
    ('-a', 'setgid'): ('deep: mode 0o42750 became 0o40750',),
    ('-aL', 'new'): ("t/new: xattrs {} became {'user.dir'",),
}


class Oracle:
    def __init__(self, work, mkfs):
        self.work, self.mnt, self.base = work, f'{work}/mnt', f'{work}/base.img'
        self.src, self.other = f'{work}/src', f'{work}/other.img'
        os.mkdir(self.mnt)
        os.mkdir(self.src)
        make_source(self.src)
        for image in (self.base, self.other):
            with open(image, 'wb') as file:
                file.truncate(256 << 20)
            must('mkfs.btrfs', '-q', *mkfs.split(), image)
            with Mount(image, self.mnt) as top:
                must('cp', '-a', self.src, f'{top}/src')
                if image == self.base:
                    make_target(top)

    def cp(self, options, sources, dest, source_top, dest_top, command):
        args = options.split()
        sources = [f'{source_top}/{s}' for s in sources]
        dest = f'{dest_top}/t/{dest}'
        if '-t' in args:
            args.remove('-t')
            return run(*command, *args, '-t', dest, *sources)
        return run(*command, *args, *sources, dest)

    def case(self, options, sources, dest, way):
        """None, or what is wrong."""
        a, b = f'{self.work}/a.img', f'{self.work}/b.img'
        started = time.time()
        for image in (a, b):
            must('cp', '--sparse=always', '--reflink=auto', self.base, image)
        with Mount(a, self.mnt) as top:
            theirs = self.cp(options, sources, dest, f'{top}/src' if way == 'within' else self.src, top, ['cp'])
        source = {'host': self.src, 'other': f'{self.other}:/src', 'within': f'{b}:/src'}[way]
        ours = self.cp(options, sources, dest, source, f'{b}:', [UBTRFS, 'cp'])
        if ours.returncode not in (0, 1):
            return f'ours exits with {ours.returncode}: {ours.stdout}'
        if (theirs.returncode == 0) != (ours.returncode == 0):
            return f'cp exits with {theirs.returncode} ({theirs.stdout.strip()}), ours with {ours.returncode} ({ours.stdout.strip()})'
        check = run('btrfs', 'check', '--check-data-csum', b)
        if check.returncode or 'no error found' not in check.stdout:
            return f'btrfs check: {check.stdout}'
        with Mount(self.base if ours.returncode else a, self.mnt) as top:
            # What cp makes of zeros without being told is its own affair; within a filesystem it shares blocks.
            blocks = '--sparse' in options and way != 'within'
            want = listing(top, started, blocks)
        with Mount(b, self.mnt) as top:
            got = listing(top, started, blocks)
        wrong = [w for w in differences(want, got) if not any(q in w for q in QUIRKS.get((options, dest), ()))]
        return '; '.join(wrong[:6]) if wrong else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('work')
    parser.add_argument('--full', action='store_true')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--nr', type=int, default=45, help='cases of a sample')
    parser.add_argument('--mkfs', default='')
    parser.add_argument('--only', default='')
    args = parser.parse_args()
    os.umask(0o027)
    oracle = Oracle(args.work, args.mkfs)
    cases = [(*case, way) for case in CASES for way in ('host', 'other', 'within')]
    if not args.full:
        cases = random.Random(args.seed).sample(cases, args.nr)
    if args.only:
        cases = [c for c in cases if args.only in f'cp {c[0]} {" ".join(c[1])} {c[2]}']
    bad = 0
    for options, sources, dest, way in cases:
        wrong = oracle.case(options, sources, dest, way)
        if wrong:
            bad += 1
            print(f'cp {options} {" ".join(sources)} t/{dest} ({way}): {wrong}')
    print(f'{len(cases)} cases, {bad} differ')
    shutil.rmtree(args.work, ignore_errors=True)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
