#!/usr/bin/env bats
# Where it is mounted and what lies beneath: places that are none, mount(8) and fstab, a full or failing filesystem of the host,
# an image that changes under the mount.

setup()
{
	load fuse_lib
	fuse_setup
}

teardown()
{
	! mountpoint -q "$WORK/second" 2>/dev/null || umount -l "$WORK/second"
	! mountpoint -q "$WORK/host" 2>/dev/null || { umount -l "$M" 2>/dev/null || true; umount -l "$WORK/host"; }
	fuse_teardown
}

# in_front [COMMAND]...: the server stays in the foreground and tells its log in $WORK/log.
in_front()
{
	"$@" "$UBTRFS" mount -f "$IMG" "$M" 2>"$WORK/log" 3>&- &
	SERVER=$!
	for i in $(seq 100); do ! grep -q " $M " /proc/self/mounts || return 0; sleep 0.05; done
	cat "$WORK/log"
	return 1
}

@test 'what is no place to mount on is refused by one line that says why' {
	image_new 200M
	touch "$WORK/file"
	refused "$WORK/file: Not a directory" "$UBTRFS" mount "$IMG" "$WORK/file"
	refused 'absent: No such file or directory' "$UBTRFS" mount "$IMG" "$WORK/absent"
	refused 'loop/x: Too many levels' sh -c 'ln -s loop "$1/loop"; exec "$2" mount "$3" "$1/loop/x"' sh "$WORK" "$UBTRFS" "$IMG"
	chown 65534 "$IMG" "$M"
	mknod -m 600 "$WORK/fuse" c 10 229
	refused 'cannot be mounted on '"$M"': failed to open /dev/fuse: Permission denied' unshare -m sh -c '
		mount --bind "$1/fuse" /dev/fuse
		shift
		exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all -- "$@"' sh "$WORK" "$UBTRFS" mount "$IMG" "$M"
	refused 'remount is not supported' "$UBTRFS" mount -o remount,ro "$IMG" "$M"
	# A directory that is not empty, the one where one is, and through a link.
	touch "$M/beneath"
	ln -s "$M" "$WORK/link"
	for place in "$M" . "$WORK/link"; do
		(cd "$M" && "$UBTRFS" mount "$IMG" "$place" 3>&-)
		SERVER=$(pgrep -f "ubtrfs mount $IMG" | head -n 1)
		[ ! -e "$M/beneath" ]
		ours_umount
		[ -e "$M/beneath" ]
	done
}

@test "who is told that the mount stands finds it in nobody's use" {
	image_new 200M
	for i in $(seq 6); do
		ours_mount
		ours_umount
	done
}

@test 'mounted again at once, for writing and for reading: behind the commit of the one before' {
	image_new 200M
	for i in $(seq 4); do
		ours_mount
		before=$SERVER
		head -c 8000000 /dev/urandom >"$M/random$i"
		umount "$M"
		mode=rw
		[ $((i % 2)) = 0 ] || mode=ro
		ours_mount $mode 2>"$WORK/err"
		[ ! -s "$WORK/err" ]
		[ ! -d "/proc/$before" ] || [ "$(cut -d' ' -f3 "/proc/$before/stat")" = Z ]
		[ "$(stat -c %s "$M/random$i")" = 8000000 ]
		ours_umount
	done
	check_clean "$IMG"
}

@test 'a second mount is refused by the name of who has the first, by whatever name it comes' {
	image_new 200M
	ln "$IMG" "$WORK/hard.img"
	ln -s "$IMG" "$WORK/soft.img"
	mkdir "$WORK/second"
	ours_mount
	for name in "$IMG" "$WORK/hard.img" "$WORK/soft.img"; do
		refused "process $SERVER (ubtrfs) has it open for writing" "$UBTRFS" mount "$name" "$WORK/second"
	done
	# The lock is the server's, whatever becomes of who started it, and as long as anything is open.
	exec 9>"$M/open"
	umount -l "$M"
	refused "process $SERVER (ubtrfs) has it open" "$UBTRFS" mount "$IMG" "$WORK/second"
	echo late >&9
	exec 9>&-
	ours_gone "$SERVER"
	ours_mount
	[ "$(cat "$M/open")" = late ]
	ours_umount
}

