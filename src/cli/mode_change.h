/*
 * MODE as chmod(1) takes it: octal, or symbolic (u+rwx,g=u,a-X).
 */
#ifndef UBTRFS_CLI_MODE_CHANGE_H
#define UBTRFS_CLI_MODE_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Clauses of one mode at most. */
#define MODE_CLAUSES_MAX 64u

struct mode_clause {
	char op;	    /* = + - */
	char what;	    /* 0: value as it is; 'c': the bits that value names are copied; 'X' */
	uint32_t who;	    /* bits it is about; 0: all but the umask */
	uint32_t value;	    /* bits to be set or cleared */
	uint32_t mentioned; /* bits that were written, which decides about set-id bits of directories */
};

struct mode_change {
	struct mode_clause clauses[MODE_CLAUSES_MAX];
	unsigned nr;
};

/* ERR_INVALID without naming the text when it is no mode. */
int mode_change_parse(const char *text, struct mode_change *ret_change) must_check;
/*
 * The permission bits that come out of mode. ret_bits (may be NULL): those that the change decides;
 * the rest is as the file has it.
 */
uint32_t mode_change_apply(const struct mode_change *change, uint32_t mode, bool is_dir,
			   uint32_t umask, uint32_t *ret_bits);

#endif
