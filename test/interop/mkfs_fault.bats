# What fails on the way: an allocation, a device write, room, a signal. An error in one sentence, no leak, and never an image that
# looks complete.
source "$ROOT/test/interop/lib.bash"

UUID=a1b2c3d4-0000-4000-8000-000000000004

setup()
{
	judge_setup
	IMG=$WORK/a.img
	mkdir -p "$WORK/src/dir"
	echo inline >"$WORK/src/dir/inline"
	head -c 300000 /dev/zero | tr '\0' x >"$WORK/src/dir/compressible"
	head -c 70000 /dev/urandom >"$WORK/src/noise"
	ln "$WORK/src/noise" "$WORK/src/dir/link"
	ln -s target "$WORK/src/symlink"
	setfattr -n user.attribute -v value "$WORK/src/noise"
	seq -f "$WORK/src/dir/file-%g" 40 | xargs touch
}

teardown()
{
	judge_teardown
}

# build COMMAND: the same image each time.
build()
{
	"$1" mkfs -q -f -j 1 -b 128M -U "$UUID" --timestamp 1700000000 --compress zstd --rootdir "$WORK/src" "$IMG" >"$WORK/out.txt" 2>"$WORK/err.txt"
}

wrong()
{
	echo "$*"
	head -n 20 "$WORK/err.txt"
	echo wrong >>"$WORK/wrong.txt"
}

# fails_well KIND N COMMAND: false when the build succeeds. What is wrong is noted in wrong.txt. The target exists before, as a
# device does: a file of our own making would just be removed.
fails_well()
{
	local status=0
	rm -f "$IMG"
	truncate -s 128M "$IMG"
	UBTRFS_FAULT=$1:$2 build "$3" || status=$?
	if [ $status -eq 0 ]; then
		# One may do without the memory (a table that stays small), but not without anything in the image.
		cmp "$IMG" "$GOOD" || wrong "UBTRFS_FAULT=$1:$2 succeeds with another image"
		return 1
	fi
	[ $status -eq 1 ] || wrong "UBTRFS_FAULT=$1:$2 exits with $status"
	one_sentence "$WORK/err.txt" || wrong "UBTRFS_FAULT=$1:$2"
	! looks_complete "$IMG" || wrong "UBTRFS_FAULT=$1:$2: the image looks complete"
}

# reached KIND N: fails at N, or, if that one is dispensable, behind it.
reached()
{
	local n
	for n in 0 1 2 3; do
		! fails_well "$1" $(($2 + n)) "$UBTRFS" || return 0
	done
	return 1
}

# last_fault KIND: LAST is about the largest N that is reached; GOOD is the image of a build without faults.
last_fault()
{
	local low=0 high=1 middle
	GOOD=$WORK/good.img
	rm -f "$IMG"
	build "$UBTRFS"
	mv "$IMG" "$GOOD"
	while reached "$1" $high; do
		low=$high
		high=$((high * 2))
	done
	while [ $((high - low)) -gt 1 ]; do
		middle=$(((low + high) / 2))
		if reached "$1" $middle; then low=$middle; else high=$middle; fi
	done
	LAST=$((low + 3))
}

# every_fault KIND SPREAD COMMAND: the first 50 and SPREAD more up to the last; all of them in the full run.
every_fault()
{
	local n step nr_failed=0 nr=0
	last_fault "$1"
	step=$((LAST / $2 + 1))
	[ -z "$FULL" ] || step=1
	for ((n = 1; n <= LAST; n += n < 50 && $2 > 50 ? 1 : step)); do
		! fails_well "$1" $n "$3" || nr_failed=$((nr_failed + 1))
		nr=$((nr + 1))
	done
	echo "# $1: $nr of $LAST points, $nr_failed failures" >&3
	[ ! -e "$WORK/wrong.txt" ]
	# Nothing is swallowed: but for a few dispensable allocations, and the points behind the last, each fault fails the build.
	[ $((nr_failed * 10)) -ge $(((nr - 3) * 8)) ]
}

need_sanitizers()
{
	[ -x "${UBTRFS_DEV:-}" ] || skip 'there is no build with sanitizers'
}

@test "the n-th allocation fails" {
	every_fault alloc 100 "$UBTRFS"
}

@test "the n-th device write fails" {
	every_fault write 60 "$UBTRFS"
	# And to others the last of them is no filesystem.
	fails_well write $((LAST - 3)) "$UBTRFS"
	refused_by_all "$IMG"
}

@test "the n-th flush fails" {
	every_fault flush 100 "$UBTRFS"
}

@test "the n-th device read fails" {
	last_fault read
	for ((n = 1; n < LAST; n++)); do
		fails_well read $n "$UBTRFS" || true
	done
	[ ! -e "$WORK/wrong.txt" ]
}

@test "the n-th allocation fails: no leak" {
	need_sanitizers
	every_fault alloc 40 "$UBTRFS_DEV"
}

@test "the n-th device write fails: no leak" {
	need_sanitizers
	every_fault write 20 "$UBTRFS_DEV"
}

