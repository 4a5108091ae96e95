/*
 * `ubtrfs filesystem usage`: overall, by type and profile, by device.
 *
 * "Raw" counts copies and parity, as devices do; the rest is logical. The estimates follow
 * btrfs-progs.
 */
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/strbuf.h"
#include "cli/filesystem.h"
#include "cli/text_table.h"

/* Less than this does not become a chunk. */
#define UNALLOCATED_MIN (16 * MIB)
#define MIXED (BTRFS_BLOCK_GROUP_DATA | BTRFS_BLOCK_GROUP_METADATA)

static const char usage_help[] =
	"usage: ubtrfs filesystem usage [-T] IMAGE|MOUNT...\n"
	"\n"
	"Print where the space of a filesystem is.\n"
	"\n"
	"  -T                    devices and profiles as a table\n" UNITS_SHORT_HELP UNITS_HELP
		QUESTION_HELP;

struct overall {
	uint64_t size, allocated, missing, slack, used;
	uint64_t data_raw, data_raw_used, data_total;
	uint64_t metadata_raw, metadata_total;
	double data_ratio, metadata_ratio;
	uint64_t free_estimated, free_min;
	bool mixed;
};

static uint64_t slack_of(const struct usage_device *device)
{
	return device->size_bytes > device->total_bytes ? device->size_bytes - device->total_bytes :
							  0;
}

static void add_devices(const struct usage_facts *facts, struct overall *all)
{
	for (unsigned i = 0; i < facts->nr_devices; i++) {
		const struct usage_device *device = &facts->devices[i];

		all->size += device->total_bytes;
		all->slack += slack_of(device);
		if (!device->path)
			all->missing += device->total_bytes;
	}
}

/*
 * What a space uses on devices: its copies; with parity, of each device the part that is used of
 * the whole, in whole bytes.
 */
static uint64_t raw_used_of(const struct usage_facts *facts, unsigned i)
{
	const struct ubtrfs_space *space = &facts->spaces[i];
	unsigned nr_parity, copies = ubtrfs_profile_copies(space->flags, &nr_parity);
	double part = (double)space->used_bytes / (double)MAX(space->total_bytes, 1u);
	uint64_t used = 0;

	if (!nr_parity)
		return space->used_bytes * copies;
	for (unsigned j = 0; j < facts->nr_devices; j++)
		used = (uint64_t)((double)used + (double)facts->devices[j].allocated[i] * part);
	return used;
}

static void add_space(const struct usage_facts *facts, unsigned i, struct overall *all)
{
	const struct ubtrfs_space *space = &facts->spaces[i];
	uint64_t raw = facts->raw_bytes[i], raw_used = raw_used_of(facts, i);

	all->allocated += raw;
	all->used += raw_used;
	if (space->flags & BTRFS_BLOCK_GROUP_DATA) {
		all->data_raw += raw;
		all->data_raw_used += raw_used;
		all->data_total += space->total_bytes;
	}
	if (space->flags & BTRFS_BLOCK_GROUP_METADATA) {
		all->metadata_raw += raw;
		all->metadata_total += space->total_bytes;
	}
	all->mixed |= (space->flags & MIXED) == MIXED;
}

static double ratio_max(const struct usage_facts *facts)
{
	double max = 1.0;

	for (unsigned i = 0; i < facts->nr_spaces; i++)
		if (facts->spaces[i].total_bytes)
			max = MAX(max, (double)facts->raw_bytes[i] /
					       (double)facts->spaces[i].total_bytes);
	return max;
}

static void overall_reckon(const struct usage_facts *facts, struct overall *all)
{
	uint64_t unused;

	*all = (struct overall){ 0 };
	add_devices(facts, all);
	for (unsigned i = 0; i < facts->nr_spaces; i++)
		add_space(facts, i, all);
	all->data_ratio = all->data_total ? (double)all->data_raw / (double)all->data_total : 1.0;
	all->metadata_ratio = all->mixed ? all->data_ratio :
			      all->metadata_total ?
					   (double)all->metadata_raw / (double)all->metadata_total :
					   1.0;
	all->free_estimated =
		(uint64_t)((double)(all->data_raw - all->data_raw_used) / all->data_ratio);
	if (all->mixed)
		all->free_estimated -= MIN(facts->reserve_bytes, all->free_estimated);
	all->free_min = all->free_estimated;
	unused = all->size - MIN(all->size, all->allocated);
	if (unused >= UNALLOCATED_MIN) {
		all->free_estimated += (uint64_t)((double)unused / all->data_ratio);
		all->free_min += (uint64_t)((double)unused / ratio_max(facts));
	}
}

