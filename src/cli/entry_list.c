/*
 * Directories of an image read into memory, so that nothing calls back into the library while it
 * walks a directory, and sorted, so that output does not depend on the order of creation.
 */
#include "cli/entry_list.h"

#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "cli/cli.h"

#define SYMLINK_MAX_BYTES 4096u

bool entry_name_is_sane(const char *name, size_t len)
{
	if (!len || len > UINT8_MAX || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

static int list_grow(struct entry_list *list)
{
	size_t capacity = list->capacity ? 2 * list->capacity : 32;
	struct entry *entries;

	if (list->nr < list->capacity)
		return 0;
	entries = mem_resize(list->entries, capacity * sizeof(*entries));
	if (!entries)
		return MEM_FAIL("a directory");
	list->entries = entries;
	list->capacity = capacity;
	return 0;
}

static int list_add(void *ctx, const struct ubtrfs_dirent *dirent)
{
	struct entry_list *list = ctx;
	struct entry *entry;

	if (!entry_name_is_sane(dirent->name, dirent->name_len))
		return THROW(ERR_CORRUPT, "a directory entry of inode %llu has an impossible name",
			     (unsigned long long)dirent->node.ino);
	TRY(list_grow(list));
	entry = &list->entries[list->nr];
	entry->name = mem_alloc(dirent->name_len + 1);
	if (!entry->name)
		return MEM_FAIL("a name");
	memcpy(entry->name, dirent->name, dirent->name_len);
	entry->name[dirent->name_len] = '\0';
	entry->name_len = (uint8_t)dirent->name_len;
	entry->node = dirent->node;
	entry->type = dirent->type;
	entry->is_subvolume = dirent->is_subvolume;
	list->nr++;
	return 0;
}

static int entry_compare(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;

	return strcmp(left->name, right->name);
}

int entry_list_read(struct ubtrfs *fs, struct ubtrfs_node dir, struct entry_list *ret_list)
{
	memset(ret_list, 0, sizeof(*ret_list));
	TRY(ubtrfs_readdir(fs, dir, 0, list_add, ret_list));
	if (ret_list->nr)
		qsort(ret_list->entries, ret_list->nr, sizeof(*ret_list->entries), entry_compare);
	return 0;
}

void entry_list_release(struct entry_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		mem_free(list->entries[i].name);
	mem_free(list->entries);
	memset(list, 0, sizeof(*list));
}

int symlink_read(struct ubtrfs *fs, struct ubtrfs_node node, char **ret_target)
{
	char target[SYMLINK_MAX_BYTES];
	size_t len;
	char *copy;

	TRY(ubtrfs_readlink(fs, node, target, sizeof(target), &len));
	len = MIN(len, sizeof(target) - 1);
	target[len] = '\0';
	copy = mem_strdup(target);
	if (!copy)
		return MEM_FAIL("a symlink");
	*ret_target = copy;
	return 0;
}

void name_write(FILE *out, const char *name)
{
	if (!isatty(fileno(out))) {
		fputs(name, out);
		return;
	}
	for (; *name; name++)
		putc((unsigned char)*name < ' ' || *name == 0x7f ? '?' : *name, out);
}

void print_name(const char *name)
{
	name_write(stdout, name);
}

static char mode_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '-';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	default:
		return '?';
	}
}

const char *mode_text(uint32_t mode, char text[MODE_TEXT_MAX])
{
	static const char letters[] = "rwxrwxrwx";

	text[0] = mode_type(mode);
	for (unsigned i = 0; i < 9; i++)
		text[i + 1] = mode & (0400u >> i) ? letters[i] : '-';
	if (mode & S_ISUID)
		text[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & S_IXOTH ? 't' : 'T';
	text[10] = '\0';
	return text;
}

bool entry_is_dir(const struct entry *entry)
{
	return entry->type == BTRFS_FT_DIR;
}

char *path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);

	return mem_printf("%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/", name);
}

int dir_meet(struct pair_set *met, struct ubtrfs_node dir, const char *path)
{
	int is_new;

	/* The empty directories in place of subvolumes share an inode below all others. */
	if (dir.ino < UBTRFS_ROOT_INO)
		return 0;
	is_new = pair_set_add(met, dir.subvolid, dir.ino);
	if (is_new < 0)
		return cli_fail("%s", path);
	if (!is_new)
		return cli_error("%s: the directory was met before: it has two names", path);
	return 0;
}
