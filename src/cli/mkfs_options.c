/*
 * The options of `ubtrfs mkfs`: those of mkfs.btrfs and ours.
 *
 * Three switches, by what an option is about: the filesystem, what goes into it, how the command
 * behaves. Each tells whether an option was its own. The last value of an option counts; -O,
 * --from, --subvol and --inode-flags add up.
 */
#include "cli/mkfs_options.h"

#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/cli.h"

#define THREADS_MAX 1024u

enum {
	OPTION_COMPRESS = OPTION_HELP + 1,
	OPTION_INODE_FLAGS,
	OPTION_REFLINK,
	OPTION_SHRINK,
	OPTION_DEVICE_UUID,
	OPTION_CSUM,
	OPTION_FROM,
	OPTION_OWNER,
	OPTION_ROOT_OWNER,
	OPTION_CLAMP_MTIME,
	OPTION_TIMESTAMP,
	OPTION_STRICT,
	OPTION_FORMAT,
};

static const char short_options[] = ":b:d:m:Mn:s:L:Kr:u:O:R:fqU:vVj:";

static const struct option long_options[] = {
	{ "byte-count", required_argument, NULL, 'b' },
	{ "data", required_argument, NULL, 'd' },
	{ "metadata", required_argument, NULL, 'm' },
	{ "mixed", no_argument, NULL, 'M' },
	{ "nodesize", required_argument, NULL, 'n' },
	{ "sectorsize", required_argument, NULL, 's' },
	{ "label", required_argument, NULL, 'L' },
	{ "nodiscard", no_argument, NULL, 'K' },
	{ "rootdir", required_argument, NULL, 'r' },
	{ "subvol", required_argument, NULL, 'u' },
	{ "features", required_argument, NULL, 'O' },
	{ "runtime-features", required_argument, NULL, 'R' },
	{ "force", no_argument, NULL, 'f' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "uuid", required_argument, NULL, 'U' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "threads", required_argument, NULL, 'j' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "compress", required_argument, NULL, OPTION_COMPRESS },
	{ "inode-flags", required_argument, NULL, OPTION_INODE_FLAGS },
	{ "reflink", no_argument, NULL, OPTION_REFLINK },
	{ "shrink", no_argument, NULL, OPTION_SHRINK },
	{ "device-uuid", required_argument, NULL, OPTION_DEVICE_UUID },
	{ "csum", required_argument, NULL, OPTION_CSUM },
	{ "checksum", required_argument, NULL, OPTION_CSUM },
	{ "from", required_argument, NULL, OPTION_FROM },
	{ "owner", required_argument, NULL, OPTION_OWNER },
	{ "root-owner", required_argument, NULL, OPTION_ROOT_OWNER },
	{ "clamp-mtime", no_argument, NULL, OPTION_CLAMP_MTIME },
	{ "timestamp", required_argument, NULL, OPTION_TIMESTAMP },
	{ "strict", no_argument, NULL, OPTION_STRICT },
	{ "format", required_argument, NULL, OPTION_FORMAT },
	{ NULL, 0, NULL, 0 },
};

/* What the switches answer. */
enum taken { NOT_MINE, TAKEN, TAKEN_DONE, REFUSED };

/*
 * ---- values
 * --------------------------------------------------------------------------------------------------
 */

static enum taken refuse_value(const char *option, const char *value, const char *expected)
{
	cli_error("option %s: '%s' is not %s", option, value, expected);
	return REFUSED;
}

static enum taken take_size(const char *option, const char *value, uint64_t max,
			    uint64_t *ret_bytes)
{
	uint64_t bytes;
	int err = size_parse(value, &bytes);

	if (err == -ERANGE || (err == 0 && bytes > max))
		return refuse_value(option, value, "within range");
	if (err < 0)
		return refuse_value(option, value,
				    "a size (a number with an optional suffix k, m, g, t, p or e)");
	/* 0 would mean the default to the library. */
	if (!bytes)
		return refuse_value(option, value, "more than 0");
	*ret_bytes = bytes;
	return TAKEN;
}

