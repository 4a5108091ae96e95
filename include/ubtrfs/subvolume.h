/*
 * Subvolumes: create, flags, the default; what is known of each.
 */
#ifndef UBTRFS_SUBVOLUME_H
#define UBTRFS_SUBVOLUME_H

#include <ubtrfs/file.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A new empty subvolume named in a directory. uuid NULL = random. *ret_top is its top directory. */
int ubtrfs_subvolume_create(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
			    size_t name_len, const uint8_t *uuid, struct ubtrfs_node *ret_top);
int ubtrfs_subvolume_set_readonly(struct ubtrfs *fs, uint64_t subvolid, bool readonly);
int ubtrfs_subvolume_set_default(struct ubtrfs *fs, uint64_t subvolid);

int ubtrfs_subvolume_get_default(struct ubtrfs *fs, uint64_t *ret_subvolid);

struct ubtrfs_subvolume {
	uint64_t id;
	uint64_t parent_id; /* 0: the top level, or deleted */
	uint64_t dir_ino;   /* the directory in the parent that names it */
	char name[256];	    /* "" without a parent */
	uint64_t generation;
	uint64_t flags; /* BTRFS_ROOT_SUBVOL_* */
	bool readonly;
	bool deleted;  /* and not yet cleaned away */
	bool snapshot; /* made from another one */
	uint64_t bytes_used;
	uint8_t uuid[16], parent_uuid[16], received_uuid[16]; /* zeroes: none */
	/* Generations and times of the last change, of creation, of send and of receive. */
	uint64_t ctransid, otransid, stransid, rtransid;
	struct ubtrfs_time ctime, otime, stime, rtime;
};
/* -ENOENT. */
int ubtrfs_subvolume_info(struct ubtrfs *fs, uint64_t subvolid,
			  struct ubtrfs_subvolume *ret_subvolume);
/* Visits every subvolume by id, the top level (5) first; nonzero from visit stops. */
int ubtrfs_subvolume_each(struct ubtrfs *fs,
			  int (*visit)(void *ctx, const struct ubtrfs_subvolume *subvolume),
			  void *ctx);
/*
 * The path of a subvolume, without a leading slash, from another one that it lies below (0 or 5:
 * from the top level). Terminated. *ret_len its true length; -ERANGE when capacity is smaller;
 * -ENOENT for one that is deleted; -EXDEV when it does not lie below.
 */
int ubtrfs_subvolume_path(struct ubtrfs *fs, uint64_t subvolid, uint64_t from, char *path,
			  size_t capacity, size_t *ret_len);

/* What quotas say of a subvolume. */
struct ubtrfs_quota {
	uint64_t qgroupid;
	uint64_t referenced_bytes, exclusive_bytes;
	uint64_t max_referenced_bytes, max_exclusive_bytes; /* UINT64_MAX: no limit */
};
/* -ENOENT: quotas are off, or know nothing of it. */
int ubtrfs_subvolume_quota(struct ubtrfs *fs, uint64_t subvolid, struct ubtrfs_quota *ret_quota);

#ifdef __cplusplus
}
#endif

#endif
