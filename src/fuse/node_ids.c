/*
 * Node ids: arithmetic where it reaches, a table where it does not; and the counts of the kernel.
 */
#include "fuse/node_ids.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"

#define INO_BITS 43u
#define SUBVOL_BITS 20u
#define WIDE_BIT ((uint64_t)1 << 63)
/* Below are NODE_ID_TOP and what no inode has. */
#define INO_FIRST 2u

struct known_node {
	struct hash_node by_id;
	struct ubtrfs_node node;
	uint64_t nr_lookups;
	uint64_t list_end; /* directories; 0: none was listed */
	bool is_kept;
};

/* An id of WIDE_BIT, subvolume and number; those of wide nodes have no subvolume. */
struct absent_node {
	struct hash_node by_name;
	struct ubtrfs_node dir;
	uint64_t id;
	size_t name_len;
	char name[];
};

struct wide_node {
	struct hash_node by_node;
	struct ubtrfs_node node;
	uint64_t id;
};

void node_ids_init(struct node_ids *ids, uint64_t top_subvolid)
{
	ids->top_subvolid = top_subvolid;
	atomic_init(&ids->top_list_end, 0);
	for (unsigned i = 0; i < NODE_ID_SHARDS; i++) {
		mutex_init(&ids->shards[i].lock, RANK_LEAF, "node ids");
		hash_init(&ids->shards[i].known);
	}
	mutex_init(&ids->wide_lock, RANK_LEAF, "wide node ids");
	hash_init(&ids->wide);
	hash_init(&ids->absent);
	ids->nr_absent = 0;
	ids->wide_at = NULL;
	ids->nr_wide = 0;
}

static void absent_fini(struct hash_table *table)
{
	struct hash_node *at, *next;

	for (at = hash_first(table); at; at = next) {
		next = hash_next(table, at);
		mem_free(hash_entry(at, struct absent_node, by_name));
	}
	hash_clear(table);
	hash_fini(table);
}

void node_ids_fini(struct node_ids *ids, void (*release)(void *ctx, struct ubtrfs_node node),
		   void *ctx)
{
	for (unsigned i = 0; i < NODE_ID_SHARDS; i++) {
		struct hash_table *table = &ids->shards[i].known;
		struct hash_node *at, *next;

		for (at = hash_first(table); at; at = next) {
			struct known_node *known = hash_entry(at, struct known_node, by_id);

			next = hash_next(table, at);
			if (known->is_kept)
				release(ctx, known->node);
			mem_free(known);
		}
		hash_clear(table);
		hash_fini(table);
		mutex_fini(&ids->shards[i].lock);
	}
	for (unsigned i = 0; i < ids->nr_wide; i++)
		mem_free(ids->wide_at[i]);
	absent_fini(&ids->absent);
	hash_clear(&ids->wide);
	hash_fini(&ids->wide);
	mem_free(ids->wide_at);
	mutex_fini(&ids->wide_lock);
}

static struct wide_node *wide_find(const struct node_ids *ids, struct ubtrfs_node node)
{
	struct hash_node *at = hash_find(&ids->wide, hash_mix2(node.subvolid, node.ino));

	for (; at; at = hash_find_next(at)) {
		struct wide_node *wide = hash_entry(at, struct wide_node, by_node);

		if (wide->node.subvolid == node.subvolid && wide->node.ino == node.ino)
			return wide;
	}
	return NULL;
}

static int wide_add(struct node_ids *ids, struct ubtrfs_node node, struct wide_node **ret_wide)
{
	struct wide_node *wide, **grown;

	if (ids->nr_wide == NODE_ID_WIDE_MAX)
		return THROW(ERR_LIMIT, "%u inodes with numbers above 2^%u are in use",
			     NODE_ID_WIDE_MAX, INO_BITS);
	if (is_pow2(ids->nr_wide) || !ids->nr_wide) {
		grown = mem_resize(ids->wide_at,
				   MAX(ids->nr_wide * 2u, 1u) * sizeof(struct wide_node *));
		if (!grown)
			return MEM_FAIL("node ids");
		ids->wide_at = grown;
	}
	wide = mem_zalloc(sizeof(*wide));
	if (!wide)
		return MEM_FAIL("a node id");
	wide->node = node;
	wide->id = WIDE_BIT | ids->nr_wide;
	ids->wide_at[ids->nr_wide++] = wide;
	hash_insert(&ids->wide, &wide->by_node, hash_mix2(node.subvolid, node.ino));
	*ret_wide = wide;
	return 0;
}

