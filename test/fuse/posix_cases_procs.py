"""Several processes: locks of all three kinds, notifications, leases, executing, descriptors handed over, sockets and fifos by name."""
import fcntl
import os
import select
import signal
import socket
import struct
import time

from posix_calls import LIBC, case, errno_name

OFD_GETLK, OFD_SETLK = 36, 37
IN_NAMES = {1: 'ACCESS', 2: 'MODIFY', 4: 'ATTRIB', 8: 'CLOSE_WRITE', 0x10: 'CLOSE_NOWRITE', 0x20: 'OPEN', 0x40: 'MOVED_FROM', 0x80: 'MOVED_TO', 0x100: 'CREATE', 0x200: 'DELETE',
            0x400: 'DELETE_SELF', 0x800: 'MOVE_SELF'}


def flock_struct(kind, start=0, length=0, whence=0):
    return struct.pack('hhqqi4x', kind, whence, start, length, 0)


def told_by_child(work):
    """What a child answers."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = work()
        except OSError as e:
            answer = errno_name(e.errno)
        os.write(w, str(answer).encode())
        os._exit(0)
    os.close(w)
    answer = os.read(r, 10000).decode()
    os.close(r)
    os.waitpid(pid, 0)
    return answer


def tried(command, kind, start, length):
    fd = os.open('f', os.O_RDWR)
    return fcntl.fcntl(fd, command, flock_struct(kind, start, length)) and 'got it'


@case
def record_locks(c):
    c.make('f', b'0123456789' * 10)
    fd = c.open('f', os.O_RDWR)
    for name, command in (('POSIX', fcntl.F_SETLK), ('OFD', OFD_SETLK)):
        for kind, start, length in ((fcntl.F_WRLCK, 0, 10), (fcntl.F_RDLCK, 20, 10), (fcntl.F_WRLCK, 50, 0), (fcntl.F_UNLCK, 3, 4), (fcntl.F_RDLCK, 2**62, 1), (fcntl.F_WRLCK, -1, 1),
                                    (fcntl.F_WRLCK, 0, -1), (fcntl.F_WRLCK, 100, -10), (9, 0, 1)):
            c.said(f'{name} {kind} {start} {length}', lambda: bool(fcntl.fcntl(fd, command, flock_struct(kind, start, length))))
        for other, command2 in (('POSIX', fcntl.F_SETLK), ('OFD', OFD_SETLK)):
            for kind, start, length in ((fcntl.F_WRLCK, 0, 1), (fcntl.F_RDLCK, 0, 1), (fcntl.F_WRLCK, 3, 4), (fcntl.F_RDLCK, 25, 1), (fcntl.F_WRLCK, 25, 1), (fcntl.F_RDLCK, 1000, 1), (fcntl.F_WRLCK, 40, 5)):
                c.note(f'{name} against {other} {kind} {start} {length}', told_by_child(lambda: tried(command2, kind, start, length)))
        asked = told_by_child(lambda: struct.unpack('hhqqi4x', fcntl.fcntl(os.open('f', os.O_RDWR), fcntl.F_GETLK, flock_struct(fcntl.F_WRLCK, 0, 0)))[:4])
        c.note(f'{name} F_GETLK', asked)
        c.said('unlocked', lambda: bool(fcntl.fcntl(fd, command, flock_struct(fcntl.F_UNLCK))))
        c.note(f'{name} given back', told_by_child(lambda: tried(fcntl.F_SETLK, fcntl.F_WRLCK, 0, 0)))
    c.said('lock', lambda: bool(fcntl.fcntl(fd, fcntl.F_SETLK, flock_struct(fcntl.F_WRLCK, 0, 10))))
    other = c.open('f', os.O_RDONLY)
    c.close(other)
    c.note('any close gives POSIX locks back', told_by_child(lambda: tried(fcntl.F_SETLK, fcntl.F_WRLCK, 0, 0)))
    ro = c.open('f', os.O_RDONLY)
    c.said('write lock without writing', lambda: bool(fcntl.fcntl(ro, fcntl.F_SETLK, flock_struct(fcntl.F_WRLCK))))
    d = c.open('.', os.O_RDONLY)
    c.said('lock of a directory', lambda: bool(fcntl.fcntl(d, fcntl.F_SETLK, flock_struct(fcntl.F_RDLCK))))


@case
def whole_locks(c):
    """flock: by open file, shared and exclusive, converted, of directories."""
    c.make('f')
    c.make_dir('d')
    for name in ('f', 'd'):
        fd = c.open(name, os.O_RDONLY)
        for mode in (fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN, fcntl.LOCK_EX, 0, 64):
            c.call('flock', fd, mode | fcntl.LOCK_NB, show=f'{name} {mode}')
            for theirs in (fcntl.LOCK_SH, fcntl.LOCK_EX):
                c.note(f'child {theirs}', told_by_child(lambda: fcntl.flock(os.open(name, os.O_RDONLY), theirs | fcntl.LOCK_NB)))
        c.note('inherited', told_by_child(lambda: fcntl.flock(fd, fcntl.LOCK_UN)))
        c.note('given back by the child', told_by_child(lambda: fcntl.flock(os.open(name, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)))


@case
def waiting_for_locks(c):
    c.make('f')
    fd = c.open('f', os.O_RDWR)
    for name, lock, unlock in (('flock', lambda f: fcntl.flock(f, fcntl.LOCK_EX), lambda f: fcntl.flock(f, fcntl.LOCK_UN)),
                               ('POSIX', lambda f: fcntl.lockf(f, fcntl.LOCK_EX), lambda f: fcntl.lockf(f, fcntl.LOCK_UN))):
        lock(fd)
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            lock(os.open('f', os.O_RDWR))
            os.write(w, b'got it')
            os._exit(0)
        early = select.select([r], [], [], 0.1)[0]
        unlock(fd)
        late = select.select([r], [], [], 10)[0]
        os.waitpid(pid, 0)
        c.note(name, f'early {bool(early)} late {bool(late)}')


@case
def leases(c):
    c.make('f')
    fd = c.open('f', os.O_RDONLY)
    for kind in (0, 1, 2):
        c.said(f'F_SETLEASE {kind}', lambda: fcntl.fcntl(fd, fcntl.F_SETLEASE, kind))
        c.said('F_GETLEASE', lambda: fcntl.fcntl(fd, fcntl.F_GETLEASE))
    d = c.open('.', os.O_RDONLY)
    c.said('F_NOTIFY', lambda: fcntl.fcntl(d, fcntl.F_NOTIFY, 0))


@case
def notified(c):
    """inotify: what is told about each call."""
    c.make_dir('d')
    c.make('d/f', b'text')
    c.make_dir('e')
    watch = LIBC.inotify_init1(os.O_NONBLOCK)
    for path in (b'd', b'd/f', b'e'):
        LIBC.inotify_add_watch(watch, path, 0xfff)
    def events(what):
        told = []
        try:
            data = os.read(watch, 65536)
        except BlockingIOError:
            data = b''
        at = 0
        while at < len(data):
            wd, mask, cookie, length = struct.unpack_from('iIII', data, at)
            name = data[at + 16:at + 16 + length].rstrip(b'\0').decode()
            told.append(f'{wd} {"|".join(n for b, n in IN_NAMES.items() if mask & b)}{" DIR" if mask & 0x40000000 else ""}{" IGNORED" if mask & 0x8000 else ""} {name}')
            at += 16 + length
        c.note(f'events of {what}', told)
    c.quiet = True
    steps = (('open', lambda: os.close(os.open('d/f', os.O_RDONLY))), ('read', lambda: open('d/f').read()), ('write', lambda: open('d/f', 'a').write('x')),
             ('truncate', lambda: os.truncate('d/f', 1)), ('chmod', lambda: os.chmod('d/f', 0o600)), ('utime', lambda: os.utime('d/f')),
             ('setxattr', lambda: os.setxattr('d/f', 'user.a', b'b')), ('link', lambda: os.link('d/f', 'e/g')), ('create', lambda: open('d/new', 'w').close()),
             ('mkdir', lambda: os.mkdir('d/sub')), ('symlink', lambda: os.symlink('x', 'd/l')), ('rename', lambda: os.rename('d/new', 'd/newer')),
             ('rename away', lambda: os.rename('d/newer', 'e/newer')), ('exchange', lambda: LIBC.renameat2(-100, b'd/f', -100, b'e/newer', 2)), ('listing', lambda: os.listdir('d')),
             ('fallocate', lambda: os.posix_fallocate(os.open('e/g', os.O_RDWR), 0, 5000)), ('copy', lambda: os.copy_file_range(os.open('e/g', os.O_RDONLY), os.open('e/copy', os.O_RDWR | os.O_CREAT), 100)),
             ('unlink', lambda: os.unlink('e/g')), ('rmdir', lambda: os.rmdir('d/sub')), ('unlink all', lambda: [os.unlink('d/f'), os.unlink('d/l'), os.unlink('e/newer'), os.unlink('e/copy')]), ('rmdir all', lambda: [os.rmdir('d'), os.rmdir('e')]))
    for name, step in steps:
        step()
        events(name)
    c.quiet = False
    c.before = c.snapshot()


@case
def executed(c):
    """By mode, script, while it is written to, with set-id bits."""
    with open('/bin/true', 'rb') as f:
        program = f.read()
    c.make('prog', program, 0o755)
    c.make('script', b'#!/bin/sh\nid -u; id -g\n', 0o755)
    c.make('no', program, 0o644)
    c.make('empty', b'', 0o755)
    c.make('suid', b'x', 0o6755, (1002, 1002))
    with open('/usr/bin/id', 'rb') as f:
        c.make('id', f.read(), 0o6755, (1002, 1002))
    def run(path, *args):
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(w, 1)
            try:
                os.execv(path, [path, *args])
            except OSError as e:
                os.write(1, errno_name(e.errno).encode())
            os._exit(1)
        os.close(w)
        os.waitpid(pid, 0)
        return os.read(r, 1000)
    for user in ('root', 'u1'):
        with c.by(user):
            for name in ('./prog', './script', './no', './empty', './missing', '.', './prog/x'):
                c.note(f'exec {name}', run(name))
            c.note('exec with bits', run('./id', '-u'))
            c.note('exec with bits', run('./id', '-g'))
    fd = c.open('prog', os.O_WRONLY)
    c.note('exec of what is written', run('./prog'))
    c.close(fd)
    pid = os.fork()
    if pid == 0:
        with open('/bin/sleep', 'rb') as f, open('sleeper', 'wb') as g:
            g.write(f.read())
        os.chmod('sleeper', 0o755)
        os.execv('./sleeper', ['./sleeper', '300'])
    while not os.path.exists('sleeper') or not os.readlink(f'/proc/{pid}/exe').endswith('/sleeper'):
        time.sleep(0.01)
    c.open('sleeper', os.O_RDWR)
    c.truncate('sleeper', 0)
    c.unlink('sleeper')
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@case
def sockets_and_fifos(c):
    c.make_dir('d', 0o777)
    with c.by('u1'):
        server = socket.socket(socket.AF_UNIX)
        c.said('bind', server.bind, 'd/sock')
        c.said('bind again', socket.socket(socket.AF_UNIX).bind, 'd/sock')
        server.listen()
    with c.by('u2'):
        c.said('connect of another', socket.socket(socket.AF_UNIX).connect, 'd/sock')
    c.chmod('d/sock', 0o777)
    with c.by('u2'):
        client = socket.socket(socket.AF_UNIX)
        c.said('connect', client.connect, 'd/sock')
    c.open('d/sock', os.O_RDWR)
    c.rename('d/sock', 'd/moved')
    c.said('connect moved', socket.socket(socket.AF_UNIX).connect, 'd/moved')
    c.unlink('d/moved')
    c.said('connect unlinked', socket.socket(socket.AF_UNIX).connect, 'd/moved')
    os.mkfifo('p')
    c.before = c.snapshot()
    c.open('p', os.O_WRONLY | os.O_NONBLOCK)
    r = c.open('p', os.O_RDONLY | os.O_NONBLOCK)
    w = c.open('p', os.O_WRONLY | os.O_NONBLOCK)
    c.quiet = True
    c.write(w, b'through')
    c.read(r, 100)
    c.close(w)
    c.read(r, 100)
    c.seek(r, 0, 0)


@case
def handed_over(c):
    """A descriptor sent to a process without the right to open the file."""
    c.make('f', b'secret', 0o600)
    fd = c.open('f', os.O_RDWR)
    a, b = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        os.setresgid(1001, 1001, 1001)
        os.setgroups([])
        os.setresuid(1001, 1001, 1001)
        _, fds, _, _ = socket.recv_fds(b, 10, 1)
        os.pwrite(fds[0], b'by u1', 100)
        os.ftruncate(fds[0], 103)
        b.send(os.pread(fds[0], 6, 0))
        os._exit(0)
    socket.send_fds(a, [b'x'], [int(fd)])
    c.note('read', a.recv(100))
    os.waitpid(pid, 0)
    c.pread(fd, 200, 0)


@case
def working_directory(c):
    """A directory that is moved, that loses its rights, that is removed, under a process in it."""
    c.make_dir('d', 0o777)
    c.make_dir('d/e', 0o777)
    top = os.open('.', os.O_RDONLY)
    os.chdir('d/e')
    c.quiet = True
    with c.by('u1'):
        c.said('getcwd', lambda: os.getcwd().split('/')[-2:])
        c.mkdir('x', 0o755)
        with c.as_root():
            os.chmod('../../d', 0)
        c.said('listdir', lambda: sorted(os.listdir('.')))
        c.open('..', os.O_RDONLY)
        c.open('../e', os.O_RDONLY)
        c.rmdir('x')
    os.chmod('../../d', 0o755)
    os.rename('../e', '../../moved')
    c.said('getcwd', lambda: os.getcwd().split('/')[-1])
    os.rmdir('../moved')
    c.said('getcwd', os.getcwd)
    c.said('listdir', lambda: os.listdir('.'))
    c.open('f', os.O_CREAT | os.O_RDWR)
    c.mkdir('x', 0o755)
    c.open('.', os.O_RDONLY)
    c.access('..', os.F_OK)
    c.chdir('.')
    os.fchdir(top)
    c.before = c.snapshot()


@case
def many_threads_one_name(c):
    """Of several who create, rename onto or remove one name exactly one is told that he did."""
    def race(work):
        pids, r, w = [], *os.pipe()
        for i in range(4):
            pid = os.fork()
            if pid == 0:
                won = 0
                for n in range(100):
                    try:
                        work(n, i)
                        won += 1
                    except OSError:
                        pass
                os.write(w, struct.pack('i', won))
                os._exit(0)
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)
        return sum(struct.unpack('4i', os.read(r, 16)))
    c.quiet = True
    c.note('mkdir', race(lambda n, i: os.mkdir(f'd{n}')))
    c.note('rmdir', race(lambda n, i: os.rmdir(f'd{n}')))
    c.note('create', race(lambda n, i: os.close(os.open(f'f{n}', os.O_CREAT | os.O_EXCL))))
    c.note('link', race(lambda n, i: os.link(f'f{n}', f'l{n}')))
    c.note('rename', race(lambda n, i: os.rename(f'f{n}', f'r{n}.{i}')))
    c.note('unlink', race(lambda n, i: os.unlink(f'l{n}')))
    for name in os.listdir('.'):
        os.unlink(name)
    c.before = c.snapshot()
