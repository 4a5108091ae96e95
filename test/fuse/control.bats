#!/usr/bin/env bats
# The command asks a mount through its control channel; who may; what is no mount of ours.

setup()
{
	load fuse_lib
	fuse_setup
	SOCKET_OF='import os,sys;d=os.stat(sys.argv[1]).st_dev;print("%d:%d"%(os.major(d),os.minor(d)))'
}

teardown()
{
	[ -z "${DIR:-}" ] || users_dir_end
	fuse_teardown
}

# ask SOCKET LINE...: the answers.
ask()
{
	python3 - "$@" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile('rwb')
for line in sys.argv[2:]:
    f.write(line.encode() + b'\n')
    f.flush()
    print(f.readline().decode(), end='')
PY
}

@test 'filesystem df, usage, show and label say of a mount what they say of the image' {
	image_new 300M -L 'a label'
	ours_mount
	seq 1 300000 >"$M/file"
	"$UBTRFS" filesystem sync "$M"
	for question in 'df -b' 'df --format json' 'usage -b' 'usage -T' 'show --raw' label; do
		"$UBTRFS" filesystem $question "$M" >"$WORK/mounted.${question// /_}"
	done
	ours_umount
	for question in 'df -b' 'usage -b' 'usage -T' 'show --raw' label; do
		"$UBTRFS" filesystem $question "$IMG" | diff - "$WORK/mounted.${question// /_}"
	done
	jq -e '."filesystem-df" | length == 4' "$WORK/mounted.df_--format_json"
}

@test 'the label is set on a mount, and stays' {
	image_new 200M
	ours_mount
	"$UBTRFS" filesystem label "$M" 'newly named'
	[ "$("$UBTRFS" filesystem label "$M")" = 'newly named' ]
	refused 'label' "$UBTRFS" filesystem label "$M" "$(printf 'x%.0s' $(seq 300))"
	ours_umount
	[ "$("$UBTRFS" filesystem label "$IMG")" = 'newly named' ]
	check_clean "$IMG"
}

@test 'sync makes durable' {
	image_new 200M
	ours_mount
	echo kept >"$M/file"
	"$UBTRFS" filesystem sync "$M"
	kill -KILL "$SERVER"
	ours_gone "$SERVER"
	umount -l "$M"
	ours_mount
	[ "$(cat "$M/file")" = kept ]
	ours_umount
}

@test 'a kernel mount and a directory are told as such' {
	image_new 200M
	image_mount "$MNT" rw "$IMG"
	refused 'mounted by the kernel: ask btrfs(8)' "$UBTRFS" filesystem df "$MNT"
	image_umount "$MNT"
	refused 'neither an image nor a mount' "$UBTRFS" filesystem df "$WORK"
	refused 'neither an image nor a mount' "$UBTRFS" filesystem sync "$WORK"
	refused 'no-such' "$UBTRFS" filesystem sync "$WORK/no-such"
}

@test "the channel is its owner's; what is no request is answered with an error, and it lives on" {
	image_new 200M
	ours_mount
	socket=/run/ubtrfs/$(python3 -c "$SOCKET_OF" "$M")
	[ "$(stat -c '%a %u' "$socket")" = '600 0' ]
	[ "$(stat -c '%a %u' /run/ubtrfs)" = '700 0' ]
	! as_user "$UBTRFS" filesystem df "$M" 2>"$WORK/err" || false
	grep -q "owner's" "$WORK/err"
	ask "$socket" '{"version":1,"request":"available"}' 'no json' '{}' '{"version":2,"request":"info"}' \
		'{"version":1,"request":"frobnicate"}' '{"version":1,"request":"label"}' '[1]' \
		'{"version":1,"request":"info"}' >"$WORK/answers"
	[ "$(jq -s 'map(has("result"))' -c "$WORK/answers")" = '[true,false,false,false,false,false,false,true]' ]
	# Longer than any request: the connection ends, the mount does not.
	head -c 100000 /dev/zero | tr '\0' x | python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
try:
    s.sendall(sys.stdin.buffer.read()); assert s.recv(1) == b""
except (BrokenPipeError, ConnectionResetError): pass' "$socket"
	# More at once than are served.
	python3 -c '
import socket, sys
many = [socket.socket(socket.AF_UNIX) for _ in range(12)]
for s in many[:8]: s.connect(sys.argv[1])
for s in many[:8]: s.sendall(b"{\"version\":1,\"request\":\"used\"}\n"); assert b"result" in s.recv(1000)
many[8].connect(sys.argv[1]); many[8].sendall(b"{\"version\":1,\"request\":\"used\"}\n")
many[0].close(); assert b"result" in many[8].recv(1000)' "$socket"
	ours_umount
}

# fake SOCKET: answers everything, until it is killed.
FAKE='import os, socket, sys
os.umask(0)
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(5)
while True:
    c = s.accept()[0]
    try: c.recv(1000); c.sendall(b"{\"version\":1,\"result\":{\"label\":\"fake\",\"bytes\":1}}\n")
    except OSError: pass
    c.close()'

# fake_start UID DIR SOCKET: in a directory that is his.
fake_start()
{
	rm -f "$3"
	setpriv --reuid="$1" --regid="$1" --clear-groups -- "$PYTHON" -c "$FAKE" "$3" 3>&- &
	FAKES+=($!)
	for i in $(seq 100); do [ ! -S "$3" ] || return 0; sleep 0.05; done
	return 1
}

