/*
 * Programs of this machine. Keeps nothing.
 */
#include "cli/host_command.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/session.h"

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cli_error("cannot wait for a program: %s", strerror(errno));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What a terminal sends to all who stand at it. */
static const int of_terminal[] = { SIGINT, SIGQUIT };

struct ignored {
	struct sigaction before[ARRAY_LEN(of_terminal)];
};

/* ret_default: those that the program is to have as they were. */
static void ignore_begin(struct ignored *ignored, sigset_t *ret_default)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigemptyset(ret_default);
	for (size_t i = 0; i < ARRAY_LEN(of_terminal); i++) {
		sigaction(of_terminal[i], &ignore, &ignored->before[i]);
		if (ignored->before[i].sa_handler != SIG_IGN)
			sigaddset(ret_default, of_terminal[i]);
	}
}

static void ignore_end(const struct ignored *ignored)
{
	for (size_t i = 0; i < ARRAY_LEN(of_terminal); i++)
		sigaction(of_terminal[i], &ignored->before[i], NULL);
}

static int run_shell(char *const *argv, const sigset_t *to_default, const sigset_t *blocked)
{
	short flags = POSIX_SPAWN_SETSIGDEF;
	posix_spawnattr_t attr;
	pid_t pid;
	int err;

	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, to_default);
	if (blocked) {
		flags |= POSIX_SPAWN_SETSIGMASK;
		posix_spawnattr_setsigmask(&attr, blocked);
	}
	posix_spawnattr_setflags(&attr, flags);
	err = posix_spawn(&pid, "/bin/sh", NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return err ? cli_error("cannot start /bin/sh: %s", strerror(err)) : wait_for(pid);
}

int host_command_run(const char *command, const char *argument, struct session *session)
{
	char *with_argument = argument ? mem_printf("%s \"$@\"", command) : mem_strdup(command);
	char *const argv[] = { (char[]){ "sh" },
			       (char[]){ "-c" },
			       with_argument,
			       (char[]){ "sh" },
			       (char *)(uintptr_t)argument,
			       NULL };
	sigset_t to_default, blocked;
	struct ignored ignored;
	int code;

	if (!with_argument)
		return cli_error("no memory for a command");
	fflush(stdout);
	ignore_begin(&ignored, &to_default);
	if (session)
		session_child_begin(session, &blocked);
	code = run_shell(argv, &to_default, session ? &blocked : NULL);
	if (session)
		session_child_end(session);
	ignore_end(&ignored);
	mem_free(with_argument);
	return code;
}
