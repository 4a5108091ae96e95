# mkfs as a user calls it: what it prints, what it leaves behind, what it does when it is interrupted.
load cli_lib.bash

setup() { cli_setup; }
teardown() { cli_teardown; }

UUID=01234567-89ab-cdef-0123-456789abcdef

@test "the summary tells what mkfs.btrfs tells" {
	"$UBTRFS" mkfs -b 300m -L 'a label' -U $UUID new.img >summary
	local line
	for line in 'Label:              a label' "UUID:               $UUID" 'Node size:          16384' \
		    'Filesystem size:    300.00MiB' '  Data:             single            8.00MiB' \
		    '  Metadata:         DUP              32.00MiB' 'Zoned device:       no' 'Checksum:           crc32c' \
		    'Features:           extref, skinny-metadata, no-holes, free-space-tree, block-group-tree' \
		    'Number of devices:  1' '    1   300.00MiB  new.img'; do
		grep -qxF "$line" summary || { echo "missing: $line"; cat summary; false; }
	done
}

@test "quiet prints nothing" {
	small_tree src
	run "$UBTRFS" mkfs -q -r src new.img
	same "0 " "$status $output"
	run "$UBTRFS" mkfs -q -b 128m --format json new2.img
	same "0 " "$status $output"
}

@test "json of an empty filesystem over several files" {
	"$UBTRFS" mkfs -b 300m -m raid1c3 -d raid0 --csum xxhash -U $UUID --format json 1.img 2.img 3.img >json
	same "1 $UUID 943718400 raid0 raid1c3 3 3.img 314572800 xxhash64 null" "$(jq -r '"\(.version) \(.uuid) \(.size) \(
		.profiles.data.profile) \(.profiles.metadata.profile) \(.devices[2].id) \(.devices[2].path) \(
		.devices[2].size) \(.checksum) \(.import)"' json)"
	jq -e '.features | index("raid1c34")' json
}

@test "json of a populated filesystem counts what went in" {
	small_tree src
	printf 'x' >src/$'\377name'
	mv src $'src\377'
	"$UBTRFS" mkfs --rootdir $'src\377' --compress zstd:5 --shrink --format json new.img >json
	same "6 4 3 1 1 zstd 5 true" "$(jq -r '.import | "\(.files) \(.directories) \(.symlinks) \(.others) \(.hardlinks) \(
		.compress) \(.compress_level) \(.shrink)"' json)"
	same "$(stat -c %s new.img)" "$(jq .size json)"
	jq -e '.import.bytes > 500000 and .import.seconds >= 0 and .profiles.data.used > 0 and .used > 0' json
	jq -e '.profiles.mixed == null' json
}

@test "json of mixed block groups" {
	"$UBTRFS" mkfs -b 200m --mixed --format json new.img >json
	same "single null" "$(jq -r '"\(.profiles.mixed.profile) \(.profiles.data)"' json)"
}

@test "no progress in a pipe" {
	small_tree src
	"$UBTRFS" mkfs -r src new.img 2>errors | cat >/dev/null
	[ ! -s errors ]
}

@test "progress on a terminal, and gone at the end" {
	command -v script >/dev/null || skip "no script(1) to make a terminal"
	mkdir src
	head -c 300M /dev/zero >src/big
	script -qec "'$UBTRFS' mkfs -j1 -r src new.img" /dev/null </dev/null >typescript
	grep -q 'items, ' typescript
	script -qec "'$UBTRFS' mkfs -q -f -r src new.img" /dev/null </dev/null >typescript
	! grep -q 'items, ' typescript || false
}

@test "archives: a file, standard input, layers with whiteouts" {
	small_tree src
	tar -C src -cf one.tar .
	mkdir -p layer/dir
	touch layer/.wh.file layer/dir/.wh..wh..opq layer/dir/new
	tar -C layer -cf two.tar .
	"$UBTRFS" mkfs -q --from one.tar one.img
	same "$(cat src/dir/big | cksum)" "$("$UBTRFS" cat one.img:/dir/big | cksum)"
	"$UBTRFS" mkfs -q --from - two.img <one.tar
	same "$("$UBTRFS" ls -R one.img:/)" "$("$UBTRFS" ls -R two.img:/ | sed s/two.img/one.img/)"
	"$UBTRFS" mkfs -q --from one.tar --from two.tar layers.img
	same "new" "$("$UBTRFS" ls layers.img:/dir)"
	refused "file" "$UBTRFS" cat layers.img:/file
}

