/*
 * One run: a piece of a file on its way to disk; what a worker does with it.
 *
 * The worker's part reads the source, compresses and checksums. It looks at nothing but the run, so
 * its result depends on nothing else.
 */
#include <stdatomic.h>

#include "base/assert.h"
#include "file/file.h"

struct shared_source {
	struct file_source source;
	_Atomic unsigned count;
};

int shared_source_new(const struct file_source *source, struct shared_source **ret_source)
{
	struct shared_source *shared = mem_alloc(sizeof(*shared));

	if (!shared)
		return MEM_FAIL("a source of data");
	shared->source = *source;
	atomic_init(&shared->count, 1);
	*ret_source = shared;
	return 0;
}

struct shared_source *shared_source_ref(struct shared_source *source)
{
	atomic_fetch_add(&source->count, 1);
	return source;
}

void shared_source_put(struct shared_source *source)
{
	if (atomic_fetch_sub(&source->count, 1) != 1)
		return;
	if (source->source.release)
		source->source.release(source->source.ctx);
	mem_free(source);
}

int shared_source_reflink(struct shared_source *source, int *ret_fd)
{
	int fd = -1;

	if (source && source->source.reflink_fd) {
		fd = source->source.reflink_fd(source->source.ctx);
		if (fd < 0)
			return fd > -ERR_FIRST ? THROW_SYS(-fd, "opening %s", source->source.name) :
						 fd;
	}
	*ret_fd = fd;
	return 0;
}

static int shared_source_read(struct shared_source *source, uint64_t offset, void *data, size_t len)
{
	int err = source->source.read(source->source.ctx, offset, data, len);

	/*
	 * A foreign callback leaves no sentence of ours behind unless it used the same
	 * machinery.
	 */
	if (err < 0 && err > -ERR_FIRST)
		return THROW_SYS(-err, "reading %s at byte %llu",
				 source->source.name ? source->source.name : "a source",
				 (unsigned long long)offset);
	return err;
}

static int run_work(struct job *job, unsigned worker);

int run_new(struct writeback *writeback, struct inode *inode, uint64_t offset, uint32_t len,
	    uint8_t *data, uint32_t capacity, struct file_run **ret_run)
{
	struct file_run *run = mem_zalloc(sizeof(*run));

	ASSERT(len && len <= RUN_MAX_BYTES);
	if (!run)
		return MEM_FAIL("a run of file data");
	job_init(&run->job, run_work);
	atomic_init(&run->finished, false);
	run->count = 1;
	run->writeback = writeback;
	run->inode = inode_ref(inode);
	run->offset = offset;
	run->len = len;
	run->data = data;
	run->ram_bytes = data ? capacity : RUN_MAX_BYTES;
	*ret_run = run;
	return 0;
}

struct file_run *run_ref(struct file_run *run)
{
	run->count++;
	return run;
}

void run_put(struct file_run *run)
{
	ASSERT(run->count > 0);
	if (--run->count)
		return;
	if (run->source)
		shared_source_put(run->source);
	if (run->inode)
		inode_put(run->inode);
	/* What a worker made has the size that it needed. */
	if (run->source)
		mem_free(run->data);
	else
		buffer_put(run->writeback, run->data, run->ram_bytes);
	mem_free(run->packed);
	mem_free(run->csums);
	mem_free(run);
}

void scratch_fini(struct run_scratch *scratch)
{
	for (unsigned i = 0; i < COMPRESS_TYPES; i++)
		compress_free_workspace(scratch->workspaces[i]);
	mem_free(scratch->data);
	mem_free(scratch->packed);
}

static int scratch_get(struct writeback *writeback, unsigned worker, int type,
		       struct run_scratch **ret_scratch)
{
	struct run_scratch *scratch = &writeback->scratches[worker];
	/* The level goes with the algorithm that it was given for. */
	int level = type == writeback->config.compress ? writeback->config.compress_level : 0;

	ASSERT(worker < writeback->nr_scratches);
	if (!scratch->data)
		scratch->data = mem_alloc(RUN_MAX_BYTES);
	if (!scratch->packed)
		scratch->packed = mem_alloc(RUN_MAX_BYTES);
	if (!scratch->data || !scratch->packed)
		return MEM_FAIL("a worker's buffers");
	if (!scratch->workspaces[type])
		TRY(compress_new_workspace((enum compress_type)type, level,
					   writeback->geometry.sectorsize,
					   &scratch->workspaces[type]));
	*ret_scratch = scratch;
	return 0;
}

