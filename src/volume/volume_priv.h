/*
 * Inside 04 volume: the volume itself, and the arithmetic that reading, writing and the reverse map
 * share.
 *
 * Vocabulary: a chunk's stripes stand in groups of `copies` mirrors; a striped chunk deals units of
 * 64 KiB to its columns (groups) in turn. The mirrors of a byte are neighbours in the array of
 * stripes, at one offset in each.
 */
#ifndef UBTRFS_VOLUME_VOLUME_PRIV_H
#define UBTRFS_VOLUME_VOLUME_PRIV_H

#include "volume/volume.h"

/* The grain of addresses in chunks: the smallest sector that btrfs has. */
#define VOLUME_GRAIN_BYTES 4096u

struct volume {
	struct rwlock map_lock; /* RANK_CHUNK_MAP: chunks, and the length of each */
	struct rbtree chunks;
	struct rwlock set_lock; /* RANK_DEVICE_SET: the array, and used_bytes of each */
	unsigned nr_devices;
	struct volume_device *devices[VOLUME_MAX_DEVICES]; /* in order of devid */
};

/*
 * What I/O needs of the chunk that holds an address; taken under the map's lock, used without
 * it.
 */
struct chunk_view {
	const struct chunk *chunk;
	const struct profile *profile;
	unsigned nr_columns;
	uint64_t end; /* logical, behind the last byte */
};

/* ERR_NO_MAPPING without a chunk there, ERR_UNSUPPORTED for a profile without I/O (parity). */
int chunk_map_view(struct volume *volume, uint64_t logical, struct chunk_view *ret_view) must_check;
/* The sum of what all chunks take on a device. The map's lock is held. */
uint64_t chunk_map_used_locked(const struct volume *volume, uint64_t devid);

/*
 * Takes bytes to (or, negative, from) used_bytes of a device that is known. The set's lock is
 * held for writing.
 */
void device_set_account_locked(struct volume *volume, uint64_t devid, int64_t delta_bytes);
struct volume_device *device_set_find_locked(const struct volume *volume, uint64_t devid);

/* Groups of stripes that take turns; 1 when the chunk is not striped. */
unsigned stripe_columns(const struct profile *profile, unsigned nr_stripes);
/* What each stripe takes on its device, for a chunk of this geometry. */
uint64_t stripe_bytes(const struct profile *profile, unsigned nr_stripes, uint64_t chunk_bytes);

/* Where a range of a chunk starts, and how far it goes on in one stretch on the same devices. */
struct stripe_piece {
	unsigned first_stripe; /* the group's mirrors are this one and its neighbours */
	uint64_t offset;       /* in the device extent of each of them */
	uint64_t len_bytes;
};

/* offset and len_bytes lie inside the chunk, len_bytes > 0. */
struct stripe_piece stripe_map(unsigned nr_columns, unsigned copies, uint64_t offset,
			       uint64_t len_bytes);
/* The stripe and address of one mirror (1..copies) of a piece. */
static inline struct phys stripe_phys(const struct chunk *chunk, const struct stripe_piece *piece,
				      unsigned mirror)
{
	return PHYS(chunk->stripes[piece->first_stripe + mirror - 1].at.at + piece->offset);
}

#endif
