/*
 * BTRFS_IOC_TREE_SEARCH: items of a tree, as many as fit into the answer.
 */
#include <string.h>

#include <linux/btrfs.h>

#include <ubtrfs/inspect.h>

#include "base/bytes.h"
#include "fuse/fuse_ioctl.h"

struct tree_answer {
	char *data;
	size_t len, capacity;
	unsigned nr, max_nr;
};

static int add_item(void *ctx, const struct ubtrfs_tree_item *item)
{
	struct tree_answer *answer = ctx;
	struct btrfs_ioctl_search_header header = { .transid = item->transid,
						    .objectid = item->objectid,
						    .offset = item->offset,
						    .type = item->type,
						    .len = (uint32_t)item->len };

	if (answer->nr == answer->max_nr ||
	    answer->capacity - answer->len < sizeof(header) + item->len) {
		/* Items that would never fit are told by their header alone, as Linux does. */
		if (answer->nr)
			return 1;
		header.len = 0;
	}
	memcpy(answer->data + answer->len, &header, sizeof(header));
	memcpy(answer->data + answer->len + sizeof(header), item->data, header.len);
	answer->len += sizeof(header) + header.len;
	answer->nr++;
	return answer->nr == answer->max_nr;
}

int ioctl_tree_search(struct ioctl_call *call)
{
	struct btrfs_ioctl_search_args *args = call->data;
	const struct btrfs_ioctl_search_key *key = &args->key;
	struct tree_answer answer = { .data = args->buf,
				      .capacity = sizeof(args->buf),
				      .max_nr = MAX(key->nr_items, 1u) };
	struct ubtrfs_tree_search range = {
		.tree_id = key->tree_id ? key->tree_id : call->node.subvolid,
		.min_objectid = key->min_objectid,
		.max_objectid = key->max_objectid,
		.min_type = key->min_type,
		.max_type = key->max_type,
		.min_offset = key->min_offset,
		.max_offset = key->max_offset,
		.min_transid = key->min_transid,
		.max_transid = key->max_transid,
	};
	int err = ubtrfs_tree_search(call->front->fs, &range, add_item, &answer);

	if (err < 0)
		return err;
	args->key.tree_id = range.tree_id;
	args->key.nr_items = answer.nr;
	return 0;
}
