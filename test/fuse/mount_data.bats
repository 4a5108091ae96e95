#!/usr/bin/env bats
# Contents on a mount: holes, ranges, clones, maps, locks; whatever is asked through a file descriptor.

setup()
{
	load fuse_lib
	fuse_setup
}

teardown()
{
	fuse_teardown
}

@test 'holes, preallocation, punching and zeroing are what fallocate(2) says' {
	image_new 300M
	ours_mount
	cd "$M"
	head -c 1048576 /dev/urandom >file
	cp file twin
	fallocate -p -o 262144 -l 131072 file
	dd if=/dev/zero of=twin bs=4096 seek=64 count=32 conv=notrunc status=none
	cmp file twin
	python3 - file <<'PY'
import os, sys
f = os.open(sys.argv[1], os.O_RDWR)
assert os.lseek(f, 0, os.SEEK_HOLE) == 262144
assert os.lseek(f, 262144, os.SEEK_DATA) == 393216
assert os.lseek(f, 400000, os.SEEK_HOLE) == 1048576
try:
    os.lseek(f, 1048576, os.SEEK_DATA); assert False
except OSError as e:
    assert e.errno == 6
PY
	fallocate -z -o 500000 -l 1000 file
	dd if=/dev/zero of=twin bs=1000 seek=500 count=1 conv=notrunc status=none
	cmp file twin
	fallocate -l 3M file
	[ "$(stat -c %s file)" = 3145728 ]
	truncate -s 3M twin
	cmp file twin
	fallocate -n -l 8M file
	[ "$(stat -c %s file)" = 3145728 ]
	[ "$(stat -c %b file)" -ge 16384 ]
	fails=$(fallocate -c -o 0 -l 4096 file 2>&1 || true)
	[[ $fails == *'not supported'* ]]
	cd "$WORK"
	ours_umount
	check_clean "$IMG"
	image_mount "$MNT" ro "$IMG"
	cmp "$MNT/file" "$MNT/twin"
	image_umount "$MNT"
}

@test 'copy_file_range shares: cp --reflink=auto takes no space' {
	image_new 300M
	ours_mount
	head -c 20000001 /dev/urandom >"$M/big"
	for i in 1 2 3; do
		python3 - "$M/big" "$M/clone$i" <<'PY'
import os, sys
a, b = os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
left = os.fstat(a).st_size
while left:
    n = os.copy_file_range(a, b, left)
    assert n > 0
    left -= n
PY
	done
	cp --reflink=auto "$M/big" "$M/clone4"
	for i in 1 2 3 4; do cmp "$M/big" "$M/clone$i"; done
	"$UBTRFS" filesystem sync "$M"
	[ "$("$UBTRFS" filesystem df -b "$M" | sed -n 's/^Data.*used=//p')" -lt 45000000 ]
	printf 'changed' | dd of="$M/clone3" bs=1 seek=1000000 conv=notrunc status=none
	! cmp -s "$M/big" "$M/clone3" || false
	cmp "$M/big" "$M/clone4"
	mkdir "$WORK/copy"
	cp -a "$M/." "$WORK/copy"
	ours_umount
	judged "$WORK/copy"
}

@test 'maps, appending, direct and vectored I/O see the same bytes' {
	image_new 200M
	ours_mount
	python3 - "$M" <<'PY'
import fcntl, mmap, os, sys
os.chdir(sys.argv[1])
f = os.open('map', os.O_RDWR | os.O_CREAT)
os.ftruncate(f, 100000)
m = mmap.mmap(f, 100000)
m[50000:50010] = b'0123456789'
assert os.pread(f, 10, 50000) == b'0123456789'
os.pwrite(f, b'abc', 50003)
assert m[50000:50010] == b'012abc6789'
m.flush()
os.unlink('map')
m[99990:99993] = b'end'
assert os.pread(f, 3, 99990) == b'end'
assert os.fstat(f).st_nlink == 0
m.close(); os.close(f)
a = os.open('append', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
b = os.open('append', os.O_WRONLY | os.O_APPEND)
for i in range(100):
    os.write(a, b'a%03d' % i); os.write(b, b'b%03d' % i)
assert os.stat('append').st_size == 800
assert open('append').read() == ''.join('a%03db%03d' % (i, i) for i in range(100))
d = os.open('direct', os.O_RDWR | os.O_CREAT | os.O_DIRECT)
page = mmap.mmap(-1, 8192)
page[:] = b'x' * 8192
assert os.writev(d, [page]) == 8192
page[:] = b'y' * 8192
assert os.preadv(d, [page], 0) == 8192 and page[:] == b'x' * 8192
assert os.pread(os.open('direct', os.O_RDONLY), 3, 8190) == b'xx'
l = os.open('lock', os.O_RDWR | os.O_CREAT); k = os.open('lock', os.O_RDWR)
fcntl.flock(l, fcntl.LOCK_EX)
try:
    fcntl.flock(k, fcntl.LOCK_EX | fcntl.LOCK_NB); assert False
except BlockingIOError:
    pass
fcntl.lockf(l, fcntl.LOCK_EX)
if os.fork() == 0:
    try:
        fcntl.lockf(k, fcntl.LOCK_EX | fcntl.LOCK_NB); os._exit(1)
    except OSError:
        os._exit(0)
assert os.wait()[1] == 0
PY
	mkdir "$WORK/copy"
	cp -a "$M/." "$WORK/copy"
	ours_umount
	judged "$WORK/copy"
}

@test 'large and odd: 64-bit offsets, times before 1970 and after 2038, names of 255 bytes' {
	image_new 200M
	ours_mount
	cd "$M"
	printf end | dd of=far bs=1 seek=$((1 << 45)) conv=notrunc status=none
	[ "$(stat -c %s far)" = $(((1 << 45) + 3)) ]
	[ "$(tail -c 3 far)" = end ]
	touch -d '1901-01-01 00:00:00.000000001Z' old
	touch -d '2500-06-07 08:09:10.123456789Z' new
	[ "$(stat -c %y old)" = "$(TZ= date -d '1901-01-01 00:00:00.000000001Z' '+%F %T.%N %z')" ]
	name=$(printf 'n%.0s' $(seq 255))
	touch "$name"
	fails=$(touch "${name}n" 2>&1 || true)
	[[ $fails == *'File name too long'* ]]
	[ -e "$name" ]
	path=.
	for i in $(seq 500); do path=$path/d; done
	mkdir -p "$path"
	touch "$path/deep"
	[ "$(find . -name deep | wc -l)" = 1 ]
	cd "$WORK"
	ours_umount
	check_clean "$IMG"
	image_mount "$MNT" ro "$IMG"
	[ "$(stat -c %s "$MNT/far")" = $(((1 << 45) + 3)) ]
	[ "$(tail -c 3 "$MNT/far")" = end ]
	[ "$(stat -c %Y "$MNT/new")" = "$(date -d '2500-06-07 08:09:10Z' +%s)" ]
	[ -e "$MNT/$path/deep" ]
	image_umount "$MNT"
}
