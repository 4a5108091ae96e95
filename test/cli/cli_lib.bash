# What the tests of the command share: one place to work in, and the shape of a refusal.

cli_setup()
{
	WORK=$(mktemp -d "$TEST_TMP/cli.XXXXXX")
	cd "$WORK"
	unset SOURCE_DATE_EPOCH
	export LC_ALL=C TZ=UTC
}

cli_teardown()
{
	cd "$TEST_TMP"
	rm -rf "$WORK"
}

# refused TEXT COMMAND...: exit 1, nothing on stdout, and one sentence on stderr that says TEXT.
refused()
{
	local text=$1 code=0
	shift
	"$@" >"$WORK/stdout" 2>"$WORK/stderr" || code=$?
	if [ $code -ne 1 ] || [ -s "$WORK/stdout" ] || [ "$(wc -l <"$WORK/stderr")" -ne 1 ] ||
	   ! grep -q '^ERROR: ' "$WORK/stderr" || ! grep -qF -- "$text" "$WORK/stderr"; then
		echo "expected a refusal with '$text' from: $*"
		echo "exit code $code, stdout: $(head -c 200 "$WORK/stdout"), stderr:"
		cat "$WORK/stderr"
		return 1
	fi
}

# same EXPECTED ACTUAL: or both are shown.
same()
{
	[ "$1" = "$2" ] && return 0
	printf 'expected:\n%s\nfound:\n%s\n' "$1" "$2"
	return 1
}

# A tree with every kind of file that an ordinary user can make.
small_tree()
{
	mkdir -p "$1/dir/sub" "$1/empty"
	printf 'hello\n' >"$1/file"
	printf 'hidden\n' >"$1/.hidden"
	seq 1 100000 >"$1/dir/big"
	truncate -s 1M "$1/dir/sparse"
	printf 'x' | dd of="$1/dir/sparse" bs=1 seek=500000 conv=notrunc status=none
	ln "$1/file" "$1/dir/hard"
	ln -s file "$1/link"
	ln -s dir "$1/dirlink"
	ln -s nowhere "$1/dangling"
	mkfifo "$1/dir/sub/fifo"
	chmod 4755 "$1/dir/big"
	chmod 1777 "$1/empty"
	printf 'a\n' >"$1/with:colon"
	touch -d '2001-02-03 04:05:06.123456789Z' "$1/file"
	touch -d '1969-12-31 23:59:58.5Z' "$1/dir/sub"
}
