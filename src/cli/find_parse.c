/*
 * Parsing the expression of `ubtrfs find`: lowest first -o, then -a (which may be left out), then !.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/find_expr.h"

/* Parentheses and negations inside each other. */
#define NESTING_MAX 200u

static const char *peek(const struct find *find)
{
	return find->at < find->nr_args ? find->args[find->at] : NULL;
}

static bool next_is(const struct find *find, const char *word, const char *other)
{
	const char *next = peek(find);

	return next && (strcmp(next, word) == 0 || (other && strcmp(next, other) == 0));
}

/* There are never more terms than arguments, and an operator for each. */
static unsigned term_add(struct find *find, const struct term *term)
{
	find->terms[find->nr_terms] = *term;
	return find->nr_terms++;
}

/* ---- values ---- */

static int parse_compared(const char *option, const char *text, struct term *term)
{
	const char *digits = text + (*text == '+' || *text == '-');

	term->compare = *text == '+' ? COMPARE_MORE : *text == '-' ? COMPARE_LESS : COMPARE_EQUAL;
	if (*digits < '0' || *digits > '9' || number_parse(digits, &term->number) < 0)
		return cli_error("find: %s: '%s' is no number", option, text);
	return 0;
}

static int parse_size(const char *option, const char *text, struct term *term)
{
	static const struct {
		char letter;
		uint64_t bytes;
	} units[] = { { 'b', 512 },  { 'c', 1 },   { 'w', 2 },
		      { 'k', 1024 }, { 'M', MIB }, { 'G', 1024 * MIB } };
	size_t len = strlen(text);
	char digits[32];

	term->unit = 512;
	if (!len || len >= sizeof(digits))
		return cli_error("find: %s: '%s' is no size", option, text);
	memcpy(digits, text, len + 1);
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (digits[len - 1] != units[i].letter)
			continue;
		term->unit = units[i].bytes;
		digits[len - 1] = '\0';
		break;
	}
	return parse_compared(option, digits, term);
}

static int parse_types(const char *option, const char *text, struct term *term)
{
	for (const char *pos = text; *pos; pos += 2) {
		if (!strchr("fdlbcps", *pos) || (pos[1] && pos[1] != ',') ||
		    (pos[1] == ',' && !pos[2]))
			return cli_error("find: %s: '%s': types are f d l b c p s, apart by commas",
					 option, text);
		if (!pos[1])
			break;
	}
	if (!*text)
		return cli_error("find: %s needs a type", option);
	term->text = text;
	return 0;
}

static int parse_perm(const char *option, const char *text, struct term *term)
{
	const char *digits = text + (*text == '-' || *text == '/');
	char *end;

	term->perm = *text == '-' ? PERM_ALL : *text == '/' ? PERM_ANY : PERM_EXACT;
	term->number = strtoul(digits, &end, 8);
	if (*digits < '0' || *digits > '7' || *end || term->number > 07777)
		return cli_error("find: %s: '%s' is no octal mode (symbolic ones are not built)",
				 option, text);
	return 0;
}

/* A path inside the image of the first argument, or IMAGE:/PATH. */
static int parse_newer(struct find *find, const char *text, struct term *term)
{
	struct ubtrfs_attr attr;
	struct ubtrfs_node node;
	char *path = NULL;
	int code = 0;

	if (*text == '/') {
		const char *inside = image_path_inside(find->args[0]);

		path = inside ? mem_printf("%.*s%s", (int)(inside - find->args[0]), find->args[0],
					   text) :
				mem_strdup(text);
		if (!path)
			return cli_error("no memory for a path");
		text = path;
	}
	code = image_view_find(&find->view, text, true, &node);
	if (!code && ubtrfs_getattr(find->view.fs, node, &attr) < 0)
		code = cli_fail("%s", text);
	if (!code)
		term->newer = attr.mtime;
	mem_free(path);
	return code;
}

/* ---- primaries ---- */

enum value_kind {
	VALUE_NONE,
	VALUE_TEXT,
	VALUE_COMPARED,
	VALUE_SIZE,
	VALUE_TYPES,
	VALUE_PERM,
	VALUE_NEWER,
	VALUE_FORMAT,
	VALUE_DEPTH
};

enum find_special { SPECIAL_NONE, SPECIAL_MINDEPTH, SPECIAL_MAXDEPTH, SPECIAL_XDEV };

/* flags of a primary */
#define NEEDS_ATTRS 1u
#define IS_ACTION 2u
#define FOLDS 4u

struct primary {
	const char *name;
	enum term_kind kind;
	enum value_kind value;
	unsigned flags;
	enum which_time time;
	uint64_t unit;
	enum find_special special;
};

