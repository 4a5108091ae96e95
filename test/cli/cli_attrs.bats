# chattr, lsattr, getfattr, setfattr, getfacl, setfacl and property on files in an image.
load cli_lib.bash

setup()
{
	cli_setup
	mkdir -p src/d/sub
	printf 'hello\n' >src/f
	touch src/empty src/d/x
	ln -s f src/link
	chmod 644 src/f src/empty src/d/x
	chmod 755 src/d src/d/sub
	"$UBTRFS" mkfs -q -r src --owner 0:0 disk.img
}
teardown() { cli_teardown; }

u() { "$UBTRFS" "$@"; }

@test "chattr and lsattr: letters, words, all or nothing" {
	u chattr +Ad disk.img:/f
	same '------dA-------------- disk.img:/f' "$(u lsattr disk.img:/f)"
	same 'disk.img:/f                  No_Dump, No_Atime' "$(u lsattr -l disk.img:/f)"
	u chattr -d disk.img:/f
	same '-------A-------------- disk.img:/f' "$(u lsattr disk.img:/f)"
	u chattr =C disk.img:/empty
	same '---------------C------ disk.img:/empty' "$(u lsattr disk.img:/empty)"
	same 'Flags of disk.img:/d set as --------c-------------' "$(u chattr -V +c disk.img:/d)"
	same '--------c------------- disk.img:/d' "$(u lsattr -d disk.img:/d)"
	u chattr -R +A disk.img:/d
	same $'-------A-------------- disk.img:/d/sub\n-------A-------------- disk.img:/d/x' "$(u lsattr disk.img:/d)"
	# Nothing is left of a command that failed.
	refused "disk.img:/nosuch" u chattr +d disk.img:/f disk.img:/nosuch
	same '-------A-------------- disk.img:/f' "$(u lsattr disk.img:/f)"
	refused "must use -, = or +" u chattr disk.img:/f
	refused "no flag 'Z'" u chattr +Z disk.img:/f
	refused "no flags 0x1" u chattr +s disk.img:/f
	refused "incompatible" u chattr +A =d disk.img:/f
	refused "exclude each other" u chattr =cm disk.img:/empty
	refused "neither a file nor a directory" u chattr +A disk.img:/link
	refused "--frob" u chattr --frob +A disk.img:/f
	refused "no version" u chattr -v disk.img:/f
	u chattr -f +c disk.img:/empty disk.img:/f
	same '-------Ac------------- disk.img:/f' "$(u lsattr disk.img:/f)"
}

@test "an immutable file is not changed by any command" {
	u chattr +i disk.img:/f
	for command in "chmod 600" "touch" "truncate -s 0" "rm" "setfacl -m u:5:r" "setfattr -n user.a -v 1"; do
		refused "immutable" u $command disk.img:/f
	done
	same hello "$(u cat disk.img:/f)"
	u chattr -i disk.img:/f
	u rm disk.img:/f
}

@test "setfattr and getfattr: every encoding, dump and restore" {
	u setfattr -n user.text -v 'a b' disk.img:/f
	u setfattr -n user.quoted -v '"x\"y\\z\012"' disk.img:/f
	u setfattr -n user.hex -v 0x00ff10 disk.img:/f
	u setfattr -n user.base64 -v 0sAAECAw== disk.img:/f
	u setfattr -n user.empty disk.img:/f
	u setfattr --raw -n user.raw -v '0x\"' disk.img:/f
	u setfattr -h -n trusted.link -v 1 disk.img:/link
	same $'# file: disk.img:/f\nuser.base64\nuser.empty\nuser.hex\nuser.quoted\nuser.raw\nuser.text' "$(u getfattr disk.img:/f)"
	same 'user.quoted="x\"y\\z\012"' "$(u getfattr -e text -n user.quoted disk.img:/f | sed -n 2p)"
	same 'user.hex=0x00ff10' "$(u getfattr -e hex -n user.hex disk.img:/f | sed -n 2p)"
	same 'user.base64=0sAAECAw==' "$(u getfattr -n user.base64 disk.img:/f | sed -n 2p)"
	same '0x\"' "$(u getfattr --only-values -n user.raw disk.img:/f)"
	same 'trusted.link="1"' "$(u getfattr -hd -m - disk.img:/link | sed -n 2p)"
	same '# file: disk.img:/link' "$(u getfattr disk.img:/link | head -n 1)"
	u getfattr -Rhd -m - disk.img:/ >dump
	u setfattr -x user.hex disk.img:/f
	u setfattr -n user.text -v other disk.img:/f
	u setfattr -h --restore dump
	same "$(cat dump)" "$(u getfattr -Rhd -m - disk.img:/)"
	refused "No data available" u setfattr -x user.nosuch disk.img:/f
	refused "no attributes like" u setfattr -n nosuch.a disk.img:/f
	refused "is not hexadecimal" u setfattr -n user.a -v 0x123 disk.img:/f
	refused "is not base64" u setfattr -n user.a -v '0s!' disk.img:/f
	refused "is not base64" u setfattr -n user.a -v 0sYQ disk.img:/f
	refused "stands behind base64" u setfattr -n user.a -v 0sYQ==YQ== disk.img:/f
	refused "once" u setfattr -n user.a -n user.b disk.img:/f
	refused "one of -n, -x and --restore" u setfattr disk.img:/f
	refused "-v goes with -n" u setfattr -x user.a -v b disk.img:/f
	refused "none of text, hex, base64" u getfattr -e octal disk.img:/f
	refused "no regular expression" u getfattr -m '(' disk.img:/f
	refused "user.nosuch" u getfattr -n user.nosuch disk.img:/f
	printf 'user.a="1"\n' | refused "came before" u setfattr --restore -
	printf '# file: disk.img:/f\nuser.a="1"\nuser.b=0x1\n' >bad
	refused "bad:3: " u setfattr --restore bad
	refused "user.a" u getfattr -n user.a disk.img:/f
}

