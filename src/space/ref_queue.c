/*
 * ref_queue: one record per extent, one net count per key. Law L3.
 *
 * Owns the queued records (rbtree by address), each with its changes (rbtree by key: 10,000
 * references to one extent stay cheap). Invariants: no queued change is 0; net is the sum of the
 * changes; a queued record has a change or flags to set; a born record has a change. A record that
 * was taken is the taker's alone; what is pushed meanwhile for its address makes a new record.
 *
 *   record: (none) -> queued (push) -> (none) when it comes to nothing (push) | taken (take) -> freed (ref_record_free)
 *   queue:  open -> stopped (ref_queue_stop), for good
 *
 * Lock: RANK_REF_QUEUE; giving space back takes RANK_SPACE inside.
 */
#include "base/bytes.h"
#include "space/space_priv.h"

struct ref_queue {
	struct space *space; /* fixed */
	struct mutex lock;
	/* under lock */
	struct rbtree records; /* ref_record by addr */
	bool stopped;
};

/* ---- keys and changes ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

int ref_key_compare(const struct ref_key *a, const struct ref_key *b)
{
	int order = compare_u64(a->type, b->type);

	if (order == 0)
		order = compare_u64(a->root, b->root);
	if (order == 0)
		order = compare_u64(a->inode, b->inode);
	if (order == 0)
		order = compare_u64(a->offset, b->offset);
	return order;
}

static int compare_changes(const struct rb_node *a, const struct rb_node *b)
{
	return ref_key_compare(&rb_entry(a, struct ref_change, node)->key,
			       &rb_entry(b, struct ref_change, node)->key);
}

static int compare_key(const void *key, const struct rb_node *node)
{
	return ref_key_compare(key, &rb_entry(node, struct ref_change, node)->key);
}

static struct ref_change *change_find(const struct ref_record *record, const struct ref_key *key)
{
	struct rb_node *node = rbtree_find(&record->by_key, key, compare_key);

	return node ? rb_entry(node, struct ref_change, node) : NULL;
}

static void change_free(struct ref_record *record, struct ref_change *change)
{
	if (change == &record->first)
		change->delta = 0;
	else
		mem_free(change);
}

static int change_add(struct ref_record *record, const struct ref_key *key, int64_t delta)
{
	struct ref_change *change = &record->first;
	struct rb_node *there;

	ASSERT(delta != 0);
	if (record->first.delta != 0) {
		change = mem_zalloc(sizeof(*change));
		if (!change)
			return MEM_FAIL("a change of references");
	}
	change->key = *key;
	change->delta = delta;
	there = rbtree_insert(&record->by_key, &change->node);
	ASSERT(!there);
	return 0;
}

/* ---- records ---- */

static int compare_records(const struct rb_node *a, const struct rb_node *b)
{
	return compare_u64(rb_entry(a, struct ref_record, node)->addr,
			   rb_entry(b, struct ref_record, node)->addr);
}

static int compare_addr(const void *key, const struct rb_node *node)
{
	return compare_u64(*(const uint64_t *)key, rb_entry(node, struct ref_record, node)->addr);
}

static struct ref_record *record_find(struct ref_queue *queue, uint64_t addr)
{
	struct rb_node *node = rbtree_find(&queue->records, &addr, compare_addr);

	return node ? rb_entry(node, struct ref_record, node) : NULL;
}

static struct ref_record *record_new(const struct ref_request *request)
{
	struct ref_record *record = mem_zalloc(sizeof(*record));

	if (!record)
		return NULL;
	record->addr = request->addr;
	record->len_bytes = request->len_bytes;
	record->metadata = request->metadata;
	record->level = request->level;
	record->born = request->born;
	record->generation = request->generation;
	list_init(&record->changes);
	rbtree_init(&record->by_key, compare_changes);
	return record;
}