@test 'a loop device and the file that it is over are one: only one of them is written' {
	image_new 200M
	mkdir "$WORK/second"
	image_attach "$IMG"
	loop=${JUDGE_DEVICES[0]}
	ours_mount
	refused "process $SERVER (ubtrfs) has $IMG, which it is over, open for writing" "$UBTRFS" mount "$loop" "$WORK/second"
	refused 'resource busy' "$UBTRFS" touch "$loop:/file"
	ours_umount
	"$UBTRFS" mount "$loop" "$M" 3>&-
	SERVER=$(server_of "$loop")
	refused 'resource busy' "$UBTRFS" touch "$IMG:/file"
	refused "process $SERVER (ubtrfs) has it open for writing" "$UBTRFS" mkfs -f "$IMG"
	ours_umount
	# Parts of one file are different devices.
	image_detach
	truncate -s 400M "$WORK/both.img"
	one=$(flock /run/lock losetup -f --show --sizelimit $((200 << 20)) "$WORK/both.img")
	JUDGE_LOOPS+=("$one")
	two=$(flock /run/lock losetup -f --show -o $((200 << 20)) "$WORK/both.img")
	JUDGE_LOOPS+=("$two")
	"$UBTRFS" mkfs -q "$one"
	"$UBTRFS" mkfs -q "$two"
	"$UBTRFS" mount "$one" "$M" 3>&-
	SERVER=$(server_of "$one")
	"$UBTRFS" touch "$two:/file"
	refused 'open for writing' "$UBTRFS" mkfs -f "$WORK/both.img"
	ours_umount
	image_detach
}

@test 'bind mounts and remounts of the kernel: it serves until the last place is gone' {
	image_new 200M
	mkdir "$WORK/bound"
	ours_mount
	echo one >"$M/file"
	mount --bind "$M" "$WORK/bound"
	umount "$M"
	[ "$(cat "$WORK/bound/file")" = one ]
	[ -d "/proc/$SERVER" ]
	mount -i -o remount,ro "$WORK/bound"
	! touch "$WORK/bound/new" 2>/dev/null || false
	mount -i -o remount,rw "$WORK/bound"
	echo two >"$WORK/bound/file"
	umount "$WORK/bound"
	ours_gone "$SERVER"
	ours_mount ro
	[ "$(cat "$M/file")" = two ]
	# The kernel may say yes; the filesystem stays as it was opened.
	mount -i -o remount,rw "$M"
	! touch "$M/new" 2>"$WORK/err" || false
	grep -q 'Read-only file system' "$WORK/err"
	ours_umount
	check_clean "$IMG"
}

@test 'a full filesystem of the host: read-only with one clear line; with room again all that was synced is there' {
	mkdir "$WORK/host"
	mount -t tmpfs -o size=40m none "$WORK/host"
	IMG=$WORK/host/disk.img
	image_new 300M
	in_front
	echo kept >"$M/kept"
	head -c 15000000 /dev/urandom >"$WORK/random"
	cp "$WORK/random" "$M/random"
	sync "$M/kept" "$M/random"
	! head -c 60000000 /dev/urandom >"$M/big" 2>"$WORK/err" || ! sync "$M/big" 2>"$WORK/err"
	! sync "$M/kept" 2>/dev/null || false
	! touch "$M/new" 2>"$WORK/err" || false
	grep -q 'Read-only file system' "$WORK/err"
	cmp "$M/random" "$WORK/random"
	umount "$M"
	! wait "$SERVER" || false
	cat "$WORK/log"
	[ "$(grep -c "^ubtrfs: error: .*disk.img is read-only from now on: .*No space left on device" "$WORK/log")" = 1 ]
	[ "$(wc -l <"$WORK/log")" = 2 ]
	mount -o remount,size=400m "$WORK/host"
	check_clean "$IMG"
	ours_mount
	[ "$(cat "$M/kept")" = kept ]
	cmp "$M/random" "$WORK/random"
	head -c 60000000 /dev/urandom >"$M/big"
	sync "$M/big"
	ours_umount
	check_clean "$IMG"
}

