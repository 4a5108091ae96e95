/*
 * Random operations on contents; see data_step.h.
 *
 * Offsets and lengths gather around what matters: sectors, compressed pieces of 128 KiB, the limit
 * of inline extents, the end of the file.
 */
#include "model/data_step.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

void data_fail(struct data_run *run, const char *format, ...)
{
	va_list args;

	if (run->failed)
		return;
	run->failed = true;
	va_start(args, format);
	vsnprintf(run->text, sizeof(run->text), format, args);
	va_end(args);
}

static void did(struct data_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void did(struct data_run *run, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(run->did, sizeof(run->did), format, args);
	va_end(args);
}

bool data_refused(struct data_run *run, int err)
{
	if (!run->full || run->must || err != -ENOSPC)
		return false;
	run->nr_refused++;
	return true;
}

/* False when the answer is another than the one wanted, which is noted. */
static bool answered(struct data_run *run, int err, int wanted)
{
	if (err == wanted)
		return err == 0;
	if (data_refused(run, err))
		return false;
	data_fail(run, "answers %d instead of %d (%s)", err, wanted,
		  err ? ubtrfs_error_text() : "");
	return false;
}

static uint64_t random_size(struct data_run *run)
{
	static const uint64_t edges[] = { 0,	 2048,	4096,	8192,	16384,
					  65536, 65536, 131072, 131072, 262144 };
	uint64_t edge = edges[rng_below(run->rng, ARRAY_LEN(edges))];

	if (rng_one_in(run->rng, 3))
		return rng_below(run->rng, run->max_bytes);
	if (rng_one_in(run->rng, 3))
		return rng_below(run->rng, 5000);
	edge += rng_below(run->rng, 5);
	edge = edge > 2 ? edge - 2 : edge;
	return MIN(edge, run->max_bytes);
}

/* A range below max_bytes, len > 0; one in three within or at the end of the file. */
static void random_range(struct data_run *run, const struct content *content, uint64_t *ret_offset,
			 uint64_t *ret_len)
{
	uint64_t offset = random_size(run), len = random_size(run);

	if (rng_one_in(run->rng, 4))
		offset = content->len;
	else if (content->len && rng_one_in(run->rng, 2))
		offset = rng_below(run->rng, content->len);
	if (rng_one_in(run->rng, 3))
		offset -= offset % run->exec->align;
	if (rng_one_in(run->rng, 3))
		len -= len % run->exec->align;
	offset = MIN(offset, run->max_bytes - 1);
	len = MAX(1u, MIN(len, run->max_bytes - offset));
	*ret_offset = offset;
	*ret_len = len;
}

static void step_write(struct data_run *run, struct data_file *file, struct data_file *other)
{
	uint64_t offset, len, seed = rng_next(run->rng);
	uint8_t *data;
	int err;

	(void)other;
	random_range(run, file->content, &offset, &len);
	did(run, "write %llu+%llu seed %llx", (unsigned long long)offset, (unsigned long long)len,
	    (unsigned long long)seed);
	data = malloc(len);
	assert_non_null(data);
	/* Whole runs of zeroes are contents like others. */
	if (rng_one_in(run->rng, 10))
		memset(data, 0, len);
	else
		content_bytes(seed, offset, data, len);
	err = run->exec->ops->write(run->exec, &file->file, offset, data, len);
	if (answered(run, err, 0)) {
		content_resize(file->content, MAX(file->content->len, offset + len));
		memcpy(file->content->data + offset, data, len);
	}
	free(data);
}

static void compare_bytes(struct data_run *run, const struct content *content, uint64_t offset,
			  const uint8_t *data, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		if (data[i] != content->data[offset + i]) {
			data_fail(run, "byte %llu of %llu is 0x%02x instead of 0x%02x",
				  (unsigned long long)(offset + i),
				  (unsigned long long)content->len, data[i],
				  content->data[offset + i]);
			return;
		}
}

static void read_range(struct data_run *run, struct data_file *file, uint64_t offset, uint64_t len)
{
	uint64_t end = file->content->len;
	uint64_t wanted = offset >= end ? 0 : MIN(len, end - offset);
	uint8_t *data = malloc(len + 1);
	size_t got = 0;
	int err;

	assert_non_null(data);
	err = run->exec->ops->read(run->exec, &file->file, offset, data, len, &got);
	if (answered(run, err, 0)) {
		if (got != wanted)
			data_fail(run, "%zu bytes are read instead of %llu", got,
				  (unsigned long long)wanted);
		else
			compare_bytes(run, file->content, offset, data, wanted);
	}
	free(data);
}

static void step_read(struct data_run *run, struct data_file *file, struct data_file *other)
{
	uint64_t offset, len;

	(void)other;
	random_range(run, file->content, &offset, &len);
	did(run, "read %llu+%llu", (unsigned long long)offset, (unsigned long long)len);
	read_range(run, file, offset, len);
}

void data_compare(struct data_run *run, struct data_file *file)
{
	struct exec_stat st;

	did(run, "compare");
	if (!answered(run, run->exec->ops->fstat(run->exec, &file->file, &st), 0))
		return;
	if (st.size != file->content->len)
		data_fail(run, "the size is %llu instead of %llu", (unsigned long long)st.size,
			  (unsigned long long)file->content->len);
	else
		read_range(run, file, 0, file->content->len + 100);
}

static void step_truncate(struct data_run *run, struct data_file *file, struct data_file *other)
{
	uint64_t size = random_size(run);

	(void)other;
	if (file->content->len && rng_one_in(run->rng, 2))
		size = rng_below(run->rng, file->content->len);
	did(run, "truncate %llu to %llu", (unsigned long long)file->content->len,
	    (unsigned long long)size);
	/* Part of a sector is written anew: with a background there is a reserve for that. */
	run->must = size <= file->content->len && (run->reserve || size % run->exec->align == 0);
	if (answered(run, run->exec->ops->truncate(run->exec, &file->file, size), 0))
		content_resize(file->content, size);
	run->must = false;
}

static void fallocate_step(struct data_run *run, struct data_file *file, unsigned mode)
{
	struct content *content = file->content;
	uint64_t offset, len, end;

	random_range(run, content, &offset, &len);
	did(run, "fallocate mode %u %llu+%llu of %llu", mode, (unsigned long long)offset,
	    (unsigned long long)len, (unsigned long long)content->len);
	if (!answered(run, run->exec->ops->fallocate(run->exec, &file->file, mode, offset, len), 0))
		return;
	if (!(mode & EXEC_KEEP_SIZE))
		content_resize(content, MAX(content->len, offset + len));
	end = MIN(offset + len, content->len);
	if ((mode & (EXEC_PUNCH_HOLE | EXEC_ZERO_RANGE)) && offset < end)
		memset(content->data + offset, 0, end - offset);
}

static void step_allocate(struct data_run *run, struct data_file *file, struct data_file *other)
{
	(void)other;
	fallocate_step(run, file, rng_one_in(run->rng, 2) ? EXEC_KEEP_SIZE : 0);
}

static void step_punch(struct data_run *run, struct data_file *file, struct data_file *other)
{
	(void)other;
	fallocate_step(run, file, EXEC_PUNCH_HOLE | EXEC_KEEP_SIZE);
}

static void step_zero(struct data_run *run, struct data_file *file, struct data_file *other)
{
	(void)other;
	fallocate_step(run, file, EXEC_ZERO_RANGE | (rng_one_in(run->rng, 2) ? EXEC_KEEP_SIZE : 0));
}

static bool overlap(const struct data_file *a, uint64_t a_offset, const struct data_file *b,
		    uint64_t b_offset, uint64_t len)
{
	return a->content == b->content && a_offset < b_offset + len && b_offset < a_offset + len;
}

/* On both sides at once: from and to may be the same bytes. */
static void content_copy(struct content *to, uint64_t to_offset, const struct content *from,
			 uint64_t from_offset, uint64_t len)
{
	content_resize(to, MAX(to->len, to_offset + len));
	memmove(to->data + to_offset, from->data + from_offset, len);
}

/* What FICLONERANGE answers to a range of len > 0 within the source. */
static int clone_answer(struct data_run *run, const struct data_file *from, uint64_t from_offset,
			const struct data_file *to, uint64_t to_offset, uint64_t len)
{
	uint64_t align = run->exec->align;

	if (from->unsummed != to->unsummed || from_offset % align || to_offset % align)
		return -EINVAL;
	if (len % align == 0)
		return 0;
	/* The rest of a sector only where both files end. */
	if (from_offset + len != from->content->len || to_offset + len < to->content->len)
		return -EINVAL;
	return 0;
}

static void step_clone(struct data_run *run, struct data_file *file, struct data_file *other)
{
	uint64_t from_offset, to_offset, len, unused, align = run->exec->align;
	int wanted;

	random_range(run, other->content, &from_offset, &len);
	random_range(run, file->content, &to_offset, &unused);
	if (!rng_one_in(run->rng, 20)) {
		from_offset -= from_offset % align;
		to_offset -= to_offset % align;
	}
	if (from_offset >= other->content->len)
		return;
	len = MIN(len, other->content->len - from_offset);
	if (from_offset + len < other->content->len && !rng_one_in(run->rng, 20))
		len -= len % align;
	if (len == 0 || to_offset + len > run->max_bytes ||
	    overlap(file, to_offset, other, from_offset, round_up(len, align)))
		return;
	wanted = clone_answer(run, other, from_offset, file, to_offset, len);
	did(run, "clone %s %llu+%llu of %llu to %llu of %llu",
	    file->content == other->content ? "within" : "from", (unsigned long long)from_offset,
	    (unsigned long long)len, (unsigned long long)other->content->len,
	    (unsigned long long)to_offset, (unsigned long long)file->content->len);
	if (answered(run,
		     run->exec->ops->clone(run->exec, &other->file, from_offset, &file->file,
					   to_offset, len),
		     wanted))
		content_copy(file->content, to_offset, other->content, from_offset, len);
}

static void step_copy(struct data_run *run, struct data_file *file, struct data_file *other)
{
	uint64_t from_offset, to_offset, len, unused, done = 0;
	int err;

	random_range(run, other->content, &from_offset, &len);
	random_range(run, file->content, &to_offset, &unused);
	if (rng_one_in(run->rng, 2))
		to_offset = to_offset - to_offset % 4096 + from_offset % 4096;
	if (to_offset + len > run->max_bytes || overlap(file, to_offset, other, from_offset, len))
		return;
	/* Within a file its end moves while copying. */
	if (file->content == other->content && from_offset + len > other->content->len)
		return;
	did(run, "copy %s %llu+%llu of %llu to %llu of %llu",
	    file->content == other->content ? "within" : "from", (unsigned long long)from_offset,
	    (unsigned long long)len, (unsigned long long)other->content->len,
	    (unsigned long long)to_offset, (unsigned long long)file->content->len);
	err = run->exec->ops->copy(run->exec, &other->file, from_offset, &file->file, to_offset,
				   len, &done);
	/* On a full filesystem it may end early, as copy_file_range(2) does. */
	if (!answered(run, err, 0) && run->failed)
		return;
	len = from_offset < other->content->len ? MIN(len, other->content->len - from_offset) : 0;
	if (err == 0 && done != len)
		data_fail(run, "copies %llu bytes", (unsigned long long)done);
	if (done && done <= len)
		content_copy(file->content, to_offset, other->content, from_offset, done);
}

static void step_dedupe(struct data_run *run, struct data_file *file, struct data_file *other)
{
	uint64_t align = run->exec->align, from_offset, to_offset, len, end;
	bool same = false, wanted;

	end = MIN(file->content->len, other->content->len) / align;
	if (end < 2 || file->unsummed != other->unsummed)
		return;
	from_offset = rng_below(run->rng, end) * align;
	to_offset = rng_one_in(run->rng, 2) ? from_offset : rng_below(run->rng, end) * align;
	len = (1 + rng_below(run->rng, end - MAX(from_offset, to_offset) / align)) * align;
	if (overlap(file, to_offset, other, from_offset, len))
		return;
	wanted = memcmp(file->content->data + to_offset, other->content->data + from_offset, len) ==
		 0;
	did(run, "dedupe %llu+%llu with %llu", (unsigned long long)from_offset,
	    (unsigned long long)len, (unsigned long long)to_offset);
	if (answered(run,
		     run->exec->ops->dedupe(run->exec, &other->file, from_offset, &file->file,
					    to_offset, len, &same),
		     0) &&
	    same != wanted)
		data_fail(run, "says %s", same ? "that they are the same" : "that they differ");
}

static bool all_zero(const struct content *content, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		if (content->data[i])
			return false;
	return true;
}

static void step_seek_data(struct data_run *run, struct data_file *file, struct data_file *other)
{
	const struct content *content = file->content;
	uint64_t offset = content->len ? rng_below(run->rng, content->len) : 0, at = content->len;
	int err;

	(void)other;
	did(run, "SEEK_DATA %llu", (unsigned long long)offset);
	err = run->exec->ops->seek(run->exec, &file->file, false, offset, &at);
	if (err == -ENXIO)
		at = content->len;
	else if (!answered(run, err, 0))
		return;
	if (at < offset || at > content->len)
		data_fail(run, "finds data at %llu of %llu", (unsigned long long)at,
			  (unsigned long long)content->len);
	else if (!all_zero(content, offset, at))
		data_fail(run, "passes over data, and says %llu", (unsigned long long)at);
}

static void step_seek_hole(struct data_run *run, struct data_file *file, struct data_file *other)
{
	const struct content *content = file->content;
	uint64_t offset = content->len ? rng_below(run->rng, content->len + 2) : 0, at = 0, end;
	int err = run->exec->ops->seek(run->exec, &file->file, true, offset, &at);

	(void)other;
	did(run, "SEEK_HOLE %llu of %llu", (unsigned long long)offset,
	    (unsigned long long)content->len);
	if (!answered(run, err, offset >= content->len ? -ENXIO : 0))
		return;
	end = MIN(content->len, round_up(at + 1, run->exec->align));
	if (at < offset || at > content->len || !all_zero(content, at, end))
		data_fail(run, "finds a hole at %llu of %llu", (unsigned long long)at,
			  (unsigned long long)content->len);
}

static void step_map(struct data_run *run, struct data_file *file, struct data_file *other)
{
	struct content *content = file->content;
	bool write = rng_one_in(run->rng, 2);
	uint64_t offset, len, seed = rng_next(run->rng);
	uint8_t *data;

	(void)other;
	if (content->len == 0)
		return;
	offset = rng_below(run->rng, content->len);
	len = random_size(run);
	len = MAX(1u, MIN(len, content->len - offset));
	did(run, "%s %llu+%llu by a mapping", write ? "write" : "read", (unsigned long long)offset,
	    (unsigned long long)len);
	data = malloc(len);
	assert_non_null(data);
	content_bytes(seed, offset, data, len);
	if (answered(run, run->exec->ops->map(run->exec, &file->file, write, offset, data, len),
		     0)) {
		if (write)
			memcpy(content->data + offset, data, len);
		else
			compare_bytes(run, content, offset, data, len);
	}
	free(data);
}

static void step_fsync(struct data_run *run, struct data_file *file, struct data_file *other)
{
	bool data_only = rng_one_in(run->rng, 2);

	(void)other;
	did(run, data_only ? "fdatasync" : "fsync");
	answered(run, run->exec->ops->fsync(run->exec, &file->file, data_only), 0);
}

static const struct {
	unsigned weight;
	unsigned needs;
	void (*step)(struct data_run *run, struct data_file *file, struct data_file *other);
} steps[] = {
	{ 30, 0, step_write },
	{ 14, 0, step_read },
	{ 8, 0, step_truncate },
	{ 6, EXEC_FALLOCATE, step_allocate },
	{ 7, EXEC_FALLOCATE, step_punch },
	{ 5, EXEC_FALLOCATE, step_zero },
	{ 8, EXEC_CLONE, step_clone },
	{ 5, EXEC_COPY, step_copy },
	{ 3, EXEC_DEDUPE, step_dedupe },
	{ 2, 0, step_seek_data },
	{ 2, EXEC_SEEK_HOLE, step_seek_hole },
	{ 5, EXEC_MMAP, step_map },
	{ 1, 0, step_fsync },
};

/* A seed gives the same sequence on executors that can do the same. */
void data_step(struct data_run *run, struct data_file *file, struct data_file *other)
{
	unsigned can = run->exec->can & ~run->avoid;
	unsigned total = 0;
	uint64_t dice;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if ((steps[i].needs & ~can) == 0)
			total += steps[i].weight;
	dice = rng_below(run->rng, total);
	run->did[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].needs & ~can)
			continue;
		if (dice < steps[i].weight) {
			steps[i].step(run, file, other);
			return;
		}
		dice -= steps[i].weight;
	}
}
