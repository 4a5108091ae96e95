/*
 * `ubtrfs inspect-internal inode-resolve`, `logical-resolve`, `subvolid-resolve` and `rootid`.
 *
 * Paths are printed as IMAGE:/PATH from the top of the filesystem, so that they can be given to
 * other commands.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ubtrfs/inspect.h>
#include <ubtrfs/subvolume.h>

#include "base/cleanup.h"
#include "cli/inspect.h"
#include "cli/question.h"

#define PATH_TEXT_MAX ((size_t)1 << 16)

static const char inode_help[] =
	"usage: ubtrfs inspect-internal inode-resolve [-v] INODE IMAGE[:/PATH]\n"
	"\n"
	"Print all paths of an inode of the subvolume that holds the path.\n"
	"\n"
	"  -v                    accepted as btrfs-progs does: there is nothing more to tell\n" QUESTION_HELP;

static const char logical_help[] =
	"usage: ubtrfs inspect-internal logical-resolve [-Pvo] [-s BYTES] LOGICAL IMAGE[:/PATH]\n"
	"\n"
	"Print the paths of all files that use the data at a logical address, in all subvolumes; of a\n"
	"tree block, the trees that hold it.\n"
	"\n"
	"  -P                    inodes, offsets and subvolume ids instead of paths\n"
	"  -o                    files that use any part of the extent\n"
	"  -s BYTES, -v          accepted as btrfs-progs does: all results are printed anyway\n" QUESTION_HELP;

static const char subvolid_help[] =
	"usage: ubtrfs inspect-internal subvolid-resolve SUBVOLID IMAGE[:/PATH]\n"
	"\n"
	"Print the path of a subvolume from the top of the filesystem.\n"
	"\n" QUESTION_HELP;

static const char rootid_help[] = "usage: ubtrfs inspect-internal rootid IMAGE[:/PATH]\n"
				  "\n"
				  "Print the id of the subvolume that holds a path.\n"
				  "\n" QUESTION_HELP;

static const struct option long_options[] = {
	QUESTION_LONG_OPTIONS,
	{ NULL, 0, NULL, 0 },
};

/* A number and an image are there. 0, or 1 with a message. */
static int number_and_image(int argc, char **argv, const char *what, uint64_t *ret_number)
{
	if (argc - optind != 2)
		return cli_error("%s: %s and an image are needed (see --help)", argv[0], what);
	if (number_parse(argv[optind], ret_number) < 0)
		return cli_error("%s: '%s' is no number", argv[0], argv[optind]);
	return 0;
}

/* ---- paths ---- */

struct path_printer {
	struct question *question;
	const char *image;
	char *subvolume; /* PATH_TEXT_MAX: the path of the subvolume; owned by who prints */
};

static int print_path(void *ctx, const char *path)
{
	struct path_printer *printer = ctx;
	const char *between = printer->subvolume[0] && path[0] ? "/" : "";

	if (printer->question->out.wanted) {
		SCOPED_MEM char *text = mem_printf("%s%s%s", printer->subvolume, between, path);

		if (!text)
			return -ENOMEM;
		json_bytes(&printer->question->out.json, NULL, text, strlen(text));
		json_out_pass(&printer->question->out);
		return 0;
	}
	printf("%s:/%s%s%s\n", printer->image, printer->subvolume, between, path);
	return 0;
}

static int print_paths(struct path_printer *printer, struct ubtrfs_node node)
{
	struct ubtrfs *fs = printer->question->view.fs;
	size_t len;

	TRY(ubtrfs_subvolume_path(fs, node.subvolid, 0, printer->subvolume, PATH_TEXT_MAX, &len));
	return ubtrfs_inode_paths(fs, node, print_path, printer);
}

/* What btrfs-progs has for more words. */
static int verbose_option(struct question *question, void *ctx, int option)
{
	(void)question;
	(void)ctx;
	return option == 'v' ? 0 : -1;
}

