/*
 * `ubtrfs truncate`: the size of files in an image, with the options of truncate(1).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "cli/change_command.h"

struct truncate {
	struct change_command command;
	const char *size_text; /* -s; NULL */
	char how;	       /* 0: exactly so much; one of + - < > / % */
	uint64_t size;
	const char *reference; /* -r; NULL */
	bool no_create, in_blocks;
};

static const char help_text[] =
	"usage: ubtrfs truncate -s [+-<>/%]SIZE [-co] IMAGE:/PATH...\n"
	"       ubtrfs truncate -r IMAGE:/REFERENCE [-s ...] [-c] IMAGE:/PATH...\n"
	"\n"
	"Set the size of files in an image, all of them or none. What is not there is made.\n"
	"\n"
	"  -s, --size SIZE       bytes, or with K M G T P E (1024) and KB MB ... (1000); before it\n"
	"                        + more by, - less by, < at most, > at least, / rounded down to a\n"
	"                        multiple of, % rounded up to one\n"
	"  -r, --reference PATH  the size of that file\n"
	"  -o, --io-blocks       SIZE counts blocks of the filesystem\n"
	"  -c, --no-create       leave out what is not there\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "size", required_argument, NULL, 's' },
	{ "reference", required_argument, NULL, 'r' },
	{ "io-blocks", no_argument, NULL, 'o' },
	{ "no-create", no_argument, NULL, 'c' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* Bytes of a unit: K and KiB 1024, KB 1000; 0 for none of them. */
static uint64_t unit_bytes(const char *unit)
{
	static const char letters[] = "KMGTPE";
	const char *letter = strchr(letters, toupper((unsigned char)*unit));
	uint64_t base, bytes = 1;

	if (!*unit)
		return 1;
	if (!letter || !*letter)
		return 0;
	if (!unit[1] || strcmp(unit + 1, "iB") == 0)
		base = 1024;
	else if (strcmp(unit + 1, "B") == 0)
		base = 1000;
	else
		return 0;
	for (const char *at = letters; at <= letter; at++)
		bytes *= base;
	return bytes;
}

static int take_size(struct truncate *job, const char *text)
{
	const char *digits = text + strspn(text, " ");
	unsigned long long number;
	uint64_t unit;
	char *end;

	job->size_text = text;
	job->how = '\0';
	if (*digits && strchr("+-<>/%", *digits))
		job->how = *digits++;
	errno = 0;
	number = isdigit((unsigned char)*digits) ? strtoull(digits, &end, 10) : (end = NULL, 0);
	unit = end ? unit_bytes(end) : 0;
	if (!unit)
		return cli_error("truncate: invalid number: '%s'", text);
	if (errno || __builtin_mul_overflow(number, unit, &job->size) || job->size > INT64_MAX)
		return cli_error("truncate: '%s' is larger than a file can be", text);
	return 0;
}

static int take_option(void *ctx, int option)
{
	struct truncate *job = ctx;

	switch (option) {
	case 's':
		return take_size(job, optarg);
	case 'r':
		job->reference = optarg;
		return 0;
	case 'o':
		job->in_blocks = true;
		return 0;
	case 'c':
		job->no_create = true;
		return 0;
	default:
		return -1;
	}
}

static int check(void *ctx)
{
	struct truncate *job = ctx;

	if (!job->size_text && !job->reference)
		return cli_error("truncate: you must specify either '--size' or '--reference' "
				 "(see --help)");
	if (job->size_text && job->reference && !job->how)
		return cli_error("truncate: you must specify a relative '--size' with "
				 "'--reference'");
	if (job->in_blocks && !job->size_text)
		return cli_error("truncate: '--io-blocks' was specified but '--size' was not");
	if ((job->how == '/' || job->how == '%') && !job->size)
		return cli_error("truncate: division by zero");
	return 0;
}

/* The new size of a file that has so much now. */
static int size_from(const struct truncate *job, uint64_t now, uint64_t by, uint64_t *ret_size)
{
	uint64_t size = by;
	bool too_large = false;

	switch (job->how) {
	case '+':
		too_large = __builtin_add_overflow(now, by, &size);
		break;
	case '-':
		size = now > by ? now - by : 0;
		break;
	case '<':
		size = MIN(now, by);
		break;
	case '>':
		size = MAX(now, by);
		break;
	case '/':
		size = now - now % by;
		break;
	case '%':
		too_large = __builtin_add_overflow(now, (by - now % by) % by, &size);
		break;
	default:
		break;
	}
	if (too_large || size > INT64_MAX)
		return THROW_SYS(EFBIG, "it would have more bytes than a file can");
	*ret_size = size;
	return 0;
}

static int new_size(struct truncate *job, uint64_t now, uint64_t *ret_size)
{
	struct ubtrfs_attr reference;
	struct ubtrfs_info info;
	uint64_t by = job->size;

	if (job->in_blocks) {
		TRY(err_adopt(ubtrfs_info(change_fs(&job->command), &info)));
		if (__builtin_mul_overflow(by, info.sectorsize, &by))
			return THROW_SYS(EFBIG, "it would have more bytes than a file can");
	}
	if (job->reference) {
		TRY(operand_attr(&job->command, job->reference, true, &reference));
		now = reference.size;
		if (!job->size_text) {
			*ret_size = now;
			return 0;
		}
	}
	return size_from(job, now, by, ret_size);
}

static int resize(struct truncate *job, const char *text)
{
	SCOPED(place) struct place place = { .name = NULL };
	struct ubtrfs_attr attr = { .mode = S_IFREG };
	int ret;

	TRY(place_find(&job->command, text, &place));
	ret = place_attr(&job->command, &place, true, &attr);
	if (err_to_errno(ret) == ENOENT) {
		if (job->no_create)
			return 0;
		if (place.slash)
			return THROW_SYS(EISDIR, "'%s'", text);
		TRY(place_follow(&job->command, &place));
		ret = place_create(&job->command, &place, S_IFREG | 0666, &attr.node);
	}
	TRY(ret);
	if (!S_ISREG(attr.mode))
		return THROW_SYS(S_ISDIR(attr.mode) ? EISDIR : EINVAL, "'%s'", text);
	TRY(new_size(job, attr.size, &attr.size));
	return err_adopt(
		ubtrfs_setattr(change_fs(&job->command), attr.node, &attr, UBTRFS_ATTR_SIZE));
}

static int resize_operand(void *ctx, const char *text)
{
	int ret = resize(ctx, text);

	return ret < 0 ? change_fail(ret, "cannot truncate '%s'", text) : 0;
}

static int run(void *ctx)
{
	return change_each_operand(ctx, resize_operand);
}

int cmd_truncate(int argc, char **argv)
{
	static const struct change_spec spec = { .name = "truncate",
						 .help = help_text,
						 .short_options = ":D:cor:s:",
						 .long_options = long_options,
						 .min_operands = 1,
						 .missing = "truncate: no IMAGE:/PATH given",
						 .option = take_option,
						 .check = check,
						 .run = run };
	struct truncate job = { .how = '\0' };

	return change_command_run(&spec, &job, argc, argv);
}
