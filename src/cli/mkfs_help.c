/*
 * What `ubtrfs mkfs` says about itself: help, version, the list of features.
 */
#include <stdio.h>

#include "cli/mkfs_options.h"

static const char help_text[] =
	"usage: ubtrfs mkfs [OPTIONS] FILE|DEVICE...\n"
	"\n"
	"Make a btrfs filesystem, empty or from a directory or archives. Needs no privileges for files.\n"
	"\n"
	"Filesystem:\n"
	"  -b, --byte-count SIZE      size of each file or device (default: what it has, or what the contents need)\n"
	"  -d, --data PROFILE         of data: single, dup, raid0, raid1, raid1c3, raid1c4, raid10\n"
	"  -m, --metadata PROFILE     of metadata, likewise\n"
	"  -M, --mixed                data and metadata in the same block groups\n"
	"  -n, --nodesize SIZE        of tree blocks: 4k, 8k, 16k (default), 32k, 64k\n"
	"  -s, --sectorsize SIZE      of data blocks: 2k, 4k (default), 8k, 16k, 32k, 64k\n"
	"      --csum, --checksum TYPE  crc32c (default), xxhash, sha256, blake2\n"
	"  -O, --features LIST        comma separated; ^NAME switches off; 'list-all' lists them\n"
	"  -L, --label LABEL          at most 255 bytes\n"
	"  -U, --uuid UUID            of the filesystem (default: random)\n"
	"      --device-uuid UUID     of the device, when there is one\n"
	"  -K, --nodiscard            do not tell the devices that they hold nothing\n"
	"  -f, --force                overwrite what is there\n"
	"\n"
	"Contents:\n"
	"  -r, --rootdir DIR          copy what DIR holds\n"
	"      --from ARCHIVE|-       copy what an archive holds (tar, cpio, mtree, ...); several are layers, in order\n"
	"      --compress ALG[:LEVEL] no (default), zlib (1..9), lzo, zstd (1..15)\n"
	"  -u, --subvol TYPE:DIR      make DIR a subvolume; TYPE is rw (default), ro, default or default-ro\n"
	"      --inode-flags FLAGS:PATH  nodatacow, nodatasum for PATH and what is below\n"
	"      --shrink               the smallest filesystem that holds it\n"
	"      --owner UID:GID        of everything\n"
	"      --root-owner UID:GID   of the top directory\n"
	"      --timestamp SECONDS    reproducible times (default: $SOURCE_DATE_EPOCH); with -U the same input makes the same image\n"
	"      --clamp-mtime          times later than the timestamp become it\n"
	"      --strict               a source that changes or vanishes while it is read is an error\n"
	"      --reflink              share the blocks of the source files with the image\n"
	"\n"
	"General:\n"
	"  -j, --threads N            default: one per processor; the result does not depend on it\n"
	"      --format text|json     of the summary\n"
	"  -q, --quiet                print errors and warnings only\n"
	"  -v, --verbose              print more\n"
	"  -V, --version              print the version\n"
	"      --help                 print this\n"
	"  -R, --runtime-features LIST  the old name of -O\n";

void mkfs_print_help(void)
{
	fputs(help_text, stdout);
}

void mkfs_print_version(void)
{
	puts("mkfs.ubtrfs, part of ubtrfs v" UBTRFS_VERSION);
}

void mkfs_print_features(void)
{
	const char *name, *text;
	bool by_default, built;

	puts("Filesystem features available:");
	for (unsigned i = 0; (name = ubtrfs_mkfs_feature(i, &text, &by_default, &built)); i++)
		printf("%-20s- %s%s\n", name, text,
		       by_default ? " (default)" :
		       built	  ? "" :
				    " (not built yet)");
}
