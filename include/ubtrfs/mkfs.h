/*
 * Making filesystems: an empty one, and finishing one that was populated.
 */
#ifndef UBTRFS_MKFS_H
#define UBTRFS_MKFS_H

#include <ubtrfs/ubtrfs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Profiles of block groups, by name: "single" "dup" "raid0" "raid1" "raid1c3" "raid1c4" "raid10"; NULL = mkfs.btrfs's default for the devices. */
struct ubtrfs_mkfs_options {
	const char *const *devices; /* paths: regular files (created when missing) or block devices */
	unsigned nr_devices;
	uint64_t byte_count; /* -b: of each device; 0 = the size of the device; of a file: as it is, or as large as it needs to become */
	const char *data_profile;
	const char *metadata_profile;
	bool mixed;
	uint32_t nodesize;   /* 0 = 16 KiB (mixed: sectorsize) */
	uint32_t sectorsize; /* 0 = 4 KiB */
	const char *label;
	const char *csum;     /* "crc32c" "xxhash" "sha256" "blake2"; NULL = crc32c */
	const char *features; /* -O: comma separated, ^ clears; NULL = default */
	const uint8_t *fsid;  /* -U; NULL = random */
	const uint8_t *
		device_uuid; /* --device-uuid, first device; NULL = random, or derived from fsid when reproducible */
	bool reproducible;	       /* all other UUIDs are derived from fsid, times are `now` */
	const struct ubtrfs_time *now; /* NULL = the clock */
	bool force;		       /* overwrite what is there */
	bool discard;		       /* tell devices that they hold nothing (no -K) */
	bool shrink; /* with ubtrfs_mkfs_open: placement prepared for a shrinking finish */
};

void ubtrfs_mkfs_options_init(struct ubtrfs_mkfs_options *options);
/* Checks everything, refuses a target that holds something (unless force), writes an empty filesystem. */
int ubtrfs_mkfs(const struct ubtrfs_mkfs_options *options, struct ubtrfs_info *ret_info);

/* The same for one that will be populated: it is opened for writing (how: compress, level, max_inline, threads, cache_bytes; its other fields are
 * not looked at), and its superblock says unfinished (nobody takes it for a complete filesystem) until ubtrfs_mkfs_finish. Regular files
 * without byte_count grow as needed. */
int ubtrfs_mkfs_open(const struct ubtrfs_mkfs_options *options,
		     const struct ubtrfs_open_options *how, struct ubtrfs **ret_fs);
/* Populating is done: shrinks to the smallest size if options->shrink said so, gives the superblock its magic; closes fs in any case. On failure the
 * filesystem stays unfinished. */
int ubtrfs_mkfs_finish(struct ubtrfs *fs, struct ubtrfs_info *ret_info);

/* What is to be put into a filesystem, counted beforehand. */
struct ubtrfs_mkfs_contents {
	uint64_t nr_inodes;
	uint64_t nr_names, name_bytes;	 /* entries of directories: each link counts */
	uint64_t nr_xattrs, xattr_bytes; /* names and values */
	/* Targets of symlinks, and files of at most inline_limit_bytes that are less than a sector: they stand in the tree. */
	uint64_t nr_inline, inline_bytes;
	uint32_t inline_max_bytes;   /* the longest of them */
	uint32_t inline_limit_bytes; /* how->max_inline, resolved */
	/* All other contents: whole sectors without holes, in pieces of at most 128 KiB. */
	uint64_t nr_extents, data_bytes;
	uint64_t nr_small, small_bytes; /* the files among them of at most one sector */
	uint64_t nr_subvols;
};
/* The size of each device, all alike, with which ubtrfs_mkfs_open and putting this into it do not run out of space, whether it compresses or
 * not: an upper bound, in whole MiB. Of the devices only the number counts. */
int ubtrfs_mkfs_size_for(const struct ubtrfs_mkfs_options *options,
			 const struct ubtrfs_open_options *how,
			 const struct ubtrfs_mkfs_contents *contents, uint64_t *ret_device_bytes);

/* Names of all features mkfs knows, for -O list-all: NULL past the end. *ret_default: on by default; *ret_built: false when refused by name. */
const char *ubtrfs_mkfs_feature(unsigned index, const char **ret_text, bool *ret_default,
				bool *ret_built);

#ifdef __cplusplus
}
#endif

#endif
