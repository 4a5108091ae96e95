/*
 * Random operations on names: make, link, remove, rename, and what they answer when they cannot;
 * see ops_model.h. Answers are those of Linux, in the order in which it looks.
 */
#include "model/ops_model.h"

#include <errno.h>
#include <stdlib.h>

/* A directory to work in. */
static uint32_t pick_dir(struct world *world)
{
	return world_pick(world, S_IFDIR, true);
}

/* What making a name answers, whatever is made. */
static int name_answer(const struct world *world, uint32_t dir, const char *text)
{
	if (strlen(text) > WORLD_NAME_MAX)
		return -ENAMETOOLONG;
	return world_find(world, dir, text) == WORLD_NOTHING ? 0 : -EEXIST;
}

static uint32_t random_type(struct world *world)
{
	static const uint32_t types[] = { S_IFREG, S_IFREG, S_IFREG,  S_IFREG, S_IFREG, S_IFDIR,
					  S_IFDIR, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK };
	size_t nr = world->exec->can & EXEC_MKNOD ? ARRAY_LEN(types) : ARRAY_LEN(types) - 2;

	return types[rng_below(&world->rng, nr)];
}

void step_make(struct world *world)
{
	uint32_t dir = pick_dir(world), type = random_type(world), node;
	uint32_t mode = type | (uint32_t)rng_below(&world->rng, 01000);
	uint64_t rdev = type == S_IFCHR || type == S_IFBLK ? 0x0103 : 0;
	char text[WORLD_NAME_MAX + 2], path[WORLD_PATH];

	if (!world_has_room(world))
		return;
	world_random_name(world, dir, text);
	world_path_in(world, dir, text, path);
	world_did(world, "make %s %o", path, mode);
	if (!world_answered(world, world->exec->ops->make(world->exec, path, mode, rdev),
			    name_answer(world, dir, text)))
		return;
	node = world_add_node(world, dir, mode);
	world->nodes[node].rdev = rdev;
	world_add_name(world, dir, text, node);
}

void step_symlink(struct world *world)
{
	uint32_t dir = pick_dir(world), node;
	char text[WORLD_NAME_MAX + 2], path[WORLD_PATH], target[2000];
	size_t len =
		1 + rng_below(&world->rng, rng_one_in(&world->rng, 8) ? sizeof(target) - 1 : 60);

	if (!world_has_room(world))
		return;
	for (size_t i = 0; i < len; i++)
		target[i] = (char)('a' + rng_below(&world->rng, 26));
	target[len] = '\0';
	world_random_name(world, dir, text);
	world_path_in(world, dir, text, path);
	world_did(world, "symlink %s of %zu", path, len);
	if (!world_answered(world, world->exec->ops->symlink(world->exec, target, path),
			    name_answer(world, dir, text)))
		return;
	node = world_add_node(world, dir, S_IFLNK | 0777);
	content_resize(&world->nodes[node].content, len);
	memcpy(world->nodes[node].content.data, target, len);
	world_add_name(world, dir, text, node);
}

void step_link(struct world *world)
{
	uint32_t from = world_pick_name(world), dir = pick_dir(world), node;
	char text[WORLD_NAME_MAX + 2], path[WORLD_PATH], old[WORLD_PATH];
	int wanted;

	if (from == WORLD_NOTHING || !world_has_room(world))
		return;
	node = world->names[from].node;
	world_random_name(world, dir, text);
	world_path_in(world, dir, text, path);
	world_name_path(world, from, old);
	wanted = name_answer(world, dir, text);
	if (S_ISDIR(world->nodes[node].mode)) {
		/* Which of two faults is told is nobody's business. */
		if (wanted)
			return;
		wanted = -EPERM;
	}
	world_did(world, "link %s %s", old, path);
	if (world_answered(world, world->exec->ops->link(world->exec, old, path), wanted))
		world_add_name(world, dir, text, node);
}

