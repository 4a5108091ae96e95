/*
 * One line of the shell. Commands of the program are found in its table and called as from outside,
 * with the session lending them the image.
 */
#include "cli/shell_run.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/command_table.h"
#include "cli/entry_list.h"
#include "cli/host_command.h"
#include "cli/shell_glob.h"
#include "cli/shell_words.h"

struct builtin {
	const char *name;
	const char *usage;
	const char *summary;
	int max_args; /* behind the name */
	int (*run)(struct shell *shell, const char *argument);
};

static int run_help(struct shell *shell, const char *argument);

static int run_cd(struct shell *shell, const char *argument)
{
	int ret = session_chdir(&shell->session, argument ? argument : "/");

	if (ret < 0)
		return cli_error("cd: %s: %s", argument ? argument : "/",
				 strerror(err_to_errno(ret)));
	return 0;
}

static int run_pwd(struct shell *shell, const char *argument)
{
	(void)argument;
	print_name(shell->session.cwd);
	putchar('\n');
	return cli_finish_output();
}

static int run_lcd(struct shell *shell, const char *argument)
{
	const char *home = getenv("HOME");

	(void)shell;
	if (!argument && !home)
		return cli_error("lcd: HOME is not set");
	if (chdir(argument ? argument : home) < 0)
		return cli_error("lcd: %s: %s", argument ? argument : home, strerror(errno));
	return 0;
}

static int run_lpwd(struct shell *shell, const char *argument)
{
	char path[PATH_MAX];

	(void)shell;
	(void)argument;
	if (!getcwd(path, sizeof(path)))
		return cli_error("lpwd: %s", strerror(errno));
	print_name(path);
	putchar('\n');
	return cli_finish_output();
}

static int run_commit(struct shell *shell, const char *argument)
{
	(void)argument;
	if (session_commit(&shell->session) < 0)
		return cli_error("commit: %s", ubtrfs_error_text());
	return 0;
}

static int run_discard(struct shell *shell, const char *argument)
{
	(void)argument;
	if (session_discard(&shell->session) < 0) {
		cli_error("discard: %s", ubtrfs_error_text());
		shell->quit = true;
		return 1;
	}
	return 0;
}

static int run_quit(struct shell *shell, const char *argument)
{
	(void)argument;
	shell->quit = !shell->session.changed || !shell->confirm_quit || shell->confirm_quit(shell);
	return 0;
}

static const struct builtin builtins[] = {
	{ "cd", "cd [DIRECTORY]", "go to a directory of the image; without one to the top", 1,
	  run_cd },
	{ "pwd", "pwd", "show where in the image", 0, run_pwd },
	{ "lcd", "lcd [DIRECTORY]", "go to a directory of this machine", 1, run_lcd },
	{ "lpwd", "lpwd", "show where on this machine", 0, run_lpwd },
	{ "commit", "commit", "make durable what was done, as a whole", 0, run_commit },
	{ "discard", "discard", "forget what was done since the last commit", 0, run_discard },
	{ "quit", "quit", "leave the shell", 0, run_quit },
	{ "exit", "exit", "the same", 0, run_quit },
	{ "help", "help [COMMAND]", "show this, or the help of a command", 1, run_help },
};

static const struct builtin *builtin_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
		if (strcmp(builtins[i].name, name) == 0)
			return &builtins[i];
	return NULL;
}

/* The index of the n-th command of the program that is one of the shell too. */
static const struct command *shared_command(unsigned nr)
{
	const struct command *command;

	for (unsigned i = 0; (command = command_at(i)); i++)
		if (command_is_inside(command) && nr-- == 0)
			return command;
	return NULL;
}

const char *shell_command_name(unsigned index)
{
	const struct command *command;

	if (index < ARRAY_LEN(builtins))
		return builtins[index].name;
	command = shared_command(index - (unsigned)ARRAY_LEN(builtins));
	return command ? command->name : NULL;
}

