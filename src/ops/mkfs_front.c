/*
 * Making filesystems through the public API: options to a plan, targets, the empty filesystem, opening it to be populated, finishing.
 */
#include <ubtrfs/mkfs.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "mkfs/mkfs_plan.h"
#include "ops/mkfs_features.h"
#include "ops/mkfs_room.h"
#include "ops/mkfs_target.h"
#include "ops/ops.h"
#include "ops/uuid_derive.h"

#define NODESIZE_DEFAULT (16u << 10)
#define SECTORSIZE_DEFAULT (4u << 10)
/* A filesystem that will be shrunk is built in a sparse file of this size, whatever it had before. */
#define STRETCH_BYTES (8 * TIB)
#define STRETCH_CHUNK (1 * GIB)
/* Mixed groups are shrunk where they are, so their system chunk is small from the start. */
#define MIXED_SYSTEM_BYTES MIB

/* A mkfs under way. */
struct making {
	const struct ubtrfs_mkfs_options *options;
	struct mkfs_plan plan;
	struct mkfs_device *devices;
	uint64_t *original_bytes; /* of the targets, by device */
	struct ubtrfs_time now;
	bool populate;
};

UBTRFS_API void ubtrfs_mkfs_options_init(struct ubtrfs_mkfs_options *options)
{
	memset(options, 0, sizeof(*options));
	options->discard = true;
}

static int profile_parse(const char *name, const char *option, uint64_t fallback,
			 uint64_t *ret_flag)
{
	const struct profile *profile;

	*ret_flag = fallback;
	if (!name)
		return 0;
	profile = profile_by_name(name);
	if (!profile)
		return THROW(ERR_INVALID, "unknown profile \"%s\" for %s", name, option);
	*ret_flag = profile->flag;
	return 0;
}

/* Defaults of mkfs.btrfs: metadata dup on one device, raid1 on several; data single; mixed: single, raid1 on several devices no. */
static int plan_profiles(struct making *making)
{
	const struct ubtrfs_mkfs_options *options = making->options;
	struct mkfs_plan *plan = &making->plan;
	uint64_t metadata = options->nr_devices > 1 ? BTRFS_BLOCK_GROUP_RAID1 :
						      BTRFS_BLOCK_GROUP_DUP;
	uint64_t data = 0;

	plan->mixed = options->mixed || plan->incompat & BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS;
	if (plan->mixed) {
		plan->incompat |= BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS;
		metadata = 0;
	}
	TRY(profile_parse(options->metadata_profile, "metadata", metadata,
			  &plan->metadata_profile));
	if (plan->mixed && options->metadata_profile)
		data = plan->metadata_profile;
	TRY(profile_parse(options->data_profile, "data", data, &plan->data_profile));
	if (plan->mixed && options->data_profile && !options->metadata_profile)
		plan->metadata_profile = plan->data_profile;
	if ((plan->data_profile | plan->metadata_profile) &
	    (BTRFS_BLOCK_GROUP_RAID1C3 | BTRFS_BLOCK_GROUP_RAID1C4))
		plan->incompat |= BTRFS_FEATURE_INCOMPAT_RAID1C34;
	return 0;
}

static int plan_geometry(struct making *making)
{
	const struct ubtrfs_mkfs_options *options = making->options;
	struct mkfs_plan *plan = &making->plan;
	struct geometry *geometry = &plan->geometry;

	geometry->sectorsize = options->sectorsize ? options->sectorsize : SECTORSIZE_DEFAULT;
	geometry->nodesize = options->nodesize ? options->nodesize :
						 MAX(NODESIZE_DEFAULT, geometry->sectorsize);
	if (plan->mixed && !options->nodesize)
		geometry->nodesize = geometry->sectorsize;
	geometry->csum_type = CSUM_CRC32C;
	if (options->csum)
		TRY(csum_by_name(options->csum, &geometry->csum_type));
	geometry->csum_size = (uint32_t)csum_size(geometry->csum_type);
	if (geometry->nodesize > SECTORSIZE_DEFAULT)
		plan->incompat |= BTRFS_FEATURE_INCOMPAT_BIG_METADATA;
	return 0;
}

