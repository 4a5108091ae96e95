"""dump_images: the states of a filesystem that dump_compare.py compares two programs on.

Owns: loop devices, mounts and folders of one case (Lab), which go away whatever happens; the table CASES, each a name,
options of mkfs.btrfs and a function that lets the kernel fill the images. A function yields what is to be dumped:
(label, files), while it is there; images that are dumped while they are mounted are copies.
"""
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time

import crafted_leaf

HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20
FICLONE = 0x40049409


def run(*command, **kwargs):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors='replace', **kwargs)
    if done.returncode:
        raise RuntimeError(f'{" ".join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}')
    return done.stdout


class Lab:
    def __init__(self, work):
        self.work = tempfile.mkdtemp(prefix='dump.', dir=work)
        self.loops, self.mounts = {}, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for where in reversed(self.mounts):
            if subprocess.run(['umount', where], capture_output=True).returncode:
                subprocess.run(['umount', '-l', where], capture_output=True)
        for device in list(self.loops.values()):
            self.detach(device)
        shutil.rmtree(self.work, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def files(self, nr, size=300 * MIB, name='disk'):
        """Empty image files, larger ones first so that a device id tells them apart."""
        out = []
        for i in range(nr):
            out.append(self.path(f'{name}{i}.img'))
            with open(out[-1], 'wb') as f:
                f.truncate(size + (nr - 1 - i) * 16 * MIB)
        return out

    def mkfs(self, options, files):
        run('mkfs.btrfs', '-q', '-f', *options.split(), *files)

    def attach(self, file):
        # Others take loop devices too, between the question for a free one and the taking.
        self.loops[file] = run('flock', '/run/lock', 'losetup', '-f', '--show', file).strip()
        return self.loops[file]

    def detach(self, device):
        subprocess.run(['btrfs', 'device', 'scan', '--forget', device], capture_output=True)
        subprocess.run(['losetup', '-d', device], capture_output=True)
        self.loops = {f: d for f, d in self.loops.items() if d != device}

    def mount(self, files, options='noatime'):
        where = self.path('mnt')
        os.makedirs(where, exist_ok=True)
        devices = [self.loops.get(f) or self.attach(f) for f in files]
        if len(files) > 1:
            run('btrfs', 'device', 'scan', *devices)
        run('mount', '-t', 'btrfs', '-o', options, devices[0], where)
        self.mounts.append(where)
        return where

    def umount(self):
        run('umount', self.mounts.pop())
        for device in list(self.loops.values()):
            self.detach(device)

    def copies(self, files):
        """What is on the devices now; the copies are never mounted, they have the fsid of a mounted filesystem."""
        out = []
        for file in files:
            out.append(file.replace('.img', f'.copy{len(os.listdir(self.work))}.img'))
            run('cp', '--sparse=always', file, out[-1])
        return out


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)


def noise(nr_bytes, seed=1):
    import random
    return random.Random(seed).randbytes(nr_bytes)