/* Types that have block groups of several profiles: "data metadata"; empty when there are none. */
static void several_profiles(const struct usage_facts *facts, struct strbuf *ret_text)
{
	static const struct {
		uint64_t type;
		const char *name;
	} types[] = {
		{ BTRFS_BLOCK_GROUP_DATA, "data" },
		{ BTRFS_BLOCK_GROUP_METADATA, "metadata" },
		{ MIXED, "data+metadata" },
		{ BTRFS_BLOCK_GROUP_SYSTEM, "system" },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		unsigned nr = 0;

		for (unsigned j = 0; j < facts->nr_spaces; j++)
			nr += (facts->spaces[j].flags & BTRFS_BLOCK_GROUP_TYPE_MASK) ==
			      types[i].type;
		if (nr > 1)
			strbuf_addf(ret_text, "%s%s", ret_text->len ? ", " : "", types[i].name);
	}
}

/* ---- text ---- */

static void overall_text(const struct question *question, const struct usage_facts *facts)
{
	const struct size_units *units = &question->units;
	bool human = !units->raw && !units->fixed && !units->si;
	char text[UNITS_TEXT_MAX], more[UNITS_TEXT_MAX];
	int width = human ? 10 : 18;
	struct strbuf several;
	struct overall all;

	overall_reckon(facts, &all);
	strbuf_init(&several);
	several_profiles(facts, &several);
	puts("Overall:");
	printf("    Device size:\t\t%*s\n", width, size_units_text(units, all.size, text));
	printf("    Device allocated:\t\t%*s\n", width,
	       size_units_text(units, all.allocated, text));
	printf("    Device unallocated:\t\t%*s\n", width,
	       size_units_signed(units, (int64_t)(all.size - all.allocated), text));
	printf("    Device missing:\t\t%*s\n", width, size_units_text(units, all.missing, text));
	printf("    Device slack:\t\t%*s\n", width, size_units_text(units, all.slack, text));
	printf("    Used:\t\t\t%*s\n", width, size_units_text(units, all.used, text));
	printf("    Free (estimated):\t\t%*s\t(min: %s)\n", width,
	       size_units_text(units, all.free_estimated, text),
	       size_units_text(units, all.free_min, more));
	printf("    Free (statfs, df):\t\t%*s\n", width,
	       size_units_text(units, facts->available_bytes, text));
	printf("    Data ratio:\t\t\t%*.2f\n", width, all.data_ratio);
	printf("    Metadata ratio:\t\t%*.2f\n", width, all.metadata_ratio);
	printf("    Global reserve:\t\t%*s\t(used: %s)\n", width,
	       size_units_text(units, facts->reserve_bytes, text), size_units_text(units, 0, more));
	printf("    Multiple profiles:\t\t%*s", width, several.len ? "yes" : "no");
	if (several.len)
		printf("\t(%s)", strbuf_text(&several));
	putchar('\n');
	strbuf_fini(&several);
}

static const char *device_name(const struct usage_device *device)
{
	return device->path ? device->path : "missing";
}

static uint64_t device_allocated(const struct usage_facts *facts, const struct usage_device *device)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < facts->nr_spaces; i++)
		sum += device->allocated[i];
	return sum;
}

static void linear_text(const struct question *question, const struct usage_facts *facts)
{
	const struct size_units *units = &question->units;
	char text[UNITS_TEXT_MAX], more[UNITS_TEXT_MAX];

	for (unsigned i = 0; i < facts->nr_spaces; i++) {
		const struct ubtrfs_space *space = &facts->spaces[i];

		printf("\n%s,%s: Size:%s, Used:%s (%.2f%%)\n", ubtrfs_space_type(space->flags),
		       ubtrfs_space_profile(space->flags),
		       size_units_text(units, space->total_bytes, text),
		       size_units_text(units, space->used_bytes, more),
		       (double)(100.0f * (float)space->used_bytes /
				(float)(space->total_bytes + 1)));
		for (unsigned j = 0; j < facts->nr_devices; j++)
			if (facts->devices[j].allocated[i])
				printf("   %s\t%10s\n", device_name(&facts->devices[j]),
				       size_units_text(units, facts->devices[j].allocated[i],
						       text));
	}
	puts("\nUnallocated:");
	for (unsigned j = 0; j < facts->nr_devices; j++) {
		const struct usage_device *device = &facts->devices[j];

		printf("   %s\t%10s\n", device_name(device),
		       size_units_signed(
			       units,
			       (int64_t)(device->total_bytes - device_allocated(facts, device)),
			       text));
	}
}