static int plan_identity(struct making *making)
{
	const struct ubtrfs_mkfs_options *options = making->options;
	struct mkfs_plan *plan = &making->plan;
	bool derive = options->reproducible;
	struct clock_time wall = clock_wall();

	making->now = options->now ? *options->now : (struct ubtrfs_time){ wall.sec, wall.nsec };
	plan->time_sec = making->now.sec;
	plan->time_nsec = making->now.nsec;
	if (options->label) {
		if (strlen(options->label) >= sizeof(plan->label) || strchr(options->label, '\n'))
			return THROW(ERR_INVALID, "a label has at most %zu bytes and no newline",
				     sizeof(plan->label) - 1);
		memcpy(plan->label, options->label, strlen(options->label));
	}
	if (options->fsid)
		memcpy(plan->fsid, options->fsid, 16);
	else
		TRY(uuid_random(plan->fsid));
	if (derive) {
		uuid_derive(plan->fsid, "chunk tree", 0, plan->chunk_tree_uuid);
		uuid_derive(plan->fsid, "top subvolume", 0, plan->fs_tree_uuid);
	} else {
		TRY(uuid_random(plan->chunk_tree_uuid));
		TRY(uuid_random(plan->fs_tree_uuid));
	}
	for (unsigned i = 0; i < options->nr_devices; i++) {
		if (i == 0 && options->device_uuid)
			memcpy(making->devices[i].uuid, options->device_uuid, 16);
		else if (derive)
			uuid_derive(plan->fsid, "device", i, making->devices[i].uuid);
		else
			TRY(uuid_random(making->devices[i].uuid));
	}
	return 0;
}

/* A compressed image says so, as Linux sets it at the first use. */
static int plan_make(struct making *making, const struct ubtrfs_open_options *how)
{
	struct mkfs_plan *plan = &making->plan;
	struct mkfs_features features;

	TRY(mkfs_features_parse(making->options->features, &features));
	plan->incompat = features.incompat;
	plan->compat_ro = features.compat_ro;
	TRY(plan_profiles(making));
	TRY(plan_geometry(making));
	TRY(plan_identity(making));
	if (how && how->compress == UBTRFS_COMPRESS_LZO)
		plan->incompat |= BTRFS_FEATURE_INCOMPAT_COMPRESS_LZO;
	if (how && how->compress == UBTRFS_COMPRESS_ZSTD)
		plan->incompat |= BTRFS_FEATURE_INCOMPAT_COMPRESS_ZSTD;
	plan->magic = making->populate ? BTRFS_MAGIC_TEMPORARY : BTRFS_MAGIC;
	plan->no_data_chunk = making->populate;
	plan->metadata_from_end = making->populate && making->options->shrink && !plan->mixed;
	if (making->populate && making->options->shrink && plan->mixed)
		plan->system_bytes = MIXED_SYSTEM_BYTES;
	return 0;
}

static bool target_grows(const struct making *making, const struct device *device)
{
	return making->populate && device->resizable &&
	       (!making->options->byte_count || making->options->shrink);
}

/* The size of one device: what was asked for, what it has, or, for a file that may grow, at least what an empty filesystem needs. */
static int target_size(struct making *making, struct mkfs_device *target, uint64_t min_bytes)
{
	const struct ubtrfs_mkfs_options *options = making->options;
	struct device *device = target->device;
	uint64_t want = options->byte_count ?
				round_down(options->byte_count, making->plan.geometry.sectorsize) :
				device->size_bytes;

	if (options->shrink && target_grows(making, device)) {
		TRY(target_stretch(device, STRETCH_BYTES));
		want = device->size_bytes;
	} else if (target_grows(making, device) && want < min_bytes) {
		want = min_bytes;
	}
	if (want < min_bytes)
		return THROW(
			ERR_TOO_SMALL,
			"%s: %llu bytes are too few, an empty filesystem with these options needs %llu",
			device->name, (unsigned long long)want, (unsigned long long)min_bytes);
	if (device->resizable && device->size_bytes < want)
		TRY(device_resize(device, want));
	if (want > device->size_bytes)
		return THROW(ERR_TOO_SMALL, "%s has %llu bytes, %llu were asked for", device->name,
			     (unsigned long long)device->size_bytes, (unsigned long long)want);
	target->total_bytes = round_down(want, making->plan.geometry.sectorsize);
	return 0;
}

