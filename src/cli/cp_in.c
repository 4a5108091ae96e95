/*
 * cp into an image: where each source goes; transfer/copy_in.h makes it, in one transaction.
 *
 * A source in another image is read through a filesystem of its own, opened read-only.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "cli/cli.h"
#include "cli/cp_options.h"
#include "cli/entry_list.h"

struct in {
	struct cp_request *request;
	struct image_view *view; /* of the destination */
	struct image_path dest;	 /* as it was written */
	struct image_view from;	 /* of the sources */
	struct copy_in *copy;
	/* Where they go: into the directory, or to the name in it. */
	struct ubtrfs_node dir;
	char *name;    /* owned; NULL: sources keep their names */
	bool is_whole; /* the source becomes the directory itself */
};

/* ---- the destination ---- */

static int dest_lookup(struct in *in, const char *path, bool *ret_found,
		       struct ubtrfs_attr *ret_attr)
{
	struct ubtrfs *fs = in->view->fs;
	struct ubtrfs_node node;
	int ret = err_adopt(ubtrfs_resolve(fs, image_view_top(in->view), path, true, &node));

	*ret_found = ret == 0;
	if (ret == -ENOENT)
		return 0;
	return ret < 0 ? ret : err_adopt(ubtrfs_getattr(fs, node, ret_attr));
}

/* The path names the copy itself: its directory must be there. */
static int dest_as_name(struct in *in)
{
	SCOPED_MEM char *path = mem_strdup(in->dest.path);
	size_t len;
	char *slash;

	if (!path)
		return MEM_FAIL("a path");
	len = strlen(path);
	while (len && path[len - 1] == '/')
		path[--len] = '\0';
	slash = strrchr(path, '/');
	in->name = mem_strdup(slash ? slash + 1 : path);
	if (!in->name)
		return MEM_FAIL("a path");
	if (slash)
		slash[1] = '\0';
	else
		path[0] = '\0';
	return err_adopt(
		ubtrfs_resolve(in->view->fs, image_view_top(in->view), path, true, &in->dir));
}

static bool name_is_own(const char *path)
{
	SCOPED_MEM char *name = cp_source_name(path);

	return name && strcmp(name, ".") != 0;
}

static int dest_decide(struct in *in)
{
	const struct cp_request *request = in->request;
	struct ubtrfs_attr attr = { .mode = 0 };
	bool found;

	TRY(dest_lookup(in, in->dest.path, &found, &attr));
	in->dir = attr.node;
	if (found && S_ISDIR(attr.mode) && !request->no_target_dir)
		return 0;
	if (request->dest_is_dir || request->nr_sources > 1)
		return found ? THROW(ERR_NOT_DIR, "it is not a directory") :
			       THROW(ERR_NOT_FOUND, "%s: there is no such directory",
				     request->dest);
	if (found && !name_is_own(in->dest.path)) {
		in->is_whole = true;
		return S_ISDIR(attr.mode) ? 0 : THROW(ERR_NOT_DIR, "it is not a directory");
	}
	if (found && !S_ISDIR(attr.mode) && in->dest.path[strlen(in->dest.path) - 1] == '/')
		return THROW(ERR_NOT_DIR, "it is not a directory");
	return dest_as_name(in);
}

/* ---- sources ---- */

static bool same_file(const char *a, const char *b)
{
	struct stat st_a, st_b;

	return stat(a, &st_a) == 0 && stat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev &&
	       st_a.st_ino == st_b.st_ino;
}

/* Options about the image mean the destination's. */
static int from_open(struct in *in, const char *image, struct copy_source *source)
{
	if (in->from.image && strcmp(in->from.image, image) != 0)
		TRY(copy_in_drain(in->copy));
	TRY(image_view_open_quiet(&in->from, image));
	source->fs = in->from.fs;
	source->fs_nr = in->from.nr_opened;
	return 0;
}

/* The node of a source in an image; in that of the destination it is as it is by now. */
static int from_find(struct in *in, const char *text, struct copy_source *source)
{
	bool follow = in->request->rules.follow != COPY_FOLLOW_NEVER;
	struct ubtrfs_node top;
	struct image_path path;
	int err = 0;

	TRY(image_path_parse(text, &path));
	if (text[strlen(text) - 1] == '/')
		follow = true;
	if (strcmp(path.image, in->dest.image) == 0 || same_file(path.image, in->dest.image)) {
		source->fs = in->view->fs;
		top = image_view_top(in->view);
	} else {
		err = from_open(in, path.image, source);
		top = image_view_top(&in->from);
	}
	if (err == 0)
		err = err_adopt(ubtrfs_resolve(source->fs, top, path.path, follow, &source->node));
	image_path_release(&path);
	return err < 0 ? err_prefix(err, "%s", text) : 0;
}

