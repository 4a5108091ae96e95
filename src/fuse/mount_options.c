/*
 * Mount options, by the names that Linux has for btrfs, those of mount(8), and those of FUSE.
 *
 * Owns the table. An option that is not in it is refused by name, and so is one that is known but
 * that nothing here does. Of two that contradict each other the later one counts.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "fuse/fuse.h"

#define COMMIT_S_MAX 300u
#define THREADS_MAX 1024u

const char mount_options_help[] =
	"  ro, rw                     change nothing; or do\n"
	"  subvol=PATH, subvolid=ID   show this subvolume; else the default one\n"
	"  device=FILE                a further member of the filesystem\n"
	"  degraded                   although members are missing; with ro\n"
	"  compress[=ALG[:LEVEL]]     zlib, lzo, zstd, no; compress-force: whatever the start looks like\n"
	"  nodatacow, nodatasum       for new files\n"
	"  noatime, relatime, strictatime, nodiratime\n"
	"  commit=SECONDS             between commits (30)\n"
	"  dirty_bytes=SIZE           contents that may wait in memory (64m)\n"
	"  max_inline=SIZE, thread_pool=N\n"
	"  rescue=WORD[:WORD...]      usebackuproot, nologreplay, ignorebadroots, ignoredatacsums; with ro\n"
	"  uid=N, gid=N               show everything as theirs\n"
	"  partition=N, offset=BYTES  where it lies in the image\n"
	"  writeback_cache            let the kernel gather small writes\n"
	"  max_threads=N              that answer requests\n"
	"  allow_other, allow_root, noallow_other, default_permissions, no_default_permissions,\n"
	"  auto_unmount, fsname=NAME, and nosuid, nodev, noexec, sync, dirsync of mount(8)\n";

int mount_options_init(struct mount_options *options)
{
	memset(options, 0, sizeof(*options));
	ubtrfs_open_options_init(&options->how);
	options->how.writable = true;
	options->how.atime = UBTRFS_ATIME_RELATIME;
	strbuf_init(&options->to_fuse);
	/* The first is the image. */
	options->how.nr_devices = 1;
	return 0;
}

void mount_options_fini(struct mount_options *options)
{
	for (unsigned i = 1; i < options->how.nr_devices; i++)
		mem_free(options->devices[i]);
	mem_free(options->subvol);
	strbuf_fini(&options->to_fuse);
}

struct option {
	const char *name;
	int (*take)(struct mount_options *options, const char *name, const char *value);
	enum { WITHOUT_VALUE, WITH_VALUE, MAYBE_VALUE } kind;
};

/* ---- values ---- */

static int bad_value(const char *name, const char *value, const char *wanted)
{
	return THROW(ERR_INVALID, "mount option %s=%s: %s", name, value, wanted);
}

static int number_value(const char *name, const char *value, uint64_t min, uint64_t max,
			uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(value, &end, 0);
	if (errno || end == value || *end || !isdigit((unsigned char)*value) || number < min ||
	    number > max)
		return THROW(ERR_INVALID,
			     "mount option %s=%s: a number from %llu to %llu is needed", name,
			     value, (unsigned long long)min, (unsigned long long)max);
	*ret_number = number;
	return 0;
}

/* Digits with an optional k, m, g. */
static int size_value(const char *name, const char *value, uint64_t *ret_bytes)
{
	static const char units[] = "kmg";
	const char *unit;
	unsigned shift = 0;
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (!errno && end != value && isdigit((unsigned char)*value) && *end) {
		unit = strchr(units, tolower((unsigned char)*end));
		if (unit) {
			shift = 10 * (unsigned)(unit - units + 1);
			end++;
		}
	}
	if (errno || end == value || !isdigit((unsigned char)*value) || *end ||
	    number > UINT64_MAX >> shift)
		return bad_value(name, value,
				 "a number of bytes is needed, with k, m or g if wanted");
	*ret_bytes = number << shift;
	return 0;
}

static int text_value(char **at, const char *value)
{
	char *copy = mem_strdup(value);

	if (!copy)
		return MEM_FAIL("a mount option");
	mem_free(*at);
	*at = copy;
	return 0;
}

/* ---- options ---- */

void mount_option_add_escaped(struct strbuf *text, const char *value)
{
	for (; *value; value++) {
		if (*value == ',' || *value == '\\')
			strbuf_add(text, "\\");
		strbuf_add_bytes(text, value, 1);
	}
}

