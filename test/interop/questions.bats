# Questions about filesystems that the kernel has filled: our answers are those of btrfs-progs, to the letter where it can
# answer. Both look at the same loop devices, the kernel has them mounted read-only meanwhile.
source "$ROOT/test/interop/lib.bash"

setup() { judge_setup; }
teardown()
{
	exec 9<&-
	judge_teardown
}

# make_kernel_image NAME NR MKFS-OPTION...: NR members of 1 GiB; IMAGES.
make_kernel_image()
{
	local name=$1 nr=$2 i
	shift 2
	IMAGES=()
	for ((i = 1; i <= nr; i++)); do
		truncate -s 1G "$WORK/$name$i.img"
		IMAGES+=("$WORK/$name$i.img")
	done
	mkfs.btrfs -q "$@" "${IMAGES[@]}"
}

# fill DIR: snapshots of snapshots that went on, reflinks whole and in part, compressed, preallocated, sparse, odd names.
fill()
{
	local dir=$1 i
	mkdir "$dir/top"
	btrfs subvolume create "$dir/a" >/dev/null
	mkdir -p "$dir/a/d/e"
	head -c 1000000 /dev/urandom >"$dir/a/d/e/file"
	cp --reflink=always "$dir/a/d/e/file" "$dir/a/clone"
	ln "$dir/a/d/e/file" "$dir/a/hard"
	head -c 300000 /dev/zero >"$dir/a/zero"
	echo inline >"$dir/a/inline"
	printf x >"$dir/a/"$'odd\nname \xff "q"\\'
	printf x >"$dir/a/später"
	for ((i = 1; i <= 700; i++)); do echo "$i" >"$dir/a/d/f$i"; done
	ln -s clone "$dir/a/link"
	mkfifo "$dir/a/fifo"
	fallocate -l 1M "$dir/top/prealloc"
	fallocate -n -o 1M -l 1M "$dir/top/prealloc"
	truncate -s 10M "$dir/top/sparse"
	echo end >>"$dir/top/sparse"
	# The same extent twice in one file, at other offsets, and a piece out of its middle.
	head -c 262144 /dev/urandom >"$dir/top/twice"
	sync -f "$dir"
	xfs_reflink "$dir/top/twice" 65536 "$dir/top/twice" 1048576 65536
	xfs_reflink "$dir/top/twice" 131072 "$dir/top/part" 0 65536
	yes compressible | head -c 400000 >"$dir/top/packed"
	btrfs property set "$dir/top/packed" compression zstd
	yes compressible | head -c 400000 >"$dir/top/packed"
	sync -f "$dir"
	btrfs subvolume snapshot "$dir/a" "$dir/b" >/dev/null
	btrfs subvolume snapshot -r "$dir/b" "$dir/top/ro" >/dev/null
	btrfs subvolume create "$dir/a/nested" >/dev/null
	cp --reflink=always "$dir/b/clone" "$dir/a/nested/c3"
	dd if=/dev/urandom of="$dir/b/d/e/file" bs=4096 seek=10 count=3 conv=notrunc status=none
	dd if=/dev/urandom of="$dir/b/clone" bs=4096 count=2 conv=notrunc status=none
	for ((i = 1; i <= 60; i++)); do echo changed >"$dir/b/d/f$i"; done
	btrfs subvolume snapshot "$dir/b" "$dir/top/c" >/dev/null
	btrfs subvolume snapshot "$dir/a" "$dir/with-dummy" >/dev/null
	rm -rf "$dir/top/c/d"
	sync -f "$dir"
}

# xfs_reflink FROM AT TO AT LEN
xfs_reflink()
{
	"$PYTHON" - "$@" <<-'PY'
		import fcntl, os, struct, sys
		source, at, target, to, length = sys.argv[1:]
		s = os.open(source, os.O_RDONLY)
		t = os.open(target, os.O_RDWR | os.O_CREAT, 0o644)
		fcntl.ioctl(t, 0x4020940d, struct.pack('qQQQ', s, int(at), int(length), int(to)))
	PY
}

