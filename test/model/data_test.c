/*
 * Contents of two files under random operations beside bytes in memory, for each way of storing
 * them: plain, compressed, always compressed, in place; sectors of 4 and 64 KiB. Now and then
 * everything is closed, judged by `btrfs check` and opened again; at the end the kernel reads the
 * files too (it does not mount sectors of 64 KiB).
 *
 *	UBTRFS_DATA_OPS=N UBTRFS_DATA_SEED=N build-dev/data_test
 *	build-dev/data_test --dir DIR [--ops N] [--seed N] [--nodatacow] [--verbose]
 *
 * With --dir the same by system calls on files of a directory, with mappings too: on a mount of
 * ours, or on the kernel's to try the test itself.
 */
#include "model/data_step.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <unistd.h>

#include "model/kernel_view.h"

#define OPS 2500u
#define OPS_FULL 1000000u
#define NR_FILES 2u

struct data_kind {
	const char *name;
	int compress;
	bool force, nodatacow;
	uint32_t sectorsize;
};

struct data_how {
	uint64_t seed, nr_ops;
	unsigned refresh_every;
	bool nodatacow, verbose;
};

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

struct data_set {
	struct data_run run;
	struct rng rng;
	struct content contents[NR_FILES];
	struct data_file files[NR_FILES];
};

static void set_path(unsigned i, char path[32])
{
	snprintf(path, 32, "/data-%u", i);
}

static void set_open(struct data_set *set, bool make, bool nodatacow)
{
	struct exec *exec = set->run.exec;
	char path[32];

	for (unsigned i = 0; i < NR_FILES; i++) {
		set_path(i, path);
		if (make)
			OK(exec->ops->make(exec, path, S_IFREG | 0644, 0));
		OK(exec->ops->open(exec, path, &set->files[i].file));
		set->files[i].content = &set->contents[i];
		set->files[i].unsummed = nodatacow;
		if (make && nodatacow)
			OK(exec->ops->set_flags(exec, &set->files[i].file, FS_NOCOW_FL,
						FS_NOCOW_FL));
	}
}

static void set_close(struct data_set *set)
{
	for (unsigned i = 0; i < NR_FILES; i++)
		set->run.exec->ops->close(set->run.exec, &set->files[i].file);
}

static void set_compare(struct data_set *set)
{
	for (unsigned i = 0; i < NR_FILES; i++)
		data_compare(&set->run, &set->files[i]);
}

static void set_refresh(struct data_set *set, bool nodatacow)
{
	set_close(set);
	OK(set->run.exec->ops->refresh(set->run.exec));
	set_open(set, false, nodatacow);
	set_compare(set);
}

/* The operations; what went wrong is in set->run. */
static void set_run(struct data_set *set, struct exec *exec, const struct data_how *how)
{
	set->run.exec = exec;
	set->run.rng = &set->rng;
	set->run.max_bytes = 400000;
	rng_init(&set->rng, how->seed);
	set_open(set, true, how->nodatacow);
	for (uint64_t i = 0; i < how->nr_ops && !set->run.failed; i++) {
		struct data_file *file = &set->files[rng_below(&set->rng, NR_FILES)];
		struct data_file *other = &set->files[rng_below(&set->rng, NR_FILES)];

		if (rng_one_in(&set->rng, how->refresh_every))
			set_refresh(set, how->nodatacow);
		else
			data_step(&set->run, file, other);
		if (how->verbose || set->run.failed)
			fprintf(stderr, "# %llu, file %u: %s\n", (unsigned long long)i,
				(unsigned)(file - set->files), set->run.did);
		if (i % 500 == 499)
			set_compare(set);
	}
	set_compare(set);
}

static void set_free(struct data_set *set)
{
	for (unsigned i = 0; i < NR_FILES; i++)
		content_free(&set->contents[i]);
}

static void kernel_compare(struct fs_fixture *fx, struct data_set *set)
{
	struct exec *exec;
	struct kernel_view view;
	char path[32], full[300];

	if (!kernel_can_mount() || fx->mkfs.sectorsize > 4096)
		return;
	kernel_mount(&view, fx->path, fx->dir, "ro");
	exec = exec_sys_new(view.dir);
	for (unsigned i = 0; i < NR_FILES; i++) {
		uint8_t *data = malloc(set->contents[i].len + 1);
		FILE *file;

		set_path(i, path);
		snprintf(full, sizeof(full), "%s%s", view.dir, path);
		file = fopen(full, "r");
		assert_non_null(file);
		assert_int_equal(fread(data, 1, set->contents[i].len + 1, file),
				 set->contents[i].len);
		if (memcmp(data, set->contents[i].data, set->contents[i].len) != 0)
			data_fail(&set->run, "the kernel reads something else in file %u", i);
		fclose(file);
		free(data);
	}
	exec_sys_free(exec);
	kernel_umount(&view);
}

