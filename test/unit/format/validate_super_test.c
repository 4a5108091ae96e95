/*
 * validate_super, superblock, print_super: a sound superblock passes; each damage is refused; any
 * bytes can be judged and printed.
 */
#include "base/cmocka_all.h"

#include "base/rng.h"
#include "format/item_samples.h"
#include "format/print_super.h"
#include "format/validate_super.h"

static uint8_t super[SUPER_SIZE];

static void make_super(void)
{
	uint8_t *chunk = super_sys_chunk_array_mut(super) + KEY_DISK_SIZE;

	memset(super, 0, sizeof(super));
	super_set_magic(super, BTRFS_MAGIC);
	super_set_flags(super, BTRFS_HEADER_FLAG_WRITTEN);
	super_set_bytenr(super, BTRFS_SUPER_INFO_OFFSET);
	super_set_generation(super, 9);
	super_set_root(super, 1 << 20);
	super_set_chunk_root(super, 2 << 20);
	super_set_chunk_root_generation(super, 5);
	super_set_bytes_used(super, 1 << 20);
	super_set_num_devices(super, 1);
	super_set_sectorsize(super, 4096);
	super_set_nodesize(super, 16384);
	super_set_leafsize(super, 16384);
	super_set_stripesize(super, 4096);
	memset(super_fsid_mut(super), 0x11, 16);
	memset(dev_item_fsid_mut(super_dev_item_mut(super)), 0x11, 16);
	super_set_sys_chunk_array_size(super, KEY_DISK_SIZE + chunk_size_bytes(2));
	key_store(super_sys_chunk_array_mut(super), &KEY(256, BTRFS_CHUNK_ITEM_KEY, 1 << 20));
	fill_chunk(chunk);
	chunk_set_type(chunk, BTRFS_BLOCK_GROUP_SYSTEM | BTRFS_BLOCK_GROUP_DUP);
	super_csum_update(super);
}

static const struct {
	uint32_t at, width;
	uint64_t value;
	const char *reason;
} damages[] = {
	{ 64, 8, 1, "magic" },
	{ 196, 2, 4, "checksum type" },
	{ 144, 4, 1024, "sectorsize" },
	{ 144, 4, 5000, "sectorsize" },
	{ 144, 4, 131072, "sectorsize" },
	{ 148, 4, 131072, "nodesize 131072 (sector" },
	{ 148, 4, 2048, "nodesize 2048 (sector" },
	{ 148, 4, 12288, "nodesize 12288 (sector" },
	{ 152, 4, 4096, "leafsize" },
	{ 156, 4, 3, "stripesize" },
	{ 188, 8, BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS, "mixed" },
	{ 198, 1, 8, "root_level" },
	{ 199, 1, 8, "chunk_root_level" },
	{ 200, 1, 8, "log_root_level" },
	{ 80, 8, 100, "root 100" },
	{ 80, 8, 0, "root 0" },
	{ 88, 8, 100, "chunk_root 100" },
	{ 96, 8, 100, "log_root 100" },
	{ 72, 8, 4, "generation" },
	{ 56, 8, 1 | BTRFS_SUPER_FLAG_CHANGING_FSID_V2, "flags" },
	{ 32, 1, 0, "fsid" },
	{ 283, 1, 0, "fsid" },
	{ 188, 8, BTRFS_FEATURE_INCOMPAT_METADATA_UUID, "fsid" },
	{ 180, 8, BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE, "block group tree" },
	{ 120, 8, 6 * 16384 - 1, "bytes_used" },
	{ 136, 8, 0, "num_devices" },
	{ 136, 8, 1ULL << 31, "num_devices" },
	{ 160, 4, 2049, "sys_chunk_array_size" },
	{ 160, 4, 96, "sys_chunk_array_size" },
	{ 160, 4, 128, "cut off" },
	{ 160, 4, 130, "cut off" },
	{ 811, 8, 1, "key (1 228" },
	{ 819, 1, 1, "key (256 1" },
	{ 811 + 17 + 44, 2, 9, "cut off" },
	{ 811 + 17 + 24, 8, BTRFS_BLOCK_GROUP_DATA | BTRFS_BLOCK_GROUP_DUP, "not a system chunk" },
	{ 811 + 17, 8, 1, "chunk 1048576: length 1" },
};

