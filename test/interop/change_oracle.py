#!/usr/bin/env python3
"""change_oracle.py WORK [--only WORD] [--every N]: coreutils on a kernel mount, and ubtrfs commands with the same arguments on a copy of the image.

A case is a line for the shell; @ stands for the directory of the case. Both ways must end with the same code and print the same
(but for numbers instead of names of owners, where the case says so); after success the trees must hold the same: names, kinds,
contents, owners, modes, links, xattrs, and times, of which those of now are all alike. After a failure ours must have changed
nothing. Then btrfs check. Prints what differs; exits 1 when something does. UBTRFS names the command.
"""
import argparse
import hashlib
import os
import shlex
import stat
import subprocess
import sys
import time

from copyin_oracle import Mount, must, run, write

UBTRFS = os.environ.get('UBTRFS', 'ubtrfs')

CASES = [line.strip() for line in '''
mkdir @/new
mkdir -v @/new @/new/below
mkdir @/dir
mkdir @/file
mkdir @/nowhere/new
mkdir @/file/new
mkdir @/new/
mkdir -p @/a/b/c @/a/b/d
mkdir -pv @/a/b/../e/f
mkdir -p @/file
mkdir -p @/file/x
mkdir -p @/link-dir/x/y
mkdir -m 750 @/new
mkdir -m 1777 @/new
mkdir -m u=rwx,go= @/new
mkdir -m a-w @/new
mkdir -m +t @/setgid/new
mkdir -m 755 @/setgid/new
mkdir -m g-s @/setgid/new
mkdir -p -m 700 @/p/q
mkdir @/setgid/new
mkdir @/acl/new
mkdir -m 750 @/acl/new
ln -s text @/setgid/new
ln -s text @/acl/new
touch @/acl/new
truncate -s 5 @/acl/new
chmod -R 700 @/
chmod 600 @/acl-file
chmod g=rwx @/acl-file
cp @/file @/acl/new
mkdir -m 9 @/new
mv @/file @/new
mv -v @/file @/new
mv @/file @/exec
mv -v @/file @/dir
mv @/file @/dir/inside
mv @/dir @/new
mv @/dir @/empty
mv @/dir @/file
mv @/file @/empty
mv -T @/file @/empty
mv -T @/dir @/empty
mv -T @/empty @/dir
mv -T @/dir @/deep
mv @/dir @/dir/sub
mv @/dir @/dir
mv @/file @/file
mv @/file @/file/
mv @/file @/new/
mv @/dir @/new/
mv @/dir/ @/new
mv @/file/ @/new
mv @/nothing @/new
mv @/file @/nowhere/new
mv @/file @/exec @/dir @/empty
mv @/file @/exec @/nothing @/empty
mv @/file @/exec @/big
mv -t @/empty @/file @/dir
mv -n @/file @/exec
mv -n @/file @/new
mv -u @/setid @/exec
mv -u @/file @/dir/inside
mv @/link @/new
mv @/file @/link
mv @/file @/link-dir
mv -T @/file @/link-dir
mv @/link-dir @/new
mv @/link-dir/ @/new
mv @/hard @/hard2
mv @/hard @/dir/hard3
mv -f @/file @/exec
mv @/dir/. @/new
mv @/dir/sub/deep @/
mv @/file
mv
mv -T @/file @/exec @/big
cp @/file @/new
cp --reflink=always @/big @/new
cp --reflink=never @/big @/new
cp --reflink @/big @/exec
cp -a --reflink=always @/dir @/new
cp -r @/dir @/new
cp -r @/dir/. @/empty
cp -a @/many @/new
cp --sparse=always @/zeros @/new
cp --reflink=always --sparse=always @/zeros @/new
cp @/big @/big
cp @/hard @/hard2
cp -a @/dir @/dir/sub
cp --reflink=sometimes @/file @/new
mkdir
rmdir @/empty
rmdir @/dir
rmdir @/file
rmdir @/nothing
rmdir -p @/deep/er/est
rmdir -v @/empty
rmdir --ignore-fail-on-non-empty @/dir
rmdir @/empty/
rmdir @/empty/.
rm @/file
rm @/file @/exec @/link
rm -v @/file @/link-dir
rm @/nothing
rm @/file @/nothing @/exec
rm -f @/nothing @/file
rm -f @/file/below
rm -f
rm @/dir
rm -d @/empty
rm -dv @/empty
rm -d @/dir
rm -r @/dir
rm -rv @/empty
rm -rf @/dir @/deep @/nothing
rm -r @/link-dir
rm -r @/link-dir/
rm @/file/
rm -r @/dir/.
rm -r @/dir/..
rm -rf @/many
rm --no-such @/file
ln @/file @/new
ln -v @/file @/new
ln @/file @/dir
ln @/file @/exec
ln -f @/file @/exec
ln -f @/file @/file
ln @/dir @/new
ln @/nothing @/new
ln @/link @/new
ln -L @/link @/new
ln -P @/link @/new
ln @/file @/exec @/dir
ln @/file @/exec @/big
ln -t @/dir @/file @/exec
ln -T @/file @/dir
ln -s text @/new
ln -sv text @/new
ln -s text @/file
ln -sf text @/file
ln -s ../x/y @/dir
ln -s a b @/dir
ln -sf text @/link-dir
ln -sfn text @/link-dir
ln -sT text @/link-dir
ln -s text @/new/
ln @/file
touch @/file
touch @/new
touch @/new @/file @/dir
touch -c @/new
touch -a @/file
touch -m @/file
touch -d 2001-02-03T04:05:06.789Z @/file
touch -d '2001-02-03 04:05:06 +0130' @/new
touch -d 1901-01-01 @/file
touch -d @-1.25 @/file
touch -a -d @5 @/file
touch -t 200102030405.06 @/file
touch -t 9902030405 @/file
touch -r @/file @/exec
touch -m -r @/file @/exec
touch --time=mtime -d @7 @/file
touch --time=access -d @7 @/file
touch -h -d @7 @/link
touch -d @7 @/link
touch @/dangling
touch -h @/dangling
touch @/nowhere/new
touch @/file/
touch @/new/
touch -d tomorrowish @/file
touch -t 1302 @/file
touch @/setgid/new
truncate -s 5 @/file
truncate -s 0 @/big
truncate -s 1M @/big
truncate -s 100KB @/big
truncate -s +7 @/file
truncate -s -3 @/file
truncate -s -1G @/file
truncate -s '<5' @/file @/big
truncate -s '>5K' @/file @/big
truncate -s /4096 @/big
truncate -s %4096 @/big @/file
truncate -s 12345 @/new
truncate -c -s 12345 @/new
truncate -r @/big @/file @/new
truncate -r @/big -s +1 @/file
truncate -s 3 @/dir
truncate -s 3 @/fifo-not
truncate -s x @/file
truncate -s 5 -r @/big @/file
truncate -s %0 @/file
truncate @/file
truncate -o -s 2 @/big
truncate -s 3 @/link
chmod 600 @/file
chmod 4755 @/file
chmod 0 @/file @/dir
chmod u+x @/file
chmod go-rwx,u=rw @/file
chmod a=r @/file
chmod =rw @/file
chmod +x @/file @/dir
chmod -x @/exec
chmod -w @/file
chmod g=u,o=g @/file
chmod u+s,g+s,+t @/dir @/exec
chmod u-s @/exec
chmod a+X @/file @/exec @/dir
chmod 755 @/setgid
chmod 00755 @/setgid
chmod g-s @/setgid
chmod u=rwx @/setgid
chmod =755 @/setgid
chmod -v 640 @/file
chmod -v 600 @/exec @/file
chmod -c 600 @/exec @/file
chmod -R go= @/dir
chmod -Rv u+w @/dir
chmod -R u=rwX,go=rX @/dir
chmod 600 @/link
chmod -R 700 @/link-dir
chmod --reference @/exec @/file
chmod 600 @/nothing
chmod 600 @/dangling
chmod 888 @/file
chmod u+q @/file
chmod +755+g @/file
chmod u+x,=750,g-x @/file
chmod u+ @/file
chmod 600
chmod
chown 5 @/file
chown 5:6 @/file @/dir
chown :6 @/exec
chown 5:6 @/setid
chown +5:+6 @/file
chown root:root @/file
chown daemon: @/file
chown 5: @/file
chown 5:6 @/link
chown -h 5:6 @/link
chown -R 5:6 @/dir
chown -R 5:6 @/link-dir
chown -R 5:6 @/
chown --from 1001 5 @/file @/exec
chown --from :1001 5 @/file @/exec
chown --reference @/exec @/file
chown nobody-of-this-name @/file
chown 5 @/nothing
chown 5 @/dangling
chown -h 5 @/dangling
chown '' @/file
chown 5:6 @/capable
chgrp 6 @/file @/dir
chgrp -R 6 @/dir
chgrp -h 6 @/link
chgrp nogroup @/file
chgrp nobody-of-this-name @/file
chgrp
'''.strip().split('\n')]



