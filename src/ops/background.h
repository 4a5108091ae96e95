/*
 * The background of a filesystem that stays open: a thread that writes back and commits.
 *
 * Owns the thread and the tickets of commits. A commit has a number; who asks for one gets the number
 * of the next that starts, so all who ask while one runs share the next (group commit).
 * Lock: background->lock (RANK_BACKGROUND), below that of ops/ and never held while it is taken.
 */
#ifndef UBTRFS_OPS_BACKGROUND_H
#define UBTRFS_OPS_BACKGROUND_H

#include "ops/ops.h"

struct background;

/* Starts the thread. */
int background_start(struct ubtrfs *fs) must_check;
/* Ends it; nobody else uses the filesystem any more. What it did not do is not done. NULL: nothing. */
void background_stop(struct ubtrfs *fs);
/* A commit that begins after this call, waited for. No lock is held. */
int background_commit(struct ubtrfs *fs) must_check;
/* Something has become much (KICK_* of commit/commit.h). No lock is held. */
void background_kick(struct ubtrfs *fs, unsigned kick);
/* No commit runs or starts until background_resume, which follows in the same thread. No lock is held. */
void background_pause(struct ubtrfs *fs);
void background_resume(struct ubtrfs *fs);
/* What the door asked for; the lock of the filesystem is not held. Errors have aborted. */
void background_make_room(struct ubtrfs *fs, enum room room);

#endif
