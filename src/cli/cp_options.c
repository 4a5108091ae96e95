/*
 * The options of `ubtrfs cp`: those of cp(1), of images, and of what is stored.
 *
 * As in cp(1) the last of several options about one thing counts. What copying out of an image does
 * not know is refused by name (cp_out.c), which is why the first of those is noted.
 */
#include "cli/cp_options.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/cli.h"

enum {
	OPTION_ATTRIBUTES = 0x400,
	OPTION_NO_PRESERVE,
	OPTION_PRESERVE,
	OPTION_REFLINK_WHEN,
	OPTION_REMOVE_DESTINATION,
	OPTION_SPARSE,
	OPTION_PRESERVE_DEFAULT,
};

static const char help_text[] =
	"usage: ubtrfs cp [OPTIONS] SOURCE... DEST\n"
	"       ubtrfs cp [OPTIONS] -t DIRECTORY SOURCE...\n"
	"\n"
	"Copy out of an image, into one, between two, or within one. A place inside an image is\n"
	"IMAGE:/PATH. Into an image all of the command is one transaction: all of it or nothing.\n"
	"\n"
	"  -a, --archive         -dR --preserve=all\n"
	"  -r, -R, --recursive   directories with all below them; symlinks and special files as such\n"
	"  -t, --target-directory DIRECTORY  copy all sources into it\n"
	"  -T, --no-target-directory  DEST is the name of the copy, also when it is a directory\n"
	"  -P, --no-dereference  copy symlinks as such (the default with -r)\n"
	"  -L, --dereference     copy what symlinks lead to (the default without -r)\n"
	"  -H                    copy what symlinks among the arguments lead to\n"
	"  -d                    -P --preserve=links\n"
	"  -p                    --preserve=mode,ownership,timestamps\n"
	"      --preserve[=LIST] mode, ownership, timestamps, links, xattr, context, all\n"
	"      --no-preserve=LIST\n"
	"  -n, --no-clobber      leave alone what exists\n"
	"  -u, --update          copy only over what is older, or missing\n"
	"  -f, --force           replace what cannot be overwritten\n"
	"      --remove-destination  remove what exists instead of writing into it\n"
	"  -x, --one-file-system stay on the filesystem (in an image: the subvolume) of the source\n"
	"      --sparse WHEN     auto (default), always, never\n"
	"      --reflink[=WHEN]  share data inside one image: always, auto (default), never\n"
	"  -v, --verbose         say what is copied\n" CHANGE_HELP IMAGE_HELP
	"      --help            print this\n"
	"\n"
	"Options about an image mean that of DEST when it is in one.\n"
	"Out of an image -r, -R, -a, -P, -t, -T, -j are known so far.\n";

static const struct option long_options[] = {
	{ "archive", no_argument, NULL, 'a' },
	{ "recursive", no_argument, NULL, 'r' },
	{ "target-directory", required_argument, NULL, 't' },
	{ "no-target-directory", no_argument, NULL, 'T' },
	{ "no-dereference", no_argument, NULL, 'P' },
	{ "dereference", no_argument, NULL, 'L' },
	{ "preserve", optional_argument, NULL, OPTION_PRESERVE },
	{ "no-preserve", required_argument, NULL, OPTION_NO_PRESERVE },
	{ "no-clobber", no_argument, NULL, 'n' },
	{ "update", no_argument, NULL, 'u' },
	{ "force", no_argument, NULL, 'f' },
	{ "remove-destination", no_argument, NULL, OPTION_REMOVE_DESTINATION },
	{ "one-file-system", no_argument, NULL, 'x' },
	{ "sparse", required_argument, NULL, OPTION_SPARSE },
	{ "reflink", optional_argument, NULL, OPTION_REFLINK_WHEN },
	{ "verbose", no_argument, NULL, 'v' },
	CHANGE_LONG_OPTIONS,
	IMAGE_LONG_OPTIONS,
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static const char short_options[] = ":D:adfHj:LnPpRrt:Tuvx";

/* ---- words ---- */

static int preserve_bit(const char *word, size_t len, unsigned *ret_bits)
{
	static const struct {
		const char *word;
		unsigned bits;
	} words[] = {
		{ "mode", COPY_KEEP_MODE },	   { "ownership", COPY_KEEP_OWNER },
		{ "timestamps", COPY_KEEP_TIMES }, { "links", COPY_KEEP_LINKS },
		{ "xattr", COPY_KEEP_XATTRS },	   { "all", COPY_KEEP_ALL },
		{ "context", COPY_KEEP_CONTEXT },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strlen(words[i].word) != len || strncmp(word, words[i].word, len) != 0)
			continue;
		*ret_bits = words[i].bits;
		return 0;
	}
	return cli_error(
		"'%.*s' is none of mode, ownership, timestamps, links, xattr, context, all",
		(int)len, word);
}