static int answer_inode(struct question *question, void *ctx, int argc, char **argv)
{
	struct path_printer printer = { .question = question };
	SCOPED_MEM char *subvolume = mem_alloc(PATH_TEXT_MAX);
	struct ubtrfs_node node;
	uint64_t ino;
	int err;

	(void)ctx;
	if (!subvolume)
		return cli_error("no memory for a path");
	if (number_and_image(argc, argv, "an inode", &ino) ||
	    image_view_find_any(&question->view, argv[optind + 1], &node))
		return 1;
	node.ino = ino;
	printer.image = question->view.image;
	printer.subvolume = subvolume;
	if (!question->out.wanted) {
		err = print_paths(&printer, node);
		return err < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
	}
	json_out_begin(&question->out);
	json_object_begin(&question->out.json, "inode-resolve");
	json_number(&question->out.json, "root", node.subvolid);
	json_number(&question->out.json, "inode", ino);
	json_array_begin(&question->out.json, "paths");
	err = print_paths(&printer, node);
	if (err < 0) {
		strbuf_fini(&question->out.text);
		return cli_error("%s", ubtrfs_error_text());
	}
	return json_out_end(&question->out);
}

int cmd_inode_resolve(int argc, char **argv)
{
	static const struct question_spec spec = { .help = inode_help,
						   .short_options = ":D:v",
						   .long_options = long_options,
						   .option = verbose_option,
						   .answer = answer_inode };

	return question_run(&spec, NULL, argc, argv);
}

/* ---- logical addresses ---- */

struct logical {
	struct question *question;
	struct path_printer printer;
	bool no_paths, any_offset;
	uint64_t address;
};

static int referrer_json(struct logical *logical, const struct ubtrfs_referrer *referrer)
{
	struct json_out *out = &logical->question->out;
	int err = 0;

	json_object_begin(&out->json, NULL);
	json_number(&out->json, "inode", referrer->ino);
	json_number(&out->json, "offset", referrer->offset);
	json_number(&out->json, "root", referrer->tree_id);
	if (!logical->no_paths) {
		json_array_begin(&out->json, "paths");
		err = print_paths(&logical->printer,
				  (struct ubtrfs_node){ referrer->tree_id, referrer->ino });
		json_end(&out->json);
	}
	json_end(&out->json);
	json_out_pass(out);
	/* Of trees that are no subvolumes, and of deleted ones. */
	return err == -ENOENT ? 0 : err;
}

static int print_referrer(void *ctx, const struct ubtrfs_referrer *referrer)
{
	struct ubtrfs_node node = { referrer->tree_id, referrer->ino };
	struct logical *logical = ctx;
	int err;

	if (logical->question->out.wanted)
		return referrer_json(logical, referrer);
	if (logical->no_paths) {
		printf("inode %llu offset %llu root %llu\n", (unsigned long long)referrer->ino,
		       (unsigned long long)referrer->offset, (unsigned long long)referrer->tree_id);
		return 0;
	}
	err = print_paths(&logical->printer, node);
	if (err != -ENOENT)
		return err;
	printf("inode %llu root %llu has no path\n", (unsigned long long)referrer->ino,
	       (unsigned long long)referrer->tree_id);
	return 0;
}

static int print_tree_id(void *ctx, uint64_t tree_id)
{
	struct logical *logical = ctx;

	if (logical->question->out.wanted)
		json_number(&logical->question->out.json, NULL, tree_id);
	else
		printf("tree block root %llu\n", (unsigned long long)tree_id);
	return 0;
}

static int print_users(struct logical *logical, const struct ubtrfs_extent *extent)
{
	struct ubtrfs *fs = logical->question->view.fs;
	struct json *json = &logical->question->out.json;

	if (logical->question->out.wanted) {
		json_object_begin(json, "logical-resolve");
		json_number(json, "logical", logical->address);
		json_text(json, "type", extent->metadata ? "metadata" : "data");
		json_number(json, "extent-start", extent->logical);
		json_number(json, "extent-length", extent->len_bytes);
		if (extent->metadata)
			json_number(json, "level", extent->level);
		json_array_begin(json, extent->metadata ? "roots" : "inodes");
	}
	if (extent->metadata)
		return ubtrfs_block_trees(fs, logical->address, print_tree_id, logical);
	return ubtrfs_logical_referrers(fs, logical->address, logical->any_offset, print_referrer,
					logical);
}

