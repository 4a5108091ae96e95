/*
 * Validators of references: EXTENT_ITEM, METADATA_ITEM with their inline references, and references
 * with keys of their own. The order of inline references is: type rising, within a type the
 * sequence (see ref_sequence) falling.
 */
#include "codec/name_hash.h"
#include "format/item_validate.h"

/* An extent item of version 0 was a count of 32 bits and nothing else. */
#define EXTENT_ITEM_V0_SIZE 4

/* One inline reference as the walk meets it. */
struct ref_state {
	uint8_t type;
	uint64_t sequence;
	uint64_t nr_refs; /* sum so far */
};

static bool data_ref_root_is_valid(uint64_t root)
{
	/* The root tree holds the inodes of the version 1 free-space cache. */
	return tree_is_fs(root) || root == BTRFS_DATA_RELOC_TREE_OBJECTID ||
	       root == BTRFS_ROOT_TREE_OBJECTID;
}

static int validate_data_ref(const struct item_view *item, const uint8_t *ref)
{
	REFUSE_IF(item, !data_ref_root_is_valid(extent_data_ref_root(ref)),
		  "a reference from tree %" PRIu64, extent_data_ref_root(ref));
	/* FREE_INO: the inode of the cache of free inode numbers, written until Linux 5.10. */
	REFUSE_IF(item,
		  !inode_id_is_file(extent_data_ref_objectid(ref)) &&
			  extent_data_ref_objectid(ref) != BTRFS_FREE_INO_OBJECTID,
		  "a reference from inode %" PRIu64, extent_data_ref_objectid(ref));
	REFUSE_IF(item, !is_aligned(extent_data_ref_offset(ref), item->geometry->sectorsize),
		  "a reference from file offset %" PRIu64 ", not aligned",
		  extent_data_ref_offset(ref));
	REFUSE_IF(item, extent_data_ref_count(ref) == 0, "a reference counted 0 times");
	return 0;
}

/* Checks one inline reference and adds it to the state. The bytes of its type are there. */
static int validate_inline_ref(const struct item_view *item, const uint8_t *ref, bool is_data,
			       struct ref_state *state)
{
	uint8_t type = inline_ref_type(ref);
	uint64_t offset = inline_ref_offset(ref);
	uint64_t sequence = offset;
	uint32_t count = 1;

	if (type == BTRFS_EXTENT_DATA_REF_KEY) {
		const uint8_t *data_ref = ref + 1;

		TRY(validate_data_ref(item, data_ref));
		sequence = hash_extent_data_ref(extent_data_ref_root(data_ref),
						extent_data_ref_objectid(data_ref),
						extent_data_ref_offset(data_ref));
		count = extent_data_ref_count(data_ref);
	} else if (type == BTRFS_SHARED_DATA_REF_KEY) {
		count = shared_data_ref_count(ref + INLINE_REF_SIZE);
		REFUSE_IF(item, count == 0, "a shared reference counted 0 times");
	} else if (type == BTRFS_EXTENT_OWNER_REF_KEY) {
		count = 0; /* names the owner for simple quotas; counts for nothing */
	}
	REFUSE_IF(item,
		  (type == BTRFS_SHARED_BLOCK_REF_KEY || type == BTRFS_SHARED_DATA_REF_KEY) &&
			  !is_aligned(offset, item->geometry->sectorsize),
		  "parent %" PRIu64 " is not aligned", offset);
	REFUSE_IF(item,
		  is_data ? type == BTRFS_TREE_BLOCK_REF_KEY || type == BTRFS_SHARED_BLOCK_REF_KEY :
			    type == BTRFS_EXTENT_DATA_REF_KEY || type == BTRFS_SHARED_DATA_REF_KEY,
		  "a reference of type %u to %s", type, is_data ? "data" : "a tree block");
	REFUSE_IF(item, type < state->type, "a reference of type %u after one of type %u", type,
		  state->type);
	REFUSE_IF(item, type == state->type && sequence > state->sequence,
		  "references of type %u are not in falling order", type);
	state->type = type;
	state->sequence = sequence;
	state->nr_refs += count;
	return 0;
}

/* The inline references from byte `at` to the item's end. */
static int validate_inline_refs(const struct item_view *item, uint32_t at, bool is_data)
{
	struct ref_state state = { .type = 0, .sequence = UINT64_MAX };

	while (at < item->len) {
		const uint8_t *ref = item->data + at;
		uint32_t ref_len = inline_ref_size_bytes(*ref);

		REFUSE_IF(item, ref_len == 0, "an inline reference of type %u at byte %u", *ref,
			  at);
		REFUSE_IF(item, ref_len > item->len - at,
			  "the reference at byte %u crosses the item's end", at);
		TRY(validate_inline_ref(item, ref, is_data, &state));
		at += ref_len;
	}
	REFUSE_IF(item, state.nr_refs > extent_item_refs(item->data),
		  "refs %" PRIu64 ", but %" PRIu64 " inline", extent_item_refs(item->data),
		  state.nr_refs);
	return 0;
}

/*
 * The key and flags of a tree block; the block of an EXTENT_ITEM has a tree_block_info. Yields
 * the first reference.
 */
