/*
 * `ubtrfs inspect-internal tree-stats`.
 */
#include <stdio.h>

#include <ubtrfs/inspect.h>

#include "base/bytes.h"
#include "cli/inspect.h"
#include "cli/question.h"
#include "cli/tree_name.h"

/* A histogram has bars for twentieths of all seeks; fewer seeks make none. */
#define HISTOGRAM_PARTS 20u
#define BAR_MIN 2u

static const char stats_help[] =
	"usage: ubtrfs inspect-internal tree-stats [-b] [-t TREE] IMAGE\n"
	"\n"
	"Print how the blocks of the root, extent, checksum and top-level trees lie on the disk.\n"
	"\n"
	"  -b                    sizes in bytes\n"
	"  -t TREE               this tree only: a number, or a name as fs or extent\n" UNITS_HELP
		QUESTION_HELP;

static void print_size(const char *indent, const char *title, uint64_t bytes,
		       const struct size_units *units)
{
	char text[UNITS_TEXT_MAX];

	printf("%s%s: %s\n", indent, title, size_units_text(units, bytes, text));
}

/* ---- the histogram ---- */

static unsigned nr_digits(uint64_t number)
{
	unsigned digits = 1;

	while (number /= 10)
		digits++;
	return digits;
}

static void print_bar(int width, uint64_t first, uint64_t last, uint64_t nr, uint64_t part)
{
	printf("\t\t%*llu - %*llu: %*llu ", width, (unsigned long long)first, width,
	       (unsigned long long)last, width, (unsigned long long)nr);
	if (nr / part)
		for (uint64_t i = 0; i < nr / part; i++)
			putchar('#');
	else
		putchar('|');
	putchar('\n');
}

/*
 * Distances that came rarely stand together, until they are as many as a bar; the one that ends
 * such a group is not shown when it came rarely itself (btrfs-progs does so, and JSON has all).
 */
static void print_histogram(const struct ubtrfs_tree_stats *stats, uint64_t nr_seeks)
{
	uint64_t part = nr_seeks / HISTOGRAM_PARTS, first = 0, last = 0, nr = 0;
	int width;

	if (!part)
		return;
	width = (int)nr_digits(stats->seeks[stats->nr_seeks - 1].distance_bytes);
	puts("\tSeek histogram");
	for (size_t i = 0; i < stats->nr_seeks; i++) {
		const struct ubtrfs_seek *seek = &stats->seeks[i];

		if (seek->nr / part <= BAR_MIN && nr / part <= BAR_MIN) {
			first = nr ? first : seek->distance_bytes;
			last = seek->distance_bytes;
			nr += seek->nr;
			continue;
		}
		if (nr)
			print_bar(width, first, last, nr, part);
		nr = 0;
		if (seek->nr / part > BAR_MIN)
			print_bar(width, seek->distance_bytes, seek->distance_bytes, seek->nr,
				  part);
	}
	if (nr)
		print_bar(width, first, last, nr, part);
}

/* ---- a tree ---- */

static void stats_text(const struct ubtrfs_tree_stats *stats, const struct size_units *units)
{
	uint64_t nr_seeks = stats->nr_forward_seeks + stats->nr_backward_seeks;

	print_size("\t", "Total size", stats->total_bytes, units);
	print_size("\t\t", "Inline data", stats->inline_bytes, units);
	printf("\tTotal seeks: %llu\n", (unsigned long long)nr_seeks);
	printf("\t\tForward seeks: %llu\n", (unsigned long long)stats->nr_forward_seeks);
	printf("\t\tBackward seeks: %llu\n", (unsigned long long)stats->nr_backward_seeks);
	print_size("\t\t", "Avg seek len", nr_seeks ? stats->seek_bytes / nr_seeks : 0, units);
	print_histogram(stats, nr_seeks);
	printf("\tTotal clusters: %llu\n", (unsigned long long)MAX(stats->nr_clusters, 1u));
	print_size("\t\t", "Avg cluster size",
		   stats->nr_clusters ? stats->cluster_bytes / stats->nr_clusters : 0, units);
	print_size("\t\t", "Min cluster size", stats->min_cluster_bytes, units);
	print_size("\t\t", "Max cluster size", stats->max_cluster_bytes, units);
	print_size("\t", "Total disk spread", stats->spread_bytes, units);
	printf("\tTotal read time: %llu s %llu us\n",
	       (unsigned long long)(stats->elapsed_ns / 1000000000u),
	       (unsigned long long)(stats->elapsed_ns % 1000000000u / 1000));
	printf("\tLevels: %u\n", stats->nr_levels);
	printf("\tTotal nodes: %llu\n", (unsigned long long)stats->nr_nodes);
	for (unsigned i = 0; i < stats->nr_levels; i++) {
		printf("\t\tOn level %u: %8llu", i, (unsigned long long)stats->nr_at_level[i]);
		if (i)
			printf("  (avg fanout %llu)",
			       (unsigned long long)(stats->nr_at_level[i - 1] /
						    stats->nr_at_level[i]));
		putchar('\n');
	}
}