@test "a filesystem that stood there does not shine through" {
	local n status stale=0
	last_fault write
	for ((n = 1; n < LAST; n++)); do
		cp --sparse=always "$GOOD" "$IMG"
		status=0
		UBTRFS_FAULT=write:$n "$UBTRFS" mkfs -q -f -j 1 -b 128M --rootdir "$WORK/src" "$IMG" >"$WORK/out.txt" 2>"$WORK/err.txt" || status=$?
		[ $status -ne 0 ] || continue
		one_sentence "$WORK/err.txt"
		# What fails before anything is written leaves the old one as it is; a copy of its superblock may outlive by one write.
		if looks_complete "$IMG" && ! cmp -s "$IMG" "$GOOD"; then
			stale=$((stale + 1))
			echo "write $n leaves a superblock: $(cat "$WORK/err.txt")"
			! btrfs check "$IMG" >/dev/null 2>&1 || false
		fi
	done
	echo "$stale"
	[ $stale -le 2 ]
}

@test "a device that dies fails the build with a name" {
	UBTRFS_FAULT=write:9+ build "$UBTRFS" && false
	one_sentence "$WORK/err.txt"
	grep -q a.img "$WORK/err.txt"
	refused_by_all "$IMG"
}

@test "several devices: no member looks complete" {
	local n
	for n in 1 2 3 5 8 13 21 34; do
		rm -f "$WORK"/m?.img
		if UBTRFS_FAULT=write:$n "$UBTRFS" mkfs -q -j 1 -b 256M -d raid1 -m raid1 --rootdir "$WORK/src" "$WORK"/m{1,2}.img 2>"$WORK/err.txt"; then
			continue
		fi
		one_sentence "$WORK/err.txt"
		refused_by_all "$WORK"/m{1,2}.img
	done
}

# too_small ARGUMENT...: with -b too small ENOSPC tells a size, and that size does.
too_small()
{
	local size=$1 would
	shift
	rm -f "$WORK"/m?.img
	if "$UBTRFS" mkfs -q -b "$size" --rootdir "$WORK/src" "$@" 2>"$WORK/err.txt"; then
		echo "$size is enough for $*"
		return 1
	fi
	cat "$WORK/err.txt"
	one_sentence "$WORK/err.txt" || return 1
	would=$(grep -oE '[0-9]{6,}' "$WORK/err.txt" | sort -n | tail -n 1)
	[ -n "$would" ] || return 1
	refused_by_all "${@: -1}" || return 1
	rm -f "$WORK"/m?.img
	make_image -q -b "$would" --rootdir "$WORK/src" "$@" || return 1
	[ "$(stat -c %s "${@: -1}")" -le "$would" ] || return 1
	# It is not just any large number.
	[ "$would" -lt $((4 * $(du -sb "$WORK/src" | cut -f1) + 800000000)) ]
}

@test "full: data. The size that would do is named, and does" {
	head -c 260000000 /dev/urandom >"$WORK/src/large"
	too_small 150M "$WORK/m1.img"
	check_clean "$WORK/m1.img"
	too_small 300M -d dup "$WORK/m1.img"
	too_small 150M -d raid1 -m raid1 "$WORK/m1.img" "$WORK/m2.img"
	check_clean "$WORK/m1.img" "$WORK/m2.img"
}

@test "full: metadata. The size that would do is named, and does" {
	python3 - "$WORK/src" <<-'PY'
		import os, sys
		data = os.urandom(2000)
		for i in range(30000):
		    with open(os.path.join(sys.argv[1], 'inline-%d' % i), 'wb') as f:
		        f.write(data)
	PY
	too_small 120M -m dup "$WORK/m1.img"
	check_clean "$WORK/m1.img"
	too_small 40M -M "$WORK/m1.img"
}

@test "smaller than any filesystem" {
	rm -rf "$WORK"/src/*
	too_small 1M "$WORK/m1.img"
	too_small 5M -d raid1 -m raid1c3 "$WORK/m1.img" "$WORK/m2.img" "$WORK/m3.img"
	too_small 100K -M "$WORK/m1.img"
}

# signalled SIGNAL STATUS...: at several moments of a build that takes a while.
signalled()
{
	local delay pid status done=0
	python3 "$HERE/nasty_tree.py" --size normal "$WORK/many"
	head -c 150000000 /dev/urandom >"$WORK/many/large"
	for delay in 0.005 0.02 0.05 0.1 0.15 0.2 0.3 0.4; do
		rm -f "$IMG"
		"$UBTRFS" mkfs -q -j 2 --compress zlib:9 --csum sha256 --rootdir "$WORK/many" "$IMG" >"$WORK/out.txt" 2>&1 &
		pid=$!
		sleep $delay
		kill -"$1" $pid 2>/dev/null || true
		status=0
		wait $pid || status=$?
		if [ $status -eq 0 ]; then
			check_clean "$IMG"
			continue
		fi
		done=$((done + 1))
		cat "$WORK/out.txt"
		[[ " ${*:2} " == *" $status "* ]]
		refused_by_all "$IMG"
	done
	[ $done -gt 2 ]
}

@test "SIGINT in the middle" {
	# A shell starts background jobs with SIGINT ignored.
	trap - INT
	set -m
	signalled INT 130
}

@test "SIGTERM in the middle" {
	# Before we listen the signal ends the process.
	signalled TERM 130 143
}

@test "SIGKILL in the middle" {
	signalled KILL 137
}