static int validate_tree_block(const struct item_view *item, uint32_t *ret_at)
{
	if (item->key.type == BTRFS_METADATA_ITEM_KEY) {
		REFUSE_IF(item, item->key.offset >= BTRFS_MAX_LEVEL, "level %" PRIu64,
			  item->key.offset);
		*ret_at = EXTENT_ITEM_SIZE;
		return 0;
	}
	REFUSE_IF(item, item->key.offset != item->geometry->nodesize,
		  "a tree block of %" PRIu64 " bytes", item->key.offset);
	REFUSE_IF(item, item->len < EXTENT_ITEM_SIZE + TREE_BLOCK_INFO_SIZE,
		  "item size is %u, too small", item->len);
	REFUSE_IF(item, tree_block_info_level(item->data + EXTENT_ITEM_SIZE) >= BTRFS_MAX_LEVEL,
		  "level %u", tree_block_info_level(item->data + EXTENT_ITEM_SIZE));
	*ret_at = EXTENT_ITEM_SIZE + TREE_BLOCK_INFO_SIZE;
	return 0;
}

static int validate_data_extent(const struct item_view *item, uint64_t flags)
{
	REFUSE_IF(item, item->key.type != BTRFS_EXTENT_ITEM_KEY,
		  "data under the key of a tree block");
	REFUSE_IF(item,
		  item->key.offset == 0 ||
			  !is_aligned(item->key.offset, item->geometry->sectorsize),
		  "length %" PRIu64 " is 0 or not aligned", item->key.offset);
	REFUSE_IF(item, flags & BTRFS_BLOCK_FLAG_FULL_BACKREF, "data with FULL_BACKREF");
	return 0;
}

static int validate_extent_before(const struct item_view *item)
{
	uint64_t len;

	if (!item->slot)
		return 0;
	if (item->prev.type == BTRFS_METADATA_ITEM_KEY)
		len = item->geometry->nodesize;
	else if (item->prev.type == BTRFS_EXTENT_ITEM_KEY)
		len = item->prev.offset;
	else
		return 0;
	REFUSE_IF(item, item->prev.objectid + len > item->key.objectid,
		  "the extent before ends at %" PRIu64, item->prev.objectid + len);
	return 0;
}

int item_validate_extent(const struct item_view *item)
{
	uint32_t at = EXTENT_ITEM_SIZE;
	uint64_t flags, kind, end;

	REFUSE_IF(item, !is_aligned(item->key.objectid, item->geometry->sectorsize),
		  "the address is not aligned");
	REFUSE_IF(item, item->len == EXTENT_ITEM_V0_SIZE, "an extent of version 0, of before 2009");
	REFUSE_IF(item, item->len < EXTENT_ITEM_SIZE, "item size is %u, expected at least %u",
		  item->len, EXTENT_ITEM_SIZE);
	flags = extent_item_flags(item->data);
	kind = flags & (BTRFS_EXTENT_FLAG_DATA | BTRFS_EXTENT_FLAG_TREE_BLOCK);
	REFUSE_IF(item, !is_pow2(kind), "flags 0x%" PRIx64 ": neither data nor tree block, or both",
		  flags);
	if (kind == BTRFS_EXTENT_FLAG_TREE_BLOCK)
		TRY(validate_tree_block(item, &at));
	else
		TRY(validate_data_extent(item, flags));
	if (item->key.type == BTRFS_EXTENT_ITEM_KEY)
		REFUSE_IF(item, !add_fits(item->key.objectid, item->key.offset, &end),
			  "it ends beyond 2^64");
	TRY(validate_inline_refs(item, at, kind == BTRFS_EXTENT_FLAG_DATA));
	return validate_extent_before(item);
}

/*
 * TREE_BLOCK_REF, SHARED_BLOCK_REF, SHARED_DATA_REF, EXTENT_OWNER_REF: key offset is a tree or
 * the parent's address.
 */
int item_validate_keyed_ref(const struct item_view *item)
{
	uint8_t type = item->key.type;
	bool is_shared = type == BTRFS_SHARED_BLOCK_REF_KEY || type == BTRFS_SHARED_DATA_REF_KEY;

	if (type == BTRFS_SHARED_DATA_REF_KEY)
		REFUSE_SIZE(item, SHARED_DATA_REF_SIZE);
	else if (type != BTRFS_EXTENT_OWNER_REF_KEY)
		REFUSE_SIZE(item, 0);
	REFUSE_IF(item, !is_aligned(item->key.objectid, item->geometry->sectorsize),
		  "the address is not aligned");
	REFUSE_IF(item, is_shared && !is_aligned(item->key.offset, item->geometry->sectorsize),
		  "the parent's address is not aligned");
	REFUSE_IF(item, type == BTRFS_SHARED_DATA_REF_KEY && shared_data_ref_count(item->data) == 0,
		  "a shared reference counted 0 times");
	return 0;
}

int item_validate_ref_v0(const struct item_view *item)
{
	return item_bad(item, "a reference of version 0, of before 2009");
}

int item_validate_data_refs(const struct item_view *item)
{
	REFUSE_IF(item, item->len == 0 || item->len % EXTENT_DATA_REF_SIZE,
		  "item size %u is no multiple of %u", item->len, EXTENT_DATA_REF_SIZE);
	REFUSE_IF(item, !is_aligned(item->key.objectid, item->geometry->sectorsize),
		  "the address is not aligned");
	for (uint32_t at = 0; at < item->len; at += EXTENT_DATA_REF_SIZE)
		TRY(validate_data_ref(item, item->data + at));
	return 0;
}
