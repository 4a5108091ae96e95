/*
 * `ubtrfs inspect-internal list-chunks` and `min-dev-size`.
 *
 * A chunk has a row for each of its stripes. Rows are numbered on each device, by place on the
 * device and by logical address.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ubtrfs/admin.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/inspect.h"
#include "cli/question.h"
#include "cli/text_table.h"

#define SORT_KEYS_MAX 5

static const char chunks_help[] =
	"usage: ubtrfs inspect-internal list-chunks [--sort MODE] IMAGE[:/PATH]\n"
	"\n"
	"Print all chunks, a row for each place on a device.\n"
	"\n"
	"      --sort MODE       by these columns, ascending (a list with commas): devid, pstart,\n"
	"                        lstart, usage, length; default devid,pstart\n" UNITS_HELP
		QUESTION_HELP;

static const char min_size_help[] =
	"usage: ubtrfs inspect-internal min-dev-size [--id DEVID] IMAGE[:/PATH]\n"
	"\n"
	"Print the size to which a device could be resized.\n"
	"\n"
	"      --id DEVID        this device; default 1\n" QUESTION_HELP;

struct row {
	uint64_t devid, physical, logical, len_bytes, used_bytes, flags;
	uint64_t nr_physical, nr_logical;
};

struct chunk_rows {
	struct row *rows; /* owned */
	size_t nr, capacity;
};

static int add_rows(void *ctx, const struct ubtrfs_chunk *chunk)
{
	struct chunk_rows *rows = ctx;

	for (unsigned i = 0; i < chunk->nr_stripes; i++) {
		if (rows->nr == rows->capacity) {
			size_t capacity = rows->capacity ? 2 * rows->capacity : 256;
			void *grown = mem_resize(rows->rows, capacity * sizeof(*rows->rows));

			if (!grown)
				return MEM_FAIL("the chunks");
			rows->rows = grown;
			rows->capacity = capacity;
		}
		rows->rows[rows->nr++] = (struct row){
			.devid = chunk->stripes[i].devid,
			.physical = chunk->stripes[i].physical,
			.logical = chunk->logical,
			.len_bytes = chunk->len_bytes,
			.used_bytes = chunk->used_bytes,
			.flags = chunk->flags,
		};
	}
	return 0;
}

/* ---- sorting ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_devid(const struct row *a, const struct row *b)
{
	return compare_u64(a->devid, b->devid);
}

static int by_pstart(const struct row *a, const struct row *b)
{
	return compare_u64(a->physical, b->physical);
}

static int by_lstart(const struct row *a, const struct row *b)
{
	return compare_u64(a->logical, b->logical);
}

static int by_length(const struct row *a, const struct row *b)
{
	return compare_u64(a->len_bytes, b->len_bytes);
}

static int by_usage(const struct row *a, const struct row *b)
{
	double left = (double)a->used_bytes / (double)a->len_bytes;
	double right = (double)b->used_bytes / (double)b->len_bytes;

	return left < right ? -1 : left > right;
}

typedef int (*row_compare)(const struct row *a, const struct row *b);

static const struct {
	const char *name;
	row_compare compare;
} sort_keys[] = {
	{ "devid", by_devid }, { "pstart", by_pstart }, { "lstart", by_lstart },
	{ "usage", by_usage }, { "length", by_length },
};

struct row_order {
	row_compare keys[SORT_KEYS_MAX + 2]; /* ends with devid and pstart: a whole order */
	unsigned nr;
};

static int compare_rows(const void *a, const void *b, void *ctx)
{
	const struct row_order *order = ctx;
	int result = 0;

	for (unsigned i = 0; !result && i < order->nr; i++)
		result = order->keys[i](a, b);
	return result;
}

static void order_end(struct row_order *order)
{
	order->keys[order->nr++] = by_devid;
	order->keys[order->nr++] = by_pstart;
}

