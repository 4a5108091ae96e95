# Options of mkfs: each bad one is refused by name, in one sentence, before anything is touched.
load cli_lib.bash

setup() { cli_setup; mkdir dir; }
teardown() { cli_teardown; }

mkfs_refused()
{
	local text=$1
	shift
	refused "$text" "$UBTRFS" mkfs "$@" || return 1
	[ ! -e new.img ] || { echo "$* left new.img behind"; return 1; }
}

@test "unknown options and missing values" {
	mkfs_refused "--frob" --frob new.img
	mkfs_refused "-Z" -Z new.img
	mkfs_refused "-Z" -qZ new.img
	mkfs_refused "-b needs a value" new.img -b
	mkfs_refused "--label needs a value" new.img --label
	mkfs_refused "--shrink=yes takes no value" --shrink=yes new.img
	mkfs_refused "no file or device given"
	mkfs_refused "is given twice" new.img new.img
}

@test "sizes" {
	local bad
	for bad in "" x 12q -5 1.5k "5 m" 5mbb 5bb 5mibx 0x10; do
		mkfs_refused "--byte-count: '$bad' is not a size" --byte-count="$bad" new.img
	done
	mkfs_refused "within range" -b 16e new.img
	mkfs_refused "within range" -b 99999999999999999999 new.img
	mkfs_refused "more than 0" -b 0 new.img
	mkfs_refused "--nodesize: 'x'" -n x new.img
	mkfs_refused "nodesize 3000" -n 3000 new.img
	mkfs_refused "sectorsize 100" -s 100 new.img
	mkfs_refused "nodesize" -n 128k new.img
}

