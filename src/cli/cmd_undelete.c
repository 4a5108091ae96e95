/*
 * `ubtrfs undelete`: what older states of a filesystem still have and the current one does not.
 *
 * Each generation in which a subvolume was written is a state; from the newest back, its directory
 * is walked beside the current one. A name that is not in the current directory, and whose inode
 * lives nowhere else under the same birth, was deleted. A file is taken from the newest state that
 * has it whole; until one does, what an older state has better replaces it. Bounded by
 * GENERATIONS_MAX states and OUTCOMES_MAX files.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/entry_list.h"
#include "cli/image_path.h"
#include "cli/restore.h"

#define SUBVOLUME_TOP 5u
#define GENERATIONS_MAX 256u
#define OUTCOMES_MAX ((size_t)4000000)
#define SUBVOLUMES_MAX 4096u

enum { OPTION_LIST = 0x400, OPTION_GENERATION, OPTION_FORMAT, OPTION_REPORT };

/* How well a file was brought out, by its path. */
struct outcome {
	struct hash_node hash;
	unsigned state;
};

/* A subvolume to look through, and where it lies. */
struct place {
	struct ubtrfs_node dir;
	char *path; /* in the output; owned */
};

struct undelete {
	struct image_view view;
	struct restore restore;
	struct ubtrfs_rescue *now, *then;
	bool list, json;
	const char *report;
	uint64_t only_generation;
	struct hash_table outcomes;
	uint64_t generations[GENERATIONS_MAX];
	unsigned nr_generations;
	struct place *places; /* owned */
	unsigned nr_places;
	struct ubtrfs_time then_time;
	uint64_t nr_listed;
	struct strbuf json_out;
	struct json json_rows;
};

static const char help_text[] =
	"usage: ubtrfs undelete [OPTIONS] IMAGE:/PATH DIR\n"
	"       ubtrfs undelete --list [OPTIONS] IMAGE:/PATH\n"
	"\n"
	"Bring out files and subvolumes that were deleted at or below a path, as long as their blocks\n"
	"have not been written over: from older roots of trees. File contents are compared with the\n"
	"checksums of that state. The image is not changed.\n"
	"\n"
	"      --list            print what could be brought out: generation, time, state, size, path\n"
	"      --generation N    look at this generation only (the newest state up to it)\n"
	"  -o, --overwrite       replace files that are in DIR already\n"
	"  -v, --verbose         name each file\n"
	"      --format json     the list, or what is damaged, as JSON on standard output\n"
	"      --report FILE     what is damaged as JSON into a file\n" IMAGE_HELP
	"      --help            print this\n"
	"\n"
	"Exit status: 0 something was found and all of it is whole; 1 otherwise.\n";

/* ---- names in one state ---- */

static bool same_kind(const struct ubtrfs_dirent *a, const struct ubtrfs_dirent *b)
{
	return a->is_subvolume == b->is_subvolume && a->node.subvolid == b->node.subvolid &&
	       a->node.ino == b->node.ino;
}

/* Follows names from a directory; ret_dir is the last that was found, ret_rest what is behind it. */
static int resolve(struct ubtrfs_rescue *rescue, struct ubtrfs_node from, const char *path,
		   struct ubtrfs_dirent *ret_entry)
{
	*ret_entry = (struct ubtrfs_dirent){ .node = from, .type = 2 };
	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");
		int err = ubtrfs_rescue_lookup(rescue, ret_entry->node, path, len, ret_entry);

		if (err < 0)
			return err;
		path += len;
	}
	return 0;
}

/* Does what this entry of the older state names live on in the current one? */
static bool lives_on(struct undelete *undelete, const struct ubtrfs_dirent *entry)
{
	struct ubtrfs_rescue_subvolume subvol;
	struct ubtrfs_attr then, now;
	unsigned state;

	if (entry->is_subvolume)
		return ubtrfs_rescue_subvolume(undelete->now, entry->node.subvolid, &subvol) == 0 &&
		       !subvol.is_deleted;
	if (ubtrfs_rescue_getattr(undelete->then, entry->node, &then, &state) < 0)
		return true; /* nothing of it is there to bring out */
	if (ubtrfs_rescue_getattr(undelete->now, entry->node, &now, &state) < 0)
		return false;
	return (state & UBTRFS_RESCUE_NO_INODE) ||
	       (now.generation == then.generation && now.nlink > 0);
}

