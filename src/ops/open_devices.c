/*
 * Opening: members of a filesystem, which of them count, and joining them to the volume.
 *
 * One filesystem is what has the fsid of the first device whose superblock can be read. Of each
 * device id one member counts: a named one, else the one of the generation of the first named one,
 * else the newest; the newest of those is believed. A member that was left behind by one commit is
 * a commit that was cut short between superblocks; further behind it missed changes: told, and
 * refused for writing. Seeds have another fsid and are found by their uuid. Owns nothing that lives
 * longer than opening.
 */
#include "ops/open_devices.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/assert.h"

/* Known to the superblock's system chunks only, so far. */
#define SIZE_UNKNOWN ((uint64_t)INT64_MAX)

void open_warn(const struct core_open *how, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	if (!how->warn)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	how->warn(how->warn_ctx, text);
}

/* ---- one member ---- */

static uint64_t member_devid(const struct member *member)
{
	return dev_item_devid(super_dev_item(member->super));
}

static bool member_is_seed(const struct member *member)
{
	return member->has_super && (super_flags(member->super) & BTRFS_SUPER_FLAG_SEEDING);
}

static bool same_fsid(const struct member *member, const uint8_t *super)
{
	return member->has_super && memcmp(super_fsid(member->super), super_fsid(super), 16) == 0;
}

/* What the tree blocks carry that were written before the filesystem grew from this seed. */
static const uint8_t *seed_fsid(const struct member *member)
{
	bool own_uuid = super_incompat_flags(member->super) & BTRFS_FEATURE_INCOMPAT_METADATA_UUID;

	return own_uuid ? super_metadata_uuid(member->super) : super_fsid(member->super);
}

/* Every device passes the fault points, so that whole commands can be tested with them. */
static int member_device(const char *path, bool writable, struct device **ret_device)
{
	struct device *file;
	int err;

	TRY(device_file_open(path, writable ? DEVICE_WRITE : 0, &file));
	err = device_fault_new(file, ret_device);
	if (err < 0)
		device_free(file);
	return err;
}

static int member_new(struct members *members, const char *path, struct member **ret_member)
{
	if (members->nr == members->capacity) {
		unsigned capacity = MAX(8u, 2 * members->capacity);
		struct member *all = mem_resize(members->all, capacity * sizeof(*all));

		if (!all)
			return MEM_FAIL("the devices");
		members->all = all;
		members->capacity = capacity;
	}
	*ret_member = &members->all[members->nr];
	memset(*ret_member, 0, sizeof(**ret_member));
	(*ret_member)->path = mem_strdup(path);
	if (!(*ret_member)->path)
		return MEM_FAIL("the name of a device");
	members->nr++;
	return 0;
}

void members_fini(struct members *members)
{
	for (unsigned i = 0; i < members->nr; i++) {
		device_free(members->all[i].device);
		mem_free(members->all[i].path);
	}
	mem_free(members->all);
	*members = (struct members){ 0 };
}

/* ---- those that were named ---- */

/* One file twice would be written through two descriptors. */
static int named_check_twice(const struct members *members, const char *path)
{
	struct stat st, other;

	if (stat(path, &st) < 0)
		return 0; /* opening tells */
	for (unsigned i = 0; i < members->nr; i++) {
		if (stat(members->all[i].path, &other) < 0)
			continue;
		if (S_ISBLK(st.st_mode) ? S_ISBLK(other.st_mode) && st.st_rdev == other.st_rdev :
					  st.st_dev == other.st_dev && st.st_ino == other.st_ino)
			return THROW(ERR_INVALID, "%s and %s are the same device",
				     members->all[i].path, path);
	}
	return 0;
}

/* A seed is never written, also when its filesystem is. */
static int named_reopen_seed(struct member *member)
{
	struct device *device;

	TRY(member_device(member->path, false, &device));
	device_free(member->device);
	member->device = device;
	return 0;
}

static int named_open(const struct core_open *how, struct members *members, unsigned index)
{
	struct member *member;
	int err;

	if (!how->opened)
		TRY(named_check_twice(members, how->devices[index]));
	TRY(member_new(members, how->devices[index], &member));
	member->named = true;
	if (how->opened)
		member->device = how->opened[index];
	else
		TRY(member_device(member->path, how->writable, &member->device));
	err = open_super_read(member->device, how, member->super);
	member->has_super = err >= 0;
	if (err < 0 && (how->writable || how->nr_devices == 1))
		return err;
	if (err < 0) {
		open_warn(how, "%s; it is taken for missing", err_text(err));
		device_free(member->device);
		member->device = NULL;
	}
	if (member_is_seed(member) && how->writable && !how->opened)
		TRY(named_reopen_seed(member));
	return 0;
}

