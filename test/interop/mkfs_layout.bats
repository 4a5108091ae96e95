# How files are stored: inline and compressed where the kernel does so, not compressed and marked where it does not help.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
	python3 "$HERE/nasty_tree.py" "$WORK/src"
}

teardown()
{
	judge_teardown
}

# stored COMPRESSION NODESIZE: facts of our files in ours.txt, of those that the kernel has written in kernel.txt.
stored()
{
	local option=no
	[ "$1" = none ] || option=$1
	rm -f "$WORK"/*.img
	make_image -b 1G -n "$2" --compress "$option" --rootdir "$WORK/src" "$WORK/ours.img" || return 1
	image_mount "$MNT" noatime "$WORK/ours.img" || return 1
	"$HERE/extent_facts.py" "$MNT/contents" >"$WORK/ours.txt" || return 1
	image_umount "$MNT"
	truncate -s 1G "$WORK/kernel.img"
	mkfs.btrfs -q -n "$2" "$WORK/kernel.img"
	image_mount "$MNT" "noatime,compress=$option" "$WORK/kernel.img" || return 1
	cp -a --reflink=never "$WORK/src/contents" "$MNT/" && sync -f "$MNT" || return 1
	"$HERE/extent_facts.py" "$MNT/contents" >"$WORK/kernel.txt" || return 1
	image_umount "$MNT"
}

# Whether one byte is compressed is nobody's concern.
decisions()
{
	awk '{ print $1, $3, ($1 ~ /^(text|zero)-[0-9]+$/ && ($2 > 1) ? $4 : "") }' "$1"
}

as_the_kernel()
{
	local wrong
	stored "$1" "$2" || return 1
	diff <(decisions "$WORK/ours.txt") <(decisions "$WORK/kernel.txt") || return 1
	[ "$1" != none ] || return 0
	# What does not compress is stored plain and marked, so that nobody tries again.
	wrong=$(awk '$1 ~ /^noise-[0-9]+$/ && $2 > 4096 && ($4 != "plain" || ($2 > 8193 && $5 != "nocompress"))' "$WORK/ours.txt")
	echo "$wrong"
	[ -z "$wrong" ] || return 1
	! awk '$1 ~ /^text-[0-9]+$/ && $5 == "nocompress"' "$WORK/ours.txt" | grep . || false
}

@test "inline and regular as the kernel: no compression" {
	as_the_kernel none 16384
	as_the_kernel none 4096
}

@test "inline, regular and compressed as the kernel: zlib" {
	as_the_kernel zlib 16384
}

@test "inline, regular and compressed as the kernel: lzo" {
	as_the_kernel lzo 16384
}

@test "inline, regular and compressed as the kernel: zstd" {
	as_the_kernel zstd 16384
	as_the_kernel zstd 4096
}
