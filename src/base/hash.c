/*
 * Intrusive hash table. Invariant: a node is in the chain of bucket_nr(its key); on average a chain
 * holds at most one node, unless memory ran out. It grows by doubling and does not shrink.
 */
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/mem.h"

#define HASH_BUCKETS_LOG2_MAX 40

_Static_assert(HASH_FIRST_BUCKETS == 1 << 3, "hash_init sets the logarithm");

static struct hash_node **hash_buckets(const struct hash_table *table)
{
	/* The embedded ones are found by address each time, so that an empty table may be moved. */
	return table->buckets ? table->buckets : (struct hash_node **)table->first_buckets;
}

static size_t nr_buckets(const struct hash_table *table)
{
	return (size_t)1 << table->nr_buckets_log2;
}

static size_t bucket_nr(const struct hash_table *table, uint64_t key)
{
	return (size_t)(hash_mix(key) >> (64 - table->nr_buckets_log2));
}

void hash_init(struct hash_table *table)
{
	memset(table, 0, sizeof(*table));
	table->nr_buckets_log2 = 3;
}

void hash_clear(struct hash_table *table)
{
	mem_free(table->buckets);
	hash_init(table);
}

void hash_fini(struct hash_table *table)
{
	ASSERT(table->nr == 0);
	hash_clear(table);
}

static void hash_link(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **bucket = &hash_buckets(table)[bucket_nr(table, node->key)];

	node->next = *bucket;
	*bucket = node;
}

static void hash_grow(struct hash_table *table)
{
	struct hash_node **old = hash_buckets(table);
	size_t nr_old = nr_buckets(table);
	struct hash_node **buckets;
	struct hash_node *node, *next;

	if (table->nr_buckets_log2 >= HASH_BUCKETS_LOG2_MAX)
		return;
	buckets = mem_array(nr_old * 2, sizeof(*buckets));
	if (!buckets)
		return;
	/* The old array is walked after the table points to the new one, so it is freed last. */
	table->buckets = buckets;
	table->nr_buckets_log2++;
	for (size_t i = 0; i < nr_old; i++) {
		for (node = old[i]; node; node = next) {
			next = node->next;
			hash_link(table, node);
		}
	}
	if (old != table->first_buckets)
		mem_free(old);
}

void hash_insert(struct hash_table *table, struct hash_node *node, uint64_t key)
{
	if (table->nr >= nr_buckets(table))
		hash_grow(table);
	node->key = key;
	hash_link(table, node);
	table->nr++;
}

void hash_remove(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **slot = &hash_buckets(table)[bucket_nr(table, node->key)];

	while (*slot && *slot != node)
		slot = &(*slot)->next;
	ASSERT(*slot == node);
	*slot = node->next;
	node->next = NULL;
	table->nr--;
}

static struct hash_node *chain_find(struct hash_node *node, uint64_t key)
{
	while (node && node->key != key)
		node = node->next;
	return node;
}

struct hash_node *hash_find(const struct hash_table *table, uint64_t key)
{
	return chain_find(hash_buckets(table)[bucket_nr(table, key)], key);
}

struct hash_node *hash_find_next(const struct hash_node *node)
{
	return chain_find(node->next, node->key);
}

static struct hash_node *first_from(const struct hash_table *table, size_t bucket)
{
	for (; bucket < nr_buckets(table); bucket++) {
		if (hash_buckets(table)[bucket])
			return hash_buckets(table)[bucket];
	}
	return NULL;
}

struct hash_node *hash_first(const struct hash_table *table)
{
	return first_from(table, 0);
}

struct hash_node *hash_next(const struct hash_table *table, const struct hash_node *node)
{
	return node->next ? node->next : first_from(table, bucket_nr(table, node->key) + 1);
}
