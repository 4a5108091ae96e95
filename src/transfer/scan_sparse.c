/*
 * cp --sparse=always: sectors of zeros become holes. The file is read once more, by the walk, since
 * what is a hole must be known before anything is handed to the library. Takes no lock.
 */
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "transfer/copy_in.h"
#include "transfer/scan.h"

#define SPARSE_READ_BYTES ((size_t)1 << 20)

static bool is_zero(const uint8_t *data, size_t len)
{
	return !len || (!data[0] && !memcmp(data, data + 1, len - 1));
}

/* *ret_len 0: the file ends here by now, which its reader will tell. */
static int sparse_read(struct scan_at *at, const struct scan_entry *entry, int fd, uint64_t offset,
		       void *data, size_t len, size_t *ret_len)
{
	ssize_t nr;
	int ret;

	if (fd < 0) {
		ret = ubtrfs_read(at->import->source_fs, entry->source_node, offset, data, len,
				  ret_len);
		if (ret < 0)
			return import_fail(at->import, ret, "%s/%s", at->import->root_path,
					   entry->path);
		return 0;
	}
	do {
		nr = pread(fd, data, len, (off_t)offset);
	} while (nr < 0 && errno == EINTR);
	if (nr < 0)
		return THROW_SYS(errno, "cannot read %s/%s", at->import->root_path, entry->path);
	*ret_len = (size_t)nr;
	return 0;
}

static int sparse_piece(struct scan_at *at, struct scan_entry *entry, struct scan_range_list *list,
			uint64_t offset, const uint8_t *data, size_t len)
{
	size_t sector = at->import->sectorsize;

	for (size_t pos = 0; pos < len; pos += sector) {
		size_t part = MIN(sector, len - pos);

		if (!is_zero(data + pos, part))
			TRY(scan_range_add(entry, list, offset + pos, offset + pos + part));
	}
	return 0;
}

static int sparse_range(struct scan_at *at, struct scan_entry *entry, struct scan_range_list *list,
			int fd, uint8_t *buffer, const struct scan_range *range)
{
	uint64_t end = range->start + range->len;
	size_t got;

	for (uint64_t pos = range->start; pos < end; pos += got) {
		size_t want = MIN(SPARSE_READ_BYTES, end - pos);

		TRY(sparse_read(at, entry, fd, pos, buffer, want, &got));
		/* Short of a sector's end nothing can be told: the rest counts as data. */
		if (got < want)
			return scan_range_add(entry, list, round_down(pos, at->import->sectorsize),
					      end);
		TRY(sparse_piece(at, entry, list, pos, buffer, got));
	}
	return 0;
}

int scan_sparse(struct scan_at *at, struct scan_entry *entry, int fd)
{
	const struct scan_range *old = entry->ranges;
	size_t nr_old = entry->nr_ranges;
	struct scan_range_list list = { .ranges = NULL };
	SCOPED_MEM uint8_t *buffer = mem_alloc(SPARSE_READ_BYTES);

	if (!buffer)
		return MEM_FAIL("a buffer");
	entry->nr_ranges = 0;
	for (size_t i = 0; i < nr_old; i++)
		TRY(sparse_range(at, entry, &list, fd, buffer, &old[i]));
	entry->ranges = list.ranges;
	return 0;
}
