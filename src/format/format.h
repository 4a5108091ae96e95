/*
 * What the folder format offers: the on-disk layout of btrfs, as functions over bytes. No allocation (but for the text of
 * the printers, in the caller's strbuf), no I/O, no locks, no state: everything is safe from any thread.
 *
 *   disk_ids        every number of the format, under Linux's names
 *   disk_structs    the structures as tables of fields; <prefix>_<field>(p), <prefix>_set_<field>(p, v), <PREFIX>_SIZE
 *   key             struct key, its order, its 17 bytes
 *   geometry        node and sector size, checksum, and the limits that follow
 *   node_layout     headers, items, pointers; search in a node; edits of a leaf
 *   superblock      checksum, places of the copies, names of features
 *   validate_super  judges a superblock
 *   validate_node   judges a tree block, before each write and after each read
 *   item_ops        by key type: name, validate, print
 *   print_key, print_node, print_super   the text of dump-tree and dump-super
 *
 * Who calls what: a reader gets 4096 bytes, super_has_magic, super_csum_ok, validate_super, super_geometry; then for each
 * node node_csum_ok, validate_node, and from there on the accessors without further checks. A writer of a node sets
 * WRITTEN, node_clear_unused, validate_node, node_csum_update.
 *
 * Errors: ERR_SUPER_BAD names the field; ERR_NODE_BAD names block, slot, key and reason.
 */
#ifndef UBTRFS_FORMAT_FORMAT_H
#define UBTRFS_FORMAT_FORMAT_H

#include "format/disk_ids.h"
#include "format/disk_structs.h"
#include "format/geometry.h"
#include "format/item_ops.h"
#include "format/key.h"
#include "format/node_layout.h"
#include "format/print_key.h"
#include "format/print_node.h"
#include "format/print_super.h"
#include "format/superblock.h"
#include "format/validate_node.h"
#include "format/validate_super.h"

#endif