void ref_record_free(struct ref_record *record)
{
	struct rb_node *node;
	struct link *link;

	while ((node = rbtree_first(&record->by_key))) {
		rbtree_remove(&record->by_key, node);
		change_free(record, rb_entry(node, struct ref_change, node));
	}
	while ((link = list_pop_front(&record->changes)))
		change_free(record, list_entry(link, struct ref_change, link));
	mem_free(record);
}

/* Adds of the whole record first: the count on disk must not touch zero while an add is pending. */
static void record_list_changes(struct ref_record *record)
{
	struct list drops;
	struct rb_node *node;

	list_init(&drops);
	while ((node = rbtree_first(&record->by_key))) {
		struct ref_change *change = rb_entry(node, struct ref_change, node);

		ASSERT(change->delta != 0);
		rbtree_remove(&record->by_key, node);
		list_push_back(change->delta > 0 ? &record->changes : &drops, &change->link);
	}
	list_splice_back(&record->changes, &drops);
}

/* ---- pushing ---- */

static void request_assert(const struct ref_request *request)
{
	bool data_key = request->key.type == REF_DATA || request->key.type == REF_DATA_SHARED;

	ASSERT(request->len_bytes > 0);
	ASSERT(data_key == !request->metadata);
	ASSERT(data_key || (request->key.inode == 0 && request->key.offset == 0));
	ASSERT(request->delta != 0 || (request->set_flags && !request->born));
	ASSERT(!request->born || request->delta > 0);
	ASSERT(request->metadata || request->level == 0);
}

static int record_check(const struct ref_record *record, const struct ref_request *request)
{
	CORRUPT_IF(request->born,
		   "the extent at %llu is born while references of an earlier life wait",
		   (unsigned long long)record->addr);
	CORRUPT_IF(record->len_bytes != request->len_bytes ||
			   record->metadata != request->metadata || record->level != request->level,
		   "references to the extent at %llu disagree: %s, length %llu, level %u, and %s, "
		   "length %llu, level %u",
		   (unsigned long long)record->addr, record->metadata ? "tree block" : "data",
		   (unsigned long long)record->len_bytes, record->level,
		   request->metadata ? "tree block" : "data",
		   (unsigned long long)request->len_bytes, request->level);
	return 0;
}

static void record_unlink(struct ref_queue *queue, struct ref_record *record)
{
	rbtree_remove(&queue->records, &record->node);
	ref_record_free(record);
}

/* Its last change is about to become zero: a born extent goes back to where it came from. */
static int record_settle(struct ref_queue *queue, const struct ref_record *record, bool written)
{
	if (!record->born)
		return 0;
	if (written)
		return space_pin_reserved(queue->space, record->addr, record->len_bytes);
	return space_give_back(queue->space, record->addr, record->len_bytes);
}

static int record_change(struct ref_queue *queue, struct ref_record *record,
			 const struct ref_request *request)
{
	struct ref_change *change = change_find(record, &request->key);
	bool written = record->written || request->written;
	uint64_t set_flags = record->set_flags | request->set_flags;

	if (!change && request->delta != 0) {
		TRY(change_add(record, &request->key, request->delta));
	} else if (change && change->delta + request->delta == 0) {
		bool is_last = record->by_key.nr == 1;

		/* A flag is only for an item that lives on. */
		if (is_last && (record->born || !set_flags)) {
			TRY(record_settle(queue, record, written));
			record_unlink(queue, record);
			return 0;
		}
		rbtree_remove(&record->by_key, &change->node);
		change_free(record, change);
	} else if (change) {
		change->delta += request->delta;
	}
	record->net += request->delta;
	record->written = written;
	record->set_flags = set_flags;
	return 0;
}

static int push_locked(struct ref_queue *queue, const struct ref_request *request)
{
	struct ref_record *record = record_find(queue, request->addr);
	struct rb_node *there;
	int ret;

	if (queue->stopped)
		return THROW(ERR_TXN_ABORTED,
			     "the reference to the extent at %llu comes after an abort",
			     (unsigned long long)request->addr);
	if (record) {
		TRY(record_check(record, request));
		return record_change(queue, record, request);
	}
	record = record_new(request);
	if (!record)
		return MEM_FAIL("a record of references");
	ret = record_change(queue, record, request);
	if (ret < 0) {
		ref_record_free(record);
		return ret;
	}
	there = rbtree_insert(&queue->records, &record->node);
	ASSERT(!there);
	return 0;
}

