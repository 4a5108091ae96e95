/*
 * A line of the shell as words. Keeps nothing.
 */
#include "cli/shell_words.h"

#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"

#define WORDS_MAX ((size_t)1 << 20)

void shell_words_release(struct shell_words *words)
{
	for (size_t i = 0; i < words->nr; i++) {
		mem_free(words->words[i].text);
		mem_free(words->words[i].pattern);
	}
	mem_free(words->words);
	memset(words, 0, sizeof(*words));
}

int shell_words_add(struct shell_words *words, char *text, char *pattern, size_t start)
{
	size_t capacity = words->capacity ? 2 * words->capacity : 8;
	struct shell_word *grown;

	if (words->nr == words->capacity) {
		grown = words->nr < WORDS_MAX ?
				mem_resize(words->words, capacity * sizeof(*grown)) :
				NULL;
		if (!grown) {
			mem_free(text);
			mem_free(pattern);
			return MEM_FAIL("words");
		}
		words->words = grown;
		words->capacity = capacity;
	}
	words->words[words->nr++] =
		(struct shell_word){ .text = text, .pattern = pattern, .start = start };
	return 0;
}

struct splitter {
	const char *line, *pos;
	struct shell_words *words;
	struct strbuf text, pattern;
	bool is_pattern;
};

/* A byte of a word; quoted: it means itself. */
static void word_byte(struct splitter *self, char byte, bool quoted)
{
	strbuf_add_bytes(&self->text, &byte, 1);
	if (!quoted && strchr("*?[", byte))
		self->is_pattern = true;
	if (quoted ? strchr("*?[]\\-!^", byte) != NULL : byte == '\\')
		strbuf_add(&self->pattern, "\\");
	strbuf_add_bytes(&self->pattern, &byte, 1);
}

/* What stands between quotes; pos is behind the first. false: the second is missing. */
static bool word_quoted(struct splitter *self, char quote)
{
	for (; *self->pos; self->pos++) {
		if (*self->pos == quote) {
			self->pos++;
			return true;
		}
		if (quote == '"' && *self->pos == '\\' && self->pos[1] &&
		    strchr("\"\\$`", self->pos[1]))
			self->pos++;
		word_byte(self, *self->pos, true);
	}
	self->words->quote = quote;
	return false;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

static int word_read(struct splitter *self, bool partial)
{
	while (*self->pos && !is_blank(*self->pos)) {
		char byte = *self->pos++;

		if (byte == '\'' || byte == '"') {
			if (!word_quoted(self, byte) && !partial)
				return THROW(ERR_INVALID, "the quote %c is not closed", byte);
		} else if (byte == '\\') {
			if (!*self->pos && !partial)
				return THROW(ERR_INVALID, "nothing stands behind the last \\");
			if (*self->pos)
				word_byte(self, *self->pos++, true);
		} else if (strchr("|<>&;", byte)) {
			return THROW(ERR_INVALID,
				     "'%c' means nothing here; in a name it is written '\\%c'",
				     byte, byte);
		} else {
			word_byte(self, byte, false);
		}
	}
	return 0;
}

static int word_end(struct splitter *self, size_t start)
{
	char *text, *pattern = NULL;

	/* "" is a word too. */
	strbuf_add(&self->text, "");
	strbuf_add(&self->pattern, "");
	TRY(strbuf_status(&self->text));
	TRY(strbuf_status(&self->pattern));
	text = strbuf_detach(&self->text);
	if (self->is_pattern)
		pattern = strbuf_detach(&self->pattern);
	strbuf_clear(&self->pattern);
	self->is_pattern = false;
	if (!text)
		return MEM_FAIL("a word");
	return shell_words_add(self->words, text, pattern, start);
}

static int split(struct splitter *self, bool partial)
{
	for (;;) {
		size_t start;

		while (is_blank(*self->pos))
			self->pos++;
		if (!*self->pos || *self->pos == '#')
			return 0;
		start = (size_t)(self->pos - self->line);
		TRY(word_read(self, partial));
		TRY(word_end(self, start));
		self->words->open_end = !*self->pos;
	}
}

int shell_words_split(const char *line, bool partial, struct shell_words *ret_words)
{
	struct splitter self = { .line = line, .pos = line, .words = ret_words };
	int ret;

	memset(ret_words, 0, sizeof(*ret_words));
	strbuf_init(&self.text);
	strbuf_init(&self.pattern);
	ret = split(&self, partial);
	strbuf_fini(&self.text);
	strbuf_fini(&self.pattern);
	return ret;
}

char *shell_quote(const char *text, char quote)
{
	static const char specials[] = " \t'\"\\*?[]#|<>&;";
	struct strbuf out;

	strbuf_init(&out);
	for (; *text; text++) {
		if (quote == '\'' && *text == '\'') {
			strbuf_add(&out, "'\\''");
			continue;
		}
		if (quote == '"' ? strchr("\"\\", *text) != NULL :
				   !quote && strchr(specials, *text) != NULL)
			strbuf_add(&out, "\\");
		strbuf_add_bytes(&out, text, 1);
	}
	strbuf_add(&out, "");
	return strbuf_detach(&out);
}