def make_base(top):
    os.makedirs(f'{top}/dir/sub/deep')
    os.makedirs(f'{top}/deep/er/est')
    os.mkdir(f'{top}/empty')
    write(f'{top}/file', b'the file\n', 0o640, 1001)
    write(f'{top}/exec', b'#!/bin/sh\n', 0o755, 1002)
    write(f'{top}/hard', b'two names\n')
    write(f'{top}/setid', b'#!/bin/sh\n', 0o6755, 1002)
    os.link(f'{top}/hard', f'{top}/hard2')
    write(f'{top}/zeros', bytes(500000))
    write(f'{top}/big', bytes(range(256)) * 1000, 0o600, 1003)
    write(f'{top}/dir/inside', b'inside\n', 0o664, 1001)
    write(f'{top}/dir/sub/script', b'#!/bin/sh\n', 0o775, 1001)
    os.symlink('../file', f'{top}/dir/up')
    os.symlink('file', f'{top}/link')
    os.symlink('dir', f'{top}/link-dir')
    os.symlink('nowhere', f'{top}/dangling')
    os.mkdir(f'{top}/setgid')
    os.chown(f'{top}/setgid', 0, 1007)
    os.chmod(f'{top}/setgid', 0o2775)
    os.mkdir(f'{top}/acl')
    must('setfacl', '-d', '-m', 'u:1005:rwx,g:1006:r,o::-', f'{top}/acl')
    write(f'{top}/acl-file', b'x', 0o664)
    must('setfacl', '-m', 'u:1005:rwx,g:1006:r', f'{top}/acl-file')
    write(f'{top}/capable', b'x', 0o755)
    must('setcap', 'cap_net_raw+ep', f'{top}/capable')
    for folder, _, _ in os.walk(top, topdown=False):
        os.utime(folder, ns=(1400000000 * 10**9, 1400000000 * 10**9 + 5))