static enum taken take_block_size(const char *option, const char *value, uint32_t *ret_bytes)
{
	uint64_t bytes;
	enum taken taken = take_size(option, value, UINT32_MAX, &bytes);

	if (taken == TAKEN)
		*ret_bytes = (uint32_t)bytes;
	return taken;
}

static enum taken take_uuid(const char *option, const char *value, uint8_t uuid[16],
			    const uint8_t **ret_uuid)
{
	if (uuid_parse(value, uuid) != 0)
		return refuse_value(option, value, "a UUID");
	*ret_uuid = uuid;
	return TAKEN;
}

static enum taken take_owner(const char *option, const char *value, bool *ret_has,
			     uint32_t *ret_uid, uint32_t *ret_gid)
{
	if (owner_parse(value, ret_uid, ret_gid) < 0)
		return refuse_value(option, value, "UID:GID in numbers below 4294967295");
	*ret_has = true;
	return TAKEN;
}

static enum taken take_timestamp(struct mkfs_request *request, const char *option,
				 const char *value)
{
	int64_t seconds;

	if (seconds_parse(value, &seconds) < 0)
		return refuse_value(option, value, "a number of seconds since 1970");
	request->timestamp = (struct ubtrfs_time){ .sec = seconds };
	request->import.has_timestamp = true;
	return TAKEN;
}

/* "list-all" is answered at once; -R is the older name of -O. */
static enum taken take_features(struct mkfs_request *request, int option, const char *value)
{
	if (option == 'R')
		cli_warning("option -R is the old name of -O, use -O|--features");
	if (strcmp(value, "list-all") == 0) {
		mkfs_print_features();
		return TAKEN_DONE;
	}
	strbuf_addf(&request->features, "%s%s", request->features.len ? "," : "", value);
	return TAKEN;
}

static enum taken take_compress(struct mkfs_request *request, const char *value)
{
	request->compress_given = true;
	return compress_option(value, &request->open.compress, &request->open.compress_level) ?
		       REFUSED :
		       TAKEN;
}

/*
 * ---- the three switches
 * --------------------------------------------------------------------------------------
 */

static enum taken take_filesystem(struct mkfs_request *request, int option, const char *value)
{
	struct ubtrfs_mkfs_options *fs = &request->fs;

	switch (option) {
	case 'b':
		return take_size("--byte-count", value, INT64_MAX, &fs->byte_count);
	case 'd':
		fs->data_profile = value;
		return TAKEN;
	case 'm':
		fs->metadata_profile = value;
		return TAKEN;
	case 'M':
		fs->mixed = true;
		return TAKEN;
	case 'n':
		return take_block_size("--nodesize", value, &fs->nodesize);
	case 's':
		return take_block_size("--sectorsize", value, &fs->sectorsize);
	case 'L':
		fs->label = value;
		return TAKEN;
	case 'O':
	case 'R':
		return take_features(request, option, value);
	case 'U':
		return take_uuid("--uuid", value, request->fsid, &fs->fsid);
	case OPTION_DEVICE_UUID:
		return take_uuid("--device-uuid", value, request->device_uuid, &fs->device_uuid);
	case OPTION_CSUM:
		fs->csum = value;
		return TAKEN;
	case OPTION_SHRINK:
		fs->shrink = true;
		return TAKEN;
	case 'K':
		fs->discard = false;
		return TAKEN;
	case 'f':
		fs->force = true;
		return TAKEN;
	default:
		return NOT_MINE;
	}
}

static enum taken take_contents(struct mkfs_request *request, int option, const char *value)
{
	struct import_options *import = &request->import;

