/* A temporary directory and what tests put into it; see temp_tree.h. */
#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temp_tree.h"

#define TEMP_BUFFERS 4

static char buffers[TEMP_BUFFERS][4096];
static unsigned next_buffer;

char *temp_tree_new(void)
{
	const char *tmp = getenv("TMPDIR");
	char *root = malloc(4096);

	snprintf(root, 4096, "%s/ubtrfs-test-XXXXXX", tmp ? tmp : "/tmp");
	assert(mkdtemp(root));
	return root;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void temp_tree_remove(char *root)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(root);
}

const char *temp_path(const char *root, const char *name)
{
	char *buffer = buffers[next_buffer++ % TEMP_BUFFERS];

	snprintf(buffer, 4096, "%s/%s", root, name);
	return buffer;
}

void temp_dir(const char *root, const char *name)
{
	assert(mkdir(temp_path(root, name), 0755) == 0);
}

void temp_times(const char *root, const char *name, int64_t sec, uint32_t nsec)
{
	const struct timespec times[2] = { { sec, nsec }, { sec, nsec } };

	assert(utimensat(AT_FDCWD, temp_path(root, name), times, AT_SYMLINK_NOFOLLOW) == 0);
}

void temp_file(const char *root, const char *name, const void *data, size_t len)
{
	int fd = open(temp_path(root, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
	temp_times(root, name, 1000000000 + (int64_t)strlen(name), 5);
}
