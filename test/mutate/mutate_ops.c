/*
 * A seeded sequence of operations on a mutant that is open for writing, of the whole public API, and
 * what comes after its commit: it is opened again, listed and read.
 *
 * What is operated on is a sample of what the filesystem lists, and what was made here. Operations
 * that a sound filesystem refuses too (a name that is there, a file that may not change) are no
 * failures; all else is noted with its sentence.
 */
#include "mutate.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

#define OPERATIONS_MIN 6u
#define OPERATIONS_MORE 20u
#define ENTRIES_SEEN_MAX 200u

static bool is_usual(int err)
{
	static const int usual[] = { EEXIST,	   EACCES, ENOENT,  ENOTEMPTY, EXDEV,	  EINVAL,
				     EPERM,	   EISDIR, ENOTDIR, ENXIO,     ENODATA,	  ERANGE,
				     EOPNOTSUPP,   ENOSPC, EROFS,   EMLINK,    E2BIG,	  EFBIG,
				     ENAMETOOLONG, ELOOP,  EBUSY,   ENOTTY,    EOVERFLOW, ESTALE };

	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		if (err == -usual[i])
			return true;
	return false;
}

/* Trees and keys are nothing that an operation of a sound filesystem speaks of. */
static bool is_of_disk(const char *sentence)
{
	return strstr(sentence, "tree block") || strstr(sentence, " key") ||
	       strstr(sentence, "abort") || strstr(sentence, "damaged");
}

int op_noted(struct ops *ops, int err, const char *call)
{
	if (err < 0 && (!is_usual(err) || is_of_disk(ubtrfs_error_text())))
		ops->use->failed(ops->use->ctx, err, call, ubtrfs_error_text());
	return err;
}

/* ---- what there is ---- */

struct op_entry *op_any(struct ops *ops)
{
	return &ops->entries[rng_below(ops->rng, ops->nr_entries)];
}

struct ubtrfs_node op_any_dir(struct ops *ops)
{
	return ops->dirs[rng_below(ops->rng, ops->nr_dirs)];
}

uint64_t op_any_offset(struct ops *ops, struct ubtrfs_node node)
{
	struct ubtrfs_attr attr = { .size = 0 };

	switch (rng_below(ops->rng, 10)) {
	case 0:
		return 0;
	case 1:
		return rng_below(ops->rng, 4096);
	case 2:
		(void)OP(ops, ubtrfs_getattr(ops->fs, node, &attr));
		return attr.size;
	case 3:
		(void)OP(ops, ubtrfs_getattr(ops->fs, node, &attr));
		return attr.size / 4096 * 4096;
	case 4:
		return 1ull << rng_below(ops->rng, 64);
	case 5:
		return INT64_MAX - rng_below(ops->rng, 3) * 4095;
	case 6:
		return rng_below(ops->rng, 200000);
	default:
		return rng_below(ops->rng, 64) * 4096;
	}
}

/* Each that is seen has the same chance to be in the sample. */
static int entry_take(void *ctx, const struct ubtrfs_dirent *entry, const struct ubtrfs_attr *attr)
{
	struct ops *ops = ctx;
	struct op_entry *to;
	uint64_t at = ops->nr_seen++;

	(void)attr;
	if (at >= ENTRIES_SEEN_MAX)
		return 1;
	if (entry->type == 2 && ops->nr_dirs < OP_DIRS_MAX)
		ops->dirs[ops->nr_dirs++] = entry->node;
	if (entry->name_len >= OP_NAME_MAX)
		return 0;
	if (ops->nr_entries < OP_ENTRIES_MAX)
		at = ops->nr_entries++;
	else
		at = rng_below(ops->rng, at + 1);
	if (at >= OP_ENTRIES_MAX)
		return 0;
	to = &ops->entries[at];
	memcpy(to->name, entry->name, entry->name_len);
	to->name[entry->name_len] = '\0';
	to->len = entry->name_len;
	to->node = entry->node;
	to->type = entry->type;
	return 0;
}

static void dir_take(struct ops *ops, struct ubtrfs_node dir)
{
	struct op_entry *entry;

	/* Which are new is seen by that they know no directory yet. */
	(void)OP(ops, ubtrfs_readdir_plus(ops->fs, dir, 0, entry_take, ops));
	for (entry = ops->entries; entry < ops->entries + ops->nr_entries; entry++)
		if (!entry->dir.ino)
			entry->dir = dir;
}

static void ops_gather(struct ops *ops)
{
	const struct image *image = ops->use->image;
	struct ubtrfs_node top = ubtrfs_top(ops->fs);

	ops->dirs[ops->nr_dirs++] = top;
	/* There is always something to operate on. */
	ops->entries[ops->nr_entries++] =
		(struct op_entry){ .dir = top, .node = top, .name = "new-small", .len = 9 };
	if (image->nr_subvolumes) {
		uint64_t id = image->subvolumes[rng_below(ops->rng, image->nr_subvolumes)];

		ops->dirs[ops->nr_dirs++] = (struct ubtrfs_node){ id, UBTRFS_ROOT_INO };
	}
	for (unsigned i = 0; i < ops->nr_dirs; i++)
		dir_take(ops, ops->dirs[i]);
}

static void ops_init(struct ops *ops, struct use *use, struct ubtrfs *fs)
{
	memset(ops, 0, sizeof(*ops));
	ops->use = use;
	ops->rng = use->rng;
	ops->fs = fs;
	ops_gather(ops);
}

void image_ops(struct use *use, struct ubtrfs *fs)
{
	static struct ops ops;
	unsigned nr = OPERATIONS_MIN + (unsigned)rng_below(use->rng, OPERATIONS_MORE);

	ops_init(&ops, use, fs);
	while (nr--) {
		switch (rng_below(use->rng, 3)) {
		case 0:
			op_names(&ops);
			break;
		case 1:
			op_data(&ops);
			break;
		default:
			op_attrs(&ops);
		}
	}
	/* The others stay held: closing releases them. */
	if (ops.nr_held)
		ubtrfs_release(fs, ops.held[0], 1);
}

void image_reopen(struct use *use)
{
	static struct ops ops;
	bool writable = rng_one_in(use->rng, 2);
	struct ubtrfs_attr attr;
	struct ubtrfs *fs;
	size_t len;
	int err = image_open(use->image, writable, &fs);

	if (err < 0) {
		use->failed(use->ctx, err, "opening again", ubtrfs_error_text());
		return;
	}
	use->nr_reopened++;
	ops_init(&ops, use, fs);
	for (unsigned i = 0; i < ops.nr_entries; i++) {
		const struct op_entry *entry = &ops.entries[i];

		(void)OP(&ops, ubtrfs_getattr(fs, entry->node, &attr));
		if (entry->type == 1)
			(void)OP(&ops,
				 ubtrfs_read(fs, entry->node, 0, ops.data, sizeof(ops.data), &len));
	}
	if (writable)
		(void)OP(&ops, ubtrfs_close(fs));
	else
		ubtrfs_abandon(fs);
}