/* Those of other filesystems are refused, but for seeds: they may be asked for. */
static int named_check(const struct members *members, const struct member *first)
{
	for (unsigned i = 0; i < members->nr; i++) {
		const struct member *member = &members->all[i];

		if (!member->has_super || member_is_seed(member) || same_fsid(member, first->super))
			continue;
		return THROW(ERR_INVALID, "%s belongs to another filesystem than %s", member->path,
			     first->path);
	}
	return 0;
}

/* ---- which member stands for a device id ---- */

static bool is_better(const struct member *member, const struct member *than,
		      const struct member *first)
{
	uint64_t is = super_generation(member->super), was = super_generation(than->super);
	uint64_t wanted = super_generation(first->super);

	if (member->named != than->named)
		return member->named;
	if ((is == wanted) != (was == wanted))
		return is == wanted;
	return is > was;
}

static struct member *member_of_devid(struct members *members, const struct member *first,
				      uint64_t devid)
{
	struct member *best = NULL;

	for (unsigned i = 0; i < members->nr; i++) {
		struct member *member = &members->all[i];

		if (same_fsid(member, first->super) && member_devid(member) == devid &&
		    (!best || is_better(member, best, first)))
			best = member;
	}
	return best;
}

/* Two files that say they are one device: which one is the user's to say. */
static int members_check_twins(struct members *members, const struct core_open *how,
			       const struct member *first)
{
	for (unsigned i = 0; i < members->nr; i++) {
		const struct member *member = &members->all[i], *best;

		if (!same_fsid(member, first->super))
			continue;
		best = member_of_devid(members, first, member_devid(member));
		if (best == member)
			continue;
		if (member->named)
			return THROW(ERR_INVALID,
				     "%s and %s are copies of one device (%" PRIu64 ")", best->path,
				     member->path, member_devid(member));
		if (best->named)
			continue;
		if (how->writable)
			return THROW(ERR_INVALID,
				     "%s and %s are copies of one device (%" PRIu64
				     "): name the one to write with --device",
				     best->path, member->path, member_devid(member));
		open_warn(how,
			  "%s is passed over: it is a copy of device %" PRIu64
			  " (generation %" PRIu64 ") beside %s",
			  member->path, member_devid(member), super_generation(member->super),
			  best->path);
	}
	return 0;
}

static unsigned nr_devids(struct members *members, const struct member *first)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < members->nr; i++)
		nr += same_fsid(&members->all[i], first->super) &&
		      member_of_devid(members, first, member_devid(&members->all[i])) ==
			      &members->all[i];
	return nr;
}

static void super_choose(struct core *core, const struct core_open *how, struct members *members,
			 const struct member *first)
{
	memcpy(core->super, first->super, SUPER_SIZE);
	if (how->super_copy > 0)
		return;
	for (unsigned i = 0; i < members->nr; i++) {
		const struct member *member = &members->all[i];

		if (same_fsid(member, first->super) &&
		    member_of_devid(members, first, member_devid(member)) == member &&
		    super_generation(member->super) > super_generation(core->super))
			memcpy(core->super, member->super, SUPER_SIZE);
	}
}

static const struct member *first_readable(const struct members *members)
{
	for (unsigned i = 0; i < members->nr; i++)
		if (members->all[i].has_super)
			return &members->all[i];
	return NULL;
}

int members_open(struct core *core, const struct core_open *how, struct members *members)
{
	const struct member *first;

	for (unsigned i = 0; i < how->nr_devices; i++)
		TRY(named_open(how, members, i));
	first = first_readable(members);
	if (!first)
		return THROW(ERR_SUPER_BAD, "none of %u devices has a superblock of btrfs",
			     how->nr_devices);
	TRY(named_check(members, first));
	TRY(members_check_twins(members, how, first));
	if (nr_devids(members, first) < super_num_devices(first->super) && how->scan) {
		/* Scanning goes here. */
	}
	super_choose(core, how, members, first);
	return 0;
}

/* ---- into the volume ---- */

static struct member *member_find(const struct core *core, struct members *members, uint64_t devid,
				  const uint8_t *uuid)
{
	struct member *best = NULL;

	for (unsigned i = 0; i < members->nr; i++) {
		struct member *member = &members->all[i];
		const uint8_t *item = super_dev_item(member->super);

		if (!member->has_super || member->in_volume || dev_item_devid(item) != devid ||
		    memcmp(dev_item_uuid(item), uuid, BTRFS_UUID_SIZE) != 0)
			continue;
		if (!same_fsid(member, core->super) && !member_is_seed(member))
			continue;
		if (!best || is_better(member, best, members->all))
			best = member;
	}
	return best;
}

