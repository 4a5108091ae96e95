/*
 * Who else uses a file or a block device: the process that holds its lock, the kernel's mount.
 *
 * What is asked here is only told: it may change at any time, and a host without /proc or /sys
 * gives no answer. Finds: locks of flock by /proc/locks; mounted btrfs by /sys/fs/btrfs, also those
 * that have a file through a loop device, whole or in a partition; other mounts of a block device
 * by /proc/self/mountinfo. Owns nothing; takes no lock.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/mem.h"
#include "device/device_priv.h"

#define LINES_MAX 100000u

/* ---- locks ---- */

/* The first line of a small file, without the newline; empty when there is none. */
static void read_word(const char *path, char *ret_text, size_t capacity)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, ret_text, capacity - 1);

	if (fd >= 0)
		close(fd);
	ret_text[len > 0 ? len : 0] = '\0';
	ret_text[strcspn(ret_text, "\n")] = '\0';
}

/* "1: FLOCK  ADVISORY  WRITE 4711 08:01:12345 0 EOF" */
static bool lock_line_is_of(const char *line, const struct stat *st, unsigned *ret_pid)
{
	unsigned major_nr, minor_nr, pid;
	uint64_t ino;

	if (sscanf(line, "%*u: FLOCK ADVISORY WRITE %u %x:%x:%" SCNu64, &pid, &major_nr, &minor_nr,
		   &ino) != 4 ||
	    ino != st->st_ino || major_nr != major(st->st_dev) || minor_nr != minor(st->st_dev))
		return false;
	*ret_pid = pid;
	return true;
}

bool device_find_writer(const char *path, char ret_who[DEVICE_WHO_MAX], unsigned *ret_pid)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256], comm_path[64], comm[32];
	bool found = false;
	unsigned pid = 0;
	struct stat st;

	if (!locks)
		return false;
	if (stat(path, &st) == 0)
		for (unsigned i = 0; i < LINES_MAX && !found && fgets(line, sizeof(line), locks);
		     i++)
			found = lock_line_is_of(line, &st, &pid);
	fclose(locks);
	if (!found)
		return false;
	snprintf(comm_path, sizeof(comm_path), "/proc/%u/comm", pid);
	read_word(comm_path, comm, sizeof(comm));
	snprintf(ret_who, DEVICE_WHO_MAX, "process %u (%s)", pid, comm[0] ? comm : "?");
	*ret_pid = pid;
	return true;
}

/* ---- loop devices ---- */

static bool read_loop_word(dev_t dev, bool is_part, const char *name, char *ret_text,
			   size_t capacity)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%sloop/%s", major(dev), minor(dev),
		 is_part ? "../" : "", name);
	read_word(path, ret_text, capacity);
	return ret_text[0] != '\0';
}

bool device_find_backing(dev_t dev, char ret_path[PATH_MAX], bool *ret_whole)
{
	char offset[32], limit[32];
	bool is_part = false;

	if (!read_loop_word(dev, false, "backing_file", ret_path, PATH_MAX)) {
		is_part = read_loop_word(dev, true, "backing_file", ret_path, PATH_MAX);
		if (!is_part)
			return false;
	}
	*ret_whole = !is_part && read_loop_word(dev, false, "offset", offset, sizeof(offset)) &&
		     read_loop_word(dev, false, "sizelimit", limit, sizeof(limit)) &&
		     strcmp(offset, "0") == 0 && strcmp(limit, "0") == 0;
	return true;
}

/* ---- mounts ---- */

/* "disk/by!x" is disk/by/x below /dev. */
static void dev_path(const char *name, char ret_path[PATH_MAX])
{
	snprintf(ret_path, PATH_MAX, "/dev/%.255s", name);
	for (char *p = ret_path; *p; p++)
		*p = *p == '!' ? '/' : *p;
}

/* Is the block device of this name the file or device, or a loop device over it? */
static bool block_is_of(const char *name, const struct stat *st)
{
	static const char *const backing[] = { "/sys/class/block/%s/loop/backing_file",
					       "/sys/class/block/%s/../loop/backing_file" };
	char path[PATH_MAX], file[PATH_MAX];
	struct stat other;

	if (S_ISBLK(st->st_mode)) {
		dev_path(name, path);
		return stat(path, &other) == 0 && S_ISBLK(other.st_mode) &&
		       other.st_rdev == st->st_rdev;
	}
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), i ? backing[1] : backing[0], name);
		read_word(path, file, sizeof(file));
		if (file[0] && stat(file, &other) == 0 && other.st_dev == st->st_dev &&
		    other.st_ino == st->st_ino)
			return true;
	}
	return false;
}

