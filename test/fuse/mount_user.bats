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
	# Root is not let in, and his own files are still his.
	! ls "$M" 2>/dev/null
	as_user chown 1 "$M/hard" 2>"$WORK/err" && false
	as_user rm -r "$M/dir/sub"
	as_user mkdir "$WORK/copy" 2>/dev/null || install -d -o 65534 -g 65534 "$WORK/copy"
	as_user cp -a "$M/." "$WORK/copy"
	socket=/tmp/ubtrfs-65534/$(as_user "$PYTHON" -c 'import os, sys
d = os.stat(sys.argv[1]).st_dev
print("%d:%d" % (os.major(d), os.minor(d)))' "$M")
	as_user test -S "$socket"
	user_umount
	judged "$WORK/copy"
	[ ! -e "$socket" ]
}

@test "somebody else's image: nothing of root is his" {
	rm "$IMG"
	truncate -s 300M "$IMG"
	"$UBTRFS" mkfs -q "$IMG"
	chown 65534:65534 "$IMG"
	user_mount
	! as_user touch "$M/file" 2>"$WORK/err"
	grep -q 'Permission denied' "$WORK/err"
	user_umount
	user_mount uid=65534,gid=65534
	[ "$(as_user stat -c %u:%g "$M")" = 65534:65534 ]
	work "$M"
	! as_user chown 1 "$M/hard" 2>"$WORK/err"
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
	! as_user "$UBTRFS" mount "$IMG" "$WORK/roots" >"$WORK/err" 2>&1
	grep -q 'ERROR: .*cannot be mounted' "$WORK/err"
	! as_user "$UBTRFS" mount -o allow_other "$IMG" "$M" >"$WORK/err" 2>&1 || grep -q '^user_allow_other' /etc/fuse.conf
	! grep -q " $WORK/roots " /proc/self/mounts
	[ "$(pgrep -c -f "$IMG" || true)" = 0 ] || grep -q '^user_allow_other' /etc/fuse.conf
}
