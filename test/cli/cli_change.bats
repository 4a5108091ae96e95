# Commands that change an image by its names, as any user: all of a command or nothing, and what is refused.
load cli_lib.bash

setup()
{
	cli_setup
	umask 022
	truncate -s 150M disk.img
	small_tree src
	"$UBTRFS" mkfs -q --rootdir src disk.img
}
teardown() { cli_teardown; }

# The last commit is what its superblock is.
last_commit() { dd if=disk.img bs=64K skip=1 count=1 status=none | sha256sum; }

# untouched TEXT COMMAND...: a refusal that committed nothing.
untouched()
{
	local before
	before=$(last_commit)
	refused "$@" || return 1
	same "$before" "$(last_commit)"
}

# mode PATH, and the like: what the image says.
mode() { "$UBTRFS" stat "disk.img:$1" | sed -n 's/^Access: (\([0-7]*\)\/.*/\1/p' | head -1; }

@test "a tree is made and goes again" {
	"$UBTRFS" mkdir -p disk.img:/a/b/c disk.img:/a/d
	"$UBTRFS" touch -d @5 disk.img:/a/b/file
	"$UBTRFS" ln disk.img:/a/b/file disk.img:/a/d
	"$UBTRFS" ln -s ../b/file disk.img:/a/d/link
	"$UBTRFS" truncate -s 1M disk.img:/a/d/link
	same "1048576" "$("$UBTRFS" cat disk.img:/a/b/file | wc -c)"
	same "a a/b a/b/c a/b/file a/d a/d/file a/d/link" \
		"$("$UBTRFS" find disk.img:/a | sed 's,disk.img:/,,' | sort | xargs)"
	"$UBTRFS" chmod -R u=rwX,go= disk.img:/a
	same "0700 0600" "$(mode /a/b) $(mode /a/d/file)"
	"$UBTRFS" rm -r disk.img:/a
	untouched "No such file" "$UBTRFS" rm disk.img:/a
	"$UBTRFS" rm -f disk.img:/a
	"$UBTRFS" rm -f
}

@test "a file over a million bytes shrinks, grows and is zero there" {
	head -c 1000 src/dir/big >expected
	truncate -s 5000 expected
	"$UBTRFS" truncate -s 1000 disk.img:/dir/big
	"$UBTRFS" truncate -s +4000 disk.img:/dir/big
	"$UBTRFS" cat disk.img:/dir/big | cmp - expected
}

@test "the first failure ends a command, and nothing of it stays" {
	untouched "cannot remove 'disk.img:/nothing': No such file or directory" \
		"$UBTRFS" rm disk.img:/file disk.img:/nothing disk.img:/link
	untouched "File exists" "$UBTRFS" mkdir disk.img:/new disk.img:/dir
	untouched "No such file" "$UBTRFS" chmod -R 0 disk.img:/dir disk.img:/nothing
	untouched "Not a directory" "$UBTRFS" touch disk.img:/new disk.img:/file/new
	untouched "No such file" "$UBTRFS" chown 5 disk.img:/file disk.img:/nothing
	untouched "hard link not allowed" "$UBTRFS" ln disk.img:/file disk.img:/dir disk.img:/empty
}

@test "what is refused" {
	local command
	cp disk.img other.img
	untouched "a command changes one image" "$UBTRFS" rm disk.img:/file other.img:/file
	for command in mkdir rm rmdir touch; do
		untouched "names nothing inside an image" "$UBTRFS" $command /file
		refused "unknown option -Q" "$UBTRFS" $command -Q disk.img:/file
		refused "no IMAGE:/PATH given" "$UBTRFS" $command
	done
	untouched "dangerous to operate recursively" "$UBTRFS" rm -rf disk.img:/
	untouched "dangerous to operate recursively" "$UBTRFS" chmod -R --preserve-root 0 disk.img:/
	untouched "invalid mode" "$UBTRFS" chmod u+z disk.img:/file
	untouched "invalid mode" "$UBTRFS" mkdir -m 9 disk.img:/new
	untouched "invalid user" "$UBTRFS" chown nobody-of-this-name disk.img:/file
	untouched "invalid date" "$UBTRFS" touch -d 2001-02-30 disk.img:/file
	untouched "invalid number" "$UBTRFS" truncate -s 1Q disk.img:/file
	untouched "larger than a file can be" "$UBTRFS" truncate -s 9E disk.img:/file
	"$UBTRFS" truncate -s 7E disk.img:/sparse
	untouched "more bytes than a file can" "$UBTRFS" truncate -s +2E disk.img:/file disk.img:/sparse
	refused "missing destination" "$UBTRFS" ln disk.img:/file
	refused "cannot combine" "$UBTRFS" ln -T -t disk.img:/dir disk.img:/file disk.img:/link
}

