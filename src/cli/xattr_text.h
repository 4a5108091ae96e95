/*
 * Extended attributes as text, in the forms of getfattr(1) and setfattr(1).
 */
#ifndef UBTRFS_CLI_XATTR_TEXT_H
#define UBTRFS_CLI_XATTR_TEXT_H

#include "base/strbuf.h"

/* What getfattr gives in one piece, and setfattr takes: Linux's limit. */
#define XATTR_VALUE_MAX 65536u

enum xattr_encoding {
	XATTR_AUTO, /* text, or base64 of what is none */
	XATTR_TEXT,
	XATTR_HEX,
	XATTR_BASE64,
};

/* "text", "hex", "base64". 0, or 1 after a message. */
int xattr_encoding_parse(const char *word, enum xattr_encoding *ret_encoding) must_check;
/* A value: "in quotes", 0x68, 0saGk=. */
void xattr_encode(struct strbuf *out, const void *value, size_t len, enum xattr_encoding encoding);
/* The other way, also text without quotes. Bytes are appended; ERR_INVALID. */
int xattr_decode(struct strbuf *out, const char *text) must_check;
/* A name with the bytes of special as octal numbers; a backslash that is none of them is doubled. */
void xattr_quote(struct strbuf *out, const char *name, const char *special);
/* The other way, in place. */
void xattr_unquote(char *name);

#endif
