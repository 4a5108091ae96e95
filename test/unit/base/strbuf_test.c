/* strbuf: contents across growth; one check at the end tells of any failed append. */
#include "base/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"

static void test_strbuf__appends_across_growth(void **state)
{
	struct strbuf buf;
	char expected[5000] = "";
	size_t len = 0;

	(void)state;
	strbuf_init(&buf);
	assert_string_equal(strbuf_text(&buf), "");
	for (int i = 0; i < 300; i++) {
		strbuf_addf(&buf, "%d,", i);
		strbuf_add(&buf, "x");
		strbuf_add_bytes(&buf, "yz!", 2);
		len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%d,xyz", i);
	}
	assert_int_equal(strbuf_status(&buf), 0);
	assert_int_equal(buf.len, len);
	assert_string_equal(strbuf_text(&buf), expected);
	strbuf_clear(&buf);
	assert_string_equal(strbuf_text(&buf), "");
	strbuf_fini(&buf);
}

static void test_strbuf__every_length_around_the_capacity(void **state)
{
	char word[300];

	(void)state;
	memset(word, 'w', sizeof(word));
	for (int len = 0; len < 299; len++) {
		struct strbuf buf;

		strbuf_init(&buf);
		strbuf_addf(&buf, "%.*s", len, word);
		strbuf_addf(&buf, "%s", "");
		strbuf_addf(&buf, "%.*s", len, word);
		assert_int_equal(strlen(strbuf_text(&buf)), 2 * len);
		assert_int_equal(buf.len, 2 * len);
		strbuf_fini(&buf);
	}
}

static void test_strbuf__failure_sticks_and_keeps_what_was_there(void **state)
{
	struct strbuf buf;
	char word[100];

	(void)state;
	memset(word, 'w', sizeof(word));
	strbuf_init(&buf);
	strbuf_add(&buf, "before");
	fault_arm(FAULT_ALLOC, 1);
	strbuf_addf(&buf, "%.*s", 100, word);
	fault_arm(FAULT_ALLOC, 0);
	strbuf_add(&buf, "after");
	strbuf_addf(&buf, "after");
	assert_int_equal(strbuf_status(&buf), -ERR_NO_MEMORY);
	assert_string_equal(strbuf_text(&buf), "before");
	assert_null(strbuf_detach(&buf));
	assert_int_equal(strbuf_status(&buf), 0);
	strbuf_fini(&buf);
}

static void test_strbuf__detach_hands_over(void **state)
{
	struct strbuf buf;
	char *text;

	(void)state;
	strbuf_init(&buf);
	strbuf_add(&buf, "mine");
	text = strbuf_detach(&buf);
	assert_string_equal(text, "mine");
	mem_free(text);
	assert_int_equal(buf.len, 0);
	text = strbuf_detach(&buf);
	assert_string_equal(text, "");
	mem_free(text);
	strbuf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strbuf__appends_across_growth),
		cmocka_unit_test(test_strbuf__every_length_around_the_capacity),
		cmocka_unit_test(test_strbuf__failure_sticks_and_keeps_what_was_there),
		cmocka_unit_test(test_strbuf__detach_hands_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
