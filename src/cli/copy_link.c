/*
 * Copying out of an image: the names of a file that has several.
 *
 * Whoever meets the node first makes it; who meets it meanwhile leaves word and goes on, and the
 * maker makes these names when the first is complete. States of a made_link: busy (its first name is
 * being made) -> made; or gone, when it could not be made: then one of those who wait is the next to
 * try. Lock: copy->links_lock (RANK_LEAF) over the table and every made_link; no call is made under
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/mem.h"
#include "cli/copy_out_priv.h"

struct made_link {
	struct hash_node hash;
	struct ubtrfs_node node;
	char *path; /* of the first name; owned; NULL while busy */
	struct list waiting;
};

/* A name that is to be made; its directory has it pending. */
struct link_waiter {
	struct link link;
	struct copy_dir *dir;
	char name[];
};

void links_forget(struct copy_out *copy)
{
	struct hash_node *node = hash_first(&copy->links), *next;

	for (; node; node = next) {
		struct made_link *link = hash_entry(node, struct made_link, hash);

		next = hash_next(&copy->links, node);
		hash_remove(&copy->links, node);
		mem_free(link->path);
		mem_free(link);
	}
}

static uint64_t node_hash(struct ubtrfs_node node)
{
	return hash_mix2(node.subvolid, node.ino);
}

static struct made_link *link_find_locked(struct copy_out *copy, struct ubtrfs_node node)
{
	struct hash_node *at = hash_find(&copy->links, node_hash(node));

	for (; at; at = hash_find_next(at)) {
		struct made_link *link = hash_entry(at, struct made_link, hash);

		if (link->node.subvolid == node.subvolid && link->node.ino == node.ino)
			return link;
	}
	return NULL;
}

static int link_make(struct copy_out *copy, const char *path, const struct copy_place *place)
{
	int at = place_dir_fd(place);

	if (linkat(AT_FDCWD, path, at, place->name, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return copy_told(copy, place, "create the hard link");
	if (clear_way(copy, place, false))
		return 1;
	return linkat(AT_FDCWD, path, at, place->name, 0) < 0 ?
		       copy_told(copy, place, "create the hard link") :
		       0;
}

static struct link_waiter *waiter_new(const struct copy_place *place)
{
	size_t len = strlen(place->name) + 1;
	struct link_waiter *waiter = mem_alloc(sizeof(*waiter) + len);

	if (!waiter)
		return NULL;
	waiter->dir = place->dir;
	memcpy(waiter->name, place->name, len);
	return waiter;
}

static void waiter_end(struct link_waiter *waiter)
{
	if (waiter->dir)
		dir_put(waiter->dir);
	mem_free(waiter);
}

/* The first name is made (path), or could not be (NULL): who waits gets a link, or his try. */
static void link_settle(struct copy_out *copy, struct made_link *link,
			const struct ubtrfs_attr *attr, char *path, unsigned worker)
{
	struct link_waiter *waiter;
	struct link *first;

	for (;;) {
		mutex_lock(&copy->links_lock);
		first = list_pop_front(&link->waiting);
		if (!first && path)
			link->path = path;
		if (!first && !path)
			hash_remove(&copy->links, &link->hash);
		mutex_unlock(&copy->links_lock);
		if (!first)
			break;
		waiter = list_entry(first, struct link_waiter, link);
		struct copy_place place = { waiter->dir, waiter->name, false };

		if (path) {
			(void)link_make(copy, path, &place);
		} else if (copy_as_its_kind(copy, attr, &place, worker) == 0) {
			struct strbuf text;

			place_path(&place, &text);
			path = strbuf_detach(&text);
		}
		waiter_end(waiter);
	}
	if (!path)
		mem_free(link);
}

static int link_first(struct copy_out *copy, struct made_link *link, const struct ubtrfs_attr *attr,
		      const struct copy_place *place, unsigned worker)
{
	int code = copy_as_its_kind(copy, attr, place, worker);
	struct strbuf path;

	strbuf_init(&path);
	if (!code)
		place_path(place, &path);
	link_settle(copy, link, attr, code ? NULL : strbuf_detach(&path), worker);
	return code;
}

int copy_linked(struct copy_out *copy, const struct ubtrfs_attr *attr,
		const struct copy_place *place, unsigned worker)
{
	struct made_link *fresh = mem_zalloc(sizeof(*fresh)), *link;
	struct link_waiter *waiter = waiter_new(place);
	const char *path = NULL;

	if (!fresh || !waiter) {
		mem_free(fresh);
		mem_free(waiter);
		return copy_refused(copy, place, "no memory for a hard link");
	}
	fresh->node = attr->node;
	list_init(&fresh->waiting);
	mutex_lock(&copy->links_lock);
	link = link_find_locked(copy, attr->node);
	if (!link) {
		hash_insert(&copy->links, &fresh->hash, node_hash(attr->node));
	} else if (link->path) {
		path = link->path;
	} else {
		list_push_back(&link->waiting, &waiter->link);
		if (waiter->dir)
			dir_get(waiter->dir);
		waiter = NULL;
	}
	mutex_unlock(&copy->links_lock);
	mem_free(waiter);
	if (!link)
		return link_first(copy, fresh, attr, place, worker);
	mem_free(fresh);
	/* A path that is there stays as it is. */
	return path ? link_make(copy, path, place) : 0;
}
