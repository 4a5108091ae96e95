/*
 * `ubtrfs restore`: options, which tree to begin with, and the lists of roots.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/image_path.h"
#include "cli/restore.h"

#define SUBVOLUME_TOP 5u

enum {
	OPTION_DEVICE = 0x400, /* -D means something else here */
	OPTION_LIST_ROOTS,
	OPTION_PATH_REGEX,
	OPTION_IGNORE_CSUM,
	OPTION_FORMAT,
	OPTION_REPORT,
};

struct cmd_restore {
	struct image_view view;
	struct ubtrfs_rescue_options how;
	struct restore restore;
	struct ubtrfs_rescue *rescue;
	uint64_t root_id; /* where to begin */
	bool list_roots, list_trees, find_dir, ignore_case, json;
	const char *regex, *report;
};

static const char help_text[] =
	"usage: ubtrfs restore [OPTIONS] IMAGE DIR\n"
	"       ubtrfs restore --list-roots | -l [OPTIONS] IMAGE\n"
	"\n"
	"Write everything that can still be read from a damaged filesystem into a directory, with\n"
	"owners (as root), modes, times, xattrs, symlinks and hard links, and tell what is lost. A\n"
	"second run goes on: files that are complete are not copied again.\n"
	"\n"
	"  -s, --snapshots       snapshots too (other subvolumes always come)\n"
	"  -o, --overwrite       replace files that are there already\n"
	"  -D, --dry-run         only print the paths that would be restored\n"
	"  -v, --verbose         name each file\n"
	"      --path-regex RE   only paths that match this extended regular expression, as in\n"
	"                        ^/(|home(|/user(|/.*)))$\n"
	"  -c                    --path-regex ignores case\n"
	"      --ignore-csum     write data with a wrong checksum too (else: holes); it is told as lost\n"
	"  -i, --ignore-errors   accepted: errors never end a run, they are told at its end\n"
	"  -x, --xattr           accepted: they always come\n"
	"  -m, --metadata        accepted: owners, modes and times always come\n"
	"  -S, --symlink, --symlinks  accepted: they always come\n"
	"\n"
	"  -t, --root BYTENR     begin with the tree of roots at this address (see --list-roots)\n"
	"  -f BYTENR             the tree of the subvolume to begin with is at this address\n"
	"  -r ROOTID             begin with this subvolume instead of the top (5)\n"
	"  -u, --super N         believe this copy of the superblock: 0, 1 or 2\n"
	"  -d                    begin with the first directory that is left\n"
	"  -l                    print the trees of files\n"
	"      --list-roots      print all roots of the tree of roots that are left: of superblocks,\n"
	"                        backup roots, and any tree block\n"
	"      --format json     what is lost as JSON on standard output\n"
	"      --report FILE     the same into a file\n"
	"\n"
	"      --device FILE     a further member of a filesystem over several files or devices\n"
	"      --noscan          do not look for members in the folder of the image\n"
	"      --partition N     the filesystem lies in this partition of a disk image\n"
	"      --offset BYTES    or at this byte of it\n"
	"      --no-verify       do not compare file contents with their checksums\n"
	"      --help            print this\n"
	"\n"
	"Exit status: 0 everything was restored; 1 something is lost, or an error.\n";

/* ---- options ---- */