static int name_for(const struct in *in, const char *text, bool inside, char **ret_name)
{
	char *name;

	*ret_name = NULL;
	if (in->is_whole)
		return 0;
	name = in->name ? mem_strdup(in->name) :
			  cp_source_name(inside ? image_path_inside(text) : image_path_host(text));
	if (!name)
		return MEM_FAIL("a name");
	if (strcmp(name, ".") == 0) {
		mem_free(name);
		return 0;
	}
	*ret_name = name;
	return 0;
}

/* A new file cannot be named as a directory. */
static int check_slash(const struct in *in, const struct copy_source *source)
{
	const char *path = in->dest.path;
	struct stat st;
	struct ubtrfs_attr attr = { .mode = 0 };

	if (!in->name || path[strlen(path) - 1] != '/')
		return 0;
	if (source->fs) {
		TRY(err_adopt(ubtrfs_getattr(source->fs, source->node, &attr)));
	} else {
		if (stat(source->path, &st) < 0)
			return THROW_SYS(errno, "cannot read %s", source->path);
		attr.mode = st.st_mode;
	}
	return S_ISDIR(attr.mode) ? 0 :
				    THROW(ERR_NOT_DIR, "%s is not a directory", in->request->dest);
}

static int copy_argument(struct in *in, const char *text)
{
	SCOPED_MEM char *name = NULL, *shown = NULL;
	bool inside = image_path_is_inside(text);
	struct copy_source source = { .path = inside ? text : image_path_host(text) };
	struct copy_dest dest = { .dir = in->dir };

	if (inside)
		TRY(from_find(in, text, &source));
	TRY(check_slash(in, &source));
	TRY(name_for(in, text, inside, &name));
	shown = name && !in->name ? path_join(in->request->dest, name) :
				    mem_strdup(in->request->dest);
	if (!shown)
		return MEM_FAIL("a path");
	dest.name = name;
	dest.path = shown;
	return copy_in_add(in->copy, &source, &dest);
}

/* A source that was named before, with the same words. */
struct seen {
	struct hash_node hash_node;
	const char *text;
};

static bool seen_before(struct hash_table *table, struct seen *seen)
{
	uint64_t key = 0;
	struct hash_node *at;

	for (const char *pos = seen->text; *pos; pos++)
		key = hash_mix2(key, (uint8_t)*pos);
	for (at = hash_find(table, key); at; at = hash_find_next(at))
		if (!strcmp(hash_entry(at, struct seen, hash_node)->text, seen->text))
			return true;
	hash_insert(table, &seen->hash_node, key);
	return false;
}

static int copy_arguments(struct in *in)
{
	const struct cp_request *request = in->request;
	SCOPED_MEM struct seen *seen = mem_array((size_t)request->nr_sources, sizeof(*seen));
	struct hash_table table;
	int err = 0;

	if (!seen)
		return MEM_FAIL("the sources");
	hash_init(&table);
	for (int i = 0; err == 0 && i < request->nr_sources; i++) {
		seen[i].text = request->sources[i];
		if (seen_before(&table, &seen[i]))
			cli_warning("source %s is given more than once", seen[i].text);
		else
			err = copy_argument(in, seen[i].text);
	}
	hash_clear(&table);
	hash_fini(&table);
	return err;
}

/* ---- the whole ---- */

static void tell(void *ctx, const char *source, const char *dest)
{
	struct change *change = ctx;

	progress_clear(&change->progress);
	printf("'%s' -> '%s'\n", source, dest);
}

static int copy_all(struct in *in)
{
	struct cp_request *request = in->request;
	struct import_options options;
	int err;

	TRY(image_path_parse(request->dest, &in->dest));
	TRY(image_view_open_quiet(in->view, in->dest.image));
	err = dest_decide(in);
	if (err < 0)
		return err_prefix(err, "%s", request->dest);
	if (request->verbose)
		request->rules.tell = tell;
	request->rules.ctx = &request->change;
	import_options_init(&options);
	change_import_options(&request->change, &options);
	TRY(copy_in_new(in->view->fs, &request->rules, &options, &in->copy));
	TRY(copy_arguments(in));
	return copy_in_drain(in->copy);
}

int cp_in(struct cp_request *request)
{
	struct in in = { .request = request, .view = &request->change.view };
	int err, code;

	if (image_view_init(&in.from, in.view->how.nr_devices) < 0)
		return cli_error("%s", ubtrfs_error_text());
	in.from.how.no_verify = in.view->how.no_verify;
	in.from.how.scan = in.view->how.scan;
	code = change_begin(&request->change);
	if (!code) {
		struct err_report report;

		err = copy_all(&in);
		err_capture(err, &report);
		/* The shell goes on with what was copied so far: its sources are to be read. */
		if (err < 0 && request->change.in_session && in.copy)
			(void)!copy_in_drain(in.copy);
		copy_in_free(in.copy, NULL);
		code = change_end(&request->change, err_rethrow(&report));
		if (request->verbose && !code)
			code = cli_finish_output();
	}
	image_view_fini(&in.from);
	image_path_release(&in.dest);
	mem_free(in.name);
	return code;
}
