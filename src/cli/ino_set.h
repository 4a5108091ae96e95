/*
 * A set of inodes: a bit for each, in pieces of 4096 numbers.
 *
 * Bounded by INO_SET_PIECES_MAX pieces (240 MiB); what does not fit is not remembered.
 */
#ifndef UBTRFS_CLI_INO_SET_H
#define UBTRFS_CLI_INO_SET_H

#include <ubtrfs/file.h>

#include "base/hash.h"

#define INO_SET_PIECES_MAX ((size_t)400000)

struct ino_set {
	struct hash_table pieces;
};

void ino_set_init(struct ino_set *set);
void ino_set_fini(struct ino_set *set);
bool ino_set_has(const struct ino_set *set, struct ubtrfs_node node);
/* True when it was not there before, or could not be remembered. */
bool ino_set_add(struct ino_set *set, struct ubtrfs_node node);

#endif
