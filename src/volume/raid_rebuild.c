/*
 * Rebuilding: the bytes of a stripe from the rest of its row.
 *
 * Owns nothing but buffers for one call, at most REBUILD_BYTES of them; holds no lock during I/O. A
 * piece lies in one unit of 64 KiB, and so in one row. What is rebuilt is as good as what was read:
 * the caller verifies.
 */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "codec/parity.h"
#include "volume/volume_priv.h"

/* Columns in RAM; wide rows are taken in slices. */
#define REBUILD_BYTES (4 * MIB)
#define REBUILD_SLICE_MIN 4096u

struct rebuild {
	struct volume *volume;
	const struct chunk_view *view;
	const struct stripe_piece *piece;
	unsigned nr_used;
	unsigned *stripes; /* of the columns that are read */
	uint8_t *factors;  /* of these */
	uint8_t **columns; /* in `bytes`, slice_bytes each */
	uint8_t *bytes;
	size_t slice_bytes;
};

static void rebuild_fini(struct rebuild *rebuild)
{
	mem_free(rebuild->stripes);
	mem_free(rebuild->factors);
	mem_free(rebuild->columns);
	mem_free(rebuild->bytes);
}
DEFINE_SCOPED(rebuild, rebuild_fini)

/* Which columns are read, and how much each counts. */
static int rebuild_plan(struct rebuild *rebuild, unsigned mirror)
{
	const struct chunk_view *view = rebuild->view;
	unsigned lost = parity_column(view, rebuild->piece, rebuild->piece->first_stripe);
	unsigned second = parity_second(view, rebuild->piece, mirror);

	TRY(parity_factors(view->nr_columns, lost, second, rebuild->factors));
	for (unsigned column = 0; column < view->chunk->nr_stripes; column++) {
		if (!rebuild->factors[column])
			continue;
		rebuild->stripes[rebuild->nr_used] = parity_stripe(view, rebuild->piece, column);
		rebuild->factors[rebuild->nr_used++] = rebuild->factors[column];
	}
	return 0;
}

static int rebuild_init(struct rebuild *rebuild, unsigned mirror)
{
	unsigned nr = rebuild->view->chunk->nr_stripes;
	size_t slice = MAX(round_down(REBUILD_BYTES / nr, REBUILD_SLICE_MIN), REBUILD_SLICE_MIN);

	rebuild->slice_bytes = MIN(slice, rebuild->piece->len_bytes);
	rebuild->stripes = mem_array(nr, sizeof(*rebuild->stripes));
	/* RAID5 has no Q, but a place for its factor, which is 0. */
	rebuild->factors = mem_array(rebuild->view->nr_columns + 2, 1);
	rebuild->columns = mem_array(nr, sizeof(*rebuild->columns));
	if (!rebuild->stripes || !rebuild->factors || !rebuild->columns)
		return MEM_FAIL("rebuilding");
	TRY(rebuild_plan(rebuild, mirror));
	rebuild->bytes = mem_alloc(rebuild->nr_used * rebuild->slice_bytes);
	if (!rebuild->bytes)
		return MEM_FAIL("rebuilding");
	for (unsigned i = 0; i < rebuild->nr_used; i++)
		rebuild->columns[i] = rebuild->bytes + i * rebuild->slice_bytes;
	return 0;
}

static int rebuild_slice(struct rebuild *rebuild, uint64_t offset, size_t len, uint8_t *data)
{
	const struct chunk *chunk = rebuild->view->chunk;

	for (unsigned i = 0; i < rebuild->nr_used; i++) {
		unsigned stripe = rebuild->stripes[i];

		TRY(stripe_read(rebuild->volume, chunk, stripe,
				PHYS(chunk->stripes[stripe].at.at + offset), rebuild->columns[i],
				len));
	}
	return parity_combine(rebuild->nr_used, rebuild->factors, rebuild->columns, len, data);
}

/* A missing device is known before anything is read. */
static int rebuild_check_devices(const struct rebuild *rebuild)
{
	for (unsigned i = 0; i < rebuild->nr_used; i++) {
		const struct chunk *chunk = rebuild->view->chunk;
		unsigned stripe = rebuild->stripes[i];
		const struct volume_device *entry = chunk_device(rebuild->volume, chunk, stripe);

		if (!entry || !entry->device)
			return THROW(ERR_NO_MIRROR, "device %llu is missing",
				     (unsigned long long)chunk->stripes[stripe].devid);
	}
	return 0;
}

static int rebuild_all(struct rebuild *rebuild, unsigned mirror, uint8_t *data)
{
	uint64_t len = rebuild->piece->len_bytes;

	TRY(rebuild_init(rebuild, mirror));
	TRY(rebuild_check_devices(rebuild));
	for (uint64_t at = 0; at < len; at += rebuild->slice_bytes)
		TRY(rebuild_slice(rebuild, rebuild->piece->offset + at,
				  MIN(rebuild->slice_bytes, len - at), data + at));
	return 0;
}

int raid_rebuild(struct volume *volume, const struct chunk_view *view,
		 const struct stripe_piece *piece, unsigned mirror, uint8_t *data)
{
	SCOPED(rebuild)
	struct rebuild rebuild = { .volume = volume, .view = view, .piece = piece };
	int err = rebuild_all(&rebuild, mirror, data);

	return err < 0 ? err_prefix(err, "rebuilding by way %u of %s: ", mirror - 1,
				    view->profile->name) :
			 0;
}
