/*
 * The arithmetic of striping: from an offset in a chunk to a group of stripes and an offset in
 * their device extents.
 *
 * Pure: no state, no lock, no I/O. Unit u of 64 KiB of a striped chunk lies in column u % columns,
 * row u / columns; column c is the group of stripes c * copies and its neighbours. With parity the
 * columns move on by one stripe from row to row. Without, a chunk with one column is one stretch.
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

struct stripe_piece stripe_map(const struct chunk_view *view, uint64_t offset, uint64_t len_bytes)
{
	unsigned nr_columns = view->nr_columns;
	uint64_t unit = offset / VOLUME_STRIPE_LEN;
	uint64_t in_unit = offset % VOLUME_STRIPE_LEN;
	uint64_t left = VOLUME_STRIPE_LEN - in_unit;
	struct stripe_piece piece;

	ASSERT_SLOW(nr_columns > 0 && len_bytes > 0);
	if (nr_columns == 1 && !view->profile->parity)
		return (struct stripe_piece){ .offset = offset, .len_bytes = len_bytes };
	piece = (struct stripe_piece){
		.first_stripe = (unsigned)(unit % nr_columns) * view->profile->copies,
		.offset = unit / nr_columns * VOLUME_STRIPE_LEN + in_unit,
		.len_bytes = MIN(len_bytes, left),
	};
	if (view->profile->parity)
		piece.first_stripe = parity_stripe(view, &piece, piece.first_stripe);
	return piece;
}

/* ---- parity ---- */

static unsigned row_shift(const struct chunk_view *view, const struct stripe_piece *piece)
{
	return (unsigned)(piece->offset / VOLUME_STRIPE_LEN % view->chunk->nr_stripes);
}

unsigned parity_stripe(const struct chunk_view *view, const struct stripe_piece *piece,
		       unsigned column)
{
	return (row_shift(view, piece) + column) % view->chunk->nr_stripes;
}

unsigned parity_column(const struct chunk_view *view, const struct stripe_piece *piece,
		       unsigned stripe)
{
	unsigned nr_stripes = view->chunk->nr_stripes;

	return (stripe + nr_stripes - row_shift(view, piece)) % nr_stripes;
}

unsigned parity_second(const struct chunk_view *view, const struct stripe_piece *piece,
		       unsigned mirror)
{
	unsigned lost = parity_column(view, piece, piece->first_stripe);
	unsigned other = mirror - 4;

	ASSERT(mirror >= 2 && mirror <= profile_mirrors(view->profile, view->chunk->nr_stripes));
	if (mirror == 2)
		return view->nr_columns + 1;
	if (mirror == 3)
		return view->nr_columns;
	return other < lost ? other : other + 1;
}

unsigned profile_mirrors(const struct profile *profile, unsigned nr_stripes)
{
	if (profile->parity == 2)
		return nr_stripes;
	return profile->parity ? 2 : profile->copies;
}
