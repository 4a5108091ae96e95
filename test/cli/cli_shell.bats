# The shell inside an image: scripts, and what is typed at a terminal. What is not committed is not there.
load cli_lib.bash

setup()
{
	cli_setup
	umask 022
	export HOME=$WORK
	unset XDG_STATE_HOME EDITOR VISUAL
	mkdir -p src/dir/sub
	echo hi >src/file
	seq 300 >src/dir/nums
	touch 'src/dir/with space' 'src/dir/star*' src/dir/stars
	ln -s dir src/link
	truncate -s 150M disk.img
	"$UBTRFS" mkfs -q --rootdir src disk.img
}
teardown() { cli_teardown; }

# script LINE...: in the shell, through a pipe.
script() { printf '%s\n' "$@" | "$UBTRFS" shell disk.img; }
names() { "$UBTRFS" find disk.img:/ | sed 's,disk.img:/,,' | sort | xargs -d '\n'; }
# terminal: steps on standard input, as pty_shell.py wants them.
terminal() { "$(PATH=/usr/bin:/bin command -v python3)" "$ROOT/test/cli/pty_shell.py" "$UBTRFS" disk.img "$@"; }

@test "a script goes about in the image, and all of it is one transaction" {
	cat >script <<'END'
# a comment
cd dir
pwd
mkdir new 'two words'
touch new/a new/b.o new/c.o	# another
rm new/*.o
cp nums new/copy
cp -r new /other
cp host:src/file new/from\ here
cp -r /other host:out
cat new/from*
cd ../link/..
pwd
ls dir/new
END
	same "$(printf '/dir\nhi\n/\na\ncopy\nfrom here\n')" "$("$UBTRFS" shell -f script disk.img)"
	same "$(ls out)" "$(printf 'a\ncopy\n')"
	cmp out/copy src/dir/nums
	"$UBTRFS" cat disk.img:/dir/new/copy | cmp - src/dir/nums
}

@test "without operands ls, tree, du, find are about where one is" {
	same "$(printf 'nums\nstar*\nstars\nsub\nwith space\n')" "$(script 'cd dir' ls)"
	same "./sub" "$(script 'cd dir' 'find . -name su\*')"
	same "4	." "$(script 'cd dir' 'du -s')"
	script 'cd dir' tree | grep '^\.$' >/dev/null
	script 'cd dir' 'filesystem df' | grep '^Metadata, ' >/dev/null
}

@test "commands about attributes and the filesystem run in it too" {
	script 'chattr +d file' 'setfattr -n user.x -v y file' 'setfacl -m u:5:rwx dir' 'property set dir compression zstd' \
		'filesystem label . inside' 'lsattr file' 'getfattr -d file' 'getfacl dir' 'property get dir' 'filesystem label' >out
	grep -q '^------d-.* file$' out
	grep -q '^user.x="y"$' out
	grep -q '^user:.*:rwx$' out
	grep -q '^compression=zstd$' out
	grep -qx inside out
	same inside "$("$UBTRFS" filesystem label disk.img)"
	script 'filesystem label . other' discard
	same inside "$("$UBTRFS" filesystem label disk.img)"
}

@test "words, quotes and patterns are those of sh" {
	same "$(printf 'dir/star*\n')" "$(script 'ls dir/star\*')"
	same "$(printf 'dir/star*\n')" "$(script "ls 'dir/star*'")"
	same "$(printf 'dir/star*\ndir/stars\n')" "$(script 'ls dir/star*')"
	same "$(printf 'dir/star*\ndir/stars\n')" "$(script 'ls /d?r/[s]tar*' | sed 's,^/,,')"
	same "$(printf 'dir/star*\n')" "$(script 'ls [d]ir/star\*')"
	same "$(printf 'dir/nums\n')" "$(script 'ls "d"ir\/n*')"
	same "$(printf 'dir/with space\nlink/with space\n')" "$(script 'ls */with\ *')"
	refused "'none*': No such file" script 'rm none*' 2>stderr || grep -q "'none\*': No such" stderr
	refused_line 1 "the quote ' is not closed" "ls 'dir"
	refused_line 1 "'|' means nothing here" 'ls | wc'
	same "$(printf 'src/file\nsrc/link\n')" "$(script '!ls -d src/f* src/l*')"
}

# refused_line NR TEXT LINE...: a script fails there, and the image is as it was.
refused_line()
{
	local nr=$1 text=$2 code=0 before
	shift 2
	before=$(names)
	script "$@" >stdout 2>stderr || code=$?
	if [ $code -ne 1 ] || ! grep -qF -- "$text" stderr || ! grep -q "standard input:$nr: the script ends here" stderr; then
		echo "expected '$text' in line $nr of: $*"
		cat stderr
		return 1
	fi
	same "$before" "$(names)"
}

