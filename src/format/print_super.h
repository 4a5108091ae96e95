/*
 * The text of dump-super for one superblock. Safe on any 4096 bytes. The headline naming the
 * device, the line of dashes and the blank line after it are the caller's.
 */
#ifndef UBTRFS_FORMAT_PRINT_SUPER_H
#define UBTRFS_FORMAT_PRINT_SUPER_H

#include "base/strbuf.h"
#include "format/superblock.h"

/* full: with the system chunks and the backup roots (dump-super -f). */
void print_super(struct strbuf *out, const uint8_t *super, bool full);

#endif
