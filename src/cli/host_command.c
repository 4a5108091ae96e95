/*
 * Programs of this machine. Keeps nothing.
 */
#include "cli/host_command.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cli_error("cannot wait for a program: %s", strerror(errno));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int host_command_run(const char *command, const char *argument, const sigset_t *signals)
{
	char *with_argument = argument ? mem_printf("%s \"$@\"", command) : mem_strdup(command);
	char *const argv[] = { (char[]){ "sh" },
			       (char[]){ "-c" },
			       with_argument,
			       (char[]){ "sh" },
			       (char *)(uintptr_t)argument,
			       NULL };
	posix_spawnattr_t attr;
	pid_t pid;
	int err;

	if (!with_argument)
		return cli_error("no memory for a command");
	fflush(stdout);
	posix_spawnattr_init(&attr);
	if (signals) {
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
		posix_spawnattr_setsigmask(&attr, signals);
	}
	err = posix_spawn(&pid, "/bin/sh", NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	mem_free(with_argument);
	return err ? cli_error("cannot start /bin/sh: %s", strerror(err)) : wait_for(pid);
}
