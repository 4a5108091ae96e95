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

/* 0, or 1 with a message. Ended in every case. */
int question_init(struct question *question, int argc) must_check;
void question_end(struct question *question);

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

enum question_parsed { QUESTION_TAKEN, QUESTION_DONE, QUESTION_BAD };
/* An option that is none of the command's own. help: printed for --help (then DONE). */
enum question_parsed question_option(struct question *question, int option, const char *help);

#endif
