/*
 * Contents of an archive's entry, as libarchive hands them out: blocks at ascending offsets, holes
 * between them. Keeps no state, takes no lock.
 */
#include <string.h>

#include "transfer/unpack.h"

#define RETRIES_MAX 16

int unpack_archive_result(struct unpack *unpack, int result)
{
	const char *text = archive_error_string(unpack->archive);

	if (!text)
		text = "unknown error";
	if (result != ARCHIVE_WARN)
		return THROW(ERR_ARCHIVE, "%s", text);
	/* Names are taken as bytes, which is what libarchive falls back on here. */
	if (strstr(text, "to current locale"))
		return 0;
	return import_warn(unpack->import, "%s: %s", unpack->label, text);
}

/* 0, or 1 at the end of the entry. */
static int data_block(struct unpack *unpack, const void **ret_data, size_t *ret_len,
		      int64_t *ret_offset)
{
	int result = ARCHIVE_RETRY;

	for (int i = 0; i < RETRIES_MAX && result == ARCHIVE_RETRY; i++)
		result = archive_read_data_block(unpack->archive, ret_data, ret_len, ret_offset);
	if (result == ARCHIVE_EOF)
		return 1;
	return result == ARCHIVE_OK ? 0 : unpack_archive_result(unpack, result);
}

/* A manifest promises a size; the file it names may differ, or there is none. */
static int data_check_manifest(struct unpack *unpack, const char *path, uint64_t size, uint64_t end)
{
	if (!unpack->is_mtree || size == end)
		return 0;
	if (!end)
		return import_warn(unpack->import,
				   "%s: %s has no contents: %llu bytes become zeros", unpack->label,
				   path, (unsigned long long)size);
	return import_warn(unpack->import, "%s: %s has %llu bytes, not %llu", unpack->label, path,
			   (unsigned long long)end, (unsigned long long)size);
}

int unpack_data(struct unpack *unpack, const char *path, struct ubtrfs_node node)
{
	struct import *import = unpack->import;
	struct ubtrfs_attr attr = { .size = 0 };
	uint64_t end = 0;
	const void *data;
	int64_t offset;
	size_t len;
	int ret;

	for (;;) {
		ret = data_block(unpack, &data, &len, &offset);
		TRY(ret);
		if (ret == 1)
			break;
		if (!len)
			continue;
		if (offset < 0 || (uint64_t)offset < end)
			return THROW(ERR_ARCHIVE, "its blocks are out of order");
		ret = ubtrfs_write(import->fs, node, offset, data, len);
		if (ret < 0)
			return import_fail(import, ret, "its contents cannot be written");
		end = offset + len;
		import->stats.bytes += len;
	}
	if (!archive_entry_size_is_set(unpack->entry) || archive_entry_size(unpack->entry) < 0)
		return 0;
	attr.size = archive_entry_size(unpack->entry);
	TRY(data_check_manifest(unpack, path, attr.size, end));
	if (attr.size <= end)
		return 0;
	ret = ubtrfs_setattr(import->fs, node, &attr, UBTRFS_ATTR_SIZE);
	return ret < 0 ? import_fail(import, ret, "its contents cannot be written") : 0;
}
