# What the judges share: loop devices and mounts that always go away, the kernel's log, btrfs check, comparing trees.
#
# A test file sources this, calls judge_setup in setup and judge_teardown in teardown. Every function prints what is wrong
# and returns nonzero. Images are named by their files: all devices of one filesystem, in order.

HERE=$ROOT/test/interop
JUDGE_LOOPS=()
JUDGE_MOUNTS=()
JUDGE_DEVICES=()
FULL=${UBTRFS_FULL:-}
# One that every user can run.
PYTHON=$(PATH=/usr/bin:/bin command -v python3 || command -v python3)

# Lines of the kernel that are no fault of an image: features that the test itself has switched off.
KERNEL_EXPECTED='space cache v1 is being deprecated|SKINNY_METADATA|skinny'

judge_setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'the kernel judges only for root'
	grep -qw btrfs /proc/filesystems || modprobe -q btrfs || skip 'this kernel has no btrfs'
	WORK=$(mktemp -d "$TEST_TMP/work.XXXXXX")
	chmod 755 "$WORK"
	MNT=$WORK/mnt
	mkdir "$MNT"
}

judge_teardown()
{
	judge_release
	[ -z "${WORK:-}" ] || rm -rf "$WORK"
}

# Also after a failure in the middle: whatever is mounted or attached goes.
judge_release()
{
	local dir
	for dir in "${JUDGE_MOUNTS[@]}"; do
		umount "$dir" 2>/dev/null || umount -l "$dir" 2>/dev/null || true
	done
	JUDGE_MOUNTS=()
	image_detach
}