@test "the first failure ends a script: what was not committed is not there" {
	refused_line 2 "cannot remove '/nothing': No such file" 'rm /file' 'rm /nothing' 'mkdir /never'
	refused_line 1 "unknown command 'frob'" 'frob'
	refused_line 1 "mkfs is no command of the shell" 'mkfs x'
	refused_line 1 "belong to the shell" 'cp --compress zstd host:src/file /new'
	refused_line 1 "options about opening the image" 'ls --partition 2 /'
	refused_line 2 "too many arguments" 'mkdir new' 'cd dir dir'
	refused_line 1 "Not a directory" 'cd file'
	refused_line 1 "neither is in an image" 'cp host:src/file host:out'
	script 'mkdir /stays' commit 'mkdir /goes' 'rm /nothing' 2>/dev/null && return 1
	names | grep -q stays
	! names | grep -q goes || return 1
}

@test "discard, and what is changed twice" {
	local before
	before=$(names)
	script 'rm -r dir' 'cd /' 'touch new' discard 'ls new' 2>/dev/null && return 1
	same "$before" "$(names)"
	script 'mkdir a' 'cd a' 'mkdir b' 'cd b' discard pwd 'touch at-top' | grep -qx /
	same "$before at-top" "$(names | xargs -n1 | grep -v at-top | xargs) at-top" || names
	names | grep -q at-top
	script 'cp file twice' 'cp host:src/dir/nums twice' 'cp twice thrice' 'truncate -s 5 twice'
	"$UBTRFS" cat disk.img:/thrice | cmp - src/dir/nums
	same "$(head -c 5 src/dir/nums)" "$("$UBTRFS" cat disk.img:/twice)"
}

@test "read-only, another image, the wrong image" {
	printf 'ls\ntouch x\n' | "$UBTRFS" shell -r disk.img >out 2>err && return 1
	grep -q "started with --read-only" err
	cp disk.img other.img
	"$UBTRFS" mkdir other.img:/elsewhere
	script 'cp -r host:other.img:/elsewhere /' 'cat host:other.img:/file' | grep -qx hi
	names | grep -q elsewhere
	refused "no IMAGE given" "$UBTRFS" shell
	refused "nothing.img" "$UBTRFS" shell nothing.img
	refused "cannot open nothing" "$UBTRFS" shell -f nothing disk.img
}

@test "a signal ends a script, and nothing of it stays" {
	local before code=0
	before=$(names)
	printf 'mkdir new\n!sleep 5\n' >script
	timeout -s TERM 1 "$UBTRFS" shell -f script disk.img 2>err || code=$?
	[ $code -eq 124 ] || [ $code -eq 130 ]
	same "$before" "$(names)"
}

