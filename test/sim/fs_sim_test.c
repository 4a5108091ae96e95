/*
 * Random operations from a seed beside a model in memory; everything is compared now and then,
 * after each reopening and at the end, and `btrfs check` judges the image. The filesystem is of a
 * kind that the seed picks too.
 *
 * UBTRFS_SIM_SEEDS=FIRST-LAST and UBTRFS_SIM_OPS=N choose others than the few of the normal run; a
 * failure names its seed.
 */
#include "sim/fs_model.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rng.h"
#include "ops/ops.h"

#define SEEDS 40u
#define SEEDS_FULL 600u
#define OPS 300u

struct sim {
	struct fs_fixture fx;
	struct model model, committed;
	struct rng rng;
	uint64_t seeds[4096]; /* of sources, alive until the commit */
	unsigned nr_seeds;
	uint64_t max_file;
	bool full; /* the filesystem is small: ENOSPC is an answer */
	bool populating;
	size_t spill_bytes; /* nothing commits by itself; so much may be dirty. 0: commits do it */
	unsigned nr_refused;
};

/*
 * True when the operation happened; false when it was refused for lack of space, which must have
 * changed nothing.
 */
static bool happened(struct sim *sim, int err, const char *what)
{
	if (err == 0)
		return true;
	if (sim->full && err == -ENOSPC) {
		sim->nr_refused++;
		return false;
	}
	fail_msg("%s: %d, %s", what, err, ubtrfs_error_text());
	return false;
}

/* A random node of a type; MODEL_MAX_NODES when there is none. */
static unsigned pick(struct sim *sim, uint32_t type)
{
	unsigned start = (unsigned)rng_below(&sim->rng, MODEL_MAX_NODES);

	for (unsigned i = 0; i < MODEL_MAX_NODES; i++) {
		unsigned at = (start + i) % MODEL_MAX_NODES;

		if (sim->model.nodes[at].used && (sim->model.nodes[at].mode & S_IFMT) == type)
			return at;
	}
	return MODEL_MAX_NODES;
}

static unsigned pick_name(struct sim *sim)
{
	unsigned start = (unsigned)rng_below(&sim->rng, MODEL_MAX_NAMES);

	for (unsigned i = 0; i < MODEL_MAX_NAMES; i++)
		if (sim->model.names[(start + i) % MODEL_MAX_NAMES].used)
			return (start + i) % MODEL_MAX_NAMES;
	return MODEL_MAX_NAMES;
}

static void random_name(struct sim *sim, char name[64])
{
	size_t len = (size_t)snprintf(name, 64, "n%llu",
				      (unsigned long long)rng_below(&sim->rng, 100000));
	size_t more = rng_one_in(&sim->rng, 4) ? rng_below(&sim->rng, 50) : 0;

	memset(name + len, 'x', more);
	name[len + more] = '\0';
}

/* Sizes and offsets gather around what matters: sectors, 128 KiB, the inline limit. */
static uint64_t random_size(struct sim *sim)
{
	static const uint64_t edges[] = { 0, 2048, 4096, 8192, 65536, 131072, 262144 };
	uint64_t edge = edges[rng_below(&sim->rng, ARRAY_LEN(edges))];

	if (rng_one_in(&sim->rng, 3))
		return rng_below(&sim->rng, sim->max_file);
	if (rng_one_in(&sim->rng, 3))
		return rng_below(&sim->rng, 5000);
	edge += rng_below(&sim->rng, 5);
	return edge > 2 ? edge - 2 : edge;
}

