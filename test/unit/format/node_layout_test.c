/*
 * node_layout: random edits of leaves and internal nodes against arrays, node sizes 4 and 16 KiB;
 * search against a linear walk; the checksum. The model holds each item's key, length and a seed
 * from which its bytes follow.
 */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/expect_abort.h"
#include "base/rng.h"
#include "format/node_layout.h"

#define ITEMS_MAX 700
#define STEPS 4000

struct model_item {
	struct key key;
	uint32_t len;
	uint8_t data[512];
};

struct model {
	unsigned nr;
	struct model_item items[ITEMS_MAX];
};

static const struct geometry sizes[] = {
	{ .nodesize = 4096, .sectorsize = 4096, .csum_type = CSUM_CRC32C, .csum_size = 4 },
	{ .nodesize = 16384, .sectorsize = 4096, .csum_type = CSUM_XXHASH, .csum_size = 8 },
};

static uint32_t model_bytes(const struct model *m)
{
	uint32_t bytes = 0;

	for (unsigned i = 0; i < m->nr; i++)
		bytes += ITEM_SIZE + m->items[i].len;
	return bytes;
}

static void check_leaf(const struct geometry *g, const uint8_t *node, const struct model *m)
{
	uint32_t end = geometry_leaf_bytes(g);

	assert_int_equal(node_nritems(node), m->nr);
	assert_int_equal(leaf_used_bytes(g, node), model_bytes(m));
	assert_int_equal(leaf_free_bytes(g, node), geometry_leaf_bytes(g) - model_bytes(m));
	for (unsigned i = 0; i < m->nr; i++) {
		struct key key = leaf_key(node, i);

		assert_true(key_equal(&key, &m->items[i].key));
		assert_int_equal(leaf_item_len(node, i), m->items[i].len);
		assert_int_equal(leaf_item_offset(node, i) + leaf_item_len(node, i), end);
		end = leaf_item_offset(node, i);
		assert_memory_equal(leaf_item_data(node, i), m->items[i].data, m->items[i].len);
	}
}

static void model_open(struct model *m, unsigned slot, unsigned nr)
{
	memmove(&m->items[slot + nr], &m->items[slot], (m->nr - slot) * sizeof(m->items[0]));
	m->nr += nr;
}

static void model_close(struct model *m, unsigned slot, unsigned nr)
{
	memmove(&m->items[slot], &m->items[slot + nr], (m->nr - slot - nr) * sizeof(m->items[0]));
	m->nr -= nr;
}

static struct model_item random_item(struct rng *rng)
{
	struct model_item item = {
		.key = KEY(rng_below(rng, 1000), (uint8_t)rng_below(rng, 250), rng_next(rng)),
		.len = (uint32_t)rng_below(rng, rng_one_in(rng, 4) ? 500 : 60),
	};

	rng_fill(rng, item.data, item.len);
	return item;
}

static void step_insert(struct rng *rng, const struct geometry *g, uint8_t *node, struct model *m)
{
	unsigned slot = (unsigned)rng_below(rng, m->nr + 1);
	struct model_item item = random_item(rng);

	if (model_bytes(m) + ITEM_SIZE + item.len > geometry_leaf_bytes(g))
		return;
	memcpy(leaf_insert_raw(g, node, slot, &item.key, item.len), item.data, item.len);
	model_open(m, slot, 1);
	m->items[slot] = item;
}

static void step_insert_many(struct rng *rng, const struct geometry *g, uint8_t *node,
			     struct model *m)
{
	unsigned slot = (unsigned)rng_below(rng, m->nr + 1);
	unsigned nr = (unsigned)rng_below(rng, 6);
	struct model_item items[6];
	struct key keys[6];
	uint32_t lens[6], total = 0;
	uint8_t *data;