# image_attach FILE...: JUDGE_DEVICES are its loop devices.
image_attach()
{
	local file dev
	JUDGE_DEVICES=()
	for file; do
		# Others take loop devices too, between the question for a free one and the taking.
		dev=$(flock /run/lock losetup -f --show "$file") || return 1
		JUDGE_LOOPS+=("$dev")
		JUDGE_DEVICES+=("$dev")
	done
	[ $# -eq 1 ] || btrfs device scan "${JUDGE_DEVICES[@]}" >/dev/null
}

image_detach()
{
	local dev
	for dev in "${JUDGE_LOOPS[@]}"; do
		btrfs device scan --forget "$dev" >/dev/null 2>&1 || true
		losetup -d "$dev" || true
	done
	JUDGE_LOOPS=()
	JUDGE_DEVICES=()
}

# image_mount DIR OPTIONS FILE...
image_mount()
{
	local dir=$1 options=$2
	shift 2
	image_attach "$@" || return 1
	if ! mount -t btrfs -o "$options" "${JUDGE_DEVICES[0]}" "$dir"; then
		dmesg | grep -i btrfs | tail -n 20
		return 1
	fi
	JUDGE_MOUNTS+=("$dir")
}

# image_umount DIR: and detaches.
image_umount()
{
	umount "$1" || return 1
	JUDGE_MOUNTS=()
	image_detach
}

# kernel_mark: from here on the log is looked at.
kernel_mark()
{
	KERNEL_MARK="ubtrfs test $BASHPID.$RANDOM$RANDOM"
	echo "$KERNEL_MARK" >/dev/kmsg
}

# kernel_quiet DEVICE...: no warning about these loop devices, and no complaint of btrfs code, since the mark.
kernel_quiet()
{
	local names log
	names=$(printf '|%s' "${@#/dev/}")
	log=$(dmesg --level emerg,alert,crit,err,warn,notice,info --decode | sed -n "/$KERNEL_MARK/,\$p" |
		grep -E "BTRFS:? (warning|error|critical|alert|emergency)|^kern *:(warn|err|crit|alert|emerg) *:.*BTRFS|(WARNING|BUG|Oops).*btrfs" |
		grep -E "\\((device )?(${names#|})[ )]|WARNING|BUG|Oops" | grep -Ev "$KERNEL_EXPECTED" || true)
	[ -z "$log" ] && return 0
	echo "the kernel complains:"
	echo "$log"
	return 1
}

# check_text FILE: what an exit code of 0 hides.
check_text()
{
	! grep -Eiq '^(error|warning)|[^o] errors? found|mismatch|corrupt|leak|missing|not found|invalid' "$1" || return 1
	grep -q 'no error found' "$1"
}

# check_clean FILE...: btrfs check in both modes (one when NO_LOWMEM is set).
check_clean()
{
	local mode code target=$1 status=0 modes='original lowmem' out=$WORK/check.txt
	[ -z "${NO_LOWMEM:-}" ] || modes=original
	if [ $# -gt 1 ]; then
		image_attach "$@" || return 1
		target=${JUDGE_DEVICES[0]}
	fi
	for mode in $modes; do
		code=0
		btrfs check --check-data-csum --mode="$mode" "$target" >"$out" 2>&1 || code=$?
		# How a version 1 space cache is left behind that others shall not believe.
		sed -i "/^cache and super generation don't match, space cache will be invalidated$/d" "$out"
		# Looking for the other devices it meets those that a neighbour is just detaching.
		[ $# -eq 1 ] || sed -i '/^ERROR: cannot scan .*: Input\/output error$/d' "$out"
		if [ $code -ne 0 ] || ! check_text "$out"; then
			echo "btrfs check --check-data-csum --mode=$mode $* exits with $code:"
			grep -Ev '^(\[[0-9]/[0-9]\]|Opening|Checking|UUID|total |btree |file data | referenced )' "$out" | head -n 40
			status=1
		fi
	done
	[ $# -eq 1 ] || image_detach
	return $status
}

# same_tree A B [ARGUMENT OF compare_trees.py]...: two opinions. rsync would read all of what is huge and empty.
same_tree()
{
	local a=$1 b=$2 out
	shift 2
	python3 "$HERE/compare_trees.py" "$a" "$b" "$@" || return 1
	out=$(rsync -aHAXnci --delete --modify-window=-1 --exclude='/holes/*[0-9]g*' "$a/" "$b/" 2>&1) && [ -z "$out" ] && return 0
	echo "rsync -aHAXnci $a/ $b/:"
	head -n 20 <<<"$out"
	return 1
}

# kernel_judges SOURCE FILE...: mounts without a warning, holds the source, can be written to, is clean before and after.
kernel_judges()
{
	local source=$1
	shift
	check_clean "$@" || return 1
	kernel_mark
	image_mount "$MNT" noatime "$@" || return 1
	kernel_quiet "${JUDGE_DEVICES[@]}" || return 1
	same_tree "$source" "$MNT" || return 1
	kernel_goes_on "$MNT" || return 1
	python3 "$HERE/compare_trees.py" "$source" "$MNT/.judge-before" || return 1
	btrfs subvolume delete "$MNT/.judge-before" >/dev/null || return 1
	umount "$MNT" || return 1
	kernel_quiet "${JUDGE_DEVICES[@]}" || return 1
	JUDGE_MOUNTS=()
	image_detach
	check_clean "$@"
}

# kernel_goes_on DIR: creates, overwrites, deletes, snapshots, balances. What stood there stays in DIR/.judge-before.
kernel_goes_on()
{
	local dir=$1 file
	{
		btrfs subvolume snapshot -r "$dir" "$dir/.judge-before" &&
		mkdir "$dir/.judge" &&
		cp -a "$HERE" "$dir/.judge/copy" &&
		head -c 3000000 /dev/urandom >"$dir/.judge/new" &&
		btrfs subvolume create "$dir/.judge/subvolume" &&
		cp -a --reflink=always "$dir/.judge/new" "$dir/.judge/clone" &&
		sync -f "$dir"
	} >"$WORK/goes-on.txt" 2>&1 || { cat "$WORK/goes-on.txt"; return 1; }
	# Old extents are overwritten in the middle, cut, extended and removed.
	for file in "$dir"/contents/*-1310[0-9]* "$dir"/contents/*-6553[0-9]; do
		[ -f "$file" ] || continue
		dd if=/dev/urandom of="$file" bs=5000 count=3 seek=2 conv=notrunc status=none || return 1
	done
	for file in "$dir"/contents/*-then-*; do
		[ -f "$file" ] || continue
		truncate -s 100001 "$file" && echo more >>"$file" || return 1
	done
	{
		rm -rf "$dir/wide" "$dir/deep" "$dir/tuned" "$dir/names-long" "$dir/contents/noise-1048576" &&
		sync -f "$dir" &&
		btrfs subvolume snapshot "$dir" "$dir/.judge/snapshot" &&
		rm -rf "$dir/.judge/snapshot/contents" "$dir/.judge/clone" &&
		btrfs balance start --full-balance "$dir" &&
		btrfs subvolume delete "$dir/.judge/snapshot" &&
		sync -f "$dir"
	} >"$WORK/goes-on.txt" 2>&1 || { cat "$WORK/goes-on.txt"; return 1; }
}

# make_image ARGUMENT...: ubtrfs mkfs must succeed; its words on failure.
make_image()
{
	local status=0
	"$UBTRFS" mkfs "$@" >"$WORK/mkfs.txt" 2>&1 || status=$?
	[ $status -eq 0 ] && return 0
	echo "ubtrfs mkfs $* exits with $status:"
	head -n 20 "$WORK/mkfs.txt"
	return 1
}

# nasty_source DIR [ARGUMENT]...: a seeded tree with the parts for one node size.
nasty_source()
{
	python3 "$HERE/nasty_tree.py" "$@" && python3 "$HERE/nasty_tree.py" --tune "$1"
}

# looks_complete FILE: true when a superblock with the final magic stands in one of its copies.
looks_complete()
{
	local at magic
	[ -e "$1" ] || return 1
	for at in 65536 67108864 274877906944; do
		magic=$(dd if="$1" bs=1 skip=$((at + 64)) count=8 status=none 2>/dev/null | tr -d '\0')
		[ "$magic" != _BHRfS_M ] || return 0
	done
	return 1
}

# refused_by_all FILE...: neither btrfs check nor the kernel takes these for a filesystem.
refused_by_all()
{
	local file
	for file; do
		if looks_complete "$file"; then
			echo "$file looks complete"
			return 1
		fi
	done
	[ -e "$1" ] || return 0
	if btrfs check "$1" >/dev/null 2>&1; then
		echo "btrfs check takes $1"
		return 1
	fi
	if image_mount "$MNT" ro "$1" >/dev/null 2>&1; then
		echo "the kernel mounts $1"
		return 1
	fi
	image_detach
}

# one_sentence FILE: one line, no trace of a crash.
one_sentence()
{
	if [ "$(wc -l <"$1")" -ne 1 ] || ! grep -q '^ERROR: .*[a-z]' "$1" || grep -Eiq 'assert|sanitizer|stack|abort(ed)?$' "$1"; then
		echo "not one sentence:"
		head -n 20 "$1"
		return 1
	fi
}