static void op_create(struct sim *sim)
{
	static const uint32_t types[] = { S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO };
	struct ubtrfs_new what = { .attr = { .mode = types[rng_below(&sim->rng, ARRAY_LEN(types))] |
						     0640 } };
	unsigned dir = pick(sim, S_IFDIR), node, name;
	struct model *model = &sim->model;
	struct ubtrfs_node made;
	char text[64], target[300];

	random_name(sim, text);
	if (S_ISLNK(what.attr.mode)) {
		content_bytes(rng_next(&sim->rng), 0, target, sizeof(target));
		what.symlink_target = target;
		what.symlink_len = 1 + rng_below(&sim->rng, sizeof(target) - 1);
	}
	if (model_find_name(model, dir, text) != MODEL_MAX_NAMES) {
		FAILS(EEXIST, ubtrfs_create(sim->fx.fs, model->nodes[dir].node, text, strlen(text),
					    &what, &made));
		return;
	}
	node = model_add_node(model, (struct ubtrfs_node){ 0, 0 }, what.attr.mode);
	if (node == MODEL_MAX_NODES)
		return;
	name = model_add_name(model, dir, text, node);
	if (name == MODEL_MAX_NAMES) {
		model->nodes[node].used = false;
		return;
	}
	if (!happened(sim,
		      ubtrfs_create(sim->fx.fs, model->nodes[dir].node, text, strlen(text), &what,
				    &made),
		      "create")) {
		model_remove_name(model, name);
		return;
	}
	model->nodes[node].node = made;
	model->nodes[node].parent = dir;
	if (S_ISLNK(what.attr.mode)) {
		content_resize(&model->nodes[node].content, what.symlink_len);
		memcpy(model->nodes[node].content.data, target, what.symlink_len);
	}
}

static void op_write(struct sim *sim)
{
	unsigned file = pick(sim, S_IFREG);
	struct model_node *node = &sim->model.nodes[file];
	uint64_t offset = rng_one_in(&sim->rng, 2) ? 0 : random_size(sim);
	uint64_t len = random_size(sim);
	uint64_t seed = rng_next(&sim->rng);
	uint8_t *data;
	int err;

	if (file == MODEL_MAX_NODES)
		return;
	/* Appending is what most writers do. */
	if (rng_one_in(&sim->rng, 3))
		offset = node->content.len;
	if (sim->full && rng_one_in(&sim->rng, 2)) {
		offset = 0;
		len = rng_below(&sim->rng, sim->max_file);
	}
	if (offset + len > sim->max_file)
		return;
	data = malloc(len + 1);
	assert_non_null(data);
	content_bytes(seed, offset, data, len);
	err = ubtrfs_write(sim->fx.fs, node->node, offset, data, len);
	free(data);
	if (!happened(sim, err, "write"))
		return;
	node->mtime = 0;
	if (len)
		content_put(&node->content, offset, len, seed);
}

static int sim_source_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	content_bytes(*(const uint64_t *)ctx, offset, data, len);
	return 0;
}

static void op_write_from(struct sim *sim)
{
	unsigned file = pick(sim, S_IFREG);
	struct model_node *node = &sim->model.nodes[file];
	uint64_t offset = round_down(rng_one_in(&sim->rng, 2) ? 0 : random_size(sim), 65536);
	uint64_t len = random_size(sim);
	struct ubtrfs_source source = { .read = sim_source_read, .name = "a seed" };

	if (file == MODEL_MAX_NODES || sim->nr_seeds == ARRAY_LEN(sim->seeds) ||
	    offset + len > sim->max_file)
		return;
	if (offset + len < node->content.len)
		len = round_down(len, 65536);
	sim->seeds[sim->nr_seeds] = rng_next(&sim->rng);
	source.ctx = &sim->seeds[sim->nr_seeds];
	if (!happened(sim, ubtrfs_write_from(sim->fx.fs, node->node, offset, len, &source),
		      "write_from"))
		return;
	if (len)
		content_put(&node->content, offset, len, sim->seeds[sim->nr_seeds]);
	sim->nr_seeds++;
}

static void op_truncate(struct sim *sim)
{
	unsigned file = pick(sim, S_IFREG);
	struct model_node *node = &sim->model.nodes[file];
	uint64_t size = random_size(sim);

	if (file == MODEL_MAX_NODES)
		return;
	if (!happened(sim,
		      ubtrfs_setattr(sim->fx.fs, node->node, &(struct ubtrfs_attr){ .size = size },
				     UBTRFS_ATTR_SIZE),
		      "truncate"))
		return;
	node->mtime = 0;
	content_resize(&node->content, size);
}

