/*
 * A copy into a filesystem: the session over several sources. Each source has a walk and an import
 * context of its own; hard links and what was just made are known across them.
 *
 * Readers may be busy with a source after its walk has ended; its context stays in `imports` until
 * the next drain, at most COPY_IMPORTS_MAX of them. Takes no lock.
 */
#include "transfer/copy_in.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "transfer/copy_priv.h"
#include "transfer/scan_queue.h"

/* Directories that lie in each other at most so deep. */
#define COPY_DEPTH_MAX 4096u

/* ---- what was just made ---- */

struct made_node {
	struct hash_node hash_node;
	struct ubtrfs_node node;
};

bool copy_made_has(const struct copy_in *copy, struct ubtrfs_node node)
{
	struct hash_node *at = hash_find(&copy->made, hash_mix2(node.subvolid, node.ino));

	for (; at; at = hash_find_next(at)) {
		const struct made_node *made = hash_entry(at, struct made_node, hash_node);

		if (made->node.subvolid == node.subvolid && made->node.ino == node.ino)
			return true;
	}
	return false;
}

int copy_made_add(struct copy_in *copy, struct ubtrfs_node node)
{
	struct made_node *made;

	if (!copy->rules.several_sources)
		return 0;
	made = mem_zalloc(sizeof(*made));
	if (!made)
		return MEM_FAIL("what was made");
	made->node = node;
	hash_insert(&copy->made, &made->hash_node, hash_mix2(node.subvolid, node.ino));
	return 0;
}

static void made_fini(struct copy_in *copy)
{
	struct hash_node *at, *next;

	for (at = hash_first(&copy->made); at; at = next) {
		next = hash_next(&copy->made, at);
		hash_remove(&copy->made, at);
		mem_free(hash_entry(at, struct made_node, hash_node));
	}
	hash_fini(&copy->made);
}

/* ---- the session ---- */

int copy_in_new(struct ubtrfs *fs, const struct copy_rules *rules,
		const struct import_options *options, struct copy_in **ret_copy)
{
	struct copy_in *copy = mem_zalloc(sizeof(*copy));
	int ret;

	if (!copy)
		return MEM_FAIL("a copy");
	copy->fs = fs;
	copy->rules = *rules;
	import_options_init(&copy->options);
	copy->options.threads = options->threads;
	copy->options.strict = options->strict;
	copy->options.no_commit = true;
	copy->options.commit_every_bytes = options->commit_every_bytes;
	copy->options.committed = options->committed;
	copy->options.progress = options->progress;
	copy->options.warning = options->warning;
	copy->options.ctx = options->ctx;
	hardlinks_init(&copy->links);
	hash_init(&copy->made);
	ret = copy_devices_read(fs, &copy->devices);
	if (ret < 0) {
		copy_in_free(copy, NULL);
		return ret;
	}
	*ret_copy = copy;
	return 0;
}

static void imports_close(struct copy_in *copy)
{
	for (unsigned i = 0; i < copy->nr_imports; i++)
		import_close(copy->imports[i], &copy->stats);
	copy->nr_imports = 0;
}

int copy_in_drain(struct copy_in *copy)
{
	int ret;

	if (!copy->nr_imports)
		return 0;
	/* The failure of any reader stops them all: which one it was, it has told. */
	ret = err_adopt(ubtrfs_drain(copy->fs));
	for (unsigned i = 0; ret < 0 && i < copy->nr_imports; i++)
		if (copy->imports[i]->failure.err)
			return import_fail(copy->imports[i], ret, "reading a source");
	if (ret < 0)
		return ret;
	imports_close(copy);
	return 0;
}

void copy_in_free(struct copy_in *copy, struct import_stats *stats)
{
	if (!copy)
		return;
	imports_close(copy);
	if (stats)
		import_stats_add(stats, &copy->stats);
	hardlinks_fini(&copy->links);
	made_fini(copy);
	copy_devices_fini(&copy->devices);
	mem_free(copy);
}

