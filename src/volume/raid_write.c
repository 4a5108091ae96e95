/*
 * Writing to a volume: every byte to all its mirrors.
 *
 * Owns nothing, allocates nothing, copies no data; holds no lock during I/O. A range inside one
 * chunk without striping goes down as the caller's own array of parts. Otherwise slices of the
 * parts are gathered in a small array on the stack; units of one column, which lie apart in the
 * logical range, are neighbours on the device and go down together. Stops at the first failure; a
 * missing device is one. Parity profiles are refused by the map.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "volume/volume_priv.h"

/* Slices per device write: enough for 4 MiB in units of 64 KiB. */
#define BATCH_PARTS 64

/* A place in a row of parts. */
struct part_cursor {
	const struct iovec *part;
	int nr_left;
	size_t offset; /* in *part */
};

static void cursor_skip(struct part_cursor *cursor, uint64_t len)
{
	while (len) {
		size_t left;

		ASSERT(cursor->nr_left > 0);
		left = cursor->part->iov_len - cursor->offset;
		if (len < left) {
			cursor->offset += len;
			return;
		}
		len -= left;
		cursor->part++;
		cursor->nr_left--;
		cursor->offset = 0;
	}
}

/* The slice of the current part that starts here, at most len long; moves behind it. */
static struct iovec cursor_slice(struct part_cursor *cursor, uint64_t len)
{
	struct iovec slice;
	size_t left;

	/* cursor_skip stops before an empty part. */
	while (cursor->nr_left > 0 && !cursor->part->iov_len) {
		cursor->part++;
		cursor->nr_left--;
	}
	ASSERT(cursor->nr_left > 0);
	left = cursor->part->iov_len - cursor->offset;
	slice.iov_base = (uint8_t *)cursor->part->iov_base + cursor->offset;
	slice.iov_len = MIN(len, left);
	cursor_skip(cursor, slice.iov_len);
	return slice;
}

/* What goes down in one write to each mirror: adjacent on the devices. */
struct batch {
	struct stripe_piece piece;
	int nr_parts;
	struct iovec parts[BATCH_PARTS];
};

static int write_mirror(struct volume *volume, const struct chunk_view *view,
			const struct stripe_piece *piece, unsigned mirror,
			const struct iovec *parts, int nr_parts)
{
	uint64_t devid = view->chunk->stripes[piece->first_stripe + mirror - 1].devid;
	const struct volume_device *entry = volume_device_find(volume, devid);

	if (!entry || !entry->device)
		return THROW(ERR_DEVICE_IO, "copy %u lies on device %llu, which is missing", mirror,
			     (unsigned long long)devid);
	return device_writev(entry->device, stripe_phys(view->chunk, piece, mirror), parts,
			     nr_parts);
}

static int write_mirrors(struct volume *volume, const struct chunk_view *view,
			 const struct stripe_piece *piece, const struct iovec *parts, int nr_parts)
{
	for (unsigned mirror = 1; mirror <= view->profile->copies; mirror++) {
		int err = write_mirror(volume, view, piece, mirror, parts, nr_parts);

		if (err < 0)
			return err_prefix(err, "writing to the chunk at %llu",
					  (unsigned long long)view->chunk->logical);
	}
	return 0;
}

static int batch_write(struct volume *volume, const struct chunk_view *view, struct batch *batch)
{
	if (!batch->nr_parts)
		return 0;
	TRY(write_mirrors(volume, view, &batch->piece, batch->parts, batch->nr_parts));
	batch->nr_parts = 0;
	return 0;
}

/*
 * Adds the bytes of a piece, which start at the cursor and follow on the device what the batch
 * holds.
 */
static int batch_add(struct volume *volume, const struct chunk_view *view, struct batch *batch,
		     struct stripe_piece piece, struct part_cursor *cursor)
{
	while (piece.len_bytes) {
		struct iovec slice = cursor_slice(cursor, piece.len_bytes);

		if (batch->nr_parts == BATCH_PARTS)
			TRY(batch_write(volume, view, batch));
		if (!batch->nr_parts)
			batch->piece = piece;
		batch->parts[batch->nr_parts++] = slice;
		piece.offset += slice.iov_len;
		piece.len_bytes -= slice.iov_len;
	}
	return 0;
}

/* All units of one column in the range [offset, offset + len) of the chunk. */
static int write_column(struct volume *volume, const struct chunk_view *view, unsigned column,
			uint64_t offset, uint64_t len, struct part_cursor cursor)
{
	struct batch batch = { .nr_parts = 0 };
	uint64_t end = offset + len, at = offset;
	uint64_t first = offset / VOLUME_STRIPE_LEN;
	unsigned first_column = (unsigned)(first % view->nr_columns);
	unsigned ahead = (column + view->nr_columns - first_column) % view->nr_columns;

	for (uint64_t unit = first + ahead; unit * VOLUME_STRIPE_LEN < end;
	     unit += view->nr_columns) {
		uint64_t start = MAX(unit * VOLUME_STRIPE_LEN, offset);
		struct stripe_piece piece = stripe_map(view, start, end - start);

		cursor_skip(&cursor, start - at);
		TRY(batch_add(volume, view, &batch, piece, &cursor));
		at = start + piece.len_bytes;
	}
	return batch_write(volume, view, &batch);
}

static int write_chunk(struct volume *volume, const struct chunk_view *view, uint64_t logical,
		       uint64_t len, const struct part_cursor *cursor)
{
	uint64_t offset = logical - view->chunk->logical;

	ASSERT(logical >= view->chunk->logical && len <= view->end - logical);
	if (view->nr_columns == 1) {
		struct batch batch = { .nr_parts = 0 };
		struct part_cursor copy = *cursor;
		struct stripe_piece piece = stripe_map(view, offset, len);

		TRY(batch_add(volume, view, &batch, piece, &copy));
		return batch_write(volume, view, &batch);
	}
	for (unsigned column = 0; column < view->nr_columns; column++)
		TRY(write_column(volume, view, column, offset, len, *cursor));
	return 0;
}

int volume_write(struct volume *volume, uint64_t logical, const void *data, size_t len)
{
	/* iov_base is not const, but a write only reads it. */
	struct iovec part = { .iov_base = (void *)data, .iov_len = len };

	return volume_writev(volume, logical, &part, 1);
}

int volume_writev(struct volume *volume, uint64_t logical, const struct iovec *parts, int nr_parts)
{
	struct part_cursor cursor = { .part = parts, .nr_left = nr_parts };
	struct chunk_view view;
	size_t len = 0;

	ASSERT(nr_parts >= 0);
	for (int i = 0; i < nr_parts; i++)
		len += parts[i].iov_len;
	while (len) {
		uint64_t run;

		TRY(chunk_map_view_writable(volume, logical, &view));
		run = MIN(len, view.end - logical);
		/* The usual case: all of it in one stretch; the parts go down as they are. */
		if (run == len && cursor.part == parts && view.nr_columns == 1) {
			struct stripe_piece piece =
				stripe_map(&view, logical - view.chunk->logical, len);

			return write_mirrors(volume, &view, &piece, parts, nr_parts);
		}
		TRY(write_chunk(volume, &view, logical, run, &cursor));
		cursor_skip(&cursor, run);
		logical += run;
		len -= run;
	}
	return 0;
}
