/*
 * The map of chunks, from wherever it can be had.
 *
 * First the superblock's array, then the chunk tree through its checked pointers. When a block of
 * that tree is gone the devices are swept: the newest item of each chunk in any leaf of the chunk
 * tree counts; for what no leaf has, device extents with their block group tell a chunk whose
 * copies lie in one piece each (single, DUP, RAID1*); other profiles are told by name. Owns what it
 * gathers until the map is made. No locks.
 */
#include <stdlib.h>

#include "rescue/rescue_priv.h"

#define FOUND_MAX 200000u

static int chunk_add(struct rescue *rescue, uint64_t logical, const uint8_t *item, uint32_t len)
{
	SCOPED_MEM struct stripe *stripes = NULL;
	struct chunk_spec spec = { .logical = logical };

	CORRUPT_IF(len < CHUNK_SIZE || !chunk_num_stripes(item) ||
			   len != chunk_size_bytes(chunk_num_stripes(item)) ||
			   chunk_stripe_len(item) != VOLUME_STRIPE_LEN,
		   "the item of chunk %llu has no sense", (unsigned long long)logical);
	if (chunk_map_find(rescue->volume, logical))
		return 0;
	spec.len_bytes = chunk_length(item);
	spec.flags = chunk_type(item);
	spec.nr_stripes = chunk_num_stripes(item);
	spec.sub_stripes = chunk_sub_stripes(item);
	stripes = mem_array(spec.nr_stripes, sizeof(*stripes));
	if (!stripes)
		return MEM_FAIL("the stripes of a chunk");
	for (unsigned i = 0; i < spec.nr_stripes; i++) {
		const uint8_t *stripe = chunk_stripe(item, i);

		stripes[i].devid = stripe_devid(stripe);
		stripes[i].at = PHYS(stripe_offset(stripe));
		memcpy(stripes[i].dev_uuid, stripe_dev_uuid(stripe), BTRFS_UUID_SIZE);
	}
	spec.stripes = stripes;
	return chunk_map_add(rescue->volume, &spec);
}

/* A chunk that does not fit is told and left out. */
static int chunk_try(struct rescue *rescue, uint64_t logical, const uint8_t *item, uint32_t len)
{
	int err = chunk_add(rescue, logical, item, len);

	if (err < 0 && !err_is_fatal(err)) {
		rescue_warn(rescue, "%s", err_text(err));
		err = 0;
	}
	return err;
}

static int chunks_from_array(struct rescue *rescue)
{
	const uint8_t *array = super_sys_chunk_array(rescue->super);
	uint32_t size = super_sys_chunk_array_size(rescue->super), at = 0;

	/* validate_super has walked it. */
	while (rescue->has_super && at < size) {
		const uint8_t *chunk = array + at + KEY_DISK_SIZE;
		uint32_t len = chunk_size_bytes(chunk_num_stripes(chunk));

		TRY(chunk_try(rescue, key_load(array + at).offset, chunk, len));
		at += KEY_DISK_SIZE + len;
	}
	return 0;
}

/* ---- the chunk tree ---- */

/* Copies of blocks on the way, one per level; *whole turns false where a block is gone. Nothing
 * beyond hi is followed: so no block is met twice on a level, since its first key is in one range. */
static int walk_block(struct rescue *rescue, uint64_t addr, const struct block_expect *expect,
		      struct key hi, uint8_t *blocks, bool *whole)
{
	uint8_t *block = blocks + (size_t)expect->level * rescue->geometry.nodesize;
	const uint8_t *cached;
	int err = block_read(rescue, addr, expect, &cached);

	if (err < 0 && err_is_fatal(err))
		return err;
	if (err < 0) {
		rescue_warn(rescue, "chunk tree: %s", err_text(err));
		*whole = false;
		return 0;
	}
	memcpy(block, cached, rescue->geometry.nodesize);
	for (unsigned i = 0; i < node_nritems(block); i++) {
		struct block_expect child = { .level = expect->level - 1, .has_first = true };
		struct key key = node_slot_key(block, i), below = hi;

		if (key_compare(&key, &hi) > 0)
			break;
		if (expect->level) {
			if (i + 1 < node_nritems(block))
				below = key_earlier(hi, key_before(node_key(block, i + 1)));
			child.generation = node_child_generation(block, i);
			child.first = node_key(block, i);
			TRY(walk_block(rescue, node_child_addr(block, i), &child, below, blocks,
				       whole));
		} else if (leaf_key(block, i).type == BTRFS_CHUNK_ITEM_KEY) {
			TRY(chunk_try(rescue, leaf_key(block, i).offset, leaf_item_data(block, i),
				      leaf_item_len(block, i)));
		}
	}
	return 0;
}

