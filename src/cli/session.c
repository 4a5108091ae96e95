/*
 * The session of `ubtrfs shell`: the image, the directory, commit and discard.
 *
 * `current` is set while a session lasts, by the thread that runs the commands; other threads look
 * at it only while a command runs.
 */
#include "cli/session.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cli/image_path.h"
#include "cli/session_signals.h"

static struct session *current;

struct session *session_current(void)
{
	return current;
}

int session_begin(struct session *session, struct image_view *view, const char *image,
		  bool interactive)
{
	memset(session, 0, sizeof(*session));
	if (current)
		return THROW(ERR_INVALID, "a shell in a shell: leave this one first");
	session->cwd = mem_strdup("/");
	if (!session->cwd)
		return MEM_FAIL("a path");
	/* Before the library starts threads, which inherit what is blocked. */
	TRY(session_signals_start(interactive, &session->signals));
	TRY(image_view_open_quiet(view, image));
	session->view = view;
	current = session;
	return 0;
}

void session_end(struct session *session)
{
	if (current == session)
		current = NULL;
	session_signals_stop(session->signals);
	session->signals = NULL;
	mem_free(session->cwd);
	session->cwd = NULL;
}

int session_commit(struct session *session)
{
	int ret;

	if (!session->view->fs)
		return THROW(ERR_INVALID, "the image is not open any more");
	session_signals_hold(session->signals, true);
	ret = err_adopt(ubtrfs_commit(session->view->fs));
	session_signals_hold(session->signals, false);
	if (ret == 0)
		session->changed = false;
	return ret;
}

int session_discard(struct session *session)
{
	struct image_view *view = session->view;
	SCOPED_MEM char *image = mem_strdup(view->image);

	if (!image)
		return MEM_FAIL("a name");
	image_view_close(view);
	session->changed = false;
	/* It is the session's own open, not one lent by it. */
	current = NULL;
	TRY(image_view_open_quiet(view, image));
	current = session;
	/* The directory may have been made since the last commit. */
	while (session_chdir(session, ".") < 0 && strcmp(session->cwd, "/") != 0)
		*(strrchr(session->cwd, '/') + (strrchr(session->cwd, '/') == session->cwd)) = '\0';
	return 0;
}

int session_lend(struct session *session, bool writable, struct ubtrfs **ret_fs)
{
	if (!session->view->fs)
		return THROW(ERR_INVALID, "the image is not open any more");
	if (writable && !session->view->how.writable)
		return THROW(ERR_READ_ONLY, "the shell was started with --read-only");
	if (writable)
		session->changed = true;
	*ret_fs = session->view->fs;
	return 0;
}

/* ---- paths ---- */

const char *session_host_text(const char *text)
{
	size_t len = strlen(SESSION_HOST_PREFIX);

	if (!current)
		return text;
	return strncmp(text, SESSION_HOST_PREFIX, len) == 0 ? text + len : NULL;
}

char *session_path(const struct session *session, const char *text)
{
	if (*text == '/')
		return mem_strdup(text);
	return mem_printf("%s%s%s", session->cwd, strcmp(session->cwd, "/") == 0 ? "" : "/", text);
}

/* Without "." and empty parts; ".." takes the part before it away, as the shell's cd does. */
static int path_normalize(const char *path, char **ret_path)
{
	struct strbuf out;

	strbuf_init(&out);
	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.') {
			while (out.len && out.text[--out.len] != '/')
				;
			if (out.text)
				out.text[out.len] = '\0';
		} else if (len != 1 || path[0] != '.') {
			strbuf_add(&out, "/");
			strbuf_add_bytes(&out, path, len);
		}
		path += len;
	}
	if (!out.len)
		strbuf_add(&out, "/");
	TRY(strbuf_status(&out));
	*ret_path = strbuf_detach(&out);
	return 0;
}

int session_chdir(struct session *session, const char *path)
{
	SCOPED_MEM char *joined = session_path(session, path), *clean = NULL;
	struct image_view *view = session->view;
	struct ubtrfs_node node;
	struct ubtrfs_attr attr;

	if (!joined)
		return MEM_FAIL("a path");
	if (!view->fs)
		return THROW(ERR_INVALID, "the image is not open any more");
	TRY(path_normalize(joined, &clean));
	TRY(err_adopt(ubtrfs_resolve(view->fs, image_view_top(view), clean, true, &node)));
	TRY(err_adopt(ubtrfs_getattr(view->fs, node, &attr)));
	if (!S_ISDIR(attr.mode))
		return THROW_SYS(ENOTDIR, "%s", path);
	mem_free(session->cwd);
	session->cwd = clean;
	clean = NULL;
	return 0;
}

/* ---- signals ---- */

void session_command_begin(struct session *session)
{
	session_signals_arm(session->signals, true);
}

void session_command_end(struct session *session)
{
	session_signals_arm(session->signals, false);
}

bool session_interrupted(void)
{
	return current && session_signals_asked(current->signals);
}

int session_check(void)
{
	return session_interrupted() ? THROW(ERR_INTERRUPTED, "interrupted") : 0;
}

bool session_terminated(const struct session *session)
{
	return session_signals_terminated(session->signals);
}

void session_child_begin(struct session *session, void *ret_sigset)
{
	session_signals_lend(session->signals, true);
	session_signals_old(session->signals, ret_sigset);
}

void session_child_end(struct session *session)
{
	session_signals_lend(session->signals, false);
}
