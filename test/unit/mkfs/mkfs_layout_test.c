/*
 * The first chunks: inside their devices, on nobody else's bytes, sized as mkfs.btrfs 6.14 sizes
 * them.
 */
#include "mkfs/mkfs_fixture.h"

#include "format/geometry.h"
#include "mkfs/mkfs_priv.h"

static const uint64_t profiles[] = {
	0,
	BTRFS_BLOCK_GROUP_DUP,
	BTRFS_BLOCK_GROUP_RAID0,
	BTRFS_BLOCK_GROUP_RAID1,
	BTRFS_BLOCK_GROUP_RAID1C3,
	BTRFS_BLOCK_GROUP_RAID1C4,
	BTRFS_BLOCK_GROUP_RAID10,
};

static bool extents_meet(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* No stripe of any chunk meets another, counting (chunk, stripe) pairs in order. */
static void check_stripe(const struct mkfs_plan *plan, const struct mkfs_layout *layout, unsigned c,
			 unsigned s)
{
	const struct mkfs_chunk *chunk = &layout->chunks[c];
	const struct stripe *stripe = &chunk->stripes[s];
	const struct mkfs_device *device = &plan->devices[stripe->devid - 1];

	assert_true(stripe->devid >= 1 && stripe->devid <= plan->nr_devices);
	assert_memory_equal(stripe->dev_uuid, device->uuid, 16);
	assert_true(is_aligned(stripe->at.at, VOLUME_STRIPE_LEN) && stripe->at.at >= MIB);
	assert_true(stripe->at.at + chunk->stripe_bytes <= device->total_bytes);
	for (unsigned oc = 0; oc <= c; oc++)
		for (unsigned os = 0; os < layout->chunks[oc].nr_stripes && (oc < c || os < s);
		     os++) {
			const struct stripe *other = &layout->chunks[oc].stripes[os];

			if (other->devid != stripe->devid)
				continue;
			assert_false(extents_meet(stripe->at.at, chunk->stripe_bytes, other->at.at,
						  layout->chunks[oc].stripe_bytes));
			/* Copies on different devices, but for dup. */
			assert_true(oc < c || (chunk->flags & BTRFS_BLOCK_GROUP_DUP));
		}
}

static void check_layout(const struct mkfs_plan *plan, const struct mkfs_layout *layout)
{
	uint64_t logical = MIB;

	for (unsigned c = 0; c < layout->nr_chunks; c++) {
		const struct mkfs_chunk *chunk = &layout->chunks[c];
		const struct profile *profile = profile_of(chunk->flags);

		assert_int_equal(chunk->logical, logical);
		logical += chunk->len_bytes;
		assert_true(chunk->stripe_bytes &&
			    is_aligned(chunk->stripe_bytes, VOLUME_STRIPE_LEN));
		assert_int_equal(chunk->len_bytes * profile->copies,
				 chunk->stripe_bytes * chunk->nr_stripes);
		assert_int_equal(chunk->sub_stripes, profile->sub_stripes);
		assert_true(chunk_size_bytes(chunk->nr_stripes) <=
			    geometry_max_item(&plan->geometry));
		for (unsigned s = 0; s < chunk->nr_stripes; s++)
			check_stripe(plan, layout, c, s);
	}
}

static void test_mkfs_layout__holds_its_invariants_for_all_profiles(void **state)
{
	static const uint64_t sizes[] = { 80 * MIB, 128 * MIB + 4096, GIB, 10 * GIB };

	(void)state;
	for (unsigned n = 0; n < ARRAY_LEN(profiles) * ARRAY_LEN(profiles) * ARRAY_LEN(sizes) * 12;
	     n++) {
		unsigned nr_devices = 1 + n % 6, rest = n / 6;
		bool from_end = rest % 2;
		uint64_t data = profiles[rest / 2 % 7], metadata = profiles[rest / 14 % 7];
		struct mkfs_layout layout = { 0 };
		struct mkfs_fixture f;

		fixture_open(&f, nr_devices, sizes[rest / 98]);
		f.plan.metadata_from_end = from_end;
		fixture_set_profiles(&f, data, metadata);
		if (mkfs_plan_check(&f.plan) == 0) {
			assert_int_equal(mkfs_layout_init(&layout, &f.plan), 0);
			assert_int_equal(layout.nr_chunks, 3);
			check_layout(&f.plan, &layout);
			mkfs_layout_fini(&layout);
		}
		fixture_close(&f);
	}
}

static void test_mkfs_layout__sizes_are_those_of_mkfs_btrfs(void **state)
{
	/* Measured with mkfs.btrfs 6.14; metadata of a dup filesystem by size of its device. */
	static const struct {
		uint64_t device_bytes, metadata_bytes;
	} measured[] = {
		{ 128 * MIB, 33554432 },
		{ GIB, 53673984 },
		{ 10 * GIB, 268435456 },
		{ 100 * GIB, 1073741824 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(measured); i++) {
		struct mkfs_layout layout = { 0 };
		struct mkfs_fixture f;

		fixture_open(&f, 1, measured[i].device_bytes);
		assert_int_equal(mkfs_layout_init(&layout, &f.plan), 0);
		assert_int_equal(layout.chunks[MKFS_CHUNK_SYSTEM].len_bytes, 8 * MIB);
		assert_int_equal(layout.chunks[MKFS_CHUNK_METADATA].len_bytes,
				 measured[i].metadata_bytes);
		assert_int_equal(layout.chunks[MKFS_CHUNK_DATA].len_bytes, 8 * MIB);
		mkfs_layout_fini(&layout);
		fixture_close(&f);
	}
}

static void test_mkfs_layout__four_devices_are_striped_as_mkfs_btrfs_does(void **state)
{
	struct mkfs_layout layout = { 0 };
	struct mkfs_fixture f;

	(void)state;
	fixture_open(&f, 4, 2 * GIB);
	fixture_set_profiles(&f, BTRFS_BLOCK_GROUP_RAID10, BTRFS_BLOCK_GROUP_RAID10);
	assert_int_equal(mkfs_layout_init(&layout, &f.plan), 0);
	assert_int_equal(layout.chunks[MKFS_CHUNK_SYSTEM].len_bytes, 16777216);
	assert_int_equal(layout.chunks[MKFS_CHUNK_METADATA].len_bytes, 134217728);
	assert_int_equal(layout.chunks[MKFS_CHUNK_DATA].len_bytes, 429391872);
	mkfs_layout_fini(&layout);
	fixture_set_profiles(&f, BTRFS_BLOCK_GROUP_RAID0, BTRFS_BLOCK_GROUP_RAID1);
	assert_int_equal(mkfs_layout_init(&layout, &f.plan), 0);
	assert_int_equal(layout.chunks[MKFS_CHUNK_METADATA].len_bytes, 268435456);
	assert_int_equal(layout.chunks[MKFS_CHUNK_DATA].len_bytes, 858783744);
	mkfs_layout_fini(&layout);
	fixture_close(&f);
}

static void test_mkfs_layout__takes_the_sizes_of_the_plan_in_whole_rows(void **state)
{
	struct mkfs_layout layout = { 0 };
	struct mkfs_fixture f;

	(void)state;
	fixture_open(&f, 3, 64 * MIB);
	fixture_set_profiles(&f, BTRFS_BLOCK_GROUP_RAID0, BTRFS_BLOCK_GROUP_RAID1);
	f.plan.system_bytes = 1;
	f.plan.metadata_bytes = 5 * MIB;
	f.plan.data_bytes = MIB;
	assert_int_equal(mkfs_layout_init(&layout, &f.plan), 0);
	assert_int_equal(layout.chunks[MKFS_CHUNK_SYSTEM].len_bytes, 64 * KIB);
	assert_int_equal(layout.chunks[MKFS_CHUNK_METADATA].len_bytes, 5 * MIB);
	assert_int_equal(layout.chunks[MKFS_CHUNK_DATA].len_bytes, 18 * 64 * KIB);
	check_layout(&f.plan, &layout);
	mkfs_layout_fini(&layout);

	f.plan.no_data_chunk = true;
	assert_int_equal(mkfs_layout_init(&layout, &f.plan), 0);
	assert_int_equal(layout.nr_chunks, 2);
	mkfs_layout_fini(&layout);
	fixture_close(&f);
}

static void test_mkfs_layout__metadata_from_end_leaves_the_start_to_data(void **state)
{
	struct mkfs_layout layout = { 0 };
	struct mkfs_fixture f;
	const struct mkfs_chunk *system = &layout.chunks[MKFS_CHUNK_SYSTEM];

	(void)state;
	fixture_open(&f, 1, GIB + 12 * KIB);
	f.plan.metadata_from_end = true;
	assert_int_equal(mkfs_layout_init(&layout, &f.plan), 0);
	assert_int_equal(system->stripes[0].at.at + system->stripe_bytes, GIB);
	assert_int_equal(layout.chunks[MKFS_CHUNK_DATA].stripes[0].at.at, MIB);
	assert_true(layout.chunks[MKFS_CHUNK_METADATA].stripes[1].at.at > GIB / 2);
	mkfs_layout_fini(&layout);
	fixture_close(&f);
}

static void test_mkfs_layout__min_device_bytes_is_exact(void **state)
{
	(void)state;
	for (unsigned n = 0; n < ARRAY_LEN(profiles) * ARRAY_LEN(profiles) * 10; n++) {
		struct mkfs_layout layout = { 0 };
		struct mkfs_fixture f;
		uint64_t min_bytes = 0;
		int err;

		fixture_open(&f, 1 + n % 5, GIB);
		f.plan.metadata_from_end = n / 5 % 2;
		fixture_set_profiles(&f, profiles[n / 10 % 7], profiles[n / 70]);
		if (mkfs_plan_check(&f.plan) == 0) {
			assert_int_equal(mkfs_min_device_bytes(&f.plan, &min_bytes), 0);
			for (unsigned i = 0; i < f.plan.nr_devices; i++)
				f.devices[i].total_bytes = min_bytes;
			assert_int_equal(mkfs_layout_init(&layout, &f.plan), 0);
			check_layout(&f.plan, &layout);
			mkfs_layout_fini(&layout);
			for (unsigned i = 0; i < f.plan.nr_devices; i++)
				f.devices[i].total_bytes = min_bytes - 4096;
			err = mkfs_layout_init(&layout, &f.plan);
			assert_int_equal(err, -ERR_TOO_SMALL);
			mkfs_layout_fini(&layout);
		}
		fixture_close(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mkfs_layout__holds_its_invariants_for_all_profiles),
		cmocka_unit_test(test_mkfs_layout__sizes_are_those_of_mkfs_btrfs),
		cmocka_unit_test(test_mkfs_layout__four_devices_are_striped_as_mkfs_btrfs_does),
		cmocka_unit_test(test_mkfs_layout__takes_the_sizes_of_the_plan_in_whole_rows),
		cmocka_unit_test(test_mkfs_layout__metadata_from_end_leaves_the_start_to_data),
		cmocka_unit_test(test_mkfs_layout__min_device_bytes_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
