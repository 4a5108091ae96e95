#!/usr/bin/env bats
# An ordinary user without any right mounts his image, works on it, asks it, and unmounts it.

setup()
{
	load fuse_lib
	fuse_setup
	fuse_for_all
	unset XDG_RUNTIME_DIR
	mkdir "$WORK/home"
	mkdir "$WORK/home/mnt"
	chown -R 65534:65534 "$WORK/home"
	M=$WORK/home/mnt
	IMG=$WORK/home/user.img
	as_user truncate -s 300M "$IMG"
	as_user mkdir "$WORK/home/tree"
	echo hello | as_user tee "$WORK/home/tree/file" >/dev/null
}

teardown()
{
	fuse_teardown
}

user_mount()
{
	as_user "$UBTRFS" mount ${1:+-o "$1"} "$IMG" "$M" 3>&- || return 1
	SERVER=$(server_of "$IMG")
}

user_umount()
{
	as_user fusermount3 -u "$M"
	ours_gone "$SERVER"
	SERVER=
}

# work DIR: what somebody does in a directory of his own.
work()
{
	as_user sh -ec '
		cd "$1"
		mkdir -p dir/sub
		seq 1 100000 >dir/numbers
		cp -a dir copy
		mv copy/numbers copy/moved
		ln dir/numbers hard
		ln -s dir/numbers link
		setfattr -n user.mine -v yes hard
		setfacl -m u:12345:r hard
		chmod 700 dir
		tar cf - . | (mkdir ../tree/back && cd ../tree/back && tar xf -)
		rm -r copy/sub
	' work "$1"
}

