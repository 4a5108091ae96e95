/*
 * What the commands that answer a question about a filesystem share. Keeps nothing of its own.
 */
#include "cli/question.h"

#include <stdio.h>
#include <string.h>

int question_init(struct question *question, int argc)
{
	memset(question, 0, sizeof(*question));
	if (image_view_init(&question->view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	optind = 0;
	return 0;
}

int question_open(struct question *question, const char *argument)
{
	fs_source_close(&question->source);
	return fs_source_open(&question->view, argument, &question->source);
}

void question_end(struct question *question)
{
	fs_source_close(&question->source);
	if (question->view.devices)
		image_view_fini(&question->view);
}

enum question_parsed question_option(struct question *question, int option, const char *help)
{
	if (option == OPTION_HELP) {
		fputs(help, stdout);
		return cli_finish_output() ? QUESTION_BAD : QUESTION_DONE;
	}
	if (option == OPTION_FORMAT)
		return json_out_option(&question->out, optarg) ? QUESTION_BAD : QUESTION_TAKEN;
	return image_view_option(&question->view, option) ? QUESTION_BAD : QUESTION_TAKEN;
}
