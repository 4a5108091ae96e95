/*
 * Random ranges from a seed: three files beside byte arrays, through every operation that works on
 * ranges (write, truncate, fallocate in all modes, clone, dedupe, copy), of plain, compressed and
 * NODATACOW files, with and without NO_HOLES, sectors of 4 and 64 KiB; everything is compared now and
 * then, after each reopening and at the end, and `btrfs check` judges the image.
 *
 * With UBTRFS_SIM_MIRROR=DIR every call is made on files of that directory too, in a kernel's btrfs:
 * answers, what is a hole, and the sectors in use must be the same. UBTRFS_SIM_SEEDS=FIRST-LAST and UBTRFS_SIM_OPS=N choose others than the few of the normal run; a
 * failure names its seed. UBTRFS_SIM_KEEP=FILE: the image of the last seed is moved there
 * (in the same filesystem); UBTRFS_SIM_FILES=DIR: what the files should hold is put there.
 * UBTRFS_SIM_4K: no sectors of 64 KiB, which not every kernel mounts.
 */
#include "ops/fs_fixture.h"
#include "sim/range_mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rng.h"
#include "ops/ops.h"

#define SEEDS 16u
#define SEEDS_FULL 2000u
#define OPS 250u
#define NR_FILES 3u
#define MAX_FILE (1024 * 1024u)

struct range_sim {
	struct fs_fixture fx;
	struct rng rng;
	struct ubtrfs_node nodes[NR_FILES];
	struct content contents[NR_FILES];
	struct content committed[NR_FILES];
	bool nodatasum[NR_FILES];
	bool nodatacow; /* one of them */
	uint32_t sectorsize;
	bool verbose;
	struct range_mirror mirror;
	bool aligned; /* only whole sectors */
};

/* ---- random ranges ---- */

/* Sectors, 128 KiB, the ends of files; and anything. */
static uint64_t random_offset(struct range_sim *sim, unsigned file)
{
	uint64_t at;

	switch (sim->aligned ? 5 : rng_below(&sim->rng, 6)) {
	case 0:
		return rng_below(&sim->rng, MAX_FILE);
	case 1:
		return rng_below(&sim->rng, 10000);
	case 2:
		at = sim->contents[file].len;
		break;
	case 3:
		at = 131072 * rng_below(&sim->rng, 8);
		break;
	default:
		return sim->sectorsize * rng_below(&sim->rng, MAX_FILE / sim->sectorsize);
	}
	return rng_one_in(&sim->rng, 3) ? at + rng_below(&sim->rng, 100) : at;
}

static uint64_t random_len(struct range_sim *sim)
{
	switch (sim->aligned ? 3 : rng_below(&sim->rng, 4)) {
	case 0:
		return 1 + rng_below(&sim->rng, 5000);
	case 1:
		return 1 + rng_below(&sim->rng, MAX_FILE / 2);
	default:
		return sim->sectorsize * (1 + rng_below(&sim->rng, 40));
	}
}

/* A range inside MAX_FILE. */
static bool random_range(struct range_sim *sim, unsigned file, uint64_t *ret_offset,
			 uint64_t *ret_len)
{
	*ret_offset = random_offset(sim, file);
	*ret_len = random_len(sim);
	return *ret_offset + *ret_len <= MAX_FILE;
}

static unsigned random_file(struct range_sim *sim)
{
	return (unsigned)rng_below(&sim->rng, NR_FILES);
}

