/*
 * A run over many mutants: children do them in batches, and tell in shared memory where they are; the
 * parent watches. A child that ends badly, works WATCH_SECONDS on one mutant or grows beyond
 * RSS_MAX_KIB is a finding, named by image, seed and number; the next child goes on behind it.
 *
 * Every different sentence of a failure (numbers aside) is written to the log once a batch.
 */
#include "mutate.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"

#define BATCH 400u
#define WATCH_SECONDS 10u      /* of processor time: others may have the machine */
#define WATCH_WALL_SECONDS 90u /* for who waits for ever */
#define POLL_NS 20000000L
#define RSS_MAX_KIB (512u * 1024)
#define SENTENCES_MAX 4096u

/* What a child tells. */
struct shared {
	_Atomic uint64_t at;	   /* the mutant under work */
	_Atomic uint64_t began_ms; /* when it was begun */
	_Atomic uint64_t began_cpu_ms;
	_Atomic uint64_t nr_mutants, nr_opened, nr_committed, nr_reopened, nr_entries, slowest_ms;
	_Atomic unsigned nr_mute;
};

struct run {
	const struct campaign *campaign;
	struct shared *shared;
	int log;
	uint64_t ends_ms; /* 0 = no limit */
	/* of the child */
	uint64_t seen[SENTENCES_MAX];
	size_t nr_seen;
	struct story story;
	uint64_t current;
};

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

__attribute__((format(printf, 2, 3))) static void log_line(const struct run *run,
							   const char *format, ...)
{
	char line[4096];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	len = len < (int)sizeof(line) - 1 ? len : (int)sizeof(line) - 2;
	line[len++] = '\n';
	if (write(run->log, line, (size_t)len) < 0)
		_exit(3);
}

/* ---- the child ---- */

/* A sentence without its numbers and names. */
static size_t sentence_shape(const char *call, const char *sentence, char *shape, size_t capacity)
{
	size_t len = (size_t)snprintf(shape, capacity, "%.24s: ", call);
	bool quoted = false;

	for (const char *at = sentence; *at && len + 2 < capacity; at++) {
		if (*at == '"')
			quoted = !quoted;
		if (quoted || (strchr("0123456789", *at) && len && shape[len - 1] == '#'))
			continue;
		shape[len++] = strchr("0123456789", *at) ? '#' : *at;
	}
	shape[len] = '\0';
	return len;
}

static bool seen_before(struct run *run, const char *shape, size_t len)
{
	uint64_t hash = 1469598103934665603ull;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)shape[i]) * 1099511628211ull;
	for (size_t i = 0; i < run->nr_seen; i++)
		if (run->seen[i] == hash)
			return true;
	if (run->nr_seen < SENTENCES_MAX)
		run->seen[run->nr_seen++] = hash;
	return false;
}

/*
 * A sentence says something of its own, and where: which block, tree, inode, address or name. One
 * about an item says which key.
 */
static bool is_mute(const char *sentence)
{
	if (strlen(sentence) < 12 || strstr(sentence, "(null)"))
		return true;
	if (strstr(sentence, " slot ") && !strstr(sentence, " key ("))
		return true;
	return !strpbrk(sentence, "0123456789\"") && strncmp(sentence, "superblock: ", 12) != 0 &&
	       !strstr(sentence, "in place of subvolumes");
}

static void note_failure(void *ctx, int err, const char *call, const char *sentence)
{
	struct run *run = ctx;
	char shape[640];
	size_t len = sentence_shape(call, sentence, shape, sizeof(shape));

	if (seen_before(run, shape, len))
		return;
	log_line(run, "sentence %d %s  [%llu: %s]", err, shape, (unsigned long long)run->current,
		 sentence);
	if (is_mute(sentence)) {
		run->shared->nr_mute++;
		log_line(run, "FINDING mute: mutant %llu: %s: \"%s\"",
			 (unsigned long long)run->current, call, sentence);
	}
}

static void mutant_do(struct run *run, uint64_t number, FILE *sink)
{
	const struct campaign *campaign = run->campaign;
	struct image *image = &campaign->images[number % campaign->nr_images];
	struct shared *shared = run->shared;
	struct rng rng;
	struct use use = {
		.image = image, .rng = &rng, .failed = note_failure, .ctx = run, .sink = sink
	};
	uint64_t took;

	shared->at = run->current = number;
	shared->began_ms = now_ms();
	shared->began_cpu_ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
	rng_init(&rng, hash_mix2(campaign->seed, number));
	image_mutate(image, &rng, &run->story);
	if (campaign->save_dir) {
		printf("%s: %s\n", image->name, run->story.text);
		image_save(image, campaign->save_dir);
		image_reset(image);
		return;
	}
	if (campaign->verbose)
		log_line(run, "mutant %llu of %s: %s", (unsigned long long)number, image->name,
			 run->story.text);
	image_use(&use);
	image_reset(image);
	took = now_ms() - shared->began_ms;
	if (took > shared->slowest_ms)
		shared->slowest_ms = took;
	shared->nr_mutants++;
	shared->nr_opened += use.nr_opened;
	shared->nr_committed += use.nr_committed;
	shared->nr_reopened += use.nr_reopened;
	shared->nr_entries += use.nr_entries;
}