static const struct option long_options[] = {
	{ "device", required_argument, NULL, OPTION_DEVICE },
	{ "partition", required_argument, NULL, OPTION_PARTITION },
	{ "offset", required_argument, NULL, OPTION_OFFSET },
	{ "super", required_argument, NULL, OPTION_SUPER },
	{ "no-verify", no_argument, NULL, OPTION_NO_VERIFY },
	{ "noscan", no_argument, NULL, OPTION_NOSCAN },
	{ "snapshots", no_argument, NULL, 's' },
	{ "overwrite", no_argument, NULL, 'o' },
	{ "dry-run", no_argument, NULL, 'D' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "ignore-errors", no_argument, NULL, 'i' },
	{ "xattr", no_argument, NULL, 'x' },
	{ "metadata", no_argument, NULL, 'm' },
	{ "symlink", no_argument, NULL, 'S' },
	{ "symlinks", no_argument, NULL, 'S' },
	{ "path-regex", required_argument, NULL, OPTION_PATH_REGEX },
	{ "ignore-csum", no_argument, NULL, OPTION_IGNORE_CSUM },
	{ "root", required_argument, NULL, 't' },
	{ "list-roots", no_argument, NULL, OPTION_LIST_ROOTS },
	{ "format", required_argument, NULL, OPTION_FORMAT },
	{ "report", required_argument, NULL, OPTION_REPORT },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int address_option(char letter, uint64_t *ret_number)
{
	if (number_parse(optarg, ret_number) < 0 || !*ret_number)
		return cli_error("-%c: '%s' is no address or number", letter, optarg);
	return 0;
}

/* Those with a value. -1: it is none of them. */
static int value_option(struct cmd_restore *cmd, int option)
{
	switch (option) {
	case 't':
		return address_option('t', &cmd->how.tree_root);
	case 'f':
		return address_option('f', &cmd->how.fs_root);
	case 'r':
		return address_option('r', &cmd->root_id);
	case 'u':
		return image_view_option(&cmd->view, OPTION_SUPER);
	case OPTION_DEVICE:
		return image_view_option(&cmd->view, 'D');
	case OPTION_PATH_REGEX:
		cmd->regex = optarg;
		return 0;
	case OPTION_FORMAT:
		if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)
			return cli_error("--format: '%s' is neither text nor json", optarg);
		cmd->json = strcmp(optarg, "json") == 0;
		return 0;
	case OPTION_REPORT:
		cmd->report = optarg;
		return 0;
	default:
		return -1;
	}
}

static int flag_option(struct cmd_restore *cmd, int option)
{
	switch (option) {
	case 's':
		cmd->restore.snapshots = true;
		return 0;
	case 'o':
		cmd->restore.overwrite = true;
		return 0;
	case 'D':
		cmd->restore.dry_run = true;
		return 0;
	case 'v':
		cmd->restore.verbose = true;
		return 0;
	case 'c':
		cmd->ignore_case = true;
		return 0;
	case 'd':
		cmd->find_dir = true;
		return 0;
	case 'l':
		cmd->list_trees = true;
		return 0;
	case OPTION_LIST_ROOTS:
		cmd->list_roots = true;
		return 0;
	case OPTION_IGNORE_CSUM:
		cmd->how.ignore_csum = true;
		return 0;
	case 'i':
	case 'x':
	case 'm':
	case 'S':
		return 0;
	default:
		return -1;
	}
}

/* -1: go on; otherwise the exit code. */
static int parse_options(struct cmd_restore *cmd, int argc, char **argv)
{
	int option, code;

	optind = 0;
	while ((option = cli_option(argc, argv, ":soDvicdlxmSt:f:r:u:", long_options)) != -1) {
		if (option == OPTION_HELP) {
			fputs(help_text, stdout);
			return cli_finish_output();
		}
		code = flag_option(cmd, option);
		if (code < 0)
			code = value_option(cmd, option);
		if (code < 0)
			code = image_view_option(&cmd->view, option);
		if (code)
			return 1;
	}
	if (argc - optind != (cmd->list_roots || cmd->list_trees || cmd->restore.dry_run ? 1 : 2) &&
	    !(cmd->restore.dry_run && argc - optind == 2))
		return cli_error("restore needs an image%s (see --help)",
				 cmd->list_roots || cmd->list_trees ? "" : " and a directory");
	if (cmd->report && (cmd->json || cmd->list_roots || cmd->list_trees))
		return cli_error("--report cannot be with --format json, --list-roots or -l");
	if (cmd->list_roots && cmd->list_trees)
		return cli_error("--list-roots and -l are two lists: give one of them");
	if (cmd->ignore_case && !cmd->regex)
		return cli_error("-c means nothing without --path-regex");
	return -1;
}

