/*
 * The door: space is promised before it is needed (law L9).
 *
 * What an operation will need of metadata is bounded: its items, twice (splits leave leaves half
 * full), and one more leaf for each inode it touches. The sum for everything that is delayed, and
 * what the commit itself will write, must be free; so the tree work that happens later never finds
 * the disk full. Contents are counted plain: sectors for all that is not yet reaped must be free,
 * or the devices have room for many more chunks of data.
 *
 * Without a background the door itself flushes and commits. With one it does what is quick (chunks are
 * made in RAM) and for the rest says ERR_WANTS_ROOM, so that nobody waits for a device under the lock
 * of ops/; whoever holds that lock gives it up, makes room (room_wanted) and comes again. In the last
 * round it asks no more: too much memory in use is let pass, for the little that others took in the
 * meantime, and too little space is ENOSPC.
 */
#include "base/assert.h"
#include "commit/commit_priv.h"

/*
 * Tree blocks that any commit may copy or add in the trees of its own: paths of six trees and
 * their splits.
 */
#define COMMIT_NODES 48u
/*
 * Kept back from everything but operations that take away: they need space before they give
 * some.
 */
#define RESERVE_NODES 16u
/*
 * Of data, where a filesystem lives long: for last sectors that are written anew because less of them
 * is left. What they replace is free after a commit.
 */
#define RESERVE_SECTORS 64u
/*
 * And beside that as much as the trees of space hold, up to this: fragments that come free make
 * more items than go (Linux).
 */
#define RESERVE_MAX_BYTES (64 * MIB)
/*
 * Chunks of data are made when they are needed as long as every device has this beside so many
 * times what is pending.
 */
#define GROW_FACTOR 2u
#define GROW_MARGIN_BYTES (64 * MIB)
/* Room in the extent tree, free-space tree and csum tree for one queued reference. */
#define BYTES_PER_REF 192u
/* Data and metadata ask for space in turn at most so often. */
#define DOOR_MAX_ROUNDS 4u
/* So often room on the devices is made for one operation, however often memory had to be waited for. */
#define SPACE_MAX_ROUNDS 4u
/* Of these: others may always have something pending, and the commits must have their turn. */
#define PENDING_MAX_ROUNDS 2u
/* The items of a run that is not yet noted, without its checksums. */
#define BYTES_PER_RUN 512u

/* Writes what is delayed for one inode, its data first. */
static int core_flush_inode(struct core *core, struct inode *inode)
{
	int err;

	inode_ref(inode);
	err = file_settle(&core->writeback, inode);
	if (err == 0)
		err = inode_flush(core->txn, inode);
	inode_put(inode);
	return err;
}

/*
 * What is delayed so far, without contents that are dirty still: those bring the inode back. One that
 * has none is settled, which waits for nothing.
 */
static int flush_noted(struct core *core, struct inode *inode)
{
	SCOPED(inode) struct inode *held = inode_ref(inode);

	if (inode_has_dirty_data(held))
		TRY(extent_close(&core->writeback, held));
	else
		TRY(file_settle(&core->writeback, held));
	return inode_flush_noted(core->txn, held);
}

/* Flushes the oldest delayed inodes until at most limit_bytes are delayed. */
static int core_flush_delayed(struct core *core, size_t limit_bytes)
{
	struct inode *inode;

	while (core->inodes.delayed_bytes > limit_bytes &&
	       (inode = inode_oldest_dirty(&core->inodes)))
		TRY(core->background ? flush_noted(core, inode) : core_flush_inode(core, inode));
	return 0;
}

int core_flush_data(struct core *core, size_t keep_bytes, bool *ret_more)
{
	struct writeback *writeback = &core->writeback;
	size_t ram = writeback_ram_bytes(writeback);
	bool more;

	TRY(txn_check(core->txn));
	TRY(writeback_step(writeback, MIN(FLUSH_SLICE_DATA_BYTES, ram - MIN(ram, keep_bytes)),
			   &more));
	*ret_more = more && writeback_ram_bytes(writeback) > keep_bytes;
	return 0;
}

