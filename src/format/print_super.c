/*
 * The text of a superblock: see print_super.h.
 */
#include "format/print_super.h"

#include <ctype.h>

#include "format/item_print.h"

static const char *const super_flag_names[64] = {
	[0] = "WRITTEN",
	[1] = "RELOC",
	[2] = "ERROR",
	[32] = "SEEDING",
	[33] = "METADUMP",
	[34] = "METADUMP_V2",
	[35] = "CHANGING_FSID",
	[36] = "CHANGING_FSID_V2",
	[38] = "CHANGING_BG_TREE",
	[39] = "CHANGING_DATA_CSUM",
	[40] = "CHANGING_META_CSUM",
};

static const char *super_flag_name(unsigned bit)
{
	return super_flag_names[bit];
}

/* "( A |", then "  B )" on lines of their own; nothing for 0. */
static void print_flag_list(struct strbuf *out, uint64_t flags,
			    const char *(*name_of)(unsigned bit))
{
	const char *before = "\t\t\t( ";
	uint64_t unknown = 0;

	if (!flags)
		return;
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(flags >> bit & 1))
			continue;
		if (!name_of(bit)) {
			unknown |= (uint64_t)1 << bit;
			continue;
		}
		strbuf_addf(out, "%s%s ", before, name_of(bit));
		before = "|\n\t\t\t  ";
	}
	if (unknown)
		strbuf_addf(out, "%sunknown flag: 0x%" PRIx64 " ", before, unknown);
	strbuf_add(out, ")\n");
}

static void print_number(struct strbuf *out, const char *name, uint64_t value)
{
	strbuf_addf(out, "%s%" PRIu64 "\n", name, value);
}

static void print_uuid_line(struct strbuf *out, const char *name, const uint8_t *uuid,
			    const char *after)
{
	char text[UUID_TEXT_SIZE];

	uuid_format(uuid, text);
	strbuf_addf(out, "%s%s%s\n", name, text, after);
}

static void print_super_csum(struct strbuf *out, const uint8_t *super)
{
	unsigned type = super_csum_type(super);
	bool known = type <= BTRFS_CSUM_TYPE_BLAKE2;
	size_t size = known ? csum_size((enum csum_type)type) : BTRFS_CSUM_SIZE;

	strbuf_addf(out, "csum_type\t\t%u (%s)\n", type,
		    known ? csum_name((enum csum_type)type) : "INVALID");
	strbuf_addf(out, "csum_size\t\t%zu\ncsum\t\t\t0x", size);
	for (size_t i = 0; i < size; i++)
		strbuf_addf(out, "%02x", super_csum(super)[i]);
	if (!known)
		strbuf_add(out, " [UNKNOWN CSUM TYPE OR SIZE]\n");
	else
		strbuf_add(out, super_csum_ok(super) ? " [match]\n" : " [DON'T MATCH]\n");
}

static void print_identity(struct strbuf *out, const uint8_t *super)
{
	const uint8_t *label = super_label(super);
	const uint8_t *magic = (const uint8_t *)super + 64;

	print_number(out, "bytenr\t\t\t", super_bytenr(super));
	strbuf_addf(out, "flags\t\t\t0x%" PRIx64 "\n", super_flags(super));
	print_flag_list(out, super_flags(super), super_flag_name);
	strbuf_add(out, "magic\t\t\t");
	for (unsigned i = 0; i < 8; i++)
		strbuf_addf(out, "%c", isprint(magic[i]) ? magic[i] : '.');
	strbuf_add(out, super_has_magic(super) ? " [match]\n" : " [DON'T MATCH]\n");
	print_uuid_line(out, "fsid\t\t\t", super_fsid(super), "");
	print_uuid_line(out, "metadata_uuid\t\t", super_metadata_uuid(super), "");
	strbuf_add(out, "label\t\t\t");
	for (unsigned i = 0; i < BTRFS_LABEL_SIZE - 1 && label[i]; i++)
		strbuf_addf(out, "%c", isprint(label[i]) ? label[i] : '.');
	strbuf_add(out, "\n");
}

