/*
 * Recursive removal in the filesystem. Depth is bounded by UNPACK_DEPTH_MAX. Forgets what was
 * remembered of removed directories: their times, the last parent. Takes no lock.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "transfer/unpack.h"

static int name_list_visit(void *ctx, const struct ubtrfs_dirent *dirent)
{
	struct name_list *list = ctx;
	size_t capacity;
	char **names, *name;

	if (list->nr == list->capacity) {
		capacity = list->capacity ? list->capacity * 2 : 64;
		names = mem_resize(list->names, capacity * sizeof(*names));
		if (!names)
			return -ENOMEM;
		list->names = names;
		list->capacity = capacity;
	}
	name = mem_alloc(dirent->name_len + 1);
	if (!name)
		return -ENOMEM;
	memcpy(name, dirent->name, dirent->name_len);
	name[dirent->name_len] = '\0';
	list->names[list->nr++] = name;
	return 0;
}

int name_list_read(struct unpack *unpack, struct ubtrfs_node dir, struct name_list *ret_list)
{
	struct name_list list = { .nr = 0 };
	int ret = ubtrfs_readdir(unpack->import->fs, dir, 0, name_list_visit, &list);

	if (ret < 0) {
		name_list_fini(&list);
		return import_fail(unpack->import, ret, "listing a directory");
	}
	*ret_list = list;
	return 0;
}

void name_list_fini(struct name_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		mem_free(list->names[i]);
	mem_free(list->names);
}

static int remove_at(struct unpack *unpack, struct ubtrfs_node dir, const char *name,
		     unsigned depth);

static int remove_below(struct unpack *unpack, struct ubtrfs_node dir, unsigned depth)
{
	struct name_list list;
	int ret = 0;

	if (depth >= UNPACK_DEPTH_MAX)
		return THROW(ERR_LIMIT, "directories are nested deeper than %d", UNPACK_DEPTH_MAX);
	TRY(name_list_read(unpack, dir, &list));
	for (size_t i = 0; i < list.nr && ret >= 0; i++)
		ret = remove_at(unpack, dir, list.names[i], depth + 1);
	name_list_fini(&list);
	return ret;
}

static int remove_at(struct unpack *unpack, struct ubtrfs_node dir, const char *name,
		     unsigned depth)
{
	struct import *import = unpack->import;
	struct ubtrfs_attr attr;
	int ret = unpack_lookup(unpack, dir, name, &attr);

	if (ret != 0)
		return ret < 0 ? ret : 0;
	TRY(import_check_flags(import, &attr, false, name));
	/* A file may have other names. */
	if (attr.nlink <= 1)
		dir_times_forget(&unpack->dir_times, attr.node);
	if (S_ISDIR(attr.mode)) {
		TRY(remove_below(unpack, attr.node, depth));
		ret = ubtrfs_rmdir(import->fs, dir, name, strlen(name));
	} else {
		ret = ubtrfs_unlink(import->fs, dir, name, strlen(name));
	}
	return ret < 0 ? import_fail(import, ret, "removing %s", name) : 0;
}

int unpack_remove(struct unpack *unpack, struct ubtrfs_node dir, const char *name)
{
	struct ubtrfs_attr attr;
	int ret = ubtrfs_getattr(unpack->import->fs, dir, &attr);

	if (ret < 0)
		return import_fail(unpack->import, ret, "removing %s", name);
	TRY(import_check_flags(unpack->import, &attr, false, "its directory"));
	unpack_forget_paths(unpack);
	return remove_at(unpack, dir, name, 0);
}