@test "setfacl and getfacl: entries, masks, defaults, restore" {
	u setfacl -m u:12345:rwx,g:54321:r disk.img:/f
	same '# file: disk.img:/f
# owner: root
# group: root
user::rw-
user:12345:rwx
group::r--
group:54321:r--
mask::rwx
other::r--' "$(u getfacl disk.img:/f)"
	u setfacl -n -m m::r disk.img:/f
	same $'user:12345:rwx\t#effective:r--' "$(u getfacl -c disk.img:/f | grep 12345)"
	same 'Access: (0644/-rw-r--r--)  Uid: 0         Gid: 0       ' "$(u stat disk.img:/f | grep Access: | head -n 1)"
	u chmod 660 disk.img:/f
	same 'mask::rw-' "$(u getfacl -c disk.img:/f | grep mask)"
	u setfacl -m d:u:12345:rX,d:o:- disk.img:/d
	same 'default:user::rwx
default:user:12345:r-x
default:group::r-x
default:mask::r-x
default:other::---' "$(u getfacl -c disk.img:/d | grep default)"
	# What is made below has it.
	(umask 077 && u mkdir disk.img:/d/new && u touch disk.img:/d/new/file)
	same "$(u getfacl -cd disk.img:/d)" "$(u getfacl -cd disk.img:/d/new)"
	same $'user::rw-\nuser:12345:r-x\t#effective:r--\ngroup::r-x\t#effective:r--\nmask::r--\nother::---' "$(u getfacl -c disk.img:/d/new/file)"
	chmod_line=$(u stat disk.img:/d/new/file | grep -o '(0[0-7]*')
	same '(0640' "$chmod_line"
	u getfacl -R disk.img:/ >saved
	u setfacl -R -b disk.img:/
	u chown 7:8 disk.img:/f
	same '' "$(u getfacl -Rs disk.img:/)"
	u setfacl --restore saved
	same "$(cat saved)" "$(u getfacl -R disk.img:/)"
	u setfacl -k disk.img:/d
	same '' "$(u getfacl -cd disk.img:/d)"
	u setfacl -x u:12345,g:54321 disk.img:/f
	same $'user::rw-\ngroup::r--\nmask::r--\nother::---' "$(u getfacl -c disk.img:/f)"
	u setfacl --set u::6,g::4,o::0 disk.img:/f
	same $'user::rw-\ngroup::r--\nother::---' "$(u getfacl -c disk.img:/f)"
	same 'disk.img:/f: u::rw-,u:5:r-x,g::r--,m::r-x,o::---,*' "$(u setfacl --test -m u:5:rx disk.img:/f | sed 's/u:games/u:5/')"
	same $'user::rw-\ngroup::r--\nother::---' "$(u getfacl -c disk.img:/f)"
	printf '# a comment\nu:99999:7\n\ng:99998:x  # another\n' >entries
	u setfacl -M entries disk.img:/f
	same $'user:99999:rwx\ngroup:99998:--x' "$(u getfacl -cE disk.img:/f | grep 9999)"
	printf 'u:99999\n' | u setfacl -X - disk.img:/f
	same 'group:99998:--x' "$(u getfacl -cE disk.img:/f | grep 9999)"
}

