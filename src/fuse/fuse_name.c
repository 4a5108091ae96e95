/*
 * Names: looking up, making, linking, removing.
 *
 * What the kernel has been told it may ask about until it forgets it, with or without a name. A node
 * that is about to lose a name is held first (node_ids.h says who lets go); all others need not be
 * in memory at all.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fuse/fuse_priv.h"

static int entry_id(struct front *front, const struct entry_place *place, struct ubtrfs_node node,
		    uint64_t *ret_id)
{
	if (node.ino == NODE_INO_ABSENT)
		return node_id_of_absent(&front->ids, place->dir, place->name, place->name_len,
					 ret_id);
	return node_id_of(&front->ids, node, ret_id);
}

int entry_fill(struct front *front, const struct entry_place *place, struct ubtrfs_node node,
	       const struct ubtrfs_attr *attr, struct fuse_entry_param *ret_entry)
{
	struct ubtrfs_attr own;
	uint64_t id;

	if (!attr) {
		TRY(ubtrfs_getattr(front->fs, node, &own));
		attr = &own;
	}
	TRY(entry_id(front, place, node, &id));
	TRY(node_id_looked_up(&front->ids, id, node));
	*ret_entry = (struct fuse_entry_param){ .ino = id,
						.generation = attr->generation,
						.attr_timeout = FRONT_FOREVER_S,
						.entry_timeout = FRONT_FOREVER_S };
	attr_to_stat(front, attr, id, &ret_entry->attr);
	return 0;
}

void entry_forget(struct front *front, fuse_ino_t id, uint64_t nr)
{
	struct ubtrfs_node node;

	if (node_id_forget(&front->ids, id, nr) && node_of_id(&front->ids, id, &node) == 0)
		ubtrfs_release(front->fs, node, 1);
}

static void reply_entry(fuse_req_t req, struct ubtrfs_node dir, const char *name,
			struct ubtrfs_node node)
{
	const struct entry_place place = { dir, name, strlen(name) };
	struct front *front = front_of(req);
	struct fuse_entry_param entry;
	int err = entry_fill(front, &place, node, NULL, &entry);

	if (err < 0)
		reply_error(req, err);
	else if (fuse_reply_entry(req, &entry) < 0)
		entry_forget(front, entry.ino, 1);
}

/* "." and "..": of handles that came back after the kernel had forgotten them (export). */
static int look_up(struct front *front, struct ubtrfs_node dir, const char *name,
		   struct ubtrfs_node *ret_node)
{
	if (strcmp(name, ".") == 0) {
		*ret_node = dir;
		return 0;
	}
	if (strcmp(name, "..") == 0)
		return ubtrfs_resolve(front->fs, dir, name, false, ret_node);
	return ubtrfs_lookup(front->fs, dir, name, strlen(name), ret_node);
}

void front_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param none = { .entry_timeout = FRONT_FOREVER_S };
	struct front *front = front_of(req);
	struct ubtrfs_node dir, node;
	int err;

	if (!request_node(req, parent, &dir))
		return;
	err = look_up(front, dir, name, &node);
	if (err == -ENOENT && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		fuse_reply_entry(req, &none);
	else if (err < 0)
		reply_read_error(req, err);
	else
		reply_entry(req, dir, name, node);
}

void front_forget(fuse_req_t req, fuse_ino_t id, uint64_t nr)
{
	entry_forget(front_of(req), id, nr);
	fuse_reply_none(req);
}

void front_forget_multi(fuse_req_t req, size_t nr, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < nr; i++)
		entry_forget(front_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

/* ---- making ---- */

static int make(fuse_req_t req, fuse_ino_t parent, const char *name, struct ubtrfs_new *what,
		struct ubtrfs_node *ret_dir, struct ubtrfs_node *ret_node)
{
	struct front *front = front_of(req);
	struct ubtrfs_node dir;

	TRY(node_of_id(&front->ids, parent, &dir));
	*ret_dir = dir;
	TRY(request_owner(req, dir, &what->attr));
	what->attr.mode = request_new_mode(req, what->attr.mode);
	/* The kernel leaves the umask to us, because a default ACL comes before it. */
	what->inherit = true;
	what->umask = fuse_req_ctx(req)->umask;
	return ubtrfs_create(front->fs, dir, name, strlen(name), what, ret_node);
}

static void make_and_reply(fuse_req_t req, fuse_ino_t parent, const char *name,
			   struct ubtrfs_new *what)
{
	struct ubtrfs_node dir, node;
	int err = make(req, parent, name, what, &dir, &node);

	if (err < 0)
		reply_error(req, err);
	else
		reply_entry(req, dir, name, node);
}

void front_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct ubtrfs_new what = { .attr = { .mode = mode, .rdev = rdev } };

	make_and_reply(req, parent, name, &what);
}

void front_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFDIR | (mode & 07777) } };

	make_and_reply(req, parent, name, &what);
}

void front_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFLNK | 0777 },
				   .symlink_target = target,
				   .symlink_len = strlen(target) };

	make_and_reply(req, parent, name, &what);
}

