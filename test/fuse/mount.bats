#!/usr/bin/env bats
# A mount: what goes in comes out, is clean, and is what the kernel sees; options; how it ends.

setup()
{
	load fuse_lib
	fuse_setup
}

teardown()
{
	fuse_teardown
}

# Something of every kind.
fill()
{
	mkdir -p "$1/dir/sub" "$1/empty"
	printf 'hello\n' >"$1/file"
	seq 1 200000 >"$1/dir/big"
	truncate -s 3M "$1/dir/sparse"
	printf 'x' | dd of="$1/dir/sparse" bs=1 seek=1500000 conv=notrunc status=none
	ln "$1/file" "$1/dir/hard"
	ln -s file "$1/link"
	ln -s "$(printf 'long%.0s/' $(seq 300))" "$1/long"
	mkfifo "$1/dir/sub/fifo"
	mknod "$1/null" c 1 3
	chmod 4755 "$1/dir/big"
	chmod 1777 "$1/empty"
	chown 12345:54321 "$1/dir/sub"
	setfattr -n user.name -v value "$1/file"
	setfattr -n trusted.name -v 0x0001ff "$1/dir"
	for i in $(seq 300); do echo "$i" >"$1/dir/sub/small$i"; done
	touch -d '2001-02-03 04:05:06.123456789Z' "$1/file"
	touch -d '1969-12-31 23:59:58.5Z' "$1/dir/sub"
}

@test 'a tree made on the mount is clean and the same under the kernel, and again under us' {
	image_new 300M
	ours_mount
	fill "$M"
	mkdir "$WORK/copy"
	cp -a "$M/." "$WORK/copy"
	same_tree "$WORK/copy" "$M"
	ours_umount
	judged "$WORK/copy"
	ours_mount
	same_tree "$WORK/copy" "$M"
	rm -rf "$M/dir"
	rm -rf "$WORK/copy/dir"
	touch -r "$M" "$WORK/copy"
	ours_umount
	judged "$WORK/copy"
}

@test 'an image is mounted once' {
	image_new 200M
	ours_mount
	mkdir "$WORK/other"
	refused 'disk.img' "$UBTRFS" mount "$IMG" "$WORK/other"
	ours_umount
}

@test 'what cannot be mounted is told to the caller' {
	image_new 200M
	refused 'no-such-place' "$UBTRFS" mount "$IMG" "$WORK/no-such-place"
	refused 'no-such-image' "$UBTRFS" mount "$WORK/no-such-image" "$M"
	refused 'wibble' "$UBTRFS" mount -o wibble "$IMG" "$M"
	refused 'wobble' "$UBTRFS" mount -o ro,wobble=1 "$IMG" "$M"
	refused 'autodefrag' "$UBTRFS" mount -o autodefrag "$IMG" "$M"
	refused 'compress=fish' "$UBTRFS" mount -o compress=fish "$IMG" "$M"
	refused 'no-such' "$UBTRFS" mount -o subvol=no-such "$IMG" "$M"
	refused '777' "$UBTRFS" mount -o subvolid=777 "$IMG" "$M"
	! grep -q " $M " /proc/self/mounts || false
}

@test 'read-only: nothing can be changed, and nothing is' {
	image_new 200M
	sum=$(sha256sum <"$IMG")
	ours_mount ro
	! touch "$M/file" 2>"$WORK/err" || false
	grep -q 'Read-only file system' "$WORK/err"
	ls "$M"
	ours_umount
	[ "$sum" = "$(sha256sum <"$IMG")" ]
}

@test 'SIGTERM and SIGINT unmount and commit; what is open may be used to the end' {
	image_new 200M
	for signal in TERM INT; do
		ours_mount
		echo "$signal" >"$M/$signal"
		exec 9>"$M/open-$signal"
		kill -$signal "$SERVER"
		for i in $(seq 100); do grep -q " $M " /proc/self/mounts || break; sleep 0.05; done
		! grep -q " $M " /proc/self/mounts || false
		echo "written later" >&9
		exec 9>&-
		ours_gone "$SERVER"
		ours_mount
		[ "$(cat "$M/$signal")" = "$signal" ]
		[ "$(cat "$M/open-$signal")" = 'written later' ]
		ours_umount
	done
	check_clean "$IMG"
}

