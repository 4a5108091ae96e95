# ACLs, flags and attributes: the commands of an image beside the system's tools on a kernel mount of its twin.
load lib.bash

setup() { judge_setup; }
teardown()
{
	[ ! -d "${WORK:-/nosuch}/fuse" ] || umount "$WORK/fuse" 2>/dev/null || true
	judge_teardown
}

# twins: a filesystem of the kernel with some files, mounted at MNT, and a copy of its image.
twins()
{
	truncate -s 256M "$WORK/theirs.img"
	mkfs.btrfs -q "$WORK/theirs.img"
	image_mount "$MNT" noatime "$WORK/theirs.img"
	(
		cd "$MNT"
		umask 022
		mkdir -p d/sub/deep
		touch f d/f
		echo contents >d/sub/f
		mkfifo fifo
		ln -s f d/link
		btrfs subvolume create s >/dev/null
	)
	image_umount "$MNT"
	cp --sparse=always "$WORK/theirs.img" "$WORK/ours.img"
	image_mount "$MNT" noatime "$WORK/theirs.img"
}

# rich_tree: what attrs_cases.txt is about, in the current directory.
rich_tree()
{
	touch 'na\me' $'new\nline' s/x
	ln -s d dlink
	ln -s nosuch dangling
	ln -s .. d/sub/up
	setfattr -n user.a -v hello f
	setfattr -n user.b -v 0x00ff10 f
	setfattr -n user.empty f
	setfattr -n user.a -v x d
	setfattr -n 'user.we=ird' -v $'a\nb' d/f
	setfattr -n trusted.t -v t d/f
	setfattr -h -n trusted.l -v ll d/link
	setfacl -m u:daemon:rwx,g:tty:r f
	setfacl -n -m m::r f
	setfacl -m u:1234567890:rw,d:u:1234:rwx,d:g:77:x d
	chmod 7755 d/sub
	chattr +A f
	chattr +C d/sub/deep
	# Received once, and not to be written to.
	btrfs subvolume snapshot -r s sent >/dev/null
	mkdir in
	btrfs send -q sent 2>/dev/null | btrfs receive -q in
}

# facts DIR: what the kernel says of all files, but for times. One mount after the other, because the twins have one fsid.
facts()
{
	(cd "$1" && find . -mindepth 1 -printf '%P %y %m %U %G\n' | sort && getfacl -Rpn . | sed 's/^# file: \.\///' &&
		getfattr -Rhd -m - -e hex . && find . \( -type f -o -type d \) -exec lsattr -d {} +)
}

@test "random sequences of setfacl, chmod, chattr, setfattr and new files give what the kernel and the tools give" {
	local seed
	for seed in ${UBTRFS_ATTRS_SEEDS:-1 2 ${FULL:+3 4 5 6 7 8 9 10 11 12}}; do
		twins
		umask 027
		"$PYTHON" "$HERE/attrs_random.py" "$UBTRFS" "$WORK/ours.img" "$MNT" $seed $(( ${FULL:+1}0 ? 600 : 120 ))
		umask 022
		facts "$MNT" | sort >"$WORK/theirs.txt"
		chattr -R -ia "$MNT" 2>/dev/null || true
		image_umount "$MNT"
		check_clean "$WORK/ours.img"
		image_mount "$MNT" ro "$WORK/ours.img"
		facts "$MNT" | sort >"$WORK/ours.txt"
		diff "$WORK/theirs.txt" "$WORK/ours.txt"
		image_umount "$MNT"
		rm "$WORK"/*.img
	done
}

# through_mount: a command like `ubtrfs` in the eyes of attrs_random.py, which runs the system's tools on our mount.
through_mount()
{
	printf '#!/bin/bash\ncd %q || exit 9\nexec "${@/#ours.img:\\//}"\n' "$WORK/fuse" >"$WORK/tool"
	chmod 755 "$WORK/tool"
	mkdir -p "$WORK/fuse"
	"$UBTRFS" mount "$WORK/ours.img" "$WORK/fuse" 3>&-
}

@test "the same sequences by the system's tools on our mount and on the kernel's" {
	local seed
	for seed in ${UBTRFS_ATTRS_SEEDS:-51 ${FULL:+52 53 54 55 56 57}}; do
		twins
		through_mount
		umask 027
		"$PYTHON" "$HERE/attrs_random.py" "$WORK/tool" ours.img "$MNT" $seed $(( ${FULL:+1}0 ? 1500 : 150 ))
		umask 022
		facts "$MNT" | sort >"$WORK/theirs.txt"
		facts "$WORK/fuse" | sort >"$WORK/ours.txt"
		diff "$WORK/theirs.txt" "$WORK/ours.txt"
		chattr -R -ia "$MNT" 2>/dev/null || true
		image_umount "$MNT"
		umount "$WORK/fuse"
		# The mount ends when its process has written everything.
		flock "$WORK/ours.img" true
		check_clean "$WORK/ours.img"
		rm "$WORK"/*.img
	done
}

@test "each option of getfattr, setfattr, getfacl, setfacl, lsattr, chattr and property beside the system's tools" {
	local line more own theirs ours nr=0
	twins
	(cd "$MNT" && rich_tree)
	image_umount "$MNT"
	cp --sparse=always "$WORK/theirs.img" "$WORK/ours.img"
	image_mount "$MNT" noatime "$WORK/theirs.img"
	cd "$WORK"
	while IFS= read -r line; do
		[[ $line != '#'* ]] || continue
		# A quote that is open goes on in the next line.
		while ! bash -n <<<"$line" 2>/dev/null; do
			IFS= read -r more
			line+=$'\n'$more
		done
		theirs=0 ours=0
		(cd "$MNT" && eval "${line//@/}") >theirs.out 2>theirs.err </dev/null || theirs=1
		own=${line#btrfs }
		eval "\"$UBTRFS\" ${own//@/ours.img:/}" >ours.out 2>ours.err </dev/null || ours=1
		# What is refused has one sentence; what was shown before it is ours to choose.
		if [ $theirs != $ours ] || [ $ours = 1 -a "$(wc -l <ours.err)" = 0 ] ||
			! diff theirs.out <(sed 's/ours\.img:\///g' ours.out); then
			echo "$line: theirs $theirs, ours $ours"
			cat theirs.err ours.err
			return 1
		fi
		nr=$((nr + 1))
	done <"$HERE/attrs_cases.txt"
	[ $nr -gt 100 ]
	facts "$MNT" | sort >theirs.txt
	image_umount "$MNT"
	check_clean ours.img
	image_mount "$MNT" ro "$WORK/ours.img"
	facts "$MNT" | sort >ours.txt
	diff theirs.txt ours.txt
	image_umount "$MNT"
}
