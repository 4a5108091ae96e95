/*
 * `ubtrfs subvolume list`.
 *
 * Paths are those from the top of the filesystem; of what lies below the subvolume that was asked
 * about they begin there. With -a all begin at the top, and those that do not lie directly in that
 * subvolume have <FS_TREE>/ before.
 */
#include <errno.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uuid/uuid.h>

#include <ubtrfs/subvolume.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "cli/filesystem.h"

#define PATH_TEXT_MAX ((size_t)1 << 16)
#define SORT_KEYS_MAX 4u

static const char list_help[] =
	"usage: ubtrfs subvolume list [OPTION]... IMAGE[:/PATH]\n"
	"\n"
	"List the subvolumes and snapshots of a filesystem.\n"
	"\n"
	"  -o                    only those directly in the subvolume of the path\n"
	"  -a                    paths from the top, <FS_TREE>/ before those not directly in it\n"
	"  -p, -c, -g            the parent, the generation of creation, the generation too\n"
	"  -u, -q, -R            the uuid, that of what it was made or received from too\n"
	"  -s                    only snapshots, with the time of their creation\n"
	"  -r                    only read-only ones\n"
	"  -d                    only deleted ones that are not cleaned away\n"
	"  -t                    as a table\n"
	"  -G [+|-]N, -C [+|-]N  only those of this generation, generation of creation; at least (+),\n"
	"                        at most (-)\n"
	"      --sort KEYS       gen, ogen, rootid, path, each with + or - (descending) before;\n"
	"                        several with commas\n" QUESTION_HELP;

enum column {
	COLUMN_ID,
	COLUMN_GEN,
	COLUMN_CGEN,
	COLUMN_PARENT,
	COLUMN_TOP_LEVEL,
	COLUMN_OTIME,
	COLUMN_PARENT_UUID,
	COLUMN_RECEIVED_UUID,
	COLUMN_UUID,
	COLUMN_PATH,
	NR_COLUMNS,
};

static const char *const column_names[NR_COLUMNS] = {
	"ID",	 "gen",		"cgen",		 "parent", "top level",
	"otime", "parent_uuid", "received_uuid", "uuid",   "path",
};

struct line {
	struct ubtrfs_subvolume subvolume;
	char *path; /* owned */
};

/* -G, -C */
struct generation_filter {
	bool on;
	char sign; /* '+', '-', 0 */
	uint64_t value;
};

typedef int (*line_compare)(const struct line *a, const struct line *b);
struct sort_key {
	line_compare compare;
	bool descending;
};

struct list {
	struct question *question;
	bool columns[NR_COLUMNS];
	bool only_here, absolute, only_snapshots, only_readonly, only_deleted, table;
	struct generation_filter gen, cgen;
	struct sort_key keys[SORT_KEYS_MAX];
	unsigned nr_keys;
	uint64_t here;	    /* the subvolume of the path */
	struct line *lines; /* owned */
	size_t nr, capacity;
};

/* ---- choosing ---- */

static bool generation_wanted(const struct generation_filter *filter, uint64_t generation)
{
	if (!filter->on)
		return true;
	return filter->sign == '+' ? generation >= filter->value :
	       filter->sign == '-' ? generation <= filter->value :
				     generation == filter->value;
}

static bool is_wanted(const struct list *list, const struct ubtrfs_subvolume *subvolume)
{
	return subvolume->id != BTRFS_FS_TREE_OBJECTID &&
	       subvolume->deleted == list->only_deleted &&
	       (!list->only_here || subvolume->parent_id == list->here) &&
	       (!list->only_snapshots || subvolume->snapshot) &&
	       (!list->only_readonly || subvolume->readonly) &&
	       generation_wanted(&list->gen, subvolume->generation) &&
	       generation_wanted(&list->cgen, subvolume->otransid);
}

static int line_path(const struct list *list, const struct ubtrfs_subvolume *subvolume,
		     char **ret_path)
{
	struct ubtrfs *fs = list->question->view.fs;
	uint64_t from = list->absolute || list->only_here ? 0 : list->here;
	bool mark = list->absolute && subvolume->parent_id != list->here;
	SCOPED_MEM char *path = mem_alloc(PATH_TEXT_MAX);
	size_t len;
	int err;

	if (!path)
		return MEM_FAIL("a path");
	if (subvolume->deleted) {
		*ret_path = mem_strdup("DELETED");
		return *ret_path ? 0 : MEM_FAIL("a path");
	}
	err = ubtrfs_subvolume_path(fs, subvolume->id, from, path, PATH_TEXT_MAX, &len);
	if (err == -EXDEV || (err == 0 && !len))
		err = ubtrfs_subvolume_path(fs, subvolume->id, 0, path, PATH_TEXT_MAX, &len);
	TRY(err);
	*ret_path = mem_printf("%s%s", mark ? "<FS_TREE>/" : "", path);
	return *ret_path ? 0 : MEM_FAIL("a path");
}