/*
 * The most bytes a compressed form may have to be worth it: one sector less than the plain form,
 * or few enough to be inline.
 */
static uint32_t run_packed_limit(const struct file_run *run)
{
	uint32_t sectorsize = run->writeback->geometry.sectorsize;
	uint32_t plain = (uint32_t)round_up(run->len, sectorsize);

	if (plain > sectorsize)
		return plain - sectorsize;
	return run->whole_file ? MIN(run->len - 1, run->writeback->config.max_inline) : 0;
}

/* Leaves packed NULL when it is not worth it. */
static int run_compress(struct file_run *run, struct run_scratch *scratch, const uint8_t *data,
			uint32_t limit)
{
	uint32_t sectorsize = run->writeback->geometry.sectorsize;
	uint32_t in_len = run->len;
	size_t len, padded;
	int err;

	/*
	 * Whole sectors, so that a reader finds every byte of the extent; only what may become
	 * inline is exact.
	 */
	if (run->len > sectorsize)
		in_len = (uint32_t)round_up(run->len, sectorsize);
	err = compress_run(scratch->workspaces[run->compress], data, in_len, scratch->packed, limit,
			   &len);
	if (err == -ERR_COMPRESS_GREW)
		return 0;
	TRY(err);
	padded = round_up(len, sectorsize);
	run->packed = mem_alloc(padded);
	if (!run->packed)
		return MEM_FAIL("compressed data");
	memcpy(run->packed, scratch->packed, len);
	memset(run->packed + len, 0, padded - len);
	run->packed_len = (uint32_t)len;
	return 0;
}

static int run_checksum(struct file_run *run)
{
	const struct geometry *geometry = &run->writeback->geometry;
	uint32_t nr =
		(uint32_t)div_up(run->packed ? run->packed_len : run->len, geometry->sectorsize);

	run->csums = mem_alloc((size_t)nr * geometry->csum_size);
	if (!run->csums)
		return MEM_FAIL("checksums");
	csum_compute_sectors(geometry->csum_type, run->packed ? run->packed : run->data, nr,
			     geometry->sectorsize, run->csums);
	return 0;
}

/* The plain bytes, when only the compressed ones were kept. */
static int run_restore(struct file_run *run)
{
	uint32_t sectorsize = run->writeback->geometry.sectorsize;
	size_t padded = round_up(run->len, sectorsize);

	run->data = mem_alloc(padded);
	if (!run->data)
		return MEM_FAIL("a run of file data");
	return decompress_run(run->compress, sectorsize, run->packed, run->packed_len, run->data,
			      padded);
}

int run_unpack(struct file_run *run)
{
	if (!run->data)
		TRY(run_restore(run));
	mem_free(run->packed);
	run->packed = NULL;
	mem_free(run->csums);
	run->csums = NULL;
	return run->csum ? run_checksum(run) : 0;
}

static int run_read(struct file_run *run, uint8_t *into)
{
	size_t padded = round_up(run->len, run->writeback->geometry.sectorsize);

	TRY(shared_source_read(run->source, run->offset, into, run->len));
	memset(into + run->len, 0, padded - run->len);
	return 0;
}

/* A source that compresses never has its plain bytes outside the scratch buffer. */
static int run_pack(struct file_run *run, unsigned worker, uint32_t limit)
{
	size_t padded = round_up(run->len, run->writeback->geometry.sectorsize);
	struct run_scratch *scratch;

	TRY(scratch_get(run->writeback, worker, run->compress, &scratch));
	if (run->source)
		TRY(run_read(run, scratch->data));
	TRY(run_compress(run, scratch, run->source ? scratch->data : run->data, limit));
	if (run->source && !run->packed) {
		run->data = mem_dup(scratch->data, padded);
		if (!run->data)
			return MEM_FAIL("a run of file data");
	}
	return 0;
}

static int run_steps(struct file_run *run, unsigned worker)
{
	uint32_t limit = run->compress ? run_packed_limit(run) : 0;

	if (limit) {
		TRY(run_pack(run, worker, limit));
	} else if (run->source) {
		run->data = mem_alloc(round_up(run->len, run->writeback->geometry.sectorsize));
		if (!run->data)
			return MEM_FAIL("a run of file data");
		TRY(run_read(run, run->data));
	}
	if (run->csum)
		TRY(run_checksum(run));
	return 0;
}

static int run_work(struct job *job, unsigned worker)
{
	struct file_run *run = container_of(job, struct file_run, job);
	int err = run_steps(run, worker);

	writeback_finished(run->writeback, &run->finished);
	return err;
}
