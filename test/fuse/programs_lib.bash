# What the tests of real programs share: an ordinary user's mount, and the judgement after it.

setup()
{
	load fuse_lib
	fuse_setup
	fuse_for_all
	unset XDG_RUNTIME_DIR
	mkdir "$WORK/home"
	chown 65534:65534 "$WORK/home"
	as_user mkdir "$WORK/home/mnt"
	M=$WORK/home/mnt
	IMG=$WORK/home/user.img
	export CC=/usr/bin/cc CCACHE_DISABLE=1 HOME=$WORK/home GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
}

teardown()
{
	fuse_teardown
}

# user_mount SIZE [OPTIONS]
user_mount()
{
	as_user truncate -s "$1" "$IMG"
	as_user mkdir -p "$WORK/home/empty"
	as_user "$UBTRFS" mkfs -q -f --rootdir "$WORK/home/empty" "$IMG"
	as_user "$UBTRFS" mount ${2:+-o "$2"} "$IMG" "$M" 3>&-
	SERVER=$(server_of "$IMG")
}

user_umount()
{
	as_user fusermount3 -u "$M"
	ours_gone "$SERVER"
	SERVER=
}

# judged_against TREE PLACE: clean, and PLACE on the kernel's mount is as TREE.
judged_against()
{
	local status=0
	check_clean "$IMG" || return 1
	kernel_mark
	image_mount "$MNT" ro "$IMG" || return 1
	rsync -aHAXnci --delete --modify-window=-1 "$1/" "$MNT/$2/" >"$WORK/differences" 2>&1 || status=1
	[ ! -s "$WORK/differences" ] || { head -n 20 "$WORK/differences"; status=1; }
	kernel_quiet "${JUDGE_DEVICES[@]}" || status=1
	image_umount "$MNT" || return 1
	return $status
}
