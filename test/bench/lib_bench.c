/*
 * lib_bench IMAGE [--files N]: what the library does in this process, without FUSE and without
 * system calls: create, lookup, rename, unlink, and files with 4 KiB of contents, in one directory,
 * one thread, with a background that writes back and commits.
 *
 * One line per phase, as fs_bench prints them: NAME OPERATIONS SECONDS. The last commit is a phase
 * of its own, so that nothing is left out. IMAGE holds an empty filesystem.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <ubtrfs/file.h>

#define SMALL 4096u

struct bench {
	struct ubtrfs *fs;
	struct ubtrfs_node dir;
	unsigned nr_files;
	struct ubtrfs_node *nodes;
	char data[SMALL];
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void check(int err, const char *what)
{
	if (err == 0)
		return;
	fprintf(stderr, "lib_bench: %s: %s\n", what, ubtrfs_error_text());
	exit(1);
}

static int call_create(struct bench *bench, unsigned i, const char *name, size_t len)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644 } };

	return ubtrfs_create(bench->fs, bench->dir, name, len, &what, &bench->nodes[i]);
}

static int call_lookup(struct bench *bench, unsigned i, const char *name, size_t len)
{
	(void)i;
	return ubtrfs_lookup(bench->fs, bench->dir, name, len, &(struct ubtrfs_node){ 0 });
}

static int call_rename(struct bench *bench, unsigned i, const char *name, size_t len)
{
	char to[32];

	snprintf(to, sizeof(to), "r-0-%u", i);
	return ubtrfs_rename(bench->fs, bench->dir, name, len, bench->dir, to, strlen(to), 0);
}

static int call_unlink_renamed(struct bench *bench, unsigned i, const char *name, size_t len)
{
	char text[32];

	(void)name;
	(void)len;
	snprintf(text, sizeof(text), "r-0-%u", i);
	return ubtrfs_unlink(bench->fs, bench->dir, text, strlen(text));
}

static int call_unlink(struct bench *bench, unsigned i, const char *name, size_t len)
{
	(void)i;
	return ubtrfs_unlink(bench->fs, bench->dir, name, len);
}

static int call_write(struct bench *bench, unsigned i, const char *name, size_t len)
{
	int err = call_create(bench, i, name, len);

	return err ? err : ubtrfs_write(bench->fs, bench->nodes[i], 0, bench->data, SMALL);
}

static int call_read(struct bench *bench, unsigned i, const char *name, size_t len)
{
	char data[SMALL];
	size_t nr;

	(void)name;
	(void)len;
	return ubtrfs_read(bench->fs, bench->nodes[i], 0, data, SMALL, &nr);
}

static const struct phase {
	const char *name;
	int (*call)(struct bench *bench, unsigned i, const char *name, size_t len);
} phases[] = {
	{ "create", call_create },  { "lookup", call_lookup },
	{ "rename", call_rename },  { "unlink", call_unlink_renamed },
	{ "write-4k", call_write }, { "read-4k", call_read },	       { "unlink-4k", call_unlink },
};

static void run_phase(struct bench *bench, const struct phase *phase)
{
	double began = now();

	for (unsigned i = 0; i < bench->nr_files; i++) {
		char name[32];

		snprintf(name, sizeof(name), "f-0-%u", i);
		check(phase->call(bench, i, name, strlen(name)), phase->name);
	}
	printf("%s %u %.6f\n", phase->name, bench->nr_files, now() - began);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct bench bench = { .nr_files = 100000 };
	struct ubtrfs_new what = { .attr = { .mode = S_IFDIR | 0755 } };
	struct ubtrfs_open_options options;
	uint64_t state = 1;
	double began;

	if (argc == 4 && strcmp(argv[2], "--files") == 0)
		bench.nr_files = (unsigned)strtoul(argv[3], NULL, 10);
	else if (argc != 2)
		bench.nr_files = 0;
	if (!bench.nr_files) {
		fprintf(stderr, "usage: lib_bench IMAGE [--files N]\n");
		return 2;
	}
	for (size_t i = 0; i < SMALL; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		bench.data[i] = (char)(state >> 56);
	}
	bench.nodes = calloc(bench.nr_files, sizeof(*bench.nodes));
	ubtrfs_open_options_init(&options);
	options.devices = (const char *const *)&argv[1];
	options.nr_devices = 1;
	options.writable = true;
	options.background = true;
	check(ubtrfs_open(&options, &bench.fs), argv[1]);
	check(ubtrfs_create(bench.fs, ubtrfs_top(bench.fs), "bench", 5, &what, &bench.dir),
	      "mkdir");
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		run_phase(&bench, &phases[i]);
	began = now();
	check(ubtrfs_commit(bench.fs), "commit");
	printf("commit 1 %.6f\n", now() - began);
	check(ubtrfs_close(bench.fs), "close");
	free(bench.nodes);
	return 0;
}
