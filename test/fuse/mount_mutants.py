#!/usr/bin/env python3
"""mount_mutants.py UBTRFS MUTATE_TEST DIR [--seed N] [--first N] [--nr N]

Mounts mutants (test/mutate) one after the other, walks, reads and writes through the mount, and unmounts: the
server must not die, nothing may hang, and the sanitizers of a dev build must say nothing. As root. DIR gets the
images and the mount point, and what was said of those that were a finding.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import time

ENTRIES_MAX = 250
OPERATIONS = 40
SECONDS_USE = 60
SECONDS_END = 60
BAD = ('AddressSanitizer', 'runtime error', 'assertion failed')


def tolerate(call, *args, **options):
    try:
        return call(*args, **options)
    except (OSError, ValueError, UnicodeError):
        return None


def read_some(path):
    with open(path, 'rb') as file:
        file.read(100000)
        file.seek(-10, 2)
        file.read(20)


def write_some(path, rng):
    with open(path, 'r+b') as file:
        file.seek(rng.randrange(200000))
        file.write(rng.randbytes(rng.randrange(1, 20000)))
        if rng.random() < 0.2:
            os.fsync(file.fileno())


def sync_dir(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def look(top):
    """The paths that there are; each is looked at."""
    paths, left = [top], ENTRIES_MAX
    for path in paths:
        entries = tolerate(os.listdir, path) or []
        for name in entries:
            full = os.path.join(path, name)
            left -= 1
            if left < 0:
                return paths
            st = tolerate(os.lstat, full)
            for xattr in tolerate(os.listxattr, full, follow_symlinks=False) or []:
                tolerate(os.getxattr, full, xattr, follow_symlinks=False)
            tolerate(os.readlink, full)
            paths.append(full)
            if st and (st.st_mode & 0o170000) == 0o100000:
                tolerate(read_some, full)
    return paths


def operate(top, paths, rng):
    for number in range(OPERATIONS):
        path, other = rng.choice(paths), rng.choice(paths)
        folder = other if os.path.isdir(other) else os.path.dirname(other)
        new = os.path.join(folder, 'new-%d' % number)
        what = rng.randrange(13)
        if what == 0:
            tolerate(write_some, path, rng)
        elif what == 1:
            tolerate(os.truncate, path, rng.randrange(300000))
        elif what == 2:
            tolerate(os.unlink, path)
        elif what == 3:
            tolerate(os.rmdir, path)
        elif what == 4:
            tolerate(os.rename, path, new)
        elif what == 5:
            tolerate(os.rename, path, other)
        elif what == 6:
            tolerate(os.link, path, new, follow_symlinks=False)
        elif what == 7:
            tolerate(os.mkdir, new)
        elif what == 8:
            tolerate(os.setxattr, path, 'user.new', rng.randbytes(rng.randrange(3000)))
        elif what == 9:
            tolerate(os.removexattr, path, 'user.a')
        elif what == 10:
            tolerate(os.chmod, path, rng.randrange(0o1000))
        elif what == 11:
            fd = tolerate(os.open, new, os.O_CREAT | os.O_RDWR, 0o644)
            if fd is not None:
                tolerate(os.write, fd, rng.randbytes(50000))
                tolerate(os.unlink, new)
                tolerate(os.write, fd, b'more')
                tolerate(os.posix_fallocate, fd, 100000, 50000)
                tolerate(os.close, fd)
        else:
            tolerate(os.statvfs, top)
            tolerate(sync_dir, folder)


def use(top, seed):
    """In a process of its own, so that it can hang alone."""
    pid = os.fork()
    if pid == 0:
        rng = random.Random(seed)
        operate(top, look(top), rng)
        look(top)
        os._exit(0)
    end = time.time() + SECONDS_USE
    while time.time() < end:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    return False


def is_mounted(top):
    with open('/proc/self/mountinfo') as file:
        return any(line.split()[4] == top for line in file)


class Mutant:
    def __init__(self, args, number):
        self.args, self.number = args, number
        self.images = os.path.join(args.dir, 'images')
        self.top = os.path.join(args.dir, 'mnt')
        self.log = os.path.join(args.dir, 'log')

    def finding(self, what):
        kept = os.path.join(self.args.dir, 'finding-%d-%d' % (self.args.seed, self.number))
        os.rename(self.log, kept)
        print('FINDING %s: mutant %d of seed %d: %s' % (what, self.number, self.args.seed, kept), flush=True)

    def make(self):
        os.makedirs(self.images, exist_ok=True)
        os.makedirs(self.top, exist_ok=True)
        for name in os.listdir(self.images):
            os.unlink(os.path.join(self.images, name))
        subprocess.run([self.args.mutate_test, '--seed', str(self.args.seed), '--first', str(self.number), '--save',
                        self.images], check=True, stdout=subprocess.DEVNULL)

    def start(self):
        disks = sorted(os.path.join(self.images, name) for name in os.listdir(self.images))
        options = ','.join(['commit=1', *('device=' + disk for disk in disks[1:])])
        # libfuse does not give all of its memory back.
        env = dict(os.environ, ASAN_OPTIONS='detect_leaks=0:handle_abort=1')
        with open(self.log, 'wb') as log:
            self.server = subprocess.Popen([self.args.ubtrfs, 'mount', '-f', '-o', options, disks[0], self.top],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def wait_end(self):
        try:
            return self.server.wait(SECONDS_END)
        except subprocess.TimeoutExpired:
            self.server.send_signal(signal.SIGABRT)
            self.server.wait()
            return None

    def run(self):
        """'refused', 'used' or 'bad'."""
        self.make()
        self.start()
        while self.server.poll() is None and not is_mounted(self.top):
            time.sleep(0.01)
        mounted, in_time = is_mounted(self.top), True
        if mounted:
            in_time = use(self.top, self.number)
            if not in_time:
                self.server.send_signal(signal.SIGABRT)
            subprocess.run(['umount', *([] if in_time else ['-l']), self.top], check=False,
                           stderr=subprocess.DEVNULL)
        code = self.wait_end()
        if is_mounted(self.top):
            subprocess.run(['umount', '-l', self.top], check=False)
        with open(self.log, errors='replace') as log:
            said = log.read()
        if not in_time or code is None:
            self.finding('hang')
        elif code not in (0, 1) or any(bad in said for bad in BAD):
            self.finding('crash')
        elif not mounted and 'ERROR' not in said:
            self.finding('mute')
        else:
            return 'used' if mounted else 'refused'
        return 'bad'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ubtrfs')
    parser.add_argument('mutate_test')
    parser.add_argument('dir')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--first', type=int, default=0)
    parser.add_argument('--nr', type=int, default=100)
    args = parser.parse_args()
    args.dir = os.path.realpath(args.dir)
    counts = {'refused': 0, 'used': 0, 'bad': 0}
    for number in range(args.first, args.first + args.nr):
        counts[Mutant(args, number).run()] += 1
    print('# %d mounts: %d refused, %d used, %d findings' %
          (args.nr, counts['refused'], counts['used'], counts['bad']))
    return 1 if counts['bad'] else 0


if __name__ == '__main__':
    sys.exit(main())