def fill(top, nr_files=150, snapshots=True):
    """Some of everything that makes an item: names, kinds, contents, links, attributes, snapshots."""
    def at(name):
        return os.path.join(top, name)
    os.makedirs(at('dir/deeper'))
    for i in range(nr_files):
        write(at(f'dir/a name that takes some room, number {i}'), b'x' * (i * 7))
    for name in (b'\xff\xfe\x01', b'new\nline', b'tab\tback\\slash', 'späß'.encode(), b'n' * 255):
        write(os.path.join(os.fsencode(top), name), b'odd')
    write(at('inline'), b'short')
    write(at('noise'), noise(700000))
    write(at('zeros'), bytes(600000))
    with open(at('zeros'), 'r+b') as f:
        os.fsync(f.fileno())
        f.seek(200000)
        f.write(noise(50000, 2))
    with open(at('noise'), 'rb') as source, open(at('clone'), 'wb') as target:
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
    with open(at('prealloc'), 'wb') as f:
        os.posix_fallocate(f.fileno(), 0, MIB)
        f.seek(65536)
        f.write(noise(8192, 3))
    with open(at('sparse'), 'wb') as f:
        f.truncate(1 << 40)
        f.seek(1 << 39)
        f.write(b'far away')
    os.symlink('inline', at('symlink'))
    os.symlink('t' * 3000, at('long symlink'))
    os.mkfifo(at('fifo'))
    os.mknod(at('block'), 0o60600, os.makedev(7, 300))
    os.mknod(at('char'), 0o20644, os.makedev(259, 70000))
    os.mknod(at('sock'), 0o140755)
    for i in range(60):
        os.link(at('inline'), at(f'dir/link {i:03} to a file that has many of them, so that references leave the inode item'))
    os.setxattr(at('inline'), 'user.short', b'value\x00\xff\n')
    os.setxattr(at('dir'), 'user.long', b'v' * 1500)
    os.setxattr(at('dir'), 'user.empty', b'')
    os.utime(at('noise'), ns=(-5 * 10**9 + 7, 2**33 * 10**9 + 999999999))
    write(at('flagged'), b'x')
    run('chattr', '+AdSc', at('flagged'))
    write(at('nocow'), b'')
    run('chattr', '+C', at('nocow'))
    write(at('nocow'), noise(20000, 4))
    os.chown(at('noise'), 12345, 4294967294)
    if not snapshots:
        return
    run('btrfs', 'subvolume', 'create', at('sub volume'))
    write(at('sub volume/file'), noise(30000, 5))
    run('btrfs', 'subvolume', 'create', at('sub volume/nested'))
    run('btrfs', 'subvolume', 'snapshot', at('sub volume'), at('snap'))
    run('btrfs', 'subvolume', 'snapshot', '-r', top, at('snap-ro'))
    write(at('sub volume/file'), noise(40000, 6))
    write(at('dir/a name that takes some room, number 3'), noise(5000, 7))
    os.unlink(at('dir/a name that takes some room, number 4'))
    run('btrfs', 'subvolume', 'delete', at('sub volume/nested'))


def filled(lab, mkfs, nr=1, size=300 * MIB, mount='noatime', nr_files=150, after=None):
    files = lab.files(nr, size)
    lab.mkfs(mkfs, files)
    top = lab.mount(files, mount)
    fill(top, nr_files)
    if after:
        after(top)
    lab.umount()
    return files


def simple(mkfs, **kwargs):
    def make(lab):
        yield 'filled', filled(lab, mkfs, **kwargs)
    return make


def empty(mkfs, nr=1, size=300 * MIB):
    def make(lab):
        files = lab.files(nr, size)
        lab.mkfs(mkfs, files)
        yield 'empty', files
    return make


