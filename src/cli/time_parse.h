/*
 * Points of time as users write them.
 */
#ifndef UBTRFS_CLI_TIME_PARSE_H
#define UBTRFS_CLI_TIME_PARSE_H

#include <ubtrfs/ubtrfs.h>

#include "base/err.h"

/*
 * "now"; @SECONDS[.FRACTION]; YYYY-MM-DD[(T| )HH:MM[:SS[.FRACTION]]][Z|UTC|+HH:MM|+HHMM|+HH], local
 * time when no zone is told. ERR_INVALID.
 */
int time_parse(const char *text, struct ubtrfs_time *ret_time) must_check;
/* [[CC]YY]MMDDhhmm[.ss], local time: of touch -t. ERR_INVALID. */
int time_parse_stamp(const char *text, struct ubtrfs_time *ret_time) must_check;
/* The clock. */
struct ubtrfs_time time_now(void);

#endif
