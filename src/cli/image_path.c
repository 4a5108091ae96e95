/*
 * IMAGE:/PATH, parsed and opened.
 */
#include "cli/image_path.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/cli.h"

/* Where the image's name ends; NULL without a colon. */
static const char *separator(const char *text)
{
	const char *colon = strchr(text, ':');
	const char *slash = strchr(text, '/');
	const char *colon_slash;

	if (!colon || !slash || colon < slash)
		return colon;
	colon_slash = strstr(text, ":/");
	return colon_slash ? colon_slash : colon;
}

int image_path_parse(const char *text, struct image_path *ret_path)
{
	const char *end = separator(text);
	char *image;

	if (!end)
		return THROW(ERR_INVALID, "'%s' names nothing inside an image; write IMAGE:/PATH",
			     text);
	if (end == text)
		return THROW(ERR_INVALID, "'%s' has no image before the colon", text);
	if (!end[1])
		return THROW(ERR_INVALID, "'%s' has no path behind the colon; the top is %s/", text,
			     text);
	image = mem_dup(text, (size_t)(end - text) + 1);
	if (!image)
		return MEM_FAIL("a path");
	image[end - text] = '\0';
	ret_path->image = image;
	ret_path->path = end + 1;
	return 0;
}

const char *image_path_inside(const char *text)
{
	const char *end = separator(text);

	return end ? end + 1 : NULL;
}

void image_path_release(struct image_path *path)
{
	mem_free(path->image);
}

bool image_path_is_inside(const char *text)
{
	const char *end = separator(text);
	struct image_path path;
	struct stat st;
	bool inside;

	if (!end)
		return false;
	if (!memchr(text, '/', (size_t)(end - text)))
		return true;
	/* A local path may well have a colon in a later part; an image is a file. */
	if (image_path_parse(text, &path) < 0)
		return false;
	inside = stat(path.image, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
	image_path_release(&path);
	return inside;
}

static void tell_warning(void *ctx, const char *sentence)
{
	(void)ctx;
	cli_warning("%s", sentence);
}

int image_view_init(struct image_view *view, unsigned max_devices)
{
	memset(view, 0, sizeof(*view));
	ubtrfs_open_options_init(&view->how);
	view->how.warn = tell_warning;
	view->devices = mem_array((size_t)max_devices + 1, sizeof(*view->devices));
	if (!view->devices)
		return MEM_FAIL("the devices");
	view->how.nr_devices = 1;
	return 0;
}

static int option_number(const char *name, uint64_t max, uint64_t *ret_number)
{
	uint64_t number;

	if (number_parse(optarg, &number) < 0 || number > max)
		return cli_error("--%s: '%s' is no number up to %llu", name, optarg,
				 (unsigned long long)max);
	*ret_number = number;
	return 0;
}

int image_view_option(struct image_view *view, int option)
{
	uint64_t number = 0;
	int code = 0;

	switch (option) {
	case 'D':
		view->devices[view->how.nr_devices++] = optarg;
		return 0;
	case OPTION_PARTITION:
		code = option_number("partition", UINT32_MAX, &number);
		view->how.partition = (unsigned)number;
		return !code && !number ? cli_error("partitions are counted from 1") : code;
	case OPTION_OFFSET:
		if (size_parse(optarg, &view->how.offset) < 0)
			return cli_error("--offset: '%s' is no number of bytes", optarg);
		return 0;
	case OPTION_SUPER:
		code = option_number("super", 2, &number);
		view->how.super_copy = (int)number;
		return code;
	case OPTION_SUBVOLID:
		return option_number("subvolid", UINT64_MAX, &view->subvolid);
	case OPTION_NO_VERIFY:
		view->how.no_verify = true;
		return 0;
	case OPTION_NOSCAN:
		view->how.scan = false;
		return 0;
	default:
		return -1;
	}
}

static void view_close(struct image_view *view)
{
	ubtrfs_abandon(view->fs);
	mem_free(view->image);
	view->fs = NULL;
	view->image = NULL;
}

void image_view_fini(struct image_view *view)
{
	view_close(view);
	mem_free(view->devices);
}

int image_view_open_quiet(struct image_view *view, const char *image)
{
	int err;

	if (view->image && strcmp(view->image, image) == 0)
		return 0;
	view_close(view);
	view->image = mem_strdup(image);
	if (!view->image)
		return MEM_FAIL("a name");
	view->devices[0] = view->image;
	view->how.devices = view->devices;
	err = err_adopt(ubtrfs_open(&view->how, &view->fs));
	if (err < 0) {
		view_close(view);
		return err;
	}
	view->nr_opened++;
	return 0;
}

int image_view_open(struct image_view *view, const char *image)
{
	return image_view_open_quiet(view, image) < 0 ? cli_error("%s", ubtrfs_error_text()) : 0;
}

struct ubtrfs_node image_view_top(const struct image_view *view)
{
	if (view->subvolid)
		return (struct ubtrfs_node){ view->subvolid, UBTRFS_ROOT_INO };
	return ubtrfs_top(view->fs);
}

int image_view_find(struct image_view *view, const char *text, bool follow,
		    struct ubtrfs_node *ret_node)
{
	struct image_path path;
	int code;

	if (image_path_parse(text, &path) < 0)
		return cli_error("%s", ubtrfs_error_text());
	code = image_view_open(view, path.image);
	if (!code &&
	    ubtrfs_resolve(view->fs, image_view_top(view), path.path, follow, ret_node) < 0)
		code = cli_fail("%s", text);
	image_path_release(&path);
	return code;
}

int image_view_find_any(struct image_view *view, const char *text, struct ubtrfs_node *ret_node)
{
	if (image_path_is_inside(text))
		return image_view_find(view, text, true, ret_node);
	if (image_view_open(view, text))
		return 1;
	*ret_node = image_view_top(view);
	return 0;
}
