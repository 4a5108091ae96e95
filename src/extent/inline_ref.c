/*
 * inline_ref: references inside an extent item, as bytes.
 *
 * Order, as Linux demands it: type rising; within a type the sequence (hash for data references,
 * else tree or parent) falling. Data references with equal hashes stand side by side. Owner
 * references (simple quotas) count for nothing and stay. Pure functions over an image; no locks.
 */
#include "codec/name_hash.h"
#include "extent/extent_priv.h"

/* Linux lets an item take a sixteenth of a leaf. */
uint32_t inline_ref_limit(const struct geometry *geometry)
{
	return (geometry_leaf_bytes(geometry) >> 4) - ITEM_SIZE;
}

uint32_t inline_ref_first(const struct extent_image *image)
{
	bool has_info = image->key.type == BTRFS_EXTENT_ITEM_KEY &&
			(extent_item_flags(image->data) & BTRFS_EXTENT_FLAG_TREE_BLOCK);

	return EXTENT_ITEM_SIZE + (has_info ? TREE_BLOCK_INFO_SIZE : 0);
}

uint64_t ref_key_sequence(const struct ref_key *key)
{
	return key->type == REF_DATA ? hash_extent_data_ref(key->root, key->inode, key->offset) :
				       key->root;
}

void inline_ref_load(const uint8_t *ref, struct ref_key *ret_key, uint32_t *ret_count)
{
	const uint8_t *data = ref + 1;
	struct ref_key key = { .type = inline_ref_type(ref) };

	if (key.type == REF_DATA) {
		key.root = extent_data_ref_root(data);
		key.inode = extent_data_ref_objectid(data);
		key.offset = extent_data_ref_offset(data);
		*ret_count = extent_data_ref_count(data);
	} else {
		key.root = inline_ref_offset(ref);
		*ret_count = key.type == REF_DATA_SHARED ?
				     shared_data_ref_count(ref + INLINE_REF_SIZE) :
			     inline_ref_type(ref) == BTRFS_EXTENT_OWNER_REF_KEY ? 0 :
										  1;
	}
	*ret_key = key;
}

static void inline_ref_store(uint8_t *ref, const struct ref_key *key, uint32_t count)
{
	uint8_t *data = ref + 1;

	inline_ref_set_type(ref, (uint8_t)key->type);
	if (key->type == REF_DATA) {
		extent_data_ref_set_root(data, key->root);
		extent_data_ref_set_objectid(data, key->inode);
		extent_data_ref_set_offset(data, key->offset);
		extent_data_ref_set_count(data, count);
		return;
	}
	inline_ref_set_offset(ref, key->root);
	if (key->type == REF_DATA_SHARED)
		shared_data_ref_set_count(ref + INLINE_REF_SIZE, count);
	else
		ASSERT(count == 1);
}

int inline_ref_sum(const struct extent_image *image, uint64_t *ret_sum)
{
	uint32_t at = inline_ref_first(image), count;
	struct ref_key key;
	uint64_t sum = 0;

	while (at < image->len) {
		uint32_t size = inline_ref_size_bytes(inline_ref_type(image->data + at));

		CORRUPT_IF(!size || size > image->len - at,
			   "extent %" PRIu64 ": inline reference of type %u at byte %u of %u",
			   image->key.objectid, inline_ref_type(image->data + at), at, image->len);
		inline_ref_load(image->data + at, &key, &count);
		sum += count;
		at += size;
	}
	CORRUPT_IF(at != image->len, "extent %" PRIu64 ": item of %u bytes", image->key.objectid,
		   image->len);
	*ret_sum = sum;
	return 0;
}

bool inline_ref_find(const struct extent_image *image, const struct ref_key *key, uint32_t *ret_at)
{
	uint64_t sequence = ref_key_sequence(key);
	uint32_t at = inline_ref_first(image), count;
	bool found = false;

	while (at < image->len) {
		const uint8_t *ref = image->data + at;
		struct ref_key here;

		inline_ref_load(ref, &here, &count);
		if (here.type > key->type)
			break;
		if (here.type == key->type) {
			found = ref_key_compare(&here, key) == 0;
			if (found || ref_key_sequence(&here) < sequence)
				break;
		}
		at += inline_ref_size_bytes(inline_ref_type(ref));
	}
	*ret_at = at;
	return found;
}

void inline_ref_insert(struct extent_image *image, uint32_t at, const struct ref_key *key,
		       uint32_t count)
{
	uint32_t size = inline_ref_size_bytes((uint8_t)key->type);

	ASSERT(size && at <= image->len && count > 0);
	memmove(image->data + at + size, image->data + at, image->len - at);
	image->len += size;
	inline_ref_store(image->data + at, key, count);
}

void inline_ref_set_count(struct extent_image *image, uint32_t at, uint32_t count)
{
	uint32_t size = inline_ref_size_bytes(inline_ref_type(image->data + at)), old_count;
	struct ref_key key;

	ASSERT(size && at + size <= image->len);
	if (count) {
		inline_ref_load(image->data + at, &key, &old_count);
		inline_ref_store(image->data + at, &key, count);
		return;
	}
	memmove(image->data + at, image->data + at + size, image->len - at - size);
	image->len -= size;
}
