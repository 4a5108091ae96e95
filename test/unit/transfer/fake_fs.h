/*
 * A filesystem in memory behind the public API: what the tests of this folder import into. It keeps
 * nodes, names, contents and xattrs, logs each change, and reads sources no earlier than at the
 * commit, as the library may.
 */
#ifndef TEST_FAKE_FS_H
#define TEST_FAKE_FS_H

#include <ubtrfs/file.h>

#include "base/strbuf.h"

struct fake_node {
	struct ubtrfs_attr attr;
	uint8_t *data;
	char target[4096];
	size_t target_len;
	struct strbuf xattrs; /* "name=hex;" in the order set */
	bool removed;
};

struct fake_name {
	struct ubtrfs_node dir;
	struct ubtrfs_node node;
	char *name;
};

struct fake_source {
	struct ubtrfs_node node;
	uint64_t offset, len;
	struct ubtrfs_source source;
};

struct ubtrfs {
	struct fake_node *nodes[4096];
	size_t nr_nodes;
	struct fake_name names[8192];
	size_t nr_names;
	struct fake_source sources[4096];
	size_t nr_sources;
	uint64_t next_ino, next_subvol;
	uint64_t readonly_subvol, default_subvol;
	unsigned links_max;	 /* 0: no limit */
	unsigned fail_create_at; /* the n-th creation fails */
	int (*before_commit)(void *ctx);
	void *ctx;
	bool quiet;	   /* no log: it allocates */
	struct strbuf log; /* one line per change, without inode numbers */
};

struct ubtrfs *fake_new(void);
/* Releases what was never read, as ubtrfs_abandon does. */
void fake_free(struct ubtrfs *fs);
/* By path from the top; NULL when missing. */
struct fake_node *fake_at(struct ubtrfs *fs, const char *path);

#endif
