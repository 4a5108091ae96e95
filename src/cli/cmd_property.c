/*
 * `ubtrfs property get|set|list`: properties of inodes, subvolumes and filesystems, in the words of
 * btrfs-progs.
 *
 * An object has a property if its type is among those of the property: an inode (file or directory)
 * compression, a subvolume (its top) ro, a filesystem (the top of all, or an image alone) label.
 */
#include <errno.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <ubtrfs/admin.h>
#include <ubtrfs/subvolume.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "cli/change_command.h"
#include "cli/command_group.h"
#include "cli/filesystem.h"

#define XATTR_COMPRESSION "btrfs.compression"
#define VALUE_MAX 512u

enum object_type { OBJECT_INODE = 1, OBJECT_SUBVOLUME = 2, OBJECT_FILESYSTEM = 4 };

struct object {
	struct ubtrfs *fs;
	struct ubtrfs_attr attr;
	unsigned types; /* of what it is, those that are wanted */
};

struct property {
	const char *name, *what;
	enum object_type type;
	/* -ENODATA: not set, nothing to show. */
	int (*get)(const struct object *object, char *value, size_t capacity);
	int (*set)(const struct object *object, const char *value);
};

/* ---- the properties ---- */

static int ro_get(const struct object *object, char *value, size_t capacity)
{
	struct ubtrfs_subvolume info;

	TRY(ubtrfs_subvolume_info(object->fs, object->attr.node.subvolid, &info));
	snprintf(value, capacity, "%s", info.readonly ? "true" : "false");
	return 0;
}

static int ro_set(const struct object *object, const char *value)
{
	static const uint8_t no_uuid[16];
	bool ro = strcmp(value, "true") == 0;
	struct ubtrfs_subvolume info;

	if (!ro && strcmp(value, "false") != 0)
		return THROW(ERR_INVALID, "ro is true or false, not '%s'", value);
	TRY(err_adopt(ubtrfs_subvolume_info(object->fs, object->attr.node.subvolid, &info)));
	/* The next increment would be applied to contents that the sender has never seen. */
	if (!ro && info.readonly && memcmp(info.received_uuid, no_uuid, sizeof(no_uuid)) != 0)
		return THROW(ERR_UNSUPPORTED,
			     "it was received and would no longer be what was sent; a snapshot of "
			     "it may be written to");
	return err_adopt(ubtrfs_subvolume_set_readonly(object->fs, object->attr.node.subvolid, ro));
}

static int label_get(const struct object *object, char *value, size_t capacity)
{
	struct ubtrfs_info info;

	TRY(ubtrfs_info(object->fs, &info));
	snprintf(value, capacity, "%s", info.label);
	return 0;
}

static int label_set(const struct object *object, const char *value)
{
	return err_adopt(ubtrfs_set_label(object->fs, value));
}

static int compression_get(const struct object *object, char *value, size_t capacity)
{
	size_t len;

	TRY(ubtrfs_getxattr(object->fs, object->attr.node, XATTR_COMPRESSION, value, capacity - 1,
			    &len));
	value[len] = '\0';
	return 0;
}

static int compression_set(const struct object *object, const char *value)
{
	return err_adopt(ubtrfs_setxattr(object->fs, object->attr.node, XATTR_COMPRESSION, value,
					 strlen(value)));
}

static const struct property properties[] = {
	{ "ro", "read-only status of a subvolume", OBJECT_SUBVOLUME, ro_get, ro_set },
	{ "label", "label of the filesystem", OBJECT_FILESYSTEM, label_get, label_set },
	{ "compression", "compression algorithm for the file or directory", OBJECT_INODE,
	  compression_get, compression_set },
};

static const struct property *property_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(properties); i++)
		if (strcmp(properties[i].name, name) == 0)
			return &properties[i];
	return NULL;
}

/* ---- objects ---- */

