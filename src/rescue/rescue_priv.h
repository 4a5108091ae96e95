/*
 * Inside rescue: what its files hand to each other.
 *
 * Vocabulary. A record is a line of the index. A view (struct tree_view) is one tree as far as it
 * can be read: a root, and patches in place of blocks that are gone. A span is a range of keys with
 * the leaf that speaks for it, or with none. "Certain" means: reached through checked pointers from
 * the root, or named by the extent tree as a block of this tree; everything else is "older".
 */
#ifndef UBTRFS_RESCUE_RESCUE_PRIV_H
#define UBTRFS_RESCUE_RESCUE_PRIV_H

#include "base/assert.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/rbtree.h"
#include "format/format.h"
#include "rescue/rescue.h"
#include "volume/volume.h"

/* 64 bytes each: tree blocks of 16 KiB for 45 GiB of metadata. */
#define BLOCK_INDEX_MAX ((size_t)3000000)
/* Pieces of all patches together, about 150 bytes each. */
#define PATCH_PIECES_MAX ((size_t)1000000)
#define BLOCK_CACHE_BYTES ((size_t)24 << 20)
/* Trees from which a snapshot may have blocks: itself, its origin, the origin of that, ... */
#define LINEAGE_MAX 32u
/* What is wrong with single blocks is told this often; then only counted. */
#define BLOCK_WARNINGS_MAX 10u

/* ---- block_read.c ---- */

/* What the pointer to a block says of it. */
struct block_expect {
	uint64_t generation; /* 0: anything */
	int level;	     /* -1: anything */
	bool has_first;
	struct key first;
};

struct block_slot {
	uint64_t addr; /* 0: empty */
	uint8_t *data;
};

/* ---- block_index.c ---- */

struct block_record {
	uint64_t addr, owner, generation;
	uint8_t first[KEY_DISK_SIZE], last[KEY_DISK_SIZE];
	uint8_t level;
};

struct block_index {
	bool built, is_full;
	struct block_record *records; /* by owner, level, first key, generation (newest first) */
	size_t nr, capacity;
	uint32_t *reach; /* of the records of a group up to here: the one with the greatest last key */
};

/* ---- tree views ---- */

struct piece {
	struct rb_node node;
	struct key lo, hi, first;
	uint64_t addr, generation;
	uint8_t level;
	bool certain;
};

struct patch {
	struct hash_node hash;
	uint64_t addr;
	struct key lo, hi;
	struct rbtree pieces;
};

/* A block on the way down: where it is, what is expected, the keys it speaks for. */
struct tree_step {
	uint64_t addr, generation; /* addr 0: nobody knows; generation: at most this one then */
	uint8_t level;
	bool has_first;
	struct key first, lo, hi;
	bool certain;
	bool is_piece;
};

struct tree_view {
	struct hash_node hash;
	struct rescue_view *of;
	uint64_t id;
	struct tree_step root;
	struct hash_table patches;
	uint64_t nr_patches;
	bool lineage_known;
	unsigned nr_owners;
	uint64_t owners[LINEAGE_MAX];	  /* [0] is the tree itself */
	uint64_t owner_gens[LINEAGE_MAX]; /* blocks of theirs are not newer than this */
};

struct leaf_span {
	struct key lo, hi;
	bool is_lost, certain;
};

struct rescue_view {
	struct rescue *rescue;
	uint64_t generation;
	struct tree_step root; /* of the tree of roots */
	struct hash_table trees;
	bool is_current;
};

/* A root of the tree of roots. */
struct root_candidate {
	uint64_t addr, generation;
	uint8_t level;
	unsigned from;
};