int core_flush_slice(struct core *core, size_t keep_bytes, bool *ret_more)
{
	size_t before = core->inodes.delayed_bytes;
	size_t limit = before > FLUSH_SLICE_BYTES ? before - FLUSH_SLICE_BYTES : 0;
	struct inode *inode;
	bool data;

	TRY(core_flush_data(core, keep_bytes ? core->dirty_bytes / DATA_KEEP_DIVISOR : 0, &data));
	TRY(core_flush_delayed(core, MAX(limit, keep_bytes)));
	/* While contents are on their way their inodes come back. */
	for (unsigned i = 0; !data && !keep_bytes && !limit && i < FLUSH_SLICE_INODES &&
			     (inode = inode_oldest_dirty(&core->inodes));
	     i++)
		TRY(flush_noted(core, inode));
	core->kicked &= ~KICK_FLUSH;
	*ret_more = data || core->inodes.delayed_bytes > keep_bytes ||
		    (!keep_bytes && core->inodes.nr_dirty);
	return 0;
}

int core_run_refs_slice(struct core *core, bool *ret_more)
{
	struct ref_queue *queue = space_ref_queue(core->space);
	uint64_t nr;
	int err;

	*ret_more = false;
	TRY(txn_check(core->txn));
	if (ref_queue_nr(queue) <= REFS_SLICE)
		return 0;
	/* Those of extents that go take checksums along. */
	TRY(csum_batch_flush(&core->writeback));
	TRY(door_ensure_metadata(core));
	err = extent_run_some(core->txn, &core->extents, REFS_SLICE, &nr);
	if (err < 0) {
		err = txn_abort(core->txn, err, "running references");
		ref_queue_stop(queue);
		return err;
	}
	*ret_more = ref_queue_nr(queue) > REFS_SLICE;
	return 0;
}

int core_flush_all(struct core *core)
{
	struct inode *inode;

	TRY(core->background ? writeback_note(&core->writeback) :
			       writeback_drain(&core->writeback));
	while ((inode = inode_oldest_dirty(&core->inodes)))
		TRY(core_flush_inode(core, inode));
	return 0;
}

/* Blocks of the trees that a commit changes at many places, as far as they are there. */
static uint64_t space_trees_bytes(struct core *core)
{
	static const uint64_t trees[] = { BTRFS_EXTENT_TREE_OBJECTID,
					  BTRFS_FREE_SPACE_TREE_OBJECTID,
					  BTRFS_CSUM_TREE_OBJECTID };
	uint64_t bytes = 0;

	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		struct root *root = root_peek(core->roots, trees[i]);

		bytes += root ? atomic_load(&root->used_bytes) : 0;
	}
	return bytes;
}

static bool is_mixed(const struct core *core)
{
	return core->store.incompat & BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS;
}

static uint64_t data_reserve_bytes(const struct core *core)
{
	return core->background ? (uint64_t)RESERVE_SECTORS * core->geometry.sectorsize : 0;
}

static uint64_t reserve_bytes(struct core *core)
{
	/* Names must not take what is kept back of data. */
	return (uint64_t)RESERVE_NODES * core->geometry.nodesize +
	       MIN(space_trees_bytes(core), RESERVE_MAX_BYTES) +
	       (is_mixed(core) ? data_reserve_bytes(core) : 0);
}

/*
 * Blocks that are copied because something in them changes. A transaction copies each at most
 * once, so there are no more than exist.
 */
static uint64_t pending_copies_bytes(struct core *core, uint64_t more_refs)
{
	uint64_t scattered = core->inodes.nr_scattered + core->writeback.nr_overwrites;
	uint64_t leaves = scattered + scattered / 4;
	uint64_t refs = ref_queue_nr(space_ref_queue(core->space)) + more_refs + 2 * leaves;
	uint64_t nodesize = core->geometry.nodesize;
	struct space_totals totals;

	space_totals_get(core->space, SPACE_METADATA, &totals);
	return MIN(leaves * nodesize, totals.used_bytes) +
	       MIN(refs * nodesize, space_trees_bytes(core));
}

