/*
 * Printers of items about space: extents and their references, chunks, devices, block groups, free
 * space.
 */
#include "codec/name_hash.h"
#include "format/item_print.h"

static const struct number_name extent_flags[] = {
	{ BTRFS_EXTENT_FLAG_DATA, "DATA" },
	{ BTRFS_EXTENT_FLAG_TREE_BLOCK, "TREE_BLOCK" },
	{ BTRFS_BLOCK_FLAG_FULL_BACKREF, "FULL_BACKREF" },
};

/*
 * ---- extents
 * -------------------------------------------------------------------------------------------------
 */

static void print_data_ref(struct strbuf *out, const uint8_t *p)
{
	strbuf_add(out, "extent data backref root ");
	print_tree_name(out, extent_data_ref_root(p));
	strbuf_addf(out, " objectid %" PRIu64 " offset %" PRIu64 " count %u\n",
		    extent_data_ref_objectid(p), extent_data_ref_offset(p),
		    extent_data_ref_count(p));
}

static void print_inline_ref(struct strbuf *out, const uint8_t *p)
{
	uint8_t type = inline_ref_type(p);
	uint64_t offset = inline_ref_offset(p);
	const uint8_t *data_ref = p + 1;

	switch (type) {
	case BTRFS_TREE_BLOCK_REF_KEY:
		strbuf_addf(out, "\t\t(%u 0x%" PRIx64 ") tree block backref root ", type, offset);
		print_tree_name(out, offset);
		strbuf_add(out, "\n");
		break;
	case BTRFS_SHARED_BLOCK_REF_KEY:
		strbuf_addf(out, "\t\t(%u 0x%" PRIx64 ") shared block backref parent %" PRIu64 "\n",
			    type, offset, offset);
		break;
	case BTRFS_EXTENT_DATA_REF_KEY:
		strbuf_addf(out, "\t\t(%u 0x%" PRIx64 ") ", type,
			    hash_extent_data_ref(extent_data_ref_root(data_ref),
						 extent_data_ref_objectid(data_ref),
						 extent_data_ref_offset(data_ref)));
		print_data_ref(out, data_ref);
		break;
	case BTRFS_SHARED_DATA_REF_KEY:
		strbuf_addf(out,
			    "\t\t(%u 0x%" PRIx64 ") shared data backref parent %" PRIu64
			    " count %u\n",
			    type, offset, offset, shared_data_ref_count(p + INLINE_REF_SIZE));
		break;
	case BTRFS_EXTENT_OWNER_REF_KEY:
		/* dump-tree's own slip of the tab */
		strbuf_addf(out, "\t(%u 0x%" PRIx64 ") textent owner root %" PRIu64 "\n", type,
			    offset, offset);
		break;
	}
}

void item_print_extent(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;
	uint32_t at = EXTENT_ITEM_SIZE;

	if (!item_print_holds(out, item, EXTENT_ITEM_SIZE))
		return;
	strbuf_addf(out, "\t\trefs %" PRIu64 " gen %" PRIu64 " flags ", extent_item_refs(p),
		    extent_item_generation(p));
	print_flags(out, extent_item_flags(p), extent_flags, ARRAY_LEN(extent_flags));
	strbuf_add(out, "\n");
	if (item->key.type == BTRFS_METADATA_ITEM_KEY) {
		strbuf_addf(out, "\t\ttree block skinny level %d\n", (int)item->key.offset);
	} else if (extent_item_flags(p) & BTRFS_EXTENT_FLAG_TREE_BLOCK) {
		struct key key;

		if (!item_print_holds(out, item, EXTENT_ITEM_SIZE + TREE_BLOCK_INFO_SIZE))
			return;
		key = key_load(tree_block_info_key(p + at));
		strbuf_add(out, "\t\ttree block ");
		print_key(out, &key);
		strbuf_addf(out, " level %u\n", tree_block_info_level(p + at));
		at += TREE_BLOCK_INFO_SIZE;
	}
	while (at < item->len) {
		uint32_t ref_len = inline_ref_size_bytes(p[at]);

		if (!ref_len || ref_len > item->len - at) {
			strbuf_addf(out, "\t\tinvalid inline reference of type %u\n", p[at]);
			return;
		}
		print_inline_ref(out, p + at);
		at += ref_len;
	}
}

