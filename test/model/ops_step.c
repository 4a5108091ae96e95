/*
 * Random operations on contents, attributes and the whole, and the choice among all; see
 * ops_model.h.
 */
#include "model/ops_model.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>

/* Any node at all when there is none; who asks looks at the index first. */
static struct world_node *node_at(struct world *world, uint32_t at)
{
	return &world->nodes[at == WORLD_NOTHING ? WORLD_OWN : at];
}

/* A file that has a name, as an open one. */
static bool file_open(struct world *world, uint32_t node, struct data_file *ret)
{
	uint32_t name = world_node_name(world, node);
	char path[WORLD_PATH];
	int err;

	world_name_path(world, name, path);
	world_did(world, "open %s", path);
	err = world->exec->ops->open(world->exec, path, &ret->file);
	/* Root may open everything. */
	if (!world_answered(world, err, 0))
		return false;
	ret->content = &world->nodes[node].content;
	ret->unsummed = world->nodes[node].unsummed;
	return true;
}

static void step_data(struct world *world)
{
	uint32_t a = world_pick(world, S_IFREG, true), b = world_pick(world, S_IFREG, true);
	struct data_file file, other;
	char did[sizeof(world->data.did)];

	if (a == WORLD_NOTHING)
		return;
	if (!world->alone && rng_one_in(&world->rng, 4))
		b = a;
	if (!file_open(world, a, &file))
		return;
	if (file_open(world, b, &other)) {
		data_step(&world->data, &file, &other);
		if (world->data.failed) {
			uint32_t name = world_node_name(world, a);

			memcpy(did, world->data.did, sizeof(did));
			world_did(world, "file %.60s: %.180s", world->names[name].text, did);
		}
		world->nodes[a].mtime_known = false;
		world->nodes[a].was_written = true;
		world->exec->ops->close(world->exec, &other.file);
	}
	world->exec->ops->close(world->exec, &file.file);
}

static void step_open(struct world *world)
{
	uint32_t node = world_pick(world, S_IFREG, true);
	struct data_file file;

	for (unsigned i = 0; i < WORLD_MAX_OPEN && node != WORLD_NOTHING; i++) {
		struct world_open *open = &world->opens[i];

		if (open->used)
			continue;
		if (!file_open(world, node, &file))
			return;
		*open = (struct world_open){ .used = true, .node = node, .file = file.file };
		world->nodes[node].nr_open++;
		return;
	}
}

/* An open file, maybe without a name. */
static void step_open_data(struct world *world)
{
	struct world_open *open = &world->opens[rng_below(&world->rng, WORLD_MAX_OPEN)];
	struct data_file file;

	if (!open->used)
		return;
	file = (struct data_file){ .file = open->file,
				   .content = &world->nodes[open->node].content,
				   .unsummed = world->nodes[open->node].unsummed };
	if (rng_one_in(&world->rng, 3))
		data_compare(&world->data, &file);
	else
		data_step(&world->data, &file, &file);
	world->nodes[open->node].mtime_known = false;
	world->nodes[open->node].was_written = true;
}

static void step_close(struct world *world)
{
	struct world_open *open = &world->opens[rng_below(&world->rng, WORLD_MAX_OPEN)];

	if (!open->used)
		return;
	world_did(world, "close");
	world->exec->ops->close(world->exec, &open->file);
	open->used = false;
	world->nodes[open->node].nr_open--;
	world_put_node(world, open->node);
}

/* A node other than the two directories on top, and its path. */
static uint32_t pick_path(struct world *world, char path[WORLD_PATH])
{
	uint32_t name = world_pick_name(world);

	if (name == WORLD_NOTHING)
		return WORLD_NOTHING;
	world_name_path(world, name, path);
	return world->names[name].node;
}

