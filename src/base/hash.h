/*
 * Intrusive hash table keyed by 64 bits, with chains. Owns its buckets only, locks nothing.
 *
 * Insertion cannot fail: when there is no memory to grow, the chains just become longer, and the
 * next insertion tries again. Several nodes may have one key; hash_find returns one of them,
 * hash_find_next the others.
 */
#ifndef UBTRFS_BASE_HASH_H
#define UBTRFS_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define HASH_FIRST_BUCKETS 8

struct hash_node {
	struct hash_node *next;
	uint64_t key;
};

struct hash_table {
	struct hash_node **buckets; /* NULL: first_buckets */
	unsigned nr_buckets_log2;
	size_t nr;
	struct hash_node *first_buckets[HASH_FIRST_BUCKETS];
};

#define hash_entry(node, type, member) container_of(node, type, member)

/* Spreads every bit of v over the whole result; a bijection. */
static inline uint64_t hash_mix(uint64_t v)
{
	v ^= v >> 32;
	v *= 0xd6e8feb86659fd93ULL;
	v ^= v >> 32;
	v *= 0xd6e8feb86659fd93ULL;
	v ^= v >> 32;
	return v;
}

/* A key from two. */
static inline uint64_t hash_mix2(uint64_t a, uint64_t b)
{
	return hash_mix(hash_mix(a) + b);
}

void hash_init(struct hash_table *table);
/* The table is empty by then (asserted), or its nodes are forgotten by hash_clear. */
void hash_fini(struct hash_table *table);
void hash_clear(struct hash_table *table);

void hash_insert(struct hash_table *table, struct hash_node *node, uint64_t key);
/* The node is in the table (asserted). */
void hash_remove(struct hash_table *table, struct hash_node *node);
struct hash_node *hash_find(const struct hash_table *table, uint64_t key);
/* Another node with the key of this one, NULL after the last. */
struct hash_node *hash_find_next(const struct hash_node *node);

/*
 * Walks over all nodes in no particular order: for (n = hash_first(t); n; n = hash_next(t, n)).
 * Nothing may be inserted meanwhile; to remove the current one, ask for the next before.
 */
struct hash_node *hash_first(const struct hash_table *table);
struct hash_node *hash_next(const struct hash_table *table, const struct hash_node *node);

#endif