static bool time_is_up(const struct run *run)
{
	return run->ends_ms && now_ms() >= run->ends_ms;
}

static void batch_do(struct run *run, uint64_t from, uint64_t end)
{
	FILE *sink = fopen("/dev/null", "w");

	if (!sink)
		_exit(3);
	for (uint64_t number = from; number < end && !time_is_up(run); number++)
		mutant_do(run, number, sink);
	fclose(sink);
}

/* ---- the parent ---- */

static uint64_t rss_kib(pid_t pid)
{
	unsigned long long pages = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	file = fopen(path, "r");
	if (file) {
		if (fscanf(file, "%*u %llu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void told(const struct run *run, const char *what, struct campaign_result *result,
		 unsigned *counter)
{
	const struct campaign *campaign = run->campaign;
	uint64_t at = run->shared->at;

	(void)result;
	++*counter;
	log_line(run, "FINDING %s: mutant %llu of seed %llu, image %s", what,
		 (unsigned long long)at, (unsigned long long)campaign->seed,
		 campaign->images[at % campaign->nr_images].name);
}

static bool stands_still(const struct run *run, pid_t pid)
{
	const struct shared *shared = run->shared;
	clockid_t clock;

	if (now_ms() > shared->began_ms + WATCH_WALL_SECONDS * 1000)
		return true;
	return clock_getcpuclockid(pid, &clock) == 0 &&
	       clock_ms(clock) > shared->began_cpu_ms + WATCH_SECONDS * 1000;
}

/* Waits for a child; true when it ended well. */
static bool child_watch(const struct run *run, pid_t pid, struct campaign_result *result)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		uint64_t rss = rss_kib(pid);

		if (rss > result->most_rss_kib)
			result->most_rss_kib = rss;
		if (rss > RSS_MAX_KIB) {
			told(run, "memory", result, &result->nr_crashed);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return false;
		}
		if (stands_still(run, pid)) {
			told(run, "hang", result, &result->nr_hung);
			/* The sanitizer's handler shows where it stands. */
			kill(pid, SIGABRT);
			waitpid(pid, &status, 0);
			return false;
		}
		nanosleep(&pause, NULL);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	told(run, "crash", result, &result->nr_crashed);
	return false;
}

static bool batch_run(struct run *run, uint64_t from, uint64_t end, struct campaign_result *result)
{
	pid_t pid;

	fflush(NULL);
	run->shared->at = from;
	run->shared->began_ms = now_ms();
	run->shared->began_cpu_ms = 0;
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		dup2(run->log, STDERR_FILENO);
		batch_do(run, from, end);
		exit(0);
	}
	return child_watch(run, pid, result);
}

void campaign_run(const struct campaign *campaign, struct campaign_result *ret_result)
{
	struct run *run = calloc(1, sizeof(*run));
	uint64_t next = campaign->first, end = campaign->first + campaign->nr;

	memset(ret_result, 0, sizeof(*ret_result));
	run->campaign = campaign;
	run->shared = mmap(NULL, sizeof(*run->shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	run->log = campaign->log_path ? open(campaign->log_path,
					     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) :
					STDERR_FILENO;
	if (run->shared == MAP_FAILED || run->log < 0)
		abort();
	run->ends_ms = campaign->seconds ? now_ms() + campaign->seconds * 1000ull : 0;
	if (campaign->no_fork)
		batch_do(run, next, end);
	while (!campaign->no_fork && next < end && !time_is_up(run)) {
		uint64_t stop = end - next > BATCH ? next + BATCH : end;

		/* Behind the one that ended badly. */
		next = batch_run(run, next, stop, ret_result) ? stop : run->shared->at + 1;
	}
	ret_result->nr_mutants = run->shared->nr_mutants;
	ret_result->nr_opened = run->shared->nr_opened;
	ret_result->nr_committed = run->shared->nr_committed;
	ret_result->nr_reopened = run->shared->nr_reopened;
	ret_result->nr_entries = run->shared->nr_entries;
	ret_result->slowest_ms = run->shared->slowest_ms;
	ret_result->nr_mute = run->shared->nr_mute;
	munmap(run->shared, sizeof(*run->shared));
	if (campaign->log_path)
		close(run->log);
	free(run);
}