@test 'an image that is cut under the mount: what is gone fails with one line each in the log, and no crash' {
	image_new 200M
	in_front
	for i in $(seq 30); do head -c 200000 /dev/urandom >"$M/file$i"; done
	umount "$M"
	wait "$SERVER"
	in_front
	truncate -s 20M "$IMG"
	! cat "$M"/file* >/dev/null 2>"$WORK/err" || false
	grep -q 'Input/output error' "$WORK/err"
	ls "$M" >/dev/null
	! touch "$M/new" 2>/dev/null || ! sync "$M/new" 2>/dev/null || true
	umount "$M"
	wait "$SERVER" || true
	cat "$WORK/log"
	grep -q "^ubtrfs: error: $IMG: logical [0-9]*, copy 1: .*: shortened by somebody, ends before [0-9]*" "$WORK/log"
	# Not one for each of many.
	[ "$(grep -c 'shortened' "$WORK/log")" -le 10 ]
	grep -q 'more of this minute are not told' "$WORK/log"
	! grep -qi 'assert\|sanitizer' "$WORK/log" || false
}

@test 'an image whose name goes to another file is served to its end' {
	image_new 200M
	ours_mount
	echo one >"$M/file"
	mv "$IMG" "$WORK/moved.img"
	truncate -s 200M "$IMG"
	"$UBTRFS" mkfs -q "$IMG"
	mkdir "$WORK/second"
	"$UBTRFS" mount "$IMG" "$WORK/second" 3>&-
	second=$(pgrep -f "mount $IMG $WORK/second" | head -n 1)
	[ -z "$(ls "$WORK/second")" ]
	umount "$WORK/second"
	ours_gone "$second"
	echo two >>"$M/file"
	ours_umount
	[ "$("$UBTRFS" cat "$WORK/moved.img:/file")" = "$(printf 'one\ntwo\n')" ]
	check_clean "$WORK/moved.img"
	check_clean "$IMG"
}

@test 'an image on an overlay, on a mount of ours, beneath its own mount point, and read-only with orphans' {
	mkdir -p "$WORK/low" "$WORK/up" "$WORK/tmp" "$WORK/host" "$WORK/second" "$WORK/nest"
	image_new 200M
	ours_mount
	# One file that was open and unlinked when the server died.
	exec 9<>"$M/orphan"
	head -c 1000000 /dev/urandom >&9
	rm "$M/orphan"
	echo kept >"$M/file"
	sync "$M/file"
	kill -KILL "$SERVER"
	ours_gone "$SERVER"
	exec 9>&-
	umount -l "$M"
	sum=$(sha256sum <"$IMG")
	chmod 444 "$IMG"
	ours_mount ro
	[ "$(ls "$M")" = file ]
	ours_umount
	[ "$sum" = "$(sha256sum <"$IMG")" ]
	chmod 644 "$IMG"
	cp --sparse=always "$IMG" "$WORK/low/disk.img"
	mount -t overlay overlay -o "lowerdir=$WORK/low,upperdir=$WORK/up,workdir=$WORK/tmp" "$WORK/host"
	IMG=$WORK/host/disk.img
	ours_mount
	echo over >"$M/over"
	refused "process $SERVER (ubtrfs)" "$UBTRFS" mount "$IMG" "$WORK/second"
	ours_umount
	umount "$WORK/host"
	[ "$sum" = "$(sha256sum <"$WORK/low/disk.img")" ]
	check_clean "$WORK/up/disk.img"
	IMG=$WORK/disk.img
	ours_mount
	outer=$SERVER
	truncate -s 110M "$M/inner.img"
	"$UBTRFS" mkfs -q "$M/inner.img"
	"$UBTRFS" mount "$M/inner.img" "$WORK/second" 3>&-
	inner=$(pgrep -f "mount $M/inner.img" | head -n 1)
	echo deep >"$WORK/second/deep"
	sync "$WORK/second/deep"
	! umount "$M" 2>/dev/null || false
	umount "$WORK/second"
	ours_gone "$inner"
	SERVER=$outer
	ours_umount
	check_clean "$IMG"
	ours_mount
	[ "$("$UBTRFS" cat "$M/inner.img:/deep")" = deep ]
	ours_umount
	mv "$IMG" "$WORK/nest/disk.img"
	IMG=$WORK/nest/disk.img M=$WORK/nest
	ours_mount
	[ ! -e "$M/disk.img" ]
	echo nested >"$M/nested"
	ours_umount
	[ "$("$UBTRFS" cat "$IMG:/nested")" = nested ]
}

