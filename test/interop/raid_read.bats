#!/usr/bin/env bats
# Filesystems of every profile, made by mkfs.btrfs and filled by the kernel, read by ours: with all devices, with as many
# missing as the profile survives, with as many full of noise, and with noise here and there on all of them.

source "$ROOT/test/interop/lib.bash"

setup_file()
{
	[ "$(id -u)" -eq 0 ] || return 0
	local kind
	export SOURCE=$TEST_TMP/source
	mkdir -p "$SOURCE/plain/many/deep/er" "$SOURCE/holes"
	head -c 3333333 /dev/urandom >"$SOURCE/plain/noise"
	seq 400000 >"$SOURCE/plain/text"
	truncate -s 1T "$SOURCE/holes/file-1024g"
	printf end >>"$SOURCE/holes/file-1024g"
	head -c 200000 /dev/urandom | dd of="$SOURCE/holes/file-1024g" bs=4096 seek=1000000 conv=notrunc status=none
	for i in $(seq 1 300); do
		head -c $((i * i % 7001)) "$SOURCE/plain/noise" >"$SOURCE/plain/many/file-$i"
	done
	ln "$SOURCE/plain/text" "$SOURCE/plain/many/deep/er/link"
	ln -s ../text "$SOURCE/plain/many/symlink"
	setfattr -n user.note -v "$(seq 500)" "$SOURCE/plain/many/file-7"
	for kind in zstd zlib lzo; do
		mkdir "$SOURCE/$kind"
		seq 300000 | sed "s/^/$kind /" >"$SOURCE/$kind/text"
		cp "$SOURCE/plain/many/file-2"?? "$SOURCE/$kind"
	done
}

setup()
{
	judge_setup
}

teardown()
{
	judge_teardown
}

# make_raid PROFILE NR: $WORK/disk1 ..., metadata and data in that profile; DISKS are their names.
make_raid()
{
	local profile=$1 nr=$2 kind i
	DISKS=()
	for ((i = 1; i <= nr; i++)); do
		truncate -s 300M "$WORK/disk$i"
		DISKS+=("$WORK/disk$i")
	done
	mkfs.btrfs -q -m "$profile" -d "$profile" "${DISKS[@]}" >"$WORK/mkfs.txt" 2>&1 || { cat "$WORK/mkfs.txt"; return 1; }
	image_mount "$MNT" noatime "${DISKS[@]}" || return 1
	for kind in zstd zlib lzo; do
		mkdir "$MNT/$kind" && btrfs property set "$MNT/$kind" compression "$kind" || return 1
	done
	cp -a "$SOURCE/." "$MNT" || return 1
	# Half of the extents have neighbours from another time.
	sync -f "$MNT"
	dd if="$SOURCE/plain/noise" of="$MNT/plain/noise" bs=70000 skip=3 seek=3 count=9 conv=notrunc status=none || return 1
	touch -r "$SOURCE/plain/noise" "$MNT/plain/noise"
	image_umount "$MNT"
}

# copy_out DISK...: all of it to $WORK/out; what it said is in $WORK/cp.txt.
copy_out()
{
	local disk arguments=()
	for disk in "${@:2}"; do
		arguments+=(-D "$disk")
	done
	rm -rf "$WORK/out"
	mkdir "$WORK/out"
	"$UBTRFS" cp -a --noscan "${arguments[@]}" "$1:/." "$WORK/out" 2>"$WORK/cp.txt"
}

# reads_same WHAT DISK...: a copy of all of it equals the source.
reads_same()
{
	local what=$1
	shift
	if ! copy_out "$@"; then
		echo "$what:"
		head -n 20 "$WORK/cp.txt"
		return 1
	fi
	$PYTHON "$HERE/compare_trees.py" "$SOURCE" "$WORK/out" && return 0
	echo "$what: it is not the same"
	return 1
}

# subsets K NR: lines of K different numbers below NR.
subsets()
{
	$PYTHON -c 'import itertools, sys
for s in itertools.combinations(range(int(sys.argv[2])), int(sys.argv[1])): print(*s)' "$@"
}

# some_subsets K NR: all of them in a full run, else two.
some_subsets()
{
	if [ -n "$FULL" ]; then
		subsets "$@"
	else
		subsets "$@" | shuf -n 2 --random-source=<(yes "$RAID_SEED")
	fi
}

# without DISK-INDEX...: REST are the other disks.
without()
{
	local i
	REST=()
	for i in "${!DISKS[@]}"; do
		[[ " $* " == *" $i "* ]] || REST+=("${DISKS[$i]}")
	done
}

