# export, du, find as a user calls them: what they refuse, what they say.
load cli_lib.bash

setup()
{
	cli_setup
	small_tree src
	"$UBTRFS" mkfs -q -r src disk.img
}
teardown() { cli_teardown; }

@test "find: everything that is not built is refused by name" {
	local word
	for word in -delete -exec -ls -regex -cnewer -fprint -depth -daystart -samefile -nouser -fstype -regextype -files0-from; do
		refused "find: $word is not built" "$UBTRFS" find disk.img:/ $word x
	done
	refused "find: -name needs a value" "$UBTRFS" find disk.img:/ -name
	refused "find: -type: 'q': types are" "$UBTRFS" find disk.img:/ -type q
	refused "find: -type: 'f,': types are" "$UBTRFS" find disk.img:/ -type f,
	refused "find: -size: '5x' is no number" "$UBTRFS" find disk.img:/ -size 5x
	refused "find: -mtime: 'now' is no number" "$UBTRFS" find disk.img:/ -mtime now
	refused "symbolic ones are not built" "$UBTRFS" find disk.img:/ -perm u+w
	refused "a parenthesis is not closed" "$UBTRFS" find disk.img:/ \( -name a
	refused "')' closes nothing" "$UBTRFS" find disk.img:/ -name a \)
	refused "the expression ends too early" "$UBTRFS" find disk.img:/ -name a -o
	refused "%Z is not built" "$UBTRFS" find disk.img:/ -printf %Z
	refused "'b' is no part of an expression" "$UBTRFS" find disk.img:/ -name a b
	refused "no IMAGE:/PATH given" "$UBTRFS" find ! -name a
	refused "no \"gone\" in directory" "$UBTRFS" find disk.img:/gone
	refused "no \"gone\" in directory" "$UBTRFS" find disk.img:/ -newer /gone
	# deep nesting ends, it does not crash
	refused "in each other" "$UBTRFS" find disk.img:/ $(printf '! %.0s' $(seq 1000)) -true
}

@test "find: expressions and several images" {
	same "disk.img:/dir/big" "$("$UBTRFS" find disk.img:/ -name big)"
	same "disk.img:/dir/big" "$("$UBTRFS" find disk.img:/dir -path '/dir/b*')"
	same "" "$("$UBTRFS" find disk.img:/ -false -o -name big -quit)"
	same 1 "$("$UBTRFS" find disk.img:/ -print -quit | wc -l)"
	cp disk.img other.img
	same "disk.img:/file other.img:/file" "$("$UBTRFS" find disk.img:/ other.img:/ -name file | xargs)"
	same "big 588895" "$("$UBTRFS" find disk.img:/ -name big -printf '%f %s\n')"
	same "disk.img:/dir/sub/fifo" "$("$UBTRFS" find disk.img:/ -type p)"
	# a symlink as the argument is not followed
	same "disk.img:/dirlink" "$("$UBTRFS" find disk.img:/dirlink)"
	same "nowhere" "$("$UBTRFS" find disk.img:/ -name dangling -printf '%l')"
	same "$(printf -- '-1.5000000000')" "$("$UBTRFS" find disk.img:/dir -maxdepth 1 -name sub -printf '%T@')"
}

@test "du: what does not go together, and sums" {
	refused "-a and -s do not go together" "$UBTRFS" du -as disk.img:/
	refused "-s and -d 2 do not go together" "$UBTRFS" du -s -d2 disk.img:/
	refused "'x' is no depth" "$UBTRFS" du -d x disk.img:/
	refused "no number of threads" "$UBTRFS" du -j 0 disk.img:/
	refused "unknown option -L" "$UBTRFS" du -L disk.img:/
	# a file with two names counts once
	same "$("$UBTRFS" du -s disk.img:/)" "$("$UBTRFS" du -s -j 1 disk.img:/)"
	local once twice
	once=$("$UBTRFS" du -sb disk.img:/ | cut -f1)
	twice=$("$UBTRFS" du -slb disk.img:/ | cut -f1)
	same 6 $((twice - once))
	cp disk.img other.img
	same $((2 * once)) "$("$UBTRFS" du -csb disk.img:/ other.img:/ | tail -n 1 | cut -f1)"
	same "$once" "$("$UBTRFS" du -csb disk.img:/ disk.img:/ | tail -n 1 | cut -f1)"
}