/* What the kernel answers to the same call. */
#define MIRRORED(sim, err, call)                                                             \
	do {                                                                                 \
		int mirrored_ret = (sim)->mirror.dir ? (call) : (err);                       \
		if (mirrored_ret != (err))                                                   \
			fail_msg("%s: the kernel says %d, we %d", #call, mirrored_ret, err); \
	} while (0)
#define TELL(sim, ...) ((sim)->verbose ? print_message(__VA_ARGS__) : (void)0)

/* ---- operations ---- */

static void op_write(struct range_sim *sim)
{
	unsigned file = random_file(sim);
	uint64_t offset, len;

	if (!random_range(sim, file, &offset, &len))
		return;
	TELL(sim, "write %u %llu+%llu\n", file, (unsigned long long)offset,
	     (unsigned long long)len);
	content_write(&sim->fx, sim->nodes[file], &sim->contents[file], offset, len,
		      rng_next(&sim->rng));
	MIRRORED(sim, 0,
		 mirror_write(&sim->mirror, file, offset, sim->contents[file].data + offset, len));
}

static void op_truncate(struct range_sim *sim)
{
	unsigned file = random_file(sim);
	uint64_t size = random_offset(sim, file);

	/* What is behind the end goes. */
	if (rng_one_in(&sim->rng, 6))
		size = sim->contents[file].len;
	if (size > MAX_FILE)
		return;
	TELL(sim, "truncate %u %llu\n", file, (unsigned long long)size);
	content_truncate(&sim->fx, sim->nodes[file], &sim->contents[file], size);
	MIRRORED(sim, 0, mirror_truncate(&sim->mirror, file, size));
}

static void content_zero(struct content *content, uint64_t offset, uint64_t end)
{
	end = MIN(end, content->len);
	if (offset < end)
		memset(content->data + offset, 0, end - offset);
}

static void op_fallocate(struct range_sim *sim)
{
	static const unsigned modes[] = {
		0,
		UBTRFS_FALLOC_KEEP_SIZE,
		UBTRFS_FALLOC_PUNCH_HOLE | UBTRFS_FALLOC_KEEP_SIZE,
		UBTRFS_FALLOC_PUNCH_HOLE | UBTRFS_FALLOC_KEEP_SIZE,
		UBTRFS_FALLOC_ZERO_RANGE,
		UBTRFS_FALLOC_ZERO_RANGE | UBTRFS_FALLOC_KEEP_SIZE,
	};
	unsigned mode = modes[rng_below(&sim->rng, ARRAY_LEN(modes))];
	unsigned file = random_file(sim);
	struct content *content = &sim->contents[file];
	uint64_t offset, len;

	if (!random_range(sim, file, &offset, &len))
		return;
	TELL(sim, "fallocate %u mode %x %llu+%llu\n", file, mode, (unsigned long long)offset,
	     (unsigned long long)len);
	OK(ubtrfs_fallocate(sim->fx.fs, sim->nodes[file], mode, offset, len));
	MIRRORED(sim, 0, mirror_fallocate(&sim->mirror, file, mode, offset, len));
	if (mode & (UBTRFS_FALLOC_PUNCH_HOLE | UBTRFS_FALLOC_ZERO_RANGE))
		content_zero(content, offset, offset + len);
	if (!(mode & UBTRFS_FALLOC_KEEP_SIZE))
		content_resize(content, MAX(content->len, offset + len));
}

/* Bytes of one array into another, or to another place of the same. */
static void content_copy(struct content *to, uint64_t to_offset, const struct content *from,
			 uint64_t from_offset, uint64_t len)
{
	content_resize(to, MAX(to->len, to_offset + len));
	memmove(to->data + to_offset, from->data + from_offset, len);
}

static bool overlap(unsigned a, uint64_t a_offset, unsigned b, uint64_t b_offset, uint64_t len)
{
	return a == b && a_offset < b_offset + len && b_offset < a_offset + len;
}

/* What two files share, or where the call must refuse it. */
static void op_clone(struct range_sim *sim)
{
	unsigned src = random_file(sim), dst = random_file(sim);
	uint64_t src_offset = round_down(random_offset(sim, src), sim->sectorsize);
	uint64_t dst_offset = round_down(random_offset(sim, dst), sim->sectorsize);
	uint64_t len = round_up(random_len(sim), sim->sectorsize);
	uint64_t size = sim->contents[src].len;
	int err;

	if (src_offset >= size)
		return;
	if (src_offset + len > size)
		len = size - src_offset;
	if (dst_offset + len > MAX_FILE)
		return;
	TELL(sim, "clone %u %llu -> %u %llu +%llu\n", src, (unsigned long long)src_offset, dst,
	     (unsigned long long)dst_offset, (unsigned long long)len);
	err = ubtrfs_clone_range(sim->fx.fs, sim->nodes[src], src_offset, sim->nodes[dst],
				 dst_offset, len);
	MIRRORED(sim, err, mirror_clone(&sim->mirror, src, src_offset, dst, dst_offset, len));
	if (sim->nodatasum[src] != sim->nodatasum[dst] ||
	    overlap(src, src_offset, dst, dst_offset, round_up(len, sim->sectorsize)) ||
	    (len % sim->sectorsize && dst_offset + len < sim->contents[dst].len)) {
		FAILS(EINVAL, err);
		return;
	}
	OK(err);
	content_copy(&sim->contents[dst], dst_offset, &sim->contents[src], src_offset, len);
}

static void op_dedupe(struct range_sim *sim)
{
	unsigned src = random_file(sim), dst = random_file(sim);
	uint64_t offset = round_down(random_offset(sim, src), sim->sectorsize);
	uint64_t len = sim->sectorsize * (1 + rng_below(&sim->rng, 20));
	struct content *from = &sim->contents[src], *to = &sim->contents[dst];
	bool same = false, mirror_same;

	if (src == dst || sim->nodatasum[src] != sim->nodatasum[dst] ||
	    offset + len > MIN(from->len, to->len))
		return;
	/* Mostly there is something to share. */
	if (!rng_one_in(&sim->rng, 4)) {
		content_copy(to, offset, from, offset, len);
		OK(ubtrfs_write(sim->fx.fs, sim->nodes[dst], offset, to->data + offset, len));
		MIRRORED(sim, 0, mirror_write(&sim->mirror, dst, offset, to->data + offset, len));
	}
	TELL(sim, "dedupe %u -> %u %llu+%llu\n", src, dst, (unsigned long long)offset,
	     (unsigned long long)len);
	OK(ubtrfs_dedupe_range(sim->fx.fs, sim->nodes[src], offset, sim->nodes[dst], offset, len,
			       &same));
	mirror_same = same;
	MIRRORED(sim, 0, mirror_dedupe(&sim->mirror, src, offset, dst, offset, len, &mirror_same));
	assert_int_equal(same, mirror_same);
	assert_int_equal(same, memcmp(from->data + offset, to->data + offset, len) == 0);
}

static void op_copy(struct range_sim *sim)
{
	unsigned src = random_file(sim), dst = random_file(sim);
	uint64_t src_offset = random_offset(sim, src), dst_offset = random_offset(sim, dst);
	uint64_t len = random_len(sim), copied = 0;
	uint64_t size = sim->contents[src].len;
	uint64_t real = src_offset < size ? MIN(len, size - src_offset) : 0;
	int err;

	/* The kernel shares all or nothing. */
	if (dst_offset + len > MAX_FILE || sim->mirror.dir)
		return;
	TELL(sim, "copy %u %llu -> %u %llu +%llu\n", src, (unsigned long long)src_offset, dst,
	     (unsigned long long)dst_offset, (unsigned long long)len);
	err = ubtrfs_copy_range(sim->fx.fs, sim->nodes[src], src_offset, sim->nodes[dst],
				dst_offset, len, &copied);
	if (overlap(src, src_offset, dst, dst_offset, real)) {
		FAILS(EINVAL, err);
		return;
	}
	OK(err);
	assert_int_equal(copied, real);
	if (real)
		content_copy(&sim->contents[dst], dst_offset, &sim->contents[src], src_offset,
			     real);
}

/* ---- comparing ---- */

static void compare_mirror_holes(struct range_sim *sim, unsigned file)
{
	uint64_t pos = 0, start, end, hole = 0, theirs = 0;

	while (pos < sim->contents[file].len) {
		int err = ubtrfs_seek_data(sim->fx.fs, sim->nodes[file], pos, &start, &end);

		assert_int_equal(mirror_seek(&sim->mirror, file, pos, SEEK_DATA, &theirs), err);
		if (err == -ENXIO)
			break;
		OK(err);
		assert_int_equal(start, theirs);
		OK(ubtrfs_seek_hole(sim->fx.fs, sim->nodes[file], start, &hole));
		assert_int_equal(mirror_seek(&sim->mirror, file, start, SEEK_HOLE, &theirs), 0);
		assert_int_equal(hole, theirs);
		pos = hole;
	}
}

/*
 * What the kernel has of the same file. Where a file ends within a sector, the kernel makes data of
 * holes when it clears the rest of it: sectors are compared where there is none of that.
 */
static void compare_mirror(struct range_sim *sim, unsigned file)
{
	const struct content *content = &sim->contents[file];
	uint64_t ours;
	struct stat st;

	if (!sim->mirror.dir)
		return;
	mirror_stat(&sim->mirror, file, &st);
	assert_int_equal(st.st_size, content->len);
	assert_true(mirror_holds(&sim->mirror, file, content->data, content->len));
	if (!sim->aligned)
		return;
	ours = fixture_attr(&sim->fx, sim->nodes[file]).allocated_bytes;
	if ((uint64_t)st.st_blocks * 512 != ours)
		fail_msg("file %u: the kernel has %llu bytes, we %llu", file,
			 (unsigned long long)st.st_blocks * 512, (unsigned long long)ours);
	compare_mirror_holes(sim, file);
}

/* What is said to be a hole is zero. */
static void compare_holes(struct range_sim *sim, unsigned file)
{
	const struct content *content = &sim->contents[file];
	uint64_t pos = 0, hole = 0, start = 0, end = 0;

	while (pos < content->len) {
		int err = ubtrfs_seek_data(sim->fx.fs, sim->nodes[file], pos, &start, &end);

		if (err == -ENXIO)
			start = end = content->len;
		else
			OK(err);
		for (uint64_t i = pos; i < start; i++)
			if (content->data[i])
				fail_msg("byte %llu is in a hole", (unsigned long long)i);
		if (start < content->len) {
			OK(ubtrfs_seek_hole(sim->fx.fs, sim->nodes[file], start, &hole));
			assert_true(hole >= end && hole <= content->len);
		}
		if (pos < start) {
			OK(ubtrfs_seek_hole(sim->fx.fs, sim->nodes[file], pos, &hole));
			assert_int_equal(hole, pos);
		}
		pos = end;
	}
	FAILS(ENXIO, ubtrfs_seek_hole(sim->fx.fs, sim->nodes[file], content->len, &hole));
}

static void compare_all(struct range_sim *sim)
{
	for (unsigned i = 0; i < NR_FILES; i++) {
		content_compare(&sim->fx, sim->nodes[i], &sim->contents[i]);
		compare_holes(sim, i);
		compare_mirror(sim, i);
	}
}

static void op_read(struct range_sim *sim)
{
	unsigned file = random_file(sim);

	TELL(sim, "read %u\n", file);
	content_compare(&sim->fx, sim->nodes[file], &sim->contents[file]);
	compare_holes(sim, file);
	compare_mirror(sim, file);
}

static void contents_copy(struct content to[NR_FILES], const struct content from[NR_FILES])
{
	for (unsigned i = 0; i < NR_FILES; i++) {
		content_resize(&to[i], from[i].len);
		if (from[i].len)
			memcpy(to[i].data, from[i].data, from[i].len);
	}
}

static void op_commit(struct range_sim *sim)
{
	TELL(sim, "commit\n");
	OK(ubtrfs_commit(sim->fx.fs));
	contents_copy(sim->committed, sim->contents);
}

static void op_reopen(struct range_sim *sim)
{
	TELL(sim, "reopen\n");
	op_commit(sim);
	fixture_reopen(&sim->fx, true);
	compare_all(sim);
}

/* What was not committed is gone: also what was written over what was preallocated, and what is
 * shared still counts. Without copy-on-write bytes change at once. */
static void op_abandon(struct range_sim *sim)
{
	if (sim->nodatacow || sim->fx.how.background || sim->mirror.dir)
		return;
	TELL(sim, "abandon\n");
	ubtrfs_abandon(sim->fx.fs);
	sim->fx.fs = NULL;
	fixture_check(&sim->fx);
	fixture_open(&sim->fx, true);
	contents_copy(sim->contents, sim->committed);
	compare_all(sim);
}

static void sim_step(struct range_sim *sim)
{
	uint64_t dice = rng_below(&sim->rng, 100);

	if (dice < 22)
		op_write(sim);
	else if (dice < 30)
		op_truncate(sim);
	else if (dice < 58)
		op_fallocate(sim);
	else if (dice < 72)
		op_clone(sim);
	else if (dice < 78)
		op_dedupe(sim);
	else if (dice < 86)
		op_copy(sim);
	else if (dice < 94)
		op_read(sim);
	else if (dice < 98)
		op_commit(sim);
	else if (dice < 99)
		op_abandon(sim);
	else
		op_reopen(sim);
}

/* What is dirty is stored now, by both: when it is stored makes a difference. */
static void sim_settle(struct range_sim *sim)
{
	struct stat st;

	if (!sim->mirror.dir)
		return;
	OK(ubtrfs_commit(sim->fx.fs));
	for (unsigned i = 0; i < NR_FILES; i++)
		mirror_stat(&sim->mirror, i, &st);
}

/* ---- kinds ---- */

static void sim_options(struct range_sim *sim)
{
	static const char *const features[] = { NULL, "^no-holes", "^block-group-tree,^no-holes" };
	static const uint32_t nodesizes[] = { 0, 0, 4096, 65536 };
	struct fs_fixture *fx = &sim->fx;

	fx->mkfs.byte_count = 300 * MIB;
	sim->sectorsize = 4096;
	/* Both as the kernel does it by itself. */
	if (getenv("UBTRFS_SIM_MIRROR"))
		return;
	fx->mkfs.features = features[rng_below(&sim->rng, ARRAY_LEN(features))];
	fx->mkfs.nodesize = nodesizes[rng_below(&sim->rng, ARRAY_LEN(nodesizes))];
	if (rng_one_in(&sim->rng, 5) && !getenv("UBTRFS_SIM_4K"))
		sim->sectorsize = fx->mkfs.nodesize = fx->mkfs.sectorsize = 65536;
	fx->how.compress = (int)rng_below(&sim->rng, 4);
#ifndef HAVE_LZO
	if (fx->how.compress == UBTRFS_COMPRESS_LZO)
		fx->how.compress = UBTRFS_COMPRESS_NONE;
#endif
	fx->how.threads = 1 + (unsigned)rng_below(&sim->rng, 3);
	fx->how.max_inline = rng_one_in(&sim->rng, 4) ? 0 : UINT32_MAX;
	/* In a thread of its own, with little room for what is dirty. */
	fx->how.background = rng_one_in(&sim->rng, 3);
	fx->how.dirty_bytes = rng_one_in(&sim->rng, 2) ? MIB : 0;
}

static void sim_files(struct range_sim *sim)
{
	static const uint64_t flags[] = { 0, 0, BTRFS_INODE_NODATASUM,
					  BTRFS_INODE_NODATASUM | BTRFS_INODE_NODATACOW };
	uint64_t all = flags[rng_below(&sim->rng, ARRAY_LEN(flags))];
	const char *mirror = getenv("UBTRFS_SIM_MIRROR");
	bool nodatacow[NR_FILES];

	for (unsigned i = 0; i < NR_FILES; i++) {
		uint64_t own = rng_one_in(&sim->rng, 5) ?
				       flags[rng_below(&sim->rng, ARRAY_LEN(flags))] :
				       all;
		struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0600 },
					   .set = UBTRFS_ATTR_FLAGS };
		char name[16];

		/* chattr has no flag for checksums alone. */
		if (mirror && own)
			own = BTRFS_INODE_NODATASUM | BTRFS_INODE_NODATACOW;
		what.attr.flags = own;

		snprintf(name, sizeof(name), "file%u", i);
		OK(ubtrfs_create(sim->fx.fs, sim->fx.top, name, strlen(name), &what,
				 &sim->nodes[i]));
		sim->nodatasum[i] = own & BTRFS_INODE_NODATASUM;
		nodatacow[i] = own & BTRFS_INODE_NODATACOW;
		sim->nodatacow |= nodatacow[i];
	}
	mirror_open(&sim->mirror, mirror, NR_FILES, nodatacow);
}

