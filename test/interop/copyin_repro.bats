# Bugs that random copies into the kernel's images found, each with its story.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
}

teardown()
{
	judge_teardown
}

# kernel_made MKFS_OPTIONS MOUNT_OPTIONS SIZE: $WORK/k.img is made and mounted at $MNT.
kernel_made()
{
	truncate -s "${3:-400M}" "$WORK/k.img"
	mkfs.btrfs -q $1 "$WORK/k.img"
	image_mount "$MNT" "${2:-defaults}" "$WORK/k.img"
}

# Blocks that a balance moved are younger than the last snapshot and shared all the same: they carry a flag. Copying one of them on
# write without asking for its references gave it no references of its own, and the other tree's were dropped.
@test "a block that a balance moved may be shared although it is young" {
	kernel_made "-n 4096"
	for i in $(seq 200); do
		head -c 9000 /dev/urandom >"$MNT/file$i"
	done
	btrfs -q subvolume snapshot "$MNT" "$MNT/snap"
	btrfs balance start --full-balance "$MNT" >/dev/null
	image_umount "$MNT"
	check_clean "$WORK/k.img"
	head -c 5000 /dev/urandom >"$WORK/new"
	"$UBTRFS" cp "$WORK/new" "$WORK/k.img:/file7"
	"$UBTRFS" cp "$WORK/new" "$WORK/k.img:/snap/file150"
	check_clean "$WORK/k.img"
	image_mount "$MNT" defaults "$WORK/k.img"
	cmp "$WORK/new" "$MNT/file7"
	cmp "$WORK/new" "$MNT/snap/file150"
	[ "$(stat -c %s "$MNT/snap/file7" "$MNT/file150" | sort -u)" = 9000 ]
	image_umount "$MNT"
}

# Properties were copied as attributes without their meaning, and new files did not have them from their directory.
@test "new files have the compression of their directory, as the kernel gives it" {
	kernel_made
	seq 40000 >"$WORK/text"
	head -c 200000 /dev/urandom >"$WORK/noise"
	for kind in zlib lzo zstd no; do
		mkdir "$MNT/$kind"
		btrfs property set "$MNT/$kind" compression "$kind"
	done
	mkdir "$MNT/flag" "$MNT/nocow"
	chattr +c "$MNT/flag"
	chattr +C "$MNT/nocow"
	image_umount "$MNT"
	cp --sparse=always "$WORK/k.img" "$WORK/theirs.img"
	mkdir -p "$WORK/src/sub"
	cp "$WORK/text" "$WORK/noise" "$WORK/src/sub"
	ln -s text "$WORK/src/sub/link"
	for kind in zlib lzo zstd no flag nocow; do
		"$UBTRFS" cp -r --compress zlib "$WORK/src" "$WORK/k.img:/$kind"
	done
	check_clean "$WORK/k.img"
	image_mount "$MNT" compress=zlib "$WORK/theirs.img"
	for kind in zlib lzo zstd no flag nocow; do
		cp -r "$WORK/src" "$MNT/$kind"
	done
	sync -f "$MNT"
	(cd "$MNT" && find . | sort | xargs getfattr -h -d -m - && find . ! -type l | sort | xargs lsattr -d) >"$WORK/theirs.txt"
	image_umount "$MNT"
	image_mount "$MNT" compress=zlib "$WORK/k.img"
	(cd "$MNT" && find . | sort | xargs getfattr -h -d -m - && find . ! -type l | sort | xargs lsattr -d) >"$WORK/ours.txt"
	image_umount "$MNT"
	diff "$WORK/theirs.txt" "$WORK/ours.txt"
	for image in k theirs; do
		btrfs inspect-internal dump-tree -t 5 "$WORK/$image.img" | grep -o 'extent compression.*' | sort | uniq -c >"$WORK/$image.txt"
	done
	diff "$WORK/theirs.txt" "$WORK/k.txt"
}

# Our commits left the files of a version 1 space cache as they were, told as outdated by the superblock only. The kernel's next commit
# said that they are true again, also of block groups that it had not touched: free space that is not free.
@test "an outdated version 1 space cache is not left behind" {
	# Block groups below 100 MiB have none.
	kernel_made "-O ^free-space-tree,^block-group-tree" space_cache=v1 3G
	head -c 20M /dev/urandom >"$MNT/first"
	sync -f "$MNT"
	head -c 60M /dev/urandom >"$MNT/second"
	sync -f "$MNT"
	head -c 60M /dev/zero >"$MNT/third"
	image_umount "$MNT"
	[ "$(btrfs inspect-internal dump-tree -t 1 "$WORK/k.img" | grep -c 'FREE_SPACE UNTYPED')" -gt 0 ]
	head -c 60M /dev/urandom >"$WORK/new"
	"$UBTRFS" cp "$WORK/new" "$WORK/k.img:/"
	check_clean "$WORK/k.img"
	image_mount "$MNT" space_cache=v1 "$WORK/k.img"
	chmod 600 "$MNT/first"
	image_umount "$MNT"
	check_clean "$WORK/k.img"
	image_mount "$MNT" space_cache=v1 "$WORK/k.img"
	cmp "$WORK/new" "$MNT/new"
	image_umount "$MNT"
}
