/*
 * Reading from a volume: each piece from one mirror, or from the first that answers.
 *
 * Owns nothing; holds no lock during I/O. A mirror on a missing device is passed over, like one
 * whose device fails. Does not verify what it read: the caller does, and asks for another mirror by
 * number.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "format/disk_ids.h"
#include "volume/volume_priv.h"

/* What is read in one go: a piece of a chunk, and where a map beside the chunks puts it. */
struct source {
	const struct chunk_view *view;
	struct stripe_piece piece;
	uint64_t logical;
	const struct map_extent *extent; /* NULL: where the chunk says */
};

int stripe_read(struct volume *volume, const struct chunk *chunk, unsigned stripe, struct phys at,
		void *data, size_t len)
{
	struct volume_device *entry = chunk_device(volume, chunk, stripe);
	int err;

	if (!entry || !entry->device)
		return THROW(ERR_NO_MIRROR, "device %llu is missing",
			     (unsigned long long)chunk->stripes[stripe].devid);
	err = device_read(entry->device, at, data, len);
	if (err < 0)
		device_distrust(entry);
	return err;
}

/* Where a map entry puts the mirror that the chunk has on this device (DUP: on its one device). */
static int extent_place(const struct map_extent *extent, uint64_t logical, bool by_index,
			unsigned mirror, uint64_t devid, struct phys *ret_at)
{
	for (unsigned i = 0; i < extent->nr_strides; i++) {
		const struct map_stride *stride = &extent->strides[i];

		if (stride->devid != devid || (by_index && i != mirror - 1))
			continue;
		CORRUPT_IF(
			!add_fits(stride->at.at, logical - extent->logical, &ret_at->at),
			"logical %llu: its place in the stripe tree lies beyond the last address",
			(unsigned long long)logical);
		return 0;
	}
	return THROW(
		ERR_NO_MAPPING,
		"logical %llu: the entry of the stripe tree at %llu, %llu bytes, does not name "
		"device %llu",
		(unsigned long long)logical, (unsigned long long)extent->logical,
		(unsigned long long)extent->len_bytes, (unsigned long long)devid);
}

static int source_place(const struct source *source, unsigned mirror, struct phys *ret_at)
{
	const struct chunk *chunk = source->view->chunk;

	*ret_at = stripe_phys(chunk, &source->piece, mirror);
	if (!source->extent)
		return 0;
	return extent_place(source->extent, source->logical, chunk->flags & BTRFS_BLOCK_GROUP_DUP,
			    mirror, chunk->stripes[source->piece.first_stripe + mirror - 1].devid,
			    ret_at);
}

static int read_mirror(struct volume *volume, const struct source *source, unsigned mirror,
		       void *data)
{
	struct phys at;
	int err;

	if (mirror > source->view->profile->copies)
		return raid_rebuild(volume, source->view, &source->piece, mirror, data);
	TRY(source_place(source, mirror, &at));
	err = stripe_read(volume, source->view->chunk, source->piece.first_stripe + mirror - 1, at,
			  data, source->piece.len_bytes);
	return err < 0 ? err_prefix(err, "copy %u: ", mirror) : 0;
}

/* The last failure stands for all: with one copy it is the whole truth. */
static int read_any(struct volume *volume, const struct source *source, unsigned nr_mirrors,
		    void *data)
{
	unsigned first = mirror_pick(volume, source->view, &source->piece);
	int err = read_mirror(volume, source, first, data);

	for (unsigned mirror = 1; err < 0 && mirror <= nr_mirrors; mirror++) {
		if (mirror != first)
			err = read_mirror(volume, source, mirror, data);
	}
	if (err >= 0)
		return 0;
	return THROW(ERR_NO_MIRROR, "logical %llu: none of %u copies can be read; the last: %s",
		     (unsigned long long)source->logical, nr_mirrors, err_text(err));
}

static int read_source(struct volume *volume, const struct source *source, unsigned mirror,
		       void *data)
{
	unsigned nr_mirrors =
		profile_mirrors(source->view->profile, source->view->chunk->nr_stripes);
	int err;

	if (!mirror)
		return read_any(volume, source, nr_mirrors, data);
	if (mirror > nr_mirrors)
		return THROW(ERR_NO_MIRROR, "logical %llu has %u copies, not %u",
			     (unsigned long long)source->logical, nr_mirrors, mirror);
	err = read_mirror(volume, source, mirror, data);
	return err < 0 ? err_prefix(err, "logical %llu, ", (unsigned long long)source->logical) : 0;
}

/* ---- the map beside the chunks ---- */

/* The entry that holds the address; the one at hand may be it. Clips the piece to it. */
static int extent_find(struct volume *volume, uint64_t logical, struct map_extent *extent,
		       struct stripe_piece *piece)
{
	uint64_t left;

	if (logical < extent->logical || logical - extent->logical >= extent->len_bytes) {
		TRY(volume->map_ops->find(volume->map_ctx, logical, extent));
		ASSERT(logical >= extent->logical && extent->nr_strides <= VOLUME_MAX_STRIDES);
		ASSERT(logical - extent->logical < extent->len_bytes);
	}
	left = extent->len_bytes - (logical - extent->logical);
	piece->len_bytes = MIN(piece->len_bytes, left);
	return 0;
}

int volume_map_by_tree(struct volume *volume, const struct chunk_view *view, uint64_t logical,
		       unsigned mirror, struct phys *ret_at)
{
	struct map_extent extent = { 0 };
	struct source source = { .view = view, .logical = logical, .extent = &extent };

	source.piece = stripe_map(view, logical - view->chunk->logical, 1);
	TRY(extent_find(volume, logical, &extent, &source.piece));
	return source_place(&source, mirror, ret_at);
}

/* ---- ranges ---- */

static int read_chunk(struct volume *volume, const struct chunk_view *view, uint64_t logical,
		      uint8_t *data, uint64_t len, unsigned mirror)
{
	bool remapped = chunk_is_remapped(volume, view->chunk);
	struct map_extent extent;

	ASSERT(logical >= view->chunk->logical && len <= view->end - logical);
	extent.len_bytes = 0;
	extent.logical = 0;
	while (len) {
		struct source source = { .view = view,
					 .piece = stripe_map(view, logical - view->chunk->logical,
							     len),
					 .logical = logical };

		if (remapped) {
			TRY(extent_find(volume, logical, &extent, &source.piece));
			source.extent = &extent;
		}
		TRY(read_source(volume, &source, mirror, data));
		data += source.piece.len_bytes;
		logical += source.piece.len_bytes;
		len -= source.piece.len_bytes;
	}
	return 0;
}

int volume_read(struct volume *volume, uint64_t logical, void *data, size_t len, unsigned mirror)
{
	uint8_t *to = data;

	while (len) {
		struct chunk_view view;
		uint64_t run;

		TRY(chunk_map_view(volume, logical, &view));
		run = MIN(len, view.end - logical);
		TRY(read_chunk(volume, &view, logical, to, run, mirror));
		to += run;
		logical += run;
		len -= run;
	}
	return 0;
}
