/*
 * Import: a directory tree or an archive into an open filesystem, through the public API and
 * nothing else.
 *
 * What an import keeps: names of any bytes, contents, holes, hard links, symlinks, devices, fifos,
 * sockets, mode with set-id bits, uid and gid, all xattrs that btrfs can hold, times to the
 * nanosecond. What it does not take from a directory: inode flags of the source (they depend on its
 * filesystem), and holes shorter than a sector (so does whether they are holes).
 *
 * Order: a directory's entries are created in bytewise order of their names, then its
 * subdirectories are entered in that order. So the result depends neither on readdir's order nor on
 * the number of threads.
 *
 * Both functions commit before they return 0, unless options->no_commit: every source was read by then. After a failure the
 * filesystem holds a part; the caller abandons it. Neither holds locks while it calls the API.
 * Errors: negative, with err_text().
 */
#ifndef UBTRFS_TRANSFER_H
#define UBTRFS_TRANSFER_H

#include <ubtrfs/file.h>
#include <ubtrfs/mkfs.h>

#include "base/err.h"

/* --subvol TYPE:DIR. dir is relative to the imported directory and borrowed. */
enum import_subvol_type {
	IMPORT_SUBVOL_RW,
	IMPORT_SUBVOL_RO,
	IMPORT_SUBVOL_DEFAULT,
	IMPORT_SUBVOL_DEFAULT_RO,
};

struct import_subvol {
	enum import_subvol_type type;
	const char *dir;
};

/*
 * --inode-flags FLAGS:PATH. What lies below a directory, in the same subvolume, inherits them. path
 * is borrowed.
 */
#define IMPORT_NODATASUM 0x1u
#define IMPORT_NODATACOW 0x2u /* of a regular file: no checksums either */

struct import_inode_flags {
	unsigned flags;
	const char *path;
};

struct import_progress {
	uint64_t items_done, bytes_done;
	uint64_t items_total,
		bytes_total; /* found so far, final when total_known; of an archive: 0 */
	bool total_known;
};

struct import_options {
	bool has_owner; /* everything belongs to owner_uid, owner_gid */
	uint32_t owner_uid, owner_gid;
	bool has_root_owner; /* the top directory belongs to root_uid, root_gid */
	uint32_t root_uid, root_gid;
	/*
	 * A reproducible result: only the modification time of the source counts. Access, change
	 * and birth time become equal to it; what has none in the source gets the timestamp.
	 * Without it they come from the source (birth = change).
	 */
	bool has_timestamp;
	struct ubtrfs_time timestamp;
	bool clamp_mtime; /* with a timestamp: later times become it */
	/*
	 * What is a warning otherwise (a source that changed or vanished, something that cannot be
	 * kept) fails.
	 */
	bool strict;
	/* Archives are OCI layers: .wh.NAME and .wh..wh..opq remove what lower layers put there. */
	bool layers;
	bool reflink; /* files of a directory share their blocks with the image; refused for archives */
	/* 1: the walk runs in the importing thread, otherwise beside it. The result is the same. */
	unsigned threads;
	const struct import_subvol *subvols; /* of directories only */
	unsigned nr_subvols;
	const struct import_inode_flags *inode_flags; /* of directories only */
	unsigned nr_inode_flags;
	/* Nothing is committed at the end: that is left to the caller. */
	bool no_commit;
	/* != 0: commits whenever so many bytes of contents went in since the last time. */
	uint64_t commit_every_bytes;
	/* Told of each such commit. May be NULL. */
	void (*committed)(void *ctx, const struct import_progress *progress);
	/*
	 * Called now and then by the importing thread; negative stops the import (ERR_INTERRUPTED).
	 * May be NULL.
	 */
	int (*progress)(void *ctx, const struct import_progress *progress);
	/*
	 * One sentence that names the path; from any thread, never two at a time; takes no lock of
	 * ours. May be NULL.
	 */
	void (*warning)(void *ctx, const char *text);
	void *ctx;
};

struct import_stats {
	uint64_t files, dirs, symlinks, others, hardlinks;
	uint64_t bytes; /* of contents, without holes */
	uint64_t xattrs;
	uint64_t warnings;
	/* Of several calls with one of these together: where commit_every and progress stand. */
	uint64_t items_done, committed_bytes;
};

/* Every field to its default. */
void import_options_init(struct import_options *options);

/* "TYPE:DIR" or "DIR" (rw); TYPE is rw, ro, default or default-ro. ret->dir points into text. */
int import_subvol_parse(const char *text, struct import_subvol *ret_subvol) must_check;
/* "FLAG[,FLAG]:PATH"; FLAG is nodatacow or nodatasum. ret->path points into text. */
int import_inode_flags_parse(const char *text, struct import_inode_flags *ret_flags) must_check;

/*
 * The tree under path, its top becoming dest (mode, owner, times and xattrs too). Mount points
 * below are crossed.
 *
 * A file that is not, when it is read, what it was when its directory was scanned (inode, size,
 * modification time) gives a warning "changed while it was read"; the image then holds what was
 * read, in the size of the scan, zeros where nothing could be read. A file that vanished before it
 * was scanned is left out, one that vanished later is zeros; both with a warning. What may not be
 * read or fails to be read is an error, strict or not.
 *
 * stats are added to, also on failure.
 */
int import_directory(struct ubtrfs *fs, struct ubtrfs_node dest, const char *path,
		     const struct import_options *options, struct import_stats *stats) must_check;

/*
 * What libarchive reads (tar, cpio, mtree, ... with any filter) from a file, or from standard input
 * for "-". Called once per archive, in order; options->layers when there are several.
 *
 * Paths are taken below dest: a leading "/" is dropped, an entry or link target with ".." is
 * refused by name; symlinks in the way are followed as if dest were the root. Missing parents are
 * made (0755, 0:0). An entry replaces what has its name, but a directory merges into a directory.
 * Owners are the archive's numbers. Contents of an mtree manifest come from the files it names
 * (contents=, else the path), relative to the manifest; what a line does not say (owner, mode, time)
 * comes from that file too. Names in ACLs and owners without numbers are not looked up on this host.
 *
 * Known limits: an xattr of a directory that a later layer names without it stays (the public API
 * cannot remove one); fractions of a second before 1970 in GNU tar's pax headers are as libarchive
 * reads them.
 */
int import_archive(struct ubtrfs *fs, struct ubtrfs_node dest, const char *path_or_dash,
		   const struct import_options *options, struct import_stats *stats) must_check;

/*
 * What an import of the same source would put into a filesystem, added to contents: the source is
 * walked again, contents are not read. Of an archive the headers are read (and what has no size in
 * its header); standard input or a pipe cannot be read again: ERR_UNSUPPORTED. An upper bound: of what a layer
 * hides or replaces both are counted.
 *
 * contents->inline_limit_bytes is set by the caller. Of the options progress is called; warnings are
 * not told again, and nothing is strict. Errors: the source cannot be read.
 */
int import_estimate_directory(const char *path, const struct import_options *options,
			      uint32_t sectorsize,
			      struct ubtrfs_mkfs_contents *contents) must_check;
int import_estimate_archive(const char *path_or_dash, const struct import_options *options,
			    uint32_t sectorsize, struct ubtrfs_mkfs_contents *contents) must_check;

#endif