/* ---- one file ---- */

static int nothing_data(void *ctx, uint64_t offset, const void *data, size_t len)
{
	(void)ctx, (void)offset, (void)data, (void)len;
	return 0;
}

static int nothing_lost(void *ctx, uint64_t offset, uint64_t len, const char *why)
{
	(void)ctx, (void)offset, (void)len, (void)why;
	return 0;
}

/* Reads all of it, for nothing but the state. */
static unsigned file_state(struct undelete *undelete, const struct ubtrfs_attr *attr)
{
	const struct ubtrfs_rescue_sink sink = { .data = nothing_data, .lost = nothing_lost };
	unsigned state = 0;
	uint64_t end;

	if (!S_ISREG(attr->mode) && !S_ISLNK(attr->mode))
		return 0;
	if (ubtrfs_rescue_read(undelete->then, attr->node, &sink, &end, &state) < 0)
		return UBTRFS_RESCUE_BAD_DATA;
	return state;
}

static const char *state_word(unsigned state)
{
	if (state & UBTRFS_RESCUE_BAD_DATA)
		return "damaged";
	if (state & (UBTRFS_RESCUE_GAP | UBTRFS_RESCUE_NO_INODE))
		return "incomplete";
	if (state & UBTRFS_RESCUE_OLDER)
		return "uncertain";
	return state & UBTRFS_RESCUE_UNVERIFIED ? "unverified" : "verified";
}

/* The lower the better. */
static unsigned state_rank(unsigned state)
{
	return (state & UBTRFS_RESCUE_BAD_DATA ? 8 : 0) |
	       (state & (UBTRFS_RESCUE_GAP | UBTRFS_RESCUE_NO_INODE) ? 4 : 0) |
	       (state & UBTRFS_RESCUE_OLDER ? 2 : 0) | (state & UBTRFS_RESCUE_UNVERIFIED ? 1 : 0);
}

static uint64_t text_hash(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	while (*text)
		hash = (hash ^ (uint8_t)*text++) * 0x100000001b3ULL;
	return hash;
}

/* A newer generation had it whole. */
static bool outcome_is_whole(const struct undelete *undelete, const char *path)
{
	struct hash_node *node = hash_find(&undelete->outcomes, text_hash(path));

	return node && !state_rank(hash_entry(node, struct outcome, hash)->state);
}

/* Is this state of the file better than what a newer generation had? It is remembered then. */
static bool outcome_better(struct undelete *undelete, const char *path, unsigned state,
			   bool *ret_replaces)
{
	struct hash_node *node = hash_find(&undelete->outcomes, text_hash(path));
	struct outcome *outcome = node ? hash_entry(node, struct outcome, hash) : NULL;

	*ret_replaces = outcome != NULL;
	if (outcome && state_rank(outcome->state) <= state_rank(state))
		return false;
	if (!outcome) {
		outcome = undelete->outcomes.nr < OUTCOMES_MAX ? mem_zalloc(sizeof(*outcome)) :
								 NULL;
		if (!outcome)
			return true;
		hash_insert(&undelete->outcomes, &outcome->hash, text_hash(path));
	}
	outcome->state = state;
	return true;
}

/* ---- the list ---- */

static void list_time(const struct ubtrfs_time *time)
{
	time_t sec = (time_t)time->sec;
	char text[64];
	struct tm tm;

	if (sec && localtime_r(&sec, &tm) && strftime(text, sizeof(text), "%F %T", &tm))
		printf("%s", text);
	else
		printf("%-19s", "-");
}

