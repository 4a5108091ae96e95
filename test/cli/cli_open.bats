# Opening: members named and found, partitions and offsets, superblock copies, --subvolid, --no-verify.
load cli_lib.bash

setup()
{
	cli_setup
	small_tree src
}
teardown() { cli_teardown; }

# names IMAGE OPTION...: what stands at the top, and what was told.
names()
{
	"$UBTRFS" ls -a "$@" 2>"$WORK/told"
}

# zero_super FILE COPY_OFFSET
zero_super()
{
	dd if=/dev/zero of="$1" bs=4096 seek=$(($2 / 4096)) count=1 conv=notrunc status=none
}

@test "members are found beside the first, by whatever name" {
	"$UBTRFS" mkfs -q -r src -d raid0 -m raid1 1.img 2.img 3.img
	mkdir elsewhere
	mv 1.img "elsewhere/a name"
	mv 2.img 3.img elsewhere
	for first in "elsewhere/a name" ./elsewhere/2.img "$PWD/elsewhere/3.img"; do
		same "$(ls -A src)" "$(names "$first:/")"
		[ ! -s told ]
		"$UBTRFS" cat "$first:/dir/big" | cmp - src/dir/big
	done
	# From inside the folder too.
	cd elsewhere
	same "$(ls -A ../src)" "$(names 2.img:/)"
}

@test "what is not found is missing: told, and what needs it is an error" {
	"$UBTRFS" mkfs -q -r src -d raid0 -m raid1 1.img 2.img
	same "$(ls -A src)" "$(names --noscan 1.img:/)"
	same "WARNING: 1.img: device 2 is missing" "$(cat told)"
	same "$(ls -A src)" "$(names --noscan 2.img:/)"
	same "WARNING: 2.img: device 1 is missing" "$(cat told)"
	run "$UBTRFS" cat --noscan 1.img:/dir/big
	[ "$status" -eq 1 ]
	[[ "$output" == *"ERROR: 1.img:/dir/big"* ]]
}

@test "what was named wrongly is refused" {
	"$UBTRFS" mkfs -q -r src -d raid1 -m raid1 1.img 2.img
	"$UBTRFS" mkfs -q -r src other.img
	refused "other.img belongs to another filesystem than 1.img" "$UBTRFS" ls -D other.img 1.img:/
	ln 1.img hard.img
	ln -s 1.img soft.img
	refused "1.img and hard.img are the same device" "$UBTRFS" ls -D hard.img 1.img:/
	refused "1.img and soft.img are the same device" "$UBTRFS" ls -D soft.img 1.img:/
	cp 1.img copy.img
	refused "are copies of one device (1)" "$UBTRFS" ls -D copy.img 1.img:/
	# Links are no copies: nothing is told of them.
	rm copy.img
	same "$(ls -A src)" "$(names 2.img:/)"
	[ ! -s told ]
	refused "nosuch.img" "$UBTRFS" ls -D nosuch.img 1.img:/
}

@test "a copy of a member is passed over; the one of the same commit is taken" {
	"$UBTRFS" mkfs -q -r src -d raid1 -m raid1 1.img 2.img
	cp 2.img backup.img
	same "$(ls -A src)" "$(names 1.img:/)"
	grep -q 'is passed over: it is a copy of device 2' told
	[ "$(wc -l <told)" -eq 1 ]
	same "$(ls -A src)" "$(names -D 2.img 1.img:/)"
	[ ! -s told ]
}

@test "a folder with 10,000 files does not take a second" {
	local start end
	"$UBTRFS" mkfs -q -r src -d raid1 -m raid1 1.img 2.img
	mkdir many
	mv 1.img 2.img many
	(cd many && seq 1 9000 | xargs touch && seq -f big%g 1 1000 | xargs truncate -s 1M && mkfifo fifo && mkdir dir)
	start=$(date +%s%N)
	same "$(ls -A src)" "$(names many/1.img:/)"
	end=$(date +%s%N)
	[ ! -s told ]
	[ $((end - start)) -lt 1000000000 ]
}

