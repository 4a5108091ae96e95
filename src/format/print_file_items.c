/*
 * Printers of items in trees of files and in the root tree: inodes, names, contents, checksums,
 * roots.
 */
#include <time.h>

#include "format/item_print.h"

static const struct number_name inode_flags[] = {
	{ BTRFS_INODE_NODATASUM, "NODATASUM" },
	{ BTRFS_INODE_NODATACOW, "NODATACOW" },
	{ BTRFS_INODE_READONLY, "READONLY" },
	{ BTRFS_INODE_NOCOMPRESS, "NOCOMPRESS" },
	{ BTRFS_INODE_PREALLOC, "PREALLOC" },
	{ BTRFS_INODE_SYNC, "SYNC" },
	{ BTRFS_INODE_IMMUTABLE, "IMMUTABLE" },
	{ BTRFS_INODE_APPEND, "APPEND" },
	{ BTRFS_INODE_NODUMP, "NODUMP" },
	{ BTRFS_INODE_NOATIME, "NOATIME" },
	{ BTRFS_INODE_DIRSYNC, "DIRSYNC" },
	{ BTRFS_INODE_COMPRESS, "COMPRESS" },
	{ BTRFS_INODE_ROOT_ITEM_INIT, "ROOT_ITEM_INIT" },
};

static const char *const dir_types[BTRFS_FT_MAX] = {
	[BTRFS_FT_REG_FILE] = "FILE",	[BTRFS_FT_DIR] = "DIR",	    [BTRFS_FT_CHRDEV] = "CHRDEV",
	[BTRFS_FT_BLKDEV] = "BLKDEV",	[BTRFS_FT_FIFO] = "FIFO",   [BTRFS_FT_SOCK] = "SOCK",
	[BTRFS_FT_SYMLINK] = "SYMLINK", [BTRFS_FT_XATTR] = "XATTR",
};

static const char *const compressions[BTRFS_NR_COMPRESS_TYPES] = { "none", "zlib", "lzo", "zstd" };
static const char *const extent_types[BTRFS_NR_FILE_EXTENT_TYPES] = { "inline", "regular",
								      "prealloc" };

void print_time(struct strbuf *out, uint64_t sec)
{
	time_t when = (time_t)sec;
	struct tm parts;
	char text[64] = "";

	if (localtime_r(&when, &parts))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
	strbuf_addf(out, " (%s)\n", text);
}

static void print_timespec(struct strbuf *out, const char *name, const uint8_t *p)
{
	strbuf_addf(out, "\t\t%s %" PRIu64 ".%u", name, timespec_sec(p), timespec_nsec(p));
	print_time(out, timespec_sec(p));
}

/* "0x3(A|B)", "0x0(none)" */
static void print_inode_flags(struct strbuf *out, uint64_t flags)
{
	strbuf_addf(out, "0x%" PRIx64 "(", flags);
	if (flags)
		print_flags(out, flags, inode_flags, ARRAY_LEN(inode_flags));
	else
		strbuf_add(out, "none");
	strbuf_add(out, ")");
}

/*
 * ---- inodes and names
 * ----------------------------------------------------------------------------------------
 */

void item_print_inode(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;

	if (!item_print_holds(out, item, INODE_ITEM_SIZE))
		return;
	strbuf_addf(out,
		    "\t\tgeneration %" PRIu64 " transid %" PRIu64 " size %" PRIu64
		    " nbytes %" PRIu64 "\n",
		    inode_item_generation(p), inode_item_transid(p), inode_item_size(p),
		    inode_item_nbytes(p));
	strbuf_addf(out,
		    "\t\tblock group %" PRIu64 " mode %o links %u uid %u gid %u rdev %" PRIu64 "\n",
		    inode_item_block_group(p), inode_item_mode(p), inode_item_nlink(p),
		    inode_item_uid(p), inode_item_gid(p), inode_item_rdev(p));
	strbuf_addf(out, "\t\tsequence %" PRIu64 " flags ", inode_item_sequence(p));
	print_inode_flags(out, inode_item_flags(p));
	strbuf_add(out, "\n");
	print_timespec(out, "atime", inode_item_atime(p));
	print_timespec(out, "ctime", inode_item_ctime(p));
	print_timespec(out, "mtime", inode_item_mtime(p));
	print_timespec(out, "otime", inode_item_otime(p));
}

