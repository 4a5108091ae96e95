/*
 * The walk: which directory is next, its names in order, batches of them.
 *
 * Owns the list of directories still to enter (the next one first) and the names of the one being
 * scanned. A directory's subdirectories are put before all others when its last batch is made,
 * which gives the order that scan.h promises. Open at any time: one directory. Takes no lock; one
 * thread calls it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "transfer/copy_in.h"
#include "transfer/scan.h"
#include "transfer/source_path.h"

#define SCAN_READDIR_BYTES 65536
/* At most this many directories stay open for their files; files of the others are opened by their path. */
#define KEPT_DIRS_MAX 256

struct scan_name {
	const char *name;
	size_t len;
};

struct scan {
	struct import *import;
	bool started;
	struct list pending; /* directories to enter, in order */
	/* the directory being scanned */
	struct scan_dir *dir;
	struct ref_handle dir_handle;
	struct list subdirs; /* found in it so far */
	struct arena names_arena;
	struct scan_name *names; /* sorted */
	size_t nr_names, next_name, names_capacity;
	struct scan_at at;
	char *readdir_buffer;
};

int scan_new(struct import *import, struct scan **ret_scan)
{
	struct scan *scan = mem_zalloc(sizeof(*scan));

	if (!scan)
		return MEM_FAIL("the walk");
	scan->import = import;
	list_init(&scan->pending);
	list_init(&scan->subdirs);
	arena_init(&scan->names_arena);
	scan->at.import = import;
	scan->at.dir_fd = -1;
	scan->at.value = mem_alloc(SCAN_VALUE_BYTES);
	scan->at.access_path = mem_alloc(PATH_MAX);
	scan->readdir_buffer = mem_alloc(SCAN_READDIR_BYTES);
	if (!scan->at.value || !scan->at.access_path || !scan->readdir_buffer) {
		scan_free(scan);
		return MEM_FAIL("the walk");
	}
	*ret_scan = scan;
	return 0;
}

static void scan_drop_dirs(struct list *dirs)
{
	struct link *link;

	while ((link = list_pop_front(dirs))) {
		struct scan_dir *dir = list_entry(link, struct scan_dir, link);

		scan_dir_put(dir, &dir->scan_handle);
	}
}

/* Leaves the directory being scanned, if any; its subdirectories come next. */
static void scan_leave(struct scan *scan)
{
	if (scan->at.dir_fd >= 0 && scan->dir->fd < 0)
		close(scan->at.dir_fd);
	scan->at.dir_fd = -1;
	if (scan->dir)
		scan_dir_put(scan->dir, &scan->dir_handle);
	scan->dir = NULL;
	list_splice_back(&scan->subdirs, &scan->pending);
	list_splice_back(&scan->pending, &scan->subdirs);
	arena_fini(&scan->names_arena);
	scan->nr_names = 0;
	scan->next_name = 0;
}

void scan_free(struct scan *scan)
{
	scan_leave(scan);
	scan_drop_dirs(&scan->pending);
	mem_free(scan->names);
	mem_free(scan->at.value);
	mem_free(scan->at.access_path);
	mem_free(scan->readdir_buffer);
	mem_free(scan);
}

void scan_use_cwd(struct scan *scan)
{
	scan->at.own_cwd = true;
}

static int scan_name_add(struct scan *scan, const char *name, size_t len)
{
	struct scan_name *names;
	size_t capacity;
	char *copy;

	if (scan->nr_names == scan->names_capacity) {
		capacity = scan->names_capacity ? scan->names_capacity * 2 : 256;
		names = mem_resize(scan->names, capacity * sizeof(*names));
		if (!names)
			return MEM_FAIL("names of a directory");
		scan->names = names;
		scan->names_capacity = capacity;
	}
	copy = arena_alloc(&scan->names_arena, len + 1);
	if (!copy)
		return MEM_FAIL("names of a directory");
	memcpy(copy, name, len);
	copy[len] = '\0';
	scan->names[scan->nr_names++] = (struct scan_name){ .name = copy, .len = len };
	return 0;
}

static int name_compare(const void *a, const void *b)
{
	/* strcmp compares bytes as unsigned, and no name contains a zero. */
	return strcmp(((const struct scan_name *)a)->name, ((const struct scan_name *)b)->name);
}

