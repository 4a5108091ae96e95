/*
 * Listing directories.
 *
 * The cookie of an entry is its place in the directory (DIR_INDEX), so that a listing goes on where
 * it was whatever comes and goes. "." and ".." have the cookies 1 and 2 (indexes begin at 2; that of
 * an entry is moved up by one). A listing ends with what was the last entry when it, or a later one,
 * began: else it would meet for ever what is renamed while it is listed.
 */
#include <string.h>
#include <sys/stat.h>

#include <linux/btrfs_tree.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "fuse/fuse_priv.h"

#define COOKIE_DOT 1u
#define COOKIE_DOTDOT 2u
/* From the index to the cookie. */
#define COOKIE_SHIFT 1u

struct dir_reply {
	fuse_req_t req;
	struct front *front;
	struct ubtrfs_node dir;
	char *data;
	size_t len, capacity;
	uint64_t end; /* the last entry to be shown */
	bool plus;
	int err;
};

static mode_t type_mode(uint8_t type)
{
	static const mode_t modes[] = { [BTRFS_FT_REG_FILE] = S_IFREG, [BTRFS_FT_DIR] = S_IFDIR,
					[BTRFS_FT_CHRDEV] = S_IFCHR,   [BTRFS_FT_BLKDEV] = S_IFBLK,
					[BTRFS_FT_FIFO] = S_IFIFO,     [BTRFS_FT_SOCK] = S_IFSOCK,
					[BTRFS_FT_SYMLINK] = S_IFLNK };

	return type < ARRAY_LEN(modes) ? modes[type] : 0;
}

/* True while there is room. */
static bool add_plain(struct dir_reply *reply, const char *name, uint64_t id, mode_t mode,
		      uint64_t cookie)
{
	struct stat st = { .st_ino = node_id_ino(&reply->front->ids, id), .st_mode = mode };
	size_t room = reply->capacity - reply->len;
	size_t len = fuse_add_direntry(reply->req, reply->data + reply->len, room, name, &st,
				       (off_t)cookie);

	if (len > room)
		return false;
	reply->len += len;
	return true;
}

static bool add_entry(struct dir_reply *reply, const char *name,
		      const struct fuse_entry_param *entry, uint64_t cookie)
{
	size_t room = reply->capacity - reply->len;
	size_t len = fuse_add_direntry_plus(reply->req, reply->data + reply->len, room, name, entry,
					    (off_t)cookie);

	if (len > room)
		return false;
	reply->len += len;
	return true;
}

/* With attributes; an entry whose attributes cannot be read is listed without. */
static bool add_with_attr(struct dir_reply *reply, const char *name,
			  const struct ubtrfs_dirent *dirent, const struct ubtrfs_attr *attr,
			  uint64_t id)
{
	const struct entry_place place = { reply->dir, name, dirent->name_len };
	struct fuse_entry_param entry = { 0 };

	if (!attr || entry_fill(reply->front, &place, dirent->node, attr, &entry) < 0)
		entry.attr = (struct stat){ .st_ino = node_id_ino(&reply->front->ids, id),
					    .st_mode = type_mode(dirent->type) };
	if (add_entry(reply, name, &entry, dirent->cookie + COOKIE_SHIFT))
		return true;
	if (entry.ino)
		entry_forget(reply->front, entry.ino, 1);
	return false;
}

static int visit(void *ctx, const struct ubtrfs_dirent *dirent, const struct ubtrfs_attr *attr)
{
	struct dir_reply *reply = ctx;
	char name[256];
	uint64_t id;
	bool added;

	if (dirent->cookie > reply->end)
		return 1;
	memcpy(name, dirent->name, dirent->name_len);
	name[dirent->name_len] = '\0';
	TRY(node_id_of(&reply->front->ids, dirent->node, &id));
	added = reply->plus ? add_with_attr(reply, name, dirent, attr, id) :
			      add_plain(reply, name, id, type_mode(dirent->type),
					dirent->cookie + COOKIE_SHIFT);
	return added ? 0 : 1;
}

static int visit_plain(void *ctx, const struct ubtrfs_dirent *dirent)
{
	return visit(ctx, dirent, NULL);
}

/* The kernel makes its own "..", so its number here is only for those who look at d_ino. */
static bool add_dots(struct dir_reply *reply, fuse_ino_t id, struct ubtrfs_node dir,
		     uint64_t cookie)
{
	const struct node_ids *ids = &reply->front->ids;
	struct fuse_entry_param dot = { .attr = { .st_ino = node_id_ino(ids, id),
						  .st_mode = S_IFDIR } };
	struct fuse_entry_param dotdot = dot;
	struct ubtrfs_node parent;
	uint64_t parent_id;

	if (cookie < COOKIE_DOT && !(reply->plus ? add_entry(reply, ".", &dot, COOKIE_DOT) :
						   add_plain(reply, ".", id, S_IFDIR, COOKIE_DOT)))
		return false;
	if (cookie >= COOKIE_DOTDOT)
		return true;
	if (id == NODE_ID_TOP || ubtrfs_resolve(reply->front->fs, dir, "..", false, &parent) < 0 ||
	    node_id_of(&reply->front->ids, parent, &parent_id) < 0)
		parent_id = id;
	dotdot.attr.st_ino = node_id_ino(ids, parent_id);
	return reply->plus ? add_entry(reply, "..", &dotdot, COOKIE_DOTDOT) :
			     add_plain(reply, "..", parent_id, S_IFDIR, COOKIE_DOTDOT);
}

static int list_end(struct dir_reply *reply, fuse_ino_t id, struct ubtrfs_node dir, uint64_t cookie)
{
	if (!cookie) {
		TRY(ubtrfs_readdir_end(reply->front->fs, dir, &reply->end));
		node_id_list_begin(&reply->front->ids, id, reply->end);
		return 0;
	}
	reply->end = node_id_list_end(&reply->front->ids, id);
	if (!reply->end)
		reply->end = UINT64_MAX;
	return 0;
}

static int list(struct dir_reply *reply, fuse_ino_t id, struct ubtrfs_node dir, uint64_t cookie)
{
	int err;

	TRY(list_end(reply, id, dir, cookie));
	if (!add_dots(reply, id, dir, cookie))
		return 0;
	cookie = cookie > COOKIE_DOTDOT ? cookie - COOKIE_SHIFT : 0;
	err = reply->plus ? ubtrfs_readdir_plus(reply->front->fs, dir, cookie, visit, reply) :
			    ubtrfs_readdir(reply->front->fs, dir, cookie, visit_plain, reply);
	/* What fits before a failure is told; the failure comes with the next request. */
	return err < 0 && !reply->len ? err : 0;
}

static void reply_list(fuse_req_t req, fuse_ino_t id, size_t size, off_t cookie, bool plus)
{
	struct dir_reply reply = {
		.req = req, .front = front_of(req), .capacity = size, .plus = plus
	};
	struct ubtrfs_node dir;
	int err;

	if (!request_node(req, id, &dir))
		return;
	reply.dir = dir;
	reply.data = mem_alloc(size);
	err = reply.data ? list(&reply, id, dir, (uint64_t)cookie) : MEM_FAIL("a directory");
	if (err < 0)
		reply_read_error(req, err);
	else
		fuse_reply_buf(req, reply.data, reply.len);
	mem_free(reply.data);
}

void front_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t cookie,
		   struct fuse_file_info *file)
{
	(void)file;
	reply_list(req, id, size, cookie, false);
}

void front_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t cookie,
		       struct fuse_file_info *file)
{
	(void)file;
	reply_list(req, id, size, cookie, true);
}
