/*
 * The command `ubtrfs`: a customer of the public API.
 *
 * main.c owns the table of subcommands and nothing else. Each cmd_*.c is one subcommand: it gets
 * its own name as argv[0], reads its options, prints to stdout, and returns the exit code: 0, 1
 * after an error (one sentence on stderr), 130 when it was interrupted. What several of them share
 * is below; no command calls another.
 */
#ifndef UBTRFS_CLI_CLI_H
#define UBTRFS_CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define EXIT_INTERRUPTED 130

int cmd_mkfs(int argc, char **argv);
int cmd_mount(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_tree(int argc, char **argv);
int cmd_cat(int argc, char **argv);
int cmd_cp(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_edit(int argc, char **argv);
int cmd_shell(int argc, char **argv);
int cmd_mkdir(int argc, char **argv);
int cmd_rmdir(int argc, char **argv);
int cmd_rm(int argc, char **argv);
int cmd_mv(int argc, char **argv);
int cmd_ln(int argc, char **argv);
int cmd_touch(int argc, char **argv);
int cmd_truncate(int argc, char **argv);
int cmd_chmod(int argc, char **argv);
int cmd_chown(int argc, char **argv);
int cmd_chgrp(int argc, char **argv);
int cmd_chattr(int argc, char **argv);
int cmd_lsattr(int argc, char **argv);
int cmd_getfattr(int argc, char **argv);
int cmd_setfattr(int argc, char **argv);
int cmd_getfacl(int argc, char **argv);
int cmd_setfacl(int argc, char **argv);
int cmd_property(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_undelete(int argc, char **argv);
int cmd_du(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_find(int argc, char **argv);
int cmd_inspect_internal(int argc, char **argv);
int cmd_filesystem(int argc, char **argv);
int cmd_subvolume(int argc, char **argv);

/* ---- cli_report.c: what the user is told ---- */

/* "ERROR: <sentence>" on stderr. Yields 1, the exit code. */
int cli_error(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
/* The same, with ": " and the sentence of the last failure of the library. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
void cli_warning(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
/* Flushes stdout: 0, or 1 with a message when something of it was lost. */
int cli_finish_output(void);

/* ---- cli_options.c: reading arguments ---- */

/* What cli_option returns after it has told of a bad option. */
#define OPTION_BAD '?'
/* Long options without a letter. */
#define OPTION_HELP 256

/*
 * The next option, as getopt_long does it, and -1 past the last; a bad one is named on stderr.
 * shorts begins with ':'.
 */
int cli_option(int argc, char **argv, const char *shorts, const struct option *longs);
/*
 * 0 when word is a possible beginning of exactly one name (or a whole one): its index; messages
 * otherwise. what: "command".
 */
int cli_match(const char *what, const char *word, const char *(*name_at)(unsigned index),
	      unsigned *ret_index) must_check;

/* Processors that this process may run on: at least 1. */
unsigned cli_nr_processors(void);
/* A number of threads, 1 or more: the value of option -j. 0, or 1 after a message. */
int cli_threads(const char *text, unsigned *ret_nr) must_check;

/* The argument of --format: text or json. 0; 1 after a message. */
int cli_format(const char *text, bool *ret_json) must_check;

/* ---- size_parse.c: numbers ---- */

/*
 * Digits with an optional suffix k m g t p e (1024 each), which b or ib may follow, in either
 * case. -EINVAL, -ERANGE.
 */
int size_parse(const char *text, uint64_t *ret_bytes) must_check;
/* A decimal or 0x number, nothing behind it. -EINVAL, -ERANGE. */
int number_parse(const char *text, uint64_t *ret_number) must_check;
/* "UID:GID", decimal. -EINVAL, -ERANGE. */
int owner_parse(const char *text, uint32_t *ret_uid, uint32_t *ret_gid) must_check;
/* Seconds since 1970, also before. -EINVAL, -ERANGE. */
int seconds_parse(const char *text, int64_t *ret_seconds) must_check;
/* compress_option.c: "ALG[:LEVEL]". 0, or 1 after a message. */
int compress_option(const char *text, int *ret_compress, int *ret_level) must_check;
/* "12.34MiB" as btrfs-progs prints sizes. */
#define SIZE_TEXT_MAX 32
const char *size_text(uint64_t bytes, char text[SIZE_TEXT_MAX]);

#endif
