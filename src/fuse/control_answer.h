/*
 * What the control channel answers to a request. Calls the library; keeps nothing.
 */
#ifndef UBTRFS_FUSE_CONTROL_ANSWER_H
#define UBTRFS_FUSE_CONTROL_ANSWER_H

#include <ubtrfs/ubtrfs.h>

#include "base/strbuf.h"

/* Appends a line to answer, also for what is no request at all. */
void control_answer(struct ubtrfs *fs, const char *line, size_t len, struct strbuf *answer);

#endif