@test 'a second signal does not wait for what is open' {
	image_new 200M
	ours_mount
	echo kept >"$M/file"
	exec 9<"$M/file"
	kill -TERM "$SERVER"
	# Two that come at once are one.
	for i in $(seq 100); do grep -q " $M " /proc/self/mounts || break; sleep 0.05; done
	sleep 0.3
	[ -d "/proc/$SERVER" ]
	kill -TERM "$SERVER"
	ours_gone "$SERVER"
	exec 9<&-
	ours_mount
	[ "$(cat "$M/file")" = kept ]
	ours_umount
	check_clean "$IMG"
}

@test 'a signal does not unmount what somebody has mounted there since' {
	image_new 200M
	ours_mount
	exec 9>"$M/open"
	umount -l "$M"
	mount -t tmpfs none "$M"
	echo other >"$M/other"
	kill -TERM "$SERVER"
	sleep 0.3
	[ "$(cat "$M/other")" = other ]
	# Neither does the second one, which ends the server; two that come at once are one.
	for i in $(seq 100); do kill -TERM "$SERVER" 2>/dev/null || break; sleep 0.05; done
	ours_gone "$SERVER"
	[ "$(cat "$M/other")" = other ]
	! echo text >&9 || false
	umount "$M"
	exec 9>&-
	check_clean "$IMG"
}

@test 'SIGKILL leaves the last commit' {
	image_new 200M
	ours_mount
	echo kept >"$M/file"
	sync "$M/file"
	mkdir "$M/dir"
	kill -KILL "$SERVER"
	ours_gone "$SERVER"
	umount -l "$M"
	check_clean "$IMG"
	ours_mount
	[ "$(cat "$M/file")" = kept ]
	ours_umount
}

@test 'mount(8) finds its helper' {
	image_new 200M
	mkdir "$WORK/bin"
	ln -s "$UBTRFS" "$WORK/bin/mount.ubtrfs"
	"$WORK/bin/mount.ubtrfs" "$IMG" "$M" -o rw,noauto,user 3>&-
	SERVER=$(server_of "$IMG")
	echo hello >"$M/file"
	ours_umount
	refused 'wibble' "$WORK/bin/mount.ubtrfs" "$IMG" "$M" -o rw,wibble
	refused 'wibble' "$WORK/bin/mount.ubtrfs" "$IMG" "$M" -o wibble -o ro
	"$WORK/bin/mount.ubtrfs" "$IMG" "$M" -s -o ro,wibble 3>&-
	SERVER=$(server_of "$IMG")
	[ "$(cat "$M/file")" = hello ]
	ours_umount
}

@test 'names with commas, backslashes, blanks and newlines: of the image, the mount point, and fsname=' {
	fuse_for_all
	unset XDG_RUNTIME_DIR
	for who in root user; do
		base=$WORK/$who
		mkdir "$base"
		IMG=$base/$'i,m\\a g\\054e\n,ro,x'
		M=$base/$'m,o\\u n\\040t\n,y'
		mkdir "$M"
		image_new 200M
		run_as=
		[ $who = root ] || { run_as=as_user; chown -R 65534:65534 "$base"; }
		$run_as "$UBTRFS" mount "$IMG" "$M" 3>&-
		SERVER=$(pgrep -f "ubtrfs mount $base" | head -n 1)
		[ "$(findmnt -rno SOURCE,FSTYPE -M "$M")" = "$(printf '%s fuse.ubtrfs' "$base/i,m\x5ca\x20g\x5c054e\x0a,ro,x")" ]
		$run_as "$UBTRFS" filesystem show "$M" | grep -qxF ",ro,x"
		$run_as "$UBTRFS" filesystem show "$M" | grep -qF "path $base/i,m\a g\054e"
		$run_as touch "$M/file" || [ $who = user ]
		if [ $who = root ]; then umount "$M"; else as_user fusermount3 -u "$M"; fi
		ours_gone "$SERVER"
		$run_as "$UBTRFS" mount -o 'fsname=a\,b\\c d,noatime' "$IMG" "$M" 3>&-
		SERVER=$(pgrep -f "ubtrfs mount -o.*$base" | head -n 1)
		grep -qF 'a,b\134c\040d ' /proc/self/mounts
		if [ $who = root ]; then umount "$M"; else as_user fusermount3 -u "$M"; fi
		ours_gone "$SERVER"
		! grep -qF "$base" /proc/self/mounts || false
		check_clean "$IMG"
	done
	SERVER=
}

