/*
 * Copying out of an image: the walk, and the contents of files.
 *
 * A directory is made with rwx for us and gets its own mode when all below it is there. Holes stay
 * holes in regular files.
 */
#include "cli/copy_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/entry_list.h"

/* Where a node goes. by_user: the name is the user's, not the image's. */
struct dest {
	int dir_fd;
	const char *name;
	bool by_user;
};

/* Where the first name of a node with several was made. */
struct made_link {
	struct hash_node hash;
	struct ubtrfs_node node;
	char path[];
};

static int copy_node(struct copy_out *copy, struct ubtrfs_node node, const struct dest *dest);

/*
 * ---- what holds for a whole run
 * ------------------------------------------------------------------------------
 */

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

int copy_out_init(struct copy_out *copy)
{
	memset(copy, 0, sizeof(*copy));
	copy->buffer = mem_alloc(COPY_BUFFER_BYTES);
	if (!copy->buffer)
		return MEM_FAIL("copying");
	strbuf_init(&copy->path);
	hash_init(&copy->links);
	copy->umask = umask(0);
	umask(copy->umask);
	copy->is_root = geteuid() == 0;
	raise_open_files();
	return 0;
}

static void links_forget(struct copy_out *copy)
{
	struct hash_node *node = hash_first(&copy->links), *next;

	for (; node; node = next) {
		next = hash_next(&copy->links, node);
		hash_remove(&copy->links, node);
		mem_free(hash_entry(node, struct made_link, hash));
	}
}

void copy_out_fini(struct copy_out *copy)
{
	links_forget(copy);
	hash_fini(&copy->links);
	strbuf_fini(&copy->path);
	mem_free(copy->buffer);
}

void copy_out_use(struct copy_out *copy, struct ubtrfs *fs)
{
	links_forget(copy);
	copy->fs = fs;
}

/*
 * ---- messages
 * ------------------------------------------------------------------------------------------------
 */

static int told(const struct copy_out *copy, const char *what)
{
	return cli_error("%s: cannot %s: %s", strbuf_text(&copy->path), what, strerror(errno));
}

/*
 * ---- contents
 * ------------------------------------------------------------------------------------------------
 */

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

int copy_out_stream(struct ubtrfs *fs, struct ubtrfs_node node, uint8_t *buffer, int fd)
{
	uint64_t offset = 0;
	size_t len;

	do {
		TRY(ubtrfs_read(fs, node, offset, buffer, COPY_BUFFER_BYTES, &len));
		TRY(write_all(fd, buffer, len));
		offset += len;
	} while (len == COPY_BUFFER_BYTES);
	return 0;
}

static int copy_range(const struct copy_out *copy, struct ubtrfs_node node, int fd, uint64_t at,
		      uint64_t end)
{
	while (at < end) {
		size_t len;

		TRY(ubtrfs_read(copy->fs, node, at, copy->buffer, MIN(end - at, COPY_BUFFER_BYTES),
				&len));
		if (!len)
			return 0;
		if (lseek(fd, (off_t)at, SEEK_SET) < 0)
			return THROW_SYS(errno, "cannot write");
		TRY(write_all(fd, copy->buffer, len));
		at += len;
	}
	return 0;
}

/* Into an empty regular file. */
static int copy_ranges(const struct copy_out *copy, const struct ubtrfs_attr *attr, int fd)
{
	uint64_t at = 0, start, end;

	if (ftruncate(fd, (off_t)attr->size) < 0)
		return THROW_SYS(errno, "cannot set the size");
	while (at < attr->size) {
		int err = ubtrfs_seek_data(copy->fs, attr->node, at, &start, &end);

		if (err == -ENXIO || (err == 0 && start >= attr->size))
			return 0;
		TRY(err);
		end = MIN(end, attr->size);
		/* A range that does not advance would never end. */
		if (end <= at)
			return THROW(ERR_CORRUPT, "a range of data ends before it begins");
		TRY(copy_range(copy, attr->node, fd, MAX(start, at), end));
		at = end;
	}
	return 0;
}

/*
 * ---- files
 * ---------------------------------------------------------------------------------------------------
 */

/*
 * Takes away what is not a regular file, so that nothing is written through a symlink or into a
 * fifo. 0, or 1 with a message.
 */
