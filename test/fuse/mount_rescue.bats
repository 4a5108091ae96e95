#!/usr/bin/env bats
# rescue= and degraded: a damaged filesystem, and one with a member missing, mounted for reading.

setup()
{
	load fuse_lib
	fuse_setup
}

teardown()
{
	fuse_teardown
}

# spoil LOGICAL: both copies of the tree block.
spoil()
{
	local physical
	btrfs-map-logical -l "$1" "$IMG" | sed -n 's/.*physical \([0-9]*\) .*/\1/p' >"$WORK/copies"
	[ -s "$WORK/copies" ]
	while read -r physical; do
		dd if=/dev/urandom of="$IMG" bs=1 seek=$((physical + 200)) count=100 conv=notrunc status=none
	done <"$WORK/copies"
}

filled()
{
	image_new 300M
	image_mount "$MNT" rw "$IMG"
	seq 1 100000 >"$MNT/file"
	sync -f "$MNT"
	touch "$MNT/later"
	image_umount "$MNT"
}

@test 'usebackuproot: when the tree of roots is gone, the one before it' {
	filled
	spoil "$(btrfs inspect-internal dump-super "$IMG" | awk '$1 == "root" {print $2}')"
	! "$UBTRFS" mount -o ro "$IMG" "$M" 2>"$WORK/err" 3>&- || false
	grep -q '^ERROR:' "$WORK/err"
	refused 'reading only' "$UBTRFS" mount -o rescue=usebackuproot "$IMG" "$M"
	ours_mount ro,rescue=usebackuproot 2>"$WORK/err" || { cat "$WORK/err"; false; }
	grep -q 'is used' "$WORK/err"
	cmp "$M/file" <(seq 1 100000)
	ours_umount
}

@test 'ignorebadroots and ignoredatacsums: contents without their checksums' {
	filled
	sum=$(btrfs inspect-internal dump-tree -t root "$IMG" | grep -A1 'CSUM_TREE ROOT_ITEM' | sed -n 's/.* bytenr \([0-9]*\) .*/\1/p')
	[ -n "$sum" ] || sum=$(btrfs inspect-internal dump-tree -r "$IMG" | sed -n 's/.*CSUM_TREE.*bytenr \([0-9]*\).*/\1/p; s/.*checksum tree.*) \([0-9]*\) level.*/\1/p' | head -n 1)
	spoil "$sum"
	ours_mount ro
	! cat "$M/file" >/dev/null 2>&1 || false
	ours_umount
	for word in ignorebadroots ignoredatacsums nologreplay:ibadroots; do
		ours_mount "ro,rescue=$word"
		cmp "$M/file" <(seq 1 100000)
		ours_umount
	done
	refused 'rescue=fish' "$UBTRFS" mount -o ro,rescue=fish "$IMG" "$M"
}

@test 'degraded: a member that is missing is asked for by name, or left out' {
	mkdir "$WORK/elsewhere"
	truncate -s 300M "$WORK/one.img" "$WORK/elsewhere/two.img"
	mkfs.btrfs -q -d raid1 -m raid1 "$WORK/one.img" "$WORK/elsewhere/two.img"
	IMG=$WORK/one.img
	! "$UBTRFS" mount -o ro "$IMG" "$M" 2>"$WORK/err" 3>&- || false
	grep -q '^ERROR: .*device 2 is missing: see the option degraded' "$WORK/err"
	refused 'missing' "$UBTRFS" mount "$IMG" "$M"
	refused 'missing' "$UBTRFS" mount -o degraded "$IMG" "$M"
	ours_mount ro,degraded 2>/dev/null
	ls "$M"
	ours_umount
	ours_mount "device=$WORK/elsewhere/two.img"
	echo text >"$M/file"
	ours_umount
	check_clean "$WORK/one.img" "$WORK/elsewhere/two.img"
}
