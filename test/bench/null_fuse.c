/*
 * null_fuse MOUNTPOINT [-o max_threads=N,writeback,...]: the ceiling of FUSE. A filesystem that
 * answers from memory: it keeps names, attributes and extended attributes, and of contents
 * nothing but their size (they read as zeroes). What a real server reaches beside it is what its
 * own work leaves.
 *
 * It is set up as the real one: several threads, a descriptor for each, requests of 1 MiB, entries
 * and attributes that the kernel keeps for ever, readdirplus, operations of one directory beside
 * each other. One mutex holds the table together; nothing is done under it but a few pointers.
 * Nodes are freed when their last name is gone and the kernel has forgotten them. Stays in the
 * foreground and prints "ready" when it stands.
 */
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <time.h>

#define FOREVER 1e9
#define REQUEST_BYTES (1u << 20)
#define NR_BUCKETS (1u << 20)

struct xattr {
	struct xattr *next;
	size_t len;
	char *value;
	char name[];
};

struct entry;

struct node {
	struct stat st;
	uint64_t nr_lookups;
	struct xattr *xattrs;
	char *target; /* of a symlink */
	/* A directory: its entries by cookie - 1; a removed one leaves NULL behind. */
	struct entry **entries;
	size_t nr_entries, capacity, nr_live;
	struct node *parent;
};

struct entry {
	struct entry *next; /* in its bucket */
	struct node *dir, *node;
	size_t index;
	uint32_t hash;
	char name[];
};

struct table {
	pthread_mutex_t lock;
	struct entry *buckets[NR_BUCKETS];
	struct node root;
	bool writeback;
	char *zeroes;
};

static struct table table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &table.root : (struct node *)(uintptr_t)ino;
}

static uint32_t name_hash(const struct node *dir, const char *name)
{
	uint64_t hash = (uintptr_t)dir * 0x9e3779b97f4a7c15u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return (uint32_t)(hash ^ hash >> 32);
}

static struct entry **entry_slot(struct node *dir, const char *name)
{
	uint32_t hash = name_hash(dir, name);
	struct entry **at = &table.buckets[hash % NR_BUCKETS];

	while (*at && ((*at)->hash != hash || (*at)->dir != dir || strcmp((*at)->name, name) != 0))
		at = &(*at)->next;
	return at;
}

static void node_stamp(struct node *node)
{
	clock_gettime(CLOCK_REALTIME_COARSE, &node->st.st_mtim);
	node->st.st_ctim = node->st.st_mtim;
}

static struct node *node_new(fuse_req_t req, mode_t mode, dev_t rdev)
{
	struct node *node = calloc(1, sizeof(*node));
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	if (!node)
		abort();
	node->st = (struct stat){ .st_ino = (uintptr_t)node,
				  .st_mode = mode,
				  .st_uid = ctx->uid,
				  .st_gid = ctx->gid,
				  .st_rdev = rdev,
				  .st_blksize = 4096 };
	node_stamp(node);
	node->st.st_atim = node->st.st_mtim;
	return node;
}

static void node_put(struct node *node)
{
	if (node == &table.root || node->st.st_nlink || node->nr_lookups)
		return;
	while (node->xattrs) {
		struct xattr *next = node->xattrs->next;

		free(node->xattrs->value);
		free(node->xattrs);
		node->xattrs = next;
	}
	free(node->target);
	free(node->entries);
	free(node);
}

static void entry_add(struct node *dir, const char *name, struct node *node)
{
	size_t len = strlen(name) + 1;
	struct entry *entry = malloc(sizeof(*entry) + len);
	struct entry **bucket;

	if (!entry)
		abort();
	if (dir->nr_entries == dir->capacity) {
		dir->capacity = dir->capacity ? 2 * dir->capacity : 16;
		dir->entries = realloc(dir->entries, dir->capacity * sizeof(*dir->entries));
		if (!dir->entries)
			abort();
	}
	*entry = (struct entry){ .dir = dir, .node = node, .index = dir->nr_entries };
	memcpy(entry->name, name, len);
	entry->hash = name_hash(dir, name);
	bucket = &table.buckets[entry->hash % NR_BUCKETS];
	entry->next = *bucket;
	*bucket = entry;
	dir->entries[dir->nr_entries++] = entry;
	dir->nr_live++;
	node->st.st_nlink++;
	if (S_ISDIR(node->st.st_mode)) {
		node->st.st_nlink = 2;
		node->parent = dir;
	}
	node_stamp(dir);
}

