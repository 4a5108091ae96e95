# A damaged image in which directories are inside themselves, twice: whatever walks it comes to an end, soon, and says why.
load cli_lib.bash

setup()
{
	cli_setup
	mkdir -p src/a/b/c src/a/b/d src/a/other
	echo hello >src/a/b/file
	"$UBTRFS" mkfs -q -r src disk.img
	local top
	inode_of a
	top=$INODE
	inode_of a/b
	"$ROOT/test/cli/redirect_entry.py" disk.img "$INODE" c "$top"
	"$ROOT/test/cli/redirect_entry.py" disk.img "$INODE" d "$top"
}
teardown() { cli_teardown; }

inode_of()
{
	INODE=$("$UBTRFS" stat "disk.img:/$1" | sed -n 's/.*Inode: \([0-9]*\).*/\1/p')
	[ -n "$INODE" ]
}

# ends COMMAND...: with exit code 1, in a few seconds, after little output; it says what is wrong.
ends()
{
	local code=0
	timeout 20 "$@" >out.txt 2>err.txt || code=$?
	if [ $code -ne 1 ] || [ "$(cat out.txt err.txt | wc -c)" -gt 20000 ] || ! grep -q 'the directory was met before' err.txt; then
		echo "exit code $code, $(wc -c <out.txt) bytes: $*"
		head -c 1000 err.txt
		return 1
	fi
}

@test "every walk over directories inside themselves ends" {
	ends "$UBTRFS" ls -R disk.img:/
	grep -q '^file$' out.txt
	ends "$UBTRFS" tree disk.img:/
	ends "$UBTRFS" du -a disk.img:/
	ends "$UBTRFS" find disk.img:/
	ends "$UBTRFS" filesystem du disk.img:/
	ends "$UBTRFS" cp -a disk.img:/ copy
	same hello "$(cat copy/a/b/file)"
	ends "$UBTRFS" export -o copy.tar disk.img:/
	same hello "$(tar -xOf copy.tar a/b/file)"
}

@test "restoring and copying within the image end too" {
	run timeout 20 "$UBTRFS" restore disk.img restored
	[ "$status" -eq 1 ]
	same hello "$(cat restored/a/b/file)"
	[ "$(find restored | wc -l)" -lt 20 ]
	run timeout 20 "$UBTRFS" cp -a disk.img:/a disk.img:/a/other
	[ "$status" -eq 1 ]
	[ "${#output}" -lt 20000 ]
}
