/*
 * `ubtrfs filesystem sync`.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/filesystem.h"

static const char sync_help[] = "usage: ubtrfs filesystem sync MOUNT\n"
				"\n"
				"Make everything that was done on a mount durable.\n"
				"\n"
				"      --help            print this\n";

/* What the kernel still has of the mount's files. */
static int kernel_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0 || syncfs(fd) < 0)
		err = THROW_SYS(errno, "%s", path);
	if (fd >= 0)
		close(fd);
	return err;
}

static int sync_mount(const char *argument)
{
	struct fs_source source = { 0 };
	int err;

	err = control_client_open(argument, &source.channel);
	if (err == 0)
		err = kernel_sync(argument);
	if (err == 0)
		err = fs_source_sync(&source);
	fs_source_close(&source);
	return err < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

int cmd_filesystem_sync(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":", long_options)) != -1) {
		if (option != OPTION_HELP)
			return 1;
		fputs(sync_help, stdout);
		return cli_finish_output();
	}
	if (argc - optind != 1)
		return cli_error("sync: one mount is needed (see --help)");
	return sync_mount(argv[optind]);
}