static void entry_remove(struct entry **slot)
{
	struct entry *entry = *slot;
	struct node *node = entry->node, *dir = entry->dir;

	*slot = entry->next;
	dir->entries[entry->index] = NULL;
	if (--dir->nr_live == 0)
		dir->nr_entries = 0;
	node->st.st_nlink = S_ISDIR(node->st.st_mode) ? 0 : node->st.st_nlink - 1;
	node_stamp(dir);
	free(entry);
	node_put(node);
}

/* Fills an answer that names a node; the kernel holds it from now on. */
static void entry_fill(struct node *node, struct fuse_entry_param *ret)
{
	node->nr_lookups++;
	*ret = (struct fuse_entry_param){ .ino = node == &table.root ? FUSE_ROOT_ID :
								       (uintptr_t)node,
					  .attr = node->st,
					  .attr_timeout = FOREVER,
					  .entry_timeout = FOREVER };
}

static void null_init(void *userdata, struct fuse_conn_info *conn)
{
	unsigned wanted = FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS | FUSE_CAP_ASYNC_READ |
			  FUSE_CAP_SPLICE_READ | FUSE_CAP_NO_OPENDIR_SUPPORT;

	(void)userdata;
	if (table.writeback)
		wanted |= FUSE_CAP_WRITEBACK_CACHE;
	conn->want = (conn->want | (conn->capable & wanted)) & ~FUSE_CAP_READDIRPLUS_AUTO;
	conn->max_write = REQUEST_BYTES;
	conn->max_readahead = REQUEST_BYTES;
	conn->max_background = 64;
}

static void null_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param param = { .entry_timeout = FOREVER };
	struct entry *entry;

	pthread_mutex_lock(&table.lock);
	entry = *entry_slot(node_of(parent), name);
	if (entry)
		entry_fill(entry->node, &param);
	pthread_mutex_unlock(&table.lock);
	fuse_reply_entry(req, &param);
}

static void forget_one(fuse_ino_t ino, uint64_t nr)
{
	struct node *node = node_of(ino);

	if (node == &table.root)
		return;
	node->nr_lookups -= nr;
	node_put(node);
}

static void null_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nr)
{
	pthread_mutex_lock(&table.lock);
	forget_one(ino, nr);
	pthread_mutex_unlock(&table.lock);
	fuse_reply_none(req);
}

static void null_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	pthread_mutex_lock(&table.lock);
	for (size_t i = 0; i < count; i++)
		forget_one(forgets[i].ino, forgets[i].nlookup);
	pthread_mutex_unlock(&table.lock);
	fuse_reply_none(req);
}

static void null_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	pthread_mutex_lock(&table.lock);
	st = node_of(ino)->st;
	pthread_mutex_unlock(&table.lock);
	fuse_reply_attr(req, &st, FOREVER);
}

static void null_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set,
			 struct fuse_file_info *fi)
{
	struct node *node = node_of(ino);
	struct stat st;

	(void)fi;
	pthread_mutex_lock(&table.lock);
	clock_gettime(CLOCK_REALTIME_COARSE, &node->st.st_ctim);
	if (set & FUSE_SET_ATTR_MODE)
		node->st.st_mode = (node->st.st_mode & S_IFMT) | (attr->st_mode & ~(mode_t)S_IFMT);
	if (set & FUSE_SET_ATTR_UID)
		node->st.st_uid = attr->st_uid;
	if (set & FUSE_SET_ATTR_GID)
		node->st.st_gid = attr->st_gid;
	if (set & FUSE_SET_ATTR_SIZE)
		node->st.st_size = attr->st_size;
	if (set & FUSE_SET_ATTR_ATIME)
		node->st.st_atim = set & FUSE_SET_ATTR_ATIME_NOW ? node->st.st_ctim : attr->st_atim;
	if (set & FUSE_SET_ATTR_MTIME)
		node->st.st_mtim = set & FUSE_SET_ATTR_MTIME_NOW ? node->st.st_ctim : attr->st_mtim;
	st = node->st;
	pthread_mutex_unlock(&table.lock);
	fuse_reply_attr(req, &st, FOREVER);
}