static void list_json(struct undelete *undelete, const struct ubtrfs_attr *attr, unsigned state)
{
	struct json *json = &undelete->json_rows;
	const char *path = strbuf_text(&undelete->restore.path);

	json_object_begin(json, NULL);
	json_bytes(json, "path", path, strlen(path));
	json_number(json, "subvolid", attr->node.subvolid);
	json_number(json, "inode", attr->node.ino);
	json_number(json, "mode", attr->mode);
	json_number(json, "size", attr->size);
	json_number(json, "generation", ubtrfs_rescue_generation(undelete->then));
	json_object_begin(json, "time");
	json_signed(json, "sec", undelete->then_time.sec);
	json_number(json, "nsec", undelete->then_time.nsec);
	json_end(json);
	json_text(json, "state", state_word(state));
	json_end(json);
	fputs(strbuf_text(&undelete->json_out), stdout);
	strbuf_clear(&undelete->json_out);
}

static void list_row(struct undelete *undelete, const struct ubtrfs_attr *attr, unsigned state)
{
	char mode[MODE_TEXT_MAX];

	undelete->nr_listed++;
	if (undelete->json) {
		list_json(undelete, attr, state);
		return;
	}
	printf("%10" PRIu64 "  ", ubtrfs_rescue_generation(undelete->then));
	list_time(&undelete->then_time);
	printf("  %-10s  %s %12" PRIu64 "  ", state_word(state), mode_text(attr->mode, mode),
	       attr->size);
	print_name(strbuf_text(&undelete->restore.path));
	putchar('\n');
}

static int look(void *ctx, const struct ubtrfs_attr *attr, unsigned state)
{
	struct undelete *undelete = ctx;
	bool replaces;

	/* Reading all of it once more for each older state would take for ever. */
	if (outcome_is_whole(undelete, strbuf_text(&undelete->restore.path)))
		return RESTORE_SKIP;
	state |= file_state(undelete, attr);
	if (!outcome_better(undelete, strbuf_text(&undelete->restore.path), state, &replaces))
		return RESTORE_SKIP;
	if (undelete->list) {
		/* Also what is better than the row of a newer state. */
		list_row(undelete, attr, state);
		return RESTORE_SKIP;
	}
	undelete->restore.replace_made = replaces;
	return 0;
}

/* ---- the walk beside the current state ---- */

struct beside {
	struct undelete *undelete;
	struct ubtrfs_node now;
	bool has_now;
};

static int walk_dir(struct undelete *undelete, struct ubtrfs_node then, struct ubtrfs_node now,
		    bool has_now);

