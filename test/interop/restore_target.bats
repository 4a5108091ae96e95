#!/usr/bin/env bats
# restore and undelete into a directory that holds something already: an earlier run, somebody else's files, another run.

setup()
{
	source "$ROOT/test/interop/lib.bash"
	judge_setup
	IMAGE=$WORK/image
	OUT=$WORK/out
	truncate -s 200M "$IMAGE"
	mkfs.btrfs -q "$IMAGE"
	image_mount "$MNT" noatime "$IMAGE"
}

teardown()
{
	judge_teardown
}

# spoil FILE: one sector of the file, which is below MNT, is other bytes from now on; GOOD is the image without.
spoil()
{
	local part=$WORK/part
	head -c 8192 "$1" | tail -c 4096 >"$part"
	sync -f "$MNT"
	image_umount "$MNT"
	GOOD=$WORK/good
	cp --sparse=always "$IMAGE" "$GOOD"
	overwrite "$part"
}

# overwrite FILE: the 4096 bytes that FILE holds are zeros in the image.
overwrite()
{
	python3 - "$IMAGE" "$1" <<'END'
import mmap, sys
part = open(sys.argv[2], 'rb').read()
with open(sys.argv[1], 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:
    at = m.find(part)
    assert at > 0 and at % 4096 == 0
    while at >= 0:
        m[at:at + 4096] = bytes(4096)
        at = m.find(part, at + 4096)
END
}

@test "every name of a damaged file is tried again, and they are one file still" {
	head -c 100000 /dev/urandom >"$MNT/one"
	ln "$MNT/one" "$MNT/two"
	cp "$MNT/one" "$WORK/original"
	spoil "$MNT/one"
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'/one: damaged'* && "$output" == *'/two: damaged'* ]]
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'/one: damaged'* && "$output" == *'/two: damaged'* ]]
	"$UBTRFS" restore "$GOOD" "$OUT"
	cmp "$OUT/one" "$WORK/original"
	cmp "$OUT/two" "$WORK/original"
	[ "$OUT/one" -ef "$OUT/two" ]
}

@test "a run over some paths forgets nothing of the others" {
	head -c 100000 /dev/urandom >"$MNT/one"
	head -c 100000 /dev/urandom >"$MNT/two"
	cp "$MNT/one" "$WORK/original"
	spoil "$MNT/one"
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[[ "$output" == *'/one: damaged'* ]]
	"$UBTRFS" restore --path-regex '^/(|two)$' "$IMAGE" "$OUT"
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'/one: damaged'* ]]
	"$UBTRFS" restore --path-regex '^/(|two)$' "$IMAGE" "$OUT"
	"$UBTRFS" restore "$GOOD" "$OUT"
	cmp "$OUT/one" "$WORK/original"
	[ ! -e "$OUT/.ubtrfs-restore" ] && [ ! -e "$OUT/.ubtrfs-restore.new" ]
}

@test "files whose names are those that a run keeps for itself" {
	echo temporary >"$MNT/.ubtrfs-restore.tmp"
	mkfifo "$MNT/.ubtrfs-restore" "$MNT/.ubtrfs-restore.new"
	mkdir "$MNT/dir"
	echo below >"$MNT/dir/.ubtrfs-restore.tmp"
	for i in 1 2 3; do echo "$i" >"$MNT/$i"; echo "$i" >"$MNT/dir/$i"; done
	head -c 100000 /dev/urandom >"$MNT/one"
	spoil "$MNT/one"
	run timeout 60 "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'/one: damaged'* ]]
	[ "$(cat "$OUT/.ubtrfs-restore.tmp.restored")" = temporary ]
	[ "$(cat "$OUT/dir/.ubtrfs-restore.tmp.restored")" = below ]
	[ -p "$OUT/.ubtrfs-restore.restored" ] && [ -p "$OUT/.ubtrfs-restore.new.restored" ]
	timeout 60 "$UBTRFS" restore "$GOOD" "$OUT"
	[ "$(ls "$OUT/dir" | wc -l)" -eq 3 ]
	[ "$(cat "$OUT/dir/.ubtrfs-restore.tmp.restored")" = below ]
	# A pipe of that name that was there before.
	mkfifo "$OUT/.ubtrfs-restore"
	run timeout 60 "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'.ubtrfs-restore is no regular file'* ]]
}

@test "two runs into one directory at once: the second is refused" {
	echo one >"$MNT/one"
	image_umount "$MNT"
	mkdir "$OUT"
	exec 7<"$OUT"
	flock 7
	run "$UBTRFS" restore "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'another run is writing'* ]]
	[ ! -e "$OUT/one" ]
	exec 7<&-
	"$UBTRFS" restore "$IMAGE" "$OUT"
}

@test "a symlink that is there stays when its target is lost" {
	ln -s somewhere "$MNT/link"
	sync -f "$MNT"
	image_umount "$MNT"
	"$UBTRFS" restore "$IMAGE" "$OUT"
	python3 "$HERE/restore_craft.py" spoil-symlink "$IMAGE" somewhere
	run "$UBTRFS" restore -o "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'/link: lost'*'the target of symbolic link'* ]]
	[ "$(readlink "$OUT/link")" = somewhere ]
	[ "$(ls -A "$OUT")" = link ]
}