@test 'standard error closed: in the foreground and in the background it serves all the same' {
	image_new 200M
	ours_mount 2>&-
	echo one >"$M/file"
	ours_umount
	"$UBTRFS" mount -f "$IMG" "$M" 0<&- >&- 2>&- 3>&- &
	SERVER=$!
	for i in $(seq 100); do ! grep -q " $M " /proc/self/mounts || break; sleep 0.05; done
	[ "$(cat "$M/file")" = one ]
	echo two >"$M/file"
	umount "$M"
	wait "$SERVER"
	SERVER=
	[ "$("$UBTRFS" cat "$IMG:/file")" = two ]
	check_clean "$IMG"
}

@test 'mount(8) by fstab: mount -a, twice, user and noauto, umount' {
	fuse_for_all
	mkdir -p "$WORK/sbin" "$WORK/user/mnt"
	cp "$UBTRFS" "$WORK/sbin/mount.ubtrfs"
	image_new 200M
	cp --sparse=always "$IMG" "$WORK/user/disk.img"
	chown -R 65534:65534 "$WORK/user"
	cat >"$WORK/fstab" <<END
$IMG $M ubtrfs defaults,nofail,x-systemd.device-timeout=5,compress=zstd 0 0
$WORK/user/disk.img $WORK/user/mnt ubtrfs user,noauto,noatime 0 0
END
	cat >"$WORK/work.sh" <<'END'
set -e
mount -t overlay sbin -o "lowerdir=$WORK/sbin:/usr/sbin" /usr/sbin
mount --bind "$WORK/fstab" /etc/fstab
mount -a
[ "$(findmnt -rno FSTYPE "$M")" = fuse.ubtrfs ]
mount -a
echo text >"$M/file"
! mountpoint -q "$WORK/user/mnt" || false
! mount -o remount,compress=lzo "$M" 2>"$WORK/err" || false
grep -q 'remount is not supported: unmount' "$WORK/err"
umount "$M"
mount "$M"
[ "$(cat "$M/file")" = text ]
umount "$M"
as="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --"
$as mount "$WORK/user/mnt"
findmnt -rno OPTIONS "$WORK/user/mnt" | grep -q 'nosuid,nodev,noexec.*user_id=65534'
$as ls "$WORK/user/mnt" >/dev/null
$as umount "$WORK/user/mnt"
! mountpoint -q "$WORK/user/mnt" || false
# What never was.
! mount -t ubtrfs -o fish "$IMG" "$M" 2>"$WORK/err" || false
grep -q 'fish is not known' "$WORK/err"
END
	export WORK M IMG
	unshare -m --propagation private bash "$WORK/work.sh" 3>&-
	for i in $(seq 100); do
		pgrep -f "mount.ubtrfs $WORK" >/dev/null || break
		sleep 0.05
	done
	! pgrep -f "mount.ubtrfs $WORK" || false
	check_clean "$IMG"
	check_clean "$WORK/user/disk.img"
}
