/*
 * `ubtrfs filesystem du`: what files take, and how much of it nobody else uses.
 *
 * A file's extents count with their length in the file; contents that stand in the tree do not
 * count. An inode with several names counts once for each argument. "Set shared" is the space of
 * all shared extents of an argument, each byte once. Directories are walked in the order of their
 * entries, subvolumes too, at most WALK_MAX_DEPTH deep.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "cli/entry_list.h"
#include "cli/filesystem.h"

#include <linux/btrfs_tree.h>
#include <sys/stat.h>

static const char du_help[] =
	"usage: ubtrfs filesystem du [-s] IMAGE[:/PATH]...\n"
	"\n"
	"Print for each file and directory the space of its extents: all, what nobody else uses, and,\n"
	"for the arguments, what they share.\n"
	"\n"
	"  -s, --summarize       only the arguments\n" UNITS_HELP QUESTION_HELP;

struct du {
	struct question *question;
	struct ubtrfs_pieces *pieces;
	bool summarize;
	/* of the argument: */
	struct hash_table seen; /* inodes with several names */
	struct pair_set met;	/* directories */
	struct du_range {
		uint64_t start, end;
	} * shared; /* extents; owned */
	size_t nr_shared, capacity;
	bool headed;
	int code;
};

struct du_sum {
	uint64_t total, shared;
};

struct du_seen {
	struct hash_node hash;
	struct ubtrfs_node node;
};

/* ---- the set of shared extents ---- */

static int compare_ranges(const void *a, const void *b)
{
	const struct du_range *left = a, *right = b;

	return left->start < right->start ? -1 : left->start > right->start;
}

static void shared_merge(struct du *du)
{
	size_t nr = 0;

	if (!du->nr_shared)
		return;
	qsort(du->shared, du->nr_shared, sizeof(*du->shared), compare_ranges);
	for (size_t i = 1; i < du->nr_shared; i++) {
		if (du->shared[i].start <= du->shared[nr].end)
			du->shared[nr].end = MAX(du->shared[nr].end, du->shared[i].end);
		else
			du->shared[++nr] = du->shared[i];
	}
	du->nr_shared = nr + 1;
}

static int shared_add(struct du *du, uint64_t start, uint64_t len)
{
	if (du->nr_shared == du->capacity) {
		/* Only what stays after merging needs more memory. */
		shared_merge(du);
		if (2 * du->nr_shared >= du->capacity) {
			size_t capacity = du->capacity ? 2 * du->capacity : 1024;
			void *grown = mem_resize(du->shared, capacity * sizeof(*du->shared));

			if (!grown)
				return MEM_FAIL("shared extents");
			du->shared = grown;
			du->capacity = capacity;
		}
	}
	du->shared[du->nr_shared++] = (struct du_range){ start, start + len };
	return 0;
}

static uint64_t shared_sum(struct du *du)
{
	uint64_t sum = 0;

	shared_merge(du);
	for (size_t i = 0; i < du->nr_shared; i++)
		sum += du->shared[i].end - du->shared[i].start;
	return sum;
}

/* ---- files ---- */

static bool seen_before(struct du *du, struct ubtrfs_node node)
{
	uint64_t key = hash_mix2(node.subvolid, node.ino);
	struct hash_node *at = hash_find(&du->seen, key);
	struct du_seen *seen;

	for (; at; at = hash_find_next(at)) {
		seen = hash_entry(at, struct du_seen, hash);
		if (seen->node.subvolid == node.subvolid && seen->node.ino == node.ino)
			return true;
	}
	seen = mem_alloc(sizeof(*seen));
	if (!seen) {
		du->code = cli_error("no memory for inodes");
		return false;
	}
	seen->node = node;
	hash_insert(&du->seen, &seen->hash, key);
	return false;
}

static void seen_clear(struct du *du)
{
	struct hash_node *at;

	while ((at = hash_first(&du->seen))) {
		hash_remove(&du->seen, at);
		mem_free(hash_entry(at, struct du_seen, hash));
	}
}

