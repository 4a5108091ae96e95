/*
 * ref_run: brings what is queued to disk.
 *
 * Records are taken in order of address. Born ones are collected and inserted many at a time;
 * neighbours are taken out of the free-space tree, accounted, given back, and freed of checksums as
 * one range. A record of an extent that has an item is run at once. Law L3: within a record adds
 * come before drops (the queue hands them out so). Running changes trees, which queues more: sweeps
 * go on until the queue is empty. It ends because each node is copied once per transaction;
 * RUN_MORE_MAX is for the case that we are wrong. Nothing may be queued for an address between
 * taking its record and flushing, except records that come later in order: what is collected is
 * flushed before the sweep starts again from below.
 * Locks: RANK_REF_RUN.
 */
#include "extent/extent_priv.h"

#define RUN_BATCH 512u
#define RUN_ARENA_BYTES (64u << 10)
/* Records that running may add: two for each node of the trees that it changes. */
#define RUN_MORE_MAX (1u << 26)

/* Neighbouring extents of one block group with one fate. len 0: empty. */
struct run_range {
	struct block_group *group;
	uint64_t addr, len;
};

struct ref_run {
	struct txn *txn;
	struct extents *extents;
	struct store *store;
	struct tree *items; /* the extent tree */
	struct tree *csums;
	uint8_t *scratch;      /* one item of the extent tree */
	uint64_t nr_records;   /* run so far */
	uint64_t max_records;  /* more is a bug */
	uint64_t budget;       /* so many will do */
	struct run_range born; /* items collected or inserted, space not yet taken */
	struct run_range dead; /* items removed, space not yet given */
	struct run_range data; /* dead, and data: checksums not yet removed */
	/* born items */
	struct tree_item batch[RUN_BATCH];
	unsigned nr_batch;
	uint8_t *arena;
	uint32_t arena_used;
};

typedef int (*range_flush_fn)(struct ref_run *run, const struct run_range *range);

static int flush_born(struct ref_run *run, const struct run_range *range)
{
	TRY(space_account_used(run->store->space, range->addr, range->len));
	return free_tree_take(run->txn, run->store, range->group, range->addr, range->len);
}

static int flush_dead(struct ref_run *run, const struct run_range *range)
{
	TRY(space_account_freed(run->store->space, range->addr, range->len));
	return free_tree_give(run->txn, run->store, range->group, range->addr, range->len);
}

static int flush_data(struct ref_run *run, const struct run_range *range)
{
	return csum_remove(run->txn, run->csums, range->addr, range->len);
}

static int range_flush(struct ref_run *run, struct run_range *range, range_flush_fn flush)
{
	struct run_range full = *range;

	range->len = 0;
	return full.len ? flush(run, &full) : 0;
}

/* Joins an extent to the range, or flushes the range and begins a new one. */
static int range_add(struct ref_run *run, struct run_range *range, uint64_t addr, uint64_t len,
		     range_flush_fn flush)
{
	if (range->len && range->addr + range->len == addr &&
	    addr < range->group->start + range->group->len_bytes) {
		range->len += len;
		return 0;
	}
	TRY(range_flush(run, range, flush));
	range->group = space_group_of(run->store->space, addr);
	CORRUPT_IF(!range->group, "extent %" PRIu64 " lies in no block group", addr);
	range->addr = addr;
	range->len = len;
	return 0;
}

static int batch_flush(struct ref_run *run)
{
	size_t done;

	if (run->nr_batch) {
		int err = tree_insert_many(run->txn, run->items, run->batch, run->nr_batch, &done);

		if (err == -ERR_KEY_EXISTS)
			return THROW(ERR_CORRUPT, "new extent %" PRIu64 " has an item already",
				     run->batch[done].key.objectid);
		TRY(err);
	}
	run->nr_batch = 0;
	run->arena_used = 0;
	return 0;
}

static int run_flush(struct ref_run *run)
{
	TRY(batch_flush(run));
	TRY(range_flush(run, &run->born, flush_born));
	TRY(range_flush(run, &run->data, flush_data));
	return range_flush(run, &run->dead, flush_dead);
}

static int changes_apply(struct ref_run *run, const struct ref_record *record,
			 struct extent_image *image)
{
	for (struct link *link = record->changes.head.next; link != &record->changes.head;
	     link = link->next)
		TRY(extent_item_apply(run->txn, run->items, image,
				      list_entry(link, struct ref_change, link)));
	return 0;
}

/* Who referred to a data extent before, and does no more, while others do. */
static int note_left(struct ref_run *run, const struct ref_record *record,
		     const struct extent_image *image)
{
	uint32_t at;

	for (struct link *link = record->changes.head.next; link != &record->changes.head;
	     link = link->next) {
		const struct ref_change *change = list_entry(link, struct ref_change, link);

		/* A keyed reference may be there still: that is for nobody to rely on. */
		if (change->delta < 0 && !inline_ref_find(image, &change->key, &at))
			return space_note_left(run->store->space, record->addr, record->len_bytes);
	}
	return 0;
}