# same OUTPUT-OF-BTRFS OUTPUT-OF-OURS WHAT
same_text()
{
	if ! cmp -s "$1" "$2"; then
		echo "$3 (< btrfs, > ours):"
		diff -a "$1" "$2" | head -n 20
		return 1
	fi
	[ -s "$1" ] || { echo "$3: nothing"; return 1; }
}

# ours COMMAND ARGUMENT...: with all members named.
ours()
{
	local more=() device
	for device in "${JUDGE_DEVICES[@]:1}"; do more+=(-D "$device"); done
	"$UBTRFS" "$@" "${more[@]}"
}

# asks "COMMAND OPTIONS": of the mount and of the device. Paths below the mount are those behind DEVICE:.
asks()
{
	# It warns of several profiles on stderr.
	btrfs $1 "$MNT${2:-}" >"$WORK/theirs" || { cat "$WORK/theirs"; return 1; }
	ours $1 "${JUDGE_DEVICES[0]}${2:+:$2}" >"$WORK/ours" 2>&1 || { cat "$WORK/ours"; return 1; }
	same_text "$WORK/theirs" "$WORK/ours" "$1 ${2:-}"
}

# The same, in any order of lines.
asks_sorted()
{
	btrfs $1 "$MNT${2:-}" | sort >"$WORK/theirs"
	ours $1 "${JUDGE_DEVICES[0]}${2:+:$2}" | sort >"$WORK/ours"
	same_text "$WORK/theirs" "$WORK/ours" "$1 ${2:-}"
}

ask_space()
{
	local units
	local -a UNITS=(-H '-k --si' -t)
	# All of them once: for the first filesystem that is asked about.
	[ -z "${UNITS_DONE:-}" ] || [ -n "$FULL" ] || UNITS=()
	UNITS_DONE=1
	for units in '' -b "${UNITS[@]}"; do
		asks "filesystem df $units"
		asks "filesystem usage $units"
		asks "filesystem usage -T $units"
	done
	asks "inspect-internal list-chunks"
	asks "inspect-internal list-chunks --sort length,devid,lstart --raw"
	asks_sorted "inspect-internal list-chunks --sort usage --si"
	asks "filesystem show"
	asks "filesystem show --raw"
	asks "filesystem label"
	btrfs --format json filesystem df "$MNT" >"$WORK/theirs"
	ours filesystem df --format json "${JUDGE_DEVICES[0]}" >"$WORK/ours"
	"$PYTHON" -c 'import json, sys; a, b = [json.load(open(f)) for f in sys.argv[1:]]; sys.exit(a != b)' "$WORK/theirs" "$WORK/ours"
}

# ask_lists: with all options.
ask_lists()
{
	local options path
	for options in '' -pcguqR -t -tpcguqR -s -st -r -o -a '--sort=-gen,path' '--sort=ogen' '-G +10' '-C -9'; do
		for path in / /a ${FULL:+/top}; do
			# A filter may leave nothing.
			btrfs subvolume list $options "$MNT$path" >"$WORK/theirs"
			"$UBTRFS" subvolume list $options "${JUDGE_DEVICES[0]}:$path" >"$WORK/ours"
			diff "$WORK/theirs" "$WORK/ours" || { echo "subvolume list $options $path"; return 1; }
		done
	done
}

