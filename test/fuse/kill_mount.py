#!/usr/bin/env python3
"""kill_mount.py UBTRFS DIR [--rounds N] [--seed N]: SIGKILL of the mount at random moments under load. Root only.

An image in DIR is mounted, three writers create, overwrite, rename and remove files, each in a directory of its own, and
sync now and then; the server is killed. Then `btrfs check --check-data-csum` has to be clean, and the kernel's mount has to
show each file as it was at the last sync of its writer or as one of the writer's steps after it left it. The next round
goes on with the same image. Prints one line at the end; what is wrong is told, with the seed and the round.
"""
import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

ANY = 'any'
NR_WRITERS = 3
MAX_FILES = 60


class Wrong(Exception):
    """What the test finds."""


def digest(data):
    """A file's contents in short."""
    return hashlib.sha1(data).hexdigest()


class Writer(threading.Thread):
    """Works in a directory of its own. allowed: path -> the states that may be met there after a crash."""
    def __init__(self, mnt, number, files, seed):
        super().__init__(daemon=True)
        self.dir = os.path.join(mnt, 'd%d' % number)
        self.rng = random.Random(seed)
        self.current = dict(files)
        self.allowed = {name: {state} for name, state in files.items()}
        self.nr_steps = self.nr_syncs = 0
        self.broken = None

    def expect(self, name, state):
        """The next step leaves this, or is cut short."""
        self.allowed.setdefault(name, {self.current.get(name)}).add(state)

    def synced(self):
        """Everything before is on the device."""
        self.allowed = {name: {state} for name, state in self.current.items()}
        self.nr_syncs += 1

    def path(self, name):
        """Where it is."""
        return os.path.join(self.dir, name)

    def contents(self):
        """Some bytes; half of them compress."""
        data = self.rng.randbytes(self.rng.choice((0, 100, 3000, 4096, 70000, 300000)))
        return data if self.rng.random() < 0.5 else data[:len(data) // 2] * 2

    def write(self):
        """A new file, or all of an old one anew."""
        name = 'f%d' % self.rng.randrange(MAX_FILES)
        data = self.contents()
        self.expect(name, ANY)
        with open(self.path(name), 'wb', buffering=0) as out:
            if data and out.write(data) != len(data):
                raise Wrong('a short write')
            self.current[name] = digest(data)
            if self.rng.random() < 0.3:
                self.expect(name, self.current[name])
                os.fsync(out.fileno())
                self.allowed[name] = {self.current[name]}
                self.nr_syncs += 1

    def rename(self):
        """Over another, sometimes."""
        names = [name for name, state in self.current.items() if state]
        if not names:
            return
        old, new = self.rng.choice(names), 'f%d' % self.rng.randrange(MAX_FILES)
        if old == new:
            return
        state = self.current[old]
        for one in self.allowed.get(old, {state}) | {state}:
            self.expect(new, one)
        self.expect(old, None)
        os.rename(self.path(old), self.path(new))
        self.current[new], self.current[old] = state, None

    def unlink(self):
        """Away."""
        names = [name for name, state in self.current.items() if state]
        if not names:
            return
        name = self.rng.choice(names)
        self.expect(name, None)
        os.unlink(self.path(name))
        self.current[name] = None

    def sync(self):
        """Every file of this writer that may need it, and the directory, for the names."""
        for name in [name for name, states in self.allowed.items() if len(states) > 1] + ['.']:
            if name == '.' or self.current.get(name):
                fd = os.open(self.path(name), os.O_RDONLY)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
        self.synced()

    def run(self):
        try:
            while True:
                self.rng.choices((self.write, self.rename, self.unlink, self.sync), (10, 3, 3, 1))[0]()
                self.nr_steps += 1
        except Wrong as wrong:
            self.broken = str(wrong)
        except OSError as error:
            # What a killed server leaves: no transport, or an aborted request.
            if error.errno not in (107, 103, 5, 4):
                self.broken = '%s after %d steps' % (error, self.nr_steps)


def run(argv):
    """A command that has to succeed."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', check=False)
    if done.returncode:
        raise Wrong('%s: %s' % (' '.join(argv), done.stdout[-2000:]))
    return done.stdout


def wait_mounted(server, mnt):
    """The server has mounted."""
    for _ in range(200):
        if os.path.ismount(mnt):
            return
        if server.poll() is not None:
            raise Wrong('the mount ends with %d: %s' % (server.returncode, server.stderr.read()))
        time.sleep(0.05)
    raise Wrong('nothing is mounted after 10 s')


def look(mnt, number):
    """What the directory of a writer holds."""
    there = {}
    folder = os.path.join(mnt, 'd%d' % number)
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), 'rb') as stream:
            there[name] = digest(stream.read())
    return there


def judge(there, writer):
    """Each name is in a state that it may be in."""
    for name in set(there) | set(writer.allowed):
        state, allowed = there.get(name), writer.allowed.get(name, {writer.current.get(name)})
        if ANY not in allowed and state not in allowed:
            raise Wrong('%s/%s is %s, and may be %s' % (writer.dir, name, state, ' or '.join(map(str, allowed))))


def one_round(args, image, mnt, kernel, states, rng):
    """Mount, load, kill, judge. Gives back what is there."""
    with subprocess.Popen([args.ubtrfs, 'mount', '-f', image, mnt], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, errors='replace') as server:
        try:
            wait_mounted(server, mnt)
            for number in range(NR_WRITERS):
                os.makedirs(os.path.join(mnt, 'd%d' % number), exist_ok=True)
            os.sync()
            for number in range(NR_WRITERS):
                if look(mnt, number) != states[number]:
                    raise Wrong('our own mount shows another d%d than the kernel' % number)
            writers = [Writer(mnt, i, states[i], rng.random()) for i in range(NR_WRITERS)]
            for writer in writers:
                writer.start()
            time.sleep(rng.random() * args.seconds)
            if server.poll() is not None:
                raise Wrong('the mount died by itself with %d: %s' % (server.returncode, server.stderr.read()))
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait()
            subprocess.run(['umount', '-l', mnt], stderr=subprocess.DEVNULL, check=False)
    for writer in writers:
        writer.join(30)
        if writer.is_alive() or writer.broken:
            raise Wrong('writer in %s: %s' % (writer.dir, writer.broken or 'hangs'))
    run(['btrfs', 'check', '--check-data-csum', image])
    loop = run(['flock', '/run/lock', 'losetup', '-f', '--show', image]).strip()
    try:
        run(['mount', '-t', 'btrfs', '-o', 'ro', loop, kernel])
        try:
            there = [look(kernel, number) for number in range(NR_WRITERS)]
        finally:
            run(['umount', kernel])
    finally:
        run(['losetup', '-d', loop])
    for number, writer in enumerate(writers):
        judge(there[number], writer)
    return there, sum(w.nr_steps for w in writers), sum(w.nr_syncs for w in writers)


def main():
    """All rounds."""
    parser = argparse.ArgumentParser(description='Kill the mount under load.')
    parser.add_argument('ubtrfs')
    parser.add_argument('dir')
    parser.add_argument('--rounds', type=int, default=300)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--seconds', type=float, default=1.0, help='a round lives at most so long')
    args = parser.parse_args()
    image, mnt, kernel = (os.path.join(args.dir, name) for name in ('image', 'mnt', 'kernel'))
    rng = random.Random(args.seed)
    os.mkdir(mnt)
    os.mkdir(kernel)
    with open(image, 'wb') as out:
        out.truncate(1 << 30)
    run(['mkfs.btrfs', '-q', image])
    states = [{} for _ in range(NR_WRITERS)]
    steps = syncs = 0
    for number in range(args.rounds):
        try:
            states, more, synced = one_round(args, image, mnt, kernel, states, rng)
        except Wrong as wrong:
            print('seed %d, round %d: %s' % (args.seed, number, wrong))
            return 1
        steps, syncs = steps + more, syncs + synced
    print('%d rounds, %d steps, %d syncs' % (args.rounds, steps, syncs))
    return 0


if __name__ == '__main__':
    sys.exit(main())
