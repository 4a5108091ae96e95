/*
 * Loading batches of a walk, on any thread.
 *
 * A batch that is loaded queues the batch behind it and the first batch of each directory in it, in
 * the reverse of the order in which they will be needed. Owns what it read until it is freed. Locks:
 * none; a batch belongs to the thread that runs it, then to the consumer.
 */
#include "transfer/walk_batch.h"

#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"

#define TARGET_MAX_BYTES 4096u
/* A buffer of whole sectors is read into directly. */
#define SECTOR_USUAL_BYTES 4096u

static void batch_run(struct ahead_job *job);

static struct batch *batch_alloc(const struct walk_ops *ops, struct read_ahead *ahead,
				 struct ubtrfs_node dir, uint64_t cookie, unsigned depth)
{
	struct batch *batch = mem_alloc(sizeof(*batch));

	if (!batch)
		return NULL;
	/* The entries are set as they come. */
	memset(batch, 0, offsetof(struct batch, entries));
	batch->job.run = batch_run;
	batch->ops = ops;
	batch->ahead = ahead;
	batch->dir = dir;
	batch->cookie = cookie;
	batch->depth = depth;
	return batch;
}

int batch_new(const struct walk_ops *ops, struct read_ahead *ahead, struct ubtrfs_node dir,
	      unsigned depth, struct batch **ret_batch)
{
	struct batch *batch = batch_alloc(ops, ahead, dir, 0, depth);

	if (!batch)
		return MEM_FAIL("a directory");
	ahead_queue(ahead, &batch->job);
	*ret_batch = batch;
	return 0;
}

void batch_entry_release(struct batch_entry *entry)
{
	for (size_t i = 0; i < entry->nr_xattrs; i++) {
		mem_free((void *)entry->xattrs[i].name);
		mem_free((void *)entry->xattrs[i].value);
	}
	mem_free(entry->xattrs);
	mem_free(entry->target);
	mem_free(entry->data);
	mem_free(entry->failure);
	entry->xattrs = NULL;
	entry->nr_xattrs = 0;
	entry->target = NULL;
	entry->data = NULL;
	entry->failure = NULL;
}

/* On the list of what is to be freed, once nobody runs it. Trees may be deep: no recursion. */
static void push_drop(struct batch **list, struct batch *batch)
{
	if (!batch)
		return;
	if (!ahead_drop(batch->ahead, &batch->job)) {
		mem_free(batch);
		return;
	}
	batch->drop_link = *list;
	*list = batch;
}

static void drop_all(struct batch *list)
{
	while (list) {
		struct batch *batch = list;

		list = batch->drop_link;
		push_drop(&list, batch->next);
		for (size_t i = 0; i < batch->nr; i++) {
			push_drop(&list, batch->entries[i].below);
			batch_entry_release(&batch->entries[i]);
		}
		mem_free(batch);
	}
}

void batch_drop(struct batch *batch)
{
	struct batch *list = NULL;
	struct read_ahead *ahead;

	if (!batch)
		return;
	ahead = batch->ahead;
	ahead_hold(ahead);
	push_drop(&list, batch);
	drop_all(list);
	ahead_go_on(ahead);
}

void batch_free(struct batch *batch)
{
	batch->drop_link = NULL;
	drop_all(batch);
}

/* ---- what is in a file ---- */

/* A failure is kept with the entry: the visitor's thread tells it. */
static void note_failure(struct batch_entry *entry, int err)
{
	if (!entry->failure)
		entry->failure = mem_alloc(sizeof(*entry->failure));
	if (entry->failure)
		err_capture(err, entry->failure);
}

static int xattr_add(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	struct batch_entry *entry = ctx;
	struct walk_xattr *xattrs =
		mem_resize(entry->xattrs, (entry->nr_xattrs + 1) * sizeof(*xattrs));
	char *text;
	void *bytes;

	if (!xattrs)
		return MEM_FAIL("an extended attribute");
	entry->xattrs = xattrs;
	text = mem_alloc(name_len + 1);
	bytes = mem_dup(value, len ? len : 1);
	if (!text || !bytes) {
		mem_free(text);
		mem_free(bytes);
		return MEM_FAIL("an extended attribute");
	}
	memcpy(text, name, name_len);
	text[name_len] = '\0';
	xattrs[entry->nr_xattrs++] = (struct walk_xattr){ text, bytes, len };
	return 0;
}

static int fill_target(const struct walk_ops *ops, struct batch_entry *entry)
{
	char target[TARGET_MAX_BYTES];
	size_t len;

	TRY(ubtrfs_readlink(ops->fs, entry->node, target, sizeof(target) - 1, &len));
	target[len] = '\0';
	entry->target = mem_dup(target, len + 1);
	return entry->target ? 0 : MEM_FAIL("a symlink");
}

