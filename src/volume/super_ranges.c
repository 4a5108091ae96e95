/*
 * The reverse map of superblock copies: which logical ranges of a chunk must stay empty.
 *
 * Pure but for the callback; no lock. The rule is Linux's, because the free-space tree on disk
 * counts by it: wherever a superblock offset lies in a device extent of the chunk, 64 KiB (for
 * parity: one full row) from its logical address on; and all that lies below logical 64 KiB. Every
 * device has its copies at the same offsets, so the devid does not matter.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "format/disk_structs.h"
#include "format/superblock.h"
#include "volume/volume_priv.h"

struct super_range {
	uint64_t start, end;
};

/*
 * Bytes of the chunk that one unit on a device stands for: with parity, the reverse map knows
 * whole rows only.
 */
static uint64_t unit_bytes(const struct chunk *chunk, const struct profile *profile)
{
	return profile->parity ?
		       (uint64_t)stripe_columns(profile, chunk->nr_stripes) * VOLUME_STRIPE_LEN :
		       VOLUME_STRIPE_LEN;
}

/* The logical address of a byte at an offset in the device extent of a stripe. */
static uint64_t stripe_logical(const struct chunk *chunk, unsigned stripe, uint64_t offset)
{
	const struct profile *profile = profile_of(chunk->flags);
	uint64_t unit = offset / VOLUME_STRIPE_LEN;

	if (profile->striped && !profile->parity)
		unit = unit * stripe_columns(profile, chunk->nr_stripes) +
		       stripe / profile->sub_stripes;
	return chunk->logical + unit * unit_bytes(chunk, profile) + offset % VOLUME_STRIPE_LEN;
}

/* The range that starts first among those that end behind `from`; false when there is none. */
static bool range_next(const struct chunk *chunk, uint64_t from, struct super_range *ret_range)
{
	struct super_range best = { .start = UINT64_MAX };
	uint64_t unit = unit_bytes(chunk, profile_of(chunk->flags));
	uint64_t extent_bytes = chunk_stripe_bytes(chunk);

	if (from < BTRFS_SUPER_INFO_OFFSET)
		best = (struct super_range){ chunk->logical, BTRFS_SUPER_INFO_OFFSET };
	for (unsigned i = 0; i < chunk->nr_stripes * BTRFS_SUPER_MIRROR_MAX; i++) {
		unsigned stripe = i / BTRFS_SUPER_MIRROR_MAX;
		uint64_t super_at = super_mirror_offset((int)(i % BTRFS_SUPER_MIRROR_MAX));
		uint64_t extent_at = chunk->stripes[stripe].at.at;
		uint64_t start;

		if (super_at < extent_at || super_at - extent_at >= extent_bytes)
			continue;
		start = stripe_logical(chunk, stripe, super_at - extent_at);
		if (start + unit > from && start < best.start)
			best = (struct super_range){ start, start + unit };
	}
	if (best.start == UINT64_MAX)
		return false;
	*ret_range = best;
	return true;
}

int volume_super_ranges(struct volume *volume, const struct chunk *chunk,
			int (*visit)(void *ctx, uint64_t logical, uint64_t len_bytes), void *ctx)
{
	uint64_t end = chunk->logical + chunk->len_bytes;
	uint64_t from = chunk->logical;
	struct super_range range;

	(void)volume;
	/*
	 * Ends: each round moves `from` forward to the end of one of at most 3 * nr_stripes + 1
	 * ranges.
	 */
	while (from < end && range_next(chunk, from, &range)) {
		uint64_t start = MAX(range.start, from), stop = MIN(range.end, end);

		ASSERT(start < stop);
		TRY(visit(ctx, start, stop - start));
		from = stop;
	}
	return 0;
}
