# Opening what the kernel and btrfs-progs leave behind: features, states, seeds, logs, mounts; for reading and for
# writing. The kernel and btrfs check judge what was written.
load lib.bash

setup()
{
	judge_setup
	# The second opinion in the full run; it knows nothing of owner references of simple quotas.
	[ -n "$FULL" ] || NO_LOWMEM=1
	cd "$WORK"
	export LC_ALL=C
	mkdir src
	cp -a "$ROOT/docs" src/docs
	seq 1 200000 >src/numbers
	mkdir new
	seq 1 70000 >new/more
	cp -a "$ROOT/tools" new/tools
}
teardown() { judge_teardown; }

# kernel_fs OPTIONS FILE... -- MKFS_ARGUMENT...: made, filled with src under these mount options, unmounted. With
# KERNEL_DO a function that goes on while it is mounted.
kernel_fs()
{
	local options=$1 files=() devices=() file
	shift
	while [ "$1" != -- ]; do
		truncate -s "${SIZE:-400M}" "$1"
		files+=("$1")
		shift
	done
	shift
	for file in "${files[@]}"; do
		image_attach "$file" || return 1
		devices+=("${JUDGE_DEVICES[0]}")
	done
	mkfs.btrfs -q -f "$@" "${devices[@]}" 2>/dev/null || return 1
	image_detach
	image_mount "$MNT" "$options" "${files[@]}" || return 1
	cp -a src/. "$MNT"
	if [ -n "${KERNEL_DO:-}" ]; then
		$KERNEL_DO >"$WORK/did.txt" 2>&1 || { cat "$WORK/did.txt"; return 1; }
	fi
	image_umount "$MNT"
}

# reads IMAGE OPTION...: src is there, bytes and attributes; what is told stands in told.
reads()
{
	local image=$1
	shift
	rm -rf out
	mkdir out
	"$UBTRFS" cp -a "$@" "$image:/docs" "$image:/numbers" out 2>told || { cat told; return 1; }
	touch -r src out
	python3 "$HERE/compare_trees.py" src out
}

# writes IMAGE OPTION...: new is copied in.
writes()
{
	local image=$1
	shift
	"$UBTRFS" cp -a "$@" new "$image:/" 2>told || { cat told; return 1; }
}

# refused TEXT IMAGE OPTION...: writing is, and nothing changes.
refused()
{
	local text=$1 image=$2 before
	shift 2
	before=$(head -c 64M "$image" | sha1sum)
	if "$UBTRFS" cp -a "$@" new "$image:/" >told 2>&1; then
		echo "written, not refused with '$text'"
		return 1
	fi
	one_sentence told && grep -qF -- "$text" told || { cat told; return 1; }
	[ "$before" = "$(head -c 64M "$image" | sha1sum)" ]
}

# judged OPTIONS FILE...: clean, mounted without a word, everything there; the kernel goes on; clean.
judged()
{
	local options=$1
	shift
	check_clean "$@" || return 1
	kernel_mark
	image_mount "$MNT" "$options" "$@" || return 1
	kernel_quiet "${JUDGE_DEVICES[@]}" || return 1
	python3 "$HERE/compare_trees.py" src/docs "$MNT/docs" || return 1
	cmp src/numbers "$MNT/numbers" || return 1
	python3 "$HERE/compare_trees.py" new "$MNT/new" || return 1
	rm -rf "$MNT/new/tools"
	cp -a src/docs "$MNT/new/docs"
	sync -f "$MNT"
	kernel_quiet "${JUDGE_DEVICES[@]}" || return 1
	image_umount "$MNT" || return 1
	check_clean "$@"
}

@test "a version 1 space cache goes with our first commit" {
	kernel_fs space_cache=v1 a.img -- -O ^free-space-tree,^block-group-tree
	"$UBTRFS" inspect-internal dump-super a.img >super
	[ "$(awk '$1 == "generation" { print $2 }' super)" = "$(awk '$1 == "cache_generation" { print $2 }' super)" ]
	reads a.img
	[ ! -s told ]
	writes a.img
	[ "$(btrfs inspect-internal dump-tree -t 1 a.img | grep -c 'key (FREE_SPACE UNTYPED')" -eq 0 ]
	[ "$(btrfs inspect-internal dump-tree -t 1 a.img | grep -c EXTENT_DATA)" -eq 0 ]
	judged space_cache=v1 a.img
	rm -rf new/tools
	mv new/more new/most
	writes a.img
	check_clean a.img
}