static void op_remove(struct sim *sim)
{
	unsigned name = pick_name(sim);
	struct model_name *entry = &sim->model.names[name];
	struct model_node *node;
	struct ubtrfs_node dir;

	if (name == MODEL_MAX_NAMES)
		return;
	node = &sim->model.nodes[entry->node];
	dir = sim->model.nodes[entry->dir].node;
	/* Law L9: removing always works, also on a full filesystem. */
	if (!S_ISDIR(node->mode)) {
		OK(ubtrfs_unlink(sim->fx.fs, dir, entry->name, strlen(entry->name)));
	} else if (node->nr_entries) {
		FAILS(ENOTEMPTY, ubtrfs_rmdir(sim->fx.fs, dir, entry->name, strlen(entry->name)));
		return;
	} else {
		OK(ubtrfs_rmdir(sim->fx.fs, dir, entry->name, strlen(entry->name)));
	}
	model_remove_name(&sim->model, name);
}

static void op_link(struct sim *sim)
{
	unsigned dir = pick(sim, S_IFDIR), node = pick(sim, S_IFREG), name;
	struct model *model = &sim->model;
	char text[64];

	random_name(sim, text);
	if (node == MODEL_MAX_NODES || model_find_name(model, dir, text) != MODEL_MAX_NAMES)
		return;
	name = model_add_name(model, dir, text, node);
	if (name == MODEL_MAX_NAMES)
		return;
	if (!happened(sim,
		      ubtrfs_link(sim->fx.fs, model->nodes[node].node, model->nodes[dir].node, text,
				  strlen(text)),
		      "link"))
		model_remove_name(model, name);
}

static void op_setxattr(struct sim *sim)
{
	unsigned file = pick(sim, rng_one_in(&sim->rng, 3) ? S_IFDIR : S_IFREG);
	uint8_t value[400];
	char name[32];
	size_t len = rng_below(&sim->rng, sizeof(value));

	if (file == MODEL_MAX_NODES)
		return;
	snprintf(name, sizeof(name), "user.x%u", (unsigned)rng_below(&sim->rng, MODEL_MAX_XATTRS));
	content_bytes(rng_next(&sim->rng), 0, value, sizeof(value));
	if (happened(sim,
		     ubtrfs_setxattr(sim->fx.fs, sim->model.nodes[file].node, name, value, len),
		     "setxattr"))
		model_set_xattr(&sim->model.nodes[file], name, value, len);
}

static void op_setattr(struct sim *sim)
{
	unsigned file = pick(sim, S_IFREG);
	struct ubtrfs_attr attr = { .mode = (uint32_t)rng_below(&sim->rng, 07777),
				    .uid = (uint32_t)rng_next(&sim->rng),
				    .mtime = { (int64_t)rng_below(&sim->rng, 1000000000) + 1, 5 } };
	struct model_node *node = &sim->model.nodes[file];

	if (file == MODEL_MAX_NODES)
		return;
	if (!happened(sim,
		      ubtrfs_setattr(sim->fx.fs, node->node, &attr,
				     UBTRFS_ATTR_MODE | UBTRFS_ATTR_UID | UBTRFS_ATTR_MTIME),
		      "setattr"))
		return;
	node->mode = (node->mode & S_IFMT) | attr.mode;
	node->uid = attr.uid;
	node->mtime = attr.mtime.sec;
}

static void op_commit(struct sim *sim)
{
	OK(ubtrfs_commit(sim->fx.fs));
	model_copy(&sim->committed, &sim->model);
	sim->nr_seeds = 0;
}

