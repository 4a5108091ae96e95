/*
 * Inside 04 volume: the volume itself, and the arithmetic that reading, writing and the reverse map
 * share.
 *
 * Vocabulary: a chunk's stripes stand in groups of `copies` mirrors; a striped chunk deals units of
 * 64 KiB to its columns (groups) in turn. The mirrors of a byte are neighbours in the array of
 * stripes, at one offset in each. With parity a row of units has the columns of data, then P, then
 * Q; column c of row r lies on stripe (r + c) % nr_stripes.
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
	const struct map_ops *map_ops; /* NULL: chunks say it all; fixed before the first read */
	void *map_ctx;
};

/*
 * What I/O needs of the chunk that holds an address; taken under the map's lock, used without
 * it.
 */
struct chunk_view {
	const struct chunk *chunk;
	const struct profile *profile;
	unsigned nr_columns; /* of data */
	uint64_t end;	     /* logical, behind the last byte */
};

/* ERR_NO_MAPPING without a chunk there. */
int chunk_map_view(struct volume *volume, uint64_t logical, struct chunk_view *ret_view) must_check;
/* The same for writing: ERR_UNSUPPORTED for parity, and for what the stripe tree maps. */
int chunk_map_view_writable(struct volume *volume, uint64_t logical,
			    struct chunk_view *ret_view) must_check;
/* The entry of the device that a stripe lies on, without a lock but for the first time; NULL when
 * it is not known. */
struct volume_device *chunk_device(struct volume *volume, const struct chunk *chunk,
				   unsigned stripe);
/* Is this chunk mapped by the stripe tree? */
bool chunk_is_remapped(const struct volume *volume, const struct chunk *chunk);
/* The first chunk that cannot be written: ERR_UNSUPPORTED. */
int chunk_map_check_writable(struct volume *volume) must_check;
/* The sum of what all chunks take on a device. The map's lock is held. */
uint64_t chunk_map_used_locked(const struct volume *volume, uint64_t devid);

/*
 * Takes bytes to (or, negative, from) used_bytes of a device that is known. The set's lock is
 * held for writing.
 */
void device_set_account_locked(struct volume *volume, uint64_t devid, int64_t delta_bytes);

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
struct stripe_piece stripe_map(const struct chunk_view *view, uint64_t offset, uint64_t len_bytes);
/* The stripe and address of one mirror (1..copies) of a piece. */
static inline struct phys stripe_phys(const struct chunk *chunk, const struct stripe_piece *piece,
				      unsigned mirror)
{
	return PHYS(chunk->stripes[piece->first_stripe + mirror - 1].at.at + piece->offset);
}

/* With parity: the column that a stripe of the piece's row holds, and the reverse. */
unsigned parity_column(const struct chunk_view *view, const struct stripe_piece *piece,
		       unsigned stripe);
unsigned parity_stripe(const struct chunk_view *view, const struct stripe_piece *piece,
		       unsigned column);
/*
 * With parity: the column that mirror 2.. of a piece does without, beside that of the piece itself:
 * another one of data, or P, or Q (nr_columns + 1; RAID5 has none there).
 */
unsigned parity_second(const struct chunk_view *view, const struct stripe_piece *piece,
		       unsigned mirror);
/* Mirrors of every byte of such a chunk. */
unsigned profile_mirrors(const struct profile *profile, unsigned nr_stripes);

/* raid_read.c: reads bytes of the device that a stripe lies on. ERR_NO_MIRROR when it is missing. */
int stripe_read(struct volume *volume, const struct chunk *chunk, unsigned stripe, struct phys at,
		void *data, size_t len) must_check;
/* Where the stripe tree puts a mirror; the device is the one that the chunk says. */
int volume_map_by_tree(struct volume *volume, const struct chunk_view *view, uint64_t logical,
		       unsigned mirror, struct phys *ret_at) must_check;
/* raid_rebuild.c: mirror 2.. of a piece of a chunk with parity. */
int raid_rebuild(struct volume *volume, const struct chunk_view *view,
		 const struct stripe_piece *piece, unsigned mirror, uint8_t *data) must_check;

/* mirror_pick.c: the mirror that is asked first when any will do. */
unsigned mirror_pick(struct volume *volume, const struct chunk_view *view,
		     const struct stripe_piece *piece);
/* A device gave something wrong, or good bytes again. */
void device_distrust(struct volume_device *device);
static inline bool device_is_trusted(const struct volume_device *device)
{
	return device && device->device &&
	       !atomic_load_explicit(&device->avoid_left, memory_order_relaxed);
}

#endif
