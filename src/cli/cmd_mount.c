/*
 * `ubtrfs mount`, and the helper of mount(8) of the names mount.ubtrfs and mount.fuse.ubtrfs, which
 * takes what mount(8) gives to helpers.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* Of mount(8): -s leaves out unknown options, -f only looks whether all is as it should be. */
static int mount_helper(int argc, char **argv, struct mount_options *options)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	struct mount_request request = { .options = options };
	const char *texts = NULL;
	bool fake = false;
	int option, code = 0;

	while (!code && (option = cli_option(argc, argv, ":sfnvN:o:t:", long_options)) != -1) {
		if (option == OPTION_HELP)
			return print_help();
		if (option == 'N')
			code = cli_error("mount: option -N: other mount namespaces are not "
					 "supported");
		else if (option == 'o')
			texts = optarg;
		else if (option == 's')
			options->sloppy = true;
		else if (option == 'f')
			fake = true;
		else if (option == OPTION_BAD)
			code = 1;
	}
	if (!code && texts)
		code = take_options(options, texts);
	if (!code)
		code = take_arguments(&request, argc, argv);
	return code || fake ? code : run(&request);
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
