#!/usr/bin/env python3
"""attrs_random.py UBTRFS IMAGE MOUNT SEED NR: the same random commands about attributes (setfacl, chmod, chattr, setfattr, making files) by the
system's tools in MOUNT, a filesystem of the kernel, and by ubtrfs on IMAGE, which is a copy of it; both succeed or both fail, and print the same.
What came of it is compared by the caller. Needs root."""
import difflib
import random
import subprocess
import sys

ubtrfs, image, mount, seed, nr = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
rng = random.Random(seed)
DIRS = ['d', 'd/sub', 'd/sub/deep']
FILES = ['f', 'd/f', 'd/sub/f']
OTHERS = ['fifo', 'd/link']
made = 0


def perms():
    return rng.choice(['rwx', 'r-x', 'rw', '-', 'x', 'rwX', 'X', '7', '4', 'r--'])


def entry(with_perms=True, conditional=True):
    tag = rng.choice(['u:daemon:', 'user:1234:', 'g:tty:', 'group:77:', 'u::', 'g::', 'o::', 'm::', 'o:', 'm:', 'u:0:'])
    if not with_perms:
        tag = rng.choice(['u:daemon', 'user:1234:', 'g:tty', 'group:77', 'u:0:', 'm:'])
        return rng.choice(['', '', 'd:']) + tag
    perm = perms()
    return rng.choice(['', '', 'd:', 'default:']) + tag + perm


def entries(with_perms=True):
    return ','.join(entry(with_perms) for _ in range(rng.randint(1, 3)))


def some():
    return rng.choice(DIRS + FILES)


def setfacl():
    what = rng.randrange(10)
    if what < 5:
        args = ['-m', entries()]
    elif what < 7:
        args = ['-x', entries(False)]
    elif what == 7:
        args = [rng.choice(['-b', '-k'])]
    elif what == 8:
        args = ['--set', 'u::%s,g::%s,o::%s,%s' % (perms(), perms(), perms(), entries())]
    else:
        args = ['-b', '-m', entries()]
    for option, odds in (('-n', 6), ('--mask', 6), ('-d', 6), ('-R', 8), ('--test', 12)):
        # What fails in the middle of a tree has been done in half of it by the tool, and not at all by ours.
        if rng.randrange(odds) == 0 and not (option == '-R' and '-x' in args):
            args = [option] + args
    # The tools set an access ACL and then fail with the default ACL of a file; ours does nothing.
    on_dirs = any('d:' in a or 'default' in a or a == '-d' for a in args)
    return ['setfacl'] + args, [rng.choice(DIRS) if on_dirs else some()]


def chmod():
    return ['chmod', rng.choice(['%o' % rng.randrange(0o10000), 'g-w', 'u+x,o=r', 'g+s', 'a=rwX'])], [some()]


def chattr():
    """Immutable only what no -R meets: it would fail there after half of its work, and ours does nothing then."""
    mode = rng.choice(['+', '-', '=']) + ''.join(rng.sample('AcCdDmS', rng.randint(1, 2)))
    if rng.randrange(4) == 0:
        return ['chattr', '-R', rng.choice('+-=') + rng.choice(['A', 'd', 'S', 'Ad'])], [rng.choice(['d/sub', 'd/sub/deep'])]
    if rng.randrange(4) == 0:
        return ['chattr', rng.choice(['+i', '-i', '+a', '-a', '-ia'])], ['f']
    return ['chattr', mode], [some()]


def make():
    global made
    made += 1
    name = '%s/n%d' % (rng.choice(DIRS), made)
    (FILES if made % 3 else DIRS).append(name)
    return ['touch' if made % 3 else 'mkdir'], [name]


def setfattr():
    name = rng.choice(['user.a', 'user.b', 'trusted.c', 'security.d', 'btrfs.compression', 'user.', 'nope.x', 'btrfs.y', 'system.z'])
    if rng.randrange(4) == 0:
        return ['setfattr', '-h', '-x', name], [rng.choice([some(), rng.choice(OTHERS)])]
    value = rng.choice(['hello', '0x00ff', '0sAAEC', '"quoted \\"text\\" \\012"', '', 'zstd', 'lzo', 'none', 'zlib:3', 'plain\\\\'])
    return ['setfattr', '-h', '-n', name, '-v', value], [rng.choice([some(), rng.choice(OTHERS)])]


def show():
    return rng.choice([
        (['getfacl', '-p'], [some()]), (['getfacl', '-p', '-n', '-e'], [some()]), (['getfacl', '-pcE'], [some()]),
        (['getfacl', '-p', '-d'], [some()]), (['getfacl', '-pa'], [some()]), (['getfacl', '-pR'], ['d']), (['getfacl', '-pRs'], ['d']),
        (['getfattr', '-d', '-m', '-'], [some()]), (['getfattr', '-d', '-e', rng.choice(['hex', 'text', 'base64'])], [some()]),
        (['getfattr'], [some()]), (['getfattr', '-hd', '-m', '^[^b]'], [rng.choice(OTHERS)]), (['getfattr', '-n', 'user.a'], [some()]),
        (['getfattr', '-Rd', '-m', '-'], ['d']), (['getfattr', '--only-values', '-n', 'user.b'], [some()]),
        (['lsattr', '-d'], [some()]), (['lsattr', '-l'], [rng.choice(FILES)]), (['lsattr', '-dp'], [rng.choice(DIRS)]),
        (['lsattr'], [rng.choice(DIRS)]), (['lsattr', '-R'], [rng.choice(DIRS)]),
    ])


def run(command, **kwargs):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
    return done.returncode, done.stdout, done.stderr


def blocks(text):
    """What is shown of several files comes in the order of a directory here, by name there."""
    return sorted(text.split(b'\n\n'))


for step in range(nr):
    command, paths = rng.choice([setfacl] * 5 + [chmod, chattr, make, make, setfattr, setfattr] + [show] * 4)()
    theirs = run(command + paths, cwd=mount)
    ours = run([ubtrfs] + command + ['%s:/%s' % (image, p) for p in paths])
    # It tells of what it could not do, and exits with 0.
    if command[0] == 'chattr':
        theirs, ours = ((1 if done[2] else done[0],) + done[1:] for done in (theirs, ours))
    shown = ours[1].replace((image + ':/').encode(), b'')
    same = shown == theirs[1]
    if '-l' in command:
        # The column is that of the longer path.
        same = shown.split() == theirs[1].split()
    if any('R' in c for c in command) or command == ['lsattr']:
        same = (blocks(shown) == blocks(theirs[1])) if command[0] != 'lsattr' else sorted(shown.split(b'\n')) == sorted(theirs[1].split(b'\n'))
    if (ours[0] == 0) != (theirs[0] == 0) or (ours[0] == 0 and not same):
        print('seed %d step %d: %s %s' % (seed, step, command, paths))
        print('theirs: %d %s' % (theirs[0], theirs[2].decode(errors='replace')))
        print('ours: %d %s' % (ours[0], ours[2].decode(errors='replace')))
        print('\n'.join(difflib.unified_diff(theirs[1].decode(errors='replace').split('\n'), shown.decode(errors='replace').split('\n'), lineterm='')))
        sys.exit(1)
