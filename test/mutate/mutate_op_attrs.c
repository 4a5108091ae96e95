/*
 * Operations on attributes: owner and mode, extended ones, ACLs, flags, properties; and what a mount
 * asks for and is asked on its control channel.
 */
#include "mutate.h"

#include <string.h>

#include <linux/fs.h>

#include <ubtrfs/admin.h>
#include <ubtrfs/attr.h>
#include <ubtrfs/inspect.h>
#include <ubtrfs/subvolume.h>

#include "base/bytes.h"
#include "base/strbuf.h"
#include "fuse/control_answer.h"

#define ITEMS_MAX 200u
#define ACL_ENTRIES_MAX 12u

static const char *const names[] = { "user.a",
				     "user.long",
				     "user.new",
				     "security.capability",
				     "trusted.t",
				     "btrfs.compression",
				     "system.posix_acl_access",
				     "system.posix_acl_default",
				     "other.name",
				     "user." };

static const char *name_any(struct ops *ops)
{
	return names[rng_below(ops->rng, ARRAY_LEN(names))];
}

static void op_setattr(struct ops *ops)
{
	struct ubtrfs_attr attr = { .mode = (uint32_t)rng_below(ops->rng, 010000),
				    .uid = (uint32_t)rng_below(ops->rng, 3),
				    .gid = (uint32_t)rng_next(ops->rng),
				    .mtime = { .sec = (int64_t)rng_next(ops->rng), .nsec = 1 } };
	unsigned set = (unsigned)rng_next(ops->rng) &
		       (UBTRFS_ATTR_MODE | UBTRFS_ATTR_UID | UBTRFS_ATTR_GID | UBTRFS_ATTR_MTIME |
			UBTRFS_ATTR_ATIME_NOW | UBTRFS_ATTR_KILL_SETID);

	(void)OP(ops, ubtrfs_setattr(ops->fs, op_any(ops)->node, &attr, set));
}

static int take_xattr(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	struct ops *ops = ctx;

	memcpy(ops->data, name, MIN(name_len, sizeof(ops->data)));
	memcpy(ops->data, value, MIN(len, sizeof(ops->data)));
	return 0;
}

static void op_xattr(struct ops *ops)
{
	struct ubtrfs_node node = op_any(ops)->node;
	size_t len = (size_t)rng_below(ops->rng, rng_one_in(ops->rng, 2) ? 40 : 5000);
	unsigned flags = rng_one_in(ops->rng, 3) ? 1 + (unsigned)rng_below(ops->rng, 3) : 0;

	(void)OP(ops, ubtrfs_setxattr_flags(ops->fs, node, name_any(ops), ops->data, len, flags));
	(void)OP(ops, ubtrfs_removexattr(ops->fs, node, name_any(ops)));
	(void)OP(ops,
		 ubtrfs_getxattr(ops->fs, node, name_any(ops), ops->data, sizeof(ops->data), &len));
	(void)OP(ops, ubtrfs_listxattr(ops->fs, node, take_xattr, ops));
}

/* Version 2, then tag, permissions and id of each. */
static size_t acl_any(struct ops *ops, uint8_t *acl)
{
	static const uint8_t tags[] = { 0x01, 0x02, 0x04, 0x08, 0x10, 0x20 };
	size_t len = 4;

	store32(acl, 2);
	for (unsigned i = 0; i < ARRAY_LEN(tags); i++) {
		store16(acl + len, tags[i]);
		store16(acl + len + 2, (uint16_t)rng_below(ops->rng, 8));
		store32(acl + len + 4, tags[i] & 0x0a ? 1000 : UINT32_MAX);
		len += 8;
	}
	if (rng_one_in(ops->rng, 3))
		acl[rng_below(ops->rng, len)] = (uint8_t)rng_next(ops->rng);
	return rng_one_in(ops->rng, 8) ? rng_below(ops->rng, len) : len;
}

static void op_acl(struct ops *ops)
{
	const struct op_entry *entry = op_any(ops);
	bool is_default = entry->type == 2 && rng_one_in(ops->rng, 2);
	struct ubtrfs_attr attr = { .mode = (uint32_t)rng_below(ops->rng, 01000) };
	uint8_t acl[8 * ACL_ENTRIES_MAX];
	size_t len = acl_any(ops, acl);

	(void)OP(ops, ubtrfs_setxattr(ops->fs, entry->node,
				      is_default ? "system.posix_acl_default" :
						   "system.posix_acl_access",
				      acl, len));
	(void)OP(ops, ubtrfs_setattr(ops->fs, entry->node, &attr, UBTRFS_ATTR_MODE));
}

