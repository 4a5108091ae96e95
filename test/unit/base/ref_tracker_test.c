/*
 * Law L5, every counted reference has an owner: a leak is reported with the stack that took it, a
 * double put aborts with both stacks, types are selected at run time; in release builds it costs no
 * byte.
 */
#include "base/cmocka_all.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/expect_abort.h"
#include "base/log.h"
#include "base/ref_tracker.h"
#include "base/strbuf.h"

struct counted {
	struct ref ref;
	struct ref_handle table; /* of a holder across calls */
};

static void test_ref__last_put_tells(void **state)
{
	struct ref_handle a, b, c;
	struct counted object;

	(void)state;
	ref_init(&object.ref, "node", NULL);
	assert_int_equal(ref_count(&object.ref), 0);
	assert_false(ref_get_unless_zero(&object.ref, &a));
	ref_get_first(&object.ref, &a);
	ref_get(&object.ref, &b);
	assert_true(ref_get_unless_zero(&object.ref, &c));
	assert_int_equal(ref_count(&object.ref), 3);
	assert_false(ref_put(&object.ref, &b));
	assert_false(ref_put(&object.ref, &a));
	assert_true(ref_put(&object.ref, &c));
	/* An object at rest in a table may be found again. */
	ref_get_first(&object.ref, &a);
	assert_true(ref_put(&object.ref, &a));
}

static void *get_and_put(void *arg)
{
	struct counted *object = arg;
	struct ref_handle mine;

	for (unsigned i = 0; i < 500; i++) {
		ref_get(&object->ref, &mine);
		ref_put(&object->ref, &mine);
	}
	return NULL;
}

static void run_threads(struct counted *object)
{
	pthread_t threads[4];

	ref_get_first(&object->ref, &object->table);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_and_put, object), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(ref_put(&object->ref, &object->table));
}

static void test_ref__counts_right_across_threads(void **state)
{
	struct counted object;

	(void)state;
	ref_init(&object.ref, "node", NULL);
	run_threads(&object);
}

#ifdef UBTRFS_DEBUG

static char said[16384];

static void collect_line(void *arg, enum log_level level, const char *text)
{
	(void)level;
	strbuf_addf(arg, "%s\n", text);
}

static size_t report_into(struct strbuf *buf, const void *domain)
{
	struct log_sink sink = { collect_line, buf };
	size_t nr;

	strbuf_clear(buf);
	log_set_sink(&sink);
	nr = ref_tracker_report(domain);
	log_set_sink(NULL);
	assert_int_equal(strbuf_status(buf), 0);
	return nr;
}

static void test_ref_tracker__leak_is_reported_with_its_stack(void **state)
{
	struct ref_handle kept, returned, other;
	struct counted leaky, elsewhere;
	int domain, other_domain;
	struct strbuf buf;

	(void)state;
	strbuf_init(&buf);
	assert_int_equal(ref_tracker_select("inode,node"), 0);
	ref_init(&leaky.ref, "node", &domain);
	ref_init(&elsewhere.ref, "node", &other_domain);
	ref_get_first(&leaky.ref, &kept);
	ref_get(&leaky.ref, &returned);
	ref_get_first(&elsewhere.ref, &other);
	ref_put(&leaky.ref, &returned);
	assert_int_equal(report_into(&buf, &domain), 1);
	assert_non_null(strstr(strbuf_text(&buf), "leaked reference to node"));
	/* The stack names this program at least (functions too, where they are exported). */
	assert_non_null(strstr(strbuf_text(&buf), "ref_tracker_test"));
	assert_int_equal(report_into(&buf, NULL), 2);
	ref_put(&leaky.ref, &kept);
	ref_put(&elsewhere.ref, &other);
	assert_int_equal(report_into(&buf, NULL), 0);
	assert_string_equal(strbuf_text(&buf), "");
	strbuf_fini(&buf);
}

static void test_ref_tracker__only_selected_types(void **state)
{
	struct ref_handle handle;
	struct counted object;

	(void)state;
	assert_int_equal(ref_tracker_select("inode,nod,nodes"), 0);
	ref_init(&object.ref, "node", NULL);
	/* Selected between init and put: the counter keeps the choice of its init. */
	ref_get_first(&object.ref, &handle);
	assert_int_equal(ref_tracker_report(NULL), 0);
	assert_int_equal(ref_tracker_select("all"), 0);
	ref_put(&object.ref, &handle);
	setenv("UBTRFS_REF_TRACKER", "node", 1);
	assert_int_equal(ref_tracker_select_from_env(), 0);
	ref_init(&object.ref, "node", NULL);
	ref_get_first(&object.ref, &handle);
	assert_int_not_equal(handle.id, 0);
	ref_put(&object.ref, &handle);
	assert_int_equal(ref_tracker_select(""), 0);
}