static void stats_json(struct json *json, uint64_t tree_id, const struct ubtrfs_tree_stats *stats)
{
	json_object_begin(json, NULL);
	json_number(json, "tree", tree_id);
	json_number(json, "total-size", stats->total_bytes);
	json_number(json, "inline-data", stats->inline_bytes);
	json_number(json, "forward-seeks", stats->nr_forward_seeks);
	json_number(json, "backward-seeks", stats->nr_backward_seeks);
	json_number(json, "total-seek-length", stats->seek_bytes);
	json_array_begin(json, "seeks");
	for (size_t i = 0; i < stats->nr_seeks; i++) {
		json_object_begin(json, NULL);
		json_number(json, "distance", stats->seeks[i].distance_bytes);
		json_number(json, "count", stats->seeks[i].nr);
		json_end(json);
	}
	json_end(json);
	json_number(json, "total-clusters", stats->nr_clusters);
	json_number(json, "total-cluster-size", stats->cluster_bytes);
	json_number(json, "min-cluster-size", stats->min_cluster_bytes);
	json_number(json, "max-cluster-size", stats->max_cluster_bytes);
	json_number(json, "disk-spread", stats->spread_bytes);
	json_number(json, "read-time-ns", stats->elapsed_ns);
	json_number(json, "total-nodes", stats->nr_nodes);
	json_array_begin(json, "levels");
	for (unsigned i = 0; i < stats->nr_levels; i++)
		json_number(json, NULL, stats->nr_at_level[i]);
	json_end(json);
	json_end(json);
}

static int tell_tree(struct question *question, uint64_t tree_id, const char *name)
{
	struct ubtrfs_tree_stats stats;

	if (ubtrfs_tree_stats(question->view.fs, tree_id, &stats) < 0)
		return cli_error("%s", ubtrfs_error_text());
	if (question->out.wanted) {
		stats_json(&question->out.json, tree_id, &stats);
		json_out_pass(&question->out);
	} else {
		if (name)
			printf("Calculating size of %s tree\n", name);
		else
			printf("Calculating size of tree (%llu)\n", (unsigned long long)tree_id);
		stats_text(&stats, &question->units);
	}
	ubtrfs_tree_stats_free(&stats);
	return 0;
}

static int tell_trees(struct question *question, uint64_t tree_id)
{
	static const struct {
		uint64_t id;
		const char *name;
	} trees[] = { { 1, "root" }, { 2, "extent" }, { 7, "csum" }, { 5, "fs" } };
	int code = 0;

	if (tree_id)
		return tell_tree(question, tree_id, NULL);
	for (size_t i = 0; i < ARRAY_LEN(trees); i++)
		code |= tell_tree(question, trees[i].id, trees[i].name);
	return code;
}

static int answer_stats(struct question *question, void *ctx, int argc, char **argv)
{
	const uint64_t *tree_id = ctx;
	struct ubtrfs_node node;
	int code;

	if (argc - optind != 1)
		return cli_error("tree-stats: one image is needed (see --help)");
	if (image_view_find_any(&question->view, argv[optind], &node))
		return 1;
	if (!question->out.wanted)
		return tell_trees(question, *tree_id);
	json_out_begin(&question->out);
	json_array_begin(&question->out.json, "tree-stats");
	code = tell_trees(question, *tree_id);
	return code | json_out_end(&question->out);
}

static int stats_option(struct question *question, void *ctx, int option)
{
	uint64_t *tree_id = ctx;

	if (option == 'b')
		question->units.raw = true;
	else if (option == 't' && (tree_name_parse(optarg, tree_id) < 0 || !*tree_id))
		return cli_error("option -t: '%s' is neither a number nor a tree's name", optarg);
	return option == 'b' || option == 't' ? 0 : -1;
}

int cmd_tree_stats(int argc, char **argv)
{
	static const struct option long_options[] = {
		UNITS_LONG_OPTIONS,
		QUESTION_LONG_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	static const struct question_spec spec = { .help = stats_help,
						   .short_options = ":D:bt:",
						   .long_options = long_options,
						   .units = true,
						   .option = stats_option,
						   .answer = answer_stats };
	uint64_t tree_id = 0;

	return question_run(&spec, &tree_id, argc, argv);
}
