/*
 * One file of a damaged filesystem into the destination: contents, attributes, then its name.
 *
 * What has its name is finished. A file that is there with the length and the time of the original
 * is an earlier run's and stays, unless that run wrote down that it was not whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/file_attr.h"
#include "cli/restore.h"

/* Where the first name of a node with several was made; bounded, beyond it copies are made. */
#define LINKS_MAX ((size_t)1000000)

struct made_link {
	struct hash_node hash;
	struct ubtrfs_node node;
	unsigned state; /* what is wrong with the file */
	char path[];
};

/* A file on its way. */
struct filling {
	struct restore *restore;
	int fd;
	bool stop;
	unsigned nr_ranges;
	uint64_t lost_bytes, end, bytes;
	struct restore_range ranges[RESTORE_RANGES_MAX];
};

/* ---- contents ---- */

static int fill_data(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct filling *filling = ctx;
	const uint8_t *bytes = data;

	if (filling->fd < 0)
		return 0;
	filling->bytes += len;
	while (len) {
		ssize_t done = pwrite(filling->fd, bytes, len, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			filling->stop = restore_refused(filling->restore, "write it");
			return 1;
		}
		bytes += done;
		offset += (uint64_t)done;
		len -= (size_t)done;
	}
	return 0;
}

static int fill_lost(void *ctx, uint64_t offset, uint64_t len, const char *why)
{
	struct filling *filling = ctx;
	struct restore_range *last;

	filling->lost_bytes += len;
	last = filling->nr_ranges && filling->nr_ranges <= RESTORE_RANGES_MAX ?
		       &filling->ranges[filling->nr_ranges - 1] :
		       NULL;
	if (last && last->offset + last->len_bytes == offset && strcmp(last->why, why) == 0) {
		last->len_bytes += len;
		return 0;
	}
	if (filling->nr_ranges < RESTORE_RANGES_MAX)
		filling->ranges[filling->nr_ranges] = (struct restore_range){ offset, len, why };
	filling->nr_ranges++;
	return 0;
}

static void tell_file(struct restore *restore, const struct ubtrfs_attr *attr, unsigned state,
		      const struct filling *filling)
{
	struct restore_loss loss = { .path = strbuf_text(&restore->path),
				     .node = attr->node,
				     .state = state,
				     .nr_ranges = filling->nr_ranges,
				     .lost_bytes = filling->lost_bytes,
				     .ranges = filling->ranges };

	if (state == UBTRFS_RESCUE_UNVERIFIED) {
		restore->counts.unverified++;
		return;
	}
	if (state & UBTRFS_RESCUE_UNVERIFIED)
		restore->counts.unverified++;
	restore->counts.damaged++;
	restore_report_loss(&restore->report, &loss);
}

/* ---- attributes ---- */

struct attr_source {
	struct restore *restore;
	const struct ubtrfs_attr *attr;
	unsigned state;
};

static int attr_told(void *ctx, const char *what)
{
	const struct attr_source *source = ctx;

	cli_error("%s: cannot %s: %s", strbuf_text(&source->restore->out_path), what,
		  strerror(errno));
	return 1;
}

static int attr_xattrs(void *ctx, xattr_visit_fn visit, void *visit_ctx)
{
	struct attr_source *source = ctx;
	int ret = ubtrfs_rescue_listxattr(source->restore->rescue, source->attr->node, visit,
					  visit_ctx, &source->state);

	if (ret < 0)
		cli_fail("%s", strbuf_text(&source->restore->out_path));
	return ret;
}

int restore_attrs(struct restore *restore, const struct ubtrfs_attr *attr, int dir_fd,
		  const char *name, int fd, unsigned *state)
{
	struct attr_source source = { .restore = restore, .attr = attr };
	const struct file_target target = { .dir_fd = dir_fd,
					    .name = name,
					    .fd = fd,
					    .is_root = restore->is_root,
					    .nr_xattrs_lost = &restore->nr_xattrs_lost,
					    .told = attr_told,
					    .xattrs = attr_xattrs,
					    .ctx = &source };

	if (*state & UBTRFS_RESCUE_NO_INODE)
		return 0;
	if (file_attrs_set(&target, attr))
		restore->counts.refused++;
	*state |= source.state;
	return 0;
}

/* ---- what is there already ---- */

static bool state_is_damage(unsigned state)
{
	return state & ~UBTRFS_RESCUE_UNVERIFIED;
}

static struct ubtrfs_node made_node(const struct stat *st)
{
	return (struct ubtrfs_node){ st->st_dev, st->st_ino };
}

/* This run has made it. */
static void made_remember(struct restore *restore, int dir_fd, const char *name)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		(void)ino_set_add(&restore->made, made_node(&st));
}

/* A damaged directory may tell two files of one name: the second does not replace the first. */
static bool may_replace(const struct restore *restore, const struct stat *st, bool replace)
{
	if (S_ISDIR(st->st_mode))
		return false;
	return ino_set_has(&restore->made, made_node(st)) ? restore->replace_made : replace;
}

