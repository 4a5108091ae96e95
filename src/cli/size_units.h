/*
 * Sizes in the units that the user asks for, written as btrfs-progs writes them.
 */
#ifndef UBTRFS_CLI_SIZE_UNITS_H
#define UBTRFS_CLI_SIZE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* How sizes are written. Zeroes: human-readable, base 1024. */
struct size_units {
	bool raw;   /* bytes */
	bool si;    /* base 1000 */
	bool fixed; /* always this unit: */
	unsigned power;
};

enum units_option {
	OPTION_UNITS_RAW = 0x300,
	OPTION_UNITS_HUMAN,
	OPTION_UNITS_IEC,
	OPTION_UNITS_SI,
	OPTION_UNITS_KBYTES,
	OPTION_UNITS_MBYTES,
	OPTION_UNITS_GBYTES,
	OPTION_UNITS_TBYTES,
};
/* clang-format off */
#define UNITS_LONG_OPTIONS                                        \
	{ "raw", no_argument, NULL, OPTION_UNITS_RAW },               \
	{ "human-readable", no_argument, NULL, OPTION_UNITS_HUMAN },  \
	{ "iec", no_argument, NULL, OPTION_UNITS_IEC },               \
	{ "si", no_argument, NULL, OPTION_UNITS_SI },                 \
	{ "kbytes", no_argument, NULL, OPTION_UNITS_KBYTES },         \
	{ "mbytes", no_argument, NULL, OPTION_UNITS_MBYTES },         \
	{ "gbytes", no_argument, NULL, OPTION_UNITS_GBYTES },         \
	{ "tbytes", no_argument, NULL, OPTION_UNITS_TBYTES }
/* clang-format on */
#define UNITS_SHORT_OPTIONS "bhHkmgt"
#define UNITS_HELP                                                                             \
	"      --raw, --human-readable, --iec, --si, --kbytes, --mbytes, --gbytes, --tbytes\n" \
	"                        sizes in bytes, in powers of 1024 (default) or 1000, in one unit\n"
#define UNITS_SHORT_HELP "  -b, -h, -H, -k, -m, -g, -t   the same: raw, 1024, 1000, one unit\n"

/* Takes one of the options above, or with letters also one of UNITS_SHORT_OPTIONS; false: none. */
bool size_units_option(struct size_units *units, int option, bool letters);

#define UNITS_TEXT_MAX 40
const char *size_units_text(const struct size_units *units, uint64_t bytes,
			    char text[UNITS_TEXT_MAX]);
/* The same for what may be less than nothing. */
const char *size_units_signed(const struct size_units *units, int64_t bytes,
			      char text[UNITS_TEXT_MAX]);

#endif
