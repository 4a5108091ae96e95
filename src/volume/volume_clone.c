/*
 * Sharing instead of writing: every mirror of a range takes its blocks from an open file.
 *
 * Owns nothing; holds no lock during I/O. Goes stripe by stripe, or in one stretch where there is
 * no striping.
 */
#include "base/bytes.h"
#include "volume/volume_priv.h"

static int clone_piece(struct volume *volume, const struct chunk_view *view,
		       const struct stripe_piece *piece, int from_fd, uint64_t from)
{
	for (unsigned mirror = 1; mirror <= view->profile->copies; mirror++) {
		uint64_t devid = view->chunk->stripes[piece->first_stripe + mirror - 1].devid;
		const struct volume_device *entry = volume_device_find(volume, devid);

		if (!entry || !entry->device)
			return THROW(ERR_DEVICE_IO, "copy %u lies on device %llu, which is missing",
				     mirror, (unsigned long long)devid);
		TRY(device_clone(entry->device, stripe_phys(view->chunk, piece, mirror), from_fd,
				 from, piece->len_bytes));
	}
	return 0;
}

int volume_clone(struct volume *volume, uint64_t logical, int from_fd, uint64_t from, uint64_t len)
{
	while (len) {
		struct chunk_view view;
		struct stripe_piece piece;

		TRY(chunk_map_view_writable(volume, logical, &view));
		piece = stripe_map(&view, logical - view.chunk->logical,
				   MIN(len, view.end - logical));
		TRY(clone_piece(volume, &view, &piece, from_fd, from));
		logical += piece.len_bytes;
		from += piece.len_bytes;
		len -= piece.len_bytes;
	}
	return 0;
}
