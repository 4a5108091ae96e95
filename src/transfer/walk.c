/*
 * walk_tree: the consumer of the batches, which calls the visitor.
 *
 * Runs on the caller's thread alone; the other threads load batches (walk_batch.c). A stack of frames,
 * one for each directory that is entered, instead of recursion. Invariant: path is the path of the
 * entry that is shown; a frame keeps its directory's length of it.
 */
#include "transfer/walk.h"

#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/pair_set.h"
#include "base/strbuf.h"
#include "transfer/walk_batch.h"

/* Results that wait for the visitor. */
#define AHEAD_BYTES ((size_t)48 << 20)

/* A directory that is entered. */
struct frame {
	struct batch *batch; /* whose entries are being shown: taken; owned */
	size_t at;
	size_t path_len, name_at; /* of the directory in the path */
	struct walk_entry dir;	  /* without what was borrowed */
};

struct walk {
	const struct walk_ops *ops;
	struct read_ahead *ahead;
	struct strbuf path;
	struct pair_set dirs;
	struct frame *frames;
	size_t nr_frames, capacity;
};

static void failed(const struct walk *walk, const char *what)
{
	walk->ops->failed(walk->ops->ctx, strbuf_text(&walk->path), what);
}

static void path_cut(struct walk *walk, size_t len)
{
	walk->path.len = len;
	if (walk->path.text)
		walk->path.text[len] = '\0';
}

/* ---- frames ---- */

static int frames_grow(struct walk *walk)
{
	size_t capacity = walk->capacity ? 2 * walk->capacity : 16;
	struct frame *frames;

	if (walk->nr_frames < walk->capacity)
		return 0;
	frames = mem_resize(walk->frames, capacity * sizeof(*frames));
	if (!frames)
		return MEM_FAIL("a deep tree");
	walk->frames = frames;
	walk->capacity = capacity;
	return 0;
}

static void batch_tell(struct walk *walk, const struct batch *batch)
{
	if (batch->failure.err) {
		(void)err_rethrow(&batch->failure);
		failed(walk, NULL);
	}
	if (batch->nr_insane)
		failed(walk, "it has entries with impossible names");
}

/* Enters the directory of the entry that was just shown; below: its first entries, or NULL. */
static int frame_push(struct walk *walk, const struct walk_entry *entry, size_t name_at,
		      struct batch *below)
{
	struct frame *frame;

	if (!below)
		TRY(batch_new(walk->ops, walk->ahead, entry->node, entry->depth + 1, &below));
	if (frames_grow(walk) < 0) {
		batch_drop(below);
		return MEM_FAIL("a deep tree");
	}
	ahead_take(walk->ahead, &below->job);
	frame = &walk->frames[walk->nr_frames++];
	*frame = (struct frame){
		.batch = below, .path_len = walk->path.len, .name_at = name_at, .dir = *entry
	};
	batch_tell(walk, below);
	return 0;
}

/* The next batch of the directory; false when there is none. */
static bool frame_advance(struct walk *walk, struct frame *frame)
{
	struct batch *next = frame->batch->next;

	frame->batch->next = NULL;
	batch_free(frame->batch);
	frame->batch = next;
	frame->at = 0;
	if (!next)
		return false;
	ahead_take(walk->ahead, &next->job);
	path_cut(walk, frame->path_len);
	batch_tell(walk, next);
	return true;
}

static int leave(struct walk *walk, struct walk_entry *entry, size_t name_at)
{
	if (!walk->ops->leave)
		return 0;
	entry->path = strbuf_text(&walk->path);
	entry->name = entry->path + name_at;
	entry->target = NULL;
	entry->xattrs = NULL;
	entry->nr_xattrs = 0;
	entry->data = NULL;
	return walk->ops->leave(walk->ops->ctx, entry);
}

static int frame_pop(struct walk *walk)
{
	struct frame *frame = &walk->frames[--walk->nr_frames];

	path_cut(walk, frame->path_len);
	return leave(walk, &frame->dir, frame->name_at);
}

/* ---- entries ---- */

/* A directory has one name; in a damaged image it may be met again, or inside itself. */
static int may_enter(struct walk *walk, const struct walk_entry *entry, bool *ret_may)
{
	int is_new = 1;

	/* The empty directories in place of subvolumes share an inode below all others. */
	if (entry->node.ino >= UBTRFS_ROOT_INO)
		is_new = pair_set_add(&walk->dirs, entry->node.subvolid, entry->node.ino);
	TRY(is_new);
	*ret_may = false;
	if (!is_new)
		failed(walk, "the directory was met before: it has two names");
	else if (entry->depth >= WALK_DEPTH_MAX)
		failed(walk, "more than 2000 directories inside each other");
	else
		*ret_may = true;
	return 0;
}

_Static_assert(WALK_DEPTH_MAX == 2000, "a message names it");

