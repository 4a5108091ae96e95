/*
 * OCI layers: a whiteout removes what lower layers put there and never what its own layer did, in
 * whatever order a layer lists them. So each layer notes the names it puts into directories (and
 * the parents it passes through).
 *
 * Owns the notes. Depth is bounded by UNPACK_DEPTH_MAX. Takes no lock.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "transfer/unpack.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define WHITEOUT_INTERNAL ".wh..wh."

struct layer_name {
	struct hash_node hash_node;
	struct ubtrfs_node dir;
	char name[];
};

/* FNV-1a over the name, then the directory. */
static uint64_t layer_name_key(struct ubtrfs_node dir, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3ULL;
	return hash_mix2(hash_mix2(dir.subvolid, dir.ino), hash);
}

void layer_names_init(struct layer_names *names)
{
	hash_init(&names->table);
}

void layer_names_fini(struct layer_names *names)
{
	struct hash_node *node, *next;

	for (node = hash_first(&names->table); node; node = next) {
		next = hash_next(&names->table, node);
		hash_remove(&names->table, node);
		mem_free(hash_entry(node, struct layer_name, hash_node));
	}
	hash_fini(&names->table);
}

static bool layer_names_has(const struct layer_names *names, struct ubtrfs_node dir,
			    const char *name)
{
	struct hash_node *node = hash_find(&names->table, layer_name_key(dir, name));

	for (; node; node = hash_find_next(node)) {
		const struct layer_name *found = hash_entry(node, struct layer_name, hash_node);

		if (found->dir.subvolid == dir.subvolid && found->dir.ino == dir.ino &&
		    !strcmp(found->name, name))
			return true;
	}
	return false;
}

int layer_names_add(struct layer_names *names, struct ubtrfs_node dir, const char *name)
{
	size_t len = strlen(name);
	struct layer_name *added;

	if (layer_names_has(names, dir, name))
		return 0;
	added = mem_alloc(sizeof(*added) + len + 1);
	if (!added)
		return MEM_FAIL("names of a layer");
	added->dir = dir;
	memcpy(added->name, name, len + 1);
	hash_insert(&names->table, &added->hash_node, layer_name_key(dir, name));
	return 0;
}

bool whiteout_is(const char *name)
{
	return !strncmp(name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX));
}

static int whiteout_purge(struct unpack *unpack, struct ubtrfs_node dir, unsigned depth);

/*
 * Takes away a name of lower layers; a directory that this layer has too keeps what this layer put
 * into it.
 */
static int whiteout_hide(struct unpack *unpack, struct ubtrfs_node dir, const char *name,
			 unsigned depth)
{
	struct ubtrfs_attr attr;
	int ret;

	if (!layer_names_has(&unpack->layer_names, dir, name))
		return unpack_remove(unpack, dir, name);
	ret = unpack_lookup(unpack, dir, name, &attr);
	if (ret != 0 || !S_ISDIR(attr.mode))
		return ret < 0 ? ret : 0;
	return whiteout_purge(unpack, attr.node, depth + 1);
}

static int whiteout_purge(struct unpack *unpack, struct ubtrfs_node dir, unsigned depth)
{
	struct name_list list;
	int ret = 0;

	if (depth >= UNPACK_DEPTH_MAX)
		return THROW(ERR_LIMIT, "directories are nested deeper than %d", UNPACK_DEPTH_MAX);
	TRY(name_list_read(unpack, dir, &list));
	for (size_t i = 0; i < list.nr && ret >= 0; i++)
		ret = whiteout_hide(unpack, dir, list.names[i], depth);
	name_list_fini(&list);
	return ret;
}

int whiteout_apply(struct unpack *unpack, struct ubtrfs_node dir, const char *name)
{
	const char *hidden = name + strlen(WHITEOUT_PREFIX);

	if (!strcmp(name, WHITEOUT_OPAQUE))
		return whiteout_purge(unpack, dir, 0);
	/* Bookkeeping that the inventor of the format keeps for itself. */
	if (!strncmp(name, WHITEOUT_INTERNAL, strlen(WHITEOUT_INTERNAL)))
		return 0;
	if (!*hidden || !strcmp(hidden, ".") || !strcmp(hidden, ".."))
		return THROW(ERR_ARCHIVE, "the whiteout %s names nothing", name);
	return whiteout_hide(unpack, dir, hidden, 0);
}