static int pass_on(struct mount_options *options, const char *name, const char *value)
{
	strbuf_addf(&options->to_fuse, ",%s%s", name, value ? "=" : "");
	mount_option_add_escaped(&options->to_fuse, value ? value : "");
	return strbuf_status(&options->to_fuse);
}

static int take_nothing(struct mount_options *options, const char *name, const char *value)
{
	(void)options;
	(void)name;
	(void)value;
	return 0;
}

static int take_refused(struct mount_options *options, const char *name, const char *value)
{
	(void)options;
	(void)value;
	return THROW(ERR_UNSUPPORTED, "mount option %s is not supported", name);
}

static int take_remount(struct mount_options *options, const char *name, const char *value)
{
	(void)options;
	(void)value;
	return THROW(ERR_UNSUPPORTED,
		     "mount option %s is not supported: unmount, and mount with the new options",
		     name);
}

static int take_writable(struct mount_options *options, const char *name, const char *value)
{
	(void)value;
	options->how.writable = name[1] == 'w';
	return 0;
}

static int take_subvol(struct mount_options *options, const char *name, const char *value)
{
	(void)name;
	return text_value(&options->subvol, value);
}

static int take_device(struct mount_options *options, const char *name, const char *value)
{
	(void)name;
	if (options->how.nr_devices == MOUNT_DEVICES_MAX)
		return THROW(ERR_LIMIT, "more than %u devices", MOUNT_DEVICES_MAX);
	TRY(text_value(&options->devices[options->how.nr_devices], value));
	options->how.nr_devices++;
	return 0;
}

static const struct {
	const char *name;
	int id;
	unsigned max_level;
} algorithms[] = {
	{ "no", UBTRFS_COMPRESS_NONE, 0 },    { "none", UBTRFS_COMPRESS_NONE, 0 },
	{ "zlib", UBTRFS_COMPRESS_ZLIB, 9 },  { "lzo", UBTRFS_COMPRESS_LZO, 0 },
	{ "zstd", UBTRFS_COMPRESS_ZSTD, 15 },
};

static int take_compress(struct mount_options *options, const char *name, const char *value)
{
	uint64_t level = 0;
	size_t len;

	if (!value)
		value = "zlib";
	len = strcspn(value, ":");
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		if (strlen(algorithms[i].name) != len ||
		    strncmp(algorithms[i].name, value, len) != 0)
			continue;
		if (value[len] && !algorithms[i].max_level)
			return bad_value(name, value, "this algorithm has no levels");
		if (value[len])
			TRY(number_value(name, value + len + 1, 1, algorithms[i].max_level,
					 &level));
		options->how.compress = algorithms[i].id;
		options->how.compress_force = strcmp(name, "compress-force") == 0;
		options->how.compress_level = (int)level;
		return 0;
	}
	return bad_value(name, value, "zlib, lzo, zstd or no is needed, with :LEVEL if wanted");
}

static int take_max_inline(struct mount_options *options, const char *name, const char *value)
{
	uint64_t bytes;

	TRY(size_value(name, value, &bytes));
	options->how.max_inline = (uint32_t)MIN(bytes, (uint64_t)UINT32_MAX - 1);
	return 0;
}

static int take_dirty_bytes(struct mount_options *options, const char *name, const char *value)
{
	uint64_t bytes;

	TRY(size_value(name, value, &bytes));
	options->how.dirty_bytes = (size_t)bytes;
	return 0;
}

static int take_offset(struct mount_options *options, const char *name, const char *value)
{
	return size_value(name, value, &options->how.offset);
}

static int take_number(struct mount_options *options, const char *name, const char *value)
{
	const struct {
		const char *name;
		unsigned *at;
		unsigned min, max;
	} numbers[] = {
		{ "commit", &options->how.commit_interval_s, 1, COMMIT_S_MAX },
		{ "thread_pool", &options->how.threads, 1, THREADS_MAX },
		{ "max_threads", &options->max_threads, 1, THREADS_MAX },
		{ "partition", &options->how.partition, 1, UINT32_MAX },
	};
	uint64_t number;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (strcmp(name, numbers[i].name) != 0)
			continue;
		TRY(number_value(name, value, numbers[i].min, numbers[i].max, &number));
		*numbers[i].at = (unsigned)number;
	}
	return 0;
}

static int take_subvolid(struct mount_options *options, const char *name, const char *value)
{
	TRY(number_value(name, value, 0, UINT64_MAX, &options->subvolid));
	options->is_top = !options->subvolid;
	return 0;
}