static void step_chmod(struct world *world)
{
	char path[WORLD_PATH];
	uint32_t at = pick_path(world, path), mode = (uint32_t)rng_below(&world->rng, 01000);
	struct world_node *node = node_at(world, at);

	if (at == WORLD_NOTHING || S_ISLNK(node->mode))
		return;
	/* Set-id bits of files go away by themselves in many ways. */
	if (S_ISDIR(node->mode) && rng_one_in(&world->rng, 3))
		mode |= rng_one_in(&world->rng, 2) ? S_ISGID : S_ISVTX;
	world_did(world, "chmod %o %s", mode, path);
	if (!world_answered(world, world->exec->ops->chmod(world->exec, path, mode), 0))
		return;
	node->mode = (node->mode & S_IFMT) | mode;
	if (node->access.set) {
		node->access.user = (mode >> 6) & 7;
		node->access.mask = (mode >> 3) & 7;
		node->access.other = mode & 7;
	}
}

static void step_chown(struct world *world)
{
	char path[WORLD_PATH];
	uint32_t at = pick_path(world, path), uid = (uint32_t)rng_below(&world->rng, 70000);
	uint32_t gid = (uint32_t)rng_below(&world->rng, 70000);

	if (at == WORLD_NOTHING)
		return;
	world_did(world, "chown %u:%u %s", uid, gid, path);
	if (!world_answered(world, world->exec->ops->chown(world->exec, path, uid, gid), 0))
		return;
	world->nodes[at].owner_unknown = false;
	world->nodes[at].uid = uid;
	world->nodes[at].gid = gid;
}

static void step_utimes(struct world *world)
{
	char path[WORLD_PATH];
	uint32_t at = pick_path(world, path);
	int64_t mtime = (int64_t)rng_below(&world->rng, 4000000000u) - 1000000000;
	uint32_t nsec = (uint32_t)rng_below(&world->rng, 1000000000);

	if (at == WORLD_NOTHING)
		return;
	world_did(world, "utimes %lld.%09u %s", (long long)mtime, nsec, path);
	if (!world_answered(world,
			    world->exec->ops->utimes(world->exec, path, mtime + 7, mtime, nsec), 0))
		return;
	world->nodes[at].mtime_known = true;
	world->nodes[at].mtime_sec = mtime;
	world->nodes[at].mtime_nsec = nsec;
}

static void step_setxattr(struct world *world)
{
	char path[WORLD_PATH], name[40];
	uint32_t at = pick_path(world, path);
	struct world_node *node = node_at(world, at);
	struct world_xattr *xattr;
	bool there;
	unsigned slot;

	if (at == WORLD_NOTHING || (!S_ISREG(node->mode) && !S_ISDIR(node->mode)))
		return;
	snprintf(name, sizeof(name), "user.x%u", (unsigned)rng_below(&world->rng, 6));
	slot = world_xattr_slot(node, name, &there);
	if (slot == WORLD_MAX_XATTRS)
		return;
	xattr = calloc(1, sizeof(*xattr));
	assert_non_null(xattr);
	memcpy(xattr->name, name, sizeof(name));
	xattr->len = rng_below(&world->rng, rng_one_in(&world->rng, 5) ? sizeof(xattr->value) : 50);
	content_bytes(rng_next(&world->rng), 0, xattr->value, xattr->len);
	world_did(world, "setxattr %s %s of %zu", path, name, xattr->len);
	if (world_answered(world,
			   world->exec->ops->setxattr(world->exec, path, name, xattr->value,
						      xattr->len),
			   0)) {
		free(node->xattrs[slot]);
		node->xattrs[slot] = xattr;
	} else {
		free(xattr);
	}
}

static void step_removexattr(struct world *world)
{
	char path[WORLD_PATH], name[40];
	uint32_t at = pick_path(world, path);
	struct world_node *node = node_at(world, at);
	bool there;
	unsigned slot;

	if (at == WORLD_NOTHING || (!S_ISREG(node->mode) && !S_ISDIR(node->mode)))
		return;
	snprintf(name, sizeof(name), "user.x%u", (unsigned)rng_below(&world->rng, 6));
	slot = world_xattr_slot(node, name, &there);
	world_did(world, "removexattr %s %s", path, name);
	if (!world_answered(world, world->exec->ops->removexattr(world->exec, path, name),
			    there ? 0 : -ENODATA))
		return;
	free(node->xattrs[slot]);
	node->xattrs[slot] = NULL;
}

