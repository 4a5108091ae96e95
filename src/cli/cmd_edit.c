/*
 * `ubtrfs edit`: a file of an image in the user's editor.
 *
 * The image is not held open while the editor runs: the file is read, edited as a private copy, and
 * written back in one transaction when it is different and nobody has changed the file meanwhile. It
 * keeps its inode, so owner, permissions, attributes and other names stay. A copy that cannot be
 * written back is not thrown away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/change_command.h"
#include "cli/copy_out.h"
#include "cli/host_command.h"
#include "cli/session.h"

struct edit {
	struct change_command command;
	const char *editor; /* --editor; NULL */
	const char *text;   /* IMAGE:/PATH */
	bool found;
	struct ubtrfs_attr old; /* when it was read */
	char *folder, *copy;	/* the private copy and its directory; owned */
	struct stat before;	/* of the copy, when it was written */
	bool keep_copy;
};

static const char help_text[] =
	"usage: ubtrfs edit [--editor COMMAND] IMAGE:/PATH\n"
	"\n"
	"Edit a file of an image: $VISUAL, or $EDITOR, or vi gets a copy of it; when it was changed it\n"
	"is written back, in one transaction, and keeps its owner, permissions, attributes and names.\n"
	"What is not there is made.\n"
	"\n"
	"      --editor COMMAND  this editor\n" IMAGE_HELP "      --help            print this\n";

enum { OPTION_EDITOR = 0x500 };

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "editor", required_argument, NULL, OPTION_EDITOR },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

/* ---- the copy ---- */

