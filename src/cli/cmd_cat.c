/*
 * `ubtrfs cat`: files of an image to standard output.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/copy_out.h"
#include "cli/image_path.h"

static const char help_text[] =
	"usage: ubtrfs cat IMAGE:/PATH...\n"
	"\n"
	"Write files of an image to standard output; checksums are verified.\n"
	"\n" IMAGE_HELP "      --help            print this\n";

static int cat_argument(struct image_view *view, const char *text, uint8_t *buffer)
{
	struct ubtrfs_attr attr;
	struct ubtrfs_node node;

	if (image_view_find(view, text, true, &node))
		return 1;
	if (ubtrfs_getattr(view->fs, node, &attr) < 0)
		return cli_fail("%s", text);
	if (!S_ISREG(attr.mode))
		return cli_error("%s is %s", text,
				 S_ISDIR(attr.mode) ? "a directory" : "not a regular file");
	return copy_out_stream(view->fs, node, buffer, STDOUT_FILENO) < 0 ? cli_fail("%s", text) :
									    0;
}

static int cat_all(struct image_view *view, int argc, char **argv)
{
	static const struct option long_options[] = {
		IMAGE_LONG_OPTIONS,
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	SCOPED_MEM uint8_t *buffer = mem_alloc(COPY_BUFFER_BYTES);
	int option, code = 0;

	if (!buffer)
		return cli_error("no memory");
	optind = 0;
	while ((option = cli_option(argc, argv, ":D:", long_options)) != -1) {
		switch (option) {
		case OPTION_HELP:
			fputs(help_text, stdout);
			return cli_finish_output();
		default:
			if (image_view_option(view, option))
				return 1;
		}
	}
	if (optind == argc)
		return cli_error("cat: no IMAGE:/PATH given (see --help)");
	for (int i = optind; i < argc; i++)
		code |= cat_argument(view, argv[i], buffer);
	return code;
}

int cmd_cat(int argc, char **argv)
{
	struct image_view view;
	int code;

	if (image_view_init(&view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = cat_all(&view, argc, argv);
	image_view_fini(&view);
	return code;
}
