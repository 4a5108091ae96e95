/*
 * What `ubtrfs cp` was asked for: the arguments, read and checked against one another.
 */
#ifndef UBTRFS_CLI_CP_OPTIONS_H
#define UBTRFS_CLI_CP_OPTIONS_H

#include "cli/change.h"
#include "transfer/copy_in.h"

struct cp_request {
	struct change change;	 /* options of images, of changing one */
	struct copy_rules rules; /* but several_sources, tell */
	bool archive;		 /* -a */
	bool verbose;
	bool no_target_dir; /* -T */
	/* The first option that has a meaning only for copying into an image; NULL: none. */
	const char *only_into;
	char **sources; /* borrowed from the arguments */
	int nr_sources;
	const char *dest;
	bool dest_is_dir; /* -t */
};

enum cp_parsed { CP_RUN, CP_DONE, CP_BAD };

/* CP_DONE: help was printed; CP_BAD: told why. To be released in every case. */
enum cp_parsed cp_options_parse(int argc, char **argv, struct cp_request *ret_request);
void cp_request_release(struct cp_request *request);

/* The two directions. They yield the exit code. */
int cp_out(struct cp_request *request); /* cp_out.c */
int cp_in(struct cp_request *request);	/* cp_in.c */

/*
 * The last part of a path, "." when it names a directory by what it holds (/, dir/., ..). Owned by
 * the caller; NULL without memory.
 */
char *cp_source_name(const char *path);

#endif
