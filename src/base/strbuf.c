/*
 * A growing string. Invariants: text is NULL exactly when capacity is 0; len < capacity otherwise
 * and text[len] is 0. Growth doubles, so that n appends copy O(n) bytes. Takes no lock.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define STRBUF_FIRST_CAPACITY 64

void strbuf_init(struct strbuf *buf)
{
	memset(buf, 0, sizeof(*buf));
}

void strbuf_fini(struct strbuf *buf)
{
	mem_free(buf->text);
	strbuf_init(buf);
}

void strbuf_clear(struct strbuf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->text)
		buf->text[0] = '\0';
}

/* Room for more bytes and the terminator; false marks the buffer failed. */
static bool strbuf_reserve(struct strbuf *buf, size_t more)
{
	size_t capacity = MAX(buf->capacity, (size_t)STRBUF_FIRST_CAPACITY);
	char *text;

	if (buf->failed)
		return false;
	if (buf->capacity && more < buf->capacity - buf->len)
		return true;
	while (capacity - buf->len <= more && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	text = capacity - buf->len > more ? mem_resize(buf->text, capacity) : NULL;
	if (!text) {
		buf->failed = true;
		return false;
	}
	buf->text = text;
	buf->capacity = capacity;
	return true;
}

void strbuf_add_bytes(struct strbuf *buf, const void *data, size_t len)
{
	if (!strbuf_reserve(buf, len))
		return;
	if (len)
		memcpy(buf->text + buf->len, data, len);
	buf->len += len;
	buf->text[buf->len] = '\0';
}

void strbuf_add(struct strbuf *buf, const char *text)
{
	strbuf_add_bytes(buf, text, strlen(text));
}

void strbuf_addf(struct strbuf *buf, const char *format, ...)
{
	va_list args, again;
	int len;

	va_start(args, format);
	va_copy(again, args);
	/* Usually it fits into what is there, and one pass is enough. */
	len = vsnprintf(buf->text ? buf->text + buf->len : NULL, buf->capacity - buf->len, format,
			args);
	va_end(args);
	ASSERT(len >= 0);
	if ((size_t)len < buf->capacity - buf->len && !buf->failed) {
		buf->len += (size_t)len;
	} else if (strbuf_reserve(buf, (size_t)len)) {
		vsnprintf(buf->text + buf->len, (size_t)len + 1, format, again);
		buf->len += (size_t)len;
	} else if (buf->text) {
		buf->text[buf->len] = '\0';
	}
	va_end(again);
}

int strbuf_status(const struct strbuf *buf)
{
	return buf->failed ? MEM_FAIL("text") : 0;
}

const char *strbuf_text(const struct strbuf *buf)
{
	return buf->text ? buf->text : "";
}

char *strbuf_detach(struct strbuf *buf)
{
	char *text;

	/* "Empty" must be a string of the caller's own, too. */
	strbuf_add_bytes(buf, "", 0);
	if (buf->failed) {
		strbuf_fini(buf);
		return NULL;
	}
	text = buf->text;
	strbuf_init(buf);
	return text;
}
