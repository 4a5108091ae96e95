/*
 * The structures of the disk, as tables of fields, and typed accessors over bytes made from the tables.
 *
 * For each row X(KIND, prefix, field, offset[, length]) there is, for p the first byte of the structure:
 *   U8 U16 U32 U64  <prefix>_<field>(p) and <prefix>_set_<field>(p, value), little-endian at any alignment;
 *   BYTES, NEST     <prefix>_<field>(p), a const uint8_t *, and <prefix>_<field>_mut(p), a uint8_t *.
 * NEST is a structure (or a key, or an array of structures) with accessors of its own. Field names are Linux's. Nothing
 * here checks that p holds enough bytes: that is the validators' work. disk_structs.c holds every row and size against
 * the packed structure that the table describes; tools/gen-format-doc writes docs/format.md from these tables.
 */
#ifndef UBTRFS_FORMAT_DISK_STRUCTS_H
#define UBTRFS_FORMAT_DISK_STRUCTS_H

#include <stdint.h>

#include "base/bytes.h"
#include "format/disk_ids.h"

/* clang-format off */

#define SUPER_SIZE 4096
#define SUPER_DEV_ITEM_AT 201
#define SUPER_SYS_CHUNK_ARRAY_AT 811
#define SUPER_SUPER_ROOTS_AT 2859
#define SUPER_FIELDS(X)                                                                                  \
	X(BYTES, super, csum, 0, 32)                   /* of bytes 32 to 4095 */                         \
	X(BYTES, super, fsid, 32, 16)                                                                    \
	X(U64, super, bytenr, 48)                      /* physical address of this copy */               \
	X(U64, super, flags, 56)                                                                         \
	X(U64, super, magic, 64)                       /* "_BHRfS_M" */                                  \
	X(U64, super, generation, 72)                  /* of the last commit */                          \
	X(U64, super, root, 80)                        /* logical address of the root tree's root */     \
	X(U64, super, chunk_root, 88)                                                                    \
	X(U64, super, log_root, 96)                    /* 0: no log to replay */                         \
	X(U64, super, log_root_transid, 104)           /* unused */                                      \
	X(U64, super, total_bytes, 112)                                                                  \
	X(U64, super, bytes_used, 120)                                                                   \
	X(U64, super, root_dir_objectid, 128)          /* 6 */                                           \
	X(U64, super, num_devices, 136)                                                                  \
	X(U32, super, sectorsize, 144)                                                                   \
	X(U32, super, nodesize, 148)                                                                     \
	X(U32, super, leafsize, 152)                   /* unused, equals nodesize */                     \
	X(U32, super, stripesize, 156)                 /* unused, equals sectorsize */                   \
	X(U32, super, sys_chunk_array_size, 160)                                                         \
	X(U64, super, chunk_root_generation, 164)                                                        \
	X(U64, super, compat_flags, 172)                                                                 \
	X(U64, super, compat_ro_flags, 180)                                                              \
	X(U64, super, incompat_flags, 188)                                                               \
	X(U16, super, csum_type, 196)                                                                    \
	X(U8, super, root_level, 198)                                                                    \
	X(U8, super, chunk_root_level, 199)                                                              \
	X(U8, super, log_root_level, 200)                                                                \
	X(NEST, super, dev_item, 201, 98)              /* dev_item of the device that holds this copy */ \
	X(BYTES, super, label, 299, 256)               /* ends with a zero byte */                       \
	X(U64, super, cache_generation, 555)           /* all ones: no version 1 free-space cache */     \
	X(U64, super, uuid_tree_generation, 563)                                                         \
	X(BYTES, super, metadata_uuid, 571, 16)        /* the tree blocks' fsid, with METADATA_UUID */   \
	X(U64, super, nr_global_roots, 587)            /* extent-tree-v2 */                              \
	X(U64, super, remap_root, 595)                 /* remap-tree */                                  \
	X(U64, super, remap_root_generation, 603)                                                        \
	X(U8, super, remap_root_level, 611)                                                              \
	X(BYTES, super, reserved, 612, 199)                                                              \
	X(BYTES, super, sys_chunk_array, 811, 2048)    /* pairs of key and chunk */                      \
	X(NEST, super, super_roots, 2859, 672)         /* 4 of root_backup */                            \
	X(BYTES, super, padding, 3531, 565)