void front_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		  struct fuse_file_info *file)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | (mode & 07777) } };
	struct front *front = front_of(req);
	struct fuse_entry_param entry;
	struct entry_place place = { .name = name, .name_len = strlen(name) };
	struct ubtrfs_node node;
	int err = make(req, parent, name, &what, &place.dir, &node);

	if (err == -EEXIST && !(file->flags & O_EXCL)) {
		err = look_up(front, place.dir, name, &node);
		if (err == 0 && front->opens)
			err = open_check(front, node, file);
	}
	if (err == 0)
		err = entry_fill(front, &place, node, NULL, &entry);
	if (err < 0) {
		reply_error(req, err);
		return;
	}
	file->keep_cache = 1;
	file->noflush = 1;
	if (fuse_reply_create(req, &entry, file) < 0)
		entry_forget(front, entry.ino, 1);
}

void front_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t parent, const char *name)
{
	struct front *front = front_of(req);
	struct ubtrfs_node node, dir;
	int err;

	if (!request_node(req, id, &node) || !request_node(req, parent, &dir))
		return;
	err = ubtrfs_link(front->fs, node, dir, name, strlen(name));
	if (err < 0)
		reply_error(req, err);
	else
		reply_entry(req, dir, name, node);
}

/* ---- removing ---- */

/* A hold on what has a name, before it loses it. is_held: there is something, and it is held. */
static int name_hold(struct front *front, struct ubtrfs_node dir, const char *name,
		     struct ubtrfs_node *ret_node, bool *ret_held)
{
	int err = ubtrfs_lookup(front->fs, dir, name, strlen(name), ret_node);

	if (err == 0)
		err = ubtrfs_hold(front->fs, *ret_node);
	*ret_held = err == 0;
	return err == -ENOENT ? 0 : err;
}

/* The hold becomes the kernel's when no name is left, and else is given back. */
static void name_let_go(struct front *front, struct ubtrfs_node node)
{
	struct ubtrfs_attr attr;
	uint64_t id;

	if (ubtrfs_getattr(front->fs, node, &attr) == 0 && attr.nlink == 0 &&
	    node_id_of(&front->ids, node, &id) == 0 && node_id_keep(&front->ids, id))
		return;
	ubtrfs_release(front->fs, node, 1);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name,
			int (*remove)(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
				      size_t name_len))
{
	struct front *front = front_of(req);
	struct ubtrfs_node dir, node;
	bool is_held;
	int err;

	if (!request_node(req, parent, &dir))
		return;
	err = name_hold(front, dir, name, &node, &is_held);
	if (err == 0)
		err = remove(front->fs, dir, name, strlen(name));
	if (is_held)
		name_let_go(front, node);
	reply_result(req, err);
}

void front_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, ubtrfs_unlink);
}

void front_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, ubtrfs_rmdir);
}

/* ---- renaming ---- */

/* What the new name leads to may lose its name; both places of an exchange keep theirs. */
static int rename_name(struct front *front, struct ubtrfs_node dir, const char *name,
		       struct ubtrfs_node new_dir, const char *new_name, unsigned flags)
{
	struct ubtrfs_node replaced;
	bool is_held = false;
	int err = 0;

	if (!(flags & (UBTRFS_RENAME_EXCHANGE | UBTRFS_RENAME_NOREPLACE)))
		err = name_hold(front, new_dir, new_name, &replaced, &is_held);
	if (err == 0)
		err = ubtrfs_rename(front->fs, dir, name, strlen(name), new_dir, new_name,
				    strlen(new_name), flags);
	if (is_held)
		name_let_go(front, replaced);
	return err;
}

/* As all that is made, it belongs to whoever asked for it. */
static int whiteout_own(fuse_req_t req, struct ubtrfs_node dir, const char *name)
{
	struct ubtrfs *fs = front_of(req)->fs;
	struct ubtrfs_attr attr, dir_attr;
	struct ubtrfs_node node;

	TRY(ubtrfs_lookup(fs, dir, name, strlen(name), &node));
	TRY(ubtrfs_getattr(fs, dir, &dir_attr));
	TRY(request_owner(req, dir, &attr));
	if (dir_attr.mode & S_ISGID)
		attr.gid = dir_attr.gid;
	return ubtrfs_setattr(fs, node, &attr, UBTRFS_ATTR_UID | UBTRFS_ATTR_GID);
}

void front_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		  const char *new_name, unsigned int flags)
{
	struct ubtrfs_node dir, new_dir;
	int err;

	if (!request_node(req, parent, &dir) || !request_node(req, new_parent, &new_dir))
		return;
	/* The values of renameat2(2) are the library's. */
	err = rename_name(front_of(req), dir, name, new_dir, new_name, flags);
	if (err == 0 && flags & UBTRFS_RENAME_WHITEOUT)
		err = whiteout_own(req, dir, name);
	reply_result(req, err);
}

void front_readlink(fuse_req_t req, fuse_ino_t id)
{
	char target[PATH_MAX + 1];
	struct ubtrfs_node node;
	size_t len;
	int err;

	if (!request_node(req, id, &node))
		return;
	err = ubtrfs_readlink(front_of(req)->fs, node, target, PATH_MAX, &len);
	if (err < 0) {
		reply_read_error(req, err);
		return;
	}
	target[len] = '\0';
	fuse_reply_readlink(req, target);
}
