/*
 * ref_list: all references of one extent, disk plus queue, in one sorted list; and which extent
 * lies at an address.
 *
 * This is the one answer to "who refers to it": items of the extent tree, changed by what waits in
 * the queue. Locks: RANK_REF_RUN while both are read, so that no runner holds a record that is in
 * neither.
 */
#include <stdlib.h>

#include "extent/extent_priv.h"

/* More than that are not listed; an extent with so many is damage or a stunt. */
#define REF_LIST_MAX ((size_t)1 << 20)
#define REF_LIST_FIRST 16u

static int ref_list_reserve(struct ref_list *list, size_t nr_more)
{
	size_t capacity = MAX(list->capacity, REF_LIST_FIRST);
	struct ref_delta *refs;

	if (list->nr + nr_more > REF_LIST_MAX)
		return THROW(ERR_LIMIT, "extent %" PRIu64 " has more than %zu references",
			     list->addr, REF_LIST_MAX);
	if (list->refs && list->nr + nr_more <= list->capacity)
		return 0;
	while (capacity < list->nr + nr_more)
		capacity *= 2;
	refs = mem_resize(list->refs, capacity * sizeof(*refs));
	if (!refs)
		return MEM_FAIL("references");
	list->refs = refs;
	list->capacity = capacity;
	return 0;
}

static int ref_list_add(struct ref_list *list, const struct ref_key *key, int64_t count)
{
	TRY(ref_list_reserve(list, 1));
	list->refs[list->nr++] = (struct ref_delta){ *key, count };
	return 0;
}

static int add_inline(struct ref_list *list, const struct extent_image *image)
{
	uint32_t at = inline_ref_first(image), count;
	struct ref_key key;
	uint64_t sum;

	TRY(inline_ref_sum(image, &sum));
	while (at < image->len) {
		const uint8_t *ref = image->data + at;

		inline_ref_load(ref, &key, &count);
		if (count)
			TRY(ref_list_add(list, &key, count));
		at += inline_ref_size_bytes(inline_ref_type(ref));
	}
	return 0;
}