#define ROOT_BACKUP_SIZE 168
#define ROOT_BACKUP_FIELDS(X)                             \
	X(U64, root_backup, tree_root, 0)                 \
	X(U64, root_backup, tree_root_gen, 8)             \
	X(U64, root_backup, chunk_root, 16)               \
	X(U64, root_backup, chunk_root_gen, 24)           \
	X(U64, root_backup, extent_root, 32)              \
	X(U64, root_backup, extent_root_gen, 40)          \
	X(U64, root_backup, fs_root, 48)                  \
	X(U64, root_backup, fs_root_gen, 56)              \
	X(U64, root_backup, dev_root, 64)                 \
	X(U64, root_backup, dev_root_gen, 72)             \
	X(U64, root_backup, csum_root, 80)                \
	X(U64, root_backup, csum_root_gen, 88)            \
	X(U64, root_backup, total_bytes, 96)              \
	X(U64, root_backup, bytes_used, 104)              \
	X(U64, root_backup, num_devices, 112)             \
	X(BYTES, root_backup, unused_64, 120, 32)         \
	X(U8, root_backup, tree_root_level, 152)          \
	X(U8, root_backup, chunk_root_level, 153)         \
	X(U8, root_backup, extent_root_level, 154)        \
	X(U8, root_backup, fs_root_level, 155)            \
	X(U8, root_backup, dev_root_level, 156)           \
	X(U8, root_backup, csum_root_level, 157)          \
	X(BYTES, root_backup, unused_8, 158, 10)

#define HEADER_SIZE 101
#define HEADER_FIELDS(X)                                                                            \
	X(BYTES, header, csum, 0, 32)              /* of bytes 32 to the node's end */              \
	X(BYTES, header, fsid, 32, 16)                                                              \
	X(U64, header, bytenr, 48)                 /* logical address of this block */              \
	X(U64, header, flags, 56)                  /* top byte: revision of back references */      \
	X(BYTES, header, chunk_tree_uuid, 64, 16)                                                   \
	X(U64, header, generation, 80)                                                              \
	X(U64, header, owner, 88)                                                                   \
	X(U32, header, nritems, 96)                                                                 \
	X(U8, header, level, 100)                  /* 0: leaf */

/* Leaf: the array of items after the header; the data grow down from the node's end. */
#define ITEM_SIZE 25
#define ITEM_FIELDS(X)                                                                     \
	X(NEST, item, key, 0, 17)                                                          \
	X(U32, item, offset, 17)          /* of the data, from the end of the header */    \
	X(U32, item, size, 21)

/* Internal node: the array of pointers after the header. */
#define KEY_PTR_SIZE 33
#define KEY_PTR_FIELDS(X)                                                 \
	X(NEST, key_ptr, key, 0, 17)                                      \
	X(U64, key_ptr, blockptr, 17)                                     \
	X(U64, key_ptr, generation, 25)

#define DEV_ITEM_SIZE 98
#define DEV_ITEM_FIELDS(X)                                                \
	X(U64, dev_item, devid, 0)                                        \
	X(U64, dev_item, total_bytes, 8)                                  \
	X(U64, dev_item, bytes_used, 16)                                  \
	X(U32, dev_item, io_align, 24)                                    \
	X(U32, dev_item, io_width, 28)                                    \
	X(U32, dev_item, sector_size, 32)                                 \
	X(U64, dev_item, type, 36)                                        \
	X(U64, dev_item, generation, 44)                                  \
	X(U64, dev_item, start_offset, 52)                                \
	X(U32, dev_item, dev_group, 60)                                   \
	X(U8, dev_item, seek_speed, 64)                                   \
	X(U8, dev_item, bandwidth, 65)                                    \
	X(BYTES, dev_item, uuid, 66, 16)                                  \
	X(BYTES, dev_item, fsid, 82, 16)

#define STRIPE_SIZE 32
#define STRIPE_FIELDS(X)                                                  \
	X(U64, stripe, devid, 0)                                          \
	X(U64, stripe, offset, 8)                                         \
	X(BYTES, stripe, dev_uuid, 16, 16)

