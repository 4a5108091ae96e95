/*
 * What `ubtrfs mkfs` tells when it is done: as text like mkfs.btrfs, or as JSON (ubtrfs-mkfs(8) has
 * the schema).
 */
#ifndef UBTRFS_CLI_MKFS_SUMMARY_H
#define UBTRFS_CLI_MKFS_SUMMARY_H

#include "cli/mkfs_options.h"

struct mkfs_result {
	struct ubtrfs_info info;
	bool populated;
	struct import_stats stats;
	double seconds;
};

/* To stdout. 0, or 1 with a message. */
int mkfs_summary_text(const struct mkfs_request *request, const struct mkfs_result *result);
int mkfs_summary_json(const struct mkfs_request *request, const struct mkfs_result *result);

/* mkfs_facts.c: what both of them say. */
const char *fact_profile(uint64_t flags);
const char *fact_csum(uint16_t type);
const char *fact_compress(int compress);
/* Calls visit for the name of each feature of the filesystem, in mkfs's order. */
void fact_features_each(const struct ubtrfs_info *info, void (*visit)(void *ctx, const char *name),
			void *ctx);
bool fact_is_mixed(const struct ubtrfs_info *info);
/* What the filesystem uses of a device; 0 when its superblock cannot be read. */
uint64_t fact_device_bytes(const char *path);

#endif
