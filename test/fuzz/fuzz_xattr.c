/*
 * An attribute of a file and of a directory: a byte that chooses its name and how it gets there (through
 * setxattr, or as an item on the disk with a good hash and checksum), then its value. ACLs, properties
 * and all that follows them: changes of the mode, new files, what is compressed.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "codec/name_hash.h"
#include "format/format.h"
#include "mutate/mutate.h"

#define FILE_INO 300u
#define DIR_INO 301u
#define ON_DISK 0x80u
#define NAME_KINDS 5u
#define VALUE_MAX 3000u

static const char *const names[NAME_KINDS] = { "system.posix_acl_access",
					       "system.posix_acl_default", "btrfs.compression",
					       "security.capability", "user.a" };

struct value {
	const char *name;
	const uint8_t *bytes;
	size_t len;
};

static void inode_add(const struct geometry *g, uint8_t *leaf, uint64_t ino, uint32_t mode)
{
	struct key key = KEY(ino, BTRFS_INODE_ITEM_KEY, 0);
	uint8_t *item = leaf_insert_raw(g, leaf, node_nritems(leaf), &key, INODE_ITEM_SIZE);

	memset(item, 0, INODE_ITEM_SIZE);
	inode_item_set_generation(item, 1);
	inode_item_set_transid(item, 1);
	inode_item_set_mode(item, mode);
	inode_item_set_nlink(item, 1);
}

static void xattr_put(const struct geometry *g, uint8_t *leaf, uint64_t ino,
		      const struct value *value)
{
	size_t name_len = strlen(value->name);
	struct key key = KEY(ino, BTRFS_XATTR_ITEM_KEY, name_hash(value->name, name_len));
	uint32_t len = (uint32_t)(DIR_ITEM_SIZE + name_len + value->len);
	uint8_t *item;

	if (leaf_free_bytes(g, leaf) < len + ITEM_SIZE)
		return;
	item = leaf_insert_raw(g, leaf, node_nritems(leaf), &key, len);
	memset(item, 0, DIR_ITEM_SIZE);
	dir_item_set_transid(item, 1);
	dir_item_set_data_len(item, (uint16_t)value->len);
	dir_item_set_name_len(item, (uint16_t)name_len);
	dir_item_set_type(item, BTRFS_FT_XATTR);
	memcpy(item + DIR_ITEM_SIZE, value->name, name_len);
	memcpy(item + DIR_ITEM_SIZE + name_len, value->bytes, value->len);
}

/* The leaf of the subvolume's tree; value: of the attribute of both, or NULL. */
static void leaf_make(struct image *image, uint64_t addr, const struct value *value)
{
	static uint8_t leaf[65536];
	const struct image_block *block = image_block_at(image, addr);
	const uint8_t *old = image->devices[0].map + block->copies[0].at;
	const struct geometry *g = &image->geometry;
	/* Both must fit. */
	struct value cut;

	node_init(g, leaf, addr, 0, BTRFS_FS_TREE_OBJECTID, block->generation);
	memcpy(header_fsid_mut(leaf), header_fsid(old), 16);
	memcpy(header_chunk_tree_uuid_mut(leaf), header_chunk_tree_uuid(old), 16);
	node_add_flag(leaf, BTRFS_HEADER_FLAG_WRITTEN);
	inode_add(g, leaf, BTRFS_FIRST_FREE_OBJECTID, S_IFDIR | 0755);
	inode_add(g, leaf, FILE_INO, S_IFREG | 0644);
	if (value) {
		cut = *value;
		cut.len = cut.len > 1500 ? 1500 : cut.len;
		xattr_put(g, leaf, FILE_INO, &cut);
	}
	inode_add(g, leaf, DIR_INO, S_IFDIR | 0755);
	if (value)
		xattr_put(g, leaf, DIR_INO, &cut);
	node_csum_update(g, leaf);
	image_write(image, block->copies[0].device, block->copies[0].at, leaf, g->nodesize);
}

static int take_xattr(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	static uint8_t copy[70000];

	(void)ctx;
	if (name_len + len <= sizeof(copy)) {
		memcpy(copy, name, name_len);
		memcpy(copy + name_len, value, len);
	}
	return 0;
}

static void attribute_use(struct ubtrfs *fs, struct ubtrfs_node node, const char *name)
{
	struct ubtrfs_attr attr = { .mode = 0751 };
	static uint8_t data[70000];
	size_t len;

	(void)!ubtrfs_getxattr(fs, node, name, data, sizeof(data), &len);
	(void)!ubtrfs_listxattr(fs, node, take_xattr, NULL);
	(void)!ubtrfs_setattr(fs, node, &attr, UBTRFS_ATTR_MODE | UBTRFS_ATTR_KILL_SETID);
	(void)!ubtrfs_write(fs, node, 0, data, 9000);
	(void)!ubtrfs_getattr(fs, node, &attr);
}

/* What a directory hands down. */
static void children_make(struct ubtrfs *fs, struct ubtrfs_node dir, const char *name)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0666 }, .inherit = true };
	struct ubtrfs_node node;

	if (ubtrfs_create(fs, dir, "f", 1, &what, &node) == 0)
		attribute_use(fs, node, name);
	what.attr.mode = S_IFDIR | 0777;
	if (ubtrfs_create(fs, dir, "d", 1, &what, &node) == 0)
		attribute_use(fs, node, name);
}

static void both_use(struct ubtrfs *fs, const struct value *value, bool on_disk)
{
	const struct ubtrfs_node file = { BTRFS_FS_TREE_OBJECTID, FILE_INO };
	const struct ubtrfs_node dir = { BTRFS_FS_TREE_OBJECTID, DIR_INO };

	if (!on_disk) {
		(void)!ubtrfs_setxattr(fs, file, value->name, value->bytes, value->len);
		(void)!ubtrfs_setxattr(fs, dir, value->name, value->bytes, value->len);
	}
	attribute_use(fs, file, value->name);
	attribute_use(fs, dir, value->name);
	children_make(fs, dir, value->name);
	(void)!ubtrfs_removexattr(fs, dir, value->name);
}

FUZZ_TARGET(xattr)
{
	struct value value;
	struct image *image;
	struct ubtrfs *fs;
	uint64_t leaf;

	log_set_level(LOG_LEVEL_NONE);
	if (!len)
		return 0;
	value = (struct value){ .name = names[(in[0] & 0x7f) % NAME_KINDS],
				.bytes = in + 1,
				.len = len - 1 > VALUE_MAX ? VALUE_MAX : len - 1 };
	image = fuzz_image(&leaf);
	leaf_make(image, leaf, in[0] & ON_DISK ? &value : NULL);
	if (image_open(image, true, &fs) >= 0) {
		both_use(fs, &value, in[0] & ON_DISK);
		ubtrfs_abandon(fs);
	}
	image_reset(image);
	return 0;
}