	switch (option) {
	case 'r':
		request->rootdir = value;
		return TAKEN;
	case OPTION_FROM:
		request->archives[request->nr_archives++] = value;
		return TAKEN;
	case 'u':
		if (import_subvol_parse(value, &request->subvols[import->nr_subvols]) < 0) {
			cli_fail("option --subvol");
			return REFUSED;
		}
		import->nr_subvols++;
		return TAKEN;
	case OPTION_INODE_FLAGS:
		if (import_inode_flags_parse(value, &request->inode_flags[import->nr_inode_flags]) <
		    0) {
			cli_fail("option --inode-flags");
			return REFUSED;
		}
		import->nr_inode_flags++;
		return TAKEN;
	case OPTION_COMPRESS:
		return take_compress(request, value);
	case OPTION_REFLINK:
		import->reflink = true;
		return TAKEN;
	case OPTION_OWNER:
		return take_owner("--owner", value, &import->has_owner, &import->owner_uid,
				  &import->owner_gid);
	case OPTION_ROOT_OWNER:
		return take_owner("--root-owner", value, &import->has_root_owner, &import->root_uid,
				  &import->root_gid);
	case OPTION_CLAMP_MTIME:
		import->clamp_mtime = true;
		return TAKEN;
	case OPTION_TIMESTAMP:
		return take_timestamp(request, "--timestamp", value);
	case OPTION_STRICT:
		import->strict = true;
		return TAKEN;
	default:
		return NOT_MINE;
	}
}

static enum taken take_general(struct mkfs_request *request, int option, const char *value)
{
	uint64_t number;

	switch (option) {
	case 'j':
		if (number_parse(value, &number) < 0 || number < 1 || number > THREADS_MAX)
			return refuse_value("--threads", value, "a number within 1..1024");
		request->open.threads = (unsigned)number;
		request->import.threads = (unsigned)number;
		return TAKEN;
	case OPTION_FORMAT:
		request->json = strcmp(value, "json") == 0;
		if (!request->json && strcmp(value, "text") != 0)
			return refuse_value("--format", value, "text or json");
		return TAKEN;
	case 'q':
		request->quiet = true;
		request->verbose = 0;
		return TAKEN;
	case 'v':
		request->verbose++;
		return TAKEN;
	case 'V':
		mkfs_print_version();
		return TAKEN_DONE;
	case OPTION_HELP:
		mkfs_print_help();
		return TAKEN_DONE;
	default:
		return NOT_MINE;
	}
}

static enum taken take_option(struct mkfs_request *request, int option, const char *value)
{
	enum taken taken = take_filesystem(request, option, value);

	if (taken == NOT_MINE)
		taken = take_contents(request, option, value);
	if (taken == NOT_MINE)
		taken = take_general(request, option, value);
	return taken;
}

/*
 * ---- rules among options
 * -------------------------------------------------------------------------------------
 */

static int check_contents(const struct mkfs_request *request)
{
	const struct import_options *import = &request->import;
	const char *lonely = request->fs.shrink	     ? "--shrink" :
			     request->compress_given ? "--compress" :
			     import->has_owner	     ? "--owner" :
			     import->has_root_owner  ? "--root-owner" :
			     import->clamp_mtime     ? "--clamp-mtime" :
			     import->strict	     ? "--strict" :
						       NULL;

	if (request->rootdir && request->nr_archives)
		return cli_error("options --rootdir and --from cannot be used together");
	if (import->nr_subvols && !request->rootdir)
		return cli_error("option --subvol must be used with --rootdir");
	if (import->reflink && !request->rootdir)
		return cli_error("option --reflink must be used with --rootdir");
	if (import->reflink && request->compress_given)
		return cli_error("options --reflink and --compress cannot be used together");
	if (import->nr_inode_flags && !request->rootdir)
		return cli_error("option --inode-flags must be used with --rootdir");
	if (lonely && !request->rootdir && !request->nr_archives)
		return cli_error("option %s must be used with --rootdir or --from", lonely);
	if (import->clamp_mtime && !import->has_timestamp)
		return cli_error("option --clamp-mtime needs --timestamp or SOURCE_DATE_EPOCH");
	return 0;
}

static int check_standard_input(const struct mkfs_request *request)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < request->nr_archives; i++)
		nr += strcmp(request->archives[i], "-") == 0;
	return nr > 1 ? cli_error("option --from: standard input (-) can be read only once") : 0;
}

