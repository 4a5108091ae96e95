# A target that is too small for what goes into it: the size that is named does, and is no wild guess.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
	SRC=$WORK/src
	mkdir "$SRC"
}

teardown()
{
	judge_teardown
}

# many_files COUNT BYTES [RANDOM BYTES]: in 20 directories; random, or only so many bytes of it and then zeros.
many_files()
{
	python3 - "$SRC" "$@" <<-'PY'
		import os, sys
		root, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
		for i in range(count):
		    d = os.path.join(root, 'directory-%d' % (i % 20))
		    os.makedirs(d, exist_ok=True)
		    with open(os.path.join(d, 'file-%d' % i), 'wb') as f:
		        noise = int(sys.argv[4]) if len(sys.argv) > 4 else size
		        f.write(os.urandom(noise) + bytes(size - noise))
	PY
}

# refused_for_room ARGUMENT...: no success, one sentence of the kind wanted.
refused_for_room()
{
	rm -f "$WORK"/m?.img
	if "$UBTRFS" mkfs -q "$@" 2>"$WORK/err.txt"; then
		echo "there is room: $*"
		return 1
	fi
	one_sentence "$WORK/err.txt"
}

# named_size: the number in the sentence.
named_size()
{
	sed -nE 's/^ERROR: .*m1\.img: [0-9]+ bytes are too few for what is imported, ([0-9]+)( on each device)? would do$/\1/p' "$WORK/err.txt"
}

# needs LIMIT SMALL ARGUMENT...: with -b SMALL a size is named; it does, and is at most LIMIT.
needs()
{
	local limit=$1 small=$2 would
	shift 2
	refused_for_room -b "$small" "$@" || return 1
	would=$(named_size)
	if [ -z "$would" ]; then
		cat "$WORK/err.txt"
		return 1
	fi
	if [ "$would" -gt "$(numfmt --from=iec "$limit")" ] || [ $((would % 1048576)) -ne 0 ]; then
		echo "$would bytes are named for: $*"
		return 1
	fi
	rm -f "$WORK"/m?.img
	make_image -q -b "$would" "$@"
}

@test "many tiny files: the size named does" {
	many_files 12000 2000
	needs 200M 40M --rootdir "$SRC" "$WORK/m1.img"
	check_clean "$WORK/m1.img"
	needs 300M 40M -n 4096 --rootdir "$SRC" "$WORK/m1.img"
	# The smallest filesystem with these nodes holds it nearly.
	needs 250M 100M -n 65536 --rootdir "$SRC" "$WORK/m1.img"
	needs 120M 30M -m single --rootdir "$SRC" "$WORK/m1.img"
	needs 120M 20M -M --rootdir "$SRC" "$WORK/m1.img"
	needs 120M 20M -M --csum sha256 --rootdir "$SRC" "$WORK/m1.img"
}

@test "files of a sector, which compression may bring into the tree: the size named does" {
	many_files 20000 3500 1900
	needs 260M 60M --rootdir "$SRC" "$WORK/m1.img"
	needs 260M 60M --compress zstd --rootdir "$SRC" "$WORK/m1.img"
	needs 360M 60M --compress lzo -n 4096 --rootdir "$SRC" "$WORK/m1.img"
}

@test "a few large files: the size named does" {
	local i
	for i in 1 2 3; do
		head -c 60000000 /dev/urandom >"$SRC/$i"
	done
	truncate -s 8T "$SRC/hole"
	needs 300M 150M --rootdir "$SRC" "$WORK/m1.img"
	check_clean "$WORK/m1.img"
	needs 520M 150M -d dup --rootdir "$SRC" "$WORK/m1.img"
	needs 380M 150M --compress zstd -n 65536 --rootdir "$SRC" "$WORK/m1.img"
	needs 240M 100M -M --rootdir "$SRC" "$WORK/m1.img"
}

