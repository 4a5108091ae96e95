/*
 * Opening: finding the devices of a filesystem, and the superblock to believe.
 *
 * Members are what was named and what scanning found, each with its superblock. The volume gets a
 * member when the filesystem asks for it, by devid and uuid: first the system chunks of the
 * superblock, then the items of the chunk tree. What nobody has is missing: told for reading,
 * refused for writing. Not thread-safe: opening is one thread's.
 */
#ifndef UBTRFS_OPS_OPEN_DEVICES_H
#define UBTRFS_OPS_OPEN_DEVICES_H

#include "format/superblock.h"
#include "ops/ops.h"

struct member {
	char *path;	       /* owned */
	struct device *device; /* owned; NULL when the volume has it, or before it is asked for */
	bool named;	       /* by the user; else found by scanning */
	bool has_super;
	bool in_volume;
	uint8_t super[SUPER_SIZE];
};

struct members {
	struct member *all; /* owned */
	unsigned nr, capacity;
	uint64_t generation; /* of the first that has a superblock */
};

/* Opens what is named, scans when members are missing, and chooses the superblock: core->super. */
int members_open(struct core *core, const struct core_open *how,
		 struct members *members) must_check;
void members_fini(struct members *members);
/* The devices of the superblock's system chunks. */
int members_join_array(struct core *core, const struct core_open *how,
		       struct members *members) must_check;
/* The devices of the chunk tree. Then: what was named and is none of them is refused. */
int members_join_tree(struct core *core, const struct core_open *how,
		      struct members *members) must_check;
/* Once the chunk tree is read. Where a device ends must be known before chunks are made on it. */
int devices_check_ends(struct core *core, const struct core_open *how) must_check;

/* open_partition.c: a window into the device at path, as --partition or --offset say. Owns lower,
 * once made; neither given: lower itself. */
int open_partition(const struct core_open *how, const char *path, struct device *lower,
		   struct device **ret_device) must_check;

/* open_super.c: the superblock of one device, by the rules of --super; verified. */
int open_super_read(struct device *device, const struct core_open *how,
		    uint8_t *ret_super) must_check;

/* open_rescue.c: once the chunks are known; rescue=usebackuproot. */
int open_backup_root(struct core *core, const struct core_open *how) must_check;
/* Whether data is to be read without its checksums. */
bool open_ignores_csums(struct core *core, const struct core_open *how);

/* open_features.c: what the superblock says against what is built. */
int open_features_check(const struct core *core, const struct core_open *how) must_check;
/* What the trees say: things that are under way and must be finished by who began them. */
int open_state_check(struct core *core, const struct core_open *how) must_check;

/* open_space.c: block groups and free space of what is open for writing. */
int open_space(struct core *core) must_check;

/* Tells one sentence to who opens. */
void open_warn(const struct core_open *how, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