	for (unsigned i = 0; i < nr; i++) {
		items[i] = random_item(rng);
		keys[i] = items[i].key;
		lens[i] = items[i].len;
		total += ITEM_SIZE + lens[i];
	}
	if (model_bytes(m) + total > geometry_leaf_bytes(g))
		return;
	data = leaf_insert_many_raw(g, node, slot, keys, lens, nr);
	if (nr)
		assert_ptr_equal(data, leaf_item_data(node, slot + nr - 1));
	model_open(m, slot, nr);
	for (unsigned i = 0; i < nr; i++) {
		memcpy(leaf_item_data_mut(node, slot + i), items[i].data, lens[i]);
		m->items[slot + i] = items[i];
	}
}

static void step_remove(struct rng *rng, const struct geometry *g, uint8_t *node, struct model *m)
{
	unsigned slot = (unsigned)rng_below(rng, m->nr + 1);
	unsigned nr = (unsigned)rng_below(rng, MIN(m->nr - slot, 5u) + 1);

	leaf_remove_raw(g, node, slot, nr);
	model_close(m, slot, nr);
}

static void step_resize(struct rng *rng, const struct geometry *g, uint8_t *node, struct model *m)
{
	unsigned slot;
	uint32_t len, old;
	bool at_front = rng_one_in(rng, 2);
	struct model_item *item;

	if (!m->nr)
		return;
	slot = (unsigned)rng_below(rng, m->nr);
	item = &m->items[slot];
	old = item->len;
	len = (uint32_t)rng_below(rng, 500);
	if (model_bytes(m) - old + len > geometry_leaf_bytes(g))
		return;
	leaf_resize_raw(g, node, slot, len, at_front);
	if (at_front)
		memmove(item->data + (len > old ? len - old : 0),
			item->data + (old > len ? old - len : 0), MIN(old, len));
	if (len > old) {
		uint32_t at = at_front ? 0 : old;

		rng_fill(rng, item->data + at, len - old);
		memcpy(leaf_item_data_mut(node, slot) + at, item->data + at, len - old);
	}
	item->len = len;
}

static void step_move(struct rng *rng, const struct geometry *g, uint8_t *from,
		      struct model *m_from, uint8_t *to, struct model *m_to)
{
	unsigned slot = (unsigned)rng_below(rng, m_from->nr + 1);
	unsigned nr = (unsigned)rng_below(rng, MIN(m_from->nr - slot, 20u) + 1);
	unsigned to_slot = (unsigned)rng_below(rng, m_to->nr + 1);
	uint32_t bytes = 0;

	for (unsigned i = slot; i < slot + nr; i++)
		bytes += ITEM_SIZE + m_from->items[i].len;
	if (model_bytes(m_to) + bytes > geometry_leaf_bytes(g) || m_to->nr + nr > ITEMS_MAX)
		return;
	leaf_move_raw(g, from, slot, nr, to, to_slot);
	model_open(m_to, to_slot, nr);
	memcpy(&m_to->items[to_slot], &m_from->items[slot], nr * sizeof(m_to->items[0]));
	leaf_remove_raw(g, from, slot, nr);
	model_close(m_from, slot, nr);
}

static void test_node_layout__edits_of_leaves_match_arrays(void **state)
{
	static struct model models[2];
	static uint8_t nodes[2][16384];
	struct rng rng;

	(void)state;
	rng_init(&rng, 2);
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		const struct geometry *g = &sizes[s];

		for (unsigned n = 0; n < 2; n++) {
			models[n].nr = 0;
			node_init(g, nodes[n], 65536, 0, 5, 7);
		}
		for (unsigned step = 0; step < STEPS; step++) {
			unsigned n = (unsigned)rng_below(&rng, 2);

			switch (rng_below(&rng, 6)) {
			case 0:
			case 1:
				step_insert(&rng, g, nodes[n], &models[n]);
				break;
			case 2:
				step_insert_many(&rng, g, nodes[n], &models[n]);
				break;
			case 3:
				step_remove(&rng, g, nodes[n], &models[n]);
				break;
			case 4:
				step_resize(&rng, g, nodes[n], &models[n]);
				break;
			case 5:
				step_move(&rng, g, nodes[n], &models[n], nodes[!n], &models[!n]);
				check_leaf(g, nodes[!n], &models[!n]);
				break;
			}
			check_leaf(g, nodes[n], &models[n]);
		}
	}
}

