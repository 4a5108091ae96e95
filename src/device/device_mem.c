/*
 * A device in memory, for tests: pages of 64 KiB appear when they are first written, holes read as
 * zeroes.
 *
 * Owns the pages, in a tree by index. Invariant: each page lies at least partly below the size; its
 * bytes beyond the size are zero, so that growing again shows zeroes. Lock: RANK_DEVICE,
 * readers-writer, over the tree and the bytes.
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/rbtree.h"
#include "device/device_priv.h"

#define MEM_PAGE_BYTES 65536u

struct mem_page {
	struct rb_node node;
	uint64_t index;
	uint8_t data[MEM_PAGE_BYTES];
};

struct device_mem {
	struct device device;
	struct rwlock lock;
	struct rbtree pages;
};

static struct device_mem *mem_of(struct device *device)
{
	return container_of(device, struct device_mem, device);
}

static int page_key_compare(const void *key, const struct rb_node *node)
{
	uint64_t want = *(const uint64_t *)key;
	uint64_t have = rb_entry(node, struct mem_page, node)->index;

	return (want > have) - (want < have);
}

static int page_compare(const struct rb_node *a, const struct rb_node *b)
{
	return page_key_compare(&rb_entry(a, struct mem_page, node)->index, b);
}

static struct mem_page *page_find(struct device_mem *mem, uint64_t index)
{
	struct rb_node *node = rbtree_find(&mem->pages, &index, page_key_compare);

	return node ? rb_entry(node, struct mem_page, node) : NULL;
}

static struct mem_page *page_get(struct device_mem *mem, uint64_t index)
{
	struct mem_page *page = page_find(mem, index);

	if (page)
		return page;
	page = mem_zalloc(sizeof(*page));
	if (!page)
		return NULL;
	page->index = index;
	rbtree_insert(&mem->pages, &page->node);
	return page;
}

static void page_drop(struct device_mem *mem, struct mem_page *page)
{
	rbtree_remove(&mem->pages, &page->node);
	mem_free(page);
}

/* How much of len starting at the address lies on one page. */
static size_t page_part(uint64_t at, uint64_t len)
{
	uint64_t left = MEM_PAGE_BYTES - at % MEM_PAGE_BYTES;

	return (size_t)MIN(left, len);
}

static int device_mem_read(struct device *device, struct phys at, void *data, size_t len)
{
	struct device_mem *mem = mem_of(device);
	uint8_t *to = data;

	rwlock_read(&mem->lock);
	while (len) {
		struct mem_page *page = page_find(mem, at.at / MEM_PAGE_BYTES);
		size_t part = page_part(at.at, len);

		if (page)
			memcpy(to, page->data + at.at % MEM_PAGE_BYTES, part);
		else
			memset(to, 0, part);
		to += part;
		at.at += part;
		len -= part;
	}
	rwlock_unread(&mem->lock);
	return 0;
}

static int write_locked(struct device_mem *mem, struct phys at, const uint8_t *data, size_t len)
{
	while (len) {
		struct mem_page *page = page_get(mem, at.at / MEM_PAGE_BYTES);
		size_t part = page_part(at.at, len);

		if (!page)
			return MEM_FAIL("a page of a memory device");
		memcpy(page->data + at.at % MEM_PAGE_BYTES, data, part);
		data += part;
		at.at += part;
		len -= part;
	}
	return 0;
}

static int device_mem_writev(struct device *device, struct phys at, const struct iovec *parts,
			     int nr_parts, size_t len)
{
	struct device_mem *mem = mem_of(device);
	int err = 0;

	(void)len;
	rwlock_write(&mem->lock);
	for (int i = 0; i < nr_parts && err >= 0; i++) {
		err = write_locked(mem, at, parts[i].iov_base, parts[i].iov_len);
		at.at += parts[i].iov_len;
	}
	rwlock_unwrite(&mem->lock);
	return err;
}

static int device_mem_flush(struct device *device)
{
	(void)device;
	return 0;
}

/*
 * Whole pages go, the edges become zero. Walks the pages there are, not the range: that may be
 * huge.
 */
static void forget_range(struct device_mem *mem, uint64_t at, uint64_t end)
{
	uint64_t first = at / MEM_PAGE_BYTES;
	struct rb_node *node = rbtree_find_ge(&mem->pages, &first, page_key_compare);

	while (node) {
		struct mem_page *page = rb_entry(node, struct mem_page, node);
		uint64_t start = page->index * MEM_PAGE_BYTES;
		uint64_t from = MAX(at, start), to = MIN(end, start + MEM_PAGE_BYTES);

		if (start >= end)
			break;
		node = rb_next(node);
		if (to - from == MEM_PAGE_BYTES)
			page_drop(mem, page);
		else
			memset(page->data + (from - start), 0, to - from);
	}
}

static int device_mem_discard(struct device *device, struct phys at, uint64_t len)
{
	struct device_mem *mem = mem_of(device);

	rwlock_write(&mem->lock);
	forget_range(mem, at.at, at.at + len);
	rwlock_unwrite(&mem->lock);
	return 0;
}

static int device_mem_resize(struct device *device, uint64_t size_bytes)
{
	struct device_mem *mem = mem_of(device);
	/* The last page may reach beyond the old size. */
	uint64_t end = round_up(device_size(device), MEM_PAGE_BYTES);

	if (size_bytes > INT64_MAX)
		return THROW_SYS(EFBIG, "%s: cannot make it %llu bytes long", device->name,
				 (unsigned long long)size_bytes);
	rwlock_write(&mem->lock);
	if (size_bytes < end)
		forget_range(mem, size_bytes, end);
	rwlock_unwrite(&mem->lock);
	return 0;
}

static void device_mem_free(struct device *device)
{
	struct device_mem *mem = mem_of(device);
	struct rb_node *node;

	while ((node = rbtree_first(&mem->pages)))
		page_drop(mem, rb_entry(node, struct mem_page, node));
	rwlock_fini(&mem->lock);
	mem_free(mem);
}

static const struct device_ops device_mem_ops = {
	.kind = "memory",
	.read = device_mem_read,
	.writev = device_mem_writev,
	.flush = device_mem_flush,
	.discard = device_mem_discard,
	.resize = device_mem_resize,
	.free = device_mem_free,
};

int device_mem_new(const char *name, uint64_t size_bytes, struct device **ret_device)
{
	struct device_mem *mem;
	int err;

	ASSERT(size_bytes <= INT64_MAX);
	mem = mem_zalloc(sizeof(*mem));
	if (!mem)
		return MEM_FAIL("a memory device");
	err = device_init(&mem->device, &device_mem_ops, name, size_bytes);
	if (err < 0) {
		mem_free(mem);
		return err;
	}
	mem->device.resizable = true;
	rwlock_init(&mem->lock, RANK_DEVICE, "device_mem");
	rbtree_init(&mem->pages, page_compare);
	*ret_device = &mem->device;
	return 0;
}