@test "special files are complete, or not there: one whose attributes are still missing is made again" {
	mknod "$MNT/device" c 1 3
	chown 1000:1001 "$MNT/device"
	chmod 640 "$MNT/device"
	image_umount "$MNT"
	ASAN_OPTIONS=detect_leaks=0 strace -f -o "$WORK/trace" -e trace=mknodat,mknod,fchmodat,rename,renameat,renameat2 "$UBTRFS" restore "$IMAGE" "$OUT"
	# Its name comes last.
	[[ "$(grep device "$WORK/trace" | tail -n 1)" == *rename* ]]
	[ "$(grep -c device "$WORK/trace")" -eq 1 ]
	[ "$(stat -c '%u %g %a %F' "$OUT/device")" = '1000 1001 640 character special file' ]
}

@test "an ordinary user's second run: directories that nobody may write" {
	mkdir "$MNT/dir" "$MNT/closed"
	head -c 100000 /dev/urandom >"$MNT/dir/one"
	cp "$MNT/dir/one" "$WORK/original"
	echo closed >"$MNT/closed/file"
	chmod 500 "$MNT/dir"
	chmod 0 "$MNT/closed"
	spoil "$MNT/dir/one"
	chmod 755 "$TEST_TMP"
	chmod 644 "$IMAGE" "$GOOD"
	install -d -o 65534 "$WORK/user"
	user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$UBTRFS" "$@"; }
	run user restore "$IMAGE" "$WORK/user/out"
	[[ "$output" == *'/dir/one: damaged'* && "$output" != *Refused* ]]
	run user restore "$GOOD" "$WORK/user/out"
	[ "$status" -eq 0 ]
	cmp "$WORK/user/out/dir/one" "$WORK/original"
	[ "$(stat -c %a "$WORK/user/out/dir" "$WORK/user/out/closed" | tr '\n' ' ')" = '500 0 ' ]
}

@test "JSON is JSON with -D; two reports at once are refused; names do not move a terminal" {
	echo one >"$MNT/one"
	touch "$MNT/"$'bad\e[2Jname'
	image_umount "$MNT"
	"$UBTRFS" restore -D --format json "$IMAGE" 2>"$WORK/names" | python3 -m json.tool >/dev/null
	grep -q '^/one$' "$WORK/names"
	"$UBTRFS" restore -D --report "$WORK/report" "$IMAGE" >"$WORK/names"
	python3 -m json.tool "$WORK/report" >/dev/null
	[ "$(grep -vc '^/' "$WORK/names")" -eq 0 ]
	run "$UBTRFS" restore --format json --report "$WORK/report" "$IMAGE" "$OUT"
	[ "$status" -eq 1 ]
	[[ "$output" == *'--report'*'--format json'* ]]
	run "$UBTRFS" restore --list-roots --report "$WORK/report" "$IMAGE"
	[ "$status" -eq 1 ]
	run "$UBTRFS" undelete --list --report "$WORK/report" "$IMAGE:/"
	[ "$status" -eq 1 ]
	[[ "$output" == *'--report'*'--list'* ]]
	run "$UBTRFS" undelete --format json --report "$WORK/report" "$IMAGE:/" "$OUT"
	[ "$status" -eq 1 ]
	script -qec "'$UBTRFS' restore -D '$IMAGE'; '$UBTRFS' restore -v '$IMAGE' '$OUT'" "$WORK/screen" >/dev/null
	[ "$(grep -c 'bad?\[2Jname' "$WORK/screen")" -eq 2 ]
	! grep -q $'\e' "$WORK/screen" || false
}

@test "undelete replaces what it has made itself, and no file of somebody else" {
	mkdir "$MNT/dir"
	head -c 100000 /dev/urandom >"$MNT/dir/file"
	head -c 5000 /dev/urandom >"$MNT/dir/second"
	cp -a "$MNT/dir" "$WORK/first"
	sync -f "$MNT"
	head -c 100000 /dev/urandom >"$WORK/newer"
	cat "$WORK/newer" >"$MNT/dir/file"
	sync -f "$MNT"
	rm -r "$MNT/dir"
	sync -f "$MNT"
	image_umount "$MNT"
	head -c 8192 "$WORK/newer" | tail -c 4096 >"$WORK/part"
	overwrite "$WORK/part"
	run "$UBTRFS" undelete --list "$IMAGE:/"
	[[ "$output" == *' damaged '*/dir/file* && "$output" == *' verified '*/dir/file* ]]
	"$UBTRFS" undelete "$IMAGE:/" "$WORK/whole" || true
	cmp "$WORK/first/file" "$WORK/whole/dir/file"
	mkdir -p "$OUT/dir"
	echo mine >"$OUT/dir/file"
	echo mine >"$OUT/dir/second"
	"$UBTRFS" undelete "$IMAGE:/" "$OUT" || true
	[ "$(cat "$OUT/dir/file")" = mine ]
	[ "$(cat "$OUT/dir/second")" = mine ]
}