static void print_roots(struct strbuf *out, const uint8_t *super)
{
	print_number(out, "generation\t\t", super_generation(super));
	print_number(out, "root\t\t\t", super_root(super));
	print_number(out, "sys_array_size\t\t", super_sys_chunk_array_size(super));
	print_number(out, "chunk_root_generation\t", super_chunk_root_generation(super));
	print_number(out, "root_level\t\t", super_root_level(super));
	print_number(out, "chunk_root\t\t", super_chunk_root(super));
	print_number(out, "chunk_root_level\t", super_chunk_root_level(super));
	print_number(out, "log_root\t\t", super_log_root(super));
	print_number(out, "log_root_transid (deprecated)\t", super_log_root_transid(super));
	print_number(out, "log_root_level\t\t", super_log_root_level(super));
	print_number(out, "total_bytes\t\t", super_total_bytes(super));
	print_number(out, "bytes_used\t\t", super_bytes_used(super));
	print_number(out, "sectorsize\t\t", super_sectorsize(super));
	print_number(out, "nodesize\t\t", super_nodesize(super));
	print_number(out, "leafsize (deprecated)\t", super_leafsize(super));
	print_number(out, "stripesize\t\t", super_stripesize(super));
	print_number(out, "root_dir\t\t", super_root_dir_objectid(super));
	print_number(out, "num_devices\t\t", super_num_devices(super));
}

static void print_features(struct strbuf *out, const uint8_t *super)
{
	strbuf_addf(out, "compat_flags\t\t0x%" PRIx64 "\n", super_compat_flags(super));
	strbuf_addf(out, "compat_ro_flags\t\t0x%" PRIx64 "\n", super_compat_ro_flags(super));
	print_flag_list(out, super_compat_ro_flags(super), super_compat_ro_name);
	strbuf_addf(out, "incompat_flags\t\t0x%" PRIx64 "\n", super_incompat_flags(super));
	print_flag_list(out, super_incompat_flags(super), super_incompat_name);
	print_number(out, "cache_generation\t", super_cache_generation(super));
	print_number(out, "uuid_tree_generation\t", super_uuid_tree_generation(super));
}

static void print_own_device(struct strbuf *out, const uint8_t *super)
{
	const uint8_t *dev = super_dev_item(super);
	bool match = memcmp(dev_item_fsid(dev), super_node_fsid(super), BTRFS_FSID_SIZE) == 0;

	print_uuid_line(out, "dev_item.uuid\t\t", dev_item_uuid(dev), "");
	print_uuid_line(out, "dev_item.fsid\t\t", dev_item_fsid(dev),
			match ? " [match]" : " [DON'T MATCH]");
	print_number(out, "dev_item.type\t\t", dev_item_type(dev));
	print_number(out, "dev_item.total_bytes\t", dev_item_total_bytes(dev));
	print_number(out, "dev_item.bytes_used\t", dev_item_bytes_used(dev));
	print_number(out, "dev_item.io_align\t", dev_item_io_align(dev));
	print_number(out, "dev_item.io_width\t", dev_item_io_width(dev));
	print_number(out, "dev_item.sector_size\t", dev_item_sector_size(dev));
	print_number(out, "dev_item.devid\t\t", dev_item_devid(dev));
	print_number(out, "dev_item.dev_group\t", dev_item_dev_group(dev));
	print_number(out, "dev_item.seek_speed\t", dev_item_seek_speed(dev));
	print_number(out, "dev_item.bandwidth\t", dev_item_bandwidth(dev));
	print_number(out, "dev_item.generation\t", dev_item_generation(dev));
}

