/*
 * Points of time as users write them. Keeps nothing; the local zone is that of TZ.
 */
#include "cli/time_parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct ubtrfs_time time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (struct ubtrfs_time){ .sec = now.tv_sec, .nsec = (uint32_t)now.tv_nsec };
}

static int bad_time(void)
{
	return THROW(ERR_INVALID, "it is no date");
}

/* So many digits. */
static int take_digits(const char **pos, unsigned nr, int *ret_number)
{
	int number = 0;

	for (unsigned i = 0; i < nr; i++, (*pos)++) {
		if (!isdigit((unsigned char)**pos))
			return bad_time();
		number = 10 * number + (**pos - '0');
	}
	*ret_number = number;
	return 0;
}

/* ".123": digits behind the ninth are cut off. Nothing there is 0. */
static int take_fraction(const char **pos, uint32_t *ret_nsec)
{
	uint32_t nsec = 0, unit = 100000000;

	*ret_nsec = 0;
	if (**pos != '.' && **pos != ',')
		return 0;
	if (!isdigit((unsigned char)*++*pos))
		return bad_time();
	for (; isdigit((unsigned char)**pos); (*pos)++) {
		nsec += unit * (uint32_t)(**pos - '0');
		unit /= 10;
	}
	*ret_nsec = nsec;
	return 0;
}

/* The calendar's fields to seconds; offset NULL: local time. */
static int tm_seconds(struct tm *tm, const int *offset_seconds, int64_t *ret_seconds)
{
	const struct tm asked = *tm;
	time_t seconds;

	tm->tm_isdst = -1;
	seconds = offset_seconds ? timegm(tm) : mktime(tm);
	/* A day or an hour that there is not would have been carried over; a second 60 is one. */
	if (tm->tm_mon != asked.tm_mon || tm->tm_mday != asked.tm_mday ||
	    tm->tm_hour != asked.tm_hour) {
		if (asked.tm_sec != 60)
			return bad_time();
	}
	*ret_seconds = (int64_t)seconds - (offset_seconds ? *offset_seconds : 0);
	return 0;
}

/* Z, UTC, +HH, +HHMM, +HH:MM; *ret_known false: no zone is told. */
static int take_zone(const char **pos, int *ret_offset_seconds, bool *ret_known)
{
	int hours = 0, minutes = 0, sign;

	*pos += strspn(*pos, " ");
	*ret_known = **pos;
	*ret_offset_seconds = 0;
	if (!**pos)
		return 0;
	if (strcmp(*pos, "Z") == 0 || strcmp(*pos, "UTC") == 0 || strcmp(*pos, "GMT") == 0) {
		*pos += strlen(*pos);
		return 0;
	}
	if (**pos != '+' && **pos != '-')
		return bad_time();
	sign = *(*pos)++ == '-' ? -1 : 1;
	TRY(take_digits(pos, 2, &hours));
	if (**pos == ':')
		(*pos)++;
	if (**pos)
		TRY(take_digits(pos, 2, &minutes));
	if (hours > 24 || minutes > 59)
		return bad_time();
	*ret_offset_seconds = sign * (hours * 3600 + minutes * 60);
	return 0;
}

static int take_clock(const char **pos, struct tm *tm, uint32_t *ret_nsec)
{
	TRY(take_digits(pos, 2, &tm->tm_hour));
	if (*(*pos)++ != ':')
		return bad_time();
	TRY(take_digits(pos, 2, &tm->tm_min));
	if (**pos == ':') {
		(*pos)++;
		TRY(take_digits(pos, 2, &tm->tm_sec));
		TRY(take_fraction(pos, ret_nsec));
	}
	return tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60 ? bad_time() : 0;
}

static int parse_date(const char *pos, struct ubtrfs_time *ret_time)
{
	struct ubtrfs_time time = { .nsec = 0 };
	struct tm tm = { .tm_sec = 0 };
	int year = 0, month = 0, offset = 0;
	bool zone = false;

	TRY(take_digits(&pos, 4, &year));
	if (*pos++ != '-')
		return bad_time();
	TRY(take_digits(&pos, 2, &month));
	if (*pos++ != '-')
		return bad_time();
	TRY(take_digits(&pos, 2, &tm.tm_mday));
	if ((*pos == 'T' || *pos == ' ') && isdigit((unsigned char)pos[1])) {
		pos++;
		TRY(take_clock(&pos, &tm, &time.nsec));
	}
	TRY(take_zone(&pos, &offset, &zone));
	if (*pos || month < 1 || month > 12)
		return bad_time();
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	TRY(tm_seconds(&tm, zone ? &offset : NULL, &time.sec));
	*ret_time = time;
	return 0;
}

/* @-1.5 is a second and a half before 1970. */
static int parse_seconds(const char *text, struct ubtrfs_time *ret_time)
{
	struct ubtrfs_time time;
	bool negative = *text == '-';
	const char *pos = text + negative;
	char *end;

	if (!isdigit((unsigned char)*pos))
		return bad_time();
	errno = 0;
	time.sec = strtoll(text, &end, 10);
	pos = end;
	if (errno)
		return bad_time();
	TRY(take_fraction(&pos, &time.nsec));
	if (*pos)
		return bad_time();
	if (negative && time.nsec) {
		if (time.sec == INT64_MIN)
			return bad_time();
		time.sec--;
		time.nsec = 1000000000u - time.nsec;
	}
	*ret_time = time;
	return 0;
}

int time_parse(const char *text, struct ubtrfs_time *ret_time)
{
	if (strcmp(text, "now") == 0) {
		*ret_time = time_now();
		return 0;
	}
	return *text == '@' ? parse_seconds(text + 1, ret_time) : parse_date(text, ret_time);
}

/* The year of a stamp: none is this one; two digits are 1969 to 2068. */
static int stamp_year(const char **pos, size_t nr_digits, int *ret_year)
{
	time_t now = time(NULL);
	struct tm tm;

	if (nr_digits == 12)
		return take_digits(pos, 4, ret_year);
	if (nr_digits == 10) {
		TRY(take_digits(pos, 2, ret_year));
		*ret_year += *ret_year < 69 ? 2000 : 1900;
		return 0;
	}
	if (nr_digits != 8 || !localtime_r(&now, &tm))
		return bad_time();
	*ret_year = tm.tm_year + 1900;
	return 0;
}

int time_parse_stamp(const char *text, struct ubtrfs_time *ret_time)
{
	struct tm tm = { .tm_sec = 0 };
	int year = 0, month = 0;
	int64_t seconds = 0;

	TRY(stamp_year(&text, strspn(text, "0123456789"), &year));
	TRY(take_digits(&text, 2, &month));
	TRY(take_digits(&text, 2, &tm.tm_mday));
	TRY(take_digits(&text, 2, &tm.tm_hour));
	TRY(take_digits(&text, 2, &tm.tm_min));
	if (*text == '.') {
		text++;
		TRY(take_digits(&text, 2, &tm.tm_sec));
	}
	if (*text || month < 1 || month > 12 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return bad_time();
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	TRY(tm_seconds(&tm, NULL, &seconds));
	*ret_time = (struct ubtrfs_time){ .sec = seconds };
	return 0;
}