static void op_reopen(struct sim *sim)
{
	if (rng_one_in(&sim->rng, 3)) {
		/* What was not committed is gone, and nothing else. */
		ubtrfs_abandon(sim->fx.fs);
		sim->fx.fs = NULL;
		if (sim->spill_bytes)
			fixture_check(&sim->fx);
		fixture_open(&sim->fx, true);
		/* A full filesystem may have committed at a door. */
		if (sim->full)
			fail_msg("a full one is not abandoned");
		model_copy(&sim->model, &sim->committed);
	} else {
		op_commit(sim);
		fixture_reopen(&sim->fx, true);
	}
	sim->nr_seeds = 0;
	model_compare(&sim->model, &sim->fx);
}

static void op_read(struct sim *sim)
{
	unsigned file = pick(sim, S_IFREG);

	if (file != MODEL_MAX_NODES)
		content_compare(&sim->fx, sim->model.nodes[file].node,
				&sim->model.nodes[file].content);
}

static void sim_step(struct sim *sim)
{
	uint64_t dice = rng_below(&sim->rng, 100);

	if (sim->spill_bytes)
		sim->fx.fs->core.dirty_max_bytes = sim->spill_bytes;

	if (dice < 22)
		op_create(sim);
	else if (dice < 47)
		op_write(sim);
	else if (dice < 55)
		op_write_from(sim);
	else if (dice < 64)
		op_truncate(sim);
	else if (dice < (sim->full ? 68 : 74))
		op_remove(sim);
	else if (dice < 80)
		op_link(sim);
	else if (dice < 86)
		op_setxattr(sim);
	else if (dice < 91)
		op_setattr(sim);
	else if (dice < 95)
		op_read(sim);
	else if (dice < 99)
		op_commit(sim);
	else if (!sim->full && !sim->populating)
		op_reopen(sim);
}

/* The kind of filesystem. */
static void sim_options(struct sim *sim)
{
	static const char *const features[] = { NULL,
						NULL,
						"^block-group-tree",
						"^block-group-tree,^no-holes",
						"^block-group-tree,^free-space-tree",
						"^extref" };
	static const char *const csums[] = { "crc32c", "crc32c", "xxhash", "sha256", "blake2" };
	static const uint32_t nodesizes[] = { 0, 0, 4096, 65536 };
	struct fs_fixture *fx = &sim->fx;

	fx->mkfs.byte_count = 300 * MIB;
	fx->mkfs.features = features[rng_below(&sim->rng, ARRAY_LEN(features))];
	fx->mkfs.csum = csums[rng_below(&sim->rng, ARRAY_LEN(csums))];
	fx->mkfs.nodesize = nodesizes[rng_below(&sim->rng, ARRAY_LEN(nodesizes))];
	fx->mkfs.mixed = rng_one_in(&sim->rng, 6);
	if (fx->mkfs.mixed)
		fx->mkfs.nodesize = 0;
	fx->how.compress = (int)rng_below(&sim->rng, 4);
#ifndef HAVE_LZO
	if (fx->how.compress == UBTRFS_COMPRESS_LZO)
		fx->how.compress = UBTRFS_COMPRESS_NONE;
#endif
	fx->how.threads = 1 + (unsigned)rng_below(&sim->rng, 3);
	fx->how.max_inline = rng_one_in(&sim->rng, 4) ? 0 : UINT32_MAX;
	sim->max_file = 600000;
	if (sim->full) {
		fx->mkfs.mixed = rng_one_in(&sim->rng, 2);
		fx->mkfs.nodesize = 0;
		fx->mkfs.byte_count = fx->mkfs.mixed ? 24 * MIB : 112 * MIB;
		sim->max_file = 4 * MIB;
	}
}

static struct sim *sim_new(uint64_t seed, bool full)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	assert_non_null(sim);
	rng_init(&sim->rng, seed);
	sim->full = full;
	fixture_init(&sim->fx);
	sim_options(sim);
	return sim;
}

static void sim_free(struct sim *sim)
{
	fixture_fini(&sim->fx);
	model_fini(&sim->model);
	model_fini(&sim->committed);
	free(sim);
}

enum sim_kind { SIM_PLAIN, SIM_FULL, SIM_SPILLING };