/* A new node under a name; target: of a symlink. Answers with an error when the name is taken. */
static int make_node(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev,
		     const char *target, struct fuse_entry_param *ret)
{
	struct node *dir = node_of(parent);
	struct node *node = node_new(req, mode, rdev);

	if (target) {
		node->target = strdup(target);
		node->st.st_size = (off_t)strlen(target);
	}
	pthread_mutex_lock(&table.lock);
	if (*entry_slot(dir, name)) {
		node_put(node);
		pthread_mutex_unlock(&table.lock);
		return EEXIST;
	}
	entry_add(dir, name, node);
	entry_fill(node, ret);
	pthread_mutex_unlock(&table.lock);
	return 0;
}

static void reply_made(fuse_req_t req, int err, const struct fuse_entry_param *param)
{
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_entry(req, param);
}

static void null_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct fuse_entry_param param;

	reply_made(req, make_node(req, parent, name, mode, rdev, NULL, &param), &param);
}

static void null_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fuse_entry_param param;

	reply_made(req, make_node(req, parent, name, mode | S_IFDIR, 0, NULL, &param), &param);
}

static void null_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param param;

	reply_made(req, make_node(req, parent, name, S_IFLNK | 0777, 0, target, &param), &param);
}

static void null_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
			struct fuse_file_info *fi)
{
	struct fuse_entry_param param;
	int err = make_node(req, parent, name, mode, 0, NULL, &param);

	fi->keep_cache = 1;
	if (err)
		fuse_reply_err(req, err);
	else
		fuse_reply_create(req, &param, fi);
}

static void null_readlink(fuse_req_t req, fuse_ino_t ino)
{
	fuse_reply_readlink(req, node_of(ino)->target);
}

static int remove_name(fuse_ino_t parent, const char *name, bool is_dir)
{
	struct entry **slot = entry_slot(node_of(parent), name);

	if (!*slot)
		return ENOENT;
	if (S_ISDIR((*slot)->node->st.st_mode) != is_dir)
		return is_dir ? ENOTDIR : EISDIR;
	if ((*slot)->node->nr_live)
		return ENOTEMPTY;
	entry_remove(slot);
	return 0;
}

static void null_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	int err;

	pthread_mutex_lock(&table.lock);
	err = remove_name(parent, name, false);
	pthread_mutex_unlock(&table.lock);
	fuse_reply_err(req, err);
}

static void null_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	int err;

	pthread_mutex_lock(&table.lock);
	err = remove_name(parent, name, true);
	pthread_mutex_unlock(&table.lock);
	fuse_reply_err(req, err);
}

static int rename_locked(fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
			 const char *new_name, unsigned flags)
{
	struct entry **from = entry_slot(node_of(parent), name);
	struct entry **to = entry_slot(node_of(new_parent), new_name);
	struct node *node;

	if (!*from)
		return ENOENT;
	if (flags & ~(unsigned)RENAME_NOREPLACE)
		return EINVAL;
	if (*to && (flags & RENAME_NOREPLACE))
		return EEXIST;
	if (*to && (*to)->node->nr_live)
		return ENOTEMPTY;
	node = (*from)->node;
	if (*to && (*to)->node == node)
		return 0;
	/* Held over the moment without a name. */
	node->nr_lookups++;
	if (*to)
		entry_remove(to);
	entry_remove(entry_slot(node_of(parent), name));
	entry_add(node_of(new_parent), new_name, node);
	node->nr_lookups--;
	return 0;
}

static void null_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
			const char *new_name, unsigned flags)
{
	int err;

	pthread_mutex_lock(&table.lock);
	err = rename_locked(parent, name, new_parent, new_name, flags);
	pthread_mutex_unlock(&table.lock);
	fuse_reply_err(req, err);
}