struct du_file {
	struct du *du;
	struct du_sum sum;
};

static int add_piece(void *ctx, const struct ubtrfs_piece *piece)
{
	struct du_file *file = ctx;

	file->sum.total += piece->len_bytes;
	if (!piece->shared)
		return 0;
	file->sum.shared += piece->len_bytes;
	return shared_add(file->du, piece->logical, piece->len_bytes);
}

/* ---- lines ---- */

static void print_line(struct du *du, const char *path, const struct du_sum *sum, bool is_argument)
{
	char total[UNITS_TEXT_MAX], alone[UNITS_TEXT_MAX], shared[UNITS_TEXT_MAX] = "-";
	const struct size_units *units = &du->question->units;
	struct json *json = &du->question->out.json;

	if (du->summarize && !is_argument)
		return;
	if (du->question->out.wanted) {
		json_object_begin(json, NULL);
		json_number(json, "total", sum->total);
		json_number(json, "exclusive", sum->total - sum->shared);
		if (is_argument)
			json_number(json, "set-shared", shared_sum(du));
		json_bytes(json, "filename", path, strlen(path));
		json_end(json);
		json_out_pass(&du->question->out);
		return;
	}
	if (!du->headed)
		printf("%10s  %10s  %10s  %s\n", "Total", "Exclusive", "Set shared", "Filename");
	du->headed = true;
	if (is_argument)
		size_units_text(units, shared_sum(du), shared);
	printf("%10s  %10s  %10s  %s\n", size_units_text(units, sum->total, total),
	       size_units_text(units, sum->total - sum->shared, alone), shared, path);
}

/* ---- walking ---- */

struct du_entry {
	struct ubtrfs_node node;
	uint8_t type;
	char *name; /* owned */
};

struct du_dir {
	struct du_entry *entries; /* owned */
	size_t nr, capacity;
};

static int add_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct du_dir *dir = ctx;
	struct du_entry *at;

	if (dir->nr == dir->capacity) {
		size_t capacity = dir->capacity ? 2 * dir->capacity : 64;
		void *grown = mem_resize(dir->entries, capacity * sizeof(*dir->entries));

		if (!grown)
			return MEM_FAIL("a directory");
		dir->entries = grown;
		dir->capacity = capacity;
	}
	at = &dir->entries[dir->nr];
	*at = (struct du_entry){ .node = entry->node, .type = entry->type & 0x7f };
	at->name = mem_printf("%.*s", (int)entry->name_len, entry->name);
	if (!at->name)
		return MEM_FAIL("a name");
	dir->nr++;
	return 0;
}

static void dir_release(struct du_dir *dir)
{
	for (size_t i = 0; i < dir->nr; i++)
		mem_free(dir->entries[i].name);
	mem_free(dir->entries);
}

static void tell_failure(struct du *du, const char *path)
{
	du->code = cli_fail("%s", path);
}

/* False: it does not count (again). */
static bool file_sum(struct du *du, struct ubtrfs_node node, const char *path, struct du_sum *ret)
{
	struct du_file file = { .du = du };
	struct ubtrfs_attr attr;

	if (ubtrfs_getattr(du->question->view.fs, node, &attr) < 0) {
		tell_failure(du, path);
		return false;
	}
	if (attr.nlink > 1 && seen_before(du, node))
		return false;
	if (ubtrfs_pieces_each(du->pieces, node, add_piece, &file) < 0)
		tell_failure(du, path);
	*ret = file.sum;
	return true;
}

static void walk_dir(struct du *du, struct ubtrfs_node node, const char *path, unsigned depth,
		     struct du_sum *sum);

static void walk_entry(struct du *du, const struct du_entry *entry, const char *dir, unsigned depth,
		       struct du_sum *sum)
{
	SCOPED_MEM char *path = path_join(dir, entry->name);
	struct du_sum own = { 0 };