@test "export: refusals, and what a failure leaves" {
	refused "needs one IMAGE:/PATH" "$UBTRFS" export
	refused "needs one IMAGE:/PATH" "$UBTRFS" export disk.img:/ disk.img:/dir
	refused "'zip' is neither pax nor newc" "$UBTRFS" export --format zip disk.img:/
	refused "no \"gone\" in directory" "$UBTRFS" export -o out.tar disk.img:/gone
	[ ! -e out.tar ]
	refused "No such file or directory" "$UBTRFS" export -o no/where.tar disk.img:/
	if [ -c /dev/full ]; then
		refused "cannot write the archive" "$UBTRFS" export -o /dev/full disk.img:/
		[ -c /dev/full ]
	fi
	"$UBTRFS" export disk.img:/ | tar -tf - | sort >names
	same "./ dangling dir/ dir/big" "$(grep -v hidden names | head -n 4 | xargs)"
	# the same bytes as a file and as a stream
	"$UBTRFS" export -o a.tar disk.img:/
	"$UBTRFS" export -o - disk.img:/ | cmp - a.tar
}

@test "export: data that cannot be read is zeroes, is told, and the exit code says so" {
	local at
	head -c 300000 /dev/urandom >src/damaged
	"$UBTRFS" mkfs -q -f -r src disk.img
	at=$(python3 -c 'import sys; print(open("disk.img", "rb").read().index(open("src/damaged", "rb").read(64)))')
	printf 'damage' | dd of=disk.img bs=1 seek=$((at + 200000)) conv=notrunc status=none
	run "$UBTRFS" export -o a.tar disk.img:/
	same 1 "$status"
	grep -q 'ERROR: disk.img:/damaged: ' <<<"$output"
	run "$UBTRFS" cp -a disk.img:/ out
	same 1 "$status"
	grep -q 'ERROR: out/damaged: ' <<<"$output"
	cmp src/dir/big out/dir/big
}

@test "cp: hard links made by several threads are names of one file" {
	local i
	mkdir -p links/a links/b links/c
	for i in $(seq 200); do
		printf '%s\n' "$i" >links/a/$i
		ln links/a/$i links/b/$i
		ln links/a/$i links/c/$i
	done
	"$UBTRFS" mkfs -q -f -r links links.img
	"$UBTRFS" cp -a -j 8 links.img:/ out
	same "$(cd links && find . -type f | sort)" "$(cd out && find . -type f | sort)"
	same 200 "$(find out -type f -printf '%i\n' | sort -u | wc -l)"
	for i in 1 100 200; do
		same "$(stat -c %i out/a/$i)" "$(stat -c %i out/c/$i)"
		same "$i" "$(cat out/b/$i)"
	done
}

@test "cp -a: nobody else reads a private file while it is written" {
	(umask 077; head -c 3000000 /dev/urandom >src/private; mkdir -m 700 src/secret; cp src/private src/secret)
	"$UBTRFS" mkfs -q -f -r src disk.img
	umask 000
	strace -f -e trace=openat,mkdirat,fchmod,fchmodat -o trace "$UBTRFS" cp -a disk.img:/ out 2>/dev/null
	# every file is made with 0600, every directory with 0700
	same "" "$(grep -E 'openat\(.*O_CREAT|mkdirat\(' trace | grep -vE ', 0[67]00(\)| <unfinished)')"
	same 600 "$(stat -c %a out/private)"
	same 700 "$(stat -c %a out/secret)"
	# a file that was there and that all could read is closed to others before it is filled
	rm -rf out; mkdir out; touch out/private; chmod 666 out/private
	strace -f -e trace=openat,fchmod,pwrite64 -o trace "$UBTRFS" cp -a -j 1 disk.img:/private out/ 2>/dev/null
	grep -A 3 'openat(.*"private", O_WRONLY|O_CREAT|O_NOCTTY|O_TRUNC' trace | grep -q 'fchmod([0-9]*, 0600)' ||
		grep -A 3 'O_TRUNC' trace | grep -q 'fchmod([0-9]*, 0600)'
}
