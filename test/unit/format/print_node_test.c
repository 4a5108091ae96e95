/*
 * print_node, print_item, print_key: the text that dump-tree of btrfs-progs 6.14 gives for the same
 * bytes (taken from its output), and safety on any bytes.
 */
#include "base/cmocka_all.h"

#include "base/rng.h"
#include "format/item_samples.h"
#include "format/print_key.h"
#include "format/print_node.h"

static uint8_t node[SAMPLE_NODESIZE];

static void expect_key(struct key key, const char *text)
{
	struct strbuf out;

	strbuf_init(&out);
	print_key(&out, &key);
	assert_string_equal(strbuf_text(&out), text);
	strbuf_fini(&out);
}

static void test_print_node__keys_by_their_names(void **state)
{
	(void)state;
	expect_key(KEY(1, BTRFS_ROOT_ITEM_KEY, 0), "key (ROOT_TREE ROOT_ITEM 0)");
	expect_key(KEY(5, BTRFS_ROOT_ITEM_KEY, UINT64_MAX),
		   "key (FS_TREE ROOT_ITEM 18446744073709551615)");
	expect_key(KEY(BTRFS_TREE_RELOC_OBJECTID, BTRFS_ROOT_ITEM_KEY, 5),
		   "key (TREE_RELOC ROOT_ITEM FS_TREE)");
	expect_key(KEY(1, BTRFS_DEV_ITEM_KEY, 1), "key (DEV_ITEMS DEV_ITEM 1)");
	expect_key(KEY(1, BTRFS_DEV_EXTENT_KEY, 4096), "key (1 DEV_EXTENT 4096)");
	expect_key(KEY(256, BTRFS_CHUNK_ITEM_KEY, 9), "key (FIRST_CHUNK_TREE CHUNK_ITEM 9)");
	expect_key(KEY(256, BTRFS_INODE_ITEM_KEY, 0), "key (256 INODE_ITEM 0)");
	expect_key(KEY(0, BTRFS_PERSISTENT_ITEM_KEY, 1), "key (DEV_STATS PERSISTENT_ITEM 1)");
	expect_key(KEY(5, BTRFS_PERSISTENT_ITEM_KEY, 1), "key (5 PERSISTENT_ITEM 1)");
	expect_key(KEY(BTRFS_FREE_SPACE_OBJECTID, 0, 7), "key (FREE_SPACE UNTYPED 7)");
	expect_key(KEY(0, 0, 0), "key (0 UNKNOWN.0 0)");
	expect_key(KEY(UINT64_MAX, 77, UINT64_MAX), "key (-1 UNKNOWN.77 -1)");
	expect_key(KEY(0, BTRFS_QGROUP_INFO_KEY, 1ULL << 48 | 7), "key (0 QGROUP_INFO 1/7)");
	expect_key(KEY(2ULL << 48 | 1, BTRFS_QGROUP_RELATION_KEY, 5),
		   "key (2/1 QGROUP_RELATION 0/5)");
	expect_key(KEY(0x1234, BTRFS_UUID_KEY_SUBVOL, 0x56),
		   "key (0x0000000000001234 UUID_KEY_SUBVOL 0x0000000000000056)");
}

static void expect_item(unsigned nr, const char *text)
{
	struct item_sample sample = item_sample(nr);
	struct strbuf out;

	sample_leaf_init(node, sample.owner);
	sample_leaf_add(node, &sample);
	strbuf_init(&out);
	print_item(&out, &sample_geometry, node, 0, 0);
	assert_string_equal(strbuf_text(&out), text);
	strbuf_fini(&out);
}

static void test_print_node__items_as_dump_tree(void **state)
{
	(void)state;
	expect_item(S_INODE_REF, "\titem 0 key (257 INODE_REF 256) itemoff 16259 itemsize 24\n"
				 "\t\tindex 2 namelen 3 name: abc\n"
				 "\t\tindex 0 namelen 1 name: d\n");
	expect_item(S_DIR_INDEX, "\titem 0 key (256 DIR_INDEX 2) itemoff 16250 itemsize 33\n"
				 "\t\tlocation key (300 ROOT_ITEM 18446744073709551615) type DIR\n"
				 "\t\ttransid 7 data_len 0 name_len 3\n"
				 "\t\tname: abc\n");
	expect_item(S_REGULAR, "\titem 0 key (257 EXTENT_DATA 8192) itemoff 16230 itemsize 53\n"
			       "\t\tgeneration 7 type 1 (regular)\n"
			       "\t\textent data disk byte 1048576 nr 8192\n"
			       "\t\textent data offset 4096 nr 4096 ram 8192\n"
			       "\t\textent compression 0 (none)\n");
	expect_item(S_CSUM,
		    "\titem 0 key (EXTENT_CSUM EXTENT_CSUM 1048576) itemoff 16271 itemsize 12\n"
		    "\t\trange start 1048576 end 1060864 length 12288\n");
	expect_item(S_METADATA, "\titem 0 key (1048576 METADATA_ITEM 1) itemoff 16241 itemsize 42\n"
				"\t\trefs 2 gen 0 flags TREE_BLOCK|FULL_BACKREF\n"
				"\t\ttree block skinny level 1\n"
				"\t\t(176 0x5) tree block backref root FS_TREE\n"
				"\t\t(182 0x2000) shared block backref parent 8192\n");
	expect_item(S_SQUOTA_STATUS,
		    "\titem 0 key (0 QGROUP_STATUS 0) itemoff 16243 itemsize 40\n"
		    "\t\tversion 1 generation 0 flags ON|SIMPLE_MODE scan 0 enable_gen 9\n");
	expect_item(S_REMAP, "\titem 0 key (1048576 REMAP 8192) itemoff 16275 itemsize 8\n"
			     "\t\taddress 4096\n");
	expect_item(S_BLOCK_GROUP_REMAP,
		    "\titem 0 key (1048576 BLOCK_GROUP_ITEM 8388608) itemoff 16247 itemsize 36\n"
		    "\t\tblock group used 4096 chunk_objectid 256 flags METADATA|DUP\n"
		    "\t\tremap_bytes 4096 identity_remap_count 2\n");
	expect_item(S_BLOCK_GROUP,
		    "\titem 0 key (1048576 BLOCK_GROUP_ITEM 8388608) itemoff 16259 itemsize 24\n"
		    "\t\tblock group used 4096 chunk_objectid 256 flags METADATA|DUP\n");
}

