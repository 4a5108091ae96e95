/*
 * Patterns: part by part from the directory that they begin at. Parts without a pattern are taken as
 * they are written, so that a pattern never reads more directories than it names.
 */
#include "cli/shell_glob.h"

#include <fnmatch.h>
#include <glob.h>
#include <linux/btrfs_tree.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "cli/entry_list.h"
#include "cli/image_path.h"

#define MATCHES_MAX 1000000u

struct glob_walk {
	struct session *session;
	struct shell_words *words;
	size_t first; /* of the words that are matches */
};

static int match_add(struct glob_walk *walk, const char *path)
{
	char *text = mem_strdup(path);

	if (!text)
		return MEM_FAIL("a path");
	if (walk->words->nr - walk->first >= MATCHES_MAX) {
		mem_free(text);
		return THROW(ERR_LIMIT, "a pattern matches more than %u names", MATCHES_MAX);
	}
	return shell_words_add(walk->words, text, NULL, 0);
}

static int find_node(struct glob_walk *walk, const char *path, struct ubtrfs_node *ret_node)
{
	struct image_view *view = walk->session->view;
	SCOPED_MEM char *full = session_path(walk->session, *path ? path : ".");

	if (!full)
		return MEM_FAIL("a path");
	return err_adopt(ubtrfs_resolve(view->fs, image_view_top(view), full, true, ret_node));
}

static int expand(struct glob_walk *walk, const char *base, const char *pattern);

/* One name that matches a part; rest: the pattern behind it, with its slashes. */
static int expand_name(struct glob_walk *walk, const char *base, const char *name, const char *rest)
{
	SCOPED_MEM char *path = NULL;
	size_t nr_slashes = strspn(rest, "/");
	struct ubtrfs_node node;

	path = mem_printf("%s%s%.*s", base, name, (int)(nr_slashes ? 1 : 0), rest);
	if (!path)
		return MEM_FAIL("a path");
	if (rest[nr_slashes])
		return expand(walk, path, rest + nr_slashes);
	/* "PATTERN/" means directories. */
	if (nr_slashes && find_node(walk, path, &node) < 0)
		return 0;
	return match_add(walk, path);
}

static int expand_part(struct glob_walk *walk, const char *base, const char *part, const char *rest)
{
	struct entry_list list;
	struct ubtrfs_node dir;
	int ret = 0;

	/* What is no directory, or not there, has nothing that matches. */
	if (find_node(walk, base, &dir) < 0)
		return 0;
	if (entry_list_read(walk->session->view->fs, dir, &list) == 0)
		for (size_t i = 0; ret == 0 && i < list.nr; i++)
			if (fnmatch(part, list.entries[i].name, FNM_PERIOD) == 0 &&
			    (!*rest || entry_is_dir(&list.entries[i]) ||
			     list.entries[i].type == BTRFS_FT_SYMLINK))
				ret = expand_name(walk, base, list.entries[i].name, rest);
	entry_list_release(&list);
	return ret;
}

/* The part without the backslashes of its quoting. */
static void part_unquote(char *part)
{
	char *out = part;

	for (; *part; part++) {
		if (*part == '\\' && part[1])
			part++;
		*out++ = *part;
	}
	*out = '\0';
}

static bool part_is_pattern(const char *part)
{
	for (; *part; part++) {
		if (*part == '\\' && part[1])
			part++;
		else if (strchr("*?[", *part))
			return true;
	}
	return false;
}

static int expand(struct glob_walk *walk, const char *base, const char *pattern)
{
	size_t len = strcspn(pattern, "/");
	SCOPED_MEM char *part = mem_dup(pattern, len + 1), *path = NULL;
	struct ubtrfs_node node;

	if (!part)
		return MEM_FAIL("a pattern");
	part[len] = '\0';
	if (part_is_pattern(part))
		return expand_part(walk, base, part, pattern + len);
	part_unquote(part);
	if (pattern[len])
		return expand_name(walk, base, part, pattern + len);
	path = mem_printf("%s%s", base, part);
	if (!path)
		return MEM_FAIL("a path");
	return find_node(walk, path, &node) == 0 ? match_add(walk, path) : 0;
}

static int expand_host(const char *pattern, struct glob_walk *walk)
{
	glob_t found;
	int ret = 0;

	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; ret == 0 && i < found.gl_pathc; i++) {
		SCOPED_MEM char *text = mem_printf(SESSION_HOST_PREFIX "%s", found.gl_pathv[i]);

		ret = text ? match_add(walk, text) : MEM_FAIL("a path");
	}
	globfree(&found);
	return ret;
}

int shell_glob(struct session *session, const struct shell_word *word, struct shell_words *words)
{
	struct glob_walk walk = { .session = session, .words = words, .first = words->nr };
	const char *host = session_host_text(word->text);
	const char *pattern = word->pattern;
	size_t nr_slashes = strspn(pattern, "/");

	/* The prefix has nothing in it that would be quoted. */
	if (host)
		return expand_host(pattern + strlen(SESSION_HOST_PREFIX), &walk);
	return expand(&walk, nr_slashes ? "/" : "", pattern + nr_slashes);
}
