/*
 * 20 ops: the public API. Each exported function; opening and closing.
 *
 * Every public function takes the one lock of its filesystem (RANK_OPS), calls the engine, and
 * turns private error codes into errno. Those that only read take it shared (FS_READ) and run beside
 * each other; what they change underneath has locks of its own. A reader that needs what is delayed
 * in the trees (fs_settle), or bytes that a source has not given yet (fs_ready_to_read), is called
 * again, alone.
 * Those that change run alone (FS_CHANGE).
 * No callback of a user that may call the library is called under the lock. The types and contracts
 * are in include/ubtrfs/; this header is for the files of this folder.
 */
#ifndef UBTRFS_OPS_OPS_H
#define UBTRFS_OPS_OPS_H

#include <ubtrfs/file.h>
#include <ubtrfs/ubtrfs.h>

#include "commit/commit.h"

#define UBTRFS_API __attribute__((visibility("default")))

struct background;

struct ubtrfs {
	struct rwlock lock;
	bool alone; /* the lock is held by a single thread: for what only that thread may do */
	bool told;  /* that it has become read-only */
	struct background *background; /* NULL: whoever changes something writes back and commits */
	struct core core;
	/*
	 * What runs alone changed something with the flag SYNC or DIRSYNC: fs_change_end commits. It
	 * goes with the operation: others that come in while the lock is given up have their own.
	 */
	bool sync_wanted;
	bool nodatacow, nodatasum; /* for new files */
	enum ubtrfs_atime atime;
	bool unfinished; /* being populated by mkfs: see ubtrfs_mkfs_finish */
	bool shrink;	 /* the finish shrinks it */
	/* Of files stretched for the shrink, by device: what they get back when it fails; owned. */
	uint64_t *original_bytes;
	uint64_t size_limit; /* with shrink: what a device may have at the end; 0 = anything */
	uint64_t unclean_subvolid; /* orphans are to be deleted there before it is changed; 0 = none */
	bool derive_uuids;	   /* new UUIDs come from the fsid and a counter (reproducible) */
	uint64_t derived;	   /* how many so far */
};

/* For those who change. */
void fs_lock(struct ubtrfs *fs);
/* For those who read. */
void fs_lock_shared(struct ubtrfs *fs);
/* Unlocks, however it was locked; maps err to a negative errno. */
int fs_unlock(struct ubtrfs *fs, int err);
/* The same at the end of a change, which is committed when it must be durable. */
int fs_change_end(struct ubtrfs *fs, int err);
/* A private code, or a negative errno, as a negative errno. */
int fs_errno(int err);
/* Calls a function that only reads, beside other readers; once more, alone, if it says
 * ERR_WANTS_ALONE. Yields its result, mapped. */
#define FS_READ(fs, call)                              \
	({                                             \
		int fs_read_ret;                       \
		fs_lock_shared(fs);                    \
		fs_read_ret = (call);                  \
		if (fs_read_ret == -ERR_WANTS_ALONE) { \
			(void)fs_unlock(fs, 0);        \
			fs_lock(fs);                   \
			fs_read_ret = (call);          \
		}                                      \
		fs_unlock(fs, fs_read_ret);            \
	})
/*
 * Calls a function that changes something, alone. Where the door finds too little room (too much that
 * is not written yet, no free space) and the filesystem has a background, it changes nothing and says
 * ERR_WANTS_ROOM: the lock is given up until there is room, and the function is called again. So a
 * function called like this goes through the door before it changes anything; one that goes through
 * it again on the way keeps in its arguments how far it came. Yields its result, mapped.
 */
#define FS_CHANGE(fs, call)                                         \
	({                                                          \
		int fs_change_ret;                                  \
		fs_lock(fs);                                        \
		while ((fs_change_ret = (call)) == -ERR_WANTS_ROOM) \
			fs_make_room(fs);                           \
		fs_change_end(fs, fs_change_ret);                   \
	})
/*
 * The lock is held alone; it is given up meanwhile. Bounded: after ROOM_MAX_ROUNDS the door no longer
 * asks for room, but lets the operation in or says that there is no space.
 */
void fs_make_room(struct ubtrfs *fs);
/*
 * The contents of an inode can be read; ERR_WANTS_ALONE (no THROW text) under a shared lock while
 * bytes of a source are on their way.
 */
int fs_ready_to_read(struct ubtrfs *fs, struct inode *inode) must_check;

/*
 * The inode of a node when it is in RAM: a reference; else NULL, and nothing of it is delayed.
 * op_hold.c
 */
struct inode *node_find(struct ubtrfs *fs, struct ubtrfs_node node);
/*
 * Without the lock, before an operation that needs the extents of a file: with a background its
 * contents go to the devices in steps, beside others. Nothing to rely on: somebody may go on
 * writing, and what fails shows in the operation. op_sync.c
 */
