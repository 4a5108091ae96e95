/*
 * Export: a tree of an image as an archive, through libarchive.
 *
 * The entries come in the order of the walk (walk.h), so the same image gives the same bytes, whatever
 * the number of threads. A directory's entries are named without a prefix, itself "./"; anything else is
 * named by the caller. What pax keeps: names of any bytes, contents, holes, hard links, symlinks,
 * devices, fifos, mode, uid, gid, xattrs (SCHILY.xattr), POSIX ACLs, file flags, access, change and
 * modification time to the nanosecond. Subvolumes are directories. Sockets are left out, with a word.
 */
#ifndef UBTRFS_TRANSFER_EXPORT_H
#define UBTRFS_TRANSFER_EXPORT_H

#include <ubtrfs/file.h>

#include "base/err.h"

enum export_format { EXPORT_PAX, EXPORT_CPIO }; /* cpio: newc; keeps neither xattrs nor holes */
enum export_filter { EXPORT_PLAIN, EXPORT_GZIP, EXPORT_XZ, EXPORT_ZSTD };

struct export_options {
	struct ubtrfs *fs;
	struct ubtrfs_node top;
	const char *name; /* of the top, when it is no directory */
	int fd;		  /* where the archive goes, in order */
	enum export_format format;
	enum export_filter filter;
	unsigned nr_threads;
	/* Something cannot be in the archive, or could not be read (what NULL: the current sentence). The
	 * export goes on. */
	void (*warn)(void *ctx, const char *path, const char *what);
	void (*failed)(void *ctx, const char *path, const char *what);
	void *ctx;
};

/* Negative when the archive cannot be written: it is not complete then. */
int export_archive(const struct export_options *options) must_check;

#endif