static void image_keep(const struct fs_fixture *fx)
{
	const char *keep = getenv("UBTRFS_SIM_KEEP");

	if (keep)
		assert_int_equal(rename(fx->path, keep), 0);
}

static void files_keep(const struct range_sim *sim)
{
	const char *dir = getenv("UBTRFS_SIM_FILES");
	char path[4096];

	for (unsigned i = 0; dir && i < NR_FILES; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s/file%u", dir, i);
		file = fopen(path, "we");
		assert_non_null(file);
		assert_int_equal(fwrite(sim->contents[i].data, 1, sim->contents[i].len, file),
				 sim->contents[i].len);
		assert_int_equal(fclose(file), 0);
	}
}

static void sim_run(uint64_t seed, unsigned nr_ops)
{
	struct range_sim *sim = calloc(1, sizeof(*sim));

	assert_non_null(sim);
	rng_init(&sim->rng, seed);
	sim->verbose = getenv("UBTRFS_SIM_VERBOSE");
	sim->aligned = getenv("UBTRFS_SIM_MIRROR") && seed % 2;
	fixture_init(&sim->fx);
	sim_options(sim);
	fixture_make(&sim->fx);
	fixture_finish(&sim->fx);
	fixture_open(&sim->fx, true);
	sim_files(sim);
	op_commit(sim);
	for (unsigned i = 0; i < nr_ops; i++) {
		sim_step(sim);
		sim_settle(sim);
	}
	compare_all(sim);
	fixture_reopen(&sim->fx, false);
	compare_all(sim);
	fixture_close(&sim->fx);
	mirror_close(&sim->mirror);
	files_keep(sim);
	image_keep(&sim->fx);
	fixture_fini(&sim->fx);
	for (unsigned i = 0; i < NR_FILES; i++) {
		content_free(&sim->contents[i]);
		content_free(&sim->committed[i]);
	}
	free(sim);
}

