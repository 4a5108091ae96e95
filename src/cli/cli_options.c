/*
 * Reading arguments: options through getopt_long, with our own sentences; names of commands, which
 * may be abbreviated.
 */
#include <sched.h>
#include <string.h>

#include "base/bytes.h"
#include "base/task_pool.h"
#include "cli/cli.h"

/* The argument that getopt_long has just refused or found incomplete. */
static const char *option_word(char **argv)
{
	return optind > 0 ? argv[optind - 1] : "";
}

int cli_option(int argc, char **argv, const char *shorts, const struct option *longs)
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, shorts, longs, NULL);
	if (option == ':') {
		if (strncmp(option_word(argv), "--", 2) == 0)
			cli_error("option %s needs a value", option_word(argv));
		else
			cli_error("option -%c needs a value", optopt);
		return OPTION_BAD;
	}
	if (option != '?')
		return option;
	/* A letter in a cluster is named alone; a long option as it was written. */
	if (optopt > 0 && optopt < OPTION_HELP && strncmp(option_word(argv), "--", 2) != 0)
		cli_error("unknown option -%c (see --help)", optopt);
	else if (optopt)
		cli_error("option %s takes no value", option_word(argv));
	else
		cli_error("unknown or ambiguous option %s (see --help)", option_word(argv));
	return OPTION_BAD;
}

int cli_match(const char *what, const char *word, const char *(*name_at)(unsigned index),
	      unsigned *ret_index)
{
	size_t len = strlen(word);
	unsigned nr_found = 0, found = 0;
	const char *name;

	for (unsigned i = 0; (name = name_at(i)); i++) {
		if (strncmp(name, word, len) != 0)
			continue;
		nr_found = name[len] ? nr_found + 1 : 1;
		found = i;
		if (!name[len])
			break;
	}
	if (nr_found == 1 && len) {
		*ret_index = found;
		return 0;
	}
	if (nr_found > 1 && len)
		cli_error("%s '%s' is ambiguous", what, word);
	else
		cli_error("unknown %s '%s'", what, word);
	return -EINVAL;
}

unsigned cli_nr_processors(void)
{
	cpu_set_t set;
	int nr = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return MIN(MAX((unsigned)nr, 1u), TASK_POOL_WORKERS_MAX);
}

int cli_threads(const char *text, unsigned *ret_nr)
{
	uint64_t nr;

	if (number_parse(text, &nr) < 0 || !nr || nr > TASK_POOL_WORKERS_MAX)
		return cli_error("option -j: '%s' is no number of threads from 1 to %u", text,
				 TASK_POOL_WORKERS_MAX);
	*ret_nr = (unsigned)nr;
	return 0;
}

int cli_format(const char *text, bool *ret_json)
{
	bool json = strcmp(text, "json") == 0;

	if (!json && strcmp(text, "text") != 0)
		return cli_error("--format: '%s' is neither text nor json", text);
	*ret_json = json;
	return 0;
}