/* The name of the device of one mounted btrfs that is ours. */
static bool find_in_mounted(const char *fsid, const struct stat *st, char ret_name[NAME_MAX + 1])
{
	char path[PATH_MAX];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/fs/btrfs/%s/devices", fsid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		found = entry->d_name[0] != '.' && block_is_of(entry->d_name, st);
		if (found)
			snprintf(ret_name, NAME_MAX + 1, "%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

struct mount_line {
	char dir[PATH_MAX], type[64], source[PATH_MAX], options[256];
};

/* "36 35 0:32 / /mnt rw,noatime shared:1 - btrfs /dev/loop3 rw,..."; blanks in names are octal. */
static bool mount_line_parse(const char *text, struct mount_line *ret_line)
{
	const char *rest = strstr(text, " - ");

	return rest && sscanf(text, "%*u %*u %*s %*s %4095s", ret_line->dir) == 1 &&
	       sscanf(rest, " - %63s %4095s %255s", ret_line->type, ret_line->source,
		      ret_line->options) == 3;
}

/* The kernel's name of the block device at a path: "loop3". */
static bool block_name(const char *path, char ret_name[NAME_MAX + 1])
{
	char link[64], real[PATH_MAX];
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return false;
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (!realpath(link, real))
		return false;
	snprintf(ret_name, NAME_MAX + 1, "%.*s", NAME_MAX, strrchr(real, '/') + 1);
	return true;
}

/* The source of a btrfs mount may be any of its members; of others it is the device itself. */
static bool mount_is_of(const struct mount_line *line, const char *fsid, const struct stat *st)
{
	char name[NAME_MAX + 1], member[PATH_MAX];
	struct stat other;

	if (!fsid)
		return S_ISBLK(st->st_mode) && stat(line->source, &other) == 0 &&
		       S_ISBLK(other.st_mode) && other.st_rdev == st->st_rdev;
	if (strcmp(line->type, "btrfs") != 0 || !block_name(line->source, name))
		return false;
	snprintf(member, sizeof(member), "/sys/fs/btrfs/%.64s/devices/%s", fsid, name);
	return access(member, F_OK) == 0;
}

/* fsid NULL: any mount of the block device itself. */
static bool mounts_find(const char *fsid, const struct stat *st, struct mount_line *ret_line)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	char *text = NULL;
	size_t capacity = 0;

	for (unsigned i = 0; mounts && !found && i < LINES_MAX; i++) {
		if (getline(&text, &capacity, mounts) < 0)
			break;
		found = mount_line_parse(text, ret_line) && mount_is_of(ret_line, fsid, st);
	}
	if (mounts)
		fclose(mounts);
	free(text); /* tidy: libc free */
	return found;
}

static bool is_writable(const struct mount_line *line)
{
	return strncmp(line->options, "rw", 2) == 0;
}

/* Mounted, but not in a place that this process can see. */
static void tell_mount(const struct mount_line *line, const char *through,
		       struct device_mount *ret_mount)
{
	ret_mount->writable = !line || is_writable(line);
	snprintf(ret_mount->where, sizeof(ret_mount->where), "mounted at %.200s%s%.60s",
		 line ? line->dir : "a place out of sight", through ? " through /dev/" : "",
		 through ? through : "");
}

static bool find_btrfs(const struct stat *st, struct device_mount *ret_mount)
{
	char name[NAME_MAX + 1], fsid[NAME_MAX + 1];
	const struct dirent *entry;
	struct mount_line line;
	bool found = false;
	DIR *all = opendir("/sys/fs/btrfs");

	while (all && !found && (entry = readdir(all))) {
		/* Beside the filesystems there are "features" and the like. */
		if (strlen(entry->d_name) != 36 || !find_in_mounted(entry->d_name, st, name))
			continue;
		snprintf(fsid, sizeof(fsid), "%s", entry->d_name);
		tell_mount(mounts_find(fsid, st, &line) ? &line : NULL,
			   S_ISBLK(st->st_mode) ? NULL : name, ret_mount);
		found = true;
	}
	if (all)
		closedir(all);
	return found;
}

bool device_find_mount(const char *path, struct device_mount *ret_mount)
{
	struct mount_line line;
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	if (find_btrfs(&st, ret_mount))
		return true;
	if (!mounts_find(NULL, &st, &line))
		return false;
	tell_mount(&line, NULL, ret_mount);
	return true;
}