static int check_defaults(const struct mkfs_request *request)
{
	const struct import_options *import = &request->import;
	unsigned nr = 0;

	for (unsigned i = 0; i < import->nr_subvols; i++)
		nr += import->subvols[i].type == IMPORT_SUBVOL_DEFAULT ||
		      import->subvols[i].type == IMPORT_SUBVOL_DEFAULT_RO;
	return nr > 1 ? cli_error("option --subvol: only one subvolume can be the default") : 0;
}

static int check_targets(const struct mkfs_request *request)
{
	const struct ubtrfs_mkfs_options *fs = &request->fs;

	if (!fs->nr_devices)
		return cli_error("no file or device given (see --help)");
	for (unsigned i = 0; i < fs->nr_devices; i++)
		for (unsigned j = 0; j < i; j++)
			if (strcmp(fs->devices[i], fs->devices[j]) == 0)
				return cli_error("%s is given twice", fs->devices[i]);
	if (fs->device_uuid && fs->nr_devices > 1)
		return cli_error("option --device-uuid is for a single file or device");
	return 0;
}

/*
 * ---- the whole
 * -----------------------------------------------------------------------------------------------
 */

static int request_init(struct mkfs_request *request, int argc)
{
	size_t nr = (size_t)argc;

	memset(request, 0, sizeof(*request));
	ubtrfs_mkfs_options_init(&request->fs);
	ubtrfs_open_options_init(&request->open);
	import_options_init(&request->import);
	strbuf_init(&request->features);
	/* No option can come more often than there are arguments. */
	request->archives = mem_array(nr, sizeof(*request->archives));
	request->subvols = mem_array(nr, sizeof(*request->subvols));
	request->inode_flags = mem_array(nr, sizeof(*request->inode_flags));
	if (!request->archives || !request->subvols || !request->inode_flags)
		return cli_error("no memory for the arguments");
	return 0;
}

/* The environment counts where the option is not given. */
static int take_environment(struct mkfs_request *request)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	if (!epoch || !*epoch || request->import.has_timestamp)
		return 0;
	return take_timestamp(request, "SOURCE_DATE_EPOCH", epoch) == TAKEN ? 0 : 1;
}

static int request_complete(struct mkfs_request *request)
{
	struct import_options *import = &request->import;

	if (take_environment(request) || strbuf_status(&request->features) < 0)
		return 1;
	request->fs.features = request->features.len ? strbuf_text(&request->features) : NULL;
	import->subvols = request->subvols;
	import->inode_flags = request->inode_flags;
	import->layers = request->nr_archives > 1;
	import->timestamp = request->timestamp;
	if (import->has_timestamp) {
		request->fs.now = &request->timestamp;
		request->fs.reproducible = request->fs.fsid != NULL;
	}
	if (check_targets(request) || check_contents(request) || check_standard_input(request) ||
	    check_defaults(request))
		return 1;
	return 0;
}

enum mkfs_parsed mkfs_options_parse(int argc, char **argv, struct mkfs_request *ret_request)
{
	int option;

	if (request_init(ret_request, argc))
		return MKFS_BAD;
	optind = 0;
	while ((option = cli_option(argc, argv, short_options, long_options)) != -1) {
		enum taken taken = option == OPTION_BAD ? REFUSED :
							  take_option(ret_request, option, optarg);

		if (taken == TAKEN_DONE)
			return MKFS_DONE;
		if (taken != TAKEN)
			return MKFS_BAD;
	}
	ret_request->fs.devices = (const char *const *)argv + optind;
	ret_request->fs.nr_devices = (unsigned)(argc - optind);
	return request_complete(ret_request) ? MKFS_BAD : MKFS_RUN;
}

void mkfs_options_release(struct mkfs_request *request)
{
	strbuf_fini(&request->features);
	mem_free(request->archives);
	mem_free(request->subvols);
	mem_free(request->inode_flags);
}
