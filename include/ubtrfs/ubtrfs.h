/*
 * libubtrfs: open, commit and close a btrfs in user space.
 *
 * A `struct ubtrfs` is one open filesystem. Nodes (files, directories, ...) are named by value:
 * subvolume and inode number. All functions may be called from several threads; those that only read
 * run in parallel, one that changes something waits for them and runs alone. Changes become durable
 * with ubtrfs_commit or ubtrfs_close.
 */
#ifndef UBTRFS_UBTRFS_H
#define UBTRFS_UBTRFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ubtrfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ubtrfs;

#define UBTRFS_COMPRESS_NONE 0
#define UBTRFS_COMPRESS_ZLIB 1
#define UBTRFS_COMPRESS_LZO 2
#define UBTRFS_COMPRESS_ZSTD 3

/* What reading does to the time of last access of what is read. */
enum ubtrfs_atime {
	UBTRFS_ATIME_NONE, /* nothing */
	/* It is set when it is not behind the last change, or a day old (Linux's relatime). */
	UBTRFS_ATIME_RELATIME,
	UBTRFS_ATIME_STRICT, /* it is always set */
};

/* An older root of the tree of roots when the current one cannot be read. */
#define UBTRFS_RESCUE_USEBACKUPROOT 1u
/* A log is left alone, as always when reading. */
#define UBTRFS_RESCUE_NOLOGREPLAY 2u
/* Trees that are not needed for reading names may be lost; without that of checksums nothing is
 * verified. */
#define UBTRFS_RESCUE_IGNOREBADROOTS 4u
/* Contents are not compared with their checksums. */
#define UBTRFS_RESCUE_IGNOREDATACSUMS 8u

struct ubtrfs_open_options {
	/* Paths of member devices (files or block devices); the first names the filesystem in
	 * messages. */
	const char *const *devices;
	unsigned nr_devices;
	bool writable;
	/* Members that are not named are looked for beside the first: in its folder, or among the
	 * block devices. */
	bool scan;
	/* Where the filesystem lies in the first device: a partition (GPT, MBR; 0 = none), or a
	 * byte offset. Not both. */
	unsigned partition;
	uint64_t offset;
	/* The copy of the superblock to believe: 0..2; -1 = the primary, and for reading the
	 * others when it is damaged. For writing none that was left behind. */
	int super_copy;
	bool no_verify;	 /* contents of files are not compared with their checksums */
	unsigned rescue; /* UBTRFS_RESCUE_*: what is damaged all the same; for reading only */
	/* Nothing is committed but by ubtrfs_commit and ubtrfs_close: what is done in between
	 * happens as a whole or not at all, and may take more space. */
	bool explicit_commit;
	/*
	 * For a filesystem that stays open: a thread of its own writes back and commits, every
	 * commit_interval_s seconds (0: 30) and when memory or space runs short. Nobody then waits
	 * for a device while others want to read or to change something. Not with explicit_commit.
	 */
	bool background;
	unsigned commit_interval_s;
	size_t dirty_bytes; /* contents that are not with the devices yet, at most; 0 = 64 MiB */
	/* Told in one sentence what is not as it should be but does not prevent opening: a missing
	 * device, a log that was not replayed. NULL: nobody. */
	void (*warn)(void *ctx, const char *sentence);
	void *warn_ctx;
	/* How new data is stored. level 0 = the algorithm's default. */
	int compress;
	int compress_level;
	/* Files whose first piece does not compress are tried again and again, NOCOMPRESS or not. */
	bool compress_force;
	uint32_t max_inline; /* bytes; UINT32_MAX = Linux's default, 2048 */
	/* New files are written in place and without checksums, or without checksums only. Neither
	 * goes with compress. */
	bool nodatacow, nodatasum;
	enum ubtrfs_atime atime;
	/* Worker threads for reading sources, compressing, checksumming and device writes; 0 =
	 * one per processor. The result never depends on it. */
	unsigned threads;
	size_t cache_bytes; /* memory for clean tree blocks; 0 = default */
	/*
	 * Times given to what the library itself stamps (directory changes, new nodes without
	 * times); NULL = the clock.
	 */
	const struct ubtrfs_time *now;
};

/* Seconds since 1970 (may be negative) and nanoseconds. */
struct ubtrfs_time {
	int64_t sec;
	uint32_t nsec;
};

/* Sets every field to its default. */
void ubtrfs_open_options_init(struct ubtrfs_open_options *options);

/*
 * Opens. -EUCLEAN damaged, -EOPNOTSUPP a feature (named), -EBUSY opened for writing by somebody
 * else.
 */
int ubtrfs_open(const struct ubtrfs_open_options *options, struct ubtrfs **ret_fs);
/* Commits if writable and closes; the filesystem is gone also when an error is returned. */
int ubtrfs_close(struct ubtrfs *fs);
/* Closes without committing. */
void ubtrfs_abandon(struct ubtrfs *fs);
/*
 * All contents written so far have been read from their sources and are with the devices; nothing
 * is committed. Afterwards no source of an earlier ubtrfs_write_from is in use any more.
 */
int ubtrfs_drain(struct ubtrfs *fs);
/* Makes everything done so far durable. */
int ubtrfs_commit(struct ubtrfs *fs);

struct ubtrfs_info {
	uint8_t fsid[16];
	char label[257];
	uint64_t generation;
	uint64_t total_bytes; /* of all devices */
	uint64_t used_bytes;  /* extents of data and metadata, one copy */
	uint64_t data_bytes_used, metadata_bytes_used, system_bytes_used;
	uint64_t data_bytes_total, metadata_bytes_total, system_bytes_total;
	uint64_t data_profile, metadata_profile, system_profile; /* BTRFS_BLOCK_GROUP_* bits */
	uint32_t nodesize, sectorsize;
	uint64_t incompat, compat_ro;
	unsigned nr_devices;
	uint16_t csum_type;
	uint64_t default_subvol;
};
int ubtrfs_info(struct ubtrfs *fs, struct ubtrfs_info *ret_info);

/* As statvfs(3), with the figures that Linux gives; sizes in blocks of block_size bytes. */
struct ubtrfs_statfs {
	uint64_t block_size; /* the sector size */
	uint64_t blocks;
	uint64_t blocks_free;
	uint64_t blocks_available;  /* for data */
	uint64_t files, files_free; /* 0: there is no limit */
	uint64_t fsid;		    /* f_fsid of the top subvolume */
	unsigned name_max;
};
int ubtrfs_statfs(struct ubtrfs *fs, struct ubtrfs_statfs *ret_statfs);

#ifdef __cplusplus
}
#endif

#endif
