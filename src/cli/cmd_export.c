/*
 * `ubtrfs export`: a tree of an image as an archive.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/image_walk.h"
#include "transfer/export.h"

enum export_option { OPTION_FORMAT = 0x300, OPTION_GZIP, OPTION_XZ, OPTION_ZSTD };

struct export_job {
	struct image_view view;
	struct export_options how;
	const char *argument;
	const char *output; /* NULL or "-": standard output */
	unsigned nr_threads;
	int code;
};

static const char help_text[] =
	"usage: ubtrfs export [-o FILE] [--format pax|newc] [--zstd|--gzip|--xz] IMAGE:/PATH\n"
	"\n"
	"Write a directory of an image, or a single file, as an archive: a pax tar with extended attributes,\n"
	"ACLs, holes, hard links, devices, file flags, and times to the nanosecond. The same image gives the\n"
	"same archive. Sockets are left out.\n"
	"\n"
	"  -o, --output FILE     where it goes; - (the default) is standard output\n"
	"      --format FORMAT   pax, or newc (cpio; keeps no attributes, ACLs, holes)\n"
	"      --zstd, --gzip, --xz   compress the archive\n"
	"  -j, --jobs N          threads; as many as processors when not given\n" IMAGE_HELP
	"      --help            print this\n";

static void tell_warning(void *ctx, const char *path, const char *what)
{
	struct export_job *job = ctx;

	cli_warning("%s%s%s: %s", job->argument, image_path_joint(job->argument, path), path, what);
}

static void tell_failure(void *ctx, const char *path, const char *what)
{
	struct export_job *job = ctx;

	job->code = what ? cli_error("%s%s%s: %s", job->argument,
				     image_path_joint(job->argument, path), path, what) :
			   cli_fail("%s%s%s", job->argument, image_path_joint(job->argument, path),
				    path);
}

static int parse_format(struct export_job *job, const char *text)
{
	if (strcmp(text, "pax") == 0)
		job->how.format = EXPORT_PAX;
	else if (strcmp(text, "newc") == 0)
		job->how.format = EXPORT_CPIO;
	else
		return cli_error("--format: '%s' is neither pax nor newc", text);
	return 0;
}

static int take_option(struct export_job *job, int option)
{
	switch (option) {
	case 'o':
		job->output = optarg;
		return 0;
	case 'j':
		return cli_threads(optarg, &job->how.nr_threads);
	case OPTION_FORMAT:
		return parse_format(job, optarg);
	case OPTION_GZIP:
		job->how.filter = EXPORT_GZIP;
		return 0;
	case OPTION_XZ:
		job->how.filter = EXPORT_XZ;
		return 0;
	case OPTION_ZSTD:
		job->how.filter = EXPORT_ZSTD;
		return 0;
	default:
		return image_view_option(&job->view, option) ? 1 : 0;
	}
}

/* -1: go on; otherwise the exit code. */
static int export_options(struct export_job *job, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "format", required_argument, NULL, OPTION_FORMAT },
		{ "gzip", no_argument, NULL, OPTION_GZIP },
		{ "xz", no_argument, NULL, OPTION_XZ },
		{ "zstd", no_argument, NULL, OPTION_ZSTD },
		{ "jobs", required_argument, NULL, 'j' },
		IMAGE_LONG_OPTIONS,
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":D:j:o:", long_options)) != -1) {
		if (option == OPTION_HELP) {
			fputs(help_text, stdout);
			return cli_finish_output();
		}
		if (take_option(job, option))
			return 1;
	}
	if (argc - optind != 1)
		return cli_error("export needs one IMAGE:/PATH (see --help)");
	if (job->output && strcmp(job->output, "-") == 0)
		job->output = NULL;
	if (!job->output && isatty(STDOUT_FILENO))
		return cli_error("export: an archive is not written to a terminal (see -o)");
	return -1;
}

/* The last part of the path; "file" when it has none. */
static char *archive_name(const char *argument)
{
	const char *inside = image_path_inside(argument), *start;
	size_t end = strlen(inside);
	char *name;

	while (end && inside[end - 1] == '/')
		end--;
	for (start = inside + end; start > inside && start[-1] != '/'; start--)
		;
	end -= (size_t)(start - inside);
	if (!end || start[0] == '.')
		return mem_strdup("file");
	name = mem_dup(start, end + 1);
	if (name)
		name[end] = '\0';
	return name;
}

static int export_to(struct export_job *job, int fd)
{
	char *name = archive_name(job->argument);
	int err;

	if (!name)
		return cli_error("no memory for a name");
	job->how.fs = job->view.fs;
	job->how.name = name;
	job->how.fd = fd;
	job->how.warn = tell_warning;
	job->how.failed = tell_failure;
	job->how.ctx = job;
	if (!job->how.nr_threads)
		job->how.nr_threads = cli_nr_processors();
	err = export_archive(&job->how);
	mem_free(name);
	return err < 0 ? cli_fail("%s", job->argument) : 0;
}

/* A file that is not complete does not stay. */
static int export_to_file(struct export_job *job)
{
	int fd = open(job->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	struct stat st;
	int code;

	if (fd < 0)
		return cli_error("%s: %s", job->output, strerror(errno));
	code = export_to(job, fd);
	if (code && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		(void)unlink(job->output);
	if (close(fd) < 0 && !code)
		code = cli_error("%s: %s", job->output, strerror(errno));
	return code;
}

int cmd_export(int argc, char **argv)
{
	struct export_job job = { 0 };
	int code;

	if (image_view_init(&job.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = export_options(&job, argc, argv);
	if (code < 0) {
		job.argument = argv[optind];
		code = image_view_find(&job.view, job.argument, false, &job.how.top);
		if (!code)
			code = job.output ? export_to_file(&job) : export_to(&job, STDOUT_FILENO);
		code |= job.code;
	}
	image_view_fini(&job.view);
	return code;
}