static int add_line(void *ctx, const struct ubtrfs_subvolume *subvolume)
{
	struct list *list = ctx;

	if (!is_wanted(list, subvolume))
		return 0;
	if (list->nr == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		void *grown = mem_resize(list->lines, capacity * sizeof(*list->lines));

		if (!grown)
			return MEM_FAIL("the subvolumes");
		list->lines = grown;
		list->capacity = capacity;
	}
	list->lines[list->nr].subvolume = *subvolume;
	TRY(line_path(list, subvolume, &list->lines[list->nr].path));
	list->nr++;
	return 0;
}

/* ---- sorting ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_gen(const struct line *a, const struct line *b)
{
	return compare_u64(a->subvolume.generation, b->subvolume.generation);
}

static int by_ogen(const struct line *a, const struct line *b)
{
	return compare_u64(a->subvolume.otransid, b->subvolume.otransid);
}

static int by_rootid(const struct line *a, const struct line *b)
{
	return compare_u64(a->subvolume.id, b->subvolume.id);
}

static int by_path(const struct line *a, const struct line *b)
{
	return strcmp(a->path, b->path);
}

static int compare_lines(const void *a, const void *b, void *ctx)
{
	const struct list *list = ctx;

	for (unsigned i = 0; i < list->nr_keys; i++) {
		int order = list->keys[i].compare(a, b);

		if (order)
			return list->keys[i].descending ? -order : order;
	}
	return by_rootid(a, b);
}

static int sort_parse(struct list *list, const char *text)
{
	static const struct {
		const char *name;
		line_compare compare;
	} names[] = {
		{ "gen", by_gen }, { "ogen", by_ogen }, { "rootid", by_rootid }, { "path", by_path }
	};

	for (;;) {
		bool has_sign = *text == '+' || *text == '-', descending = *text == '-';
		const char *name = text + has_sign;
		size_t len = strcspn(name, ","), i = 0;

		while (i < ARRAY_LEN(names) &&
		       (strlen(names[i].name) != len || strncmp(names[i].name, name, len) != 0))
			i++;
		if (i == ARRAY_LEN(names))
			return cli_error("option --sort: '%.*s' is none of gen, ogen, rootid, path",
					 (int)len, name);
		if (list->nr_keys == SORT_KEYS_MAX)
			return cli_error("option --sort: more than %u keys", SORT_KEYS_MAX);
		list->keys[list->nr_keys++] = (struct sort_key){ names[i].compare, descending };
		if (!name[len])
			return 0;
		text = name + len + 1;
	}
}

/* ---- text ---- */

static void print_uuid(const uint8_t uuid[16])
{
	char text[UUID_STR_LEN] = "-";

	if (!uuid_is_null(uuid))
		uuid_unparse_lower(uuid, text);
	printf("%-36s", text);
}

