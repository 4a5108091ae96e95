/*
 * Mount options: what each sets, what is refused by name, escapes, and that the later one counts.
 */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/bytes.h"
#include "fuse/fuse.h"

static void test_mount_options__are_taken(void **state)
{
	struct mount_options options;

	(void)state;
	assert_int_equal(mount_options_init(&options), 0);
	assert_true(options.how.writable);
	assert_int_equal(
		mount_options_parse(&options, "ro,subvolid=0x101,commit=7,compress=zstd:5"), 0);
	assert_int_equal(mount_options_parse(&options, "device=/dev/a\\,b,,device=c\\\\d,uid=12"),
			 0);
	assert_int_equal(mount_options_parse(&options, "x-gvfs-show,nosuid,max_inline=1k"), 0);
	assert_int_equal(mount_options_parse(&options, "dirty_bytes=3m,thread_pool=2,subvol=a=b"),
			 0);
	assert_false(options.how.writable);
	assert_true(options.subvolid == 257);
	assert_int_equal(options.how.commit_interval_s, 7);
	assert_int_equal(options.how.compress, UBTRFS_COMPRESS_ZSTD);
	assert_int_equal(options.how.compress_level, 5);
	assert_false(options.how.compress_force);
	assert_int_equal(mount_options_parse(&options, "compress-force=lzo"), 0);
	assert_int_equal(options.how.compress, UBTRFS_COMPRESS_LZO);
	assert_true(options.how.compress_force);
	assert_int_equal(options.how.nr_devices, 3);
	assert_string_equal(options.devices[1], "/dev/a,b");
	assert_string_equal(options.devices[2], "c\\d");
	assert_true(options.map_uid && options.uid == 12 && !options.map_gid);
	assert_string_equal(strbuf_text(&options.to_fuse), ",nosuid");
	assert_int_equal(options.how.max_inline, 1024);
	assert_int_equal(options.how.dirty_bytes, 3 << 20);
	assert_int_equal(options.how.threads, 2);
	assert_string_equal(options.subvol, "a=b");
	/* The later one counts. */
	assert_int_equal(mount_options_parse(&options, "rw,compress=no,subvol=c,subvolid=0"), 0);
	assert_true(options.how.writable);
	assert_int_equal(options.how.compress, UBTRFS_COMPRESS_NONE);
	assert_string_equal(options.subvol, "c");
	assert_true(options.is_top);
	mount_options_fini(&options);
}

/* What FUSE takes apart again is one value. */
static void test_mount_options__are_passed_on_whole(void **state)
{
	struct mount_options options;

	(void)state;
	assert_int_equal(mount_options_init(&options), 0);
	assert_int_equal(mount_options_parse(&options,
					     "nodev,fsname=a\\,allow_other\\\\,b \\054\n"),
			 -ERR_INVALID);
	assert_int_equal(mount_options_parse(&options, "fsname=a\\,b\\\\054 c\nd=e"), 0);
	assert_string_equal(strbuf_text(&options.to_fuse),
			    ",nodev,fsname=a\\,allow_other\\\\,fsname=a\\,b\\\\054 c\nd=e");
	mount_options_fini(&options);
}

static void test_mount_options__are_refused_by_name(void **state)
{
	static const char *const bad[][2] = {
		{ "wibble", "wibble" },
		{ "rw,ro,wibble=7,ro", "wibble" },
		{ "autodefrag", "autodefrag" },
		{ "user_subvol_rm_allowed", "user_subvol_rm_allowed" },
		{ "remount,ro", "remount is not supported: unmount" },
		{ "ro=1", "ro takes no value" },
		{ "subvol", "subvol needs a value" },
		{ "subvol=", "subvol needs a value" },
		{ "commit=0", "commit=0" },
		{ "commit=301", "commit=301" },
		{ "commit=3s", "commit=3s" },
		{ "commit=-3", "commit=-3" },
		{ "subvolid=99999999999999999999", "subvolid=" },
		{ "compress=gzip", "compress=gzip" },
		{ "compress=zstd:16", "compress=16:" },
		{ "compress=lzo:1", "compress=lzo:1" },
		{ "max_inline=1x", "max_inline=1x" },
		{ "dirty_bytes=99999999999g", "dirty_bytes=" },
		{ "uid=root", "uid=root" },
		{ "uid=4294967295", "uid=4294967295" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct mount_options options;

		assert_int_equal(mount_options_init(&options), 0);
		assert_true(mount_options_parse(&options, bad[i][0]) < 0);
		if (!strstr(err_last_text(), bad[i][1]))
			fail_msg("'%s': %s", bad[i][0], err_last_text());
		mount_options_fini(&options);
	}
}

static void test_mount_options__sloppy_leaves_out(void **state)
{
	struct mount_options options;

	(void)state;
	assert_int_equal(mount_options_init(&options), 0);
	options.sloppy = true;
	assert_int_equal(mount_options_parse(&options, "wibble,ro"), 0);
	assert_false(options.how.writable);
	mount_options_fini(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mount_options__are_taken),
		cmocka_unit_test(test_mount_options__are_passed_on_whole),
		cmocka_unit_test(test_mount_options__are_refused_by_name),
		cmocka_unit_test(test_mount_options__sloppy_leaves_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
