/*
 * Extended attributes as text: text with backslashes, hexadecimal, base64. Keeps no state.
 */
#include "cli/xattr_text.h"

#include <ctype.h>
#include <string.h>

#include "cli/cli.h"

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int xattr_encoding_parse(const char *word, enum xattr_encoding *ret_encoding)
{
	static const char *const names[] = { "text", "hex", "base64" };

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(names[i], word) != 0)
			continue;
		*ret_encoding = (enum xattr_encoding)(XATTR_TEXT + i);
		return 0;
	}
	return cli_error("option --encoding: '%s' is none of text, hex, base64", word);
}

/* ---- out ---- */

static void add_octal(struct strbuf *out, unsigned char byte)
{
	strbuf_addf(out, "\\%03o", byte);
}

static void add_text(struct strbuf *out, const unsigned char *value, size_t len)
{
	/* A zero byte at the end is that of the text. */
	if (len && !value[len - 1])
		len--;
	strbuf_add(out, "\"");
	for (size_t i = 0; i < len; i++) {
		if (!value[i] || value[i] == '\n' || value[i] == '\r')
			add_octal(out, value[i]);
		else if (value[i] == '\\' || value[i] == '"')
			strbuf_addf(out, "\\%c", value[i]);
		else
			strbuf_add_bytes(out, &value[i], 1);
	}
	strbuf_add(out, "\"");
}

static void add_hex(struct strbuf *out, const unsigned char *value, size_t len)
{
	strbuf_add(out, "0x");
	for (size_t i = 0; i < len; i++)
		strbuf_addf(out, "%02x", value[i]);
}

static void add_base64(struct strbuf *out, const unsigned char *value, size_t len)
{
	strbuf_add(out, "0s");
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		unsigned bits = (unsigned)value[i] << 16;
		char group[5] = "====";

		if (left > 1)
			bits |= (unsigned)value[i + 1] << 8;
		if (left > 2)
			bits |= value[i + 2];
		for (size_t j = 0; j <= left && j < 4; j++)
			group[j] = base64_digits[bits >> (18 - 6 * j) & 63];
		strbuf_add(out, group);
	}
}

static bool is_text(const unsigned char *value, size_t len)
{
	size_t nr_unprintable = 0;

	if (len && !value[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		if (value[i] < 0x20 || value[i] > 0x7e)
			nr_unprintable++;
	return len >= 8 * nr_unprintable;
}

void xattr_encode(struct strbuf *out, const void *value, size_t len, enum xattr_encoding encoding)
{
	if (encoding == XATTR_AUTO)
		encoding = is_text(value, len) ? XATTR_TEXT : XATTR_BASE64;
	if (encoding == XATTR_TEXT)
		add_text(out, value, len);
	else if (encoding == XATTR_HEX)
		add_hex(out, value, len);
	else
		add_base64(out, value, len);
}

void xattr_quote(struct strbuf *out, const char *name, const char *special)
{
	for (; *name; name++) {
		if (strchr(special, *name))
			add_octal(out, (unsigned char)*name);
		else if (*name == '\\')
			strbuf_add(out, "\\\\");
		else
			strbuf_add_bytes(out, name, 1);
	}
}

/* ---- in ---- */

static bool is_octal(const char *text)
{
	for (int i = 0; i < 3; i++)
		if (text[i] < '0' || text[i] > '7')
			return false;
	return text[0] < '4';
}

static unsigned char octal(const char *text)
{
	return (unsigned char)((text[0] - '0') << 6 | (text[1] - '0') << 3 | (text[2] - '0'));
}

void xattr_unquote(char *name)
{
	char *to = name;

	while (*name) {
		if (*name == '\\' && is_octal(name + 1)) {
			*to++ = (char)octal(name + 1);
			name += 4;
		} else {
			if (*name == '\\' && name[1] == '\\')
				name++;
			*to++ = *name++;
		}
	}
	*to = '\0';
}

/* Up to three digits behind a backslash; what they say beyond a byte is lost. */
static size_t take_octal(const char *text, unsigned char *ret_byte)
{
	unsigned value = 0;
	size_t nr;

	for (nr = 0; nr < 3 && text[nr] >= '0' && text[nr] <= '7'; nr++)
		value = value << 3 | (unsigned)(text[nr] - '0');
	*ret_byte = (unsigned char)value;
	return nr;
}

/* A backslash before anything else stands for itself. */
static void decode_text(struct strbuf *out, const char *text, size_t len)
{
	const char *end = text + len;

	if (len > 1 && *text == '"' && end[-1] == '"') {
		text++;
		end--;
	}
	while (text < end) {
		unsigned char byte = (unsigned char)*text++;

		/* The text ends with a zero byte, so this looks at nothing behind it. */
		if (byte == '\\' && (*text == '\\' || *text == '"'))
			byte = (unsigned char)*text++;
		else if (byte == '\\' && *text >= '0' && *text <= '7')
			text += take_octal(text, &byte);
		strbuf_add_bytes(out, &byte, 1);
	}
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Blanks between bytes are passed over. */
static int decode_hex(struct strbuf *out, const char *text)
{
	while (*text) {
		unsigned char byte;

		if (isspace((unsigned char)*text)) {
			text++;
			continue;
		}
		if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
			return THROW(ERR_INVALID, "'%s' is not hexadecimal", text);
		byte = (unsigned char)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
		strbuf_add_bytes(out, &byte, 1);
		text += 2;
	}
	return 0;
}

/* Four digits, of which the last one or two may be '='; the bits that they leave over are zeros. */
static int decode_group(struct strbuf *out, const char *text)
{
	unsigned char bytes[3];
	unsigned bits = 0, nr = 0;

	for (unsigned i = 0; i < 4; i++) {
		const char *digit = text[i] ? strchr(base64_digits, text[i]) : NULL;

		if (digit && nr == i)
			nr++;
		else if (text[i] != '=' || i < 2)
			return THROW(ERR_INVALID, "'%s' is not base64", text);
		bits = bits << 6 | (digit ? (unsigned)(digit - base64_digits) : 0);
	}
	for (unsigned i = 0; i < 3; i++)
		bytes[i] = (unsigned char)(bits >> (16 - 8 * i));
	if (nr < 4 && bytes[nr - 1])
		return THROW(ERR_INVALID, "'%s' is not base64", text);
	strbuf_add_bytes(out, bytes, nr - 1);
	return 0;
}

static int decode_base64(struct strbuf *out, const char *text)
{
	size_t len = strlen(text);

	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	for (size_t at = 0; at < len; at += 4) {
		TRY(decode_group(out, text + at));
		if (at + 4 < len && text[at + 3] == '=')
			return THROW(ERR_INVALID, "'%s' stands behind base64", text + at + 4);
	}
	return 0;
}

int xattr_decode(struct strbuf *out, const char *text)
{
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		TRY(decode_hex(out, text + 2));
	else if (text[0] == '0' && (text[1] == 's' || text[1] == 'S'))
		TRY(decode_base64(out, text + 2));
	else
		decode_text(out, text, strlen(text));
	return strbuf_status(out);
}
