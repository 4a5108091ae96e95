#!/usr/bin/env bats
# Programs that people use, as a user without any right, on a mount of his; then the image is clean and the kernel shows the
# same. Those that take minutes are in real_programs_full.bats.
load programs_lib

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