@test "typed: prompt, completion, history, a line that is dropped, quit that asks" {
	terminal <<'END'
cat d\t
cat dir/
nu\t\n
300
cat dir/wi\t\n
with\ space 
cat 'dir/wi\t\n
cat 'dir/with space' 
ls dir/sta\t\t
star*
\x03
^C
mkdi\t/new\n
disk.img:/*> 
cd ne\t\n
disk.img:/new*> 
cp host:sr\tfi\t.\n
disk.img:/new*> 
ls\n
file
qu\t\n
[c]ancel
c\n
disk.img:/new*> 
commit\n
disk.img:/new> 
touch lost\n
disk.img:/new*> 
\x04
[c]ancel
n\n

END
	same "hi" "$("$UBTRFS" cat disk.img:/new/file)"
	refused "No such file" "$UBTRFS" rm disk.img:/new/lost
	grep -q 'touch.040lost' .local/state/ubtrfs/history
	same 600 "$(stat -c %a .local/state/ubtrfs/history)"
	terminal <<'END'
\x10\n
disk.img:/*> 
discard\n
disk.img:/> 
quit\n

END
}

@test "typed: ^C ends the command and not the shell; a lost terminal ends it and commits nothing" {
	mkdir wide
	(cd wide && seq -f 'a-name-so-long-that-many-of-them-are-more-than-a-terminal-holds-%.0f' 6000 | xargs touch)
	"$UBTRFS" cp -r wide disk.img:/
	seq 300000 >numbers
	"$UBTRFS" cp numbers disk.img:/
	terminal <<'END'
rm -rv /wide\n
removed '/wide/
\x03
interrupted\r\ndisk.img:/*> 
discard\n
disk.img:/> 
find /\n
holds-
\x03
interrupted\r\ndisk.img:/> 
tree /wide\n
holds-
\x03
interrupted\r\ndisk.img:/> 
cat /numbers\n
1000\r\n
\x03
interrupted\r\ndisk.img:/> 
ls -d /file\n

quit\n

END
	same 6000 "$("$UBTRFS" find disk.img:/wide -type f | wc -l)"
	terminal --hang-up <<'END' || true
touch /lost\n
disk.img:/*> 
END
	! names | grep -q lost || return 1
}

@test "what a terminal sends while a program runs is for the program" {
	local code=0
	script 'mkdir new' '!kill -INT $PPID; kill -QUIT $PPID; sleep 0.2' 'touch new/file' commit
	names | grep -q new
	script 'mkdir never' '!kill -INT $$' 2>/dev/null || code=$?
	same 130 "$code"
	"$UBTRFS" edit --editor 'kill -INT $PPID; kill -QUIT $PPID; sed -i s/hi/ho/' disk.img:/file
	same ho "$("$UBTRFS" cat disk.img:/file)"
	# More of them than end a command of ours.
	cat >"$WORK/five.py" <<'END'
import signal, time
nr = 0
def got(*_):
    global nr
    nr += 1
    print('got-%d' % nr, flush=True)
signal.signal(signal.SIGINT, got)
print('ready', flush=True)
while nr < 5:
    time.sleep(0.05)
END
	export PYTHON WORK
	PYTHON=$(PATH=/usr/bin:/bin command -v python3)
	terminal <<'END'
touch /kept\n
disk.img:/*> 
!"$PYTHON" "$WORK/five.py"\n
ready
\x03
got-1
\x03
got-2
\x03
got-3
\x03
got-4
\x03
got-5\r\ndisk.img:/*> 
commit\n
disk.img:/> 
quit\n

END
	names | grep -q kept
}

@test "typed: a command that failed has done a part, which can be committed" {
	head -c 20M /dev/urandom >random
	terminal <<'END'
cp host:random host:missing /dir\n
missing
commit\n
disk.img:/> 
rm dir/stars dir/missing dir/nums\n
missing
commit\n
disk.img:/> 
quit\n

END
	"$UBTRFS" cat disk.img:/dir/random | cmp - random
	names | grep -q nums
	! names | grep -q stars || return 1
}

@test "edit: written back when changed, and only then" {
	local before
	"$UBTRFS" chmod 4751 disk.img:/file
	"$UBTRFS" chown 5:6 disk.img:/file
	"$UBTRFS" chmod 4751 disk.img:/file
	"$UBTRFS" ln disk.img:/file disk.img:/hard
	before=$("$UBTRFS" stat disk.img:/file | grep -v '^Modify\|^Change')
	EDITOR='echo more >>' "$UBTRFS" edit disk.img:/file
	same "$(printf 'hi\nmore\n')" "$("$UBTRFS" cat disk.img:/hard)"
	same "$(sed 's/Size: 3 /Size: 8 /' <<<"$before")" "$("$UBTRFS" stat disk.img:/file | grep -v '^Modify\|^Change')"
	before=$("$UBTRFS" stat disk.img:/file)
	VISUAL=true EDITOR=false "$UBTRFS" edit disk.img:/file
	same "$before" "$("$UBTRFS" stat disk.img:/file)"
	"$UBTRFS" edit --editor 'sed -i s/hi/ho/' disk.img:/file
	same "$(printf 'ho\nmore\n')" "$("$UBTRFS" cat disk.img:/file)"
	"$UBTRFS" edit --editor 'echo new >' disk.img:/dir/new
	same new "$("$UBTRFS" cat disk.img:/dir/new)"
	EDITOR='echo in shell >' script 'edit link/new' 'cat dir/new' | grep -qx 'in shell'
	[ -z "$(ls -d "${TMPDIR:-/tmp}"/ubtrfs-edit.* 2>/dev/null)" ] || [ -n "${TMPDIR:-}" ] || true
}

@test "edit: what is not written back is kept, and said where" {
	export TMPDIR=$WORK
	refused "ended with 1" "$UBTRFS" edit --editor false disk.img:/file
	same hi "$(cat ubtrfs-edit.*/file)"
	rm -r ubtrfs-edit.*
	refused "changed it meanwhile" "$UBTRFS" edit --editor "$UBTRFS touch disk.img:/file; echo mine >" disk.img:/file
	same mine "$(cat ubtrfs-edit.*/file)"
	rm -r ubtrfs-edit.*
	refused "not a regular file" "$UBTRFS" edit disk.img:/dir
	refused "No such file" "$UBTRFS" edit disk.img:/nowhere/new
	refused "one file at a time" "$UBTRFS" edit disk.img:/file disk.img:/file
	[ -z "$(ls -d ubtrfs-edit.* 2>/dev/null)" ]
}

@test "a script that is none is refused: zero bytes, lines without an end" {
	ended() { ! "$UBTRFS" shell -f "$1" disk.img 2>err && grep -q "^ERROR: $1:$2\$" err; }
	printf 'touch a\n\0' >script
	ended script '2: a zero byte'
	head -c 2000000 /dev/zero | tr '\0' a >long
	ended long '1: a line of more than 1048576 bytes'
	refused "long:1: a line of more than 1048576 bytes" "$UBTRFS" setfacl --restore long
	# One without an end is not gathered before it is looked at.
	(ulimit -v 1000000 && ended /dev/zero '1: a zero byte' && yes a | tr -d '\n' | ended /dev/stdin '1: a line of more than 1048576 bytes')
	# The longest that is taken, and a last line without its newline.
	{ printf '#'; head -c 1048574 long; printf '\ntouch last'; } >script
	"$UBTRFS" shell -f script disk.img
	"$UBTRFS" stat disk.img:/last >/dev/null
}
