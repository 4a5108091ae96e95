/*
 * A filesystem as a plain table in memory: what the simulation compares with. Nothing is shared
 * with the code under test.
 */
#ifndef UBTRFS_TEST_FS_MODEL_H
#define UBTRFS_TEST_FS_MODEL_H

#include "ops/fs_fixture.h"

#define MODEL_MAX_NODES 400
#define MODEL_MAX_NAMES 800
#define MODEL_MAX_XATTRS 4

struct model_xattr {
	char name[32];
	uint8_t value[400];
	size_t len;
};

struct model_node {
	bool used;
	struct ubtrfs_node node;
	uint32_t mode, uid;
	unsigned nlink;
	int64_t mtime;
	struct content content; /* files: the bytes; symlinks: the target */
	struct model_xattr xattrs[MODEL_MAX_XATTRS];
	unsigned nr_xattrs;
	unsigned parent; /* directories */
	unsigned nr_entries;
};

/* A name in a directory. */
struct model_name {
	bool used;
	unsigned dir, node;
	char name[64];
};

struct model {
	struct model_node nodes[MODEL_MAX_NODES]; /* 0 is the top */
	struct model_name names[MODEL_MAX_NAMES];
};

void model_init(struct model *model, struct ubtrfs_node top);
void model_fini(struct model *model);
/* Copies all of it: what was committed. */
void model_copy(struct model *to, const struct model *from);
/* MODEL_MAX_NODES / MODEL_MAX_NAMES when there is no room. */
unsigned model_add_node(struct model *model, struct ubtrfs_node node, uint32_t mode);
unsigned model_add_name(struct model *model, unsigned dir, const char *name, unsigned node);
unsigned model_find_name(const struct model *model, unsigned dir, const char *name);
/* Takes a name away, and the node with its last name. */
void model_remove_name(struct model *model, unsigned name);
void model_set_xattr(struct model_node *node, const char *name, const void *value, size_t len);
/* Every name, node, attribute and byte is as the model says, and there is nothing else. */
void model_compare(struct model *model, struct fs_fixture *fx);

#endif