/* Columns: id, path, each space, unallocated, total, slack. */
#define FIRST_SPACE 2u
#define HEAD_ROWS 3u

static void table_head(struct text_table *table, const struct usage_facts *facts)
{
	unsigned last = FIRST_SPACE + facts->nr_spaces;

	text_table_set(table, 0, 1, "<Id");
	text_table_set(table, 1, 1, "<Path");
	for (unsigned i = 0; i < facts->nr_spaces; i++) {
		text_table_set(table, FIRST_SPACE + i, 0, "<%s",
			       ubtrfs_space_type(facts->spaces[i].flags));
		text_table_set(table, FIRST_SPACE + i, 1, "<%s",
			       ubtrfs_space_profile(facts->spaces[i].flags));
	}
	text_table_set(table, last, 1, "<Unallocated");
	text_table_set(table, last + 1, 1, "<Total");
	text_table_set(table, last + 2, 1, "<Slack");
	for (unsigned column = 0; column < table->nr_columns; column++) {
		text_table_set(table, column, HEAD_ROWS - 1, "*-");
		text_table_set(table, column, HEAD_ROWS + facts->nr_devices, "*-");
	}
}

static void table_cell(struct text_table *table, unsigned column, unsigned row, uint64_t bytes,
		       const struct size_units *units, bool dash)
{
	char text[UNITS_TEXT_MAX];

	if (dash && !bytes)
		text_table_set(table, column, row, ">-");
	else
		text_table_set(table, column, row, ">%s",
			       size_units_signed(units, (int64_t)bytes, text));
}

static void table_body(struct text_table *table, const struct usage_facts *facts,
		       const struct size_units *units)
{
	unsigned last = FIRST_SPACE + facts->nr_spaces, foot = HEAD_ROWS + facts->nr_devices + 1;
	uint64_t unallocated = 0, total = 0, slack = 0;

	for (unsigned j = 0; j < facts->nr_devices; j++) {
		const struct usage_device *device = &facts->devices[j];
		uint64_t rest = device->total_bytes - device_allocated(facts, device);
		unsigned row = HEAD_ROWS + j;

		text_table_set(table, 0, row, ">%llu", (unsigned long long)device->devid);
		text_table_set(table, 1, row, "<%s", device_name(device));
		for (unsigned i = 0; i < facts->nr_spaces; i++)
			table_cell(table, FIRST_SPACE + i, row, device->allocated[i], units, true);
		table_cell(table, last, row, rest, units, false);
		table_cell(table, last + 1, row, device->total_bytes, units, false);
		table_cell(table, last + 2, row, slack_of(device), units, true);
		unallocated += rest;
		total += device->total_bytes;
		slack += slack_of(device);
	}
	text_table_set(table, 1, foot, "<Total");
	text_table_set(table, 1, foot + 1, "<Used");
	for (unsigned i = 0; i < facts->nr_spaces; i++) {
		table_cell(table, FIRST_SPACE + i, foot, facts->spaces[i].total_bytes, units,
			   false);
		table_cell(table, FIRST_SPACE + i, foot + 1, facts->spaces[i].used_bytes, units,
			   false);
	}
	table_cell(table, last, foot, unallocated, units, false);
	table_cell(table, last + 1, foot, total, units, false);
	table_cell(table, last + 2, foot, slack, units, false);
}

static int tabular_text(const struct question *question, const struct usage_facts *facts)
{
	struct text_table table;
	int code;

	if (text_table_init(&table, FIRST_SPACE + facts->nr_spaces + 3,
			    HEAD_ROWS + facts->nr_devices + 3) < 0)
		return cli_error("%s", ubtrfs_error_text());
	table_head(&table, facts);
	table_body(&table, facts, &question->units);
	putchar('\n');
	code = text_table_print(&table);
	text_table_fini(&table);
	return code;
}

/* ---- json ---- */

