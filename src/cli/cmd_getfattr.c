/*
 * `ubtrfs getfattr`: extended attributes of files in an image, in the form of getfattr(1).
 */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/attr_show.h"
#include "cli/xattr_text.h"

enum { OPTION_ONLY_VALUES = 0x600, OPTION_ABSOLUTE_NAMES };

struct getfattr {
	struct attr_show show;
	const char *name; /* -n; NULL */
	bool dump, only_values;
	enum xattr_encoding encoding;
	const char *pattern; /* -m */
	regex_t regex;
	bool has_regex;
};

static const char help_text[] =
	"usage: ubtrfs getfattr [-hRLP] [-n NAME|-d] [-e ENCODING] [-m PATTERN] IMAGE:/PATH...\n"
	"\n"
	"Show extended attributes of files in an image.\n"
	"\n"
	"  -n, --name NAME       this attribute\n"
	"  -d, --dump            values too\n"
	"  -e, --encoding CODE   of values: text, hex or base64; else what suits each\n"
	"  -m, --match PATTERN   names that match (an extended regular expression; ^user\\. when\n"
	"                        not given); - for all\n"
	"      --only-values     values and nothing else, as they are\n"
	"      --absolute-names  as it is anyway: names of files are shown as they are written\n"
	"  -h, --no-dereference  symlinks themselves\n"
	"  -R, --recursive       and all below directories\n"
	"  -L, --logical         with -R: and below directories that symlinks lead to\n"
	"  -P, --physical        with -R: not even below that of a PATH\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "name", required_argument, NULL, 'n' },
	{ "dump", no_argument, NULL, 'd' },
	{ "encoding", required_argument, NULL, 'e' },
	{ "match", required_argument, NULL, 'm' },
	{ "only-values", no_argument, NULL, OPTION_ONLY_VALUES },
	{ "absolute-names", no_argument, NULL, OPTION_ABSOLUTE_NAMES },
	{ "no-dereference", no_argument, NULL, 'h' },
	{ "recursive", no_argument, NULL, 'R' },
	{ "logical", no_argument, NULL, 'L' },
	{ "physical", no_argument, NULL, 'P' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_option(void *ctx, int option)
{
	struct getfattr *job = ctx;

	switch (option) {
	case 'n':
		job->name = optarg;
		/* A name alone asks for its value. */
		job->dump = true;
		return 0;
	case 'd':
		job->dump = true;
		return 0;
	case 'e':
		return xattr_encoding_parse(optarg, &job->encoding);
	case 'm':
		job->pattern = strcmp(optarg, "-") == 0 ? "" : optarg;
		return 0;
	case OPTION_ONLY_VALUES:
		job->only_values = job->dump = true;
		return 0;
	case OPTION_ABSOLUTE_NAMES:
		return 0;
	default:
		return -1;
	}
}

static int check(void *ctx)
{
	struct getfattr *job = ctx;

	if (regcomp(&job->regex, job->pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return cli_error("getfattr: '%s' is no regular expression", job->pattern);
	job->has_regex = true;
	return 0;
}

/* What one file has, by name. */
struct found {
	char *name;
	void *value;
	size_t len;
};
struct found_list {
	const struct getfattr *job;
	struct found *items;
	size_t nr, capacity;
};

static int list_grow(struct found_list *list)
{
	size_t capacity = list->capacity ? 2 * list->capacity : 16;
	struct found *items;

	if (list->nr < list->capacity)
		return 0;
	items = mem_resize(list->items, capacity * sizeof(*items));
	if (!items)
		return MEM_FAIL("attributes");
	list->items = items;
	list->capacity = capacity;
	return 0;
}

static int list_add(struct found_list *list, const char *name, size_t name_len, const void *value,
		    size_t len)
{
	struct found *found;

	TRY(list_grow(list));
	found = &list->items[list->nr];
	found->name = mem_zalloc(name_len + 1);
	found->value = mem_alloc(len + 1);
	found->len = len;
	if (!found->name || !found->value) {
		mem_free(found->name);
		mem_free(found->value);
		return MEM_FAIL("attributes");
	}
	memcpy(found->name, name, name_len);
	memcpy(found->value, value, len);
	list->nr++;
	return 0;
}

static int visit(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	struct found_list *list = ctx;
	size_t nr = list->nr;

	TRY(list_add(list, name, name_len, value, len));
	if (regexec(&list->job->regex, list->items[nr].name, 0, NULL, 0) == 0)
		return 0;
	mem_free(list->items[nr].name);
	mem_free(list->items[nr].value);
	list->nr = nr;
	return 0;
}

static void list_free(struct found_list *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		mem_free(list->items[i].name);
		mem_free(list->items[i].value);
	}
	mem_free(list->items);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

static int list_named(struct found_list *list, struct ubtrfs *fs, struct ubtrfs_node node,
		      const char *name)
{
	SCOPED_MEM void *value = mem_alloc(XATTR_VALUE_MAX);
	size_t len;

	if (!value)
		return MEM_FAIL("an attribute");
	TRY(ubtrfs_getxattr(fs, node, name, value, XATTR_VALUE_MAX, &len));
	return list_add(list, name, strlen(name), value, len);
}

static int print_list(const struct getfattr *job, const char *path, const struct found_list *list)
{
	struct strbuf text;
	int err;

	strbuf_init(&text);
	if (!job->only_values && list->nr) {
		strbuf_add(&text, "# file: ");
		xattr_quote(&text, path, "\\\n\r");
		strbuf_add(&text, "\n");
	}
	for (size_t i = 0; i < list->nr; i++) {
		const struct found *found = &list->items[i];

		if (job->only_values) {
			strbuf_add_bytes(&text, found->value, found->len);
			continue;
		}
		xattr_quote(&text, found->name, "\\=\n\r");
		if (job->dump) {
			strbuf_add(&text, "=");
			xattr_encode(&text, found->value, found->len, job->encoding);
		}
		strbuf_add(&text, "\n");
	}
	if (!job->only_values && list->nr)
		strbuf_add(&text, "\n");
	err = strbuf_status(&text);
	if (err == 0 && text.len)
		fwrite(text.text, 1, text.len, stdout);
	strbuf_fini(&text);
	return err;
}

static int show(void *ctx, const char *path, const struct ubtrfs_attr *attr)
{
	struct getfattr *job = ctx;
	struct found_list list = { .job = job };
	struct ubtrfs *fs = job->show.view.fs;
	int ret;

	ret = job->name ? list_named(&list, fs, attr->node, job->name) :
			  ubtrfs_listxattr(fs, attr->node, visit, &list);
	if (ret >= 0 && list.nr) {
		qsort(list.items, list.nr, sizeof(*list.items), by_name);
		ret = print_list(job, path, &list);
	}
	list_free(&list);
	return ret;
}

int cmd_getfattr(int argc, char **argv)
{
	static const struct attr_show_spec spec = { .name = "getfattr",
						    .help = help_text,
						    .short_options = ":D:n:de:m:hRLP",
						    .long_options = long_options,
						    .option = take_option,
						    .check = check,
						    .operand = attr_show_operand };
	struct getfattr job = { .show = { .show = show, .shows_targets = true },
				.pattern = "^user\\." };
	int code = attr_show_run(&spec, &job, argc, argv);

	if (job.has_regex)
		regfree(&job.regex);
	return code;
}
