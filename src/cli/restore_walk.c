/*
 * Through a damaged filesystem: directories and subvolumes. (restore_stray.c: what no directory leads to.)
 *
 * A directory is made with rwx for us and gets its own attributes when all below it is there. Each
 * inode that was met is remembered, so that a directory inside itself ends and what is met by its
 * own references is not made twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/entry_list.h"
#include "cli/restore.h"

/* ---- the run ---- */

/* One descriptor is open per level of directories. */
static void raise_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		/* Too deep a tree is told where it is met. */
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

void restore_init(struct restore *restore)
{
	memset(restore, 0, sizeof(*restore));
	restore->top_fd = -1;
	restore->state.dir_fd = -1;
	restore->state.fd = -1;
	strbuf_init(&restore->path);
	strbuf_init(&restore->report.text);
	strbuf_init(&restore->report.json_text);
	ino_set_init(&restore->seen);
	ino_set_init(&restore->dirs);
	ino_set_init(&restore->made);
	hash_init(&restore->links);
	strbuf_init(&restore->out_path);
	restore->is_root = geteuid() == 0;
	raise_open_files();
}

struct any_link {
	struct hash_node hash;
};

static void links_forget(struct restore *restore)
{
	struct hash_node *node = hash_first(&restore->links), *next;

	for (; node; node = next) {
		next = hash_next(&restore->links, node);
		hash_remove(&restore->links, node);
		mem_free(hash_entry(node, struct any_link, hash));
	}
}

void restore_fini(struct restore *restore)
{
	links_forget(restore);
	hash_fini(&restore->links);
	ino_set_fini(&restore->seen);
	ino_set_fini(&restore->dirs);
	ino_set_fini(&restore->made);
	restore_state_fini(&restore->state);
	restore_report_fini(&restore->report);
	if (restore->has_regex)
		regfree(&restore->regex);
	if (restore->top_fd >= 0)
		close(restore->top_fd);
	strbuf_fini(&restore->path);
	strbuf_fini(&restore->out_path);
}

void restore_use(struct restore *restore, struct ubtrfs_rescue *rescue)
{
	restore->rescue = rescue;
	links_forget(restore);
	ino_set_fini(&restore->seen);
	ino_set_fini(&restore->dirs);
	ino_set_init(&restore->seen);
	ino_set_init(&restore->dirs);
}