@test 'a subvolume is what is shown' {
	image_new 300M
	image_mount "$MNT" rw "$IMG"
	btrfs -q subvolume create "$MNT/one"
	btrfs -q subvolume create "$MNT/one/two"
	echo 1 >"$MNT/one/file"
	echo 2 >"$MNT/one/two/file"
	id=$(btrfs inspect-internal rootid "$MNT/one/two")
	btrfs -q subvolume set-default "$MNT/one"
	image_umount "$MNT"
	ours_mount subvol=/one/two
	[ "$(cat "$M/file")" = 2 ]
	[ "$(stat -c %i "$M")" = 256 ]
	ours_umount
	ours_mount "subvolid=$id"
	[ "$(cat "$M/file")" = 2 ]
	ours_umount
	ours_mount
	[ "$(cat "$M/file")" = 1 ]
	[ "$(cat "$M/two/file")" = 2 ]
	# One device number: inode numbers differ, and entries tell the same ones.
	[ "$(stat -c %i "$M/file")" != "$(stat -c %i "$M/two/file")" ]
	[ "$(ls -i "$M/two" | awk '{print $1}')" = "$(stat -c %i "$M/two/file")" ]
	ours_umount
	ours_mount subvolid=0
	[ "$(cat "$M/one/two/file")" = 2 ]
	ours_umount
	check_clean "$IMG"
}

@test 'compress and compress-force: what is stored, and what is asked for per file' {
	image_new 300M
	(head -c 1000000 /dev/urandom; seq 1 100000) >"$WORK/mixed"
	for option in compress=zstd:3 compress-force=lzo compress compress=no; do
		ours_mount "$option"
		seq 1 500000 >"$M/$option"
		cp --reflink=never "$WORK/mixed" "$M/$option-mixed"
		cmp "$M/$option-mixed" "$WORK/mixed"
		ours_umount
	done
	check_clean "$IMG"
	btrfs inspect-internal dump-tree -t fs "$IMG" >"$WORK/dump"
	for kind in 'compression 0 (none)' 'compression 1 (zlib)' 'compression 2 (lzo)' 'compression 3 (zstd)'; do
		grep -qF "$kind" "$WORK/dump"
	done
	# What does not become smaller at its start is given up on, unless it is forced.
	for option in compress=lzo compress-force=lzo; do
		image_new 300M
		ours_mount "$option"
		cp --reflink=never "$WORK/mixed" "$M/mixed"
		"$UBTRFS" filesystem sync "$M"
		lsattr "$M/mixed" | cut -d' ' -f1 >"$WORK/flags.$option"
		ours_umount
	done
	grep m "$WORK/flags.compress=lzo"
	! grep m "$WORK/flags.compress-force=lzo" || false
}

@test 'what one mount compressed the kernel and the next mount read' {
	image_new 300M
	(head -c 1000000 /dev/urandom; seq 1 100000) >"$WORK/mixed"
	for option in compress=zstd:3 compress-force=lzo compress compress=no; do
		ours_mount "$option"
		seq 1 500000 >"$M/$option"
		cp --reflink=never "$WORK/mixed" "$M/$option-mixed"
		ours_umount
	done
	image_mount "$MNT" ro "$IMG"
	for option in compress=zstd:3 compress-force=lzo compress compress=no; do
		cmp "$MNT/$option-mixed" "$WORK/mixed"
		cmp "$MNT/$option" <(seq 1 500000)
	done
	image_umount "$MNT"
}