static int name_visit(void *ctx, const struct ubtrfs_dirent *dirent)
{
	struct scan *scan = ctx;
	const char *name = dirent->name;
	size_t len = dirent->name_len;

	/* No file can have such a name, and it would lead elsewhere. */
	if (!len || memchr(name, '/', len) || memchr(name, '\0', len) ||
	    (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))))
		return THROW(ERR_CORRUPT, "%s/%s holds an entry with an impossible name",
			     scan->import->root_path, scan->dir->path);
	return scan_name_add(scan, name, len);
}

static int scan_read_image_names(struct scan *scan)
{
	int ret = ubtrfs_readdir(scan->import->source_fs, scan->dir->source_node, 0, name_visit,
				 scan);

	if (ret < 0)
		return import_fail(scan->import, ret, "cannot read directory %s/%s",
				   scan->import->root_path, scan->dir->path);
	return 0;
}

static int scan_read_host_names(struct scan *scan)
{
	ssize_t len;

	while ((len = getdents64(scan->at.dir_fd, scan->readdir_buffer, SCAN_READDIR_BYTES)) > 0) {
		for (ssize_t pos = 0; pos < len;) {
			const struct dirent64 *dirent = (void *)(scan->readdir_buffer + pos);

			pos += dirent->d_reclen;
			if (strcmp(dirent->d_name, ".") != 0 && strcmp(dirent->d_name, "..") != 0)
				TRY(scan_name_add(scan, dirent->d_name, strlen(dirent->d_name)));
		}
	}
	if (len < 0)
		return THROW_SYS(errno, "cannot read directory %s/%s", scan->import->root_path,
				 scan->dir->path);
	return 0;
}

static int scan_read_names(struct scan *scan)
{
	TRY(scan->import->source_fs ? scan_read_image_names(scan) : scan_read_host_names(scan));
	if (scan->nr_names)
		qsort(scan->names, scan->nr_names, sizeof(*scan->names), name_compare);
	return 0;
}

/* A symlink to it is what is copied. */
static bool dir_is_followed(const struct scan *scan)
{
	return scan->at.follow || (scan->import->follow_top && !scan->dir->depth);
}

/* 0, or 1 when the directory is no longer there (the warning was given); it stays empty then. */
static int scan_open_dir(struct scan *scan)
{
	const char *path = scan->dir->path_len ? scan->dir->path : ".";
	struct stat st;
	int fd = source_path_open(scan->import->root_fd, path,
				  O_RDONLY | O_DIRECTORY | O_NONBLOCK |
					  (dir_is_followed(scan) ? 0 : O_NOFOLLOW));

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) {
		TRY(import_warn(scan->import, "%s/%s vanished while it was read",
				scan->import->root_path, path));
		return 1;
	}
	if (fd < 0)
		return THROW_SYS(-fd, "cannot open directory %s/%s", scan->import->root_path, path);
	scan->at.dir_fd = fd;
	if (atomic_fetch_add(&scan->import->nr_kept_dirs, 1) < KEPT_DIRS_MAX)
		scan->dir->fd = fd;
	else
		atomic_fetch_sub(&scan->import->nr_kept_dirs, 1);
	if (fstat(fd, &st))
		return THROW_SYS(errno, "cannot read %s/%s", scan->import->root_path, path);
	if (st.st_ino != scan->dir->ino || st.st_dev != scan->dir->dev)
		TRY(import_warn(scan->import, "%s/%s changed while it was read",
				scan->import->root_path, path));
	if (scan->at.own_cwd && fchdir(fd))
		return THROW_SYS(errno, "cannot enter directory %s/%s", scan->import->root_path,
				 path);
	return 0;
}

/* Names that came or went since the directory was read: its modification time tells. */
static int scan_check_dir(struct scan *scan)
{
	struct stat st;

	if (scan->at.dir_fd < 0)
		return 0;
	if (fstat(scan->at.dir_fd, &st))
		return THROW_SYS(errno, "cannot read %s/%s", scan->import->root_path,
				 scan->dir->path);
	if (st.st_mtim.tv_sec != scan->dir->meta.mtime.sec ||
	    st.st_mtim.tv_nsec != scan->dir->meta.mtime.nsec)
		return import_warn(scan->import, "%s/%s changed while it was read",
				   scan->import->root_path, scan->dir->path);
	return 0;
}

