/* archive_acl: the bytes of the xattr, and the mode in step with them. */
#include "base/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fake_fs.h"
#include "transfer/unpack.h"

#define ACCESS ARCHIVE_ENTRY_ACL_TYPE_ACCESS
#define DEFAULT ARCHIVE_ENTRY_ACL_TYPE_DEFAULT
#define ENTRY(tag, perm, ...) tag, 0, perm, 0, __VA_ARGS__
#define NO_ID 0xff, 0xff, 0xff, 0xff

struct fixture {
	struct ubtrfs *fs;
	struct import *import;
	struct archive_entry *entry;
	uint32_t mode;
	uint8_t value[ACL_BYTES_MAX];
	size_t len;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct import_options options;

	import_options_init(&options);
	f->fs = fake_new();
	assert_int_equal(import_new(f->fs, &options, NULL, &f->import), 0);
	f->entry = archive_entry_new();
	f->mode = S_IFREG | 04640;
	archive_entry_set_mode(f->entry, f->mode);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	archive_entry_free(f->entry);
	import_close(f->import, NULL);
	fake_free(f->fs);
	free(f);
	return 0;
}

static void add(struct fixture *f, int type, int tag, int perm, int id)
{
	assert_int_equal(archive_entry_acl_add_entry(f->entry, type, perm, tag, id, "somebody"),
			 ARCHIVE_OK);
}

static int convert(struct fixture *f, int type)
{
	return archive_acl_value(f->import, "path", f->entry, type, &f->mode, f->value, &f->len);
}

static void test_archive_acl__sorted_with_mask_and_mode(void **state)
{
	struct fixture *f = *state;
	const uint8_t expected[] = {
		2,
		0,
		0,
		0,
		ENTRY(0x01, 6, NO_ID),
		ENTRY(0x02, 7, 1, 0, 0, 0),
		ENTRY(0x02, 4, 0x34, 0x12, 0, 0),
		ENTRY(0x04, 4, NO_ID),
		ENTRY(0x08, 1, 7, 0, 0, 0),
		ENTRY(0x10, 5, NO_ID),
		ENTRY(0x20, 0, NO_ID),
	};

	add(f, ACCESS, ARCHIVE_ENTRY_ACL_USER_OBJ, 6, -1);
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_GROUP, 1, 7);
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_USER, 4, 0x1234);
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_MASK, 5, -1);
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_USER, 7, 1);
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_GROUP_OBJ, 4, -1);
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_OTHER, 0, -1);
	assert_int_equal(convert(f, ACCESS), 0);
	assert_int_equal(f->len, sizeof(expected));
	assert_memory_equal(f->value, expected, sizeof(expected));
	/* The group bits are the mask's, set-user-id stays. */
	assert_int_equal(f->mode, S_IFREG | 04650);
}

static void test_archive_acl__mask_is_added(void **state)
{
	struct fixture *f = *state;
	const uint8_t expected[] = {
		2,
		0,
		0,
		0,
		ENTRY(0x01, 6, NO_ID),
		ENTRY(0x02, 3, 9, 0, 0, 0),
		ENTRY(0x04, 4, NO_ID),
		ENTRY(0x10, 7, NO_ID),
		ENTRY(0x20, 0, NO_ID),
	};

	/* Owner, group and others come from the mode. */
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_USER, 3, 9);
	assert_int_equal(convert(f, ACCESS), 0);
	assert_int_equal(f->len, sizeof(expected));
	assert_memory_equal(f->value, expected, sizeof(expected));
	assert_int_equal(f->mode, S_IFREG | 04670);
}

static void test_archive_acl__none_when_the_mode_says_it(void **state)
{
	struct fixture *f = *state;

	add(f, ACCESS, ARCHIVE_ENTRY_ACL_USER_OBJ, 6, -1);
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_GROUP_OBJ, 4, -1);
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_OTHER, 0, -1);
	assert_int_equal(convert(f, ACCESS), 0);
	assert_int_equal(f->len, 0);
	assert_int_equal(convert(f, DEFAULT), 0);
	assert_int_equal(f->len, 0);
	assert_int_equal(f->mode, S_IFREG | 04640);
}

static void test_archive_acl__default_leaves_the_mode(void **state)
{
	struct fixture *f = *state;

	add(f, DEFAULT, ARCHIVE_ENTRY_ACL_USER_OBJ, 7, -1);
	add(f, DEFAULT, ARCHIVE_ENTRY_ACL_GROUP_OBJ, 7, -1);
	add(f, DEFAULT, ARCHIVE_ENTRY_ACL_OTHER, 7, -1);
	assert_int_equal(convert(f, DEFAULT), 0);
	assert_int_equal(f->len, 4 + 3 * 8);
	assert_int_equal(f->mode, S_IFREG | 04640);
}

static void test_archive_acl__a_name_without_number_is_left_out(void **state)
{
	struct fixture *f = *state;

	add(f, ACCESS, ARCHIVE_ENTRY_ACL_USER, 3, -1);
	add(f, ACCESS, ARCHIVE_ENTRY_ACL_GROUP, 1, 7);
	assert_int_equal(convert(f, ACCESS), 0);
	assert_int_equal(f->len, 4 + 5 * 8);
	assert_int_equal(f->import->nr_warnings, 1);
}

/* GNU tar writes both forms, the text with names: the bytes win. */
static void test_archive_acl__the_xattr_itself_wins(void **state)
{
	struct fixture *f = *state;
	const uint8_t raw[] = {
		2,
		0,
		0,
		0,
		ENTRY(0x01, 6, NO_ID),
		ENTRY(0x02, 4, 5, 0, 0, 0),
		ENTRY(0x04, 4, NO_ID),
		ENTRY(0x10, 6, NO_ID),
		ENTRY(0x20, 1, NO_ID),
	};

	add(f, ACCESS, ARCHIVE_ENTRY_ACL_USER, 4, -1);
	archive_entry_xattr_add_entry(f->entry, "system.posix_acl_access", raw, sizeof(raw));
	assert_int_equal(convert(f, ACCESS), 0);
	assert_int_equal(f->len, sizeof(raw));
	assert_memory_equal(f->value, raw, sizeof(raw));
	assert_int_equal(f->mode, S_IFREG | 04661);
	assert_int_equal(f->import->nr_warnings, 0);
	archive_entry_xattr_clear(f->entry);
	archive_entry_xattr_add_entry(f->entry, "system.posix_acl_access", raw, sizeof(raw) - 1);
	assert_int_equal(convert(f, ACCESS), -ERR_ARCHIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_archive_acl__sorted_with_mask_and_mode, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_archive_acl__mask_is_added, setup, teardown),
		cmocka_unit_test_setup_teardown(test_archive_acl__none_when_the_mode_says_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_archive_acl__default_leaves_the_mode, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_archive_acl__a_name_without_number_is_left_out,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_archive_acl__the_xattr_itself_wins, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
