/*
 * Copying out of an image: regular files, symlinks, special files.
 *
 * A file is made for us alone and gets its mode last; holes stay holes. A big file is filled by all
 * workers, a piece at a time: they share a struct big_file, and the last one sets the attributes.
 * Lock: big_file.lock (RANK_FRONT_END) over where the next piece begins.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/session.h"
#include "cli/cli.h"
#include "cli/copy_out_priv.h"
#include "cli/entry_list.h"

#define PIECE_BYTES ((uint64_t)4 << 20)
/* A file with more than this is worth several workers. */
#define BIG_BYTES (2 * PIECE_BYTES)

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t nr = write(fd, data, len);

		if (nr < 0 && errno != EINTR)
			return THROW_SYS(errno, "cannot write");
		if (nr > 0) {
			data += nr;
			len -= (size_t)nr;
		}
	}
	return 0;
}

static int write_all_at(int fd, const uint8_t *data, size_t len, uint64_t at)
{
	while (len) {
		ssize_t nr = pwrite(fd, data, len, (off_t)at);

		if (nr < 0 && errno != EINTR)
			return THROW_SYS(errno, "cannot write");
		if (nr > 0) {
			data += nr;
			at += (uint64_t)nr;
			len -= (size_t)nr;
		}
	}
	return 0;
}

int copy_out_stream(struct ubtrfs *fs, struct ubtrfs_node node, uint8_t *buffer, int fd)
{
	uint64_t offset = 0;
	size_t len;

	do {
		TRY(session_check());
		TRY(ubtrfs_read(fs, node, offset, buffer, COPY_BUFFER_BYTES, &len));
		TRY(write_all(fd, buffer, len));
		offset += len;
	} while (len == COPY_BUFFER_BYTES);
	return 0;
}

/* The data between pos and end; *ret_end: behind the last byte written. */
static int copy_range(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t pos, uint64_t end,
		      uint8_t *buffer, int fd, uint64_t *ret_end)
{
	*ret_end = 0;
	while (pos < end) {
		size_t capacity = (size_t)MIN(end - pos, COPY_BUFFER_BYTES), len;
		uint64_t start;
		int err = ubtrfs_read_data(fs, node, pos, buffer, capacity, &start, &len);

		if (err == -ENXIO || (err == 0 && start >= end))
			return 0;
		TRY(err);
		if (start < pos || !len)
			return THROW(ERR_CORRUPT, "a range of data does not go on");
		len = (size_t)MIN(len, end - start);
		TRY(write_all_at(fd, buffer, len, start));
		*ret_end = pos = start + len;
	}
	return 0;
}

static int size_set(int fd, uint64_t size, uint64_t written)
{
	if (written < size && ftruncate(fd, (off_t)size) < 0)
		return THROW_SYS(errno, "cannot set the size");
	return 0;
}

/* ---- big files ---- */

struct big_file {
	struct copy_out *copy;
	struct copy_dir *dir; /* pending in it; NULL: the place is a path */
	struct ubtrfs_attr attr;
	int fd;
	bool by_user;
	_Atomic bool failed;
	_Atomic unsigned nr_working;
	struct mutex lock;
	uint64_t next; /* no piece began at or behind this */
	struct big_worker {
		struct task task;
		struct big_file *big;
	} * workers; /* owned */
	char name[];
};

static void big_finish(struct big_file *big)
{
	struct copy_place place = { big->dir, big->name, big->by_user };

	if (big->copy->archive && !atomic_load(&big->failed))
		(void)copy_attrs(big->copy, &big->attr, &place, big->fd);
	if (close(big->fd) < 0)
		(void)copy_told(big->copy, &place, "write it");
	if (big->dir)
		dir_put(big->dir);
	mutex_fini(&big->lock);
	mem_free(big->workers);
	mem_free(big);
}

/* Where the next piece is; false: there is none, or all is in vain. */
static int big_claim(struct big_file *big, uint64_t *ret_start, uint64_t *ret_end, bool *ret_more)
{
	uint64_t start, end;
	int err = -ENXIO;

	mutex_lock(&big->lock);
	if (big->next < big->attr.size)
		err = ubtrfs_seek_data(big->copy->fs, big->attr.node, big->next, &start, &end);
	if (err == 0 && start >= big->next) {
		*ret_start = start;
		/* Pieces end at multiples, so that compressed extents are rarely cut. */
		*ret_end = MIN(round_down(start + PIECE_BYTES, PIECE_BYTES), big->attr.size);
		big->next = *ret_end;
	} else {
		big->next = big->attr.size;
	}
	mutex_unlock(&big->lock);
	*ret_more = err == 0;
	return err == -ENXIO ? 0 : err;
}