/* CHUNK_SIZE is without stripes; chunk_stripe(p, i) is the i-th of them. */
#define CHUNK_SIZE 48
#define CHUNK_FIELDS(X)                                                   \
	X(U64, chunk, length, 0)                                          \
	X(U64, chunk, owner, 8)                                           \
	X(U64, chunk, stripe_len, 16)                                     \
	X(U64, chunk, type, 24)                                           \
	X(U32, chunk, io_align, 32)                                       \
	X(U32, chunk, io_width, 36)                                       \
	X(U32, chunk, sector_size, 40)                                    \
	X(U16, chunk, num_stripes, 44)                                    \
	X(U16, chunk, sub_stripes, 46)

#define DEV_EXTENT_SIZE 48
#define DEV_EXTENT_FIELDS(X)                                              \
	X(U64, dev_extent, chunk_tree, 0)                                 \
	X(U64, dev_extent, chunk_objectid, 8)                             \
	X(U64, dev_extent, chunk_offset, 16)                              \
	X(U64, dev_extent, length, 24)                                    \
	X(BYTES, dev_extent, chunk_tree_uuid, 32, 16)

#define BLOCK_GROUP_ITEM_SIZE 24
#define BLOCK_GROUP_ITEM_FIELDS(X)                                        \
	X(U64, block_group_item, used, 0)                                 \
	X(U64, block_group_item, chunk_objectid, 8)                       \
	X(U64, block_group_item, flags, 16)

/* With remap-tree these follow the fields of block_group_item. */
#define BLOCK_GROUP_REMAP_SIZE 12
#define BLOCK_GROUP_REMAP_FIELDS(X)                                       \
	X(U64, block_group_remap, remap_bytes, 0)                         \
	X(U32, block_group_remap, identity_remap_count, 8)

#define TIMESPEC_SIZE 12
#define TIMESPEC_FIELDS(X)                                                \
	X(U64, timespec, sec, 0)          /* signed */                    \
	X(U32, timespec, nsec, 8)

#define INODE_ITEM_SIZE 160
#define INODE_ITEM_ATIME_AT 112
#define INODE_ITEM_CTIME_AT 124
#define INODE_ITEM_MTIME_AT 136
#define INODE_ITEM_OTIME_AT 148
#define INODE_ITEM_FIELDS(X)                                              \
	X(U64, inode_item, generation, 0)                                 \
	X(U64, inode_item, transid, 8)                                    \
	X(U64, inode_item, size, 16)                                      \
	X(U64, inode_item, nbytes, 24)                                    \
	X(U64, inode_item, block_group, 32)                               \
	X(U32, inode_item, nlink, 40)                                     \
	X(U32, inode_item, uid, 44)                                       \
	X(U32, inode_item, gid, 48)                                       \
	X(U32, inode_item, mode, 52)                                      \
	X(U64, inode_item, rdev, 56)                                      \
	X(U64, inode_item, flags, 64)                                     \
	X(U64, inode_item, sequence, 72)                                  \
	X(BYTES, inode_item, reserved, 80, 32)                            \
	X(NEST, inode_item, atime, 112, 12)                               \
	X(NEST, inode_item, ctime, 124, 12)                               \
	X(NEST, inode_item, mtime, 136, 12)                               \
	X(NEST, inode_item, otime, 148, 12)

