/*
 * file/extent_map: file extents that contradict themselves. Each is put into the leaf of a real image,
 * with a right checksum, and reading the file must fail with a sentence that names the place, whether
 * the validator refuses the leaf or the extent map the item.
 */
#include "base/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "fs_fixture.h"

#include "base/mem.h"
#include "format/node_layout.h"

#define NODESIZE 16384u
#define FILE_BYTES 65536u

static const struct geometry geometry = { .nodesize = NODESIZE,
					  .sectorsize = 4096,
					  .csum_type = CSUM_CRC32C,
					  .csum_size = 4 };

enum file { PLAIN, PACKED, INLINE_PACKED, NR_FILES };
static const char *const names[NR_FILES] = { "plain", "packed", "inline" };

enum { RAM_BYTES = 8, DISK_BYTENR = 21, DISK_NUM = 29, OFFSET = 37, NUM = 45 };

static const struct damage {
	enum file file;
	unsigned at;
	uint64_t value;
	int error;
	const char *reason;
} damages[] = {
	{ PLAIN, NUM, 0, EUCLEAN, "the extent at 0 is empty" },
	{ PLAIN, NUM, -4096ULL, EUCLEAN, "reaches over the end of what is on disk" },
	{ PLAIN, NUM, 2 * FILE_BYTES, EUCLEAN, "reaches over the end of what is on disk" },
	{ PLAIN, OFFSET, 4096, EUCLEAN, "reaches over the end of what is on disk" },
	{ PLAIN, OFFSET, 1 << 20, EUCLEAN, "reaches over the end of what is on disk" },
	{ PLAIN, OFFSET, -4096ULL, EUCLEAN, "reaches over the end of what is on disk" },
	{ PLAIN, DISK_NUM, 4096, EUCLEAN, "reaches over the end of what is on disk" },
	{ PLAIN, DISK_NUM, 0, EUCLEAN, "reaches over the end of what is on disk" },
	{ PLAIN, DISK_NUM, 100, EUCLEAN, "disk_num_bytes 100 is not aligned" },
	{ PLAIN, DISK_BYTENR, -65536ULL, EUCLEAN, "18446744073709486080" },
	{ PACKED, RAM_BYTES, 1 << 20, EUCLEAN, "holds 1048576 bytes: more than 131072" },
	{ PACKED, RAM_BYTES, -4096ULL, EUCLEAN, "more than 131072" },
	{ PACKED, RAM_BYTES, 4096, EUCLEAN, "reaches over the end of what is on disk" },
	{ PACKED, OFFSET, 4096, EUCLEAN, "reaches over the end of what is on disk" },
	{ PACKED, NUM, 0, EUCLEAN, "the extent at 0 is empty" },
	{ INLINE_PACKED, RAM_BYTES, 0, EUCLEAN, "inline data of 0 bytes" },
	{ INLINE_PACKED, RAM_BYTES, 1 << 20, EUCLEAN, "inline data of 1048576 bytes" },
	{ INLINE_PACKED, RAM_BYTES, -1ULL, EUCLEAN, "inline data of 18446744073709551615 bytes" },
};

struct image {
	uint8_t *bytes;
	size_t len;
	uint64_t inos[NR_FILES];
};

static void file_load(const char *path, struct image *ret_image)
{
	FILE *in = fopen(path, "rb");

	assert_non_null(in);
	assert_int_equal(fseek(in, 0, SEEK_END), 0);
	ret_image->len = (size_t)ftell(in);
	ret_image->bytes = mem_alloc(ret_image->len);
	assert_non_null(ret_image->bytes);
	rewind(in);
	assert_int_equal(fread(ret_image->bytes, 1, ret_image->len, in), ret_image->len);
	fclose(in);
}

static void file_save(const char *path, const uint8_t *bytes, size_t len)
{
	FILE *out = fopen(path, "r+b");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

/* A file of noise, one of a repeated byte, and a short one of it: regular, compressed, inline. */
static void make_image(struct fs_fixture *fx, struct image *ret_image)
{
	static uint8_t bytes[FILE_BYTES];

	fixture_init(fx);
	fx->how.compress = UBTRFS_COMPRESS_ZSTD;
	fixture_make(fx);
	for (unsigned i = 0; i < NR_FILES; i++) {
		struct ubtrfs_node node = fixture_file(fx, names[i]);

		srandom(1);
		for (unsigned at = 0; at < FILE_BYTES; at++)
			bytes[at] = i == PLAIN ? (uint8_t)random() : 'a';
		OK(ubtrfs_write(fx->fs, node, 0, bytes, i == INLINE_PACKED ? 1500 : FILE_BYTES));
		ret_image->inos[i] = node.ino;
	}
	fixture_finish(fx);
	fx->how.compress = UBTRFS_COMPRESS_NONE;
	file_load(fx->path, ret_image);
}

/* Puts a value into the first extent item of a file, in every copy of its leaf; how many those are. */
static unsigned damage_apply(const struct damage *damage, uint8_t *bytes, size_t len, uint64_t ino)
{
	struct key key = KEY(ino, BTRFS_EXTENT_DATA_KEY, 0);
	unsigned nr_leaves = 0, slot;

	for (size_t at = 0; at + NODESIZE <= len; at += 4096) {
		uint8_t *node = bytes + at, *item;

		if (node_owner(node) != BTRFS_FS_TREE_OBJECTID || node_level(node) != 0 ||
		    !node_csum_ok(&geometry, node) || !node_search(node, &key, &slot))
			continue;
		item = leaf_item_data_mut(node, slot);
		assert_int_equal(file_extent_compression(item),
				 damage->file == PLAIN ? 0 : BTRFS_COMPRESS_ZSTD);
		assert_int_equal(file_extent_type(item) == BTRFS_FILE_EXTENT_INLINE,
				 damage->file == INLINE_PACKED);
		store64(item + damage->at, damage->value);
		node_csum_update(&geometry, node);
		nr_leaves++;
	}
	return nr_leaves;
}

static void expect_refused(struct fs_fixture *fx, const struct damage *damage, uint64_t ino)
{
	static uint8_t bytes[FILE_BYTES];
	struct ubtrfs_node node = { BTRFS_FS_TREE_OBJECTID, ino };
	size_t nr_read;
	int ret;

	fixture_open(fx, false);
	ret = ubtrfs_read(fx->fs, node, 0, bytes, sizeof(bytes), &nr_read);
	if (ret != -damage->error || !strstr(ubtrfs_error_text(), damage->reason))
		fail_msg("expected %d \"%s\", got %d %s", -damage->error, damage->reason, ret,
			 ret < 0 ? ubtrfs_error_text() : "");
	ubtrfs_abandon(fx->fs);
	fx->fs = NULL;
}

static void test_extent_map__contradictions_are_refused(void **state)
{
	struct image image = { 0 };
	struct fs_fixture fx;
	uint8_t *changed;

	(void)state;
	make_image(&fx, &image);
	changed = mem_alloc(image.len);
	assert_non_null(changed);
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		const struct damage *damage = &damages[i];

		memcpy(changed, image.bytes, image.len);
		assert_true(damage_apply(damage, changed, image.len, image.inos[damage->file]) > 0);
		file_save(fx.path, changed, image.len);
		expect_refused(&fx, damage, image.inos[damage->file]);
	}
	mem_free(changed);
	mem_free(image.bytes);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extent_map__contradictions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