/* Sectors that runs not yet reaped will need when none of them compresses. */
static uint64_t pending_data_bytes(struct core *core)
{
	const struct writeback *writeback = &core->writeback;

	return writeback->in_flight_bytes +
	       (uint64_t)writeback->nr_in_flight * core->geometry.sectorsize +
	       writeback->dirty_bytes;
}

static uint64_t pending_bytes(struct core *core)
{
	const struct geometry *geometry = &core->geometry;
	uint64_t refs = ref_queue_nr(space_ref_queue(core->space));
	uint64_t runs = core->writeback.nr_in_flight + core->writeback.nr_dirty;
	uint64_t csum_bytes = pending_data_bytes(core) / geometry->sectorsize * geometry->csum_size;

	return runs * BYTES_PER_RUN + 2 * csum_bytes +
	       2 * (uint64_t)core->writeback.nr_small *
		       MIN(core->writeback.config.max_inline, geometry->sectorsize) +
	       2 * (uint64_t)core->inodes.delayed_bytes +
	       (uint64_t)core->inodes.nr_dirty * 2 * INODE_ITEM_SIZE + refs * BYTES_PER_REF +
	       pending_copies_bytes(core, 0) + (uint64_t)COMMIT_NODES * geometry->nodesize;
}

static bool is_free(struct core *core, enum space_kind kind, uint64_t bytes)
{
	if (space_promise(core->space, kind, bytes) < 0)
		return false;
	space_unpromise(core->space, kind, bytes);
	return true;
}

/* Whether so many bytes of metadata are free beside all that is pending. */
static bool metadata_fits(struct core *core, uint64_t bytes)
{
	uint64_t need = pending_bytes(core) + bytes;

	if (is_mixed(core))
		need += pending_data_bytes(core);
	return is_free(core, SPACE_METADATA, need);
}

/* reserve: of metadata, where it shares the groups. */
static bool data_fits(struct core *core, uint64_t bytes, uint64_t reserve)
{
	uint64_t need = pending_data_bytes(core) + bytes;

	if (is_mixed(core))
		need += pending_bytes(core) + reserve;
	return is_free(core, SPACE_DATA, need);
}

bool door_fits(struct core *core, enum space_kind kind, uint64_t bytes)
{
	if (kind == SPACE_DATA)
		return data_fits(core, bytes, reserve_bytes(core));
	return metadata_fits(core, bytes + reserve_bytes(core));
}

/* Whether chunks for so many bytes of data can surely be made when they are needed. */
static bool data_can_grow(struct core *core, uint64_t bytes)
{
	struct volume_device *device;
	struct chunk_policy policy;

	space_get_policy(core->space, &policy);
	for (unsigned i = 0; (device = volume_device_at(core->volume, i)); i++)
		if (!device->is_seed &&
		    !(policy.may_grow && device->device && device->device->resizable) &&
		    device->total_bytes - MIN(device->total_bytes, device->used_bytes) <
			    GROW_FACTOR * bytes + GROW_MARGIN_BYTES)
			return false;
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
	core->metadata_full = err == -ERR_NO_SPACE;
	return err;
}

int door_ensure_metadata(struct core *core)
{
	int err = 0;

	/* The sum is a worst case: what is there is tried before the commit is given up. */
	if (!metadata_fits(core, 0))
		err = metadata_grow(core, 0);
	return err == -ERR_NO_SPACE ? 0 : err;
}

/* Whether a commit would give space back, or let somebody write where others were. */
static bool commit_helps(struct core *core, enum space_kind kind)
{
	struct space_totals totals;

	space_totals_get(core->space, kind, &totals);
	return totals.pinned_bytes || ref_queue_nr(space_ref_queue(core->space)) ||
	       (kind == SPACE_DATA && space_was_left(core->space, 0, UINT64_MAX)) ||
	       reclaim_wanted(core);
}

