/*
 * Copying out of an image: the walk over directories.
 *
 * A directory is a task: it makes and opens the directory, lists a batch of its entries, hands the
 * rest of the listing to whoever is free, and copies the batch; a directory in it becomes a task. A
 * directory is made with rwx for us alone and gets its own mode when all below it is there. Newest
 * tasks go first, so what is open and queued grows with the depth of the tree and not with its size.
 * Locks: none here; a directory is changed by the one task that lists it, and finished by the one
 * that takes its last pending away.
 */
#include "cli/copy_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/copy_out_priv.h"
#include "cli/entry_list.h"
#include "cli/session.h"

#define BATCH_ENTRIES 64u

/* Entries of a directory on their way. */
struct copy_batch {
	size_t nr;
	struct batch_entry {
		struct ubtrfs_node node;
		struct ubtrfs_attr attr;
		bool has_attr;
		char name[UINT8_MAX + 1];
	} entries[BATCH_ENTRIES];
	struct copy_dir *dir;
	uint64_t cookie;
};

/* ---- what holds for a whole run ---- */

/* Descriptors are open for each level of directories, and for each worker. */
static void raise_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		/* Too deep a tree is told where it is met. */
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

void copy_out_init(struct copy_out *copy)
{
	memset(copy, 0, sizeof(*copy));
	mutex_init(&copy->links_lock, RANK_LEAF, "hard links");
	hash_init(&copy->links);
	pair_set_init(&copy->dirs);
	copy->umask = umask(0);
	umask(copy->umask);
	copy->is_root = geteuid() == 0;
	raise_open_files();
}

/* The workers, before the first node. */
static int copy_start(struct copy_out *copy)
{
	unsigned nr = copy->nr_threads ? copy->nr_threads : cli_nr_processors();
	struct task_pool *pool;

	if (copy->pool)
		return 0;
	TRY(task_pool_new("copy", nr, &pool));
	copy->buffers = mem_array(nr, sizeof(*copy->buffers));
	if (!copy->buffers) {
		task_pool_free(pool);
		return MEM_FAIL("copying");
	}
	copy->pool = pool;
	return 0;
}

void copy_out_fini(struct copy_out *copy)
{
	for (unsigned i = 0; copy->pool && i < task_pool_nr_workers(copy->pool); i++)
		mem_free(copy->buffers[i]);
	mem_free(copy->buffers);
	task_pool_free(copy->pool);
	links_forget(copy);
	hash_fini(&copy->links);
	mutex_fini(&copy->links_lock);
	pair_set_fini(&copy->dirs);
}

void copy_out_use(struct copy_out *copy, struct ubtrfs *fs)
{
	links_forget(copy);
	copy->fs = fs;
}

uint8_t *copy_buffer(struct copy_out *copy, unsigned worker)
{
	if (!copy->buffers[worker])
		copy->buffers[worker] = mem_alloc(COPY_BUFFER_BYTES);
	return copy->buffers[worker];
}

/* ---- messages ---- */

static void dir_path(const struct copy_dir *dir, struct strbuf *path)
{
	if (dir->parent) {
		dir_path(dir->parent, path);
		strbuf_add(path, "/");
	}
	strbuf_add(path, dir->name);
}

void place_path(const struct copy_place *place, struct strbuf *ret_path)
{
	strbuf_init(ret_path);
	if (place->dir) {
		dir_path(place->dir, ret_path);
		strbuf_add(ret_path, "/");
	}
	strbuf_add(ret_path, place->name);
}

int copy_told(struct copy_out *copy, const struct copy_place *place, const char *what)
{
	int saved_errno = errno;
	struct strbuf path;

	place_path(place, &path);
	cli_error("%s: cannot %s: %s", strbuf_text(&path), what, strerror(saved_errno));
	strbuf_fini(&path);
	atomic_store(&copy->code, 1);
	return 1;
}

int copy_failed(struct copy_out *copy, const struct copy_place *place)
{
	struct strbuf path;

	atomic_store(&copy->code, 1);
	/* Then it is told once, by copy_out_node. */
	if (session_interrupted())
		return 1;
	place_path(place, &path);
	cli_fail("%s", strbuf_text(&path));
	strbuf_fini(&path);
	return 1;
}

