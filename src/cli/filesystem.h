/*
 * The commands of `ubtrfs filesystem` and `ubtrfs subvolume`: each gets its own name as argv[0] and
 * returns the exit code, as those in cli.h. And what the commands about space share.
 */
#ifndef UBTRFS_CLI_FILESYSTEM_H
#define UBTRFS_CLI_FILESYSTEM_H

#include <ubtrfs/admin.h>

#include "cli/question.h"

/* filesystem_show.c */
int cmd_filesystem_show(int argc, char **argv);
int cmd_filesystem_label(int argc, char **argv);
/* filesystem_df.c */
int cmd_filesystem_df(int argc, char **argv);
/* filesystem_usage.c */
int cmd_filesystem_usage(int argc, char **argv);
/* filesystem_sync.c */
int cmd_filesystem_sync(int argc, char **argv);
/* filesystem_du.c */
int cmd_filesystem_du(int argc, char **argv);

/* subvolume_list.c */
int cmd_subvolume_list(int argc, char **argv);
/* subvolume_show.c */
int cmd_subvolume_show(int argc, char **argv);
int cmd_subvolume_get_default(int argc, char **argv);

/* ---- usage_facts.c: what usage and df are made of ---- */

#define USAGE_SPACES_MAX 65u

struct usage_device {
	uint64_t devid, total_bytes, used_bytes, size_bytes;
	char *path;	     /* owned; NULL: missing */
	uint64_t *allocated; /* by space; owned by the facts */
};

struct usage_facts {
	struct ubtrfs_space spaces[USAGE_SPACES_MAX]; /* without the global reserve */
	unsigned nr_spaces;
	uint64_t reserve_bytes;
	struct usage_device *devices; /* owned */
	unsigned nr_devices;
	uint64_t *allocated;		      /* of each device, of each space; owned */
	uint64_t raw_bytes[USAGE_SPACES_MAX]; /* of each space: with copies and parity */
	uint64_t available_bytes;
};

/* In the order in which btrfs-progs lists them for usage. 0, or 1 with a message; released always. */
int usage_facts_read(struct fs_source *source, struct usage_facts *facts) must_check;
void usage_facts_release(struct usage_facts *facts);

#endif
