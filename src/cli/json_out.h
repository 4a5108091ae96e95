/*
 * What a command prints with --format json: one object with a header and what the command found
 * (docs/json.md has the schemas).
 */
#ifndef UBTRFS_CLI_JSON_OUT_H
#define UBTRFS_CLI_JSON_OUT_H

#include <ubtrfs/ubtrfs.h>

#include "base/json_writer.h"

/* clang-format off */
#define OPTION_FORMAT 0x400
#define FORMAT_LONG_OPTION { "format", required_argument, NULL, OPTION_FORMAT }
/* clang-format on */
#define FORMAT_HELP "      --format FORMAT   text (default) or json\n"

struct json_out {
	bool wanted;
	struct strbuf text;
	struct json json;
};

/* The value of --format: 0, or 1 with a message. */
int json_out_option(struct json_out *out, const char *value);
/* The header is there; the next to come is the member of the command. */
void json_out_begin(struct json_out *out);
/* Hands what is complete so far to stdout, once it is much: call it now and then in long lists. */
void json_out_pass(struct json_out *out);
/* Ends the object, to stdout; 0, or 1 with a message. Releases also without json_out_begin. */
int json_out_end(struct json_out *out);

void json_out_time(struct json_out *out, const char *name, const struct ubtrfs_time *time);
/* null for zeroes. */
void json_out_uuid(struct json_out *out, const char *name, const uint8_t uuid[16]);

#endif
