/*
 * Operations on names: making, linking, moving, removing, holding what has none any more.
 */
#include "mutate.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <ubtrfs/subvolume.h>

#include "base/bytes.h"

/* A name of an entry, or a new one, of any length. */
static size_t name_any(struct ops *ops, char name[300])
{
	const struct op_entry *entry = op_any(ops);
	size_t len;

	if (rng_one_in(ops->rng, 3)) {
		memcpy(name, entry->name, entry->len + 1);
		return entry->len;
	}
	len = (size_t)snprintf(name, 300, "op-%u", ops->nr_made++);
	if (rng_one_in(ops->rng, 5)) {
		size_t more = (size_t)rng_below(ops->rng, 256);

		memset(name + len, 'n', more);
		len += more;
		name[len] = '\0';
	}
	return len;
}

static void entry_note(struct ops *ops, struct ubtrfs_node dir, struct ubtrfs_node node,
		       const char *name, size_t len, uint8_t type)
{
	struct op_entry *entry =
		ops->nr_entries < OP_ENTRIES_MAX ? &ops->entries[ops->nr_entries++] : op_any(ops);

	if (len >= OP_NAME_MAX)
		return;
	*entry = (struct op_entry){ .dir = dir, .node = node, .len = len, .type = type };
	memcpy(entry->name, name, len);
}

static void op_create(struct ops *ops)
{
	static const uint32_t types[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFIFO, S_IFREG };
	unsigned which = (unsigned)rng_below(ops->rng, ARRAY_LEN(types));
	struct ubtrfs_new what = { .attr = { .mode = types[which] | 0770, .rdev = 259 },
				   .inherit = rng_one_in(ops->rng, 2),
				   .umask = 022 };
	struct ubtrfs_node dir = op_any_dir(ops), node;
	char name[300], target[5000];
	size_t len = name_any(ops, name);

	if (types[which] == S_IFLNK) {
		memset(target, 't', sizeof(target));
		what.symlink_target = target;
		what.symlink_len = (size_t)rng_below(ops->rng, rng_one_in(ops->rng, 2) ? 50 : 4200);
	}
	if (OP(ops, ubtrfs_create(ops->fs, dir, name, len, &what, &node)) >= 0)
		entry_note(ops, dir, node, name, len, types[which] == S_IFDIR ? 2 : 1);
}

static void op_tmpfile(struct ops *ops)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0600 },
				   .inherit = rng_one_in(ops->rng, 2) };
	struct ubtrfs_node dir = op_any_dir(ops), node;
	char name[300];
	size_t len = name_any(ops, name);

	if (OP(ops, ubtrfs_tmpfile(ops->fs, dir, &what, &node)) < 0)
		return;
	(void)OP(ops, ubtrfs_write(ops->fs, node, 0, ops->data,
				   (size_t)rng_below(ops->rng, sizeof(ops->data))));
	if (rng_one_in(ops->rng, 2))
		(void)OP(ops, ubtrfs_link(ops->fs, node, dir, name, len));
	if (rng_one_in(ops->rng, 2))
		ubtrfs_release(ops->fs, node, 1);
}

static void op_link(struct ops *ops)
{
	struct op_entry *entry = op_any(ops);
	struct ubtrfs_node dir = op_any_dir(ops);
	char name[300];
	size_t len = name_any(ops, name);

	if (OP(ops, ubtrfs_link(ops->fs, entry->node, dir, name, len)) >= 0)
		entry_note(ops, dir, entry->node, name, len, entry->type);
}

static void op_rename(struct ops *ops)
{
	static const unsigned flags[] = { 0, 0, 0, 1, 2, 2, 4, 5, 3, 8 };
	struct op_entry *entry = op_any(ops);
	struct ubtrfs_node dir = rng_one_in(ops->rng, 2) ? entry->dir : op_any_dir(ops);
	unsigned how = flags[rng_below(ops->rng, ARRAY_LEN(flags))];
	char name[300];
	size_t len = name_any(ops, name);

	if (OP(ops, ubtrfs_rename(ops->fs, entry->dir, entry->name, entry->len, dir, name, len,
				  how)) < 0 ||
	    len >= OP_NAME_MAX)
		return;
	entry->dir = dir;
	memcpy(entry->name, name, len + 1);
	entry->len = len;
}