/* Old root items end before generation_v2. */
#define ROOT_ITEM_SIZE 439
#define ROOT_ITEM_LEGACY_SIZE 239
#define ROOT_ITEM_INODE_AT 0
#define ROOT_ITEM_DROP_PROGRESS_AT 220
#define ROOT_ITEM_CTIME_AT 327
#define ROOT_ITEM_OTIME_AT 339
#define ROOT_ITEM_STIME_AT 351
#define ROOT_ITEM_RTIME_AT 363
#define ROOT_ITEM_FIELDS(X)                                                                            \
	X(NEST, root_item, inode, 0, 160)                                                              \
	X(U64, root_item, generation, 160)                                                             \
	X(U64, root_item, root_dirid, 168)                                                             \
	X(U64, root_item, bytenr, 176)                                                                 \
	X(U64, root_item, byte_limit, 184)                                                             \
	X(U64, root_item, bytes_used, 192)                                                             \
	X(U64, root_item, last_snapshot, 200)                                                          \
	X(U64, root_item, flags, 208)                                                                  \
	X(U32, root_item, refs, 216)                                                                   \
	X(NEST, root_item, drop_progress, 220, 17)                                                     \
	X(U8, root_item, drop_level, 237)                                                              \
	X(U8, root_item, level, 238)                                                                   \
	X(U64, root_item, generation_v2, 239)         /* the rest counts when equal to generation */   \
	X(BYTES, root_item, uuid, 247, 16)                                                             \
	X(BYTES, root_item, parent_uuid, 263, 16)                                                      \
	X(BYTES, root_item, received_uuid, 279, 16)                                                    \
	X(U64, root_item, ctransid, 295)                                                               \
	X(U64, root_item, otransid, 303)                                                               \
	X(U64, root_item, stransid, 311)                                                               \
	X(U64, root_item, rtransid, 319)                                                               \
	X(NEST, root_item, ctime, 327, 12)                                                             \
	X(NEST, root_item, otime, 339, 12)                                                             \
	X(NEST, root_item, stime, 351, 12)                                                             \
	X(NEST, root_item, rtime, 363, 12)                                                             \
	X(BYTES, root_item, reserved, 375, 64)

/* ROOT_REF and ROOT_BACKREF; the name follows. */
#define ROOT_REF_SIZE 18
#define ROOT_REF_FIELDS(X)                                                \
	X(U64, root_ref, dirid, 0)                                        \
	X(U64, root_ref, sequence, 8)                                     \
	X(U16, root_ref, name_len, 16)

/* The name follows; several of these in one item. */
#define INODE_REF_SIZE 10
#define INODE_REF_FIELDS(X)                                               \
	X(U64, inode_ref, index, 0)                                       \
	X(U16, inode_ref, name_len, 8)

#define INODE_EXTREF_SIZE 18
#define INODE_EXTREF_FIELDS(X)                                            \
	X(U64, inode_extref, parent_objectid, 0)                          \
	X(U64, inode_extref, index, 8)                                    \
	X(U16, inode_extref, name_len, 16)

/* DIR_ITEM, DIR_INDEX and XATTR_ITEM; name, then data follow; several in one item. */
#define DIR_ITEM_SIZE 30
#define DIR_ITEM_LOCATION_AT 0
#define DIR_ITEM_FIELDS(X)                                                \
	X(NEST, dir_item, location, 0, 17)                                \
	X(U64, dir_item, transid, 17)                                     \
	X(U16, dir_item, data_len, 25)                                    \
	X(U16, dir_item, name_len, 27)                                    \
	X(U8, dir_item, type, 29)

#define DIR_LOG_ITEM_SIZE 8
#define DIR_LOG_ITEM_FIELDS(X)                                            \
	X(U64, dir_log_item, end, 0)

/* Inline data begin at disk_bytenr. */
#define FILE_EXTENT_SIZE 53
#define FILE_EXTENT_INLINE_AT 21
#define FILE_EXTENT_FIELDS(X)                                                             \
	X(U64, file_extent, generation, 0)                                                \
	X(U64, file_extent, ram_bytes, 8)                                                 \
	X(U8, file_extent, compression, 16)                                               \
	X(U8, file_extent, encryption, 17)                                                \
	X(U16, file_extent, other_encoding, 18)                                           \
	X(U8, file_extent, type, 20)                                                      \
	X(U64, file_extent, disk_bytenr, 21)              /* 0: a hole */                 \
	X(U64, file_extent, disk_num_bytes, 29)                                           \
	X(U64, file_extent, offset, 37)                   /* into the extent in RAM */    \
	X(U64, file_extent, num_bytes, 45)

/* EXTENT_ITEM and METADATA_ITEM; [tree_block_info], then inline references follow. */
#define EXTENT_ITEM_SIZE 24
#define EXTENT_ITEM_FIELDS(X)                                             \
	X(U64, extent_item, refs, 0)                                      \
	X(U64, extent_item, generation, 8)                                \
	X(U64, extent_item, flags, 16)

#define TREE_BLOCK_INFO_SIZE 18
#define TREE_BLOCK_INFO_FIELDS(X)                                         \
	X(NEST, tree_block_info, key, 0, 17)                              \
	X(U8, tree_block_info, level, 17)