check_missing()
{
	local tolerated=$1 set k
	for ((k = 1; k <= tolerated; k++)); do
		while read -r set; do
			without $set
			reads_same "without $set" "${REST[@]}" || return 1
			grep -q missing "$WORK/cp.txt" || { echo "nobody was told of $set"; return 1; }
		done < <([ $k -eq 1 ] && subsets 1 ${#DISKS[@]} || some_subsets $k ${#DISKS[@]})
	done
	# One more than it survives is an error that names a device, and no crash. (Copies of raid10, and of raid1 on more
	# devices than it has copies, may be elsewhere.)
	[[ $2 != raid10 && ($2 != raid1* || ${#DISKS[@]} -eq $((tolerated + 1))) ]] || return 0
	without $(seq 0 "$tolerated")
	[ ${#REST[@]} -gt 0 ] || return 0
	if copy_out "${REST[@]}" || ! grep -q '^ERROR: .*device [0-9]* is missing' "$WORK/cp.txt"; then
		echo "without the first $((tolerated + 1)):"
		cat "$WORK/cp.txt"
		return 1
	fi
}

# disks_copy: the disks under other names, for spoiling; COPIES.
disks_copy()
{
	local disk
	COPIES=()
	for disk in "${DISKS[@]}"; do
		cp --sparse=always "$disk" "$disk.copy" || return 1
		COPIES+=("$disk.copy")
	done
}

check_noise()
{
	local tolerated=$1 set i
	while read -r set; do
		disks_copy || return 1
		for i in $set; do
			$PYTHON "$HERE/raid_noise.py" all "$i" "${COPIES[$i]}" || return 1
		done
		reads_same "noise on $set" "${COPIES[@]}" || return 1
		# A device of noise is passed over, once it was met: it is not told, and read, for every extent.
		i=$(grep -c 'wrong checksum; mirror .* is good' "$WORK/cp.txt" || true)
		[ "$i" -lt 60 ] || { echo "noise on $set is told $i times"; return 1; }
	done < <(some_subsets "$tolerated" ${#DISKS[@]})
}

# One is missing, the others that may fail are noise.
check_noise_and_missing()
{
	local tolerated=$1 set i
	[ "$tolerated" -gt 1 ] || return 0
	while read -r set; do
		disks_copy || return 1
		for i in ${set#* }; do
			$PYTHON "$HERE/raid_noise.py" all "$i" "${COPIES[$i]}" || return 1
		done
		unset "COPIES[${set%% *}]"
		reads_same "${set%% *} missing, noise on the others of $set" "${COPIES[@]}" || return 1
	done < <(some_subsets "$tolerated" ${#DISKS[@]})
}

check_units()
{
	local seed nr
	for seed in $(seq 1 ${FULL:+5}) 9; do
		disks_copy || return 1
		nr=$($PYTHON "$HERE/raid_noise.py" units "$seed" "${COPIES[@]}") || return 1
		[ "$nr" -ge 8 ] || { echo "only $nr units of noise, seed $seed"; return 1; }
		reads_same "noise in units, seed $seed" "${COPIES[@]}" || return 1
	done
}

# raid_case PROFILE NR TOLERATED
raid_case()
{
	RAID_SEED=$1$2
	make_raid "$1" "$2" || return 1
	reads_same "all devices of $1" "${DISKS[@]}" || return 1
	check_missing "$3" "$1" || return 1
	[ "$3" -gt 0 ] || return 0
	check_noise "$3" && check_noise_and_missing "$3" && check_units
}

@test "raid0 over three devices" {
	raid_case raid0 3 0
}

@test "raid1 over two devices: one may fail" {
	raid_case raid1 2 1
}

@test "raid1c3 over three devices: two may fail" {
	raid_case raid1c3 3 2
}

@test "raid1c4 over four devices: three may fail" {
	raid_case raid1c4 4 3
}

@test "raid10 over four devices: one may fail" {
	raid_case raid10 4 1
}

@test "raid5 over three devices: one may fail" {
	raid_case raid5 3 1
}

@test "raid6 over five devices: two may fail" {
	raid_case raid6 5 2
}

@test "raid5 and raid6 of the smallest and of odd widths" {
	raid_case raid5 2 1
	judge_teardown
	judge_setup
	raid_case raid6 3 2
	[ -n "$FULL" ] || return 0
	for shape in 'raid5 4 1' 'raid5 7 1' 'raid6 4 2' 'raid6 7 2' 'raid10 6 1' 'raid1 5 1' 'raid1c3 5 2'; do
		judge_teardown
		judge_setup
		raid_case $shape
	done
}

# write_refused WORDS DISK...: copying into it fails, says why, and changes no byte.
write_refused()
{
	local words=$1 disk arguments=()
	shift
	for disk in "${@:2}"; do
		arguments+=(-D "$disk")
	done
	disks_copy || return 1
	if "$UBTRFS" cp --noscan "${arguments[@]}" "$SOURCE/plain/text" "$1:/new" 2>"$WORK/cp.txt"; then
		echo "writing is not refused: $words"
		return 1
	fi
	grep -E "^ERROR: .*$words" "$WORK/cp.txt" || { cat "$WORK/cp.txt"; return 1; }
	for disk in "${DISKS[@]}"; do
		cmp "$disk" "$disk.copy" || return 1
	done
}

@test "writing to raid5, raid6 and with a missing device is refused by name" {
	make_raid raid5 3
	write_refused RAID5 "${DISKS[@]}"
	judge_teardown
	judge_setup
	make_raid raid6 3
	write_refused RAID6 "${DISKS[@]}"
	judge_teardown
	judge_setup
	make_raid raid1 2
	write_refused 'device 1 is missing' "${DISKS[1]}"
}
