/*
 * A world beside what an executor sees: every name, attribute and byte, and nothing else; see
 * ops_model.h. The executor may be another one than the one that did it: the kernel's mount.
 */
#include "model/ops_model.h"

#include <errno.h>
#include <stdlib.h>

struct compare {
	struct world *world;
	struct exec *exec;
	uint32_t node; /* that is looked at */
	unsigned nr_seen;
	char path[WORLD_PATH];
};

static void wrong(struct compare *compare, const char *what, unsigned long long is,
		  unsigned long long wanted)
{
	data_fail(&compare->world->data, "compare: %s of %.300s is %llu instead of %llu", what,
		  compare->path, is, wanted);
}

static int compare_entry(void *ctx, const char *text, size_t len, uint64_t ino)
{
	struct compare *compare = ctx;
	struct world *world = compare->world;
	char name[WORLD_NAME_MAX + 1];
	struct world_node *node;
	uint32_t at;

	if (len > WORLD_NAME_MAX) {
		wrong(compare, "the length of a name", len, WORLD_NAME_MAX);
		return 1;
	}
	memcpy(name, text, len);
	name[len] = '\0';
	if (compare->node == WORLD_SHARED &&
	    strncmp(name, world->prefix, strlen(world->prefix)) != 0)
		return 0;
	at = world_find(world, compare->node, name);
	if (at == WORLD_NOTHING) {
		data_fail(&world->data, "compare: %.300s lists \"%.100s\", which is not there",
			  compare->path, name);
		return 1;
	}
	compare->nr_seen++;
	node = &world->nodes[world->names[at].node];
	/* The same on every mount of the same filesystem, but not beside another FUSE's. */
	if (node->ino && node->ino != ino && compare->exec == world->exec)
		wrong(compare, "the inode number of an entry", ino, node->ino);
	return 0;
}

static void compare_dir(struct compare *compare, uint32_t dir)
{
	struct world *world = compare->world;
	int err;

	compare->node = dir;
	compare->nr_seen = 0;
	world_dir_path(world, dir, compare->path);
	err = compare->exec->ops->readdir(compare->exec, compare->path, compare_entry, compare);
	if (world->data.failed)
		return;
	if (err)
		wrong(compare, "the answer to reading", (unsigned)-err, 0);
	else if (compare->nr_seen != world->nodes[dir].nr_entries)
		wrong(compare, "the number of entries", compare->nr_seen,
		      world->nodes[dir].nr_entries);
}

static void compare_attr(struct compare *compare, struct world_node *node)
{
	struct exec_stat st;
	int err = compare->exec->ops->stat(compare->exec, compare->path, &st);

	if (err) {
		wrong(compare, "the answer to stat", (unsigned)-err, 0);
		return;
	}
	if (st.mode != node->mode)
		wrong(compare, "the mode", st.mode, node->mode);
	if (st.uid != node->uid && !node->owner_unknown)
		wrong(compare, "the owner", st.uid, node->uid);
	if (st.gid != node->gid && !node->owner_unknown)
		wrong(compare, "the group", st.gid, node->gid);
	if (!S_ISDIR(node->mode) && st.nlink != node->nlink)
		wrong(compare, "the number of links", st.nlink, node->nlink);
	if ((S_ISREG(node->mode) || S_ISLNK(node->mode)) && st.size != node->content.len)
		wrong(compare, "the size", st.size, node->content.len);
	if ((S_ISCHR(node->mode) || S_ISBLK(node->mode)) && st.rdev != node->rdev)
		wrong(compare, "the device", st.rdev, node->rdev);
	if (node->mtime_known &&
	    (st.mtime_sec != node->mtime_sec || st.mtime_nsec != node->mtime_nsec))
		wrong(compare, "the time of change", (uint64_t)st.mtime_sec,
		      (uint64_t)node->mtime_sec);
	if (node->ino && node->ino != st.ino && compare->exec == compare->world->exec)
		wrong(compare, "the inode number", st.ino, node->ino);
	if (compare->exec == compare->world->exec)
		node->ino = st.ino;
}

