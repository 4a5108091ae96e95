/*
 * Operations on contents: reading, writing, cutting, allocating, sharing.
 */
#include "mutate.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

#define RANGES_MAX 12u

/* A file most of the time. */
static struct ubtrfs_node file_any(struct ops *ops)
{
	const struct op_entry *entry = op_any(ops);

	for (unsigned i = 0; i < 4 && entry->type != 1; i++)
		entry = op_any(ops);
	return entry->node;
}

static uint64_t len_any(struct ops *ops)
{
	switch (rng_below(ops->rng, 8)) {
	case 0:
		return rng_below(ops->rng, 5000);
	case 1:
		return 1ull << rng_below(ops->rng, 64);
	case 2:
		return INT64_MAX - rng_below(ops->rng, 10000);
	case 3:
		return 0;
	default:
		return (1 + rng_below(ops->rng, 50)) * 4096;
	}
}

static void op_read(struct ops *ops)
{
	struct ubtrfs_node node = file_any(ops);
	uint64_t at = op_any_offset(ops, node), start;
	size_t len = (size_t)rng_below(ops->rng, sizeof(ops->data));

	(void)OP(ops, ubtrfs_read(ops->fs, node, at, ops->data, len, &len));
	for (unsigned i = 0; i < RANGES_MAX; i++) {
		if (OP(ops, ubtrfs_read_data(ops->fs, node, at, ops->data, sizeof(ops->data),
					     &start, &len)) < 0)
			break;
		at = start + len;
	}
}

static void op_seek(struct ops *ops)
{
	struct ubtrfs_node node = file_any(ops);
	uint64_t at = op_any_offset(ops, node), start, end;

	for (unsigned i = 0; i < RANGES_MAX; i++) {
		if (OP(ops, ubtrfs_seek_hole(ops->fs, node, at, &at)) < 0 ||
		    OP(ops, ubtrfs_seek_data(ops->fs, node, at, &start, &end)) < 0)
			break;
		at = start;
	}
}

static void op_write(struct ops *ops)
{
	struct ubtrfs_node node = file_any(ops);
	size_t len =
		(size_t)rng_below(ops->rng, rng_one_in(ops->rng, 2) ? sizeof(ops->data) : 3000);

	rng_fill(ops->rng, ops->data, MIN(len, 500u));
	(void)OP(ops, ubtrfs_write(ops->fs, node, op_any_offset(ops, node), ops->data, len));
}

static int source_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	(void)ctx;
	memset(data, (int)(offset >> 12), len);
	return 0;
}

static void op_write_from(struct ops *ops)
{
	static const struct ubtrfs_source source = { .read = source_read, .name = "source" };
	struct ubtrfs_node node = file_any(ops);

	(void)OP(ops, ubtrfs_write_from(ops->fs, node, op_any_offset(ops, node),
					rng_below(ops->rng, 300000), &source));
	if (rng_one_in(ops->rng, 2))
		(void)OP(ops, ubtrfs_drain(ops->fs));
}

static void op_truncate(struct ops *ops)
{
	struct ubtrfs_node node = file_any(ops);
	struct ubtrfs_attr attr = { .size = op_any_offset(ops, node) };

	(void)OP(ops, ubtrfs_setattr(ops->fs, node, &attr, UBTRFS_ATTR_SIZE));
}

static void op_fallocate(struct ops *ops)
{
	static const unsigned modes[] = { 0, 1, 3, 3, 0x10, 0x11, 2, 0x20 };
	struct ubtrfs_node node = file_any(ops);
	unsigned mode = modes[rng_below(ops->rng, ARRAY_LEN(modes))];

	(void)OP(ops,
		 ubtrfs_fallocate(ops->fs, node, mode, op_any_offset(ops, node), len_any(ops)));
}

static void op_share(struct ops *ops)
{
	struct ubtrfs_node src = file_any(ops);
	struct ubtrfs_node dst = rng_one_in(ops->rng, 4) ? src : file_any(ops);
	uint64_t from = op_any_offset(ops, src), to = op_any_offset(ops, dst), len = len_any(ops);
	bool same;

	/* Most often all of it, which is what there is no reason to refuse for. */
	if (rng_one_in(ops->rng, 2))
		from = to = len = 0;
	switch (rng_below(ops->rng, 4)) {
	case 0:
		(void)OP(ops, ubtrfs_copy_range(ops->fs, src, from, dst, to, len ? len : 1u << 20,
						&len));
		break;
	case 1:
		(void)OP(ops, ubtrfs_dedupe_range(ops->fs, src, from, dst, to, len ? len : 65536,
						  &same));
		break;
	default:
		(void)OP(ops, ubtrfs_clone_range(ops->fs, src, from, dst, to, len));
	}
}

static void op_sync(struct ops *ops)
{
	switch (rng_below(ops->rng, 6)) {
	case 0:
		(void)OP(ops, ubtrfs_commit(ops->fs));
		break;
	case 1:
		(void)OP(ops, ubtrfs_drain(ops->fs));
		break;
	case 2:
	case 3:
		(void)OP(ops, ubtrfs_fsync(ops->fs, file_any(ops), rng_one_in(ops->rng, 2)));
		break;
	default:
		break; /* a commit is the most expensive of all */
	}
}

void op_data(struct ops *ops)
{
	static void (*const all[])(struct ops * ops) = {
		op_read,     op_seek,	   op_write,	 op_write, op_write_from, op_truncate,
		op_truncate, op_fallocate, op_fallocate, op_share, op_share,	  op_sync,
	};

	all[rng_below(ops->rng, ARRAY_LEN(all))](ops);
}
