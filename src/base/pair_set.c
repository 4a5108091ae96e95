/*
 * pair_set: a hash table of pairs, each in an allocation of its own, under one lock (RANK_LEAF).
 */
#include "base/pair_set.h"

#include "base/mem.h"

struct pair {
	struct hash_node hash;
	uint64_t a, b;
};

void pair_set_init(struct pair_set *set)
{
	mutex_init(&set->lock, RANK_LEAF, "a set of pairs");
	hash_init(&set->pairs);
}

void pair_set_clear(struct pair_set *set)
{
	struct hash_node *node = hash_first(&set->pairs), *next;

	for (; node; node = next) {
		next = hash_next(&set->pairs, node);
		hash_remove(&set->pairs, node);
		mem_free(hash_entry(node, struct pair, hash));
	}
}

void pair_set_fini(struct pair_set *set)
{
	pair_set_clear(set);
	hash_fini(&set->pairs);
	mutex_fini(&set->lock);
}

static bool is_there(const struct pair_set *set, uint64_t a, uint64_t b)
{
	struct hash_node *node = hash_find(&set->pairs, hash_mix2(a, b));

	for (; node; node = hash_find_next(node)) {
		const struct pair *pair = hash_entry(node, struct pair, hash);

		if (pair->a == a && pair->b == b)
			return true;
	}
	return false;
}

int pair_set_add(struct pair_set *set, uint64_t a, uint64_t b)
{
	struct pair *pair = mem_alloc(sizeof(*pair));
	bool there;

	if (!pair)
		return MEM_FAIL("what was seen");
	pair->a = a;
	pair->b = b;
	mutex_lock(&set->lock);
	there = is_there(set, a, b);
	if (!there)
		hash_insert(&set->pairs, &pair->hash, hash_mix2(a, b));
	mutex_unlock(&set->lock);
	if (there)
		mem_free(pair);
	return !there;
}
