/*
 * Contents of a file that is in the filesystem that is written too: they are shared, as far as the
 * rules want it, or pass through memory. By the one thread that changes: the library's readers of
 * sources would wait for the change that waits for them.
 */
#include "base/cleanup.h"
#include "transfer/copy_priv.h"

#define BUFFER_BYTES ((size_t)1 << 20)

static int share_fail(const struct copy_walk *walk, int ret, const struct scan_entry *entry)
{
	return import_fail(walk->import, ret, "failed to clone %s/%s", walk->import->root_path,
			   entry->path);
}

static int range_share(struct copy_walk *walk, const struct scan_entry *entry,
		       struct ubtrfs_node node, uint64_t offset, uint64_t len)
{
	uint64_t done;
	int ret;

	if (walk->copy->rules.reflink == COPY_REFLINK_ALWAYS) {
		ret = ubtrfs_clone_range(walk->copy->fs, entry->source_node, offset, node, offset,
					 len);
		return ret < 0 ? share_fail(walk, ret, entry) : 0;
	}
	while (len) {
		TRY(import_step(walk->import));
		ret = ubtrfs_copy_range(walk->copy->fs, entry->source_node, offset, node, offset,
					len, &done);
		if (ret < 0)
			return share_fail(walk, ret, entry);
		if (!done)
			return 0;
		offset += done;
		len -= done;
	}
	return 0;
}

static int range_copy(struct copy_walk *walk, const struct scan_entry *entry,
		      struct ubtrfs_node node, uint64_t offset, uint64_t len)
{
	SCOPED_MEM uint8_t *buffer = mem_alloc(BUFFER_BYTES);
	size_t got = 0;
	int ret;

	if (!buffer)
		return MEM_FAIL("a buffer");
	for (; len; offset += got, len -= got) {
		TRY(import_step(walk->import));
		ret = ubtrfs_read(walk->copy->fs, entry->source_node, offset, buffer,
				  (size_t)MIN(len, (uint64_t)BUFFER_BYTES), &got);
		if (ret == 0 && !got)
			return 0;
		if (ret == 0)
			ret = ubtrfs_write(walk->copy->fs, node, offset, buffer, got);
		if (ret < 0)
			return import_fail(walk->import, ret, "%s/%s", walk->import->root_path,
					   entry->path);
	}
	return 0;
}

int copy_same_write(struct copy_walk *walk, const struct scan_entry *entry, struct ubtrfs_node node,
		    const struct ubtrfs_attr *attr)
{
	struct ubtrfs_attr with_size = *attr;
	uint64_t end = 0;
	int ret;

	for (size_t i = 0; i < entry->nr_ranges; i++) {
		const struct scan_range *range = &entry->ranges[i];

		if (walk->copy->rules.reflink == COPY_REFLINK_NEVER)
			TRY(range_copy(walk, entry, node, range->start, range->len));
		else
			TRY(range_share(walk, entry, node, range->start, range->len));
		walk->import->stats.bytes += range->len;
		end = range->start + range->len;
	}
	if (end >= entry->size)
		return 0;
	with_size.size = entry->size;
	ret = ubtrfs_setattr(walk->copy->fs, node, &with_size, UBTRFS_ATTR_SIZE);
	return ret < 0 ? import_fail(walk->import, ret, "%s/%s", walk->import->root_path,
				     entry->path) :
			 0;
}