/*
 * The last way to space: a commit. Where only the user commits, references that are run need less
 * than is kept for them while they wait.
 */
static int make_settle(struct core *core, enum space_kind kind)
{
	/* The first frees space, the second gives back the chunks that it left empty. */
	for (unsigned i = 0; !core->explicit_commit && i < 2 && commit_helps(core, kind); i++) {
		core->changed = true;
		TRY(core_commit(core));
		core->needs_chunks = true;
	}
	if (kind == SPACE_METADATA && ref_queue_nr(space_ref_queue(core->space)))
		return core_spill(core);
	return 0;
}

/* ---- asking for room ---- */

static int room_want(struct core *core, enum room room)
{
	core->room_wanted = room;
	return -ERR_WANTS_ROOM;
}

static bool asks_for_memory(const struct core *core)
{
	return core->background && core->room_round < ROOM_MAX_ROUNDS;
}

static bool asks_for_space(const struct core *core, unsigned max_rounds)
{
	return core->background && core->space_round < max_rounds;
}

static bool is_pending(const struct core *core)
{
	return core->writeback.nr_dirty || core->writeback.nr_in_flight || core->inodes.nr_dirty;
}

/* A commit before the operation is refused, if it helps. */
static int space_settle(struct core *core, enum space_kind kind)
{
	core->needs_chunks = true;
	if (!core->background)
		return make_settle(core, kind);
	if (asks_for_space(core, SPACE_MAX_ROUNDS) && commit_helps(core, kind))
		return room_want(core, ROOM_COMMIT);
	return 0;
}

/* Before anything is done: memory. */
static int memory_enter(struct core *core)
{
	bool asks = asks_for_memory(core);

	if (core->inodes.delayed_bytes > DELAYED_MAX_BYTES) {
		if (asks)
			return room_want(core, ROOM_DELAYED);
		TRY(core_flush_delayed(core, DELAYED_MAX_BYTES / 2));
	}
	if (cache_dirty_bytes(core->cache) > core->dirty_max_bytes) {
		if (asks)
			return room_want(core, ROOM_BLOCKS);
		if (!core->background)
			TRY(core->explicit_commit ? core_spill(core) : core_commit(core));
	}
	return 0;
}

/* ---- making space ---- */

static int metadata_make(struct core *core, uint64_t bytes)
{
	int err;

	if (asks_for_space(core, PENDING_MAX_ROUNDS) && is_pending(core))
		return room_want(core, ROOM_PENDING);
	/* Data that is promised a chunk gets it before this takes the room. */
	TRY(core_flush_all(core));
	if (metadata_fits(core, bytes))
		return 0;
	err = metadata_grow(core, bytes);
	if (err != -ERR_NO_SPACE)
		return err;
	TRY(space_settle(core, SPACE_METADATA));
	if (metadata_fits(core, bytes))
		return 0;
	err = metadata_grow(core, bytes);
	if (err != -ERR_NO_SPACE)
		return err;
	return THROW(ERR_NO_SPACE, "%s: no space left for metadata", core->name);
}

/* Chunks of data until it fits; ERR_NO_SPACE. */
static int data_grow(struct core *core, uint64_t bytes, uint64_t reserve)
{
	struct block_group *group;

	while (!data_fits(core, bytes, reserve)) {
		core->changed = true;
		TRY(space_grow(core->space, SPACE_DATA, core->geometry.sectorsize, 0, &group));
	}
	return 0;
}

static int data_make(struct core *core, uint64_t bytes, uint64_t reserve)
{
	int err;

	if (asks_for_space(core, PENDING_MAX_ROUNDS) && is_pending(core))
		return room_want(core, ROOM_PENDING);
	TRY(writeback_drain(&core->writeback));
	err = data_grow(core, bytes, reserve);
	if (err != -ERR_NO_SPACE)
		return err;
	TRY(space_settle(core, SPACE_DATA));
	err = data_grow(core, bytes, reserve);
	if (err != -ERR_NO_SPACE)
		return err;
	return THROW(ERR_NO_SPACE, "%s: no space left for data", core->name);
}