/* Keys only rise, so it ends. */
static int add_keyed(struct ref_list *list, struct tree *tree)
{
	struct key from = KEY(list->addr, REF_TREE, 0);
	struct ref_key key;
	uint32_t count;
	int err;

	while ((err = keyed_ref_next(tree, list->addr, &from, &key, &count)) == 0)
		TRY(ref_list_add(list, &key, count));
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int add_pending(struct ref_list *list, struct ref_queue *queue)
{
	size_t nr;

	ref_queue_copy(queue, list->addr, NULL, 0, &nr);
	if (!nr)
		return 0;
	TRY(ref_list_reserve(list, nr));
	/* Nobody runs references now; what is pushed meanwhile belongs to a later answer. */
	ref_queue_copy(queue, list->addr, list->refs + list->nr, list->capacity - list->nr, &nr);
	list->nr += MIN(nr, list->capacity - list->nr);
	return 0;
}

static int compare_refs(const void *a, const void *b)
{
	return ref_key_compare(&((const struct ref_delta *)a)->key,
			       &((const struct ref_delta *)b)->key);
}

/* Equal keys become one; what comes to nothing goes. */
static int ref_list_merge(struct ref_list *list)
{
	size_t nr = 0;

	if (list->nr)
		qsort(list->refs, list->nr, sizeof(*list->refs), compare_refs);
	for (size_t i = 0; i < list->nr;) {
		struct ref_delta sum = list->refs[i++];

		for (; i < list->nr && ref_key_compare(&list->refs[i].key, &sum.key) == 0; i++)
			sum.delta += list->refs[i].delta;
		CORRUPT_IF(sum.delta < 0,
			   "extent %" PRIu64 ": %" PRId64 " references of type %u from %" PRIu64,
			   list->addr, sum.delta, sum.key.type, sum.key.root);
		if (sum.delta)
			list->refs[nr++] = sum;
	}
	list->nr = nr;
	return 0;
}

static uint8_t item_level(const struct extent_image *image)
{
	if (image->key.type == BTRFS_METADATA_ITEM_KEY)
		return (uint8_t)MIN(image->key.offset, UINT8_MAX);
	if (extent_item_flags(image->data) & BTRFS_EXTENT_FLAG_TREE_BLOCK)
		return tree_block_info_level(image->data + EXTENT_ITEM_SIZE);
	return 0;
}

static int ref_list_fill(struct extents *extents, struct tree *tree, struct extent_image *image,
			 struct ref_list *list)
{
	struct ref_queue *queue = space_ref_queue(extents->store->space);
	int err = extent_item_read(tree, list->addr, image);

	if (err == 0) {
		list->key = image->key;
		list->flags = extent_item_flags(image->data);
		list->level = item_level(image);
		TRY(add_inline(list, image));
		TRY(add_keyed(list, tree));
	} else if (err != -ERR_EXTENT_MISSING || ref_queue_pending(queue, list->addr) <= 0) {
		return err;
	}
	TRY(add_pending(list, queue));
	return ref_list_merge(list);
}

int extent_ref_list(struct extents *extents, uint64_t addr, struct ref_list *ret_list)
{
	struct ref_list list = { .addr = addr };
	SCOPED_MEM uint8_t *data = NULL;
	struct extent_image image;
	struct tree *tree;
	int err;

	TRY(extent_tree(extents, &tree));
	data = mem_alloc(geometry_max_item(node_cache_geometry(tree->cache)));
	if (!data)
		return MEM_FAIL("an extent item");
	image.data = data;
	mutex_lock(&extents->run_lock);
	err = ref_list_fill(extents, tree, &image, &list);
	mutex_unlock(&extents->run_lock);
	if (err < 0) {
		ref_list_fini(&list);
		return err;
	}
	*ret_list = list;
	return 0;
}

void ref_list_fini(struct ref_list *list)
{
	mem_free(list->refs);
	list->refs = NULL;
	list->nr = list->capacity = 0;
}

/* The last item of an extent at or before *from; *from becomes the key to go on with. */
static int extent_before(struct tree *tree, struct key *from, struct key *ret_key,
			 uint64_t *ret_flags)
{
	SCOPED(cursor) struct cursor cursor;
	struct key key;

	cursor_init(&cursor, tree);
	for (;;) {
		int err = cursor_seek_le(&cursor, from);

		if (err < 0)
			return err;
		key = cursor_key(&cursor);
		if (key.type == BTRFS_EXTENT_ITEM_KEY || key.type == BTRFS_METADATA_ITEM_KEY)
			break;
		cursor_release(&cursor);
		if (key.type > BTRFS_METADATA_ITEM_KEY)
			*from = KEY(key.objectid, BTRFS_METADATA_ITEM_KEY, UINT64_MAX);
		else if (key.objectid)
			*from = KEY(key.objectid - 1, BTRFS_METADATA_ITEM_KEY, UINT64_MAX);
		else
			return -ERR_KEY_NOT_FOUND;
	}
	CORRUPT_IF(cursor_len(&cursor) < EXTENT_ITEM_SIZE,
		   "the item of extent %" PRIu64 " has %u bytes", key.objectid,
		   cursor_len(&cursor));
	*ret_key = key;
	*ret_flags = extent_item_flags(cursor_data(&cursor));
	return 0;
}

int extent_at(struct extents *extents, uint64_t logical, struct extent_place *ret_place)
{
	struct key from = KEY(logical, BTRFS_METADATA_ITEM_KEY, UINT64_MAX), key;
	uint64_t flags = 0, len = 0;
	struct tree *tree;
	int err;

	TRY(extent_tree(extents, &tree));
	err = extent_before(tree, &from, &key, &flags);
	if (err == 0)
		len = key.type == BTRFS_METADATA_ITEM_KEY ? extents->store->geometry.nodesize :
							    key.offset;
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	if (err < 0 || logical - key.objectid >= len)
		return THROW(ERR_NOT_FOUND, "no extent lies at logical address %" PRIu64, logical);
	*ret_place = (struct extent_place){ .addr = key.objectid,
					    .len_bytes = len,
					    .metadata = flags & BTRFS_EXTENT_FLAG_TREE_BLOCK };
	return 0;
}