/* ---- hard links ---- */

static struct made_link *link_find(const struct restore *restore, struct ubtrfs_node node)
{
	struct hash_node *at = hash_find(&restore->links, hash_mix2(node.subvolid, node.ino));

	for (; at; at = hash_find_next(at)) {
		struct made_link *link = hash_entry(at, struct made_link, hash);

		if (link->node.subvolid == node.subvolid && link->node.ino == node.ino)
			return link;
	}
	return NULL;
}

static void link_remember(struct restore *restore, const struct ubtrfs_attr *attr, unsigned state)
{
	const struct strbuf *path = &restore->out_path;
	struct made_link *link;

	if (attr->nlink < 2 || restore->links.nr >= LINKS_MAX || link_find(restore, attr->node))
		return;
	link = mem_alloc(sizeof(*link) + path->len + 1);
	/* Without memory it is copied once more: the contents are there. */
	if (!link)
		return;
	link->node = attr->node;
	link->state = state;
	memcpy(link->path, strbuf_text(path), path->len + 1);
	hash_insert(&restore->links, &link->hash, hash_mix2(attr->node.subvolid, attr->node.ino));
}

/* True when the name is there now as another one of what was made before. */
static bool link_make(struct restore *restore, const struct ubtrfs_attr *attr, int dir_fd,
		      const char *name, bool replace)
{
	struct made_link *link = attr->nlink > 1 ? link_find(restore, attr->node) : NULL;
	struct stat st, first;

	if (!link)
		return false;
	/* Before it has its name; without memory of it, it is copied. */
	if (state_is_damage(link->state) &&
	    restore_state_add(&restore->state, strbuf_text(&restore->path)) < 0)
		return false;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (lstat(link->path, &first) == 0 && first.st_ino == st.st_ino &&
		    first.st_dev == st.st_dev)
			return true;
		if (!may_replace(restore, &st, replace) || unlinkat(dir_fd, name, 0) < 0)
			return false;
	}
	if (linkat(AT_FDCWD, link->path, dir_fd, name, 0) < 0)
		return false;
	restore->counts.links++;
	/* Every name of a damaged file is told, or the others would look whole. */
	if (state_is_damage(link->state)) {
		struct filling nothing = { .restore = restore };

		tell_file(restore, attr, link->state, &nothing);
	}
	return true;
}

enum there { THERE_NOTHING, THERE_DONE, THERE_OTHER, THERE_BLOCKED };

static bool is_same(struct restore *restore, const struct ubtrfs_attr *attr, int dir_fd,
		    const char *name, const struct stat *st)
{
	char have[PATH_MAX], want[PATH_MAX];
	unsigned state;
	size_t len;
	ssize_t got;

	if ((attr->mode & S_IFMT) != (st->st_mode & S_IFMT))
		return false;
	if (S_ISREG(attr->mode))
		return (uint64_t)st->st_size == attr->size &&
		       st->st_mtim.tv_sec == (time_t)attr->mtime.sec &&
		       (uint32_t)st->st_mtim.tv_nsec == attr->mtime.nsec;
	if (!S_ISLNK(attr->mode))
		return (S_ISFIFO(attr->mode) || S_ISSOCK(attr->mode)) ||
		       st->st_rdev == (dev_t)attr->rdev;
	got = readlinkat(dir_fd, name, have, sizeof(have));
	return got > 0 &&
	       ubtrfs_rescue_readlink(restore->rescue, attr->node, want, sizeof(want), &len,
				      &state) == 0 &&
	       len == (size_t)got && memcmp(have, want, len) == 0;
}

static enum there look_there(struct restore *restore, const struct ubtrfs_attr *attr, int dir_fd,
			     const char *name, bool replace)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return THERE_NOTHING;
	if (S_ISDIR(st.st_mode))
		return THERE_BLOCKED;
	if (may_replace(restore, &st, replace))
		return THERE_NOTHING;
	return is_same(restore, attr, dir_fd, name, &st) ? THERE_DONE : THERE_OTHER;
}

/* ---- making ---- */

/* What was made gets its name; what is not whole is written down before. */
static int file_name(struct restore *restore, const struct ubtrfs_attr *attr, unsigned state,
		     const struct filling *filling, int dir_fd, const char *name)
{
	if (state_is_damage(state) &&
	    restore_state_add(&restore->state, strbuf_text(&restore->path)) < 0) {
		cli_error("%s", ubtrfs_error_text());
		(void)unlinkat(dir_fd, RESTORE_TEMP, 0);
		return RESTORE_STOP;
	}
	made_remember(restore, dir_fd, RESTORE_TEMP);
	if (renameat(dir_fd, RESTORE_TEMP, dir_fd, name) < 0) {
		int code = restore_refused(restore, "give it its name");

		(void)unlinkat(dir_fd, RESTORE_TEMP, 0);
		return code;
	}
	if (S_ISREG(attr->mode))
		restore->counts.files++;
	else
		restore->counts.others++;
	restore->counts.bytes += filling->bytes;
	link_remember(restore, attr, state);
	if (state)
		tell_file(restore, attr, state, filling);
	return 0;
}

