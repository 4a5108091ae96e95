# Ranges beside the kernel: the same calls give the same holes and use the same sectors; what we wrote in place, shared and punched
# the kernel reads and goes on with; what the kernel preallocated, shared and snapshotted we write to.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
	SIM=$(dirname "$UBTRFS_DEV")/range_sim_test
	OURS=$WORK/ours
	mkdir "$OURS"
}

teardown()
{
	if mountpoint -q "$OURS"; then
		fusermount3 -u "$OURS" || umount -l "$OURS"
	fi
	judge_teardown
}

# ours_mount IMAGE and ours_umount: through FUSE.
ours_mount()
{
	"$UBTRFS" mount "$@" "$OURS"
}

ours_umount()
{
	umount "$OURS"
	# It is committed when nobody holds the image any more.
	for _ in $(seq 100); do
		flock -n "$1" true && return 0
		sleep 0.1
	done
	return 1
}

# places FILE: offset and address of its extents, as the kernel tells them.
places()
{
	filefrag -v -b4096 "$1" | awk -F'[:.]+' '$1 ~ /^ *[0-9]+$/ { print $2 + 0, $4 + 0 }'
}

@test "the kernel gives the same answers, holes and sectors to random calls on ranges" {
	local last=4
	[ -z "$FULL" ] || last=200
	truncate -s 1G "$WORK/theirs"
	mkfs.btrfs -q "$WORK/theirs"
	image_mount "$MNT" noatime "$WORK/theirs"
	for seed in $(seq $last); do
		UBTRFS_SIM_MIRROR=$MNT UBTRFS_SIM_SEEDS=$seed "$SIM" >"$WORK/out" 2>&1 || {
			echo "seed $seed"
			tail -n 20 "$WORK/out"
			return 1
		}
	done
	image_umount "$MNT"
}

@test "the kernel reads what random calls left, and goes on" {
	local seed last=3 file
	[ -z "$FULL" ] || last=100
	for seed in $(seq 11 $((10 + last))); do
		mkdir "$WORK/files"
		UBTRFS_SIM_SEEDS=$seed UBTRFS_SIM_4K=1 UBTRFS_SIM_KEEP=$WORK/image UBTRFS_SIM_FILES=$WORK/files "$SIM" >"$WORK/out" 2>&1
		kernel_mark
		image_mount "$MNT" noatime "$WORK/image"
		for file in 0 1 2; do
			cmp "$MNT/file$file" "$WORK/files/file$file"
		done
		# Writes in place, punches, shares, removes what we counted.
		fallocate -p -o 8192 -l 100000 "$MNT/file0"
		dd if=/dev/urandom of="$MNT/file1" bs=1000 seek=7 count=50 conv=notrunc status=none
		fallocate -z -o 4000 -l 300000 "$MNT/file1"
		cp --reflink=auto "$MNT/file0" "$MNT/copy"
		rm "$MNT/file2"
		sync
		kernel_quiet "${JUDGE_DEVICES[@]}"
		image_umount "$MNT"
		check_clean "$WORK/image"
		rm -r "$WORK/image" "$WORK/files"
	done
}

@test "inline contents with preallocated space behind them, as the kernel leaves them, are written, cut and shared" {
	truncate -s 1G "$WORK/image"
	mkfs.btrfs -q -O "^no-holes" "$WORK/image"
	image_mount "$MNT" noatime "$WORK/image"
	for name in behind inside grown cut equal; do
		head -c 200 /dev/urandom >"$MNT/$name"
		fallocate -n -l 1M "$MNT/$name"
	done
	# A hole there that has no item.
	touch "$MNT/gap-grown" "$MNT/gap-written"
	for name in gap-grown gap-written; do
		fallocate -n -l 1M "$MNT/$name"
		fallocate -p -n -o 256K -l 256K "$MNT/$name"
	done
	sync
	cp -r "$MNT" "$WORK/files"
	btrfs inspect-internal dump-tree -t 5 "${JUDGE_DEVICES[0]}" | grep -A1 'inline extent data size 200' >/dev/null
	image_umount "$MNT"

	ours_mount "$WORK/image"
	for dir in "$OURS" "$WORK/files"; do
		head -c 50000 /dev/zero | tr '\\0' x | dd of="$dir/behind" bs=1 seek=5000 count=3000 conv=notrunc status=none
		echo hello | dd of="$dir/inside" bs=1 seek=100 conv=notrunc status=none
		truncate -s 300K "$dir/grown"
		truncate -s 100 "$dir/cut"
		truncate -s 200 "$dir/equal"
		cp "$dir/inside" "$dir/copy"
		truncate -s 2M "$dir/gap-grown"
		echo hello | dd of="$dir/gap-written" bs=1 seek=700000 conv=notrunc status=none
	done
	ours_umount "$WORK/image"
	check_clean "$WORK/image"

	kernel_mark
	image_mount "$MNT" noatime "$WORK/image"
	same_tree "$WORK/files" "$MNT" || diff -r "$WORK/files" "$MNT"
	[ "$(stat -c %b "$MNT/equal")" -le 8 ]
	[ "$(stat -c %b "$MNT/inside")" -gt 1000 ]
	kernel_quiet "${JUDGE_DEVICES[@]}"
	image_umount "$MNT"
}

