/*
 * csum_read: data that is as its checksums say, put together from all mirrors.
 *
 * Owns nothing but a bitmap for one call; takes no lock. The usual case is one read of any mirror
 * and a look at each sector. What is wrong then, and only that, is read again from one mirror after
 * the other, in runs of at most VOLUME_STRIPE_LEN, so that a range may be bad here on one mirror and
 * there on another. Ends: mirrors are few, and each run shrinks or stays.
 */
#include "base/log.h"
#include "csum/csum_priv.h"

struct verified_read {
	const struct csum_range *range;
	uint8_t *data;
	uint8_t *bad; /* a bit for each sector that is not right yet */
	uint64_t nr_bad;
	bool seen_wrong;	  /* something was read and its checksum is not right */
	bool told;		  /* of the first that another mirror had right: one line for all */
	struct err_report failed; /* the last read that failed */
};

static bool bit_get(const uint8_t *bits, uint64_t index)
{
	return bits[index / 8] >> (index % 8) & 1;
}

static uint64_t sector_addr(const struct csum_range *range, uint64_t index)
{
	return range->addr + index * range->geometry->sectorsize;
}

static bool sector_is_good(const struct csum_range *range, const uint8_t *data, uint64_t index)
{
	const struct geometry *geometry = range->geometry;
	uint8_t actual[CSUM_SIZE_MAX];

	if (!range->csums || (range->present && !bit_get(range->present, index)))
		return true;
	csum_compute(geometry->csum_type, data + index * geometry->sectorsize, geometry->sectorsize,
		     actual);
	return memcmp(actual, range->csums + index * geometry->csum_size, geometry->csum_size) == 0;
}

/* The first sector from index on that is not right; nr_sectors when all are. */
static uint64_t first_wrong(const struct csum_range *range, const uint8_t *data, uint64_t index)
{
	while (index < range->nr_sectors && sector_is_good(range, data, index))
		index++;
	return index;
}

/* Marks what any mirror gave wrong: all of it when the read failed. */
static void mark_wrong(struct verified_read *read, int err, uint64_t first)
{
	for (uint64_t i = err < 0 ? 0 : first; i < read->range->nr_sectors; i++) {
		if (err == 0 && sector_is_good(read->range, read->data, i))
			continue;
		read->bad[i / 8] |= (uint8_t)(1u << i % 8);
		read->nr_bad++;
	}
	read->seen_wrong = err == 0;
}

/* Otherwise nobody would learn of it. */
static void tell_mended(struct verified_read *read, uint64_t index, unsigned mirror)
{
	uint64_t addr = sector_addr(read->range, index);

	if (read->told || !read->seen_wrong)
		return;
	read->told = true;
	log_warn("data at %" PRIu64 ": wrong checksum; mirror %u of %u is good", addr, mirror,
		 volume_nr_mirrors(read->range->volume, addr));
}

/* Sectors [first, first + nr), all bad: what this mirror gives. */
static int run_read(struct verified_read *read, uint64_t first, uint64_t nr, unsigned mirror)
{
	uint32_t sectorsize = read->range->geometry->sectorsize;
	int err = volume_read(read->range->volume, sector_addr(read->range, first),
			      read->data + first * sectorsize, nr * sectorsize, mirror);

	if (err < 0) {
		err_capture(err, &read->failed);
		return err;
	}
	for (uint64_t i = first; i < first + nr; i++) {
		if (!sector_is_good(read->range, read->data, i)) {
			read->seen_wrong = true;
			continue;
		}
		read->bad[i / 8] &= (uint8_t) ~(1u << i % 8);
		read->nr_bad--;
		tell_mended(read, i, mirror);
		volume_blame(read->range->volume, sector_addr(read->range, i), mirror);
	}
	return 0;
}

/* A stretch of bad sectors from *index on that does not cross a unit of stripes; 0: none left. */
static uint64_t run_next(const struct verified_read *read, uint64_t *index)
{
	const struct csum_range *range = read->range;
	uint64_t end, unit;

	while (*index < range->nr_sectors && !bit_get(read->bad, *index))
		++*index;
	end = *index;
	unit = sector_addr(range, end) / VOLUME_STRIPE_LEN;
	while (end < range->nr_sectors && bit_get(read->bad, end) &&
	       sector_addr(range, end) / VOLUME_STRIPE_LEN == unit)
		end++;
	return end - *index;
}

/* What is still bad, from one mirror. Returns how many mirrors there are at most. */
static unsigned mirror_read(struct verified_read *read, unsigned mirror)
{
	unsigned nr_mirrors = 0;
	uint64_t index = 0, nr;

	while ((nr = run_next(read, &index))) {
		unsigned here =
			volume_nr_mirrors(read->range->volume, sector_addr(read->range, index));

		nr_mirrors = MAX(nr_mirrors, here);
		/* A part of the run may be readable all the same. */
		if (mirror <= here && run_read(read, index, nr, mirror) < 0 && nr > 1) {
			for (uint64_t i = index; i < index + nr; i++)
				(void)!run_read(read, i, 1, mirror);
		}
		index += nr;
	}
	return nr_mirrors;
}

static int still_bad(struct verified_read *read)
{
	const struct csum_range *range = read->range;
	uint64_t index = 0;

	(void)run_next(read, &index);
	if (!read->seen_wrong && read->failed.err)
		return err_rethrow(&read->failed);
	return THROW(ERR_DATA_CSUM,
		     "no copy of the sector at logical address %" PRIu64
		     " has the right checksum (%u tried)",
		     sector_addr(range, index),
		     volume_nr_mirrors(range->volume, sector_addr(range, index)));
}

static void zero_bad(struct verified_read *read)
{
	uint32_t sectorsize = read->range->geometry->sectorsize;

	for (uint64_t i = 0; i < read->range->nr_sectors; i++)
		if (bit_get(read->bad, i))
			memset(read->data + i * sectorsize, 0, sectorsize);
}

static int read_mirrors(struct verified_read *read, uint8_t *ret_bad)
{
	unsigned nr_mirrors = 1;

	for (unsigned mirror = 1; mirror <= nr_mirrors && read->nr_bad; mirror++)
		nr_mirrors = mirror_read(read, mirror);
	if (ret_bad)
		memcpy(ret_bad, read->bad, div_up(read->range->nr_sectors, 8));
	if (!read->nr_bad)
		return 0;
	if (!ret_bad)
		return still_bad(read);
	zero_bad(read);
	return 0;
}

int csum_read(const struct csum_range *range, uint8_t *data, uint8_t *ret_bad)
{
	SCOPED_MEM uint8_t *bad = NULL;
	struct verified_read read = { .range = range, .data = data };
	uint64_t len = range->nr_sectors * range->geometry->sectorsize, first = 0;
	int err = volume_read(range->volume, range->addr, data, len, 0);

	if (err == 0) {
		first = first_wrong(range, data, 0);
		if (first == range->nr_sectors) {
			if (ret_bad)
				memset(ret_bad, 0, div_up(range->nr_sectors, 8));
			return 0;
		}
	} else {
		err_capture(err, &read.failed);
	}
	read.bad = bad = mem_zalloc(div_up(range->nr_sectors, 8));
	if (!bad)
		return MEM_FAIL("reading what is damaged");
	mark_wrong(&read, err, first);
	return read_mirrors(&read, ret_bad);
}
