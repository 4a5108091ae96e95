/*
 * What no directory of a damaged filesystem leads to: it is put where its references or its owner tell,
 * else below lost+found. Keeps nothing of its own.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/restore.h"

struct stray_walk {
	struct restore *restore;
	int fd; /* the top of the subvolume */
};

static bool stray_is_known(struct restore *restore, const struct ubtrfs_rescue_stray *stray)
{
	struct ubtrfs_attr attr;
	unsigned state;

	if (ino_set_has(&restore->dirs, stray->node))
		return true;
	if (stray->is_subvolume || !ino_set_has(&restore->seen, stray->node))
		return false;
	/* Another name of it is another link. */
	return !stray->has_name ||
	       ubtrfs_rescue_getattr(restore->rescue, stray->node, &attr, &state) < 0 ||
	       attr.nlink < 2;
}

/* The last directory of a path, made as far as it is not there; takes over dir_fd. -1 on failure. */
static int stray_parent(struct restore *restore, int dir_fd, const char **path, int *stop)
{
	const char *slash;

	while ((slash = strchr(*path, '/'))) {
		SCOPED_MEM char *name = mem_dup(*path, (size_t)(slash - *path) + 1);
		int next;

		if (!name) {
			*stop = RESTORE_STOP;
			close(dir_fd);
			return -1;
		}
		name[slash - *path] = '\0';
		restore_path_push(restore, name, strlen(name));
		next = restore_dir_make(restore, dir_fd, name, stop);
		close(dir_fd);
		if (next < 0)
			return -1;
		dir_fd = next;
		*path = slash + 1;
	}
	return dir_fd;
}

static int stray_make(struct restore *restore, const struct ubtrfs_rescue_stray *stray, int top_fd)
{
	struct path_mark mark = { restore->out_path.len, restore->path.len };
	struct ubtrfs_dirent entry = { .node = stray->node, .is_subvolume = stray->is_subvolume };
	const char *path = stray->path;
	int fd = -1, code = 0;
	struct stat st;

	if (restore->dry_run) {
		entry.name = path;
		entry.name_len = strlen(path);
		return restore_entry(restore, &entry, -1);
	}
	fd = fcntl(top_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return restore_refused(restore, "open a directory");
	fd = stray_parent(restore, fd, &path, &code);
	if (fd >= 0) {
		entry.name = path;
		entry.name_len = strlen(path);
		if (fstat(fd, &st) < 0)
			st = (struct stat){ 0 };
		code = restore_entry(restore, &entry, fd);
		/* The directory was complete before, its times too. */
		if (st.st_nlink)
			(void)futimens(fd, (struct timespec[2]){ st.st_atim, st.st_mtim });
		close(fd);
	}
	restore_path_pop(restore, mark);
	return code;
}

static int visit_stray(void *ctx, const struct ubtrfs_rescue_stray *stray)
{
	struct stray_walk *walk = ctx;

	if (stray_is_known(walk->restore, stray))
		return 0;
	return stray_make(walk->restore, stray, walk->fd);
}

int restore_strays(struct restore *restore, uint64_t subvolid, int top_fd)
{
	struct stray_walk walk = { .restore = restore, .fd = top_fd };
	int ret;

	if (!ubtrfs_rescue_may_have_strays(restore->rescue, subvolid))
		return 0;
	ret = ubtrfs_rescue_strays(restore->rescue, subvolid, visit_stray, &walk);
	if (ret < 0) {
		cli_fail("%s", strbuf_text(&restore->out_path));
		return RESTORE_STOP;
	}
	return ret;
}

static int visit_subvolume(void *ctx, const struct ubtrfs_rescue_subvolume *subvol)
{
	struct restore *restore = ctx;
	struct ubtrfs_node top = { subvol->subvolid, UBTRFS_ROOT_INO };
	struct ubtrfs_rescue_stray stray = { .node = top, .is_subvolume = true };
	char path[64];

	if (ino_set_has(&restore->dirs, top) || (subvol->is_snapshot && !restore->snapshots))
		return 0;
	snprintf(path, sizeof(path), UBTRFS_RESCUE_LOST_FOUND "/subvolume-%llu",
		 (unsigned long long)subvol->subvolid);
	stray.path = path;
	return stray_make(restore, &stray, restore->top_fd);
}

int restore_stray_subvolumes(struct restore *restore)
{
	int ret = ubtrfs_rescue_subvolumes(restore->rescue, visit_subvolume, restore);

	if (ret < 0) {
		cli_fail("%s", strbuf_text(&restore->out_path));
		return RESTORE_STOP;
	}
	return ret;
}