static void run_kind(const struct data_kind *kind)
{
	struct data_how how = { .nodatacow = kind->nodatacow, .refresh_every = 400 };
	uint8_t fsid[16] = "data test";
	struct data_set set = { 0 };
	struct fs_fixture fx;
	struct exec *exec;

	how.seed = env_number("UBTRFS_DATA_SEED", 1);
	how.nr_ops = env_number("UBTRFS_DATA_OPS", getenv("UBTRFS_FULL") ? OPS_FULL : OPS);
	how.verbose = getenv("UBTRFS_DATA_VERBOSE") != NULL;
	if (getenv("UBTRFS_FULL"))
		how.refresh_every = 5000;
	fixture_init(&fx);
	/* Several of these may be mounted at the same time. */
	memcpy(fsid + 12, &(pid_t){ getpid() }, sizeof(pid_t));
	fx.mkfs.fsid = fsid;
	fx.mkfs.byte_count = 1024 * MIB;
	fx.mkfs.sectorsize = kind->sectorsize;
	fx.how.compress = kind->compress;
	fx.how.compress_force = kind->force;
	fixture_make_open(&fx);
	exec = exec_lib_new(&fx);
	print_message("# %s, seed %llu, %llu operations\n", kind->name,
		      (unsigned long long)how.seed, (unsigned long long)how.nr_ops);
	set_run(&set, exec, &how);
	if (set.run.failed)
		fail_msg("%s, seed %llu: %s: %s", kind->name, (unsigned long long)how.seed,
			 set.run.did, set.run.text);
	set_close(&set);
	fixture_close(&fx);
	fixture_check(&fx);
	kernel_compare(&fx, &set);
	if (set.run.failed)
		fail_msg("%s, seed %llu: %s", kind->name, (unsigned long long)how.seed,
			 set.run.text);
	exec_lib_free(exec);
	fixture_fini(&fx);
	set_free(&set);
}

static void test_data__plain(void **state)
{
	(void)state;
	run_kind(&(struct data_kind){ .name = "plain" });
}

static void test_data__zstd(void **state)
{
	(void)state;
	run_kind(&(struct data_kind){ .name = "zstd", .compress = UBTRFS_COMPRESS_ZSTD });
}

static void test_data__force_lzo(void **state)
{
	(void)state;
#ifdef HAVE_LZO
	run_kind(&(struct data_kind){
		.name = "lzo, always", .compress = UBTRFS_COMPRESS_LZO, .force = true });
#else
	print_message("# skip: built without lzo\n");
	skip();
#endif
}

static void test_data__sector_64k(void **state)
{
	(void)state;
	run_kind(&(struct data_kind){ .name = "64 KiB", .sectorsize = 65536 });
}

static void test_data__sector_64k_zstd(void **state)
{
	(void)state;
	run_kind(&(struct data_kind){
		.name = "64 KiB, zstd", .sectorsize = 65536, .compress = UBTRFS_COMPRESS_ZSTD });
}

static void test_data__nodatacow(void **state)
{
	(void)state;
	run_kind(&(struct data_kind){ .name = "nodatacow", .nodatacow = true });
}

static void test_data__nodatacow_64k(void **state)
{
	(void)state;
	run_kind(&(struct data_kind){
		.name = "nodatacow, 64 KiB", .nodatacow = true, .sectorsize = 65536 });
}

/* By system calls. */
static int run_dir(int argc, char **argv)
{
	struct data_how how = { .seed = 1, .nr_ops = OPS, .refresh_every = 2000 };
	struct data_set set = { 0 };
	const char *dir = NULL;
	struct exec *exec;
	char path[32];

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--nodatacow") == 0)
			how.nodatacow = true;
		else if (strcmp(argv[i], "--verbose") == 0)
			how.verbose = true;
		else if (i + 1 < argc && strcmp(argv[i], "--dir") == 0)
			dir = argv[++i];
		else if (i + 1 < argc && strcmp(argv[i], "--ops") == 0)
			how.nr_ops = strtoull(argv[++i], NULL, 10);
		else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
			how.seed = strtoull(argv[++i], NULL, 10);
		else
			dir = NULL, i = argc;
	}
	if (!dir) {
		fprintf(stderr, "usage: data_test [--dir DIR [--ops N] [--seed N] [--nodatacow] "
				"[--verbose]]\n");
		return 2;
	}
	exec = exec_sys_new(dir);
	set_run(&set, exec, &how);
	set_close(&set);
	for (unsigned i = 0; i < NR_FILES; i++) {
		set_path(i, path);
		if (!set.run.failed)
			exec->ops->unlink(exec, path);
	}
	if (set.run.failed)
		fprintf(stderr, "seed %llu: %s: %s\n", (unsigned long long)how.seed, set.run.did,
			set.run.text);
	exec_sys_free(exec);
	set_free(&set);
	return set.run.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data__plain),
		cmocka_unit_test(test_data__zstd),
		cmocka_unit_test(test_data__force_lzo),
		cmocka_unit_test(test_data__sector_64k),
		cmocka_unit_test(test_data__sector_64k_zstd),
		cmocka_unit_test(test_data__nodatacow),
		cmocka_unit_test(test_data__nodatacow_64k),
	};

	if (argc > 1)
		return run_dir(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
