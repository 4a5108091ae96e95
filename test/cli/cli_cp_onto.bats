# What a copy into an image must not do to what is there, or make of what cannot be right.
load cli_lib.bash

setup()
{
	cli_setup
	truncate -s 150M disk.img
	"$UBTRFS" mkfs -q disk.img
	printf 'old contents\n' >old
	"$UBTRFS" cp old disk.img:/old
}
teardown() { cli_teardown; }

@test "a pipe leaves alone what -n and -u leave alone" {
	printf 'x\n' | "$UBTRFS" cp -n /dev/stdin disk.img:/old
	same "old contents" "$("$UBTRFS" cat disk.img:/old)"
	touch -d 2100-01-01 old
	"$UBTRFS" cp -p old disk.img:/old
	printf 'x\n' | "$UBTRFS" cp -u /dev/stdin disk.img:/old
	same "old contents" "$("$UBTRFS" cat disk.img:/old)"
	printf 'x\n' | "$UBTRFS" cp /dev/stdin disk.img:/old
	same "x" "$("$UBTRFS" cat disk.img:/old)"
}

@test "pipes are not hard links of one another" {
	mkfifo one two
	printf '1\n' >one & printf 'twice\n' >two &
	"$UBTRFS" cp --preserve=links one two disk.img:/
	same "1" "$("$UBTRFS" cat disk.img:/one)"
	same "twice" "$("$UBTRFS" cat disk.img:/two)"
}

@test "from a copy of the image is from another image" {
	cp disk.img copy.img
	printf 'newer\n' >new
	"$UBTRFS" cp new copy.img:/old
	"$UBTRFS" cp copy.img:/old disk.img:/old
	same "newer" "$("$UBTRFS" cat disk.img:/old)"
	mkdir -p tree/sub
	"$UBTRFS" cp -r tree copy.img:/
	"$UBTRFS" cp -r tree disk.img:/
	"$UBTRFS" cp -r --commit-every 1M copy.img:/tree disk.img:/tree/sub
	same "sub" "$("$UBTRFS" ls disk.img:/tree/sub/tree)"
	ln -s disk.img same.img
	refused "onto itself" "$UBTRFS" cp same.img:/old disk.img:/old
	refused "into itself" "$UBTRFS" cp -r same.img:/tree disk.img:/tree/sub
	"$UBTRFS" cp -r --commit-every 1M same.img:/tree disk.img:/other
	same "sub" "$("$UBTRFS" ls disk.img:/other)"
}

@test "the image itself is no source" {
	refused "is the image that is copied into" "$UBTRFS" cp disk.img disk.img:/
	refused "is the image that is copied into" "$UBTRFS" cp -r . disk.img:/
	same "old" "$("$UBTRFS" ls disk.img:/)"
}

@test "who writes a file or gives it away takes its privileges" {
	cp old suid
	chmod 6755 suid
	"$UBTRFS" cp -a suid disk.img:/suid
	"$UBTRFS" cp --preserve=ownership old disk.img:/suid
	"$UBTRFS" stat disk.img:/suid | grep -q '(0755/'
	"$UBTRFS" cp -a suid disk.img:/suid
	"$UBTRFS" stat disk.img:/suid | grep -q '(6755/'
}

@test "without the context, with all other xattrs" {
	setfattr -n user.kept -v 1 old
	"$UBTRFS" cp -a --no-preserve=context old disk.img:/with
	"$UBTRFS" cp -a disk.img:/with .
	same 1 "$(getfattr --only-values -n user.kept with)"
	"$UBTRFS" cp --preserve=context old disk.img:/without
	"$UBTRFS" cp -a disk.img:/without .
	same "" "$(getfattr -d without)"
}

@test "a hard link to what may not be changed" {
	python3 - <<-'EOF'
	import io, tarfile
	with tarfile.open("a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
	    info = tarfile.TarInfo("fixed")
	    info.size = 6
	    info.pax_headers = {"SCHILY.fflags": "schg"}
	    tar.addfile(info, io.BytesIO(b"fixed\n"))
	with tarfile.open("b.tar", "w", format=tarfile.PAX_FORMAT) as tar:
	    info = tarfile.TarInfo("name")
	    info.type = tarfile.LNKTYPE
	    info.linkname = "fixed"
	    tar.addfile(info)
	EOF
	"$UBTRFS" import a.tar disk.img:/
	refused "fixed is immutable" "$UBTRFS" import b.tar disk.img:/
	same "fixed" "$("$UBTRFS" cat disk.img:/fixed)"
}

@test "several archives count together for --commit-every" {
	local i
	for i in 1 2 3; do
		head -c 5M /dev/urandom >part$i
		tar cf part$i.tar part$i
	done
	head -c 3M part3.tar >broken.tar
	run "$UBTRFS" import --commit-every 9M part1.tar part2.tar broken.tar disk.img:/
	[ "$status" -eq 1 ]
	[[ $output == *"2 items, 10.00MiB of contents were committed before that and stay"* ]]
	"$UBTRFS" cat disk.img:/part2 | cmp - part2
	[[ $("$UBTRFS" ls disk.img:/ | xargs) == "old part1 part2" ]]
}