def compressed(lab):
    files = lab.files(1)
    lab.mkfs('', files)
    for how in ('zlib:9', 'lzo', 'zstd:15'):
        top = lab.mount(files, f'noatime,compress-force={how}')
        for i, size in enumerate((100, 3000, 5000, 131072, 500000)):
            write(os.path.join(top, f'{how} {i}'), b'text that repeats itself, ' * (size // 26))
        lab.umount()
    yield 'filled', files


def quota(lab):
    files = lab.files(1)
    lab.mkfs('', files)
    top = lab.mount(files)
    fill(top)
    run('btrfs', 'quota', 'enable', top)
    run('btrfs', 'qgroup', 'create', '1/0', top)
    run('btrfs', 'qgroup', 'create', '2/77', top)
    run('btrfs', 'qgroup', 'assign', '--no-rescan', '1/0', '2/77', top)
    ids = [line.split()[1] for line in run('btrfs', 'subvolume', 'list', top).splitlines()]
    run('btrfs', 'qgroup', 'assign', '--no-rescan', f'0/{ids[0]}', '1/0', top)
    run('btrfs', 'qgroup', 'limit', '100M', '1/0', top)
    run('btrfs', 'qgroup', 'limit', '-e', '50M', f'0/{ids[0]}', top)
    run('sync', '-f', top)
    yield 'scanning', lab.copies(files)
    run('btrfs', 'quota', 'rescan', '-w', top)
    write(os.path.join(top, 'more'), noise(30000))
    run('sync', '-f', top)
    lab.umount()
    yield 'on', files
    top = lab.mount(files)
    run('btrfs', 'quota', 'disable', top)
    lab.umount()
    yield 'off again', files


def squota(lab):
    files = lab.files(1)
    lab.mkfs('-O squota', files)
    top = lab.mount(files)
    fill(top)
    run('btrfs', 'qgroup', 'create', '1/5', top)
    run('btrfs', 'qgroup', 'limit', '1G', '1/5', top)
    lab.umount()
    yield 'filled', files


def seed(lab):
    first, second = lab.files(1, name='seed'), lab.files(1, name='sprout')
    lab.mkfs('', first)
    fill(lab.mount(first))
    lab.umount()
    run('btrfstune', '-f', '-S', '1', first[0])
    yield 'the seed', first
    top = lab.mount(first)
    run('btrfs', 'device', 'add', '-f', lab.attach(second[0]), top)
    run('mount', '-o', 'remount,rw', top)
    write(os.path.join(top, 'new'), noise(300000))
    os.unlink(os.path.join(top, 'inline'))
    lab.umount()
    yield 'the sprout', second + first


def metadata_uuid(lab):
    files = filled(lab, '')
    run('btrfstune', '-f', '-m', files[0])
    yield 'changed', files
    top = lab.mount(files)
    write(os.path.join(top, 'more'), noise(30000))
    lab.umount()
    yield 'and written', files


def received(lab):
    source = filled(lab, '')
    files = lab.files(1, name='target')
    lab.mkfs('', files)
    stream = lab.path('stream')
    top = lab.mount(source)
    run('btrfs', 'subvolume', 'snapshot', '-r', os.path.join(top, 'sub volume'), os.path.join(top, 'sent'))
    run('btrfs', 'send', '-q', '-f', stream, os.path.join(top, 'sent'))
    lab.umount()
    top = lab.mount(files)
    run('btrfs', 'receive', '-q', '-f', stream, top)
    lab.umount()
    yield 'received', files


def balance(lab):
    """Paused in the middle; running (relocation trees are there as long as it works on a block group)."""
    files = lab.files(1, 600 * MIB)
    lab.mkfs('', files)
    top = lab.mount(files)
    fill(top)
    for i in range(12):
        write(os.path.join(top, f'large {i}'), noise(20 * MIB, i))
    run('sync', '-f', top)
    running = subprocess.Popen(['btrfs', 'balance', 'start', '--full-balance', top], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    time.sleep(0.05)
    subprocess.run(['btrfs', 'balance', 'pause', top], capture_output=True)
    running.wait()
    run('sync', '-f', top)
    yield 'paused', lab.copies(files)
    subprocess.run(['btrfs', 'balance', 'cancel', top], capture_output=True)
    run('btrfs', 'balance', 'start', '-mconvert=dup', '-dusage=1..50,limit=0..3', top)
    lab.umount()
    yield 'cancelled', files


def log_tree(lab):
    files = lab.files(1)
    lab.mkfs('', files)
    top = lab.mount(files)
    fill(top)
    run('sync', '-f', top)

    def sync_file(name, data):
        with open(os.path.join(top, name), 'ab') as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
    sync_file('dir/new file', noise(50000))
    sync_file('sub volume/file', b'appended')
    os.rename(os.path.join(top, 'inline'), os.path.join(top, 'renamed'))
    os.unlink(os.path.join(top, 'dir/a name that takes some room, number 40'))
    sync_file('dir/a name that takes some room, number 41', b'x')
    fd = os.open(os.path.join(top, 'dir'), os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    yield 'log', lab.copies(files)


def orphans(lab):
    files = lab.files(1)
    lab.mkfs('', files)
    top = lab.mount(files)
    fill(top)
    held = [open(os.path.join(top, name), 'rb') for name in ('noise', 'prealloc', 'sub volume/file')]
    for name in ('noise', 'prealloc', 'sub volume/file'):
        os.unlink(os.path.join(top, name))
    run('btrfs', 'subvolume', 'delete', os.path.join(top, 'snap'))
    run('sync', '-f', top)
    yield 'orphans', lab.copies(files)
    for f in held:
        f.close()


def devices(lab):
    """Statistics, a finished replace, a device added, one removed."""
    files = lab.files(3, 400 * MIB)
    lab.mkfs('-m raid1 -d raid1', files[:2])
    top = lab.mount(files[:2])
    fill(top)
    run('btrfs', 'device', 'stats', '-z', top)
    run('btrfs', 'device', 'add', '-f', lab.attach(files[2]), top)
    run('sync', '-f', top)
    yield 'added', lab.copies(files)
    run('btrfs', 'device', 'remove', '2', top)
    lab.umount()
    yield 'removed', [files[0], files[2]]


def replaced(lab):
    old, new = lab.files(2, 300 * MIB, 'old'), lab.files(1, 400 * MIB, 'new')
    lab.mkfs('-m raid1 -d single', old)
    top = lab.mount(old)
    fill(top)
    run('btrfs', 'device', 'stats', '-z', top)
    run('btrfs', 'replace', 'start', '-B', '-f', '2', lab.attach(new[0]), top)
    lab.umount()
    yield 'replaced', [old[0], new[0]]


def cache_v1(lab):
    files = lab.files(1)
    lab.mkfs('-O ^free-space-tree,^block-group-tree', files)
    for turn in range(2):
        top = lab.mount(files, 'noatime,space_cache=v1')
        fill(top) if turn == 0 else write(os.path.join(top, 'more'), noise(30000))
        lab.umount()
    yield 'filled', files


def fragmented(lab):
    """Free space so broken that bitmaps take over, and csum items of every length."""
    files = lab.files(1, 200 * MIB)
    lab.mkfs('-M', files)
    top = lab.mount(files)
    for i in range(3000):
        write(os.path.join(top, f'f{i}'), noise(8192, i))
    run('sync', '-f', top)
    for i in range(0, 3000, 2):
        os.unlink(os.path.join(top, f'f{i}'))
    lab.umount()
    yield 'filled', files


def zoo(seed, size, *options):
    """What kernel_image.py makes: more of everything, by a seed."""
    def make(lab):
        where = lab.path('zoo')
        run(sys.executable, os.path.join(HERE, 'kernel_image.py'), where, '--seed', seed, '--size', size, *options)
        yield 'filled', sorted(os.path.join(where, name) for name in os.listdir(where) if name.endswith('.img'))
    return make


def crafted(seeds):
    """A leaf with an item of every type, made by crafted_leaf.py."""
    def make(lab):
        files = lab.files(1, 200 * MIB)
        lab.mkfs('-m single --csum crc32c', files)
        at = None
        for seed in seeds:
            at = crafted_leaf.place(files[0], seed, at)
            yield f'seed {seed}', files
    return make


def cases():
    out = {'crafted': crafted(range(1, 5)), 'crafted-more': crafted(range(5, 60)), 'zoo-1': zoo(1, 'small'), 'zoo-2': zoo(2, 'normal', '--csum', 'xxhash', '--nodesize', '8192')}
    for size in (4, 8, 16, 32, 64):
        out[f'node-{size}k'] = simple(f'-n {size}k', nr_files=900 if size == 4 else 150)
    for csum in ('crc32c', 'xxhash', 'sha256', 'blake2'):
        out[f'csum-{csum}'] = simple(f'--csum {csum}')
    out['empty'] = empty('-L a-label')
    for name, features in (('no-skinny', '^skinny-metadata'), ('no-no-holes', '^no-holes,^block-group-tree'), ('no-extref', '^extref'),
                           ('no-bgt', '^block-group-tree'), ('bgt', 'block-group-tree'),
                           ('oldest', '^block-group-tree,^free-space-tree,^no-holes,^skinny-metadata,^extref')):
        out[name] = simple(f'-O {features}')
    out['mixed'] = simple('-M')
    for profile, nr in (('single', 1), ('dup', 1), ('raid0', 3), ('raid1', 2), ('raid1c3', 3), ('raid1c4', 4), ('raid10', 4),
                        ('raid5', 3), ('raid6', 4)):
        out[f'profile-{profile}'] = simple(f'-m {profile} -d {profile}', nr=nr)
    out['raid5-2'] = simple('-m raid1 -d raid5', nr=2)
    out.update({'compressed': compressed, 'quota': quota, 'squota': squota, 'seed': seed, 'metadata-uuid': metadata_uuid,
                'received': received, 'balance': balance, 'log-tree': log_tree, 'orphans': orphans, 'devices': devices,
                'replaced': replaced, 'cache-v1': cache_v1, 'fragmented': fragmented})
    return out
