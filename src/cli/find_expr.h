/*
 * Expressions of `ubtrfs find`: made by find_parse.c, evaluated by find_test.c, printed by find_print.c.
 *
 * An expression is a tree of terms in one array; what a term refers to are indices. Terms without an
 * action get -print behind them.
 */
#ifndef UBTRFS_CLI_FIND_EXPR_H
#define UBTRFS_CLI_FIND_EXPR_H

#include "cli/image_walk.h"

enum term_kind {
	/* operators */
	TERM_AND,
	TERM_OR,
	TERM_NOT,
	/* tests */
	TERM_TRUE,
	TERM_FALSE,
	TERM_NAME,
	TERM_PATH,
	TERM_TYPE,
	TERM_SIZE,
	TERM_TIME,
	TERM_NEWER,
	TERM_UID,
	TERM_GID,
	TERM_PERM,
	TERM_LINKS,
	TERM_INUM,
	TERM_EMPTY,
	/* actions */
	TERM_PRINT,
	TERM_PRINT0,
	TERM_PRINTF,
	TERM_PRUNE,
	TERM_QUIT,
};

/* +N, -N, N */
enum compare { COMPARE_EQUAL, COMPARE_MORE, COMPARE_LESS };
enum which_time { TIME_ACCESS, TIME_CHANGE, TIME_MODIFY };
enum perm_how { PERM_EXACT, PERM_ALL, PERM_ANY };

struct term {
	enum term_kind kind;
	unsigned left, right; /* of operators; NOT has left only */
	const char *text;     /* pattern, format, letters of types; borrowed */
	bool fold_case;	      /* NAME, PATH */
	enum compare compare;
	uint64_t number;
	uint64_t unit; /* SIZE: bytes; TIME: seconds */
	enum which_time time;
	enum perm_how perm;
	struct ubtrfs_time newer;
};

struct find {
	struct image_walk walk; /* first: the context of messages */
	struct image_view view;
	struct term *terms; /* owned */
	unsigned nr_terms, root;
	bool want_attrs, has_action, one_subvolume, quit;
	uint64_t min_depth, max_depth;
	unsigned nr_threads;
	struct ubtrfs_time now;
	int nr_args;
	char **args; /* what is parsed */
	int at;
};

/* The expression in args, from at on. 0, or 1 after a message. */
int find_parse(struct find *find);
/* Evaluates the expression for an entry. */
bool find_matches(struct find *find, const struct walk_entry *entry, bool *ret_enter);

/* -printf; the format was checked. */
int find_format_check(const char *format, bool *ret_needs_attrs);
void find_print_format(const struct find *find, const struct walk_entry *entry, const char *format);

#endif