static int take_preserve(struct cp_request *request, const char *list, bool keep)
{
	struct copy_rules *rules = &request->rules;
	unsigned bits = 0;
	size_t len;

	for (; *list; list += len + (list[len] == ',')) {
		len = strcspn(list, ",");
		if (preserve_bit(list, len, &bits))
			return 1;
		/* It is one of them, but has a word of its own to leave it out. */
		if (keep && bits == COPY_KEEP_XATTRS)
			bits |= COPY_KEEP_CONTEXT;
		rules->keep = keep ? rules->keep | bits : rules->keep & ~bits;
		if (bits & COPY_KEEP_MODE)
			rules->default_mode = !keep;
	}
	return 0;
}

static int take_sparse(struct cp_request *request, const char *when)
{
	if (!strcmp(when, "auto"))
		request->rules.sparse = COPY_SPARSE_AUTO;
	else if (!strcmp(when, "always"))
		request->rules.sparse = COPY_SPARSE_ALWAYS;
	else if (!strcmp(when, "never"))
		request->rules.sparse = COPY_SPARSE_NEVER;
	else
		return cli_error("option --sparse: '%s' is none of auto, always, never", when);
	return 0;
}

static int take_reflink(struct cp_request *request, const char *when)
{
	enum copy_reflink *reflink = &request->rules.reflink;

	if (!when || !strcmp(when, "always"))
		*reflink = COPY_REFLINK_ALWAYS;
	else if (!strcmp(when, "auto"))
		*reflink = COPY_REFLINK_AUTO;
	else if (!strcmp(when, "never"))
		*reflink = COPY_REFLINK_NEVER;
	else
		return cli_error("option --reflink: '%s' is none of auto, always, never", when);
	return 0;
}

/* ---- the switches ---- */

static void take_archive(struct cp_request *request)
{
	request->archive = true;
	request->rules.recursive = true;
	request->rules.follow = COPY_FOLLOW_NEVER;
	request->rules.keep = COPY_KEEP_ALL;
	request->rules.default_mode = false;
}

/* What both directions know. 0, or -1. */
static int take_common(struct cp_request *request, int option)
{
	switch (option) {
	case 'a':
		take_archive(request);
		return 0;
	case 'r':
	case 'R':
		request->rules.recursive = true;
		return 0;
	case 't':
		request->dest = optarg;
		request->dest_is_dir = true;
		return 0;
	case 'T':
		request->no_target_dir = true;
		return 0;
	case 'P':
		request->rules.follow = COPY_FOLLOW_NEVER;
		return 0;
	case 'd':
		request->rules.follow = COPY_FOLLOW_NEVER;
		request->rules.keep |= COPY_KEEP_LINKS;
		return 0;
	default:
		return -1;
	}
}

/* What goes into images only. 0, 1 after a message, or -1. */
static int take_into(struct cp_request *request, int option)
{
	struct copy_rules *rules = &request->rules;

	switch (option) {
	case 'p':
		return take_preserve(request, "mode,ownership,timestamps", true);
	case OPTION_PRESERVE:
		return take_preserve(request, optarg ? optarg : "mode,ownership,timestamps", true);
	case OPTION_NO_PRESERVE:
		return take_preserve(request, optarg, false);
	case 'L':
		rules->follow = COPY_FOLLOW_ALWAYS;
		return 0;
	case 'H':
		rules->follow = COPY_FOLLOW_ARGUMENTS;
		return 0;
	case 'n':
		rules->update = COPY_UPDATE_NONE;
		return 0;
	case 'u':
		rules->update = COPY_UPDATE_OLDER;
		return 0;
	case 'f':
		/* Nothing in an image keeps its owner from overwriting it but its flags, and those
		 * forbid to remove it too. */
		return 0;
	case OPTION_REMOVE_DESTINATION:
		rules->remove_destination = true;
		return 0;
	case 'x':
		rules->one_file_system = true;
		return 0;
	case OPTION_SPARSE:
		return take_sparse(request, optarg);
	case OPTION_REFLINK_WHEN:
		return take_reflink(request, optarg);
	case 'v':
		request->verbose = true;
		return 0;
	default:
		return -1;
	}
}

