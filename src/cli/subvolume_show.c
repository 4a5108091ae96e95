/*
 * `ubtrfs subvolume show` and `subvolume get-default`.
 */
#include <errno.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uuid/uuid.h>

#include <ubtrfs/subvolume.h>

#include "base/cleanup.h"
#include "cli/filesystem.h"

#define PATH_TEXT_MAX ((size_t)1 << 16)

static const char show_help[] =
	"usage: ubtrfs subvolume show [-r ID | -u UUID] IMAGE[:/PATH]\n"
	"\n"
	"Print everything about a subvolume: the one at the path, or another of the filesystem.\n"
	"\n"
	"  -r, --rootid ID       the one with this id\n"
	"  -u, --uuid UUID       the one with this uuid\n" UNITS_SHORT_HELP UNITS_HELP QUESTION_HELP;

static const char default_help[] = "usage: ubtrfs subvolume get-default IMAGE\n"
				   "\n"
				   "Print the subvolume that is mounted when none is named.\n"
				   "\n" QUESTION_HELP;

struct show {
	struct question *question;
	struct ubtrfs_subvolume subvolume;
	char *path; /* owned */
	uint64_t id;
	bool has_id, has_uuid;
	uint8_t uuid[16];
};

static int read_path(struct ubtrfs *fs, uint64_t id, char **ret_path)
{
	SCOPED_MEM char *path = mem_alloc(PATH_TEXT_MAX);
	size_t len;

	if (!path)
		return MEM_FAIL("a path");
	TRY(ubtrfs_subvolume_path(fs, id, 0, path, PATH_TEXT_MAX, &len));
	*ret_path = path;
	path = NULL;
	return 0;
}

/* ---- text ---- */

static void text_uuid(const char *title, const uint8_t uuid[16])
{
	char text[UUID_STR_LEN] = "-";

	if (!uuid_is_null(uuid))
		uuid_unparse_lower(uuid, text);
	printf("\t%s%s\n", title, text);
}

static void text_number(const char *title, uint64_t number)
{
	printf("\t%s%llu\n", title, (unsigned long long)number);
}

