/*
 * What was lost and why: as text at the end, and as JSON while it happens.
 *
 * The text is kept up to TEXT_MAX_BYTES, the JSON passes through; so neither grows with the damage.
 * Owns the file of the JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/restore.h"

#define TEXT_MAX_BYTES ((size_t)4 << 20)
#define TEXT_RANGES_MAX 8u

static const struct {
	unsigned bit;
	const char *name, *text;
} states[] = {
	{ UBTRFS_RESCUE_OLDER, "older", "perhaps of an older state" },
	{ UBTRFS_RESCUE_GAP, "gap", "a tree block that may have held more of it is gone" },
	{ UBTRFS_RESCUE_NO_INODE, "no-inode", "its inode is gone" },
	{ UBTRFS_RESCUE_BAD_DATA, "bad-data", "bytes of it are lost" },
	{ UBTRFS_RESCUE_UNVERIFIED, "unverified", "without checksums" },
};

/* "older state, wrong checksum" */
static void restore_state_text(unsigned state, struct strbuf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (!(state & states[i].bit))
			continue;
		strbuf_addf(out, "%s%s", comma, states[i].text);
		comma = ", ";
	}
}

static void json_pass(struct restore_report *report)
{
	if (strbuf_status(&report->json_text) < 0 ||
	    fwrite(strbuf_text(&report->json_text), 1, report->json_text.len, report->json_file) !=
		    report->json_text.len)
		report->failed = true;
	strbuf_clear(&report->json_text);
}

int restore_report_begin(struct restore_report *report, const char *command, const char *path,
			 uint64_t generation)
{
	if (!path)
		return 0;
	report->json_is_stdout = strcmp(path, "-") == 0;
	report->json_file = report->json_is_stdout ? stdout : fopen(path, "we");
	if (!report->json_file)
		return cli_error("cannot write %s: %s", path, strerror(errno));
	json_init(&report->json, &report->json_text);
	json_object_begin(&report->json, NULL);
	json_object_begin(&report->json, "__header");
	json_text(&report->json, "version", "1");
	json_end(&report->json);
	json_object_begin(&report->json, command);
	json_number(&report->json, "generation", generation);
	json_array_begin(&report->json, "lost");
	json_pass(report);
	return 0;
}

static void loss_json(struct restore_report *report, const struct restore_loss *loss)
{
	struct json *json = &report->json;

	json_object_begin(json, NULL);
	json_bytes(json, "path", loss->path, strlen(loss->path));
	json_number(json, "subvolid", loss->node.subvolid);
	json_number(json, "inode", loss->node.ino);
	json_bool(json, "restored", !loss->is_lost);
	json_array_begin(json, "state");
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (loss->state & states[i].bit)
			json_text(json, NULL, states[i].name);
	json_end(json);
	if (loss->why)
		json_text(json, "why", loss->why);
	json_number(json, "lost_bytes", loss->lost_bytes);
	json_number(json, "nr_ranges", loss->nr_ranges);
	json_array_begin(json, "ranges");
	for (unsigned i = 0; i < MIN(loss->nr_ranges, RESTORE_RANGES_MAX); i++) {
		json_object_begin(json, NULL);
		json_number(json, "offset", loss->ranges[i].offset);
		json_number(json, "length", loss->ranges[i].len_bytes);
		json_text(json, "why", loss->ranges[i].why);
		json_end(json);
	}
	json_end(json);
	json_end(json);
	json_pass(report);
}

static void loss_text(struct strbuf *text, const struct restore_loss *loss)
{
	bool mask = isatty(STDOUT_FILENO);

	strbuf_add(text, "  ");
	/* As print_name does it. */
	for (const char *at = loss->path; *at; at++) {
		bool is_control = (unsigned char)*at < ' ' || *at == 0x7f;

		strbuf_add_bytes(text, is_control && mask ? "?" : at, 1);
	}
	strbuf_addf(text, ": %s", loss->is_lost ? "lost" : "damaged");
	if (loss->state) {
		strbuf_add(text, ": ");
		restore_state_text(loss->state, text);
	}
	if (loss->why)
		strbuf_addf(text, ": %s", loss->why);
	strbuf_add(text, "\n");
	for (unsigned i = 0; i < MIN(loss->nr_ranges, TEXT_RANGES_MAX); i++)
		strbuf_addf(text, "    bytes %" PRIu64 " to %" PRIu64 ": %s\n",
			    loss->ranges[i].offset,
			    loss->ranges[i].offset + loss->ranges[i].len_bytes - 1,
			    loss->ranges[i].why);
	if (loss->nr_ranges > TEXT_RANGES_MAX)
		strbuf_addf(text, "    and %u more ranges\n", loss->nr_ranges - TEXT_RANGES_MAX);
}

