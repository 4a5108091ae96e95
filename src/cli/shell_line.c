/*
 * Lines that somebody types.
 *
 * While a line is read, ^C is a key that drops the line; the terminal sends no signal then. The
 * history is kept in $XDG_STATE_HOME/ubtrfs/history (~/.local/state/ubtrfs/history); that it cannot be
 * kept is no error.
 */
#include "cli/shell_line.h"

#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cli/entry_list.h"
#include "cli/shell_complete.h"

#define HISTORY_LINES 1000
#define SHOWN_MAX 200u
#define DEFAULT_COLUMNS 80u

struct shell_line {
	struct shell *shell;
	const char *image;
	EditLine *el;
	History *history;
	char *history_path; /* owned; NULL: nowhere to keep it */
	struct strbuf prompt, text;
	bool cancelled;
};

static struct shell_line *line_of(EditLine *el)
{
	struct shell_line *line = NULL;

	el_get(el, EL_CLIENTDATA, &line);
	return line;
}

/* "disk.img:/etc> "; a star says that something is not committed. */
static char *prompt(EditLine *el)
{
	struct shell_line *line = line_of(el);
	const struct session *session = &line->shell->session;
	const char *slash = strrchr(line->image, '/');

	strbuf_clear(&line->prompt);
	strbuf_addf(&line->prompt, "%s:%s%s> ", slash ? slash + 1 : line->image, session->cwd,
		    session->changed ? "*" : "");
	for (char *at = line->prompt.text; at && *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	return (char *)(uintptr_t)strbuf_text(&line->prompt);
}

/* ---- keys ---- */

static unsigned char drop_line(EditLine *el, int key)
{
	(void)key;
	line_of(el)->cancelled = true;
	fputs("^C\n", stdout);
	fflush(stdout);
	return CC_NEWLINE;
}

static unsigned terminal_columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col :
									     DEFAULT_COLUMNS;
}

/* Below the line, in columns. */
static void show_words(const struct completion *completion)
{
	size_t nr = MIN(completion->nr, (size_t)SHOWN_MAX), width = 0, per_row;

	for (size_t i = 0; i < nr; i++)
		width = MAX(width, strlen(completion->words[i] + completion->shown_from) + 2);
	per_row = MAX(terminal_columns() / width, (size_t)1);
	putchar('\n');
	for (size_t i = 0; i < nr; i++) {
		const char *word = completion->words[i] + completion->shown_from;
		bool ends = (i + 1) % per_row == 0 || i + 1 == nr;

		print_name(word);
		printf("%*s", ends ? 1 : (int)(width - strlen(word)), ends ? "\n" : "");
	}
	if (completion->nr > nr)
		printf("and %zu more\n", completion->nr - nr);
	fflush(stdout);
}

/* Characters, not bytes, are what the editor counts. */
static int nr_characters(const char *text)
{
	size_t nr = mbstowcs(NULL, text, 0);

	return (int)(nr == (size_t)-1 ? strlen(text) : nr);
}

static unsigned char complete_in(EditLine *el, const char *typed,
				 const struct completion *completion)
{
	SCOPED_MEM char *text = completion->nr ? completion_text(completion) : NULL;
	const char *old = typed + completion->start;

	if (!text)
		return CC_REFRESH_BEEP;
	if (strcmp(text, old) != 0) {
		el_deletestr(el, nr_characters(old));
		return el_insertstr(el, text) < 0 ? CC_REFRESH_BEEP : CC_REFRESH;
	}
	if (completion->nr < 2)
		return CC_REFRESH_BEEP;
	show_words(completion);
	return CC_REDISPLAY;
}

static unsigned char complete(EditLine *el, int key)
{
	const LineInfo *info = el_line(el);
	SCOPED_MEM char *typed =
		mem_printf("%.*s", (int)(info->cursor - info->buffer), info->buffer);
	struct completion completion;
	unsigned char code = CC_REFRESH_BEEP;

	(void)key;
	if (!typed)
		return code;
	if (shell_complete(line_of(el)->shell, typed, &completion) == 0)
		code = complete_in(el, typed, &completion);
	completion_release(&completion);
	return code;
}

/* ---- history ---- */

/* Makes the directories of a path that is our own; false when that cannot be. */
static bool folders_make(char *path)
{
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			*at = '/';
			return false;
		}
		*at = '/';
	}
	return true;
}

static char *history_path(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && *state == '/')
		return mem_printf("%s/ubtrfs/history", state);
	return home && *home == '/' ? mem_printf("%s/.local/state/ubtrfs/history", home) : NULL;
}

static void history_open(struct shell_line *line)
{
	HistEvent event;

	history(line->history, &event, H_SETSIZE, HISTORY_LINES);
	history(line->history, &event, H_SETUNIQUE, 1);
	line->history_path = history_path();
	if (line->history_path)
		history(line->history, &event, H_LOAD, line->history_path);
}

static void history_close(struct shell_line *line)
{
	HistEvent event;
	mode_t mask = umask(077);

	if (line->history_path && folders_make(line->history_path))
		history(line->history, &event, H_SAVE, line->history_path);
	umask(mask);
	mem_free(line->history_path);
	history_end(line->history);
}

/* ---- lines ---- */

static void set_keys(EditLine *el)
{
	el_set(el, EL_EDITOR, "emacs");
	el_set(el, EL_ADDFN, "ubtrfs-complete", "complete a name", complete);
	el_set(el, EL_ADDFN, "ubtrfs-drop-line", "drop the line", drop_line);
	el_set(el, EL_BIND, "^I", "ubtrfs-complete", NULL);
	el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	/* What the user has set for all programs. */
	el_source(el, NULL);
	el_set(el, EL_SETTY, "-d", "-isig", NULL);
	el_set(el, EL_BIND, "^C", "ubtrfs-drop-line", NULL);
}

int shell_line_new(struct shell *shell, const char *image, struct shell_line **ret_line)
{
	struct shell_line *line = mem_zalloc(sizeof(*line));

	if (!line)
		return MEM_FAIL("the editor of lines");
	/* The editor counts characters as the terminal shows them. */
	setlocale(LC_CTYPE, "");
	line->shell = shell;
	line->image = image;
	line->el = el_init("ubtrfs", stdin, stdout, stderr);
	line->history = line->el ? history_init() : NULL;
	if (!line->history) {
		if (line->el)
			el_end(line->el);
		mem_free(line);
		return MEM_FAIL("the editor of lines");
	}
	history_open(line);
	el_set(line->el, EL_CLIENTDATA, line);
	el_set(line->el, EL_PROMPT, prompt);
	el_set(line->el, EL_HIST, history, line->history);
	set_keys(line->el);
	*ret_line = line;
	return 0;
}

const char *shell_line_next(struct shell_line *line)
{
	HistEvent event;
	const char *read;
	int nr = 0;

	do {
		line->cancelled = false;
		read = el_gets(line->el, &nr);
		if (line->cancelled)
			el_reset(line->el);
	} while (line->cancelled);
	if (!read || nr <= 0)
		return NULL;
	strbuf_clear(&line->text);
	strbuf_add_bytes(&line->text, read, strcspn(read, "\n"));
	if (strbuf_status(&line->text) < 0)
		return NULL;
	if (line->text.text[strspn(line->text.text, " \t")])
		history(line->history, &event, H_ENTER, line->text.text);
	return line->text.text;
}

void shell_line_free(struct shell_line *line)
{
	if (!line)
		return;
	history_close(line);
	el_end(line->el);
	strbuf_fini(&line->prompt);
	strbuf_fini(&line->text);
	mem_free(line);
}