static int wide_id_of(struct node_ids *ids, struct ubtrfs_node node, uint64_t *ret_id)
{
	struct wide_node *wide;
	int err = 0;

	mutex_lock(&ids->wide_lock);
	wide = wide_find(ids, node);
	if (!wide)
		err = wide_add(ids, node, &wide);
	if (err == 0)
		*ret_id = wide->id;
	mutex_unlock(&ids->wide_lock);
	return err;
}

int node_id_of(struct node_ids *ids, struct ubtrfs_node node, uint64_t *ret_id)
{
	if (node.ino < INO_FIRST || node.ino >> INO_BITS)
		return wide_id_of(ids, node, ret_id);
	if (node.subvolid == ids->top_subvolid)
		*ret_id = node.ino == UBTRFS_ROOT_INO ? NODE_ID_TOP : node.ino;
	else if (node.subvolid && !(node.subvolid >> SUBVOL_BITS))
		*ret_id = node.subvolid << INO_BITS | node.ino;
	else
		return wide_id_of(ids, node, ret_id);
	return 0;
}

static uint64_t absent_hash(struct ubtrfs_node dir, const char *name, size_t name_len)
{
	uint64_t hash = hash_mix2(dir.subvolid, dir.ino);

	for (size_t i = 0; i < name_len; i++)
		hash = hash_mix2(hash, (unsigned char)name[i]);
	return hash;
}

static struct absent_node *absent_find(const struct node_ids *ids, uint64_t hash,
				       struct ubtrfs_node dir, const char *name, size_t name_len)
{
	struct hash_node *at = hash_find(&ids->absent, hash);

	for (; at; at = hash_find_next(at)) {
		struct absent_node *absent = hash_entry(at, struct absent_node, by_name);

		if (absent->dir.subvolid == dir.subvolid && absent->dir.ino == dir.ino &&
		    absent->name_len == name_len && memcmp(absent->name, name, name_len) == 0)
			return absent;
	}
	return NULL;
}

static int absent_add(struct node_ids *ids, uint64_t hash, struct ubtrfs_node dir, const char *name,
		      size_t name_len, struct absent_node **ret_absent)
{
	struct absent_node *absent = mem_zalloc(sizeof(*absent) + name_len);

	if (!absent)
		return MEM_FAIL("a node id");
	absent->dir = dir;
	absent->id = WIDE_BIT | dir.subvolid << INO_BITS | ids->nr_absent++;
	absent->name_len = name_len;
	memcpy(absent->name, name, name_len);
	hash_insert(&ids->absent, &absent->by_name, hash);
	*ret_absent = absent;
	return 0;
}

int node_id_of_absent(struct node_ids *ids, struct ubtrfs_node dir, const char *name,
		      size_t name_len, uint64_t *ret_id)
{
	uint64_t hash = absent_hash(dir, name, name_len);
	bool is_full = !dir.subvolid || dir.subvolid >> SUBVOL_BITS;
	struct absent_node *absent;
	int err = 0;

	mutex_lock(&ids->wide_lock);
	absent = absent_find(ids, hash, dir, name, name_len);
	is_full |= ids->nr_absent == NODE_ID_WIDE_MAX;
	if (!absent && !is_full)
		err = absent_add(ids, hash, dir, name, name_len, &absent);
	if (absent)
		*ret_id = absent->id;
	mutex_unlock(&ids->wide_lock);
	if (err == 0 && !absent)
		return node_id_of(ids, (struct ubtrfs_node){ dir.subvolid, NODE_INO_ABSENT },
				  ret_id);
	return err;
}

static bool id_is_absent(uint64_t id)
{
	return id & WIDE_BIT && (id & ~WIDE_BIT) >> INO_BITS;
}

