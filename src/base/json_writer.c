/*
 * JSON as it is written: see json_writer.h. Owns the indentation (two blanks for each depth) and
 * the escapes; no state but the caller's struct. Takes no lock.
 */
#include "base/json_writer.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"

void json_init(struct json *json, struct strbuf *out)
{
	*json = (struct json){ .out = out };
}

static void indent(struct json *json)
{
	strbuf_add(json->out, "\n");
	for (unsigned i = 0; i < json->depth; i++)
		strbuf_add(json->out, "  ");
}

/*
 * Length of the UTF-8 sequence at the front: 1 to 4, or 0 when there is none (cut off, overlong, a
 * surrogate, beyond U+10FFFF).
 */
static unsigned utf8_len(const uint8_t *p, size_t rest)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	unsigned len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > rest)
		return 0;
	code = p[0] & (0x7fu >> len);
	for (unsigned i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < smallest[len] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
		return 0;
	return len;
}

static void escape_ascii(struct strbuf *out, uint8_t c)
{
	static const char special[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char *found = c ? memchr(special, c, sizeof(special) - 1) : NULL;

	if (found)
		strbuf_addf(out, "\\%c", letters[found - special]);
	else if (c < 0x20 || c == 0x7f)
		strbuf_addf(out, "\\u%04x", c);
	else
		strbuf_add_bytes(out, &c, 1);
}

/* The bytes between quotes; false when some were not UTF-8. */
static bool quote(struct strbuf *out, const uint8_t *p, size_t len)
{
	bool valid = true;

	strbuf_add(out, "\"");
	for (size_t at = 0; at < len;) {
		unsigned step = utf8_len(p + at, len - at);

		if (step == 1)
			escape_ascii(out, p[at]);
		else if (step)
			strbuf_add_bytes(out, p + at, step);
		else
			strbuf_add(out, "\xef\xbf\xbd");
		valid = valid && step;
		at += step ? step : 1;
	}
	strbuf_add(out, "\"");
	return valid;
}

/* What stands before a value: comma, line, name. */
static void begin_value(struct json *json, const char *name)
{
	uint32_t bit = (uint32_t)1 << json->depth;

	ASSERT(json->depth == 0 || !name == !!(json->is_array & bit));
	if (json->has_items & bit)
		strbuf_add(json->out, ",");
	if (json->depth)
		indent(json);
	json->has_items |= bit;
	if (!name)
		return;
	quote(json->out, (const uint8_t *)name, strlen(name));
	strbuf_add(json->out, ": ");
}

static void begin_group(struct json *json, const char *name, bool is_array)
{
	uint32_t bit;

	begin_value(json, name);
	ASSERT(json->depth < JSON_DEPTH_MAX);
	strbuf_add(json->out, is_array ? "[" : "{");
	bit = (uint32_t)1 << ++json->depth;
	json->has_items &= ~bit;
	json->is_array = is_array ? json->is_array | bit : json->is_array & ~bit;
}

void json_object_begin(struct json *json, const char *name)
{
	begin_group(json, name, false);
}

void json_array_begin(struct json *json, const char *name)
{
	begin_group(json, name, true);
}

void json_end(struct json *json)
{
	uint32_t bit = (uint32_t)1 << json->depth;

	ASSERT(json->depth);
	json->depth--;
	if (json->has_items & bit)
		indent(json);
	strbuf_add(json->out, json->is_array & bit ? "]" : "}");
	if (json->depth == 0)
		strbuf_add(json->out, "\n");
}

void json_number(struct json *json, const char *name, uint64_t value)
{
	begin_value(json, name);
	strbuf_addf(json->out, "%" PRIu64, value);
}

void json_signed(struct json *json, const char *name, int64_t value)
{
	begin_value(json, name);
	strbuf_addf(json->out, "%" PRId64, value);
}

void json_bool(struct json *json, const char *name, bool value)
{
	begin_value(json, name);
	strbuf_add(json->out, value ? "true" : "false");
}

void json_none(struct json *json, const char *name)
{
	begin_value(json, name);
	strbuf_add(json->out, "null");
}

void json_text(struct json *json, const char *name, const char *text)
{
	if (text)
		json_bytes(json, name, text, strlen(text));
	else
		json_none(json, name);
}

static void add_hex(struct strbuf *out, const uint8_t *p, size_t len)
{
	strbuf_add(out, "\"");
	for (size_t i = 0; i < len; i++)
		strbuf_addf(out, "%02x", p[i]);
	strbuf_add(out, "\"");
}

void json_bytes(struct json *json, const char *name, const void *bytes, size_t len)
{
	begin_value(json, name);
	if (quote(json->out, bytes, len) || !name)
		return;
	strbuf_add(json->out, ",");
	indent(json);
	strbuf_addf(json->out, "\"%s_hex\": ", name);
	add_hex(json->out, bytes, len);
}

void json_hex(struct json *json, const char *name, const void *bytes, size_t len)
{
	begin_value(json, name);
	add_hex(json->out, bytes, len);
}

void json_uuid(struct json *json, const char *name, const uint8_t *uuid)
{
	begin_value(json, name);
	strbuf_add(json->out, "\"");
	for (unsigned i = 0; i < 16; i++)
		strbuf_addf(json->out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			    uuid[i]);
	strbuf_add(json->out, "\"");
}
