/*
 * Nodes and superblocks as JSON: see json_node.h.
 */
#include "format/json_node.h"

#include "format/json_fields.h"
#include "format/json_item.h"
#include "format/superblock.h"

static void item_object(struct json *json, const struct geometry *g, const uint8_t *node,
			unsigned slot, unsigned choices)
{
	const uint8_t *head = leaf_item(node, slot);
	uint32_t leaf_bytes = geometry_leaf_bytes(g);
	struct item_view item = { .geometry = g,
				  .node = node,
				  .addr = node_addr(node),
				  .owner = node_owner(node),
				  .slot = slot,
				  .len = item_size(head),
				  .key = key_load(head),
				  .choices = choices };

	json_object_begin(json, NULL);
	json_number(json, "slot", slot);
	json_item_fields(json, head);
	json_object_begin(json, "data");
	if (item.len > leaf_bytes || item_offset(head) > leaf_bytes - item.len) {
		json_text(json, "error", "the item's data lie outside the leaf");
	} else {
		item.data = node + HEADER_SIZE + item_offset(head);
		json_item(json, &item);
	}
	json_end(json);
	json_end(json);
}

void json_node(struct json *json, const char *name, const struct geometry *g, const uint8_t *node,
	       unsigned choices)
{
	uint32_t nr = node_nritems(node);

	json_object_begin(json, name);
	json_hex(json, "csum", header_csum(node), g->csum_size);
	json_uuid(json, "fsid", header_fsid(node));
	json_number(json, "bytenr", node_addr(node));
	json_number(json, "flags", header_flags(node) & ~BTRFS_BACKREF_REV_MASK);
	json_number(json, "backref_revision", header_flags(node) >> BTRFS_BACKREF_REV_SHIFT);
	json_uuid(json, "chunk_tree_uuid", header_chunk_tree_uuid(node));
	json_number(json, "generation", node_generation(node));
	json_number(json, "owner", node_owner(node));
	json_number(json, "nritems", nr);
	json_number(json, "level", node_level(node));
	if (node_level(node) == 0) {
		json_array_begin(json, "items");
		for (unsigned slot = 0; slot < MIN(nr, geometry_leaf_bytes(g) / ITEM_SIZE); slot++)
			item_object(json, g, node, slot, choices);
	} else {
		json_array_begin(json, "ptrs");
		for (unsigned slot = 0; slot < MIN(nr, geometry_node_ptrs(g)); slot++) {
			json_object_begin(json, NULL);
			json_key_ptr_fields(json, node_ptr(node, slot));
			json_end(json);
		}
	}
	json_end(json);
	json_end(json);
}

static void flag_names(struct json *json, const char *name, uint64_t flags,
		       const char *(*name_of)(unsigned bit))
{
	json_array_begin(json, name);
	for (unsigned bit = 0; bit < 64; bit++)
		if ((flags >> bit & 1) && name_of(bit))
			json_text(json, NULL, name_of(bit));
	json_end(json);
}

static void system_chunks(struct json *json, const uint8_t *super)
{
	const uint8_t *array = super_sys_chunk_array(super);
	uint32_t len = MIN(super_sys_chunk_array_size(super), BTRFS_SYSTEM_CHUNK_ARRAY_SIZE);
	uint32_t at = 0;

	json_array_begin(json, "sys_chunks");
	while (len - at >= KEY_DISK_SIZE + CHUNK_SIZE) {
		struct key key = key_load(array + at);
		uint32_t size;

		at += KEY_DISK_SIZE;
		size = chunk_size_bytes(chunk_num_stripes(array + at));
		json_object_begin(json, NULL);
		json_key(json, "key", &key);
		json_chunk_members(json, array + at, len - at);
		json_end(json);
		if (size > len - at)
			break;
		at += size;
	}
	json_end(json);
}

void json_superblock(struct json *json, const uint8_t *super, bool full)
{
	unsigned type = super_csum_type(super);
	uint8_t plain[SUPER_SIZE];

	/* What is cleared here is told before or after the other fields. */
	memcpy(plain, super, SUPER_SIZE);
	memset(plain, 0, BTRFS_CSUM_SIZE);
	memset(super_sys_chunk_array_mut(plain), 0, BTRFS_SYSTEM_CHUNK_ARRAY_SIZE);
	if (!full)
		memset(super_super_roots_mut(plain), 0, BTRFS_NUM_BACKUP_ROOTS * ROOT_BACKUP_SIZE);
	json_hex(json, "csum", super_csum(super),
		 type <= BTRFS_CSUM_TYPE_BLAKE2 ? csum_size((enum csum_type)type) :
						  BTRFS_CSUM_SIZE);
	json_bool(json, "csum_match", super_csum_ok(super));
	json_bool(json, "magic_match", super_has_magic(super));
	flag_names(json, "compat_ro_names", super_compat_ro_flags(super), super_compat_ro_name);
	flag_names(json, "incompat_names", super_incompat_flags(super), super_incompat_name);
	json_super_fields(json, plain);
	if (full)
		system_chunks(json, super);
}
