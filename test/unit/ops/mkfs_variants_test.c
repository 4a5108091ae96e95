/*
 * The same contents on every kind of filesystem: checksums, node sizes, sector sizes, profiles,
 * features; populated while it is made, changed after a reopening.
 */
#include "fs_fixture.h"

#include <stdlib.h>

struct variant {
	const char *csum, *features, *metadata;
	uint32_t nodesize, sectorsize;
	bool mixed, shrink;
	int compress;
};

static void populate(struct fs_fixture *fx, struct content *contents, struct ubtrfs_node *nodes)
{
	static const uint64_t sizes[] = { 100, 2048, 4096, 70000, 200000, 2000000 };
	struct ubtrfs_node dir = fixture_create(fx, fx->top, "dir", S_IFDIR | 0755);
	char name[64];

	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		nodes[i] = fixture_create(fx, dir, name, S_IFREG | 0644);
		content_write(fx, nodes[i], &contents[i], 0, sizes[i], i + 1);
		OK(ubtrfs_setxattr(fx->fs, nodes[i], "user.x", "value", 5));
	}
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "one of several hundred names, %u", i);
		OK(ubtrfs_link(fx->fs, nodes[0], dir, name, strlen(name)));
	}
}

static void variant_run(const struct variant *variant)
{
	struct content contents[6] = { { 0 } };
	struct ubtrfs_node nodes[6];
	struct fs_fixture fx;

	fixture_init(&fx);
	fx.mkfs.csum = variant->csum;
	fx.mkfs.features = variant->features;
	fx.mkfs.metadata_profile = variant->metadata;
	fx.mkfs.nodesize = variant->nodesize;
	fx.mkfs.sectorsize = variant->sectorsize;
	fx.mkfs.mixed = variant->mixed;
	fx.mkfs.shrink = variant->shrink;
	fx.mkfs.byte_count = variant->shrink ? 0 : 300 * MIB;
	fx.how.compress = variant->compress;
	fixture_make(&fx);
	populate(&fx, contents, nodes);
	fixture_finish(&fx);
	fixture_check(&fx);
	fixture_open(&fx, !variant->shrink);
	for (unsigned i = 0; i < 6; i++) {
		content_compare(&fx, nodes[i], &contents[i]);
		if (variant->shrink)
			continue;
		content_write(&fx, nodes[i], &contents[i], 1000 * i, 50000, i + 50);
		content_truncate(&fx, nodes[i], &contents[i], 30000 + 20000 * i);
	}
	fixture_reopen(&fx, false);
	for (unsigned i = 0; i < 6; i++) {
		content_compare(&fx, nodes[i], &contents[i]);
		content_free(&contents[i]);
	}
	fixture_fini(&fx);
}

static void variants_run(const struct variant *variants, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		variant_run(&variants[i]);
}

static void test_mkfs_variants__checksums(void **state)
{
	static const struct variant variants[] = { { .csum = "crc32c" },
						   { .csum = "xxhash" },
						   { .csum = "sha256" },
						   { .csum = "blake2" } };

	(void)state;
	variants_run(variants, ARRAY_LEN(variants));
}

static void test_mkfs_variants__node_sizes(void **state)
{
	static const struct variant variants[] = { { .nodesize = 4096 },
						   { .nodesize = 8192 },
						   { .nodesize = 32768 },
						   { .nodesize = 65536 } };

	(void)state;
	variants_run(variants, ARRAY_LEN(variants));
}

static void test_mkfs_variants__sector_sizes(void **state)
{
	static const struct variant variants[] = {
		{ .sectorsize = 8192 },
		{ .sectorsize = 16384, .compress = UBTRFS_COMPRESS_ZSTD },
		{ .sectorsize = 65536 },
		{ .sectorsize = 65536, .compress = UBTRFS_COMPRESS_ZLIB }
	};

	(void)state;
	variants_run(variants, ARRAY_LEN(variants));
}

static void test_mkfs_variants__features(void **state)
{
	static const struct variant variants[] = {
		{ .features = "^block-group-tree" },
		{ .features = "^block-group-tree,^no-holes" },
		{ .features = "^block-group-tree,^no-holes,^free-space-tree" },
		{ .mixed = true },
		{ .mixed = true, .compress = UBTRFS_COMPRESS_ZSTD },
		{ .metadata = "single" },
		{ .shrink = true },
		{ .shrink = true, .compress = UBTRFS_COMPRESS_ZLIB }
	};

	(void)state;
	variants_run(variants, ARRAY_LEN(variants));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mkfs_variants__checksums),
		cmocka_unit_test(test_mkfs_variants__node_sizes),
		cmocka_unit_test(test_mkfs_variants__sector_sizes),
		cmocka_unit_test(test_mkfs_variants__features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
