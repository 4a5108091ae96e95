/*
 * mkfs, inside: what the steps of making an empty filesystem hand to each other.
 *
 * Order: mkfs_check (is the plan legal) -> mkfs_layout (chunks on devices) -> mkfs_trees (items of
 * every tree) and mkfs_nodes (items packed into nodes), repeated by mkfs_build until the number of
 * nodes no longer changes -> mkfs_write (nodes, flush, superblocks, flush). Everything up to
 * mkfs_write happens in memory: a plan that does not fit fails before the first byte is written.
 * One thread; no locks.
 */
#ifndef UBTRFS_MKFS_MKFS_PRIV_H
#define UBTRFS_MKFS_MKFS_PRIV_H

#include "base/cleanup.h"
#include "format/key.h"
#include "mkfs/mkfs_plan.h"
#include "volume/volume.h"

/* The generation of everything in an empty filesystem. */
#define MKFS_GENERATION 1u
/* The first byte of a device, and of the logical addresses, that chunks may use. */
#define MKFS_FIRST_BYTE MIB

/* Of a size asked for: far above any device, far below where sums of sizes overflow. */
#define MKFS_MAX_CHUNK_BYTES ((uint64_t)1 << 56)

/* The part of mkfs_plan_check that needs no devices. */
int mkfs_shape_check(const struct mkfs_plan *plan) must_check;

/* ---- layout ---- */

enum mkfs_chunk_nr { MKFS_CHUNK_SYSTEM, MKFS_CHUNK_METADATA, MKFS_CHUNK_DATA, MKFS_MAX_CHUNKS };

struct mkfs_chunk {
	uint64_t logical;
	uint64_t len_bytes;    /* logical */
	uint64_t stripe_bytes; /* on each device, per stripe */
	uint64_t flags;
	uint16_t nr_stripes, sub_stripes;
	struct stripe *stripes; /* owned */
};

/* The unused middle of a device: chunks grow from both ends towards it. */
struct mkfs_span {
	uint64_t low, high;
};

struct mkfs_layout {
	struct mkfs_chunk chunks[MKFS_MAX_CHUNKS];
	unsigned nr_chunks;	 /* 2 without a data chunk (mixed, or none wanted) */
	struct mkfs_span *spans; /* by device; owned */
};

/*
 * Places the chunks. ERR_TOO_SMALL (naming the size that would do) when the devices cannot hold
 * them.
 */
int mkfs_layout_init(struct mkfs_layout *layout, const struct mkfs_plan *plan) must_check;
/* Zeroed is allowed. */
void mkfs_layout_fini(struct mkfs_layout *layout);
/* Sum of the stripes of all chunks on the device with this index. */
uint64_t mkfs_layout_used_bytes(const struct mkfs_layout *layout, unsigned device_index);

/* ---- trees ---- */

enum mkfs_tree_nr {
	MKFS_TREE_CHUNK, /* the only one in the system chunk */
	MKFS_TREE_ROOT,
	MKFS_TREE_EXTENT,
	MKFS_TREE_DEV,
	MKFS_TREE_FS,
	MKFS_TREE_CSUM,
	MKFS_TREE_UUID,
	MKFS_TREE_FREE_SPACE,
	MKFS_TREE_BLOCK_GROUP,
	MKFS_TREE_DATA_RELOC,
	MKFS_NR_TREES
};

struct mkfs_item {
	struct key key;
	uint32_t at, len; /* in the tree's bytes */
};

struct mkfs_node {
	uint64_t addr;
	struct key first_key; /* KEY_MIN for the empty leaf */
	uint32_t first, nr;   /* leaf: items; above: nodes of the level below */
	uint8_t level;
};

/*
 * A tree in memory: first its items in any order, then sorted and packed into nodes, leaves first,
 * the root last.
 */
struct mkfs_tree {
	uint64_t owner;
	bool present;
	struct mkfs_item *items;
	size_t nr_items, max_items;
	uint8_t *bytes;
	size_t nr_bytes, max_bytes;
	struct mkfs_node *nodes;
	size_t nr_nodes, max_nodes;
};

void mkfs_tree_fini(struct mkfs_tree *tree);
/* Forgets the items; the nodes stay until the next pack. */
void mkfs_tree_clear(struct mkfs_tree *tree);
/* A new item of len zero bytes; the pointer is valid until the next one is added. */
int mkfs_tree_add(struct mkfs_tree *tree, struct key key, uint32_t len,
		  uint8_t **ret_data) must_check;
/* Sorts the items and packs them into nodes without addresses. */
int mkfs_tree_pack(struct mkfs_tree *tree, const struct geometry *g) must_check;
/* The root node, or NULL before the first pack. */
const struct mkfs_node *mkfs_tree_root(const struct mkfs_tree *tree);
/* Writes the bytes of one node, checksum included, to buffer (nodesize bytes). */
void mkfs_node_format(const struct mkfs_plan *plan, const struct mkfs_tree *tree,
		      const struct mkfs_node *node, uint8_t *buffer);

/* ---- build ---- */

struct mkfs_range {
	uint64_t at, len_bytes;
};

/* Addresses for tree blocks in one chunk: upwards, around the superblock copies. */
struct mkfs_space {
	const struct mkfs_chunk *chunk;
	struct mkfs_range *reserved; /* ascending; owned */
	size_t nr_reserved, max_reserved;
	struct mkfs_range *used; /* ascending, merged; owned */
	size_t nr_used, max_used;
	uint64_t used_bytes;
	uint64_t next;
};

/* A whole empty filesystem in memory. */
struct mkfs_build {
	const struct mkfs_plan *plan;
	struct mkfs_layout layout;
	struct volume
		*volume; /* the map only: its devices are missing, so that it owns none of ours */
	struct mkfs_space spaces[MKFS_MAX_CHUNKS];
	struct mkfs_tree trees[MKFS_NR_TREES];
};

/*
 * Lays out and builds; the plan has been checked. mkfs_build_fini after success and after failure.
 */
int mkfs_build_init(struct mkfs_build *build, const struct mkfs_plan *plan) must_check;
void mkfs_build_fini(struct mkfs_build *build);
DEFINE_SCOPED(mkfs_build, mkfs_build_fini)
/* Tree blocks of all trees, in bytes. */
uint64_t mkfs_build_used_bytes(const struct mkfs_build *build);

/*
 * Fills the items of every tree from the layout and from the nodes (count, addresses, keys) of the
 * round before.
 */
int mkfs_trees_fill(struct mkfs_build *build) must_check;
/* The DEV_ITEM of a device: in the chunk tree and in its superblock. */
void mkfs_dev_item_fill(const struct mkfs_build *build, unsigned device_index, uint8_t *item);
/* The item of a chunk: in the chunk tree and in the superblock's array. */
void mkfs_chunk_item_fill(const struct mkfs_plan *plan, const struct mkfs_chunk *chunk,
			  uint8_t *item);
/* The superblock of one device, without bytenr and checksum. */
void mkfs_super_fill(const struct mkfs_build *build, unsigned device_index, uint8_t *super);

#endif