@test "data and then names, names and then data: the size named does although chunks are not full" {
	local last megabytes
	many_files 10000 2000
	for last in 0 z; do
		for megabytes in 150 220 ; do
			rm -f "$SRC"/*.large
			head -c ${megabytes}M /dev/zero >"$SRC/$last.large"
			needs 1G 110M -d dup --rootdir "$SRC" "$WORK/m1.img"
			needs 1G 110M -d dup -m single --rootdir "$SRC" "$WORK/m1.img"
			needs 600M 110M --rootdir "$SRC" "$WORK/m1.img"
		done
	done
}

@test "several devices: the size of each is named, and does" {
	local i devices=("$WORK"/m{1,2,3}.img)
	many_files 6000 2000
	for i in 1 2 3; do
		head -c 50000000 /dev/urandom >"$SRC/$i"
	done
	needs 300M 120M -d raid1 -m raid1 --rootdir "$SRC" "${devices[@]:0:2}"
	grep -q 'on each device' "$WORK/err.txt"
	check_clean "${devices[@]:0:2}"
	needs 200M 80M --rootdir "$SRC" "${devices[@]:0:2}"
	needs 150M 60M --rootdir "$SRC" "${devices[@]}"
	check_clean "${devices[@]}"
	needs 180M 80M -d raid0 --rootdir "$SRC" "${devices[@]:0:2}"
	needs 350M 120M -d raid1c3 -m raid1c3 --rootdir "$SRC" "${devices[@]}"
}

@test "names, links and attributes: the size named does" {
	python3 - "$SRC" <<-'PY'
		import os, sys
		root = sys.argv[1]
		first = os.path.join(root, 'first')
		open(first, 'w').close()
		for i in range(25000):
		    os.link(first, os.path.join(root, 'n' * 180 + '-%d' % i))
		for i in range(4000):
		    path = os.path.join(root, 'attribute-%d' % i)
		    os.symlink('t' * 900, path)
		    os.setxattr(path, 'trusted.x', os.urandom(2500), follow_symlinks=False)
	PY
	needs 220M 40M --rootdir "$SRC" "$WORK/m1.img"
	check_clean "$WORK/m1.img"
	needs 250M 30M -n 4096 --rootdir "$SRC" "$WORK/m1.img"
	needs 120M 24M -m single --rootdir "$SRC" "$WORK/m1.img"
}

@test "archives: the size named does; of a stream none is named" {
	many_files 4000 1500
	head -c 90000000 /dev/urandom >"$SRC/large"
	truncate -s 1T "$SRC/hole"
	tar -C "$SRC" -S -cf "$WORK/a.tar" .
	needs 230M 100M --from "$WORK/a.tar" "$WORK/m1.img"
	check_clean "$WORK/m1.img"
	needs 400M 100M --from "$WORK/a.tar" --from "$WORK/a.tar" "$WORK/m1.img"
	needs 230M 100M --compress zstd -n 4096 --from "$WORK/a.tar" "$WORK/m1.img"
	(cd "$SRC" && find . ! -name hole | cpio -o -H newc --quiet | gzip -1 >"$WORK/a.cpio.gz")
	needs 230M 100M --from "$WORK/a.cpio.gz" "$WORK/m1.img"

	refused_for_room -b 100M --from - "$WORK/m1.img" <"$WORK/a.tar"
	grep -q 'm1.img: 104857600 bytes are too few for what is imported; its size cannot be known from a stream$' "$WORK/err.txt"
	refused_for_room -b 100M --from <(cat "$WORK/a.tar") "$WORK/m1.img"
	grep -q 'cannot be known from a stream$' "$WORK/err.txt"
}

@test "smaller than any filesystem: the size named does" {
	many_files 10 3000
	needs 120M 1M --rootdir "$SRC" "$WORK/m1.img"
	needs 160M 4M -n 65536 --rootdir "$SRC" "$WORK/m1.img"
	needs 50M 1M -M --rootdir "$SRC" "$WORK/m1.img"
	refused_for_room -b 1M "$WORK/m1.img"
	make_image -q -b "$(grep -oE '[0-9]{6,}$' "$WORK/err.txt")" "$WORK/m1.img"
	check_clean "$WORK/m1.img"
}

@test "shrinking to less than it needs names the size to the byte" {
	local would
	many_files 100 30000
	refused_for_room -b 3M --shrink --rootdir "$SRC" "$WORK/m1.img"
	would=$(sed -nE 's/^ERROR: .*: 3145728 bytes are too few, ([0-9]+) would do$/\1/p' "$WORK/err.txt")
	make_image -q -b "$would" --shrink --rootdir "$SRC" "$WORK/m1.img"
	[ "$(stat -c %s "$WORK/m1.img")" -eq "$would" ]
	refused_for_room -b $((would - 4096)) --shrink --rootdir "$SRC" "$WORK/m1.img"
}

@test "a block device that is too small: the size named does" {
	local would
	head -c 90000000 /dev/urandom >"$SRC/large"
	truncate -s 100M "$WORK/backing"
	image_attach "$WORK/backing"
	! "$UBTRFS" mkfs -q --rootdir "$SRC" "${JUDGE_DEVICES[0]}" 2>"$WORK/err.txt" || false
	one_sentence "$WORK/err.txt"
	would=$(sed -nE 's/^ERROR: \/dev\/loop[0-9]+: 104857600 bytes are too few for what is imported, ([0-9]+) would do$/\1/p' "$WORK/err.txt")
	image_detach
	truncate -s "$would" "$WORK/backing"
	image_attach "$WORK/backing"
	make_image -q --rootdir "$SRC" "${JUDGE_DEVICES[0]}"
	check_clean "${JUDGE_DEVICES[0]}"
}

@test "naming a size leaks nothing" {
	[ -x "${UBTRFS_DEV:-}" ] || skip 'there is no build with sanitizers'
	many_files 30 3000
	ln "$SRC/directory-1/file-1" "$SRC/link"
	tar -C "$SRC" -cf "$WORK/a.tar" .
	UBTRFS=$UBTRFS_DEV needs 120M 1M --rootdir "$SRC" "$WORK/m1.img"
	UBTRFS=$UBTRFS_DEV needs 120M 1M --compress zstd --from "$WORK/a.tar" --from "$WORK/a.tar" "$WORK/m1.img"
	UBTRFS=$UBTRFS_DEV refused_for_room -b 1M --from - "$WORK/m1.img" <"$WORK/a.tar"
}
