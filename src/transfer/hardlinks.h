/*
 * Which inodes of the source are in the filesystem already: for hard links.
 */
#ifndef UBTRFS_TRANSFER_HARDLINKS_H
#define UBTRFS_TRANSFER_HARDLINKS_H

#include "base/hash.h"
#include "transfer/transfer_priv.h"

/*
 * Keyed by device and inode of the source and by the subvolume: links do not cross subvolumes, so
 * there a copy is made.
 */
struct hardlinks {
	struct hash_table table;
};

void hardlinks_init(struct hardlinks *links);
void hardlinks_fini(struct hardlinks *links);
bool hardlinks_find(const struct hardlinks *links, uint64_t dev, uint64_t ino, uint64_t subvolid,
		    struct ubtrfs_node *ret_node);
/* Replaces what was known of the inode (when a node takes no more links). */
int hardlinks_set(struct hardlinks *links, uint64_t dev, uint64_t ino,
		  struct ubtrfs_node node) must_check;

#endif
