/*
 * What the operations on names share: paths, names that are there, names that come and go.
 *
 * Everything here is for who holds the lock of the filesystem alone, but node_lookup and node_parent.
 */
#ifndef UBTRFS_OPS_OP_NAMES_H
#define UBTRFS_OPS_OP_NAMES_H

#include "ops/ops.h"

/* op_node.c, op_resolve.c: for readers */
int node_lookup(struct ubtrfs *fs, struct ubtrfs_node dir_node, const char *name, size_t name_len,
		struct ubtrfs_node *ret_node) must_check;
/*
 * The directory above: inside a subvolume by the reference of the inode, at its top by the
 * reference of the tree; the top of all is above itself.
 */
int node_parent(struct ubtrfs *fs, struct ubtrfs_node node,
		struct ubtrfs_node *ret_parent) must_check;

/* What a name leads to: an inode of the same subvolume, another subvolume, or nowhere any more. */
enum name_kind { NAME_INODE, NAME_SUBVOLUME, NAME_STALE };

/* A name that is there. */
struct name_ref {
	struct inode *dir; /* a reference */
	struct dir_entry entry;
	enum name_kind kind;
	struct inode
		*inode; /* a reference; of a subvolume its top, of a stale name the placeholder */
};
void name_ref_fini(struct name_ref *ref);
DEFINE_SCOPED(name_ref, name_ref_fini)

/* op_names.c */
/* ERR_NOT_FOUND. */
int name_find(struct ubtrfs *fs, struct inode *dir, const char *name, size_t name_len,
	      struct name_ref *ret_ref) must_check;
/*
 * Whether what a name leads to can be named so in dir, beside that it may be replacing another there
 * and leave its own name.
 */
int name_check_attach(struct inode *dir, const char *name, size_t name_len, bool replacing,
		      const struct name_ref *what) must_check;
/*
 * Whether a name may go for good: the directory is empty (ERR_DIR_NOT_EMPTY), the subvolume is not
 * (removing subvolumes is not built: ERR_UNSUPPORTED).
 */
int name_check_detach(const struct name_ref *ref) must_check;
/*
 * Takes the name out of its directory, and the reference to it out of what it names. A failure
 * changes nothing, or aborts the transaction.
 */
int name_detach(struct ubtrfs *fs, struct name_ref *ref) must_check;
/* The same the other way, for what has been detached. Any failure aborts the transaction. */
int name_attach(struct ubtrfs *fs, struct inode *dir, const char *name, size_t name_len,
		const struct name_ref *what) must_check;

/* op_create.c: an inode of the subvolume of dir that nothing names yet: a reference, dirty. */
int inode_new_in(struct ubtrfs *fs, struct inode *dir, const struct ubtrfs_new *what,
		 struct inode **ret_inode) must_check;

/* op_hold.c */
/* Extents that one step of deleting takes: each is a reference to be run in the transaction. */
#define ORPHAN_STEP_EXTENTS 1024u
/* An inode that is deleted step by step, when the lock is free again. */
struct name_left {
	struct ubtrfs_node node;
	bool any;
};
/*
 * A detached inode has lost one name. Without any it is deleted, if nobody holds it; else it becomes
 * an orphan. One that is too big to go in one step is the caller's to finish: left_finish.
 */
int inode_lose_name(struct ubtrfs *fs, struct inode *inode, struct name_left *left) must_check;
/* An inode that is about to be without a name is found by the next opening. */
void inode_add_orphan(struct inode *inode);
/* An inode that may be without a name is none of the orphans any more. A failure aborts. */
int inode_drop_orphan(struct ubtrfs *fs, struct inode *inode) must_check;
/* Without the lock. A failure leaves an orphan, for the next opening; want of space is none. */
int left_finish(struct ubtrfs *fs, const struct name_left *left) must_check;
/*
 * orphans_clean.c. Before the first change in a subvolume: ERR_WANTS_ROOM when a death of the process
 * left something in it, which fs_make_room deletes.
 */
int fs_check_orphans(struct ubtrfs *fs, struct root *root) must_check;
/* The lock is held alone, and given up meanwhile. False: it was not asked for. */
bool fs_clean_wanted(struct ubtrfs *fs);
/* Without the lock: what a death of the process left in a subvolume is deleted. */
int fs_clean_orphans(struct ubtrfs *fs, uint64_t subvolid) must_check;
/* At the end: everything that is held is released; deleted, if deleting says so. */
void fs_release_all(struct ubtrfs *fs, bool deleting);

#endif
