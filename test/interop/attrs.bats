# ACLs, flags and attributes: the commands of an image beside the system's tools on a kernel mount of its twin.
load lib.bash

setup() { judge_setup; }
teardown() { judge_teardown; }

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
