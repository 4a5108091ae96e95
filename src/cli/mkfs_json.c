/*
 * The summary as JSON: one object, whose fields only ever grow in number; `version` changes when
 * one changes its meaning.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/mkfs_summary.h"

#define SCHEMA_VERSION 1

/* JSON is UTF-8; a path that is not has each byte beyond ASCII replaced. */
static json_t *text_new(const char *text)
{
	json_t *value = json_string(text);
	char *plain;

	if (value)
		return value;
	plain = mem_strdup(text);
	if (!plain)
		return NULL;
	for (char *at = plain; *at; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	value = json_string(plain);
	mem_free(plain);
	return value;
}

static json_t *number_new(uint64_t number)
{
	return json_integer((json_int_t)number);
}

static json_t *profile_new(uint64_t flags, uint64_t total_bytes, uint64_t used_bytes)
{
	char name[16];

	snprintf(name, sizeof(name), "%s", fact_profile(flags));
	for (char *at = name; *at; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	return json_pack("{s:s, s:o, s:o}", "profile", name, "size", number_new(total_bytes),
			 "used", number_new(used_bytes));
}

static json_t *profiles_new(const struct ubtrfs_info *info)
{
	json_t *system = profile_new(info->system_profile, info->system_bytes_total,
				     info->system_bytes_used);

	if (fact_is_mixed(info))
		return json_pack(
			"{s:o, s:o}", "mixed",
			profile_new(info->data_profile | info->metadata_profile,
				    MAX(info->data_bytes_total, info->metadata_bytes_total),
				    MAX(info->data_bytes_used, info->metadata_bytes_used)),
			"system", system);
	return json_pack("{s:o, s:o, s:o}", "data",
			 profile_new(info->data_profile, info->data_bytes_total,
				     info->data_bytes_used),
			 "metadata",
			 profile_new(info->metadata_profile, info->metadata_bytes_total,
				     info->metadata_bytes_used),
			 "system", system);
}

static void feature_add(void *ctx, const char *name)
{
	json_array_append_new(ctx, json_string(name));
}

static json_t *devices_new(const struct mkfs_request *request)
{
	json_t *devices = json_array();

	for (unsigned i = 0; i < request->fs.nr_devices; i++)
		json_array_append_new(
			devices, json_pack("{s:o, s:o, s:o}", "id", number_new(i + 1), "size",
					   number_new(fact_device_bytes(request->fs.devices[i])),
					   "path", text_new(request->fs.devices[i])));
	return devices;
}

static json_t *import_new(const struct mkfs_request *request, const struct mkfs_result *result)
{
	const struct import_stats *stats = &result->stats;
	json_t *import = json_object();
	json_t *archives = json_array();

	for (unsigned i = 0; i < request->nr_archives; i++)
		json_array_append_new(archives, text_new(request->archives[i]));
	json_object_set_new(import, "rootdir",
			    request->rootdir ? text_new(request->rootdir) : json_null());
	json_object_set_new(import, "archives", archives);
	json_object_set_new(import, "compress", json_string(fact_compress(request->open.compress)));
	json_object_set_new(import, "compress_level",
			    number_new((uint64_t)request->open.compress_level));
	json_object_set_new(import, "shrink", json_boolean(request->fs.shrink));
	json_object_set_new(import, "files", number_new(stats->files));
	json_object_set_new(import, "directories", number_new(stats->dirs));
	json_object_set_new(import, "symlinks", number_new(stats->symlinks));
	json_object_set_new(import, "others", number_new(stats->others));
	json_object_set_new(import, "hardlinks", number_new(stats->hardlinks));
	json_object_set_new(import, "xattrs", number_new(stats->xattrs));
	json_object_set_new(import, "bytes", number_new(stats->bytes));
	json_object_set_new(import, "warnings", number_new(stats->warnings));
	json_object_set_new(import, "seconds", json_real(result->seconds));
	return import;
}

static json_t *summary_new(const struct mkfs_request *request, const struct mkfs_result *result)
{
	const struct ubtrfs_info *info = &result->info;
	json_t *summary = json_object();
	json_t *features = json_array();
	char uuid[UUID_STR_LEN];

	uuid_unparse_lower(info->fsid, uuid);
	fact_features_each(info, feature_add, features);
	json_object_set_new(summary, "version", number_new(SCHEMA_VERSION));
	json_object_set_new(summary, "label", text_new(info->label));
	json_object_set_new(summary, "uuid", json_string(uuid));
	json_object_set_new(summary, "nodesize", number_new(info->nodesize));
	json_object_set_new(summary, "sectorsize", number_new(info->sectorsize));
	json_object_set_new(summary, "size", number_new(info->total_bytes));
	json_object_set_new(summary, "used", number_new(info->used_bytes));
	json_object_set_new(summary, "generation", number_new(info->generation));
	json_object_set_new(summary, "checksum", json_string(fact_csum(info->csum_type)));
	json_object_set_new(summary, "profiles", profiles_new(info));
	json_object_set_new(summary, "features", features);
	json_object_set_new(summary, "devices", devices_new(request));
	json_object_set_new(summary, "import",
			    result->populated ? import_new(request, result) : json_null());
	return summary;
}

int mkfs_summary_json(const struct mkfs_request *request, const struct mkfs_result *result)
{
	json_t *summary = summary_new(request, result);
	int err = summary ? json_dumpf(summary, stdout, JSON_INDENT(2)) : -1;

	json_decref(summary);
	if (err)
		return cli_error("cannot write the summary");
	putchar('\n');
	return cli_finish_output();
}