/* "namelen N name: ..." with no more than the rest of the item; false at its end. */
static bool print_ref_name(struct strbuf *out, const struct item_view *item, const uint8_t *name,
			   uint32_t name_len, uint32_t rest)
{
	uint32_t len = MIN(name_len, rest);

	strbuf_addf(out, "namelen %u name: ", name_len);
	print_item_name(out, item, name, len);
	strbuf_add(out, "\n");
	return name_len <= rest;
}

void item_print_inode_ref(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;
	const uint8_t *end = p + item->len;

	while (end - p >= INODE_REF_SIZE) {
		strbuf_addf(out, "\t\tindex %" PRIu64 " ", inode_ref_index(p));
		if (!print_ref_name(out, item, p + INODE_REF_SIZE, inode_ref_name_len(p),
				    end - p - INODE_REF_SIZE))
			return;
		p += INODE_REF_SIZE + inode_ref_name_len(p);
	}
}

void item_print_inode_extref(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;
	const uint8_t *end = p + item->len;

	while (end - p >= INODE_EXTREF_SIZE) {
		strbuf_addf(out, "\t\tindex %" PRIu64 " parent %" PRIu64 " ", inode_extref_index(p),
			    inode_extref_parent_objectid(p));
		if (!print_ref_name(out, item, p + INODE_EXTREF_SIZE, inode_extref_name_len(p),
				    end - p - INODE_EXTREF_SIZE))
			return;
		p += INODE_EXTREF_SIZE + inode_extref_name_len(p);
	}
}

static void print_dir_entry(struct strbuf *out, const struct item_view *item, const uint8_t *p,
			    uint32_t rest)
{
	struct key location = key_load(dir_item_location(p));
	uint8_t type = dir_item_type(p) & (uint8_t)~BTRFS_FT_ENCRYPTED;
	uint32_t name_len = MIN(dir_item_name_len(p), rest);
	uint32_t data_len = MIN(dir_item_data_len(p), rest - name_len);
	const uint8_t *name = p + DIR_ITEM_SIZE;

	strbuf_add(out, "\t\tlocation ");
	print_key(out, &location);
	if (type < BTRFS_FT_MAX && dir_types[type])
		strbuf_addf(out, " type %s\n", dir_types[type]);
	else
		strbuf_addf(out, " type DIR_ITEM.%u\n", type);
	strbuf_addf(out, "\t\ttransid %" PRIu64 " data_len %u name_len %u\n", dir_item_transid(p),
		    dir_item_data_len(p), dir_item_name_len(p));
	strbuf_add(out, "\t\tname: ");
	print_item_name(out, item, name, name_len);
	strbuf_add(out, "\n");
	if (data_len) {
		strbuf_add(out, "\t\tdata ");
		/* dump-tree shows no more of a value than of a name */
		print_item_name(out, item, name + name_len,
				MIN(data_len, (uint32_t)BTRFS_NAME_LEN));
		strbuf_add(out, "\n");
	}
}

void item_print_dir(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;
	const uint8_t *end = p + item->len;

	while (end - p >= DIR_ITEM_SIZE) {
		uint32_t rest = end - p - DIR_ITEM_SIZE;
		uint32_t len = dir_item_name_len(p) + dir_item_data_len(p);

		print_dir_entry(out, item, p, rest);
		if (len > rest)
			return;
		p += DIR_ITEM_SIZE + len;
	}
}

void item_print_orphan(struct strbuf *out, const struct item_view *item)
{
	(void)item;
	strbuf_add(out, "\t\torphan item\n");
}

void item_print_dir_log(struct strbuf *out, const struct item_view *item)
{
	if (item_print_holds(out, item, DIR_LOG_ITEM_SIZE))
		strbuf_addf(out, "\t\tdir log end %" PRIu64 "\n", dir_log_item_end(item->data));
}

/*
 * ---- contents
 * ------------------------------------------------------------------------------------------------
 */

