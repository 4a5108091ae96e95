/*
 * The entries of a directory of an image, in bytewise order of their names.
 */
#ifndef UBTRFS_CLI_ENTRY_LIST_H
#define UBTRFS_CLI_ENTRY_LIST_H

#include <stdio.h>

#include <ubtrfs/file.h>

#include "base/err.h"
#include "base/pair_set.h"

/* Deeper trees are refused: a damaged image may hold a directory inside itself. */
#define WALK_MAX_DEPTH 2000u

struct entry {
	struct ubtrfs_node node;
	bool is_subvolume;
	uint8_t type; /* BTRFS_FT_* */
	uint8_t name_len;
	char *name; /* terminated; owned by the list */
};

struct entry_list {
	struct entry *entries;
	size_t nr, capacity;
};

/* False for a name that no file can have: empty, "." or "..", with '/' or a zero byte. */
bool entry_name_is_sane(const char *name, size_t len);
/*
 * Reads a whole directory. A name that no file can have (empty, '/', '.', '..') is an error.
 * Released also after a failure.
 */
int entry_list_read(struct ubtrfs *fs, struct ubtrfs_node dir,
		    struct entry_list *ret_list) must_check;
void entry_list_release(struct entry_list *list);

/* The target of a symlink, terminated; owned by the caller (mem_free). */
int symlink_read(struct ubtrfs *fs, struct ubtrfs_node node, char **ret_target) must_check;

/* A name as it goes out: bytes as they are, but on a terminal without control characters. */
void name_write(FILE *out, const char *name);
/* To stdout. */
void print_name(const char *name);
/* "drwxr-sr-x" */
#define MODE_TEXT_MAX 11
const char *mode_text(uint32_t mode, char text[MODE_TEXT_MAX]);
/* BTRFS_FT_* of a directory */
bool entry_is_dir(const struct entry *entry);
/*
 * 0: the walk may enter this directory, which it has not met before. Else 1, and path is told: in a
 * damaged image a directory may have two names, or be inside itself, and a walk would not end.
 */
int dir_meet(struct pair_set *met, struct ubtrfs_node dir, const char *path) must_check;
/* "a/b" from a directory's path and a name; owned by the caller; NULL without memory. */
char *path_join(const char *dir, const char *name) must_check;

#endif
