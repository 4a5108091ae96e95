#!/usr/bin/env python3
"""power_user.py DIR CASE [NUMBER]: what people do to a mounted filesystem sooner or later; DIR is on the mount.

Each case is one function; it ends with an exception when something is not as POSIX has it. `again CASE` looks at what a
case left behind after unmounting and mounting again.
"""
import mmap
import os
import stat
import sys

DEPTH = 500
BIG = 1 << 62
TIMES = [(-1, 999999999), (-2208988800, 1), (-9000000000, 500000000), (0, 0), (4294967296, 7), (9000000000, 123456789)]


def rename_over_open(top, _number):
    """Who has the old file open keeps it."""
    old, new = os.path.join(top, 'old'), os.path.join(top, 'new')
    for path, data in ((old, b'old contents' * 1000), (new, b'new contents' * 1000)):
        with open(path, 'wb') as out:
            out.write(data)
    with open(old, 'r+b') as held:
        os.rename(new, old)
        assert os.fstat(held.fileno()).st_nlink == 0
        assert held.read() == b'old contents' * 1000
        held.seek(0)
        held.write(b'still here')
        held.flush()
        os.fsync(held.fileno())
        held.seek(0)
        assert held.read(10) == b'still here'
        with open(old, 'rb') as other:
            assert other.read() == b'new contents' * 1000
    assert sorted(os.listdir(top)) == ['old']


def unlink_mapped(top, _number):
    """A mapping outlives the name."""
    path = os.path.join(top, 'mapped')
    with open(path, 'w+b') as held:
        held.write(b'm' * 1000000)
        held.flush()
        with mmap.mmap(held.fileno(), 1000000) as view:
            os.unlink(path)
            assert view[999999:] == b'm'
            view[500000:500004] = b'more'
            view.flush()
            assert os.pread(held.fileno(), 4, 500000) == b'more'
            os.ftruncate(held.fileno(), 600000)
            assert view[500000:500004] == b'more'
    assert os.listdir(top) == []