static int take_owner(struct mount_options *options, const char *name, const char *value)
{
	uint64_t id;

	TRY(number_value(name, value, 0, UINT32_MAX - 1, &id));
	if (name[0] == 'u') {
		options->map_uid = true;
		options->uid = (uid_t)id;
	} else {
		options->map_gid = true;
		options->gid = (gid_t)id;
	}
	return 0;
}

static int take_switch(struct mount_options *options, const char *name, const char *value)
{
	const struct {
		const char *name;
		bool *at;
		bool to;
	} switches[] = {
		{ "allow_other", &options->allow_other, true },
		{ "noallow_other", &options->no_allow_other, true },
		{ "default_permissions", &options->no_permissions, false },
		{ "no_default_permissions", &options->no_permissions, true },
		{ "degraded", &options->degraded, true },
		{ "writeback_cache", &options->writeback_cache, true },
		{ "nowriteback_cache", &options->writeback_cache, false },
	};

	(void)value;
	for (size_t i = 0; i < ARRAY_LEN(switches); i++)
		if (strcmp(name, switches[i].name) == 0)
			*switches[i].at = switches[i].to;
	return 0;
}

static int take_rescue(struct mount_options *options, const char *name, const char *value)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = {
		{ "usebackuproot", UBTRFS_RESCUE_USEBACKUPROOT },
		{ "nologreplay", UBTRFS_RESCUE_NOLOGREPLAY },
		{ "ignorebadroots", UBTRFS_RESCUE_IGNOREBADROOTS },
		{ "ibadroots", UBTRFS_RESCUE_IGNOREBADROOTS },
		{ "ignoredatacsums", UBTRFS_RESCUE_IGNOREDATACSUMS },
		{ "idatacsums", UBTRFS_RESCUE_IGNOREDATACSUMS },
	};

	while (*value) {
		size_t len = strcspn(value, ":"), i = 0;

		while (i < ARRAY_LEN(words) &&
		       (strlen(words[i].word) != len || strncmp(words[i].word, value, len) != 0))
			i++;
		if (i == ARRAY_LEN(words))
			return bad_value(name, value,
					 "usebackuproot, nologreplay, ignorebadroots or "
					 "ignoredatacsums is needed, with : between");
		options->how.rescue |= words[i].bit;
		value += len + (value[len] == ':');
	}
	return 0;
}

static int take_atime(struct mount_options *options, const char *name, const char *value)
{
	(void)value;
	options->how.atime = strcmp(name, "noatime") == 0     ? UBTRFS_ATIME_NONE :
			     strcmp(name, "strictatime") == 0 ? UBTRFS_ATIME_STRICT :
								UBTRFS_ATIME_RELATIME;
	return 0;
}

/* What is not copied before it is overwritten has no checksums either. */
static int take_data(struct mount_options *options, const char *name, const char *value)
{
	bool off = strncmp(name, "no", 2) == 0;
	bool is_sum = strcmp(off ? name + 2 : name, "datasum") == 0;

	(void)value;
	if (!is_sum || !off)
		options->how.nodatacow = off;
	if (is_sum || off)
		options->how.nodatasum = off;
	return 0;
}