static void step_acl(struct world *world)
{
	struct world_acl acl = { .set = true };
	char path[WORLD_PATH];
	uint32_t at = pick_path(world, path);
	struct world_node *node = node_at(world, at);
	bool dflt = false;
	uint8_t wire[64];
	size_t len;

	if (at == WORLD_NOTHING || S_ISLNK(node->mode))
		return;
	acl.user = (uint16_t)rng_below(&world->rng, 8);
	acl.named = (uint16_t)rng_below(&world->rng, 8);
	acl.group = (uint16_t)rng_below(&world->rng, 8);
	acl.mask = (uint16_t)rng_below(&world->rng, 8);
	acl.other = (uint16_t)rng_below(&world->rng, 8);
	if (S_ISDIR(node->mode))
		dflt = rng_one_in(&world->rng, 2);
	len = world_acl_wire(&acl, wire);
	world_did(world, "%s ACL of %s", dflt ? "default" : "access", path);
	if (!world_answered(world,
			    world->exec->ops->setxattr(world->exec, path,
						       dflt ? "system.posix_acl_default" :
							      "system.posix_acl_access",
						       wire, len),
			    0))
		return;
	if (dflt) {
		node->dflt = acl;
		return;
	}
	node->access = acl;
	node->mode = (node->mode & ~0777u) | (uint32_t)acl.user << 6 | (uint32_t)acl.mask << 3 |
		     acl.other;
}

/* What may not be changed is not. */
static void immutable_try(struct world *world, const char *path)
{
	struct exec *exec = world->exec;
	char other[WORLD_PATH + 8];

	snprintf(other, sizeof(other), "%s-i", path);
	world_did(world, "unlink %s, which is immutable", path);
	world_answered(world, exec->ops->unlink(exec, path), -EPERM);
	world_did(world, "chmod %s, which is immutable", path);
	world_answered(world, exec->ops->chmod(exec, path, 0600), -EPERM);
	world_did(world, "setxattr %s, which is immutable", path);
	world_answered(world, exec->ops->setxattr(exec, path, "user.i", "i", 1), -EPERM);
	if (strlen(strrchr(path, '/')) > WORLD_NAME_MAX - 3)
		return;
	world_did(world, "rename %s, which is immutable", path);
	world_answered(world, exec->ops->rename(exec, path, other, 0), -EPERM);
	world_did(world, "link %s, which is immutable", path);
	world_answered(world, exec->ops->link(exec, path, other), -EPERM);
}

static void step_flags(struct world *world)
{
	static const uint32_t flags[] = { FS_NOCOW_FL, FS_NOCOW_FL, FS_NOATIME_FL, FS_NODUMP_FL,
					  FS_IMMUTABLE_FL };
	uint32_t at = world_pick(world, S_IFREG, true), flag;
	struct world_node *node = node_at(world, at);
	struct data_file file;
	char path[WORLD_PATH];

	if (at == WORLD_NOTHING || !file_open(world, at, &file))
		return;
	/* What could not be taken away again is not set. */
	flag = flags[rng_below(&world->rng, ARRAY_LEN(flags) - world->data.full)];
	world_name_path(world, world_node_name(world, at), path);
	/* Of files with contents Linux leaves NODATACOW as it is. */
	if (flag != FS_NOCOW_FL || node->content.len == 0) {
		int err;

		world_did(world, "chattr %x %s", flag, path);
		err = world->exec->ops->set_flags(world->exec, &file.file, flag, flag);
		/* Contents that did not compress leave a mark that excludes the flag. */
		if (flag == FS_NOCOW_FL && node->was_written && err == -EINVAL)
			node->unsummed = false;
		else if (world_answered(world, err, 0) && flag == FS_NOCOW_FL)
			node->unsummed = true;
	}
	if (flag == FS_IMMUTABLE_FL) {
		immutable_try(world, path);
		world_did(world, "chattr -i %s", path);
		world_answered(world, world->exec->ops->set_flags(world->exec, &file.file, 0, flag),
			       0);
	}
	world->exec->ops->close(world->exec, &file.file);
}

