/*
 * The filesystem as a whole: open, commit, close, facts.
 */
#include <errno.h>

#include <ubtrfs/ubtrfs.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/log.h"
#include "ops/background.h"
#include "ops/op_names.h"
#include "ops/uuid_derive.h"

UBTRFS_API const char *ubtrfs_error_text(void)
{
	return err_last_text();
}

void fs_lock(struct ubtrfs *fs)
{
	rwlock_write(&fs->lock);
	fs->alone = true;
	fs->core.room_round = 0;
	fs->core.space_round = 0;
	fs->sync_wanted = false;
}

void fs_lock_shared(struct ubtrfs *fs)
{
	rwlock_read(&fs->lock);
}

int fs_errno(int err)
{
	return err < 0 ? -err_to_errno(err) : err;
}

/* One line in the log of a filesystem that nobody closes, and whose users may not look at errors. */
static void fs_tell_abort(struct ubtrfs *fs)
{
	struct err_report last;

	if (fs->told || !fs->core.txn)
		return;
	err_capture_last(&last);
	if (txn_check(fs->core.txn) < 0) {
		fs->told = true;
		log_error("%s is read-only from now on: %s", fs->core.name, err_last_text());
		err_restore(&last);
	}
}

int fs_unlock(struct ubtrfs *fs, int err)
{
	/* Among readers it is false, and nobody writes it. */
	if (fs->alone) {
		unsigned kick = fs->core.kick;

		fs->core.kick = 0;
		if (fs->background)
			fs_tell_abort(fs);
		fs->alone = false;
		rwlock_unwrite(&fs->lock);
		if (kick)
			background_kick(fs, kick);
	} else {
		rwlock_unread(&fs->lock);
	}
	return fs_errno(err);
}

int fs_change_end(struct ubtrfs *fs, int err)
{
	bool sync = fs->sync_wanted && err >= 0 && !fs->unfinished && !fs->core.explicit_commit;

	err = fs_unlock(fs, err);
	if (sync)
		TRY(ubtrfs_commit(fs));
	return err;
}

int fs_ready_to_read(struct ubtrfs *fs, struct inode *inode)
{
	if (!inode->nr_sources)
		return 0;
	if (!fs->alone)
		return -ERR_WANTS_ALONE;
	return file_wait_range(&fs->core.writeback, inode, 0, UINT64_MAX);
}

UBTRFS_API void ubtrfs_open_options_init(struct ubtrfs_open_options *options)
{
	memset(options, 0, sizeof(*options));
	options->max_inline = UINT32_MAX;
	options->scan = true;
	options->super_copy = -1;
}

/* Linux's default. */
#define MAX_INLINE_DEFAULT 2048u

void core_open_from_options(const struct ubtrfs_open_options *options, struct core_open *ret_how)
{
	*ret_how = (struct core_open){ .devices = options->devices,
				       .nr_devices = options->nr_devices,
				       .writable = options->writable,
				       .explicit_commit = options->explicit_commit,
				       .background = options->background && options->writable,
				       .commit_interval_s = options->commit_interval_s,
				       .dirty_bytes = options->dirty_bytes,
				       .threads = options->threads,
				       .cache_bytes = options->cache_bytes,
				       .compress = options->compress,
				       .compress_level = options->compress_level,
				       .compress_force = options->compress_force,
				       .max_inline = options->max_inline == UINT32_MAX ?
							     MAX_INLINE_DEFAULT :
							     options->max_inline,
				       .nodatacow = options->nodatacow,
				       .nodatasum = options->nodatasum,
				       .atime = options->atime,
				       .now = options->now,
				       .scan = options->scan,
				       .partition = options->partition,
				       .offset = options->offset,
				       .super_copy = options->super_copy,
				       .no_verify = options->no_verify,
				       .rescue = options->rescue,
				       .warn = options->warn,
				       .warn_ctx = options->warn_ctx };
}

int fs_new(const struct core_open *how, struct ubtrfs **ret_fs)
{
	struct ubtrfs *fs = mem_zalloc(sizeof(*fs));
	int err;

	if (!fs)
		return MEM_FAIL("a filesystem");
	err = core_open(&fs->core, how);
	if (err < 0) {
		mem_free(fs);
		return err;
	}
	rwlock_init(&fs->lock, RANK_OPS, "filesystem");
	fs->nodatacow = how->nodatacow;
	fs->nodatasum = how->nodatasum;
	fs->atime = how->atime;
	if (fs->core.background)
		err = background_start(fs);
	if (err < 0) {
		core_close(&fs->core);
		rwlock_fini(&fs->lock);
		mem_free(fs);
		return err;
	}
	*ret_fs = fs;
	return 0;
}

static int options_check(const struct ubtrfs_open_options *options)
{
	if (options->rescue && options->writable)
		return THROW(ERR_INVALID, "what is damaged is opened for reading only");
	if (options->super_copy < -1 || options->super_copy > 2)
		return THROW(ERR_INVALID, "there is no superblock copy %d", options->super_copy);
	if (options->background && options->explicit_commit)
		return THROW(
			ERR_INVALID,
			"a filesystem cannot both commit in the background and only when told");
	if (options->compress && (options->nodatacow || options->nodatasum))
		return THROW(ERR_INVALID, "what is stored without checksums is not compressed");
	if (options->atime > UBTRFS_ATIME_STRICT)
		return THROW(ERR_INVALID, "there is no policy %d for times of access",
			     (int)options->atime);
	return 0;
}