static const struct command *command_find(const char *name)
{
	const struct command *command;

	for (unsigned i = 0; (command = command_at(i)); i++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

/* ---- help ---- */

static int help_all(void)
{
	const struct command *command;

	for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
		printf("    %-18s%s\n", builtins[i].usage, builtins[i].summary);
	printf("    %-18s%s\n\n", "!COMMAND", "run a command of this machine");
	for (unsigned i = 0; (command = shared_command(i)); i++)
		printf("    %-18s%s\n", command->name, command->summary);
	puts("\nPaths are inside the image; host:PATH is on this machine (cp host:notes /etc/), and\n"
	     "host:IMAGE:/PATH in another image. * ? [...] match names; ' \" \\ quote.\n"
	     "`COMMAND --help` shows the options of a command; where it says IMAGE:/PATH a path is\n"
	     "meant here. Nothing is in the image before `commit`.");
	return cli_finish_output();
}

static int run_help(struct shell *shell, const char *argument)
{
	const struct builtin *builtin = argument ? builtin_find(argument) : NULL;
	const struct command *command = argument ? command_find(argument) : NULL;
	char *ask_help[] = { NULL, (char[]){ "--help" }, NULL, NULL };

	(void)shell;
	if (!argument)
		return help_all();
	if (builtin) {
		printf("usage: %s\n\n%s\n", builtin->usage, builtin->summary);
		return cli_finish_output();
	}
	if (!command || !command_is_inside(command))
		return cli_error("unknown command '%s'", argument);
	ask_help[0] = (char *)(uintptr_t)command->name;
	return command->run(2, ask_help);
}

/* ---- running ---- */

static int run_builtin(struct shell *shell, const struct builtin *builtin, int argc, char **argv)
{
	if (argc - 1 > builtin->max_args)
		return cli_error("%s: too many arguments (usage: %s)", builtin->name,
				 builtin->usage);
	return builtin->run(shell, argc > 1 ? argv[1] : NULL);
}

static int run_words(struct shell *shell, int argc, char **argv)
{
	const struct builtin *builtin = builtin_find(argv[0]);
	const struct command *command;

	if (builtin)
		return run_builtin(shell, builtin, argc, argv);
	command = command_find(argv[0]);
	if (!command)
		return cli_error("unknown command '%s' (see help)", argv[0]);
	if (!command_is_inside(command))
		return cli_error("%s is no command of the shell: it is for a whole image", argv[0]);
	return command->run(argc, argv);
}

/* Patterns that match become what they match; the rest stays as it is. */
static int expand(struct shell *shell, struct shell_words *words, struct shell_words *ret_words)
{
	for (size_t i = 0; i < words->nr; i++) {
		struct shell_word *word = &words->words[i];
		size_t before = ret_words->nr;
		char *text = word->text;

		if (word->pattern && i)
			TRY(shell_glob(&shell->session, word, ret_words));
		if (ret_words->nr > before)
			continue;
		word->text = NULL;
		TRY(shell_words_add(ret_words, text, NULL, word->start));
	}
	return 0;
}

/* Room for an operand that a command may add (image_default_here), and the end. */
static int run_expanded(struct shell *shell, const struct shell_words *words)
{
	char **argv = mem_array(words->nr + 2, sizeof(*argv));
	int code;

	if (!argv)
		return cli_error("no memory for the arguments");
	for (size_t i = 0; i < words->nr; i++)
		argv[i] = words->words[i].text;
	session_command_begin(&shell->session);
	code = run_words(shell, (int)words->nr, argv);
	session_command_end(&shell->session);
	mem_free(argv);
	return code;
}

static int run_host(struct shell *shell, const char *command)
{
	int code;

	session_command_begin(&shell->session);
	code = host_command_run(command, NULL, &shell->session);
	session_command_end(&shell->session);
	return code;
}

int shell_run_line(struct shell *shell, const char *line)
{
	struct shell_words words = { .nr = 0 }, expanded = { .nr = 0 };
	int code = 0, ret;

	line += strspn(line, " \t");
	if (*line == '!')
		return run_host(shell, line + 1);
	ret = shell_words_split(line, false, &words);
	if (ret == 0)
		ret = expand(shell, &words, &expanded);
	if (ret < 0)
		code = cli_error("%s", err_text(ret));
	else if (expanded.nr)
		code = run_expanded(shell, &expanded);
	shell_words_release(&words);
	shell_words_release(&expanded);
	if (session_terminated(&shell->session))
		shell->quit = true;
	return code;
}