void fs_drain_node(struct ubtrfs *fs, struct ubtrfs_node node);
/* The inode of a node: a reference. */
int node_inode(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode) must_check;
/* The same, for changing it: ERR_READ_ONLY in a read-only subvolume, EPERM when it is immutable. */
int node_inode_write(struct ubtrfs *fs, struct ubtrfs_node node,
		     struct inode **ret_inode) must_check;
/* The same for what also changes when it is immutable: its flags. */
int node_inode_flags(struct ubtrfs *fs, struct ubtrfs_node node,
		     struct inode **ret_inode) must_check;
/* EPERM for a file that fs-verity seals: its contents belong to the tree of hashes beside them. */
int inode_check_unsealed(const struct inode *inode) must_check;
/* A regular file, for reading or changing its contents. op_data.c */
int node_file(struct ubtrfs *fs, struct ubtrfs_node node, bool write,
	      struct inode **ret_inode) must_check;
/* Writes as ubtrfs_write does, door and times included. When it wants room, some may be written;
 * the same is asked for again. op_data.c */
int inode_write(struct ubtrfs *fs, struct inode *inode, uint64_t offset, const void *data,
		size_t len) must_check;
/* EPERM for what is append-only (node_inode_write knows of immutable). */
int inode_check_not_append(const struct inode *inode) must_check;
/* EPERM: no name of it may be made or taken away, because it is immutable or append-only. */
int inode_check_names(const struct inode *inode) must_check;
/* EPERM: this name may not be taken out of dir (unlink, rmdir, rename, also what a rename replaces). */
int name_check_remove(const struct inode *dir, const struct inode *inode) must_check;
/* ERR_NOT_FOUND for a directory that was removed and is still held. */
int inode_check_named(const struct inode *dir) must_check;
/* For changing what is in it: writable, and not removed. */
int node_dir_write(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode) must_check;
/* ERR_NOT_FOUND for the id of a tree that is no subvolume. */
int subvolume_id_check(uint64_t subvolid) must_check;
/* The same as node_inode, and it is a directory. */
int node_dir(struct ubtrfs *fs, struct ubtrfs_node node, struct inode **ret_inode) must_check;
/*
 * What a directory entry points to. The name of a subvolume that is not there (a snapshot holds the
 * names, not the subvolumes) leads to inode BTRFS_EMPTY_SUBVOL_DIR_OBJECTID of dir's subvolume: an
 * empty directory that exists in RAM only and cannot be changed.
 */
int entry_node(struct ubtrfs *fs, const struct inode *dir, const struct dir_entry *entry,
	       struct ubtrfs_node *ret_node) must_check;
/* dir_find with ERR_NOT_FOUND and a sentence. */
int dir_find_named(struct inode *dir, const char *name, size_t name_len,
		   struct dir_entry *ret_entry) must_check;
/* An operation changes this inode now: transid is the transaction's; flags SYNC and DIRSYNC are seen. */
void inode_begin_change(struct ubtrfs *fs, struct inode *inode);
/* A UUID: random, or derived from the filesystem's. */
int fs_new_uuid(struct ubtrfs *fs, uint8_t ret_uuid[16]) must_check;

/* An unfinished filesystem is given up: its files get back the length they had. */
void fs_restore_files(struct ubtrfs *fs);

/* core_open.c */
struct core_open {
	const char *const *devices;
	/*
	 * NULL: devices are opened by their paths. Else these: what a test has wrapped; each is
	 * taken over when its turn comes.
	 */
	struct device *const *opened;
	unsigned nr_devices;
	bool writable;
	bool explicit_commit;
	bool background;
	size_t dirty_bytes;
	unsigned commit_interval_s;
	bool unfinished; /* being populated by mkfs: another magic */
	unsigned threads;
	size_t cache_bytes;
	int compress, compress_level;
	bool compress_force;
	uint32_t max_inline;
	bool nodatacow, nodatasum;
	enum ubtrfs_atime atime;
	const struct ubtrfs_time *now;
	/* As in ubtrfs_open_options. */
	bool scan;
	unsigned partition;
	uint64_t offset;
	int super_copy;
	bool no_verify;
	unsigned rescue;
	void (*warn)(void *ctx, const char *sentence);
	void *warn_ctx;
};
/* An opened core as a public object; takes it over also on failure. */
int fs_new(const struct core_open *how, struct ubtrfs **ret_fs) must_check;
void core_open_from_options(const struct ubtrfs_open_options *options, struct core_open *ret_how);
int core_open(struct core *core, const struct core_open *how) must_check;
void core_close(struct core *core);
/* Block groups with their used bytes, without free space: opening for reading leaves them out.
 * Again or when open for writing: nothing to do. From any thread. */
int core_load_groups(struct core *core) must_check;
int core_info(struct core *core, struct ubtrfs_info *ret_info) must_check;

#endif