# ask_files: about subvolumes, inodes and extents.
ask_files()
{
	local path
	asks "subvolume get-default"
	for path in / /a /b /top/ro /a/nested; do
		# btrfs-progs prints the time of creation once more where that of sending belongs.
		btrfs subvolume show "$MNT$path" | sed 's/^\(\tSend time: \t\t\).*/\1-/' >"$WORK/theirs"
		"$UBTRFS" subvolume show "${JUDGE_DEVICES[0]}:$path" >"$WORK/ours"
		same_text "$WORK/theirs" "$WORK/ours" "subvolume show $path"
	done
	# For a file btrfs-progs adds up what is shared; ours counts each byte once, as it does for directories.
	for path in '' /a/ /b/d /top/part /top /top/ro; do
		btrfs filesystem du --raw "$MNT$path" | sed "s|$MNT||" >"$WORK/theirs"
		"$UBTRFS" filesystem du --raw "${JUDGE_DEVICES[0]}:${path:-/}" | sed "s|${JUDGE_DEVICES[0]}:||; s|^\(.*  \)/\$|\1|" >"$WORK/ours"
		same_text "$WORK/theirs" "$WORK/ours" "filesystem du $path"
	done
	btrfs filesystem du -s --si "$MNT/a" "$MNT/top" "$MNT/b/clone" | sed "s|$MNT||" >"$WORK/theirs"
	"$UBTRFS" filesystem du -s --si "${JUDGE_DEVICES[0]}:/a" "${JUDGE_DEVICES[0]}:/top" "${JUDGE_DEVICES[0]}:/b/clone" |
		sed "s|${JUDGE_DEVICES[0]}:||" >"$WORK/ours"
	same_text "$WORK/theirs" "$WORK/ours" "filesystem du -s"
	ask_inodes
	ask_logical
}

ask_inodes()
{
	local path id ino
	for path in '' /a /b /top/ro /a/nested; do
		id=$(btrfs inspect-internal rootid "$MNT$path")
		[ "$id" = "$("$UBTRFS" inspect-internal rootid "${JUDGE_DEVICES[0]}:$path/")" ]
		[ "$id" -eq 5 ] ||
			[ "$(btrfs inspect-internal subvolid-resolve "$id" "$MNT")" = "$("$UBTRFS" inspect-internal subvolid-resolve "$id" "${JUDGE_DEVICES[0]}")" ]
		for ino in $(find "$MNT$path" -xdev -printf '%i\n' | sort -un | awk '$1 > 256' | { head -n 8; tail -n 2; }); do
			btrfs inspect-internal inode-resolve "$ino" "$MNT$path" | sed "s|^$MNT||" >"$WORK/theirs"
			"$UBTRFS" inspect-internal inode-resolve "$ino" "${JUDGE_DEVICES[0]}:$path/" | sed "s|^${JUDGE_DEVICES[0]}:||" >"$WORK/ours"
			same_text "$WORK/theirs" "$WORK/ours" "inode-resolve $ino $path"
		done
	done
	# Files too, which btrfs-progs would open for writing.
	btrfs inspect-internal rootid "$MNT/a" | diff - <("$UBTRFS" inspect-internal rootid "${JUDGE_DEVICES[0]}:/a/clone")
}

# Each data extent: its begin and a sector inside, with and without regard to offsets.
ask_logical()
{
	local addr len at option nr=0
	while read -r addr len; do
		for at in "$addr" $((addr + len / 2 / 4096 * 4096)); do
			for option in -P -Po; do
				btrfs inspect-internal logical-resolve $option -s 1048576 "$at" "$MNT" | sort >"$WORK/theirs"
				"$UBTRFS" inspect-internal logical-resolve $option "$at" "${JUDGE_DEVICES[0]}" | sort >"$WORK/ours"
				diff "$WORK/theirs" "$WORK/ours" || { echo "logical-resolve $option $at"; return 1; }
				nr=$((nr + $(wc -l <"$WORK/theirs")))
			done
		done
	done < <(btrfs inspect-internal dump-tree -t extent "${JUDGE_DEVICES[0]}" |
		sed -n '/EXTENT_ITEM [0-9]*)/{s/.*key (\([0-9]*\) EXTENT_ITEM \([0-9]*\)).*/\1 \2/;h;n;/flags DATA/{x;p}}')
	echo "# $nr places"
	[ $nr -gt "${1:-20}" ]
}

