/*
 * JSON as it is written: commas, indentation and escapes, into a strbuf that may be emptied whenever
 * the caller likes (so that a text of any length passes through little memory).
 *
 *   struct json json;
 *   json_init(&json, &out);
 *   json_object_begin(&json, NULL);
 *   json_number(&json, "bytes", 4096);
 *   json_array_begin(&json, "names");
 *   json_bytes(&json, NULL, name, name_len);
 *   json_end(&json);
 *   json_end(&json);
 *
 * A member of an object has a name, an element of an array has none (NULL). Each beginning has its
 * json_end; the last one ends the line. Numbers are whole: 64 bits, digits. No name here is one of
 * jansson's, which is linked too: the linker would take ours for its.
 *
 * The text is valid UTF-8 whatever goes in. Bytes that are none (names in a filesystem may be
 * anything) appear as U+FFFD each, and beside the member NAME stands NAME_hex with all bytes.
 */
#ifndef UBTRFS_BASE_JSON_WRITER_H
#define UBTRFS_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

#define JSON_DEPTH_MAX 31

struct json {
	struct strbuf *out;
	uint32_t is_array;  /* a bit for each depth */
	uint32_t has_items; /* the same: something stands there already */
	unsigned depth;
};

void json_init(struct json *json, struct strbuf *out);
void json_object_begin(struct json *json, const char *name);
void json_array_begin(struct json *json, const char *name);
/* Ends the object or array begun last. */
void json_end(struct json *json);

void json_number(struct json *json, const char *name, uint64_t value);
void json_signed(struct json *json, const char *name, int64_t value);
void json_bool(struct json *json, const char *name, bool value);
void json_none(struct json *json, const char *name);
/* A string that ends with a zero byte; NULL gives null. */
void json_text(struct json *json, const char *name, const char *text);
/* Any bytes as a string; with NAME_hex beside it when they are not UTF-8 (in an array: nothing). */
void json_bytes(struct json *json, const char *name, const void *bytes, size_t len);
/* "0a1b..." */
void json_hex(struct json *json, const char *name, const void *bytes, size_t len);
/* 16 bytes as "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx". */
void json_uuid(struct json *json, const char *name, const uint8_t *uuid);

#endif
