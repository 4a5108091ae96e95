/*
 * Hard links: inodes of the source with several names, by identity. Owns its entries; takes no
 * lock.
 */
#include "base/mem.h"
#include "transfer/hardlinks.h"

struct hardlink {
	struct hash_node hash_node;
	uint64_t dev, ino;
	struct ubtrfs_node node;
};

static uint64_t hardlink_key(uint64_t dev, uint64_t ino, uint64_t subvolid)
{
	return hash_mix2(hash_mix2(dev, ino), subvolid);
}

void hardlinks_init(struct hardlinks *links)
{
	hash_init(&links->table);
}

void hardlinks_fini(struct hardlinks *links)
{
	struct hash_node *node, *next;

	for (node = hash_first(&links->table); node; node = next) {
		next = hash_next(&links->table, node);
		hash_remove(&links->table, node);
		mem_free(hash_entry(node, struct hardlink, hash_node));
	}
	hash_fini(&links->table);
}

static struct hardlink *hardlink_find(const struct hardlinks *links, uint64_t dev, uint64_t ino,
				      uint64_t subvolid)
{
	struct hash_node *node = hash_find(&links->table, hardlink_key(dev, ino, subvolid));

	for (; node; node = hash_find_next(node)) {
		struct hardlink *link = hash_entry(node, struct hardlink, hash_node);

		if (link->dev == dev && link->ino == ino && link->node.subvolid == subvolid)
			return link;
	}
	return NULL;
}

bool hardlinks_find(const struct hardlinks *links, uint64_t dev, uint64_t ino, uint64_t subvolid,
		    struct ubtrfs_node *ret_node)
{
	const struct hardlink *link = hardlink_find(links, dev, ino, subvolid);

	if (link)
		*ret_node = link->node;
	return link != NULL;
}

int hardlinks_set(struct hardlinks *links, uint64_t dev, uint64_t ino, struct ubtrfs_node node)
{
	struct hardlink *link = hardlink_find(links, dev, ino, node.subvolid);

	if (!link) {
		link = mem_zalloc(sizeof(*link));
		if (!link)
			return MEM_FAIL("a hard link");
		link->dev = dev;
		link->ino = ino;
		link->node = node;
		hash_insert(&links->table, &link->hash_node, hardlink_key(dev, ino, node.subvolid));
	}
	link->node = node;
	return 0;
}