static int file_fill(struct restore *restore, struct filling *filling,
		     const struct ubtrfs_attr *attr, unsigned *state)
{
	struct ubtrfs_rescue_sink sink = { .data = fill_data, .lost = fill_lost, .ctx = filling };
	unsigned contents = 0;
	int err;

	if (!(*state & (UBTRFS_RESCUE_NO_INODE | UBTRFS_RESCUE_OLDER)) &&
	    ftruncate(filling->fd, (off_t)attr->size) < 0)
		return restore_refused(restore, "make it as long") | 1;
	err = ubtrfs_rescue_read(restore->rescue, attr->node, &sink, &filling->end, &contents);
	if (err > 0)
		return filling->stop ? RESTORE_STOP : 1;
	if (err < 0) {
		cli_fail("%s", strbuf_text(&restore->path));
		return RESTORE_STOP;
	}
	if (ftruncate(filling->fd, (off_t)filling->end) < 0)
		return restore_refused(restore, "make it as long") | 1;
	*state |= contents;
	return 0;
}

static int regular_make(struct restore *restore, const struct ubtrfs_attr *attr, unsigned state,
			int dir_fd, const char *name)
{
	struct filling filling = { .restore = restore };
	int code;

	filling.fd = openat(dir_fd, RESTORE_TEMP,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (filling.fd < 0)
		return restore_refused(restore, "create it");
	code = file_fill(restore, &filling, attr, &state);
	if (!code)
		code = restore_attrs(restore, attr, dir_fd, RESTORE_TEMP, filling.fd, &state);
	if (close(filling.fd) < 0 && !code)
		code = restore_refused(restore, "write it") | 1;
	if (code) {
		(void)unlinkat(dir_fd, RESTORE_TEMP, 0);
		return code & RESTORE_STOP;
	}
	return file_name(restore, attr, state, &filling, dir_fd, name);
}

static int symlink_make(struct restore *restore, const struct ubtrfs_attr *attr, unsigned *state,
			int dir_fd)
{
	char target[PATH_MAX];
	unsigned contents;
	size_t len;

	if (ubtrfs_rescue_readlink(restore->rescue, attr->node, target, sizeof(target) - 1, &len,
				   &contents) < 0) {
		restore_tell_lost(restore, attr->node, *state, ubtrfs_error_text());
		return 1;
	}
	target[len] = '\0';
	*state |= contents;
	return symlinkat(target, dir_fd, RESTORE_TEMP) < 0 ?
		       restore_refused(restore, "create it") | 1 :
		       0;
}

/* Symlinks and special files. */
static int other_make(struct restore *restore, const struct ubtrfs_attr *attr, unsigned state,
		      int dir_fd, const char *name)
{
	struct filling nothing = { .restore = restore };
	int code = 0;

	if (S_ISLNK(attr->mode))
		code = symlink_make(restore, attr, &state, dir_fd);
	else if (mknodat(dir_fd, RESTORE_TEMP, (attr->mode & S_IFMT) | 0600, (dev_t)attr->rdev) < 0)
		code = restore_refused(restore, "create the special file") | 1;
	if (code)
		return code & RESTORE_STOP;
	code = restore_attrs(restore, attr, dir_fd, RESTORE_TEMP, -1, &state);
	if (code) {
		(void)unlinkat(dir_fd, RESTORE_TEMP, 0);
		return code & RESTORE_STOP;
	}
	return file_name(restore, attr, state, &nothing, dir_fd, name);
}

int restore_file(struct restore *restore, const struct ubtrfs_attr *attr, unsigned state,
		 int dir_fd, const char *name)
{
	int look = restore->look ? restore->look(restore->look_ctx, attr, state) : 0;
	bool replace;

	if (look)
		return look & RESTORE_STOP;
	if (restore->dry_run) {
		restore_say(restore, "", &restore->path);
		restore->counts.files++;
		return 0;
	}
	if (restore->verbose)
		restore_say(restore, "Restoring ", &restore->out_path);
	replace = restore_state_has(&restore->state, strbuf_text(&restore->path)) ||
		  restore->overwrite;
	if (link_make(restore, attr, dir_fd, name, replace))
		return 0;
	switch (look_there(restore, attr, dir_fd, name, replace)) {
	case THERE_DONE:
		restore->counts.there++;
		link_remember(restore, attr, 0);
		return 0;
	case THERE_OTHER:
		restore->counts.left_alone++;
		return 0;
	case THERE_BLOCKED:
		errno = EISDIR;
		return restore_refused(restore, "create it");
	default:
		break;
	}
	/* Of a run that was killed. */
	(void)unlinkat(dir_fd, RESTORE_TEMP, 0);
	if (S_ISREG(attr->mode))
		return regular_make(restore, attr, state, dir_fd, name);
	return other_make(restore, attr, state, dir_fd, name);
}
