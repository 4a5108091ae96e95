/*
 * 14 inode: names and inodes. Inode, directory, reference and attribute items; delayed updates; the
 * table of inodes.
 *
 * Every inode has an overlay of item contents that are not in the tree yet (delayed.c): all items
 * of one inode, whatever their type, are read through it and written to it. Flushing an inode
 * writes its overlay in the order of keys, neighbours in one descent. So a new file or directory
 * reaches the tree as one sorted batch behind its predecessors, and leaves fill up completely.
 * Invariants: an overlay item holds the final content of its key; INSERT means that the tree has no
 * such key, REPLACE and REMOVE that it has. An inode with an overlay, or with a dirty inode item,
 * is on the table's dirty list (which holds a reference on it), oldest first.
 * Locks: the lock of ops/, held shared by those who only read and alone by those who change. What
 * readers do change, the index of inodes and their counts, is under table->lock (RANK_INODE_TABLE).
 * Readers: inode_get, inode_find, inode_ref, inode_put, inode_hold, inode_unhold, dir_find, dir_list, dir_is_empty, dir_parent, xattr_get, xattr_next,
 * inode_item_peek, delayed_view, delayed_next, delayed_last, the questions about the inode item. Everything else is for who is alone.
 */
#ifndef UBTRFS_INODE_INODE_H
#define UBTRFS_INODE_INODE_H

#include "base/hash.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/rbtree.h"
#include "extent/extent.h"

#define INODE_NAME_MAX 255u
#define INODE_LINKS_MAX 65535u

struct inode_time {
	int64_t sec;
	uint32_t nsec;
};

struct inode_table {
	struct mutex lock; /* inodes, and the count of each */
	struct root_table *roots;
	struct geometry geometry;
	bool no_holes;
	bool extref;
	struct hash_table inodes;    /* by hash_mix2(root, ino) */
	struct hash_table next_inos; /* of each subvolume */
	struct list dirty;	     /* oldest first */
	struct list held;	     /* under lock: inodes that somebody outside holds */
	size_t nr_dirty;
	size_t delayed_bytes; /* in all overlays */
	size_t nr_scattered;  /* what is delayed and may touch a leaf of the tree for itself */
	uint8_t *scratch;     /* nodesize: what delayed_get reads from a tree */
	uint8_t *edit;	      /* nodesize: where an item is put together */
	bool fixed_now;	      /* now is used instead of the clock */
	struct inode_time now;
};

struct inode {
	struct hash_node hash;
	struct link dirty_link;
	unsigned count; /* callers, and one of the dirty list; under table->lock */
	struct inode_table *table;
	struct root *root;
	uint64_t ino;
	uint8_t item[INODE_ITEM_SIZE]; /* the truth while loaded */
	bool item_dirty;
	bool in_tree; /* the tree holds items of this inode; false: nothing needs to be looked up there */
	bool item_in_tree; /* the INODE_ITEM is there */
	struct link held_link;
	uint64_t nr_held; /* holds from outside, which have one reference together; under table->lock */
	bool has_orphan;      /* it is to have an ORPHAN_ITEM: it may be without a name */
	bool orphan_in_tree;  /* and has it: written with the inode item */
	bool linkable;	      /* it never had a name, and may get one */
	bool dying;	      /* it is being deleted: nobody gets hold of it any more */
	int8_t compress_prop; /* COMPRESS_* of the property (inode_prop.c); -1 = not looked up yet */
	int8_t has_acl[2];    /* by enum acl_kind: 1, 0, -1 = not looked up yet */
	struct rbtree overlay;
	uint64_t next_index; /* directories: of DIR_INDEX; 0 = not known yet */
	/* file/ keeps here what it knows of the contents */
	uint64_t extent_end; /* no extent item reaches beyond; UINT64_MAX = not known yet */
	bool has_inline;
	bool gaps_filled; /* without NO_HOLES: no gap behind the end of the file */
	uint64_t open_addr, open_offset,
		open_len;	/* extent that may still grow; open_len 0 = none */
	struct rbtree dirty;	/* of file/: ranges of bytes not yet handed to a worker */
	struct rbtree writing;	/* of file/: runs whose bytes are not on the devices yet */
	struct link dirty_data; /* of file/: in the list of those with dirty ranges */
	unsigned nr_in_flight;	/* runs that are not in the overlay yet */
	unsigned nr_sources;	/* runs in writing whose bytes are not in RAM */
	size_t nr_scattered;	/* its part of the table's */
};

