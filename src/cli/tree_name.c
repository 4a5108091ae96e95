/*
 * Names of the trees that every btrfs has; a subvolume has a number only.
 */
#include "cli/tree_name.h"

#include <linux/btrfs_tree.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "cli/cli.h"

#define PREFIX "BTRFS_"
/* Younger than some of the headers that we are built with. */
#ifndef BTRFS_RAID_STRIPE_TREE_OBJECTID
#define BTRFS_RAID_STRIPE_TREE_OBJECTID 12ULL
#endif

static const struct {
	const char *name; /* without _TREE */
	uint64_t id;
} trees[] = {
	{ "root", BTRFS_ROOT_TREE_OBJECTID },
	{ "extent", BTRFS_EXTENT_TREE_OBJECTID },
	{ "chunk", BTRFS_CHUNK_TREE_OBJECTID },
	{ "dev", BTRFS_DEV_TREE_OBJECTID },
	{ "device", BTRFS_DEV_TREE_OBJECTID },
	{ "fs", BTRFS_FS_TREE_OBJECTID },
	{ "csum", BTRFS_CSUM_TREE_OBJECTID },
	{ "checksum", BTRFS_CSUM_TREE_OBJECTID },
	{ "quota", BTRFS_QUOTA_TREE_OBJECTID },
	{ "uuid", BTRFS_UUID_TREE_OBJECTID },
	{ "free_space", BTRFS_FREE_SPACE_TREE_OBJECTID },
	{ "free-space", BTRFS_FREE_SPACE_TREE_OBJECTID },
	{ "tree_log_fixup", BTRFS_TREE_LOG_FIXUP_OBJECTID },
	{ "tree-log-fixup", BTRFS_TREE_LOG_FIXUP_OBJECTID },
	{ "tree_log", BTRFS_TREE_LOG_OBJECTID },
	{ "tree-log", BTRFS_TREE_LOG_OBJECTID },
	{ "tree_reloc", BTRFS_TREE_RELOC_OBJECTID },
	{ "tree-reloc", BTRFS_TREE_RELOC_OBJECTID },
	{ "data_reloc", BTRFS_DATA_RELOC_TREE_OBJECTID },
	{ "data-reloc", BTRFS_DATA_RELOC_TREE_OBJECTID },
	{ "block_group", BTRFS_BLOCK_GROUP_TREE_OBJECTID },
	{ "block-group", BTRFS_BLOCK_GROUP_TREE_OBJECTID },
	{ "raid_stripe", BTRFS_RAID_STRIPE_TREE_OBJECTID },
	{ "raid-stripe", BTRFS_RAID_STRIPE_TREE_OBJECTID },
};

int tree_name_parse(const char *text, uint64_t *ret_tree_id)
{
	if (number_parse(text, ret_tree_id) == 0)
		return 0;
	if (strncasecmp(text, PREFIX, sizeof(PREFIX) - 1) == 0)
		text += sizeof(PREFIX) - 1;
	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		size_t len = strlen(trees[i].name);

		if (strncasecmp(text, trees[i].name, len) != 0)
			continue;
		if (text[len] && strcasecmp(text + len, "_tree") != 0 &&
		    strcasecmp(text + len, "-tree") != 0)
			continue;
		*ret_tree_id = trees[i].id;
		return 0;
	}
	return -EINVAL;
}
