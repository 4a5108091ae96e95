/*
 * The reverse map of superblock copies: no data ever lies on one, in any profile; and known ranges.
 */
#include "volume/volume_fixture.h"

#define UNIT 65536u
#define MAX_RANGES 16

struct ranges {
	unsigned nr;
	struct {
		uint64_t logical, len_bytes;
	} range[MAX_RANGES];
};

static int collect(void *ctx, uint64_t logical, uint64_t len_bytes)
{
	struct ranges *ranges = ctx;

	assert_true(ranges->nr < MAX_RANGES);
	ranges->range[ranges->nr].logical = logical;
	ranges->range[ranges->nr++].len_bytes = len_bytes;
	return 0;
}

static struct ranges ranges_of(struct volume *volume, uint64_t logical)
{
	struct ranges ranges = { 0 };

	assert_int_equal(
		volume_super_ranges(volume, chunk_map_find(volume, logical), collect, &ranges), 0);
	return ranges;
}

static void assert_range(const struct ranges *ranges, unsigned index, uint64_t logical,
			 uint64_t len_bytes)
{
	assert_true(index < ranges->nr);
	assert_int_equal(ranges->range[index].logical, logical);
	assert_int_equal(ranges->range[index].len_bytes, len_bytes);
}

static bool is_super(uint64_t at)
{
	return (at >= 64 * KIB && at < 128 * KIB) || (at >= 64 * MIB && at < 64 * MIB + UNIT) ||
	       (at >= 256 * GIB && at < 256 * GIB + UNIT);
}

static bool is_told(const struct ranges *ranges, uint64_t logical)
{
	for (unsigned i = 0; i < ranges->nr; i++) {
		if (logical - ranges->range[i].logical < ranges->range[i].len_bytes)
			return true;
	}
	return false;
}

/* A sector is told exactly when one of its mirrors lies within 64 KiB of a superblock offset. */
static void check_shape(const struct fixture_shape *shape, uint64_t at)
{
	struct volume *volume = fixture_volume(6);
	uint64_t base = GIB, len_bytes = 96 * MIB;
	struct ranges ranges;

	assert_int_equal(fixture_chunk(volume, base, len_bytes, shape->profile, shape->nr_stripes,
				       at),
			 shape->profile == BTRFS_BLOCK_GROUP_DUP ? -ERR_CORRUPT : 0);
	/* The fixture's two stripes of DUP would lie on each other at this length. */
	if (shape->profile == BTRFS_BLOCK_GROUP_DUP) {
		len_bytes = 16 * MIB;
		assert_int_equal(fixture_chunk(volume, base, len_bytes, shape->profile, 2, at), 0);
	}
	ranges = ranges_of(volume, base);
	for (uint64_t logical = base; logical < base + len_bytes; logical += UNIT / 2) {
		bool wanted = false;

		for (unsigned mirror = 1; mirror <= volume_nr_mirrors(volume, base); mirror++) {
			uint64_t devid;
			struct phys phys;

			assert_int_equal(volume_map(volume, logical, mirror, &devid, &phys), 0);
			wanted |= is_super(phys.at);
		}
		assert_int_equal(is_told(&ranges, logical), wanted);
	}
	volume_free(volume);
}

static void test_super_ranges__are_what_the_forward_map_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fixture_shapes); i++) {
		check_shape(&fixture_shapes[i], 0);
		check_shape(&fixture_shapes[i], MIB);
		check_shape(&fixture_shapes[i], 60 * MIB + UNIT);
		check_shape(&fixture_shapes[i], 256 * GIB - MIB);
	}
}

static void test_super_ranges__known_places(void **state)
{
	struct volume *volume = fixture_volume(3);
	struct ranges ranges;

	(void)state;
	/* single at 1 MiB: only the copy at 64 MiB lies in it. */
	assert_int_equal(fixture_chunk(volume, MIB, 128 * MIB, 0, 1, MIB), 0);
	ranges = ranges_of(volume, MIB);
	assert_int_equal(ranges.nr, 1);
	assert_range(&ranges, 0, 64 * MIB, UNIT);
	/*
	 * RAID0 over three, stripes at 0, 16 and 32 MiB: the first has two copies in it, the
	 * others one each.
	 */
	assert_int_equal(fixture_chunk(volume, GIB, 300 * MIB, BTRFS_BLOCK_GROUP_RAID0, 3, 0), 0);
	ranges = ranges_of(volume, GIB);
	assert_int_equal(ranges.nr, 4);
	assert_range(&ranges, 0, GIB + 3 * UNIT, UNIT);
	assert_range(&ranges, 1, GIB + 3 * 32 * MIB + 2 * UNIT, UNIT);
	assert_range(&ranges, 2, GIB + 3 * 48 * MIB + UNIT, UNIT);
	assert_range(&ranges, 3, GIB + 3 * 64 * MIB, UNIT);
	volume_free(volume);
}

static void test_super_ranges__low_addresses_and_the_end_of_the_chunk(void **state)
{
	struct volume *volume = fixture_volume(1);
	struct ranges ranges;

	(void)state;
	/* What lies below logical 64 KiB is never used, whatever is there. */
	assert_int_equal(fixture_chunk(volume, 0, MIB, 0, 1, 2 * MIB), 0);
	ranges = ranges_of(volume, 0);
	assert_int_equal(ranges.nr, 1);
	assert_range(&ranges, 0, 0, UNIT);
	/* The copy lies on the last sector: the range ends with the chunk. */
	assert_int_equal(fixture_chunk(volume, GIB, MIB, 0, 1, 63 * MIB + 4096), 0);
	ranges = ranges_of(volume, GIB);
	assert_int_equal(ranges.nr, 1);
	assert_range(&ranges, 0, GIB + MIB - 4096, 4096);
	volume_free(volume);
}

static void test_super_ranges__parity_loses_whole_rows(void **state)
{
	struct volume *volume = fixture_volume(4);
	struct ranges ranges;

	(void)state;
	/*
	 * Stripes at 48, 64, 80 and 96 MiB, 32 MiB each: the first two hold 64 MiB, in other
	 * rows.
	 */
	assert_int_equal(fixture_chunk(volume, GIB, 96 * MIB, BTRFS_BLOCK_GROUP_RAID5, 4, 48 * MIB),
			 0);
	ranges = ranges_of(volume, GIB);
	assert_int_equal(ranges.nr, 2);
	assert_range(&ranges, 0, GIB, 3 * UNIT);
	assert_range(&ranges, 1, GIB + 48 * MIB, 3 * UNIT);
	volume_free(volume);
}

static int stop(void *ctx, uint64_t logical, uint64_t len_bytes)
{
	(void)logical, (void)len_bytes;
	++*(unsigned *)ctx;
	return -ERR_NO_MEMORY;
}

static void test_super_ranges__stops_when_told(void **state)
{
	struct volume *volume = fixture_volume(1);
	unsigned nr = 0;

	(void)state;
	assert_int_equal(fixture_chunk(volume, 0, 128 * MIB, 0, 1, MIB), 0);
	assert_int_equal(volume_super_ranges(volume, chunk_map_find(volume, 0), stop, &nr),
			 -ERR_NO_MEMORY);
	assert_int_equal(nr, 1);
	volume_free(volume);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_super_ranges__are_what_the_forward_map_says),
		cmocka_unit_test(test_super_ranges__known_places),
		cmocka_unit_test(test_super_ranges__low_addresses_and_the_end_of_the_chunk),
		cmocka_unit_test(test_super_ranges__parity_loses_whole_rows),
		cmocka_unit_test(test_super_ranges__stops_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