@test 'his own image: mounted, worked on, asked, unmounted; clean, and what he did is there' {
	as_user "$UBTRFS" mkfs -q --rootdir "$WORK/home/tree" "$IMG"
	user_mount
	grep " $M " /proc/self/mounts | grep -q 'nosuid,nodev.*user_id=65534'
	[ "$(as_user cat "$M/file")" = hello ]
	work "$M"
	as_user "$UBTRFS" filesystem df "$M" | grep -q '^Data'
	as_user "$UBTRFS" filesystem sync "$M"
	# While it is in use it is not unmounted, and goes on.
	as_user sh -c 'cd "$1" && ! fusermount3 -u "$1" 2>"$2/busy"' sh "$M" "$WORK/home"
	grep -q 'Device or resource busy' "$WORK/home/busy"
	[ "$(as_user cat "$M/file")" = hello ]
	# Root is not let in, and his own files are still his.
	! ls "$M" 2>/dev/null || false
	as_user chown 1 "$M/hard" 2>"$WORK/err" && false
	as_user rm -r "$M/dir/sub"
	as_user mkdir "$WORK/copy" 2>/dev/null || install -d -o 65534 -g 65534 "$WORK/copy"
	as_user cp -a "$M/." "$WORK/copy"
	socket=/tmp/ubtrfs-65534/$(as_user "$PYTHON" -c 'import os, sys
d = os.stat(sys.argv[1]).st_dev
print("%d:%d" % (os.major(d), os.minor(d)))' "$M")
	as_user test -S "$socket"
	made=$(stat -c '%i %z' "$socket")
	user_umount
	judged "$WORK/copy"
	# Or it is another mount's, which has the device number by now.
	[ "$(stat -c '%i %z' "$socket" 2>/dev/null)" != "$made" ]
}

@test "somebody else's image: nothing of root is his" {
	rm "$IMG"
	truncate -s 300M "$IMG"
	"$UBTRFS" mkfs -q "$IMG"
	chown 65534:65534 "$IMG"
	user_mount
	! as_user touch "$M/file" 2>"$WORK/err" || false
	grep -q 'Permission denied' "$WORK/err"
	user_umount
	user_mount uid=65534,gid=65534
	[ "$(as_user stat -c %u:%g "$M")" = 65534:65534 ]
	work "$M"
	! as_user chown 1 "$M/hard" 2>"$WORK/err" || false
	grep -q 'Operation not permitted' "$WORK/err"
	user_umount
	check_clean "$IMG"
	# It belongs to the owner of the directory.
	image_mount "$MNT" ro "$IMG"
	[ -z "$(find "$MNT" ! -uid 0)" ]
	[ "$(find "$MNT" | wc -l)" -gt 5 ]
	image_umount "$MNT"
}

@test 'what a user may not is told' {
	as_user "$UBTRFS" mkfs -q "$IMG"
	chmod 755 "$WORK"
	mkdir "$WORK/roots"
	! as_user "$UBTRFS" mount "$IMG" "$WORK/roots" >"$WORK/err" 2>&1 || false
	grep -q 'ERROR: .*cannot be mounted' "$WORK/err"
	! as_user "$UBTRFS" mount -o allow_other "$IMG" "$M" >"$WORK/err" 2>&1 || grep -q '^user_allow_other' /etc/fuse.conf
	! grep -q " $WORK/roots " /proc/self/mounts || false
	[ "$(pgrep -c -f "$IMG" || true)" = 0 ] || grep -q '^user_allow_other' /etc/fuse.conf
}

# An image of a tree of root's, with set-id bits.
mapped_image()
{
	rm -rf "$WORK/home/tree"
	mkdir -p "$WORK/home/tree/open" "$WORK/home/tree/dir"
	cp /usr/bin/id "$WORK/home/tree/su"
	cp /usr/bin/id "$WORK/home/tree/map"
	cp /usr/bin/id "$WORK/home/tree/group"
	chmod 4755 "$WORK/home/tree/su" "$WORK/home/tree/map"
	chmod 2755 "$WORK/home/tree/group"
	for name in capable written; do
		cp /usr/bin/id "$WORK/home/tree/$name"
		setcap cap_net_raw+ep "$WORK/home/tree/$name"
	done
	chmod 1777 "$WORK/home/tree/open"
	"$UBTRFS" mkfs -q -f --rootdir "$WORK/home/tree" "$IMG"
}

@test "uid= and gid=: a user gets no set-id bit that would be the owner's; what others make is theirs" {
	mapped_image
	"$UBTRFS" mount -o uid=65534,gid=65534 "$IMG" "$M" 3>&-
	SERVER=$(server_of "$IMG")
	grep " $M " /proc/self/mounts | grep -q 'rw,nosuid,nodev'
	as_user cp /usr/bin/id "$M/own"
	for mode in 4755 2755 6755; do
		! as_user chmod $mode "$M/own" 2>"$WORK/err" || false
		grep -q 'Operation not permitted' "$WORK/err"
	done
	as_user chmod 1755 "$M/own"
	as_user chmod 2775 "$M/dir"
	# What is there may stay, with other bits; whoever writes takes it off, also through memory.
	as_user chmod 4711 "$M/su"
	! as_user chmod 6711 "$M/su" 2>/dev/null || false
	[ "$(stat -c %a "$M/su")" = 4711 ]
	as_user "$PYTHON" - "$M" <<'PY'
import mmap, os, sys
os.chdir(sys.argv[1])
f = os.open('created', os.O_RDWR | os.O_CREAT, 0o6755)
os.mknod('node', 0o106755)
m = os.open('map', os.O_RDWR)
a = mmap.mmap(m, 4096)
a[0:4] = b'evil'
a.flush(); a.close()
c = os.open('capable', os.O_RDWR)
a = mmap.mmap(c, 4096)
a[0:4] = b'evil'
a.flush(); a.close()
os.write(os.open('written', os.O_WRONLY), b'evil')
g = os.open('group', os.O_WRONLY)
os.write(g, b'evil')
PY
	# Somebody else, in a directory that is open to all: his on the disk, and he cannot pass for another.
	as_other() { setpriv --reuid=12345 --regid=12345 --clear-groups --inh-caps=-all -- "$@"; }
	as_other sh -c 'umask 0; echo text >"$1/open/theirs"' sh "$M"
	! as_other chmod 4755 "$M/open/theirs" 2>/dev/null || false
	! as_other rm "$M/open/theirs" 2>/dev/null || false
	as_user sh -c 'echo text >"$1/open/users"' sh "$M"
	chmod 4755 "$M/own"
	ours_umount
	image_mount "$MNT" ro "$IMG"
	(cd "$MNT" && stat -c '%n %a %u:%g' created dir group map node open/theirs open/users own su) >"$WORK/modes"
	# Nor is a right of the file's own what somebody else has written.
	! getfattr -n security.capability "$MNT/capable" 2>/dev/null || false
	! getfattr -n security.capability "$MNT/written" 2>/dev/null || false
	image_umount "$MNT"
	cat "$WORK/modes"
	diff "$WORK/modes" - <<'END'
created 755 0:0
dir 2775 0:0
group 755 0:0
map 755 0:0
node 755 0:0
open/theirs 666 12345:12345
open/users 644 0:0
own 4755 0:0
su 4711 0:0
END
	check_clean "$IMG"
	"$UBTRFS" mount -o uid=65534,suid "$IMG" "$M" 3>&-
	SERVER=$(server_of "$IMG")
	! grep " $M " /proc/self/mounts | grep -q 'nosuid' || false
	ours_umount
}

@test 'no_default_permissions: who mounted alone may enter, unless it is said, and set-id bits mean nothing' {
	mapped_image
	"$UBTRFS" mount -o no_default_permissions "$IMG" "$M" 3>&-
	SERVER=$(server_of "$IMG")
	grep " $M " /proc/self/mounts | grep -q 'rw,nosuid,nodev'
	! as_user ls "$M" 2>"$WORK/err" || false
	grep -q 'Permission denied' "$WORK/err"
	ours_umount
	"$UBTRFS" mount -o no_default_permissions,allow_other "$IMG" "$M" 3>&-
	SERVER=$(server_of "$IMG")
	as_user touch "$M/dir/file"
	ours_umount
	check_clean "$IMG"
}
