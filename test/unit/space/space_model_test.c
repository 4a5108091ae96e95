/*
 * The allocator against a map of sectors: random allocations, frees, pins and unpins over four
 * groups, one of them with a superblock copy; the model says which address must come out, and the
 * audit runs all the way. And threads at once.
 */
#include "space/space_fixture.h"

#include <pthread.h>

#include "base/rng.h"

#define MAP_START (63 * MIB)
#define MAP_SECTORS 2048u
#define STEPS 15000

enum sector_state { S_NONE, S_FREE, S_RESERVED, S_USED, S_PINNED, S_SUPER };

struct sector {
	enum sector_state state;
	bool data;
	uint32_t group; /* number of its group, so that extents do not cross */
	uint64_t generation;
};

/* Extents that are held, in no order. */
struct held {
	uint64_t addr, len;
	bool used, data;
};

struct model {
	struct fixture fixture;
	struct rng rng;
	struct sector sectors[MAP_SECTORS];
	struct held held[MAP_SECTORS];
	unsigned nr_held;
	uint64_t generation, oldest_epoch;
};

static struct sector *sector_at(struct model *model, uint64_t addr)
{
	assert_true(addr >= MAP_START && addr < MAP_START + MAP_SECTORS * FIXTURE_SECTOR);
	return &model->sectors[(addr - MAP_START) / FIXTURE_SECTOR];
}

static void model_set(struct model *model, uint64_t addr, uint64_t len, enum sector_state from,
		      enum sector_state to)
{
	for (uint64_t at = addr; at < addr + len; at += FIXTURE_SECTOR) {
		struct sector *sector = sector_at(model, at);

		assert_int_equal(sector->state, from);
		sector->state = to;
		sector->generation = model->generation;
	}
}

static void model_group(struct model *model, uint32_t number, uint64_t logical, uint64_t len,
			uint64_t type)
{
	struct block_group *group = fixture_group(&model->fixture, logical, len, type);

	for (uint64_t at = logical; at < logical + len; at += FIXTURE_SECTOR) {
		struct sector *sector = sector_at(model, at);
		bool super = at >= 64 * MIB && at < 64 * MIB + 65536;

		sector->state = super ? S_SUPER : S_FREE;
		sector->data = type == BTRFS_BLOCK_GROUP_DATA;
		sector->group = number;
	}
	assert_int_equal(group->super_bytes, number == 2 ? 65536 : 0);
}

/* Free sectors in a row from index on, inside one group. */
static unsigned model_run(const struct model *model, unsigned index, bool data)
{
	unsigned nr = 0;

	while (index + nr < MAP_SECTORS && model->sectors[index + nr].state == S_FREE &&
	       model->sectors[index + nr].data == data &&
	       model->sectors[index + nr].group == model->sectors[index].group)
		nr++;
	return nr;
}

/* What must be given out: the lowest run of nr sectors, else the longest; its length in *ret_nr. */
static unsigned model_choose(const struct model *model, bool data, unsigned nr, unsigned align,
			     unsigned *ret_nr)
{
	unsigned best = 0;

	*ret_nr = 0;
	for (unsigned i = 0; i < MAP_SECTORS; i++) {
		unsigned run = i % align == 0 ? model_run(model, i, data) : 0;

		if (run >= nr) {
			*ret_nr = nr;
			return i;
		}
		if (run > *ret_nr) {
			*ret_nr = run;
			best = i;
		}
	}
	return best;
}

static void model_hold(struct model *model, uint64_t addr, uint64_t len, bool data)
{
	model_set(model, addr, len, S_FREE, S_RESERVED);
	model->held[model->nr_held++] = (struct held){ addr, len, false, data };
}