static int check_left_behind(const struct core *core, const struct core_open *how,
			     const struct member *member)
{
	uint64_t is = super_generation(member->super), newest = super_generation(core->super);

	if (!same_fsid(member, core->super) || is + 1 >= newest)
		return 0;
	if (how->writable)
		return THROW(ERR_UNSUPPORTED,
			     "%s was left behind at generation %" PRIu64 " of %" PRIu64
			     ": writing to such a filesystem is not built yet",
			     member->path, is, newest);
	open_warn(how, "%s was left behind at generation %" PRIu64 " of %" PRIu64, member->path, is,
		  newest);
	return 0;
}

static int check_size(const struct core_open *how, const struct member *member,
		      uint64_t total_bytes)
{
	if (total_bytes == SIZE_UNKNOWN || member->device->size_bytes >= total_bytes)
		return 0;
	if (how->writable)
		return THROW(ERR_INVALID,
			     "%s has %" PRIu64 " bytes, the filesystem on it has %" PRIu64,
			     member->path, member->device->size_bytes, total_bytes);
	open_warn(how, "%s has %" PRIu64 " bytes, the filesystem on it has %" PRIu64, member->path,
		  member->device->size_bytes, total_bytes);
	return 0;
}

static int join_missing(struct core *core, const struct core_open *how, uint64_t devid,
			const uint8_t *uuid, uint64_t total_bytes)
{
	if (how->writable)
		return THROW(ERR_UNSUPPORTED,
			     "%s: device %" PRIu64
			     " is missing: writing with a missing device is not built yet",
			     core->name, devid);
	open_warn(how, "%s: device %" PRIu64 " is missing", core->name, devid);
	return volume_add_device(core->volume, devid, uuid, NULL, total_bytes);
}

int members_join(struct core *core, const struct core_open *how, struct members *members,
		 uint64_t devid, const uint8_t *uuid, uint64_t total_bytes)
{
	struct member *member;

	if (volume_device_find(core->volume, devid))
		return 0;
	member = member_find(core, members, devid, uuid);
	if (!member)
		return join_missing(core, how, devid, uuid, total_bytes);
	TRY(check_left_behind(core, how, member));
	TRY(check_size(how, member, dev_item_total_bytes(super_dev_item(member->super))));
	TRY(volume_add_device(core->volume, devid, uuid, member->device, total_bytes));
	member->device = NULL;
	member->in_volume = true;
	if (member_is_seed(member) && !same_fsid(member, core->super))
		TRY(volume_set_seed(core->volume, devid, seed_fsid(member)));
	return 0;
}

int members_join_array(struct core *core, const struct core_open *how, struct members *members)
{
	const uint8_t *array = super_sys_chunk_array(core->super);
	uint32_t size = super_sys_chunk_array_size(core->super), at = 0;

	/* validate_super has walked it already. */
	while (at < size) {
		const uint8_t *chunk = array + at + KEY_DISK_SIZE;

		for (unsigned i = 0; i < chunk_num_stripes(chunk); i++) {
			const uint8_t *stripe = chunk_stripe(chunk, i);

			TRY(members_join(core, how, members, stripe_devid(stripe),
					 stripe_dev_uuid(stripe), SIZE_UNKNOWN));
		}
		at += KEY_DISK_SIZE + chunk_size_bytes(chunk_num_stripes(chunk));
	}
	return 0;
}

struct join {
	struct core *core;
	const struct core_open *how;
	struct members *members;
	unsigned nr;
};

static int join_item(void *ctx, uint64_t devid, const uint8_t *item)
{
	struct join *join = ctx;

	join->nr++;
	return members_join(join->core, join->how, join->members, devid, dev_item_uuid(item),
			    dev_item_total_bytes(item));
}

/* What was named and nobody asked for. */
static int check_unused(const struct core *core, const struct core_open *how,
			const struct members *members)
{
	for (unsigned i = 0; i < members->nr; i++) {
		const struct member *member = &members->all[i];

		if (!member->named || !member->has_super || member->in_volume)
			continue;
		if (!same_fsid(member, core->super))
			return THROW(ERR_INVALID, "%s belongs to another filesystem than %s",
				     member->path, core->name);
		if (how->writable)
			return THROW(ERR_INVALID,
				     "%s says that it is device %" PRIu64
				     " of the filesystem, which knows no such device",
				     member->path, member_devid(member));
		open_warn(how,
			  "%s is not used: it says that it is device %" PRIu64
			  " of the filesystem, which knows no such device",
			  member->path, member_devid(member));
	}
	return 0;
}

int members_join_tree(struct core *core, const struct core_open *how, struct members *members)
{
	struct join join = { .core = core, .how = how, .members = members };

	TRY(store_each_device(&core->store, join_item, &join));
	if (join.nr != super_num_devices(core->super))
		open_warn(how, "%s: the superblock counts %" PRIu64 " devices, there are %u",
			  core->name, super_num_devices(core->super), join.nr);
	return check_unused(core, how, members);
}
