# Filesystems that mkfs.btrfs makes and the kernel fills, read by us: read_matrix.py counts each combination as a test of its own. Here
# too what is not in its sample: other seeds, the large size, what lies where in a snapshot.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
}

teardown()
{
	judge_teardown
}

@test "the matrix: node size, checksum, features, profile; whole, without devices, over noise (each combination counts)" {
	python3 "$HERE/read_matrix.py" >&3
}

@test "in a snapshot the names of other subvolumes are empty directories" {
	"$HERE/kernel_image.py" "$WORK/image" --size tiny --seed 1
	[ -z "$("$UBTRFS" ls -a "$WORK/image/disk0.img:/snaps/of-sv/inner" | grep -vx '\.\.*')" ]
	"$UBTRFS" stat "$WORK/image/disk0.img:/snaps/of-sv/inner" | grep -q 'Inode: 2 '
	[ -n "$("$UBTRFS" ls "$WORK/image/disk0.img:/sv/inner")" ]
}

@test "other seeds; in the full run as large as can be" {
	local seed size=small
	[ -z "$FULL" ] || size=full
	for seed in 101 102; do
		"$HERE/kernel_image.py" "$WORK/image" --size $size --seed $seed
		"$UBTRFS" cp -a "$WORK/image/disk0.img:/" "$WORK/out"
		"$HERE/kernel_image.py" "$WORK/image" --compare "$WORK/out"
		rm -rf "$WORK/image" "$WORK/out"
	done
}
