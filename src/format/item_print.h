/*
 * Private to format: the printers that item_ops.c puts into its table, and what they share.
 *
 * A printer gives the lines of dump-tree below an item's headline. The item's bytes are anything: a
 * printer reads what is there, and says "item of N bytes, too small" where the fixed part is cut
 * off.
 */
#ifndef UBTRFS_FORMAT_ITEM_PRINT_H
#define UBTRFS_FORMAT_ITEM_PRINT_H

#include <inttypes.h>

#include "format/item_ops.h"
#include "format/print_key.h"

#define UUID_TEXT_SIZE 37

/* A name for a bit or for a number, in tables. */
struct number_name {
	uint64_t number;
	const char *name;
};

/* True when the item holds at least that many bytes; otherwise says so. */
bool item_print_holds(struct strbuf *out, const struct item_view *item, uint32_t len_bytes);
/* "A|B", bits without a name as hexadecimal; nothing for 0. */
void print_flags(struct strbuf *out, uint64_t flags, const struct number_name *names,
		 size_t nr_names);
/* "METADATA|DUP", "DATA|single". */
void print_block_group_flags(struct strbuf *out, uint64_t flags);
void uuid_format(const uint8_t *uuid, char ret_text[UUID_TEXT_SIZE]);
/* A name or an attribute's value: escaped, or HIDDEN. */
void print_item_name(struct strbuf *out, const struct item_view *item, const uint8_t *bytes,
		     uint32_t len_bytes);
/* " (2024-01-31 12:00:00)" in local time, and the end of the line. */
void print_time(struct strbuf *out, uint64_t sec);
/* The body of a chunk, reading at most len_bytes, which are at least CHUNK_SIZE. */
void print_chunk(struct strbuf *out, const uint8_t *chunk, uint32_t len_bytes);

void item_print_untyped(struct strbuf *out, const struct item_view *item);
void item_print_inode(struct strbuf *out, const struct item_view *item);
void item_print_inode_ref(struct strbuf *out, const struct item_view *item);
void item_print_inode_extref(struct strbuf *out, const struct item_view *item);
void item_print_dir(struct strbuf *out, const struct item_view *item);
void item_print_orphan(struct strbuf *out, const struct item_view *item);
void item_print_dir_log(struct strbuf *out, const struct item_view *item);
void item_print_file_extent(struct strbuf *out, const struct item_view *item);
void item_print_csum_item(struct strbuf *out, const struct item_view *item);
void item_print_csum(struct strbuf *out, const struct item_view *item);
void item_print_root(struct strbuf *out, const struct item_view *item);
void item_print_root_ref(struct strbuf *out, const struct item_view *item);
void item_print_extent(struct strbuf *out, const struct item_view *item);
void item_print_keyed_ref(struct strbuf *out, const struct item_view *item);
void item_print_block_group(struct strbuf *out, const struct item_view *item);
void item_print_free_space_info(struct strbuf *out, const struct item_view *item);
void item_print_free_space_extent(struct strbuf *out, const struct item_view *item);
void item_print_free_space_bitmap(struct strbuf *out, const struct item_view *item);
void item_print_dev_extent(struct strbuf *out, const struct item_view *item);
void item_print_device(struct strbuf *out, const struct item_view *item);
void item_print_chunk(struct strbuf *out, const struct item_view *item);
void item_print_raid_stripe(struct strbuf *out, const struct item_view *item);
void item_print_remap(struct strbuf *out, const struct item_view *item);
void item_print_qgroup_status(struct strbuf *out, const struct item_view *item);
void item_print_qgroup_info(struct strbuf *out, const struct item_view *item);
void item_print_qgroup_limit(struct strbuf *out, const struct item_view *item);
void item_print_temporary(struct strbuf *out, const struct item_view *item);
void item_print_persistent(struct strbuf *out, const struct item_view *item);
void item_print_dev_replace(struct strbuf *out, const struct item_view *item);
void item_print_uuid(struct strbuf *out, const struct item_view *item);
void item_print_string(struct strbuf *out, const struct item_view *item);

#endif