@test "another metadata uuid, and the features of ten years ago" {
	kernel_fs noatime a.img -- -O ^no-holes,^free-space-tree,^block-group-tree,^extref,^skinny-metadata
	reads a.img
	writes a.img
	judged noatime a.img
	rm a.img
	kernel_fs noatime a.img --
	btrfstune -m a.img >tune.txt 2>&1
	reads a.img
	writes a.img
	judged noatime a.img
}

quota_on() { btrfs quota enable "$MNT"; }
squota_on() { btrfs quota enable -s "$MNT" && cp -a src/docs "$MNT/counted"; }
squota_off() { squota_on && sync -f "$MNT" && btrfs quota disable "$MNT"; }

@test "quotas and simple quotas: read; written when they are off" {
	KERNEL_DO=quota_on kernel_fs noatime a.img --
	reads a.img
	refused 'has quotas switched on' a.img
	rm a.img
	KERNEL_DO=squota_on kernel_fs noatime a.img --
	reads a.img
	refused 'has simple quotas switched on' a.img
	rm a.img
	KERNEL_DO=squota_off kernel_fs noatime a.img --
	writes a.img
	NO_LOWMEM=1 judged noatime a.img
}

@test "what grew from a seed is read and written, the seed is not touched" {
	kernel_fs noatime seed.img --
	btrfstune -S 1 -f seed.img >tune.txt 2>&1
	truncate -s 600M grown.img
	image_mount "$MNT" noatime seed.img
	image_attach grown.img
	btrfs device add -f "${JUDGE_DEVICES[0]}" "$MNT" >/dev/null 2>&1
	mount -o remount,rw "$MNT"
	cp -a new "$MNT/old"
	image_umount "$MNT"
	sha1sum seed.img >before
	reads seed.img
	refused 'is a seed' seed.img
	# Found by its uuid; named; gone.
	reads grown.img
	[ ! -s told ]
	reads grown.img --noscan -D seed.img
	[ ! -s told ]
	"$UBTRFS" ls --noscan grown.img:/ >/dev/null 2>told || true
	grep -q 'device 1 is missing' told
	# More than the chunk holds that the kernel has made on the new device.
	head -c 100M /dev/urandom >new/huge
	writes grown.img
	sha1sum -c --quiet before
	judged noatime grown.img seed.img
	rm -rf new/tools
	writes grown.img -D seed.img
	check_clean grown.img seed.img
}

@test "parity and missing devices are refused by name when writing" {
	SIZE=200M kernel_fs noatime r1.img r2.img r3.img -- -d raid5 -m raid1
	refused RAID5 r1.img
	reads r1.img
	rm r?.img
	SIZE=200M kernel_fs noatime r1.img r2.img -- -d raid1 -m raid1
	mkdir away
	mv r1.img away
	refused 'device 1 is missing' r2.img
	reads r2.img
	grep -q 'device 1 is missing' told
	mv away/r1.img .
	writes r2.img
	judged noatime r1.img r2.img
}

snap() { cp --sparse=always a.img "$1"; }

# Copies of the file while it is mounted are what a cut of power leaves.
pending_log()
{
	sync -f "$MNT" && echo synced >"$MNT/synced" && sync "$MNT/synced" && snap cut.img
}

@test "a log that was not replayed: told, the committed state shown, writing refused" {
	KERNEL_DO=pending_log kernel_fs noatime a.img --
	reads cut.img
	grep -q 'has a log that was not replayed' told
	run "$UBTRFS" cat cut.img:/synced
	[ "$status" -eq 1 ]
	refused 'has a log that was not replayed' cut.img
}

deleted()
{
	btrfs subvolume create "$MNT/gone" && cp -a src/docs "$MNT/gone" && cp -a src/docs "$MNT/second" &&
	sync -f "$MNT" && exec 7<"$MNT/second/testing.md" && rm -r "$MNT/second" &&
	btrfs subvolume delete "$MNT/gone" && sync -f "$MNT" && snap cut.img
	local code=$?
	exec 7<&-
	return $code
}