/* All of a small file that begins with data and has no hole. */
static int fill_data(const struct walk_ops *ops, struct batch_entry *entry, size_t *bytes)
{
	uint64_t size = entry->attr.size, start;
	size_t capacity = (size_t)round_up(size, SECTOR_USUAL_BYTES), len;
	int err;

	if (!size || size > WALK_SMALL_BYTES || *bytes + capacity > BATCH_CONTENT_BYTES)
		return 0;
	entry->data = mem_alloc(capacity);
	if (!entry->data)
		return MEM_FAIL("a small file");
	err = ubtrfs_read_data(ops->fs, entry->node, 0, entry->data, capacity, &start, &len);
	if (err == 0 && start == 0 && len >= size) {
		*bytes += capacity;
		return 0;
	}
	/* Holes, or damage: the visitor will see. */
	mem_free(entry->data);
	entry->data = NULL;
	return 0;
}

void batch_entry_fill(const struct walk_ops *ops, struct batch_entry *entry, size_t *bytes)
{
	int err = 0;

	if (!entry->has_attr)
		return;
	if (!entry->attr.no_xattrs)
		err = ubtrfs_listxattr(ops->fs, entry->node, xattr_add, entry);
	if (err < 0)
		note_failure(entry, err);
	err = 0;
	if (S_ISLNK(entry->attr.mode))
		err = fill_target(ops, entry);
	else if (S_ISREG(entry->attr.mode))
		err = fill_data(ops, entry, bytes);
	if (err < 0)
		note_failure(entry, err);
}

/* ---- a batch ---- */

static bool name_is_sane(const char *name, size_t len)
{
	if (!len || len > UINT8_MAX || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

static int batch_add(void *ctx, const struct ubtrfs_dirent *dirent, const struct ubtrfs_attr *attr)
{
	struct batch *batch = ctx;
	struct batch_entry *entry = &batch->entries[batch->nr];

	batch->cookie = dirent->cookie;
	if (!name_is_sane(dirent->name, dirent->name_len)) {
		batch->nr_insane++;
		return 0;
	}
	memset(entry, 0, sizeof(*entry));
	entry->node = dirent->node;
	entry->is_subvolume = dirent->is_subvolume;
	entry->type = dirent->type;
	entry->has_attr = attr;
	if (attr)
		entry->attr = *attr;
	memcpy(entry->name, dirent->name, dirent->name_len);
	return ++batch->nr == BATCH_ENTRIES_MAX;
}

static int batch_add_plain(void *ctx, const struct ubtrfs_dirent *dirent)
{
	return batch_add(ctx, dirent, NULL);
}

static bool entry_leads_on(const struct batch *batch, const struct batch_entry *entry)
{
	bool is_dir = batch->ops->want_attrs ? entry->has_attr && S_ISDIR(entry->attr.mode) :
					       entry->type == BTRFS_FT_DIR;

	return is_dir && batch->depth < batch->ops->max_depth && batch->depth < WALK_DEPTH_MAX;
}

/* Without memory the consumer finds nothing below, and tries for itself. */
static void queue_below(struct batch *batch, bool more)
{
	if (more)
		batch->next = batch_alloc(batch->ops, batch->ahead, batch->dir, batch->cookie,
					  batch->depth);
	if (batch->next)
		ahead_queue(batch->ahead, &batch->next->job);
	for (size_t i = batch->nr; i-- > 0;) {
		struct batch_entry *entry = &batch->entries[i];

		if (!entry_leads_on(batch, entry))
			continue;
		entry->below =
			batch_alloc(batch->ops, batch->ahead, entry->node, 0, batch->depth + 1);
		if (entry->below)
			ahead_queue(batch->ahead, &entry->below->job);
	}
}

static void batch_run(struct ahead_job *job)
{
	struct batch *batch = container_of(job, struct batch, job);
	const struct walk_ops *ops = batch->ops;
	size_t bytes = 0;
	int more;

	if (ops->want_attrs)
		more = ubtrfs_readdir_plus(ops->fs, batch->dir, batch->cookie, batch_add, batch);
	else
		more = ubtrfs_readdir(ops->fs, batch->dir, batch->cookie, batch_add_plain, batch);
	if (more < 0)
		err_capture(more, &batch->failure);
	queue_below(batch, more > 0);
	if (more > 0 && !batch->next)
		err_capture(MEM_FAIL("a directory"), &batch->failure);
	for (size_t i = 0; ops->want_contents && i < batch->nr; i++)
		batch_entry_fill(ops, &batch->entries[i], &bytes);
	job->bytes = sizeof(*batch) + bytes;
}
