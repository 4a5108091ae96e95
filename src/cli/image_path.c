/*
 * IMAGE:/PATH, parsed and opened.
 */
#include "cli/image_path.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/session.h"

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

static int host_path_parse(const char *text, struct image_path *ret_path)
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

/* In a session: the image's name and the path from its top, in one piece of memory. */
static int session_path_parse(const struct session *session, const char *text,
			      struct image_path *ret_path)
{
	SCOPED_MEM char *path = NULL;
	const char *image = session->view->image ? session->view->image : "";
	size_t image_len = strlen(image) + 1, path_len;
	char *both;

	if (!*text)
		return THROW(ERR_INVALID, "an empty path");
	path = session_path(session, text);
	if (!path)
		return MEM_FAIL("a path");
	path_len = strlen(path) + 1;
	both = mem_alloc(image_len + path_len);
	if (!both)
		return MEM_FAIL("a path");
	memcpy(both, image, image_len);
	memcpy(both + image_len, path, path_len);
	ret_path->image = both;
	ret_path->path = both + image_len;
	return 0;
}

int image_path_parse(const char *text, struct image_path *ret_path)
{
	const char *host = session_host_text(text);

	return host ? host_path_parse(host, ret_path) :
		      session_path_parse(session_current(), text, ret_path);
}
const char *image_path_inside(const char *text)
{
	const char *host = session_host_text(text);
	const char *end = host ? separator(host) : NULL;

	if (!host)
		return text;
	return end ? end + 1 : NULL;
}

const char *image_path_host(const char *text)
{
	const char *host = session_host_text(text);

	return host ? host : text;
}

void image_path_release(struct image_path *path)
{
	mem_free(path->image);
}

bool image_path_is_inside(const char *text)
{
	const char *host = session_host_text(text);
	const char *end = host ? separator(host) : NULL;
	struct image_path path;
	struct stat st;
	bool inside;

	if (!host)
		return true;
	if (!end)
		return false;
	if (!memchr(host, '/', (size_t)(end - host)))
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

/* In a session the image is open already. */
static int option_not_here(int option)
{
	bool about_image = option == 'D' || (option >= OPTION_PARTITION && option <= OPTION_NOSCAN);

	return about_image ? cli_error("options about opening the image belong to the shell: it is "
				       "open") :
			     -1;
}

int image_view_option(struct image_view *view, int option)
{
	uint64_t number = 0;
	int code = 0;

	if (session_current())
		return option_not_here(option);
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

void image_view_close(struct image_view *view)
{
	if (!view->borrowed)
		ubtrfs_abandon(view->fs);
	view->borrowed = false;
	mem_free(view->image);
	view->fs = NULL;
	view->image = NULL;
}

void image_view_fini(struct image_view *view)
{
	image_view_close(view);
	mem_free(view->devices);
}

static int view_borrow(struct image_view *view, struct session *session)
{
	int ret = session_lend(session, view->how.writable, &view->fs);

	if (ret < 0) {
		image_view_close(view);
		return ret;
	}
	view->borrowed = true;
	view->subvolid = session->view->subvolid;
	view->nr_opened++;
	return 0;
}

int image_view_open_quiet(struct image_view *view, const char *image)
{
	struct session *session = session_current();
	int err;

	if (view->image && strcmp(view->image, image) == 0)
		return 0;
	image_view_close(view);
	view->image = mem_strdup(image);
	if (!view->image)
		return MEM_FAIL("a name");
	if (session && session->view->image && strcmp(session->view->image, image) == 0)
		return view_borrow(view, session);
	view->devices[0] = view->image;
	view->how.devices = view->devices;
	err = err_adopt(ubtrfs_open(&view->how, &view->fs));
	if (err < 0) {
		image_view_close(view);
		return err;
	}
	view->nr_opened++;
	return 0;
}

int image_view_commit(struct image_view *view)
{
	return view->borrowed ? 0 : err_adopt(ubtrfs_commit(view->fs));
}

int image_default_here(int argc, char **argv)
{
	if (optind < argc || !session_current())
		return argc;
	argv[argc] = (char *)(uintptr_t) ".";
	return argc + 1;
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
