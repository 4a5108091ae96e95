# Names beside the kernel: what it left is moved and removed, and it goes on with what we left.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
}

teardown()
{
	judge_teardown
}

@test "names of subvolumes that a snapshot does not hold are removed, are replaced by directories, and do not move" {
	truncate -s 1G "$WORK/image"
	mkfs.btrfs -q "$WORK/image"
	image_mount "$MNT" noatime "$WORK/image"
	btrfs -q subvolume create "$MNT/sub"
	for name in one two three; do
		btrfs -q subvolume create "$MNT/sub/$name"
	done
	touch "$MNT/sub/file"
	btrfs -q subvolume snapshot "$MNT/sub" "$MNT/snapshot"
	mkdir "$MNT/snapshot/dir"
	image_umount "$MNT"

	"$UBTRFS" rmdir "$WORK/image:/snapshot/one"
	"$UBTRFS" mv -T "$WORK/image:/snapshot/dir" "$WORK/image:/snapshot/two"
	run "$UBTRFS" mv -T "$WORK/image:/snapshot/three" "$WORK/image:/snapshot/four"
	[ "$status" -ne 0 ]
	run "$UBTRFS" rmdir "$WORK/image:/sub/one"
	[ "$status" -ne 0 ]
	[[ $output == *subvolume* ]]
	check_clean "$WORK/image"

	kernel_mark
	image_mount "$MNT" noatime "$WORK/image"
	[ "$(cd "$MNT/snapshot" && echo *)" = "file three two" ]
	[ "$(cd "$MNT/sub" && echo *)" = "file one three two" ]
	rmdir "$MNT/snapshot/two" "$MNT/snapshot/three"
	kernel_quiet "${JUDGE_DEVICES[@]}"
	image_umount "$MNT"
	check_clean "$WORK/image"
}

@test "subvolumes that we moved and exchanged are found by the kernel where they are" {
	truncate -s 1G "$WORK/image"
	mkfs.btrfs -q "$WORK/image"
	image_mount "$MNT" noatime "$WORK/image"
	btrfs -q subvolume create "$MNT/a"
	btrfs -q subvolume create "$MNT/b"
	btrfs -q subvolume create "$MNT/a/inner"
	echo inner >"$MNT/a/inner/file"
	mkdir "$MNT/dir"
	image_umount "$MNT"

	"$UBTRFS" mv "$WORK/image:/a/inner" "$WORK/image:/b"
	"$UBTRFS" mv "$WORK/image:/b" "$WORK/image:/dir"
	"$UBTRFS" mv -T "$WORK/image:/a" "$WORK/image:/c"
	check_clean "$WORK/image"

	kernel_mark
	image_mount "$MNT" noatime "$WORK/image"
	[ "$(cat "$MNT/dir/b/inner/file")" = inner ]
	[ "$(btrfs subvolume list "$MNT" | sed 's/.* path //' | sort | tr '\n' ' ')" = "c dir/b dir/b/inner " ]
	btrfs -q subvolume snapshot "$MNT/dir/b" "$MNT/snapshot"
	mv "$MNT/dir/b/inner" "$MNT/inner"
	btrfs -q subvolume delete "$MNT/inner"
	kernel_quiet "${JUDGE_DEVICES[@]}"
	image_umount "$MNT"
	check_clean "$WORK/image"
}