void step_unlink(struct world *world)
{
	uint32_t name = world_pick_name(world);
	char path[WORLD_PATH];
	int wanted;

	if (name == WORLD_NOTHING)
		return;
	world_name_path(world, name, path);
	wanted = S_ISDIR(world->nodes[world->names[name].node].mode) ? -EISDIR : 0;
	world_did(world, "unlink %s", path);
	world->data.must = true;
	if (world_answered(world, world->exec->ops->unlink(world->exec, path), wanted))
		world_remove_name(world, name);
	world->data.must = false;
}

void step_rmdir(struct world *world)
{
	uint32_t name = world_pick_name(world);
	const struct world_node *node;
	char path[WORLD_PATH];
	int wanted = 0;

	/* Directories are fewer. */
	for (unsigned i = 0; i < 5 && name != WORLD_NOTHING; i++) {
		if (S_ISDIR(world->nodes[world->names[name].node].mode))
			break;
		name = world_pick_name(world);
	}
	if (name == WORLD_NOTHING)
		return;
	node = &world->nodes[world->names[name].node];
	if (!S_ISDIR(node->mode))
		wanted = -ENOTDIR;
	else if (node->nr_entries)
		wanted = -ENOTEMPTY;
	world_name_path(world, name, path);
	world_did(world, "rmdir %s", path);
	world->data.must = true;
	if (world_answered(world, world->exec->ops->rmdir(world->exec, path), wanted))
		world_remove_name(world, name);
	world->data.must = false;
}

/* Whether `dir` is `node` or lies below it. */
static bool is_below(const struct world *world, uint32_t dir, uint32_t node)
{
	while (dir != node) {
		if (dir <= WORLD_SHARED)
			return false;
		dir = world->names[world->nodes[dir].name].dir;
	}
	return true;
}

/* What renaming answers; to_name is WORLD_NOTHING when the target is free. */
static int rename_answer(const struct world *world, uint32_t from_name, uint32_t dir,
			 const char *text, uint32_t to_name, unsigned flags)
{
	const struct world_name *from = &world->names[from_name];
	const struct world_node *source = &world->nodes[from->node], *target;

	if ((flags & EXEC_EXCHANGE) && (flags & (EXEC_NOREPLACE | EXEC_WHITEOUT)))
		return -EINVAL;
	if (strlen(text) > WORLD_NAME_MAX)
		return -ENAMETOOLONG;
	if (to_name != WORLD_NOTHING && (flags & EXEC_NOREPLACE))
		return -EEXIST;
	if (to_name == WORLD_NOTHING && (flags & EXEC_EXCHANGE))
		return -ENOENT;
	if (S_ISDIR(source->mode) && is_below(world, dir, from->node))
		return -EINVAL;
	if (to_name == WORLD_NOTHING)
		return 0;
	target = &world->nodes[world->names[to_name].node];
	if (S_ISDIR(target->mode) && is_below(world, from->dir, world->names[to_name].node))
		return flags & EXEC_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	if (source == target || (flags & EXEC_EXCHANGE))
		return 0;
	if (S_ISDIR(source->mode) && !S_ISDIR(target->mode))
		return -ENOTDIR;
	if (!S_ISDIR(source->mode) && S_ISDIR(target->mode))
		return -EISDIR;
	return target->nr_entries ? -ENOTEMPTY : 0;
}

static void rename_exchange(struct world *world, uint32_t a, uint32_t b)
{
	uint32_t node = world->names[a].node;

	world->names[a].node = world->names[b].node;
	world->names[b].node = node;
	world->nodes[world->names[a].node].name = a;
	world->nodes[world->names[b].node].name = b;
	world->nodes[world->names[a].dir].mtime_known = false;
	world->nodes[world->names[b].dir].mtime_known = false;
}

static void rename_done(struct world *world, uint32_t from, uint32_t dir, const char *text,
			uint32_t to, unsigned flags)
{
	uint32_t node = world->names[from].node, old_dir = world->names[from].dir;
	char old_text[WORLD_NAME_MAX + 1];

	if (to != WORLD_NOTHING && world->names[to].node == node)
		return;
	if (flags & EXEC_EXCHANGE) {
		rename_exchange(world, from, to);
		return;
	}
	if (to != WORLD_NOTHING)
		world_remove_name(world, to);
	memcpy(old_text, world->names[from].text, sizeof(old_text));
	/* First the new name: the last one would take the node with it. */
	world_add_name(world, dir, text, node);
	world->names[from].used = false;
	world->nodes[old_dir].nr_entries--;
	world->nodes[old_dir].mtime_known = false;
	world->nodes[node].nlink--;
	if (flags & EXEC_WHITEOUT) {
		node = world_add_node(world, old_dir, S_IFCHR);
		world->nodes[node].owner_unknown = world->exec->no_caller;
		world_add_name(world, old_dir, old_text, node);
	}
}