static int compile_regex(struct cmd_restore *cmd)
{
	char text[256];
	int err;

	if (!cmd->regex)
		return 0;
	err = regcomp(&cmd->restore.regex, cmd->regex,
		      REG_EXTENDED | REG_NOSUB | (cmd->ignore_case ? REG_ICASE : 0));
	if (err) {
		regerror(err, &cmd->restore.regex, text, sizeof(text));
		return cli_error("--path-regex: %s", text);
	}
	cmd->restore.has_regex = true;
	return 0;
}

/* ---- lists ---- */

static void time_print(const struct ubtrfs_time *time)
{
	time_t sec = (time_t)time->sec;
	char text[64];
	struct tm tm;

	if (time->sec && localtime_r(&sec, &tm) && strftime(text, sizeof(text), "%F %T", &tm))
		printf("  %s", text);
}

static int print_root(void *ctx, const struct ubtrfs_rescue_root *root)
{
	(void)ctx;
	printf("%c %" PRIu64 " generation %" PRIu64 " level %u", root->is_current ? '*' : ' ',
	       root->bytenr, root->generation, root->level);
	if (root->is_readable)
		printf("  blocks %" PRIu64 "/%" PRIu64, root->blocks_readable, root->blocks_total);
	else
		printf("  gone");
	printf("  (%s%s%s)", root->from & UBTRFS_RESCUE_FROM_SUPER ? "super" : "",
	       root->from & UBTRFS_RESCUE_FROM_BACKUP ?
		       (root->from & UBTRFS_RESCUE_FROM_SUPER ? ", backup" : "backup") :
		       "",
	       root->from & UBTRFS_RESCUE_FROM_SCAN ? (root->from & 3 ? ", scan" : "scan") : "");
	time_print(&root->time);
	putchar('\n');
	return 0;
}

static int json_root(void *ctx, const struct ubtrfs_rescue_root *root)
{
	struct json *json = ctx;

	json_object_begin(json, NULL);
	json_number(json, "bytenr", root->bytenr);
	json_number(json, "generation", root->generation);
	json_number(json, "level", root->level);
	json_bool(json, "current", root->is_current);
	json_bool(json, "readable", root->is_readable);
	json_number(json, "blocks_readable", root->blocks_readable);
	json_number(json, "blocks_total", root->blocks_total);
	json_bool(json, "from_super", root->from & UBTRFS_RESCUE_FROM_SUPER);
	json_bool(json, "from_backup", root->from & UBTRFS_RESCUE_FROM_BACKUP);
	json_bool(json, "from_scan", root->from & UBTRFS_RESCUE_FROM_SCAN);
	json_object_begin(json, "time");
	json_signed(json, "sec", root->time.sec);
	json_number(json, "nsec", root->time.nsec);
	json_end(json);
	json_end(json);
	return 0;
}

static int print_tree(void *ctx, const struct ubtrfs_rescue_subvolume *subvol)
{
	(void)ctx;
	printf(" tree key (%s%" PRIu64 " ROOT_ITEM %" PRIu64 ") %" PRIu64 " level %u%s\n",
	       subvol->subvolid == SUBVOLUME_TOP ? "FS_TREE " : "", subvol->subvolid,
	       subvol->offset, subvol->bytenr, subvol->level,
	       subvol->state ? " (of an older or unknown root)" : "");
	return 0;
}

static int json_tree(void *ctx, const struct ubtrfs_rescue_subvolume *subvol)
{
	struct json *json = ctx;

	json_object_begin(json, NULL);
	json_number(json, "subvolid", subvol->subvolid);
	json_number(json, "offset", subvol->offset);
	json_number(json, "bytenr", subvol->bytenr);
	json_number(json, "generation", subvol->generation);
	json_number(json, "level", subvol->level);
	json_bool(json, "snapshot", subvol->is_snapshot);
	json_bool(json, "certain", subvol->state == 0);
	json_end(json);
	return 0;
}

