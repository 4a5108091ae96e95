/*
 * The table of subcommands and the dispatch to one of them.
 *
 * Run under the name mkfs.btrfs or mkfs.ubtrfs the program is its subcommand mkfs, under mount.ubtrfs
 * or mount.fuse.ubtrfs mount. A name may be abbreviated as long as only one command begins with it.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/command_table.h"

static int cmd_version(int argc, char **argv);
static int cmd_help(int argc, char **argv);

static const struct command commands[] = {
	{ "mkfs", cmd_mkfs, "make a filesystem, empty or from a directory or archives" },
	{ "mount", cmd_mount, "mount a filesystem, also as an ordinary user" },
	{ "ls", cmd_ls, "list what an image holds" },
	{ "stat", cmd_stat, "show everything about a file in an image" },
	{ "tree", cmd_tree, "draw the tree of names in an image" },
	{ "cat", cmd_cat, "write files in an image to standard output" },
	{ "cp", cmd_cp, "copy files and directories out of, into and between images" },
	{ "import", cmd_import, "unpack archives into an image" },
	{ "mkdir", cmd_mkdir, "make directories in an image" },
	{ "rm", cmd_rm, "remove files and directories of an image" },
	{ "rmdir", cmd_rmdir, "remove empty directories of an image" },
	{ "mv", cmd_mv, "rename or move files inside an image" },
	{ "ln", cmd_ln, "make links in an image" },
	{ "touch", cmd_touch, "set the times of files in an image, or make them" },
	{ "truncate", cmd_truncate, "set the size of files in an image" },
	{ "chmod", cmd_chmod, "change the permissions of files in an image" },
	{ "chown", cmd_chown, "change the owner of files in an image" },
	{ "chgrp", cmd_chgrp, "change the group of files in an image" },
	{ "edit", cmd_edit, "edit a file of an image" },
	{ "shell", cmd_shell, "work inside an image: an interactive session, or a script" },
	{ "chattr", cmd_chattr, "change the flags of files in an image" },
	{ "lsattr", cmd_lsattr, "show the flags of files in an image" },
	{ "getfattr", cmd_getfattr, "show extended attributes of files in an image" },
	{ "setfattr", cmd_setfattr, "set extended attributes of files in an image" },
	{ "getfacl", cmd_getfacl, "show the ACLs of files in an image" },
	{ "setfacl", cmd_setfacl, "change the ACLs of files in an image" },
	{ "property", cmd_property,
	  "properties of files, subvolumes and filesystems: get, set, list" },
	{ "restore", cmd_restore, "bring out what can still be read of a damaged filesystem" },
	{ "undelete", cmd_undelete, "bring out what was deleted and not written over yet" },
	{ "filesystem", cmd_filesystem, "ask about a filesystem: show, df, usage, du, label" },
	{ "subvolume", cmd_subvolume, "ask about subvolumes: list, show, get-default" },
	{ "du", cmd_du, "show what files in an image take" },
	{ "export", cmd_export, "write a tree of an image as an archive" },
	{ "find", cmd_find, "find files in an image by their properties" },
	{ "inspect-internal", cmd_inspect_internal,
	  "show structures on disk: dump-super, dump-tree, and who uses what" },
	{ "version", cmd_version, "show the version" },
	{ "help", cmd_help, "show this, or the help of a command" },
};

const struct command *command_at(unsigned index)
{
	return index < ARRAY_LEN(commands) ? &commands[index] : NULL;
}

/* These are about images as a whole, or about none. */
bool command_is_inside(const struct command *command)
{
	static const char *const outside[] = { "mkfs",	  "mount",    "shell",
					       "restore", "undelete", "inspect-internal",
					       "version", "help" };

	for (size_t i = 0; i < ARRAY_LEN(outside); i++)
		if (strcmp(command->name, outside[i]) == 0)
			return false;
	return true;
}

static const char *command_name(unsigned index)
{
	return index < ARRAY_LEN(commands) ? commands[index].name : NULL;
}

static int cmd_version(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return cli_error("version takes no arguments");
	puts("ubtrfs v" UBTRFS_VERSION);
	return cli_finish_output();
}

static int cmd_help(int argc, char **argv)
{
	char *ask_help[] = { NULL, (char[]){ "--help" }, NULL };
	unsigned index;

	if (argc > 2)
		return cli_error("help takes the name of one command");
	/* help of help and of version is this list */
	if (argc == 2 && strcmp(argv[1], "help") != 0 && strcmp(argv[1], "version") != 0) {
		if (cli_match("command", argv[1], command_name, &index) < 0)
			return 1;
		ask_help[0] = argv[1];
		return commands[index].run(2, ask_help);
	}
	puts("usage: ubtrfs COMMAND [ARGUMENTS]\n\nbtrfs in user space. A path inside an image is IMAGE:/PATH.\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("    %-18s%s\n", commands[i].name, commands[i].summary);
	puts("\n`ubtrfs COMMAND --help` shows the options of a command.");
	return cli_finish_output();
}

static int dispatch(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *program = slash ? slash + 1 : argv[0];
	unsigned index;

	if (strcmp(program, "mkfs.btrfs") == 0 || strcmp(program, "mkfs.ubtrfs") == 0)
		return cmd_mkfs(argc, argv);
	if (strcmp(program, "mount.ubtrfs") == 0 || strcmp(program, "mount.fuse.ubtrfs") == 0)
		return cmd_mount(argc, argv);
	if (argc < 2)
		return cli_error("no command given (see ubtrfs help)");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return cmd_help(1, argv);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return cmd_version(1, argv);
	if (argv[1][0] == '-')
		return cli_error("unknown option %s before the command (see ubtrfs help)", argv[1]);
	if (cli_match("command", argv[1], command_name, &index) < 0)
		return 1;
	return commands[index].run(argc - 1, argv + 1);
}

/*
 * Buffers come and go by the thousand; giving the memory back each time would have every page
 * faulted in again. A choice for a whole program, so it is the command's and not the library's.
 */
static void memory_keep(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

/*
 * A standard descriptor that the caller has closed would be the number of the next file that is opened:
 * an image, into which messages are then written, or which a mount gives up with its terminal. What
 * stands there instead can be used for what the caller closed as little as before.
 */
static bool standard_files_hold(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int how = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", how) != fd)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	if (argc < 1 || !standard_files_hold())
		return 1;
	memory_keep();
	return dispatch(argc, argv);
}