static int big_work(struct big_file *big, uint8_t *buffer)
{
	uint64_t start = 0, end = 0, written;
	bool more = true;

	while (!atomic_load(&big->failed)) {
		TRY(big_claim(big, &start, &end, &more));
		if (!more)
			return 0;
		TRY(copy_range(big->copy->fs, big->attr.node, start, end, buffer, big->fd,
			       &written));
	}
	return 0;
}

static void big_run(struct task *task, unsigned worker)
{
	struct big_file *big = container_of(task, struct big_worker, task)->big;
	struct copy_place place = { big->dir, big->name, big->by_user };
	uint8_t *buffer = copy_buffer(big->copy, worker);
	int err = buffer ? big_work(big, buffer) : MEM_FAIL("copying");

	/* The first failure is told. */
	if (err < 0 && !atomic_exchange(&big->failed, true))
		(void)copy_failed(big->copy, &place);
	if (atomic_fetch_sub(&big->nr_working, 1) == 1)
		big_finish(big);
}

/* Takes the descriptor over when it yields 0. */
static int big_start(struct copy_out *copy, const struct ubtrfs_attr *attr,
		     const struct copy_place *place, int fd)
{
	unsigned nr = task_pool_nr_workers(copy->pool);
	size_t name_len = strlen(place->name);
	struct big_file *big = mem_zalloc(sizeof(*big) + name_len + 1);

	if (big)
		big->workers = mem_array(nr, sizeof(*big->workers));
	if (!big || !big->workers) {
		mem_free(big);
		return MEM_FAIL("copying a big file");
	}
	big->copy = copy;
	big->dir = place->dir;
	big->attr = *attr;
	big->fd = fd;
	big->by_user = place->by_user;
	atomic_init(&big->nr_working, nr);
	mutex_init(&big->lock, RANK_FRONT_END, "a big file");
	memcpy(big->name, place->name, name_len);
	if (big->dir)
		dir_get(big->dir);
	for (unsigned i = 0; i < nr; i++) {
		big->workers[i] = (struct big_worker){ .task.run = big_run, .big = big };
		task_pool_submit(copy->pool, &big->workers[i].task);
	}
	return 0;
}

/* ---- regular files ---- */

