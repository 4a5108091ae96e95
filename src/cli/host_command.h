/*
 * Programs of this machine, started by the shell of the system: !COMMAND, and the editor.
 */
#ifndef UBTRFS_CLI_HOST_COMMAND_H
#define UBTRFS_CLI_HOST_COMMAND_H

#include <signal.h>

/*
 * Runs `sh -c COMMAND`, with argument (may be NULL) behind it as a word of its own, and waits. signals:
 * what is blocked in it; NULL: what is blocked here. The exit code; 128 + N for signal N; 1 after a
 * message when it could not be started.
 */
int host_command_run(const char *command, const char *argument, const sigset_t *signals);

#endif
