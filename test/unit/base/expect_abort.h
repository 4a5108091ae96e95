/*
 * For tests of assertions: runs a function in a child, expects it to abort, and hands back what it
 * said on stderr.
 */
#ifndef UBTRFS_TEST_EXPECT_ABORT_H
#define UBTRFS_TEST_EXPECT_ABORT_H

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * True when run(arg) aborted; ret_text gets the first len - 1 bytes of its stderr. SIGABRT is
 * reset, so that a test library's handler does not take it for a failure of the test.
 */
static inline bool expect_abort(void (*run)(void *arg), void *arg, char *ret_text, size_t len)
{
	char rest[4096];
	size_t done = 0;
	int fds[2], status;
	ssize_t nr;
	pid_t pid;

	if (pipe(fds))
		return false;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		signal(SIGABRT, SIG_DFL);
		/* What should have aborted may hang instead. */
		alarm(20);
		run(arg);
		_exit(0);
	}
	close(fds[1]);
	/* Reads to the end even when ret_text is full: the child must not block. */
	while ((nr = read(fds[0], rest, sizeof(rest))) > 0) {
		size_t take = (size_t)nr < len - 1 - done ? (size_t)nr : len - 1 - done;

		memcpy(ret_text + done, rest, take);
		done += take;
	}
	ret_text[done] = '\0';
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
