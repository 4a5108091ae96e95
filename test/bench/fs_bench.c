/*
 * fs_bench DIR [--threads N] [--dirs N] [--files N] [--seconds N] [--io BYTES [--writes-only 1]]: the
 * same system calls on any filesystem, counted by the second.
 *
 * Without --io: names and attributes. Each thread has its own files in --dirs directories (with
 * one thread or one directory: all in the same), goes through the phases below side by side with
 * the others, and stops a phase after --seconds; the later phases use what was made. With --io: one
 * file of so many bytes, read and written in order and at random, or only written in order.
 *
 * One line per phase: NAME OPERATIONS SECONDS, for I/O NAME BYTES SECONDS. DIR is left empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <dirent.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 16u
#define PIECE (1u << 20)
#define SMALL 4096u

struct bench {
	const char *dir;
	unsigned nr_threads, nr_dirs;
	uint64_t nr_files, io_bytes;
	bool writes_only; /* of the large file */
	double seconds;
	char *data; /* PIECE bytes */
};

struct phase;

struct worker {
	struct bench *bench;
	const struct phase *phase;
	pthread_t thread;
	unsigned number;
	uint64_t made;	  /* files that are there */
	uint64_t renamed; /* of them, under their second name */
	uint64_t linked, dirs_made, attributed;
	uint64_t done; /* operations of this phase */
};