static void print_otime(const struct ubtrfs_time *time)
{
	time_t seconds = (time_t)time->sec;
	char text[64] = "-";
	struct tm tm;

	if (seconds && localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %X", &tm);
	fputs(text, stdout);
}

static void print_value(const struct line *line, enum column column)
{
	const struct ubtrfs_subvolume *subvolume = &line->subvolume;

	switch (column) {
	case COLUMN_ID:
		printf("%llu", (unsigned long long)subvolume->id);
		break;
	case COLUMN_GEN:
		printf("%llu", (unsigned long long)subvolume->generation);
		break;
	case COLUMN_CGEN:
		printf("%llu", (unsigned long long)subvolume->otransid);
		break;
	case COLUMN_PARENT:
	case COLUMN_TOP_LEVEL:
		printf("%llu", (unsigned long long)subvolume->parent_id);
		break;
	case COLUMN_OTIME:
		print_otime(&subvolume->otime);
		break;
	case COLUMN_PARENT_UUID:
		print_uuid(subvolume->parent_uuid);
		break;
	case COLUMN_RECEIVED_UUID:
		print_uuid(subvolume->received_uuid);
		break;
	case COLUMN_UUID:
		print_uuid(subvolume->uuid);
		break;
	case COLUMN_PATH:
	case NR_COLUMNS:
		fputs(line->path, stdout);
		break;
	}
}

static void table_head(const struct list *list)
{
	for (unsigned column = 0; column < NR_COLUMNS; column++)
		if (list->columns[column])
			printf("%s\t", column_names[column]);
	putchar('\n');
	for (unsigned column = 0; column < NR_COLUMNS; column++) {
		if (!list->columns[column])
			continue;
		for (size_t i = 0; i < strlen(column_names[column]); i++)
			putchar('-');
		putchar('\t');
	}
	putchar('\n');
}

/* Behind a value: in a table a tab, and as btrfs-progs does two behind the broad "top level". */
static void print_gap(const struct list *list, enum column column)
{
	if (column == COLUMN_PATH)
		return;
	fputs(!list->table ? " " : column == COLUMN_TOP_LEVEL ? "\t\t" : "\t", stdout);
}

static void lines_text(const struct list *list)
{
	if (list->table)
		table_head(list);
	for (size_t i = 0; i < list->nr; i++) {
		for (unsigned column = 0; column < NR_COLUMNS; column++) {
			if (!list->columns[column])
				continue;
			if (!list->table)
				printf("%s ", column_names[column]);
			print_value(&list->lines[i], column);
			print_gap(list, column);
		}
		putchar('\n');
	}
}

/* ---- json ---- */

static void lines_json(const struct list *list)
{
	struct json_out *out = &list->question->out;
	struct json *json = &out->json;

	for (size_t i = 0; i < list->nr; i++) {
		const struct ubtrfs_subvolume *subvolume = &list->lines[i].subvolume;

		json_object_begin(json, NULL);
		json_number(json, "root_id", subvolume->id);
		json_number(json, "gen", subvolume->generation);
		json_number(json, "cgen", subvolume->otransid);
		json_number(json, "parent", subvolume->parent_id);
		json_number(json, "top_level", subvolume->parent_id);
		json_out_time(out, "otime", &subvolume->otime);
		json_out_uuid(out, "parent_uuid", subvolume->parent_uuid);
		json_out_uuid(out, "received_uuid", subvolume->received_uuid);
		json_out_uuid(out, "uuid", subvolume->uuid);
		json_bool(json, "readonly", subvolume->readonly);
		json_bool(json, "snapshot", subvolume->snapshot);
		json_bool(json, "deleted", subvolume->deleted);
		if (!subvolume->deleted)
			json_bytes(json, "path", list->lines[i].path, strlen(list->lines[i].path));
		json_end(json);
		json_out_pass(out);
	}
}

/* ---- the command ---- */

static int answer_list(struct question *question, void *ctx, int argc, char **argv)
{
	struct list *list = ctx;
	struct ubtrfs_node node;

	list->question = question;
	if (argc - optind != 1)
		return cli_error("list: one image is needed (see --help)");
	if (image_view_find_any(&question->view, argv[optind], &node))
		return 1;
	list->here = node.subvolid;
	if (ubtrfs_subvolume_each(question->view.fs, add_line, list) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (list->nr)
		qsort_r(list->lines, list->nr, sizeof(*list->lines), compare_lines, list);
	if (!question->out.wanted) {
		lines_text(list);
		return 0;
	}
	json_out_begin(&question->out);
	json_array_begin(&question->out.json, "subvolume-list");
	lines_json(list);
	return json_out_end(&question->out);
}

static void list_release(struct list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		mem_free(list->lines[i].path);
	mem_free(list->lines);
}

static int filter_parse(struct generation_filter *filter, const char *text)
{
	bool has_sign = *text == '+' || *text == '-';

	filter->on = true;
	filter->sign = has_sign ? *text : '\0';
	if (number_parse(text + has_sign, &filter->value) < 0)
		return cli_error("'%s' is no generation", text);
	return 0;
}

/* True for a letter that needs nothing more. */
static bool list_flag(struct list *list, int option)
{
	static const struct {
		char letter;
		enum column column;
	} columns[] = {
		{ 'p', COLUMN_PARENT }, { 'c', COLUMN_CGEN },	     { 'g', COLUMN_GEN },
		{ 'u', COLUMN_UUID },	{ 'q', COLUMN_PARENT_UUID }, { 'R', COLUMN_RECEIVED_UUID },
		{ 's', COLUMN_CGEN },	{ 'C', COLUMN_CGEN },	     { 'G', COLUMN_GEN },
	};
	bool known = false;

	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (option != columns[i].letter)
			continue;
		list->columns[columns[i].column] = true;
		known = option != 'C' && option != 'G';
	}
	if (option == 's')
		list->columns[COLUMN_OTIME] = list->only_snapshots = true;
	list->only_here |= option == 'o';
	list->absolute |= option == 'a';
	list->only_readonly |= option == 'r';
	list->only_deleted |= option == 'd';
	list->table |= option == 't';
	return known || (option < 256 && option > 0 && strchr("oardt", option));
}

enum { OPTION_SORT = 0x500 };

static int list_option(struct question *question, void *ctx, int option)
{
	struct list *list = ctx;

	(void)question;
	if (list_flag(list, option))
		return 0;
	if (option == 'G' || option == 'C')
		return filter_parse(option == 'G' ? &list->gen : &list->cgen, optarg);
	return option == OPTION_SORT ? sort_parse(list, optarg) : -1;
}

int cmd_subvolume_list(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "sort", required_argument, NULL, OPTION_SORT },
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = list_help,
						   .short_options = ":D:oapcguqRsrdtG:C:",
						   .long_options = long_options,
						   .option = list_option,
						   .answer = answer_list };
	struct list list = { .absolute = false };
	int code;

	list.columns[COLUMN_ID] = list.columns[COLUMN_GEN] = true;
	list.columns[COLUMN_TOP_LEVEL] = list.columns[COLUMN_PATH] = true;
	code = question_run(&spec, &list, argc, argv);
	list_release(&list);
	return code;
}