static int clear_way(const struct copy_out *copy, const struct dest *dest, bool keep_regular)
{
	struct stat st;

	if (fstatat(dest->dir_fd, dest->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : told(copy, "look at it");
	if (S_ISDIR(st.st_mode))
		return cli_error("%s: a directory is not overwritten with a file",
				 strbuf_text(&copy->path));
	if (S_ISREG(st.st_mode) && keep_regular)
		return 0;
	return unlinkat(dest->dir_fd, dest->name, 0) < 0 ? told(copy, "overwrite it") : 0;
}

static int file_fill(struct copy_out *copy, const struct ubtrfs_attr *attr, const struct dest *dest,
		     int fd)
{
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return told(copy, "look at it");
	if (!S_ISREG(st.st_mode)) {
		err = copy_out_stream(copy->fs, attr->node, copy->buffer, fd);
		return err < 0 ? cli_fail("%s", strbuf_text(&copy->path)) : 0;
	}
	err = copy_ranges(copy, attr, fd);
	if (err < 0)
		return cli_fail("%s", strbuf_text(&copy->path));
	return copy->archive ? copy_attrs(copy, attr, dest->dir_fd, dest->name, fd) : 0;
}

static int copy_file(struct copy_out *copy, const struct ubtrfs_attr *attr, const struct dest *dest)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY |
		    (dest->by_user ? 0 : O_NOFOLLOW);
	mode_t mode = copy->archive ? 0600 : attr->mode & 0777;
	int fd, code;

	if (!dest->by_user && clear_way(copy, dest, true))
		return 1;
	fd = openat(dest->dir_fd, dest->name, flags, mode);
	if (fd < 0)
		return told(copy, "create it");
	code = file_fill(copy, attr, dest, fd);
	if (close(fd) < 0)
		code |= told(copy, "write it");
	return code;
}

static int copy_symlink(struct copy_out *copy, const struct ubtrfs_attr *attr,
			const struct dest *dest)
{
	SCOPED_MEM char *target = NULL;

	if (symlink_read(copy->fs, attr->node, &target) < 0)
		return cli_fail("%s", strbuf_text(&copy->path));
	if (clear_way(copy, dest, false))
		return 1;
	if (symlinkat(target, dest->dir_fd, dest->name) < 0)
		return told(copy, "create it");
	return copy->archive ? copy_attrs(copy, attr, dest->dir_fd, dest->name, -1) : 0;
}

static int copy_special(struct copy_out *copy, const struct ubtrfs_attr *attr,
			const struct dest *dest)
{
	mode_t mode = (attr->mode & S_IFMT) |
		      (copy->archive ? 0600 : attr->mode & 0777 & ~copy->umask);

	if (clear_way(copy, dest, false))
		return 1;
	if (mknodat(dest->dir_fd, dest->name, mode, (dev_t)attr->rdev) < 0)
		return told(copy, "create the special file");
	return copy->archive ? copy_attrs(copy, attr, dest->dir_fd, dest->name, -1) : 0;
}

/*
 * ---- directories
 * ---------------------------------------------------------------------------------------------
 */

static int copy_entries(struct copy_out *copy, struct ubtrfs_node dir, int fd)
{
	size_t path_len = copy->path.len;
	struct entry_list list;
	int code = 0;

	if (entry_list_read(copy->fs, dir, &list) < 0)
		code = cli_fail("%s", strbuf_text(&copy->path));
	for (size_t i = 0; i < list.nr; i++) {
		struct dest dest = { .dir_fd = fd, .name = list.entries[i].name };

		strbuf_addf(&copy->path, "/%s", dest.name);
		if (strbuf_status(&copy->path) < 0)
			code |= cli_error("no memory for a path");
		else
			code |= copy_node(copy, list.entries[i].node, &dest);
		copy->path.len = path_len;
		copy->path.text[path_len] = '\0';
	}
	entry_list_release(&list);
	return code;
}

static int copy_dir(struct copy_out *copy, const struct ubtrfs_attr *attr, const struct dest *dest)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (dest->by_user ? 0 : O_NOFOLLOW);
	bool is_new = mkdirat(dest->dir_fd, dest->name, 0700) == 0;
	int fd, code;

	if (!is_new && errno != EEXIST)
		return told(copy, "create the directory");
	if (copy->depth >= WALK_MAX_DEPTH)
		return cli_error("%s is deeper than %u directories", strbuf_text(&copy->path),
				 WALK_MAX_DEPTH);
	fd = openat(dest->dir_fd, dest->name, flags);
	if (fd < 0)
		return told(copy, is_new ? "open it" : "overwrite it with a directory");
	copy->depth++;
	code = copy_entries(copy, attr->node, fd);
	copy->depth--;
	if (copy->archive)
		code |= copy_attrs(copy, attr, dest->dir_fd, dest->name, fd);
	else if (is_new && fchmod(fd, attr->mode & 0777 & ~copy->umask) < 0)
		code |= told(copy, "set the mode");
	close(fd);
	return code;
}