def unlink_open_dir(top, _number):
    """A directory that is removed while it is somebody's."""
    path = os.path.join(top, 'dir')
    os.mkdir(path)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.rmdir(path)
        assert os.fstat(fd).st_nlink == 0
        assert os.listdir(fd) == []
        try:
            os.close(os.open('x', os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
            raise AssertionError('a file is made in a removed directory')
        except FileNotFoundError:
            pass
    finally:
        os.close(fd)


def many_files(top, number):
    """All of them there, each once, also while some go."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(number):
        os.close(os.open('f%07d' % i, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=fd))
    names = os.listdir(top)
    assert len(names) == number and len(set(names)) == number
    seen = set()
    with os.scandir(top) as entries:
        for entry in entries:
            assert entry.name not in seen
            seen.add(entry.name)
            # Every third goes while it is being read; no other may be lost by that.
            if int(entry.name[1:]) % 3 == 0:
                os.unlink(entry.path)
    assert len(seen) == number
    left = os.listdir(top)
    assert len(left) == number - (number + 2) // 3 and all(int(name[1:]) % 3 for name in left)
    for i in range(1, number, max(1, number // 5000)):
        assert os.path.exists(os.path.join(top, 'f%07d' % i)) == (i % 3 != 0)
    os.close(fd)


def many_files_again(top, number):
    """What is left after mounting again."""
    assert len(os.listdir(top)) == number - (number + 2) // 3


def deep(top, _number):
    """A path of 500 directories, far beyond PATH_MAX."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(DEPTH):
        name = 'directory-%03d' % i
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    out = os.open('bottom', os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd)
    os.write(out, b'here')
    os.close(out)
    os.close(fd)


def deep_again(top, _number):
    """Down again, one by one."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(DEPTH):
        below = os.open('directory-%03d' % i, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    bottom = os.open('bottom', os.O_RDONLY, dir_fd=fd)
    assert os.read(bottom, 100) == b'here'
    os.close(bottom)
    os.close(fd)


def sizes(top, _number):
    """64 bits of size and offset."""
    path = os.path.join(top, 'big')
    with open(path, 'w+b', buffering=0) as big:
        for offset in (1 << 31, (1 << 32) - 5, (1 << 40) + 3, BIG - 10):
            assert os.pwrite(big.fileno(), b'ten bytes!', offset) == 10
        assert os.fstat(big.fileno()).st_size == BIG
        os.fsync(big.fileno())
    sizes_again(top, 0)


def sizes_again(top, _number):
    """The bytes stand where they were put, and nowhere else."""
    with open(os.path.join(top, 'big'), 'rb', buffering=0) as big:
        assert os.fstat(big.fileno()).st_size == BIG and os.fstat(big.fileno()).st_blocks < 1000
        for offset in (1 << 31, (1 << 32) - 5, (1 << 40) + 3, BIG - 10):
            assert os.pread(big.fileno(), 10, offset) == b'ten bytes!'
        assert os.pread(big.fileno(), 10, BIG - 4) == b'tes!'
        assert os.pread(big.fileno(), 5, 1 << 50) == bytes(5)


def times(top, _number):
    """Before 1970, at 1970, behind 2106, to the nanosecond."""
    for i, (sec, nsec) in enumerate(TIMES):
        path = os.path.join(top, 't%d' % i)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        os.utime(path, ns=(sec * 10 ** 9 + nsec + 1, sec * 10 ** 9 + nsec))
    times_again(top, 0)


def times_again(top, _number):
    """As they were set."""
    for i, (sec, nsec) in enumerate(TIMES):
        assert os.stat(os.path.join(top, 't%d' % i)).st_mtime_ns == sec * 10 ** 9 + nsec


def names(top, _number):
    """255 bytes, any bytes; not 256."""
    for name in (b'n' * 255, bytes(range(1, 47)), bytes(range(48, 256)), b'\xff', b' ', b'-', b'...', b'a\nb'):
        path = os.path.join(os.fsencode(top), name)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        assert name in os.listdir(os.fsencode(top))
    try:
        os.mkdir(os.path.join(top, 'x' * 256))
        raise AssertionError('a name of 256 bytes is taken')
    except OSError as error:
        assert error.errno == 36


def holes(top, _number):
    """A sparse file stays sparse."""
    path = os.path.join(top, 'sparse')
    with open(path, 'w+b', buffering=0) as sparse:
        os.ftruncate(sparse.fileno(), 1 << 30)
        for i in range(0, 1 << 30, 1 << 27):
            os.pwrite(sparse.fileno(), b's' * 65536, i)
        os.fsync(sparse.fileno())
        assert os.lseek(sparse.fileno(), 1, os.SEEK_HOLE) == 65536
        assert os.lseek(sparse.fileno(), 65536, os.SEEK_DATA) == 1 << 27
        assert os.fstat(sparse.fileno()).st_blocks * 512 <= 8 * 65536 + 65536


def modes(top, _number):
    """All kinds of files, and mode bits that stay."""
    os.mkfifo(os.path.join(top, 'fifo'))
    for mode in (0o000, 0o777, 0o1777, 0o4755, 0o2755):
        path = os.path.join(top, 'mode-%o' % mode)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        os.chmod(path, mode)
        assert stat.S_IMODE(os.stat(path).st_mode) == mode
    os.symlink('t' * 4000, os.path.join(top, 'long-link'))
    assert len(os.readlink(os.path.join(top, 'long-link'))) == 4000


CASES = {case.__name__: case for case in (rename_over_open, unlink_mapped, unlink_open_dir, many_files, deep, sizes, times,
                                          names, holes, modes)}
AGAIN = {'many_files': many_files_again, 'deep': deep_again, 'sizes': sizes_again, 'times': times_again}


def main():
    """One case."""
    argv = sys.argv[1:]
    table = CASES
    if argv and argv[0] == 'again':
        table, argv = AGAIN, argv[1:]
    if argv == ['list']:
        print('\n'.join(table))
        return 0
    top, case = argv[0], argv[1]
    folder = os.path.join(top, case)
    if table is CASES:
        os.mkdir(folder)
    table[case](folder, int(argv[2]) if len(argv) > 2 else 20000)
    return 0


if __name__ == '__main__':
    sys.exit(main())
