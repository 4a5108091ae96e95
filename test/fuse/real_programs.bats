#!/usr/bin/env bats
# Programs that people use, as a user without any right, on a mount of his; then the image is clean and the kernel shows the
# same. Most of it with UBTRFS_FULL=1 only.

setup()
{
	load fuse_lib
	fuse_setup
	fuse_for_all
	unset XDG_RUNTIME_DIR
	mkdir "$WORK/home"
	chown 65534:65534 "$WORK/home"
	as_user mkdir "$WORK/home/mnt"
	M=$WORK/home/mnt
	IMG=$WORK/home/user.img
	export CC=/usr/bin/cc CCACHE_DISABLE=1 HOME=$WORK/home GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
}

teardown()
{
	fuse_teardown
}

full()
{
	[ -n "$FULL" ] || skip 'with UBTRFS_FULL=1'
}

# user_mount SIZE [OPTIONS]
user_mount()
{
	as_user truncate -s "$1" "$IMG"
	as_user mkdir -p "$WORK/home/empty"
	as_user "$UBTRFS" mkfs -q -f --rootdir "$WORK/home/empty" "$IMG"
	as_user "$UBTRFS" mount ${2:+-o "$2"} "$IMG" "$M" 3>&-
	SERVER=$(server_of "$IMG")
}

user_umount()
{
	as_user fusermount3 -u "$M"
	ours_gone "$SERVER"
	SERVER=
}

# judged_against TREE PLACE: clean, and PLACE on the kernel's mount is as TREE.
judged_against()
{
	local status=0
	check_clean "$IMG" || return 1
	kernel_mark
	image_mount "$MNT" ro "$IMG" || return 1
	rsync -aHAXnci --delete --modify-window=-1 "$1/" "$MNT/$2/" >"$WORK/differences" 2>&1 || status=1
	[ ! -s "$WORK/differences" ] || { head -n 20 "$WORK/differences"; status=1; }
	kernel_quiet "${JUDGE_DEVICES[@]}" || status=1
	image_umount "$MNT" || return 1
	return $status
}

@test 'git: a repository cloned, checked, packed and checked out' {
	user_mount 4G
	git -C "$ROOT" bundle create "$WORK/repository" HEAD 2>/dev/null
	chmod 644 "$WORK/repository"
	as_user git clone -q "$WORK/repository" "$M/repository"
	as_user git -C "$M/repository" fsck --full --strict >"$WORK/out" 2>&1
	as_user git -C "$M/repository" checkout -q HEAD~20
	as_user git -C "$M/repository" gc -q --prune=now
	as_user git -C "$M/repository" fsck --full >>"$WORK/out" 2>&1
	as_user git -C "$M/repository" status --porcelain >"$WORK/status"
	[ ! -s "$WORK/status" ]
	install -d -o 65534 -g 65534 "$WORK/copy"
	as_user cp -a "$M/repository" "$WORK/copy/"
	user_umount
	judged_against "$WORK/copy/repository" repository
}

@test 'a C program is built by make -j2, and runs' {
	full
	user_mount 4G compress=zstd
	as_user mkdir "$M/project"
	as_user "$PYTHON" - "$M/project" 400 <<'PY'
import os, sys
os.chdir(sys.argv[1])
nr = int(sys.argv[2])
for i in range(nr):
    with open(f'part{i}.c', 'w') as f:
        f.write(f'#include <stdio.h>\n#include "all.h"\nint part{i}(int x) {{ return x + {i}; }}\n' + '/* words */\n' * 200)
with open('all.h', 'w') as f:
    f.write(''.join(f'int part{i}(int x);\n' for i in range(nr)))
with open('main.c', 'w') as f:
    f.write('#include <stdio.h>\n#include "all.h"\nint main(void) { int s = 0;\n' + ''.join(f's += part{i}(1);\n' for i in range(nr)) + 'printf("%d\\n", s); return 0; }\n')
with open('Makefile', 'w') as f:
    f.write('CFLAGS=-O1 -g\nOBJECTS=$(patsubst %.c,%.o,$(wildcard *.c))\nprogram: lib.a main.o\n\t$(CC) -o $@ main.o lib.a\n'
            'lib.a: $(filter-out main.o,$(OBJECTS))\n\tar rcs $@ $^\n%.o: %.c all.h\n\t$(CC) $(CFLAGS) -c -o $@ $<\n')
print(sum(1 + i for i in range(nr)), file=open('expected', 'w'))
PY
	as_user make -s -j2 -C "$M/project"
	[ "$(as_user "$M/project/program")" = "$(as_user cat "$M/project/expected")" ]
	as_user touch "$M/project/all.h"
	as_user make -s -j2 -C "$M/project"
	[ "$(as_user make -j2 -C "$M/project" | grep -c 'up to date')" = 1 ]
	install -d -o 65534 -g 65534 "$WORK/copy"
	as_user cp -a "$M/project" "$WORK/copy/"
	user_umount
	judged_against "$WORK/copy/project" project
}