/* A name of every byte, as dump-tree writes it. */
static void test_print_node__names_are_escaped(void **state)
{
	struct item_sample sample = { 5, { 257, BTRFS_INODE_REF_KEY, 256 }, 24, fill_nothing };
	static const char name[] = "\a\b\033\f\n\r\t\v \\\001\177\377~";
	struct strbuf out;
	uint8_t *p;

	(void)state;
	sample_leaf_init(node, sample.owner);
	sample_leaf_add(node, &sample);
	p = leaf_item_data_mut(node, 0);
	inode_ref_set_name_len(p, 14);
	memcpy(p + INODE_REF_SIZE, name, 14);
	strbuf_init(&out);
	print_item(&out, &sample_geometry, node, 0, 0);
	assert_non_null(strstr(strbuf_text(&out), "namelen 14 name: \\a\\b\\e\\f\\n\\r\\t\\v\\ "
						  "\\\\\\001\\177\\377~\n"));
	strbuf_clear(&out);
	print_item(&out, &sample_geometry, node, 0, PRINT_HIDE_NAMES);
	assert_non_null(strstr(strbuf_text(&out), "namelen 14 name: HIDDEN\n"));
	strbuf_fini(&out);
}

static void test_print_node__a_whole_leaf(void **state)
{
	struct item_sample sample = item_sample(S_ORPHAN);
	struct strbuf out;

	(void)state;
	sample_leaf_init(node, 5);
	memset(header_fsid_mut(node), 0xab, 16);
	sample_leaf_add(node, &sample);
	strbuf_init(&out);
	print_node(&out, &sample_geometry, node, 0);
	assert_string_equal(strbuf_text(&out),
			    "leaf 30408704 items 1 free space 16258 generation 7 owner FS_TREE\n"
			    "leaf 30408704 flags 0x1(WRITTEN) backref revision 1\n"
			    "fs uuid abababab-abab-abab-abab-abababababab\n"
			    "chunk uuid 00000000-0000-0000-0000-000000000000\n"
			    "\titem 0 key (ORPHAN ORPHAN_ITEM 257) itemoff 16283 itemsize 0\n"
			    "\t\torphan item\n");
	strbuf_fini(&out);
}

static void test_print_node__any_bytes_can_be_printed(void **state)
{
	struct strbuf out;
	struct rng rng;

	(void)state;
	rng_init(&rng, 9);
	strbuf_init(&out);
	for (unsigned round = 0; round < 4000; round++) {
		struct item_sample sample = item_sample((unsigned)rng_below(&rng, NR_SAMPLES));

		/* Cut off at any length, at the very end of the node; then a few wild bytes. */
		sample_leaf_init(node, sample.owner);
		sample.len = (uint32_t)rng_below(&rng, sample.len + 2);
		sample_leaf_add(node, &sample);
		for (unsigned i = 0; i < rng_below(&rng, 4) && sample.len; i++)
			node[SAMPLE_NODESIZE - 1 - rng_below(&rng, sample.len)] =
				(uint8_t)rng_next(&rng);
		if (rng_one_in(&rng, 10))
			rng_fill(&rng, leaf_item_mut(node, 0), ITEM_SIZE);
		if (rng_one_in(&rng, 50))
			rng_fill(&rng, node, HEADER_SIZE + 2000);
		strbuf_clear(&out);
		print_node(&out, &sample_geometry, node, 0);
		assert_int_equal(strbuf_status(&out), 0);
	}
	strbuf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print_node__keys_by_their_names),
		cmocka_unit_test(test_print_node__items_as_dump_tree),
		cmocka_unit_test(test_print_node__names_are_escaped),
		cmocka_unit_test(test_print_node__a_whole_leaf),
		cmocka_unit_test(test_print_node__any_bytes_can_be_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
