/*
 * Completion. Keeps nothing. A directory is a word that ends with '/', and goes on.
 */
#include "cli/shell_complete.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cli/entry_list.h"
#include "cli/image_path.h"
#include "cli/shell_words.h"

#define COMPLETIONS_MAX 100000u

/* Takes the word over. */
static int completion_add(struct completion *completion, char *word)
{
	size_t capacity = completion->capacity ? 2 * completion->capacity : 32;
	char **words;

	if (!word)
		return MEM_FAIL("a name");
	if (completion->nr == completion->capacity) {
		words = completion->nr < COMPLETIONS_MAX ?
				mem_resize(completion->words, capacity * sizeof(*words)) :
				NULL;
		if (!words) {
			mem_free(word);
			return MEM_FAIL("names");
		}
		completion->words = words;
		completion->capacity = capacity;
	}
	completion->words[completion->nr++] = word;
	return 0;
}

void completion_release(struct completion *completion)
{
	for (size_t i = 0; i < completion->nr; i++)
		mem_free(completion->words[i]);
	mem_free(completion->words);
	completion->words = NULL;
	completion->nr = 0;
}

static int complete_command(const char *typed, struct completion *completion)
{
	const char *name;

	for (unsigned i = 0; (name = shell_command_name(i)); i++)
		if (strncmp(name, typed, strlen(typed)) == 0)
			TRY(completion_add(completion, mem_strdup(name)));
	return 0;
}

/* Hidden names only where the dot is typed. */
static bool name_fits(const char *name, const char *base)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	return strncmp(name, base, strlen(base)) == 0 && (*name != '.' || *base == '.');
}

/* typed up to and with its last '/', then the name. */
static char *word_make(const char *typed, size_t dir_len, const char *name, bool is_dir)
{
	return mem_printf("%.*s%s%s", (int)dir_len, typed, name, is_dir ? "/" : "");
}

static bool leads_to_dir(const struct session *session, const struct entry *entry)
{
	struct image_view *view = session->view;
	struct ubtrfs_attr attr;

	if (entry_is_dir(entry))
		return true;
	/* Of a symlink it is not worth a look along its path: it is one name. */
	return ubtrfs_getattr(view->fs, entry->node, &attr) == 0 && S_ISDIR(attr.mode);
}

static int complete_image(struct shell *shell, const char *typed, size_t dir_len,
			  struct completion *completion)
{
	struct session *session = &shell->session;
	SCOPED_MEM char *dir_text = mem_dup(typed, dir_len + 1), *path = NULL;
	struct entry_list list;
	struct ubtrfs_node dir;
	int ret = 0;

	if (!dir_text)
		return MEM_FAIL("a path");
	dir_text[dir_len] = '\0';
	path = session_path(session, dir_len ? dir_text : ".");
	if (!path)
		return MEM_FAIL("a path");
	if (!session->view->fs ||
	    ubtrfs_resolve(session->view->fs, image_view_top(session->view), path, true, &dir) < 0)
		return 0;
	if (entry_list_read(session->view->fs, dir, &list) == 0)
		for (size_t i = 0; ret == 0 && i < list.nr; i++)
			if (name_fits(list.entries[i].name, typed + dir_len))
				ret = completion_add(
					completion,
					word_make(typed, dir_len, list.entries[i].name,
						  leads_to_dir(session, &list.entries[i])));
	entry_list_release(&list);
	return ret;
}

/* prefix_len: of "host:", which is no part of the path. */
static int complete_host(const char *typed, size_t prefix_len, size_t dir_len,
			 struct completion *completion)
{
	SCOPED_MEM char *path = NULL;
	const struct dirent *entry;
	int ret = 0;
	DIR *dir;

	path = mem_printf("%.*s", (int)(dir_len - prefix_len), typed + prefix_len);
	if (!path)
		return MEM_FAIL("a path");
	dir = opendir(*path ? path : ".");
	while (ret == 0 && dir && (entry = readdir(dir))) {
		struct stat st;

		if (!name_fits(entry->d_name, typed + dir_len))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
			st.st_mode = 0;
		ret = completion_add(completion,
				     word_make(typed, dir_len, entry->d_name, S_ISDIR(st.st_mode)));
	}
	if (dir)
		closedir(dir);
	return ret;
}

static int complete_path(struct shell *shell, const char *command, const char *typed,
			 struct completion *completion)
{
	const char *host = session_host_text(typed), *slash;
	size_t prefix_len = host ? (size_t)(host - typed) : 0, dir_len;

	slash = strrchr(typed + prefix_len, '/');
	dir_len = slash ? (size_t)(slash + 1 - typed) : prefix_len;
	completion->shown_from = dir_len;
	if (host || strcmp(command, "lcd") == 0)
		return complete_host(typed, prefix_len, dir_len, completion);
	return complete_image(shell, typed, dir_len, completion);
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int complete_words(struct shell *shell, const char *line, const struct shell_words *words,
			  struct completion *completion)
{
	size_t index = words->open_end ? words->nr - 1 : words->nr;
	const char *typed = words->open_end ? words->words[index].text : "";

	completion->start = words->open_end ? words->words[index].start : strlen(line);
	completion->quote = words->quote;
	if (index == 0 || (index == 1 && strcmp(words->words[0].text, "help") == 0))
		TRY(complete_command(typed, completion));
	else
		TRY(complete_path(shell, words->words[0].text, typed, completion));
	if (completion->nr)
		qsort(completion->words, completion->nr, sizeof(*completion->words), compare_words);
	return 0;
}

int shell_complete(struct shell *shell, const char *line, struct completion *ret)
{
	struct shell_words words;
	int code;

	memset(ret, 0, sizeof(*ret));
	code = shell_words_split(line, true, &words);
	if (code == 0)
		code = complete_words(shell, line, &words, ret);
	shell_words_release(&words);
	return code;
}

/* A character of several bytes stays whole. */
static size_t common_len(const struct completion *completion)
{
	const char *first = completion->words[0];
	size_t len = strlen(first);

	for (size_t i = 1; i < completion->nr; i++) {
		const char *word = completion->words[i];
		size_t same = 0;

		while (same < len && word[same] == first[same])
			same++;
		len = same;
	}
	while (len && ((unsigned char)first[len] & 0xc0) == 0x80)
		len--;
	return len;
}

char *completion_text(const struct completion *completion)
{
	SCOPED_MEM char *common = NULL, *quoted = NULL;
	const char quote[2] = { completion->quote, '\0' };
	size_t len = common_len(completion);
	bool ends = completion->nr == 1 && len && completion->words[0][len - 1] != '/';

	common = mem_dup(completion->words[0], len + 1);
	if (!common)
		return NULL;
	common[len] = '\0';
	quoted = shell_quote(common, completion->quote);
	if (!quoted)
		return NULL;
	return mem_printf("%s%s%s%s", quote, quoted, ends ? quote : "", ends ? " " : "");
}
