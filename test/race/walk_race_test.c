/*
 * walk_tree: the same entries in the same order with any number of threads that read ahead, and with
 * contents; it can be ended at any entry.
 */
#include "ops/fs_fixture.h"

#include <stdlib.h>

#include "base/strbuf.h"
#include "transfer/walk.h"

#define NR_DIRS 12
#define NR_FILES 300 /* more than a batch */
#define SMALL_BYTES 3000u

static struct ubtrfs_node make_dir(struct fs_fixture *fx, struct ubtrfs_node dir, unsigned number)
{
	char name[32];

	snprintf(name, sizeof(name), "dir%u", number);
	return fixture_create(fx, dir, name, S_IFDIR | 0755);
}

/* A chain of directories, one of them with more files than a batch holds, a symlink, a subvolume. */
static void make_tree(struct fs_fixture *fx)
{
	struct ubtrfs_new link = { .attr.mode = S_IFLNK | 0777,
				   .symlink_target = "target",
				   .symlink_len = 6 };
	struct ubtrfs_node dir = fx->top, node;
	uint8_t data[SMALL_BYTES];
	char name[32];

	content_bytes(1, 0, data, sizeof(data));
	for (unsigned i = 0; i < NR_DIRS; i++) {
		(void)make_dir(fx, dir, 100 + i);
		node = fixture_create(fx, dir, "file", S_IFREG | 0644);
		OK(ubtrfs_write(fx->fs, node, 0, data, i * 200 + 1));
		OK(ubtrfs_setxattr(fx->fs, node, "user.a", "b", 1));
		dir = make_dir(fx, dir, i);
		for (unsigned k = 0; i == 2 && k < NR_FILES; k++) {
			snprintf(name, sizeof(name), "many%u", k);
			(void)fixture_create(fx, dir, name, S_IFREG | 0644);
		}
	}
	OK(ubtrfs_create(fx->fs, dir, "link", 4, &link, &node));
	OK(ubtrfs_subvolume_create(fx->fs, dir, "sub", 3, NULL, &node));
	(void)fixture_create(fx, node, "in-sub", S_IFREG | 0600);
}

struct seen {
	struct strbuf text;
	unsigned nr, stop_at;
	unsigned depth;
};

static int see(void *ctx, const struct walk_entry *entry, bool *ret_enter)
{
	struct seen *seen = ctx;

	strbuf_addf(&seen->text, "%s %u %u %llu", entry->path, entry->depth, entry->type,
		    (unsigned long long)entry->attr.size);
	if (entry->target)
		strbuf_addf(&seen->text, " -> %s", entry->target);
	if (entry->data)
		strbuf_addf(&seen->text, " %02x", *(const uint8_t *)entry->data);
	for (size_t i = 0; i < entry->nr_xattrs; i++)
		strbuf_addf(&seen->text, " %s=%.*s", entry->xattrs[i].name,
			    (int)entry->xattrs[i].len, (const char *)entry->xattrs[i].value);
	strbuf_add(&seen->text, "\n");
	if (strcmp(entry->name, "dir102") == 0)
		*ret_enter = false;
	return ++seen->nr == seen->stop_at;
}

static int see_leave(void *ctx, const struct walk_entry *entry)
{
	struct seen *seen = ctx;

	strbuf_addf(&seen->text, "leave %s\n", entry->path);
	return 0;
}

static void see_failure(void *ctx, const char *path, const char *what)
{
	(void)ctx;
	fail_msg("%s: %s", path, what ? what : ubtrfs_error_text());
}

static int walk_once(struct fs_fixture *fx, unsigned nr_threads, bool contents, unsigned stop_at,
		     struct seen *seen)
{
	struct walk_ops ops = { .fs = fx->fs,
				.want_attrs = contents,
				.want_contents = contents,
				.max_depth = UINT32_MAX,
				.nr_threads = nr_threads,
				.visit = see,
				.leave = see_leave,
				.failed = see_failure,
				.ctx = seen };

	*seen = (struct seen){ .stop_at = stop_at };
	strbuf_init(&seen->text);
	return walk_tree(&ops, fx->top);
}

static void test_walk_race__the_same_with_any_number_of_threads(void **state)
{
	static const unsigned counts[] = { 2, 4, 8 };
	struct seen one, other;
	struct fs_fixture fx;

	(void)state;
	fixture_init(&fx);
	fixture_make(&fx);
	make_tree(&fx);
	fixture_finish(&fx);
	fixture_open(&fx, false);
	for (unsigned contents = 0; contents < 2; contents++) {
		assert_int_equal(walk_once(&fx, 1, contents, 0, &one), 0);
		/* The top, a chain with a directory and a file beside it, and what is at its end. */
		assert_int_equal(one.nr, 1 + 3 * NR_DIRS + NR_FILES + 3);
		assert_non_null(strstr(strbuf_text(&one.text), "/sub/in-sub "));
		/* One that is not entered is left all the same, and the top last. */
		assert_non_null(strstr(strbuf_text(&one.text), "leave dir0/dir1/dir102\n"));
		assert_string_equal(strbuf_text(&one.text) + one.text.len - 7, "leave \n");
		for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
			assert_int_equal(walk_once(&fx, counts[i], contents, 0, &other), 0);
			assert_string_equal(strbuf_text(&one.text), strbuf_text(&other.text));
			strbuf_fini(&other.text);
		}
		strbuf_fini(&one.text);
	}
	fixture_fini(&fx);
}

static void test_walk_race__ends_anywhere(void **state)
{
	struct seen seen;
	struct fs_fixture fx;

	(void)state;
	fixture_init(&fx);
	fixture_make(&fx);
	make_tree(&fx);
	fixture_finish(&fx);
	fixture_open(&fx, false);
	for (unsigned at = 1; at < 60; at += 3) {
		assert_int_equal(walk_once(&fx, 4, at % 2, at, &seen), 1);
		assert_int_equal(seen.nr, at);
		strbuf_fini(&seen.text);
	}
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk_race__the_same_with_any_number_of_threads),
		cmocka_unit_test(test_walk_race__ends_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