static const struct primary primaries[] = {
	{ "-true", TERM_TRUE, VALUE_NONE, 0, 0, 0, 0 },
	{ "-false", TERM_FALSE, VALUE_NONE, 0, 0, 0, 0 },
	{ "-name", TERM_NAME, VALUE_TEXT, 0, 0, 0, 0 },
	{ "-iname", TERM_NAME, VALUE_TEXT, FOLDS, 0, 0, 0 },
	{ "-path", TERM_PATH, VALUE_TEXT, 0, 0, 0, 0 },
	{ "-wholename", TERM_PATH, VALUE_TEXT, 0, 0, 0, 0 },
	{ "-ipath", TERM_PATH, VALUE_TEXT, FOLDS, 0, 0, 0 },
	{ "-iwholename", TERM_PATH, VALUE_TEXT, FOLDS, 0, 0, 0 },
	{ "-type", TERM_TYPE, VALUE_TYPES, 0, 0, 0, 0 },
	{ "-size", TERM_SIZE, VALUE_SIZE, NEEDS_ATTRS, 0, 0, 0 },
	{ "-mtime", TERM_TIME, VALUE_COMPARED, NEEDS_ATTRS, TIME_MODIFY, 86400, 0 },
	{ "-atime", TERM_TIME, VALUE_COMPARED, NEEDS_ATTRS, TIME_ACCESS, 86400, 0 },
	{ "-ctime", TERM_TIME, VALUE_COMPARED, NEEDS_ATTRS, TIME_CHANGE, 86400, 0 },
	{ "-mmin", TERM_TIME, VALUE_COMPARED, NEEDS_ATTRS, TIME_MODIFY, 60, 0 },
	{ "-amin", TERM_TIME, VALUE_COMPARED, NEEDS_ATTRS, TIME_ACCESS, 60, 0 },
	{ "-cmin", TERM_TIME, VALUE_COMPARED, NEEDS_ATTRS, TIME_CHANGE, 60, 0 },
	{ "-newer", TERM_NEWER, VALUE_NEWER, NEEDS_ATTRS, 0, 0, 0 },
	{ "-uid", TERM_UID, VALUE_COMPARED, NEEDS_ATTRS, 0, 0, 0 },
	{ "-user", TERM_UID, VALUE_COMPARED, NEEDS_ATTRS, 0, 0, 0 },
	{ "-gid", TERM_GID, VALUE_COMPARED, NEEDS_ATTRS, 0, 0, 0 },
	{ "-group", TERM_GID, VALUE_COMPARED, NEEDS_ATTRS, 0, 0, 0 },
	{ "-perm", TERM_PERM, VALUE_PERM, NEEDS_ATTRS, 0, 0, 0 },
	{ "-links", TERM_LINKS, VALUE_COMPARED, NEEDS_ATTRS, 0, 0, 0 },
	{ "-inum", TERM_INUM, VALUE_COMPARED, 0, 0, 0, 0 },
	{ "-empty", TERM_EMPTY, VALUE_NONE, NEEDS_ATTRS, 0, 0, 0 },
	{ "-print", TERM_PRINT, VALUE_NONE, IS_ACTION, 0, 0, 0 },
	{ "-print0", TERM_PRINT0, VALUE_NONE, IS_ACTION, 0, 0, 0 },
	{ "-printf", TERM_PRINTF, VALUE_FORMAT, IS_ACTION, 0, 0, 0 },
	{ "-prune", TERM_PRUNE, VALUE_NONE, 0, 0, 0, 0 },
	{ "-quit", TERM_QUIT, VALUE_NONE, IS_ACTION, 0, 0, 0 },
	{ "-mindepth", TERM_TRUE, VALUE_DEPTH, 0, 0, 0, SPECIAL_MINDEPTH },
	{ "-maxdepth", TERM_TRUE, VALUE_DEPTH, 0, 0, 0, SPECIAL_MAXDEPTH },
	{ "-xdev", TERM_TRUE, VALUE_NONE, 0, 0, 0, SPECIAL_XDEV },
	{ "-mount", TERM_TRUE, VALUE_NONE, 0, 0, 0, SPECIAL_XDEV },
};

static int parse_value(struct find *find, const struct primary *primary, const char *text,
		       struct term *term)
{
	bool needs_attrs = false;

