/*
 * Reading from a volume: each piece from one mirror, or from the first that answers.
 *
 * Owns nothing; holds no lock during I/O. A mirror on a missing device is passed over, like one
 * whose device fails. Does not verify what it read: the caller does, and asks for another mirror by
 * number.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "volume/volume_priv.h"

static int read_mirror(struct volume *volume, const struct chunk_view *view,
		       const struct stripe_piece *piece, unsigned mirror, void *data)
{
	uint64_t devid = view->chunk->stripes[piece->first_stripe + mirror - 1].devid;
	const struct volume_device *entry = volume_device_find(volume, devid);

	if (!entry || !entry->device)
		return THROW(ERR_NO_MIRROR, "copy %u lies on device %llu, which is missing", mirror,
			     (unsigned long long)devid);
	return device_read(entry->device, stripe_phys(view->chunk, piece, mirror), data,
			   piece->len_bytes);
}

/* The last failure stands for all: with one copy it is the whole truth. */
static int read_any(struct volume *volume, const struct chunk_view *view,
		    const struct stripe_piece *piece, uint64_t logical, void *data)
{
	int err = 0;

	for (unsigned mirror = 1; mirror <= view->profile->copies; mirror++) {
		err = read_mirror(volume, view, piece, mirror, data);
		if (err >= 0)
			return 0;
	}
	return THROW(ERR_NO_MIRROR, "logical %llu: none of %u copies can be read; the last: %s",
		     (unsigned long long)logical, view->profile->copies, err_text(err));
}

static int read_piece(struct volume *volume, const struct chunk_view *view,
		      const struct stripe_piece *piece, uint64_t logical, unsigned mirror,
		      void *data)
{
	int err;

	if (!mirror)
		return read_any(volume, view, piece, logical, data);
	if (mirror > view->profile->copies)
		return THROW(ERR_NO_MIRROR, "logical %llu has %u copies, not %u",
			     (unsigned long long)logical, view->profile->copies, mirror);
	err = read_mirror(volume, view, piece, mirror, data);
	return err < 0 ? err_prefix(err, "logical %llu", (unsigned long long)logical) : 0;
}

static int read_chunk(struct volume *volume, const struct chunk_view *view, uint64_t logical,
		      uint8_t *data, uint64_t len, unsigned mirror)
{
	ASSERT(logical >= view->chunk->logical && len <= view->end - logical);
	while (len) {
		struct stripe_piece piece = stripe_map(view->nr_columns, view->profile->copies,
						       logical - view->chunk->logical, len);

		TRY(read_piece(volume, view, &piece, logical, mirror, data));
		data += piece.len_bytes;
		logical += piece.len_bytes;
		len -= piece.len_bytes;
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
