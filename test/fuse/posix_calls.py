"""System calls one by one, written down: what each returned, and what it changed.

A case is a function that gets a Case and makes calls through it. Each call leaves a line: who called what, the result or the
errno, and what is different afterwards among all files of the case: type, mode, owners, links, size, target, attributes, and
which of the three times moved. The same case in two directories gives two such transcripts, which posix_compare.py compares.

Nothing that depends on the directory, on numbers of inodes or descriptors, or on the clock stands in a transcript.
"""
import contextlib
import ctypes
import errno
import hashlib
import os
import stat
import time

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
CLOCK_REALTIME_COARSE = 5
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
# What returns more than an int.
LONG = {'read', 'write', 'pread64', 'pwrite64', 'readv', 'writev', 'preadv2', 'pwritev2', 'lseek64', 'copy_file_range', 'sendfile64',
        'splice', 'tee', 'vmsplice', 'readlink', 'readlinkat', 'getxattr', 'lgetxattr', 'fgetxattr', 'listxattr', 'llistxattr',
        'flistxattr', 'pathconf', 'fpathconf', 'syscall', 'telldir'}
USERS = {'root': (0, 0, [0]), 'u1': (1001, 1001, [1001, 2000]), 'u2': (1002, 1002, [1002])}
TIMES = ('atime', 'mtime', 'ctime')
DAY_NS = 86400 * 10**9
OPEN_FLAGS = [n for n in ('O_WRONLY', 'O_RDWR', 'O_CREAT', 'O_EXCL', 'O_TRUNC', 'O_APPEND', 'O_NOFOLLOW', 'O_DIRECTORY', 'O_PATH', 'O_NOATIME',
                          'O_DIRECT', 'O_NONBLOCK')]
O_PATH, O_TMPFILE = os.O_PATH, 0o20000000
CASES = {}


def case(function):
    """Registers a case under the name of its function."""
    assert function.__name__ not in CASES, function.__name__
    CASES[function.__name__] = function
    return function


def slow(function):
    """Not in a sample."""
    function.slow = True
    return function


class Fd(int):
    """A descriptor that is written by the order in which it was opened."""
    label = 'bad'


def shorten(text):
    return text if len(text) <= 60 else f'{text[:20]}~{len(text)}~{text[-6:]}'


def shown(value):
    if isinstance(value, Fd):
        return value.label
    if isinstance(value, bytes):
        return shorten(value.decode('utf-8', 'backslashreplace')) if value.isascii() and value.decode().isprintable() else \
            f'{len(value)}:{hashlib.md5(value).hexdigest()[:8]}'
    if value is None:
        return 'NULL'
    if isinstance(value, int):
        return 'CWD' if value == AT_FDCWD else str(value)
    if isinstance(value, str):
        return shorten(value)
    return type(value).__name__


def converted(value):
    if isinstance(value, str):
        return ctypes.c_char_p(os.fsencode(value))
    if isinstance(value, bytes):
        return ctypes.c_char_p(value)
    if isinstance(value, int):
        return ctypes.c_long(value)
    return value


def open_flags_text(flags):
    if flags & O_TMPFILE == O_TMPFILE:
        return 'O_TMPFILE'
    return '|'.join(n for n in OPEN_FLAGS if flags & getattr(os, n)) or 'O_RDONLY'


def errno_name(number):
    return errno.errorcode.get(number, str(number))


class Timespec(ctypes.Structure):
    _fields_ = [('sec', ctypes.c_long), ('nsec', ctypes.c_long)]


def become(uid, gid, groups):
    """The effective user; the real one stays root."""
    os.setresuid(0, 0, 0)
    os.setgroups(groups)
    os.setresgid(-1, gid, -1)
    os.setresuid(-1, uid, -1)


