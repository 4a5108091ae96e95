#!/usr/bin/env bats
# Programs that people use, those that take minutes: run with --full only.
load programs_lib

@test 'a C program is built by make -j2, and runs' {
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
	user_mount 2G
	as_user "$PYTHON" "$ROOT/test/fuse/sqlite_stress.py" "$M" 20
	install -d -o 65534 -g 65534 "$WORK/copy"
	as_user cp -a "$M/." "$WORK/copy/"
	user_umount
	judged_against "$WORK/copy" .
}

@test 'PostgreSQL: initdb and pgbench' {
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
