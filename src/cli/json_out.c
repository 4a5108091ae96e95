/*
 * JSON of commands, through base/json_writer: the header, the end, and passing on what is written
 * so that long lists take little memory.
 */
#include "cli/json_out.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define PASS_BYTES ((size_t)1 << 16)

int json_out_option(struct json_out *out, const char *value)
{
	out->wanted = strcmp(value, "json") == 0;
	if (!out->wanted && strcmp(value, "text") != 0)
		return cli_error("option --format: '%s' is neither text nor json", value);
	return 0;
}

void json_out_begin(struct json_out *out)
{
	strbuf_init(&out->text);
	json_init(&out->json, &out->text);
	json_object_begin(&out->json, NULL);
	json_object_begin(&out->json, "__header");
	json_text(&out->json, "version", "1");
	json_end(&out->json);
}

static void pass(struct json_out *out)
{
	fwrite(strbuf_text(&out->text), 1, out->text.len, stdout);
	if (!out->text.failed)
		strbuf_clear(&out->text);
}

void json_out_pass(struct json_out *out)
{
	if (out->text.len >= PASS_BYTES)
		pass(out);
}

int json_out_end(struct json_out *out)
{
	int code = 0;

	while (out->json.depth)
		json_end(&out->json);
	pass(out);
	if (strbuf_status(&out->text) < 0)
		code = cli_error("%s", ubtrfs_error_text());
	strbuf_fini(&out->text);
	return code;
}

void json_out_time(struct json_out *out, const char *name, const struct ubtrfs_time *time)
{
	json_object_begin(&out->json, name);
	json_signed(&out->json, "sec", time->sec);
	json_number(&out->json, "nsec", time->nsec);
	json_end(&out->json);
}

void json_out_uuid(struct json_out *out, const char *name, const uint8_t uuid[16])
{
	static const uint8_t none[16];

	if (memcmp(uuid, none, sizeof(none)) == 0)
		json_none(&out->json, name);
	else
		json_uuid(&out->json, name, uuid);
}
