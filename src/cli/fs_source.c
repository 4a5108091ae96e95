/*
 * Facts about a filesystem, from the library or from the control channel.
 */
#include "cli/fs_source.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/session.h"

#define STRIPES_MAX 1024u

/* A directory, or what even root may not look at: a user's mount. */
static bool may_be_mount(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? S_ISDIR(st.st_mode) : errno == EACCES;
}

int fs_source_open(struct image_view *view, const char *argument, struct fs_source *source)
{
	const char *host = session_host_text(argument);
	struct ubtrfs_node node;

	*source = (struct fs_source){ 0 };
	if (host && may_be_mount(host)) {
		if (control_client_open(host, &source->channel) < 0)
			return cli_error("%s", ubtrfs_error_text());
		return 0;
	}
	if (image_view_find_any(view, argument, &node))
		return 1;
	source->fs = view->fs;
	source->view = view;
	return 0;
}

void fs_source_close(struct fs_source *source)
{
	control_client_close(source->channel);
	source->channel = NULL;
}

static int ask(struct fs_source *source, const char *request, json_t **ret_result)
{
	return control_client_ask(source->channel, request, NULL, ret_result);
}

static int info_decode(const json_t *result, struct ubtrfs_info *ret_info)
{
	memset(ret_info, 0, sizeof(*ret_info));
	TRY(control_hex(result, "fsid", ret_info->fsid, sizeof(ret_info->fsid)));
	TRY(control_bytes(result, "label", ret_info->label, sizeof(ret_info->label)));
	ret_info->generation = control_number(result, "generation");
	ret_info->total_bytes = control_number(result, "total_bytes");
	ret_info->used_bytes = control_number(result, "used_bytes");
	ret_info->nodesize = (uint32_t)control_number(result, "nodesize");
	ret_info->sectorsize = (uint32_t)control_number(result, "sectorsize");
	ret_info->nr_devices = (unsigned)control_number(result, "nr_devices");
	ret_info->csum_type = (uint16_t)control_number(result, "csum_type");
	ret_info->incompat = control_number(result, "incompat");
	ret_info->compat_ro = control_number(result, "compat_ro");
	ret_info->default_subvol = control_number(result, "default_subvol");
	return 0;
}

int fs_source_info(struct fs_source *source, struct ubtrfs_info *ret_info)
{
	json_t *result;
	int err;

	if (source->fs)
		return ubtrfs_info(source->fs, ret_info);
	TRY(ask(source, "info", &result));
	err = info_decode(result, ret_info);
	json_decref(result);
	return err;
}

static int ask_bytes(struct fs_source *source, const char *request, uint64_t *ret_bytes)
{
	json_t *result;

	TRY(ask(source, request, &result));
	*ret_bytes = control_number(result, "bytes");
	json_decref(result);
	return 0;
}

int fs_source_available(struct fs_source *source, uint64_t *ret_bytes)
{
	return source->fs ? ubtrfs_available(source->fs, ret_bytes) :
			    ask_bytes(source, "available", ret_bytes);
}

int fs_source_used(struct fs_source *source, uint64_t *ret_bytes)
{
	return source->fs ? ubtrfs_used(source->fs, ret_bytes) :
			    ask_bytes(source, "used", ret_bytes);
}

int fs_source_space_each(struct fs_source *source,
			 int (*visit)(void *ctx, const struct ubtrfs_space *space), void *ctx)
{
	const json_t *element;
	json_t *result;
	size_t i;
	int stop = 0;

	if (source->fs)
		return ubtrfs_space_each(source->fs, visit, ctx);
	TRY(ask(source, "spaces", &result));
	json_array_foreach(json_object_get(result, "spaces"), i, element)
	{
		struct ubtrfs_space space = {
			.flags = control_number(element, "flags"),
			.total_bytes = control_number(element, "total_bytes"),
			.used_bytes = control_number(element, "used_bytes"),
		};

		stop = visit(ctx, &space);
		if (stop)
			break;
	}
	json_decref(result);
	return stop;
}

static int device_visit(const json_t *element,
			int (*visit)(void *ctx, const struct ubtrfs_device *device), void *ctx)
{
	struct ubtrfs_device device = {
		.devid = control_number(element, "devid"),
		.total_bytes = control_number(element, "total_bytes"),
		.used_bytes = control_number(element, "used_bytes"),
		.size_bytes = control_number(element, "size_bytes"),
		.seed = control_number(element, "seed"),
	};
	char path[PATH_MAX];

	TRY(control_hex(element, "uuid", device.uuid, sizeof(device.uuid)));
	TRY(control_bytes(element, "path", path, sizeof(path)));
	device.path = path[0] ? path : NULL;
	return visit(ctx, &device);
}

int fs_source_device_each(struct fs_source *source,
			  int (*visit)(void *ctx, const struct ubtrfs_device *device), void *ctx)
{
	const json_t *element;
	json_t *result;
	size_t i;
	int stop = 0;

	if (source->fs)
		return ubtrfs_device_each(source->fs, visit, ctx);
	TRY(ask(source, "devices", &result));
	json_array_foreach(json_object_get(result, "devices"), i, element)
	{
		stop = device_visit(element, visit, ctx);
		if (stop)
			break;
	}
	json_decref(result);
	return stop;
}

static int chunk_visit(const json_t *element,
		       int (*visit)(void *ctx, const struct ubtrfs_chunk *chunk), void *ctx)
{
	const json_t *stripes = json_object_get(element, "stripes");
	unsigned nr = (unsigned)MIN(json_array_size(stripes) / 2, STRIPES_MAX);
	struct ubtrfs_stripe at[STRIPES_MAX];
	struct ubtrfs_chunk chunk = {
		.logical = control_number(element, "logical"),
		.len_bytes = control_number(element, "len_bytes"),
		.flags = control_number(element, "flags"),
		.used_bytes = control_number(element, "used_bytes"),
		.stripe_bytes = control_number(element, "stripe_bytes"),
		.nr_stripes = nr,
		.stripes = at,
	};

	for (unsigned i = 0; i < nr; i++)
		at[i] = (struct ubtrfs_stripe){
			(uint64_t)json_integer_value(json_array_get(stripes, 2 * (size_t)i)),
			(uint64_t)json_integer_value(json_array_get(stripes, 2 * (size_t)i + 1))
		};
	return visit(ctx, &chunk);
}

int fs_source_chunk_each(struct fs_source *source,
			 int (*visit)(void *ctx, const struct ubtrfs_chunk *chunk), void *ctx)
{
	const json_t *element;
	json_t *result;
	size_t i;
	int stop = 0;

	if (source->fs)
		return ubtrfs_chunk_each(source->fs, visit, ctx);
	TRY(ask(source, "chunks", &result));
	json_array_foreach(json_object_get(result, "chunks"), i, element)
	{
		stop = chunk_visit(element, visit, ctx);
		if (stop)
			break;
	}
	json_decref(result);
	return stop;
}

int fs_source_set_label(struct fs_source *source, const char *label)
{
	json_t *result;

	if (source->fs) {
		TRY(ubtrfs_set_label(source->fs, label));
		return image_view_commit(source->view);
	}
	TRY(control_client_ask(source->channel, "label", label, &result));
	json_decref(result);
	return 0;
}

int fs_source_sync(struct fs_source *source)
{
	json_t *result;

	if (source->fs)
		return image_view_commit(source->view);
	TRY(ask(source, "sync", &result));
	json_decref(result);
	return 0;
}
