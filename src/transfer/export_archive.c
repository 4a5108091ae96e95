/*
 * export_archive: a walk over the tree, an entry of the archive for each node.
 *
 * Other threads read ahead what the walk needs; the archive is put together by the caller's thread
 * and handed over in blocks. Owns the archive, the first names of files that have several, and the
 * locale in which names are bytes, whatever the environment says.
 */
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "transfer/export_priv.h"

#define BLOCK_BYTES (1 << 20)

/* The first name of a node. */
struct first_name {
	struct hash_node hash;
	struct ubtrfs_node node;
	char name[];
};

int export_broken(struct export *export)
{
	int code = archive_errno(export->archive);
	const char *text = archive_error_string(export->archive);

	if (code == ENOMEM)
		return MEM_FAIL("an archive");
	return THROW(ERR_ARCHIVE, "cannot write the archive: %s", text ? text : "no reason given");
}

/* ---- hard links ---- */

static const char *first_name_find(const struct export *export, struct ubtrfs_node node)
{
	struct hash_node *at = hash_find(&export->links, hash_mix2(node.subvolid, node.ino));

	for (; at; at = hash_find_next(at)) {
		const struct first_name *first = hash_entry(at, struct first_name, hash);

		if (first->node.subvolid == node.subvolid && first->node.ino == node.ino)
			return first->name;
	}
	return NULL;
}

static int first_name_add(struct export *export, struct ubtrfs_node node, const char *name)
{
	size_t len = strlen(name) + 1;
	struct first_name *first = mem_alloc(sizeof(*first) + len);

	if (!first)
		return MEM_FAIL("a hard link");
	first->node = node;
	memcpy(first->name, name, len);
	hash_insert(&export->links, &first->hash, hash_mix2(node.subvolid, node.ino));
	return 0;
}

static void first_names_free(struct export *export)
{
	struct hash_node *node = hash_first(&export->links), *next;

	for (; node; node = next) {
		next = hash_next(&export->links, node);
		hash_remove(&export->links, node);
		mem_free(hash_entry(node, struct first_name, hash));
	}
	hash_fini(&export->links);
}

/* ---- entries ---- */

/* *ret_written: the entry is in the archive and its contents may follow. */
static int write_header(struct export *export, const struct walk_entry *from, bool *ret_written)
{
	int status = archive_write_header(export->archive, export->entry);
	const char *text = archive_error_string(export->archive);

	*ret_written = status >= ARCHIVE_WARN;
	/* That a name is bytes is no loss. */
	if (status == ARCHIVE_WARN && text && !strstr(text, "UTF-8"))
		export->options->warn(export->options->ctx, from->path, text);
	if (status == ARCHIVE_FAILED)
		export->options->failed(export->options->ctx, from->path,
					text ? text : "it does not fit into the archive");
	return status == ARCHIVE_FATAL ? export_broken(export) : 0;
}

static int write_entry(struct export *export, const struct walk_entry *from)
{
	bool is_file = S_ISREG(from->attr.mode), written;

	if (is_file)
		TRY(export_find_holes(export, from));
	TRY(write_header(export, from, &written));
	if (written && is_file)
		TRY(export_write_data(export, from));
	if (archive_write_finish_entry(export->archive) == ARCHIVE_FATAL)
		return export_broken(export);
	return 0;
}

static const char *entry_name(const struct export *export, const struct walk_entry *from)
{
	if (from->depth)
		return from->path;
	return S_ISDIR(from->attr.mode) ? "./" : export->options->name;
}

static int visit(void *ctx, const struct walk_entry *from, bool *ret_enter)
{
	struct export *export = ctx;
	bool several = !S_ISDIR(from->attr.mode) && from->attr.nlink > 1;
	const char *name = entry_name(export, from), *first = NULL;

	(void)ret_enter;
	if (S_ISSOCK(from->attr.mode)) {
		export->options->warn(export->options->ctx, from->path,
				      "a socket: archives have none");
		return 0;
	}
	/* Its failure was told. */
	if (S_ISLNK(from->attr.mode) && !from->target)
		return 0;
	export_fill_entry(export, from, name);
	if (several)
		first = first_name_find(export, from->node);
	if (first) {
		bool written;

		archive_entry_copy_hardlink(export->entry, first);
		archive_entry_unset_size(export->entry);
		return write_header(export, from, &written);
	}
	TRY(write_entry(export, from));
	return several ? first_name_add(export, from->node, name) : 0;
}

static void walk_failed(void *ctx, const char *path, const char *what)
{
	struct export *export = ctx;

	export->options->failed(export->options->ctx, path, what);
}

/* ---- the archive ---- */

static int set_filter(struct export *export)
{
	struct archive *archive = export->archive;

	switch (export->options->filter) {
	case EXPORT_GZIP:
		/* The time of now has no place in it. */
		return archive_write_add_filter_gzip(archive) == ARCHIVE_OK ?
			       archive_write_set_filter_option(archive, "gzip", "timestamp", NULL) :
			       ARCHIVE_FATAL;
	case EXPORT_XZ:
		return archive_write_add_filter_xz(archive);
	case EXPORT_ZSTD:
		return archive_write_add_filter_zstd(archive);
	default:
		return archive_write_add_filter_none(archive);
	}
}

static int set_format(struct export *export)
{
	struct archive *archive = export->archive;
	int status;

	if (export->options->format == EXPORT_CPIO)
		return archive_write_set_format_cpio_newc(archive);
	status = archive_write_set_format_pax(archive);
	if (status == ARCHIVE_OK)
		status = archive_write_set_format_option(archive, "pax", "xattrheader", "SCHILY");
	return status;
}

static int archive_start(struct export *export)
{
	export->archive = archive_write_new();
	export->entry = archive_entry_new();
	if (!export->archive || !export->entry)
		return MEM_FAIL("an archive");
	TRY(export_map_zeroes(export));
	/* Blocks that are worth a call; nothing is added to fill the last. */
	if (set_format(export) != ARCHIVE_OK || set_filter(export) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(export->archive, BLOCK_BYTES) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(export->archive, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(export->archive, export->options->fd) != ARCHIVE_OK)
		return export_broken(export);
	return 0;
}

static int archive_run(struct export *export)
{
	const struct walk_ops ops = { .fs = export->options->fs,
				      .want_attrs = true,
				      .want_contents = true,
				      .max_depth = UINT32_MAX,
				      .nr_threads = export->options->nr_threads,
				      .visit = visit,
				      .failed = walk_failed,
				      .ctx = export };

	TRY(archive_start(export));
	TRY(walk_tree(&ops, export->options->top));
	return archive_write_close(export->archive) == ARCHIVE_OK ? 0 : export_broken(export);
}

int export_archive(const struct export_options *options)
{
	struct export export = { .options = options };
	/*
	 * Names beyond ASCII are bytes for libarchive then, and said to be bytes: a name that is
	 * said to be UTF-8 is changed by readers that normalise it.
	 */
	locale_t bytes = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	locale_t before = bytes ? uselocale(bytes) : (locale_t)0;
	int err;

	hash_init(&export.links);
	err = archive_run(&export);
	/* Freeing would complete the archive of a run that failed. */
	if (export.archive) {
		if (err < 0)
			(void)archive_write_fail(export.archive);
		(void)archive_write_free(export.archive);
	}
	archive_entry_free(export.entry);
	export_unmap_zeroes(&export);
	mem_free(export.ranges);
	first_names_free(&export);
	if (bytes) {
		(void)uselocale(before);
		freelocale(bytes);
	}
	return err;
}
