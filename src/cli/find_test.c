/*
 * Evaluating an expression of `ubtrfs find` for one entry.
 */
#include <fnmatch.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/find_expr.h"

static bool number_matches(const struct term *term, uint64_t number)
{
	switch (term->compare) {
	case COMPARE_MORE:
		return number > term->number;
	case COMPARE_LESS:
		return number < term->number;
	default:
		return number == term->number;
	}
}

/* The path inside the image as the argument and the entry tell it; owned by the caller. */
static char *find_inside_path(const struct find *find, const struct walk_entry *entry)
{
	const char *argument = find->walk.argument, *inside = image_path_inside(argument);

	return mem_printf("%s%s%s", inside ? inside : argument,
			  image_walk_joint(&find->walk, entry), entry->path);
}

/* The last part of an argument, without slashes at its end; of "/" itself "/". */
static char *argument_name(const struct find *find)
{
	const char *inside = image_path_inside(find->walk.argument);
	size_t end, start;
	char *name;

	if (!inside)
		inside = find->walk.argument;
	end = strlen(inside);
	while (end > 1 && inside[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && inside[start - 1] != '/')
		start--;
	if (end == 1 && inside[0] == '/')
		start = 0;
	name = mem_dup(inside + start, end - start + 1);
	if (name)
		name[end - start] = '\0';
	return name;
}

static bool text_matches(const struct find *find, const struct walk_entry *entry,
			 const struct term *term)
{
	int flags = term->fold_case ? FNM_CASEFOLD : 0;
	char *owned = NULL;
	bool matches;

	if (term->kind == TERM_NAME && entry->depth)
		return fnmatch(term->text, entry->name, flags) == 0;
	owned = term->kind == TERM_NAME ? argument_name(find) : find_inside_path(find, entry);
	matches = owned && fnmatch(term->text, owned, flags) == 0;
	mem_free(owned);
	return matches;
}

static bool type_matches(const char *letters, uint8_t type)
{
	static const char of_type[] = {
		[BTRFS_FT_REG_FILE] = 'f', [BTRFS_FT_DIR] = 'd',  [BTRFS_FT_CHRDEV] = 'c',
		[BTRFS_FT_BLKDEV] = 'b',   [BTRFS_FT_FIFO] = 'p', [BTRFS_FT_SOCK] = 's',
		[BTRFS_FT_SYMLINK] = 'l'
	};

	return type < sizeof(of_type) && of_type[type] && strchr(letters, of_type[type]);
}

static struct ubtrfs_time entry_time(const struct walk_entry *entry, enum which_time which)
{
	switch (which) {
	case TIME_ACCESS:
		return entry->attr.atime;
	case TIME_CHANGE:
		return entry->attr.ctime;
	default:
		return entry->attr.mtime;
	}
}

#define SECOND_NS ((__int128)1000000000)

static __int128 time_ns(const struct ubtrfs_time *time)
{
	return time->sec * SECOND_NS + time->nsec;
}

/*
 * As find(1) counts: a file is N days old when N whole days have passed, and N minutes when the N-th is
 * passing; more is more than that day, or that minute.
 */
static bool age_matches(const struct find *find, const struct walk_entry *entry,
			const struct term *term)
{
	struct ubtrfs_time time = entry_time(entry, term->time);
	__int128 age = time_ns(&find->now) - time_ns(&time);
	bool days = term->unit > 60;
	__int128 unit = term->unit * SECOND_NS;
	__int128 wanted = term->number * unit;

	switch (term->compare) {
	case COMPARE_MORE:
		return age > wanted + (days ? unit : 0);
	case COMPARE_LESS:
		return age < wanted + (days ? SECOND_NS : 0);
	default:
		return days ? age >= wanted && age < wanted + unit :
			      age >= wanted - unit && age < wanted;
	}
}

static bool is_newer(const struct walk_entry *entry, const struct ubtrfs_time *than)
{
	return time_ns(&entry->attr.mtime) > time_ns(than);
}

static bool perm_matches(const struct term *term, uint32_t mode)
{
	uint32_t wanted = (uint32_t)term->number;

	mode &= 07777;
	switch (term->perm) {
	case PERM_ALL:
		return (mode & wanted) == wanted;
	case PERM_ANY:
		return !wanted || mode & wanted;
	default:
		return mode == wanted;
	}
}

static int stop_at_once(void *ctx, const struct ubtrfs_dirent *entry)
{
	(void)ctx;
	(void)entry;
	return 1;
}

static bool is_empty(struct find *find, const struct walk_entry *entry)
{
	int some;

	if (S_ISREG(entry->attr.mode))
		return entry->attr.size == 0;
	if (!S_ISDIR(entry->attr.mode))
		return false;
	some = ubtrfs_readdir(find->view.fs, entry->node, 0, stop_at_once, NULL);
	/* The walk tells of the failure when it comes there. */
	return some == 0;
}

static bool action(struct find *find, const struct walk_entry *entry, const struct term *term,
		   bool *ret_enter)
{
	switch (term->kind) {
	case TERM_PRINT:
		image_walk_print(&find->walk, entry);
		putchar('\n');
		return true;
	case TERM_PRINT0:
		printf("%s%s%s", find->walk.argument, image_walk_joint(&find->walk, entry),
		       entry->path);
		putchar('\0');
		return true;
	case TERM_PRINTF:
		find_print_format(find, entry, term->text);
		return true;
	case TERM_PRUNE:
		*ret_enter = false;
		return true;
	default:
		find->quit = true;
		return true;
	}
}

static bool test_matches(struct find *find, const struct walk_entry *entry, const struct term *term,
			 bool *ret_enter)
{
	switch (term->kind) {
	case TERM_TRUE:
		return true;
	case TERM_FALSE:
		return false;
	case TERM_NAME:
	case TERM_PATH:
		return text_matches(find, entry, term);
	case TERM_TYPE:
		return type_matches(term->text, entry->type);
	case TERM_SIZE:
		return number_matches(term, div_up(entry->attr.size, term->unit));
	case TERM_TIME:
		return age_matches(find, entry, term);
	case TERM_NEWER:
		return is_newer(entry, &term->newer);
	case TERM_UID:
		return number_matches(term, entry->attr.uid);
	case TERM_GID:
		return number_matches(term, entry->attr.gid);
	case TERM_PERM:
		return perm_matches(term, entry->attr.mode);
	case TERM_LINKS:
		return number_matches(term, entry->attr.nlink);
	case TERM_INUM:
		return number_matches(term, entry->node.ino);
	case TERM_EMPTY:
		return is_empty(find, entry);
	default:
		return action(find, entry, term, ret_enter);
	}
}

/* Deep only where parentheses are, which the parser bounds; long rows of -a and -o lean left. */
static bool term_matches(struct find *find, const struct walk_entry *entry, unsigned index,
			 bool *ret_enter)
{
	const struct term *term = &find->terms[index];

	switch (term->kind) {
	case TERM_AND:
		return term_matches(find, entry, term->left, ret_enter) && !find->quit &&
		       term_matches(find, entry, term->right, ret_enter);
	case TERM_OR:
		return term_matches(find, entry, term->left, ret_enter) || find->quit ||
		       term_matches(find, entry, term->right, ret_enter);
	case TERM_NOT:
		return !term_matches(find, entry, term->left, ret_enter);
	default:
		return test_matches(find, entry, term, ret_enter);
	}
}

bool find_matches(struct find *find, const struct walk_entry *entry, bool *ret_enter)
{
	return term_matches(find, entry, find->root, ret_enter);
}