/* ---- one source ---- */

/* Where the name of the top begins in a path without slashes at its end; NULL when it has none of
 * its own ("/", "..", "IMAGE:"). */
static char *path_base(char *path, bool in_image)
{
	char *slash = strrchr(path, '/');
	char *base = slash ? slash + 1 : path;
	size_t len = strlen(path);

	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return NULL;
	if (in_image && (!slash || path[len - 1] == ':'))
		return NULL;
	return base;
}

/* Sets root_path and top_name from what the user wrote. */
static int import_name(struct import *import, const char *text, bool in_image)
{
	SCOPED_MEM char *path = mem_strdup(text);
	size_t len = strlen(text);
	char *base;

	if (!path)
		return MEM_FAIL("a path");
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	base = path_base(path, in_image);
	if (!base) {
		import->root_path = mem_strdup(len ? path : ".");
		return import->root_path ? 0 : MEM_FAIL("a path");
	}
	import->top_name = mem_strdup(base);
	if (base > path + 1)
		base[-1] = '\0';
	else
		*base = '\0';
	import->root_path = mem_strdup(*path ? path : ".");
	return import->root_path && import->top_name ? 0 : MEM_FAIL("a path");
}

static int import_open_source(struct import *import, const struct copy_source *source)
{
	size_t len = strlen(source->path);

	TRY(import_name(import, source->path, source->fs));
	import->follow_top = import->rules->follow != COPY_FOLLOW_NEVER ||
			     (len && source->path[len - 1] == '/');
	if (source->fs) {
		import->source_fs = source->fs;
		import->source_node = source->node;
		import->source_nr = source->fs_nr;
		return 0;
	}
	import->root_fd = open(import->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (import->root_fd < 0)
		return THROW_SYS(errno, "cannot open %s", import->root_path);
	return 0;
}

/* Whether a directory is, or lies in, the source: it would be copied into itself. */
static int check_not_inside(const struct copy_walk *walk)
{
	struct ubtrfs_node at = walk->dest->dir, top = walk->source->node, up;
	int ret;

	for (unsigned depth = 0; depth < COPY_DEPTH_MAX; depth++) {
		if (at.subvolid == top.subvolid && at.ino == top.ino)
			return THROW(ERR_INVALID, "cannot copy %s into itself, %s",
				     walk->source->path, walk->dest->path);
		ret = ubtrfs_resolve(walk->copy->fs, at, "..", true, &up);
		if (ret < 0)
			return import_fail(walk->import, ret, "%s", walk->dest->path);
		if (up.subvolid == at.subvolid && up.ino == at.ino)
			return 0;
		at = up;
	}
	return 0;
}

/* Opened a second time, the filesystem that is written shows as a source the last commit, whose blocks
 * stay until the next one. */
static int source_is_same_fs(struct copy_in *copy, const struct copy_source *source, bool *ret_same)
{
	struct copy_devices devices;

	*ret_same = false;
	if (!source->fs)
		return 0;
	if (source->fs == copy->fs) {
		*ret_same = true;
		return 0;
	}
	TRY(copy_devices_read(source->fs, &devices));
	*ret_same = copy_devices_meet(&devices, &copy->devices);
	copy_devices_fini(&devices);
	if (*ret_same && copy->options.commit_every_bytes)
		return THROW(ERR_UNSUPPORTED,
			     "option --commit-every: not for a copy from the other members of the "
			     "filesystem, which reads what the last commit holds");
	return 0;
}

static int walk_batch(struct copy_walk *walk, struct scan_dest *dir, struct scan_batch *batch)
{
	if (!batch->dir)
		return walk->dest->name ?
			       copy_entry(walk, dir, walk->dest->name, &batch->entries[0]) :
			       copy_top(walk, &batch->entries[0]);
	for (size_t i = 0; i < batch->nr_entries; i++)
		TRY(copy_entry(walk, &batch->dir->dest, batch->entries[i].name,
			       &batch->entries[i]));
	return batch->is_last ? copy_dir_finish(walk, batch->dir) : 0;
}

static int walk_all(struct copy_walk *walk, struct scan_queue *queue, struct scan_dest *dir)
{
	struct scan_batch *batch;
	int ret;

	for (;;) {
		TRY(scan_queue_next(queue, &batch));
		if (!batch)
			return 0;
		ret = walk_batch(walk, dir, batch);
		scan_batch_put(batch, &batch->handle);
		TRY(ret);
	}
}

static int walk_tree(struct copy_walk *walk, struct scan_dest *dir, bool is_dir)
{
	unsigned threads = is_dir ? walk->copy->options.threads : 1;
	struct scan_queue *queue;
	int ret;

	if (is_dir && walk->same_fs)
		TRY(check_not_inside(walk));
	TRY(scan_queue_new(walk->import, threads, &queue));
	ret = walk_all(walk, queue, dir);
	scan_queue_free(queue);
	return ret;
}

/* What kind of file it is, as far as that decides how it is copied. */
static int source_mode(const struct copy_walk *walk, uint32_t *ret_mode)
{
	const struct copy_source *source = walk->source;
	bool follow = walk->copy->rules.follow != COPY_FOLLOW_NEVER;
	struct ubtrfs_attr attr;
	struct stat st;

	if (source->fs) {
		int ret = ubtrfs_getattr(source->fs, source->node, &attr);

		*ret_mode = attr.mode;
		return ret < 0 ? import_fail(walk->import, ret, "%s", source->path) : 0;
	}
	if (follow ? stat(source->path, &st) : lstat(source->path, &st))
		return THROW_SYS(errno, "cannot read %s", source->path);
	*ret_mode = st.st_mode;
	return 0;
}

static int walk_stream(struct copy_walk *walk, const struct scan_dest *dir)
{
	int ret;

	if (walk->source->fs)
		return THROW(ERR_UNSUPPORTED,
			     "%s: a special file in an image is copied with -r or -a only",
			     walk->source->path);
	walk->stream_fd = open(walk->source->path, O_RDONLY | O_CLOEXEC);
	if (walk->stream_fd < 0)
		return THROW_SYS(errno, "cannot open %s", walk->source->path);
	ret = copy_stream(walk, dir, walk->dest->name);
	close(walk->stream_fd);
	return ret;
}

static int walk_source(struct copy_walk *walk)
{
	struct scan_dest dir;
	uint32_t mode = 0;

	TRY(source_is_same_fs(walk->copy, walk->source, &walk->same_fs));
	TRY(source_mode(walk, &mode));
	TRY(import_open_source(walk->import, walk->source));
	TRY(copy_dest_fill(walk, walk->dest->dir, &dir));
	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode) && !walk->copy->rules.recursive &&
	    walk->dest->name)
		return walk_stream(walk, &dir);
	return walk_tree(walk, &dir, S_ISDIR(mode));
}

int copy_in_add(struct copy_in *copy, const struct copy_source *source,
		const struct copy_dest *dest)
{
	struct copy_walk walk = { .copy = copy, .source = source, .dest = dest, .stream_fd = -1 };
	struct import *import;
	int ret;

	if (copy->nr_imports == COPY_IMPORTS_MAX)
		TRY(copy_in_drain(copy));
	TRY(import_new(copy->fs, &copy->options, NULL, &import));
	copy->imports[copy->nr_imports++] = import;
	import->rules = &copy->rules;
	import->items_done = copy->items_done;
	import->bytes_before = copy->bytes_done;
	import->committed_bytes = copy->committed_bytes;
	walk.import = import;
	ret = walk_source(&walk);
	copy->items_done = import->items_done;
	copy->bytes_done += import->stats.bytes;
	copy->committed_bytes = import->committed_bytes;
	return ret;
}
