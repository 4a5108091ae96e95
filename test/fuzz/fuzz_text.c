/*
 * Text that users write: a byte that chooses who reads it, then the text. Mount options, lines of the
 * shell, IMAGE:/PATH, modes, times, sizes, ACLs and attribute values. What has a way back must come
 * back as it was.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "cli/acl_text.h"
#include "cli/cli.h"
#include "cli/image_path.h"
#include "cli/mode_change.h"
#include "cli/shell_words.h"
#include "cli/time_parse.h"
#include "cli/xattr_text.h"
#include "fuse/fuse.h"

static void must(bool is_so)
{
	if (!is_so)
		abort();
}

static void read_options(const char *text, size_t len)
{
	struct mount_options options;

	(void)len;
	must(mount_options_init(&options) == 0);
	(void)!mount_options_parse(&options, text);
	mount_options_fini(&options);
}

static void split(const char *text, bool partial)
{
	struct shell_words words;

	(void)!shell_words_split(text, partial, &words);
	shell_words_release(&words);
}

/* What is quoted is one word again, and no pattern. */
static void quote(const char *text)
{
	static const char quotes[] = { 0, '\'', '"' };
	struct shell_words words;

	for (unsigned i = 0; i < ARRAY_LEN(quotes) && *text; i++) {
		char *quoted = shell_quote(text, quotes[i]);

		must(quoted);
		/* The shell closes the quote that is open. */
		if (!quotes[i]) {
			must(shell_words_split(quoted, false, &words) == 0);
			must(words.nr == 1 && !words.words[0].pattern &&
			     strcmp(words.words[0].text, text) == 0);
			shell_words_release(&words);
		}
		free(quoted);
	}
}

static void read_line(const char *text, size_t len)
{
	(void)len;
	split(text, false);
	split(text, true);
	quote(text);
}

static void read_path(const char *text, size_t len)
{
	struct image_path path;
	const char *inside = image_path_inside(text);

	must(!inside || (inside >= text && inside <= text + len));
	(void)image_path_host(text);
	(void)image_path_is_inside(text);
	if (image_path_parse(text, &path) < 0)
		return;
	must(path.path == inside && strlen(path.image) + 1 == (size_t)(inside - text));
	image_path_release(&path);
}

static void read_mode(const char *text, size_t len)
{
	struct mode_change change;
	uint32_t bits;

	(void)len;
	if (mode_change_parse(text, &change) < 0)
		return;
	for (uint32_t mode = 0; mode <= 07777; mode += 0123)
		must(mode_change_apply(&change, mode, mode & 1, 022, &bits) <= 07777);
}

static void read_time(const char *text, size_t len)
{
	struct ubtrfs_time time;

	(void)len;
	if (time_parse(text, &time) == 0)
		must(time.nsec < 1000000000);
	if (time_parse_stamp(text, &time) == 0)
		must(time.nsec < 1000000000);
}

static void read_numbers(const char *text, size_t len)
{
	uint32_t uid, gid;
	uint64_t number;
	int64_t seconds;

	(void)len;
	(void)!size_parse(text, &number);
	(void)!number_parse(text, &number);
	(void)!owner_parse(text, &uid, &gid);
	(void)!seconds_parse(text, &seconds);
}

static void read_acl_text(const char *text, size_t len)
{
	struct acl_list list = { 0 };
	struct strbuf value;

	(void)len;
	strbuf_init(&value);
	if (acl_list_parse(&list, text, true) == 0) {
		acl_list_sort(&list);
		(void)!acl_list_to_value(&list, &value);
	}
	acl_list_clear(&list);
	(void)!acl_list_parse(&list, text, false);
	acl_list_fini(&list);
	strbuf_fini(&value);
}

static void read_acl_value(const char *text, size_t len)
{
	struct acl_list list = { 0 }, again = { 0 };
	struct strbuf value;

	strbuf_init(&value);
	if (acl_list_from_value(&list, text, len) == 0) {
		must(acl_list_to_value(&list, &value) == 0);
		must(acl_list_from_value(&again, strbuf_text(&value), value.len) == 0);
		must(list.nr == again.nr);
	}
	acl_list_fini(&list);
	acl_list_fini(&again);
	strbuf_fini(&value);
}

static void read_xattr(const char *text, size_t len)
{
	static const enum xattr_encoding encodings[] = { XATTR_AUTO, XATTR_HEX, XATTR_BASE64 };
	struct strbuf shown, value;
	char *name = strdup(text);

	must(name);
	strbuf_init(&shown);
	strbuf_init(&value);
	(void)!xattr_decode(&value, text);
	for (unsigned i = 0; i < ARRAY_LEN(encodings); i++) {
		strbuf_clear(&shown);
		strbuf_clear(&value);
		xattr_encode(&shown, text, len, encodings[i]);
		must(xattr_decode(&value, strbuf_text(&shown)) == 0);
		must(value.len == len && memcmp(strbuf_text(&value), text, len) == 0);
	}
	strbuf_clear(&shown);
	xattr_quote(&shown, text, "\n\r= ");
	xattr_unquote(name);
	free(name);
	name = strdup(strbuf_text(&shown));
	must(name);
	xattr_unquote(name);
	must(strcmp(name, text) == 0);
	free(name);
	strbuf_fini(&shown);
	strbuf_fini(&value);
}

FUZZ_TARGET(text)
{
	static void (*const readers[])(const char *text, size_t len) = {
		read_options, read_line,     read_path,	     read_mode,	 read_time,
		read_numbers, read_acl_text, read_acl_value, read_xattr,
	};
	char *text;

	log_set_level(LOG_LEVEL_NONE);
	if (!len)
		return 0;
	/* Of its own size, so that one byte beyond is seen. */
	text = malloc(len);
	must(text);
	memcpy(text, in + 1, len - 1);
	text[len - 1] = '\0';
	if (readers[in[0] % ARRAY_LEN(readers)] == read_acl_value)
		read_acl_value(text, len - 1);
	else
		readers[in[0] % ARRAY_LEN(readers)](text, strlen(text));
	free(text);
	return 0;
}
