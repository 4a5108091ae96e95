/*
 * Writing what is left of a damaged filesystem: what `restore` and `undelete` share.
 *
 *   restore_walk    directories, subvolumes, names without directories
 *   restore_file    one file, symlink, special file, hard link
 *   restore_report  what was lost and why, as text and as JSON
 *   restore_state   which files of an earlier run were not whole
 *
 * Below the destination everything is reached through descriptors of its directory and never
 * through a symlink. A regular file is made under RESTORE_TEMP and gets its name when it is done,
 * so that whatever has its name is finished; what was not whole is written down before.
 */
#ifndef UBTRFS_CLI_RESTORE_H
#define UBTRFS_CLI_RESTORE_H

#include <regex.h>
#include <stdio.h>
#include <sys/stat.h>

#include <ubtrfs/rescue.h>

#include "base/json_writer.h"
#include "base/strbuf.h"
#include "cli/ino_set.h"

#define RESTORE_TEMP ".ubtrfs-restore.tmp"
#define RESTORE_STATE ".ubtrfs-restore"
#define RESTORE_STATE_NEW ".new"
/* Behind the name of a file that has one of these names in the image. */
#define RESTORE_SUFFIX ".restored"

/* ---- restore_state.c ---- */

struct restore_state {
	int dir_fd;	  /* the destination; -1: nothing is kept */
	int fd;		  /* of the list of this run; -1 before the first entry */
	uint64_t *hashes; /* of the paths of earlier runs, sorted; owned */
	uint8_t *met;	  /* a byte for each: this run has come to it; owned */
	size_t nr;
	bool has_new; /* an earlier run was interrupted */
	bool is_full; /* too many: none of the files there is trusted */
};

int restore_state_load(struct restore_state *state, int dir_fd) must_check;
/* Was it not whole the last time? This run has come to it then. */
bool restore_state_has(struct restore_state *state, const char *path);
/* This file is about to get its name and is not whole. */
int restore_state_add(struct restore_state *state, const char *path) must_check;
/* The run is complete: its list is the list, with those of earlier runs that it has not come to. */
int restore_state_finish(struct restore_state *state) must_check;
void restore_state_fini(struct restore_state *state);

/* ---- restore_report.c ---- */

struct restore_range {
	uint64_t offset, len_bytes;
	const char *why;
};
#define RESTORE_RANGES_MAX 256u

/* One thing that is not whole. */
struct restore_loss {
	const char *path; /* inside the image */
	struct ubtrfs_node node;
	unsigned state;	    /* UBTRFS_RESCUE_* */
	bool is_lost;	    /* nothing of it could be brought out */
	const char *why;    /* a sentence, or NULL */
	unsigned nr_ranges; /* at most RESTORE_RANGES_MAX stand in ranges */
	uint64_t lost_bytes;
	const struct restore_range *ranges;
};

struct restore_counts {
	uint64_t files, dirs, others, links; /* made now */
	uint64_t bytes;			     /* written */
	uint64_t there;			     /* files that an earlier run has completed */
	uint64_t left_alone;		     /* existing ones of somebody else */
	uint64_t damaged, lost, unverified;
	uint64_t snapshots; /* left out */
	uint64_t refused;   /* the destination would not take it */
};

struct restore_report {
	struct strbuf text;  /* of the losses, up to a limit */
	uint64_t nr_omitted; /* behind the limit */
	FILE *json_file;     /* NULL: no JSON */
	bool json_is_stdout;
	struct json json;
	struct strbuf json_text;
	bool is_quiet; /* no text */
	bool failed;
};

/* path: of the JSON, NULL for none; "-" is stdout. command: the name of the object in it. */
int restore_report_begin(struct restore_report *report, const char *command, const char *path,
			 uint64_t generation);
void restore_report_loss(struct restore_report *report, const struct restore_loss *loss);
/* Prints the end of it. 0, or 1 with a message. */
int restore_report_end(struct restore_report *report, const struct restore_counts *counts,
		       uint64_t blocks_lost);
void restore_report_fini(struct restore_report *report);

/* ---- the run ---- */

struct restore {
	/* how */
	bool dry_run, verbose, overwrite, snapshots;
	bool has_regex;
	regex_t regex;
	/* private */
	struct ubtrfs_rescue *rescue;
	struct strbuf out_path; /* of what is being made */
	struct strbuf path;	/* the same inside the image */
	bool is_root;
	_Atomic uint64_t nr_xattrs_lost;
	unsigned depth;
	struct ino_set seen, dirs;
	struct hash_table links; /* nodes with several names -> where the first is, below the top */
	int top_fd;
	size_t top_len;	     /* of out_path, there */
	struct ino_set made; /* what this run has made, by st_dev and st_ino */
	bool replace_made;   /* a file that this run has made gives way to the one that comes */
	struct restore_state state;
	struct restore_report report;
	struct restore_counts counts;
	/* Asked before each node is made, when set: 0, or RESTORE_SKIP (of a directory: without
	 * meaning), or RESTORE_STOP. It may set replace_made. */
	int (*look)(void *ctx, const struct ubtrfs_attr *attr, unsigned state);
	void *look_ctx;
};

void restore_init(struct restore *restore);
void restore_fini(struct restore *restore);
/* Opens, or makes, the destination. 0, or 1 with a message. Not with dry_run. */
int restore_open_dest(struct restore *restore, const char *path);
/* The following is read from this state. */
void restore_use(struct restore *restore, struct ubtrfs_rescue *rescue);

/* What stops a run: the destination is full, or no memory. Everything else is told and passed over.
 */
#define RESTORE_STOP 2
#define RESTORE_SKIP 1

/* A directory's contents, then its attributes, into an open directory. */
int restore_dir_into(struct restore *restore, struct ubtrfs_node dir, int fd);
/* One entry below dir_fd. */
int restore_entry(struct restore *restore, const struct ubtrfs_dirent *entry, int dir_fd);
/* Makes a directory, or opens the one that is there; -1 after a message (*stop: end of the run). */
int restore_dir_make(struct restore *restore, int dir_fd, const char *name, int *stop);
/* The paths that messages name, outside and inside, are longer by a name; and as they were. */
struct path_mark {
	size_t outside, inside;
};
struct path_mark restore_path_push(struct restore *restore, const char *name, size_t len);
void restore_path_pop(struct restore *restore, struct path_mark mark);

/* restore_stray.c: what directories do not lead to; top_fd is where the subvolume begins. */
int restore_strays(struct restore *restore, uint64_t subvolid, int top_fd);
/* Subvolumes that nothing led to, into lost+found of the top. */
int restore_stray_subvolumes(struct restore *restore);

/* restore_walk.c: what is told. */
/* Something could not be read at all: told with the library's sentence. */
void restore_tell_lost(struct restore *restore, struct ubtrfs_node node, unsigned state,
		       const char *why);
/* A line about what is done. */
void restore_say(const struct restore *restore, const char *what, const struct strbuf *path);
/* Something could not be made: told with errno. 0, or RESTORE_STOP. */
int restore_refused(struct restore *restore, const char *what);

/* restore_file.c: a node that is no directory. */
int restore_file(struct restore *restore, const struct ubtrfs_attr *attr, unsigned state,
		 int dir_fd, const char *name);
int restore_attrs(struct restore *restore, const struct ubtrfs_attr *attr, int dir_fd,
		  const char *name, int fd, unsigned *state);

#endif
