# Every command line of README.md works as it stands there, one after the other.
load cli_lib.bash

setup()
{
	cli_setup
	mkdir -p bin tree/etc tree/srv tree/home/joe tree/usr tree/var/lib/postgresql tree/var/db
	ln -s "$UBTRFS" bin/ubtrfs
	PATH=$WORK/bin:$PATH
	echo fstab >tree/etc/fstab
	echo '# a new one' >tree/etc/new.conf
	echo deleted >tree/home/deleted
	seq 10000 >tree/var/db/table
	tar -cf base.tar -C tree .
	tar -cf layer.tar -C tree etc
	zstd -q base.tar -o rootfs.tar.zst
	for image in disk1 other broken damaged; do ubtrfs mkfs -q -b 256m -r tree $image.img; done
	# GPT with a filesystem as its second partition, at 8 MiB.
	truncate -s 300M whole-disk.img
	printf 'label: gpt\nstart=2048,size=4096\nstart=16384\n' | sfdisk -q whole-disk.img
	dd if=disk1.img of=whole-disk.img bs=1M seek=8 conv=notrunc,sparse status=none
	# Without its first superblock.
	dd if=/dev/zero of=damaged.img bs=4096 seek=16 count=1 conv=notrunc status=none
	export EDITOR=true
}
teardown()
{
	umount "$WORK/mnt" 2>/dev/null || true
	cli_teardown
}

@test "every command line of README.md works" {
	local line nr=0 has_image=
	while IFS= read -r line; do
		line=${line%%  #*}
		# One mkfs after the other; what comes behind them is about an image with room.
		if [[ $line == *"ubtrfs mkfs disk.img"* ]]; then
			rm -f disk.img
		elif [ -z "$has_image" ]; then
			has_image=yes
			rm disk.img
			ubtrfs mkfs -q -b 256m -r tree disk.img
		fi
		[[ $line != "ubtrfs undelete "* ]] || ubtrfs rm disk.img:/home/deleted
		if [[ $line == "ubtrfs mount "* ]]; then
			[ -c /dev/fuse ] && [ "$(id -u)" -eq 0 ] || continue
			mkdir mnt
			eval "${line//\/mnt/mnt}"
			ls mnt/etc/fstab
			umount mnt
			flock disk.img true
		else
			rm -rf out
			eval "$line" </dev/null >printed 2>&1 || { echo "$line"; cat printed; return 1; }
		fi
		nr=$((nr + 1))
	done < <(sed -n 's/^    \(\(SOURCE_DATE_EPOCH=[0-9]* \)\?ubtrfs \)/\1/p' "$ROOT/README.md")
	[ $nr -gt 30 ] || { echo "only $nr lines were found"; return 1; }
}