@test "every suffix of a size means what it says" {
	local pair
	for pair in 134217728:134217728 131072k:134217728 131072K:134217728 128m:134217728 128M:134217728 128mb:134217728 \
		    128MiB:134217728 1g:1073741824 1GiB:1073741824 134217728b:134217728; do
		"$UBTRFS" mkfs -q -f -b ${pair%:*} s.img
		same ${pair#*:} $(stat -c %s s.img)
		rm s.img
	done
}

@test "identity" {
	mkfs_refused "--uuid: 'zz' is not a UUID" -U zz new.img
	mkfs_refused "--device-uuid: 'zz' is not a UUID" --device-uuid zz new.img
	mkfs_refused "--device-uuid is for a single" --device-uuid 01234567-89ab-cdef-0123-456789abcdef new.img two.img
	mkfs_refused "label" -L "$(printf %0256d 1)" new.img
	mkfs_refused "label" -L $'a\nb' new.img
}

@test "profiles, checksums and features" {
	mkfs_refused "foo" -d foo new.img
	mkfs_refused "foo" -m foo new.img
	mkfs_refused "raid5" -d raid5 new.img
	mkfs_refused "md5" --csum md5 new.img
	mkfs_refused "frob" -O frob new.img
	mkfs_refused "frob" -O no-holes,^frob new.img
	local feature
	for feature in raid56 quota squota zoned raid-stripe-tree extent-tree-v2 remap-tree; do
		mkfs_refused "$feature" -O $feature new.img
	done
	mkfs_refused "block-group-tree" -O ^free-space-tree,block-group-tree new.img
	mkfs_refused "mixed" -M -n 16k new.img
}

@test "compression" {
	mkfs_refused "--compress: 'foo'" -r dir --compress foo new.img
	mkfs_refused "level '16' of zstd is not within 1..15" -r dir --compress zstd:16 new.img
	mkfs_refused "level '0' of zlib is not within 1..9" -r dir --compress zlib:0 new.img
	mkfs_refused "level 'x' of zlib" -r dir --compress zlib:x new.img
	mkfs_refused "level '' of zstd" -r dir --compress zstd: new.img
	mkfs_refused "lzo has no levels" -r dir --compress lzo:1 new.img
}

@test "what needs contents says so" {
	mkfs_refused "--shrink must be used with --rootdir or --from" --shrink new.img
	mkfs_refused "--compress must be used with --rootdir or --from" --compress zstd new.img
	mkfs_refused "--owner must be used with" --owner 0:0 new.img
	mkfs_refused "--root-owner must be used with" --root-owner 0:0 new.img
	mkfs_refused "--strict must be used with" --strict new.img
	mkfs_refused "--subvol must be used with --rootdir" --subvol x new.img
	mkfs_refused "--subvol must be used with --rootdir" --from a.tar --subvol x new.img
	mkfs_refused "--inode-flags must be used with --rootdir" --inode-flags nodatacow:x new.img
	mkfs_refused "--rootdir and --from" -r dir --from a.tar new.img
	mkfs_refused "options --reflink and --compress cannot be used together" -r dir --reflink --compress lzo new.img
	mkfs_refused "read only once" --from - --from - new.img
}

@test "owners and times" {
	local bad
	for bad in 0 0: :0 a:b 0:0:0 -1:0 4294967295:0 "0: 0"; do
		mkfs_refused "--owner: '$bad' is not UID:GID" -r dir --owner "$bad" new.img
	done
	mkfs_refused "--root-owner: 'x'" -r dir --root-owner x new.img
	mkfs_refused "--timestamp: 'now'" -r dir --timestamp now new.img
	mkfs_refused "--clamp-mtime needs" -r dir --clamp-mtime new.img
	SOURCE_DATE_EPOCH=x mkfs_refused "SOURCE_DATE_EPOCH: 'x'" -r dir new.img
	# The option wins, and then nobody looks at the environment.
	SOURCE_DATE_EPOCH=x "$UBTRFS" mkfs -q -r dir --timestamp -5 ok.img
}

@test "subvolumes and inode flags" {
	mkdir dir/a dir/b
	mkfs_refused "--subvol" -r dir --subvol ro: new.img
	mkfs_refused "only one subvolume can be the default" -r dir -u default:a -u default-ro:b new.img
	mkfs_refused "nosuch" -r dir -u ro:nosuch new.img
	mkfs_refused "--inode-flags" -r dir --inode-flags frob:a new.img
	mkfs_refused "--inode-flags" -r dir --inode-flags nodatacow new.img
}

@test "general options" {
	local bad
	for bad in 0 -1 x 1025 ""; do
		mkfs_refused "--threads: '$bad' is not" --threads="$bad" new.img
	done
	mkfs_refused "--format: 'xml' is not text or json" --format xml new.img
}

@test "-O list-all shows each feature, its default, and what is not built" {
	"$UBTRFS" mkfs -O list-all >list
	head -1 list | grep -q 'features available'
	grep -qE '^block-group-tree +- .*\(default\)$' list
	grep -qE '^mixed-bg +- [^(]*$' list
	grep -qE '^raid56 +- .*\(not built yet\)$' list
	local feature
	for feature in extref skinny-metadata no-holes free-space-tree raid1c34 zoned quota squota raid-stripe-tree \
		       extent-tree-v2 remap-tree; do
		grep -q "^$feature " list
	done
	"$UBTRFS" mkfs -R list-all 2>/dev/null | cmp - list
}

@test "a source that is not there, an archive that is none" {
	mkfs_refused "nosuch" -r nosuch new.img
	mkfs_refused "nosuch.tar" --from nosuch.tar new.img
	printf 'no archive\n' >junk
	mkfs_refused "junk" --from junk new.img
}

@test "a target that holds something is left alone without -f" {
	"$UBTRFS" mkfs -q -b 128m old.img
	cp old.img copy.img
	refused "-f" "$UBTRFS" mkfs old.img
	cmp old.img copy.img
	"$UBTRFS" mkfs -q -f old.img
	refused "cannot" "$UBTRFS" mkfs nosuch/new.img
	refused "few" "$UBTRFS" mkfs -b 1m new.img
}