static void entry_show(const struct walk *walk, const struct batch_entry *from, unsigned depth,
		       size_t name_at, struct walk_entry *ret_entry)
{
	const char *path = strbuf_text(&walk->path);

	*ret_entry = (struct walk_entry){ .node = from->node,
					  .type = from->type,
					  .is_subvolume = from->is_subvolume,
					  .name = path + name_at,
					  .path = path,
					  .depth = depth,
					  .target = from->target,
					  .xattrs = from->xattrs,
					  .nr_xattrs = from->nr_xattrs,
					  .data = from->data,
					  .ahead = walk->ahead };
	if (from->has_attr)
		ret_entry->attr = from->attr;
}

/* Shows an entry, whose path stands, and enters it. */
static int entry_visit(struct walk *walk, struct batch_entry *from, unsigned depth, size_t name_at)
{
	const struct walk_ops *ops = walk->ops;
	struct batch *below = from->below;
	struct walk_entry entry;
	bool enter = true, is_dir;
	int stop;

	if (from->failure) {
		(void)err_rethrow(from->failure);
		failed(walk, NULL);
	}
	entry_show(walk, from, depth, name_at, &entry);
	is_dir = ops->want_attrs ? S_ISDIR(entry.attr.mode) : entry.type == BTRFS_FT_DIR;
	from->below = NULL;
	stop = ops->visit(ops->ctx, &entry, &enter);
	if (stop == 0 && is_dir && enter && depth < ops->max_depth) {
		stop = may_enter(walk, &entry, &enter);
		if (stop == 0 && enter)
			return frame_push(walk, &entry, name_at, below);
	}
	batch_drop(below);
	return stop || !is_dir ? stop : leave(walk, &entry, name_at);
}

static int next_entry(struct walk *walk, struct frame *frame)
{
	struct batch_entry *from = &frame->batch->entries[frame->at++];
	unsigned depth = frame->batch->depth;
	size_t name_at;

	path_cut(walk, frame->path_len);
	if (walk->path.len)
		strbuf_add(&walk->path, "/");
	name_at = walk->path.len;
	strbuf_add(&walk->path, from->name);
	TRY(strbuf_status(&walk->path));
	if (walk->ops->want_attrs && !from->has_attr) {
		if (ubtrfs_getattr(walk->ops->fs, from->node, &from->attr) < 0) {
			failed(walk, NULL);
			return 0;
		}
		from->has_attr = true;
	}
	return entry_visit(walk, from, depth, name_at);
}

static int walk_run(struct walk *walk)
{
	while (walk->nr_frames) {
		struct frame *frame = &walk->frames[walk->nr_frames - 1];
		int stop;

		if (frame->at < frame->batch->nr)
			stop = next_entry(walk, frame);
		else if (frame_advance(walk, frame))
			stop = 0;
		else
			stop = frame_pop(walk);
		if (stop)
			return stop;
	}
	return 0;
}

/* ---- the whole ---- */

static uint8_t type_of_mode(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return BTRFS_FT_REG_FILE;
	case S_IFDIR:
		return BTRFS_FT_DIR;
	case S_IFCHR:
		return BTRFS_FT_CHRDEV;
	case S_IFBLK:
		return BTRFS_FT_BLKDEV;
	case S_IFIFO:
		return BTRFS_FT_FIFO;
	case S_IFSOCK:
		return BTRFS_FT_SOCK;
	case S_IFLNK:
		return BTRFS_FT_SYMLINK;
	default:
		return BTRFS_FT_UNKNOWN;
	}
}

static int walk_top(struct walk *walk, struct ubtrfs_node top)
{
	SCOPED_MEM struct batch_entry *entry = mem_zalloc(sizeof(*entry));
	size_t bytes = 0;
	int stop;

	if (!entry)
		return MEM_FAIL("a walk");
	entry->node = top;
	if (ubtrfs_getattr(walk->ops->fs, top, &entry->attr) < 0) {
		failed(walk, NULL);
		return 0;
	}
	entry->has_attr = true;
	entry->type = type_of_mode(entry->attr.mode);
	if (walk->ops->want_contents)
		batch_entry_fill(walk->ops, entry, &bytes);
	stop = entry_visit(walk, entry, 0, 0);
	batch_entry_release(entry);
	return stop;
}

int walk_tree(const struct walk_ops *ops, struct ubtrfs_node top)
{
	struct walk walk = { .ops = ops };
	int stop;

	ASSERT(!ops->want_contents || ops->want_attrs);
	TRY(ahead_new(ops->nr_threads, AHEAD_BYTES, &walk.ahead));
	strbuf_init(&walk.path);
	pair_set_init(&walk.dirs);
	stop = walk_top(&walk, top);
	if (stop == 0)
		stop = walk_run(&walk);
	ahead_hold(walk.ahead);
	while (walk.nr_frames)
		if (walk.frames[--walk.nr_frames].batch)
			batch_free(walk.frames[walk.nr_frames].batch);
	mem_free(walk.frames);
	pair_set_fini(&walk.dirs);
	strbuf_fini(&walk.path);
	ahead_go_on(walk.ahead);
	ahead_free(walk.ahead);
	return stop;
}
