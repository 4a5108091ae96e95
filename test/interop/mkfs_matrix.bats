# Node size x checksum x compression x features x profile: mkfs_matrix.py counts each as a test of its own. Other sector sizes,
# which the kernel does not mount, are judged by btrfs check and by reading with our own command.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
}

teardown()
{
	judge_teardown
}

# sector_case SECTORSIZE NODESIZE CSUM COMPRESSION DATA METADATA NR_DEVICES
sector_case()
{
	local i files=() options=()
	python3 "$HERE/nasty_tree.py" --size small "$WORK/src"
	python3 "$HERE/nasty_tree.py" --size small --nodesize "$2" --tune "$WORK/src"
	for ((i = 0; i < $7; i++)); do
		files+=("$WORK/disk$i.img")
	done
	[ "$4" = none ] || options=(--compress "$4")
	make_image -b 1G -s "$1" -n "$2" --csum "$3" "${options[@]}" -d "$5" -m "$6" --rootdir "$WORK/src" "${files[@]}"
	check_clean "${files[@]}"
	[ "$7" -eq 1 ] || return 0
	"$UBTRFS" cp -a "${files[0]}:/" "$WORK/out"
	same_tree "$WORK/src" "$WORK/out" --unit "$1"
}

@test "the matrix: the kernel mounts, agrees, goes on, is clean (each combination counts)" {
	python3 "$HERE/mkfs_matrix.py" >&3
}

@test "other seeds of the tree, as large as can be in the full run" {
	local seed size=normal
	[ -z "$FULL" ] || size=full
	for seed in 2 3 4; do
		python3 "$HERE/nasty_tree.py" --seed $seed --size $size "$WORK/src"
		python3 "$HERE/nasty_tree.py" --size $size --tune "$WORK/src"
		make_image -b 16G --rootdir "$WORK/src" "$WORK/a.img"
		NO_LOWMEM=$FULL kernel_judges "$WORK/src" "$WORK/a.img"
		rm -rf "$WORK/src" "$WORK/a.img"
	done
}

@test "sector size 8 KiB" {
	sector_case 8192 16384 crc32c none single dup 1
	rm -rf "${WORK:?}"/*
	sector_case 8192 8192 xxhash zstd raid0 raid1 2
}

@test "sector size 16 KiB" {
	sector_case 16384 16384 sha256 zlib single single 1
}

@test "sector size 32 KiB" {
	sector_case 32768 32768 blake2 lzo dup dup 1
}

@test "sector size 64 KiB" {
	sector_case 65536 65536 crc32c zstd single dup 1
	rm -rf "${WORK:?}"/*
	sector_case 65536 65536 crc32c none raid1 raid1c3 3
}

@test "sector, node size, checksum and compression with each other" {
	local sectorsize nodesize csum compression
	for sectorsize in 8192 16384 32768 65536; do
		for nodesize in 8192 16384 32768 65536; do
			[ "$nodesize" -ge "$sectorsize" ] || continue
			for csum in crc32c xxhash sha256 blake2; do
				for compression in none zlib lzo zstd; do
					[ -n "$FULL" ] || [ "$sectorsize$csum$compression" = 8192xxhashlzo ] || continue
					sector_case $sectorsize $nodesize $csum $compression single dup 1
					rm -rf "${WORK:?}"/*
				done
			done
		done
	done
}