/* The output's directory for the path so far, made as needed; -1 after a message, or with --list. */
static int parent_fd(struct undelete *undelete, int *stop)
{
	const char *path = strbuf_text(&undelete->restore.path);
	int fd;

	if (undelete->list)
		return -1;
	fd = fcntl(undelete->restore.top_fd, F_DUPFD_CLOEXEC, 0);
	while (fd >= 0 && *(path += strspn(path, "/"))) {
		SCOPED_MEM char *name = mem_dup(path, strcspn(path, "/") + 1);
		int next = -1;

		if (name) {
			name[strcspn(path, "/")] = '\0';
			(void)mkdirat(fd, name, 0700);
			next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		close(fd);
		fd = next;
		path += strcspn(path, "/");
	}
	if (fd < 0)
		*stop = restore_refused(&undelete->restore, "make the directory") | RESTORE_SKIP;
	return fd;
}

static int bring_out(struct undelete *undelete, const struct ubtrfs_dirent *entry)
{
	int stop = 0, fd = parent_fd(undelete, &stop), code;

	if (fd < 0 && !undelete->list)
		return stop & RESTORE_STOP;
	code = restore_entry(&undelete->restore, entry, fd);
	if (fd >= 0)
		close(fd);
	return code;
}

/* A subvolume that is there in both states is gone through by its own generations. */
static int place_add(struct undelete *undelete, struct ubtrfs_node dir, const char *path)
{
	void *grown;

	for (unsigned i = 0; i < undelete->nr_places; i++)
		if (undelete->places[i].dir.subvolid == dir.subvolid)
			return 0;
	if (undelete->nr_places >= SUBVOLUMES_MAX) {
		cli_warning("more than %u subvolumes: the rest is not looked through",
			    SUBVOLUMES_MAX);
		return 0;
	}
	grown = mem_resize(undelete->places, (undelete->nr_places + 1) * sizeof(*undelete->places));
	if (grown)
		undelete->places = grown;
	if (!grown || !(undelete->places[undelete->nr_places].path = mem_strdup(path))) {
		cli_error("no memory for a path");
		return RESTORE_STOP;
	}
	undelete->places[undelete->nr_places++].dir = dir;
	return 0;
}

static int walk_both(struct undelete *undelete, const struct ubtrfs_dirent *entry,
		     const struct ubtrfs_dirent *now)
{
	struct restore *restore = &undelete->restore;
	size_t len = restore->path.len;
	int code = 0;

	if (entry->type != 2 || entry->node.ino == UBTRFS_RESCUE_EMPTY_DIR_INO)
		return 0;
	strbuf_addf(&restore->path, "/%.*s", (int)entry->name_len, entry->name);
	if (strbuf_status(&restore->path) < 0)
		code = RESTORE_STOP;
	else if (entry->is_subvolume)
		code = place_add(undelete, now->node, strbuf_text(&restore->path));
	else
		code = walk_dir(undelete, entry->node, now->node, true);
	restore->path.len = len;
	restore->path.text[len] = '\0';
	return code;
}

static int visit(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct beside *beside = ctx;
	struct undelete *undelete = beside->undelete;
	struct ubtrfs_dirent now;

	if (beside->has_now &&
	    ubtrfs_rescue_lookup(undelete->now, beside->now, entry->name, entry->name_len, &now) ==
		    0 &&
	    same_kind(&now, entry))
		return walk_both(undelete, entry, &now);
	if (lives_on(undelete, entry))
		return 0;
	return bring_out(undelete, entry);
}

static int walk_dir(struct undelete *undelete, struct ubtrfs_node then, struct ubtrfs_node now,
		    bool has_now)
{
	struct beside beside = { .undelete = undelete, .now = now, .has_now = has_now };
	unsigned state;
	int ret;

	if (undelete->restore.depth >= WALK_MAX_DEPTH ||
	    !ino_set_add(&undelete->restore.dirs, then))
		return 0;
	undelete->restore.depth++;
	ret = ubtrfs_rescue_readdir(undelete->then, then, visit, &beside, &state);
	undelete->restore.depth--;
	if (ret < 0) {
		cli_fail("%s", strbuf_text(&undelete->restore.path));
		return RESTORE_STOP;
	}
	return ret;
}

/* ---- one state ---- */

/* From a place of the current state: a directory, and what may not be there any more below it. */
static int look_at(struct undelete *undelete, struct ubtrfs_node dir, const char *rest)
{
	struct ubtrfs_dirent then, now;
	bool has_now;

	if (resolve(undelete->then, dir, rest, &then) < 0)
		return 0;
	has_now = resolve(undelete->now, dir, rest, &now) == 0;
	if (has_now && same_kind(&now, &then))
		return then.type == 2 ? walk_dir(undelete, then.node, now.node, true) : 0;
	if (!then.name || lives_on(undelete, &then))
		return 0;
	return bring_out(undelete, &then);
}

static int look_into(struct undelete *undelete, uint64_t generation, const struct place *place,
		     const char *rest)
{
	struct restore *restore = &undelete->restore;
	struct ubtrfs_rescue_subvolume subvol;
	int code;

	if (ubtrfs_rescue_at(undelete->now, generation, &undelete->then) < 0)
		return 0;
	restore_use(restore, undelete->then);
	strbuf_clear(&restore->path);
	strbuf_add(&restore->path, place->path);
	undelete->then_time = (struct ubtrfs_time){ 0 };
	if (ubtrfs_rescue_subvolume(undelete->then, place->dir.subvolid, &subvol) == 0)
		undelete->then_time = subvol.time;
	code = look_at(undelete, place->dir, rest);
	restore_use(restore, NULL);
	ubtrfs_rescue_close(undelete->then);
	undelete->then = NULL;
	return code;
}

static int add_generation(void *ctx, uint64_t generation)
{
	struct undelete *undelete = ctx;

	if (undelete->only_generation && generation > undelete->only_generation)
		return 0;
	undelete->generations[undelete->nr_generations++] = generation;
	return undelete->only_generation || undelete->nr_generations == GENERATIONS_MAX;
}

static int look_through(struct undelete *undelete, const struct place *place, const char *rest)
{
	undelete->nr_generations = 0;
	if (ubtrfs_rescue_generations(undelete->now, place->dir.subvolid, add_generation,
				      undelete) < 0) {
		cli_error("%s", ubtrfs_error_text());
		return RESTORE_STOP;
	}
	for (unsigned i = 0; i < undelete->nr_generations; i++) {
		int code = look_into(undelete, undelete->generations[i], place, rest);

		if (code)
			return code;
	}
	return 0;
}

/* The last directory of the path that is there now; what is behind it. */
static const char *path_now(struct undelete *undelete, struct ubtrfs_node *dir, const char *path)
{
	struct ubtrfs_dirent entry;

	while (*(path += strspn(path, "/"))) {
		size_t len = strcspn(path, "/");

		if (ubtrfs_rescue_lookup(undelete->now, *dir, path, len, &entry) < 0 ||
		    entry.type != 2)
			return path;
		*dir = entry.node;
		path += len;
	}
	return path;
}

static int undelete_all(struct undelete *undelete, const char *path)
{
	struct ubtrfs_node dir = { undelete->view.subvolid ? undelete->view.subvolid :
							     SUBVOLUME_TOP,
				   UBTRFS_ROOT_INO };
	const char *rest = path_now(undelete, &dir, path);
	int code = place_add(undelete, dir, "");

	for (unsigned i = 0; !code && i < undelete->nr_places; i++) {
		/* The array moves. */
		struct place place = undelete->places[i];

		code = look_through(undelete, &place, i ? "" : rest);
	}
	return code;
}

/* ---- the command ---- */

static int finish_list(struct undelete *undelete, int code)
{
	if (undelete->json) {
		json_end(&undelete->json_rows);
		json_end(&undelete->json_rows);
		fputs(strbuf_text(&undelete->json_out), stdout);
	}
	if (!undelete->nr_listed && !undelete->json)
		puts("Nothing was found.");
	return cli_finish_output() || code || !undelete->nr_listed;
}

static int finish(struct undelete *undelete, int code)
{
	struct restore *restore = &undelete->restore;
	const struct restore_counts *counts = &restore->counts;

	if (!code && restore_state_finish(&restore->state) < 0)
		code = cli_error("%s", ubtrfs_error_text());
	code |= restore_report_end(&restore->report, counts,
				   ubtrfs_rescue_blocks_lost(undelete->now));
	if (restore->nr_xattrs_lost)
		code |= cli_error("%" PRIu64 " extended attributes could not be set",
				  restore->nr_xattrs_lost);
	return code || counts->damaged || counts->lost || counts->refused ||
	       !(counts->files + counts->dirs + counts->others + counts->there);
}

static int begin_output(struct undelete *undelete, const char *dir)
{
	if (!undelete->list) {
		const char *report = undelete->json ? "-" : undelete->report;

		return restore_open_dest(&undelete->restore, dir) ||
		       restore_report_begin(&undelete->restore.report, "undelete", report,
					    ubtrfs_rescue_generation(undelete->now));
	}
	if (undelete->json) {
		json_init(&undelete->json_rows, &undelete->json_out);
		json_object_begin(&undelete->json_rows, NULL);
		json_object_begin(&undelete->json_rows, "__header");
		json_text(&undelete->json_rows, "version", "1");
		json_end(&undelete->json_rows);
		json_array_begin(&undelete->json_rows, "undelete");
	}
	return 0;
}

static int option_take(struct undelete *undelete, int option)
{
	switch (option) {
	case 'o':
		undelete->restore.overwrite = true;
		return 0;
	case 'v':
		undelete->restore.verbose = true;
		return 0;
	case OPTION_LIST:
		undelete->list = true;
		return 0;
	case OPTION_GENERATION:
		if (number_parse(optarg, &undelete->only_generation) < 0 ||
		    !undelete->only_generation)
			return cli_error("--generation: '%s' is no generation", optarg);
		return 0;
	case OPTION_FORMAT:
		if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)
			return cli_error("--format: '%s' is neither text nor json", optarg);
		undelete->json = strcmp(optarg, "json") == 0;
		return 0;
	case OPTION_REPORT:
		undelete->report = optarg;
		return 0;
	default:
		return image_view_option(&undelete->view, option);
	}
}

