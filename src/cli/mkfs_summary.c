/*
 * The summary as text, in the layout of mkfs.btrfs, whose output other programs read.
 */
#include "cli/mkfs_summary.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "base/bytes.h"
#include "cli/cli.h"

static void print_source(const struct mkfs_request *request)
{
	if (request->rootdir)
		printf("Rootdir from:       %s\n", request->rootdir);
	for (unsigned i = 0; i < request->nr_archives; i++)
		printf("Archive:            %s\n", request->archives[i]);
	printf("  Compress:         %s", fact_compress(request->open.compress));
	if (request->open.compress_level)
		printf(":%d", request->open.compress_level);
	printf("\n  Shrink:           %s\n", request->fs.shrink ? "yes" : "no");
}

static void print_profile(const char *what, uint64_t flags, uint64_t bytes)
{
	char size[SIZE_TEXT_MAX];

	printf("  %-18s%-8s %16s\n", what, fact_profile(flags), size_text(bytes, size));
}

static void print_profiles(const struct ubtrfs_info *info)
{
	puts("Block group profiles:");
	if (fact_is_mixed(info)) {
		print_profile("Data+Metadata:", info->data_profile | info->metadata_profile,
			      MAX(info->data_bytes_total, info->metadata_bytes_total));
	} else {
		print_profile("Data:", info->data_profile, info->data_bytes_total);
		print_profile("Metadata:", info->metadata_profile, info->metadata_bytes_total);
	}
	print_profile("System:", info->system_profile, info->system_bytes_total);
}

struct feature_line {
	bool started;
};

static void print_feature(void *ctx, const char *name)
{
	struct feature_line *line = ctx;

	printf("%s%s", line->started ? ", " : "", name);
	line->started = true;
}

static void print_devices(const struct mkfs_request *request)
{
	char size[SIZE_TEXT_MAX];

	printf("Number of devices:  %u\n", request->fs.nr_devices);
	puts("Devices:\n   ID        SIZE  PATH");
	for (unsigned i = 0; i < request->fs.nr_devices; i++)
		printf("  %3u  %10s  %s\n", i + 1,
		       size_text(fact_device_bytes(request->fs.devices[i]), size),
		       request->fs.devices[i]);
}

static void print_filesystem(const struct mkfs_request *request, const struct ubtrfs_info *info)
{
	struct feature_line line = { false };
	char uuid[UUID_STR_LEN], size[SIZE_TEXT_MAX];

	uuid_unparse_lower(info->fsid, uuid);
	printf("Label:              %s\n", info->label[0] ? info->label : "(null)");
	printf("UUID:               %s\n", uuid);
	printf("Node size:          %u\n", info->nodesize);
	printf("Sector size:        %u\t(CPU page size: %ld)\n", info->sectorsize,
	       sysconf(_SC_PAGESIZE));
	printf("Filesystem size:    %s\n", size_text(info->total_bytes, size));
	print_profiles(info);
	puts("Zoned device:       no");
	fputs("Features:           ", stdout);
	fact_features_each(info, print_feature, &line);
	printf("\nChecksum:           %s\n", fact_csum(info->csum_type));
	print_devices(request);
}

static void print_import(const struct mkfs_request *request, const struct mkfs_result *result)
{
	const struct import_stats *stats = &result->stats;
	char bytes[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX], stored[SIZE_TEXT_MAX];
	double per_second = result->seconds > 0 ? (double)stats->bytes / result->seconds : 0;
	uint64_t items = stats->files + stats->dirs + stats->symlinks + stats->others;

	printf("Imported:           %llu files and directories, %s\n", (unsigned long long)items,
	       size_text(stats->bytes, bytes));
	printf("  Time:             %.2f s (%s/s)\n", result->seconds,
	       size_text((uint64_t)per_second, rate));
	if (request->open.compress != UBTRFS_COMPRESS_NONE && stats->bytes)
		printf("  Data stored:      %s (%.1f %% of the contents)\n",
		       size_text(result->info.data_bytes_used, stored),
		       100.0 * (double)result->info.data_bytes_used / (double)stats->bytes);
	if (!request->verbose)
		return;
	printf("  Files:            %llu\n", (unsigned long long)stats->files);
	printf("  Directories:      %llu\n", (unsigned long long)stats->dirs);
	printf("  Symlinks:         %llu\n", (unsigned long long)stats->symlinks);
	printf("  Devices etc.:     %llu\n", (unsigned long long)stats->others);
	printf("  Hard links:       %llu\n", (unsigned long long)stats->hardlinks);
	printf("  Xattrs:           %llu\n", (unsigned long long)stats->xattrs);
	printf("  Warnings:         %llu\n", (unsigned long long)stats->warnings);
}

int mkfs_summary_text(const struct mkfs_request *request, const struct mkfs_result *result)
{
	char used[SIZE_TEXT_MAX];

	puts("ubtrfs v" UBTRFS_VERSION "\n");
	if (result->populated)
		print_source(request);
	print_filesystem(request, &result->info);
	putchar('\n');
	if (result->populated)
		print_import(request, result);
	if (request->verbose)
		printf("Bytes used:         %s\nGeneration:         %llu\n",
		       size_text(result->info.used_bytes, used),
		       (unsigned long long)result->info.generation);
	return cli_finish_output();
}
