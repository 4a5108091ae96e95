/*
 * Counting what an import would put into a filesystem, without one: the walk of a directory, the
 * headers of an archive.
 *
 * What is counted is at least what an import makes, as long as the source stays as it is. Holds the
 * table of hard links during a call; takes no lock.
 */
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "transfer/estimate.h"
#include "transfer/scan.h"

/* The longest piece of a file that becomes one extent. */
#define EXTENT_MAX_BYTES (128 * KIB)
/* xattr of an ACL: its name, a header, and each entry. */
#define ACL_NAME_BYTES 24
#define ACL_HEADER_BYTES 4
#define ACL_ENTRY_BYTES 8
/* mode, group and mask are in every ACL that is kept. */
#define ACL_IMPLIED_ENTRIES 4

/* ---- what both kinds of source have ---- */

static void count_name(struct ubtrfs_mkfs_contents *contents, uint64_t name_len)
{
	contents->nr_names++;
	contents->name_bytes += name_len;
}

static void count_xattr(struct ubtrfs_mkfs_contents *contents, uint64_t name_len, uint64_t len)
{
	contents->nr_xattrs++;
	contents->xattr_bytes += name_len + len;
}

static void count_inline(struct ubtrfs_mkfs_contents *contents, uint64_t len)
{
	contents->nr_inline++;
	contents->inline_bytes += len;
	contents->inline_max_bytes = MAX(contents->inline_max_bytes, len);
}

static void count_range(const struct estimate *estimate, uint64_t start, uint64_t len)
{
	struct ubtrfs_mkfs_contents *contents = estimate->contents;
	uint32_t sectorsize = estimate->import->sectorsize;
	uint64_t bytes = round_up(start + len, sectorsize) - round_down(start, sectorsize);

	contents->data_bytes += bytes;
	contents->nr_extents += div_up(bytes, EXTENT_MAX_BYTES);
}

/* A file without holes: short ones go into the tree, those of a sector when they compress. */
static void count_whole_file(const struct estimate *estimate, uint64_t size)
{
	struct ubtrfs_mkfs_contents *contents = estimate->contents;
	uint32_t sectorsize = estimate->import->sectorsize;

	if (!size)
		return;
	if (size < sectorsize && size <= contents->inline_limit_bytes) {
		count_inline(contents, size);
		return;
	}
	count_range(estimate, 0, size);
	if (size <= sectorsize) {
		contents->nr_small++;
		contents->small_bytes += size;
	}
}

/* An import of which nobody hears but through progress. */
static int estimate_init(struct estimate *estimate, const char *root_path,
			 const struct import_options *options, uint32_t sectorsize,
			 struct ubtrfs_mkfs_contents *contents)
{
	struct import_options quiet = *options;

	quiet.warning = NULL;
	quiet.strict = false;
	*estimate = (struct estimate){ .contents = contents };
	TRY(import_new(NULL, &quiet, root_path, &estimate->import));
	estimate->import->sectorsize = sectorsize;
	hardlinks_init(&estimate->hardlinks);
	return 0;
}

static void estimate_fini(struct estimate *estimate)
{
	hardlinks_fini(&estimate->hardlinks);
	mem_free(estimate->last_path);
	import_close(estimate->import, NULL);
}

/* ---- a directory ---- */

static void count_scanned_file(const struct estimate *estimate, const struct scan_entry *entry)
{
	const struct scan_range *first = entry->ranges;

	if (entry->nr_ranges == 1 && first->start == 0 && first->len == entry->size) {
		count_whole_file(estimate, entry->size);
		return;
	}
	for (size_t i = 0; i < entry->nr_ranges; i++)
		count_range(estimate, entry->ranges[i].start, entry->ranges[i].len);
}

/* Links do not cross subvolumes; where there are some each name may become a copy. */
static int scanned_is_known(struct estimate *estimate, const struct scan_entry *entry,
			    bool *ret_known)
{
	struct ubtrfs_node node = { 0 };

	*ret_known = false;
	if (entry->nlink < 2 || entry->dir || estimate->import->options.nr_subvols)
		return 0;
	*ret_known = hardlinks_find(&estimate->hardlinks, entry->dev, entry->ino, 0, &node);
	return *ret_known ? 0 : hardlinks_set(&estimate->hardlinks, entry->dev, entry->ino, node);
}

static int count_scanned(struct estimate *estimate, const struct scan_entry *entry)
{
	struct ubtrfs_mkfs_contents *contents = estimate->contents;
	bool known;

	TRY(import_step(estimate->import));
	count_name(contents, entry->name_len);
	TRY(scanned_is_known(estimate, entry, &known));
	if (known)
		return 0;
	contents->nr_inodes++;
	for (size_t i = 0; i < entry->nr_xattrs; i++)
		count_xattr(contents, strlen(entry->xattrs[i].name), entry->xattrs[i].len);
	if (S_ISLNK(entry->meta.mode))
		count_inline(contents, entry->target_len);
	else if (S_ISREG(entry->meta.mode))
		count_scanned_file(estimate, entry);
	return 0;
}

static int count_directory(struct estimate *estimate, struct scan *scan)
{
	struct scan_batch *batch;
	int ret = 0;

	for (;;) {
		TRY(scan_next(scan, &batch));
		if (!batch)
			return 0;
		for (size_t i = 0; ret >= 0 && i < batch->nr_entries; i++)
			ret = count_scanned(estimate, &batch->entries[i]);
		scan_batch_put(batch, &batch->handle);
		TRY(ret);
	}
}

