/*
 * Reading a damaged filesystem: everything that can still be read, and for each thing whether it is
 * whole.
 *
 * Nothing here needs more than superblock copies or tree blocks that can still be read; the trees
 * of extents, free space and checksums are used when they are there. Nothing is written to the
 * devices. A handle is for one thread at a time. Calls say what is wrong with what they return in a
 * word of UBTRFS_RESCUE_* bits; 0 means: this is what the filesystem held, and nothing is missing.
 */
#ifndef UBTRFS_RESCUE_H
#define UBTRFS_RESCUE_H

#include <ubtrfs/file.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ubtrfs_rescue;

/* From tree blocks that may be older than the state asked for. */
#define UBTRFS_RESCUE_OLDER 0x01u
/* A tree block is gone that may have held more of it. */
#define UBTRFS_RESCUE_GAP 0x02u
/* The inode itself (owner, mode, times, length) is gone. */
#define UBTRFS_RESCUE_NO_INODE 0x04u
/* Bytes that have a wrong checksum on every copy, or that no copy gives. */
#define UBTRFS_RESCUE_BAD_DATA 0x08u
/* Bytes whose checksums are gone: taken as they are. */
#define UBTRFS_RESCUE_UNVERIFIED 0x10u

struct ubtrfs_rescue_options {
	/* Of these: devices, scan, partition, offset, super_copy, no_verify, warn. */
	struct ubtrfs_open_options how;
	/* Logical address of the root of the tree of roots; 0 = the current one, or the best older
	 * one when that is gone. */
	uint64_t tree_root;
	/* The tree of this subvolume begins at this logical address, whatever its root item says;
	 * 0 = not used. */
	uint64_t fs_root, fs_root_id;
	bool ignore_csum; /* bytes with a wrong checksum are given out too (and still told) */
};

void ubtrfs_rescue_options_init(struct ubtrfs_rescue_options *options);
int ubtrfs_rescue_open(const struct ubtrfs_rescue_options *options,
		       struct ubtrfs_rescue **ret_rescue);
/* The state that a later commit has replaced: of this generation, or the newest before it. It uses
 * rescue, and is closed before it. -ENOENT when nothing of it is left. */
int ubtrfs_rescue_at(struct ubtrfs_rescue *rescue, uint64_t generation,
		     struct ubtrfs_rescue **ret_older);
void ubtrfs_rescue_close(struct ubtrfs_rescue *rescue);
/* Generation of the state that is read. */
uint64_t ubtrfs_rescue_generation(const struct ubtrfs_rescue *rescue);
/* Tree blocks that were asked for and that no copy gave, so far. */
uint64_t ubtrfs_rescue_blocks_lost(const struct ubtrfs_rescue *rescue);

/* Where a root of the tree of roots was found. */
#define UBTRFS_RESCUE_FROM_SUPER 1u
#define UBTRFS_RESCUE_FROM_BACKUP 2u
#define UBTRFS_RESCUE_FROM_SCAN 4u
struct ubtrfs_rescue_root {
	uint64_t bytenr, generation;
	unsigned level;
	unsigned from;	 /* UBTRFS_RESCUE_FROM_* */
	bool is_current; /* the one that this handle reads */
	bool is_readable;
	/* Of its trees of files: blocks that can be read, of those that it leads to. */
	uint64_t blocks_readable, blocks_total;
	struct ubtrfs_time time; /* of its commit, as its top subvolume says; 0 when unknown */
};
/* All roots of the tree of roots that can be found, newest first. scan: reads all tree blocks. */
int ubtrfs_rescue_roots(struct ubtrfs_rescue *rescue, bool scan,
			int (*visit)(void *ctx, const struct ubtrfs_rescue_root *root), void *ctx);
/* The generations older than the current one in which the subvolume was written and of which
 * something is left, newest first. Reads all tree blocks once. */
int ubtrfs_rescue_generations(struct ubtrfs_rescue *rescue, uint64_t subvolid,
			      int (*visit)(void *ctx, uint64_t generation), void *ctx);