int copy_refused(struct copy_out *copy, const struct copy_place *place, const char *what)
{
	struct strbuf path;

	place_path(place, &path);
	cli_error("%s: %s", strbuf_text(&path), what);
	strbuf_fini(&path);
	atomic_store(&copy->code, 1);
	return 1;
}

/* ---- directories ---- */

static struct copy_place dir_place(const struct copy_dir *dir)
{
	return (struct copy_place){ dir->parent, dir->name, dir->by_user };
}

void dir_get(struct copy_dir *dir)
{
	atomic_fetch_add(&dir->pending, 1);
}

static void dir_finish(struct copy_dir *dir)
{
	struct copy_place place = dir_place(dir);
	struct copy_out *copy = dir->copy;

	if (dir->fd < 0)
		return;
	if (copy->archive)
		(void)copy_attrs(copy, &dir->attr, &place, dir->fd);
	else if (dir->is_new && fchmod(dir->fd, dir->attr.mode & 0777 & ~copy->umask) < 0)
		(void)copy_told(copy, &place, "set the mode");
	close(dir->fd);
}

void dir_put(struct copy_dir *dir)
{
	while (dir && atomic_fetch_sub(&dir->pending, 1) == 1) {
		struct copy_dir *parent = dir->parent;

		dir_finish(dir);
		mem_free(dir);
		dir = parent;
	}
}

static int dir_open(struct copy_dir *dir)
{
	struct copy_place place = dir_place(dir);
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (dir->by_user ? 0 : O_NOFOLLOW);
	int at = place_dir_fd(&place);

	dir->is_new = mkdirat(at, dir->name, 0700) == 0;
	if (!dir->is_new && errno != EEXIST)
		return copy_told(dir->copy, &place, "create the directory");
	dir->fd = openat(at, dir->name, flags);
	if (dir->fd < 0)
		return copy_told(dir->copy, &place,
				 dir->is_new ? "open it" : "overwrite it with a directory");
	return 0;
}

static int batch_add(void *ctx, const struct ubtrfs_dirent *dirent, const struct ubtrfs_attr *attr)
{
	struct copy_batch *batch = ctx;
	struct batch_entry *entry = &batch->entries[batch->nr];
	struct copy_place place = { batch->dir, "(an entry)", false };

	batch->cookie = dirent->cookie;
	if (!entry_name_is_sane(dirent->name, dirent->name_len)) {
		(void)copy_refused(batch->dir->copy, &place, "it has an impossible name");
		return 0;
	}
	entry->node = dirent->node;
	entry->has_attr = attr;
	if (attr)
		entry->attr = *attr;
	memcpy(entry->name, dirent->name, dirent->name_len);
	entry->name[dirent->name_len] = '\0';
	return ++batch->nr == BATCH_ENTRIES;
}

/* A directory below another, or (parent NULL) at a path: its task. */
static void dir_start(struct copy_out *copy, const struct ubtrfs_attr *attr,
		      const struct copy_place *place);

static void copy_entry(struct copy_out *copy, const struct ubtrfs_attr *attr,
		       const struct copy_place *place, unsigned worker)
{
	if (S_ISDIR(attr->mode))
		dir_start(copy, attr, place);
	else if (copy->archive && attr->nlink > 1)
		(void)copy_linked(copy, attr, place, worker);
	else
		(void)copy_as_its_kind(copy, attr, place, worker);
}

static void batch_copy(struct copy_batch *batch, unsigned worker)
{
	struct copy_out *copy = batch->dir->copy;

	for (size_t i = 0; i < batch->nr && !session_interrupted(); i++) {
		struct batch_entry *entry = &batch->entries[i];
		struct copy_place place = { batch->dir, entry->name, false };

		if (!entry->has_attr && ubtrfs_getattr(copy->fs, entry->node, &entry->attr) < 0)
			(void)copy_failed(copy, &place);
		else
			copy_entry(copy, &entry->attr, &place, worker);
	}
}

