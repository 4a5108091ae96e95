/*
 * Items that hold several named entries behind each other: DIR_ITEM and XATTR_ITEM when hashes
 * collide (dir_item: name, then data), INODE_REF and INODE_EXTREF (name). Private to inode/.
 */
#ifndef UBTRFS_INODE_NAME_PACK_H
#define UBTRFS_INODE_NAME_PACK_H

#include "inode/inode.h"

/* How one kind of entry is laid out. */
struct pack_kind {
	const char *what;  /* for messages */
	uint32_t head_len; /* fixed part */
	uint32_t (*name_len)(const uint8_t *entry);
	uint32_t (*data_len)(const uint8_t *entry);
};

extern const struct pack_kind pack_dir_item;
extern const struct pack_kind pack_inode_ref;
extern const struct pack_kind pack_inode_extref;

/* One entry found in an item. */
struct pack_entry {
	const uint8_t *head;
	const uint8_t *name;
	uint32_t name_len;
	const uint8_t *data;
	uint32_t data_len;
	uint32_t at, len; /* of the whole entry in the item */
};

/* The entry that starts at `at`; ERR_CORRUPT when it reaches over the end of the item. */
int pack_entry_at(const struct pack_kind *kind, const uint8_t *item, uint32_t item_len, uint32_t at,
		  struct pack_entry *ret_entry) must_check;
/* The entry with this name; ERR_KEY_NOT_FOUND. */
int pack_find(const struct pack_kind *kind, const uint8_t *item, uint32_t item_len,
	      const char *name, size_t name_len, struct pack_entry *ret_entry) must_check;

/*
 * Appends an entry (complete bytes) to the item of an inode, creating the item; ERR_LIMIT when
 * the item would not fit into a leaf.
 */
int pack_append(struct inode *inode, uint8_t type, uint64_t offset, const void *entry,
		uint32_t len) must_check;
/*
 * Appends an entry and takes out [at, at+old_len) of the same item, in one step: a failure
 * changes nothing.
 */
int pack_replace(struct inode *inode, uint8_t type, uint64_t offset, uint32_t at, uint32_t old_len,
		 const void *entry, uint32_t len) must_check;
/* Takes the entry [at, at+len) out of the item; the last one takes the item with it. */
int pack_remove(struct inode *inode, uint8_t type, uint64_t offset, uint32_t at,
		uint32_t len) must_check;

#endif