/* The entry just added is a directory: it will be entered. */
static void scan_note_subdir(struct scan *scan, struct scan_dir *dir)
{
	const struct copy_rules *rules = scan->import->rules;

	if (rules &&
	    (!rules->recursive || (rules->one_file_system && dir->dev != scan->at.top_dev)))
		return;
	ref_get(&dir->ref, &dir->scan_handle);
	list_push_back(&scan->subdirs, &dir->link);
}

static int scan_fill_batch(struct scan *scan, struct scan_batch *batch, size_t room)
{
	while (scan->next_name < scan->nr_names && room-- &&
	       batch->arena.total_bytes < SCAN_BATCH_BYTES) {
		const struct scan_name *name = &scan->names[scan->next_name++];
		struct scan_entry *entry = &batch->entries[batch->nr_entries];
		int ret = scan_entry_add(&scan->at, batch, name->name, name->len);

		TRY(ret);
		if (ret > 0)
			continue;
		atomic_fetch_add_explicit(&scan->import->items_found, 1, memory_order_relaxed);
		if (S_ISREG(entry->meta.mode))
			atomic_fetch_add_explicit(&scan->import->bytes_found, entry->size,
						  memory_order_relaxed);
		if (entry->dir)
			scan_note_subdir(scan, entry->dir);
	}
	batch->bytes += batch->arena.total_bytes;
	batch->is_last = scan->next_name == scan->nr_names;
	return batch->is_last ? scan_check_dir(scan) : 0;
}

static int scan_batch_of_dir(struct scan *scan, struct scan_batch **ret_batch)
{
	size_t room = scan->nr_names - scan->next_name;
	struct scan_batch *batch;
	int ret;

	if (room > SCAN_BATCH_ENTRIES)
		room = SCAN_BATCH_ENTRIES;
	TRY(scan_batch_new(scan->import, scan->dir, room, &batch));
	ret = scan_fill_batch(scan, batch, room);
	if (ret < 0) {
		scan_batch_put(batch, &batch->handle);
		return ret;
	}
	if (batch->is_last)
		scan_leave(scan);
	*ret_batch = batch;
	return 0;
}

static int scan_batch_of_top(struct scan *scan, struct scan_batch **ret_batch)
{
	const char *name = scan->import->top_name ? scan->import->top_name : "";
	const struct copy_rules *rules = scan->import->rules;
	struct scan_batch *batch;
	int ret;

	TRY(scan_batch_new(scan->import, NULL, 1, &batch));
	scan->at.follow = scan->import->follow_top;
	scan->at.dir_fd = scan->import->root_fd;
	ret = scan->at.own_cwd && scan->import->root_fd >= 0 && fchdir(scan->import->root_fd) ?
		      THROW_SYS(errno, "cannot enter %s", scan->import->root_path) :
		      scan_entry_add(&scan->at, batch, name, strlen(name));
	scan->at.dir_fd = -1;
	scan->at.follow = rules && rules->follow == COPY_FOLLOW_ALWAYS;
	if (ret != 0) {
		scan_batch_put(batch, &batch->handle);
		return ret < 0 ? ret :
				 THROW(ERR_NOT_FOUND, "%s%s%s: there is no such file",
				       scan->import->root_path, *name ? "/" : "", name);
	}
	if (batch->entries[0].dir)
		scan_note_subdir(scan, batch->entries[0].dir);
	list_splice_back(&scan->pending, &scan->subdirs);
	*ret_batch = batch;
	return 0;
}

static int scan_enter_next(struct scan *scan)
{
	struct link *link = list_pop_front(&scan->pending);
	int ret;

	scan->dir = list_entry(link, struct scan_dir, link);
	ref_get(&scan->dir->ref, &scan->dir_handle);
	scan_dir_put(scan->dir, &scan->dir->scan_handle);
	ret = scan->import->source_fs ? 0 : scan_open_dir(scan);
	return ret == 0 ? scan_read_names(scan) : MIN(ret, 0);
}

int scan_next(struct scan *scan, struct scan_batch **ret_batch)
{
	if (!scan->started) {
		scan->started = true;
		return scan_batch_of_top(scan, ret_batch);
	}
	if (!scan->dir && list_is_empty(&scan->pending)) {
		atomic_store(&scan->import->all_found, true);
		*ret_batch = NULL;
		return 0;
	}
	if (!scan->dir)
		TRY(scan_enter_next(scan));
	return scan_batch_of_dir(scan, ret_batch);
}
