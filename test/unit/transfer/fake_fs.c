/* A filesystem in memory behind the public API; see fake_fs.h. Errors are bare errno values. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <ubtrfs/subvolume.h>

#include "fake_fs.h"

static const struct ubtrfs_time fake_now = { .sec = 4000000000, .nsec = 7 };

static void __attribute__((format(printf, 2, 3)))
fake_log(struct ubtrfs *fs, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (!fs->quiet)
		strbuf_add(&fs->log, line);
}

static struct fake_node *fake_add(struct ubtrfs *fs, uint64_t subvolid, uint64_t ino)
{
	struct fake_node *node = calloc(1, sizeof(*node));

	assert(node && fs->nr_nodes < 4096);
	node->attr.node = (struct ubtrfs_node){ subvolid, ino };
	node->attr.nlink = 1;
	strbuf_init(&node->xattrs);
	fs->nodes[fs->nr_nodes++] = node;
	return node;
}

struct ubtrfs *fake_new(void)
{
	struct ubtrfs *fs = calloc(1, sizeof(*fs));

	assert(fs);
	strbuf_init(&fs->log);
	fs->next_ino = 257;
	fs->next_subvol = 256;
	fake_add(fs, 5, UBTRFS_ROOT_INO)->attr.mode = S_IFDIR | 0755;
	return fs;
}

void fake_free(struct ubtrfs *fs)
{
	for (size_t i = 0; i < fs->nr_sources; i++)
		fs->sources[i].source.release(fs->sources[i].source.ctx);
	for (size_t i = 0; i < fs->nr_nodes; i++) {
		free(fs->nodes[i]->data);
		strbuf_fini(&fs->nodes[i]->xattrs);
		free(fs->nodes[i]);
	}
	for (size_t i = 0; i < fs->nr_names; i++)
		free(fs->names[i].name);
	strbuf_fini(&fs->log);
	free(fs);
}

static bool same_node(struct ubtrfs_node a, struct ubtrfs_node b)
{
	return a.subvolid == b.subvolid && a.ino == b.ino;
}

static struct fake_node *fake_node(struct ubtrfs *fs, struct ubtrfs_node node)
{
	for (size_t i = 0; i < fs->nr_nodes; i++) {
		if (!fs->nodes[i]->removed && same_node(fs->nodes[i]->attr.node, node))
			return fs->nodes[i];
	}
	return NULL;
}

static struct fake_name *fake_name(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name,
				   size_t len)
{
	for (size_t i = 0; i < fs->nr_names; i++) {
		struct fake_name *at = &fs->names[i];

		if (at->name && same_node(at->dir, dir) && strlen(at->name) == len &&
		    !memcmp(at->name, name, len))
			return at;
	}
	return NULL;
}

struct fake_node *fake_at(struct ubtrfs *fs, const char *path)
{
	struct ubtrfs_node node = ubtrfs_top(fs);
	size_t len;

	for (; *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		if (ubtrfs_lookup(fs, node, path, len, &node) < 0)
			return NULL;
	}
	return fake_node(fs, node);
}

static void fake_touch(struct fake_node *node)
{
	node->attr.mtime = fake_now;
	node->attr.ctime = fake_now;
}

static int fake_enter(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t len,
		      struct ubtrfs_node node)
{
	struct fake_name *added = &fs->names[fs->nr_names];

	if (fake_name(fs, dir, name, len))
		return -EEXIST;
	assert(fs->nr_names < 8192 && S_ISDIR(fake_node(fs, dir)->attr.mode));
	fs->nr_names++;
	added->dir = dir;
	added->node = node;
	added->name = strndup(name, len);
	fake_touch(fake_node(fs, dir));
	return 0;
}

struct ubtrfs_node ubtrfs_top(struct ubtrfs *fs)
{
	(void)fs;
	return (struct ubtrfs_node){ 5, UBTRFS_ROOT_INO };
}

const char *ubtrfs_error_text(void)
{
	return "the fake's error";
}

int ubtrfs_info(struct ubtrfs *fs, struct ubtrfs_info *ret_info)
{
	(void)fs;
	memset(ret_info, 0, sizeof(*ret_info));
	ret_info->sectorsize = 4096;
	return 0;
}

int ubtrfs_lookup(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t len,
		  struct ubtrfs_node *ret_node)
{
	struct fake_name *found = fake_name(fs, dir, name, len);

	if (!found)
		return -ENOENT;
	*ret_node = found->node;
	return 0;
}

int ubtrfs_getattr(struct ubtrfs *fs, struct ubtrfs_node node, struct ubtrfs_attr *ret_attr)
{
	*ret_attr = fake_node(fs, node)->attr;
	return 0;
}

static void fake_set(struct fake_node *node, const struct ubtrfs_attr *attr, unsigned set)
{
	if (set & UBTRFS_ATTR_MODE)
		node->attr.mode = (node->attr.mode & S_IFMT) | (attr->mode & 07777);
	if (set & UBTRFS_ATTR_UID)
		node->attr.uid = attr->uid;
	if (set & UBTRFS_ATTR_GID)
		node->attr.gid = attr->gid;
	if (set & UBTRFS_ATTR_FLAGS)
		node->attr.flags = attr->flags;
	if (set & UBTRFS_ATTR_ATIME)
		node->attr.atime = attr->atime;
	if (set & UBTRFS_ATTR_MTIME)
		node->attr.mtime = attr->mtime;
	if (set & UBTRFS_ATTR_CTIME)
		node->attr.ctime = attr->ctime;
	if (set & UBTRFS_ATTR_OTIME)
		node->attr.otime = attr->otime;
}

int ubtrfs_create(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t len,
		  const struct ubtrfs_new *what, struct ubtrfs_node *ret_node)
{
	struct fake_node *node = fake_add(fs, dir.subvolid, fs->next_ino++);
	int ret;

	if (fs->fail_create_at && !--fs->fail_create_at)
		return -EIO;
	node->attr.mode = what->attr.mode;
	node->attr.rdev = what->attr.rdev;
	fake_set(node, &what->attr, what->set | UBTRFS_ATTR_UID | UBTRFS_ATTR_GID);
	if (what->symlink_target) {
		memcpy(node->target, what->symlink_target, what->symlink_len);
		node->target_len = what->symlink_len;
	}
	ret = fake_enter(fs, dir, name, len, node->attr.node);
	if (ret < 0)
		return ret;
	fake_log(fs, "create %.*s %o %lld.%u\n", (int)len, name, what->attr.mode,
		 (long long)what->attr.mtime.sec, what->attr.mtime.nsec);
	*ret_node = node->attr.node;
	return 0;
}

int ubtrfs_link(struct ubtrfs *fs, struct ubtrfs_node node, struct ubtrfs_node dir,
		const char *name, size_t len)
{
	struct fake_node *at = fake_node(fs, node);
	int ret;

	if (node.subvolid != dir.subvolid)
		return -EXDEV;
	if (fs->links_max && at->attr.nlink >= fs->links_max)
		return -EMLINK;
	ret = fake_enter(fs, dir, name, len, node);
	if (ret < 0)
		return ret;
	at->attr.nlink++;
	at->attr.ctime = fake_now;
	fake_log(fs, "link %.*s\n", (int)len, name);
	return 0;
}

static int fake_remove(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t len,
		       bool is_dir)
{
	struct fake_name *found = fake_name(fs, dir, name, len);
	struct fake_node *node;

	if (!found)
		return -ENOENT;
	node = fake_node(fs, found->node);
	if (S_ISDIR(node->attr.mode) != is_dir)
		return is_dir ? -ENOTDIR : -EISDIR;
	for (size_t i = 0; i < fs->nr_names; i++) {
		if (fs->names[i].name && same_node(fs->names[i].dir, node->attr.node))
			return -ENOTEMPTY;
	}
	free(found->name);
	found->name = NULL;
	fake_touch(fake_node(fs, dir));
	if (--node->attr.nlink == 0)
		node->removed = true;
	fake_log(fs, "remove %.*s\n", (int)len, name);
	return 0;
}

int ubtrfs_unlink(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t len)
{
	return fake_remove(fs, dir, name, len, false);
}

int ubtrfs_rmdir(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t len)
{
	return fake_remove(fs, dir, name, len, true);
}

static void fake_resize(struct fake_node *node, uint64_t size)
{
	node->data = realloc(node->data, size + 1);
	if (size > node->attr.size)
		memset(node->data + node->attr.size, 0, size - node->attr.size);
	node->attr.size = size;
}

int ubtrfs_setattr(struct ubtrfs *fs, struct ubtrfs_node node, const struct ubtrfs_attr *attr,
		   unsigned set)
{
	struct fake_node *at = fake_node(fs, node);

	if (!at)
		return -ENOENT;
	if (set & UBTRFS_ATTR_SIZE) {
		fake_resize(at, attr->size);
		fake_touch(at);
	}
	at->attr.ctime = fake_now;
	fake_set(at, attr, set);
	fake_log(fs, "setattr %o %x\n", at->attr.mode, set);
	return 0;
}

int ubtrfs_write(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, const void *data,
		 size_t len)
{
	struct fake_node *at = fake_node(fs, node);

	if (offset + len > at->attr.size)
		fake_resize(at, offset + len);
	memcpy(at->data + offset, data, len);
	fake_touch(at);
	return 0;
}

int ubtrfs_write_from(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, uint64_t len,
		      const struct ubtrfs_source *source)
{
	assert(fs->nr_sources < 4096);
	if (offset + len > fake_node(fs, node)->attr.size)
		fake_resize(fake_node(fs, node), offset + len);
	fs->sources[fs->nr_sources++] = (struct fake_source){ node, offset, len, *source };
	fake_log(fs, "data %s %llu+%llu\n", source->name, (unsigned long long)offset,
		 (unsigned long long)len);
	return 0;
}

/* Pieces as the library makes them, the last one first. */
static int fake_read_source(struct ubtrfs *fs, struct fake_source *from)
{
	const uint64_t piece = 131072;
	struct fake_node *node = fake_node(fs, from->node);
	int ret = 0;

	for (uint64_t done = from->len; done > 0 && ret >= 0;) {
		uint64_t start = (from->offset + done - 1) / piece * piece;

		if (start < from->offset)
			start = from->offset;
		ret = from->source.read(from->source.ctx, start, node->data + start,
					from->offset + done - start);
		done = start - from->offset;
	}
	from->source.release(from->source.ctx);
	return ret;
}

