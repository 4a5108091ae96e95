/*
 * The arithmetic of striping: from an offset in a chunk to a group of stripes and an offset in
 * their device extents.
 *
 * Pure: no state, no lock, no I/O. Unit u of 64 KiB of a striped chunk lies in column u % columns,
 * row u / columns; column c is the group of stripes c * copies and its neighbours. A chunk with one
 * column is one stretch.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "volume/volume_priv.h"

unsigned stripe_columns(const struct profile *profile, unsigned nr_stripes)
{
	if (!profile->striped)
		return 1;
	ASSERT(nr_stripes > profile->parity);
	return (nr_stripes - profile->parity) / profile->sub_stripes;
}

uint64_t stripe_bytes(const struct profile *profile, unsigned nr_stripes, uint64_t chunk_bytes)
{
	return chunk_bytes / stripe_columns(profile, nr_stripes);
}

uint64_t chunk_stripe_bytes(const struct chunk *chunk)
{
	return stripe_bytes(profile_of(chunk->flags), chunk->nr_stripes, chunk->len_bytes);
}

struct stripe_piece stripe_map(unsigned nr_columns, unsigned copies, uint64_t offset,
			       uint64_t len_bytes)
{
	uint64_t unit = offset / VOLUME_STRIPE_LEN;
	uint64_t in_unit = offset % VOLUME_STRIPE_LEN;
	uint64_t left = VOLUME_STRIPE_LEN - in_unit;

	ASSERT_SLOW(nr_columns > 0 && copies > 0 && len_bytes > 0);
	if (nr_columns == 1)
		return (struct stripe_piece){ .offset = offset, .len_bytes = len_bytes };
	return (struct stripe_piece){
		.first_stripe = (unsigned)(unit % nr_columns) * copies,
		.offset = unit / nr_columns * VOLUME_STRIPE_LEN + in_unit,
		.len_bytes = MIN(len_bytes, left),
	};
}