static void spaces_json(struct json *json, const struct usage_facts *facts)
{
	json_array_begin(json, "spaces");
	for (unsigned i = 0; i < facts->nr_spaces; i++) {
		json_object_begin(json, NULL);
		json_text(json, "bg-type", ubtrfs_space_type(facts->spaces[i].flags));
		json_text(json, "bg-profile", ubtrfs_space_profile(facts->spaces[i].flags));
		json_number(json, "total", facts->spaces[i].total_bytes);
		json_number(json, "used", facts->spaces[i].used_bytes);
		json_number(json, "raw", facts->raw_bytes[i]);
		json_array_begin(json, "devices");
		for (unsigned j = 0; j < facts->nr_devices; j++) {
			if (!facts->devices[j].allocated[i])
				continue;
			json_object_begin(json, NULL);
			json_number(json, "devid", facts->devices[j].devid);
			json_number(json, "allocated", facts->devices[j].allocated[i]);
			json_end(json);
		}
		json_end(json);
		json_end(json);
	}
	json_end(json);
}

static void usage_json(struct json *json, const char *image, const struct usage_facts *facts)
{
	struct overall all;

	overall_reckon(facts, &all);
	json_object_begin(json, NULL);
	json_bytes(json, "image", image, strlen(image));
	json_number(json, "device-size", all.size);
	json_number(json, "device-allocated", all.allocated);
	json_signed(json, "device-unallocated", (int64_t)(all.size - all.allocated));
	json_number(json, "device-missing", all.missing);
	json_number(json, "device-slack", all.slack);
	json_number(json, "used", all.used);
	json_number(json, "free-estimated", all.free_estimated);
	json_number(json, "free-min", all.free_min);
	json_number(json, "free-statfs", facts->available_bytes);
	json_number(json, "global-reserve", facts->reserve_bytes);
	spaces_json(json, facts);
	json_array_begin(json, "devices");
	for (unsigned j = 0; j < facts->nr_devices; j++) {
		const struct usage_device *device = &facts->devices[j];

		json_object_begin(json, NULL);
		json_number(json, "devid", device->devid);
		if (device->path)
			json_bytes(json, "path", device->path, strlen(device->path));
		json_bool(json, "missing", !device->path);
		json_number(json, "size", device->total_bytes);
		json_number(json, "allocated", device_allocated(facts, device));
		json_number(json, "slack", slack_of(device));
		json_end(json);
	}
	json_end(json);
	json_end(json);
}

/* ---- the command ---- */

static int tell_usage(struct question *question, const char *argument, bool tabular)
{
	struct usage_facts facts = { 0 };
	int code = question_open(question, argument);

	if (code)
		return code;
	code = usage_facts_read(&question->source, &facts);
	if (!code && question->out.wanted) {
		usage_json(&question->out.json, argument, &facts);
	} else if (!code) {
		overall_text(question, &facts);
		if (tabular)
			code = tabular_text(question, &facts);
		else
			linear_text(question, &facts);
	}
	usage_facts_release(&facts);
	return code;
}

static int usage_option(struct question *question, void *ctx, int option)
{
	bool *tabular = ctx;

	(void)question;
	if (option != 'T')
		return -1;
	*tabular = true;
	return 0;
}

static int answer_usage(struct question *question, void *ctx, int argc, char **argv)
{
	const bool *tabular = ctx;
	int code = 0;

	argc = image_default_here(argc, argv);
	if (optind == argc)
		return cli_error("usage: no image given (see --help)");
	if (question->out.wanted) {
		json_out_begin(&question->out);
		json_array_begin(&question->out.json, "filesystem-usage");
	}
	for (int i = optind; i < argc; i++) {
		if (i > optind && !question->out.wanted)
			putchar('\n');
		code |= tell_usage(question, argv[i], *tabular);
	}
	return question->out.wanted ? code | json_out_end(&question->out) : code;
}

int cmd_filesystem_usage(int argc, char **argv)
{
	static const struct option long_options[] = {
		UNITS_LONG_OPTIONS,
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = usage_help,
						   .short_options = ":D:T" UNITS_SHORT_OPTIONS,
						   .long_options = long_options,
						   .units = true,
						   .unit_letters = true,
						   .option = usage_option,
						   .answer = answer_usage };
	bool tabular = false;

	return question_run(&spec, &tabular, argc, argv);
}