struct rescue {
	struct volume *volume;
	uint8_t super[SUPER_SIZE]; /* the one that is believed */
	bool has_super;		   /* false: made up from tree blocks */
	struct geometry geometry;
	uint8_t fsid[16]; /* of tree blocks */
	struct block_slot *slots;
	size_t nr_slots;
	uint8_t *scratch; /* a block that is being looked at */
	struct block_index index;
	size_t nr_pieces;
	uint64_t blocks_lost;
	struct root_candidate *candidates; /* newest first */
	size_t nr_candidates, max_candidates;
	bool candidates_scanned;
	struct rescue_view *current;
	struct ubtrfs_rescue_options options; /* without the devices */
};

void rescue_warn(struct rescue *rescue, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* *ret_block is valid until the next block is read. ERR_NODE_* and whatever volume says when no
 * copy is the block that is expected; ERR_NO_MEMORY is for nobody to go on after. */
int block_read(struct rescue *rescue, uint64_t addr, const struct block_expect *expect,
	       const uint8_t **ret_block) must_check;
/* Is this a tree block of the filesystem that says it lives here? Quick; no checksum. */
bool block_looks_right(const struct rescue *rescue, const uint8_t *block, uint64_t addr);
/* Checksum, address, contents. */
int block_verify(const struct rescue *rescue, const uint8_t *block, uint64_t addr) must_check;
int block_cache_init(struct rescue *rescue) must_check;
void block_cache_fini(struct rescue *rescue);
bool err_is_fatal(int err);

/* Reads the chunks of metadata once; nothing when it has been done. */
int block_index_build(struct rescue *rescue) must_check;
void block_index_fini(struct block_index *index);
/* Visits the blocks of an owner and level that hold keys of [lo, hi]. */
int block_index_overlaps(const struct block_index *index, uint64_t owner, unsigned level,
			 const struct key *lo, const struct key *hi,
			 int (*visit)(void *ctx, const struct block_record *record),
			 void *ctx) must_check;
/* The records of an owner, all levels: [*ret_from, *ret_to). */
void block_index_owner(const struct block_index *index, uint64_t owner, size_t *ret_from,
		       size_t *ret_to);
/* The newest root of a tree that is not newer than generation; its address is 0 when the root itself
 * is gone and only blocks below it are left. False: nothing is. */
bool block_index_root(const struct block_index *index, uint64_t owner, uint64_t generation,
		      struct block_record *ret_root);

/* block_live.c: who refers to a tree block. */
#define BLOCK_REFS_MAX 64u
struct block_refs {
	bool known;  /* the extent tree can be read there */
	bool exists; /* and has the block */
	uint64_t generation;
	unsigned nr_roots, nr_parents;
	uint64_t roots[BLOCK_REFS_MAX], parents[BLOCK_REFS_MAX];
};
int block_refs_find(struct rescue_view *view, uint64_t addr,
		    struct block_refs *ret_refs) must_check;
/* Can the extent tree be asked about blocks of this tree? It leads to itself otherwise. */
bool tree_has_witness(uint64_t tree_id);
enum block_life { BLOCK_UNKNOWN, BLOCK_DEAD, BLOCK_LIVE };
/* Of a block below `lost` (an address, whose own references are given) in a tree of files. */
int block_life_below(struct rescue_view *view, const struct block_record *record,
		     const struct block_refs *lost_refs, uint64_t lost_addr, uint64_t tree_id,
		     enum block_life *ret_life) must_check;

/* tree_view.c */
int tree_view_init(struct tree_view *tree, struct rescue_view *view, uint64_t id,
		   const struct tree_step *root) must_check;
void tree_view_fini(struct tree_view *tree);
/* The greatest key that is smaller. */
struct key key_before(struct key key);
struct key key_earlier(struct key a, struct key b);

/* Items of [from, to] in order. */
struct tree_cursor {
	struct tree_view *tree;
	uint8_t *leaf; /* owned */
	struct leaf_span span;
	unsigned slot;
	struct key pos, end;
	unsigned state; /* gathered: UBTRFS_RESCUE_OLDER, _GAP; the caller may clear it */
};
int tree_cursor_init(struct tree_cursor *cursor, struct tree_view *tree) must_check;
void tree_cursor_fini(struct tree_cursor *cursor);
DEFINE_SCOPED(tree_cursor, tree_cursor_fini)
/* ERR_KEY_NOT_FOUND when there is none (any more). */
int tree_cursor_seek(struct tree_cursor *cursor, const struct key *from,
		     const struct key *to) must_check;
int tree_cursor_next(struct tree_cursor *cursor) must_check;
struct key tree_cursor_key(const struct tree_cursor *cursor);
const uint8_t *tree_cursor_data(const struct tree_cursor *cursor);
uint32_t tree_cursor_len(const struct tree_cursor *cursor);
/* The item as the format's functions want it. */
struct item_view tree_cursor_item(const struct tree_cursor *cursor);

/* tree_patch.c: the patch in place of a block; NULL in *ret_patch when there is no room for more. */
int patch_get(struct tree_view *tree, const struct tree_step *at,
	      struct patch **ret_patch) must_check;
struct patch *patch_find(const struct tree_view *tree, const struct tree_step *at);
/* The piece that speaks for key; NULL and the range without one otherwise. */
struct piece *patch_piece(const struct patch *patch, const struct key *key, struct key *ret_lo,
			  struct key *ret_hi);
void patch_free(struct tree_view *tree, struct patch *patch);

/* tree_roots.c */
int view_new(struct rescue *rescue, const struct tree_step *root, uint64_t generation,
	     struct rescue_view **ret_view) must_check;
/* ERR_NOT_FOUND when there is no such tree. Borrowed. */
int view_tree(struct rescue_view *view, uint64_t id, struct tree_view **ret_tree) must_check;
/* Fills owners of a tree of files. */
int tree_lineage(struct tree_view *tree) must_check;
bool tree_id_is_files(uint64_t id);

/* root_find.c */
int candidates_from_supers(struct rescue *rescue, struct device *device) must_check;
int candidates_scan(struct rescue *rescue) must_check;
/* The newest that can be read and is not newer than generation; NULL: none. */
const struct root_candidate *candidate_best(struct rescue *rescue, uint64_t generation);

/* chunk_find.c: the map of chunks from wherever it can be had. */
int chunks_find(struct rescue *rescue) must_check;

/* device_sweep.c: all tree blocks on one device, by physical address. */
struct sweep {
	const uint8_t *fsid;
	struct geometry geometry;
	int (*visit)(void *ctx, struct device *device, uint64_t at, const uint8_t *block);
	void *ctx;
};
int device_sweep(const struct sweep *sweep, struct device *device) must_check;
/* Finds the geometry and fsid of what is on a device by its tree blocks. ERR_NOT_FOUND. */
int device_guess(struct device *device, struct geometry *ret_geometry,
		 uint8_t ret_fsid[16]) must_check;

/* super_guess.c: a superblock made up from tree blocks. */
int super_guess(struct rescue *rescue, struct device **devices, unsigned nr_devices) must_check;

/* salvage_inode.c */
/* ERR_NOT_FOUND: no such item; *ret_state says whether that is certain. */
int salvage_inode_item(struct tree_view *tree, uint64_t ino, uint8_t ret_item[INODE_ITEM_SIZE],
		       unsigned *ret_state) must_check;

/* salvage_stray.c: does the inode's own list have this name in this directory? */
int salvage_has_name(struct tree_view *tree, uint64_t ino, uint64_t dir, const char *name,
		     size_t len, bool *ret_has, bool *ret_certain) must_check;

/* salvage_csum.c: checksums of nr sectors at a logical address, as far as they are left; ret_have has
 * one of these for each. */
enum { CSUM_NONE, CSUM_OLDER, CSUM_CERTAIN };
int csums_find(struct rescue_view *view, uint64_t addr, size_t nr, uint8_t *ret_csums,
	       uint8_t *ret_have) must_check;

#endif