static int chunks_from_tree(struct rescue *rescue, bool *ret_whole)
{
	SCOPED_MEM uint8_t *blocks = mem_array(BTRFS_MAX_LEVEL, rescue->geometry.nodesize);
	struct block_expect expect = { .generation = super_chunk_root_generation(rescue->super),
				       .level = super_chunk_root_level(rescue->super) };

	*ret_whole = rescue->has_super;
	if (!rescue->has_super)
		return 0;
	if (!blocks)
		return MEM_FAIL("the chunk tree");
	return walk_block(rescue, super_chunk_root(rescue->super), &expect, KEY_MAX, blocks,
			  ret_whole);
}

/* ---- from the devices ---- */

struct found {
	enum { FOUND_CHUNK, FOUND_EXTENT, FOUND_GROUP } kind;
	uint64_t logical, generation;
	uint64_t devid, at, len_bytes; /* of an extent; len_bytes of a group too */
	uint64_t flags;		       /* of a group */
	uint8_t *item;		       /* of a chunk; owned */
	uint32_t len;
};

struct finding {
	struct rescue *rescue;
	struct found *all;
	unsigned nr, capacity;
	bool is_full;
};

static bool found_same(const struct found *a, const struct found *b)
{
	return a->kind == b->kind && a->logical == b->logical && a->devid == b->devid &&
	       a->at == b->at && a->len_bytes == b->len_bytes && a->flags == b->flags &&
	       a->len == b->len && (!a->len || memcmp(a->item, b->item, a->len) == 0);
}

/* Next to each other what tells the same, the newest first. */
static int found_compare_same(const void *one, const void *other)
{
	const struct found *a = one, *b = other;
	const uint64_t pairs[][2] = {
		{ a->kind, b->kind }, { a->logical, b->logical },     { a->devid, b->devid },
		{ a->at, b->at },     { a->len_bytes, b->len_bytes }, { a->flags, b->flags },
		{ a->len, b->len }
	};
	int order;

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (pairs[i][0] != pairs[i][1])
			return pairs[i][0] < pairs[i][1] ? -1 : 1;
	}
	order = a->len ? memcmp(a->item, b->item, a->len) : 0;
	return order ? order : (a->generation < b->generation) - (a->generation > b->generation);
}

/* Old blocks tell most of it many times. False when there is no room after it. */
static bool found_thin(struct finding *finding)
{
	unsigned nr = 1;

	qsort(finding->all, finding->nr, sizeof(*finding->all), found_compare_same);
	for (unsigned i = 1; i < finding->nr; i++) {
		if (found_same(&finding->all[i], &finding->all[nr - 1]))
			mem_free(finding->all[i].item);
		else
			finding->all[nr++] = finding->all[i];
	}
	finding->nr = nr;
	/* Not for every few items again. */
	return nr < FOUND_MAX / 4 * 3;
}

/* Goes on with what there is. */
static int found_full(struct finding *finding, const struct found *found)
{
	if (!finding->is_full)
		rescue_warn(finding->rescue,
			    "more than %u items about chunks: the rest is not looked at",
			    FOUND_MAX);
	finding->is_full = true;
	mem_free(found->item);
	return 0;
}

static int found_push(struct finding *finding, const struct found *found)
{
	if (finding->is_full)
		return found_full(finding, found);
	if (finding->nr == finding->capacity) {
		unsigned capacity = finding->capacity ? finding->capacity * 2 : 256;
		void *grown;

		if (finding->nr >= FOUND_MAX)
			return found_thin(finding) ? found_push(finding, found) :
						     found_full(finding, found);
		grown = mem_resize(finding->all, capacity * sizeof(*found));
		if (!grown)
			return MEM_FAIL("chunks");
		finding->all = grown;
		finding->capacity = capacity;
	}
	finding->all[finding->nr++] = *found;
	return 0;
}

static int find_item(struct finding *finding, const uint8_t *block, unsigned slot)
{
	struct key key = leaf_key(block, slot);
	const uint8_t *item = leaf_item_data(block, slot);
	struct found found = { .generation = node_generation(block) };

	if (key.type == BTRFS_CHUNK_ITEM_KEY && node_owner(block) == BTRFS_CHUNK_TREE_OBJECTID) {
		found.kind = FOUND_CHUNK;
		found.logical = key.offset;
		found.len = leaf_item_len(block, slot);
		found.item = mem_dup(item, found.len);
		if (!found.item)
			return MEM_FAIL("chunks");
	} else if (key.type == BTRFS_DEV_EXTENT_KEY &&
		   node_owner(block) == BTRFS_DEV_TREE_OBJECTID) {
		found.kind = FOUND_EXTENT;
		found.logical = dev_extent_chunk_offset(item);
		found.devid = key.objectid;
		found.at = key.offset;
		found.len_bytes = dev_extent_length(item);
	} else if (key.type == BTRFS_BLOCK_GROUP_ITEM_KEY) {
		found.kind = FOUND_GROUP;
		found.logical = key.objectid;
		found.len_bytes = key.offset;
		found.flags = block_group_item_flags(item);
	} else {
		return 0;
	}
	return found_push(finding, &found);
}

