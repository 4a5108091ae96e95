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
	! as_user "$UBTRFS" filesystem df "$M" 2>"$WORK/err"
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
	[ ! -e "$socket" ]
}
