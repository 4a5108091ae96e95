/*
 * What the commands that answer a question about a filesystem share: its image, --format, units.
 */
#ifndef UBTRFS_CLI_QUESTION_H
#define UBTRFS_CLI_QUESTION_H

#include "cli/cli.h"
#include "cli/fs_source.h"
#include "cli/image_path.h"
#include "cli/json_out.h"
#include "cli/size_units.h"

struct question {
	struct image_view view;
	struct fs_source source; /* for those commands that ask a mount as well */
	struct json_out out;
	struct size_units units;
};

/*
 * The long options of every question, and their letters for cli_option; further ones of a command
 * stand behind them.
 */
/* clang-format off */
#define QUESTION_LONG_OPTIONS                       \
	IMAGE_LONG_OPTIONS,                         \
	FORMAT_LONG_OPTION,                         \
	{ "help", no_argument, NULL, OPTION_HELP }
/* clang-format on */
/* Opens what an argument names, an image or a mount of ours: 0, or 1 with a message. */
int question_open(struct question *question, const char *argument) must_check;

#define QUESTION_HELP FORMAT_HELP IMAGE_HELP "      --help            print this\n"

/* What a question is, for the frame. */
struct question_spec {
	const char *help;
	/* For cli_option; the long ones hold QUESTION_LONG_OPTIONS. */
	const char *short_options;
	const struct option *long_options;
	/* Options of units are taken; those with a letter too. */
	bool units, unit_letters;
	/* An option of its own: 0; 1 after a message; -1: none of them. May be NULL. */
	int (*option)(struct question *question, void *ctx, int option);
	/* Behind the last option (optind): the exit code. */
	int (*answer)(struct question *question, void *ctx, int argc, char **argv);
};
/* Yields the exit code. ctx is handed to the callbacks. */
int question_run(const struct question_spec *spec, void *ctx, int argc, char **argv) must_check;

#endif
