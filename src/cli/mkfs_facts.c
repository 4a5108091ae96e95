/*
 * Facts about a new filesystem in words: names of profiles, checksums, features; sizes of devices.
 */
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ubtrfs/inspect.h>

#include "base/bytes.h"
#include "cli/mkfs_summary.h"

const char *fact_profile(uint64_t flags)
{
	static const struct {
		uint64_t flag;
		const char *name;
	} names[] = {
		{ BTRFS_BLOCK_GROUP_DUP, "DUP" },	  { BTRFS_BLOCK_GROUP_RAID0, "RAID0" },
		{ BTRFS_BLOCK_GROUP_RAID1, "RAID1" },	  { BTRFS_BLOCK_GROUP_RAID1C3, "RAID1C3" },
		{ BTRFS_BLOCK_GROUP_RAID1C4, "RAID1C4" }, { BTRFS_BLOCK_GROUP_RAID10, "RAID10" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags & names[i].flag)
			return names[i].name;
	return "single";
}

const char *fact_csum(uint16_t type)
{
	static const char *const names[] = { "crc32c", "xxhash64", "sha256", "blake2" };

	return type < ARRAY_LEN(names) ? names[type] : "unknown";
}

const char *fact_compress(int compress)
{
	static const char *const names[] = { "no", "zlib", "lzo", "zstd" };

	return compress >= 0 && compress < (int)ARRAY_LEN(names) ? names[compress] : "unknown";
}

void fact_features_each(const struct ubtrfs_info *info, void (*visit)(void *ctx, const char *name),
			void *ctx)
{
	static const struct {
		uint64_t incompat, compat_ro;
		const char *name;
	} names[] = {
		{ BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS, 0, "mixed-bg" },
		{ BTRFS_FEATURE_INCOMPAT_EXTENDED_IREF, 0, "extref" },
		{ BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA, 0, "skinny-metadata" },
		{ BTRFS_FEATURE_INCOMPAT_NO_HOLES, 0, "no-holes" },
		{ 0, BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE, "free-space-tree" },
		{ BTRFS_FEATURE_INCOMPAT_RAID1C34, 0, "raid1c34" },
		{ 0, BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE, "block-group-tree" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (info->incompat & names[i].incompat || info->compat_ro & names[i].compat_ro)
			visit(ctx, names[i].name);
}

bool fact_is_mixed(const struct ubtrfs_info *info)
{
	return info->incompat & BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS;
}

/* The public API tells the sum over all devices; each one's part stands in its own superblock. */
uint64_t fact_device_bytes(const char *path)
{
	static const char field[] = "dev_item.total_bytes";
	char *text = NULL, *at;
	size_t len = 0;
	uint64_t bytes = 0;
	struct ubtrfs_dump_super what = { .devices = &path, .nr_devices = 1 };
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return 0;
	if (ubtrfs_dump_super(&what, out) == 0 && fflush(out) == 0 &&
	    (at = strstr(text, field)))
		bytes = strtoull(at + strlen(field), NULL, 10);
	fclose(out);
	free(text); /* tidy: libc free */
	return bytes;
}