# A user of this test alone, with his directory; fusermount3 wants one with a name.
users_dir()
{
	SOMEBODY=$(id -u lp)
	DIR=/tmp/ubtrfs-$SOMEBODY
	FAKES=()
	install -d -o "$SOMEBODY" -g "$SOMEBODY" -m 700 "$DIR"
}

as_somebody()
{
	setpriv --reuid="$SOMEBODY" --regid="$SOMEBODY" --clear-groups --inh-caps=-all -- "$@"
}

users_dir_end()
{
	[ ${#FAKES[@]} = 0 ] || kill "${FAKES[@]}" || true
	wait "${FAKES[@]}" 2>/dev/null || true
	rm -rf "$DIR" "$DIR.moved"
}

@test "root believes nobody who answers for his mount: not the owner of its top" {
	users_dir
	image_new 200M -L true
	ours_mount
	name=$(python3 -c "$SOCKET_OF" "$M")
	[ "$("$UBTRFS" filesystem label "$M")" = true ]
	chown "$SOMEBODY" "$M"
	mv "/run/ubtrfs/$name" "/run/ubtrfs/$name.away"
	fake_start "$SOMEBODY" "$DIR" "$DIR/$name"
	status=0
	refused 'no control channel' "$UBTRFS" filesystem label "$M" || status=1
	mv "/run/ubtrfs/$name.away" "/run/ubtrfs/$name"
	[ "$("$UBTRFS" filesystem label "$M")" = true ]
	ours_umount
	[ "$status" = 0 ]
}

@test "a user's mount answers him and root; nobody is believed in its place" {
	fuse_for_all
	unset XDG_RUNTIME_DIR
	users_dir
	image_new 200M -L true
	chown "$SOMEBODY" "$IMG" "$M"
	as_somebody "$UBTRFS" mount "$IMG" "$M" 3>&-
	SERVER=$(server_of "$IMG")
	name=$(as_somebody "$PYTHON" -c "$SOCKET_OF" "$M")
	[ "$("$UBTRFS" filesystem label "$M")" = true ]
	[ "$(as_somebody "$UBTRFS" filesystem label "$M")" = true ]
	refused "owner's" setpriv --reuid=12345 --regid=12345 --clear-groups "$UBTRFS" filesystem label "$M"
	# Somebody else's socket, in a directory that is open to all, and in one that no longer is.
	mv "$DIR/$name" "$DIR/$name.away"
	chmod 777 "$DIR"
	fake_start 12345 "$DIR" "$DIR/$name"
	refused 'has no control channel' "$UBTRFS" filesystem label "$M"
	refused 'has no control channel' as_somebody "$UBTRFS" filesystem label "$M"
	chmod 755 "$DIR"
	refused 'is answered by user 12345' "$UBTRFS" filesystem label "$M"
	refused 'is answered by user 12345' as_somebody "$UBTRFS" filesystem label "$M"
	# The same, where a link leads.
	mv "$DIR" "$DIR.moved"
	ln -s "$DIR.moved" "$DIR"
	chown -h "$SOMEBODY" "$DIR"
	mv -f "$DIR.moved/$name.away" "$DIR.moved/$name"
	refused 'has no control channel' "$UBTRFS" filesystem label "$M"
	rm "$DIR"
	mv "$DIR.moved" "$DIR"
	[ "$("$UBTRFS" filesystem label "$M")" = true ]
	# A link to the socket of root's own mount: root would change that in place of the user's.
	second=$WORK/root.img
	mkdir "$WORK/roots"
	truncate -s 200M "$second"
	"$UBTRFS" mkfs -q -L roots "$second"
	"$UBTRFS" mount "$second" "$WORK/roots" 3>&-
	roots=/run/ubtrfs/$(python3 -c "$SOCKET_OF" "$WORK/roots")
	mv "$DIR/$name" "$DIR/$name.away"
	as_somebody ln -s "$roots" "$DIR/$name"
	status=0
	refused 'is answered by user 0' "$UBTRFS" filesystem label "$M" changed || status=1
	[ "$("$UBTRFS" filesystem label "$WORK/roots")" = roots ] || status=1
	mv -f "$DIR/$name.away" "$DIR/$name"
	pid=$(pgrep -f -- "$second $WORK/roots" | head -n 1)
	umount "$WORK/roots"
	ours_gone "$pid"
	ours_umount
	[ "$status" = 0 ]
	check_clean "$IMG"
}

@test "a server that ends removes its socket, and leaves alone what stands in its place by now" {
	image_new 200M
	# A device number is the next mount's as soon as it is free, of whoever works on this machine: sockets in a directory that
	# nobody else sees.
	cat >"$WORK/work.sh" <<'END'
set -e
. "$ROOT/test/fuse/fuse_lib.bash"
trap 'umount -l "$M" 2>/dev/null || true' EXIT
mkdir -p -m 700 /run/ubtrfs
mount -t tmpfs -o mode=700 none /run/ubtrfs
ours_mount
socket=$(echo /run/ubtrfs/*)
[ -S "$socket" ]
ours_umount
[ ! -e "$socket" ]
ours_mount
socket=$(echo /run/ubtrfs/*)
rm "$socket"
echo other >"$socket"
ours_umount
[ "$(cat "$socket")" = other ]
END
	export ROOT WORK M IMG UBTRFS
	unshare -m --propagation private bash "$WORK/work.sh" 3>&-
	check_clean "$IMG"
}
