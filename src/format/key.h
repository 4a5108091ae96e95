/*
 * Keys: the order of everything in a tree. On disk 17 bytes (objectid, type, offset;
 * little-endian), in RAM by value.
 *
 * Order: objectid, then type, then offset, all unsigned.
 */
#ifndef UBTRFS_FORMAT_KEY_H
#define UBTRFS_FORMAT_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define KEY_DISK_SIZE 17
#define KEY_OBJECTID_AT 0
#define KEY_TYPE_AT 8
#define KEY_OFFSET_AT 9

struct key {
	uint64_t objectid;
	uint8_t type;
	uint64_t offset;
};

#define KEY(o, t, off) ((struct key){ .objectid = (o), .type = (t), .offset = (off) })
#define KEY_MIN KEY(0, 0, 0)
#define KEY_MAX KEY(UINT64_MAX, UINT8_MAX, UINT64_MAX)

/* < 0, 0, > 0 */
static inline int key_compare(const struct key *a, const struct key *b)
{
	if (a->objectid != b->objectid)
		return a->objectid < b->objectid ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return 0;
}

static inline bool key_equal(const struct key *a, const struct key *b)
{
	return a->objectid == b->objectid && a->type == b->type && a->offset == b->offset;
}

static inline struct key key_load(const void *disk17)
{
	const uint8_t *p = disk17;

	return KEY(load64(p + KEY_OBJECTID_AT), p[KEY_TYPE_AT], load64(p + KEY_OFFSET_AT));
}

static inline void key_store(void *disk17, const struct key *key)
{
	uint8_t *p = disk17;

	store64(p + KEY_OBJECTID_AT, key->objectid);
	p[KEY_TYPE_AT] = key->type;
	store64(p + KEY_OFFSET_AT, key->offset);
}

/* Orders the 17 bytes on disk against a key, without building a struct key. */
static inline int key_compare_disk(const void *disk17, const struct key *key)
{
	const uint8_t *p = disk17;
	uint64_t objectid = load64(p + KEY_OBJECTID_AT);
	uint64_t offset;

	if (objectid != key->objectid)
		return objectid < key->objectid ? -1 : 1;
	if (p[KEY_TYPE_AT] != key->type)
		return p[KEY_TYPE_AT] < key->type ? -1 : 1;
	offset = load64(p + KEY_OFFSET_AT);
	if (offset != key->offset)
		return offset < key->offset ? -1 : 1;
	return 0;
}

/* The smallest key greater than key; KEY_MAX stays. */
static inline struct key key_next(struct key key)
{
	if (++key.offset)
		return key;
	if (++key.type)
		return key;
	if (++key.objectid)
		return key;
	return KEY_MAX;
}

#endif