/* For EXTENT_DATA_REF the extent_data_ref stands in place of offset; after SHARED_DATA_REF's follows the count. */
#define INLINE_REF_SIZE 9
#define INLINE_REF_FIELDS(X)                                              \
	X(U8, inline_ref, type, 0)                                        \
	X(U64, inline_ref, offset, 1)

#define EXTENT_DATA_REF_SIZE 28
#define EXTENT_DATA_REF_FIELDS(X)                                         \
	X(U64, extent_data_ref, root, 0)                                  \
	X(U64, extent_data_ref, objectid, 8)                              \
	X(U64, extent_data_ref, offset, 16)                               \
	X(U32, extent_data_ref, count, 24)

#define SHARED_DATA_REF_SIZE 4
#define SHARED_DATA_REF_FIELDS(X)                                         \
	X(U32, shared_data_ref, count, 0)

#define EXTENT_OWNER_REF_SIZE 8
#define EXTENT_OWNER_REF_FIELDS(X)                                        \
	X(U64, extent_owner_ref, root_id, 0)

#define FREE_SPACE_INFO_SIZE 8
#define FREE_SPACE_INFO_FIELDS(X)                                         \
	X(U32, free_space_info, extent_count, 0)                          \
	X(U32, free_space_info, flags, 4)

/* Version 1 of the free-space cache: key (FREE_SPACE, 0, start of the block group). */
#define FREE_SPACE_HEADER_SIZE 41
#define FREE_SPACE_HEADER_FIELDS(X)                                       \
	X(NEST, free_space_header, location, 0, 17)                       \
	X(U64, free_space_header, generation, 17)                         \
	X(U64, free_space_header, num_entries, 25)                        \
	X(U64, free_space_header, num_bitmaps, 33)

#define FREE_SPACE_ENTRY_SIZE 17
#define FREE_SPACE_ENTRY_FIELDS(X)                                        \
	X(U64, free_space_entry, offset, 0)                               \
	X(U64, free_space_entry, bytes, 8)                                \
	X(U8, free_space_entry, type, 16)

#define RAID_STRIDE_SIZE 16
#define RAID_STRIDE_FIELDS(X)                                             \
	X(U64, raid_stride, devid, 0)                                     \
	X(U64, raid_stride, physical, 8)

/* REMAP: where the range of the key lies now; REMAP_BACKREF: where it was. IDENTITY_REMAP is empty. */
#define REMAP_ITEM_SIZE 8
#define REMAP_ITEM_FIELDS(X)                                              \
	X(U64, remap_item, address, 0)

/* May be longer in a later version: values are only ever added. */
#define DEV_STATS_SIZE 40
#define DEV_STATS_FIELDS(X)                                               \
	X(U64, dev_stats, write_errs, 0)                                  \
	X(U64, dev_stats, read_errs, 8)                                   \
	X(U64, dev_stats, flush_errs, 16)                                 \
	X(U64, dev_stats, corruption_errs, 24)                            \
	X(U64, dev_stats, generation_errs, 32)

#define DEV_REPLACE_SIZE 72
#define DEV_REPLACE_FIELDS(X)                                             \
	X(U64, dev_replace, src_devid, 0)                                 \
	X(U64, dev_replace, cursor_left, 8)                               \
	X(U64, dev_replace, cursor_right, 16)                             \
	X(U64, dev_replace, cont_reading_from_srcdev_mode, 24)            \
	X(U64, dev_replace, replace_state, 32)                            \
	X(U64, dev_replace, time_started, 40)                             \
	X(U64, dev_replace, time_stopped, 48)                             \
	X(U64, dev_replace, num_write_errors, 56)                         \
	X(U64, dev_replace, num_uncorrectable_read_errors, 64)

/* usage and limit are also read as two u32, minimum first. */
#define BALANCE_ARGS_SIZE 136
#define BALANCE_ARGS_FIELDS(X)                                            \
	X(U64, balance_args, profiles, 0)                                 \
	X(U64, balance_args, usage, 8)                                    \
	X(U64, balance_args, devid, 16)                                   \
	X(U64, balance_args, pstart, 24)                                  \
	X(U64, balance_args, pend, 32)                                    \
	X(U64, balance_args, vstart, 40)                                  \
	X(U64, balance_args, vend, 48)                                    \
	X(U64, balance_args, target, 56)                                  \
	X(U64, balance_args, flags, 64)                                   \
	X(U64, balance_args, limit, 72)                                   \
	X(U32, balance_args, stripes_min, 80)                             \
	X(U32, balance_args, stripes_max, 84)                             \
	X(BYTES, balance_args, unused, 88, 48)

