/*
 * `ubtrfs du`: what files of an image take, as du(1) counts it.
 *
 * The sum of a directory stands in a row of sums, one for each level that is entered; leaving it adds
 * it to the level above. A file with several names counts at the first that is met; with several
 * arguments everything counts once.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/pair_set.h"
#include "cli/cli.h"
#include "cli/image_walk.h"
#include "cli/session.h"

enum du_option { OPTION_APPARENT = 0x300, OPTION_SI };

struct du {
	struct image_walk walk; /* first: the context of messages */
	struct image_view view;
	bool all, total, apparent, human, si, separate, one_subvolume, count_links, zero;
	bool summarize, has_depth;
	uint64_t max_depth, unit; /* unit: bytes of a block */
	unsigned nr_threads;
	bool see_all;	      /* several arguments: everything is remembered */
	struct pair_set seen; /* of the image that was the nr_opened-th */
	unsigned nr_opened;
	uint64_t *sums;	 /* of the levels that are entered; sums[depth]; owned */
	uint64_t *below; /* with -S: of the directories in it, which count in the grand total only */
	size_t capacity;
	uint64_t grand_total;
};

static const char help_text[] =
	"usage: ubtrfs du [-abchklmsSx0] [-d DEPTH] [-j N] IMAGE:/PATH...\n"
	"\n"
	"What files and directories of an image take on disk, in KiB. A file with several names counts\n"
	"once, and so does what several arguments name. Extents that files share count in each.\n"
	"\n"
	"  -a, --all             files, too\n"
	"      --apparent-size   the lengths of files, not what is stored\n"
	"  -b, --bytes           the same in bytes\n"
	"  -c, --total           a total at the end\n"
	"  -d, --max-depth N     show nothing deeper than N below the arguments\n"
	"  -h, --human-readable  1K, 234M, 2G\n"
	"      --si              the same in powers of 1000\n"
	"  -k, -m                in KiB, in MiB\n"
	"  -l, --count-links     count a file at each of its names\n"
	"  -s, --summarize       the arguments only\n"
	"  -S, --separate-dirs   without what is in directories below\n"
	"  -x, --one-file-system do not enter other subvolumes\n"
	"  -0, --null            end lines with a zero byte\n"
	"  -j, --jobs N          threads; as many as processors when not given\n" IMAGE_HELP
	"      --help            print this\n";

/* ---- sizes ---- */

static void print_human(uint64_t bytes, unsigned base)
{
	const char *units = base == 1000 ? "kMGTPE" : "KMGTPE";
	uint64_t unit = 1;
	unsigned power = 0;

	while (units[power] && div_up(bytes, unit) >= base)
		unit *= base, power++;
	if (!power)
		printf("%llu", (unsigned long long)bytes);
	else if (div_up(bytes * 10, unit) < 100)
		printf("%llu.%llu%c", (unsigned long long)(div_up(bytes * 10, unit) / 10),
		       (unsigned long long)(div_up(bytes * 10, unit) % 10), units[power - 1]);
	else
		printf("%llu%c", (unsigned long long)div_up(bytes, unit), units[power - 1]);
}

static void print_size(const struct du *du, uint64_t bytes)
{
	if (du->human || du->si)
		print_human(bytes, du->si ? 1000 : 1024);
	else
		printf("%llu", (unsigned long long)div_up(bytes, du->unit));
	putchar('\t');
}

static void print_entry(const struct du *du, const struct walk_entry *entry, uint64_t bytes)
{
	print_size(du, bytes);
	if (du->zero)
		printf("%s%s%s", du->walk.argument, image_walk_joint(&du->walk, entry),
		       entry->path);
	else
		image_walk_print(&du->walk, entry);
	putchar(du->zero ? '\0' : '\n');
}

/* ---- the walk ---- */

static int sums_grow(struct du *du, unsigned depth)
{
	size_t capacity = MAX(2 * du->capacity, (size_t)depth + 16);
	uint64_t *sums;

	if (depth < du->capacity)
		return 0;
	sums = mem_resize(du->sums, capacity * sizeof(*sums));
	if (!sums)
		return MEM_FAIL("sums");
	du->sums = sums;
	sums = mem_resize(du->below, capacity * sizeof(*sums));
	if (!sums)
		return MEM_FAIL("sums");
	du->below = sums;
	du->capacity = capacity;
	return 0;
}

static uint64_t entry_bytes(const struct du *du, const struct walk_entry *entry)
{
	return du->apparent ? entry->attr.size : entry->attr.allocated_bytes;
}

static bool is_shown(const struct du *du, unsigned depth)
{
	return depth <= du->max_depth;
}

/* 1: it was not met before. */
static int first_met(struct du *du, const struct walk_entry *entry)
{
	bool several = !S_ISDIR(entry->attr.mode) && entry->attr.nlink > 1;

	if (du->count_links || (!du->see_all && !several))
		return 1;
	if (entry->node.ino < UBTRFS_ROOT_INO)
		return 1;
	return pair_set_add(&du->seen, entry->node.subvolid, entry->node.ino);
}