static void text_time(const char *title, const struct ubtrfs_time *time)
{
	time_t seconds = (time_t)time->sec;
	char text[64] = "-";
	struct tm tm;

	if (seconds && localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	printf("\t%s%s\n", title, text);
}

static void text_limit(const struct question *question, const char *title, uint64_t bytes)
{
	char text[UNITS_TEXT_MAX] = "-";

	if (bytes != UINT64_MAX)
		size_units_text(&question->units, bytes, text);
	printf("\t  %s%s\n", title, text);
}

static int snapshot_text(void *ctx, const struct ubtrfs_subvolume *subvolume)
{
	struct show *show = ctx;
	SCOPED_MEM char *path = NULL;

	if (subvolume->deleted || memcmp(subvolume->parent_uuid, show->subvolume.uuid, 16) != 0)
		return 0;
	TRY(read_path(show->question->view.fs, subvolume->id, &path));
	if (show->question->out.wanted)
		json_bytes(&show->question->out.json, NULL, path, strlen(path));
	else
		printf("\t\t\t\t%s\n", path);
	return 0;
}

static int each_snapshot(struct show *show)
{
	if (uuid_is_null(show->subvolume.uuid))
		return 0;
	return ubtrfs_subvolume_each(show->question->view.fs, snapshot_text, show);
}

static int quota_text(struct show *show)
{
	const struct question *question = show->question;
	struct ubtrfs_quota quota;
	int err = ubtrfs_subvolume_quota(question->view.fs, show->subvolume.id, &quota);

	if (err == -ENOENT) {
		puts("\tQuota group:\t\tn/a");
		return 0;
	}
	TRY(err);
	printf("\tQuota group:\t\t0/%llu\n", (unsigned long long)quota.qgroupid);
	text_limit(question, "Limit referenced:\t", quota.max_referenced_bytes);
	text_limit(question, "Limit exclusive:\t", quota.max_exclusive_bytes);
	text_limit(question, "Usage referenced:\t", quota.referenced_bytes);
	text_limit(question, "Usage exclusive:\t", quota.exclusive_bytes);
	return 0;
}

static int show_text(struct show *show)
{
	const struct ubtrfs_subvolume *subvolume = &show->subvolume;
	bool is_top = subvolume->id == BTRFS_FS_TREE_OBJECTID;

	puts(is_top ? "/" : show->path);
	printf("\tName: \t\t\t%s\n", is_top ? "<FS_TREE>" : subvolume->name);
	text_uuid("UUID: \t\t\t", subvolume->uuid);
	text_uuid("Parent UUID: \t\t", subvolume->parent_uuid);
	text_uuid("Received UUID: \t\t", subvolume->received_uuid);
	text_time("Creation time: \t\t", &subvolume->otime);
	text_number("Subvolume ID: \t\t", subvolume->id);
	text_number("Generation: \t\t", subvolume->generation);
	text_number("Gen at creation: \t", subvolume->otransid);
	text_number("Parent ID: \t\t", subvolume->parent_id);
	text_number("Top level ID: \t\t", subvolume->parent_id);
	printf("\tFlags: \t\t\t%s\n", subvolume->readonly ? "readonly" : "-");
	text_number("Send transid: \t\t", subvolume->stransid);
	text_time("Send time: \t\t", &subvolume->stime);
	text_number("Receive transid: \t", subvolume->rtransid);
	text_time("Receive time: \t\t", &subvolume->rtime);
	puts("\tSnapshot(s):");
	TRY(each_snapshot(show));
	return quota_text(show);
}

/* ---- json ---- */

static int quota_json(struct show *show)
{
	struct json *json = &show->question->out.json;
	struct ubtrfs_quota quota;
	int err = ubtrfs_subvolume_quota(show->question->view.fs, show->subvolume.id, &quota);

	if (err == -ENOENT) {
		json_none(json, "quota-group");
		return 0;
	}
	TRY(err);
	json_object_begin(json, "quota-group");
	json_number(json, "qgroupid", quota.qgroupid);
	if (quota.max_referenced_bytes != UINT64_MAX)
		json_number(json, "max_referenced", quota.max_referenced_bytes);
	if (quota.max_exclusive_bytes != UINT64_MAX)
		json_number(json, "max_exclusive", quota.max_exclusive_bytes);
	json_number(json, "referenced", quota.referenced_bytes);
	json_number(json, "exclusive", quota.exclusive_bytes);
	json_end(json);
	return 0;
}

static int show_json(struct show *show)
{
	const struct ubtrfs_subvolume *subvolume = &show->subvolume;
	struct json_out *out = &show->question->out;
	struct json *json = &out->json;
	int err;

	json_out_begin(out);
	json_object_begin(json, "subvolume-show");
	json_bytes(json, "path", show->path, strlen(show->path));
	json_bytes(json, "name", subvolume->name, strlen(subvolume->name));
	json_out_uuid(out, "uuid", subvolume->uuid);
	json_out_uuid(out, "parent_uuid", subvolume->parent_uuid);
	json_out_uuid(out, "received_uuid", subvolume->received_uuid);
	json_out_time(out, "otime", &subvolume->otime);
	json_number(json, "root_id", subvolume->id);
	json_number(json, "gen", subvolume->generation);
	json_number(json, "cgen", subvolume->otransid);
	json_number(json, "parent", subvolume->parent_id);
	json_number(json, "top_level", subvolume->parent_id);
	json_bool(json, "readonly", subvolume->readonly);
	json_number(json, "send_transid", subvolume->stransid);
	json_out_time(out, "send_time", &subvolume->stime);
	json_number(json, "receive_transid", subvolume->rtransid);
	json_out_time(out, "receive_time", &subvolume->rtime);
	json_number(json, "bytes_used", subvolume->bytes_used);
	json_array_begin(json, "snapshots");
	err = each_snapshot(show);
	json_end(json);
	if (err == 0)
		err = quota_json(show);
	if (err < 0) {
		strbuf_fini(&out->text);
		return err;
	}
	return json_out_end(out) ? -EIO : 0;
}

/* ---- show ---- */

static int match_uuid(void *ctx, const struct ubtrfs_subvolume *subvolume)
{
	struct show *show = ctx;

	if (memcmp(subvolume->uuid, show->uuid, 16) != 0)
		return 0;
	show->id = subvolume->id;
	return 1;
}

/* Which one is meant: 0, or 1 with a message. */
static int choose(struct show *show, struct ubtrfs_node node, const char *argument)
{
	int ret;

	if (show->has_id)
		return 0;
	if (show->has_uuid) {
		ret = ubtrfs_subvolume_each(show->question->view.fs, match_uuid, show);
		if (ret < 0)
			return cli_error("%s", ubtrfs_error_text());
		return ret ? 0 : cli_error("%s has no subvolume with that uuid", argument);
	}
	if (node.ino != UBTRFS_ROOT_INO)
		return cli_error("%s is not a subvolume", argument);
	show->id = node.subvolid;
	return 0;
}

static int answer_show(struct question *question, void *ctx, int argc, char **argv)
{
	struct show *show = ctx;
	struct ubtrfs_node node;
	int err;

	show->question = question;
	if (argc - optind != 1)
		return cli_error("show: one subvolume is needed (see --help)");
	if (show->has_id && show->has_uuid)
		return cli_error("options --rootid and --uuid exclude each other");
	if (image_view_find_any(&question->view, argv[optind], &node) ||
	    choose(show, node, argv[optind]))
		return 1;
	err = ubtrfs_subvolume_info(question->view.fs, show->id, &show->subvolume);
	if (err == 0)
		err = read_path(question->view.fs, show->id, &show->path);
	if (err == 0)
		err = question->out.wanted ? show_json(show) : show_text(show);
	return err < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

static int show_option(struct question *question, void *ctx, int option)
{
	struct show *show = ctx;

	(void)question;
	switch (option) {
	case 'r':
		show->has_id = true;
		return number_parse(optarg, &show->id) < 0 ?
			       cli_error("option --rootid: '%s' is no number", optarg) :
			       0;
	case 'u':
		show->has_uuid = true;
		return uuid_parse(optarg, show->uuid) < 0 ?
			       cli_error("option --uuid: '%s' is no uuid", optarg) :
			       0;
	default:
		return -1;
	}
}

int cmd_subvolume_show(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "rootid", required_argument, NULL, 'r' },
		{ "uuid", required_argument, NULL, 'u' },
		UNITS_LONG_OPTIONS,
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = show_help,
						   .short_options = ":D:r:u:" UNITS_SHORT_OPTIONS,
						   .long_options = long_options,
						   .units = true,
						   .unit_letters = true,
						   .option = show_option,
						   .answer = answer_show };
	struct show show = { .has_id = false };
	int code = question_run(&spec, &show, argc, argv);

	mem_free(show.path);
	return code;
}