int node_of_id(struct node_ids *ids, uint64_t id, struct ubtrfs_node *ret_node)
{
	uint64_t subvolid = id >> INO_BITS;
	int err = 0;

	if (!(id & WIDE_BIT)) {
		*ret_node = (struct ubtrfs_node){ subvolid ? subvolid : ids->top_subvolid,
						  id == NODE_ID_TOP ?
							  UBTRFS_ROOT_INO :
							  id & (((uint64_t)1 << INO_BITS) - 1) };
		return 0;
	}
	id &= ~WIDE_BIT;
	if (id >> INO_BITS) {
		*ret_node = (struct ubtrfs_node){ id >> INO_BITS, NODE_INO_ABSENT };
		return 0;
	}
	mutex_lock(&ids->wide_lock);
	if (id < ids->nr_wide)
		*ret_node = ids->wide_at[id]->node;
	else
		err = THROW(ERR_NOT_FOUND, "there is no node %llu", (unsigned long long)id);
	mutex_unlock(&ids->wide_lock);
	return err;
}

uint64_t node_id_ino(const struct node_ids *ids, uint64_t id)
{
	uint64_t subvolid = (id & ~WIDE_BIT) >> INO_BITS;

	if (id_is_absent(id))
		return subvolid == ids->top_subvolid ? NODE_INO_ABSENT :
						       subvolid << INO_BITS | NODE_INO_ABSENT;
	return id == NODE_ID_TOP ? UBTRFS_ROOT_INO : id;
}

static struct node_id_shard *shard_of(struct node_ids *ids, uint64_t id)
{
	return &ids->shards[hash_mix(id) >> 32 & (NODE_ID_SHARDS - 1)];
}

static struct known_node *known_find(const struct node_id_shard *shard, uint64_t id)
{
	struct hash_node *at = hash_find(&shard->known, id);

	return at ? hash_entry(at, struct known_node, by_id) : NULL;
}

int node_id_looked_up(struct node_ids *ids, uint64_t id, struct ubtrfs_node node)
{
	struct node_id_shard *shard = shard_of(ids, id);
	struct known_node *known;
	int err = 0;

	mutex_lock(&shard->lock);
	known = known_find(shard, id);
	if (!known) {
		known = mem_zalloc(sizeof(*known));
		if (known) {
			known->node = node;
			hash_insert(&shard->known, &known->by_id, id);
		} else {
			err = MEM_FAIL("a node");
		}
	}
	if (known)
		known->nr_lookups++;
	mutex_unlock(&shard->lock);
	return err;
}

bool node_id_forget(struct node_ids *ids, uint64_t id, uint64_t nr)
{
	struct node_id_shard *shard = shard_of(ids, id);
	struct known_node *known;
	bool was_kept = false;

	mutex_lock(&shard->lock);
	known = known_find(shard, id);
	if (known) {
		known->nr_lookups -= MIN(nr, known->nr_lookups);
		if (!known->nr_lookups) {
			was_kept = known->is_kept;
			hash_remove(&shard->known, &known->by_id);
			mem_free(known);
		}
	}
	mutex_unlock(&shard->lock);
	return was_kept;
}

bool node_id_keep(struct node_ids *ids, uint64_t id)
{
	struct node_id_shard *shard = shard_of(ids, id);
	struct known_node *known;
	bool kept = false;

	mutex_lock(&shard->lock);
	known = known_find(shard, id);
	if (known && !known->is_kept)
		kept = known->is_kept = true;
	mutex_unlock(&shard->lock);
	return kept;
}

void node_id_list_begin(struct node_ids *ids, uint64_t id, uint64_t end)
{
	struct node_id_shard *shard = shard_of(ids, id);
	struct known_node *known;

	/* The kernel knows the top without having been told. */
	if (id == NODE_ID_TOP) {
		atomic_store(&ids->top_list_end, end);
		return;
	}
	mutex_lock(&shard->lock);
	known = known_find(shard, id);
	if (known)
		known->list_end = end;
	mutex_unlock(&shard->lock);
}

uint64_t node_id_list_end(struct node_ids *ids, uint64_t id)
{
	struct node_id_shard *shard = shard_of(ids, id);
	struct known_node *known;
	uint64_t end;

	if (id == NODE_ID_TOP)
		return atomic_load(&ids->top_list_end);
	mutex_lock(&shard->lock);
	known = known_find(shard, id);
	end = known ? known->list_end : 0;
	mutex_unlock(&shard->lock);
	return end;
}
