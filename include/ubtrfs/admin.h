/*
 * The filesystem as a whole: where its space is, its devices and chunks, its label; and what files
 * take.
 *
 * A visit that returns nonzero stops, and that is returned; it calls no function of the library on
 * the same filesystem.
 */
#ifndef UBTRFS_ADMIN_H
#define UBTRFS_ADMIN_H

#include <ubtrfs/file.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bits of flags of spaces and chunks: BTRFS_BLOCK_GROUP_* of the format, and this one. */
#define UBTRFS_SPACE_GLOBAL_RESERVE ((uint64_t)1 << 49)

/* Block groups of one type and profile together. */
struct ubtrfs_space {
	uint64_t flags;
	uint64_t total_bytes, used_bytes; /* logical: one copy */
};
/*
 * In the order of Linux: data, system, metadata, mixed; within each by the profile's bit; last the
 * global reserve, as large as Linux makes it.
 */
int ubtrfs_space_each(struct ubtrfs *fs, int (*visit)(void *ctx, const struct ubtrfs_space *space),
		      void *ctx);
/* "Data", "System", "Metadata", "Data+Metadata", "GlobalReserve"; "single", "DUP", "RAID0", ... */
const char *ubtrfs_space_type(uint64_t flags);
const char *ubtrfs_space_profile(uint64_t flags);
/* What a profile does with bytes: its copies, and how many stripes of a row hold parity. */
unsigned ubtrfs_profile_copies(uint64_t flags, unsigned *ret_nr_parity);
/* What df would say is available to data on a mount. */
int ubtrfs_available(struct ubtrfs *fs, uint64_t *ret_bytes);
/* As the superblock of the last commit says. */
int ubtrfs_used(struct ubtrfs *fs, uint64_t *ret_bytes);

struct ubtrfs_device {
	uint64_t devid;
	uint8_t uuid[16];
	uint64_t total_bytes; /* what the filesystem may use */
	uint64_t used_bytes;  /* in chunks */
	uint64_t size_bytes;  /* of the device itself; 0 when missing */
	const char *path;     /* borrowed during the call; NULL when missing */
	bool seed;
};
/* By devid. */
int ubtrfs_device_each(struct ubtrfs *fs,
		       int (*visit)(void *ctx, const struct ubtrfs_device *device), void *ctx);

struct ubtrfs_stripe {
	uint64_t devid, physical;
};
struct ubtrfs_chunk {
	uint64_t logical, len_bytes, flags;
	uint64_t used_bytes;   /* logical */
	uint64_t stripe_bytes; /* what a stripe takes on its device */
	unsigned nr_stripes;
	const struct ubtrfs_stripe *stripes; /* borrowed during the call */
};
/* By logical address. */
int ubtrfs_chunk_each(struct ubtrfs *fs, int (*visit)(void *ctx, const struct ubtrfs_chunk *chunk),
		      void *ctx);

/* To how little a device could be resized, as btrfs-progs reckons. -ENOENT: no such device. */
int ubtrfs_min_device_size(struct ubtrfs *fs, uint64_t devid, uint64_t *ret_bytes);

/*
 * At most 255 bytes, no newline: else -EINVAL. It gets into the superblocks of all devices with the
 * next commit. The label is in ubtrfs_info.
 */
int ubtrfs_set_label(struct ubtrfs *fs, const char *label);

/* ---- what files take ---- */

/* A piece of a file that lies in an extent of its own. */
struct ubtrfs_piece {
	uint64_t offset, len_bytes; /* in the file */
	uint64_t logical; /* where it begins; of a compressed one: where its extent does */
	bool shared;	  /* somebody else uses the extent too, or another place of the file */
	bool prealloc;	  /* reads as zeroes */
	bool encoded;	  /* compressed */
};
/*
 * Remembers who shares which tree blocks from one file to the next, so that many files are quick;
 * the filesystem does not change as long as it lives. For one thread at a time.
 */
struct ubtrfs_pieces;
int ubtrfs_pieces_new(struct ubtrfs *fs, struct ubtrfs_pieces **ret_pieces);
void ubtrfs_pieces_free(struct ubtrfs_pieces *pieces);
/* Pieces of a regular file in order; holes, and contents that stand in the tree, are none. */
int ubtrfs_pieces_each(struct ubtrfs_pieces *pieces, struct ubtrfs_node node,
		       int (*visit)(void *ctx, const struct ubtrfs_piece *piece), void *ctx);

#ifdef __cplusplus
}
#endif

#endif