static void put_twice(void *arg)
{
	struct ref_handle first, second;
	struct counted object;

	(void)arg;
	ref_init(&object.ref, "node", NULL);
	ref_get_first(&object.ref, &first);
	ref_get(&object.ref, &second);
	ref_put(&object.ref, &second);
	ref_put(&object.ref, &second);
}

static void put_a_copy_twice(void *arg)
{
	struct ref_handle first, copy;
	struct counted object;

	(void)arg;
	ref_init(&object.ref, "node", NULL);
	ref_get_first(&object.ref, &object.table);
	ref_get(&object.ref, &first);
	copy = first;
	ref_put(&object.ref, &first);
	ref_put(&object.ref, &copy);
}

static void put_ungot(void *arg)
{
	struct ref_handle handle = { 0 };
	struct counted object;

	(void)arg;
	ref_init(&object.ref, "node", NULL);
	ref_get_first(&object.ref, &object.table);
	ref_put(&object.ref, &handle);
}

static void put_of_another(void *arg)
{
	struct ref_handle a_handle, b_handle;
	struct counted a, b;

	(void)arg;
	ref_init(&a.ref, "node", NULL);
	ref_init(&b.ref, "node", NULL);
	ref_get_first(&a.ref, &a_handle);
	ref_get_first(&b.ref, &b_handle);
	ref_put(&a.ref, &b_handle);
}

static void test_ref_tracker__wrong_put_aborts_with_the_stacks(void **state)
{
	(void)state;
	assert_int_equal(ref_tracker_select("node"), 0);
	assert_true(expect_abort(put_twice, NULL, said, sizeof(said)));
	assert_non_null(strstr(said, "put twice; put here:"));
	assert_non_null(strstr(said, "taken here"));
	assert_non_null(strstr(said, "put before here:"));
	assert_true(expect_abort(put_a_copy_twice, NULL, said, sizeof(said)));
	assert_non_null(strstr(said, "put before here:"));
	assert_true(expect_abort(put_ungot, NULL, said, sizeof(said)));
	assert_non_null(strstr(said, "put without a get"));
	assert_true(expect_abort(put_of_another, NULL, said, sizeof(said)));
	assert_non_null(strstr(said, "handle of another object"));
	assert_int_equal(ref_tracker_select(""), 0);
}

static void test_ref_tracker__tracks_across_threads(void **state)
{
	struct counted object;

	(void)state;
	assert_int_equal(ref_tracker_select("all"), 0);
	ref_init(&object.ref, "inode", NULL);
	run_threads(&object);
	assert_int_equal(ref_tracker_report(NULL), 0);
	assert_int_equal(ref_tracker_select(""), 0);
}

#else

static void test_ref_tracker__release_carries_nothing_and_refuses(void **state)
{
	struct counted object;

	(void)state;
	assert_int_equal(sizeof(object), sizeof(atomic_uint));
	assert_int_equal(ref_tracker_select("node"), -ERR_UNSUPPORTED);
	assert_int_equal(ref_tracker_select(""), 0);
	assert_int_equal(ref_tracker_report(NULL), 0);
}

#endif

static void put_too_often(void *arg)
{
	struct counted *object = arg;

	assert_int_equal(ref_tracker_select(""), 0);
	ref_init(&object->ref, "node", NULL);
	ref_put(&object->ref, &object->table);
}

static void get_from_zero(void *arg)
{
	struct counted *object = arg;

	ref_init(&object->ref, "node", NULL);
	ref_get(&object->ref, &object->table);
}

static void test_ref__impossible_counts_abort(void **state)
{
	struct counted object;
	char text[2048];

	(void)state;
	assert_true(expect_abort(put_too_often, &object, text, sizeof(text)));
	assert_true(expect_abort(get_from_zero, &object, text, sizeof(text)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ref__last_put_tells),
		cmocka_unit_test(test_ref__counts_right_across_threads),
		cmocka_unit_test(test_ref__impossible_counts_abort),
#ifdef UBTRFS_DEBUG
		cmocka_unit_test(test_ref_tracker__leak_is_reported_with_its_stack),
		cmocka_unit_test(test_ref_tracker__only_selected_types),
		cmocka_unit_test(test_ref_tracker__wrong_put_aborts_with_the_stacks),
		cmocka_unit_test(test_ref_tracker__tracks_across_threads),
#else
		cmocka_unit_test(test_ref_tracker__release_carries_nothing_and_refuses),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
