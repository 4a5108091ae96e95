/*
 * A filesystem as tables in memory, with what each operation has to answer, and random operations
 * on it: what the library and the mounts are compared with. Nothing is shared with the code under
 * test.
 *
 * A world is one thread's part: a directory of its own, and in a directory shared by all the names
 * that begin with its prefix. It goes through a sequence that depends on its seed alone, so that a
 * seed reproduces a run, with several threads up to their timing.
 */
#ifndef UBTRFS_TEST_OPS_MODEL_H
#define UBTRFS_TEST_OPS_MODEL_H

#include "model/data_step.h"

#define WORLD_MAX_NODES 384u
#define WORLD_MAX_NAMES 768u
#define WORLD_MAX_XATTRS 4u
#define WORLD_MAX_OPEN 6u
#define WORLD_MAX_STEPS 64u
#define WORLD_NAME_MAX 255u
#define WORLD_NOTHING UINT32_MAX
#define WORLD_OWN 0u	/* node: the directory of this world */
#define WORLD_SHARED 1u /* node: the one shared by all */

struct world_xattr {
	char name[40];
	uint8_t value[3000];
	size_t len;
};

/* user::, user:1000, group::, mask, other; rwx each. */
struct world_acl {
	bool set;
	uint16_t user, named, group, mask, other;
};

struct world_node {
	bool used;
	uint32_t mode, uid, gid, nlink;
	uint64_t rdev, ino;	/* ino 0: not known yet */
	struct content content; /* of symlinks: the target */
	struct world_xattr *xattrs[WORLD_MAX_XATTRS];
	struct world_acl access, dflt; /* POSIX ACLs */
	bool mtime_known;
	int64_t mtime_sec;
	uint32_t mtime_nsec;
	bool owner_unknown; /* a whiteout of the library, which knows no caller */
	bool unsummed;	    /* NODATACOW */
	bool was_written;
	unsigned nr_open;
	bool linkable; /* made without a name, and never had one */
	/* Directories. */
	uint32_t name; /* the one it has */
	unsigned nr_entries;
};

struct world_name {
	bool used;
	uint32_t dir, node;
	char text[WORLD_NAME_MAX + 1];
};

struct world_open {
	bool used;
	uint32_t node;
	struct exec_file file;
};

/* How often an operation was done, and refused for lack of space. */
struct world_count {
	unsigned nr_done, nr_refused;
};

struct world {
	struct exec *exec;
	struct rng rng;
	struct data_run data; /* holds the failure too */
	uint64_t seed, step;
	unsigned number;
	bool alone; /* may sync often, and refresh */
	bool verbose;
	char prefix[16];
	struct world_node nodes[WORLD_MAX_NODES];
	struct world_name names[WORLD_MAX_NAMES];
	struct world_open opens[WORLD_MAX_OPEN];
	struct world_count counts[WORLD_MAX_STEPS]; /* by kind of operation */
};

/* Its directories are made when it is the first to need them. */
struct world *world_new(struct exec *exec, uint64_t seed, unsigned number);
void world_free(struct world *world);
/* Does so many random operations; false when one went wrong, which is told in world->data. */
bool world_run(struct world *world, uint64_t nr_ops);
/* The name of a kind of operation, NULL behind the last. */
const char *world_step_name(unsigned kind);
/* Does one operation of a kind; nothing when the executor cannot. */
void world_step_kind(struct world *world, unsigned kind);
/* Everything that has a name is as it should be in the eyes of this executor. */
bool world_compare(struct world *world, struct exec *exec);
/* Lets go of what is open. */
void world_close_all(struct world *world);

/* ---- for ops_step.c and ops_names.c ---- */

#define WORLD_PATH 16384u

void world_did(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* True when it was done; an answer other than the one wanted is a failure. */
bool world_answered(struct world *world, int err, int wanted);
uint32_t world_pick(struct world *world, uint32_t type, bool named);
uint32_t world_pick_name(struct world *world);
uint32_t world_find(const struct world *world, uint32_t dir, const char *text);
uint32_t world_node_name(const struct world *world, uint32_t node);
void world_dir_path(const struct world *world, uint32_t dir, char path[WORLD_PATH]);
void world_name_path(const struct world *world, uint32_t name, char path[WORLD_PATH]);
void world_path_in(const struct world *world, uint32_t dir, const char *text,
		   char path[WORLD_PATH]);
/* A random name for a directory, often one that is there already. */
void world_random_name(struct world *world, uint32_t dir, char text[WORLD_NAME_MAX + 2]);
uint32_t world_add_node(struct world *world, uint32_t dir, uint32_t mode);
uint32_t world_add_name(struct world *world, uint32_t dir, const char *text, uint32_t node);
bool world_has_room(const struct world *world);
void world_remove_name(struct world *world, uint32_t name);
/* Frees it when it has no name and is not open. */
void world_put_node(struct world *world, uint32_t node);
/* The attribute's index, or that of a free place. */
unsigned world_xattr_slot(const struct world_node *node, const char *name, bool *ret_there);
size_t world_acl_wire(const struct world_acl *acl, uint8_t wire[64]);

/* Makes, links, removes and renames. */
void step_make(struct world *world);
void step_symlink(struct world *world);
void step_link(struct world *world);
void step_unlink(struct world *world);
void step_rmdir(struct world *world);
void step_rename(struct world *world);
void step_rename_flags(struct world *world);
void step_tmpfile(struct world *world);
void step_link_open(struct world *world);

#endif