static void entry_remove(struct ops *ops, const struct op_entry *entry)
{
	/* Sometimes as what it is not. */
	if ((entry->type == 2) != rng_one_in(ops->rng, 10))
		(void)OP(ops, ubtrfs_rmdir(ops->fs, entry->dir, entry->name, entry->len));
	else
		(void)OP(ops, ubtrfs_unlink(ops->fs, entry->dir, entry->name, entry->len));
}

static void op_remove(struct ops *ops)
{
	entry_remove(ops, op_any(ops));
}

/* Held, its last name goes perhaps, and it is used. */
static void op_hold(struct ops *ops)
{
	const struct op_entry *entry = op_any(ops);
	struct ubtrfs_node node = entry->node;
	size_t len;

	if (ops->nr_held == OP_HELD_MAX) {
		ubtrfs_release(ops->fs, ops->held[--ops->nr_held], 1);
		return;
	}
	if (OP(ops, ubtrfs_hold(ops->fs, node)) < 0)
		return;
	ops->held[ops->nr_held++] = node;
	entry_remove(ops, entry);
	(void)OP(ops, ubtrfs_read(ops->fs, node, 0, ops->data, sizeof(ops->data), &len));
	(void)OP(ops, ubtrfs_write(ops->fs, node, op_any_offset(ops, node), ops->data, 3000));
	if (rng_one_in(ops->rng, 4))
		(void)OP(ops, ubtrfs_commit(ops->fs));
}

static int take_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	unsigned *left = ctx;

	(void)entry;
	return --*left == 0;
}

static void op_look(struct ops *ops)
{
	const struct op_entry *entry = op_any(ops), *other = op_any(ops);
	unsigned left = 1 + (unsigned)rng_below(ops->rng, 50);
	char path[600], target[4096];
	struct ubtrfs_node found;
	const char *name;
	size_t len;

	snprintf(path, sizeof(path), "%s/../%s/.", entry->name, other->name);
	(void)OP(ops, ubtrfs_resolve(ops->fs, entry->dir, path, true, &found));
	(void)OP(ops, ubtrfs_resolve_parent(ops->fs, entry->dir, path, &found, &name, &len));
	(void)OP(ops, ubtrfs_lookup(ops->fs, entry->node, other->name, other->len, &found));
	(void)OP(ops, ubtrfs_readlink(ops->fs, entry->node, target, sizeof(target), &len));
	(void)OP(ops, ubtrfs_readdir(ops->fs, op_any_dir(ops), rng_below(ops->rng, 100), take_entry,
				     &left));
}

static void op_subvolume(struct ops *ops)
{
	const struct op_entry *entry = op_any(ops);
	struct ubtrfs_node dir = op_any_dir(ops), top;
	char name[300];
	size_t len = name_any(ops, name);

	if (rng_one_in(ops->rng, 4))
		(void)OP(ops, ubtrfs_subvolume_set_default(ops->fs, entry->node.subvolid));
	else if (rng_one_in(ops->rng, 3))
		(void)OP(ops, ubtrfs_subvolume_set_readonly(ops->fs, dir.subvolid,
							    rng_one_in(ops->rng, 2)));
	else if (OP(ops, ubtrfs_subvolume_create(ops->fs, dir, name, len, NULL, &top)) >= 0)
		entry_note(ops, dir, top, name, len, 2);
}

void op_names(struct ops *ops)
{
	static void (*const all[])(struct ops * ops) = {
		op_create, op_create, op_tmpfile, op_link, op_link, op_rename,	  op_rename,
		op_rename, op_remove, op_remove,  op_hold, op_look, op_subvolume,
	};

	all[rng_below(ops->rng, ARRAY_LEN(all))](ops);
}
