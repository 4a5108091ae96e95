/*
 * The filesystem under fuzz_extent and fuzz_chunk: 128 MiB in a file that has no name any more, nodes of
 * 4 KiB, an empty top directory, one file of noise whose extent the fuzzed items may point to.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ubtrfs/mkfs.h>

#include "mutate/mutate.h"

#define DEVICE_BYTES (128 * MIB)

static void must(int err, const char *what)
{
	if (err >= 0)
		return;
	printf("%s: %s\n", what, ubtrfs_error_text());
	abort();
}

static void make(const char *path)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644 } };
	struct ubtrfs_mkfs_options mkfs;
	struct ubtrfs_open_options how;
	struct ubtrfs_node node;
	struct ubtrfs_info info;
	static uint8_t noise[200000];
	struct ubtrfs *fs;
	struct rng rng;

	rng_init(&rng, 1);
	rng_fill(&rng, noise, sizeof(noise));
	ubtrfs_mkfs_options_init(&mkfs);
	mkfs.devices = &path;
	mkfs.nr_devices = 1;
	mkfs.byte_count = DEVICE_BYTES;
	mkfs.nodesize = 4096;
	mkfs.data_profile = "single";
	mkfs.metadata_profile = "single";
	ubtrfs_open_options_init(&how);
	how.devices = &path;
	how.nr_devices = 1;
	how.writable = true;
	how.scan = false;
	must(ubtrfs_mkfs(&mkfs, &info), "mkfs");
	must(ubtrfs_open(&how, &fs), "open");
	must(ubtrfs_create(fs, ubtrfs_top(fs), "noise", 5, &what, &node), "create");
	must(ubtrfs_write(fs, node, 0, noise, sizeof(noise)), "write");
	must(ubtrfs_close(fs), "close");
}

struct image *fuzz_image(uint64_t *ret_leaf)
{
	static struct image image;
	static uint64_t leaf;
	char path[] = "/tmp/ubtrfs-fuzz-XXXXXX";
	const char *paths[1] = { path };
	int fd;

	if (!leaf) {
		fd = mkstemp(path);
		must(fd, "a temporary file");
		close(fd);
		make(path);
		image_load(&image, paths, 1);
		unlink(path);
		for (size_t i = 0; i < image.nr_blocks; i++)
			if (image.blocks[i].owner == BTRFS_FS_TREE_OBJECTID)
				leaf = image.blocks[i].addr;
	}
	*ret_leaf = leaf;
	return &image;
}
