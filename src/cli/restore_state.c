/*
 * Which files are not whole, kept in the destination so that a second run tries them again: paths,
 * each ended by a zero byte, in RESTORE_STATE and, of the run that is going on, in RESTORE_STATE.new.
 *
 * Owns both files, and in memory a hash of each path: a hash that two paths share costs a copy.
 * Bounded by PATHS_MAX; beyond, nothing there is trusted and all is copied again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/restore.h"

#define STATE_NEW RESTORE_STATE RESTORE_STATE_NEW
#define PATHS_MAX ((size_t)8000000)
#define READ_BYTES ((size_t)64 << 10)

static uint64_t hash_byte(uint64_t hash, char byte)
{
	return (hash ^ (uint8_t)byte) * 0x100000001b3ULL;
}

#define HASH_START 0xcbf29ce484222325ULL

static uint64_t path_hash(const char *path)
{
	uint64_t hash = HASH_START;

	while (*path)
		hash = hash_byte(hash, *path++);
	return hash;
}

static int hash_compare(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

static int hash_push(struct restore_state *state, uint64_t hash)
{
	if (state->nr >= PATHS_MAX)
		state->is_full = true;
	if (state->is_full)
		return 0;
	/* At each power of two. */
	if ((state->nr & (state->nr - 1)) == 0) {
		size_t capacity = state->nr ? state->nr * 2 : 16;
		uint64_t *grown = mem_resize(state->hashes, capacity * sizeof(*grown));

		if (!grown)
			return MEM_FAIL("the files of an earlier run");
		state->hashes = grown;
	}
	state->hashes[state->nr++] = hash;
	return 0;
}

/* -1 in *ret_fd when there is none. */
static int list_open(const struct restore_state *state, const char *name, int *ret_fd)
{
	struct stat st;
	/* A pipe would wait for somebody who writes. */
	int fd = openat(state->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT)
		return THROW_SYS(errno, "cannot open %s", name);
	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		return THROW(ERR_INVALID, "%s is no regular file", name);
	}
	*ret_fd = fd;
	return 0;
}

static int list_load(struct restore_state *state, const char *name)
{
	SCOPED_MEM char *buffer = mem_alloc(READ_BYTES);
	uint64_t hash = HASH_START;
	ssize_t len = 0;
	int fd, err = 0;

	TRY(list_open(state, name, &fd));
	if (fd < 0)
		return 0;
	while (buffer && err == 0 && (len = read(fd, buffer, READ_BYTES)) > 0) {
		for (ssize_t i = 0; err == 0 && i < len; i++) {
			if (buffer[i]) {
				hash = hash_byte(hash, buffer[i]);
				continue;
			}
			err = hash_push(state, hash);
			hash = HASH_START;
		}
	}
	if (err == 0 && len < 0)
		err = THROW_SYS(errno, "cannot read %s", name);
	close(fd);
	return buffer ? err : MEM_FAIL("the files of an earlier run");
}

int restore_state_load(struct restore_state *state, int dir_fd)
{
	size_t nr = 0;

	state->dir_fd = dir_fd;
	TRY(list_load(state, RESTORE_STATE));
	nr = state->nr;
	TRY(list_load(state, STATE_NEW));
	state->has_new = state->nr > nr;
	if (!state->nr)
		return 0;
	qsort(state->hashes, state->nr, sizeof(*state->hashes), hash_compare);
	nr = 1;
	for (size_t i = 1; i < state->nr; i++) {
		if (state->hashes[i] != state->hashes[nr - 1])
			state->hashes[nr++] = state->hashes[i];
	}
	state->nr = nr;
	state->met = mem_zalloc(state->nr);
	return state->met ? 0 : MEM_FAIL("the files of an earlier run");
}

/* The first of those with this hash; NULL. */
static uint8_t *met_of(const struct restore_state *state, uint64_t hash)
{
	size_t low = 0, high = state->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (state->hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low < state->nr && state->hashes[low] == hash ? &state->met[low] : NULL;
}

bool restore_state_has(struct restore_state *state, const char *path)
{
	uint8_t *met = met_of(state, path_hash(path));

	if (met)
		*met = 1;
	return state->is_full || met;
}

/* A list that a run has left in the middle of a path goes on behind that. */
static int list_append(struct restore_state *state)
{
	struct stat st;

	state->fd = openat(state->dir_fd, STATE_NEW,
			   O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (state->fd < 0)
		return THROW_SYS(errno, "cannot open " STATE_NEW);
	if (fstat(state->fd, &st) == 0 && st.st_size && write(state->fd, "", 1) != 1)
		return THROW_SYS(errno, "cannot write " STATE_NEW);
	return 0;
}

int restore_state_add(struct restore_state *state, const char *path)
{
	size_t len = strlen(path) + 1;

	if (state->dir_fd < 0)
		return 0;
	if (state->fd < 0)
		TRY(list_append(state));
	while (len) {
		ssize_t done = write(state->fd, path, len);

		if (done < 0 && errno != EINTR)
			return THROW_SYS(errno, "cannot write " STATE_NEW);
		if (done > 0) {
			path += done;
			len -= (size_t)done;
		}
	}
	return 0;
}

/* Of the list that is replaced: what this run has not come to. */
static int list_carry(struct restore_state *state)
{
	char *path = NULL;
	size_t capacity = 0;
	int fd, err = 0;
	FILE *file;

	TRY(list_open(state, RESTORE_STATE, &fd));
	if (fd < 0)
		return 0;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return MEM_FAIL("the files of an earlier run");
	}
	while (err == 0 && getdelim(&path, &capacity, 0, file) > 0) {
		const uint8_t *met = met_of(state, path_hash(path));

		if (path[0] && (!met || !*met))
			err = restore_state_add(state, path);
	}
	if (err == 0 && ferror(file))
		err = THROW_SYS(errno, "cannot read " RESTORE_STATE);
	free(path); /* tidy: libc free */
	(void)fclose(file);
	return err;
}

/* An interrupted run has left a list, and this one has not come to all of it. */
static bool list_is_needed(const struct restore_state *state)
{
	return state->nr && memchr(state->met, 0, state->nr) && state->has_new;
}

static int list_replace(struct restore_state *state)
{
	TRY(list_carry(state));
	if (state->fd < 0 && list_is_needed(state))
		TRY(list_append(state));
	if (state->fd >= 0) {
		if (renameat(state->dir_fd, STATE_NEW, state->dir_fd, RESTORE_STATE) < 0)
			return THROW_SYS(errno, "cannot rename " STATE_NEW);
		return 0;
	}
	if ((unlinkat(state->dir_fd, STATE_NEW, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(state->dir_fd, RESTORE_STATE, 0) < 0 && errno != ENOENT))
		return THROW_SYS(errno, "cannot remove " RESTORE_STATE);
	return 0;
}

int restore_state_finish(struct restore_state *state)
{
	struct stat st;
	int err;

	if (state->dir_fd < 0)
		return 0;
	if (fstat(state->dir_fd, &st) < 0)
		return THROW_SYS(errno, "cannot look at the destination");
	err = list_replace(state);
	/* The times of the directory are those of the original. */
	(void)futimens(state->dir_fd, (struct timespec[2]){ st.st_atim, st.st_mtim });
	return err;
}

void restore_state_fini(struct restore_state *state)
{
	if (state->fd >= 0)
		close(state->fd);
	mem_free(state->hashes);
	mem_free(state->met);
}