static int order_parse(const char *text, struct row_order *order)
{
	order->nr = 0;
	for (;;) {
		size_t len = strcspn(text, ","), i = 0;

		while (i < ARRAY_LEN(sort_keys) && (strlen(sort_keys[i].name) != len ||
						    strncmp(sort_keys[i].name, text, len) != 0))
			i++;
		if (i == ARRAY_LEN(sort_keys))
			return cli_error("unknown sort key: %.*s", (int)len, text);
		if (order->nr == SORT_KEYS_MAX)
			return cli_error("option --sort: more than %d keys", SORT_KEYS_MAX);
		order->keys[order->nr++] = sort_keys[i].compare;
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

static void rows_sort(struct chunk_rows *rows, struct row_order order)
{
	order_end(&order);
	if (rows->nr)
		qsort_r(rows->rows, rows->nr, sizeof(*rows->rows), compare_rows, &order);
}

/* By place on each device, and by logical address. */
static void rows_number(struct chunk_rows *rows)
{
	uint64_t nr = 0;

	rows_sort(rows, (struct row_order){ .keys = { by_devid, by_lstart }, .nr = 2 });
	for (size_t i = 0; i < rows->nr; i++) {
		nr = i && rows->rows[i].devid == rows->rows[i - 1].devid ? nr + 1 : 1;
		rows->rows[i].nr_logical = nr;
	}
	rows_sort(rows, (struct row_order){ .nr = 0 });
	for (size_t i = 0; i < rows->nr; i++) {
		nr = i && rows->rows[i].devid == rows->rows[i - 1].devid ? nr + 1 : 1;
		rows->rows[i].nr_physical = nr;
	}
}

/* ---- output ---- */

static int rows_json(struct question *question, const struct chunk_rows *rows)
{
	struct json *json = &question->out.json;

	json_out_begin(&question->out);
	json_array_begin(json, "list-chunks");
	for (size_t i = 0; i < rows->nr; i++) {
		const struct row *row = &rows->rows[i];

		json_object_begin(json, NULL);
		json_number(json, "devid", row->devid);
		json_number(json, "pnumber", row->nr_physical);
		json_text(json, "type", ubtrfs_space_type(row->flags));
		json_text(json, "profile", ubtrfs_space_profile(row->flags));
		json_number(json, "pstart", row->physical);
		json_number(json, "length", row->len_bytes);
		json_number(json, "lnumber", row->nr_logical);
		json_number(json, "lstart", row->logical);
		json_number(json, "used", row->used_bytes);
		json_end(json);
		json_out_pass(&question->out);
	}
	return json_out_end(&question->out);
}

static void row_text(struct text_table *table, unsigned at, const struct row *row,
		     const struct size_units *units)
{
	char text[UNITS_TEXT_MAX];

	text_table_set(table, 0, at, ">%llu", (unsigned long long)row->devid);
	text_table_set(table, 1, at, ">%llu", (unsigned long long)row->nr_physical);
	text_table_set(table, 2, at, ">%10s/%-6s", ubtrfs_space_type(row->flags),
		       ubtrfs_space_profile(row->flags));
	text_table_set(table, 3, at, ">%s", size_units_text(units, row->physical, text));
	text_table_set(table, 4, at, ">%s", size_units_text(units, row->len_bytes, text));
	text_table_set(table, 5, at, ">%s",
		       size_units_text(units, row->physical + row->len_bytes, text));
	text_table_set(table, 6, at, ">%llu", (unsigned long long)row->nr_logical);
	text_table_set(table, 7, at, ">%s", size_units_text(units, row->logical, text));
	text_table_set(table, 8, at, ">%6.2f",
		       (double)((float)row->used_bytes / (float)row->len_bytes * 100));
}

static int rows_text(struct question *question, const struct chunk_rows *rows)
{
	static const char *const titles[] = { "Devid",	 "PNumber", "Type/profile",
					      "PStart",	 "Length",  "PEnd",
					      "LNumber", "LStart",  "Usage%" };
	struct text_table table;
	int code;

	if (text_table_init(&table, ARRAY_LEN(titles), (unsigned)rows->nr + 2) < 0)
		return cli_error("%s", ubtrfs_error_text());
	for (unsigned i = 0; i < ARRAY_LEN(titles); i++) {
		text_table_set(&table, i, 0, ">%s", titles[i]);
		text_table_set(&table, i, 1, "*-");
	}
	for (size_t i = 0; i < rows->nr; i++)
		row_text(&table, (unsigned)i + 2, &rows->rows[i], &question->units);
	code = text_table_print(&table);
	text_table_fini(&table);
	return code;
}

static int answer_chunks(struct question *question, void *ctx, int argc, char **argv)
{
	const struct row_order *order = ctx;
	struct chunk_rows rows = { 0 };
	struct ubtrfs_node node;
	int code;

	if (argc - optind != 1)
		return cli_error("list-chunks: one image is needed (see --help)");
	if (image_view_find_any(&question->view, argv[optind], &node))
		return 1;
	if (ubtrfs_chunk_each(question->view.fs, add_rows, &rows) < 0) {
		code = cli_error("%s", ubtrfs_error_text());
	} else {
		rows_number(&rows);
		rows_sort(&rows, *order);
		code = question->out.wanted ? rows_json(question, &rows) :
					      rows_text(question, &rows);
	}
	mem_free(rows.rows);
	return code;
}

enum { OPTION_SORT = 0x500, OPTION_ID };

static int chunks_option(struct question *question, void *ctx, int option)
{
	(void)question;
	return option == OPTION_SORT ? order_parse(optarg, ctx) : -1;
}

int cmd_list_chunks(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "sort", required_argument, NULL, OPTION_SORT },
		UNITS_LONG_OPTIONS,
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = chunks_help,
						   .short_options = ":D:",
						   .long_options = long_options,
						   .units = true,
						   .option = chunks_option,
						   .answer = answer_chunks };
	struct row_order order = { .nr = 0 };

	return question_run(&spec, &order, argc, argv);
}

/* ---- min-dev-size ---- */

static int answer_min_size(struct question *question, void *ctx, int argc, char **argv)
{
	const uint64_t *devid = ctx;
	char text[UNITS_TEXT_MAX];
	struct ubtrfs_node node;
	uint64_t bytes;

	if (argc - optind != 1)
		return cli_error("min-dev-size: one image is needed (see --help)");
	if (image_view_find_any(&question->view, argv[optind], &node))
		return 1;
	if (ubtrfs_min_device_size(question->view.fs, *devid, &bytes) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (!question->out.wanted) {
		printf("%llu bytes (%s)\n", (unsigned long long)bytes,
		       size_units_text(&question->units, bytes, text));
		return 0;
	}
	json_out_begin(&question->out);
	json_object_begin(&question->out.json, "min-dev-size");
	json_number(&question->out.json, "devid", *devid);
	json_number(&question->out.json, "size", bytes);
	return json_out_end(&question->out);
}

static int min_size_option(struct question *question, void *ctx, int option)
{
	uint64_t *devid = ctx;

	(void)question;
	if (option != OPTION_ID)
		return -1;
	return number_parse(optarg, devid) < 0 ?
		       cli_error("option --id: '%s' is no number", optarg) :
		       0;
}

int cmd_min_dev_size(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "id", required_argument, NULL, OPTION_ID },
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = min_size_help,
						   .short_options = ":D:",
						   .long_options = long_options,
						   .option = min_size_option,
						   .answer = answer_min_size };
	uint64_t devid = 1;

	return question_run(&spec, &devid, argc, argv);
}
