/*
 * `ubtrfs mount`, and the helper of mount(8) of the names mount.ubtrfs and mount.fuse.ubtrfs, which
 * takes what mount(8) gives to helpers.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "cli/cli.h"
#include "fuse/fuse.h"

static const char help_text[] =
	"usage: ubtrfs mount [-fd] [-o OPTION[,OPTION...]]... IMAGE|DEVICE DIRECTORY\n"
	"       mount.ubtrfs IMAGE|DEVICE DIRECTORY [-sfnv] [-N NAMESPACE] [-t TYPE] [-o OPTIONS]\n"
	"\n"
	"Mount a filesystem with FUSE; umount(8) or fusermount3 -u ends it, and commits.\n"
	"\n"
	"  -o, --options OPTIONS the options below; may come several times\n"
	"  -f, --foreground      stay in the foreground; messages go to standard error\n"
	"  -d, --debug           the same, and tell every request\n"
	"      --help            print this\n"
	"\n"
	"Options:\n";

static int print_help(void)
{
	fputs(help_text, stdout);
	fputs(mount_options_help, stdout);
	return cli_finish_output();
}

static int take_options(struct mount_options *options, const char *text)
{
	return mount_options_parse(options, text) < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

static int run(const struct mount_request *request)
{
	return fuse_mount_run(request) < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

static int take_arguments(struct mount_request *request, int argc, char **argv)
{
	if (argc - optind != 2)
		return cli_error("mount: an image and a directory are needed (see --help)");
	request->image = argv[optind];
	request->mountpoint = argv[optind + 1];
	return 0;
}

static int mount_command(int argc, char **argv, struct mount_options *options)
{
	static const struct option long_options[] = {
		{ "options", required_argument, NULL, 'o' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	struct mount_request request = { .options = options };
	int option, code = 0;

	while (!code && (option = cli_option(argc, argv, ":o:fd", long_options)) != -1) {
		if (option == OPTION_HELP)
			return print_help();
		if (option == 'o')
			code = take_options(options, optarg);
		else if (option == 'f')
			request.foreground = true;
		else if (option == 'd')
			request.debug = true;
		else
			code = 1;
	}
	if (!code)
		code = take_arguments(&request, argc, argv);
	return code ? code : run(&request);
}

/* What mount(8) says: -s leaves out unknown options, -f only looks whether all is as it should be. */
struct helper_words {
	struct strbuf texts; /* of all -o, in their order: -s may come behind them */
	bool fake;
};

/* -1: go on; otherwise the exit code. */
static int helper_options(int argc, char **argv, struct mount_options *options,
			  struct helper_words *words)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = cli_option(argc, argv, ":sfnvN:o:t:", long_options)) != -1) {
		if (option == OPTION_HELP)
			return print_help();
		if (option == OPTION_BAD)
			return 1;
		if (option == 'N')
			return cli_error("mount: option -N: other mount namespaces are not "
					 "supported");
		if (option == 'o') {
			if (words->texts.len)
				strbuf_add(&words->texts, ",");
			strbuf_add(&words->texts, optarg);
		}
		options->sloppy |= option == 's';
		words->fake |= option == 'f';
	}
	if (strbuf_status(&words->texts) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (!words->texts.len)
		return -1;
	return take_options(options, strbuf_text(&words->texts)) ? 1 : -1;
}

static int mount_helper(int argc, char **argv, struct mount_options *options)
{
	struct mount_request request = { .options = options };
	struct helper_words words = { .fake = false };
	int code;

	strbuf_init(&words.texts);
	code = helper_options(argc, argv, options, &words);
	if (code < 0)
		code = take_arguments(&request, argc, argv);
	else
		words.fake = true; /* it ends here */
	strbuf_fini(&words.texts);
	return code || words.fake ? code : run(&request);
}

int cmd_mount(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *program = slash ? slash + 1 : argv[0];
	struct mount_options options;
	int code;

	if (mount_options_init(&options) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = strncmp(program, "mount.", 6) == 0 ? mount_helper(argc, argv, &options) :
						    mount_command(argc, argv, &options);
	mount_options_fini(&options);
	return code;
}