@test 'nodatacow and nodatasum: new files have their flags' {
	image_new 300M
	for option in nodatacow nodatasum; do
		ours_mount "$option"
		seq 1 100000 >"$M/$option"
		dd if=/dev/zero of="$M/$option" bs=4096 count=3 seek=5 conv=notrunc status=none
		cp "$M/$option" "$WORK/$option"
		ours_umount
	done
	check_clean "$IMG"
	image_mount "$MNT" ro "$IMG"
	[[ $(lsattr "$MNT/nodatacow" | cut -d" " -f1) == *C* ]]
	[[ $(lsattr "$MNT/nodatasum" | cut -d" " -f1) != *C* ]]
	cmp "$MNT/nodatacow" "$WORK/nodatacow"
	cmp "$MNT/nodatasum" "$WORK/nodatasum"
	image_umount "$MNT"
	refused 'compress' "$UBTRFS" mount -o compress,nodatacow "$IMG" "$M"
}

@test 'an error that aborts leaves the mount read-only, with one line in the log; the device keeps the last commit' {
	image_new 200M
	ours_mount
	echo before >"$M/before"
	ours_umount
	UBTRFS_FAULT=write:40+ "$UBTRFS" mount -f "$IMG" "$M" 2>"$WORK/log" 3>&- &
	SERVER=$!
	for i in $(seq 100); do ! grep -q " $M " /proc/self/mounts || break; sleep 0.05; done
	for i in $(seq 60); do
		(echo "$i" >"$M/file$i" && sync "$M/file$i") 2>>"$WORK/err" || break
	done
	[ "$i" -lt 60 ]
	! touch "$M/another" 2>"$WORK/err" || false
	grep -q 'Read-only file system' "$WORK/err"
	! rm "$M/before" 2>/dev/null || false
	[ "$(cat "$M/before")" = before ]
	umount "$M"
	ours_gone "$SERVER"
	cat "$WORK/log"
	[ "$(grep -c 'is read-only from now on: .*aborted' "$WORK/log")" = 1 ]
	# And in the foreground why the command fails.
	[ "$(wc -l <"$WORK/log")" = 2 ]
	check_clean "$IMG"
	ours_mount
	[ "$(cat "$M/before")" = before ]
	ours_umount
}

@test 'an idle mount sleeps' {
	image_new 200M
	ours_mount
	for i in $(seq 200); do echo "$i" >"$M/file$i"; done
	cat "$M"/file* >/dev/null
	"$UBTRFS" filesystem sync "$M"
	wakes() { cat /proc/"$SERVER"/task/*/status | awk '/ctxt_switches/ {sum += $2} END {print sum}'; }
	# The watcher of requests looks for a while whether there are more of them.
	for i in $(seq 20); do
		before=$(wakes)
		ticks=$(awk '{print $14 + $15}' "/proc/$SERVER/stat")
		sleep 0.5
		[ "$(wakes)" != "$before" ] || break
	done
	[ "$(wakes)" = "$before" ]
	[ "$(awk '{print $14 + $15}' "/proc/$SERVER/stat")" = "$ticks" ]
	ours_umount
}

@test 'a request that takes long holds up no other' {
	image_new 600M
	ours_mount compress-force=zstd:15,dirty_bytes=256m,thread_pool=1
	"$PYTHON" - "$M" <<'PY'
import os, sys, threading
os.chdir(sys.argv[1])
open('file', 'w').close()
os.setxattr('file', 'user.a', b'value')
f = os.open('big', os.O_WRONLY | os.O_CREAT)
text = b''.join(b'%d %d\n' % (i * 7919, i) for i in range(100000))
for _ in range(8):
    os.write(f, text)
sync = threading.Thread(target=os.fsync, args=(f,))
sync.start()
nr = 0
# Each of them is a request.
while sync.is_alive():
    assert os.getxattr('file', 'user.a') == b'value'
    nr += 1
print(nr)
assert nr > 20, nr
PY
	ours_umount
	check_clean "$IMG"
}