int restore_open_dest(struct restore *restore, const char *path)
{
	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return cli_error("cannot create %s: %s", path, strerror(errno));
	restore->top_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (restore->top_fd < 0)
		return cli_error("cannot open %s: %s", path, strerror(errno));
	if (flock(restore->top_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return cli_error("another run is writing into %s", path);
	strbuf_add(&restore->out_path, path);
	restore->top_len = restore->out_path.len;
	if (strbuf_status(&restore->out_path) < 0 ||
	    restore_state_load(&restore->state, restore->top_fd) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (!restore->is_root)
		cli_warning("only root can give files their owners: they will belong to you");
	return 0;
}

/* ---- what is told ---- */

void restore_say(const struct restore *restore, const char *what, const struct strbuf *path)
{
	FILE *out = restore->report.json_is_stdout ? stderr : stdout;

	fputs(what, out);
	name_write(out, strbuf_text(path));
	putc('\n', out);
}

void restore_tell_lost(struct restore *restore, struct ubtrfs_node node, unsigned state,
		       const char *why)
{
	struct restore_loss loss = { .path = strbuf_text(&restore->path),
				     .node = node,
				     .state = state,
				     .is_lost = true,
				     .why = why };

	restore->counts.lost++;
	restore_report_loss(&restore->report, &loss);
}

int restore_refused(struct restore *restore, const char *what)
{
	int saved_errno = errno;

	restore->counts.refused++;
	cli_error("%s: cannot %s: %s", strbuf_text(&restore->out_path), what,
		  strerror(saved_errno));
	return saved_errno == ENOSPC || saved_errno == EDQUOT || saved_errno == EIO ||
			       saved_errno == EROFS ?
		       RESTORE_STOP :
		       0;
}

static void tell_dir(struct restore *restore, struct ubtrfs_node node, unsigned state)
{
	struct restore_loss loss = { .path = strbuf_text(&restore->path),
				     .node = node,
				     .state = state };

	if (!state)
		return;
	if (!restore->path.len)
		loss.path = "/";
	restore->counts.damaged++;
	restore_report_loss(&restore->report, &loss);
}

/* ---- paths ---- */

struct path_mark restore_path_push(struct restore *restore, const char *name, size_t len)
{
	struct path_mark mark = { restore->out_path.len, restore->path.len };

	strbuf_add(&restore->out_path, "/");
	strbuf_add_bytes(&restore->out_path, name, len);
	strbuf_add(&restore->path, "/");
	strbuf_add_bytes(&restore->path, name, len);
	return mark;
}

void restore_path_pop(struct restore *restore, struct path_mark mark)
{
	if (restore->out_path.text) {
		restore->out_path.len = mark.outside;
		restore->out_path.text[mark.outside] = '\0';
	}
	if (restore->path.text) {
		restore->path.len = mark.inside;
		restore->path.text[mark.inside] = '\0';
	}
}

/* ---- directories ---- */

struct into {
	struct restore *restore;
	int fd;
};

static int visit_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct into *into = ctx;

	return restore_entry(into->restore, entry, into->fd);
}

static int dir_entries(struct restore *restore, struct ubtrfs_node dir, int fd, unsigned *state)
{
	struct into into = { .restore = restore, .fd = fd };
	unsigned entries = 0;
	int ret;

	if (restore->depth >= WALK_MAX_DEPTH) {
		restore_tell_lost(restore, dir, 0, "it is too deep");
		return 0;
	}
	restore->depth++;
	ret = ubtrfs_rescue_readdir(restore->rescue, dir, visit_entry, &into, &entries);
	restore->depth--;
	if (ret < 0) {
		cli_fail("%s", strbuf_text(&restore->out_path));
		return RESTORE_STOP;
	}
	*state |= entries;
	return ret;
}

int restore_dir_into(struct restore *restore, struct ubtrfs_node dir, int fd)
{
	struct ubtrfs_attr attr;
	unsigned state = 0;
	int code;

	ino_set_add(&restore->dirs, dir);
	if (ubtrfs_rescue_getattr(restore->rescue, dir, &attr, &state) < 0) {
		restore_tell_lost(restore, dir, 0, ubtrfs_error_text());
		return 0;
	}
	if (restore->look && restore->look(restore->look_ctx, &attr, state) == RESTORE_STOP)
		return RESTORE_STOP;
	code = dir_entries(restore, dir, fd, &state);
	if (!code && dir.ino == UBTRFS_ROOT_INO)
		code = restore_strays(restore, dir.subvolid, fd);
	if (!code && fd >= 0)
		code = restore_attrs(restore, &attr, AT_FDCWD, strbuf_text(&restore->out_path), fd,
				     &state);
	restore->counts.dirs++;
	if (!code)
		tell_dir(restore, dir, state);
	return code;
}

/* An earlier run has given it the mode of the original, which need not let its owner write. */
static void dir_unlock(int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	    st.st_uid == geteuid() && (st.st_mode & 0700) != 0700)
		(void)fchmodat(dir_fd, name, (st.st_mode & 07777) | 0700, 0);
}

int restore_dir_make(struct restore *restore, int dir_fd, const char *name, int *stop)
{
	bool is_new = mkdirat(dir_fd, name, 0700) == 0;
	int fd;

	if (!is_new && errno != EEXIST) {
		*stop = restore_refused(restore, "create the directory");
		return -1;
	}
	if (!is_new && !restore->is_root)
		dir_unlock(dir_fd, name);
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		*stop = restore_refused(restore, "open the directory");
	return fd;
}

static int entry_dir(struct restore *restore, struct ubtrfs_node node, int dir_fd, const char *name)
{
	bool make = !restore->dry_run;
	int stop = 0, fd = -1, code = 0;

	if (node.ino != UBTRFS_RESCUE_EMPTY_DIR_INO && ino_set_has(&restore->dirs, node)) {
		restore_tell_lost(restore, node, 0,
				  "this directory has another name already, or is inside itself");
		return 0;
	}
	if (make) {
		fd = restore_dir_make(restore, dir_fd, name, &stop);
		if (fd < 0)
			return stop;
	} else if (!restore->look)
		restore_say(restore, "", &restore->path);
	if (node.ino == UBTRFS_RESCUE_EMPTY_DIR_INO) {
		restore->counts.dirs++;
		if (fd >= 0)
			(void)fchmod(fd, 0755);
	} else {
		code = restore_dir_into(restore, node, fd);
	}
	if (fd >= 0)
		close(fd);
	return code;
}

/* ---- entries ---- */

static uint32_t mode_of_type(uint8_t type)
{
	static const uint32_t modes[] = { 0,	   S_IFREG, S_IFDIR,  S_IFCHR,
					  S_IFBLK, S_IFIFO, S_IFSOCK, S_IFLNK };

	return type < ARRAY_LEN(modes) ? modes[type] : 0;
}

/* Snapshots are left out unless they are asked for. */
static bool subvolume_wanted(struct restore *restore, uint64_t subvolid)
{
	struct ubtrfs_rescue_subvolume subvol;

	if (ubtrfs_rescue_subvolume(restore->rescue, subvolid, &subvol) < 0) {
		restore_tell_lost(restore, (struct ubtrfs_node){ subvolid, UBTRFS_ROOT_INO }, 0,
				  "nothing is left of this subvolume");
		return false;
	}
	if (subvol.is_snapshot && !restore->snapshots) {
		restore->counts.snapshots++;
		return false;
	}
	return true;
}

static int entry_node(struct restore *restore, const struct ubtrfs_dirent *entry, int dir_fd,
		      const char *name)
{
	struct ubtrfs_attr attr;
	unsigned state;
	int err;

	if (entry->node.ino == UBTRFS_RESCUE_EMPTY_DIR_INO)
		return entry_dir(restore, entry->node, dir_fd, name);
	if (entry->is_subvolume)
		return subvolume_wanted(restore, entry->node.subvolid) ?
			       entry_dir(restore, entry->node, dir_fd, name) :
			       0;
	err = ubtrfs_rescue_getattr(restore->rescue, entry->node, &attr, &state);
	if (err < 0) {
		restore_tell_lost(restore, entry->node, 0, "there is no such inode any more");
		return err == -ENOMEM ? RESTORE_STOP : 0;
	}
	if (!(attr.mode & S_IFMT))
		attr.mode |= mode_of_type(entry->type);
	if (!(attr.mode & S_IFMT))
		attr.mode |= S_IFREG;
	/* How many names it has is not known then. */
	if (state & (UBTRFS_RESCUE_NO_INODE | UBTRFS_RESCUE_OLDER))
		attr.nlink = MAX(attr.nlink, 2u);
	/* A damaged directory may tell a name twice, and an old name beside the new one. */
	if (!ino_set_add(&restore->seen, entry->node) && attr.nlink < 2 && !S_ISDIR(attr.mode))
		return 0;
	if (S_ISDIR(attr.mode))
		return entry_dir(restore, entry->node, dir_fd, name);
	/* Of a device only the inode knows which. */
	if (state & UBTRFS_RESCUE_NO_INODE && !S_ISREG(attr.mode) && !S_ISLNK(attr.mode)) {
		restore_tell_lost(restore, entry->node, state, NULL);
		return 0;
	}
	return restore_file(restore, &attr, state, dir_fd, name);
}

/* Of what a run keeps in the destination; a file of such a name gets RESTORE_SUFFIX behind it. */
static bool name_is_kept(const struct restore *restore, const char *name, size_t depth)
{
	if (restore->top_fd < 0)
		return false;
	return strcmp(name, RESTORE_TEMP) == 0 ||
	       (depth == 0 && (strcmp(name, RESTORE_STATE) == 0 ||
			       strcmp(name, RESTORE_STATE RESTORE_STATE_NEW) == 0));
}

static char *name_with(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	char *both = mem_alloc(len + strlen(suffix) + 1);

	if (both) {
		memcpy(both, name, len);
		memcpy(both + len, suffix, strlen(suffix) + 1);
	}
	return both;
}

int restore_entry(struct restore *restore, const struct ubtrfs_dirent *entry, int dir_fd)
{
	struct path_mark mark = restore_path_push(restore, entry->name, entry->name_len);
	const char *suffix = "", *name;
	int code = 0;

	if (strbuf_status(&restore->path) < 0 || strbuf_status(&restore->out_path) < 0) {
		cli_error("no memory for a path");
		return RESTORE_STOP;
	}
	name = strbuf_text(&restore->path) + mark.inside + 1;
	if (name_is_kept(restore, name, mark.outside - restore->top_len)) {
		suffix = RESTORE_SUFFIX;
		strbuf_add(&restore->out_path, suffix);
	}
	if (!restore->has_regex ||
	    regexec(&restore->regex, strbuf_text(&restore->path), 0, NULL, 0) == 0) {
		/* The path grows below, and moves. */
		SCOPED_MEM char *own = name_with(name, suffix);

		code = own ? entry_node(restore, entry, dir_fd, own) : RESTORE_STOP;
	}
	restore_path_pop(restore, mark);
	return code;
}
