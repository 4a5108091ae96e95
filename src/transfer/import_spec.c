/*
 * Subvolume and inode-flag specifications: parsing, and a table of normalized paths that the import
 * asks for each entry.
 *
 * The tables are short (a handful of options), so that a comparison of lengths decides nearly
 * always. Takes no lock.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <ubtrfs/subvolume.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "transfer/import_spec.h"

struct spec {
	char *path;
	size_t path_len;
	bool met;
	enum import_subvol_type type;
	uint64_t subvolid;
	uint32_t inode_flags;
};

struct spec_table {
	struct spec *subvols;
	unsigned nr_subvols;
	struct spec *flags;
	unsigned nr_flags;
};

int import_subvol_parse(const char *text, struct import_subvol *ret_subvol)
{
	static const struct {
		const char *prefix;
		enum import_subvol_type type;
	} types[] = {
		{ "rw:", IMPORT_SUBVOL_RW },
		{ "ro:", IMPORT_SUBVOL_RO },
		{ "default:", IMPORT_SUBVOL_DEFAULT },
		{ "default-ro:", IMPORT_SUBVOL_DEFAULT_RO },
	};
	struct import_subvol subvol = { .type = IMPORT_SUBVOL_RW, .dir = text };

	if (strchr(text, ':')) {
		size_t i = 0;

		while (i < ARRAY_LEN(types) &&
		       strncmp(text, types[i].prefix, strlen(types[i].prefix)))
			i++;
		if (i == ARRAY_LEN(types))
			return THROW(
				ERR_INVALID,
				"\"%s\" begins with none of rw: ro: default: default-ro:", text);
		subvol.type = types[i].type;
		subvol.dir = text + strlen(types[i].prefix);
	}
	if (!*subvol.dir)
		return THROW(ERR_INVALID, "\"%s\" names no directory", text);
	*ret_subvol = subvol;
	return 0;
}

int import_inode_flags_parse(const char *text, struct import_inode_flags *ret_flags)
{
	const char *colon = strchr(text, ':');
	const char *pos = text;
	unsigned flags = 0;
	size_t len;

	if (!colon || !colon[1])
		return THROW(ERR_INVALID, "\"%s\" is not FLAGS:PATH", text);
	while (pos < colon) {
		len = strcspn(pos, ",:");
		if (len == strlen("nodatacow") && !strncmp(pos, "nodatacow", len))
			flags |= IMPORT_NODATACOW;
		else if (len == strlen("nodatasum") && !strncmp(pos, "nodatasum", len))
			flags |= IMPORT_NODATASUM;
		else
			return THROW(ERR_INVALID, "\"%.*s\" is neither nodatacow nor nodatasum",
				     (int)len, pos);
		pos += len + 1;
	}
	if (!flags)
		return THROW(ERR_INVALID, "\"%s\" names no flag", text);
	ret_flags->flags = flags;
	ret_flags->path = colon + 1;
	return 0;
}

int spec_normalize(const char *path, const char *what, char **ret_path)
{
	char *normal = mem_alloc(strlen(path) + 1);
	size_t len = 0, part;

	if (!normal)
		return MEM_FAIL("a path");
	for (const char *pos = path; *pos; pos += part) {
		part = strcspn(pos, "/");
		if (part == 2 && !memcmp(pos, "..", 2)) {
			mem_free(normal);
			return THROW(ERR_INVALID, "%s %s: \"..\" leads outside", what, path);
		}
		if (part && !(part == 1 && *pos == '.')) {
			if (len)
				normal[len++] = '/';
			memcpy(normal + len, pos, part);
			len += part;
		}
		part += pos[part] == '/';
	}
	normal[len] = '\0';
	*ret_path = normal;
	return 0;
}

static int spec_add(struct spec *specs, unsigned *nr, const char *path, const char *what)
{
	struct spec *spec = &specs[*nr];

	TRY(spec_normalize(path, what, &spec->path));
	spec->path_len = strlen(spec->path);
	/* Counted at once: from here on the table owns the path. */
	(*nr)++;
	for (unsigned i = 0; i + 1 < *nr; i++) {
		if (!strcmp(specs[i].path, spec->path))
			return THROW(ERR_INVALID, "%s %s is given twice", what, path);
	}
	return 0;
}

static int spec_check_source(const struct import *import, const struct spec *spec, const char *what,
			     bool wants_dir)
{
	const char *path = spec->path_len ? spec->path : ".";
	struct stat st;

	if (fstatat(import->root_fd, path, &st, AT_SYMLINK_NOFOLLOW))
		return THROW_SYS(errno, "%s %s: cannot find it in %s", what, path,
				 import->root_path);
	if (wants_dir && !S_ISDIR(st.st_mode))
		return THROW(ERR_NOT_DIR, "%s %s: it is not a directory in %s", what, path,
			     import->root_path);
	if (wants_dir && !spec->path_len)
		return THROW(ERR_INVALID, "%s: the top directory is a subvolume already", what);
	return 0;
}

