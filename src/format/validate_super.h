/*
 * Validation of a superblock, the same before each write and after each read.
 *
 * Does not check: the checksum (super_csum_ok), the place it was read from, features that we do not
 * support (ops names the bit), anything that needs another block. Allocates nothing; the sentence
 * names the field.
 */
#ifndef UBTRFS_FORMAT_VALIDATE_SUPER_H
#define UBTRFS_FORMAT_VALIDATE_SUPER_H

#include "base/err.h"
#include "format/superblock.h"

/* Passing means: super_geometry and the walk over sys_chunk_array are safe. ERR_SUPER_BAD. */
int validate_super(const uint8_t *super) must_check;

#endif