/* The argument of -t: 0, or 1 after a message. */
static int type_parse(const char *text, unsigned *ret_types)
{
	static const struct {
		const char *name;
		unsigned type;
	} types[] = { { "inode", OBJECT_INODE },
		      { "subvol", OBJECT_SUBVOLUME },
		      { "filesystem", OBJECT_FILESYSTEM },
		      { "device", OBJECT_FILESYSTEM } };

	for (size_t i = 0; *text && i < ARRAY_LEN(types); i++) {
		if (strncmp(types[i].name, text, strlen(text)) != 0)
			continue;
		*ret_types = types[i].type;
		return 0;
	}
	return cli_error("option -t: '%s' is none of inode, subvol, filesystem, device", text);
}

static unsigned types_of(const struct ubtrfs_attr *attr, bool is_image)
{
	unsigned types = 0;

	if (is_image)
		return OBJECT_FILESYSTEM;
	if (S_ISREG(attr->mode) || S_ISDIR(attr->mode))
		types |= OBJECT_INODE;
	if (attr->node.ino == UBTRFS_ROOT_INO)
		types |= OBJECT_SUBVOLUME;
	if (attr->node.ino == UBTRFS_ROOT_INO && attr->node.subvolid == BTRFS_FS_TREE_OBJECTID)
		types |= OBJECT_FILESYSTEM;
	return types;
}

static int object_check(const char *text, const struct object *object,
			const struct property *property)
{
	if (!object->types)
		return THROW(ERR_INVALID, "%s is no object of that type", text);
	if (property && !(property->type & object->types))
		return THROW(ERR_INVALID, "object is not compatible with property: %s",
			     property->name);
	return 0;
}

static int object_open(struct image_view *view, const char *text, unsigned wanted,
		       struct object *ret_object)
{
	bool is_image = !image_path_is_inside(text);
	struct object object = { .types = 0 };
	struct ubtrfs_node node;
	int err;

	if (is_image) {
		TRY(image_view_open_quiet(view, text));
		node = image_view_top(view);
	} else {
		struct image_path path;

		TRY(image_path_parse(text, &path));
		err = image_view_open_quiet(view, path.image);
		if (err == 0)
			err = err_adopt(ubtrfs_resolve(view->fs, image_view_top(view), path.path,
						       true, &node));
		image_path_release(&path);
		TRY(err);
	}
	object.fs = view->fs;
	TRY(err_adopt(ubtrfs_getattr(view->fs, node, &object.attr)));
	/* Who asks for the filesystem may name anything in it. */
	object.types = wanted == OBJECT_FILESYSTEM ? wanted :
						     types_of(&object.attr, is_image) & wanted;
	*ret_object = object;
	return 0;
}

/* ---- the commands ---- */

struct property_job {
	struct change_command command; /* of set; the view of all */
	unsigned types;
	const struct property *property; /* set */
};

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "type", required_argument, NULL, 't' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

#define TYPE_HELP                                                                                   \
	"  -t, --type TYPE       the object as inode, subvol, filesystem or device; else all that " \
	"it is\n"

static int show_one(const struct object *object, const struct property *property)
{
	char value[VALUE_MAX];
	int ret = property->get(object, value, sizeof(value));

	if (ret == -ENODATA)
		return 0;
	TRY(ret);
	printf("%s=%s\n", property->name, value);
	return 0;
}

static void list_one(const struct property *property)
{
	printf("%-20s%s\n", property->name, property->what);
}

static int show_object(const struct object *object, bool list, const struct property *only)
{
	for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
		const struct property *property = &properties[i];

		if (!(property->type & object->types) || (only && only != property))
			continue;
		if (list)
			list_one(property);
		else
			TRY(show_one(object, property));
	}
	return 0;
}

