/*
 * Where mv and ln put their sources.
 */
#include "cli/dest.h"

#include <string.h>
#include <sys/stat.h>

#include "cli/cp_options.h"
#include "cli/entry_list.h"

int dest_take(struct dest *dest, struct change_command *command)
{
	dest->command = command;
	if (dest->is_dir && dest->not_dir)
		return cli_error("%s: cannot combine --target-directory and --no-target-directory",
				 command->name);
	if (dest->is_dir)
		return command->nr_operands ?
			       0 :
			       cli_error("%s: missing file operand (see --help)", command->name);
	if (command->nr_operands == 0)
		return cli_error("%s: missing file operand (see --help)", command->name);
	if (command->nr_operands == 1)
		return cli_error("%s: missing destination file operand after '%s' (see --help)",
				 command->name, command->operands[0]);
	dest->text = command->operands[--command->nr_operands];
	if (dest->not_dir && command->nr_operands > 1)
		return cli_error("%s: extra operand '%s'", command->name, command->operands[1]);
	return 0;
}

int dest_find(struct dest *dest)
{
	struct ubtrfs_attr attr = { .mode = 0 };
	int ret;

	ret = place_find(dest->command, dest->text, &dest->place);
	if (ret < 0)
		return change_fail(ret, "cannot access '%s'", dest->text);
	ret = place_attr(dest->command, &dest->place, !dest->no_follow, &attr);
	if (ret < 0 && err_to_errno(ret) != ENOENT)
		return change_fail(ret, "cannot access '%s'", dest->text);
	dest->into = ret == 0 && S_ISDIR(attr.mode) && !dest->not_dir;
	dest->dir = attr.node;
	if (dest->into)
		return 0;
	if (dest->is_dir || dest->command->nr_operands > 1) {
		if (ret < 0)
			return THROW_SYS(ENOENT, "target '%s'", dest->text);
		return THROW_SYS(ENOTDIR, "target '%s'", dest->text);
	}
	return 0;
}

static char *source_name(const struct dest *dest, const char *source)
{
	const char *inside = dest->keeps_text ? NULL : image_path_inside(source);

	return cp_source_name(inside ? inside : source);
}

int dest_place(const struct dest *dest, const char *source, struct place *ret_place,
	       char **ret_shown)
{
	struct place place = { .dir = dest->place.dir, .slash = dest->place.slash };
	char *shown;

	if (dest->into)
		place = (struct place){ .dir = dest->dir };
	place.name = dest->into ? source_name(dest, source) : mem_strdup(dest->place.name);
	shown = dest->into && place.name ? path_join(dest->text, place.name) :
					   mem_strdup(dest->text);
	if (!place.name || !shown) {
		place_release(&place);
		mem_free(shown);
		return MEM_FAIL("a path");
	}
	place.text = shown;
	*ret_place = place;
	*ret_shown = shown;
	return 0;
}

void dest_release(struct dest *dest)
{
	place_release(&dest->place);
}