void item_print_keyed_ref(struct strbuf *out, const struct item_view *item)
{
	switch (item->key.type) {
	case BTRFS_TREE_BLOCK_REF_KEY:
		strbuf_add(out, "\t\ttree block backref\n");
		break;
	case BTRFS_SHARED_BLOCK_REF_KEY:
		strbuf_add(out, "\t\tshared block backref\n");
		break;
	case BTRFS_EXTENT_DATA_REF_KEY:
		if (!item_print_holds(out, item, EXTENT_DATA_REF_SIZE))
			return;
		strbuf_add(out, "\t\t");
		print_data_ref(out, item->data);
		break;
	case BTRFS_SHARED_DATA_REF_KEY:
		if (item_print_holds(out, item, SHARED_DATA_REF_SIZE))
			strbuf_addf(out, "\t\tshared data backref count %u\n",
				    shared_data_ref_count(item->data));
		break;
	case BTRFS_EXTENT_OWNER_REF_KEY:
		if (item_print_holds(out, item, EXTENT_OWNER_REF_SIZE))
			strbuf_addf(out, "\t\textent owner root %" PRIu64 "\n",
				    extent_owner_ref_root_id(item->data));
		break;
	case BTRFS_EXTENT_REF_V0_KEY:
		strbuf_add(out, "\t\textent ref v0 (deprecated)\n");
		break;
	}
}

/*
 * ---- chunks and devices
 * --------------------------------------------------------------------------------------
 */

void print_chunk(struct strbuf *out, const uint8_t *chunk, uint32_t len_bytes)
{
	unsigned nr = chunk_num_stripes(chunk);
	char uuid[UUID_TEXT_SIZE];

	strbuf_addf(out, "\t\tlength %" PRIu64 " owner %" PRIu64 " stripe_len %" PRIu64 " type ",
		    chunk_length(chunk), chunk_owner(chunk), chunk_stripe_len(chunk));
	print_block_group_flags(out, chunk_type(chunk));
	strbuf_addf(out, "\n\t\tio_align %u io_width %u sector_size %u\n", chunk_io_align(chunk),
		    chunk_io_width(chunk), chunk_sector_size(chunk));
	strbuf_addf(out, "\t\tnum_stripes %u sub_stripes %u\n", nr, chunk_sub_stripes(chunk));
	for (unsigned i = 0; i < nr; i++) {
		const uint8_t *stripe = chunk_stripe(chunk, i);

		if (chunk_size_bytes(i + 1) > len_bytes) {
			strbuf_addf(out, "\t\t\tstripe %u invalid\n", i);
			return;
		}
		strbuf_addf(out, "\t\t\tstripe %u devid %" PRIu64 " offset %" PRIu64 "\n", i,
			    stripe_devid(stripe), stripe_offset(stripe));
		uuid_format(stripe_dev_uuid(stripe), uuid);
		strbuf_addf(out, "\t\t\tdev_uuid %s\n", uuid);
	}
}

void item_print_chunk(struct strbuf *out, const struct item_view *item)
{
	if (item_print_holds(out, item, CHUNK_SIZE))
		print_chunk(out, item->data, item->len);
}