/*
 * ---- hard links
 * ----------------------------------------------------------------------------------------------
 */

static const struct made_link *link_find(const struct copy_out *copy, struct ubtrfs_node node)
{
	struct hash_node *at = hash_find(&copy->links, hash_mix2(node.subvolid, node.ino));

	for (; at; at = hash_find_next(at)) {
		const struct made_link *link = hash_entry(at, struct made_link, hash);

		if (link->node.subvolid == node.subvolid && link->node.ino == node.ino)
			return link;
	}
	return NULL;
}

static int link_remember(struct copy_out *copy, struct ubtrfs_node node)
{
	struct made_link *link = mem_alloc(sizeof(*link) + copy->path.len + 1);

	if (!link)
		return cli_error("no memory for a hard link");
	link->node = node;
	memcpy(link->path, strbuf_text(&copy->path), copy->path.len + 1);
	hash_insert(&copy->links, &link->hash, hash_mix2(node.subvolid, node.ino));
	return 0;
}

static int copy_link(struct copy_out *copy, const struct made_link *link, const struct dest *dest)
{
	if (clear_way(copy, dest, false))
		return 1;
	if (linkat(AT_FDCWD, link->path, dest->dir_fd, dest->name, 0) < 0)
		return told(copy, "create the hard link");
	return 0;
}

/*
 * ---- a node of any kind
 * --------------------------------------------------------------------------------------
 */

static int copy_as_its_kind(struct copy_out *copy, const struct ubtrfs_attr *attr,
			    const struct dest *dest)
{
	if (S_ISDIR(attr->mode))
		return copy_dir(copy, attr, dest);
	if (S_ISREG(attr->mode))
		return copy_file(copy, attr, dest);
	if (S_ISLNK(attr->mode))
		return copy_symlink(copy, attr, dest);
	return copy_special(copy, attr, dest);
}

static int copy_node(struct copy_out *copy, struct ubtrfs_node node, const struct dest *dest)
{
	const struct made_link *link;
	struct ubtrfs_attr attr;
	bool linked;
	int code;

	if (ubtrfs_getattr(copy->fs, node, &attr) < 0)
		return cli_fail("%s", strbuf_text(&copy->path));
	if (S_ISDIR(attr.mode) && !copy->recursive)
		return cli_error("%s: a directory is copied with -r or -a only",
				 strbuf_text(&copy->path));
	if (!S_ISREG(attr.mode) && !copy->recursive)
		return cli_error("%s: a special file is copied with -r or -a only",
				 strbuf_text(&copy->path));
	linked = copy->archive && !S_ISDIR(attr.mode) && attr.nlink > 1;
	link = linked ? link_find(copy, node) : NULL;
	if (link)
		return copy_link(copy, link, dest);
	code = copy_as_its_kind(copy, &attr, dest);
	if (linked && !code)
		code = link_remember(copy, node);
	return code;
}

int copy_out_node(struct copy_out *copy, struct ubtrfs_node node, const char *path, bool by_user)
{
	struct dest dest = { .dir_fd = AT_FDCWD, .name = path, .by_user = by_user };

	strbuf_clear(&copy->path);
	strbuf_add(&copy->path, path);
	if (strbuf_status(&copy->path) < 0)
		return cli_error("no memory for a path");
	return copy_node(copy, node, &dest);
}
