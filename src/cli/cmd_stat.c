/*
 * `ubtrfs stat`: everything about a file of an image, in the layout of stat(1), with what btrfs
 * knows beyond it.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/entry_list.h"
#include "cli/image_path.h"

static const char help_text[] = "usage: ubtrfs stat [-L] IMAGE:/PATH...\n"
				"\n"
				"Show the attributes of files of an image.\n"
				"\n"
				"  -L, --dereference     follow a symlink\n" IMAGE_HELP
				"      --help            print this\n";

static const char *type_text(const struct ubtrfs_attr *attr)
{
	switch (attr->mode & S_IFMT) {
	case S_IFREG:
		return attr->size ? "regular file" : "regular empty file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symbolic link";
	case S_IFCHR:
		return "character special file";
	case S_IFBLK:
		return "block special file";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "unknown type";
	}
}

static void print_time(const char *what, const struct ubtrfs_time *at)
{
	time_t seconds = (time_t)at->sec;
	char date[64], zone[16];
	struct tm tm;

	if (!localtime_r(&seconds, &tm)) {
		printf("%s: %lld.%09u\n", what, (long long)at->sec, at->nsec);
		return;
	}
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	printf("%s: %s.%09u %s\n", what, date, at->nsec, zone);
}

/* Names as dump-tree prints them; the bits are the format's. */
static void print_flags(uint64_t flags)
{
	static const char *const names[] = { "NODATASUM", "NODATACOW", "READONLY",  "NOCOMPRESS",
					     "PREALLOC",  "SYNC",      "IMMUTABLE", "APPEND",
					     "NODUMP",	  "NOATIME",   "DIRSYNC",   "COMPRESS" };
	const char *separator = "";

	printf(" Flags: 0x%llx(", (unsigned long long)flags);
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (!(flags & 1ull << i))
			continue;
		printf("%s%s", separator, names[i]);
		separator = "|";
	}
	printf("%s)\n", flags ? "" : "none");
}

static void print_attr(const char *text, const char *target, const struct ubtrfs_attr *attr,
		       uint32_t block_bytes)
{
	char mode[MODE_TEXT_MAX];

	fputs("  File: ", stdout);
	print_name(text);
	if (target) {
		fputs(" -> ", stdout);
		print_name(target);
	}
	printf("\n  Size: %-15llu\tBlocks: %-10llu IO Block: %-6u %s\n",
	       (unsigned long long)attr->size, (unsigned long long)(attr->allocated_bytes / 512),
	       block_bytes, type_text(attr));
	printf("Subvol: %-15llu\tInode: %-11llu Links: %u", (unsigned long long)attr->node.subvolid,
	       (unsigned long long)attr->node.ino, attr->nlink);
	if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode))
		printf("     Device type: %u,%u", major(attr->rdev), minor(attr->rdev));
	printf("\nAccess: (%04o/%s)  Uid: %-8u  Gid: %-8u\n", attr->mode & 07777u,
	       mode_text(attr->mode, mode), attr->uid, attr->gid);
	print_time("Access", &attr->atime);
	print_time("Modify", &attr->mtime);
	print_time("Change", &attr->ctime);
	print_time(" Birth", &attr->otime);
	printf("   Gen: %llu\n", (unsigned long long)attr->generation);
	print_flags(attr->flags);
}

static int stat_argument(struct image_view *view, const char *text, bool follow)
{
	SCOPED_MEM char *target = NULL;
	struct ubtrfs_info info;
	struct ubtrfs_attr attr;
	struct ubtrfs_node node;

	if (image_view_find(view, text, follow, &node))
		return 1;
	if (ubtrfs_getattr(view->fs, node, &attr) < 0 || ubtrfs_info(view->fs, &info) < 0 ||
	    (S_ISLNK(attr.mode) && symlink_read(view->fs, node, &target) < 0))
		return cli_fail("%s", text);
	print_attr(text, target, &attr, info.sectorsize);
	return 0;
}

static int stat_all(struct image_view *view, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "dereference", no_argument, NULL, 'L' },
		IMAGE_LONG_OPTIONS,
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	bool follow = false;
	int option, code = 0;

	optind = 0;
	while ((option = cli_option(argc, argv, ":D:L", long_options)) != -1) {
		switch (option) {
		case 'L':
			follow = true;
			break;
		case OPTION_HELP:
			fputs(help_text, stdout);
			return cli_finish_output();
		default:
			if (image_view_option(view, option))
				return 1;
		}
	}
	if (optind == argc)
		return cli_error("stat: no IMAGE:/PATH given (see --help)");
	for (int i = optind; i < argc; i++)
		code |= stat_argument(view, argv[i], follow);
	return code | cli_finish_output();
}

int cmd_stat(int argc, char **argv)
{
	struct image_view view;
	int code;

	if (image_view_init(&view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = stat_all(&view, argc, argv);
	image_view_fini(&view);
	return code;
}
