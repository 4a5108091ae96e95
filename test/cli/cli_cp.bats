# cp out of an image: with -a it is what went in; where things go is what cp(1) does.
load cli_lib.bash

setup()
{
	cli_setup
	small_tree src
	"$UBTRFS" mkfs -q -r src disk.img
}
teardown() { cli_teardown; }

# listing DIR: every path with its type, mode, links, size, time to the nanosecond, target.
listing()
{
	(cd "$1" && find . ! -name . ! -type d -printf '%p %y %m %n %s %T@ %U:%G %l\n' -o ! -name . -printf '%p %y %m %T@ %U:%G\n' | sort)
}

@test "cp -a of everything is what went in" {
	"$UBTRFS" cp -a disk.img:/ out
	diff <(listing src) <(listing out)
	diff -r --no-dereference -x fifo src out
	# holes stay holes, names of one file stay one file
	[ "$(stat -c %b out/dir/sparse)" -le 8 ]
	same "$(stat -c %i out/file)" "$(stat -c %i out/dir/hard)"
}

@test "cp -a of a nasty tree" {
	local size=small
	python3 "$ROOT/test/interop/nasty_tree.py" --size $size nasty
	"$UBTRFS" mkfs -q -r nasty --compress zstd nasty.img
	"$UBTRFS" cp -a nasty.img:/ out
	[ "$(id -u)" = 0 ] || skip "comparing all of it needs root"
	python3 "$ROOT/test/interop/compare_trees.py" nasty out
}

@test "cp -a keeps xattrs" {
	python3 -c 'import os; os.setxattr("src/file", "user.note", b"kept")' || skip "no user xattrs here"
	"$UBTRFS" mkfs -q -f -r src disk.img
	"$UBTRFS" cp -a disk.img:/file out
	same kept "$(python3 -c 'import os; print(os.getxattr("out", "user.note").decode())')"
	"$UBTRFS" cp disk.img:/file plain
	same "[]" "$(python3 -c 'import os; print([n for n in os.listxattr("plain") if n.startswith("user.")])')"
}

@test "cp -r keeps contents and permission bits only" {
	umask 022
	"$UBTRFS" cp -r disk.img:/dir out
	cmp src/dir/big out/big
	same 755 "$(stat -c %a out/big)"
	[ "$(stat -c %i out/big)" != "$(stat -c %i out/hard)" ]
	[ "$(stat -c %Y out/big)" -gt 1000000000 ]
	[ -p out/sub/fifo ]
}

@test "where it goes: a new name, into a directory, merged" {
	"$UBTRFS" cp disk.img:/file new
	same hello "$(cat new)"
	mkdir into
	"$UBTRFS" cp disk.img:/file disk.img:/with:colon into
	same "file with:colon" "$(ls into | xargs)"
	"$UBTRFS" cp -r disk.img:/dir into
	[ -e into/dir/big ]
	"$UBTRFS" cp -r disk.img:/dir/. into
	[ -e into/big ]
	"$UBTRFS" cp -r disk.img:/ into
	[ -e into/empty ]
	"$UBTRFS" cp -r disk.img:/dir/ other
	[ -e other/big ]
	# again over what is there
	printf 'longer than before\n' >new
	"$UBTRFS" cp disk.img:/file new
	same hello "$(cat new)"
	"$UBTRFS" cp -a disk.img:/ into
	"$UBTRFS" cp -a disk.img:/ into
	diff -r --no-dereference -x fifo src/dir into/dir
}

@test "symlinks: followed alone, kept with -r, never written through below the destination" {
	"$UBTRFS" cp disk.img:/link plain
	[ ! -L plain ]
	same hello "$(cat plain)"
	"$UBTRFS" cp -r disk.img:/link kept
	same file "$(readlink kept)"
	mkdir -p out victim
	printf 'mine\n' >victim/mine
	ln -s "$PWD/victim/mine" out/file
	ln -s "$PWD/victim" out/dir
	run "$UBTRFS" cp -r disk.img:/file disk.img:/dir out
	[ "$status" -eq 1 ]
	same mine "$(cat victim/mine)"
	same mine "$(ls victim)"
	[ ! -L out/file ]
	same hello "$(cat out/file)"
}

@test "to a pipe or a terminal device" {
	"$UBTRFS" cp disk.img:/dir/sparse /dev/stdout | cmp - src/dir/sparse
	"$UBTRFS" cp disk.img:/dir/big /dev/null
	[ -c /dev/null ]
}

@test "refusals" {
	refused "needs a source and a destination" "$UBTRFS" cp disk.img:/file
	refused "--frob" "$UBTRFS" cp --frob disk.img:/file x
	refused "that is what cp(1) is for" "$UBTRFS" cp src/file x
	refused "option -n" "$UBTRFS" cp -n disk.img:/file x
	refused "option -v" "$UBTRFS" cp -v disk.img:/file x
	refused "-r or -a only" "$UBTRFS" cp disk.img:/dir x
	refused "-r or -a only" "$UBTRFS" cp disk.img:/dir/sub/fifo x
	refused "not a directory" "$UBTRFS" cp disk.img:/file disk.img:/link x
	refused "not a directory" "$UBTRFS" cp disk.img:/file x/
	mkdir -p d/file
	refused "not overwritten" "$UBTRFS" cp disk.img:/file d
	[ ! -e x ]
}

@test "an ordinary user gets everything but owners and devices" {
	[ "$(id -u)" = 0 ] || skip "needs root to become another user"
	mknod src/null c 1 3
	chown 1:2 src/dir/big
	chmod 6755 src/dir/big
	"$UBTRFS" mkfs -q -f -r src disk.img
	chmod 755 .
	chmod 644 disk.img
	mkdir out
	chown 65534:65534 out
	local path=$PWD
	while [ "$path" != / ]; do chmod a+x "$path"; path=$(dirname "$path"); done
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$UBTRFS" cp -a disk.img:/ out
	[ "$status" -eq 1 ]
	same "ERROR: out/null: cannot create the special file: Operation not permitted" "$output"
	cmp src/dir/big out/dir/big
	# set-id bits do not pass to another owner
	same 755 "$(stat -c %a out/dir/big)"
}