static const struct option known[] = {
	{ "ro", take_writable, WITHOUT_VALUE },
	{ "rw", take_writable, WITHOUT_VALUE },
	{ "remount", take_remount, WITHOUT_VALUE },
	{ "subvol", take_subvol, WITH_VALUE },
	{ "subvolid", take_subvolid, WITH_VALUE },
	{ "device", take_device, WITH_VALUE },
	{ "compress", take_compress, MAYBE_VALUE },
	{ "compress-force", take_compress, MAYBE_VALUE },
	{ "nodatacow", take_data, WITHOUT_VALUE },
	{ "datacow", take_data, WITHOUT_VALUE },
	{ "nodatasum", take_data, WITHOUT_VALUE },
	{ "datasum", take_data, WITHOUT_VALUE },
	{ "noatime", take_atime, WITHOUT_VALUE },
	{ "relatime", take_atime, WITHOUT_VALUE },
	{ "strictatime", take_atime, WITHOUT_VALUE },
	{ "atime", take_atime, WITHOUT_VALUE },
	{ "nodiratime", pass_on, WITHOUT_VALUE },
	{ "commit", take_number, WITH_VALUE },
	{ "dirty_bytes", take_dirty_bytes, WITH_VALUE },
	{ "max_inline", take_max_inline, WITH_VALUE },
	{ "thread_pool", take_number, WITH_VALUE },
	{ "max_threads", take_number, WITH_VALUE },
	{ "partition", take_number, WITH_VALUE },
	{ "offset", take_offset, WITH_VALUE },
	{ "rescue", take_rescue, WITH_VALUE },
	{ "degraded", take_switch, WITHOUT_VALUE },
	{ "user_subvol_rm_allowed", take_refused, WITHOUT_VALUE },
	{ "autodefrag", take_refused, WITHOUT_VALUE },
	{ "noautodefrag", take_nothing, WITHOUT_VALUE },
	{ "acl", take_nothing, WITHOUT_VALUE },
	{ "uid", take_owner, WITH_VALUE },
	{ "gid", take_owner, WITH_VALUE },
	/* FUSE */
	{ "allow_other", take_switch, WITHOUT_VALUE },
	{ "noallow_other", take_switch, WITHOUT_VALUE },
	{ "allow_root", pass_on, WITHOUT_VALUE },
	{ "default_permissions", take_switch, WITHOUT_VALUE },
	{ "no_default_permissions", take_switch, WITHOUT_VALUE },
	{ "writeback_cache", take_switch, WITHOUT_VALUE },
	{ "nowriteback_cache", take_switch, WITHOUT_VALUE },
	{ "auto_unmount", pass_on, WITHOUT_VALUE },
	{ "fsname", pass_on, WITH_VALUE },
	/* mount(8), for the kernel */
	{ "suid", pass_on, WITHOUT_VALUE },
	{ "nosuid", pass_on, WITHOUT_VALUE },
	{ "dev", pass_on, WITHOUT_VALUE },
	{ "nodev", pass_on, WITHOUT_VALUE },
	{ "exec", pass_on, WITHOUT_VALUE },
	{ "noexec", pass_on, WITHOUT_VALUE },
	{ "sync", pass_on, WITHOUT_VALUE },
	{ "async", pass_on, WITHOUT_VALUE },
	{ "dirsync", pass_on, WITHOUT_VALUE },
	/* mount(8), for itself: it leaves them in what fstab says */
	{ "defaults", take_nothing, WITHOUT_VALUE },
	{ "auto", take_nothing, WITHOUT_VALUE },
	{ "noauto", take_nothing, WITHOUT_VALUE },
	{ "user", take_nothing, MAYBE_VALUE },
	{ "nouser", take_nothing, WITHOUT_VALUE },
	{ "users", take_nothing, WITHOUT_VALUE },
	{ "owner", take_nothing, WITHOUT_VALUE },
	{ "group", take_nothing, WITHOUT_VALUE },
	{ "nofail", take_nothing, WITHOUT_VALUE },
	{ "_netdev", take_nothing, WITHOUT_VALUE },
	{ "comment", take_nothing, WITH_VALUE },
};

/* ---- parsing ---- */

static int take_option(struct mount_options *options, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i].name, name) != 0)
			continue;
		if (known[i].kind == WITHOUT_VALUE && value)
			return THROW(ERR_INVALID, "mount option %s takes no value", name);
		if (known[i].kind == WITH_VALUE && (!value || !*value))
			return THROW(ERR_INVALID, "mount option %s needs a value", name);
		return known[i].take(options, name, value);
	}
	/* Notes for other programs. */
	if (strncmp(name, "x-", 2) == 0 || strncmp(name, "X-", 2) == 0 || options->sloppy)
		return 0;
	return THROW(ERR_INVALID, "mount option %s is not known", name);
}

/*
 * The end of an option; a backslash before a comma makes it part of the value, as FUSE has it.
 * Those are taken out of the text.
 */
static char *option_end(char *text)
{
	char *to = text;

	while (*text && *text != ',') {
		if (text[0] == '\\' && (text[1] == ',' || text[1] == '\\'))
			text++;
		*to++ = *text++;
	}
	if (*text)
		text++;
	*to = '\0';
	return text;
}

int mount_options_parse(struct mount_options *options, const char *text)
{
	char *copy = mem_strdup(text), *at, *next, *value;
	int err = 0;

	if (!copy)
		return MEM_FAIL("mount options");
	/* option_end may write its zero where the next one begins only when that is the end. */
	for (at = copy; *at && err == 0; at = next) {
		next = option_end(at);
		value = strchr(at, '=');
		if (value)
			*value++ = '\0';
		if (*at)
			err = take_option(options, at, value);
	}
	mem_free(copy);
	return err;
}
