/*
 * The door: space is promised before it is needed (law L9).
 *
 * What an operation will need of metadata is bounded: its items, twice (splits leave leaves half full), and one more leaf for each inode
 * it touches. The sum for everything that is delayed, and what the commit itself will write, must be free; so the tree work that happens later
 * never finds the disk full.
 */
#include "base/assert.h"
#include "commit/commit.h"

/* Tree blocks that any commit may copy or add in the trees of its own: paths of six trees and their splits. */
#define COMMIT_NODES 48u
/* Room in the extent tree, free-space tree and csum tree for one queued reference. */
#define BYTES_PER_REF 192u

int core_flush_inode(struct core *core, struct inode *inode)
{
	int err;

	inode_ref(inode);
	err = file_settle(&core->writeback, inode);
	if (err == 0)
		err = inode_flush(core->txn, inode);
	inode_put(inode);
	return err;
}

int core_flush_delayed(struct core *core, size_t limit_bytes)
{
	struct inode *inode;

	while (core->inodes.delayed_bytes > limit_bytes &&
	       (inode = inode_oldest_dirty(&core->inodes)))
		TRY(core_flush_inode(core, inode));
	return 0;
}

static uint64_t pending_bytes(struct core *core)
{
	uint64_t refs = ref_queue_nr(space_ref_queue(core->space));

	return 2 * (uint64_t)core->inodes.delayed_bytes +
	       (uint64_t)core->inodes.nr_dirty * core->geometry.nodesize / 4 +
	       refs * BYTES_PER_REF + (uint64_t)COMMIT_NODES * core->geometry.nodesize;
}

/* Whether so many bytes of metadata are free beside all that is pending. */
static bool metadata_fits(struct core *core, uint64_t bytes)
{
	uint64_t need = pending_bytes(core) + bytes;

	if (space_promise(core->space, SPACE_METADATA, need) < 0)
		return false;
	space_unpromise(core->space, SPACE_METADATA, need);
	return true;
}

static int metadata_grow(struct core *core, uint64_t bytes)
{
	struct block_group *group;
	int err;

	core->changed = true;
	do {
		err = space_grow(core->space, SPACE_METADATA, core->geometry.nodesize, 0, &group);
	} while (err == 0 && !metadata_fits(core, bytes));
	return err;
}

int door_ensure_metadata(struct core *core)
{
	if (metadata_fits(core, 0))
		return 0;
	return metadata_grow(core, 0);
}

static int metadata_make(struct core *core, uint64_t bytes)
{
	int err;

	TRY(core_flush_delayed(core, 0));
	if (metadata_fits(core, bytes))
		return 0;
	err = metadata_grow(core, bytes);
	if (err != -ERR_NO_SPACE)
		return err;
	TRY(core_commit(core));
	if (metadata_fits(core, bytes))
		return 0;
	return THROW(ERR_NO_SPACE, "%s: no space left for metadata", core->name);
}

int door_enter(struct core *core, uint64_t item_bytes, unsigned nr_inodes)
{
	uint64_t bytes = 2 * item_bytes + (uint64_t)nr_inodes * core->geometry.nodesize;

	if (!core->writable)
		return THROW(ERR_READ_ONLY, "%s is open for reading only", core->name);
	TRY(txn_check(core->txn));
	core->changed = true;
	if (core->inodes.delayed_bytes > DELAYED_MAX_BYTES)
		TRY(core_flush_delayed(core, DELAYED_MAX_BYTES / 2));
	if (cache_dirty_bytes(core->cache) > DIRTY_MAX_BYTES)
		TRY(core_commit(core));
	if (!metadata_fits(core, bytes))
		TRY(metadata_make(core, bytes));
	return 0;
}