static void null_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
	struct fuse_entry_param param;
	int err = 0;

	pthread_mutex_lock(&table.lock);
	if (*entry_slot(node_of(new_parent), new_name)) {
		err = EEXIST;
	} else {
		entry_add(node_of(new_parent), new_name, node_of(ino));
		entry_fill(node_of(ino), &param);
	}
	pthread_mutex_unlock(&table.lock);
	reply_made(req, err, &param);
}

static void null_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->keep_cache = 1;
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

static void null_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		      struct fuse_file_info *fi)
{
	off_t end;

	(void)fi;
	pthread_mutex_lock(&table.lock);
	end = node_of(ino)->st.st_size;
	pthread_mutex_unlock(&table.lock);
	if (offset >= end)
		size = 0;
	else if ((off_t)size > end - offset)
		size = (size_t)(end - offset);
	fuse_reply_buf(req, table.zeroes, size);
}

static void null_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t offset,
			   struct fuse_file_info *fi)
{
	struct node *node = node_of(ino);
	size_t len = fuse_buf_size(in);

	(void)fi;
	pthread_mutex_lock(&table.lock);
	if (offset + (off_t)len > node->st.st_size)
		node->st.st_size = offset + (off_t)len;
	node->st.st_blocks = (node->st.st_size + 511) / 512;
	node_stamp(node);
	pthread_mutex_unlock(&table.lock);
	fuse_reply_write(req, len);
}

static void null_done(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, 0);
}

static void null_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *fi)
{
	(void)ino;
	(void)data_only;
	(void)fi;
	fuse_reply_err(req, 0);
}

/* One entry into the answer; its size, larger than room when it does not fit. */
static size_t dir_add(fuse_req_t req, struct entry *entry, bool plus, char *at, size_t room)
{
	off_t cookie = (off_t)entry->index + 1;
	struct fuse_entry_param param;
	size_t len;

	if (!plus)
		return fuse_add_direntry(req, at, room, entry->name, &entry->node->st, cookie);
	entry_fill(entry->node, &param);
	len = fuse_add_direntry_plus(req, at, room, entry->name, &param, cookie);
	if (len > room)
		entry->node->nr_lookups--;
	return len;
}

static void list_dir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct node *dir = node_of(ino);
	char *answer = malloc(size);
	size_t used = 0;

	if (!answer)
		abort();
	pthread_mutex_lock(&table.lock);
	for (size_t i = (size_t)offset; i < dir->nr_entries; i++) {
		size_t len;

		if (!dir->entries[i])
			continue;
		len = dir_add(req, dir->entries[i], plus, answer + used, size - used);
		if (len > size - used)
			break;
		used += len;
	}
	pthread_mutex_unlock(&table.lock);
	fuse_reply_buf(req, answer, used);
	free(answer);
}

static void null_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			 struct fuse_file_info *fi)
{
	(void)fi;
	list_dir(req, ino, size, offset, false);
}

static void null_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			     struct fuse_file_info *fi)
{
	(void)fi;
	list_dir(req, ino, size, offset, true);
}

static void null_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = { .f_bsize = 4096,
			      .f_frsize = 4096,
			      .f_blocks = 1u << 28,
			      .f_bfree = 1u << 28,
			      .f_bavail = 1u << 28,
			      .f_namemax = 255 };

	(void)ino;
	fuse_reply_statfs(req, &st);
}

static struct xattr **xattr_slot(struct node *node, const char *name)
{
	struct xattr **at = &node->xattrs;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

static void null_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			  size_t len, int flags)
{
	size_t name_len = strlen(name) + 1;
	struct xattr *fresh = calloc(1, sizeof(*fresh) + name_len);
	char *copy = malloc(len + 1);
	struct xattr **slot;

	(void)flags;
	if (!fresh || !copy)
		abort();
	memcpy(fresh->name, name, name_len);
	memcpy(copy, value, len);
	pthread_mutex_lock(&table.lock);
	slot = xattr_slot(node_of(ino), name);
	if (!*slot) {
		*slot = fresh;
		fresh = NULL;
	}
	free((*slot)->value);
	(*slot)->value = copy;
	(*slot)->len = len;
	pthread_mutex_unlock(&table.lock);
	free(fresh);
	fuse_reply_err(req, 0);
}