static int spec_fill_subvols(struct import *import, struct spec_table *table)
{
	const struct import_options *options = &import->options;
	bool has_default = false;

	for (unsigned i = 0; i < options->nr_subvols; i++) {
		const struct import_subvol *subvol = &options->subvols[i];
		bool is_default = subvol->type == IMPORT_SUBVOL_DEFAULT ||
				  subvol->type == IMPORT_SUBVOL_DEFAULT_RO;

		if (is_default && has_default)
			return THROW(ERR_INVALID,
				     "subvolume %s: there is a default subvolume already",
				     subvol->dir);
		has_default |= is_default;
		TRY(spec_add(table->subvols, &table->nr_subvols, subvol->dir, "subvolume"));
		table->subvols[i].type = subvol->type;
		TRY(spec_check_source(import, &table->subvols[i], "subvolume", true));
	}
	return 0;
}

static int spec_fill_flags(struct import *import, struct spec_table *table)
{
	const struct import_options *options = &import->options;

	for (unsigned i = 0; i < options->nr_inode_flags; i++) {
		const struct import_inode_flags *flags = &options->inode_flags[i];

		TRY(spec_add(table->flags, &table->nr_flags, flags->path, "inode flags for"));
		if (flags->flags & IMPORT_NODATASUM)
			table->flags[i].inode_flags |= BTRFS_INODE_NODATASUM;
		if (flags->flags & IMPORT_NODATACOW)
			table->flags[i].inode_flags |= BTRFS_INODE_NODATACOW;
		TRY(spec_check_source(import, &table->flags[i], "inode flags for", false));
	}
	return 0;
}

int spec_table_new(struct import *import, struct spec_table **ret_table)
{
	const struct import_options *options = &import->options;
	struct spec_table *table = mem_zalloc(sizeof(*table));
	int ret;

	if (!table)
		return MEM_FAIL("a table of paths");
	table->subvols = mem_array(options->nr_subvols + 1, sizeof(*table->subvols));
	table->flags = mem_array(options->nr_inode_flags + 1, sizeof(*table->flags));
	ret = table->subvols && table->flags ? 0 : MEM_FAIL("a table of paths");
	if (ret >= 0)
		ret = spec_fill_subvols(import, table);
	if (ret >= 0)
		ret = spec_fill_flags(import, table);
	if (ret < 0) {
		spec_table_free(table);
		return ret;
	}
	*ret_table = table;
	return 0;
}

void spec_table_free(struct spec_table *table)
{
	if (!table)
		return;
	for (unsigned i = 0; i < table->nr_subvols; i++)
		mem_free(table->subvols[i].path);
	for (unsigned i = 0; i < table->nr_flags; i++)
		mem_free(table->flags[i].path);
	mem_free(table->subvols);
	mem_free(table->flags);
	mem_free(table);
}

static struct spec *spec_find(struct spec *specs, unsigned nr, const char *path)
{
	size_t path_len;

	if (!nr)
		return NULL;
	path_len = strlen(path);
	for (unsigned i = 0; i < nr; i++) {
		if (specs[i].path_len == path_len && !memcmp(specs[i].path, path, path_len)) {
			specs[i].met = true;
			return &specs[i];
		}
	}
	return NULL;
}

struct spec *spec_subvol_find(struct spec_table *table, const char *path)
{
	return spec_find(table->subvols, table->nr_subvols, path);
}

void spec_subvol_set(struct spec *spec, uint64_t subvolid)
{
	spec->subvolid = subvolid;
}

uint32_t spec_flags_find(struct spec_table *table, const char *path)
{
	const struct spec *spec = spec_find(table->flags, table->nr_flags, path);

	return spec ? spec->inode_flags : 0;
}

static int spec_finish_subvol(const struct spec *spec, struct import *import)
{
	bool is_default = spec->type == IMPORT_SUBVOL_DEFAULT ||
			  spec->type == IMPORT_SUBVOL_DEFAULT_RO;
	bool is_readonly = spec->type == IMPORT_SUBVOL_RO || spec->type == IMPORT_SUBVOL_DEFAULT_RO;
	int ret = 0;

	if (!spec->met || !spec->subvolid)
		return THROW(ERR_NOT_DIR, "subvolume %s: it is not a directory in %s", spec->path,
			     import->root_path);
	if (is_default)
		ret = ubtrfs_subvolume_set_default(import->fs, spec->subvolid);
	if (ret >= 0 && is_readonly)
		ret = ubtrfs_subvolume_set_readonly(import->fs, spec->subvolid, true);
	return ret < 0 ? import_fail(import, ret, "subvolume %s", spec->path) : 0;
}

int spec_table_finish(struct spec_table *table, struct import *import)
{
	for (unsigned i = 0; i < table->nr_flags; i++) {
		if (!table->flags[i].met)
			return THROW(ERR_NOT_FOUND, "inode flags for %s: it is not in %s",
				     table->flags[i].path, import->root_path);
	}
	for (unsigned i = 0; i < table->nr_subvols; i++)
		TRY(spec_finish_subvol(&table->subvols[i], import));
	return 0;
}