void restore_report_loss(struct restore_report *report, const struct restore_loss *loss)
{
	if (report->json_file)
		loss_json(report, loss);
	if (report->text.len >= TEXT_MAX_BYTES)
		report->nr_omitted++;
	else
		loss_text(&report->text, loss);
}

static void end_json(struct restore_report *report, const struct restore_counts *counts,
		     uint64_t blocks_lost)
{
	struct json *json = &report->json;

	json_end(json);
	json_object_begin(json, "summary");
	json_number(json, "files", counts->files);
	json_number(json, "directories", counts->dirs);
	json_number(json, "others", counts->others);
	json_number(json, "links", counts->links);
	json_number(json, "bytes", counts->bytes);
	json_number(json, "complete_before", counts->there);
	json_number(json, "left_alone", counts->left_alone);
	json_number(json, "damaged", counts->damaged);
	json_number(json, "lost", counts->lost);
	json_number(json, "unverified", counts->unverified);
	json_number(json, "snapshots_left_out", counts->snapshots);
	json_number(json, "refused", counts->refused);
	json_number(json, "tree_blocks_lost", blocks_lost);
	json_end(json);
	json_end(json);
	json_end(json);
	json_pass(report);
}

static void end_text(const struct restore_report *report, const struct restore_counts *counts,
		     uint64_t blocks_lost)
{
	char size[SIZE_TEXT_MAX];

	if (report->text.len)
		printf("Lost or damaged:\n%s", strbuf_text(&report->text));
	if (report->nr_omitted)
		printf("  and %" PRIu64 " more (--report FILE has all)\n", report->nr_omitted);
	printf("Restored %" PRIu64 " files (%s), %" PRIu64 " directories, %" PRIu64
	       " others, %" PRIu64 " further hard links.\n",
	       counts->files, size_text(counts->bytes, size), counts->dirs, counts->others,
	       counts->links);
	if (counts->there)
		printf("Complete before: %" PRIu64 " files.\n", counts->there);
	if (counts->left_alone)
		printf("Left alone, since they were there: %" PRIu64
		       " files (--overwrite replaces them).\n",
		       counts->left_alone);
	if (counts->snapshots)
		printf("Left out: %" PRIu64 " snapshots (--snapshots brings them).\n",
		       counts->snapshots);
	if (counts->unverified)
		printf("Without checksums to compare with: %" PRIu64 " files.\n",
		       counts->unverified);
	if (counts->refused)
		printf("Refused by the destination: %" PRIu64 ".\n", counts->refused);
	printf("Damaged: %" PRIu64 ", lost: %" PRIu64 ", tree blocks that are gone: %" PRIu64 ".\n",
	       counts->damaged, counts->lost, blocks_lost);
}

int restore_report_end(struct restore_report *report, const struct restore_counts *counts,
		       uint64_t blocks_lost)
{
	if (report->json_file)
		end_json(report, counts, blocks_lost);
	if (!report->json_is_stdout && !report->is_quiet)
		end_text(report, counts, blocks_lost);
	if (report->json_file && !report->json_is_stdout) {
		if (fclose(report->json_file) != 0)
			report->failed = true;
		report->json_file = NULL;
	}
	if (report->failed)
		return cli_error("the report could not be written as a whole");
	return cli_finish_output();
}

void restore_report_fini(struct restore_report *report)
{
	if (report->json_file && !report->json_is_stdout)
		fclose(report->json_file);
	strbuf_fini(&report->text);
	strbuf_fini(&report->json_text);
}