static void null_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct xattr *xattr;

	pthread_mutex_lock(&table.lock);
	xattr = *xattr_slot(node_of(ino), name);
	if (!xattr)
		fuse_reply_err(req, ENODATA);
	else if (size == 0)
		fuse_reply_xattr(req, xattr->len);
	else if (size < xattr->len)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, xattr->value, xattr->len);
	pthread_mutex_unlock(&table.lock);
}

static void null_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct xattr **slot, *gone;

	pthread_mutex_lock(&table.lock);
	slot = xattr_slot(node_of(ino), name);
	gone = *slot;
	if (gone)
		*slot = gone->next;
	pthread_mutex_unlock(&table.lock);
	fuse_reply_err(req, gone ? 0 : ENODATA);
	if (gone)
		free(gone->value);
	free(gone);
}

static const struct fuse_lowlevel_ops null_ops = {
	.init = null_init,
	.lookup = null_lookup,
	.forget = null_forget,
	.forget_multi = null_forget_multi,
	.getattr = null_getattr,
	.setattr = null_setattr,
	.readlink = null_readlink,
	.mknod = null_mknod,
	.mkdir = null_mkdir,
	.symlink = null_symlink,
	.unlink = null_unlink,
	.rmdir = null_rmdir,
	.rename = null_rename,
	.link = null_link,
	.open = null_open,
	.create = null_create,
	.read = null_read,
	.write_buf = null_write_buf,
	.release = null_done,
	.fsync = null_fsync,
	.readdir = null_readdir,
	.readdirplus = null_readdirplus,
	.statfs = null_statfs,
	.setxattr = null_setxattr,
	.getxattr = null_getxattr,
	.removexattr = null_removexattr,
};

/* Serves until unmounted or told to stop. */
static int null_serve(struct fuse_session *session, const char *mountpoint, int max_threads)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int err = -1;

	if (!config || fuse_set_signal_handlers(session) != 0)
		goto out;
	if (fuse_session_mount(session, mountpoint) != 0)
		goto no_mount;
	fuse_loop_cfg_set_clone_fd(config, 1);
	fuse_loop_cfg_set_max_threads(config, (unsigned)max_threads);
	printf("ready\n");
	fflush(stdout);
	err = fuse_session_loop_mt(session, config);
	fuse_session_unmount(session);
no_mount:
	fuse_remove_signal_handlers(session);
out:
	if (config)
		fuse_loop_cfg_destroy(config);
	return err;
}

struct null_options {
	int max_threads, writeback;
};

int main(int argc, char **argv)
{
	static const struct fuse_opt opts[] = {
		{ "max_threads=%d", offsetof(struct null_options, max_threads), 0 },
		{ "writeback", offsetof(struct null_options, writeback), 1 },
		FUSE_OPT_END,
	};
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct null_options options = { .max_threads = 10 };
	struct fuse_session *session;
	const char *mountpoint;
	int err;

	if (argc < 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: null_fuse MOUNTPOINT [-o max_threads=N,writeback,...]\n");
		return 2;
	}
	/* The mount point is ours, the rest is libfuse's. */
	mountpoint = argv[1];
	argv[1] = argv[0];
	args = (struct fuse_args)FUSE_ARGS_INIT(argc - 1, argv + 1);
	table.zeroes = calloc(1, REQUEST_BYTES);
	if (!table.zeroes || fuse_opt_parse(&args, &options, opts, NULL) != 0)
		return 2;
	table.writeback = options.writeback;
	table.root.st = (struct stat){
		.st_ino = FUSE_ROOT_ID, .st_mode = S_IFDIR | 0777, .st_nlink = 2, .st_blksize = 4096
	};
	node_stamp(&table.root);
	table.root.st.st_atim = table.root.st.st_mtim;
	session = fuse_session_new(&args, &null_ops, sizeof(null_ops), NULL);
	if (!session)
		return 1;
	err = null_serve(session, mountpoint, options.max_threads);
	fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	free(table.zeroes);
	return err ? 1 : 0;
}