@test "the top goes only when asked for twice, and then what is in it" {
	"$UBTRFS" rm -r --no-preserve-root disk.img:/
	same "" "$("$UBTRFS" ls -a disk.img:/)"
}

@test "interrupted: 130, and the image as it was" {
	local before code=0 line
	mkdir wide
	(cd wide && seq 15000 | xargs touch)
	"$UBTRFS" cp -r wide disk.img:/
	before=$(last_commit)
	mkfifo removed
	"$UBTRFS" rm -rv disk.img:/wide >removed 2>err &
	exec 8<removed
	read -r line <&8
	kill -TERM $!
	cat <&8 >/dev/null
	exec 8<&-
	wait $! || code=$?
	[ $code -eq 130 ]
	grep -q interrupted err
	same "$before" "$(last_commit)"
	same "15000" "$("$UBTRFS" find disk.img:/wide -type f | wc -l)"
}

# exclusive PATH: what only this file has, as filesystem du tells it.
exclusive() { "$UBTRFS" filesystem du -s --raw "disk.img:$1" | awk 'END { print $2 }'; }

@test "reflinks share data, copies do not" {
	head -c 5000001 /dev/urandom >random
	"$UBTRFS" cp random disk.img:/random
	same 5001216 "$(exclusive /random)"
	"$UBTRFS" cp --reflink=always disk.img:/random disk.img:/dir/clone
	same 0 "$(exclusive /random)"
	"$UBTRFS" ln --reflink disk.img:/random disk.img:/dir/link
	"$UBTRFS" cp -r disk.img:/dir disk.img:/dir2
	"$UBTRFS" cat disk.img:/dir/link disk.img:/dir2/clone disk.img:/dir2/link | cmp - <(cat random random random)
	same "0 0" "$(exclusive /dir2/link) $(exclusive /dir/clone)"
	"$UBTRFS" cp --reflink=never disk.img:/random disk.img:/copy
	same 5001216 "$(exclusive /copy)"
	"$UBTRFS" cat disk.img:/copy | cmp - random
	untouched "only regular files" "$UBTRFS" ln --reflink disk.img:/dir/sub/fifo disk.img:/new
	untouched "cross-device" "$UBTRFS" cp --reflink=always random disk.img:/new
	refused "only with --sparse=auto" "$UBTRFS" cp --reflink --sparse=always disk.img:/random disk.img:/new
}

@test "mv -i asks, and takes no answer for no" {
	"$UBTRFS" mv -i disk.img:/dir/big disk.img:/file <<<n 2>err
	same "mv: overwrite 'disk.img:/file'? " "$(cat err)"
	same hello "$("$UBTRFS" cat disk.img:/file)"
	"$UBTRFS" mv -i disk.img:/dir/big disk.img:/file </dev/null 2>err
	same hello "$("$UBTRFS" cat disk.img:/file)"
	"$UBTRFS" mv -i disk.img:/dir/big disk.img:/file <<<yes 2>err
	"$UBTRFS" cat disk.img:/file | cmp - src/dir/big
	"$UBTRFS" mv -fi disk.img:/link disk.img:/new </dev/null
}

@test "names are exchanged" {
	"$UBTRFS" mv -T --exchange disk.img:/file disk.img:/dir/sub
	same hello "$("$UBTRFS" cat disk.img:/dir/sub)"
	same fifo "$("$UBTRFS" ls disk.img:/file)"
	untouched "No such file" "$UBTRFS" mv -T --exchange disk.img:/file disk.img:/nothing
}

@test "out of a subvolume: a copy that shares its data takes the place of the original" {
	head -c 2000000 /dev/urandom >src/dir/random
	truncate -s 150M sub.img
	"$UBTRFS" mkfs -q --rootdir src --subvol dir sub.img
	"$UBTRFS" chown 5:6 sub.img:/dir/random
	"$UBTRFS" mv -v sub.img:/dir/random sub.img:/dir/sub sub.img:/empty >out
	same "renamed 'sub.img:/dir/random' -> 'sub.img:/empty/random'" "$(head -1 out)"
	"$UBTRFS" cat sub.img:/empty/random | cmp - src/dir/random
	"$UBTRFS" stat sub.img:/empty/random | grep 'Uid: 5 *Gid: 6' >/dev/null
	same fifo "$("$UBTRFS" ls sub.img:/empty/sub)"
	refused "No such file" "$UBTRFS" touch -c sub.img:/dir/random/x sub.img:/dir/sub/x
	"$UBTRFS" mv sub.img:/file sub.img:/dir/hard
	same hello "$("$UBTRFS" cat sub.img:/dir/hard)"
	refused "Directory not empty" "$UBTRFS" mv -T sub.img:/empty/sub sub.img:/dir
	# the subvolume itself is only renamed
	"$UBTRFS" mv sub.img:/dir sub.img:/empty/moved
	same /empty/moved "/$("$UBTRFS" subvolume list sub.img | sed 's/.*path //')"
}
