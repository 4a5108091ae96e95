/*
 * Items of trees by their keys, as the ioctl TREE_SEARCH of Linux shows them.
 *
 * A batch of items is copied under the lock (shared), then shown with no lock held. What is delayed
 * is not in the trees yet and is not shown, as with Linux.
 */
#include <ubtrfs/inspect.h>

#include "base/assert.h"
#include "format/node_layout.h"
#include "ops/ops.h"

#define BATCH_BYTES ((size_t)64 << 10)
/* Leaves that hold nothing of interest are passed over; after so many items the lock is given back. */
#define BATCH_ITEMS 4096u

struct batch_head {
	struct ubtrfs_tree_item item; /* data: set when it is shown */
};

struct search {
	const struct ubtrfs_tree_search *range;
	struct key next, last;
	bool more;
	uint8_t *batch; /* heads, each with its data behind it */
	size_t len, capacity;
};

static size_t packed_len(uint32_t data_len)
{
	return round_up(sizeof(struct batch_head) + data_len, 8u);
}

/* False: no room. */
static bool batch_add(struct search *search, const struct cursor *cursor, uint64_t transid)
{
	struct key key = cursor_key(cursor);
	uint32_t data_len = cursor_len(cursor);
	struct batch_head head = { .item = { .objectid = key.objectid,
					     .type = key.type,
					     .offset = key.offset,
					     .transid = transid,
					     .len = data_len } };

	if (search->capacity - search->len < packed_len(data_len))
		return false;
	memcpy(search->batch + search->len, &head, sizeof(head));
	memcpy(search->batch + search->len + sizeof(head), cursor_data(cursor), data_len);
	search->len += packed_len(data_len);
	return true;
}

static int batch_fill_from(struct search *search, struct root *root)
{
	const struct ubtrfs_tree_search *range = search->range;
	SCOPED(cursor) struct cursor cursor;
	bool exact;
	int err;

	cursor_init(&cursor, &root->tree);
	err = cursor_seek(&cursor, &search->next, &exact);
	for (unsigned nr = 0; err == 0; nr++) {
		struct key key = cursor_key(&cursor);
		uint64_t transid = node_generation(cursor.leaf->data);

		search->more = key_compare(&key, &search->last) <= 0;
		search->next = key;
		if (!search->more || nr == BATCH_ITEMS)
			return 0;
		if (transid >= range->min_transid && transid <= range->max_transid &&
		    !batch_add(search, &cursor, transid))
			return 0;
		err = cursor_next(&cursor);
	}
	search->more = false;
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int batch_fill(struct ubtrfs *fs, struct search *search)
{
	struct root *root;

	search->len = 0;
	TRY(root_get(fs->core.roots, search->range->tree_id, &root));
	return batch_fill_from(search, root);
}

static int batch_show(const struct search *search,
		      int (*visit)(void *ctx, const struct ubtrfs_tree_item *item), void *ctx)
{
	struct batch_head head;

	for (size_t at = 0; at < search->len; at += packed_len((uint32_t)head.item.len)) {
		int stop;

		memcpy(&head, search->batch + at, sizeof(head));
		head.item.data = search->batch + at + sizeof(head);
		stop = visit(ctx, &head.item);
		if (stop)
			return stop;
	}
	return 0;
}

static struct key key_clamped(uint64_t objectid, uint32_t type, uint64_t offset)
{
	return KEY(objectid, (uint8_t)MIN(type, UINT8_MAX), type > UINT8_MAX ? UINT64_MAX : offset);
}

UBTRFS_API int ubtrfs_tree_search(struct ubtrfs *fs, const struct ubtrfs_tree_search *range,
				  int (*visit)(void *ctx, const struct ubtrfs_tree_item *item),
				  void *ctx)
{
	/* One item fits always. */
	size_t capacity = BATCH_BYTES + packed_len(fs->core.geometry.nodesize);
	SCOPED_MEM uint8_t *batch = mem_alloc(capacity);
	struct search search = {
		.range = range,
		.next = key_clamped(range->min_objectid, range->min_type, range->min_offset),
		.last = key_clamped(range->max_objectid, range->max_type, range->max_offset),
		.more = true,
		.batch = batch,
		.capacity = capacity,
	};

	if (!batch)
		return fs_errno(MEM_FAIL("searching a tree"));
	while (search.more) {
		int ret = FS_READ(fs, batch_fill(fs, &search));

		if (ret == 0)
			ret = batch_show(&search, visit, ctx);
		if (ret)
			return fs_errno(ret);
	}
	return 0;
}