static int find_in_block(void *ctx, struct device *device, uint64_t at, const uint8_t *block)
{
	struct finding *finding = ctx;

	(void)device;
	(void)at;
	if (node_level(block))
		return 0;
	for (unsigned i = 0; i < node_nritems(block); i++)
		TRY(find_item(finding, block, i));
	return 0;
}

/* By kind, newest first: a chunk that was replaced overlaps what replaced it and is left out. */
static int found_compare(const void *one, const void *other)
{
	const struct found *a = one, *b = other;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->generation != b->generation)
		return a->generation > b->generation ? -1 : 1;
	if (a->logical != b->logical)
		return a->logical < b->logical ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

/* The extents of the newest generation that a chunk has, up to the copies of its profile. */
static unsigned group_stripes(const struct finding *finding, const struct found *group,
			      const struct profile *profile, struct stripe *stripes)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < finding->nr && nr < profile->copies; i++) {
		const struct found *extent = &finding->all[i];
		struct volume_device *device;
		bool known = false;

		if (extent->kind != FOUND_EXTENT || extent->logical != group->logical ||
		    extent->len_bytes != group->len_bytes)
			continue;
		for (unsigned k = 0; k < nr; k++)
			known |= stripes[k].devid == extent->devid &&
				 stripes[k].at.at == extent->at;
		if (known)
			continue;
		device = volume_device_find(finding->rescue->volume, extent->devid);
		stripes[nr].devid = extent->devid;
		stripes[nr].at = PHYS(extent->at);
		if (device)
			memcpy(stripes[nr].dev_uuid, device->uuid, 16);
		nr++;
	}
	return nr;
}

static int chunk_from_group(struct finding *finding, const struct found *group)
{
	const struct profile *profile = profile_of(group->flags);
	struct stripe stripes[4] = { 0 };
	struct chunk_spec spec = { .logical = group->logical,
				   .len_bytes = group->len_bytes,
				   .flags = group->flags,
				   .sub_stripes = 1,
				   .stripes = stripes };
	int err;

	if (chunk_map_find(finding->rescue->volume, group->logical) || !profile)
		return 0;
	if (profile->striped || profile->parity) {
		rescue_warn(finding->rescue,
			    "chunk %llu: its item is gone, and that of profile %s cannot be made "
			    "up from device extents",
			    (unsigned long long)group->logical, profile->name);
		return 0;
	}
	spec.nr_stripes = (uint16_t)group_stripes(finding, group, profile, stripes);
	if (!spec.nr_stripes)
		return 0;
	if (spec.nr_stripes < profile->copies)
		spec.flags &= ~(uint64_t)BTRFS_BLOCK_GROUP_PROFILE_MASK;
	if (spec.nr_stripes > 1 && spec.nr_stripes < profile->copies)
		spec.nr_stripes = 1;
	err = chunk_map_add(finding->rescue->volume, &spec);
	return err < 0 && err_is_fatal(err) ? err : 0;
}

static int finding_use(struct finding *finding)
{
	if (finding->nr)
		qsort(finding->all, finding->nr, sizeof(*finding->all), found_compare);
	for (unsigned i = 0; i < finding->nr; i++) {
		const struct found *found = &finding->all[i];
		int err = 0;

		/* Older ones overlap newer ones, which is no news. */
		if (found->kind == FOUND_CHUNK)
			err = chunk_add(finding->rescue, found->logical, found->item, found->len);
		else if (found->kind == FOUND_GROUP)
			err = chunk_from_group(finding, found);
		if (err < 0 && err_is_fatal(err))
			return err;
	}
	return 0;
}

static int chunks_from_devices(struct rescue *rescue)
{
	struct finding finding = { .rescue = rescue };
	struct sweep sweep = { .fsid = rescue->fsid,
			       .geometry = rescue->geometry,
			       .visit = find_in_block,
			       .ctx = &finding };
	int err = 0;

	rescue_warn(rescue, "the chunk tree is damaged: looking for chunks on the whole of each "
			    "device");
	for (unsigned i = 0; err == 0 && i < volume_nr_devices(rescue->volume); i++) {
		struct volume_device *entry = volume_device_at(rescue->volume, i);

		if (entry->device)
			err = device_sweep(&sweep, entry->device);
	}
	if (err == 0)
		err = finding_use(&finding);
	for (unsigned i = 0; i < finding.nr; i++)
		mem_free(finding.all[i].item);
	mem_free(finding.all);
	return err;
}

int chunks_find(struct rescue *rescue)
{
	bool whole;

	TRY(chunks_from_array(rescue));
	TRY(chunks_from_tree(rescue, &whole));
	return whole ? 0 : chunks_from_devices(rescue);
}