static int targets_open(struct making *making)
{
	const struct ubtrfs_mkfs_options *options = making->options;

	for (unsigned i = 0; i < options->nr_devices; i++)
		if (!options->force)
			TRY(target_probe(options->devices[i]));
	for (unsigned i = 0; i < options->nr_devices; i++) {
		TRY(target_open(options->devices[i], &making->devices[i].device));
		making->original_bytes[i] = making->devices[i].device->size_bytes;
	}
	return 0;
}

/* What was there before is of no use to anybody: devices that can are told so. */
static int target_clear(const struct making *making, struct device *device)
{
	int err = 0;

	TRY(target_wipe(device));
	if (making->options->discard)
		err = device_discard(device, PHYS(0), device->size_bytes);
	return err == -ERR_UNSUPPORTED ? 0 : err;
}

static int making_write(struct making *making, uint64_t min_bytes)
{
	struct mkfs_plan *plan = &making->plan;

	for (unsigned i = 0; i < plan->nr_devices; i++) {
		TRY(target_size(making, &plan->devices[i], min_bytes));
		TRY(target_clear(making, plan->devices[i].device));
	}
	TRY(mkfs_plan_check(plan));
	return mkfs_write_empty(plan);
}

static int making_run(struct making *making, const struct ubtrfs_open_options *how)
{
	uint64_t min_bytes;

	TRY(fault_arm_from_env());
	if (!making->options->nr_devices)
		return THROW(ERR_INVALID, "no device was given");
	making->devices = mem_array(making->options->nr_devices, sizeof(*making->devices));
	making->original_bytes = mem_array(making->options->nr_devices, sizeof(uint64_t));
	if (!making->devices || !making->original_bytes)
		return MEM_FAIL("the devices");
	making->plan.devices = making->devices;
	making->plan.nr_devices = making->options->nr_devices;
	TRY(plan_make(making, how));
	/* Refuses what cannot be before a target is touched. */
	TRY(mkfs_min_device_bytes(&making->plan, &min_bytes));
	TRY(targets_open(making));
	return making_write(making, min_bytes);
}

/* A file that was stretched gets its size back: what is in it is no filesystem, and its length meant something. */
static void file_restore(struct device *device, uint64_t original_bytes)
{
	struct err_report told;

	err_capture_last(&told);
	if (device && device->resizable && device->size_bytes > original_bytes &&
	    device_resize(device, original_bytes) < 0)
		log_error("%s keeps a length of %llu bytes: %s", device->name,
			  (unsigned long long)device->size_bytes, err_last_text());
	err_restore(&told);
}

/* Closes the targets: from here on the filesystem is opened like any other. */
static void making_close(struct making *making, int err)
{
	for (unsigned i = 0; making->devices && i < making->options->nr_devices; i++) {
		if (err < 0 && making->original_bytes)
			file_restore(making->devices[i].device, making->original_bytes[i]);
		device_free(making->devices[i].device);
	}
	mem_free(making->devices);
	making->devices = NULL;
}

void fs_restore_files(struct ubtrfs *fs)
{
	struct volume_device *device;

	for (unsigned i = 0; fs->unfinished && fs->original_bytes &&
			     (device = volume_device_at(fs->core.volume, i));
	     i++)
		file_restore(device->device, fs->original_bytes[i]);
}

static void policy_set(struct ubtrfs *fs, const struct making *making)
{
	const struct mkfs_plan *plan = &making->plan;
	struct volume_device *first = volume_device_at(fs->core.volume, 0);
	bool shrink = making->options->shrink;
	struct chunk_policy policy = { .profile = { [SPACE_DATA] = plan->data_profile,
						    [SPACE_METADATA] = plan->metadata_profile,
						    [SPACE_SYSTEM] = plan->metadata_profile },
				       .from_end = { [SPACE_METADATA] = shrink && !plan->mixed,
						     [SPACE_SYSTEM] = shrink && !plan->mixed } };

	if (shrink)
		policy.max_chunk[SPACE_DATA] = STRETCH_CHUNK;
	policy.may_grow = !shrink && target_grows(making, first->device);
	space_set_policy(fs->core.space, &policy);
	fs->unfinished = true;
	fs->shrink = shrink;
	fs->size_limit = shrink ? making->options->byte_count : 0;
}

static int making_open(const struct making *making, const struct ubtrfs_open_options *options,
		       struct ubtrfs **ret_fs)
{
	struct core_open how;

