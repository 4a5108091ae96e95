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
#include <unistd.h>

#include "base/assert.h"
#include "format/validate_super.h"

/* Known to the superblock's system chunks only, so far. */
#define SIZE_UNKNOWN ((uint64_t)INT64_MAX)
/* Of one filesystem, its seeds, and copies of both. */
#define MEMBERS_MAX (2 * VOLUME_MAX_DEVICES)

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
	return super_node_fsid(member->super);
}

/*
 * Every device passes the fault points, so that whole commands can be tested with them. The first
 * one may be a part of an image.
 */
static int member_device(const struct core_open *how, const char *path, bool first, bool writable,
			 struct device **ret_device)
{
	struct device *device, *window = NULL;
	int err;

	TRY(device_file_open(path, writable ? DEVICE_WRITE : 0, &device));
	err = first ? open_partition(how, path, device, &window) : 0;
	if (err == 0 && window)
		device = window;
	if (err == 0)
		err = device_fault_new(device, ret_device);
	if (err < 0)
		device_free(device);
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

/* The member that is the same file or device by whatever name; NULL when none is. */
static const struct member *member_same_file(const struct members *members, const char *path)
{
	struct stat st, other;

	if (stat(path, &st) < 0)
		return NULL; /* opening tells */
	for (unsigned i = 0; i < members->nr; i++) {
		const struct member *member = &members->all[i];

		if (stat(member->path, &other) < 0)
			continue;
		if (S_ISBLK(st.st_mode) ? S_ISBLK(other.st_mode) && st.st_rdev == other.st_rdev :
					  st.st_dev == other.st_dev && st.st_ino == other.st_ino)
			return member;
	}
	return NULL;
}

/* One file twice would be written through two descriptors. */
static int named_check_twice(const struct members *members, const char *path)
{
	const struct member *same = member_same_file(members, path);

	if (same)
		return THROW(ERR_INVALID, "%s and %s are the same device", same->path, path);
	return 0;
}

/* A seed is never written, also when its filesystem is. */
static int named_reopen_seed(const struct core_open *how, struct member *member, bool first)
{
	struct device *device;

	TRY(member_device(how, member->path, first, false, &device));
	device_free(member->device);
	member->device = device;
	return 0;
}

/* What is read while somebody else writes may be of two times: this process knows what it does. */
static void warn_of_writer(const struct core_open *how, const char *path)
{
	struct device_mount mount;
	char who[DEVICE_WHO_MAX];
	unsigned pid;

	if (how->writable || how->opened || !how->warn)
		return;
	if (device_find_mount(path, &mount) && mount.writable)
		open_warn(how, "%s is %s, for writing: what is read may change underneath", path,
			  mount.where);
	else if (device_find_writer(path, who, &pid) && pid != (unsigned)getpid())
		open_warn(how, "%s is being written by %s: what is read may change underneath",
			  path, who);
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
		TRY(member_device(how, member->path, index == 0, how->writable, &member->device));
	err = open_super_read(member->device, how, member->super);
	member->has_super = err >= 0;
	warn_of_writer(how, member->path);
	if (err < 0 && (how->writable || how->nr_devices == 1))
		return err;
	if (err < 0) {
		open_warn(how, "%s; it is taken for missing", err_text(err));
		device_free(member->device);
		member->device = NULL;
	}
	if (member_is_seed(member) && how->writable && !how->opened)
		TRY(named_reopen_seed(how, member, index == 0));
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

static bool is_better(const struct members *members, const struct member *member,
		      const struct member *than)
{
	uint64_t is = super_generation(member->super), was = super_generation(than->super);
	uint64_t wanted = members->generation;

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
		    (!best || is_better(members, member, best)))
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

/* The index; nr when there is none. */
static unsigned first_readable(const struct members *members)
{
	unsigned i = 0;

	while (i < members->nr && !members->all[i].has_super)
		i++;
	return i;
}

/* ---- those that are found ---- */

struct found {
	const struct core_open *how;
	struct members *members;
	uint8_t fsid[BTRFS_FSID_SIZE];
};

/* Looks at the superblock of a candidate; a seed may be asked for later. */
static int found_visit(void *ctx, const char *path, const uint8_t *super)
{
	struct found *found = ctx;
	struct member *member;

	if (!super_has_magic(super) || super_bytenr(super) != super_mirror_offset(0))
		return 0;
	if (memcmp(super_fsid(super), found->fsid, BTRFS_FSID_SIZE) != 0 &&
	    !(super_flags(super) & BTRFS_SUPER_FLAG_SEEDING))
		return 0;
	if (!super_csum_ok(super) || validate_super(super) < 0 ||
	    member_same_file(found->members, path))
		return 0;
	if (found->members->nr >= MEMBERS_MAX) {
		open_warn(found->how, "%s is passed over: there are %u members already", path,
			  MEMBERS_MAX);
		return 0;
	}
	TRY(member_new(found->members, path, &member));
	member->has_super = true;
	memcpy(member->super, super, SUPER_SIZE);
	return 0;
}

static int members_scan(const struct core_open *how, struct members *members,
			const struct member *first)
{
	struct found found = { .how = how, .members = members };

	memcpy(found.fsid, super_fsid(first->super), BTRFS_FSID_SIZE);
	return device_scan(first->path, super_mirror_offset(0), SUPER_SIZE, found_visit, &found);
}

int members_open(struct core *core, const struct core_open *how, struct members *members)
{
	unsigned first;

	for (unsigned i = 0; i < how->nr_devices; i++)
		TRY(named_open(how, members, i));
	first = first_readable(members);
	if (first == members->nr)
		return THROW(ERR_SUPER_BAD, "none of %u devices has a superblock of btrfs",
			     how->nr_devices);
	members->generation = super_generation(members->all[first].super);
	TRY(named_check(members, &members->all[first]));
	if (how->scan && !how->unfinished &&
	    nr_devids(members, &members->all[first]) < super_num_devices(members->all[first].super))
		TRY(members_scan(how, members, &members->all[first]));
	/* Scanning has moved them. */
	TRY(members_check_twins(members, how, &members->all[first]));
	super_choose(core, how, members, &members->all[first]);
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
		if (!best || is_better(members, member, best))
			best = member;
	}
	return best;
}

/* Between looking and opening somebody may have written it. */
static int found_open(const struct core_open *how, struct member *member)
{
	uint8_t super[SUPER_SIZE];

	if (member->device)
		return 0;
	TRY(member_device(how, member->path, false, how->writable && !member_is_seed(member),
			  &member->device));
	TRY(super_read(member->device, 0, super));
	if (memcmp(super, member->super, SUPER_SIZE) != 0)
		return THROW(ERR_DEVICE_BUSY, "%s changed while it was opened", member->path);
	return 0;
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

/*
 * The volume gets the device with this id and uuid, or an entry without a device. It is there
 * already: nothing. total_bytes as far as it is known.
 */
static int members_join(struct core *core, const struct core_open *how, struct members *members,
			uint64_t devid, const uint8_t *uuid, uint64_t total_bytes)
{
	struct member *member;

	if (volume_device_find(core->volume, devid))
		return 0;
	member = member_find(core, members, devid, uuid);
	if (!member)
		return join_missing(core, how, devid, uuid, total_bytes);
	TRY(check_left_behind(core, how, member));
	TRY(found_open(how, member));
	TRY(check_size(how, member, dev_item_total_bytes(super_dev_item(member->super))));
	TRY(volume_add_device(core->volume, devid, uuid, member->device, total_bytes));
	member->device = NULL;
	member->in_volume = true;
	if (same_fsid(member, core->super) &&
	    super_generation(member->super) < super_generation(core->super))
		TRY(volume_set_stale(core->volume, devid));
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

int devices_check_ends(struct core *core, const struct core_open *how)
{
	unsigned nr = volume_nr_devices(core->volume);

	for (unsigned i = 0; i < nr && how->writable; i++) {
		const struct volume_device *device = volume_device_at(core->volume, i);

		if (!device->device || device->device->read_only)
			continue;
		CORRUPT_IF(device->total_bytes == SIZE_UNKNOWN,
			   "%s: device %" PRIu64 " has no item in the chunk tree", core->name,
			   device->devid);
		if (device->total_bytes > device->device->size_bytes)
			return THROW(ERR_INVALID,
				     "%s has %" PRIu64 " bytes, the filesystem on it has %" PRIu64,
				     device->device->name, device->device->size_bytes,
				     device->total_bytes);
	}
	return 0;
}
