/*
 * rescue: reading a filesystem of which parts are destroyed.
 *
 * Owns a volume, a small cache of verified tree blocks, and when something is missing an index of
 * all tree blocks that can be found by reading the chunks of metadata. It reads nodes for itself
 * and uses the trees of extents and checksums only as witnesses that may be absent.
 *
 *   rescue_open    devices, superblock (any copy), chunks; a filesystem without any of these
 *   block_read     one tree block from any copy, verified
 *   block_index    every tree block there is: address, owner, generation, level, keys
 *   block_live     what the extent tree says of a block
 *   tree_view      items of a tree in order, over what is left of it
 *   tree_patch     what stands in for a block that is gone
 *   tree_roots     where a tree begins; subvolumes
 *   root_find      older roots of the tree of roots
 *   salvage_*      inodes, directories, contents, names without directories
 *
 * Bounds: BLOCK_INDEX_MAX blocks in the index, PATCH_PIECES_MAX pieces of patches; a tree has at
 * most 8 levels, keys of children lie inside the range of their parent and equal its pointers, and
 * an iteration only ever goes on to greater keys. One thread; no locks. Errors: memory and misuse
 * only; damage is told by state bits (UBTRFS_RESCUE_*).
 */
#ifndef UBTRFS_RESCUE_RESCUE_H
#define UBTRFS_RESCUE_RESCUE_H

#include <ubtrfs/rescue.h>

#include "base/err.h"
#include "device/device.h"

struct rescue;
/* One state of the filesystem: the current one, or an older one. */
struct rescue_view;

struct rescue_config {
	struct device **devices; /* each is taken over and set to NULL */
	unsigned nr_devices;
	const struct ubtrfs_rescue_options *options; /* borrowed for the call */
};

int rescue_new(const struct rescue_config *config, struct rescue **ret_rescue) must_check;
void rescue_free(struct rescue *rescue);
/* The state that the options ask for; owned by rescue. */
struct rescue_view *rescue_current(struct rescue *rescue);
uint64_t rescue_blocks_lost(const struct rescue *rescue);

/* An older state. ERR_NOT_FOUND. */
int rescue_view_at(struct rescue *rescue, uint64_t generation,
		   struct rescue_view **ret_view) must_check;
void rescue_view_free(struct rescue_view *view);
uint64_t rescue_view_generation(const struct rescue_view *view);

/* These have the contracts of <ubtrfs/rescue.h>, with private error codes. */
int rescue_roots(struct rescue_view *view, bool scan,
		 int (*visit)(void *ctx, const struct ubtrfs_rescue_root *root),
		 void *ctx) must_check;
int rescue_generations(struct rescue_view *view, uint64_t subvolid,
		       int (*visit)(void *ctx, uint64_t generation), void *ctx) must_check;
int rescue_subvolumes(struct rescue_view *view,
		      int (*visit)(void *ctx, const struct ubtrfs_rescue_subvolume *subvol),
		      void *ctx) must_check;
int rescue_subvolume(struct rescue_view *view, uint64_t subvolid,
		     struct ubtrfs_rescue_subvolume *ret_subvol) must_check;
int salvage_getattr(struct rescue_view *view, struct ubtrfs_node node, struct ubtrfs_attr *ret_attr,
		    unsigned *ret_state) must_check;
int salvage_first_dir(struct rescue_view *view, uint64_t subvolid,
		      struct ubtrfs_node *ret_dir) must_check;
/* The name of ret_entry is the caller's. */
int salvage_lookup(struct rescue_view *view, struct ubtrfs_node dir, const char *name,
		   size_t name_len, struct ubtrfs_dirent *ret_entry) must_check;
int salvage_readdir(struct rescue_view *view, struct ubtrfs_node dir,
		    int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx,
		    unsigned *ret_state) must_check;
int salvage_readlink(struct rescue_view *view, struct ubtrfs_node node, char *target,
		     size_t capacity, size_t *ret_len, unsigned *ret_state) must_check;
int salvage_listxattr(struct rescue_view *view, struct ubtrfs_node node,
		      int (*visit)(void *ctx, const char *name, size_t name_len, const void *value,
				   size_t len),
		      void *ctx, unsigned *ret_state) must_check;
int salvage_read(struct rescue_view *view, struct ubtrfs_node node,
		 const struct ubtrfs_rescue_sink *sink, uint64_t *ret_len,
		 unsigned *ret_state) must_check;
int salvage_strays(struct rescue_view *view, uint64_t subvolid,
		   int (*visit)(void *ctx, const struct ubtrfs_rescue_stray *stray),
		   void *ctx) must_check;
bool salvage_may_have_strays(struct rescue_view *view, uint64_t subvolid);

#endif