/* call: operation number i, or -1 with errno; available: how many this phase can do at most. */
struct phase {
	const char *name;
	int (*call)(struct worker *worker, uint64_t i);
	uint64_t (*available)(const struct worker *worker);
	uint64_t *(*counter)(struct worker *worker);
	bool takes_away; /* what the time does not suffice for is removed all the same */
	bool writes;	 /* files are made with contents */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	fprintf(stderr, "fs_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void file_path(const struct worker *worker, uint64_t i, const char *kind, char path[512])
{
	snprintf(path, 512, "%s/d%u/%s-%u-%llu", worker->bench->dir,
		 (unsigned)(i % worker->bench->nr_dirs), kind, worker->number,
		 (unsigned long long)i);
}

static uint64_t wanted(const struct worker *worker)
{
	return worker->bench->nr_files / worker->bench->nr_threads;
}

static uint64_t made(const struct worker *worker)
{
	return worker->made;
}

static uint64_t linked(const struct worker *worker)
{
	return worker->linked;
}

static uint64_t attributed(const struct worker *worker)
{
	return worker->attributed;
}

static uint64_t dirs_made(const struct worker *worker)
{
	return worker->dirs_made;
}

static uint64_t *count_made(struct worker *worker)
{
	return &worker->made;
}

static uint64_t *count_linked(struct worker *worker)
{
	return &worker->linked;
}

static uint64_t *count_attributed(struct worker *worker)
{
	return &worker->attributed;
}

static uint64_t *count_renamed(struct worker *worker)
{
	return &worker->renamed;
}

static uint64_t *count_dirs(struct worker *worker)
{
	return &worker->dirs_made;
}

static int call_create(struct worker *worker, uint64_t i)
{
	char path[512];
	int fd;

	file_path(worker, i, "f", path);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
	return fd < 0 ? -1 : close(fd);
}

/* A file has its second name from the renaming on. */
static void current_path(const struct worker *worker, uint64_t i, char path[512])
{
	file_path(worker, i, i < worker->renamed ? "r" : "f", path);
}

static int call_stat(struct worker *worker, uint64_t i)
{
	struct stat st;
	char path[512];

	current_path(worker, i, path);
	return stat(path, &st);
}

static int call_open(struct worker *worker, uint64_t i)
{
	char path[512];
	int fd;

	current_path(worker, i, path);
	fd = open(path, O_RDONLY);
	return fd < 0 ? -1 : close(fd);
}

static int call_setattr(struct worker *worker, uint64_t i)
{
	char path[512];

	current_path(worker, i, path);
	return chmod(path, 0600);
}

static int call_setxattr(struct worker *worker, uint64_t i)
{
	char path[512];

	current_path(worker, i, path);
	return setxattr(path, "user.bench", "a value of some bytes", 21, 0);
}

static int call_getxattr(struct worker *worker, uint64_t i)
{
	char path[512], value[64];

	current_path(worker, i, path);
	return getxattr(path, "user.bench", value, sizeof(value)) < 0 ? -1 : 0;
}

static int call_rename(struct worker *worker, uint64_t i)
{
	char from[512], to[512];

	file_path(worker, i, "f", from);
	file_path(worker, i, "r", to);
	return rename(from, to);
}

static int call_link(struct worker *worker, uint64_t i)
{
	char from[512], to[512];

	current_path(worker, i, from);
	file_path(worker, i, "l", to);
	return link(from, to);
}

static int call_unlink_link(struct worker *worker, uint64_t i)
{
	char path[512];

	file_path(worker, i, "l", path);
	return unlink(path);
}

static int call_unlink(struct worker *worker, uint64_t i)
{
	char path[512];

	current_path(worker, i, path);
	return unlink(path);
}

static int call_mkdir(struct worker *worker, uint64_t i)
{
	char path[512];

	file_path(worker, i, "s", path);
	return mkdir(path, 0755);
}

static int call_rmdir(struct worker *worker, uint64_t i)
{
	char path[512];

	file_path(worker, i, "s", path);
	return rmdir(path);
}

static int call_write_small(struct worker *worker, uint64_t i)
{
	char path[512];
	int fd;

	file_path(worker, i, "f", path);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
	if (fd < 0)
		return -1;
	if (write(fd, worker->bench->data, SMALL) != SMALL) {
		close(fd);
		return -1;
	}
	return close(fd);
}

static int call_read_small(struct worker *worker, uint64_t i)
{
	char path[512], data[SMALL];
	int fd;

	file_path(worker, i, "f", path);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	if (read(fd, data, SMALL) != SMALL) {
		close(fd);
		return -1;
	}
	return close(fd);
}

static const struct phase phases[] = {
	{ "create", call_create, wanted, count_made, false, false },
	{ "stat", call_stat, made, NULL, false, false },
	{ "open", call_open, made, NULL, false, false },
	{ "readdir", NULL, NULL, NULL, false, false },
	{ "setattr", call_setattr, made, NULL, false, false },
	{ "setxattr", call_setxattr, made, count_attributed, false, false },
	{ "getxattr", call_getxattr, attributed, NULL, false, false },
	{ "link", call_link, made, count_linked, false, false },
	{ "rename", call_rename, made, count_renamed, false, false },
	{ "unlink-link", call_unlink_link, linked, NULL, true, false },
	{ "unlink", call_unlink, made, NULL, true, false },
	{ "mkdir", call_mkdir, wanted, count_dirs, false, false },
	{ "rmdir", call_rmdir, dirs_made, NULL, true, false },
	{ "write-4k", call_write_small, wanted, count_made, false, true },
	{ "read-4k", call_read_small, made, NULL, false, false },
	{ "unlink-4k", call_unlink, made, NULL, true, false },
};
#define NR_PHASES (sizeof(phases) / sizeof(phases[0]))

static void *run_worker(void *arg)
{
	struct worker *worker = arg;
	const struct phase *phase = worker->phase;
	double end = now() + worker->bench->seconds;
	uint64_t available = phase->available(worker), i;

	for (i = 0; i < available; i++) {
		if (phase->call(worker, i) != 0)
			die(phase->name);
		if ((i & 63) == 63 && now() >= end) {
			i++;
			break;
		}
	}
	worker->done = i;
	if (phase->counter)
		*phase->counter(worker) = i;
	return NULL;
}

/* A rename that was cut short has to be known before the next file is looked for. */
static void finish_phase(struct worker *worker)
{
	const struct phase *phase = worker->phase;
	uint64_t available = phase->available(worker);

	for (uint64_t i = worker->done; phase->takes_away && i < available; i++)
		if (phase->call(worker, i) != 0)
			die(phase->name);
	if (phase->call == call_unlink)
		worker->made = worker->renamed = 0;
}

static void run_phase(struct bench *bench, struct worker *workers, const struct phase *phase)
{
	double began = now(), seconds;
	uint64_t done = 0;

	for (unsigned i = 0; i < bench->nr_threads; i++) {
		workers[i].phase = phase;
		if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0)
			die("a thread");
	}
	for (unsigned i = 0; i < bench->nr_threads; i++) {
		pthread_join(workers[i].thread, NULL);
		done += workers[i].done;
	}
	seconds = now() - began;
	for (unsigned i = 0; i < bench->nr_threads; i++)
		finish_phase(&workers[i]);
	printf("%s %llu %.6f\n", phase->name, (unsigned long long)done, seconds);
	fflush(stdout);
}

/* Every entry with its attributes, as ls -l and find do. */
static uint64_t list_dir(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	uint64_t nr = 0;

	if (!dir)
		die(path);
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			die(entry->d_name);
		nr++;
	}
	closedir(dir);
	return nr;
}

static void run_readdir(struct bench *bench)
{
	double began = now();
	uint64_t nr = 0;
	char path[512];

	do {
		for (unsigned i = 0; i < bench->nr_dirs; i++) {
			snprintf(path, sizeof(path), "%s/d%u", bench->dir, i);
			nr += list_dir(path);
		}
	} while (now() - began < bench->seconds / 4);
	printf("readdir %llu %.6f\n", (unsigned long long)nr, now() - began);
}