static void rename_step(struct world *world, unsigned flags)
{
	uint32_t from = world_pick_name(world), dir = pick_dir(world), to;
	char text[WORLD_NAME_MAX + 2], path[WORLD_PATH], old[WORLD_PATH];
	const char *own = world->prefix;

	if (from == WORLD_NOTHING || !world_has_room(world))
		return;
	if (rng_one_in(&world->rng, 3)) {
		uint32_t other = world_pick_name(world);

		dir = world->names[other].dir;
		memcpy(text, world->names[other].text, WORLD_NAME_MAX + 1);
	} else {
		world_random_name(world, dir, text);
	}
	/* What comes into the shared directory keeps its owner's mark. */
	if ((dir == WORLD_SHARED) && strncmp(text, own, strlen(own)) != 0)
		return;
	if ((flags & EXEC_WHITEOUT) && world->nodes[world->names[from].dir].dflt.set)
		flags &= ~EXEC_WHITEOUT;
	to = world_find(world, dir, text);
	world_path_in(world, dir, text, path);
	world_name_path(world, from, old);
	world_did(world, "rename %s %s flags %u", old, path, flags);
	if (world_answered(world, world->exec->ops->rename(world->exec, old, path, flags),
			   rename_answer(world, from, dir, text, to, flags)))
		rename_done(world, from, dir, text, to, flags);
}

void step_rename(struct world *world)
{
	rename_step(world, rng_one_in(&world->rng, 6) ? EXEC_NOREPLACE : 0);
}

void step_rename_flags(struct world *world)
{
	static const unsigned flags[] = { EXEC_EXCHANGE, EXEC_EXCHANGE, EXEC_WHITEOUT,
					  EXEC_WHITEOUT | EXEC_NOREPLACE,
					  EXEC_EXCHANGE | EXEC_WHITEOUT };

	rename_step(world, flags[rng_below(&world->rng, ARRAY_LEN(flags))]);
}

static struct world_open *open_slot(struct world *world)
{
	for (unsigned i = 0; i < WORLD_MAX_OPEN; i++)
		if (!world->opens[i].used)
			return &world->opens[i];
	return NULL;
}

void step_tmpfile(struct world *world)
{
	struct world_open *open = open_slot(world);
	uint32_t dir = pick_dir(world), mode = (uint32_t)rng_below(&world->rng, 01000);
	char path[WORLD_PATH];

	if (!open || !world_has_room(world))
		return;
	world_dir_path(world, dir, path);
	world_did(world, "tmpfile in %s %o", path, mode);
	if (!world_answered(world, world->exec->ops->tmpfile(world->exec, path, mode, &open->file),
			    0))
		return;
	open->used = true;
	open->node = world_add_node(world, dir, S_IFREG | mode);
	world->nodes[open->node].nr_open = 1;
	world->nodes[open->node].linkable = true;
}

/* Gives a name to a file that is open and never had one. */
void step_link_open(struct world *world)
{
	uint32_t dir = pick_dir(world);
	char text[WORLD_NAME_MAX + 2], path[WORLD_PATH];

	for (unsigned i = 0; i < WORLD_MAX_OPEN; i++) {
		struct world_open *open = &world->opens[i];

		if (!open->used || !world->nodes[open->node].linkable)
			continue;
		world_random_name(world, dir, text);
		world_path_in(world, dir, text, path);
		world_did(world, "link an open file as %s", path);
		if (world_answered(world,
				   world->exec->ops->link_file(world->exec, &open->file, path),
				   name_answer(world, dir, text)))
			world_add_name(world, dir, text, open->node);
		return;
	}
}