int ref_queue_push(struct ref_queue *queue, const struct ref_request *request)
{
	int ret;

	request_assert(request);
	mutex_lock(&queue->lock);
	ret = push_locked(queue, request);
	mutex_unlock(&queue->lock);
	return ret;
}

/* ---- the queue ---- */

int ref_queue_new(struct space *space, struct ref_queue **ret_queue)
{
	struct ref_queue *queue = mem_zalloc(sizeof(*queue));

	if (!queue)
		return MEM_FAIL("the queue of references");
	queue->space = space;
	mutex_init(&queue->lock, RANK_REF_QUEUE, "ref_queue");
	rbtree_init(&queue->records, compare_records);
	*ret_queue = queue;
	return 0;
}

static void queue_drop_all(struct ref_queue *queue)
{
	struct rb_node *node;

	while ((node = rbtree_first(&queue->records)))
		record_unlink(queue, rb_entry(node, struct ref_record, node));
}

void ref_queue_free(struct ref_queue *queue)
{
	queue_drop_all(queue);
	mutex_fini(&queue->lock);
	mem_free(queue);
}

int64_t ref_queue_pending(struct ref_queue *queue, uint64_t addr)
{
	const struct ref_record *record;
	int64_t net;

	mutex_lock(&queue->lock);
	record = record_find(queue, addr);
	net = record ? record->net : 0;
	mutex_unlock(&queue->lock);
	return net;
}

void ref_queue_copy(struct ref_queue *queue, uint64_t addr, struct ref_delta *deltas,
		    size_t capacity, size_t *ret_nr)
{
	const struct ref_record *record;
	struct rb_node *node = NULL;
	size_t nr = 0;

	mutex_lock(&queue->lock);
	record = record_find(queue, addr);
	if (record)
		node = rbtree_first(&record->by_key);
	for (; node; node = rb_next(node), nr++) {
		const struct ref_change *change = rb_entry(node, struct ref_change, node);

		if (nr < capacity)
			deltas[nr] = (struct ref_delta){ change->key, change->delta };
	}
	mutex_unlock(&queue->lock);
	*ret_nr = nr;
}

bool ref_queue_others_drop(struct ref_queue *queue, uint64_t addr, const struct ref_key *mine)
{
	const struct ref_record *record;
	struct rb_node *node = NULL;
	bool found = false;

	mutex_lock(&queue->lock);
	record = record_find(queue, addr);
	if (record)
		node = rbtree_first(&record->by_key);
	for (; node && !found; node = rb_next(node)) {
		const struct ref_change *change = rb_entry(node, struct ref_change, node);

		found = change->delta < 0 && ref_key_compare(&change->key, mine) != 0;
	}
	mutex_unlock(&queue->lock);
	return found;
}

struct ref_record *ref_queue_take(struct ref_queue *queue, uint64_t from)
{
	struct ref_record *record = NULL;
	struct rb_node *node;

	mutex_lock(&queue->lock);
	node = rbtree_find_ge(&queue->records, &from, compare_addr);
	if (!node)
		node = rbtree_first(&queue->records);
	if (node) {
		rbtree_remove(&queue->records, node);
		record = rb_entry(node, struct ref_record, node);
		record_list_changes(record);
	}
	mutex_unlock(&queue->lock);
	return record;
}

size_t ref_queue_nr(struct ref_queue *queue)
{
	size_t nr;

	mutex_lock(&queue->lock);
	nr = queue->records.nr;
	mutex_unlock(&queue->lock);
	return nr;
}

void ref_queue_stop(struct ref_queue *queue)
{
	mutex_lock(&queue->lock);
	queue->stopped = true;
	queue_drop_all(queue);
	mutex_unlock(&queue->lock);
}