#define BALANCE_ITEM_SIZE 448
#define BALANCE_ITEM_FIELDS(X)                                            \
	X(U64, balance_item, flags, 0)                                    \
	X(NEST, balance_item, data, 8, 136)                               \
	X(NEST, balance_item, meta, 144, 136)                             \
	X(NEST, balance_item, sys, 280, 136)                              \
	X(BYTES, balance_item, unused, 416, 32)

/* With simple quotas qgroup_status_squota follows. */
#define QGROUP_STATUS_SIZE 32
#define QGROUP_STATUS_FIELDS(X)                                           \
	X(U64, qgroup_status, version, 0)                                 \
	X(U64, qgroup_status, generation, 8)                              \
	X(U64, qgroup_status, flags, 16)                                  \
	X(U64, qgroup_status, rescan, 24)

#define QGROUP_STATUS_SQUOTA_SIZE 8
#define QGROUP_STATUS_SQUOTA_FIELDS(X)                                    \
	X(U64, qgroup_status_squota, enable_gen, 0)

#define QGROUP_INFO_SIZE 40
#define QGROUP_INFO_FIELDS(X)                                             \
	X(U64, qgroup_info, generation, 0)                                \
	X(U64, qgroup_info, rfer, 8)                                      \
	X(U64, qgroup_info, rfer_cmpr, 16)                                \
	X(U64, qgroup_info, excl, 24)                                     \
	X(U64, qgroup_info, excl_cmpr, 32)

#define QGROUP_LIMIT_SIZE 40
#define QGROUP_LIMIT_FIELDS(X)                                            \
	X(U64, qgroup_limit, flags, 0)                                    \
	X(U64, qgroup_limit, max_rfer, 8)                                 \
	X(U64, qgroup_limit, max_excl, 16)                                \
	X(U64, qgroup_limit, rsv_rfer, 24)                                \
	X(U64, qgroup_limit, rsv_excl, 32)

#define VERITY_DESCRIPTOR_SIZE 25
#define VERITY_DESCRIPTOR_FIELDS(X)                                       \
	X(U64, verity_descriptor, size, 0)                                \
	X(BYTES, verity_descriptor, reserved, 8, 16)                      \
	X(U8, verity_descriptor, encryption, 24)

/* Every structure: its prefix in both cases. */
#define DISK_STRUCTS(S)                            \
	S(super, SUPER)                            \
	S(root_backup, ROOT_BACKUP)                \
	S(header, HEADER)                          \
	S(item, ITEM)                              \
	S(key_ptr, KEY_PTR)                        \
	S(dev_item, DEV_ITEM)                      \
	S(stripe, STRIPE)                          \
	S(chunk, CHUNK)                            \
	S(dev_extent, DEV_EXTENT)                  \
	S(block_group_item, BLOCK_GROUP_ITEM)      \
	S(block_group_remap, BLOCK_GROUP_REMAP)    \
	S(timespec, TIMESPEC)                      \
	S(inode_item, INODE_ITEM)                  \
	S(root_item, ROOT_ITEM)                    \
	S(root_ref, ROOT_REF)                      \
	S(inode_ref, INODE_REF)                    \
	S(inode_extref, INODE_EXTREF)              \
	S(dir_item, DIR_ITEM)                      \
	S(dir_log_item, DIR_LOG_ITEM)              \
	S(file_extent, FILE_EXTENT)                \
	S(extent_item, EXTENT_ITEM)                \
	S(tree_block_info, TREE_BLOCK_INFO)        \
	S(inline_ref, INLINE_REF)                  \
	S(extent_data_ref, EXTENT_DATA_REF)        \
	S(shared_data_ref, SHARED_DATA_REF)        \
	S(extent_owner_ref, EXTENT_OWNER_REF)      \
	S(free_space_info, FREE_SPACE_INFO)        \
	S(free_space_header, FREE_SPACE_HEADER)    \
	S(free_space_entry, FREE_SPACE_ENTRY)      \
	S(raid_stride, RAID_STRIDE)                \
	S(remap_item, REMAP_ITEM)                  \
	S(dev_stats, DEV_STATS)                    \
	S(dev_replace, DEV_REPLACE)                \
	S(balance_args, BALANCE_ARGS)              \
	S(balance_item, BALANCE_ITEM)              \
	S(qgroup_status, QGROUP_STATUS)            \
	S(qgroup_status_squota, QGROUP_STATUS_SQUOTA) \
	S(qgroup_info, QGROUP_INFO)                \
	S(qgroup_limit, QGROUP_LIMIT)              \
	S(verity_descriptor, VERITY_DESCRIPTOR)

