/*
 * Structured mutation: filesystems whose tree blocks and superblocks are changed, with the
 * checksums repaired, so that everything behind the checksum meets them.
 *
 * An image is one or more files, mapped privately: what is changed, or written while the image is
 * used, is forgotten by image_reset. So thousands of mutants a minute need no copy and no file
 * I/O. A mutant is named by the image, the seed and its number: the same three give the same
 * mutant.
 */
#ifndef UBTRFS_TEST_MUTATE_H
#define UBTRFS_TEST_MUTATE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/rng.h"
#include "format/geometry.h"
#include "ops/ops.h"
#include "rescue/rescue.h"

#define IMAGE_DEVICES_MAX 8u
#define IMAGE_COPIES_MAX 4u
/* Reading a hole through the mapping would take memory for it: whoever reads all would take all. */
#define IMAGE_GRAIN 65536u
#define IMAGE_SUPERS 2u /* those at 64 KiB and 64 MiB */

struct image_copy {
	unsigned device;
	uint64_t at;
};

/* A tree block of the pristine image. */
struct image_block {
	uint64_t addr, generation, owner;
	uint8_t level;
	unsigned nr_copies;
	struct image_copy copies[IMAGE_COPIES_MAX];
};

struct image_range {
	uint64_t start, end;
};

struct image_device {
	uint8_t *map;  /* private */
	uint8_t *held; /* a byte for each IMAGE_GRAIN of it: 0 where nothing but a hole ever was */
	uint64_t size_bytes;
	struct image_range *dirty; /* what differs from the file */
	size_t nr_dirty, capacity;
};

struct image {
	char name[128];
	unsigned nr_devices;
	struct image_device devices[IMAGE_DEVICES_MAX];
	struct mutex lock; /* RANK_LEAF: the dirty ranges */
	uint8_t super[SUPER_SIZE];
	struct geometry geometry;
	struct image_block *blocks;
	size_t nr_blocks;
	uint64_t *subvolumes;
	size_t nr_subvolumes;
	struct device *opened[IMAGE_DEVICES_MAX]; /* given to core_open and not freed yet */
};

/* mutate_image.c: these end the program when they fail. */
void image_load(struct image *image, const char *const *paths, unsigned nr_paths);
void image_free(struct image *image);
void image_reset(struct image *image);
/* What the image is now, as files disk0.img ... in an existing directory. */
void image_save(const struct image *image, const char *dir);
void image_write(struct image *image, unsigned device, uint64_t at, const void *data, size_t len);
/* Opens what the image is now: the errors of fs_new. */
int image_open(struct image *image, bool writable, struct ubtrfs **ret_fs);
/* The same with any options but devices, scan and threads. */
int image_open_with(struct image *image, const struct ubtrfs_open_options *with,
		    struct ubtrfs **ret_fs);
/* The same for what is damaged. */
int image_rescue(struct image *image, struct rescue **ret_rescue);
const struct image_block *image_block_at(const struct image *image, uint64_t addr);

/* mutate_make.c: filesystems of our own making in a new directory; NULL past the last. */
const char *made_image(unsigned index, const char *dir, char paths[IMAGE_DEVICES_MAX][256],
		       unsigned *ret_nr_paths);

/* mutate_fields.c */
struct field {
	uint16_t at;
	uint8_t width;
	const char *name;
};
extern const struct field super_fields[], header_fields[], item_fields[], key_ptr_fields[];
/* Fields at the beginning of an item of this type; NULL when none are known. Ends with width 0. */
const struct field *fields_of_item(uint8_t type);

/* mutate_change.c: one mutant; story tells what was done. */
struct story {
	char text[2048];
	size_t len;
};
void image_mutate(struct image *image, struct rng *rng, struct story *story);

/* mutate_use.c: opens, lists, reads, dumps, copies in, commits. Sentences of failures are noted. */
struct use {
	struct image *image;
	struct rng *rng;
	void (*failed)(void *ctx, int err, const char *call, const char *sentence);
	void *ctx;
	FILE *sink; /* of dumps */
	unsigned nr_entries, nr_read, nr_opened, nr_committed, nr_reopened;
};
void image_use(struct use *use);
/* mutate_ask.c: what filesystem, subvolume and inspect-internal ask. */
void image_ask(struct use *use, struct ubtrfs *fs);

/* mutate_ops.c: what a sequence of operations knows of the filesystem. */
#define OP_ENTRIES_MAX 32u
#define OP_DIRS_MAX 8u
#define OP_HELD_MAX 4u
#define OP_NAME_MAX 256u

struct op_entry {
	struct ubtrfs_node dir, node;
	char name[OP_NAME_MAX];
	size_t len;
	uint8_t type;
};
struct ops {
	struct use *use;
	struct rng *rng;
	struct ubtrfs *fs;
	struct op_entry entries[OP_ENTRIES_MAX]; /* some are gone, or have moved */
	unsigned nr_entries, nr_seen;
	struct ubtrfs_node dirs[OP_DIRS_MAX];
	unsigned nr_dirs;
	struct ubtrfs_node held[OP_HELD_MAX];
	unsigned nr_held, nr_made;
	uint8_t data[64 * 1024]; /* to and from the library */
};
/* A seeded sequence of operations on what the filesystem lists. */
void image_ops(struct use *use, struct ubtrfs *fs);
/* After a commit: opened again, listed, read. */
void image_reopen(struct use *use);
/* Notes a failure, unless it is one that a sound filesystem has too. */
int op_noted(struct ops *ops, int err, const char *call);
#define OP(ops, call) op_noted(ops, call, #call)
/* Any of those that are known; its node may be anything. */
struct op_entry *op_any(struct ops *ops);
struct ubtrfs_node op_any_dir(struct ops *ops);
uint64_t op_any_offset(struct ops *ops, struct ubtrfs_node node);
/* One operation: mutate_op_names.c, mutate_op_data.c, mutate_op_attrs.c. */
void op_names(struct ops *ops);
void op_data(struct ops *ops);
void op_attrs(struct ops *ops);

/* mutate_rescue.c: reads it as something damaged. */
void image_use_rescue(struct use *use);

/* mutate_run.c: mutants [first, first + nr) of a seed, in child processes that are watched. */
struct campaign {
	struct image *images;
	unsigned nr_images;
	uint64_t seed, first, nr;
	unsigned seconds;     /* 0 = no limit */
	const char *log_path; /* NULL = stderr; findings and sentences */
	bool verbose;	      /* the story of each mutant */
	bool no_fork;	      /* for a debugger */
	const char *save_dir; /* the first mutant goes there as files, and nothing else is done */
};
struct campaign_result {
	uint64_t nr_mutants, nr_opened, nr_committed, nr_reopened, nr_entries;
	unsigned nr_crashed, nr_hung, nr_mute;
	uint64_t slowest_ms, most_rss_kib;
};
void campaign_run(const struct campaign *campaign, struct campaign_result *ret_result);

#endif
