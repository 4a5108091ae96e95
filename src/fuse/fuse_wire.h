/*
 * Between libfuse and the kernel: what the library does not pass on. See fuse_wire.c.
 */
#ifndef UBTRFS_FUSE_FUSE_WIRE_H
#define UBTRFS_FUSE_FUSE_WIRE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* In fuse_file_info of SETATTR (fh) and WRITE (flags): set-id bits are to go. */
#define WIRE_KILL_HANDLE 1u
/* Of SETATTR: it is by a descriptor (ftruncate), and not by a path or when a file is opened. */
#define WIRE_OPEN_HANDLE 2u
#define WIRE_KILL_FLAG 0x80000000u

struct front;

struct wire {
	_Atomic uint64_t init_unique; /* of the INIT that is being answered; 0: none */
	bool kills_privileges;	      /* agreed with the kernel */
};

/* After mounting, before the loop. */
int wire_start(struct front *front) must_check;

#endif