/* Lists a batch; the rest of the listing becomes a task before the batch is copied. */
static int dir_list_batch(struct copy_dir *dir, struct copy_batch *batch)
{
	struct copy_place place = dir_place(dir);
	int more;

	batch->nr = 0;
	batch->dir = dir;
	more = ubtrfs_readdir_plus(dir->copy->fs, dir->attr.node, dir->cookie, batch_add, batch);
	if (more > 0) {
		dir->cookie = batch->cookie;
		dir_get(dir);
		task_pool_submit(dir->copy->pool, &dir->task);
	}
	return more < 0 ? copy_failed(dir->copy, &place) : 0;
}

static void dir_run(struct task *task, unsigned worker)
{
	struct copy_dir *dir = container_of(task, struct copy_dir, task);
	struct copy_place place = dir_place(dir);
	SCOPED_MEM struct copy_batch *batch = NULL;

	if (dir->fd < 0 && dir_open(dir)) {
		dir_put(dir);
		return;
	}
	batch = mem_alloc(sizeof(*batch));
	if (!batch) {
		(void)copy_refused(dir->copy, &place, "no memory to list it");
	} else {
		(void)dir_list_batch(dir, batch);
		batch_copy(batch, worker);
	}
	dir_put(dir);
}

/* A directory has one name; in a damaged image it may be met again, or inside itself. */
static int dir_check(struct copy_out *copy, const struct ubtrfs_attr *attr,
		     const struct copy_place *place)
{
	int is_new = 1;

	/* The empty directories in place of subvolumes share an inode below all others. */
	if (attr->node.ino >= UBTRFS_ROOT_INO)
		is_new = pair_set_add(&copy->dirs, attr->node.subvolid, attr->node.ino);
	if (is_new < 0)
		return copy_failed(copy, place);
	if (!is_new)
		return copy_refused(copy, place, "the directory was met before: it has two names");
	if (place->dir && place->dir->depth >= WALK_MAX_DEPTH)
		return copy_refused(copy, place, "more than 2000 directories inside each other");
	return 0;
}

static void dir_start(struct copy_out *copy, const struct ubtrfs_attr *attr,
		      const struct copy_place *place)
{
	size_t name_len = strlen(place->name);
	struct copy_dir *dir;

	if (dir_check(copy, attr, place))
		return;
	dir = mem_zalloc(sizeof(*dir) + name_len + 1);
	if (!dir) {
		(void)copy_refused(copy, place, "no memory for a directory");
		return;
	}
	dir->task.run = dir_run;
	dir->copy = copy;
	dir->parent = place->dir;
	dir->attr = *attr;
	atomic_init(&dir->pending, 1);
	dir->depth = place->dir ? place->dir->depth + 1 : 1;
	dir->fd = -1;
	dir->by_user = place->by_user;
	memcpy(dir->name, place->name, name_len);
	if (dir->parent)
		dir_get(dir->parent);
	task_pool_submit(copy->pool, &dir->task);
}

_Static_assert(WALK_MAX_DEPTH == 2000, "a message names it");

int copy_out_node(struct copy_out *copy, struct ubtrfs_node node, const char *path, bool by_user)
{
	struct copy_place place = { NULL, path, by_user };
	struct ubtrfs_attr attr;

	atomic_store(&copy->code, 0);
	pair_set_clear(&copy->dirs);
	if (copy_start(copy) < 0 || ubtrfs_getattr(copy->fs, node, &attr) < 0)
		return copy_failed(copy, &place);
	if (S_ISDIR(attr.mode) && !copy->recursive)
		return copy_refused(copy, &place, "a directory is copied with -r or -a only");
	if (!S_ISREG(attr.mode) && !copy->recursive)
		return copy_refused(copy, &place, "a special file is copied with -r or -a only");
	copy_entry(copy, &attr, &place, 0);
	task_pool_run(copy->pool);
	if (session_interrupted())
		return cli_error("interrupted");
	return atomic_load(&copy->code);
}