@test "what the kernel preallocated and made without copy-on-write is written in place, but not what a snapshot shares" {
	truncate -s 1G "$WORK/image"
	mkfs.btrfs -q "$WORK/image"
	image_mount "$MNT" noatime "$WORK/image"
	btrfs -q subvolume create "$MNT/sub"
	# What is old lies in leaves that nothing changes behind the snapshot: it shares them, and counts no extent itself.
	touch "$MNT/sub/nocow-old" "$MNT/sub/nocow-offline" "$MNT/sub/prealloc-old"
	(cd "$MNT/sub" && touch $(seq 2000))
	touch "$MNT/sub/nocow-new" "$MNT/sub/prealloc-new"
	chattr +C "$MNT/sub"/nocow-*
	head -c 1M /dev/urandom >"$WORK/first"
	head -c 1M /dev/urandom >"$WORK/second"
	cat "$WORK/first" >"$MNT/sub/nocow-old"
	cat "$WORK/first" >"$MNT/sub/nocow-offline"
	fallocate -l 1M "$MNT/sub/prealloc-old"
	sync
	btrfs -q subvolume snapshot "$MNT/sub" "$MNT/snapshot"
	cat "$WORK/first" >"$MNT/sub/nocow-new"
	fallocate -l 1M "$MNT/sub/prealloc-new"
	sync
	for name in nocow-old nocow-new prealloc-old prealloc-new; do
		places "$MNT/sub/$name" >"$WORK/$name.places"
	done
	image_umount "$MNT"

	# Where contents are stored before anything else of the tree has changed.
	"$SIM" "$WORK/image" sub/nocow-offline <"$WORK/second"
	ours_mount "$WORK/image"
	for name in nocow-old nocow-new prealloc-old prealloc-new; do
		dd if="$WORK/second" of="$OURS/sub/$name" bs=64k conv=notrunc,fsync status=none
	done
	ours_umount "$WORK/image"
	check_clean "$WORK/image"

	kernel_mark
	image_mount "$MNT" noatime "$WORK/image"
	for name in nocow-old nocow-new nocow-offline prealloc-old prealloc-new; do
		cmp "$MNT/sub/$name" "$WORK/second"
	done
	cmp "$MNT/snapshot/nocow-old" "$WORK/first"
	cmp "$MNT/snapshot/nocow-offline" "$WORK/first"
	cmp "$MNT/snapshot/prealloc-old" <(head -c 1M /dev/zero)
	for name in nocow-new prealloc-new; do
		places "$MNT/sub/$name" | diff - "$WORK/$name.places"
	done
	for name in nocow-old prealloc-old; do
		! places "$MNT/sub/$name" | diff - "$WORK/$name.places" >/dev/null || false
	done
	# The kernel goes on in place where we did.
	dd if="$WORK/first" of="$MNT/sub/nocow-new" bs=64k conv=notrunc,fsync status=none
	places "$MNT/sub/nocow-new" | diff - "$WORK/nocow-new.places"
	kernel_quiet "${JUDGE_DEVICES[@]}"
	image_umount "$MNT"
	check_clean "$WORK/image"
}