/* Builds the item of a new extent and collects it. */
static int run_born(struct ref_run *run, const struct ref_record *record)
{
	struct extent_image image;
	uint32_t limit = inline_ref_limit(&run->store->geometry);

	if (run->nr_batch == RUN_BATCH || run->arena_used + limit > RUN_ARENA_BYTES)
		TRY(batch_flush(run));
	image.data = run->arena + run->arena_used;
	TRY(extent_item_build(run->extents, run->items, record, &image));
	TRY(changes_apply(run, record, &image));
	CORRUPT_IF(extent_item_refs(image.data) == 0, "new extent %" PRIu64 " has no reference",
		   record->addr);
	run->batch[run->nr_batch++] = (struct tree_item){ image.key, image.data, image.len };
	run->arena_used += image.len;
	return range_add(run, &run->born, record->addr, record->len_bytes, flush_born);
}

static int run_dead(struct ref_run *run, const struct ref_record *record,
		    const struct extent_image *image)
{
	uint64_t sum;

	TRY(inline_ref_sum(image, &sum));
	CORRUPT_IF(sum != 0,
		   "extent %" PRIu64 " has no reference left to count, but %" PRIu64 " inline",
		   record->addr, sum);
	TRY(tree_remove(run->txn, run->items, &image->key));
	if (!record->metadata)
		TRY(range_add(run, &run->data, record->addr, record->len_bytes, flush_data));
	return range_add(run, &run->dead, record->addr, record->len_bytes, flush_dead);
}

/* Does the item describe the extent that the record is about? */
static int image_check(const struct ref_record *record, const struct extent_image *image)
{
	uint64_t kind = record->metadata ? BTRFS_EXTENT_FLAG_TREE_BLOCK : BTRFS_EXTENT_FLAG_DATA;
	bool skinny = image->key.type == BTRFS_METADATA_ITEM_KEY;
	uint64_t offset = skinny ? record->level : record->len_bytes;

	CORRUPT_IF(!(extent_item_flags(image->data) & kind) || image->key.offset != offset,
		   "extent %" PRIu64 " (%s, length %" PRIu64
		   ", level %u) has an item of flags 0x%" PRIx64 " and offset %" PRIu64,
		   record->addr, record->metadata ? "tree block" : "data", record->len_bytes,
		   record->level, extent_item_flags(image->data), image->key.offset);
	return 0;
}

static int run_existing(struct ref_run *run, const struct ref_record *record)
{
	struct extent_image image = { .data = run->scratch };

	TRY(extent_item_read(run->items, record->addr, &image));
	TRY(image_check(record, &image));
	extent_item_set_flags(image.data, extent_item_flags(image.data) | record->set_flags);
	TRY(changes_apply(run, record, &image));
	if (extent_item_refs(image.data) == 0)
		return run_dead(run, record, &image);
	if (!record->metadata)
		TRY(note_left(run, record, &image));
	return tree_replace(run->txn, run->items, &image.key, image.data, image.len);
}

/*
 * One sweep over the addresses, from the lowest up, with what is queued meanwhile above; then
 * everything is flushed.
 */
static int run_sweep(struct ref_run *run)
{
	struct ref_queue *queue = space_ref_queue(run->store->space);
	struct ref_record *record = ref_queue_take(queue, 0);
	uint64_t from = 0;
	int err = 0;

	while (record && err == 0) {
		/* What is collected must be on disk before its addresses come again. */
		if (record->addr < from)
			err = run_flush(run);
		from = record->addr + 1;
		if (err == 0)
			err = record->born ? run_born(run, record) : run_existing(run, record);
		ref_record_free(record);
		run->nr_records++;
		record = err == 0 && run->nr_records < run->budget ? ref_queue_take(queue, from) :
								     NULL;
		if (run->nr_records > run->max_records)
			err = THROW(ERR_LIMIT, "running references makes new ones without end");
	}
	if (record)
		ref_record_free(record);
	TRY(err);
	return run_flush(run);
}

static int run_all(struct ref_run *run)
{
	struct ref_queue *queue = space_ref_queue(run->store->space);
	uint64_t before;

	run->max_records = ref_queue_nr(queue) + RUN_MORE_MAX;
	while (ref_queue_nr(queue) && run->nr_records < run->budget) {
		before = run->nr_records;
		TRY(run_sweep(run));
		ASSERT(run->nr_records > before);
	}
	return 0;
}

static int run_prepare(struct ref_run *run)
{
	const struct geometry *geometry = &run->store->geometry;
	struct root *root;

	run->scratch = mem_alloc(geometry_max_item(geometry) + EXTENT_DATA_REF_SIZE + 1);
	run->arena = mem_alloc(RUN_ARENA_BYTES);
	if (!run->scratch || !run->arena)
		return MEM_FAIL("a reference run");
	TRY(extent_tree(run->extents, &run->items));
	TRY(root_get(run->store->roots, BTRFS_CSUM_TREE_OBJECTID, &root));
	run->csums = &root->tree;
	return run_all(run);
}

int extent_run_refs(struct txn *txn, struct extents *extents, uint64_t *ret_nr)
{
	return extent_run_some(txn, extents, UINT64_MAX, ret_nr);
}

int extent_run_some(struct txn *txn, struct extents *extents, uint64_t budget, uint64_t *ret_nr)
{
	struct ref_run *run = mem_zalloc(sizeof(*run));
	int err;

	if (!run)
		return MEM_FAIL("a reference run");
	run->txn = txn;
	run->extents = extents;
	run->store = extents->store;
	run->budget = budget;
	mutex_lock(&extents->run_lock);
	err = run_prepare(run);
	mutex_unlock(&extents->run_lock);
	if (err == 0)
		*ret_nr = run->nr_records;
	mem_free(run->arena);
	mem_free(run->scratch);
	mem_free(run);
	return err;
}
