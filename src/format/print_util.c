/*
 * What the printers share: flags, UUIDs, times, escaped bytes. Owns the tables of names of flags
 * used in several places.
 */
#include "format/item_print.h"

#include <stdio.h>

static const struct number_name block_group_types[] = {
	{ BTRFS_BLOCK_GROUP_DATA, "DATA" },
	{ BTRFS_BLOCK_GROUP_METADATA, "METADATA" },
	{ BTRFS_BLOCK_GROUP_SYSTEM, "SYSTEM" },
	{ BTRFS_SPACE_INFO_GLOBAL_RSV, "GlobalReserve" },
};

static const struct number_name block_group_profiles[] = {
	{ BTRFS_BLOCK_GROUP_RAID0, "RAID0" },	  { BTRFS_BLOCK_GROUP_RAID1, "RAID1" },
	{ BTRFS_BLOCK_GROUP_DUP, "DUP" },	  { BTRFS_BLOCK_GROUP_RAID10, "RAID10" },
	{ BTRFS_BLOCK_GROUP_RAID5, "RAID5" },	  { BTRFS_BLOCK_GROUP_RAID6, "RAID6" },
	{ BTRFS_BLOCK_GROUP_RAID1C3, "RAID1C3" }, { BTRFS_BLOCK_GROUP_RAID1C4, "RAID1C4" },
};

bool item_print_holds(struct strbuf *out, const struct item_view *item, uint32_t len_bytes)
{
	if (item->len >= len_bytes)
		return true;
	strbuf_addf(out, "\t\titem of %u bytes, too small\n", item->len);
	return false;
}

void print_flags(struct strbuf *out, uint64_t flags, const struct number_name *names,
		 size_t nr_names)
{
	const char *between = "";

	for (size_t i = 0; i < nr_names; i++) {
		if (!(flags & names[i].number))
			continue;
		strbuf_addf(out, "%s%s", between, names[i].name);
		flags &= ~names[i].number;
		between = "|";
	}
	if (flags)
		strbuf_addf(out, "%sUNKNOWN: 0x%" PRIx64, between, flags);
}

void print_block_group_flags(struct strbuf *out, uint64_t flags)
{
	uint64_t profile = flags & BTRFS_BLOCK_GROUP_PROFILE_MASK;

	print_flags(out, flags & ~profile, block_group_types, ARRAY_LEN(block_group_types));
	strbuf_add(out, "|");
	if (profile)
		print_flags(out, profile, block_group_profiles, ARRAY_LEN(block_group_profiles));
	else
		strbuf_add(out, "single");
}

void uuid_format(const uint8_t *uuid, char ret_text[UUID_TEXT_SIZE])
{
	char *at = ret_text;

	for (unsigned i = 0; i < BTRFS_UUID_SIZE; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		snprintf(at, 3, "%02x", uuid[i]);
		at += 2;
	}
}

/* Bytes as dump-tree escapes them: control and non-ASCII bytes, space and backslash. */
static void print_bytes_escaped(struct strbuf *out, const uint8_t *bytes, uint32_t len_bytes)
{
	static const char plain[] = "\a\b\033\f\n\r\t\v \\";
	static const char letter[] = "abefnrtv \\";

	for (uint32_t i = 0; i < len_bytes; i++) {
		uint8_t c = bytes[i];
		const char *special = c ? memchr(plain, c, sizeof(plain) - 1) : NULL;

		if (special)
			strbuf_addf(out, "\\%c", letter[special - plain]);
		else if (c >= 0x20 && c < 0x7f)
			strbuf_add_bytes(out, &bytes[i], 1);
		else
			strbuf_addf(out, "\\%03o", c);
	}
}

void print_item_name(struct strbuf *out, const struct item_view *item, const uint8_t *bytes,
		     uint32_t len_bytes)
{
	if (item->choices & PRINT_HIDE_NAMES)
		strbuf_add(out, "HIDDEN");
	else
		print_bytes_escaped(out, bytes, len_bytes);
}
