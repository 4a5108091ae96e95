/*
 * json_node, json_superblock: any bytes give a text (under asan: nothing is read outside the node), and
 * what is cut off is said. The meaning of the members is tested against the text of dump-tree in
 * test/cli/cli_inspect.bats.
 */
#include "base/cmocka_all.h"

#include "base/rng.h"
#include "format/item_samples.h"
#include "format/json_node.h"

static uint8_t node[SAMPLE_NODESIZE];
static struct strbuf out;

static const char *json_of(const struct item_sample *sample)
{
	struct json json;

	sample_leaf_init(node, sample->owner);
	sample_leaf_add(node, sample);
	strbuf_clear(&out);
	json_init(&json, &out);
	json_node(&json, NULL, &sample_geometry, node, PRINT_CSUM_ITEMS);
	assert_int_equal(strbuf_status(&out), 0);
	assert_int_equal(json.depth, 0);
	return strbuf_text(&out);
}

static void test_json_node__every_kind_has_its_members(void **state)
{
	static const struct {
		unsigned nr;
		const char *member;
	} members[] = {
		{ S_INODE, "\"mode\": 33188" },
		{ S_INODE_REF, "\"name\": \"abc\"" },
		{ S_EXTREF, "\"parent_objectid\": 256" },
		{ S_XATTR, "\"data\": \"VV\"" },
		{ S_DIR_LOG, "\"end\": 0" },
		{ S_DIR_INDEX, "\"type_name\": \"ROOT_ITEM\"" },
		{ S_INLINE, "\"inline_len\": 10" },
		{ S_REGULAR, "\"disk_bytenr\": 1048576" },
		{ S_CSUM, "\"csums\": [" },
		{ S_LEGACY_ROOT, "\"generation_v2\": 0" },
		{ S_ROOT_REF, "\"name\": \"sub\"" },
		{ S_DATA_EXTENT, "\"type_name\": \"EXTENT_OWNER_REF\"" },
		{ S_METADATA, "\"parent\": 8192" },
		{ S_TREE_BLOCK, "\"level\": 1" },
		{ S_SHARED_REF, "\"count\": 1" },
		{ S_BLOCK_GROUP_REMAP, "\"identity_remap_count\": 2" },
		{ S_FREE_INFO, "\"extent_count\": 3" },
		{ S_DEV_EXTENT, "\"chunk_offset\": 1048576" },
		{ S_DEVICE, "\"total_bytes\": 1073741824" },
		{ S_CHUNK, "\"dev_uuid\": \"00000000-0000-0000-0000-000000000000\"" },
		{ S_RAID_STRIPE, "\"physical\": 0" },
		{ S_REMAP, "\"address\": 4096" },
		{ S_SQUOTA_STATUS, "\"enable_gen\": 9" },
		{ S_QGROUP_INFO, "\"excl_cmpr\": 0" },
		{ S_BALANCE, "\"stripes_max\": 0" },
		{ S_DEV_STATS, "\"flush_errs\": 0" },
		{ S_DEV_REPLACE, "\"replace_state\": 0" },
		{ S_UUID, "\"subvol_ids\": [" },
		{ S_FREE_HEADER, "\"num_bitmaps\": 0" },
		{ S_VERITY, "\"encryption\": 0" },
		{ S_UNKNOWN, "\"bytes\": \"0000000000\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		struct item_sample sample = item_sample(members[i].nr);

		if (!strstr(json_of(&sample), members[i].member))
			fail_msg("no %s in %s", members[i].member, strbuf_text(&out));
	}
	strbuf_fini(&out);
}

static void test_json_node__what_is_cut_off_is_said(void **state)
{
	struct item_sample sample = item_sample(S_INODE);

	(void)state;
	sample.len = 20;
	assert_non_null(strstr(json_of(&sample), "\"error\": \"the item is too small\""));
	assert_non_null(strstr(json_of(&sample), "\"bytes\": \""));
	item_set_size(leaf_item_mut(node, 0), UINT32_MAX);
	strbuf_clear(&out);
	json_node(&(struct json){ .out = &out }, NULL, &sample_geometry, node, 0);
	assert_non_null(strstr(strbuf_text(&out), "lie outside the leaf"));
	strbuf_fini(&out);
}

static void test_json_node__any_bytes_can_be_written(void **state)
{
	struct json json;
	struct rng rng;

	(void)state;
	rng_init(&rng, 3);
	for (unsigned round = 0; round < 3000; round++) {
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
		json_init(&json, &out);
		json_node(&json, NULL, &sample_geometry, node, PRINT_CSUM_ITEMS);
		assert_int_equal(strbuf_status(&out), 0);
	}
	for (unsigned round = 0; round < 200; round++) {
		uint8_t super[SUPER_SIZE];

		rng_fill(&rng, super, SUPER_SIZE);
		strbuf_clear(&out);
		json_init(&json, &out);
		json_object_begin(&json, NULL);
		json_superblock(&json, super, true);
		json_end(&json);
		assert_int_equal(strbuf_status(&out), 0);
	}
	strbuf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_node__every_kind_has_its_members),
		cmocka_unit_test(test_json_node__what_is_cut_off_is_said),
		cmocka_unit_test(test_json_node__any_bytes_can_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