/* property get, property list. */
static int show_arguments(struct image_view *view, bool list, unsigned types, int argc, char **argv)
{
	const char *name = list || argc < 2 ? NULL : argv[1];
	const struct property *property = name ? property_find(name) : NULL;
	struct object object;

	if (argc < 1 || argc > (list ? 1 : 2))
		return cli_error("property %s: one IMAGE:/PATH is needed (see --help)",
				 list ? "list" : "get");
	if (name && !property)
		return cli_error("unknown property: %s", name);
	if (object_open(view, argv[0], types, &object) < 0 ||
	    object_check(argv[0], &object, property) < 0)
		return cli_fail("%s", argv[0]);
	if (show_object(&object, list, property) < 0)
		return cli_fail("%s", argv[0]);
	return cli_finish_output();
}

static int show(struct image_view *view, bool list, const char *help, int argc, char **argv)
{
	unsigned types = UINT32_MAX;
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":D:t:", long_options)) != -1) {
		if (option == OPTION_HELP) {
			fputs(help, stdout);
			return cli_finish_output();
		}
		if (option == 't' ? type_parse(optarg, &types) : image_view_option(view, option))
			return 1;
	}
	return show_arguments(view, list, types, argc - optind, argv + optind);
}

static int show_command(bool list, const char *help, int argc, char **argv)
{
	struct image_view view;
	int code;

	if (image_view_init(&view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = show(&view, list, help, argc, argv);
	image_view_fini(&view);
	return code;
}

static int property_get(int argc, char **argv)
{
	static const char help[] = "usage: ubtrfs property get [-t TYPE] IMAGE:/PATH [NAME]\n"
				   "\n"
				   "Show a property of an object, or all that are set.\n"
				   "\n" TYPE_HELP IMAGE_HELP "      --help            print this\n";

	return show_command(false, help, argc, argv);
}

static int property_list(int argc, char **argv)
{
	static const char help[] = "usage: ubtrfs property list [-t TYPE] IMAGE:/PATH\n"
				   "\n"
				   "Show which properties an object can have.\n"
				   "\n" TYPE_HELP IMAGE_HELP "      --help            print this\n";

	return show_command(true, help, argc, argv);
}

static int set_option(void *ctx, int option)
{
	struct property_job *job = ctx;

	return option == 't' ? type_parse(optarg, &job->types) : -1;
}

static int set_check(void *ctx)
{
	struct property_job *job = ctx;

	if (job->command.nr_operands != 3)
		return cli_error("property set: IMAGE:/PATH NAME VALUE are needed (see --help)");
	job->property = property_find(job->command.operands[1]);
	return job->property ? 0 : cli_error("unknown property: %s", job->command.operands[1]);
}

static int set_run(void *ctx)
{
	struct property_job *job = ctx;
	const char *text = job->command.operands[0], *value = job->command.operands[2];
	struct object object;
	int err;

	TRY(object_open(&job->command.change.view, text, job->types, &object));
	TRY(object_check(text, &object, job->property));
	err = job->property->set(&object, value);
	return err < 0 ? err_prefix(err, "failed to set %s for %s: ", job->property->name, text) :
			 0;
}

static int property_set(int argc, char **argv)
{
	static const char help[] = "usage: ubtrfs property set [-t TYPE] IMAGE:/PATH NAME VALUE\n"
				   "\n"
				   "Set a property of an object; an empty value takes it away.\n"
				   "\n" TYPE_HELP IMAGE_HELP "      --help            print this\n";
	static const struct change_spec spec = { .name = "property set",
						 .help = help,
						 .short_options = ":D:t:",
						 .long_options = long_options,
						 .option = set_option,
						 .check = set_check,
						 .run = set_run };
	struct property_job job = { .types = UINT32_MAX };

	return change_command_run(&spec, &job, argc, argv);
}

static const struct group_command property_commands[] = {
	{ "get", property_get, "show a property, or all that are set" },
	{ "list", property_list, "show which properties there can be" },
	{ "set", property_set, "set a property" },
	{ NULL, NULL, NULL },
};

int cmd_property(int argc, char **argv)
{
	return command_group_run("property", property_commands, argc, argv);
}