static int du_visit(void *ctx, const struct walk_entry *entry, bool *ret_enter)
{
	struct du *du = ctx;
	uint64_t bytes = entry_bytes(du, entry);
	int first;

	TRY(session_check());
	/* Another image has other inodes. */
	if (!entry->depth && du->nr_opened != du->view.nr_opened)
		pair_set_clear(&du->seen);
	du->nr_opened = du->view.nr_opened;
	first = first_met(du, entry);
	TRY(first);
	TRY(sums_grow(du, entry->depth));
	if (!S_ISDIR(entry->attr.mode)) {
		if (!first)
			return 0;
		if (entry->depth)
			du->sums[entry->depth - 1] += bytes;
		else
			du->grand_total += bytes;
		if ((du->all && is_shown(du, entry->depth)) || !entry->depth)
			print_entry(du, entry, bytes);
		return 0;
	}
	du->sums[entry->depth] = bytes;
	du->below[entry->depth] = 0;
	if (!first || (du->one_subvolume && entry->is_subvolume && entry->depth)) {
		/* Left again at once, with nothing to count. */
		*ret_enter = false;
		du->sums[entry->depth] = UINT64_MAX;
	}
	return 0;
}

static int du_leave(void *ctx, const struct walk_entry *entry)
{
	struct du *du = ctx;
	uint64_t sum = du->sums[entry->depth], below = du->below[entry->depth];

	if (sum == UINT64_MAX)
		return 0;
	if (is_shown(du, entry->depth))
		print_entry(du, entry, sum);
	if (!entry->depth)
		du->grand_total += sum + below;
	else if (du->separate)
		du->below[entry->depth - 1] += sum + below;
	else
		du->sums[entry->depth - 1] += sum;
	return 0;
}

static int du_argument(struct du *du, const char *argument)
{
	struct walk_ops ops = { .want_attrs = true,
				.max_depth = UINT32_MAX,
				.nr_threads = du->nr_threads,
				.visit = du_visit,
				.leave = du_leave,
				.ctx = du };

	return image_walk_run(&du->walk, argument, &ops);
}

/* ---- options ---- */

static int take_option(struct du *du, int option)
{
	switch (option) {
	case 'a':
		du->all = true;
		return 0;
	case OPTION_APPARENT:
		du->apparent = true;
		return 0;
	case 'b':
		du->apparent = true;
		du->unit = 1;
		return 0;
	case 'c':
		du->total = true;
		return 0;
	case 'd':
		du->has_depth = true;
		return number_parse(optarg, &du->max_depth) < 0 ?
			       cli_error("option -d: '%s' is no depth", optarg) :
			       0;
	case 'h':
	case OPTION_SI:
		du->human = option == 'h';
		du->si = option == OPTION_SI;
		return 0;
	case 'j':
		return cli_threads(optarg, &du->nr_threads);
	case 'k':
	case 'm':
		du->unit = option == 'k' ? 1024 : MIB;
		du->human = du->si = false;
		return 0;
	case 'l':
		du->count_links = true;
		return 0;
	case 's':
		du->summarize = true;
		return 0;
	case 'S':
		du->separate = true;
		return 0;
	case 'x':
		du->one_subvolume = true;
		return 0;
	case '0':
		du->zero = true;
		return 0;
	default:
		return image_view_option(&du->view, option) ? 1 : 0;
	}
}

/* -1: go on; otherwise the exit code. */
static int du_options(struct du *du, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "apparent-size", no_argument, NULL, OPTION_APPARENT },
		{ "bytes", no_argument, NULL, 'b' },
		{ "total", no_argument, NULL, 'c' },
		{ "max-depth", required_argument, NULL, 'd' },
		{ "human-readable", no_argument, NULL, 'h' },
		{ "si", no_argument, NULL, OPTION_SI },
		{ "jobs", required_argument, NULL, 'j' },
		{ "count-links", no_argument, NULL, 'l' },
		{ "summarize", no_argument, NULL, 's' },
		{ "separate-dirs", no_argument, NULL, 'S' },
		{ "one-file-system", no_argument, NULL, 'x' },
		{ "null", no_argument, NULL, '0' },
		IMAGE_LONG_OPTIONS,
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":D:abcd:hj:klmsSx0", long_options)) != -1) {
		if (option == OPTION_HELP) {
			fputs(help_text, stdout);
			return cli_finish_output();
		}
		if (take_option(du, option))
			return 1;
	}
	argc = image_default_here(argc, argv);
	if (optind == argc)
		return cli_error("du: no IMAGE:/PATH given (see --help)");
	if (du->summarize && du->all)
		return cli_error("du: -a and -s do not go together");
	if (du->summarize && du->has_depth && du->max_depth)
		return cli_error("du: -s and -d %llu do not go together",
				 (unsigned long long)du->max_depth);
	if (du->summarize)
		du->max_depth = 0;
	return -1;
}

int cmd_du(int argc, char **argv)
{
	struct du du = { .unit = 1024, .max_depth = UINT64_MAX };
	int code;

	if (image_view_init(&du.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	du.walk.view = &du.view;
	pair_set_init(&du.seen);
	code = du_options(&du, argc, argv);
	if (code < 0) {
		code = 0;
		argc = image_default_here(argc, argv);
		du.see_all = argc - optind > 1;
		for (int i = optind; i < argc; i++)
			code |= du_argument(&du, argv[i]);
		if (du.total) {
			print_size(&du, du.grand_total);
			fputs("total", stdout);
			putchar(du.zero ? '\0' : '\n');
		}
		code |= cli_finish_output();
	}
	pair_set_fini(&du.seen);
	mem_free(du.sums);
	mem_free(du.below);
	image_view_fini(&du.view);
	return code;
}
