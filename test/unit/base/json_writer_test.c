/*
 * json_writer: the layout, the escapes, and that any bytes become a text of valid UTF-8 from which
 * they can be had back.
 */
#include "base/cmocka_all.h"

#include <string.h>

#include "base/json_writer.h"

static struct strbuf out;
static struct json json;

static void begin(void)
{
	strbuf_init(&out);
	json_init(&json, &out);
}

static void expect(const char *text)
{
	assert_int_equal(json.depth, 0);
	assert_int_equal(strbuf_status(&out), 0);
	assert_string_equal(strbuf_text(&out), text);
	strbuf_fini(&out);
}

static void test_json_writer__objects_and_arrays(void **state)
{
	(void)state;
	begin();
	json_object_begin(&json, NULL);
	json_number(&json, "largest", UINT64_MAX);
	json_signed(&json, "least", INT64_MIN);
	json_array_begin(&json, "list");
	json_bool(&json, NULL, true);
	json_none(&json, NULL);
	json_object_begin(&json, NULL);
	json_end(&json);
	json_array_begin(&json, NULL);
	json_number(&json, NULL, 1);
	json_end(&json);
	json_end(&json);
	json_text(&json, "none", NULL);
	json_hex(&json, "hex", "\x01\xff", 2);
	json_uuid(&json, "uuid", (const uint8_t *)"0123456789abcdef");
	json_end(&json);
	expect("{\n"
	       "  \"largest\": 18446744073709551615,\n"
	       "  \"least\": -9223372036854775808,\n"
	       "  \"list\": [\n"
	       "    true,\n"
	       "    null,\n"
	       "    {},\n"
	       "    [\n"
	       "      1\n"
	       "    ]\n"
	       "  ],\n"
	       "  \"none\": null,\n"
	       "  \"hex\": \"01ff\",\n"
	       "  \"uuid\": \"30313233-3435-3637-3839-616263646566\"\n"
	       "}\n");
}

/* The buffer may be emptied in between. */
static void test_json_writer__goes_on_after_clearing(void **state)
{
	(void)state;
	begin();
	json_object_begin(&json, NULL);
	json_number(&json, "a", 1);
	strbuf_clear(&out);
	json_number(&json, "b", 2);
	json_end(&json);
	expect(",\n  \"b\": 2\n}\n");
}

static void expect_bytes(const char *bytes, size_t len, const char *text)
{
	begin();
	json_object_begin(&json, NULL);
	strbuf_clear(&out);
	json_bytes(&json, "n", bytes, len);
	assert_int_equal(strbuf_status(&out), 0);
	assert_string_equal(strbuf_text(&out), text);
	strbuf_fini(&out);
}

#define BAD "\xef\xbf\xbd"

static void test_json_writer__any_bytes_become_utf8(void **state)
{
	(void)state;
	expect_bytes("", 0, "\n  \"n\": \"\"");
	expect_bytes("q\"b\\/\b\f\n\r\t", 10, "\n  \"n\": \"q\\\"b\\\\/\\b\\f\\n\\r\\t\"");
	expect_bytes("\0\x1f\x7f", 3, "\n  \"n\": \"\\u0000\\u001f\\u007f\"");
	expect_bytes("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98", 9,
		     "\n  \"n\": \"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98\"");
	/* alone, cut off, overlong, surrogate, too large */
	expect_bytes("a\xff", 2, "\n  \"n\": \"a" BAD "\",\n  \"n_hex\": \"61ff\"");
	expect_bytes("\xe2\x82", 2, "\n  \"n\": \"" BAD BAD "\",\n  \"n_hex\": \"e282\"");
	expect_bytes("\xc0\xaf", 2, "\n  \"n\": \"" BAD BAD "\",\n  \"n_hex\": \"c0af\"");
	expect_bytes("\xe0\x80\xaf", 3, "\n  \"n\": \"" BAD BAD BAD "\",\n  \"n_hex\": \"e080af\"");
	expect_bytes("\xed\xa0\x80", 3, "\n  \"n\": \"" BAD BAD BAD "\",\n  \"n_hex\": \"eda080\"");
	expect_bytes("\xf4\x90\x80\x80", 4,
		     "\n  \"n\": \"" BAD BAD BAD BAD "\",\n  \"n_hex\": \"f4908080\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_writer__objects_and_arrays),
		cmocka_unit_test(test_json_writer__goes_on_after_clearing),
		cmocka_unit_test(test_json_writer__any_bytes_become_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