class Case:
    def __init__(self, lines, watch_names=None):
        self.lines = lines
        self.user = 'root'
        self.err = 0
        self.nr_fds = 0
        self.quiet = False
        # A listing would touch the times of directories: with names, only these are looked at.
        self.watch_names = watch_names
        self.before = self.snapshot()

    # ---- who ----

    @contextlib.contextmanager
    def by(self, user):
        before = self.user
        self.user = user
        become(*USERS[user])
        try:
            yield self
        finally:
            self.user = before
            become(*USERS[before])

    @contextlib.contextmanager
    def as_root(self):
        if self.user == 'root':
            yield
            return
        os.setresuid(-1, 0, -1)
        try:
            yield
        finally:
            become(*USERS[self.user])

    # ---- what is there ----

    def paths(self):
        if self.watch_names is not None:
            return [n for n in self.watch_names if os.path.lexists(n)]
        found, todo = ['.'], ['.']
        while todo:
            top = todo.pop()
            with os.scandir(top) as entries:
                for entry in entries:
                    path = f'{top}/{entry.name}'[2:] if top == '.' else f'{top}/{entry.name}'
                    found.append(path)
                    if entry.is_dir(follow_symlinks=False) and path.count('/') < 6:
                        todo.append(path)
            if len(found) > 300:
                break
        return sorted(found)

    def look(self, path):
        st = os.lstat(path)
        seen = {'ino': (st.st_dev, st.st_ino), 'mode': oct(st.st_mode), 'owner': f'{st.st_uid}:{st.st_gid}', 'nlink': st.st_nlink, 'size': st.st_size,
                'atime': st.st_atime_ns, 'mtime': st.st_mtime_ns, 'ctime': st.st_ctime_ns}
        # Reading a link is an access too.
        if stat.S_ISLNK(st.st_mode) and self.watch_names is None:
            seen['target'] = shorten(os.readlink(path))
        if stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
            seen['rdev'] = st.st_rdev
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            try:
                seen[name] = shown(os.getxattr(path, name, follow_symlinks=False))
            except OSError as e:
                seen[name] = errno_name(e.errno)
        return seen

    def snapshot(self):
        seen = {}
        for path in self.paths():
            try:
                seen[shorten(path)] = self.look(path)
            except OSError as e:
                seen[shorten(path)] = {'lstat': errno_name(e.errno)}
        return seen

    @staticmethod
    def time_text(value):
        return 'now' if abs(value - time.time_ns()) < DAY_NS else str(value)

    def change(self, path, new, old, by_ino):
        """What is different of a file that stands there now: compared with itself, wherever it stood."""
        was = by_ino.get(new.get('ino'))
        if was is None:
            return {k: v for k, v in new.items() if k not in TIMES and k != 'ino'}
        told = {k: self.time_text(new[k]) if k in TIMES and k in new else new.get(k) for k in sorted(set(was[1]) | set(new))
                if was[1].get(k) != new.get(k)}
        if old is None or old.get('ino') != new.get('ino'):
            told['was'] = was[0]
        return told

    def changes(self):
        with self.as_root():
            after = self.snapshot()
        told, by_ino = {}, {}
        for path, look in self.before.items():
            by_ino.setdefault(look.get('ino'), (path, look))
        for path in sorted(set(self.before) | set(after)):
            old, new = self.before.get(path), after.get(path)
            if new is None:
                told[path] = 'gone'
            elif old != new:
                told[path] = self.change(path, new, old, by_ino)
        self.before = after
        return told

    # ---- calls ----

    def note(self, call, result):
        self.lines.append({'call': f'{self.user}: {call}', 'result': str(result), 'changes': {} if self.quiet else self.changes()})

    @staticmethod
    def await_tick():
        """Linux takes the time that utimensat calls now from a coarse clock: after this it is a later one."""
        time.sleep(time.clock_getres(CLOCK_REALTIME_COARSE) + 0.001)

    def raw(self, name, *args):
        function = getattr(LIBC, name)
        function.restype = ctypes.c_long if name in LONG else ctypes.c_int
        ctypes.set_errno(0)
        result = function(*[converted(a) for a in args])
        self.err = ctypes.get_errno() if result == -1 else 0
        return result

    def call(self, name, *args, show=None):
        if name in ('utimensat', 'futimens'):
            self.await_tick()
        result = self.raw(name, *args)
        text = show if show is not None else ' '.join(shown(a) for a in args)
        self.note(f'{name} {text}', errno_name(self.err) if self.err else result)
        return result

    def __getattr__(self, name):
        if name.startswith('_'):
            raise AttributeError(name)
        return lambda *args, show=None: self.call(name, *args, show=show)

    def new_fd(self, number):
        fd = Fd(number)
        if number >= 0:
            self.nr_fds += 1
            fd.label = f'fd{self.nr_fds}'
        return fd

    def open(self, path, flags=os.O_RDONLY, mode=0o666, at=AT_FDCWD):
        number = self.raw('openat', at, path, flags | os.O_CLOEXEC, mode)
        fd = self.new_fd(number)
        where = '' if at == AT_FDCWD else f' at {shown(at)}'
        self.note(f'open {shown(path)} {open_flags_text(flags)}{where}', errno_name(self.err) if number < 0 else 'ok')
        return fd

    def close(self, fd):
        return self.call('close', fd)

    def make(self, path, data=b'', mode=0o644, owner=None):
        """A file, without a line."""
        with self.as_root():
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.write(fd, data)
            os.fchmod(fd, mode)
            if owner:
                os.fchown(fd, *owner)
                os.fchmod(fd, mode)
            os.close(fd)
            self.before = self.snapshot()

    def make_dir(self, path, mode=0o755, owner=(0, 0)):
        with self.as_root():
            os.mkdir(path)
            os.chown(path, *owner)
            os.chmod(path, mode)
            self.before = self.snapshot()

    def make_link(self, target, path):
        with self.as_root():
            os.symlink(target, path)
            self.before = self.snapshot()

    def write(self, fd, data):
        return self.call('write', fd, data, len(data))

    def pwrite(self, fd, data, offset):
        return self.call('pwrite64', fd, data, len(data), offset)

    def read(self, fd, size):
        return self.got('read', fd, size, lambda buf: self.raw('read', fd, buf, size), str(size))

    def pread(self, fd, size, offset):
        return self.got('pread', fd, size, lambda buf: self.raw('pread64', fd, buf, size, offset), f'{size} {offset}')

    def got(self, name, fd, size, function, text):
        buf = ctypes.create_string_buffer(max(size, 1))
        result = function(buf)
        self.note(f'{name} {shown(fd)} {text}', errno_name(self.err) if result < 0 else f'{result} {shown(buf.raw[:result])}')
        return buf.raw[:max(result, 0)]

    def seek(self, fd, offset, whence):
        return self.call('lseek64', fd, offset, whence)

    def utimens(self, path, atime, mtime, flags=0, at=AT_FDCWD):
        if UTIME_NOW in (atime[1], mtime[1]):
            self.await_tick()
        both = (Timespec * 2)(Timespec(*atime), Timespec(*mtime))
        result = self.raw('utimensat', at, path, ctypes.byref(both), flags)
        self.note(f'utimensat {shown(path)} {atime} {mtime} {flags}', errno_name(self.err) if self.err else result)
        return result

    def setxattr(self, path, name, value, flags=0):
        return self.call('lsetxattr', path, name, value, len(value), flags)

    def getxattr(self, path, name, size=65536):
        return self.got('getxattr', path, size, lambda buf: self.raw('lgetxattr', path, name, buf if size else None, size),
                        f'{shorten(name)} {size}')

    def listxattr(self, path, size=65536):
        buf = ctypes.create_string_buffer(max(size, 1))
        result = self.raw('llistxattr', path, buf if size else None, size)
        names = sorted(shorten(n.decode()) for n in buf.raw[:max(result, 0)].split(b'\0') if n) if size else []
        self.note(f'listxattr {shown(path)} {size}', errno_name(self.err) if result < 0 else f'{result} {names}')

    def said(self, name, function, *args, show=''):
        """A function of Python's, whose result is told; an OSError as its errno."""
        try:
            result = function(*args)
        except OSError as e:
            result = errno_name(e.errno)
        self.note(f'{name} {show}', result)
        return result

    def fstat(self, fd):
        """Of what may have no name."""
        st = os.fstat(fd)
        self.note(f'fstat {shown(fd)}', f'{oct(st.st_mode)} {st.st_uid}:{st.st_gid} nlink {st.st_nlink} size {st.st_size}')

    def contents(self):
        """The last lines: what stands in the files, what they occupy, what is listed."""
        with self.as_root():
            for path in self.paths():
                self.make_durable(path)
                self.lines.append({'call': f'end: {shorten(path)}', 'result': self.content(path), 'changes': {}})

    @staticmethod
    def make_durable(path):
        """What it occupies is certain then."""
        if stat.S_ISREG(os.lstat(path).st_mode) and os.lstat(path).st_size < 1 << 62:
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)

    @staticmethod
    def content(path):
        try:
            st = os.lstat(path)
            told = f'blocks {st.st_blocks} blksize {st.st_blksize}'
            if not stat.S_ISREG(st.st_mode):
                return told
            fd = os.open(path, os.O_RDONLY)
        except OSError as e:
            return errno_name(e.errno)
        digest = hashlib.md5(os.pread(fd, 1 << 20, 0))
        if st.st_size > 1 << 20:
            digest.update(os.pread(fd, 1 << 16, max(st.st_size - (1 << 16), 0)))
        os.close(fd)
        return f'{told} {digest.hexdigest()[:12]}'
