/* The tables of a world; see ops_model.h. */
#include "model/ops_model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

void world_did(struct world *world, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(world->data.did, sizeof(world->data.did), format, args);
	va_end(args);
}

bool world_answered(struct world *world, int err, int wanted)
{
	if (err == wanted)
		return err == 0;
	if (data_refused(&world->data, err))
		return false;
	data_fail(&world->data, "answers %d instead of %d (%s)", err, wanted,
		  err ? ubtrfs_error_text() : "");
	return false;
}

/* A random node of a type; named: that has a name. The shared directory counts. */
uint32_t world_pick(struct world *world, uint32_t type, bool named)
{
	uint32_t start = (uint32_t)rng_below(&world->rng, WORLD_MAX_NODES);

	for (uint32_t i = 0; i < WORLD_MAX_NODES; i++) {
		uint32_t at = (start + i) % WORLD_MAX_NODES;
		const struct world_node *node = &world->nodes[at];

		if (node->used && (type == 0 || (node->mode & S_IFMT) == type) &&
		    (!named || at <= WORLD_SHARED || node->nlink))
			return at;
	}
	return WORLD_NOTHING;
}

uint32_t world_pick_name(struct world *world)
{
	uint32_t start = (uint32_t)rng_below(&world->rng, WORLD_MAX_NAMES);

	for (uint32_t i = 0; i < WORLD_MAX_NAMES; i++)
		if (world->names[(start + i) % WORLD_MAX_NAMES].used)
			return (start + i) % WORLD_MAX_NAMES;
	return WORLD_NOTHING;
}

uint32_t world_find(const struct world *world, uint32_t dir, const char *text)
{
	for (uint32_t i = 0; i < WORLD_MAX_NAMES; i++)
		if (world->names[i].used && world->names[i].dir == dir &&
		    strcmp(world->names[i].text, text) == 0)
			return i;
	return WORLD_NOTHING;
}

uint32_t world_node_name(const struct world *world, uint32_t node)
{
	for (uint32_t i = 0; i < WORLD_MAX_NAMES; i++)
		if (world->names[i].used && world->names[i].node == node)
			return i;
	return WORLD_NOTHING;
}

void world_dir_path(const struct world *world, uint32_t dir, char path[WORLD_PATH])
{
	if (dir == WORLD_SHARED)
		snprintf(path, WORLD_PATH, "/shared");
	else if (dir == WORLD_OWN)
		snprintf(path, WORLD_PATH, "/t%u", world->number);
	else
		world_name_path(world, world->nodes[dir].name, path);
}

void world_path_in(const struct world *world, uint32_t dir, const char *text, char path[WORLD_PATH])
{
	size_t len;

	world_dir_path(world, dir, path);
	len = strlen(path);
	snprintf(path + len, WORLD_PATH - len, "/%s", text);
}

void world_name_path(const struct world *world, uint32_t name, char path[WORLD_PATH])
{
	world_path_in(world, world->names[name].dir, world->names[name].text, path);
}

/* In the shared directory every name has the prefix of its world. */
void world_random_name(struct world *world, uint32_t dir, char text[WORLD_NAME_MAX + 2])
{
	size_t len, more = 0;

	if (rng_one_in(&world->rng, 6)) {
		uint32_t name = world_pick_name(world);

		if (name != WORLD_NOTHING && world->names[name].dir == dir) {
			memcpy(text, world->names[name].text, WORLD_NAME_MAX + 1);
			return;
		}
	}
	len = (size_t)snprintf(text, WORLD_NAME_MAX, "%sn%llu",
			       dir == WORLD_SHARED ? world->prefix : "",
			       (unsigned long long)rng_below(&world->rng, 5000));
	if (rng_one_in(&world->rng, 8))
		more = rng_below(&world->rng, 60);
	if (rng_one_in(&world->rng, 60))
		more = WORLD_NAME_MAX + 1 - rng_below(&world->rng, 2) - len;
	memset(text + len, 'x', more);
	text[len + more] = '\0';
}

bool world_has_room(const struct world *world)
{
	unsigned nodes = 0, names = 0;

	for (uint32_t i = 0; i < WORLD_MAX_NODES; i++)
		nodes += !world->nodes[i].used;
	for (uint32_t i = 0; i < WORLD_MAX_NAMES; i++)
		names += !world->names[i].used;
	return nodes > 2 && names > 2;
}

/* The access ACL that a default one leaves to a new node, and what is left of its mode. */
static void inherit_acl(struct world_node *node, const struct world_node *dir)
{
	struct world_acl *acl = &node->access;

	if (!dir->dflt.set || S_ISLNK(node->mode))
		return;
	*acl = dir->dflt;
	acl->user &= (node->mode >> 6) & 7;
	acl->mask &= (node->mode >> 3) & 7;
	acl->other &= node->mode & 7;
	node->mode = (node->mode & ~0777u) | (uint32_t)acl->user << 6 | (uint32_t)acl->mask << 3 |
		     acl->other;
	if (S_ISDIR(node->mode))
		node->dflt = dir->dflt;
}