static void compare_value(struct compare *compare, const char *name, const void *value, size_t len)
{
	uint8_t data[4096];
	size_t got = 0;
	int err = compare->exec->ops->getxattr(compare->exec, compare->path, name, data,
					       sizeof(data), &got);

	if (err)
		wrong(compare, name, (unsigned)-err, 0);
	else if (got != len)
		wrong(compare, name, got, len);
	else if (memcmp(data, value, len) != 0)
		wrong(compare, name, 0, 1);
}

static int count_user(void *ctx, const char *name, size_t len, uint64_t ino)
{
	(void)ino;
	*(unsigned *)ctx += len > 5 && memcmp(name, "user.", 5) == 0;
	return 0;
}

static void compare_xattrs(struct compare *compare, const struct world_node *node)
{
	unsigned wanted = 0, listed = 0;
	uint8_t wire[64];
	int err;

	for (unsigned i = 0; i < WORLD_MAX_XATTRS; i++) {
		const struct world_xattr *xattr = node->xattrs[i];

		if (!xattr)
			continue;
		wanted++;
		compare_value(compare, xattr->name, xattr->value, xattr->len);
	}
	if (node->access.set)
		compare_value(compare, "system.posix_acl_access", wire,
			      world_acl_wire(&node->access, wire));
	if (node->dflt.set)
		compare_value(compare, "system.posix_acl_default", wire,
			      world_acl_wire(&node->dflt, wire));
	err = compare->exec->ops->listxattr(compare->exec, compare->path, count_user, &listed);
	if (err || listed != wanted)
		wrong(compare, "the number of attributes", listed, wanted);
}

static void compare_file(struct compare *compare, struct world_node *node)
{
	struct data_run *run = &compare->world->data;
	uint8_t *data = malloc(node->content.len + 100);
	struct data_file file;
	size_t got = 0;
	int err;

	assert_non_null(data);
	err = compare->exec->ops->open(compare->exec, compare->path, &file.file);
	if (err == 0) {
		err = compare->exec->ops->read(compare->exec, &file.file, 0, data,
					       node->content.len + 100, &got);
		compare->exec->ops->close(compare->exec, &file.file);
	}
	if (err)
		data_fail(run, "compare: %.300s is not read: %d (%s)", compare->path, err,
			  ubtrfs_error_text());
	else if (got != node->content.len)
		wrong(compare, "the length read", got, node->content.len);
	for (uint64_t i = 0; !run->failed && i < got; i++)
		if (data[i] != node->content.data[i])
			data_fail(run, "compare: byte %llu of %.300s is 0x%02x instead of 0x%02x",
				  (unsigned long long)i, compare->path, data[i],
				  node->content.data[i]);
	free(data);
}

static void compare_link(struct compare *compare, const struct world_node *node)
{
	char target[4096];
	size_t len = 0;
	int err = compare->exec->ops->readlink(compare->exec, compare->path, target, sizeof(target),
					       &len);

	if (err)
		wrong(compare, "the answer to readlink", (unsigned)-err, 0);
	else if (len != node->content.len || memcmp(target, node->content.data, len) != 0)
		wrong(compare, "the target", len, node->content.len);
}

bool world_compare(struct world *world, struct exec *exec)
{
	struct compare compare = { .world = world, .exec = exec };

	for (uint32_t i = 0; i < WORLD_MAX_NAMES && !world->data.failed; i++) {
		struct world_node *node = &world->nodes[world->names[i].node];

		if (!world->names[i].used)
			continue;
		world_name_path(world, i, compare.path);
		compare_attr(&compare, node);
		if (S_ISREG(node->mode) && !world->data.failed)
			compare_file(&compare, node);
		if (S_ISLNK(node->mode))
			compare_link(&compare, node);
		if (S_ISREG(node->mode) || S_ISDIR(node->mode))
			compare_xattrs(&compare, node);
	}
	for (uint32_t i = 0; i < WORLD_MAX_NODES && !world->data.failed; i++) {
		const struct world_node *node = &world->nodes[i];

		if (node->used && S_ISDIR(node->mode) && (i <= WORLD_SHARED || node->nlink))
			compare_dir(&compare, i);
	}
	return !world->data.failed;
}