@test "owners" {
	small_tree src
	"$UBTRFS" mkfs -q -r src --owner 12:34 --root-owner 56:78 new.img
	same "12 34" "$("$UBTRFS" ls -l new.img:/file | awk '{ print $3, $4 }')"
	"$UBTRFS" stat new.img:/ | grep -q 'Uid: 56 .*Gid: 78'
}

@test "times: the timestamp is what has no time of its own, clamping takes later ones" {
	mkdir src
	touch -d @2000 src/late
	touch -d @500 src/early
	"$UBTRFS" mkfs -q -r src --timestamp 1000 --clamp-mtime new.img
	"$UBTRFS" stat new.img:/late | grep -q '^Modify: 1970-01-01 00:16:40.000000000'
	"$UBTRFS" stat new.img:/early | grep -q '^Modify: 1970-01-01 00:08:20.000000000'
	SOURCE_DATE_EPOCH=1000 "$UBTRFS" mkfs -q -r src new2.img
	"$UBTRFS" stat new2.img:/late | grep -q '^Modify: 1970-01-01 00:33:20.000000000'
}

@test "with a timestamp and a UUID two builds are one file" {
	small_tree src
	SOURCE_DATE_EPOCH=1700000000 "$UBTRFS" mkfs -q -j1 -r src -U $UUID a.img
	"$UBTRFS" mkfs -q -j7 -r src -U $UUID --timestamp 1700000000 b.img
	cmp a.img b.img
	# Without -U only the time is fixed.
	"$UBTRFS" mkfs -q -r src --timestamp 1700000000 c.img
	! cmp -s a.img c.img || false
}

@test "subvolumes" {
	mkdir -p src/one src/two
	touch src/one/in
	"$UBTRFS" mkfs -q -r src -u ro:one -u default:two new.img
	"$UBTRFS" stat new.img:/one | grep -qE 'Subvol: 25[67][[:space:]]+Inode: 256 '
	same "in" "$("$UBTRFS" ls new.img:/one)"
}

# interrupted SIGNAL: mkfs waits for its standard input; after the signal it ends with 130.
interrupted()
{
	mkfifo pipe
	"$UBTRFS" mkfs -q --from - "$2" <pipe 2>errors &
	local pid=$! code=0
	exec 9>pipe
	sleep 0.3
	kill -"$1" $pid
	wait $pid || code=$?
	exec 9>&-
	rm pipe
	same 130 $code
	grep -q '^ERROR: .*interrupted' errors
}

@test "interrupted: our file is removed" {
	interrupted TERM new.img
	[ ! -e new.img ]
}

@test "interrupted twice: our file is removed all the same" {
	"$UBTRFS" mkfs -q -r /usr --compress zstd:15 new.img 2>errors &
	local pid=$! code=0
	sleep 0.2
	kill -INT $pid
	kill -TERM $pid
	wait $pid || code=$?
	same 130 $code
	[ ! -e new.img ]
}

@test "interrupted: a file that was there is left, and is no filesystem" {
	truncate -s 200m old.img
	interrupted INT old.img
	[ -e old.img ]
	refused "old.img" "$UBTRFS" ls old.img:/
	same "" "$(blkid -p -o value -s TYPE old.img || true)"
}

@test "a failure removes our file, and leaves no filesystem in another" {
	mkdir src
	truncate -s 200m old.img
	head -c 1M /dev/urandom >src/file
	tar -C src -cf whole.tar .
	head -c 500K whole.tar >cut.tar
	refused "cut.tar" "$UBTRFS" mkfs --from cut.tar new.img
	[ ! -e new.img ]
	refused "cut.tar" "$UBTRFS" mkfs --from cut.tar old.img
	refused "old.img" "$UBTRFS" ls old.img:/
}

@test "a full filesystem says so" {
	mkdir src
	head -c 200M /dev/zero >src/file
	code=0
	"$UBTRFS" mkfs -b 128m -r src new.img 2>errors || code=$?
	same 1 $code
	grep -qE 'bytes are too few .* would do' errors
	[ ! -e new.img ]
}