static int list_json(struct cmd_restore *cmd)
{
	struct strbuf text;
	struct json json;
	int err;

	strbuf_init(&text);
	json_init(&json, &text);
	json_object_begin(&json, NULL);
	json_object_begin(&json, "__header");
	json_text(&json, "version", "1");
	json_end(&json);
	json_array_begin(&json, cmd->list_roots ? "roots" : "trees");
	err = cmd->list_roots ? ubtrfs_rescue_roots(cmd->rescue, true, json_root, &json) :
				ubtrfs_rescue_subvolumes(cmd->rescue, json_tree, &json);
	json_end(&json);
	json_end(&json);
	if (err == 0)
		fputs(strbuf_text(&text), stdout);
	strbuf_fini(&text);
	return err < 0 ? cli_error("%s", ubtrfs_error_text()) : cli_finish_output();
}

static int list(struct cmd_restore *cmd)
{
	int err;

	if (cmd->json)
		return list_json(cmd);
	err = cmd->list_roots ? ubtrfs_rescue_roots(cmd->rescue, true, print_root, NULL) :
				ubtrfs_rescue_subvolumes(cmd->rescue, print_tree, NULL);
	return err < 0 ? cli_error("%s", ubtrfs_error_text()) : cli_finish_output();
}

/* ---- the run ---- */

static int restore_all(struct cmd_restore *cmd)
{
	struct restore *restore = &cmd->restore;
	struct ubtrfs_node top = { cmd->root_id, UBTRFS_ROOT_INO };
	const char *report = cmd->json ? "-" : cmd->report;
	int code;

	restore_use(restore, cmd->rescue);
	if (restore_report_begin(&restore->report, "restore", report,
				 ubtrfs_rescue_generation(cmd->rescue)))
		return 1;
	if (cmd->find_dir && ubtrfs_rescue_first_dir(cmd->rescue, top.subvolid, &top) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = restore_dir_into(restore, top, restore->top_fd);
	/* What lies beside the subvolume that was asked for is not asked for. */
	if (!code && cmd->root_id == SUBVOLUME_TOP)
		code = restore_stray_subvolumes(restore);
	if (!code && restore_state_finish(&restore->state) < 0)
		code = cli_error("%s", ubtrfs_error_text());
	if (code == RESTORE_STOP)
		cli_error("stopped; what has its name is complete, and a second run goes on");
	if (restore->nr_xattrs_lost)
		cli_error("%" PRIu64 " extended attributes could not be set",
			  restore->nr_xattrs_lost);
	restore->report.is_quiet = restore->dry_run;
	code |= restore_report_end(&restore->report, &restore->counts,
				   ubtrfs_rescue_blocks_lost(cmd->rescue));
	return code || restore->counts.lost || restore->counts.damaged || restore->counts.refused ||
	       restore->nr_xattrs_lost;
}

static int run(struct cmd_restore *cmd, int argc, char **argv)
{
	int code = parse_options(cmd, argc, argv);

	if (code >= 0)
		return code;
	if (compile_regex(cmd))
		return 1;
	cmd->view.devices[0] = argv[optind];
	cmd->view.how.devices = cmd->view.devices;
	cmd->how.how = cmd->view.how;
	cmd->how.fs_root_id = cmd->root_id;
	if (ubtrfs_rescue_open(&cmd->how, &cmd->rescue) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (cmd->list_roots || cmd->list_trees)
		return list(cmd);
	if (!cmd->restore.dry_run && restore_open_dest(&cmd->restore, argv[optind + 1]))
		return 1;
	return restore_all(cmd);
}

int cmd_restore(int argc, char **argv)
{
	struct cmd_restore cmd = { .root_id = SUBVOLUME_TOP };
	int code;

	if (image_view_init(&cmd.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	ubtrfs_rescue_options_init(&cmd.how);
	restore_init(&cmd.restore);
	code = run(&cmd, argc, argv);
	restore_fini(&cmd.restore);
	ubtrfs_rescue_close(cmd.rescue);
	image_view_fini(&cmd.view);
	return code;
}