static const char *option_text(int option)
{
	static const char *const letters[] = { "-p", "-L", "-H", "-n", "-u", "-f", "-x", "-v" };

	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (letters[i][1] == option)
			return letters[i];
	switch (option) {
	case OPTION_PRESERVE:
		return "--preserve";
	case OPTION_NO_PRESERVE:
		return "--no-preserve";
	case OPTION_REMOVE_DESTINATION:
		return "--remove-destination";
	case OPTION_SPARSE:
		return "--sparse";
	default:
		return "--reflink";
	}
}

static enum cp_parsed take_option(struct cp_request *request, int option)
{
	int code;

	if (option == OPTION_HELP) {
		fputs(help_text, stdout);
		return cli_finish_output() ? CP_BAD : CP_DONE;
	}
	code = take_common(request, option);
	if (code < 0) {
		code = take_into(request, option);
		if (code >= 0 && !request->only_into)
			request->only_into = option_text(option);
	}
	if (code < 0)
		code = change_option(&request->change, option);
	return code ? CP_BAD : CP_RUN;
}

/* ---- the whole ---- */

static int take_operands(struct cp_request *request, int argc, char **argv)
{
	int nr = argc - optind;

	if (request->rules.reflink == COPY_REFLINK_ALWAYS &&
	    request->rules.sparse != COPY_SPARSE_AUTO)
		return cli_error("--reflink can be used only with --sparse=auto");
	if (request->dest_is_dir && request->no_target_dir)
		return cli_error("options -t and -T cannot be used together");
	request->sources = argv + optind;
	request->nr_sources = request->dest_is_dir ? nr : nr - 1;
	if (request->nr_sources < 1)
		return cli_error("cp needs a source and a destination (see --help)");
	if (!request->dest_is_dir)
		request->dest = argv[argc - 1];
	if (request->no_target_dir && request->nr_sources > 1)
		return cli_error("%s: with -T there is one source and one destination",
				 request->sources[1]);
	return 0;
}

/* -1: as the default is. */
#define FOLLOW_UNSET ((enum copy_follow)(-1))

static void rules_complete(struct copy_rules *rules, int nr_sources)
{
	if (rules->follow == FOLLOW_UNSET)
		rules->follow = rules->recursive ? COPY_FOLLOW_NEVER : COPY_FOLLOW_ALWAYS;
	rules->several_sources = nr_sources > 1;
	rules->uid = geteuid();
	rules->gid = getegid();
	rules->umask = umask(0);
	umask((mode_t)rules->umask);
}

enum cp_parsed cp_options_parse(int argc, char **argv, struct cp_request *ret_request)
{
	enum cp_parsed parsed = CP_RUN;
	int option;

	memset(ret_request, 0, sizeof(*ret_request));
	ret_request->rules.follow = FOLLOW_UNSET;
	if (change_init(&ret_request->change, (unsigned)argc) < 0) {
		cli_error("%s", ubtrfs_error_text());
		return CP_BAD;
	}
	optind = 0;
	while (parsed == CP_RUN &&
	       (option = cli_option(argc, argv, short_options, long_options)) != -1)
		parsed = take_option(ret_request, option);
	if (parsed == CP_RUN && take_operands(ret_request, argc, argv))
		parsed = CP_BAD;
	if (parsed == CP_RUN)
		rules_complete(&ret_request->rules, ret_request->nr_sources);
	return parsed;
}

void cp_request_release(struct cp_request *request)
{
	change_fini(&request->change);
}