/* ---- get-default ---- */

static int tell_default(struct question *question)
{
	struct ubtrfs *fs = question->view.fs;
	struct ubtrfs_subvolume subvolume;
	SCOPED_MEM char *path = NULL;
	uint64_t id;

	TRY(ubtrfs_subvolume_get_default(fs, &id));
	TRY(ubtrfs_subvolume_info(fs, id, &subvolume));
	TRY(read_path(fs, id, &path));
	if (question->out.wanted) {
		json_out_begin(&question->out);
		json_object_begin(&question->out.json, "subvolume-get-default");
		json_number(&question->out.json, "root_id", id);
		json_number(&question->out.json, "gen", subvolume.generation);
		json_number(&question->out.json, "top_level", subvolume.parent_id);
		json_bytes(&question->out.json, "path", path, strlen(path));
		return json_out_end(&question->out) ? -EIO : 0;
	}
	if (id == BTRFS_FS_TREE_OBJECTID)
		puts("ID 5 (FS_TREE)");
	else
		printf("ID %llu gen %llu top level %llu path %s\n", (unsigned long long)id,
		       (unsigned long long)subvolume.generation,
		       (unsigned long long)subvolume.parent_id, path);
	return 0;
}

static int answer_default(struct question *question, void *ctx, int argc, char **argv)
{
	struct ubtrfs_node node;

	(void)ctx;
	if (argc - optind != 1)
		return cli_error("get-default: one image is needed (see --help)");
	if (image_view_find_any(&question->view, argv[optind], &node))
		return 1;
	return tell_default(question) < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

int cmd_subvolume_get_default(int argc, char **argv)
{
	static const struct option long_options[] = {
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = default_help,
						   .short_options = ":D:",
						   .long_options = long_options,
						   .answer = answer_default };

	return question_run(&spec, NULL, argc, argv);
}
