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

int image_view_init(struct image_view *view, unsigned max_devices)
{
	memset(view, 0, sizeof(*view));
	view->devices = mem_array((size_t)max_devices + 1, sizeof(*view->devices));
	if (!view->devices)
		return MEM_FAIL("the devices");
	view->nr_devices = 1;
	return 0;
}

void image_view_add_device(struct image_view *view, const char *path)
{
	view->devices[view->nr_devices++] = path;
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

/* Takes over the name on success. */
static int view_open(struct image_view *view, char *image)
{
	struct ubtrfs_open_options options;

	if (view->image && strcmp(view->image, image) == 0) {
		mem_free(image);
		return 0;
	}
	view_close(view);
	view->devices[0] = image;
	ubtrfs_open_options_init(&options);
	options.devices = view->devices;
	options.nr_devices = view->nr_devices;
	TRY(ubtrfs_open(&options, &view->fs));
	view->image = image;
	view->nr_opened++;
	return 0;
}

int image_view_find(struct image_view *view, const char *text, bool follow,
		    struct ubtrfs_node *ret_node)
{
	struct image_path path;

	if (image_path_parse(text, &path) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (view_open(view, path.image) < 0) {
		image_path_release(&path);
		return cli_error("%s", ubtrfs_error_text());
	}
	if (ubtrfs_resolve(view->fs, ubtrfs_top(view->fs), path.path, follow, ret_node) < 0)
		return cli_fail("%s", text);
	return 0;
}