int clear_way(struct copy_out *copy, const struct copy_place *place, bool keep_regular)
{
	int at = place_dir_fd(place);
	struct stat st;

	if (fstatat(at, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : copy_told(copy, place, "look at it");
	if (S_ISDIR(st.st_mode))
		return copy_refused(copy, place, "a directory is not overwritten with a file");
	if (S_ISREG(st.st_mode) && keep_regular)
		return 0;
	return unlinkat(at, place->name, 0) < 0 ? copy_told(copy, place, "overwrite it") : 0;
}

/* A file that was there: emptied, and no more readable by others than what comes into it. */
static int file_reopen(struct copy_out *copy, const struct copy_place *place, mode_t mode,
		       int *ret_fd, bool *ret_is_regular)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY |
		    (place->by_user ? 0 : O_NOFOLLOW);
	struct stat st;
	int fd;

	if (!place->by_user && clear_way(copy, place, true))
		return 1;
	fd = openat(place_dir_fd(place), place->name, flags, mode);
	if (fd < 0)
		return copy_told(copy, place, "create it");
	*ret_fd = fd;
	if (fstat(fd, &st) < 0)
		return copy_told(copy, place, "look at it");
	*ret_is_regular = S_ISREG(st.st_mode);
	/* Who may not change it gets what cp gives: its mode stays. */
	if (*ret_is_regular && copy->archive && st.st_mode & 07077 &&
	    fchmod(fd, st.st_mode & 0700) < 0 && errno != EPERM)
		return copy_told(copy, place, "set the mode");
	return 0;
}

/* *ret_fd is -1 when there is nothing to close. */
static int file_open(struct copy_out *copy, const struct ubtrfs_attr *attr,
		     const struct copy_place *place, int *ret_fd, bool *ret_is_regular)
{
	mode_t mode = copy->archive ? 0600 : attr->mode & 0777;

	*ret_fd = -1;
	*ret_is_regular = true;
	if (!place->by_user) {
		*ret_fd = openat(place_dir_fd(place), place->name,
				 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (*ret_fd >= 0)
			return 0;
		if (errno != EEXIST)
			return copy_told(copy, place, "create it");
	}
	return file_reopen(copy, place, mode, ret_fd, ret_is_regular);
}

static int file_fill(struct copy_out *copy, const struct ubtrfs_attr *attr, uint8_t *buffer, int fd)
{
	uint64_t written = 0;

	if (attr->size)
		TRY(copy_range(copy->fs, attr->node, 0, attr->size, buffer, fd, &written));
	return size_set(fd, attr->size, written);
}

/* *ret_taken: others fill it now, and close it. */
static int file_contents(struct copy_out *copy, const struct ubtrfs_attr *attr,
			 const struct copy_place *place, unsigned worker, int fd, bool is_regular,
			 bool *ret_taken)
{
	uint8_t *buffer = copy_buffer(copy, worker);
	int err;

	*ret_taken = false;
	if (!buffer) {
		err = MEM_FAIL("copying");
	} else if (!is_regular) {
		err = copy_out_stream(copy->fs, attr->node, buffer, fd);
	} else if (attr->size > BIG_BYTES && attr->nlink <= 1 &&
		   task_pool_nr_workers(copy->pool) > 1) {
		err = size_set(fd, attr->size, 0);
		if (err == 0)
			err = big_start(copy, attr, place, fd);
		*ret_taken = err == 0;
	} else {
		err = file_fill(copy, attr, buffer, fd);
	}
	if (err < 0)
		return copy_failed(copy, place);
	if (!is_regular || *ret_taken || !copy->archive)
		return 0;
	return copy_attrs(copy, attr, place, fd);
}

static int copy_file(struct copy_out *copy, const struct ubtrfs_attr *attr,
		     const struct copy_place *place, unsigned worker)
{
	bool is_regular, taken = false;
	int fd, code = file_open(copy, attr, place, &fd, &is_regular);

	if (!code)
		code = file_contents(copy, attr, place, worker, fd, is_regular, &taken);
	if (fd >= 0 && !taken && close(fd) < 0)
		code |= copy_told(copy, place, "write it");
	return code;
}

/* ---- other kinds ---- */

/* Whatever is in the way is only looked for when something is. */
static int copy_symlink(struct copy_out *copy, const struct ubtrfs_attr *attr,
			const struct copy_place *place)
{
	SCOPED_MEM char *target = NULL;
	int at = place_dir_fd(place);

	if (symlink_read(copy->fs, attr->node, &target) < 0)
		return copy_failed(copy, place);
	if (symlinkat(target, at, place->name) < 0) {
		if (errno != EEXIST)
			return copy_told(copy, place, "create it");
		if (clear_way(copy, place, false))
			return 1;
		if (symlinkat(target, at, place->name) < 0)
			return copy_told(copy, place, "create it");
	}
	return copy->archive ? copy_attrs(copy, attr, place, -1) : 0;
}

static int copy_special(struct copy_out *copy, const struct ubtrfs_attr *attr,
			const struct copy_place *place)
{
	mode_t mode = (attr->mode & S_IFMT) |
		      (copy->archive ? 0600 : attr->mode & 0777 & ~copy->umask);

	if (clear_way(copy, place, false))
		return 1;
	if (mknodat(place_dir_fd(place), place->name, mode, (dev_t)attr->rdev) < 0)
		return copy_told(copy, place, "create the special file");
	return copy->archive ? copy_attrs(copy, attr, place, -1) : 0;
}

int copy_as_its_kind(struct copy_out *copy, const struct ubtrfs_attr *attr,
		     const struct copy_place *place, unsigned worker)
{
	if (S_ISREG(attr->mode))
		return copy_file(copy, attr, place, worker);
	if (S_ISLNK(attr->mode))
		return copy_symlink(copy, attr, place);
	return copy_special(copy, attr, place);
}
