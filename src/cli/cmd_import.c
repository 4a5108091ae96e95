/*
 * `ubtrfs import`: unpack archives into a directory of an image, in one transaction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/change.h"
#include "cli/session.h"
#include "cli/cli.h"

enum {
	OPTION_OWNER = 0x400,
	OPTION_CLAMP_MTIME,
	OPTION_TIMESTAMP,
};

static const char help_text[] =
	"usage: ubtrfs import [OPTIONS] ARCHIVE|-... IMAGE:/DIRECTORY\n"
	"\n"
	"Unpack archives (tar, cpio, mtree, ...) into a directory of an image. What has the name of\n"
	"an entry is replaced, directories are merged; several archives are layers, in order. All of\n"
	"the command is one transaction: all of it or nothing.\n"
	"\n"
	"      --owner UID:GID   of everything\n"
	"      --timestamp SECONDS  reproducible times (default: $SOURCE_DATE_EPOCH)\n"
	"      --clamp-mtime     times later than the timestamp become it\n" CHANGE_HELP IMAGE_HELP
	"      --help            print this\n";

struct import_request {
	struct change change;
	struct import_options options;
	char **archives; /* borrowed from the arguments */
	int nr_archives;
	const char *dest;
};

static int take_timestamp(struct import_request *request, const char *option, const char *text)
{
	int64_t seconds;

	if (seconds_parse(text, &seconds) < 0)
		return cli_error("%s: '%s' is not a number of seconds", option, text);
	request->options.has_timestamp = true;
	request->options.timestamp = (struct ubtrfs_time){ .sec = seconds };
	return 0;
}

static int take_option(struct import_request *request, int option)
{
	struct import_options *options = &request->options;

	switch (option) {
	case OPTION_OWNER:
		if (owner_parse(optarg, &options->owner_uid, &options->owner_gid) < 0)
			return cli_error("option --owner: '%s' is not UID:GID in numbers below "
					 "4294967295",
					 optarg);
		options->has_owner = true;
		return 0;
	case OPTION_CLAMP_MTIME:
		options->clamp_mtime = true;
		return 0;
	case OPTION_TIMESTAMP:
		return take_timestamp(request, "option --timestamp", optarg);
	default:
		return change_option(&request->change, option) ? 1 : 0;
	}
}

static int check_standard_input(const struct import_request *request)
{
	int nr = 0;

	for (int i = 0; i < request->nr_archives; i++)
		nr += strcmp(request->archives[i], "-") == 0;
	if (nr && session_current())
		return cli_error(
			"import: in the shell standard input is not an archive; host:FILE is");
	return nr > 1 ? cli_error("standard input (-) can be read only once") : 0;
}

static int take_operands(struct import_request *request, int argc, char **argv)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	if (argc - optind < 2)
		return cli_error("import needs an archive and IMAGE:/DIRECTORY (see --help)");
	request->archives = argv + optind;
	request->nr_archives = argc - optind - 1;
	request->dest = argv[argc - 1];
	request->options.layers = request->nr_archives > 1;
	if (epoch && *epoch && !request->options.has_timestamp &&
	    take_timestamp(request, "SOURCE_DATE_EPOCH", epoch))
		return 1;
	if (request->options.clamp_mtime && !request->options.has_timestamp)
		return cli_error("option --clamp-mtime needs --timestamp or SOURCE_DATE_EPOCH");
	return check_standard_input(request);
}

/* -1: go on; otherwise the exit code. */
static int parse(struct import_request *request, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "owner", required_argument, NULL, OPTION_OWNER },
		{ "clamp-mtime", no_argument, NULL, OPTION_CLAMP_MTIME },
		{ "timestamp", required_argument, NULL, OPTION_TIMESTAMP },
		CHANGE_LONG_OPTIONS,
		IMAGE_LONG_OPTIONS,
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":D:j:", long_options)) != -1) {
		if (option == OPTION_HELP) {
			fputs(help_text, stdout);
			return cli_finish_output();
		}
		if (take_option(request, option))
			return 1;
	}
	return take_operands(request, argc, argv) ? 1 : -1;
}

static int find_dest(struct import_request *request, struct ubtrfs_node *ret_dir)
{
	struct image_view *view = &request->change.view;
	struct ubtrfs_attr attr;
	struct image_path path;
	int err;

	TRY(image_path_parse(request->dest, &path));
	err = image_view_open_quiet(view, path.image);
	if (err == 0)
		err = err_adopt(
			ubtrfs_resolve(view->fs, image_view_top(view), path.path, true, ret_dir));
	if (err == 0)
		err = err_adopt(ubtrfs_getattr(view->fs, *ret_dir, &attr));
	image_path_release(&path);
	if (err < 0)
		return err_prefix(err, "%s", request->dest);
	return S_ISDIR(attr.mode) ? 0 : THROW(ERR_NOT_DIR, "%s is not a directory", request->dest);
}

static int import_all(struct import_request *request)
{
	struct import_stats stats = { 0 };
	struct ubtrfs_node dir;

	TRY(find_dest(request, &dir));
	change_import_options(&request->change, &request->options);
	for (int i = 0; i < request->nr_archives; i++)
		TRY(import_archive(request->change.view.fs, dir,
				   image_path_host(request->archives[i]), &request->options,
				   &stats));
	return 0;
}

int cmd_import(int argc, char **argv)
{
	struct import_request request = { .nr_archives = 0 };
	int code;

	import_options_init(&request.options);
	if (change_init(&request.change, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = parse(&request, argc, argv);
	if (code < 0)
		code = change_begin(&request.change) ?
			       1 :
			       change_end(&request.change, import_all(&request));
	change_fini(&request.change);
	return code;
}
