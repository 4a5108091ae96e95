/*
 * keyed_ref: references that stand as items of their own behind the extent item.
 *
 * Key: (address, type of reference, tree or parent or hash). References to tree blocks have no
 * bytes; data references have a count. Two data references with one hash: the second takes the next
 * free offset, so that a search goes on from the hash to the last data reference of the extent.
 * Locks: none of its own; the runner is the only writer.
 */
#include "extent/extent_priv.h"

/* Longer than any Linux reference; a longer item is damage. */
#define KEYED_REF_MAX_BYTES EXTENT_DATA_REF_SIZE

static bool type_is_ref(uint8_t type)
{
	return type == REF_TREE || type == REF_TREE_SHARED || type == REF_DATA ||
	       type == REF_DATA_SHARED;
}

/* What the item under a cursor says. */
static int keyed_ref_load(const struct cursor *cursor, struct ref_key *ret_key, uint32_t *ret_count)
{
	struct key at = cursor_key(cursor);
	const uint8_t *data = cursor_data(cursor);
	struct ref_key key = { .type = at.type, .root = at.offset };
	uint32_t expected = at.type == REF_DATA	       ? EXTENT_DATA_REF_SIZE :
			    at.type == REF_DATA_SHARED ? SHARED_DATA_REF_SIZE :
							 0;

	CORRUPT_IF(cursor_len(cursor) != expected,
		   "extent %" PRIu64 ": reference of type %u has %u bytes", at.objectid, at.type,
		   cursor_len(cursor));
	*ret_count = 1;
	if (at.type == REF_DATA) {
		key.root = extent_data_ref_root(data);
		key.inode = extent_data_ref_objectid(data);
		key.offset = extent_data_ref_offset(data);
		*ret_count = extent_data_ref_count(data);
	} else if (at.type == REF_DATA_SHARED) {
		*ret_count = shared_data_ref_count(data);
	}
	*ret_key = key;
	return 0;
}

int keyed_ref_next(struct tree *tree, uint64_t addr, struct key *from, struct ref_key *ret_key,
		   uint32_t *ret_count)
{
	SCOPED(cursor) struct cursor cursor;
	struct key key;
	bool exact;
	int err;

	cursor_init(&cursor, tree);
	for (err = cursor_seek(&cursor, from, &exact); err == 0; err = cursor_next(&cursor)) {
		key = cursor_key(&cursor);
		if (key.objectid != addr || key.type > REF_DATA_SHARED)
			return -ERR_KEY_NOT_FOUND;
		if (!type_is_ref(key.type))
			continue;
		TRY(keyed_ref_load(&cursor, ret_key, ret_count));
		*from = key_next(key);
		return 0;
	}
	return err;
}

/* Where a reference stands, and its count; not there: count 0, and the key that it would get. */
static int keyed_ref_find(struct tree *tree, uint64_t addr, const struct ref_key *want,
			  struct key *ret_at, uint32_t *ret_count)
{
	struct key from = KEY(addr, (uint8_t)want->type, ref_key_sequence(want));
	struct key free = from, at;
	SCOPED(cursor) struct cursor cursor;
	struct ref_key here;
	uint32_t count;
	bool exact;
	int err;

	cursor_init(&cursor, tree);
	for (err = cursor_seek(&cursor, &from, &exact); err == 0; err = cursor_next(&cursor)) {
		at = cursor_key(&cursor);
		if (at.objectid != addr || at.type != want->type)
			break;
		TRY(keyed_ref_load(&cursor, &here, &count));
		if (ref_key_compare(&here, want) == 0) {
			*ret_at = at;
			*ret_count = count;
			return 0;
		}
		/* Only data references may be found beyond their own key. */
		if (want->type != REF_DATA)
			break;
		if (key_equal(&at, &free))
			free.offset++;
	}
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_at = free;
	*ret_count = 0;
	return 0;
}

static uint32_t keyed_ref_store(uint8_t *item, const struct ref_key *key, uint32_t count)
{
	if (key->type == REF_DATA) {
		extent_data_ref_set_root(item, key->root);
		extent_data_ref_set_objectid(item, key->inode);
		extent_data_ref_set_offset(item, key->offset);
		extent_data_ref_set_count(item, count);
		return EXTENT_DATA_REF_SIZE;
	}
	if (key->type == REF_DATA_SHARED) {
		shared_data_ref_set_count(item, count);
		return SHARED_DATA_REF_SIZE;
	}
	ASSERT(count == 1);
	return 0;
}

int keyed_ref_change(struct txn *txn, struct tree *tree, uint64_t addr, const struct ref_key *key,
		     int64_t delta)
{
	uint8_t item[KEYED_REF_MAX_BYTES];
	uint32_t count, len;
	struct key at;

	ASSERT(delta != 0);
	TRY(keyed_ref_find(tree, addr, key, &at, &count));
	if (!count && delta < 0)
		return THROW(ERR_EXTENT_MISSING,
			     "extent %" PRIu64 " has no reference of type %u from %" PRIu64
			     " (inode %" PRIu64 ", offset %" PRIu64 ")",
			     addr, key->type, key->root, key->inode, key->offset);
	if ((int64_t)count + delta < 0)
		return THROW(ERR_REF_NEGATIVE,
			     "extent %" PRIu64 ": %u references, %" PRId64 " to be dropped", addr,
			     count, -delta);
	if ((int64_t)count + delta == 0)
		return tree_remove(txn, tree, &at);
	len = keyed_ref_store(item, key, (uint32_t)(count + delta));
	if (count)
		return tree_replace(txn, tree, &at, item, len);
	return tree_insert(txn, tree, &at, item, len);
}