# What the kernel cannot say: the paths are those of inode-resolve.
ask_logical_paths()
{
	local addr=$1 device=${JUDGE_DEVICES[0]} inode root
	"$UBTRFS" inspect-internal logical-resolve -P "$addr" "$device" | while read -r _ inode _ _ _ root; do
		"$UBTRFS" inspect-internal inode-resolve --subvolid "$root" "$inode" "$device"
	done >"$WORK/theirs"
	"$UBTRFS" inspect-internal logical-resolve "$addr" "$device" >"$WORK/ours"
	same_text "$WORK/theirs" "$WORK/ours" "logical-resolve $addr"
}

ask_tree_stats()
{
	local options
	for options in '' -b '-t 256' "-t $(btrfs inspect-internal rootid "$MNT/b") --si" '-t 2'; do
		btrfs inspect-internal tree-stats $options "${JUDGE_DEVICES[0]}" | grep -v 'read time' >"$WORK/theirs"
		"$UBTRFS" inspect-internal tree-stats $options "${JUDGE_DEVICES[0]}" | grep -v 'read time' >"$WORK/ours"
		same_text "$WORK/theirs" "$WORK/ours" "tree-stats $options"
	done
}

# Every command gives JSON that a parser takes, and names of any bytes come through.
ask_json()
{
	local device=${JUDGE_DEVICES[0]} command
	while read -r command; do
		"$UBTRFS" $command --format json >"$WORK/json" || { echo "$command"; return 1; }
		"$PYTHON" -c 'import json, sys; d = json.load(open(sys.argv[1])); assert len(d) == 2 and d["__header"]["version"] == "1"' "$WORK/json" ||
			{ echo "$command"; head -n 20 "$WORK/json"; return 1; }
	done <<-EOL
		filesystem df $device
		filesystem usage $device
		filesystem show $device
		filesystem du $device:/a
		filesystem label $device
		subvolume list -a $device
		subvolume show $device:/a
		subvolume get-default $device
		inspect-internal inode-resolve 257 $device:/a
		inspect-internal subvolid-resolve 256 $device
		inspect-internal rootid $device
		inspect-internal list-chunks $device
		inspect-internal min-dev-size $device
		inspect-internal tree-stats $device
	EOL
	"$UBTRFS" filesystem du --format json "$device:/a" >"$WORK/json"
	"$PYTHON" - "$WORK/json" "$device" <<-'PY'
		import json, sys
		lines = json.load(open(sys.argv[1]))['filesystem-du']
		odd = [l for l in lines if 'filename_hex' in l]
		assert len(odd) == 1 and bytes.fromhex(odd[0]['filename_hex']) == sys.argv[2].encode() + b':/a/odd\nname \xff "q"\\', odd
		assert any(l['filename'].endswith('/später') for l in lines)
		assert 'set-shared' in lines[-1] and 'set-shared' not in lines[0]
	PY
}

@test "files: snapshots, reflinks, odd names; before and after a balance" {
	make_kernel_image one 1 -L 'my label'
	image_mount "$MNT" noatime "${IMAGES[@]}"
	fill "$MNT"
	mount -o remount,ro "$MNT"
	ask_lists
	ask_files
	ask_tree_stats
	ask_json
	ask_logical_paths 13631488
	mount -o remount,rw "$MNT"
	btrfs subvolume set-default "$MNT/b"
	btrfs balance start --full-balance "$MNT" >/dev/null
	rm -rf "$MNT/a/d"
	btrfs quota enable "$MNT"
	btrfs qgroup limit 1G 0/256 "$MNT"
	btrfs quota rescan -w "$MNT" >/dev/null
	sync -f "$MNT"
	umount "$MNT"
	mount -o ro,subvolid=5 "${JUDGE_DEVICES[0]}" "$MNT"
	ask_files
	image_umount "$MNT"
}