int import_estimate_directory(const char *path, const struct import_options *options,
			      uint32_t sectorsize, struct ubtrfs_mkfs_contents *contents)
{
	struct estimate estimate;
	struct scan *scan;
	int ret;

	TRY(estimate_init(&estimate, path, options, sectorsize, contents));
	contents->nr_subvols += options->nr_subvols;
	ret = scan_new(estimate.import, &scan);
	if (ret >= 0) {
		ret = count_directory(&estimate, scan);
		scan_free(scan);
	}
	estimate_fini(&estimate);
	return ret;
}

/* ---- an archive ---- */

static const char *entry_path(struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);

	if (!path)
		path = archive_entry_pathname_utf8(entry);
	return path ? path : "";
}

/* The entry's name, and each directory above it that the entry before does not lie in. */
static int count_path(struct estimate *estimate, const char *path)
{
	struct ubtrfs_mkfs_contents *contents = estimate->contents;
	const char *last = estimate->last_path ? estimate->last_path : "";
	char *copy = mem_strdup(path);
	size_t len = strlen(path), same = 0;
	const char *slash;

	if (!copy)
		return MEM_FAIL("a path");
	while (len && copy[len - 1] == '/')
		copy[--len] = '\0';
	for (size_t i = 0; copy[i] && copy[i] == last[i]; i++)
		if (copy[i + 1] == '/' && (last[i + 1] == '/' || !last[i + 1]))
			same = i + 2;
	for (; (slash = strchr(copy + same, '/')); same = slash - copy + 1) {
		contents->nr_inodes++;
		count_name(contents, slash - (copy + same));
	}
	count_name(contents, len - same);
	mem_free(estimate->last_path);
	estimate->last_path = copy;
	return 0;
}

static void count_acl(struct ubtrfs_mkfs_contents *contents, struct archive_entry *entry, int type)
{
	uint64_t nr = archive_entry_acl_count(entry, type);

	if (nr)
		count_xattr(contents, ACL_NAME_BYTES,
			    ACL_HEADER_BYTES + ACL_ENTRY_BYTES * (nr + ACL_IMPLIED_ENTRIES));
}

static void count_archive_xattrs(struct ubtrfs_mkfs_contents *contents, struct archive_entry *entry)
{
	const void *value;
	const char *name;
	size_t len;

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &len) == ARCHIVE_OK)
		count_xattr(contents, strlen(name), len);
	count_acl(contents, entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS);
	count_acl(contents, entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT);
}

/* The size stands nowhere: the data tells. */
static int count_unsized_file(const struct estimate *estimate, struct unpack *unpack)
{
	uint64_t bytes = 0;
	const void *data;
	int64_t offset;
	size_t len;
	int result;

	while ((result = archive_read_data_block(unpack->archive, &data, &len, &offset)) ==
	       ARCHIVE_OK)
		bytes = MAX(bytes, (uint64_t)offset + len);
	if (result != ARCHIVE_EOF)
		TRY(unpack_archive_result(unpack, result));
	count_whole_file(estimate, bytes);
	return 0;
}

static int count_archive_file(const struct estimate *estimate, struct unpack *unpack)
{
	struct archive_entry *entry = unpack->entry;
	int64_t offset, len;

	if (!archive_entry_size_is_set(entry))
		return count_unsized_file(estimate, unpack);
	if (archive_entry_sparse_reset(entry) == 0) {
		count_whole_file(estimate, MAX(archive_entry_size(entry), 0));
		return 0;
	}
	while (archive_entry_sparse_next(entry, &offset, &len) == ARCHIVE_OK)
		if (offset >= 0 && len > 0)
			count_range(estimate, offset, len);
	return 0;
}

int estimate_archive_entry(struct estimate *estimate, struct unpack *unpack)
{
	struct ubtrfs_mkfs_contents *contents = estimate->contents;
	struct archive_entry *entry = unpack->entry;
	const char *symlink = archive_entry_symlink(entry);
	mode_t type = archive_entry_mode(entry) & S_IFMT;

	TRY(count_path(estimate, entry_path(entry)));
	if (archive_entry_hardlink(entry) || archive_entry_hardlink_utf8(entry))
		return archive_entry_size_is_set(entry) && type != S_IFLNK ?
			       count_archive_file(estimate, unpack) :
			       0;
	contents->nr_inodes++;
	count_archive_xattrs(contents, entry);
	if (type == S_IFLNK) {
		symlink = symlink ? symlink : archive_entry_symlink_utf8(entry);
		count_inline(contents, symlink ? strlen(symlink) : 0);
	}
	return type == S_IFREG ? count_archive_file(estimate, unpack) : 0;
}

int import_estimate_archive(const char *path_or_dash, const struct import_options *options,
			    uint32_t sectorsize, struct ubtrfs_mkfs_contents *contents)
{
	struct estimate estimate;
	struct stat st;
	int ret;

	if (!strcmp(path_or_dash, "-"))
		return THROW(ERR_UNSUPPORTED, "standard input cannot be read twice");
	/* Opening a pipe again would wait for a writer that is gone. */
	if (stat(path_or_dash, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return THROW(ERR_UNSUPPORTED, "%s cannot be read twice", path_or_dash);
	TRY(estimate_init(&estimate, NULL, options, sectorsize, contents));
	ret = archive_estimate(estimate.import, path_or_dash, &estimate);
	estimate_fini(&estimate);
	return ret;
}
