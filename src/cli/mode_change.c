/*
 * MODE as chmod(1) takes it. Keeps nothing.
 *
 * An octal mode of fewer than five digits and a symbolic one leave the set-id bits of a directory
 * alone unless they name them, as in coreutils.
 */
#include "cli/mode_change.h"

#include <string.h>

#define BITS_ALL 07777u
#define BITS_SETID 06000u
#define BITS_SPECIAL 07000u
#define BITS_X 0111u

static int bad_mode(void)
{
	return THROW(ERR_INVALID, "invalid mode");
}

static int clause_add(struct mode_change *change, const struct mode_clause *clause)
{
	if (change->nr == MODE_CLAUSES_MAX)
		return THROW(ERR_INVALID, "a mode of more than %u parts", MODE_CLAUSES_MAX);
	change->clauses[change->nr++] = *clause;
	return 0;
}

/* Octal digits, as many as there are. */
static int octal_parse(const char **pos, uint32_t *ret_value, size_t *ret_nr)
{
	const char *start = *pos;
	uint32_t value = 0;

	for (; **pos >= '0' && **pos <= '7'; (*pos)++) {
		value = value * 8 + (uint32_t)(**pos - '0');
		if (value > BITS_ALL)
			return bad_mode();
	}
	*ret_value = value;
	*ret_nr = (size_t)(*pos - start);
	return 0;
}

static int parse_octal(const char *text, struct mode_change *change)
{
	struct mode_clause clause = { .op = '=', .who = BITS_ALL };
	size_t nr = 0;

	TRY(octal_parse(&text, &clause.value, &nr));
	if (*text)
		return bad_mode();
	clause.mentioned = nr < 5 ? (clause.value & BITS_SPECIAL) | 0777u : BITS_ALL;
	return clause_add(change, &clause);
}

static uint32_t who_bits(char letter)
{
	switch (letter) {
	case 'u':
		return 04700;
	case 'g':
		return 02070;
	case 'o':
		return 01007;
	case 'a':
		return BITS_ALL;
	default:
		return 0;
	}
}

static uint32_t permission_bits(char letter)
{
	switch (letter) {
	case 'r':
		return 0444;
	case 'w':
		return 0222;
	case 'x':
	case 'X':
		return BITS_X;
	case 's':
		return BITS_SETID;
	case 't':
		return 01000;
	default:
		return 0;
	}
}

/* What stands behind the operator: octal digits, one of u g o, or letters of rwxXst. */
static int parse_value(const char **pos, struct mode_clause *clause)
{
	size_t nr = 0;

	if (**pos >= '0' && **pos <= '7') {
		/* Digits say about whom themselves. */
		if (clause->who)
			return bad_mode();
		clause->who = BITS_ALL;
		clause->mentioned = BITS_ALL;
		TRY(octal_parse(pos, &clause->value, &nr));
		return **pos && **pos != ',' ? bad_mode() : 0;
	}
	if (**pos && strchr("ugo", **pos)) {
		clause->what = 'c';
		clause->value = who_bits(**pos) & 0777u;
		(*pos)++;
		return 0;
	}
	for (; permission_bits(**pos); (*pos)++) {
		if (**pos == 'X')
			clause->what = 'X';
		else
			clause->value |= permission_bits(**pos);
	}
	return 0;
}

/* [ugoa]*([-+=]VALUE)+ */
static int parse_part(const char **pos, struct mode_change *change)
{
	uint32_t who = 0;

	for (; who_bits(**pos); (*pos)++)
		who |= who_bits(**pos);
	if (!**pos || !strchr("=+-", **pos))
		return bad_mode();
	while (**pos && strchr("=+-", **pos)) {
		struct mode_clause clause = { .op = *(*pos)++, .who = who };

		TRY(parse_value(pos, &clause));
		if (!clause.mentioned)
			clause.mentioned = who ? who & clause.value : clause.value;
		TRY(clause_add(change, &clause));
	}
	return 0;
}

int mode_change_parse(const char *text, struct mode_change *ret_change)
{
	ret_change->nr = 0;
	if (*text >= '0' && *text <= '9')
		return parse_octal(text, ret_change);
	do {
		TRY(parse_part(&text, ret_change));
	} while (*text == ',' && *++text);
	return *text || !ret_change->nr || text[-1] == ',' ? bad_mode() : 0;
}

/* The bits of one of the three, for each of them. */
static uint32_t copied_bits(uint32_t value, uint32_t mode)
{
	uint32_t bits = value & mode;

	bits = (bits | bits >> 3 | bits >> 6) & 07;
	return bits << 6 | bits << 3 | bits;
}

static uint32_t clause_value(const struct mode_clause *clause, uint32_t mode, bool is_dir)
{
	if (clause->what == 'c')
		return copied_bits(clause->value, mode);
	if (clause->what == 'X' && (is_dir || mode & BITS_X))
		return clause->value | BITS_X;
	return clause->value;
}

uint32_t mode_change_apply(const struct mode_change *change, uint32_t mode, bool is_dir,
			   uint32_t umask, uint32_t *ret_bits)
{
	uint32_t bits = 0;

	mode &= BITS_ALL;
	for (unsigned i = 0; i < change->nr; i++) {
		const struct mode_clause *clause = &change->clauses[i];
		uint32_t left = is_dir ? BITS_SETID & ~clause->mentioned : 0;
		uint32_t value = clause_value(clause, mode, is_dir);
		uint32_t kept = (clause->who ? BITS_ALL & ~clause->who : 0) | left;

		value &= (clause->who ? clause->who : ~umask) & ~left;
		if (clause->op == '=') {
			bits |= BITS_ALL & ~kept;
			mode = (mode & kept) | value;
			continue;
		}
		bits |= value;
		mode = clause->op == '+' ? mode | value : mode & ~value;
	}
	if (ret_bits)
		*ret_bits = bits;
	return mode;
}
