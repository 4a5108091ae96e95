# What the tests of the mount share: images, mounts of ours that always go away, and the judges of test/interop.
#
# fuse_setup in setup, fuse_teardown in teardown. $M is the mount point, $IMG the image.

. "$ROOT/test/interop/lib.bash"

fuse_setup()
{
	[ "$(id -u)" -eq 0 ] || skip 'the kernel judges only for root'
	[ -e /dev/fuse ] || skip 'this machine has no /dev/fuse'
	judge_setup
	export LC_ALL=C.UTF-8
	M=$WORK/ours
	IMG=$WORK/disk.img
	mkdir "$M"
	SERVER=
	NO_LOWMEM=1
}

fuse_teardown()
{
	local pid=${SERVER:-}
	[ -z "${M:-}" ] || ! mountpoint -q "$M" 2>/dev/null && ! grep -q " $M " /proc/self/mounts || umount -l "$M" || true
	[ -z "$pid" ] || ours_gone "$pid" || kill -9 "$pid" 2>/dev/null || true
	[ -z "${FUSE_MODE:-}" ] || chmod "$FUSE_MODE" /dev/fuse
	judge_teardown
}

# Everybody may open the device, as udev has it where there is one; as it was after the test.
fuse_for_all()
{
	FUSE_MODE=$(stat -c %a /dev/fuse)
	chmod 666 /dev/fuse
}

# image_new SIZE [OPTION OF mkfs]...
image_new()
{
	local size=$1
	shift
	rm -f "$IMG"
	truncate -s "$size" "$IMG"
	"$UBTRFS" mkfs -q "$@" "$IMG"
}

# The process that serves the mount of $IMG.
server_of()
{
	pgrep -f -- "$1 $M" | head -n 1
}

# ours_mount [OPTIONS]: mounts $IMG on $M; the test's descriptors are not the server's. OURS_OPTIONS in the environment
# are options for all of them.
ours_mount()
{
	"$UBTRFS" mount ${1:+-o "$1"} ${OURS_OPTIONS:+-o "$OURS_OPTIONS"} "$IMG" "$M" 3>&- || return 1
	SERVER=$(server_of "$IMG")
}

# ours_gone PID: within 30 s. A process that nobody waits for counts as gone.
ours_gone()
{
	local i
	for i in $(seq 600); do
		[ -e "/proc/$1/stat" ] && [ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" != Z ] || return 0
		sleep 0.05
	done
	echo "process $1 is still there"
	return 1
}

# The image is closed when this returns.
ours_umount()
{
	umount "$M" || return 1
	ours_gone "$SERVER" || return 1
	SERVER=
}

# judged TREE: the unmounted image is clean, and the kernel shows the same tree, without a complaint.
judged()
{
	local status=0
	check_clean "$IMG" || return 1
	kernel_mark
	image_mount "$MNT" ro "$IMG" || return 1
	same_tree "$1" "$MNT" || status=1
	kernel_quiet "${JUDGE_DEVICES[@]}" || status=1
	image_umount "$MNT" || return 1
	return $status
}

# as_user COMMAND...: without any right, but that of running the helper that has its own.
as_user()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all -- "$@"
}

# refused TEXT COMMAND...: fails with one sentence that says TEXT.
refused()
{
	local text=$1 code=0
	shift
	"$@" >"$WORK/refused" 2>&1 3>&- || code=$?
	[ $code -eq 1 ] && grep -qF -- "$text" "$WORK/refused" && [ "$(wc -l <"$WORK/refused")" -eq 1 ] && return 0
	echo "expected a refusal with '$text' (exit code $code) from: $*"
	cat "$WORK/refused"
	return 1
}

# same_on_both OPTIONS_OF_OURS OPTIONS_OF_THE_KERNEL LINES: work is done on our mount and on the kernel's; whatever it prints is
# to be the same.
same_on_both()
{
	image_new 200M
	ours_mount "${1:-}"
	# What fails is told in the output.
	(cd "$M" && work) >"$WORK/ours.txt" 2>&1 || true
	ours_umount
	image_new 200M
	image_mount "$MNT" "${2:-rw}" "$IMG"
	(cd "$MNT" && work) >"$WORK/kernels.txt" 2>&1 || true
	image_umount "$MNT"
	# Opening is the kernel's: what is forbidden fails one call later.
	sed -i -E 's/^(touch|truncate): .*: Operation not/\1: Operation not/' "$WORK/kernels.txt" "$WORK/ours.txt"
	diff "$WORK/kernels.txt" "$WORK/ours.txt"
	[ "$(wc -l <"$WORK/ours.txt")" -ge "${3:-5}" ]
}