static void run_names(struct bench *bench)
{
	struct worker workers[MAX_THREADS] = { 0 };
	char path[512];

	for (unsigned i = 0; i < bench->nr_threads; i++)
		workers[i] = (struct worker){ .bench = bench, .number = i };
	for (unsigned i = 0; i < bench->nr_dirs; i++) {
		snprintf(path, sizeof(path), "%s/d%u", bench->dir, i);
		if (mkdir(path, 0755) != 0)
			die(path);
	}
	for (size_t i = 0; i < NR_PHASES; i++) {
		if (!phases[i].call)
			run_readdir(bench);
		else
			run_phase(bench, workers, &phases[i]);
	}
	for (unsigned i = 0; i < bench->nr_dirs; i++) {
		snprintf(path, sizeof(path), "%s/d%u", bench->dir, i);
		rmdir(path);
	}
}

static void drop_caches(void)
{
	int fd;

	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		fprintf(stderr, "fs_bench: caches are not dropped: %s\n", strerror(errno));
	close(fd);
}

/* In order, a piece at a time; ends early never. */
static void io_whole(struct bench *bench, int fd, const char *name, bool write, bool sync)
{
	char *data = write ? bench->data : malloc(PIECE);
	double began = now();

	for (uint64_t at = 0; at < bench->io_bytes; at += PIECE) {
		ssize_t nr = write ? pwrite(fd, data, PIECE, (off_t)at) :
				     pread(fd, data, PIECE, (off_t)at);

		if (nr != (ssize_t)PIECE)
			die(name);
	}
	if (sync && fsync(fd) != 0)
		die("fsync");
	printf("%s %llu %.6f\n", name, (unsigned long long)bench->io_bytes, now() - began);
	fflush(stdout);
	if (!write)
		free(data);
}

static void io_random(struct bench *bench, int fd, const char *name, bool write, bool sync)
{
	uint64_t state = 88172645463325252u, nr = 0, slots = bench->io_bytes / SMALL;
	double began = now(), end = began + bench->seconds;
	char data[SMALL];

	memcpy(data, bench->data, SMALL);
	do {
		off_t at;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		at = (off_t)(state % slots * SMALL);
		if ((write ? pwrite(fd, data, SMALL, at) : pread(fd, data, SMALL, at)) !=
		    (ssize_t)SMALL)
			die(name);
		if (sync && fdatasync(fd) != 0)
			die("fdatasync");
		nr++;
	} while ((!sync && (nr & 63)) || now() < end);
	printf("%s %llu %.6f\n", name, (unsigned long long)(nr * SMALL), now() - began);
	fflush(stdout);
}

static int io_open(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd < 0)
		die(path);
	return fd;
}

static void run_io(struct bench *bench)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/io", bench->dir);
	fd = io_open(path, O_CREAT | O_EXCL | O_RDWR);
	io_whole(bench, fd, "seq-write", true, false);
	if (fsync(fd) != 0)
		die("fsync");
	close(fd);
	unlink(path);
	fd = io_open(path, O_CREAT | O_EXCL | O_RDWR);
	io_whole(bench, fd, "seq-write-fsync", true, true);
	close(fd);
	if (bench->writes_only) {
		unlink(path);
		return;
	}
	drop_caches();
	fd = io_open(path, O_RDWR);
	io_whole(bench, fd, "seq-read-cold", false, false);
	io_whole(bench, fd, "seq-read-hot", false, false);
	drop_caches();
	io_random(bench, fd, "rand-read-cold", false, false);
	io_random(bench, fd, "rand-write", true, false);
	if (fsync(fd) != 0)
		die("fsync");
	io_random(bench, fd, "rand-write-fdatasync", true, true);
	close(fd);
	unlink(path);
}

static uint64_t number_of(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "fs_bench: %s is not a number\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct bench bench = { .nr_threads = 1, .nr_dirs = 1, .nr_files = 50000, .seconds = 2 };
	uint64_t state = 1;

	for (int i = 2; i + 1 < argc; i += 2) {
		uint64_t value = number_of(argv[i + 1]);

		if (strcmp(argv[i], "--threads") == 0 && value && value <= MAX_THREADS)
			bench.nr_threads = (unsigned)value;
		else if (strcmp(argv[i], "--dirs") == 0 && value)
			bench.nr_dirs = (unsigned)value;
		else if (strcmp(argv[i], "--files") == 0)
			bench.nr_files = value;
		else if (strcmp(argv[i], "--seconds") == 0)
			bench.seconds = (double)value;
		else if (strcmp(argv[i], "--io") == 0 && value >= PIECE)
			bench.io_bytes = value / PIECE * PIECE;
		else if (strcmp(argv[i], "--writes-only") == 0)
			bench.writes_only = value != 0;
		else
			argc = 0;
	}
	if (argc < 2 || argc % 2) {
		fprintf(stderr, "usage: fs_bench DIR [--threads N] [--dirs N] [--files N] "
				"[--seconds N] [--io BYTES [--writes-only 1]]\n");
		return 2;
	}
	bench.dir = argv[1];
	bench.data = malloc(PIECE);
	if (!bench.data)
		die("memory");
	for (size_t i = 0; i < PIECE; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		bench.data[i] = (char)(state >> 56);
	}
	if (bench.io_bytes)
		run_io(&bench);
	else
		run_names(&bench);
	free(bench.data);
	return 0;
}
