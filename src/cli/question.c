/*
 * What the commands that answer a question about a filesystem share. Keeps nothing of its own.
 */
#include "cli/question.h"

#include <stdio.h>
#include <string.h>

int question_open(struct question *question, const char *argument)
{
	fs_source_close(&question->source);
	return fs_source_open(&question->view, argument, &question->source);
}

/* -1: go on; otherwise the exit code. */
static int take_option(const struct question_spec *spec, struct question *question, void *ctx,
		       int option)
{
	int code = spec->option ? spec->option(question, ctx, option) : -1;

	if (code >= 0)
		return code ? 1 : -1;
	if (spec->units && size_units_option(&question->units, option, spec->unit_letters))
		return -1;
	if (option == OPTION_HELP) {
		fputs(spec->help, stdout);
		return cli_finish_output();
	}
	if (option == OPTION_FORMAT)
		return json_out_option(&question->out, optarg) ? 1 : -1;
	return image_view_option(&question->view, option) ? 1 : -1;
}

static int run(const struct question_spec *spec, struct question *question, void *ctx, int argc,
	       char **argv)
{
	int option, code = -1;

	optind = 0;
	while (code < 0 &&
	       (option = cli_option(argc, argv, spec->short_options, spec->long_options)) != -1)
		code = take_option(spec, question, ctx, option);
	if (code >= 0)
		return code;
	return spec->answer(question, ctx, argc, argv) | cli_finish_output();
}

int question_run(const struct question_spec *spec, void *ctx, int argc, char **argv)
{
	struct question question = { .out = { .wanted = false } };
	int code;

	if (image_view_init(&question.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = run(spec, &question, ctx, argc, argv);
	fs_source_close(&question.source);
	image_view_fini(&question.view);
	return code;
}