/* What only copies call, which are tested whole. */
int ubtrfs_resolve(struct ubtrfs *fs, struct ubtrfs_node from, const char *path, bool follow,
		   struct ubtrfs_node *ret_node)
{
	(void)fs, (void)from, (void)path, (void)follow, (void)ret_node;
	return -ENOSYS;
}

int ubtrfs_read(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset, void *data, size_t len,
		size_t *ret_len)
{
	(void)fs, (void)node, (void)offset, (void)data, (void)len, (void)ret_len;
	return -ENOSYS;
}

int ubtrfs_seek_data(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t offset,
		     uint64_t *ret_start, uint64_t *ret_end)
{
	(void)fs, (void)node, (void)offset, (void)ret_start, (void)ret_end;
	return -ENOSYS;
}

int ubtrfs_listxattr(struct ubtrfs *fs, struct ubtrfs_node node,
		     int (*visit)(void *ctx, const char *name, size_t name_len, const void *value,
				  size_t len),
		     void *ctx)
{
	(void)fs, (void)node, (void)visit, (void)ctx;
	return -ENOSYS;
}

int ubtrfs_removexattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name)
{
	(void)fs, (void)node, (void)name;
	return -ENOSYS;
}

int ubtrfs_drain(struct ubtrfs *fs)
{
	return ubtrfs_commit(fs);
}

