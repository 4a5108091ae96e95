/*
 * Paths of the source that are imported in another way: as subvolumes, with inode flags.
 */
#ifndef UBTRFS_TRANSFER_IMPORT_SPEC_H
#define UBTRFS_TRANSFER_IMPORT_SPEC_H

#include "transfer/transfer_priv.h"

struct spec_table;

/*
 * Checks the import's options against the source: every path is there, directories where subvolumes
 * are wanted.
 */
int spec_table_new(struct import *import, struct spec_table **ret_table) must_check;
void spec_table_free(struct spec_table *table);
/* The subvolume wanted at this path, NULL none; counts as met. top is told by spec_subvol_set. */
struct spec *spec_subvol_find(struct spec_table *table, const char *path);
void spec_subvol_set(struct spec *spec, uint64_t subvolid);
/* BTRFS_INODE_* wanted at this path; counts as met. */
uint32_t spec_flags_find(struct spec_table *table, const char *path);
/*
 * After the import: every path was met (a symlink in the way may have hidden one); makes subvolumes
 * read-only and default.
 */
int spec_table_finish(struct spec_table *table, struct import *import) must_check;

/*
 * A path as the walk writes it: relative, no empty component, no ".". ERR_INVALID for "..". what
 * names it in the message. The result is owned.
 */
int spec_normalize(const char *path, const char *what, char **ret_path) must_check;

#endif
