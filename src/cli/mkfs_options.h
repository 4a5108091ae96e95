/*
 * What `ubtrfs mkfs` was asked for: the arguments, read and checked against one another.
 *
 * Only rules among options are checked here; what the library can judge (profiles, sizes, features,
 * the label) it judges.
 */
#ifndef UBTRFS_CLI_MKFS_OPTIONS_H
#define UBTRFS_CLI_MKFS_OPTIONS_H

#include <ubtrfs/mkfs.h>

#include "base/strbuf.h"
#include "transfer/transfer.h"

struct mkfs_request {
	struct ubtrfs_mkfs_options fs;
	struct ubtrfs_open_options open; /* compress, threads */
	struct import_options import;
	/* Borrowed from the arguments, or owned arrays of them. */
	const char *rootdir;
	const char **archives;
	unsigned nr_archives;
	struct import_subvol *subvols;
	struct import_inode_flags *inode_flags;
	bool quiet;
	bool json;
	unsigned verbose; /* how many -v */
	/* What the fields of fs point to. */
	struct strbuf features;
	uint8_t fsid[16], device_uuid[16];
	struct ubtrfs_time timestamp;
	/* For the rules among options. */
	bool compress_given;
};

enum mkfs_parsed { MKFS_RUN, MKFS_DONE, MKFS_BAD };

/* Reads the arguments. MKFS_DONE: help, version or a list was asked for and printed; MKFS_BAD:
 * told why on stderr. The request is to be released in every case. */
enum mkfs_parsed mkfs_options_parse(int argc, char **argv, struct mkfs_request *ret_request);
void mkfs_options_release(struct mkfs_request *request);

/* mkfs_help.c */
void mkfs_print_help(void);
void mkfs_print_version(void);
void mkfs_print_features(void);

#endif
