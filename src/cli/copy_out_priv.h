/*
 * What the files of copying out share: places, directories being made, and who does what.
 *
 * copy_out.c walks directories, copy_file.c makes files and fills them, copy_link.c makes further
 * names of one file, copy_attr.c sets attributes. Every function that yields an int here yields 0,
 * or 1 after it has told of an error, except where TRY and THROW rule (must_check).
 */
#ifndef UBTRFS_CLI_COPY_OUT_PRIV_H
#define UBTRFS_CLI_COPY_OUT_PRIV_H

#include "base/strbuf.h"
#include "cli/copy_out.h"

/*
 * A directory that is being filled. States: queued -> open (its task ran first) -> listed -> finished
 * when nothing in it is pending: then it gets its attributes, and its parent is told.
 */
struct copy_dir {
	struct task task; /* lists it, a batch of entries at a time */
	struct copy_out *copy;
	struct copy_dir *parent; /* NULL: the top, whose name is a path */
	struct ubtrfs_attr attr;
	_Atomic unsigned pending; /* the listing, and everything in it that is not finished */
	uint64_t cookie;	  /* the last entry that was listed */
	unsigned depth;
	int fd; /* -1: not open */
	bool is_new;
	bool by_user;
	char name[];
};

/* Where a node goes: a name in a directory that is open, or (dir NULL) a path. */
struct copy_place {
	struct copy_dir *dir;
	const char *name;
	bool by_user; /* the name is the user's, not the image's */
};

static inline int place_dir_fd(const struct copy_place *place)
{
	return place->dir ? place->dir->fd : AT_FDCWD;
}

/* ---- copy_out.c ---- */

/* The path of a place as the user sees it; owned by the caller. */
void place_path(const struct copy_place *place, struct strbuf *ret_path);
/* "PATH: cannot WHAT: strerror", and the failure is noted. Yields 1. */
int copy_told(struct copy_out *copy, const struct copy_place *place, const char *what);
/* "PATH: sentence of the library". Yields 1. */
int copy_failed(struct copy_out *copy, const struct copy_place *place);
/* "PATH: what". Yields 1. */
int copy_refused(struct copy_out *copy, const struct copy_place *place, const char *what);
void dir_get(struct copy_dir *dir);
/* One thing less is pending; finishes the directory, and those above it, after the last. */
void dir_put(struct copy_dir *dir);
uint8_t *copy_buffer(struct copy_out *copy, unsigned worker);

/* ---- copy_file.c: whatever is no directory ---- */

int copy_as_its_kind(struct copy_out *copy, const struct ubtrfs_attr *attr,
		     const struct copy_place *place, unsigned worker);
/*
 * Takes away what is not a regular file, so that nothing is written through a symlink or into a
 * fifo.
 */
int clear_way(struct copy_out *copy, const struct copy_place *place, bool keep_regular);

/* ---- copy_link.c ---- */

/* One name of a node that has several: the first that comes is made, the others are links to it. */
int copy_linked(struct copy_out *copy, const struct ubtrfs_attr *attr,
		const struct copy_place *place, unsigned worker);
void links_forget(struct copy_out *copy);

/* ---- copy_attr.c ---- */

/*
 * Owner, xattrs, mode, times of what was made there. fd: the same, open, or -1 (symlinks, special
 * files).
 */
int copy_attrs(struct copy_out *copy, const struct ubtrfs_attr *attr,
	       const struct copy_place *place, int fd);

#endif