static void print_compression(struct strbuf *out, uint8_t compression)
{
	if (compression < BTRFS_NR_COMPRESS_TYPES)
		strbuf_addf(out, "compression %u (%s)\n", compression, compressions[compression]);
	else
		strbuf_addf(out, "compression %u (UNKNOWN.%u)\n", compression, compression);
}

void item_print_file_extent(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;
	uint8_t type;

	if (!item_print_holds(out, item, FILE_EXTENT_INLINE_AT))
		return;
	type = file_extent_type(p);
	strbuf_addf(out, "\t\tgeneration %" PRIu64 " type %u (%s)\n", file_extent_generation(p),
		    type, type < BTRFS_NR_FILE_EXTENT_TYPES ? extent_types[type] : "unknown");
	if (type == BTRFS_FILE_EXTENT_INLINE) {
		strbuf_addf(out, "\t\tinline extent data size %u ram_bytes %" PRIu64 " ",
			    item->len - FILE_EXTENT_INLINE_AT, file_extent_ram_bytes(p));
		print_compression(out, file_extent_compression(p));
		return;
	}
	if (!item_print_holds(out, item, FILE_EXTENT_SIZE))
		return;
	if (type == BTRFS_FILE_EXTENT_PREALLOC) {
		strbuf_addf(out, "\t\tprealloc data disk byte %" PRIu64 " nr %" PRIu64 "\n",
			    file_extent_disk_bytenr(p), file_extent_disk_num_bytes(p));
		strbuf_addf(out, "\t\tprealloc data offset %" PRIu64 " nr %" PRIu64 "\n",
			    file_extent_offset(p), file_extent_num_bytes(p));
		return;
	}
	strbuf_addf(out, "\t\textent data disk byte %" PRIu64 " nr %" PRIu64 "\n",
		    file_extent_disk_bytenr(p), file_extent_disk_num_bytes(p));
	strbuf_addf(out, "\t\textent data offset %" PRIu64 " nr %" PRIu64 " ram %" PRIu64 "\n",
		    file_extent_offset(p), file_extent_num_bytes(p), file_extent_ram_bytes(p));
	strbuf_add(out, "\t\textent ");
	print_compression(out, file_extent_compression(p));
}

/* As many in a line as dump-tree has: 4, 2 or 1, by their size. */
static void print_csums(struct strbuf *out, const struct item_view *item)
{
	uint32_t size = item->geometry->csum_size, nr = item->len / size;
	uint32_t nr_in_line = size <= 4 ? 4 : size <= 8 ? 2 : 1;

	for (uint32_t i = 0; i < nr; i++) {
		const uint8_t *csum = item->data + (size_t)i * size;

		strbuf_addf(out, "%s[%" PRIu64 "] 0x", i % nr_in_line ? " " : "\t\t",
			    item->key.offset + (uint64_t)i * item->geometry->sectorsize);
		for (uint32_t at = 0; at < size; at++)
			strbuf_addf(out, "%02x", csum[at]);
		if (i % nr_in_line == nr_in_line - 1 || i == nr - 1)
			strbuf_add(out, "\n");
	}
}

void item_print_csum(struct strbuf *out, const struct item_view *item)
{
	const struct geometry *g = item->geometry;
	uint64_t len = (uint64_t)(item->len / g->csum_size) * g->sectorsize;

	strbuf_addf(out, "\t\trange start %" PRIu64 " end %" PRIu64 " length %" PRIu64 "\n",
		    item->key.offset, item->key.offset + len, len);
	if (item->choices & PRINT_CSUM_ITEMS)
		print_csums(out, item);
}

void item_print_csum_item(struct strbuf *out, const struct item_view *item)
{
	(void)item;
	strbuf_add(out, "\t\tcsum item\n");
}

/*
 * ---- roots
 * ---------------------------------------------------------------------------------------------------
 */