/* How many operations were refused. */
static unsigned sim_run(uint64_t seed, unsigned nr_ops, enum sim_kind kind)
{
	unsigned nr_refused;
	struct sim *sim = sim_new(seed, kind == SIM_FULL);

	sim->populating = kind != SIM_SPILLING && rng_one_in(&sim->rng, 3);
	if (kind == SIM_SPILLING) {
		sim->fx.how.explicit_commit = true;
		sim->spill_bytes = 1 + (size_t)rng_below(&sim->rng, MIB);
	}
	fixture_make(&sim->fx);
	model_init(&sim->model, sim->fx.top);
	if (!sim->populating) {
		fixture_finish(&sim->fx);
		fixture_open(&sim->fx, true);
	}
	model_copy(&sim->committed, &sim->model);
	for (unsigned i = 0; i < nr_ops; i++) {
		/* While it is being populated, nobody else can open it. */
		if (sim->populating && i == nr_ops / 2) {
			fixture_finish(&sim->fx);
			fixture_check(&sim->fx);
			fixture_open(&sim->fx, true);
			model_copy(&sim->committed, &sim->model);
			sim->populating = false;
		}
		if (sim->populating && rng_one_in(&sim->rng, 50))
			model_compare(&sim->model, &sim->fx);
		sim_step(sim);
	}
	model_compare(&sim->model, &sim->fx);
	fixture_reopen(&sim->fx, false);
	model_compare(&sim->model, &sim->fx);
	fixture_close(&sim->fx);
	nr_refused = sim->nr_refused;
	sim_free(sim);
	return nr_refused;
}

/* Which seeds: those of the environment, else from 1 on. */
static void sim_seeds(unsigned *ret_first, unsigned *ret_last)
{
	const char *text = getenv("UBTRFS_SIM_SEEDS");

	*ret_first = 1;
	*ret_last = getenv("UBTRFS_FULL") ? SEEDS_FULL : SEEDS;
	if (!text)
		return;
	*ret_first = *ret_last = (unsigned)strtoul(text, NULL, 10);
	if (strchr(text, '-'))
		*ret_last = (unsigned)strtoul(strchr(text, '-') + 1, NULL, 10);
}

static unsigned sim_ops(void)
{
	const char *text = getenv("UBTRFS_SIM_OPS");

	return text ? (unsigned)strtoul(text, NULL, 10) : OPS;
}

static void test_fs_sim__random_operations(void **state)
{
	unsigned first, last;

	(void)state;
	sim_seeds(&first, &last);
	for (unsigned seed = first; seed <= last; seed++) {
		/* Standing there when the run fails. */
		print_message("# seed %u\n", seed);
		sim_run(seed, sim_ops(), SIM_PLAIN);
	}
}

/*
 * Nothing is committed but when told, however little memory there is for what is dirty: what is
 * given up leaves the last commit, and what is committed is all there.
 */
static void test_fs_sim__spilling(void **state)
{
	unsigned first, last;

	(void)state;
	sim_seeds(&first, &last);
	for (unsigned seed = first; seed <= last; seed++) {
		print_message("# spilling, seed %u\n", seed);
		sim_run(seed, sim_ops(), SIM_SPILLING);
	}
}

/*
 * Law L9: what does not fit is refused and changes nothing; removing works always; commits never
 * fail. At the end there was something to refuse.
 */
static void test_fs_sim__full(void **state)
{
	unsigned first, last, refused = 0;

	(void)state;
	sim_seeds(&first, &last);
	for (unsigned seed = first; seed <= (getenv("UBTRFS_SIM_SEEDS") ? last : MAX(1u, last / 8));
	     seed++) {
		print_message("# full, seed %u\n", seed);
		refused += sim_run(seed, 2 * sim_ops(), SIM_FULL);
	}
	print_message("# %u refused\n", refused);
	assert_true(refused > 0 || first == last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fs_sim__random_operations),
		cmocka_unit_test(test_fs_sim__spilling),
		cmocka_unit_test(test_fs_sim__full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
