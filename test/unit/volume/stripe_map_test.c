/*
 * Where bytes go: known places first, then every sector of every mirror of every profile against a
 * model that deals units to devices one by one.
 */
#include "volume/volume_fixture.h"

#include "base/mem.h"

#define UNIT 65536u

static void assert_maps(struct volume *volume, uint64_t logical, unsigned mirror, uint64_t devid,
			uint64_t at)
{
	uint64_t seen_devid;
	struct phys seen_at;

	assert_int_equal(volume_map(volume, logical, mirror, &seen_devid, &seen_at), 0);
	assert_int_equal(seen_devid, devid);
	assert_int_equal(seen_at.at, at);
}

static void test_stripe_map__raid0_deals_units_in_turn(void **state)
{
	struct volume *volume = fixture_volume(3);
	uint64_t logical = 16 * MIB, base[] = { MIB, 17 * MIB, 33 * MIB };

	(void)state;
	assert_int_equal(fixture_chunk(volume, logical, 3 * MIB, BTRFS_BLOCK_GROUP_RAID0, 3, MIB),
			 0);
	for (uint64_t unit = 0; unit < 48; unit++)
		assert_maps(volume, logical + unit * UNIT + 123, 1, unit % 3 + 1,
			    base[unit % 3] + unit / 3 * UNIT + 123);
	volume_free(volume);
}

static void test_stripe_map__raid10_deals_units_to_pairs(void **state)
{
	struct volume *volume = fixture_volume(4);

	(void)state;
	assert_int_equal(fixture_chunk(volume, 0, 2 * MIB, BTRFS_BLOCK_GROUP_RAID10, 4, MIB), 0);
	assert_maps(volume, 0, 1, 1, MIB);
	assert_maps(volume, 0, 2, 2, 17 * MIB);
	assert_maps(volume, UNIT, 1, 3, 33 * MIB);
	assert_maps(volume, UNIT, 2, 4, 49 * MIB);
	assert_maps(volume, 2 * UNIT + 5, 1, 1, MIB + UNIT + 5);
	assert_maps(volume, 31 * UNIT, 2, 4, 49 * MIB + 15 * UNIT);
	volume_free(volume);
}

static void test_stripe_map__mirrors_are_plain_copies(void **state)
{
	struct volume *volume = fixture_volume(4);
	uint64_t devid;
	struct phys at;

	(void)state;
	assert_int_equal(fixture_chunk(volume, 0, 4 * MIB, BTRFS_BLOCK_GROUP_DUP, 2, MIB), 0);
	assert_int_equal(fixture_chunk(volume, 4 * MIB, 4 * MIB, BTRFS_BLOCK_GROUP_RAID1C4, 4,
				       128 * MIB),
			 0);
	assert_maps(volume, MIB + 1, 1, 1, 2 * MIB + 1);
	assert_maps(volume, MIB + 1, 2, 1, 18 * MIB + 1);
	assert_maps(volume, MIB + 1, 0, 1, 2 * MIB + 1);
	for (unsigned mirror = 1; mirror <= 4; mirror++)
		assert_maps(volume, 5 * MIB, mirror, mirror, (129 + 16 * (mirror - 1)) * MIB);
	assert_int_equal(volume_nr_mirrors(volume, 0), 2);
	assert_int_equal(volume_nr_mirrors(volume, 4 * MIB), 4);
	assert_int_equal(volume_nr_mirrors(volume, 8 * MIB), 0);
	assert_int_equal(volume_map(volume, 0, 3, &devid, &at), -ERR_NO_MIRROR);
	assert_int_equal(volume_map(volume, 8 * MIB, 1, &devid, &at), -ERR_NO_MAPPING);
	volume_free(volume);
}

/* The model: goes through the chunk unit by unit and hands each to the next column, which keeps
 * its own end. Knows nothing of division. */
struct model {
	unsigned column;
	uint64_t filled[FIXTURE_MAX_STRIPES]; /* bytes dealt to each column */
};

static void check_shape(const struct fixture_shape *shape, uint64_t logical)
{
	const struct profile *profile = profile_of(shape->profile);
	unsigned nr_columns = profile->striped ? shape->nr_stripes / profile->copies : 1;
	struct volume *volume = fixture_volume(6);
	struct stripe stripes[FIXTURE_MAX_STRIPES];
	struct model model = { 0 };
	/* One mark per sector of each stripe: a place is given out once. */
	uint8_t *taken = mem_zalloc(FIXTURE_MAX_STRIPES * (FIXTURE_CHUNK_BYTES / 4096));

	assert_non_null(taken);
	fixture_stripes(shape->profile, shape->nr_stripes, MIB, stripes);
	assert_int_equal(fixture_chunk(volume, logical, FIXTURE_CHUNK_BYTES, shape->profile,
				       shape->nr_stripes, MIB),
			 0);
	for (uint64_t at = 0; at < FIXTURE_CHUNK_BYTES; at += 4096) {
		for (unsigned mirror = 1; mirror <= profile->copies; mirror++) {
			unsigned stripe = model.column * profile->copies + mirror - 1;
			uint64_t offset = model.filled[model.column];
			uint8_t *mark =
				&taken[stripe * (FIXTURE_CHUNK_BYTES / 4096) + offset / 4096];

			assert_maps(volume, logical + at, mirror, stripes[stripe].devid,
				    stripes[stripe].at.at + offset);
			assert_int_equal(*mark, 0);
			*mark = 1;
		}
		model.filled[model.column] += 4096;
		if (model.filled[model.column] % UNIT == 0)
			model.column = model.column + 1 == nr_columns ? 0 : model.column + 1;
	}
	for (unsigned column = 0; column < nr_columns; column++)
		assert_int_equal(model.filled[column],
				 chunk_stripe_bytes(chunk_map_find(volume, logical)));
	mem_free(taken);
	volume_free(volume);
}

static void test_stripe_map__equals_dealing_by_hand(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fixture_shapes); i++) {
		check_shape(&fixture_shapes[i], 0);
		/* Units are counted from the start of the chunk, which may lie anywhere. */
		check_shape(&fixture_shapes[i], 7 * MIB + 12288);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stripe_map__raid0_deals_units_in_turn),
		cmocka_unit_test(test_stripe_map__raid10_deals_units_to_pairs),
		cmocka_unit_test(test_stripe_map__mirrors_are_plain_copies),
		cmocka_unit_test(test_stripe_map__equals_dealing_by_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