static int answer_logical(struct question *question, void *ctx, int argc, char **argv)
{
	struct logical *logical = ctx;
	SCOPED_MEM char *subvolume = mem_alloc(PATH_TEXT_MAX);
	struct ubtrfs_extent extent;
	struct ubtrfs_node node;

	logical->question = question;
	if (!subvolume)
		return cli_error("no memory for a path");
	if (number_and_image(argc, argv, "a logical address", &logical->address) ||
	    image_view_find_any(&question->view, argv[optind + 1], &node))
		return 1;
	logical->printer = (struct path_printer){ question, question->view.image, subvolume };
	if (ubtrfs_extent_at(question->view.fs, logical->address, &extent) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (question->out.wanted)
		json_out_begin(&question->out);
	if (print_users(logical, &extent) < 0) {
		if (question->out.wanted)
			strbuf_fini(&question->out.text);
		return cli_error("%s", ubtrfs_error_text());
	}
	return question->out.wanted ? json_out_end(&question->out) : 0;
}

static int logical_option(struct question *question, void *ctx, int option)
{
	struct logical *logical = ctx;
	uint64_t ignored;

	(void)question;
	switch (option) {
	case 'P':
		logical->no_paths = true;
		return 0;
	case 'o':
		logical->any_offset = true;
		return 0;
	case 'v':
		return 0;
	case 's':
		return size_parse(optarg, &ignored) < 0 ?
			       cli_error("option -s: '%s' is no size", optarg) :
			       0;
	default:
		return -1;
	}
}

int cmd_logical_resolve(int argc, char **argv)
{
	static const struct question_spec spec = { .help = logical_help,
						   .short_options = ":D:Pvos:",
						   .long_options = long_options,
						   .option = logical_option,
						   .answer = answer_logical };
	struct logical logical = { .no_paths = false };

	return question_run(&spec, &logical, argc, argv);
}

/* ---- subvolumes ---- */

static int answer_subvolid(struct question *question, void *ctx, int argc, char **argv)
{
	SCOPED_MEM char *path = mem_alloc(PATH_TEXT_MAX);
	struct ubtrfs_node node;
	uint64_t id;
	size_t len;

	(void)ctx;
	if (!path)
		return cli_error("no memory for a path");
	if (number_and_image(argc, argv, "a subvolume id", &id) ||
	    image_view_find_any(&question->view, argv[optind + 1], &node))
		return 1;
	if (ubtrfs_subvolume_path(question->view.fs, id, 0, path, PATH_TEXT_MAX, &len) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (!question->out.wanted) {
		puts(path);
		return 0;
	}
	json_out_begin(&question->out);
	json_object_begin(&question->out.json, "subvolid-resolve");
	json_number(&question->out.json, "root", id);
	json_bytes(&question->out.json, "path", path, len);
	return json_out_end(&question->out);
}

int cmd_subvolid_resolve(int argc, char **argv)
{
	static const struct question_spec spec = { .help = subvolid_help,
						   .short_options = ":D:",
						   .long_options = long_options,
						   .answer = answer_subvolid };

	return question_run(&spec, NULL, argc, argv);
}

static int answer_rootid(struct question *question, void *ctx, int argc, char **argv)
{
	struct ubtrfs_node node;

	(void)ctx;
	if (argc - optind != 1)
		return cli_error("rootid: one path is needed (see --help)");
	if (image_view_find_any(&question->view, argv[optind], &node))
		return 1;
	if (!question->out.wanted) {
		printf("%llu\n", (unsigned long long)node.subvolid);
		return 0;
	}
	json_out_begin(&question->out);
	json_object_begin(&question->out.json, "rootid");
	json_number(&question->out.json, "root", node.subvolid);
	return json_out_end(&question->out);
}

int cmd_rootid(int argc, char **argv)
{
	static const struct question_spec spec = { .help = rootid_help,
						   .short_options = ":D:",
						   .long_options = long_options,
						   .answer = answer_rootid };

	return question_run(&spec, NULL, argc, argv);
}