	if (!path) {
		du->code = cli_error("no memory for a path");
		return;
	}
	if (entry->type == BTRFS_FT_DIR)
		walk_dir(du, entry->node, path, depth + 1, &own);
	else if (entry->type != BTRFS_FT_REG_FILE || !file_sum(du, entry->node, path, &own))
		return;
	print_line(du, path, &own, false);
	sum->total += own.total;
	sum->shared += own.shared;
}

static void walk_dir(struct du *du, struct ubtrfs_node node, const char *path, unsigned depth,
		     struct du_sum *sum)
{
	struct du_dir dir = { 0 };

	if (depth > WALK_MAX_DEPTH) {
		du->code = cli_error("%s is deeper than %u directories", path, WALK_MAX_DEPTH);
		return;
	}
	if (dir_meet(&du->met, node, path)) {
		du->code = 1;
		return;
	}
	if (ubtrfs_readdir(du->question->view.fs, node, 0, add_entry, &dir) < 0)
		tell_failure(du, path);
	for (size_t i = 0; i < dir.nr; i++)
		walk_entry(du, &dir.entries[i], path, depth, sum);
	dir_release(&dir);
}

/* ---- arguments ---- */

static void tell_argument(struct du *du, struct ubtrfs_node node, const char *path)
{
	struct du_sum sum = { 0 };
	struct ubtrfs_attr attr;

	if (ubtrfs_getattr(du->question->view.fs, node, &attr) < 0) {
		tell_failure(du, path);
		return;
	}
	if (S_ISDIR(attr.mode))
		walk_dir(du, node, path, 0, &sum);
	else if (S_ISREG(attr.mode))
		(void)file_sum(du, node, path, &sum);
	print_line(du, path, &sum, true);
}

static void du_argument(struct du *du, const char *argument)
{
	struct image_view *view = &du->question->view;
	SCOPED_MEM char *path = NULL;
	struct ubtrfs_node node;
	size_t len;

	if (image_view_find_any(view, argument, &node)) {
		du->code = 1;
		return;
	}
	path = mem_printf("%s%s", argument, image_path_is_inside(argument) ? "" : ":/");
	if (!path || ubtrfs_pieces_new(view->fs, &du->pieces) < 0) {
		du->code = cli_error("%s", path ? ubtrfs_error_text() : "no memory for a path");
		return;
	}
	/* As the user wrote it, but that names are put behind one slash. */
	for (len = strlen(path); len > 1 && path[len - 1] == '/' && path[len - 2] == '/'; len--)
		path[len - 1] = '\0';
	du->nr_shared = 0;
	pair_set_clear(&du->met);
	tell_argument(du, node, path);
	ubtrfs_pieces_free(du->pieces);
	seen_clear(du);
}

static int du_option(struct question *question, void *ctx, int option)
{
	struct du *du = ctx;

	(void)question;
	if (option != 's')
		return -1;
	du->summarize = true;
	return 0;
}

static int answer_du(struct question *question, void *ctx, int argc, char **argv)
{
	struct du *du = ctx;

	du->question = question;
	argc = image_default_here(argc, argv);
	if (optind == argc)
		return cli_error("du: no IMAGE:/PATH given (see --help)");
	hash_init(&du->seen);
	pair_set_init(&du->met);
	if (question->out.wanted) {
		json_out_begin(&question->out);
		json_array_begin(&question->out.json, "filesystem-du");
	}
	for (int i = optind; i < argc; i++)
		du_argument(du, argv[i]);
	mem_free(du->shared);
	hash_fini(&du->seen);
	pair_set_fini(&du->met);
	return question->out.wanted ? du->code | json_out_end(&question->out) : du->code;
}

int cmd_filesystem_du(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "summarize", no_argument, NULL, 's' },
		UNITS_LONG_OPTIONS,
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = du_help,
						   .short_options = ":D:s",
						   .long_options = long_options,
						   .units = true,
						   .option = du_option,
						   .answer = answer_du };
	struct du du = { .summarize = false };

	return question_run(&spec, &du, argc, argv);
}