static void step_sync(struct world *world)
{
	if (!world->alone && !rng_one_in(&world->rng, 4))
		return;
	world_did(world, "sync");
	world_answered(world, world->exec->ops->sync(world->exec), 0);
}

static void step_refresh(struct world *world)
{
	if (!world->alone || !rng_one_in(&world->rng, 3))
		return;
	world_close_all(world);
	world_did(world, "refresh");
	if (world_answered(world, world->exec->ops->refresh(world->exec), 0))
		world_compare(world, world->exec);
}

static const struct {
	const char *name;
	unsigned weight, needs;
	void (*step)(struct world *world);
} steps[] = {
	{ "make", 200, 0, step_make },
	{ "symlink", 30, 0, step_symlink },
	{ "link", 50, 0, step_link },
	{ "unlink", 90, 0, step_unlink },
	{ "rmdir", 30, 0, step_rmdir },
	{ "rename", 100, EXEC_RENAME, step_rename },
	{ "rename with flags", 40, EXEC_RENAME_FLAGS, step_rename_flags },
	{ "tmpfile", 15, EXEC_TMPFILE, step_tmpfile },
	{ "link of an open file", 15, EXEC_TMPFILE, step_link_open },
	{ "contents", 250, 0, step_data },
	{ "open", 30, EXEC_HOLD, step_open },
	{ "contents of an open file", 50, EXEC_HOLD, step_open_data },
	{ "close", 30, EXEC_HOLD, step_close },
	{ "chmod", 30, 0, step_chmod },
	{ "chown", 20, 0, step_chown },
	{ "utimes", 25, 0, step_utimes },
	{ "setxattr", 40, 0, step_setxattr },
	{ "removexattr", 20, 0, step_removexattr },
	{ "ACL", 20, EXEC_ACL, step_acl },
	{ "flags", 20, EXEC_FLAGS, step_flags },
	{ "sync", 12, 0, step_sync },
	{ "reopen", 6, EXEC_REFRESH, step_refresh },
};

const char *world_step_name(unsigned kind)
{
	return kind < ARRAY_LEN(steps) ? steps[kind].name : NULL;
}

void world_step_kind(struct world *world, unsigned kind)
{
	unsigned refused = world->data.nr_refused;

	world->data.did[0] = '\0';
	if (steps[kind].needs & ~world->exec->can)
		return;
	steps[kind].step(world);
	if (world->data.nr_refused > refused)
		world->counts[kind].nr_refused++;
	else if (world->data.did[0])
		world->counts[kind].nr_done++;
}

static void world_step(struct world *world)
{
	unsigned total = 0;
	uint64_t dice;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if ((steps[i].needs & ~world->exec->can) == 0)
			total += steps[i].weight;
	dice = rng_below(&world->rng, total);
	world->data.did[0] = '\0';
	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].needs & ~world->exec->can)
			continue;
		if (dice < steps[i].weight) {
			world_step_kind(world, i);
			return;
		}
		dice -= steps[i].weight;
	}
}

bool world_run(struct world *world, uint64_t nr_ops)
{
	for (world->step = 0; world->step < nr_ops && !world->data.failed; world->step++) {
		world_step(world);
		if (world->verbose)
			fprintf(stderr, "# %u.%llu: %s\n", world->number,
				(unsigned long long)world->step, world->data.did);
		if (world->step % (world->data.full ? 50 : 500) == 49 && !world->data.failed)
			world_compare(world, world->exec);
	}
	return !world->data.failed;
}