	switch (primary->value) {
	case VALUE_NONE:
		return 0;
	case VALUE_TEXT:
		term->text = text;
		return 0;
	case VALUE_COMPARED:
		return parse_compared(primary->name, text, term);
	case VALUE_SIZE:
		return parse_size(primary->name, text, term);
	case VALUE_TYPES:
		return parse_types(primary->name, text, term);
	case VALUE_PERM:
		return parse_perm(primary->name, text, term);
	case VALUE_NEWER:
		return parse_newer(find, text, term);
	case VALUE_FORMAT:
		term->text = text;
		if (find_format_check(text, &needs_attrs))
			return 1;
		find->want_attrs |= needs_attrs;
		return 0;
	case VALUE_DEPTH:
		if (*text < '0' || *text > '9' || number_parse(text, &term->number) < 0)
			return cli_error("find: %s: '%s' is no depth", primary->name, text);
		return 0;
	}
	return 0;
}

static void take_special(struct find *find, enum find_special special, uint64_t number)
{
	if (special == SPECIAL_MINDEPTH)
		find->min_depth = number;
	if (special == SPECIAL_MAXDEPTH)
		find->max_depth = number;
	if (special == SPECIAL_XDEV)
		find->one_subvolume = true;
}

static int parse_primary(struct find *find, unsigned *ret_term)
{
	const char *word = peek(find), *value = NULL;
	const struct primary *primary = NULL;
	struct term term = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(primaries); i++)
		if (strcmp(word, primaries[i].name) == 0)
			primary = &primaries[i];
	if (!primary)
		return *word == '-' ? cli_error("find: %s is not built (see --help)", word) :
				      cli_error("find: '%s' is no part of an expression", word);
	find->at++;
	if (primary->value != VALUE_NONE) {
		value = peek(find);
		if (!value)
			return cli_error("find: %s needs a value", word);
		find->at++;
	}
	term.kind = primary->kind;
	term.fold_case = primary->flags & FOLDS;
	term.time = primary->time;
	term.unit = primary->unit;
	if (parse_value(find, primary, value, &term))
		return 1;
	find->want_attrs |= primary->flags & NEEDS_ATTRS;
	find->has_action |= (primary->flags & IS_ACTION) != 0;
	take_special(find, primary->special, term.number);
	*ret_term = term_add(find, &term);
	return 0;
}

/* ---- operators ---- */

static int parse_or(struct find *find, unsigned nesting, unsigned *ret_term);

static int parse_not(struct find *find, unsigned nesting, unsigned *ret_term)
{
	struct term term = { .kind = TERM_NOT };

	if (nesting > NESTING_MAX)
		return cli_error("find: more than %u parentheses and negations in each other",
				 NESTING_MAX);
	if (!peek(find))
		return cli_error("find: the expression ends too early");
	if (next_is(find, "!", "-not")) {
		find->at++;
		if (parse_not(find, nesting + 1, &term.left))
			return 1;
		*ret_term = term_add(find, &term);
		return 0;
	}
	if (!next_is(find, "(", NULL))
		return parse_primary(find, ret_term);
	find->at++;
	if (parse_or(find, nesting + 1, ret_term))
		return 1;
	if (!next_is(find, ")", NULL))
		return cli_error("find: a parenthesis is not closed");
	find->at++;
	return 0;
}

static int parse_and(struct find *find, unsigned nesting, unsigned *ret_term)
{
	struct term term = { .kind = TERM_AND };

	if (parse_not(find, nesting, &term.left))
		return 1;
	while (peek(find) && !next_is(find, "-o", "-or") && !next_is(find, ")", NULL)) {
		if (next_is(find, "-a", "-and"))
			find->at++;
		if (parse_not(find, nesting, &term.right))
			return 1;
		term.left = term_add(find, &term);
	}
	*ret_term = term.left;
	return 0;
}

static int parse_or(struct find *find, unsigned nesting, unsigned *ret_term)
{
	struct term term = { .kind = TERM_OR };

	if (parse_and(find, nesting, &term.left))
		return 1;
	while (next_is(find, "-o", "-or")) {
		find->at++;
		if (parse_and(find, nesting, &term.right))
			return 1;
		term.left = term_add(find, &term);
	}
	*ret_term = term.left;
	return 0;
}

int find_parse(struct find *find)
{
	struct term term = { .kind = TERM_TRUE };

	find->terms = mem_array(2 * (size_t)find->nr_args + 4, sizeof(*find->terms));
	if (!find->terms)
		return cli_error("no memory for an expression");
	if (!peek(find))
		find->root = term_add(find, &term);
	else if (parse_or(find, 0, &find->root))
		return 1;
	if (peek(find))
		return cli_error("find: '%s' closes nothing", peek(find));
	if (find->has_action)
		return 0;
	term.kind = TERM_PRINT;
	term.right = term_add(find, &term);
	term.left = find->root;
	term.kind = TERM_AND;
	find->root = term_add(find, &term);
	return 0;
}