	core_open_from_options(options, &how);
	how.devices = making->options->devices;
	how.nr_devices = making->options->nr_devices;
	how.writable = true;
	how.unfinished = making->populate;
	how.now = making->options->now;
	return fs_new(&how, ret_fs);
}

UBTRFS_API int ubtrfs_mkfs(const struct ubtrfs_mkfs_options *options, struct ubtrfs_info *ret_info)
{
	struct ubtrfs_open_options how;
	struct making making = { .options = options };
	struct ubtrfs *fs = NULL;
	int err = making_run(&making, NULL);

	making_close(&making, err);
	mem_free(making.original_bytes);
	ubtrfs_open_options_init(&how);
	if (err == 0)
		err = making_open(&making, &how, &fs);
	if (err == 0)
		err = core_info(&fs->core, ret_info);
	ubtrfs_abandon(fs);
	return err < 0 ? -err_to_errno(err) : 0;
}

UBTRFS_API int ubtrfs_mkfs_open(const struct ubtrfs_mkfs_options *options,
				const struct ubtrfs_open_options *how, struct ubtrfs **ret_fs)
{
	struct making making = { .options = options, .populate = true };
	int err = making_run(&making, how);

	making_close(&making, err);
	if (err == 0)
		err = making_open(&making, how, ret_fs);
	if (err < 0) {
		mem_free(making.original_bytes);
		return -err_to_errno(err);
	}
	(*ret_fs)->original_bytes = making.original_bytes;
	policy_set(*ret_fs, &making);
	(*ret_fs)->derive_uuids = options->reproducible;
	return 0;
}

static int making_room(struct making *making, const struct ubtrfs_open_options *how,
		       const struct ubtrfs_mkfs_contents *contents, uint64_t *ret_device_bytes)
{
	const struct mkfs_room_how room = { .compress = how->compress != UBTRFS_COMPRESS_NONE,
					    .shrink = making->options->shrink };

	making->devices = mem_array(making->options->nr_devices, sizeof(*making->devices));
	if (!making->devices)
		return MEM_FAIL("the devices");
	making->plan.nr_devices = making->options->nr_devices;
	TRY(plan_make(making, how));
	return mkfs_room(&making->plan, &room, contents, ret_device_bytes);
}

UBTRFS_API int ubtrfs_mkfs_size_for(const struct ubtrfs_mkfs_options *options,
				    const struct ubtrfs_open_options *how,
				    const struct ubtrfs_mkfs_contents *contents,
				    uint64_t *ret_device_bytes)
{
	struct making making = { .options = options, .populate = true };
	int err = options->nr_devices ? making_room(&making, how, contents, ret_device_bytes) :
					THROW(ERR_INVALID, "no device was given");

	mem_free(making.devices);
	return err < 0 ? -err_to_errno(err) : 0;
}

/* Everything is durable: now it may be told. When that fails nothing may look complete, on no device. */
static int finish_tell(struct core *core)
{
	struct err_report report;
	int err;

	super_set_magic(core->super, BTRFS_MAGIC);
	err = core_rewrite_supers(core);
	if (err < 0) {
		err_capture(err, &report);
		super_set_magic(core->super, BTRFS_MAGIC_TEMPORARY);
		if (core_rewrite_supers(core) < 0)
			log_error("%s: the superblocks could not be taken back", core->name);
		err = err_rethrow(&report);
	}
	return err;
}

static int finish_steps(struct ubtrfs *fs, struct ubtrfs_info *ret_info)
{
	struct core *core = &fs->core;

	TRY(core_commit(core));
	if (fs->shrink) {
		TRY(core_shrink(core, fs->size_limit));
		TRY(core_cut_files(core));
	}
	TRY(core_info(core, ret_info));
	TRY(finish_tell(core));
	fs->unfinished = false;
	return 0;
}

UBTRFS_API int ubtrfs_mkfs_finish(struct ubtrfs *fs, struct ubtrfs_info *ret_info)
{
	int err;

	fs_lock(fs);
	err = fs_unlock(fs, fs->unfinished ?
				    finish_steps(fs, ret_info) :
				    THROW(ERR_INVALID, "this filesystem is complete already"));
	ubtrfs_abandon(fs);
	return err;
}