def make_many(top):
    os.mkdir(top)
    for number in range(700):
        write(f'{top}/{number}', b'x' * number)


def no_atime():
    """Looking must not change what is looked at."""
    must('mount', '-o', 'remount,noatime', 'mnt')


def time_fact(ns, start):
    return 'now' if ns // 10**9 >= start else ns


def facts(top, start):
    """path -> everything about it that a command could have changed."""
    found, inodes = {}, {}
    for folder, dirs, files in os.walk(top):
        for path in [folder] + [f'{folder}/{name}' for name in files + [d for d in dirs if os.path.islink(f'{folder}/{d}')]]:
            st = os.lstat(path)
            name = os.path.relpath(path, top)
            xattrs = {key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)}
            fact = [oct(st.st_mode), st.st_uid, st.st_gid, time_fact(st.st_atime_ns, start), time_fact(st.st_mtime_ns, start), xattrs]
            if stat.S_ISLNK(st.st_mode):
                fact.append(os.readlink(path))
            if stat.S_ISREG(st.st_mode):
                with open(path, 'rb') as file:
                    fact.append((st.st_size, hashlib.sha1(file.read()).hexdigest()))
            if not stat.S_ISDIR(st.st_mode):
                fact += [st.st_nlink, inodes.setdefault(st.st_ino, name)]
            found[name] = fact
    return found


