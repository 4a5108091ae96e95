/*
 * Programs of this machine, started by the shell of the system: !COMMAND, and the editor.
 */
#ifndef UBTRFS_CLI_HOST_COMMAND_H
#define UBTRFS_CLI_HOST_COMMAND_H

struct session;

/*
 * Runs `sh -c COMMAND`, with argument (may be NULL) behind it as a word of its own, and waits. As with
 * system(3), SIGINT and SIGQUIT of the terminal are for the program, and not for us, until it ends;
 * neither are they for the session (may be NULL). The exit code; 128 + N for signal N; 1 after a
 * message when it could not be started.
 */
int host_command_run(const char *command, const char *argument, struct session *session);

#endif