@test "--partition: GPT, MBR and logical partitions; --offset" {
	"$UBTRFS" mkfs -q -b 64M -r src fs.img
	truncate -s 300M gpt.img mbr.img
	printf 'label: gpt\nstart=2048, size=40960\nstart=100000, size=131072\n' | sfdisk -q gpt.img
	printf 'label: dos\nstart=2048, size=2048\nstart=4096, size=400000, type=5\nstart=8192, size=131072\nstart=200000, size=131072\n' |
		sfdisk -q mbr.img
	dd if=fs.img of=gpt.img bs=512 seek=100000 conv=notrunc status=none
	dd if=fs.img of=mbr.img bs=512 seek=200000 conv=notrunc status=none
	same "$(ls -A src)" "$(names --partition 2 gpt.img:/)"
	[ ! -s told ]
	same "$(ls -A src)" "$(names --offset $((100000 * 512)) gpt.img:/)"
	same "$(ls -A src)" "$(names --partition 6 mbr.img:/)"
	same "$(ls -A src)" "$(names --offset 100000k mbr.img:/)"
	"$UBTRFS" cat --partition 6 mbr.img:/dir/big | cmp - src/dir/big
	refused "no btrfs superblock" "$UBTRFS" ls --partition 1 gpt.img:/
	refused "gpt.img has no partition 7 (it has: 1, 2)" "$UBTRFS" ls --partition 7 gpt.img:/
	refused "has no partition 3 (it has: 1, 2, 5, 6)" "$UBTRFS" ls --partition 3 mbr.img:/
	refused "fs.img has no" "$UBTRFS" ls --partition 1 fs.img:/
	refused "partitions are counted from 1" "$UBTRFS" ls --partition 0 gpt.img:/
	refused "is no number" "$UBTRFS" ls --partition two gpt.img:/
	refused "a partition and an offset" "$UBTRFS" ls --partition 2 --offset 4096 gpt.img:/
	refused "is behind its end" "$UBTRFS" ls --offset 1T gpt.img:/
	# A partition that ends before the filesystem in it.
	printf 'label: gpt\nstart=2048, size=40960\nstart=100000, size=100000\n' | sfdisk -q gpt.img
	same "$(ls -A src)" "$(names --partition 2 gpt.img:/)"
	same "WARNING: gpt.img has 51200000 bytes, the filesystem on it has 67108864" "$(cat told)"
}

@test "--super: a damaged primary gives way, a copy can be asked for" {
	"$UBTRFS" mkfs -q -b 128M -r src fs.img
	same "$(ls -A src)" "$(names --super 1 fs.img:/)"
	zero_super fs.img 65536
	same "$(ls -A src)" "$(names fs.img:/)"
	same "WARNING: fs.img: no btrfs superblock at 65536; copy 1 of the superblock is used" "$(cat told)"
	same "$(ls -A src)" "$(names --super 1 fs.img:/)"
	[ ! -s told ]
	refused "no btrfs superblock at 65536" "$UBTRFS" ls --super 0 fs.img:/
	refused "ends before copy 2" "$UBTRFS" ls --super 2 fs.img:/
	refused "--super: '3'" "$UBTRFS" ls --super 3 fs.img:/
	zero_super fs.img $((64 << 20))
	refused "no btrfs superblock at 65536" "$UBTRFS" ls fs.img:/
}

@test "--subvolid: paths begin at its top; what is no subvolume is refused" {
	mkdir -p src/sub/below
	echo inside >src/sub/below/file
	"$UBTRFS" mkfs -q -u sub -r src fs.img
	same inside "$("$UBTRFS" cat --subvolid 256 fs.img:/below/file)"
	same "$(ls -A src)" "$(names --subvolid 5 fs.img:/)"
	refused "there is no tree 999" "$UBTRFS" ls --subvolid 999 fs.img:/
	refused "tree 2 is no subvolume" "$UBTRFS" ls --subvolid 2 fs.img:/
	refused "is no number" "$UBTRFS" ls --subvolid top fs.img:/
}

@test "--no-verify: contents as they are; the help says so once" {
	local at
	"$UBTRFS" mkfs -q -r src fs.img
	at=$(grep -abo '10000' fs.img | head -1 | cut -d: -f1)
	printf 'Z' | dd of=fs.img bs=1 seek="$at" conv=notrunc status=none
	run "$UBTRFS" cat fs.img:/dir/big
	[ "$status" -eq 1 ]
	"$UBTRFS" cat --no-verify fs.img:/dir/big >big
	[ "$(cmp -l big src/dir/big | wc -l)" -eq 1 ]
	same 1 "$("$UBTRFS" cat --help | grep -c -- --no-verify)"
}