static void step_alloc(struct model *model, bool data)
{
	unsigned nr = data ? 1 + (unsigned)rng_below(&model->rng, 40) : FIXTURE_NODE / 4096;
	unsigned least = data ? 1 + (unsigned)rng_below(&model->rng, nr) : nr;
	unsigned want_nr, want;
	uint64_t addr, len = FIXTURE_NODE;
	int ret;

	want = model_choose(model, data, nr, data ? 1 : nr, &want_nr);
	if (data)
		ret = space_alloc_data(model->fixture.space, nr * 4096ull, least * 4096ull, &addr,
				       &len);
	else
		ret = space_alloc_node(model->fixture.space, SPACE_METADATA, 0, &addr);
	if (want_nr < least) {
		assert_int_equal(ret, -ERR_NO_SPACE);
		return;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(addr, MAP_START + want * 4096ull);
	assert_int_equal(len, want_nr * 4096ull);
	model_hold(model, addr, len, data);
}

/* A held extent, or a part of a data extent, goes one state on. */
static void step_release(struct model *model)
{
	struct space *space = model->fixture.space;
	unsigned index = (unsigned)rng_below(&model->rng, model->nr_held);
	struct held *held = &model->held[index];

	if (held->used) {
		assert_int_equal(space_account_freed(space, held->addr, held->len), 0);
		model_set(model, held->addr, held->len, S_USED, S_PINNED);
	} else if (rng_one_in(&model->rng, 4)) {
		assert_int_equal(space_give_back(space, held->addr, held->len), 0);
		model_set(model, held->addr, held->len, S_RESERVED, S_FREE);
	} else if (rng_one_in(&model->rng, 4)) {
		assert_int_equal(space_pin_reserved(space, held->addr, held->len), 0);
		model_set(model, held->addr, held->len, S_RESERVED, S_PINNED);
	} else {
		assert_int_equal(space_account_used(space, held->addr, held->len), 0);
		model_set(model, held->addr, held->len, S_RESERVED, S_USED);
		held->used = true;
		return;
	}
	*held = model->held[--model->nr_held];
}

static void step_commit(struct model *model)
{
	if (rng_one_in(&model->rng, 3))
		model->oldest_epoch = rng_one_in(&model->rng, 2) ? UINT64_MAX : model->generation;
	assert_int_equal(space_unpin(model->fixture.space, model->generation, model->oldest_epoch),
			 0);
	for (unsigned i = 0; i < MAP_SECTORS; i++) {
		struct sector *sector = &model->sectors[i];

		if (sector->state == S_PINNED && sector->generation < model->oldest_epoch)
			sector->state = S_FREE;
	}
	model->generation++;
	space_set_generation(model->fixture.space, model->generation);
}

/* Byte for byte: what the model calls free is free, and the sums agree. */
static void model_compare(struct model *model)
{
	uint64_t bytes[S_SUPER + 1] = { 0 };
	struct space_totals data, metadata;

	assert_int_equal(space_audit(model->fixture.space), 0);
	for (unsigned i = 0; i < MAP_SECTORS; i++) {
		uint64_t addr = MAP_START + i * 4096ull;
		struct block_group *group = space_group_of(model->fixture.space, addr);

		assert_int_equal(group == NULL, model->sectors[i].state == S_NONE);
		if (group)
			assert_int_equal(free_index_overlaps(&group->free, addr, 4096),
					 model->sectors[i].state == S_FREE);
		bytes[model->sectors[i].state] += 4096;
	}
	space_totals_get(model->fixture.space, SPACE_DATA, &data);
	space_totals_get(model->fixture.space, SPACE_METADATA, &metadata);
	assert_int_equal(data.free_bytes + metadata.free_bytes, bytes[S_FREE]);
	assert_int_equal(data.reserved_bytes + metadata.reserved_bytes, bytes[S_RESERVED]);
	assert_int_equal(data.used_bytes + metadata.used_bytes, bytes[S_USED]);
	assert_int_equal(data.pinned_bytes + metadata.pinned_bytes, bytes[S_PINNED]);
	assert_int_equal(data.super_bytes + metadata.super_bytes, bytes[S_SUPER]);
}

static void test_space_model__random_steps(void **state)
{
	struct model *model = test_calloc(1, sizeof(*model));

	(void)state;
	rng_init(&model->rng, 6);
	model->generation = 1;
	model->oldest_epoch = UINT64_MAX;
	fixture_init(&model->fixture, 1, GIB);
	model_group(model, 1, 63 * MIB, 512 * 1024, BTRFS_BLOCK_GROUP_METADATA);
	model_group(model, 2, 63 * MIB + 512 * 1024, MIB, BTRFS_BLOCK_GROUP_DATA);
	model_group(model, 3, 65 * MIB, MIB, BTRFS_BLOCK_GROUP_DATA);
	model_group(model, 4, 66 * MIB, MIB, BTRFS_BLOCK_GROUP_METADATA);
	for (unsigned i = 0; i < STEPS; i++) {
		/* Fuller, then emptier, so that both ends are met. */
		uint64_t bias = i / 500 % 2 ? 3 : 6;

		if (rng_one_in(&model->rng, 200))
			step_commit(model);
		else if (model->nr_held == 0 || rng_below(&model->rng, 10) < bias)
			step_alloc(model, rng_one_in(&model->rng, 2));
		else
			step_release(model);
		if (i % 16 == 0)
			model_compare(model);
	}
	model_compare(model);
	fixture_fini(&model->fixture);
	test_free(model);
}

#define THREADS 4
#define THREAD_STEPS 3000u

struct worker {
	struct space *space;
	uint64_t seed;
	_Atomic bool *wrong;
};

/* Takes, keeps for a moment, and gives back or frees; each failure but a lack of space is wrong. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	struct rng rng;

	rng_init(&rng, worker->seed);
	for (unsigned i = 0; i < THREAD_STEPS; i++) {
		bool data = rng_one_in(&rng, 2);
		uint64_t addr, len = FIXTURE_NODE;
		int ret = data ? space_alloc_data(worker->space, 65536, 4096, &addr, &len) :
				 space_alloc_node(worker->space, SPACE_METADATA, 0, &addr);

		if (ret == -ERR_NO_SPACE)
			ret = space_unpin(worker->space, 1, UINT64_MAX);
		else if (ret == 0 && rng_one_in(&rng, 2))
			ret = space_give_back(worker->space, addr, len);
		else if (ret == 0 && space_account_used(worker->space, addr, len) == 0)
			ret = space_account_freed(worker->space, addr, len);
		if (space_promise(worker->space, SPACE_DATA, 4096) == 0)
			space_unpromise(worker->space, SPACE_DATA, 4096);
		if (ret < 0)
			*worker->wrong = true;
	}
	return NULL;
}

static void test_space_model__threads(void **state)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	_Atomic bool wrong = false;
	struct fixture fixture;
	struct space_totals totals;

	(void)state;
	fixture_init(&fixture, 1, GIB);
	fixture_group(&fixture, 32 * MIB, 4 * MIB, BTRFS_BLOCK_GROUP_DATA);
	fixture_group(&fixture, 128 * MIB, 4 * MIB, BTRFS_BLOCK_GROUP_METADATA);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ fixture.space, i, &wrong };
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(wrong);
	assert_int_equal(space_unpin(fixture.space, 1, UINT64_MAX), 0);
	assert_int_equal(space_audit(fixture.space), 0);
	space_totals_get(fixture.space, SPACE_DATA, &totals);
	assert_int_equal(totals.free_bytes, 4 * MIB);
	assert_int_equal(totals.promised_bytes, 0);
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_space_model__random_steps),
		cmocka_unit_test(test_space_model__threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