uint32_t world_add_node(struct world *world, uint32_t dir, uint32_t mode)
{
	const struct world_node *parent = &world->nodes[dir];
	struct world_node *node;
	uint32_t i;

	for (i = 0; world->nodes[i].used; i++)
		continue;
	node = &world->nodes[i];
	*node = (struct world_node){ .used = true, .mode = mode };
	if ((parent->mode & S_ISGID) && (world->exec->can & EXEC_INHERIT)) {
		node->gid = parent->gid;
		if (S_ISDIR(mode))
			node->mode |= S_ISGID;
	}
	inherit_acl(node, parent);
	return i;
}

uint32_t world_add_name(struct world *world, uint32_t dir, const char *text, uint32_t node)
{
	struct world_name *name;
	uint32_t i;

	for (i = 0; world->names[i].used; i++)
		continue;
	name = &world->names[i];
	*name = (struct world_name){ .used = true, .dir = dir, .node = node };
	snprintf(name->text, sizeof(name->text), "%s", text);
	world->nodes[node].nlink++;
	world->nodes[node].linkable = false;
	if (S_ISDIR(world->nodes[node].mode))
		world->nodes[node].name = i;
	world->nodes[dir].nr_entries++;
	world->nodes[dir].mtime_known = false;
	return i;
}

static void node_fini(struct world_node *node)
{
	content_free(&node->content);
	for (unsigned i = 0; i < WORLD_MAX_XATTRS; i++)
		free(node->xattrs[i]);
	memset(node, 0, sizeof(*node));
}

void world_put_node(struct world *world, uint32_t node)
{
	if (world->nodes[node].nlink == 0 && world->nodes[node].nr_open == 0)
		node_fini(&world->nodes[node]);
}

void world_remove_name(struct world *world, uint32_t name)
{
	struct world_name *entry = &world->names[name];

	world->nodes[entry->dir].nr_entries--;
	world->nodes[entry->dir].mtime_known = false;
	entry->used = false;
	world->nodes[entry->node].nlink--;
	world_put_node(world, entry->node);
}

unsigned world_xattr_slot(const struct world_node *node, const char *name, bool *ret_there)
{
	unsigned unused = WORLD_MAX_XATTRS;

	for (unsigned i = 0; i < WORLD_MAX_XATTRS; i++) {
		*ret_there = node->xattrs[i] && strcmp(node->xattrs[i]->name, name) == 0;
		if (*ret_there)
			return i;
		if (!node->xattrs[i])
			unused = i;
	}
	return unused;
}

/* The format of system.posix_acl_*: version 2, then (tag, permissions, id) in order. */
size_t world_acl_wire(const struct world_acl *acl, uint8_t wire[64])
{
	const struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[] = { { 0x01, acl->user, UINT32_MAX },
			{ 0x02, acl->named, 1000 },
			{ 0x04, acl->group, UINT32_MAX },
			{ 0x10, acl->mask, UINT32_MAX },
			{ 0x20, acl->other, UINT32_MAX } };
	size_t len = 4;

	memcpy(wire, "\2\0\0\0", 4);
	for (size_t i = 0; i < ARRAY_LEN(entries); i++, len += 8) {
		store16(wire + len, entries[i].tag);
		store16(wire + len + 2, entries[i].perm);
		store32(wire + len + 4, entries[i].id);
	}
	return len;
}

static bool dir_there(struct exec *exec, const char *path)
{
	int err = exec->ops->make(exec, path, S_IFDIR | 0755, 0);

	return err == 0 || err == -EEXIST;
}

struct world *world_new(struct exec *exec, uint64_t seed, unsigned number)
{
	struct world *world = calloc(1, sizeof(*world));
	char path[WORLD_PATH];

	assert_non_null(world);
	world->exec = world->data.exec = exec;
	world->data.rng = &world->rng;
	world->data.max_bytes = 300000;
	world->seed = seed;
	world->number = number;
	rng_init(&world->rng, seed * 64 + number);
	snprintf(world->prefix, sizeof(world->prefix), "w%u-", number);
	for (uint32_t i = WORLD_OWN; i <= WORLD_SHARED; i++) {
		world->nodes[i] = (struct world_node){ .used = true, .mode = S_IFDIR | 0755 };
		world_dir_path(world, i, path);
		if (!dir_there(exec, path))
			data_fail(&world->data, "%s cannot be made", path);
	}
	return world;
}

void world_close_all(struct world *world)
{
	for (unsigned i = 0; i < WORLD_MAX_OPEN; i++) {
		struct world_open *open = &world->opens[i];

		if (!open->used)
			continue;
		world->exec->ops->close(world->exec, &open->file);
		open->used = false;
		world->nodes[open->node].nr_open--;
		world_put_node(world, open->node);
	}
}

void world_free(struct world *world)
{
	for (uint32_t i = 0; i < WORLD_MAX_NODES; i++)
		node_fini(&world->nodes[i]);
	free(world);
}