/* One delayed item. */
enum delayed_state { DELAYED_INSERT, DELAYED_REPLACE, DELAYED_REMOVE };
struct delayed_item {
	struct rb_node node; /* by (type, offset) */
	struct key key;
	enum delayed_state state;
	uint32_t len;
	uint32_t capacity;
	uint8_t data[];
};

int inode_table_init(struct inode_table *table, struct root_table *roots,
		     const struct geometry *geometry, uint64_t incompat) must_check;
/* Drops what is not flushed. Logs every inode that somebody still holds. */
void inode_table_fini(struct inode_table *table);
struct inode_time inode_now(const struct inode_table *table);

/* inode_table.c */
/* The inode, read if needed. ERR_NOT_FOUND. */
int inode_get(struct inode_table *table, struct root *root, uint64_t ino,
	      struct inode **ret_inode) must_check;
/*
 * A new one in RAM: its number is the next of the subvolume (ino 0) or the given one; marked
 * dirty.
 */
int inode_new(struct inode_table *table, struct root *root, uint64_t ino, uint64_t generation,
	      struct inode **ret_inode) must_check;
/*
 * Before anything is deleted in a subvolume: the numbers that inodes have now are not given to others
 * as long as the table lives.
 */
int inode_numbers_load(struct inode_table *table, struct root *root) must_check;
/* Only if it is in RAM: a reference; NULL otherwise. */
struct inode *inode_find(struct inode_table *table, const struct root *root, uint64_t ino);
struct inode *inode_ref(struct inode *inode);
void inode_put(struct inode *inode);
DEFINE_SCOPED_PTR(inode, inode, inode_put)
void inode_mark_dirty(struct inode *inode);
/*
 * Something is delayed whose place in the tree is not beside that of what the inode gets in
 * order.
 */
void inode_note_scattered(struct inode *inode);
struct inode *inode_oldest_dirty(struct inode_table *table);

/* inode_hold.c: who is outside of the library and keeps an inode from going with its last name */
void inode_hold(struct inode *inode);
/*
 * Takes up to nr holds back. The last one of an inode without a name stays, when keep_nameless says
 * so, and *ret_kept is set: it is the caller's to delete the inode.
 */
void inode_unhold(struct inode *inode, uint64_t nr, bool keep_nameless, bool *ret_kept);
/* One that is held, as long as there are any: borrowed. */
struct inode *inode_any_held(struct inode_table *table);

/*
 * The inode item of an inode that is not in RAM, read with a cursor that may stand anywhere in its
 * tree: cheap for neighbours in order. *ret_no_xattrs: it surely has none. ERR_NOT_FOUND.
 */
int inode_item_peek(struct cursor *cursor, uint64_t ino, uint8_t ret_item[INODE_ITEM_SIZE],
		    bool *ret_no_xattrs) must_check;

/* delayed.c: the overlay */
/*
 * The content of one item: *ret_data borrowed until the next delayed_ call on this table;
 * ERR_KEY_NOT_FOUND (no THROW text).
 */
int delayed_get(struct inode *inode, uint8_t type, uint64_t offset, const uint8_t **ret_data,
		uint32_t *ret_len) must_check;
/* delayed_view.c: the same for any number of readers at a time */
/* The content stays where it is, and may be looked at until the view is released. */
struct delayed_view {
	struct key key;
	const uint8_t *data;
	uint32_t len;
	struct cursor cursor; /* private */
};
int delayed_view(struct inode *inode, uint8_t type, uint64_t offset,
		 struct delayed_view *ret_view) must_check;
/*
 * Overlay and tree as one sequence: the first item of this type at or behind offset, or the last one
 * at or before it; ERR_KEY_NOT_FOUND (no THROW text). A view that is zero at first may be used for
 * one call after the other (what it showed before is gone then), which makes neighbours cheap.
 */
int delayed_next(struct inode *inode, uint8_t type, uint64_t offset,
		 struct delayed_view *view) must_check;
int delayed_last(struct inode *inode, uint8_t type, uint64_t offset,
		 struct delayed_view *view) must_check;
