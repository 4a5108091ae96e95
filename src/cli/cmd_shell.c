/*
 * `ubtrfs shell`: commands inside one image, typed or from a script. What they do is in the image when
 * it is committed, as a whole, and not before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/image_path.h"
#include "cli/line_file.h"
#include "cli/shell_line.h"
#include "cli/shell_run.h"

enum { OPTION_COMPRESS = 0x300 };

struct request {
	struct image_view view;
	const char *script; /* -f; NULL: none, "-": standard input */
	bool read_only;
	const char *image;
};

static const char help_text[] =
	"usage: ubtrfs shell [OPTIONS] IMAGE\n"
	"       ubtrfs shell [OPTIONS] -f FILE IMAGE\n"
	"\n"
	"Work inside an image: cd, ls, cp, mv, rm and the other commands, on paths without IMAGE:.\n"
	"What was done is in the image after `commit`, and gone after `discard`. `help` lists the\n"
	"commands.\n"
	"\n"
	"Lines come from a terminal, or else are a script: it ends at the first command that fails,\n"
	"and then nothing since its last `commit` stays; at its end what is left is committed.\n"
	"\n"
	"  -f, --file FILE       the script; - is standard input\n"
	"  -r, --read-only       change nothing\n"
	"      --compress ALG[:LEVEL]  of new data: no (default), zlib (1..9), lzo, zstd (1..15)\n"
	"  -j, --jobs N          threads; as many as processors when not given\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "file", required_argument, NULL, 'f' },
	{ "read-only", no_argument, NULL, 'r' },
	{ "compress", required_argument, NULL, OPTION_COMPRESS },
	{ "jobs", required_argument, NULL, 'j' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* ---- typed ---- */

/* What is to happen to what is not committed. false: the shell goes on. */
static bool confirm_quit(struct shell *shell)
{
	char answer[64];

	for (;;) {
		fputs("Something is not committed. Commit it? [y]es, [n]o, [c]ancel: ", stdout);
		fflush(stdout);
		if (!fgets(answer, sizeof(answer), stdin) || *answer == 'n') {
			shell->discarded = true;
			return true;
		}
		if (*answer == 'c')
			return false;
		if (*answer != 'y')
			continue;
		if (session_commit(&shell->session) == 0)
			return true;
		cli_error("commit: %s", ubtrfs_error_text());
		return false;
	}
}

static int run_typed(struct shell *shell, const char *image)
{
	struct shell_line *lines;
	const char *line;

	shell->confirm_quit = confirm_quit;
	if (shell_line_new(shell, image, &lines) < 0)
		return cli_error("%s", ubtrfs_error_text());
	while (!shell->quit) {
		line = shell_line_next(lines);
		if (line) {
			/* What a command yields is told, and no more. */
			(void)!shell_run_line(shell, line);
			continue;
		}
		putchar('\n');
		shell->quit = !shell->session.changed || session_terminated(&shell->session) ||
			      confirm_quit(shell);
	}
	shell_line_free(lines);
	return 0;
}

/* ---- scripts ---- */

static int run_lines(struct shell *shell, FILE *file, const char *name)
{
	struct strbuf line;
	unsigned long nr = 0;
	int code = 0, ret = 1;

	strbuf_init(&line);
	while (!code && !shell->quit && ret) {
		nr++;
		ret = line_read(file, &line);
		if (ret < 0)
			code = cli_error("%s:%lu: %s", name, nr, ubtrfs_error_text());
		else if (ret)
			code = shell_run_line(shell, strbuf_text(&line));
	}
	strbuf_fini(&line);
	if (!code && ferror(file))
		return cli_error("%s: cannot be read", name);
	if (code)
		cli_error("%s:%lu: the script ends here%s", name, nr,
			  shell->session.changed ?
				  ", and what was not committed is not in the image" :
				  "");
	return code;
}

static int run_script(struct shell *shell, const char *name)
{
	bool from_stdin = strcmp(name, "-") == 0;
	FILE *file = from_stdin ? stdin : fopen(name, "re");
	int code;

	if (!file)
		return cli_error("cannot open %s: %s", name, strerror(errno));
	code = run_lines(shell, file, from_stdin ? "standard input" : name);
	if (!from_stdin)
		fclose(file);
	if (!code && session_terminated(&shell->session))
		return EXIT_INTERRUPTED;
	if (!code && shell->session.changed && session_commit(&shell->session) < 0)
		return cli_error("%s", ubtrfs_error_text());
	return code;
}

/* ---- the command ---- */

static int run(struct request *request)
{
	struct shell shell = { .interactive = !request->script && isatty(STDIN_FILENO) };
	int code;

	request->view.how.writable = !request->read_only;
	request->view.how.explicit_commit = !request->read_only;
	if (session_begin(&shell.session, &request->view, request->image, shell.interactive) < 0)
		code = cli_error("%s", ubtrfs_error_text());
	else if (shell.interactive)
		code = run_typed(&shell, request->image);
	else
		code = run_script(&shell, request->script ? request->script : "-");
	if (session_current() && session_terminated(&shell.session))
		code = EXIT_INTERRUPTED;
	session_end(&shell.session);
	return code;
}

/* -1: go on; otherwise the exit code. */
static int take_option(struct request *request, int option)
{
	int code;

	switch (option) {
	case 'f':
		request->script = optarg;
		return -1;
	case 'r':
		request->read_only = true;
		return -1;
	case 'j':
		return cli_threads(optarg, &request->view.how.threads) ? 1 : -1;
	case OPTION_COMPRESS:
		code = compress_option(optarg, &request->view.how.compress,
				       &request->view.how.compress_level);
		return code ? 1 : -1;
	case OPTION_HELP:
		fputs(help_text, stdout);
		return cli_finish_output();
	default:
		return image_view_option(&request->view, option) ? 1 : -1;
	}
}

int cmd_shell(int argc, char **argv)
{
	struct request request = { .script = NULL };
	int option, code = -1;

	if (image_view_init(&request.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	optind = 0;
	while (code < 0 && (option = cli_option(argc, argv, ":D:f:rj:", long_options)) != -1)
		code = take_option(&request, option);
	if (code < 0 && argc - optind != 1)
		code = cli_error(argc == optind ? "shell: no IMAGE given (see --help)" :
						  "shell: one IMAGE only");
	if (code < 0) {
		request.image = argv[optind];
		code = run(&request);
	}
	image_view_fini(&request.view);
	return code;
}
