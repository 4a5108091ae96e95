/*
 * Waiting for the server before.
 *
 * umount returns when the place is free; the process that served commits behind that, and has the
 * image until it ends. Whoever mounts again at once would be refused, or for reading be shown what
 * was before. So an image that somebody has open for writing, and that is mounted nowhere, is waited
 * for, for a while. Keeps nothing; what follows finds out for itself who has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuse/fuse_priv.h"

#define POLL_NS 20000000L
#define POLLS_MAX 250u
#define LINES_MAX 100000u

/* As in the library: a lock of the file, or exclusive use of the device. */
static bool is_in_use(const char *image, const struct stat *st)
{
	bool is_block = S_ISBLK(st->st_mode), in_use;
	int fd = open(image, O_CLOEXEC | (is_block ? O_RDONLY | O_EXCL : O_RDONLY));

	if (fd < 0)
		return is_block && errno == EBUSY;
	in_use = !is_block && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return in_use;
}

/* Names in tables of the kernel have blanks and the like in octal. */
static void octal_decode(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* "36 35 0:32 / /mnt rw,noatime shared:1 - fuse.ubtrfs SOURCE rw,..."; a device may be the kernel's. */
static bool line_is_of(char *line, const struct stat *st)
{
	static const char middle[] = " - ", ours[] = "fuse.ubtrfs ";
	char *type = strstr(line, middle), *source, *end;
	struct stat other;

	source = type ? strchr(type += sizeof(middle) - 1, ' ') : NULL;
	end = source ? strchr(++source, ' ') : NULL;
	if (!end || (!S_ISBLK(st->st_mode) && strncmp(type, ours, sizeof(ours) - 1) != 0))
		return false;
	*end = '\0';
	octal_decode(source);
	if (stat(source, &other) < 0 || (other.st_mode & S_IFMT) != (st->st_mode & S_IFMT))
		return false;
	return S_ISBLK(st->st_mode) ? other.st_rdev == st->st_rdev :
				      other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

static bool is_mounted(const struct stat *st)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	size_t capacity = 0;
	bool found = false;
	char *line = NULL;

	for (unsigned i = 0; mounts && !found && i < LINES_MAX; i++) {
		if (getline(&line, &capacity, mounts) < 0)
			break;
		found = line_is_of(line, st);
	}
	if (mounts)
		fclose(mounts);
	free(line); /* tidy: libc free */
	return found;
}

void mount_wait_for_last(const char *image)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	struct stat st;

	if (stat(image, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
		return;
	for (unsigned i = 0; i < POLLS_MAX && is_in_use(image, &st) && !is_mounted(&st); i++)
		nanosleep(&pause, NULL);
}
