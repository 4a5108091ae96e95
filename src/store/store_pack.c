/*
 * store_pack: closes the gap that trimming leaves between the two stripes of a DUP chunk.
 *
 * The upper stripe is copied to the end of the lower one, then chunk and device extents say so. The
 * lower stripe is not touched, so one copy of everything stays where the last commit knows it.
 * Nothing is put under a superblock copy. Locks: none of its own.
 */
#include "format/superblock.h"
#include "store/store_priv.h"

#define PACK_PIECE ((size_t)MIB)

/* The lowest place at or behind `at` for len bytes that no superblock copy lies in. */
static uint64_t pack_place(uint64_t at, uint64_t len)
{
	for (int copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++) {
		uint64_t super = super_mirror_offset(copy);

		if (super < at + len && at < super + VOLUME_STRIPE_LEN)
			at = super + VOLUME_STRIPE_LEN;
	}
	return at;
}

/* Whether another chunk has something on the device between the two addresses. */
static bool is_between_others(struct volume *volume, const struct chunk *own, uint64_t devid,
			      uint64_t from, uint64_t to)
{
	const struct chunk *chunk = chunk_map_next(volume, 0);

	for (; chunk; chunk = chunk_map_next(volume, chunk->logical + chunk->len_bytes)) {
		uint64_t len = chunk_stripe_bytes(chunk);

		for (unsigned i = 0; chunk != own && i < chunk->nr_stripes; i++)
			if (chunk->stripes[i].devid == devid && chunk->stripes[i].at.at < to &&
			    chunk->stripes[i].at.at + len > from)
				return true;
	}
	return false;
}

static int pack_copy(struct device *device, uint64_t from, uint64_t to, uint64_t len)
{
	SCOPED_MEM uint8_t *piece = mem_alloc(PACK_PIECE);

	if (!piece)
		return MEM_FAIL("moving a stripe");
	for (uint64_t done = 0; done < len;) {
		size_t step = MIN(len - done, PACK_PIECE);

		TRY(device_read(device, PHYS(from + done), piece, step));
		TRY(device_write(device, PHYS(to + done), piece, step));
		done += step;
	}
	return 0;
}

static int pack_to(struct txn *txn, struct store *store, const struct chunk *chunk,
		   struct stripe stripes[2])
{
	struct chunk_spec spec = { .logical = chunk->logical,
				   .len_bytes = chunk->len_bytes,
				   .flags = chunk->flags,
				   .nr_stripes = 2,
				   .sub_stripes = chunk->sub_stripes,
				   .stripes = stripes };

	TRY(chunk_store_remove(txn, store, chunk));
	TRY(chunk_map_remove(store->volume, spec.logical));
	TRY(chunk_map_add(store->volume, &spec));
	return chunk_store_insert(txn, store, chunk_map_find(store->volume, spec.logical));
}

int store_pack_stripes(struct txn *txn, struct store *store, uint64_t logical)
{
	const struct chunk *chunk = chunk_map_find(store->volume, logical);
	struct volume_device *device;
	struct stripe stripes[2];
	uint64_t len, place;

	ASSERT(chunk && chunk->logical == logical);
	if (!(chunk->flags & BTRFS_BLOCK_GROUP_DUP) || chunk->nr_stripes != 2 ||
	    chunk->stripes[0].at.at > chunk->stripes[1].at.at)
		return 0;
	memcpy(stripes, chunk->stripes, sizeof(stripes));
	len = chunk_stripe_bytes(chunk);
	place = pack_place(stripes[0].at.at + len, len);
	device = volume_device_find(store->volume, stripes[1].devid);
	if (!device || !device->device || place >= stripes[1].at.at ||
	    is_between_others(store->volume, chunk, stripes[1].devid, place, place + len))
		return 0;
	TRY(pack_copy(device->device, stripes[0].at.at, place, len));
	stripes[1].at = PHYS(place);
	return pack_to(txn, store, chunk, stripes);
}