/* clang-format on */

#define DISK_NUMBER(prefix, field, at, bits)                                   \
	static inline uint##bits##_t prefix##_##field(const void *p)           \
	{                                                                      \
		return load##bits((const uint8_t *)p + (at));                  \
	}                                                                      \
	static inline void prefix##_set_##field(void *p, uint##bits##_t value) \
	{                                                                      \
		store##bits((uint8_t *)p + (at), value);                       \
	}
#define DISK_POINTER(prefix, field, at)                              \
	static inline const uint8_t *prefix##_##field(const void *p) \
	{                                                            \
		return (const uint8_t *)p + (at);                    \
	}                                                            \
	static inline uint8_t *prefix##_##field##_mut(void *p)       \
	{                                                            \
		return (uint8_t *)p + (at);                          \
	}

#define DISK_ACCESS_U8(prefix, field, at) DISK_NUMBER(prefix, field, at, 8)
#define DISK_ACCESS_U16(prefix, field, at) DISK_NUMBER(prefix, field, at, 16)
#define DISK_ACCESS_U32(prefix, field, at) DISK_NUMBER(prefix, field, at, 32)
#define DISK_ACCESS_U64(prefix, field, at) DISK_NUMBER(prefix, field, at, 64)
#define DISK_ACCESS_BYTES(prefix, field, at, len) DISK_POINTER(prefix, field, at)
#define DISK_ACCESS_NEST(prefix, field, at, len) DISK_POINTER(prefix, field, at)
#define DISK_ACCESS(kind, ...) DISK_ACCESS_##kind(__VA_ARGS__)

#define DISK_ACCESSORS(prefix, PREFIX) PREFIX##_FIELDS(DISK_ACCESS)
DISK_STRUCTS(DISK_ACCESSORS)
#undef DISK_ACCESSORS

/* The i-th stripe of a chunk, and the size of a chunk item with that many stripes. */
static inline const uint8_t *chunk_stripe(const void *p, unsigned i)
{
	return (const uint8_t *)p + CHUNK_SIZE + (size_t)i * STRIPE_SIZE;
}

static inline uint8_t *chunk_stripe_mut(void *p, unsigned i)
{
	return (uint8_t *)p + CHUNK_SIZE + (size_t)i * STRIPE_SIZE;
}

static inline uint32_t chunk_size_bytes(unsigned nr_stripes)
{
	return CHUNK_SIZE + nr_stripes * STRIPE_SIZE;
}

/* The i-th of the four root backups of a superblock. */
static inline const uint8_t *super_root_backup(const void *p, unsigned i)
{
	return super_super_roots(p) + (size_t)i * ROOT_BACKUP_SIZE;
}

static inline uint8_t *super_root_backup_mut(void *p, unsigned i)
{
	return super_super_roots_mut(p) + (size_t)i * ROOT_BACKUP_SIZE;
}

/* Bytes that an inline reference of a type takes; 0 for a type that cannot stand inline. */
static inline uint32_t inline_ref_size_bytes(uint8_t type)
{
	switch (type) {
	case BTRFS_TREE_BLOCK_REF_KEY:
	case BTRFS_SHARED_BLOCK_REF_KEY:
	case BTRFS_EXTENT_OWNER_REF_KEY:
		return INLINE_REF_SIZE;
	case BTRFS_SHARED_DATA_REF_KEY:
		return INLINE_REF_SIZE + SHARED_DATA_REF_SIZE;
	case BTRFS_EXTENT_DATA_REF_KEY:
		return 1 + EXTENT_DATA_REF_SIZE;
	default:
		return 0;
	}
}

#endif
