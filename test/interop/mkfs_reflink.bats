# --reflink: on a host filesystem that can, the image shares the blocks of the source; the judges see no difference.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
	HOST=$WORK/host
	truncate -s 2G "$WORK/host.img"
	mkfs.btrfs -q "$WORK/host.img"
	mkdir "$HOST"
	mount -o loop "$WORK/host.img" "$HOST"
}

teardown()
{
	umount "$HOST" 2>/dev/null || true
	judge_teardown
}

# used_kib: what the host filesystem holds, everything written.
used_kib()
{
	sync -f "$HOST"
	btrfs filesystem sync "$HOST"
	df --output=used "$HOST" | tail -n 1
}

source_tree()
{
	mkdir "$HOST/src"
	head -c 40000001 /dev/urandom >"$HOST/src/big"
	head -c 100000 /dev/urandom >"$HOST/src/small"
	head -c 700 /dev/urandom >"$HOST/src/inline"
	truncate -s 20M "$HOST/src/hole"
	ln "$HOST/src/big" "$HOST/src/link"
}

@test "the image shares the blocks of the source" {
	local before after
	source_tree
	before=$(used_kib)
	make_image --rootdir "$HOST/src" --reflink -b 1G "$HOST/a.img"
	after=$(used_kib)
	echo "# 40 MB of contents took $((after - before)) KiB"
	[ $((after - before)) -lt 20000 ]
	check_clean "$HOST/a.img"
	cp "$HOST/a.img" "$WORK/a.img"
	kernel_judges "$HOST/src" "$WORK/a.img"
}

@test "with dup data, shrunk, and mixed groups" {
	source_tree
	for options in "-d dup" "--shrink" "-M"; do
		rm -f "$HOST/a.img"
		# shellcheck disable=SC2086
		make_image --rootdir "$HOST/src" --reflink $options "$HOST/a.img"
		check_clean "$HOST/a.img"
	done
}

@test "a host that cannot share is an error, not a copy" {
	source_tree
	run "$UBTRFS" mkfs --rootdir "$HOST/src" --reflink "$WORK/b.img"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot share blocks with the source"* ]]
	[ ! -e "$WORK/b.img" ]
}

@test "not with compression, not with archives" {
	run "$UBTRFS" mkfs --rootdir "$HOST" --reflink --compress zstd "$WORK/b.img"
	[ "$status" -eq 1 ]
	[[ $output == *"--reflink and --compress"* ]]
	run "$UBTRFS" mkfs --from x.tar --reflink "$WORK/b.img"
	[ "$status" -eq 1 ]
}
