/*
 * `ubtrfs cp`: copy out of an image, with the meaning that cp(1) gives to its destination.
 *
 * Where each source goes is decided here; copy_out.c makes it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/copy_out.h"
#include "cli/entry_list.h"
#include "cli/image_path.h"

struct cp {
	struct image_view view;
	struct copy_out copy;
	const char *dest;
	bool into_dir; /* the destination is a directory that is there */
	unsigned nr_opened;
};

static const char help_text[] =
	"usage: ubtrfs cp [-ar] [-j N] IMAGE:/PATH... DEST\n"
	"\n"
	"Copy files and directories out of an image.\n"
	"\n"
	"  -r, -R, --recursive   directories with all below them; symlinks and special files as such\n"
	"  -a, --archive         the same, and keep owners (as root), modes, times, xattrs, hard links\n"
	"  -j, --jobs N          threads; as many as processors when not given\n" IMAGE_HELP
	"      --help            print this\n"
	"\n"
	"Holes stay holes. Copying into an image is not built.\n";

/*
 * The last part of the path inside the image; "." when it names a directory by its contents (/,
 * /dir/.). Owned by the caller.
 */
static char *source_name(const char *path)
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

static int copy_argument(struct cp *cp, const char *text)
{
	SCOPED_MEM char *path = NULL, *name = NULL;
	struct ubtrfs_node node;

	/* As cp does: a symlink is copied as such with -r and -a. */
	if (image_view_find(&cp->view, text, !cp->copy.recursive, &node))
		return 1;
	if (cp->nr_opened != cp->view.nr_opened) {
		copy_out_use(&cp->copy, cp->view.fs);
		cp->nr_opened = cp->view.nr_opened;
	}
	if (!cp->into_dir)
		return copy_out_node(&cp->copy, node, cp->dest, true);
	name = source_name(image_path_inside(text));
	path = name ? path_join(cp->dest, name) : NULL;
	if (!path)
		return cli_error("no memory for a path");
	if (strcmp(name, ".") == 0)
		return copy_out_node(&cp->copy, node, cp->dest, true);
	return copy_out_node(&cp->copy, node, path, false);
}

static int check_dest(struct cp *cp, int nr_sources)
{
	struct stat st;
	size_t len = strlen(cp->dest);

	if (image_path_is_inside(cp->dest))
		return cli_error("%s: copying into an image is not built", cp->dest);
	if (stat(cp->dest, &st) == 0)
		cp->into_dir = S_ISDIR(st.st_mode);
	else if (errno != ENOENT)
		return cli_error("%s: %s", cp->dest, strerror(errno));
	if (nr_sources > 1 && !cp->into_dir)
		return cli_error("%s is not a directory, and several sources are given", cp->dest);
	if (!cp->into_dir && !cp->copy.recursive && len && cp->dest[len - 1] == '/')
		return cli_error("%s is not a directory", cp->dest);
	return 0;
}

/* -1: go on; otherwise the exit code. */
static int cp_options(struct cp *cp, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "archive", no_argument, NULL, 'a' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "recursive", no_argument, NULL, 'r' },
		IMAGE_LONG_OPTIONS,
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":D:aj:rR", long_options)) != -1) {
		switch (option) {
		case 'a':
			cp->copy.archive = true;
			cp->copy.recursive = true;
			break;
		case 'r':
		case 'R':
			cp->copy.recursive = true;
			break;
		case 'j':
			if (cli_threads(optarg, &cp->copy.nr_threads))
				return 1;
			break;
		case OPTION_HELP:
			fputs(help_text, stdout);
			return cli_finish_output();
		default:
			if (image_view_option(&cp->view, option))
				return 1;
		}
	}
	if (argc - optind < 2)
		return cli_error("cp needs IMAGE:/PATH and a destination (see --help)");
	return -1;
}

static int cp_all(struct cp *cp, int argc, char **argv)
{
	int code = cp_options(cp, argc, argv);

	if (code >= 0)
		return code;
	cp->dest = argv[argc - 1];
	code = check_dest(cp, argc - 1 - optind);
	for (int i = optind; !code && i < argc - 1; i++)
		if (!image_path_inside(argv[i]))
			code = cli_error("%s is not IMAGE:/PATH: cp copies out of an image only",
					 argv[i]);
	if (code)
		return code;
	for (int i = optind; i < argc - 1; i++)
		code |= copy_argument(cp, argv[i]);
	if (atomic_load(&cp->copy.nr_xattrs_lost))
		code |= cli_error("%llu extended attributes could not be set",
				  (unsigned long long)atomic_load(&cp->copy.nr_xattrs_lost));
	return code;
}

int cmd_cp(int argc, char **argv)
{
	struct cp cp = { 0 };
	int code;

	if (image_view_init(&cp.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	copy_out_init(&cp.copy);
	code = cp_all(&cp, argc, argv);
	copy_out_fini(&cp.copy);
	image_view_fini(&cp.view);
	return code;
}
