/*
 * Numbers as users write them: sizes with suffixes, owners, seconds; and sizes as btrfs-progs
 * prints them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/cli.h"

/* strtoull would take blanks, signs and an empty text. */
static int digits_parse(const char *text, int base, uint64_t *ret_number, const char **ret_end)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, base);
	if (errno)
		return -errno;
	*ret_number = number;
	*ret_end = end;
	return 0;
}

/* "b" and "ib" behind a unit say nothing more. */
static bool is_unit_tail(const char *tail)
{
	return !*tail || strcasecmp(tail, "b") == 0 || strcasecmp(tail, "ib") == 0;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "bkmgtpe";
	const char *end, *unit;
	uint64_t number;
	unsigned shift;

	TRY(digits_parse(text, 10, &number, &end));
	if (!*end) {
		*ret_bytes = number;
		return 0;
	}
	unit = strchr(units, tolower((unsigned char)*end));
	if (!unit || !*unit || (unit == units && end[1]) || !is_unit_tail(end + 1))
		return -EINVAL;
	shift = 10 * (unsigned)(unit - units);
	if (number << shift >> shift != number)
		return -ERANGE;
	*ret_bytes = number << shift;
	return 0;
}

int number_parse(const char *text, uint64_t *ret_number)
{
	bool hex = strncasecmp(text, "0x", 2) == 0;
	const char *end;
	uint64_t number;

	TRY(digits_parse(text, hex ? 16 : 10, &number, &end));
	if (*end || (hex && !text[2]))
		return -EINVAL;
	*ret_number = number;
	return 0;
}

static int id_parse(const char *text, char end_char, uint32_t *ret_id, const char **ret_end)
{
	uint64_t id;
	const char *end;

	TRY(digits_parse(text, 10, &id, &end));
	if (*end != end_char)
		return -EINVAL;
	/* All ones means "leave it" to chown. */
	if (id >= UINT32_MAX)
		return -ERANGE;
	*ret_id = (uint32_t)id;
	*ret_end = end;
	return 0;
}

int owner_parse(const char *text, uint32_t *ret_uid, uint32_t *ret_gid)
{
	uint32_t uid, gid;
	const char *end;

	TRY(id_parse(text, ':', &uid, &end));
	TRY(id_parse(end + 1, '\0', &gid, &end));
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

int seconds_parse(const char *text, int64_t *ret_seconds)
{
	bool negative = text[0] == '-';
	const char *end;
	uint64_t number;

	TRY(digits_parse(text + negative, 10, &number, &end));
	if (*end)
		return -EINVAL;
	if (number > INT64_MAX)
		return -ERANGE;
	*ret_seconds = negative ? -(int64_t)number : (int64_t)number;
	return 0;
}

const char *size_text(uint64_t bytes, char text[SIZE_TEXT_MAX])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(text, SIZE_TEXT_MAX, "%.2f%s", value, units[unit]);
	return text;
}