@test "deleted subvolumes and files that are still open when the power goes" {
	KERNEL_DO=deleted kernel_fs noatime a.img --
	reads cut.img
	run "$UBTRFS" ls --subvolid 256 cut.img:/
	[ "$status" -eq 1 ]
	[[ "$output" == *"subvolume 256 was deleted"* || "$output" == *"there is no tree 256"* ]]
	writes cut.img
	rm a.img
	judged noatime cut.img
}

paused()
{
	local i
	cp -a src/numbers "$MNT/n1" && sync -f "$MNT"
	btrfs balance start --full-balance --background "$MNT"
	for i in $(seq 200); do
		if btrfs balance pause "$MNT"; then
			return 0
		fi
		sleep 0.01
	done
	# It was faster than that: the state is an ordinary one.
	return 0
}

moving()
{
	local i
	btrfs balance start --full-balance --background "$MNT"
	for i in $(seq 300); do
		btrfs inspect-internal dump-tree -t root "${JUDGE_DEVICES[0]}" 2>/dev/null | grep -q 'TREE_RELOC ROOT_ITEM' && break
	done
	snap cut.img
	btrfs balance cancel "$MNT"
	return 0
}

@test "a balance that was stopped; one that was cut while it moved blocks" {
	KERNEL_DO=paused kernel_fs noatime a.img --
	reads a.img
	writes a.img
	judged skip_balance a.img
	rm a.img
	KERNEL_DO=moving kernel_fs noatime a.img --
	reads cut.img
	if "$UBTRFS" inspect-internal dump-tree -t root cut.img | grep -q 'TREE_RELOC ROOT_ITEM'; then
		refused 'a balance has begun and is not finished' cut.img
	fi
}

@test "what the kernel has mounted is not written, and who reads it is told" {
	local file
	kernel_fs noatime a.img --
	image_mount "$MNT" noatime a.img
	refused "mounted at $MNT through ${JUDGE_DEVICES[0]}" a.img
	refused "mounted at $MNT" "${JUDGE_DEVICES[0]}"
	reads a.img
	grep -q "a.img is mounted at $MNT through ${JUDGE_DEVICES[0]}, for writing" told
	reads "${JUDGE_DEVICES[0]}"
	grep -q "is mounted at $MNT, for writing" told
	mount -o remount,ro "$MNT"
	reads a.img
	[ ! -s told ]
	refused "mounted at $MNT" a.img
	image_umount "$MNT"
	writes a.img
	# Members that are block devices are found among those of the host.
	rm a.img
	SIZE=200M kernel_fs noatime r1.img r2.img -- -d raid1 -m raid1
	image_attach r1.img r2.img
	reads "${JUDGE_DEVICES[1]}"
	[ ! -s told ]
	writes "${JUDGE_DEVICES[0]}"
	image_detach
	judged noatime r1.img r2.img
}

@test "in a partition: written inside its bounds" {
	local start=102400 sectors=819200
	kernel_fs noatime a.img --
	truncate -s 500M disk.img
	printf 'label: gpt\nstart=2048, size=4096\nstart=%s, size=%s\n' $start $sectors | sfdisk -q disk.img
	dd if=a.img of=disk.img bs=1M seek=50 conv=notrunc,sparse status=none
	outside() { head -c 50M disk.img | sha1sum; tail -c +$((50 * 1048576 + sectors * 512 + 1)) disk.img | sha1sum; }
	outside >before
	reads disk.img --partition 2
	writes disk.img --partition 2
	outside >after
	cmp before after
	dd if=disk.img of=a.img bs=1M skip=50 count=400 conv=sparse status=none
	judged noatime a.img
}

@test "a damaged primary superblock: --super believes a copy, and writing brings all back" {
	kernel_fs noatime a.img --
	dd if=/dev/urandom of=a.img bs=4096 seek=16 count=1 conv=notrunc status=none
	reads a.img
	grep -q 'copy 1 of the superblock is used' told
	refused '--super 1 believes it' a.img
	writes a.img --super 1
	judged noatime a.img
}