static void op_fsflags(struct ops *ops)
{
	static const uint32_t some[] = { FS_NOATIME_FL, FS_NOCOW_FL,	FS_COMPR_FL, FS_NOCOMP_FL,
					 FS_DIRSYNC_FL, FS_NODUMP_FL,	FS_SYNC_FL,  FS_APPEND_FL,
					 FS_NOCOW_FL,	FS_IMMUTABLE_FL };
	struct ubtrfs_node node = op_any(ops)->node;
	uint32_t flag = some[rng_below(ops->rng, ARRAY_LEN(some))], flags;

	(void)OP(ops, ubtrfs_fsflags_get(ops->fs, node, &flags));
	(void)OP(ops, ubtrfs_fsflags_set(ops->fs, node, rng_one_in(ops->rng, 3) ? 0 : flag,
					 rng_one_in(ops->rng, 6) ? UINT32_MAX : flag));
}

static void op_property(struct ops *ops)
{
	static const char *const values[] = { "zstd", "lzo", "zlib", "none", "no", "", "lz4" };
	const char *value = values[rng_below(ops->rng, ARRAY_LEN(values))];

	(void)OP(ops, ubtrfs_setxattr(ops->fs, op_any(ops)->node, "btrfs.compression", value,
				      strlen(value)));
}

static int take_item(void *ctx, const struct ubtrfs_tree_item *item)
{
	unsigned *left = ctx;

	(void)item;
	return --*left == 0;
}

static void op_search(struct ops *ops)
{
	static const uint64_t trees[] = { 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 256, 257 };
	struct ubtrfs_tree_search range = { .tree_id = trees[rng_below(ops->rng, ARRAY_LEN(trees))],
					    .min_objectid = rng_below(ops->rng, 300),
					    .max_objectid = UINT64_MAX,
					    .max_type = UINT32_MAX,
					    .max_offset = UINT64_MAX,
					    .max_transid = UINT64_MAX };
	const struct op_entry *entry = op_any(ops);
	unsigned left = ITEMS_MAX;
	char path[4096];
	size_t len;

	if (rng_one_in(ops->rng, 3))
		range.min_objectid = range.max_objectid = entry->node.ino;
	(void)OP(ops, ubtrfs_tree_search(ops->fs, &range, take_item, &left));
	(void)OP(ops,
		 ubtrfs_ino_path(ops->fs, entry->node, path, 1 + rng_below(ops->rng, 4096), &len));
}

static void op_facts(struct ops *ops)
{
	struct ubtrfs_statfs statfs;
	struct ubtrfs_subvolume subvolume;
	struct ubtrfs_info info;

	(void)OP(ops, ubtrfs_statfs(ops->fs, &statfs));
	(void)OP(ops, ubtrfs_info(ops->fs, &info));
	(void)OP(ops, ubtrfs_subvolume_info(ops->fs, op_any(ops)->node.subvolid, &subvolume));
}

static void op_control(struct ops *ops)
{
	static const char *const requests[] = {
		"{\"version\":1,\"request\":\"info\"}",
		"{\"version\":1,\"request\":\"spaces\"}",
		"{\"version\":1,\"request\":\"devices\"}",
		"{\"version\":1,\"request\":\"chunks\"}",
		"{\"version\":1,\"request\":\"available\"}",
		"{\"version\":1,\"request\":\"used\"}",
		"{\"version\":1,\"request\":\"label\",\"label\":\"new\"}",
	};
	const char *request = requests[rng_below(ops->rng, ARRAY_LEN(requests))];
	struct strbuf answer;

	strbuf_init(&answer);
	control_answer(ops->fs, request, strlen(request), &answer);
	strbuf_fini(&answer);
}

void op_attrs(struct ops *ops)
{
	static void (*const all[])(struct ops * ops) = {
		op_setattr,  op_xattr,	  op_xattr,  op_acl,   op_acl,	   op_fsflags,
		op_property, op_property, op_search, op_facts, op_control,
	};

	all[rng_below(ops->rng, ARRAY_LEN(all))](ops);
}