void delayed_view_release(struct delayed_view *view);
DEFINE_SCOPED(delayed_view, delayed_view_release)

/* delayed.c again */
/* Sets the content; exists tells whether the key has content now (as delayed_get told). */
int delayed_put(struct inode *inode, uint8_t type, uint64_t offset, const void *data, uint32_t len,
		bool exists) must_check;
/* The key has content now. */
int delayed_remove(struct inode *inode, uint8_t type, uint64_t offset) must_check;
/* Writes the overlay and the inode item to the tree. */
int inode_flush(struct txn *txn, struct inode *inode) must_check;
/* The same while runs of the inode are still in flight: what is noted so far goes to the tree. */
int inode_flush_noted(struct txn *txn, struct inode *inode) must_check;
/* Takes an inode off the dirty list without writing (it was deleted, or all is lost). */
void inode_drop_dirty(struct inode *inode);
/* Removes every item of the inode from the tree and the overlay. */
int inode_remove_items(struct txn *txn, struct inode *inode) must_check;

/* inode_attr.c: the inode item by meaning */
/* Contents that are not in the overlay yet. */
static inline bool inode_has_dirty_data(const struct inode *inode)
{
	return inode->dirty.nr || inode->nr_in_flight;
}
static inline uint64_t inode_size(const struct inode *inode)
{
	return inode_item_size(inode->item);
}
static inline uint32_t inode_mode(const struct inode *inode)
{
	return inode_item_mode(inode->item);
}
void inode_set_size(struct inode *inode, uint64_t size);
void inode_add_nbytes(struct inode *inode, int64_t bytes);
void inode_set_time(struct inode *inode, unsigned at,
		    struct inode_time time); /* at: INODE_ITEM_ATIME_AT, ... */
struct inode_time inode_get_time(const struct inode *inode, unsigned at);
/* ctime and mtime are now. */
void inode_touch(struct inode *inode);
uint8_t inode_dir_type(uint32_t mode); /* BTRFS_FT_* */

/* dir.c */
struct dir_entry {
	struct key location; /* INODE_ITEM of an inode, ROOT_ITEM of a subvolume */
	uint8_t type;	     /* BTRFS_FT_* */
	uint64_t index;
	uint16_t name_len;
	char name[INODE_NAME_MAX + 1];
};
int dir_find(struct inode *dir, const char *name, size_t name_len,
	     struct dir_entry *ret_entry) must_check;
/*
 * Adds DIR_ITEM and DIR_INDEX; ERR_EXISTS. Sizes and times of the directory follow. A failure
 * changes nothing.
 */
int dir_add(struct inode *dir, const char *name, size_t name_len, const struct key *location,
	    uint8_t type, uint64_t *ret_index) must_check;
int dir_remove(struct inode *dir, const struct dir_entry *entry) must_check;
/*
 * Whether dir_add of this name would find it valid and have room for it; replacing: the entry that
 * has the name now is removed before.
 */
int dir_check_add(struct inode *dir, const char *name, size_t name_len, bool replacing) must_check;
/*
 * The index of a name, found by looking at every entry: for entries that no reference leads back
 * to. ERR_CORRUPT when it is not there.
 */
int dir_find_index(struct inode *dir, const char *name, size_t name_len,
		   uint64_t *ret_index) must_check;
/* Up to capacity entries behind cookie, in order of index; fewer when there are no more. */
int dir_list(struct inode *dir, uint64_t cookie, struct dir_entry *ret_entries, size_t capacity,
	     size_t *ret_nr) must_check;
/* The index of the last entry; below that of any entry (1) when there is none. */
int dir_last_index(struct inode *dir, uint64_t *ret_index) must_check;
int dir_is_empty(struct inode *dir, bool *ret_empty) must_check;
/* The number of the directory above. ERR_CORRUPT for one without a name. */
int dir_parent(struct inode *dir, uint64_t *ret_parent) must_check;

/* inode_ref.c: INODE_REF, INODE_EXTREF */
int inode_ref_add(struct inode *inode, uint64_t parent, uint64_t index, const char *name,
		  size_t name_len) must_check;