static int copy_make(struct edit *job, const char *name)
{
	const char *tmp = getenv("TMPDIR");

	job->folder = mem_printf("%s/ubtrfs-edit.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!job->folder)
		return MEM_FAIL("a path");
	if (!mkdtemp(job->folder)) {
		mem_free(job->folder);
		job->folder = NULL;
		return THROW_SYS(errno, "cannot make a temporary directory");
	}
	/* Under its own name, by whose ending editors know what it is. */
	job->copy = mem_printf("%s/%s", job->folder, name);
	return job->copy ? 0 : MEM_FAIL("a path");
}

static int copy_fill(struct edit *job)
{
	SCOPED_MEM uint8_t *buffer = mem_alloc(COPY_BUFFER_BYTES);
	int fd, ret = 0;

	if (!buffer)
		return MEM_FAIL("a buffer");
	fd = open(job->copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return THROW_SYS(errno, "cannot create %s", job->copy);
	if (job->found)
		ret = copy_out_stream(change_fs(&job->command), job->old.node, buffer, fd);
	if (ret == 0 && fstat(fd, &job->before) < 0)
		ret = THROW_SYS(errno, "cannot read %s", job->copy);
	if (close(fd) < 0 && ret == 0)
		ret = THROW_SYS(errno, "cannot write %s", job->copy);
	return ret;
}

static void copy_remove(struct edit *job)
{
	if (job->copy && !job->keep_copy)
		unlink(job->copy);
	/* An editor may have left something of its own there. */
	if (job->folder && !job->keep_copy)
		rmdir(job->folder);
	mem_free(job->copy);
	mem_free(job->folder);
}

/* ---- reading ---- */

static int find_file(struct edit *job, struct place *place, bool *ret_found,
		     struct ubtrfs_attr *ret_attr)
{
	int ret;

	TRY(place_find(&job->command, job->text, place));
	ret = place_attr(&job->command, place, true, ret_attr);
	*ret_found = ret == 0;
	if (err_to_errno(ret) == ENOENT && !place->slash)
		return place_follow(&job->command, place);
	TRY(ret);
	if (!S_ISREG(ret_attr->mode))
		return THROW(ERR_INVALID, "it is not a regular file");
	return 0;
}

static int read_file(struct edit *job)
{
	SCOPED(place) struct place place = { .name = NULL };
	int ret = find_file(job, &place, &job->found, &job->old);

	if (ret == 0)
		ret = copy_make(job, place.name);
	if (ret == 0)
		ret = copy_fill(job);
	return ret < 0 ? change_fail(ret, "cannot edit '%s'", job->text) : 0;
}

/* ---- writing back ---- */

static bool same_time(struct ubtrfs_time a, struct ubtrfs_time b)
{
	return a.sec == b.sec && a.nsec == b.nsec;
}

/* Nobody has come in between. */
static int check_unchanged(const struct edit *job, bool found, const struct ubtrfs_attr *now)
{
	const struct ubtrfs_attr *old = &job->old;

	if (found == job->found &&
	    (!found ||
	     (now->node.ino == old->node.ino && now->node.subvolid == old->node.subvolid &&
	      now->generation == old->generation && now->size == old->size &&
	      same_time(now->mtime, old->mtime) && same_time(now->ctime, old->ctime))))
		return 0;
	return THROW(ERR_SOURCE_CHANGED, "somebody else has changed it meanwhile");
}

static int write_contents(struct edit *job, int fd, struct ubtrfs_attr *attr)
{
	struct ubtrfs *fs = change_fs(&job->command);
	SCOPED_MEM uint8_t *buffer = mem_alloc(COPY_BUFFER_BYTES);
	uint64_t offset = 0;
	ssize_t nr;

	if (!buffer)
		return MEM_FAIL("a buffer");
	attr->size = 0;
	TRY(err_adopt(ubtrfs_setattr(fs, attr->node, attr, UBTRFS_ATTR_SIZE)));
	while ((nr = read(fd, buffer, COPY_BUFFER_BYTES)) != 0) {
		if (nr < 0 && errno == EINTR)
			continue;
		if (nr < 0)
			return THROW_SYS(errno, "cannot read %s", job->copy);
		TRY(change_step(&job->command));
		TRY(err_adopt(ubtrfs_write(fs, attr->node, offset, buffer, (size_t)nr)));
		offset += (uint64_t)nr;
	}
	return 0;
}

static int write_file(struct edit *job)
{
	SCOPED(place) struct place place = { .name = NULL };
	struct ubtrfs_attr attr = { .mode = 0 };
	bool found;
	int fd, ret;

	TRY(find_file(job, &place, &found, &attr));
	TRY(check_unchanged(job, found, &attr));
	if (!found)
		TRY(place_create(&job->command, &place, S_IFREG | 0666, &attr.node));
	/* An editor may have put another file in the place of the copy. */
	fd = open(job->copy, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return THROW_SYS(errno, "cannot open %s", job->copy);
	ret = write_contents(job, fd, &attr);
	close(fd);
	return ret;
}

static int run(void *ctx)
{
	struct edit *job = ctx;
	int ret = write_file(job);

	return ret < 0 ? change_fail(ret, "cannot write '%s' back, the edited copy is %s",
				     job->text, job->copy) :
			 0;
}

/* ---- the whole ---- */

static int take_option(void *ctx, int option)
{
	struct edit *job = ctx;

	if (option != OPTION_EDITOR)
		return -1;
	job->editor = optarg;
	return 0;
}

static int check(void *ctx)
{
	struct edit *job = ctx;

	if (job->command.nr_operands > 1)
		return cli_error("edit: one file at a time");
	job->text = job->command.operands[0];
	return 0;
}

static const struct change_spec spec = { .name = "edit",
					 .help = help_text,
					 .short_options = ":D:",
					 .long_options = long_options,
					 .min_operands = 1,
					 .missing = "edit: no IMAGE:/PATH given",
					 .option = take_option,
					 .check = check,
					 .run = run };

static const char *editor_choose(const struct edit *job)
{
	const char *visual = getenv("VISUAL"), *editor = getenv("EDITOR");

	if (job->editor)
		return job->editor;
	if (visual && *visual)
		return visual;
	return editor && *editor ? editor : "vi";
}

/* -1: it is different now; otherwise the exit code. */
static int edit_copy(struct edit *job)
{
	const char *editor = editor_choose(job);
	struct stat after;
	int code;

	code = host_command_run(editor, job->copy, session_current());
	if (code) {
		job->keep_copy = true;
		return cli_error(
			"the editor '%s' ended with %d: '%s' is not changed, the copy is %s",
			editor, code, job->text, job->copy);
	}
	if (stat(job->copy, &after) < 0)
		return cli_error("%s: %s: '%s' is not changed", job->copy, strerror(errno),
				 job->text);
	if (after.st_ino == job->before.st_ino && after.st_size == job->before.st_size &&
	    after.st_mtim.tv_sec == job->before.st_mtim.tv_sec &&
	    after.st_mtim.tv_nsec == job->before.st_mtim.tv_nsec)
		return 0;
	return -1;
}

static int edit(struct edit *job, int argc, char **argv)
{
	struct image_view *view = &job->command.change.view;
	int code, ret;

	ret = read_file(job);
	code = ret < 0 ? cli_error("%s", err_text(ret)) : -1;
	/* Not held open while somebody types. */
	image_view_fini(view);
	if (code < 0)
		code = edit_copy(job);
	if (code >= 0)
		return code;
	code = change_command_run(&spec, job, argc, argv);
	job->keep_copy = code;
	return code;
}

int cmd_edit(int argc, char **argv)
{
	struct edit job = { .found = false };
	struct image_view *view = &job.command.change.view;
	int code;

	if (image_view_init(view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = change_command_arguments(&spec, &job, argc, argv);
	if (code < 0)
		code = edit(&job, argc, argv);
	else
		image_view_fini(view);
	copy_remove(&job);
	return code;
}
