/*
 * `ubtrfs filesystem show` and `filesystem label`.
 */
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "cli/filesystem.h"

static const char show_help[] = "usage: ubtrfs filesystem show IMAGE|MOUNT...\n"
				"\n"
				"Print the label, the uuid and the devices of filesystems.\n"
				"\n" UNITS_HELP QUESTION_HELP;

static const char label_help[] = "usage: ubtrfs filesystem label IMAGE|MOUNT [LABEL]\n"
				 "\n"
				 "Print the label of a filesystem, or set it.\n"
				 "\n" QUESTION_HELP;

/* ---- show ---- */

struct show {
	struct question *question;
	unsigned nr_missing;
};

static int device_text(void *ctx, const struct ubtrfs_device *device)
{
	char size[UNITS_TEXT_MAX], used[UNITS_TEXT_MAX];
	struct show *show = ctx;
	const struct size_units *units = &show->question->units;

	if (device->path)
		printf("\tdevid %4llu size %s used %s path %s\n", (unsigned long long)device->devid,
		       size_units_text(units, device->total_bytes, size),
		       size_units_text(units, device->used_bytes, used), device->path);
	else
		show->nr_missing++;
	return 0;
}

static int device_json(void *ctx, const struct ubtrfs_device *device)
{
	struct show *show = ctx;
	struct json *json = &show->question->out.json;

	json_object_begin(json, NULL);
	json_number(json, "devid", device->devid);
	json_uuid(json, "uuid", device->uuid);
	json_number(json, "size", device->total_bytes);
	json_number(json, "used", device->used_bytes);
	if (device->path)
		json_bytes(json, "path", device->path, strlen(device->path));
	json_bool(json, "missing", !device->path);
	json_bool(json, "seed", device->seed);
	json_end(json);
	return 0;
}

static int show_text(struct show *show, const struct ubtrfs_info *info, uint64_t used)
{
	char uuid[UUID_STR_LEN], text[UNITS_TEXT_MAX];
	int err;

	uuid_unparse_lower(info->fsid, uuid);
	if (info->label[0])
		printf("Label: '%s'  uuid: %s\n", info->label, uuid);
	else
		printf("Label: none  uuid: %s\n", uuid);
	printf("\tTotal devices %u FS bytes used %s\n", info->nr_devices,
	       size_units_text(&show->question->units, used, text));
	err = fs_source_device_each(&show->question->source, device_text, show);
	if (show->nr_missing)
		puts("\t*** Some devices missing");
	return err;
}

static int show_json(struct show *show, const struct ubtrfs_info *info, uint64_t used)
{
	struct json *json = &show->question->out.json;
	int err;

	json_object_begin(json, NULL);
	json_bytes(json, "label", info->label, strlen(info->label));
	json_uuid(json, "uuid", info->fsid);
	json_number(json, "generation", info->generation);
	json_number(json, "total-devices", info->nr_devices);
	json_number(json, "bytes-used", used);
	json_array_begin(json, "devices");
	err = fs_source_device_each(&show->question->source, device_json, show);
	json_end(json);
	json_end(json);
	return err;
}

static int tell_filesystem(struct question *question, const char *argument)
{
	struct show show = { .question = question };
	struct ubtrfs_info info;
	uint64_t used;
	int err;

	if (question_open(question, argument))
		return 1;
	err = fs_source_info(&question->source, &info);
	if (err == 0)
		err = fs_source_used(&question->source, &used);
	if (err == 0)
		err = question->out.wanted ? show_json(&show, &info, used) :
					     show_text(&show, &info, used);
	return err < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

static int answer_show(struct question *question, void *ctx, int argc, char **argv)
{
	int code = 0;

	(void)ctx;
	argc = image_default_here(argc, argv);
	if (optind == argc)
		return cli_error("show: no image given (see --help)");
	if (question->out.wanted) {
		json_out_begin(&question->out);
		json_array_begin(&question->out.json, "filesystem-show");
	}
	for (int i = optind; i < argc; i++) {
		if (i > optind && !question->out.wanted)
			putchar('\n');
		code |= tell_filesystem(question, argv[i]);
	}
	return question->out.wanted ? code | json_out_end(&question->out) : code;
}

int cmd_filesystem_show(int argc, char **argv)
{
	static const struct option long_options[] = {
		UNITS_LONG_OPTIONS,
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = show_help,
						   .short_options = ":D:",
						   .long_options = long_options,
						   .units = true,
						   .answer = answer_show };

	return question_run(&spec, NULL, argc, argv);
}

/* ---- label ---- */

static int label_set(struct question *question, const char *label)
{
	if (fs_source_set_label(&question->source, label) < 0)
		return cli_error("%s", ubtrfs_error_text());
	return 0;
}

static int label_print(struct question *question)
{
	struct ubtrfs_info info;

	if (fs_source_info(&question->source, &info) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (!question->out.wanted) {
		puts(info.label);
		return 0;
	}
	json_out_begin(&question->out);
	json_object_begin(&question->out.json, "filesystem-label");
	json_bytes(&question->out.json, "label", info.label, strlen(info.label));
	return json_out_end(&question->out);
}

static int answer_label(struct question *question, void *ctx, int argc, char **argv)
{
	int nr;

	(void)ctx;
	argc = image_default_here(argc, argv);
	nr = argc - optind;
	if (nr != 1 && nr != 2)
		return cli_error(
			"label: an image or a mount and at most one label are needed (see --help)");
	question->view.how.writable = nr == 2;
	if (question_open(question, argv[optind]))
		return 1;
	return nr == 2 ? label_set(question, argv[optind + 1]) : label_print(question);
}

int cmd_filesystem_label(int argc, char **argv)
{
	static const struct option long_options[] = {
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = label_help,
						   .short_options = ":D:",
						   .long_options = long_options,
						   .answer = answer_label };

	return question_run(&spec, NULL, argc, argv);
}