def words_for(case, where):
    return [word.replace('@/', where + '/') if '@/' in word else word for word in shlex.split(case)]


def compare(case, kernel, ours, problems):
    for name in sorted(set(kernel) | set(ours)):
        if kernel.get(name) != ours.get(name):
            problems.append(f'{case}: {name}:\n    coreutils {kernel.get(name)}\n    ubtrfs    {ours.get(name)}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('work')
    parser.add_argument('--only', default='')
    parser.add_argument('--every', type=int, default=3, help='take every so many cases, beginning with one by chance')
    options = parser.parse_args()
    os.chdir(options.work)
    os.umask(0o022)
    env = dict(os.environ, LC_ALL='C', TZ='Europe/Berlin')
    cases = [case for case in CASES if options.only in case][os.getpid() % options.every::options.every]
    problems = []
    os.mkdir('mnt')
    with open('kernel.img', 'wb') as file:
        file.truncate(1 << 30)
    must('mkfs.btrfs', '-q', 'kernel.img')
    with Mount('kernel.img', 'mnt'):
        no_atime()
        os.mkdir('mnt/base')
        make_base('mnt/base')
        for number in range(len(cases)):
            must('cp', '-a', '--reflink=always', 'mnt/base', f'mnt/{number}')
            if '@/many' in cases[number]:
                make_many(f'mnt/{number}/many')
    must('cp', '--sparse=always', 'kernel.img', 'ours.img')
    start = int(time.time())
    time.sleep(1.1)
    expected = []
    with Mount('kernel.img', 'mnt'):
        no_atime()
        for number, case in enumerate(cases):
            done = subprocess.run(words_for(case, f'mnt/{number}'), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
            expected.append((done.returncode, done.stdout.replace(f'mnt/{number}', '@'), done.stderr, facts(f'mnt/{number}', start)))
    for number, case in enumerate(cases):
        code, out, err, _ = expected[number]
        done = subprocess.run([UBTRFS] + words_for(case, f'ours.img:/{number}'), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        said = done.stdout.replace(f'ours.img:/{number}', '@')
        if (done.returncode != 0) != (code != 0):
            problems.append(f'{case}: coreutils {code} {err.strip()!r}, ubtrfs {done.returncode} {done.stderr.strip()!r}')
        elif code == 0 and said != out and 'chown' not in case and 'chgrp' not in case:
            problems.append(f'{case}: coreutils says {out!r}, ubtrfs {said!r}')
        elif code and (done.stderr.count('\n') != 1 or not done.stderr.startswith('ERROR: ')):
            problems.append(f'{case}: not one sentence: {done.stderr!r}')
        if code:
            print(f'{case}\n    {err.strip()}\n    {done.stderr.strip()}')
    with Mount('ours.img', 'mnt'):
        no_atime()
        base = facts('mnt/base', start)
        for number, case in enumerate(cases):
            code, _, _, kernel = expected[number]
            compare(case, base if code else kernel, facts(f'mnt/{number}', start), problems)
    check = run('btrfs', 'check', '--check-data-csum', 'ours.img')
    if check.returncode:
        problems.append(f'btrfs check: {check.stdout}')
    print(f'{len(cases)} cases, {len(problems)} problems')
    for problem in problems:
        print(problem)
    for name in ('kernel.img', 'ours.img'):
        os.unlink(name)
    os.rmdir('mnt')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
