/*
 * `ubtrfs cp`: out of an image, into one, between two, within one, with the meaning that cp(1)
 * gives to its arguments.
 *
 * Here it is decided which direction; cp_out.c and cp_in.c decide where each source goes.
 */
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/cp_options.h"

char *cp_source_name(const char *path)
{
	const char *end = path + strlen(path), *start;
	size_t len;
	char *name;

	while (end > path && end[-1] == '/')
		end--;
	start = end;
	while (start > path && start[-1] != '/')
		start--;
	len = (size_t)(end - start);
	if (!len || (len == 2 && memcmp(start, "..", 2) == 0))
		return mem_strdup(".");
	name = mem_dup(start, len + 1);
	if (name)
		name[len] = '\0';
	return name;
}

int cmd_cp(int argc, char **argv)
{
	struct cp_request request;
	enum cp_parsed parsed = cp_options_parse(argc, argv, &request);
	int code = parsed == CP_BAD;

	if (parsed == CP_RUN)
		code = image_path_is_inside(request.dest) ? cp_in(&request) : cp_out(&request);
	cp_request_release(&request);
	return code;
}