void item_print_device(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;
	char uuid[UUID_TEXT_SIZE];

	if (!item_print_holds(out, item, DEV_ITEM_SIZE))
		return;
	strbuf_addf(out, "\t\tdevid %" PRIu64 " total_bytes %" PRIu64 " bytes_used %" PRIu64 "\n",
		    dev_item_devid(p), dev_item_total_bytes(p), dev_item_bytes_used(p));
	strbuf_addf(out, "\t\tio_align %u io_width %u sector_size %u type %" PRIu64 "\n",
		    dev_item_io_align(p), dev_item_io_width(p), dev_item_sector_size(p),
		    dev_item_type(p));
	strbuf_addf(out, "\t\tgeneration %" PRIu64 " start_offset %" PRIu64 " dev_group %u\n",
		    dev_item_generation(p), dev_item_start_offset(p), dev_item_dev_group(p));
	strbuf_addf(out, "\t\tseek_speed %u bandwidth %u\n", dev_item_seek_speed(p),
		    dev_item_bandwidth(p));
	uuid_format(dev_item_uuid(p), uuid);
	strbuf_addf(out, "\t\tuuid %s\n", uuid);
	uuid_format(dev_item_fsid(p), uuid);
	strbuf_addf(out, "\t\tfsid %s\n", uuid);
}

void item_print_dev_extent(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;
	char uuid[UUID_TEXT_SIZE];

	if (!item_print_holds(out, item, DEV_EXTENT_SIZE))
		return;
	uuid_format(dev_extent_chunk_tree_uuid(p), uuid);
	strbuf_addf(out, "\t\tdev extent chunk_tree %" PRIu64 "\n", dev_extent_chunk_tree(p));
	strbuf_addf(out,
		    "\t\tchunk_objectid %" PRIu64 " chunk_offset %" PRIu64 " length %" PRIu64 "\n",
		    dev_extent_chunk_objectid(p), dev_extent_chunk_offset(p), dev_extent_length(p));
	strbuf_addf(out, "\t\tchunk_tree_uuid %s\n", uuid);
}

void item_print_block_group(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;

	if (!item_print_holds(out, item, BLOCK_GROUP_ITEM_SIZE))
		return;
	strbuf_addf(out, "\t\tblock group used %" PRIu64 " chunk_objectid %" PRIu64 " flags ",
		    block_group_item_used(p), block_group_item_chunk_objectid(p));
	print_block_group_flags(out, block_group_item_flags(p));
	strbuf_add(out, "\n");
	if (item->len < BLOCK_GROUP_ITEM_SIZE + BLOCK_GROUP_REMAP_SIZE)
		return;
	p += BLOCK_GROUP_ITEM_SIZE;
	strbuf_addf(out, "\t\tremap_bytes %" PRIu64 " identity_remap_count %u\n",
		    block_group_remap_remap_bytes(p), block_group_remap_identity_remap_count(p));
}

void item_print_raid_stripe(struct strbuf *out, const struct item_view *item)
{
	for (uint32_t i = 0; i < item->len / RAID_STRIDE_SIZE; i++) {
		const uint8_t *p = item->data + (size_t)i * RAID_STRIDE_SIZE;

		strbuf_addf(out, "\t\t\tstripe %u devid %" PRIu64 " physical %" PRIu64 "\n", i,
			    raid_stride_devid(p), raid_stride_physical(p));
	}
}

void item_print_remap(struct strbuf *out, const struct item_view *item)
{
	if (item_print_holds(out, item, REMAP_ITEM_SIZE))
		strbuf_addf(out, "\t\taddress %" PRIu64 "\n", remap_item_address(item->data));
}

/*
 * ---- free space
 * ----------------------------------------------------------------------------------------------
 */

void item_print_free_space_info(struct strbuf *out, const struct item_view *item)
{
	if (item_print_holds(out, item, FREE_SPACE_INFO_SIZE))
		strbuf_addf(out, "\t\tfree space info extent count %u flags %u\n",
			    free_space_info_extent_count(item->data),
			    free_space_info_flags(item->data));
}

void item_print_free_space_extent(struct strbuf *out, const struct item_view *item)
{
	(void)item;
	strbuf_add(out, "\t\tfree space extent\n");
}

void item_print_free_space_bitmap(struct strbuf *out, const struct item_view *item)
{
	(void)item;
	strbuf_add(out, "\t\tfree space bitmap\n");
}
