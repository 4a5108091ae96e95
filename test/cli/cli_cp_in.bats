# cp and import into an image, by any user: what comes out is what went in, all of it or nothing.
load cli_lib.bash

setup()
{
	cli_setup
	small_tree src
	truncate -s 150M disk.img
	"$UBTRFS" mkfs -q disk.img
}
teardown() { cli_teardown; }

# back PATH: what the image holds there is what src holds.
back()
{
	rm -rf out
	"$UBTRFS" cp -a "disk.img:$1" out
	diff -r --no-dereference -x fifo "${2:-src}" out
}

@test "in and out again" {
	"$UBTRFS" cp -a src disk.img:/
	back /src
	same "$(stat -c '%a %Y %y' src/file src/empty src/dir/big)" "$(stat -c '%a %Y %y' out/file out/empty out/dir/big)"
	same "$(stat -c %i out/file)" "$(stat -c %i out/dir/hard)"
	# and once more over itself
	"$UBTRFS" cp -a src disk.img:/
	"$UBTRFS" cp -a src/. disk.img:/src
	back /src
	"$UBTRFS" cp -a src/ src/file disk.img:/dirs || true
	refused "no such directory" "$UBTRFS" cp -a src/ src/file disk.img:/dirs
}

@test "between two images and within one" {
	truncate -s 150M other.img
	"$UBTRFS" mkfs -q other.img
	"$UBTRFS" cp -a src other.img:/a
	"$UBTRFS" cp -a other.img:/a disk.img:/b
	back /b
	"$UBTRFS" cp -a disk.img:/b disk.img:/c
	back /c
	"$UBTRFS" cp -a other.img:/a/file src/dir/big disk.img:/b/file disk.img:/ 2>err && return 1
	grep -q "just made" err
	refused "into itself" "$UBTRFS" cp -a disk.img:/b disk.img:/b/dir/x
	refused "onto itself" "$UBTRFS" cp disk.img:/b/file disk.img:/b/file
	"$UBTRFS" cp -r --commit-every 64K disk.img:/b disk.img:/d
	back /d
}

@test "a pipe, standard input" {
	seq 100000 | "$UBTRFS" cp /dev/stdin disk.img:/numbers
	"$UBTRFS" cat disk.img:/numbers | cmp - <(seq 100000)
	"$UBTRFS" cp --compress zstd <(seq 5) disk.img:/five
	same "$(seq 5)" "$("$UBTRFS" cat disk.img:/five)"
	"$UBTRFS" cp -r src/empty disk.img:/unpacked
	(cd src && tar cf - .) | "$UBTRFS" import - disk.img:/unpacked
	back /unpacked
}

@test "a failure leaves nothing" {
	local before
	before=$(sha256sum <disk.img)
	refused "missing" "$UBTRFS" cp -a src/dir missing disk.img:/
	same "$before" "$(sha256sum <disk.img)"
	tar cf - src | head -c 200000 >broken.tar
	refused "broken.tar" "$UBTRFS" import broken.tar disk.img:/
	same "$before" "$(sha256sum <disk.img)"
	# It does not fit: data went to free space, and that is all.
	truncate -s 400M zeros
	head -c 160M /dev/urandom >large
	refused "no space" "$UBTRFS" cp -a src large disk.img:/
	[ -z "$("$UBTRFS" ls disk.img:/)" ]
	"$UBTRFS" cp --sparse=always zeros disk.img:/
	"$UBTRFS" cp -a src disk.img:/
	back /src
}

@test "commit-every: what was committed stays, and it is said how much" {
	local i
	mkdir many
	for i in 1 2 3 4 5 6; do
		head -c 5M /dev/urandom >many/$i
	done
	head -c 150M /dev/urandom >many/7
	run "$UBTRFS" cp -r --commit-every 8M many disk.img:/
	[ "$status" -eq 1 ]
	[[ $output == *"committed before that and stay"* ]]
	for i in 1 2 3 4; do
		"$UBTRFS" cat "disk.img:/many/$i" | cmp - "many/$i"
	done
	"$UBTRFS" cp -r --commit-every 8M many/1 many/2 many/3 disk.img:/
	"$UBTRFS" cat disk.img:/3 | cmp - many/3
}

@test "interrupted: 130 and nothing of it" {
	local code=0
	mkfifo never
	"$UBTRFS" cp -a src/dir disk.img:/ & wait $!
	(exec 3<>never; sleep 10) &
	timeout -s INT 1 "$UBTRFS" cp src/dir/big never disk.img:/ 2>err || code=$?
	kill %% 2>/dev/null || true
	[ "$code" -eq 124 ]
	same "dir" "$("$UBTRFS" ls disk.img:/ | xargs)"
}

@test "who may not" {
	refused "neither is in an image" "$UBTRFS" cp src/file src/x
	refused "--sparse" "$UBTRFS" cp --sparse=sometimes src/file disk.img:/
	refused "cross-device" "$UBTRFS" cp --reflink src/file disk.img:/
	refused "none of mode" "$UBTRFS" cp --preserve=color src/file disk.img:/
	refused "--compress" "$UBTRFS" cp --compress best src/file disk.img:/
	refused "--commit-every" "$UBTRFS" cp --commit-every 0 src/file disk.img:/
	refused "-t and -T" "$UBTRFS" cp -T -t disk.img:/ src/file
	refused "-r or -a" "$UBTRFS" cp src/dir disk.img:/
	refused "needs an archive" "$UBTRFS" import disk.img:/
	refused "disk.img:/nowhere" "$UBTRFS" import x.tar disk.img:/nowhere
	refused "only once" "$UBTRFS" import - - disk.img:/
	refused "--timestamp" "$UBTRFS" import --clamp-mtime x.tar disk.img:/
}
