/*
 * Sizes as btrfs-progs writes them: two digits behind the point, divided as it divides (whole
 * numbers down to the last step, that one in single precision), so that both write the same.
 */
#include "cli/size_units.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"

#define UNITS_MAX 6u /* exa */

bool size_units_option(struct size_units *units, int option, bool letters)
{
	static const char short_powers[] = "kmgt";

	if (option >= OPTION_UNITS_KBYTES && option <= OPTION_UNITS_TBYTES) {
		units->fixed = true;
		units->raw = false;
		units->power = 1 + (unsigned)(option - OPTION_UNITS_KBYTES);
		return true;
	}
	for (unsigned i = 0; letters && i < ARRAY_LEN(short_powers) - 1; i++)
		if (option == short_powers[i])
			return size_units_option(units, OPTION_UNITS_KBYTES + (int)i, false);
	if (option == OPTION_UNITS_RAW || (letters && option == 'b'))
		units->raw = true;
	else if (option == OPTION_UNITS_HUMAN || (letters && option == 'h'))
		*units = (struct size_units){ 0 };
	else if (option == OPTION_UNITS_SI)
		units->si = true;
	else if (option == OPTION_UNITS_IEC)
		units->si = false;
	else if (letters && option == 'H')
		*units = (struct size_units){ .si = true };
	else
		return false;
	return true;
}

static const char *unit_name(bool si, unsigned power)
{
	static const char *const names[][UNITS_MAX + 1] = {
		{ "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" },
		{ "B", "kB", "MB", "GB", "TB", "PB", "EB" },
	};

	return names[si][MIN(power, UNITS_MAX)];
}

const char *size_units_signed(const struct size_units *units, int64_t bytes,
			      char text[UNITS_TEXT_MAX])
{
	char size[UNITS_TEXT_MAX];

	if (bytes >= 0)
		return size_units_text(units, (uint64_t)bytes, text);
	snprintf(text, UNITS_TEXT_MAX, "-%.*s", UNITS_TEXT_MAX - 2,
		 size_units_text(units, -(uint64_t)bytes, size));
	return text;
}

const char *size_units_text(const struct size_units *units, uint64_t bytes,
			    char text[UNITS_TEXT_MAX])
{
	uint64_t base = units->si ? 1000 : 1024, divisor = 1, last = bytes;
	unsigned power = 0;

	if (units->raw) {
		snprintf(text, UNITS_TEXT_MAX, "%" PRIu64, bytes);
		return text;
	}
	if (units->fixed) {
		for (; power < units->power; power++)
			divisor *= base;
	} else {
		for (uint64_t size = bytes; size >= base && power < UNITS_MAX; power++) {
			last = size;
			size /= base;
			divisor = base;
		}
	}
	snprintf(text, UNITS_TEXT_MAX, "%.2f%s", (double)((float)last / (float)divisor),
		 unit_name(units->si, power));
	return text;
}
