/*
 * cp out of an image: where each source goes; copy_out.c makes it.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/copy_out.h"
#include "cli/cp_options.h"
#include "cli/entry_list.h"

struct out {
	const struct cp_request *request;
	struct image_view *view;
	struct copy_out copy;
	bool into_dir; /* the destination is a directory that is there */
	unsigned nr_opened;
};

static int copy_argument(struct out *out, const char *text)
{
	SCOPED_MEM char *path = NULL, *name = NULL;
	const char *dest = image_path_host(out->request->dest);
	bool follow = out->request->rules.follow != COPY_FOLLOW_NEVER;
	struct ubtrfs_node node;

	if (image_view_find(out->view, text, follow, &node))
		return 1;
	if (out->nr_opened != out->view->nr_opened) {
		copy_out_use(&out->copy, out->view->fs);
		out->nr_opened = out->view->nr_opened;
	}
	if (!out->into_dir)
		return copy_out_node(&out->copy, node, dest, true);
	name = cp_source_name(image_path_inside(text));
	path = name ? path_join(dest, name) : NULL;
	if (!path)
		return cli_error("no memory for a path");
	if (strcmp(name, ".") == 0)
		return copy_out_node(&out->copy, node, dest, true);
	return copy_out_node(&out->copy, node, path, false);
}

static int check_dest(struct out *out)
{
	const struct cp_request *request = out->request;
	const char *dest = image_path_host(request->dest);
	size_t len = strlen(dest);
	struct stat st;

	if (stat(dest, &st) == 0)
		out->into_dir = S_ISDIR(st.st_mode) && !request->no_target_dir;
	else if (errno != ENOENT || request->dest_is_dir)
		return cli_error("%s: %s", dest, strerror(errno));
	if (request->dest_is_dir && !out->into_dir)
		return cli_error("%s is not a directory", dest);
	if (request->nr_sources > 1 && !out->into_dir)
		return cli_error("%s is not a directory, and several sources are given", dest);
	if (!out->into_dir && !out->copy.recursive && len && dest[len - 1] == '/')
		return cli_error("%s is not a directory", dest);
	return 0;
}

static int check_options(const struct cp_request *request)
{
	const char *only = request->only_into;

	if (!only && request->change.has_option)
		only = "about storing new data";
	if (!only && request->rules.keep == COPY_KEEP_LINKS && request->rules.recursive)
		only = "-d";
	return only ? cli_error("option %s: copying out of an image does not know it", only) : 0;
}

static int copy_all(struct out *out)
{
	const struct cp_request *request = out->request;
	int code = check_options(request);

	out->copy.archive = request->archive;
	out->copy.recursive = request->rules.recursive;
	out->copy.nr_threads = out->view->how.threads;
	if (!code)
		code = check_dest(out);
	for (int i = 0; !code && i < request->nr_sources; i++)
		if (!image_path_inside(request->sources[i]))
			code = cli_error("%s and %s: neither is in an image; that is what cp(1) is "
					 "for",
					 request->sources[i], request->dest);
	if (code)
		return code;
	for (int i = 0; i < request->nr_sources; i++)
		code |= copy_argument(out, request->sources[i]);
	if (atomic_load(&out->copy.nr_xattrs_lost))
		code |= cli_error("%llu extended attributes could not be set",
				  (unsigned long long)atomic_load(&out->copy.nr_xattrs_lost));
	return code;
}

int cp_out(struct cp_request *request)
{
	struct out out = { .request = request, .view = &request->change.view };
	int code;

	/* Nothing in an image is changed. */
	out.view->how.writable = false;
	out.view->how.explicit_commit = false;
	copy_out_init(&out.copy);
	code = copy_all(&out);
	copy_out_fini(&out.copy);
	return code;
}
