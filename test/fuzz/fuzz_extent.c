/*
 * One file whose inode and extents are made of any bytes: two bytes of flags, eight of size, then
 * extents: file offset in sectors (one byte), length of the item (one byte), the item. They become
 * a leaf with a good checksum in a real filesystem, and the file is read in every way there is. With
 * FLAG_DATA extents lie where there is data: noise, which the codecs then meet.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "format/format.h"
#include "mutate/mutate.h"

#define INO 300u
#define EXTENTS_MAX 40u
#define RANGES_MAX 60u
#define SECTOR 4096u
#define NOISE_SECTORS 40u
#define FLAG_DATA 0x8000u /* none of an inode */

struct input {
	const uint8_t *at;
	size_t left;
};

static uint8_t byte_take(struct input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->at++;
}

static uint64_t number_take(struct input *input)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)byte_take(input) << (8 * i);
	return value;
}

static void inode_put_item(const struct geometry *g, uint8_t *leaf, uint64_t ino, uint32_t mode,
			   uint64_t size, uint64_t flags)
{
	struct key key = KEY(ino, BTRFS_INODE_ITEM_KEY, 0);
	uint8_t *item = leaf_insert_raw(g, leaf, node_nritems(leaf), &key, INODE_ITEM_SIZE);

	memset(item, 0, INODE_ITEM_SIZE);
	inode_item_set_generation(item, 1);
	inode_item_set_transid(item, 1);
	inode_item_set_mode(item, mode);
	inode_item_set_nlink(item, 1);
	inode_item_set_size(item, size);
	inode_item_set_flags(item, flags);
}

/* Where the contents of the file of noise begin. */
static uint64_t noise_addr(const uint8_t *leaf)
{
	for (unsigned i = 0; i < node_nritems(leaf); i++)
		if (leaf_key(leaf, i).type == BTRFS_EXTENT_DATA_KEY)
			return file_extent_disk_bytenr(leaf_item_data(leaf, i));
	return 0;
}

static void extent_to_noise(uint8_t *item, uint32_t len, uint64_t noise)
{
	uint64_t sector;

	if (len != FILE_EXTENT_SIZE || !file_extent_disk_bytenr(item))
		return;
	sector = file_extent_disk_bytenr(item) / SECTOR % NOISE_SECTORS;
	file_extent_set_disk_bytenr(item, noise + sector * SECTOR);
}

/* noise: 0, or where extents are moved to. */
static void extents_put(const struct geometry *g, uint8_t *leaf, struct input *input,
			uint64_t noise)
{
	uint64_t sector = 0;

	for (unsigned i = 0; i < EXTENTS_MAX && input->left > 2; i++) {
		struct key key = KEY(INO, BTRFS_EXTENT_DATA_KEY, 0);
		uint32_t len;
		uint8_t *item;

		sector += byte_take(input);
		len = byte_take(input);
		key.offset = sector * SECTOR;
		len = MIN(len, input->left);
		if (leaf_free_bytes(g, leaf) < len + ITEM_SIZE)
			break;
		item = leaf_insert_raw(g, leaf, node_nritems(leaf), &key, len);
		memcpy(item, input->at, len);
		if (noise)
			extent_to_noise(item, len, noise);
		input->at += len;
		input->left -= len;
		sector++;
	}
}

static void leaf_make(struct image *image, uint64_t addr, struct input *input)
{
	static uint8_t leaf[65536];
	const struct image_block *block = image_block_at(image, addr);
	const uint8_t *old = image->devices[0].map + block->copies[0].at;
	const struct geometry *g = &image->geometry;
	uint64_t flags = byte_take(input);

	flags |= (uint64_t)byte_take(input) << 8;
	node_init(g, leaf, addr, 0, BTRFS_FS_TREE_OBJECTID, block->generation);
	memcpy(header_fsid_mut(leaf), header_fsid(old), 16);
	memcpy(header_chunk_tree_uuid_mut(leaf), header_chunk_tree_uuid(old), 16);
	node_add_flag(leaf, BTRFS_HEADER_FLAG_WRITTEN);
	inode_put_item(g, leaf, BTRFS_FIRST_FREE_OBJECTID, S_IFDIR | 0755, 0, 0);
	inode_put_item(g, leaf, INO, S_IFREG | 0644, number_take(input), flags & 0xfff);
	extents_put(g, leaf, input, flags & FLAG_DATA ? noise_addr(old) : 0);
	node_csum_update(g, leaf);
	image_write(image, block->copies[0].device, block->copies[0].at, leaf, g->nodesize);
}

static void file_use(struct ubtrfs *fs)
{
	const struct ubtrfs_node node = { BTRFS_FS_TREE_OBJECTID, INO };
	static uint8_t data[300000];
	struct ubtrfs_attr attr;
	uint64_t at = 0, start, end;
	size_t len;

	if (ubtrfs_getattr(fs, node, &attr) < 0)
		return;
	(void)!ubtrfs_read(fs, node, 0, data, sizeof(data), &len);
	(void)!ubtrfs_read(fs, node, 4095, data, 4098, &len);
	(void)!ubtrfs_read(fs, node, attr.size - 1, data, 10, &len);
	for (unsigned i = 0; i < RANGES_MAX; i++) {
		if (ubtrfs_seek_data(fs, node, at, &start, &end) < 0 || end <= at)
			break;
		(void)!ubtrfs_read(fs, node, start, data, 70000, &len);
		(void)!ubtrfs_read(fs, node, end - 1, data, 2, &len);
		at = end;
	}
}

FUZZ_TARGET(extent)
{
	struct input input = { in, len };
	struct image *image;
	struct ubtrfs *fs;
	uint64_t leaf;

	log_set_level(LOG_LEVEL_NONE);
	image = fuzz_image(&leaf);
	leaf_make(image, leaf, &input);
	if (image_open(image, false, &fs) >= 0) {
		file_use(fs);
		ubtrfs_abandon(fs);
	}
	image_reset(image);
	return 0;
}