static void print_root_head(struct strbuf *out, const uint8_t *p)
{
	struct key drop = key_load(root_item_drop_progress(p));

	strbuf_addf(out,
		    "\t\tgeneration %" PRIu64 " root_dirid %" PRIu64 " bytenr %" PRIu64
		    " byte_limit %" PRIu64 " bytes_used %" PRIu64 "\n",
		    root_item_generation(p), root_item_root_dirid(p), root_item_bytenr(p),
		    root_item_byte_limit(p), root_item_bytes_used(p));
	strbuf_addf(out, "\t\tlast_snapshot %" PRIu64 " flags ", root_item_last_snapshot(p));
	strbuf_addf(out, "0x%" PRIx64 "(%s)", root_item_flags(p),
		    root_item_flags(p) & BTRFS_ROOT_SUBVOL_RDONLY ? "RDONLY" : "none");
	strbuf_addf(out, " refs %u\n\t\tdrop_progress ", root_item_refs(p));
	print_key(out, &drop);
	strbuf_addf(out, " drop_level %u\n\t\tlevel %u generation_v2 %" PRIu64 "\n",
		    root_item_drop_level(p), root_item_level(p), root_item_generation_v2(p));
}

void item_print_root(struct strbuf *out, const struct item_view *item)
{
	uint8_t p[ROOT_ITEM_SIZE] = { 0 }; /* old items are shorter: the rest counts as zero */
	char uuid[UUID_TEXT_SIZE];

	if (!item_print_holds(out, item, ROOT_ITEM_LEGACY_SIZE))
		return;
	memcpy(p, item->data, MIN(item->len, ROOT_ITEM_SIZE));
	print_root_head(out, p);
	if (root_item_generation(p) != root_item_generation_v2(p))
		return;
	uuid_format(root_item_uuid(p), uuid);
	strbuf_addf(out, "\t\tuuid %s\n", uuid);
	uuid_format(root_item_parent_uuid(p), uuid);
	strbuf_addf(out, "\t\tparent_uuid %s\n", uuid);
	uuid_format(root_item_received_uuid(p), uuid);
	strbuf_addf(out, "\t\treceived_uuid %s\n", uuid);
	strbuf_addf(out,
		    "\t\tctransid %" PRIu64 " otransid %" PRIu64 " stransid %" PRIu64
		    " rtransid %" PRIu64 "\n",
		    root_item_ctransid(p), root_item_otransid(p), root_item_stransid(p),
		    root_item_rtransid(p));
	print_timespec(out, "ctime", root_item_ctime(p));
	print_timespec(out, "otime", root_item_otime(p));
	print_timespec(out, "stime", root_item_stime(p));
	print_timespec(out, "rtime", root_item_rtime(p));
}

/* Bytes as they are, to the first zero byte: the text must not end within. */
static void print_text(struct strbuf *out, const uint8_t *bytes, uint32_t len_bytes)
{
	strbuf_add_bytes(out, bytes, strnlen((const char *)bytes, len_bytes));
}

void item_print_root_ref(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;

	if (!item_print_holds(out, item, ROOT_REF_SIZE))
		return;
	strbuf_addf(out, "\t\troot %s key dirid %" PRIu64 " sequence %" PRIu64 " name ",
		    item->key.type == BTRFS_ROOT_REF_KEY ? "ref" : "backref", root_ref_dirid(p),
		    root_ref_sequence(p));
	if (item->choices & PRINT_HIDE_NAMES)
		strbuf_add(out, "HIDDEN");
	else
		print_text(out, p + ROOT_REF_SIZE,
			   MIN(root_ref_name_len(p), item->len - ROOT_REF_SIZE));
	strbuf_add(out, "\n");
}

/*
 * ---- others
 * --------------------------------------------------------------------------------------------------
 */

void item_print_untyped(struct strbuf *out, const struct item_view *item)
{
	struct key location;

	if (item->key.objectid != BTRFS_FREE_SPACE_OBJECTID)
		return;
	if (!item_print_holds(out, item, FREE_SPACE_HEADER_SIZE))
		return;
	location = key_load(free_space_header_location(item->data));
	strbuf_add(out, "\t\tlocation ");
	print_key(out, &location);
	strbuf_addf(out,
		    "\n\t\tcache generation %" PRIu64 " entries %" PRIu64 " bitmaps %" PRIu64 "\n",
		    free_space_header_generation(item->data),
		    free_space_header_num_entries(item->data),
		    free_space_header_num_bitmaps(item->data));
}

void item_print_string(struct strbuf *out, const struct item_view *item)
{
	strbuf_add(out, "\t\titem data ");
	print_text(out, item->data, item->len);
	strbuf_add(out, "\n");
}