/*
 * Whether inode_ref_add of a name would have room for it, when leaving_len bytes of name (0: none) in
 * the same directory have gone: ERR_TOO_MANY_LINKS, ERR_LIMIT.
 */
int inode_ref_check_add(struct inode *inode, uint64_t parent, const char *name, size_t name_len,
			const char *leaving, size_t leaving_len) must_check;
/* *ret_index: of the name in DIR_INDEX. */
int inode_ref_remove(struct inode *inode, uint64_t parent, const char *name, size_t name_len,
		     uint64_t *ret_index) must_check;

/* inode_names.c */
typedef int (*inode_name_fn)(void *ctx, uint64_t parent, const char *name, size_t name_len);
/* Calls visit for each name of an inode, as its tree has them; nonzero stops and is returned. */
int inode_each_name(struct inode_table *table, struct root *root, uint64_t ino, inode_name_fn visit,
		    void *ctx) must_check;

/* One name of an inode, delayed or not: by any number of readers. ERR_KEY_NOT_FOUND: it has none. */
struct inode_name {
	uint64_t parent;
	size_t len;
	char text[INODE_NAME_MAX]; /* not terminated */
};
int inode_first_name(struct inode *inode, struct inode_name *ret_name) must_check;

/* inode_prop.c */
#define PROP_COMPRESSION "btrfs.compression"
/* What a property takes as an item: a short attribute. */
#define PROP_ITEM_BYTES (DIR_ITEM_SIZE + 64u)
/* An attribute of this name is a property: checked before it is set, applied behind it. */
int prop_check(const struct inode *inode, const char *name, const void *value,
	       size_t len) must_check;
/* len 0: the property is taken away. */
void prop_apply(struct inode *inode, const void *value, size_t len);
/* A new inode gets what its directory hands down; its flags are set already. */
int prop_inherit(struct inode *dir, struct inode *inode) must_check;
/* COMPRESS_* that the property asks for; COMPRESS_NONE when it does not. */
int inode_compress_prop(struct inode *inode, int *ret_type) must_check;

/* acl.c: POSIX ACLs, as attributes */
enum acl_kind { ACL_ACCESS, ACL_DEFAULT };
bool acl_xattr_is(const char *name, size_t name_len, enum acl_kind *ret_kind);
/* An attribute was set or taken away: for xattr.c. */
void acl_note(struct inode *inode, const char *name, size_t name_len, bool is_there);
/*
 * A value in Linux's form (none: takes it away); the mode follows an access ACL, which is not kept
 * when the mode says it all. ERR_INVALID, ERR_UNSUPPORTED, EACCES change nothing.
 */
int acl_set(struct inode *inode, enum acl_kind kind, const void *value, size_t len) must_check;
/* What an ACL takes as an item; 0 when there is none. */
int acl_bytes(struct inode *inode, enum acl_kind kind, uint32_t *ret_bytes) must_check;
/* The mode (with its type) is set, and the access ACL follows. */
int acl_set_mode(struct inode *inode, uint32_t mode) must_check;
/* A new inode, whose mode is what its maker asked for: the default ACL of the directory, or the umask. */
int acl_inherit(struct inode *dir, struct inode *inode, uint32_t umask) must_check;

/* xattr.c */
int xattr_set(struct inode *inode, const char *name, size_t name_len, const void *value,
	      size_t len) must_check;
/* ERR_KEY_NOT_FOUND (no THROW text). */
int xattr_remove(struct inode *inode, const char *name, size_t name_len) must_check;
/* ERR_NOT_FOUND. Value into a buffer of nodesize. */
int xattr_get(struct inode *inode, const char *name, size_t name_len, uint8_t *ret_value,
	      uint32_t *ret_len) must_check;
/*
 * The next item of attributes whose offset is at least *offset: copied into a buffer of nodesize;
 * *offset becomes its own. ERR_KEY_NOT_FOUND (no THROW text) behind the last.
 */
int xattr_next(struct inode *inode, uint64_t *offset, uint8_t *ret_item,
	       uint32_t *ret_len) must_check;
/* Calls visit for each attribute in one item; nonzero from visit stops and is returned. */
int xattr_visit_item(const uint8_t *item, uint32_t len,
		     int (*visit)(void *ctx, const char *name, size_t name_len, const void *value,
				  size_t len),
		     void *ctx) must_check;

#endif