static void print_sys_chunks(struct strbuf *out, const uint8_t *super)
{
	const uint8_t *array = super_sys_chunk_array(super);
	uint32_t len = super_sys_chunk_array_size(super);
	uint32_t at = 0;

	strbuf_addf(out, "sys_chunk_array[%d]:\n", BTRFS_SYSTEM_CHUNK_ARRAY_SIZE);
	if (len > BTRFS_SYSTEM_CHUNK_ARRAY_SIZE) {
		strbuf_addf(out, "sys_array_size %u shouldn't exceed %u bytes\n", len,
			    BTRFS_SYSTEM_CHUNK_ARRAY_SIZE);
		return;
	}
	for (unsigned i = 0; at < len; i++) {
		uint32_t size;
		struct key key;

		if (len - at < KEY_DISK_SIZE + CHUNK_SIZE) {
			strbuf_addf(out, "sys_array too short at offset %u\n", at);
			return;
		}
		key = key_load(array + at);
		at += KEY_DISK_SIZE;
		strbuf_addf(out, "\titem %u ", i);
		print_key(out, &key);
		strbuf_add(out, "\n");
		if (key.type != BTRFS_CHUNK_ITEM_KEY) {
			strbuf_addf(out, "unexpected item type %u in sys_array at offset %u\n",
				    key.type, at - KEY_DISK_SIZE);
			return;
		}
		print_chunk(out, array + at, len - at);
		size = chunk_size_bytes(chunk_num_stripes(array + at));
		if (size > len - at)
			return;
		at += size;
	}
}

static void print_backup_root(struct strbuf *out, const char *name, uint64_t addr,
			      uint64_t generation, unsigned level)
{
	strbuf_addf(out, "\t\t%s%" PRIu64 "\tgen: %" PRIu64 "\tlevel: %u\n", name, addr, generation,
		    level);
}

static void print_backups(struct strbuf *out, const uint8_t *super)
{
	bool v2 = super_incompat_flags(super) & BTRFS_FEATURE_INCOMPAT_EXTENT_TREE_V2;

	strbuf_addf(out, "backup_roots[%d]:\n", BTRFS_NUM_BACKUP_ROOTS);
	for (unsigned i = 0; i < BTRFS_NUM_BACKUP_ROOTS; i++) {
		const uint8_t *p = super_root_backup(super, i);

		/* A young filesystem has not used all slots. */
		if (!root_backup_tree_root(p) && !root_backup_tree_root_gen(p))
			continue;
		strbuf_addf(out, "\tbackup %u:\n", i);
		print_backup_root(out, "backup_tree_root:\t", root_backup_tree_root(p),
				  root_backup_tree_root_gen(p), root_backup_tree_root_level(p));
		print_backup_root(out, "backup_chunk_root:\t", root_backup_chunk_root(p),
				  root_backup_chunk_root_gen(p), root_backup_chunk_root_level(p));
		print_backup_root(out, v2 ? "backup_block_group_root:\t" : "backup_extent_root:\t",
				  root_backup_extent_root(p), root_backup_extent_root_gen(p),
				  root_backup_extent_root_level(p));
		print_backup_root(out, "backup_fs_root:\t\t", root_backup_fs_root(p),
				  root_backup_fs_root_gen(p), root_backup_fs_root_level(p));
		print_backup_root(out, "backup_dev_root:\t", root_backup_dev_root(p),
				  root_backup_dev_root_gen(p), root_backup_dev_root_level(p));
		print_backup_root(out, "csum_root:\t", root_backup_csum_root(p),
				  root_backup_csum_root_gen(p), root_backup_csum_root_level(p));
		print_number(out, "\t\tbackup_total_bytes:\t", root_backup_total_bytes(p));
		print_number(out, "\t\tbackup_bytes_used:\t", root_backup_bytes_used(p));
		print_number(out, "\t\tbackup_num_devices:\t", root_backup_num_devices(p));
		strbuf_add(out, "\n");
	}
}

void print_super(struct strbuf *out, const uint8_t *super, bool full)
{
	print_super_csum(out, super);
	print_identity(out, super);
	print_roots(out, super);
	print_features(out, super);
	print_own_device(out, super);
	if (!full)
		return;
	print_sys_chunks(out, super);
	print_backups(out, super);
}