static void test_node_layout__search_matches_a_linear_walk(void **state)
{
	static uint8_t node[16384];
	const struct geometry *g = &sizes[1];
	struct rng rng;

	(void)state;
	rng_init(&rng, 3);
	for (uint8_t level = 0; level < 2; level++) {
		struct key key = KEY(1, 1, 1);

		node_init(g, node, 65536, level, 5, 7);
		for (unsigned i = 0; i < 300; i++) {
			if (level) {
				node_insert_ptrs_raw(g, node, i, 1);
				node_set_ptr(node, i, &key, 4096 * (i + 1), i);
			} else {
				leaf_insert_raw(g, node, i, &key, 3);
			}
			key.offset += 1 + rng_below(&rng, 3);
			if (rng_one_in(&rng, 7))
				key = KEY(key.objectid + rng_below(&rng, 2), key.type + 1,
					  rng_below(&rng, 3));
		}
		for (unsigned i = 0; i < 5000; i++) {
			struct key want = node_slot_key(node, (unsigned)rng_below(&rng, 300));
			unsigned slot, expected = 0;
			bool found;

			want.offset += rng_below(&rng, 3) - 1;
			want.type += rng_one_in(&rng, 9);
			found = node_search(node, &want, &slot);
			for (; expected < 300; expected++) {
				struct key have = node_slot_key(node, expected);

				if (key_compare(&have, &want) >= 0)
					break;
			}
			assert_int_equal(slot, expected);
			if (expected < 300) {
				struct key have = node_slot_key(node, expected);

				assert_int_equal(found, key_equal(&have, &want));
			} else {
				assert_false(found);
			}
			if (level)
				assert_int_equal(node_child_slot(node, &want),
						 found	  ? expected :
						 expected ? expected - 1 :
							    0);
		}
	}
}

static void test_node_layout__edits_of_pointers_match_arrays(void **state)
{
	static uint8_t nodes[2][4096];
	uint64_t model[200];
	unsigned nr = 0;
	const struct geometry *g = &sizes[0];
	struct rng rng;

	(void)state;
	rng_init(&rng, 4);
	node_init(g, nodes[0], 65536, 1, 5, 7);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned slot = (unsigned)rng_below(&rng, nr + 1);

		if (rng_one_in(&rng, 2) && nr < geometry_node_ptrs(g)) {
			struct key key = KEY(step, 1, 2);

			node_insert_ptrs_raw(g, nodes[0], slot, 1);
			node_set_ptr(nodes[0], slot, &key, step * 4096ULL, step + 1);
			memmove(&model[slot + 1], &model[slot], (nr++ - slot) * sizeof(model[0]));
			model[slot] = step;
		} else if (slot < nr) {
			node_remove_ptrs_raw(nodes[0], slot, 1);
			memmove(&model[slot], &model[slot + 1],
				(nr-- - slot - 1) * sizeof(model[0]));
		}
		assert_int_equal(node_nritems(nodes[0]), nr);
		for (unsigned i = 0; i < nr; i++) {
			assert_int_equal(node_key(nodes[0], i).objectid, model[i]);
			assert_int_equal(node_child_addr(nodes[0], i), model[i] * 4096);
			assert_int_equal(node_child_generation(nodes[0], i), model[i] + 1);
		}
	}
	assert_true(nr > 3);
	node_init(g, nodes[1], 4096, 1, 5, 7);
	node_move_ptrs_raw(g, nodes[0], 1, 2, nodes[1], 0);
	assert_int_equal(node_nritems(nodes[1]), 2);
	assert_int_equal(node_child_addr(nodes[1], 1), model[2] * 4096);
}