int ubtrfs_commit(struct ubtrfs *fs)
{
	int result = fs->before_commit ? fs->before_commit(fs->ctx) : 0;

	for (size_t i = 0; i < fs->nr_sources; i++) {
		int ret = fake_read_source(fs, &fs->sources[i]);

		if (ret < 0 && result >= 0)
			result = ret;
	}
	fs->nr_sources = 0;
	return result;
}

int ubtrfs_readlink(struct ubtrfs *fs, struct ubtrfs_node node, char *target, size_t capacity,
		    size_t *ret_len)
{
	struct fake_node *at = fake_node(fs, node);

	assert(at->target_len <= capacity);
	memcpy(target, at->target, at->target_len);
	*ret_len = at->target_len;
	return 0;
}

int ubtrfs_readdir(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t cookie,
		   int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx)
{
	for (size_t i = cookie; i < fs->nr_names; i++) {
		struct ubtrfs_dirent dirent = { .cookie = i + 1,
						.node = fs->names[i].node,
						.name = fs->names[i].name };
		int ret;

		if (!dirent.name || !same_node(fs->names[i].dir, dir))
			continue;
		dirent.name_len = strlen(dirent.name);
		ret = visit(ctx, &dirent);
		if (ret)
			return ret;
	}
	return 0;
}

int ubtrfs_setxattr(struct ubtrfs *fs, struct ubtrfs_node node, const char *name, const void *value,
		    size_t len)
{
	struct fake_node *at = fake_node(fs, node);

	strbuf_addf(&at->xattrs, "%s=", name);
	for (size_t i = 0; i < len; i++)
		strbuf_addf(&at->xattrs, "%02x", ((const uint8_t *)value)[i]);
	strbuf_add(&at->xattrs, ";");
	fake_touch(at);
	fake_log(fs, "setxattr %s\n", name);
	return 0;
}

int ubtrfs_subvolume_create(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name, size_t len,
			    const uint8_t *uuid, struct ubtrfs_node *ret_top)
{
	struct fake_node *top = fake_add(fs, fs->next_subvol++, UBTRFS_ROOT_INO);

	(void)uuid;
	top->attr.mode = S_IFDIR | 0755;
	fake_log(fs, "subvolume %.*s\n", (int)len, name);
	*ret_top = top->attr.node;
	return fake_enter(fs, dir, name, len, top->attr.node);
}

int ubtrfs_subvolume_set_readonly(struct ubtrfs *fs, uint64_t subvolid, bool readonly)
{
	fs->readonly_subvol = readonly ? subvolid : 0;
	return 0;
}

int ubtrfs_subvolume_set_default(struct ubtrfs *fs, uint64_t subvolid)
{
	fs->default_subvol = subvolid;
	return 0;
}
