/*
 * A growing string. After an allocation fails the buffer is marked failed, later appends do
 * nothing, and strbuf_status() tells: callers append freely and check once.
 */
#ifndef UBTRFS_BASE_STRBUF_H
#define UBTRFS_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct strbuf {
	char *text; /* always terminated once anything was appended; NULL before */
	size_t len;
	size_t capacity;
	bool failed;
};

void strbuf_init(struct strbuf *buf);
void strbuf_fini(struct strbuf *buf);
void strbuf_clear(struct strbuf *buf);
void strbuf_add(struct strbuf *buf, const char *text);
void strbuf_add_bytes(struct strbuf *buf, const void *data, size_t len);
void strbuf_addf(struct strbuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 0, or ERR_NO_MEMORY when an append failed. */
int strbuf_status(const struct strbuf *buf) must_check;
/* The text, "" when empty; borrowed. */
const char *strbuf_text(const struct strbuf *buf);
/* Hands the text over (NULL only when failed); the buffer is empty afterwards. */
char *strbuf_detach(struct strbuf *buf);

#endif