static void test_node_layout__checksum_covers_every_byte(void **state)
{
	static uint8_t node[4096];
	const struct geometry *g = &sizes[0];
	struct key key = KEY(1, 2, 3);

	(void)state;
	node_init(g, node, 65536, 0, 5, 7);
	memset(node + 4, 0xee, 28);
	leaf_insert_raw(g, node, 0, &key, 100)[0] = 1;
	node_csum_update(g, node);
	assert_true(node_csum_ok(g, node));
	for (unsigned i = 4; i < 32; i++)
		assert_int_equal(node[i], 0);
	for (unsigned at = 0; at < g->nodesize; at++) {
		if (at >= 4 && at < 32)
			continue;
		node[at] ^= 1;
		assert_false(node_csum_ok(g, node));
		node[at] ^= 1;
	}
}

static void test_node_layout__clear_unused_leaves_nothing_of_removed_items(void **state)
{
	static uint8_t a[4096], b[4096];
	const struct geometry *g = &sizes[0];
	struct key keys[3] = { KEY(1, 1, 1), KEY(1, 1, 2), KEY(1, 1, 3) };

	(void)state;
	node_init(g, a, 65536, 0, 5, 7);
	node_init(g, b, 65536, 0, 5, 7);
	for (unsigned i = 0; i < 3; i++)
		memset(leaf_insert_raw(g, a, i, &keys[i], 50), 0xaa, 50);
	leaf_remove_raw(g, a, 1, 2);
	memset(leaf_insert_raw(g, b, 0, &keys[0], 50), 0xaa, 50);
	node_clear_unused(g, a);
	assert_memory_equal(a, b, g->nodesize);
	memset(a + 2000, 1, 100);
	node_set_nritems(a, 0);
	node_set_level(a, 1);
	node_clear_unused(g, a);
	for (unsigned at = HEADER_SIZE; at < g->nodesize; at++)
		assert_int_equal(a[at], 0);
}

static void overfill(void *arg)
{
	struct key key = KEY(1, 1, 1);

	leaf_insert_raw(&sizes[0], arg, 0, &key, geometry_max_item(&sizes[0]) + 1);
}

static void test_node_layout__no_space_is_our_mistake(void **state)
{
	static uint8_t node[4096];
	struct key key = KEY(1, 1, 1);
	char text[512];

	(void)state;
	node_init(&sizes[0], node, 65536, 0, 5, 7);
	assert_true(expect_abort(overfill, node, text, sizeof(text)));
	leaf_insert_raw(&sizes[0], node, 0, &key, geometry_max_item(&sizes[0]));
	assert_int_equal(leaf_free_bytes(&sizes[0], node), 0);
}

static void test_node_layout__geometry_is_linux_s(void **state)
{
	const struct geometry *g = &sizes[1];

	(void)state;
	assert_int_equal(geometry_leaf_bytes(g), 16283);
	assert_int_equal(geometry_max_item(g), 16258);
	assert_int_equal(geometry_node_ptrs(g), 493);
	assert_int_equal(geometry_node_ptrs(&sizes[0]), 121);
	assert_int_equal(geometry_max_inline(g), 16237);
	assert_int_equal(geometry_max_xattr(g), 16228);
	assert_int_equal(geometry_max_csums(g), 2028);
	assert_int_equal(geometry_max_csums(&sizes[0]), 985);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node_layout__edits_of_leaves_match_arrays),
		cmocka_unit_test(test_node_layout__search_matches_a_linear_walk),
		cmocka_unit_test(test_node_layout__edits_of_pointers_match_arrays),
		cmocka_unit_test(test_node_layout__checksum_covers_every_byte),
		cmocka_unit_test(test_node_layout__clear_unused_leaves_nothing_of_removed_items),
		cmocka_unit_test(test_node_layout__no_space_is_our_mistake),
		cmocka_unit_test(test_node_layout__geometry_is_linux_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