static void test_validate_super__a_sound_superblock_passes(void **state)
{
	struct geometry g;

	(void)state;
	make_super();
	assert_int_equal(validate_super(super), 0);
	g = super_geometry(super);
	assert_int_equal(g.nodesize, 16384);
	assert_int_equal(g.sectorsize, 4096);
	assert_int_equal(g.csum_size, 4);
	assert_int_equal(super_mirror_offset(0), 65536);
	assert_int_equal(super_mirror_offset(1), 64 * MIB);
	assert_int_equal(super_mirror_offset(2), 256 * GIB);
}

static void test_validate_super__every_damage_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		uint64_t value = htole64(damages[i].value);
		int err;

		make_super();
		memcpy(super + damages[i].at, &value, damages[i].width);
		err = validate_super(super);
		if (err != -ERR_SUPER_BAD || !strstr(err_text(err), damages[i].reason))
			fail_msg("expected \"%s\", got %d %s", damages[i].reason, err,
				 err ? err_text(err) : "");
	}
}

static void test_validate_super__metadata_uuid_is_the_nodes_fsid(void **state)
{
	(void)state;
	make_super();
	super_set_incompat_flags(super, BTRFS_FEATURE_INCOMPAT_METADATA_UUID);
	memset(super_metadata_uuid_mut(super), 0x22, 16);
	memset(dev_item_fsid_mut(super_dev_item_mut(super)), 0x22, 16);
	assert_int_equal(validate_super(super), 0);
	assert_ptr_equal(super_node_fsid(super), super_metadata_uuid(super));
}

static void test_validate_super__the_checksum_covers_every_byte(void **state)
{
	(void)state;
	make_super();
	assert_true(super_csum_ok(super));
	for (unsigned at = 32; at < SUPER_SIZE; at++) {
		super[at] ^= 0x80;
		assert_false(super_csum_ok(super));
		super[at] ^= 0x80;
	}
	super_set_csum_type(super, 77);
	assert_false(super_csum_ok(super));
}

static void test_validate_super__prints_as_dump_super(void **state)
{
	struct strbuf out;

	(void)state;
	make_super();
	super_set_compat_ro_flags(super, 3);
	super_set_incompat_flags(super, 1 | 1ULL << 40);
	memcpy(super_label_mut(super), "a\tb", 3);
	super_csum_update(super);
	strbuf_init(&out);
	print_super(&out, super, true);
	assert_int_equal(strbuf_status(&out), 0);
	assert_non_null(
		strstr(strbuf_text(&out), "csum_type\t\t0 (crc32c)\ncsum_size\t\t4\ncsum\t\t\t0x"));
	assert_non_null(strstr(strbuf_text(&out),
			       " [match]\nbytenr\t\t\t65536\nflags\t\t\t0x1\n\t\t\t( WRITTEN )\n"));
	assert_non_null(strstr(strbuf_text(&out),
			       "compat_ro_flags\t\t0x3\n\t\t\t( FREE_SPACE_TREE |\n"
			       "\t\t\t  FREE_SPACE_TREE_VALID )\n"));
	assert_non_null(strstr(strbuf_text(&out),
			       "( MIXED_BACKREF |\n\t\t\t  unknown flag: 0x10000000000 )\n"));
	assert_non_null(
		strstr(strbuf_text(&out),
		       "sys_chunk_array[2048]:\n\titem 0 key (FIRST_CHUNK_TREE CHUNK_ITEM "
		       "1048576)\n\t\tlength 8388608 owner 2 stripe_len 65536 type SYSTEM|DUP\n"));
	strbuf_fini(&out);
}

static void test_validate_super__any_bytes_can_be_judged_and_printed(void **state)
{
	struct strbuf out;
	struct rng rng;

	(void)state;
	rng_init(&rng, 8);
	strbuf_init(&out);
	for (unsigned round = 0; round < 1500; round++) {
		make_super();
		for (unsigned i = 0; i < 1 + rng_below(&rng, 5); i++)
			super[32 + rng_below(&rng, 1000)] = (uint8_t)rng_next(&rng);
		if (round % 100 == 0)
			rng_fill(&rng, super, SUPER_SIZE);
		strbuf_clear(&out);
		print_super(&out, super, true);
		assert_int_equal(strbuf_status(&out), 0);
		if (validate_super(super) == 0)
			assert_true(super_has_magic(super));
	}
	strbuf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validate_super__a_sound_superblock_passes),
		cmocka_unit_test(test_validate_super__every_damage_is_refused),
		cmocka_unit_test(test_validate_super__metadata_uuid_is_the_nodes_fsid),
		cmocka_unit_test(test_validate_super__the_checksum_covers_every_byte),
		cmocka_unit_test(test_validate_super__prints_as_dump_super),
		cmocka_unit_test(test_validate_super__any_bytes_can_be_judged_and_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
