/* err: sentences, codes, errno classes, and the way of an error between threads. */
#include "base/cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static int fails_deep(void)
{
	return THROW(ERR_CORRUPT, "leaf %d slot %u: item out of bounds", 4096, 3U);
}

static int passes_on(void)
{
	TRY(fails_deep());
	return 1;
}

static void test_err__throw_keeps_sentence_through_try(void **state)
{
	int ret = passes_on();

	(void)state;
	assert_int_equal(ret, -ERR_CORRUPT);
	assert_string_equal(err_text(ret), "leaf 4096 slot 3: item out of bounds");
	assert_int_equal(err_to_errno(ret), EUCLEAN);
}

static void test_err__system_failure_appends_strerror(void **state)
{
	int ret = THROW_SYS(ENOENT, "cannot open %s", "/nowhere");

	(void)state;
	assert_int_equal(ret, -ENOENT);
	assert_string_equal(err_text(ret), "cannot open /nowhere: No such file or directory");
	assert_int_equal(err_to_errno(ret), ENOENT);
}

static void test_err__another_code_than_the_last_has_its_general_sentence(void **state)
{
	(void)state;
	(void)THROW(ERR_CORRUPT, "first");
	assert_string_equal(err_text(-ERR_NO_SPACE), "no space left");
	assert_string_equal(err_text(-EACCES), "Permission denied");
	assert_string_equal(err_text(0), "success");
}

/* What the public API returns is an errno: whoever captures that for another thread keeps the sentence. */
static void test_err__the_errno_of_the_last_keeps_its_sentence(void **state)
{
	struct err_report report;

	(void)state;
	(void)fails_deep();
	err_capture(-EUCLEAN, &report);
	assert_int_equal(report.err, -EUCLEAN);
	assert_string_equal(report.text, "leaf 4096 slot 3: item out of bounds");
	assert_string_not_equal(err_text(-EIO), "leaf 4096 slot 3: item out of bounds");
}

static void test_err__every_row_maps_to_an_errno(void **state)
{
	(void)state;
	for (int err = ERR_FIRST; err < ERR_AFTER_LAST; err++) {
		assert_in_range(err_to_errno(-err), 1, 4095);
		assert_true(strlen(err_text(-err)) > 0);
	}
	assert_int_equal(err_to_errno(0), 0);
	assert_int_equal(err_to_errno(7), 0);
	assert_int_equal(err_to_errno(-ERR_AFTER_LAST), EIO);
}

static void test_err__prefix_stands_before_the_sentence(void **state)
{
	int ret = THROW(ERR_EXISTS, "name %s", "x");

	(void)state;
	assert_int_equal(err_prefix(ret, "importing %s: ", "a/b"), ret);
	assert_string_equal(err_text(ret), "importing a/b: name x");
	err_prefix(ret, "layer %d", 2);
	assert_string_equal(err_text(ret), "layer 2: importing a/b: name x");
}

static void test_err__current_sentence_may_be_an_argument(void **state)
{
	int ret = THROW(ERR_EXISTS, "inner");

	(void)state;
	ret = THROW(ERR_TXN_ABORTED, "aborted: %s", err_text(ret));
	assert_string_equal(err_text(ret), "aborted: inner");
}

static void test_err__too_long_is_cut(void **state)
{
	char words[2 * ERR_TEXT_MAX];
	int ret;

	(void)state;
	memset(words, 'a', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	ret = THROW_SYS(EIO, "%s", words);
	assert_int_equal(strlen(err_text(ret)), ERR_TEXT_MAX - 1);
	ret = err_prefix(ret, "%s", words);
	assert_int_equal(strlen(err_text(ret)), ERR_TEXT_MAX - 1);
}

static void *other_thread(void *arg)
{
	err_capture(passes_on(), arg);
	return NULL;
}

static void test_err__travels_between_threads(void **state)
{
	struct err_report report;
	pthread_t thread;
	int ret;

	(void)state;
	(void)THROW(ERR_EXISTS, "mine");
	assert_int_equal(pthread_create(&thread, NULL, other_thread, &report), 0);
	pthread_join(thread, NULL);
	/* The other thread's failure did not touch this thread's. */
	assert_string_equal(err_text(-ERR_EXISTS), "mine");
	ret = err_rethrow(&report);
	assert_int_equal(ret, -ERR_CORRUPT);
	assert_string_equal(err_text(ret), "leaf 4096 slot 3: item out of bounds");
	err_capture(0, &report);
	assert_int_equal(err_rethrow(&report), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err__throw_keeps_sentence_through_try),
		cmocka_unit_test(test_err__system_failure_appends_strerror),
		cmocka_unit_test(test_err__another_code_than_the_last_has_its_general_sentence),
		cmocka_unit_test(test_err__the_errno_of_the_last_keeps_its_sentence),
		cmocka_unit_test(test_err__every_row_maps_to_an_errno),
		cmocka_unit_test(test_err__prefix_stands_before_the_sentence),
		cmocka_unit_test(test_err__current_sentence_may_be_an_argument),
		cmocka_unit_test(test_err__too_long_is_cut),
		cmocka_unit_test(test_err__travels_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
