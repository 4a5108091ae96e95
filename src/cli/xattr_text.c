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
	size_t len = strlen(word);

	for (unsigned i = 0; len && i < 3; i++) {
		if (strncmp(names[i], word, len) != 0)
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
		if (*name == '\\')
			strbuf_add(out, "\\\\");
		else if (strchr(special, *name))
			add_octal(out, (unsigned char)*name);
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

static int decode_text(struct strbuf *out, const char *text, size_t len)
{
	const char *end = text + len;

	if (len > 1 && *text == '"' && end[-1] == '"') {
		text++;
		end--;
	}
	while (text < end) {
		unsigned char byte = (unsigned char)*text;
		size_t taken = 1;

		if (byte == '\\') {
			/* The text ends with a zero byte, so this looks at nothing behind it. */
			bool number = is_octal(text + 1);

			if (!number && text[1] != '\\' && text[1] != '"')
				return THROW(ERR_INVALID, "'%s' has a backslash before nothing",
					     text);
			byte = number ? octal(text + 1) : (unsigned char)text[1];
			taken = number ? 4 : 2;
		}
		strbuf_add_bytes(out, &byte, 1);
		text += taken;
	}
	return 0;
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

static int decode_base64(struct strbuf *out, const char *text)
{
	unsigned bits = 0, nr_bits = 0;

	for (; *text && *text != '='; text++) {
		const char *digit = strchr(base64_digits, *text);
		unsigned char byte;

		if (isspace((unsigned char)*text))
			continue;
		if (!digit)
			return THROW(ERR_INVALID, "'%s' is not base64", text);
		bits = bits << 6 | (unsigned)(digit - base64_digits);
		nr_bits += 6;
		if (nr_bits < 8)
			continue;
		nr_bits -= 8;
		byte = (unsigned char)(bits >> nr_bits);
		strbuf_add_bytes(out, &byte, 1);
	}
	if (text[strspn(text, "= \t\n")])
		return THROW(ERR_INVALID, "'%s' stands behind base64", text);
	return 0;
}

int xattr_decode(struct strbuf *out, const char *text)
{
	int err;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		err = decode_hex(out, text + 2);
	else if (text[0] == '0' && (text[1] == 's' || text[1] == 'S'))
		err = decode_base64(out, text + 2);
	else
		err = decode_text(out, text, strlen(text));
	TRY(err);
	return strbuf_status(out);
}