@test 'tar and rsync of a large tree, there and back' {
	local source=$WORK/linux archive=$WORK/tree.tar
	full
	mkdir "$source"
	tar -xf /usr/src/linux-source-*.tar.xz -C "$source"
	tar -cf "$archive" --owner=65534 --group=65534 -C "$source" .
	chmod 644 "$archive"
	user_mount 12G compress=zstd
	as_user mkdir "$M/tar" "$M/rsync"
	as_user tar -xf "$archive" -C "$M/tar"
	as_user rsync -aH --no-owner --no-group "$source/" "$M/rsync/"
	[ -z "$(as_user rsync -anci --no-owner --no-group --no-times "$M/tar/" "$M/rsync/" | grep -v '^\.d' | head)" ]
	install -d -o 65534 -g 65534 "$WORK/back"
	as_user sh -c 'tar -cf - -C "$1/tar" . | tar -xf - -C "$2"' sh "$M" "$WORK/back"
	as_user rm -rf "$M/rsync"
	user_umount
	judged_against "$WORK/back" tar
}

@test 'SQLite in WAL and rollback modes: several writers, one of them killed' {
	full
	user_mount 2G
	as_user "$PYTHON" "$ROOT/test/fuse/sqlite_stress.py" "$M" 20
	install -d -o 65534 -g 65534 "$WORK/copy"
	as_user cp -a "$M/." "$WORK/copy/"
	user_umount
	judged_against "$WORK/copy" .
}

@test 'SQLite and a server that is killed: what was committed is there' {
	user_mount 1G
	as_user "$PYTHON" - "$M" <<'PY'
import os, sqlite3, sys
os.chdir(sys.argv[1])
db = sqlite3.connect('db')
db.execute('PRAGMA synchronous=EXTRA')
db.execute('CREATE TABLE t(k INTEGER PRIMARY KEY, v BLOB)')
for i in range(40):
    db.execute('INSERT INTO t VALUES(?, ?)', (i, os.urandom(5000)))
    db.commit()
db.execute('INSERT INTO t VALUES(1000, 1)')
PY
	kill -KILL "$SERVER"
	ours_gone "$SERVER"
	as_user fusermount3 -uz "$M"
	check_clean "$IMG"
	as_user "$UBTRFS" mount "$IMG" "$M" 3>&-
	SERVER=$(server_of "$IMG")
	as_user sqlite3 "$M/db" "PRAGMA integrity_check; SELECT count(*) FROM t;" >"$WORK/answer" 2>&1 || true
	diff <(printf "ok\n40\n") "$WORK/answer"
	user_umount
}

@test 'PostgreSQL: initdb and pgbench' {
	full
	local bin=/usr/lib/postgresql/15/bin
	bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
	user_mount 6G
	as_user "$bin/initdb" -D "$M/data" -A trust -U test >"$WORK/initdb.txt" 2>&1 || { cat "$WORK/initdb.txt"; false; }
	as_user "$bin/pg_ctl" -s -w -D "$M/data" -l "$M/log" -o "-k $WORK/home -h ''" start 3>&-
	as_user "$bin/pgbench" -h "$WORK/home" -U test -i -s 5 -q postgres >"$WORK/bench.txt" 2>&1
	as_user "$bin/pgbench" -h "$WORK/home" -U test -c 4 -j 2 -T 60 postgres >>"$WORK/bench.txt" 2>&1
	grep tps "$WORK/bench.txt" >&3
	as_user "$bin/psql" -h "$WORK/home" -U test -q -c 'VACUUM FULL' -c 'REINDEX DATABASE postgres' postgres
	as_user "$bin/pg_ctl" -s -w -D "$M/data" stop
	as_user "$bin/pg_checksums" --enable -D "$M/data" >/dev/null
	as_user "$bin/pg_checksums" --check -D "$M/data" | grep -q 'Bad checksums: *0'
	install -d -o 65534 -g 65534 "$WORK/copy"
	as_user cp -a "$M/." "$WORK/copy/"
	user_umount
	judged_against "$WORK/copy" .
}

@test 'stress-ng: its stressors of filesystems' {
	local seconds=10 stressor
	full
	user_mount 4G
	for stressor in access chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dup fallocate fcntl fd-race fiemap file-ioctl filename \
		flock fpunch fstat getdent handle hdd inode-flags inotify io iomix lease link locka lockf lockofd metamix mknod open \
		readahead rename seek sync-file symlink touch unlink utime verity xattr; do
		as_user stress-ng --temp-path "$M" --$stressor 2 --timeout ${seconds}s --verify --metrics-brief >"$WORK/stress.txt" 2>&1 3>&- || {
			grep -Eq 'invalid option|unrecognized option|not implemented|skipped' "$WORK/stress.txt" || { cat "$WORK/stress.txt"; false; }
		}
	done
	user_umount
	check_clean "$IMG"
}

@test 'fio --verify, with every engine that FUSE allows' {
	full
	local engine size=256m mode
	user_mount 4G
	for engine in sync psync vsync pvsync pvsync2 libaio posixaio mmap io_uring; do
		for mode in write randwrite randrw; do
			as_user fio --name=job --directory="$M" --ioengine=$engine --rw=$mode --size=$size --bsrange=512-128k \
				--bs_unaligned --iodepth=8 --verify=crc32c --verify_fatal=1 --do_verify=1 --minimal >"$WORK/fio.txt" 2>&1 3>&- || {
				grep -q 'engine.*not loadable\|Operation not permitted' "$WORK/fio.txt" || { echo "$engine $mode"; cat "$WORK/fio.txt"; false; }
			}
			as_user rm -f "$M"/job*
		done
	done
	as_user fio --name=direct --directory="$M" --ioengine=libaio --direct=1 --rw=randrw --size=$size --bs=4k --iodepth=16 --verify=crc32c \
		--verify_fatal=1 --minimal >"$WORK/fio.txt" 2>&1 3>&- || { cat "$WORK/fio.txt"; false; }
	user_umount
	check_clean "$IMG"
}