/* What a death left goes first, where most of it is. */
static int fs_opened_for_writing(struct ubtrfs **fs)
{
	struct ubtrfs_node top = ubtrfs_default_top(*fs);
	int err = fs_clean_orphans(*fs, BTRFS_FS_TREE_OBJECTID);

	if (err == 0 && top.subvolid != BTRFS_FS_TREE_OBJECTID)
		err = fs_clean_orphans(*fs, top.subvolid);
	/* Who opens a full one may be about to make room. */
	if (err == -ENOSPC)
		err = 0;
	if (err < 0) {
		ubtrfs_abandon(*fs);
		*fs = NULL;
	}
	return err;
}

UBTRFS_API int ubtrfs_open(const struct ubtrfs_open_options *options, struct ubtrfs **ret_fs)
{
	struct core_open how;
	int err;

	core_open_from_options(options, &how);
	err = options_check(options);
	if (err == 0)
		err = fault_arm_from_env();
	if (err == 0)
		err = fs_new(&how, ret_fs);
	if (err < 0)
		return -err_to_errno(err);
	return options->writable ? fs_opened_for_writing(ret_fs) : 0;
}

void fs_make_room(struct ubtrfs *fs)
{
	enum room room = fs->core.room_wanted;
	unsigned round = fs->core.room_round, space_round = fs->core.space_round;
	bool sync = fs->sync_wanted;

	if (fs_clean_wanted(fs)) {
		fs->sync_wanted = sync;
		return;
	}
	(void)fs_unlock(fs, 0);
	background_make_room(fs, room);
	fs_lock(fs);
	fs->sync_wanted = sync;
	fs->core.room_round = round + 1;
	fs->core.space_round = space_round + (room == ROOM_PENDING || room == ROOM_COMMIT);
}

UBTRFS_API int ubtrfs_close(struct ubtrfs *fs)
{
	int err = 0;

	if (!fs)
		return 0;
	fs_release_all(fs, true);
	background_stop(fs);
	if (fs->core.writable)
		err = core_commit(&fs->core);
	/* Once more for the chunks that it left empty. */
	if (fs->core.writable && err == 0)
		err = core_commit(&fs->core);
	ubtrfs_abandon(fs);
	return err < 0 ? -err_to_errno(err) : 0;
}

UBTRFS_API void ubtrfs_abandon(struct ubtrfs *fs)
{
	struct err_report told;

	if (!fs)
		return;
	/* What is given up on the way must not hide why. */
	err_capture_last(&told);
	background_stop(fs);
	fs_release_all(fs, false);
	fs_restore_files(fs);
	core_close(&fs->core);
	mem_free(fs->original_bytes);
	err_restore(&told);
	rwlock_fini(&fs->lock);
	mem_free(fs);
}

static uint64_t profile_in_use(struct core *core, uint64_t type)
{
	struct block_group *group;

	for (group = space_group_next(core->space, 0); group;
	     group = space_group_next(core->space, group->start + group->len_bytes))
		if (group->flags & type)
			return group->flags & BTRFS_BLOCK_GROUP_PROFILE_MASK;
	return 0;
}

int core_info(struct core *core, struct ubtrfs_info *ret_info)
{
	struct space_totals data, metadata, system;
	struct volume_device *device;

	TRY(core_load_groups(core));
	memset(ret_info, 0, sizeof(*ret_info));
	memcpy(ret_info->fsid, super_fsid(core->super), 16);
	memcpy(ret_info->label, super_label(core->super), 256);
	space_totals_get(core->space, SPACE_DATA, &data);
	space_totals_get(core->space, SPACE_METADATA, &metadata);
	space_totals_get(core->space, SPACE_SYSTEM, &system);
	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++)
		ret_info->total_bytes += device->total_bytes;
	ret_info->generation = super_generation(core->super);
	ret_info->used_bytes = space_used_total(core->space);
	ret_info->data_bytes_used = data.used_bytes;
	ret_info->metadata_bytes_used = metadata.used_bytes;
	ret_info->system_bytes_used = system.used_bytes;
	ret_info->data_bytes_total = data.total_bytes;
	ret_info->metadata_bytes_total = metadata.total_bytes;
	ret_info->system_bytes_total = system.total_bytes;
	ret_info->data_profile = profile_in_use(core, BTRFS_BLOCK_GROUP_DATA);
	ret_info->metadata_profile = profile_in_use(core, BTRFS_BLOCK_GROUP_METADATA);
	ret_info->system_profile = profile_in_use(core, BTRFS_BLOCK_GROUP_SYSTEM);
	ret_info->nodesize = core->geometry.nodesize;
	ret_info->sectorsize = core->geometry.sectorsize;
	ret_info->incompat = super_incompat_flags(core->super);
	ret_info->compat_ro = super_compat_ro_flags(core->super);
	ret_info->nr_devices = volume_nr_devices(core->volume);
	ret_info->csum_type = (uint16_t)core->geometry.csum_type;
	return subvolume_get_default(&core->inodes, &ret_info->default_subvol);
}

UBTRFS_API int ubtrfs_info(struct ubtrfs *fs, struct ubtrfs_info *ret_info)
{
	return FS_READ(fs, core_info(&fs->core, ret_info));
}

int fs_new_uuid(struct ubtrfs *fs, uint8_t ret_uuid[16])
{
	if (!fs->derive_uuids)
		return uuid_random(ret_uuid);
	uuid_derive(super_fsid(fs->core.super), "subvolume", fs->derived++, ret_uuid);
	return 0;
}