@test "old metadata: fat items, small nodes, block groups in the extent tree" {
	make_kernel_image old 1 -n 4k -O ^skinny-metadata,^free-space-tree,^block-group-tree
	image_mount "$MNT" noatime "${IMAGES[@]}"
	fill "$MNT"
	mount -o remount,ro "$MNT"
	ask_files
	ask_tree_stats
	ask_space
	image_umount "$MNT"
}

@test "space: profiles, mixed groups, several profiles at once, a device that is smaller than its file" {
	local profiles
	while read -r nr profiles; do
		[ -n "$nr" ] || continue
		make_kernel_image space "$nr" $profiles
		image_mount "$MNT" noatime "${IMAGES[@]}"
		head -c 20M /dev/urandom >"$MNT/data"
		if [ "$nr" -eq 3 ]; then
			btrfs filesystem resize 2:900M "$MNT" >/dev/null
			btrfs balance start -dconvert=single -f "$MNT" >/dev/null
			fallocate -l 900M "$MNT/more"
			timeout 20 btrfs balance start -dconvert=raid1,soft,limit=1 -f "$MNT" >/dev/null || true
		fi
		sync -f "$MNT"
		mount -o remount,ro "$MNT"
		umount "$MNT"
		mount -o ro "${JUDGE_DEVICES[0]}" "$MNT"
		echo "$nr devices, $profiles"
		ask_space
		for ((i = 1; i <= nr; i++)); do
			asks "inspect-internal min-dev-size --id $i"
		done
		image_umount "$MNT"
		rm -f "${IMAGES[@]}"
	done <<-EOL
		1 -M
		3 -m raid1 -d raid1
		4 -m raid1c4 -d raid10
		4 -m raid1c3 -d raid5
		${FULL:+1 -m single -d dup}
		${FULL:+2 -m raid1 -d raid0}
		${FULL:+4 -m raid1 -d raid6}
	EOL
}

@test "a deleted subvolume that is not cleaned away yet" {
	local gone
	make_kernel_image del 1
	image_mount "$MNT" noatime "${IMAGES[@]}"
	fill "$MNT"
	gone=$(btrfs inspect-internal rootid "$MNT/b")
	# Somebody still has a file of it open: the kernel waits with the cleaning.
	exec 9<"$MNT/b/clone"
	btrfs subvolume delete "$MNT/b" >/dev/null
	sync -f "$MNT"
	mount -o remount,ro "$MNT"
	btrfs subvolume list -d "$MNT" >"$WORK/theirs"
	"$UBTRFS" subvolume list -d "${JUDGE_DEVICES[0]}" >"$WORK/ours"
	same_text "$WORK/theirs" "$WORK/ours" "subvolume list -d"
	grep -q "^ID $gone gen [0-9]* top level 0 path DELETED$" "$WORK/ours"
	asks "subvolume list"
	ask_logical
	# Its files have no path; the others have.
	"$UBTRFS" inspect-internal logical-resolve 13631488 "${JUDGE_DEVICES[0]}" >"$WORK/ours"
	grep -q "^inode [0-9]* root $gone has no path$" "$WORK/ours"
	grep -q ":/a/clone$" "$WORK/ours"
	exec 9<&-
	image_umount "$MNT"
}

@test "a label is set in the superblocks of all devices" {
	make_kernel_image label 2 -m raid1
	"$UBTRFS" filesystem label "${IMAGES[0]}" -D "${IMAGES[1]}" $'ein "Name"'
	for image in "${IMAGES[@]}"; do
		btrfs inspect-internal dump-super "$image" | grep -q $'^label\t*ein "Name"$'
	done
	[ "$("$UBTRFS" filesystem label "${IMAGES[1]}")" = 'ein "Name"' ]
	check_clean "${IMAGES[@]}"
	kernel_mark
	image_mount "$MNT" noatime "${IMAGES[@]}"
	[ "$(btrfs filesystem label "$MNT")" = 'ein "Name"' ]
	kernel_quiet "${JUDGE_DEVICES[@]}"
	image_umount "$MNT"
}