struct ubtrfs_rescue_subvolume {
	uint64_t subvolid;
	uint64_t bytenr, generation;
	unsigned level;
	uint64_t offset; /* of the key of its root item: for a snapshot the generation it was made */
	bool is_snapshot;
	bool is_deleted; /* it has no name any more, and its blocks are about to be freed */
	unsigned state;
	struct ubtrfs_time time; /* of its last commit */
};
/* All subvolumes that root items or (where these are lost) tree blocks tell of. */
int ubtrfs_rescue_subvolumes(struct ubtrfs_rescue *rescue,
			     int (*visit)(void *ctx, const struct ubtrfs_rescue_subvolume *subvol),
			     void *ctx);
/* One of them. -ENOENT. */
int ubtrfs_rescue_subvolume(struct ubtrfs_rescue *rescue, uint64_t subvolid,
			    struct ubtrfs_rescue_subvolume *ret_subvol);

/* -ENOENT when there is nothing of this number. With UBTRFS_RESCUE_NO_INODE only node and what
 * other items tell of the type are valid (mode may be 0). */
int ubtrfs_rescue_getattr(struct ubtrfs_rescue *rescue, struct ubtrfs_node node,
			  struct ubtrfs_attr *ret_attr, unsigned *ret_state);
/* The directory with the lowest number that has entries. -ENOENT. */
int ubtrfs_rescue_first_dir(struct ubtrfs_rescue *rescue, uint64_t subvolid,
			    struct ubtrfs_node *ret_dir);
/* One name; no symlinks, no paths. -ENOENT. */
int ubtrfs_rescue_lookup(struct ubtrfs_rescue *rescue, struct ubtrfs_node dir, const char *name,
			 size_t name_len, struct ubtrfs_dirent *ret_entry);
#define UBTRFS_RESCUE_EMPTY_DIR_INO 2 /* of an entry: a directory that Linux shows as empty */
/* Calls visit for each entry that is left; it may call this library, also for directories below.
 * Nonzero from visit stops and is returned. */
int ubtrfs_rescue_readdir(struct ubtrfs_rescue *rescue, struct ubtrfs_node dir,
			  int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx,
			  unsigned *ret_state);
int ubtrfs_rescue_readlink(struct ubtrfs_rescue *rescue, struct ubtrfs_node node, char *target,
			   size_t capacity, size_t *ret_len, unsigned *ret_state);
int ubtrfs_rescue_listxattr(struct ubtrfs_rescue *rescue, struct ubtrfs_node node,
			    int (*visit)(void *ctx, const char *name, size_t name_len,
					 const void *value, size_t len),
			    void *ctx, unsigned *ret_state);

/* Takes the contents of a file, in the order of offsets. What neither call names is a hole. Nonzero
 * stops and is returned. */
struct ubtrfs_rescue_sink {
	int (*data)(void *ctx, uint64_t offset, const void *data, size_t len);
	/* These bytes are lost, and why (borrowed). With ignore_csum they may have been given to
	 * data before. */
	int (*lost)(void *ctx, uint64_t offset, uint64_t len, const char *why);
	void *ctx;
};
/* *ret_len: the length of the file, as its inode says; when that is gone or of an older state, what
 * its extents tell (data may have been given out beyond it). */
int ubtrfs_rescue_read(struct ubtrfs_rescue *rescue, struct ubtrfs_node node,
		       const struct ubtrfs_rescue_sink *sink, uint64_t *ret_len,
		       unsigned *ret_state);

/* What no directory leads to any more, although the directory's entry was not deleted. */
struct ubtrfs_rescue_stray {
	struct ubtrfs_node node;
	/* From the top of the subvolume, as the references of inodes tell it; it begins with
	 * UBTRFS_RESCUE_LOST_FOUND/NUMBER where they end. Terminated; borrowed. */
	const char *path;
	bool has_name; /* its own name is known; otherwise the path ends in its number */
	bool is_subvolume;
};
#define UBTRFS_RESCUE_LOST_FOUND "lost+found"
/* Reads the whole tree. Also visits what a caller has met already by another name, and everything
 * nameless of which it cannot be known: the caller remembers what it has seen. */
int ubtrfs_rescue_strays(struct ubtrfs_rescue *rescue, uint64_t subvolid,
			 int (*visit)(void *ctx, const struct ubtrfs_rescue_stray *stray),
			 void *ctx);
/* Something of the subvolume's tree was asked for and not found: there may be strays. */
bool ubtrfs_rescue_may_have_strays(struct ubtrfs_rescue *rescue, uint64_t subvolid);

#ifdef __cplusplus
}
#endif

#endif
