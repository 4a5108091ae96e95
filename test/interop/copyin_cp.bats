# cp into images: the arguments mean what they mean to cp(1), and what must not be changed is refused.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
	export UBTRFS
}

teardown()
{
	judge_teardown
}

@test "the same cp into a kernel mount and by us: a sample, all in the full run" {
	mkdir "$WORK/oracle" "$WORK/old"
	python3 "$HERE/copyin_oracle.py" "$WORK/oracle" ${FULL:+--full} --nr 20
	python3 "$HERE/copyin_oracle.py" "$WORK/old" --nr 6 --seed 2 --mkfs "-O ^no-holes,^free-space-tree,^block-group-tree -n 4096 --csum sha256 -M"
}

# untouched COMMAND...: it fails with one sentence and the image is byte for byte what it was.
untouched()
{
	local before
	before=$(sha256sum <"$WORK/k.img")
	run "$@"
	[ "$status" -eq 1 ]
	[ "$(sha256sum <"$WORK/k.img")" = "$before" ]
}

@test "what must not be changed is refused" {
	truncate -s 200M "$WORK/k.img"
	mkfs.btrfs -q "$WORK/k.img"
	image_mount "$MNT" defaults "$WORK/k.img"
	mkdir "$MNT/immutable" "$MNT/append" "$MNT/dir"
	echo old | tee "$MNT/dir/fixed" "$MNT/dir/log" "$MNT/append/there" >/dev/null
	btrfs -q subvolume create "$MNT/sub"
	echo inside >"$MNT/sub/file"
	btrfs -q subvolume snapshot -r "$MNT/sub" "$MNT/snapshot"
	chattr +i "$MNT/immutable" "$MNT/dir/fixed"
	chattr +a "$MNT/append" "$MNT/dir/log"
	image_umount "$MNT"
	echo new >"$WORK/new"
	cp "$WORK/new" "$WORK/fixed"
	cp "$WORK/new" "$WORK/log"
	cp "$WORK/new" "$WORK/there"
	untouched "$UBTRFS" cp "$WORK/new" "$WORK/k.img:/snapshot/"
	[[ $output == *"read-only"* ]]
	untouched "$UBTRFS" cp "$WORK/new" "$WORK/k.img:/snapshot/file"
	untouched "$UBTRFS" cp "$WORK/new" "$WORK/k.img:/immutable"
	[[ $output == *"immutable"* ]]
	untouched "$UBTRFS" cp "$WORK/fixed" "$WORK/k.img:/dir"
	untouched "$UBTRFS" cp --remove-destination "$WORK/fixed" "$WORK/k.img:/dir"
	untouched "$UBTRFS" cp "$WORK/log" "$WORK/k.img:/dir"
	[[ $output == *"appended"* ]]
	untouched "$UBTRFS" cp --remove-destination "$WORK/there" "$WORK/k.img:/append"
	tar cf "$WORK/x.tar" -C "$WORK" new
	untouched "$UBTRFS" import "$WORK/x.tar" "$WORK/k.img:/immutable"
	[[ $output == *"immutable"* ]]
	untouched "$UBTRFS" import "$WORK/x.tar" "$WORK/k.img:/snapshot"
	"$UBTRFS" cp "$WORK/new" "$WORK/k.img:/append"
	check_clean "$WORK/k.img"
	image_mount "$MNT" defaults "$WORK/k.img"
	[ "$(cat "$MNT/append/new")" = new ]
	btrfs quota enable "$MNT"
	image_umount "$MNT"
	untouched "$UBTRFS" cp "$WORK/new" "$WORK/k.img:/"
	[[ $output == *quotas* ]]
}

@test "new data is compressed as told, and the superblock says so" {
	truncate -s 200M "$WORK/k.img"
	mkfs.btrfs -q -O ^no-holes "$WORK/k.img"
	seq 200000 >"$WORK/text"
	for kind in zlib lzo zstd:7; do
		"$UBTRFS" cp --compress "$kind" "$WORK/text" "$WORK/k.img:/${kind%:*}"
	done
	check_clean "$WORK/k.img"
	btrfs inspect-internal dump-super "$WORK/k.img" | grep -q COMPRESS_ZSTD
	btrfs inspect-internal dump-super "$WORK/k.img" | grep -q COMPRESS_LZO
	[ "$(btrfs inspect-internal dump-tree -t 5 "$WORK/k.img" | grep -c 'extent compression [123]')" -gt 20 ]
	image_mount "$MNT" defaults "$WORK/k.img"
	for kind in zlib lzo zstd; do
		cmp "$WORK/text" "$MNT/$kind"
	done
	image_umount "$MNT"
}