@test "setfacl: what is no ACL is refused, and nothing stays of it" {
	local acl
	for acl in u:nosuchuser:r u:5 u:5:rr u:5:8 u:5:q x:5:r: , '' 'u::rw g::r'; do
		refused "setfacl" u setfacl -m "$acl" disk.img:/f
	done
	refused "no permissions" u setfacl -x u:5:r disk.img:/f
	refused "owner, group and others" u setfacl -x o: disk.img:/f
	refused "only directories" u setfacl -m u:5:r,d:u:5:r disk.img:/f
	refused "go not together" u setfacl -d -m d:u:5:r disk.img:/d
	refused "nothing to change" u setfacl disk.img:/f
	refused "no IMAGE:/PATH" u setfacl -b
	refused "symbolic link" u setfacl -m u:5:r disk.img:/d disk.img:/link/ || refused "Not a directory" u setfacl -m u:5:r disk.img:/d disk.img:/link/
	same '' "$(u getfacl -Rs disk.img:/)"
}

@test "property: inodes, subvolumes, filesystems" {
	u property set disk.img:/d compression zstd
	same compression=zstd "$(u property get disk.img:/d)"
	same compression=zstd "$(u property get disk.img:/d compression)"
	same 'compression         compression algorithm for the file or directory' "$(u property list disk.img:/d)"
	same '--------c------------- disk.img:/d' "$(u lsattr -d disk.img:/d)"
	u property set disk.img:/d compression ''
	same '' "$(u property get disk.img:/d)"
	u property set disk.img label 'new name'
	same 'label=new name' "$(u property get disk.img)"
	same $'ro=false\nlabel=new name' "$(u property get disk.img:/)"
	u property set disk.img:/ ro true
	refused "read-only" u touch disk.img:/f
	u property set -t subvol disk.img:/ ro false
	u touch disk.img:/f
	refused "unknown property: nosuch" u property get disk.img:/ nosuch
	refused "not compatible with property: ro" u property get disk.img:/d ro
	refused "failed to set compression" u property set disk.img:/d compression gzip
	refused "true or false" u property set disk.img:/ ro maybe
	refused "none of inode" u property get -t x disk.img:/
	refused "NAME VALUE" u property set disk.img:/ ro
}

@test "each has help, and names what it does not know" {
	local command
	for command in chattr lsattr getfattr setfattr getfacl setfacl "property get" "property set" "property list"; do
		u $command --help | grep -q "^usage: ubtrfs $command"
		refused "--frob" u $command --frob disk.img:/
	done
	for command in lsattr getfattr getfacl; do
		refused "$command: no IMAGE:/PATH given" u $command
		refused "nosuch" u $command disk.img:/nosuch
	done
}

@test "an archive's flags that forbid changes come when all is there" {
	printf '#mtree\n./locked type=dir mode=755 flags=uchg\n./locked/file type=file mode=600 flags=uchg contents=%s\n./locked/again type=file mode=644 contents=%s\n' \
		"$PWD/src/f" "$PWD/src/f" >tree.mtree
	u mkfs -q -f -b 256M disk.img
	u import tree.mtree disk.img:/
	same $'----i----------------- disk.img:/locked' "$(u lsattr -d disk.img:/locked)"
	same hello "$(u cat disk.img:/locked/file)"
	same hello "$(u cat disk.img:/locked/again)"
	u lsattr disk.img:/locked | grep -q -- '^----i.* disk.img:/locked/file$'
	u lsattr disk.img:/locked | grep -q -- '^-----.* disk.img:/locked/again$'
	refused "immutable" u touch disk.img:/locked/new
	refused "immutable" u rm disk.img:/locked/again
}

@test "-RL: a symlink that leads to what can have no name is told, and what lies behind it is shown" {
	mkdir more
	ln -s "$(printf 'n%.0s' {1..300})" more/1
	touch more/2
	setfattr -n user.a -v b more/2
	u mkfs -q -f -r more disk.img
	for command in getfattr getfacl; do
		! u $command -RL disk.img:/ >out 2>err || return 1
		grep -qx '# file: disk.img:/2' out
		same 1 "$(wc -l <err)"
		grep -q '^ERROR: disk.img:/1: .*more than 255' err
	done
}
