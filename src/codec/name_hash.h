/*
 * The hashes that stand in keys: of names in directories and back references, of the owner of a
 * data extent. Pure.
 */
#ifndef UBTRFS_CODEC_NAME_HASH_H
#define UBTRFS_CODEC_NAME_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Key offset of a DIR_ITEM or XATTR_ITEM. */
uint32_t name_hash(const void *name, size_t len_bytes);
/* Key offset of an INODE_EXTREF; parent is the directory's object id. */
uint64_t extref_hash(uint64_t parent, const void *name, size_t len_bytes);
/* Key offset of an EXTENT_DATA_REF. */
uint64_t hash_extent_data_ref(uint64_t root, uint64_t objectid, uint64_t offset);

#endif
