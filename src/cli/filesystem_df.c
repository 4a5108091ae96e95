/*
 * `ubtrfs filesystem df`.
 */
#include <stdio.h>

#include "cli/filesystem.h"

static const char df_help[] =
	"usage: ubtrfs filesystem df IMAGE[:/PATH]|MOUNT\n"
	"\n"
	"Print how much space block groups of each type and profile have, and how much is used.\n"
	"\n" UNITS_SHORT_HELP UNITS_HELP QUESTION_HELP;

static int print_space(void *ctx, const struct ubtrfs_space *space)
{
	char total[UNITS_TEXT_MAX], used[UNITS_TEXT_MAX];
	struct question *question = ctx;
	bool is_reserve = space->flags & UBTRFS_SPACE_GLOBAL_RESERVE;
	const char *profile = is_reserve ? "single" : ubtrfs_space_profile(space->flags);
	struct json *json = &question->out.json;

	if (!question->out.wanted) {
		printf("%s, %s: total=%s, used=%s\n", ubtrfs_space_type(space->flags), profile,
		       size_units_text(&question->units, space->total_bytes, total),
		       size_units_text(&question->units, space->used_bytes, used));
		return 0;
	}
	json_object_begin(json, NULL);
	json_text(json, "bg-type", ubtrfs_space_type(space->flags));
	json_text(json, "bg-profile", profile);
	json_number(json, "total", space->total_bytes);
	json_number(json, "used", space->used_bytes);
	json_end(json);
	return 0;
}

static int answer_df(struct question *question, void *ctx, int argc, char **argv)
{
	int code = 0;

	(void)ctx;
	argc = image_default_here(argc, argv);
	if (argc - optind != 1)
		return cli_error("df: one image or mount is needed (see --help)");
	if (question_open(question, argv[optind]))
		return 1;
	if (question->out.wanted) {
		json_out_begin(&question->out);
		json_array_begin(&question->out.json, "filesystem-df");
	}
	if (fs_source_space_each(&question->source, print_space, question) < 0)
		code = cli_error("%s", ubtrfs_error_text());
	return question->out.wanted ? code | json_out_end(&question->out) : code;
}

int cmd_filesystem_df(int argc, char **argv)
{
	static const struct option long_options[] = {
		UNITS_LONG_OPTIONS,
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = df_help,
						   .short_options = ":D:" UNITS_SHORT_OPTIONS,
						   .long_options = long_options,
						   .units = true,
						   .unit_letters = true,
						   .answer = answer_df };

	return question_run(&spec, NULL, argc, argv);
}
