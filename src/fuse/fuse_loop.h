/*
 * Reading and answering requests, with several threads. See fuse_loop.c.
 */
#ifndef UBTRFS_FUSE_FUSE_LOOP_H
#define UBTRFS_FUSE_FUSE_LOOP_H

#include "base/err.h"

struct fuse_session;
struct loop;

int loop_new(struct fuse_session *session, unsigned nr_threads, struct loop **ret_loop) must_check;
/* Answers until the session is over: unmounted, or told to exit. */
int loop_run(struct loop *loop) must_check;
/* Whoever waits for a request looks whether the session is to exit. Any thread, also behind the end. */
void loop_interrupt(struct loop *loop);
/* NULL is allowed. */
void loop_free(struct loop *loop);

#endif