static void test_range_sim__random_operations(void **state)
{
	const char *text = getenv("UBTRFS_SIM_SEEDS"), *ops = getenv("UBTRFS_SIM_OPS");
	unsigned first = 1, last = getenv("UBTRFS_FULL") ? SEEDS_FULL : SEEDS;

	(void)state;
	if (text) {
		first = last = (unsigned)strtoul(text, NULL, 10);
		if (strchr(text, '-'))
			last = (unsigned)strtoul(strchr(text, '-') + 1, NULL, 10);
	}
	for (unsigned seed = first; seed <= last; seed++) {
		/* Standing there when the run fails. */
		print_message("# seed %u\n", seed);
		sim_run(seed, ops ? (unsigned)strtoul(ops, NULL, 10) : OPS);
	}
}

/* IMAGE PATH: what comes in goes over the beginning of a file, with no thread that flushes inodes. */
static int write_into(const char *image, const char *path)
{
	const char *devices[] = { image };
	struct ubtrfs_open_options how;
	static uint8_t data[MIB];
	struct ubtrfs_node node;
	struct ubtrfs *fs;
	size_t len;

	ubtrfs_open_options_init(&how);
	how.devices = devices;
	how.nr_devices = 1;
	how.writable = true;
	len = fread(data, 1, sizeof(data), stdin);
	if (ubtrfs_open(&how, &fs) < 0 ||
	    ubtrfs_resolve(fs, ubtrfs_top(fs), path, true, &node) < 0 ||
	    ubtrfs_write(fs, node, 0, data, len) < 0 || ubtrfs_close(fs) < 0) {
		fprintf(stderr, "%s\n", ubtrfs_error_text());
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range_sim__random_operations),
	};

	if (argc == 3)
		return write_into(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
