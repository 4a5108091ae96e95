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

#define STATE_NEW RESTORE_STATE ".new"
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

static int list_load(struct restore_state *state, const char *name)
{
	SCOPED_MEM char *buffer = mem_alloc(READ_BYTES);
	int fd = openat(state->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t hash = HASH_START;
	ssize_t len = 0;
	int err = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : THROW_SYS(errno, "cannot open %s", name);
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
	state->dir_fd = dir_fd;
	TRY(list_load(state, RESTORE_STATE));
	TRY(list_load(state, STATE_NEW));
	if (state->nr)
		qsort(state->hashes, state->nr, sizeof(*state->hashes), hash_compare);
	return 0;
}

bool restore_state_has(const struct restore_state *state, const char *path)
{
	uint64_t hash = path_hash(path);

	if (state->is_full)
		return true;
	return state->nr &&
	       bsearch(&hash, state->hashes, state->nr, sizeof(hash), hash_compare) != NULL;
}

int restore_state_add(struct restore_state *state, const char *path)
{
	size_t len = strlen(path) + 1;

	if (state->dir_fd < 0)
		return 0;
	if (state->fd < 0)
		state->fd = openat(state->dir_fd, STATE_NEW,
				   O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (state->fd < 0)
		return THROW_SYS(errno, "cannot open " STATE_NEW);
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

static int list_replace(const struct restore_state *state)
{
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
}
