/*
 * Holds the tables of disk_structs.h at compile time: rows follow each other without gap or
 * overlap, and end at the structure's size. Owns no code; the packed structures exist for the
 * comparison only.
 */
#include "format/disk_structs.h"

#include "format/key.h"

#define MEMBER_U8(prefix, field, at) uint8_t field;
#define MEMBER_U16(prefix, field, at) uint16_t field;
#define MEMBER_U32(prefix, field, at) uint32_t field;
#define MEMBER_U64(prefix, field, at) uint64_t field;
#define MEMBER_BYTES(prefix, field, at, len) uint8_t field[len];
#define MEMBER_NEST(prefix, field, at, len) uint8_t field[len];
#define MEMBER(kind, ...) MEMBER_##kind(__VA_ARGS__)
#define PACKED_STRUCT(prefix, PREFIX)   \
	struct packed_##prefix {        \
		PREFIX##_FIELDS(MEMBER) \
	} __attribute__((packed));
DISK_STRUCTS(PACKED_STRUCT)

#define SIZE_HOLDS(prefix, PREFIX) \
	_Static_assert(sizeof(struct packed_##prefix) == PREFIX##_SIZE, #prefix);
DISK_STRUCTS(SIZE_HOLDS)

#define AT(prefix, field, at, ...) \
	_Static_assert(offsetof(struct packed_##prefix, field) == (at), #prefix "." #field);
#define ROW_HOLDS(kind, ...) AT(__VA_ARGS__, )
#define ROWS_HOLD(prefix, PREFIX) PREFIX##_FIELDS(ROW_HOLDS)
DISK_STRUCTS(ROWS_HOLD)

#define CONSTANT_HOLDS(prefix, field, constant) \
	_Static_assert(offsetof(struct packed_##prefix, field) == (constant), #constant)
CONSTANT_HOLDS(super, dev_item, SUPER_DEV_ITEM_AT);
CONSTANT_HOLDS(super, sys_chunk_array, SUPER_SYS_CHUNK_ARRAY_AT);
CONSTANT_HOLDS(super, super_roots, SUPER_SUPER_ROOTS_AT);
CONSTANT_HOLDS(inode_item, atime, INODE_ITEM_ATIME_AT);
CONSTANT_HOLDS(inode_item, ctime, INODE_ITEM_CTIME_AT);
CONSTANT_HOLDS(inode_item, mtime, INODE_ITEM_MTIME_AT);
CONSTANT_HOLDS(inode_item, otime, INODE_ITEM_OTIME_AT);
CONSTANT_HOLDS(root_item, generation_v2, ROOT_ITEM_LEGACY_SIZE);
CONSTANT_HOLDS(root_item, drop_progress, ROOT_ITEM_DROP_PROGRESS_AT);
CONSTANT_HOLDS(root_item, ctime, ROOT_ITEM_CTIME_AT);
CONSTANT_HOLDS(root_item, otime, ROOT_ITEM_OTIME_AT);
CONSTANT_HOLDS(root_item, stime, ROOT_ITEM_STIME_AT);
CONSTANT_HOLDS(root_item, rtime, ROOT_ITEM_RTIME_AT);
CONSTANT_HOLDS(file_extent, disk_bytenr, FILE_EXTENT_INLINE_AT);
_Static_assert(sizeof(((struct packed_item *)0)->key) == KEY_DISK_SIZE, "key");
_Static_assert(SUPER_SIZE == BTRFS_SUPER_INFO_SIZE, "superblock");
_Static_assert(BTRFS_NUM_BACKUP_ROOTS *ROOT_BACKUP_SIZE == 672, "backup roots");
