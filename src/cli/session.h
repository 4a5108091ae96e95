/*
 * The session of `ubtrfs shell`: one image that stays open, lent to the commands that run in it, a
 * directory that paths begin at, and what the user wants to happen to what is not committed.
 *
 * Commands are called with argc and argv as from a system's shell. What they do to an image goes
 * through image_path.h and change.h, and those ask here: so no command knows of the shell. There is
 * one session in a process (session_current), set by the one thread that runs commands.
 *
 * Paths in a session are paths inside the image; "host:" before one says that it is one of this
 * machine (or IMAGE:/PATH of another image), as everywhere outside of a session.
 */
#ifndef UBTRFS_CLI_SESSION_H
#define UBTRFS_CLI_SESSION_H

#include <ubtrfs/file.h>

#include "base/err.h"

#define SESSION_HOST_PREFIX "host:"

struct image_view;
struct session_signals;

struct session {
	struct image_view *view; /* of the shell: how it is open; borrowed */
	char *cwd;		 /* begins with '/', ends with one only at the top; owned */
	bool changed;		 /* a command was let in that changes, since the last commit */
	struct session_signals *signals;
};

/* The session that this process is in; NULL outside of a shell. */
struct session *session_current(void);

/*
 * Opens view's image and makes the session the current one. ERR_INVALID when there is one. From here
 * on signals end commands, not the process, unless they do not end soon.
 */
int session_begin(struct session *session, struct image_view *view, const char *image,
		  bool interactive) must_check;
/* Closes without committing. Also after a session_begin that failed. */
void session_end(struct session *session);

/* What was done since the last commit becomes durable, as a whole. */
int session_commit(struct session *session) must_check;
/* It is gone; the image is opened anew. When that fails the session has no image any more. */
int session_discard(struct session *session) must_check;
/* ERR_NOT_DIR, ERR_NOT_FOUND. */
int session_chdir(struct session *session, const char *path) must_check;

/* The image of the session; writable: for one who changes it. ERR_READ_ONLY. */
int session_lend(struct session *session, bool writable, struct ubtrfs **ret_fs) must_check;
/* The path from the top that a text means; owned by the caller. */
char *session_path(const struct session *session, const char *text) must_check;
/* A text that is about this machine, without its prefix; else NULL. */
const char *session_host_text(const char *text);

/* ---- signals ---- */

/* A command begins, ends: what came between is forgotten. */
void session_command_begin(struct session *session);
void session_command_end(struct session *session);
/* The command that runs shall end. False outside of a session. */
bool session_interrupted(void);
/* The same as a result: 0, or ERR_INTERRUPTED. */
int session_check(void) must_check;
/* The session shall end. */
bool session_terminated(const struct session *session);
/*
 * A program is started, and what is typed is for it: SIGINT too, until it ends. ret_sigset: what was
 * blocked before the session, for the program.
 */
void session_child_begin(struct session *session, void *ret_sigset);
void session_child_end(struct session *session);

#endif
