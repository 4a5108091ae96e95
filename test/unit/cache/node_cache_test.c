/*
 * Law L1: eviction never takes a node that is held, dirty or under I/O; under threads it never
 * frees what a lookup found.
 */
#include "cache/cache_fixture.h"

#include <pthread.h>

#include "base/expect_abort.h"
#include "base/ref_tracker.h"
#include "base/rng.h"

#define NR_NODES 100u
#define NR_THREADS 4u
#define NR_ROUNDS 8000u

static void test_node_cache__limit_is_kept(void **state)
{
	struct fixture *fixture = fixture_new(20 * (CACHE_NODE + sizeof(struct node)));
	struct node *held, *node;

	(void)state;
	fixture_leaves(fixture, NR_NODES, 7);
	assert_true(cache_bytes(fixture->cache) > fixture->config.limit_bytes);
	assert_ok(fixture_get(fixture, 3, 7, &held));
	cache_shrink(fixture->cache);
	assert_true(cache_bytes(fixture->cache) <= fixture->config.limit_bytes);
	assert_ok(node_get_cached(fixture->cache, fixture_addr(3), NULL, &node));
	assert_ptr_equal(node, held);
	node_put(node);
	node_put(held);
	/* Reading keeps to it as well, give or take what each shard spares. */
	for (unsigned nr = 0; nr < NR_NODES; nr++) {
		assert_ok(fixture_get(fixture, nr, 7, &node));
		node_put(node);
	}
	cache_shrink(fixture->cache);
	assert_true(cache_bytes(fixture->cache) <= fixture->config.limit_bytes);
	fixture_free(fixture);
}

static void test_node_cache__dirty_stays(void **state)
{
	struct fixture *fixture = fixture_new(0);
	struct node *node;

	(void)state;
	for (unsigned nr = 0; nr < NR_NODES; nr++)
		node_put(fixture_leaf(fixture, nr, 7));
	cache_shrink(fixture->cache);
	for (unsigned nr = 0; nr < NR_NODES; nr++) {
		assert_ok(node_get_cached(fixture->cache, fixture_addr(nr), NULL, &node));
		assert_non_null(node);
		node_put(node);
	}
	assert_ok(cache_write_dirty(fixture->cache, NULL));
	cache_shrink(fixture->cache);
	assert_int_equal(cache_bytes(fixture->cache), 0);
	fixture_free(fixture);
}

struct racer {
	struct fixture *fixture;
	unsigned seed;
	pthread_t thread;
};

/* Reads, holds several, lets go; everything is evicted behind its back at every chance. */
static void *race(void *arg)
{
	struct racer *racer = arg;
	struct node *held[4] = { NULL };
	struct rng rng;

	rng_init(&rng, racer->seed);
	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		unsigned nr = (unsigned)rng_below(&rng, NR_NODES), at = round % ARRAY_LEN(held);
		struct node *node;
		int ret;

		if (held[at])
			node_put(held[at]);
		ret = fixture_get(racer->fixture, nr, 7, &node);
		ASSERT(ret >= 0);
		ASSERT(leaf_item_data(node->data, 0)[50] == (uint8_t)nr);
		held[at] = node;
		if (rng_one_in(&rng, 50))
			cache_shrink(racer->fixture->cache);
	}
	for (unsigned at = 0; at < ARRAY_LEN(held); at++)
		node_put(held[at]);
	return NULL;
}

static void test_node_cache__eviction_races_with_lookups(void **state)
{
	struct fixture *fixture = fixture_new(0);
	struct racer racers[NR_THREADS];

	(void)state;
	fixture_leaves(fixture, NR_NODES, 7);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		racers[i] = (struct racer){ .fixture = fixture, .seed = i };
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(racers[i].thread, NULL);
	cache_shrink(fixture->cache);
	assert_int_equal(cache_bytes(fixture->cache), 0);
	fixture_free(fixture);
}

/*
 * Address reuse under readers: one thread frees and creates, the others look up whatever is
 * there.
 */
static void *reuse(void *arg)
{
	struct racer *racer = arg;

	for (unsigned round = 0; round < NR_ROUNDS / 4; round++) {
		struct node *node = fixture_leaf(racer->fixture, round % 3, 8 + round);

		rwlock_write(&node->lock);
		node_cancel(node);
		rwlock_unwrite(&node->lock);
		ASSERT(node_generation(node->data) == 8 + round);
		node_put(node);
	}
	return NULL;
}

static void *look(void *arg)
{
	struct racer *racer = arg;

	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		struct node *node;
		int ret = node_get_cached(racer->fixture->cache, fixture_addr(round % 3), NULL,
					  &node);

		ASSERT(ret == 0);
		if (!node)
			continue;
		rwlock_read(&node->lock);
		ASSERT(node_addr(node->data) == fixture_addr(round % 3));
		ASSERT(node_nritems(node->data) == 1);
		rwlock_unread(&node->lock);
		node_put(node);
	}
	return NULL;
}

static void test_node_cache__addresses_come_again_under_lookups(void **state)
{
	struct fixture *fixture = fixture_new(0);
	struct racer racers[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		racers[i].fixture = fixture;
		assert_int_equal(
			pthread_create(&racers[i].thread, NULL, i ? look : reuse, &racers[i]), 0);
	}
	for (unsigned i = 0; i < 3; i++)
		pthread_join(racers[i].thread, NULL);
	cache_shrink(fixture->cache);
	assert_int_equal(cache_bytes(fixture->cache), 0);
	fixture_free(fixture);
}

#ifdef UBTRFS_DEBUG
static void leak(void *arg)
{
	struct fixture *fixture = fixture_new(MIB);

	(void)arg;
	(void)fixture_leaf(fixture, 5, 7);
	node_cache_free(fixture->cache);
}

/* Law L5: a reference that nobody gave back is named when the cache closes. */
static void test_node_cache__leak_is_reported(void **state)
{
	char text[4096];

	(void)state;
	assert_ok(ref_tracker_select("node"));
	assert_true(expect_abort(leak, NULL, text, sizeof(text)));
	assert_non_null(strstr(text, "tree block 86016 is still held 1 times"));
	/* Taking and giving back keeps the tracker's books straight. */
	test_node_cache__dirty_stays(NULL);
	assert_ok(ref_tracker_select(""));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node_cache__limit_is_kept),
		cmocka_unit_test(test_node_cache__dirty_stays),
		cmocka_unit_test(test_node_cache__eviction_races_with_lookups),
		cmocka_unit_test(test_node_cache__addresses_come_again_under_lookups),
#ifdef UBTRFS_DEBUG
		cmocka_unit_test(test_node_cache__leak_is_reported),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