/* Less than what makes somebody wait: the background begins. */
static void door_kick(struct core *core)
{
	unsigned kick = 0;

	if (!core->background)
		return;
	if (core->inodes.delayed_bytes > DELAYED_MAX_BYTES / 2 ||
	    writeback_ram_bytes(&core->writeback) > core->dirty_bytes / DATA_KICK_DIVISOR)
		kick |= KICK_FLUSH;
	if (cache_dirty_bytes(core->cache) > core->dirty_max_bytes / 2)
		kick |= KICK_COMMIT;
	/* What the door told before, under the same lock, has not arrived yet. */
	core->kick |= kick & ~core->kicked;
	core->kicked |= kick;
}

static void door_passed(struct core *core)
{
	core->room_round = 0;
	core->space_round = 0;
	door_kick(core);
}

static int door_check(struct core *core)
{
	if (!core->writable)
		return THROW(ERR_READ_ONLY, "%s is open for reading only", core->name);
	return txn_check(core->txn);
}

/* reserve: what this operation must leave to those that take away. */
static int door_pass(struct core *core, uint64_t item_bytes, unsigned nr_inodes, uint64_t reserve)
{
	uint64_t bytes = 2 * item_bytes + (uint64_t)nr_inodes * core->geometry.nodesize + reserve;

	TRY(memory_enter(core));
	if (!metadata_fits(core, bytes))
		TRY(metadata_make(core, bytes));
	/* Behind what may have committed here. */
	core->changed = true;
	return 0;
}

int door_enter(struct core *core, uint64_t item_bytes, unsigned nr_inodes)
{
	TRY(door_check(core));
	TRY(door_pass(core, item_bytes, nr_inodes, reserve_bytes(core)));
	door_passed(core);
	return 0;
}

/* Whether contents of so many bytes find space, or surely a new chunk. */
static bool data_ready(struct core *core, uint64_t bytes, uint64_t reserve)
{
	return data_fits(core, bytes, reserve) ||
	       (!is_mixed(core) && data_can_grow(core, pending_data_bytes(core) + bytes));
}

/* reserve, data_reserve: what this operation must leave to those that take away. */
static int door_pass_data(struct core *core, uint64_t data_bytes, uint64_t data_reserve,
			  uint64_t item_bytes, unsigned nr_inodes, uint64_t reserve)
{
	if (asks_for_memory(core) && writeback_ram_bytes(&core->writeback) &&
	    writeback_ram_bytes(&core->writeback) + data_bytes > core->dirty_bytes)
		return room_want(core, ROOM_DATA);
	data_bytes += data_reserve;
	/* Metadata that grows may take the room that a chunk of data was to have: ask again. */
	for (unsigned round = 0; round < DOOR_MAX_ROUNDS; round++) {
		if (!data_ready(core, data_bytes, reserve))
			TRY(data_make(core, data_bytes, reserve));
		TRY(door_pass(core, item_bytes, nr_inodes, reserve));
		if (data_ready(core, data_bytes, reserve)) {
			door_passed(core);
			return 0;
		}
	}
	return THROW(ERR_NO_SPACE, "%s: no space left for data beside metadata", core->name);
}

int door_enter_data(struct core *core, uint64_t data_bytes, uint64_t item_bytes, unsigned nr_inodes)
{
	TRY(door_check(core));
	return door_pass_data(core, data_bytes, data_reserve_bytes(core), item_bytes, nr_inodes,
			      reserve_bytes(core));
}

int door_enter_shrink(struct core *core, unsigned nr_sectors, unsigned nr_inodes)
{
	TRY(door_check(core));
	return door_pass_data(core, (uint64_t)nr_sectors * core->geometry.sectorsize, 0, 0,
			      nr_inodes, 0);
}

int door_enter_remove(struct core *core, unsigned nr_inodes)
{
	TRY(door_check(core));
	TRY(door_pass(core, 0, nr_inodes, 0));
	door_passed(core);
	return 0;
}
