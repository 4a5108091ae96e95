/*
 * The reference queue against naive counts: a table of extents by keys, random adds and drops in
 * any order, records taken in between; and an extent with very many references.
 */
#include "space/space_fixture.h"

#include "base/rng.h"

#define EXTENTS 40u
#define KEYS 12u
#define STEPS 60000u
#define MANY 20000u

struct counts {
	struct rng rng;
	struct ref_queue *queue;
	int64_t count[EXTENTS][KEYS];
};

static struct ref_key key_nr(unsigned nr)
{
	return (struct ref_key){ .type = nr % 3 ? REF_DATA : REF_DATA_SHARED,
				 .root = nr % 3 ? 256 + nr % 2 : nr * 16384ull,
				 .inode = nr % 3 ? 300 - nr : 0,
				 .offset = nr % 3 ? nr * 4096ull : 0 };
}

static uint64_t addr_nr(unsigned nr)
{
	return MIB + nr * 65536ull;
}

static struct ref_request data_ref(unsigned extent, const struct ref_key *key, int64_t delta)
{
	return (struct ref_request){
		.addr = addr_nr(extent), .len_bytes = 65536, .key = *key, .delta = delta
	};
}

static bool count_is_zero(const struct counts *counts, unsigned extent)
{
	for (unsigned key = 0; key < KEYS; key++) {
		if (counts->count[extent][key])
			return false;
	}
	return true;
}

static void step_push(struct counts *counts)
{
	unsigned extent = (unsigned)rng_below(&counts->rng, EXTENTS);
	unsigned nr = (unsigned)rng_below(&counts->rng, KEYS);
	struct ref_key key = key_nr(nr);
	int64_t delta = rng_one_in(&counts->rng, 2) ? 1 : -1;
	struct ref_request request = data_ref(extent, &key, delta);

	assert_int_equal(ref_queue_push(counts->queue, &request), 0);
	counts->count[extent][nr] += delta;
}

/* The taken record holds each nonzero count once, adds first, in order of keys among each. */
static void step_take(struct counts *counts)
{
	uint64_t from = addr_nr((unsigned)rng_below(&counts->rng, EXTENTS));
	struct ref_record *record = ref_queue_take(counts->queue, from);
	const struct ref_change *before = NULL;
	unsigned extent;

	if (!record)
		return;
	extent = (unsigned)((record->addr - MIB) / 65536);
	list_for_each(&record->changes, link, next) {
		const struct ref_change *change = list_entry(link, struct ref_change, link);
		unsigned nr = 0;
		struct ref_key key = key_nr(0);

		while (ref_key_compare(&key, &change->key))
			key = key_nr(++nr);
		assert_true(nr < KEYS);
		assert_int_not_equal(change->delta, 0);
		assert_int_equal(change->delta, counts->count[extent][nr]);
		counts->count[extent][nr] = 0;
		if (before && (before->delta > 0) == (change->delta > 0))
			assert_true(ref_key_compare(&before->key, &change->key) < 0);
		else if (before)
			assert_true(before->delta > 0);
		before = change;
	}
	assert_true(count_is_zero(counts, extent));
	ref_record_free(record);
}

static void compare(struct counts *counts)
{
	size_t nr = 0;

	for (unsigned extent = 0; extent < EXTENTS; extent++) {
		int64_t sum = 0;

		for (unsigned key = 0; key < KEYS; key++)
			sum += counts->count[extent][key];
		assert_int_equal(ref_queue_pending(counts->queue, addr_nr(extent)), sum);
		nr += !count_is_zero(counts, extent);
	}
	assert_int_equal(ref_queue_nr(counts->queue), nr);
}

static void test_ref_queue_model__random_adds_and_drops(void **state)
{
	static struct counts counts;
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	rng_init(&counts.rng, 33);
	counts.queue = space_ref_queue(fixture.space);
	for (unsigned i = 0; i < STEPS; i++) {
		if (rng_one_in(&counts.rng, 50))
			step_take(&counts);
		else
			step_push(&counts);
		if (i % 32 == 0)
			compare(&counts);
	}
	while (ref_queue_nr(counts.queue))
		step_take(&counts);
	compare(&counts);
	fixture_fini(&fixture);
}

static void test_ref_queue_model__many_references_to_one_extent(void **state)
{
	struct fixture fixture;
	struct ref_queue *queue;
	struct ref_record *record;
	size_t nr = 0;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	queue = space_ref_queue(fixture.space);
	for (unsigned i = 0; i < MANY; i++) {
		struct ref_key key = { .type = REF_DATA, .root = 5, .inode = i * 7919ull % MANY };
		struct ref_request request = data_ref(0, &key, 1);

		assert_int_equal(ref_queue_push(queue, &request), 0);
	}
	/* Every second one goes again. */
	for (unsigned i = 0; i < MANY; i += 2) {
		struct ref_key key = { .type = REF_DATA, .root = 5, .inode = i };
		struct ref_request request = data_ref(0, &key, -1);

		assert_int_equal(ref_queue_push(queue, &request), 0);
	}
	assert_int_equal(ref_queue_pending(queue, addr_nr(0)), MANY / 2);
	record = ref_queue_take(queue, 0);
	list_for_each(&record->changes, link, next) {
		assert_int_equal(list_entry(link, struct ref_change, link)->key.inode, 2 * nr + 1);
		nr++;
	}
	assert_int_equal(nr, MANY / 2);
	ref_record_free(record);
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ref_queue_model__random_adds_and_drops),
		cmocka_unit_test(test_ref_queue_model__many_references_to_one_extent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