/* -1: go on; otherwise the exit code. */
static int parse_options(struct undelete *undelete, int argc, char **argv)
{
	static const struct option long_options[] = {
		IMAGE_LONG_OPTIONS,
		{ "list", no_argument, NULL, OPTION_LIST },
		{ "generation", required_argument, NULL, OPTION_GENERATION },
		{ "overwrite", no_argument, NULL, 'o' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "format", required_argument, NULL, OPTION_FORMAT },
		{ "report", required_argument, NULL, OPTION_REPORT },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	while ((option = cli_option(argc, argv, ":D:ov", long_options)) != -1) {
		if (option == OPTION_HELP) {
			fputs(help_text, stdout);
			return cli_finish_output();
		}
		if (option_take(undelete, option))
			return 1;
	}
	if (undelete->report && (undelete->json || undelete->list))
		return cli_error("--report cannot be with --format json or --list");
	if (argc - optind != (undelete->list ? 1 : 2))
		return cli_error("undelete needs IMAGE:/PATH%s (see --help)",
				 undelete->list ? "" : " and a directory");
	return -1;
}

static int run(struct undelete *undelete, int argc, char **argv)
{
	int code = parse_options(undelete, argc, argv);
	struct ubtrfs_rescue_options how;
	struct image_path path;

	if (code >= 0)
		return code;
	if (image_path_parse(argv[optind], &path) < 0)
		return cli_error("%s", ubtrfs_error_text());
	ubtrfs_rescue_options_init(&how);
	undelete->view.devices[0] = path.image;
	undelete->view.how.devices = undelete->view.devices;
	how.how = undelete->view.how;
	undelete->restore.snapshots = true;
	undelete->restore.dry_run = undelete->list;
	undelete->restore.look = look;
	undelete->restore.look_ctx = undelete;
	code = ubtrfs_rescue_open(&how, &undelete->now) < 0 ?
		       cli_error("%s", ubtrfs_error_text()) :
		       begin_output(undelete, argv[optind + 1]);
	if (!code) {
		code = undelete_all(undelete, path.path);
		code = undelete->list ? finish_list(undelete, code) : finish(undelete, code);
	}
	image_path_release(&path);
	return code;
}

static void undelete_fini(struct undelete *undelete)
{
	struct hash_node *node = hash_first(&undelete->outcomes), *next;

	for (; node; node = next) {
		next = hash_next(&undelete->outcomes, node);
		hash_remove(&undelete->outcomes, node);
		mem_free(hash_entry(node, struct outcome, hash));
	}
	hash_fini(&undelete->outcomes);
	for (unsigned i = 0; i < undelete->nr_places; i++)
		mem_free(undelete->places[i].path);
	mem_free(undelete->places);
	strbuf_fini(&undelete->json_out);
	restore_fini(&undelete->restore);
	ubtrfs_rescue_close(undelete->now);
	image_view_fini(&undelete->view);
}

int cmd_undelete(int argc, char **argv)
{
	struct undelete undelete = { 0 };
	int code;

	if (image_view_init(&undelete.view, (unsigned)argc) < 0)
		return cli_error("%s", ubtrfs_error_text());
	hash_init(&undelete.outcomes);
	strbuf_init(&undelete.json_out);
	restore_init(&undelete.restore);
	code = run(&undelete, argc, argv);
	undelete_fini(&undelete);
	return code;
}
