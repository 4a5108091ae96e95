/*
 * Copying into an open filesystem with the meaning that cp(1) gives to names that are there
 * already: from directories of this machine, or from another open filesystem.
 *
 * The walk, the readers and the order are those of an import (transfer.h). Nothing is committed but
 * by commit_every; a source that failed leaves a part behind, so the caller abandons the
 * filesystem. Where cp goes on after an error, this stops: the copy is one transaction.
 *
 * What a new name gets that is not kept from the source: the caller's owner (the directory's group
 * when it has the set-group-id bit), permissions under the umask, the time of now. What exists is
 * overwritten in place: contents, and what is kept. Errors: negative, with err_text().
 */
#ifndef UBTRFS_TRANSFER_COPY_IN_H
#define UBTRFS_TRANSFER_COPY_IN_H

#include "transfer/transfer.h"

enum copy_follow {
	COPY_FOLLOW_NEVER,     /* -P: symlinks are copied as such */
	COPY_FOLLOW_ARGUMENTS, /* -H */
	COPY_FOLLOW_ALWAYS,    /* -L */
};

enum copy_update {
	COPY_UPDATE_ALL,
	COPY_UPDATE_OLDER, /* -u: what exists and is not older than the source stays */
	COPY_UPDATE_NONE,  /* -n: what exists stays */
};

enum copy_sparse {
	COPY_SPARSE_AUTO,   /* holes of the source become holes */
	COPY_SPARSE_ALWAYS, /* sectors of zeros too */
	COPY_SPARSE_NEVER,
};

/* Data of the same filesystem. */
enum copy_reflink {
	COPY_REFLINK_AUTO,   /* shared as far as it can be */
	COPY_REFLINK_ALWAYS, /* or else it is an error */
	COPY_REFLINK_NEVER,
};

/* What is kept of the source. */
#define COPY_KEEP_MODE 0x01u /* and ACLs */
#define COPY_KEEP_OWNER 0x02u
#define COPY_KEEP_TIMES 0x04u /* access and modification */
#define COPY_KEEP_LINKS 0x08u
#define COPY_KEEP_XATTRS 0x10u	/* but the next */
#define COPY_KEEP_CONTEXT 0x20u /* of SELinux */
#define COPY_KEEP_ALL 0x3fu

struct copy_rules {
	bool recursive;
	enum copy_follow follow;
	enum copy_update update;
	enum copy_sparse sparse;
	enum copy_reflink reflink;
	unsigned keep;
	bool default_mode; /* --no-preserve=mode: permissions as if newly made */
	bool one_file_system;
	bool remove_destination;
	/* What one source has put there, another does not replace. */
	bool several_sources;
	uint32_t uid, gid, umask;
	/* Called before each copy; the texts are borrowed. May be NULL. */
	void (*tell)(void *ctx, const char *source, const char *dest);
	void *ctx;
};

/* A source: a path of this machine (fs NULL), or a node of another filesystem, or of the one that is
 * written. */
struct copy_source {
	const char *path; /* as the user wrote it; in messages */
	/* Of several that are open in turn each has a number of its own: links of one are not
	 * those of another. */
	unsigned fs_nr;
	struct ubtrfs *fs;
	struct ubtrfs_node node; /* with fs; a symlink was followed where that is wanted */
};

/* Where it goes: to a name in a directory, or (name NULL) what the source directory holds goes
 * into the directory itself. */
struct copy_dest {
	struct ubtrfs_node dir;
	const char *name;
	const char *path; /* in messages */
};

struct copy_in;

/* options: threads, strict, progress, warning, commit_every; the rest is not looked at. */
int copy_in_new(struct ubtrfs *fs, const struct copy_rules *rules,
		const struct import_options *options, struct copy_in **ret_copy) must_check;
/* Copies one source; readers may be busy with it afterwards. */
int copy_in_add(struct copy_in *copy, const struct copy_source *source,
		const struct copy_dest *dest) must_check;
/* All sources so far are read, and may be closed. */
int copy_in_drain(struct copy_in *copy) must_check;
/* Gives up what was not drained. NULL is allowed. stats are added to. */
void copy_in_free(struct copy_in *copy, struct import_stats *stats);

#endif
