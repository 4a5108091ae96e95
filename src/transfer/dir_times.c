/*
 * Times of directories that an archive names: each later change below stamps a directory, so they
 * are set at the end, with flags that forbid further changes (of files too). Owns its entries: each is in the table and in the list, or in neither. Takes
 * no lock.
 */
#include "base/mem.h"
#include "transfer/unpack.h"

struct dir_time {
	struct hash_node hash_node;
	struct link link;
	struct ubtrfs_node node;
	struct ubtrfs_attr attr;
};

static uint64_t node_key(struct ubtrfs_node node)
{
	return hash_mix2(node.subvolid, node.ino);
}

void dir_times_init(struct dir_times *times)
{
	hash_init(&times->table);
	list_init(&times->list);
}

static void dir_time_free(struct dir_times *times, struct dir_time *time)
{
	hash_remove(&times->table, &time->hash_node);
	link_remove(&time->link);
	mem_free(time);
}

void dir_times_fini(struct dir_times *times)
{
	struct link *link;

	while ((link = list_first(&times->list)))
		dir_time_free(times, list_entry(link, struct dir_time, link));
	hash_fini(&times->table);
}

static struct dir_time *dir_time_find(const struct dir_times *times, struct ubtrfs_node node)
{
	struct hash_node *found = hash_find(&times->table, node_key(node));

	for (; found; found = hash_find_next(found)) {
		struct dir_time *time = hash_entry(found, struct dir_time, hash_node);

		if (time->node.subvolid == node.subvolid && time->node.ino == node.ino)
			return time;
	}
	return NULL;
}

int dir_times_set(struct dir_times *times, struct ubtrfs_node node, const struct ubtrfs_attr *attr)
{
	struct dir_time *time = dir_time_find(times, node);

	if (!time) {
		time = mem_zalloc(sizeof(*time));
		if (!time)
			return MEM_FAIL("times of a directory");
		time->node = node;
		hash_insert(&times->table, &time->hash_node, node_key(node));
		list_push_back(&times->list, &time->link);
	}
	time->attr = *attr;
	return 0;
}

void dir_times_forget(struct dir_times *times, struct ubtrfs_node node)
{
	struct dir_time *time = dir_time_find(times, node);

	if (time)
		dir_time_free(times, time);
}

int dir_times_apply(struct dir_times *times, struct import *import)
{
	int ret;

	list_for_each(&times->list, pos, next) {
		struct dir_time *time = list_entry(pos, struct dir_time, link);

		ret = ubtrfs_setattr(import->fs, time->node, &time->attr,
				     ATTR_TIMES | (time->attr.flags & (BTRFS_INODE_IMMUTABLE |
								       BTRFS_INODE_APPEND) ?
							   UBTRFS_ATTR_FLAGS :
							   0));
		if (ret < 0)
			return import_fail(import, ret, "times of a directory");
	}
	return 0;
}
