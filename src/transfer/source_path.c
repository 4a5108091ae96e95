/*
 * Opening below a directory by a path of any length: the system takes PATH_MAX bytes at a time, so
 * a longer path is walked in pieces. Keeps no state, takes no lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "transfer/source_path.h"

/*
 * The longest prefix that ends before a '/' and fits into a call; 0 when a single name is longer.
 */
static size_t path_piece_len(const char *path)
{
	size_t len = PATH_MAX - 1;

	while (len > 0 && path[len] != '/')
		len--;
	return len;
}

int source_path_open(int root_fd, const char *path, int flags)
{
	char piece[PATH_MAX];
	int dir_fd = root_fd;
	int fd;
	size_t len;

	while (strlen(path) >= PATH_MAX) {
		len = path_piece_len(path);
		memcpy(piece, path, len);
		piece[len] = '\0';
		fd = len ? openat(dir_fd, piece, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) :
			   -1;
		if (fd < 0) {
			int saved = len ? errno : ENAMETOOLONG;

			if (dir_fd != root_fd)
				close(dir_fd);
			return -saved;
		}
		if (dir_fd != root_fd)
			close(dir_fd);
		dir_fd = fd;
		path += len + 1;
	}
	fd = openat(dir_fd, path, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	if (dir_fd != root_fd)
		close(dir_fd);
	return fd;
}
