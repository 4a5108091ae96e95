/*
 * Names, holds and deaths: random operations on names from a seed beside a model; the process dies
 * at random moments and the next one finds what the last commit held, without what had lost its name
 * by then, and without orphans. `btrfs check` judges some of the states.
 *
 *	UBTRFS_NAMES_SEEDS=FIRST-LAST build-dev/names_crash_test
 */
#include "unit/ops/fs_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "base/rng.h"
#include "ops/ops.h"

#define NR_OBJECTS 48u
#define NR_NAMES 7u
#define SEEDS 6u
#define SEEDS_FULL 200u
#define OPS 400u
/* More extents than one step of deleting takes. */
#define BIG_EXTENTS 1100u

struct object {
	bool used, is_dir;
	bool linkable; /* it never had a name */
	unsigned nlink, nr_holds;
	unsigned parent; /* of a directory */
	uint64_t size;
	struct ubtrfs_node node;
	int names[NR_NAMES]; /* of a directory: the objects they lead to, or -1 */
};

struct world {
	struct object objects[NR_OBJECTS]; /* 0 is the top */
};

struct run {
	struct fs_fixture fx;
	struct rng rng;
	struct world now, committed;
	unsigned nr_step;
	unsigned nr_refused, nr_done;
};

static const char *const texts[NR_NAMES] = { "a", "b", "cc", "a longer name", "e", "f", "gg" };

static struct object *object_at(struct run *run, unsigned i)
{
	return &run->now.objects[i];
}

static unsigned pick(struct run *run, unsigned limit)
{
	return (unsigned)rng_below(&run->rng, limit);
}

/* An object of the wanted kind; the top when there is none. */
static unsigned pick_object(struct run *run, bool dir)
{
	unsigned at = pick(run, NR_OBJECTS);

	for (unsigned i = 0; i < NR_OBJECTS; i++) {
		unsigned candidate = (at + i) % NR_OBJECTS;

		if (object_at(run, candidate)->used && object_at(run, candidate)->is_dir == dir)
			return candidate;
	}
	return 0;
}

/* A place for a new one, or 0. */
static unsigned free_object(struct run *run)
{
	for (unsigned i = 1; i < NR_OBJECTS; i++)
		if (!object_at(run, i)->used)
			return i;
	return 0;
}

static void object_init(struct object *object, bool is_dir, struct ubtrfs_node node)
{
	*object = (struct object){ .used = true, .is_dir = is_dir, .node = node };
	for (unsigned i = 0; i < NR_NAMES; i++)
		object->names[i] = -1;
}

static bool is_removed(const struct object *dir)
{
	return !dir->nlink;
}

static bool is_empty(const struct object *dir)
{
	for (unsigned i = 0; i < NR_NAMES; i++)
		if (dir->names[i] >= 0)
			return false;
	return true;
}

static bool is_above(struct run *run, unsigned dir, unsigned below)
{
	while (below && below != dir)
		below = object_at(run, below)->parent;
	return below == dir;
}

static void lose_name(struct object *object)
{
	object->nlink--;
	if (!object->nlink && !object->nr_holds)
		object->used = false;
}

static void expect(struct run *run, int expected, int got, const char *what)
{
	if (got != expected)
		fail_msg("step %u: %s: %d instead of %d (%s)", run->nr_step, what, got, expected,
			 ubtrfs_error_text());
	if (expected)
		run->nr_refused++;
	else
		run->nr_done++;
}

static void fill(struct run *run, struct object *object)
{
	unsigned nr = pick(run, 40) == 0 ? BIG_EXTENTS : pick(run, 4);

	for (unsigned i = 0; i < nr; i++)
		OK(ubtrfs_write(run->fx.fs, object->node, (uint64_t)i * 8192, "x", 1));
	object->size = nr ? (uint64_t)(nr - 1) * 8192 + 1 : 0;
}

static void step_create(struct run *run, bool is_dir)
{
	unsigned dir = pick_object(run, true), name = pick(run, NR_NAMES);
	unsigned place = free_object(run);
	struct ubtrfs_new what = { .attr = { .mode = is_dir ? S_IFDIR | 0755 : S_IFREG | 0644 } };
	struct ubtrfs_node node = { 0, 0 };
	int expected = is_removed(object_at(run, dir))	     ? -ENOENT :
		       object_at(run, dir)->names[name] >= 0 ? -EEXIST :
							       0;

	if (!place)
		return;
	expect(run, expected,
	       ubtrfs_create(run->fx.fs, object_at(run, dir)->node, texts[name],
			     strlen(texts[name]), &what, &node),
	       "create");
	if (expected)
		return;
	object_init(object_at(run, place), is_dir, node);
	object_at(run, place)->nlink = 1;
	object_at(run, place)->parent = dir;
	object_at(run, dir)->names[name] = (int)place;
	if (!is_dir)
		fill(run, object_at(run, place));
}

static void step_tmpfile(struct run *run)
{
	unsigned dir = pick_object(run, true), place = free_object(run);
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0600 } };
	struct ubtrfs_node node = { 0, 0 };
	int expected = is_removed(object_at(run, dir)) ? -ENOENT : 0;

	if (!place)
		return;
	expect(run, expected, ubtrfs_tmpfile(run->fx.fs, object_at(run, dir)->node, &what, &node),
	       "tmpfile");
	if (expected)
		return;
	object_init(object_at(run, place), false, node);
	object_at(run, place)->linkable = true;
	object_at(run, place)->nr_holds = 1;
	fill(run, object_at(run, place));
}

static void step_link(struct run *run)
{
	unsigned dir = pick_object(run, true), name = pick(run, NR_NAMES);
	unsigned file = pick_object(run, false);
	struct object *object = object_at(run, file);
	int expected = 0;

	if (!file)
		return;
	if (is_removed(object_at(run, dir)) || (!object->nlink && !object->linkable))
		expected = -ENOENT;
	else if (object_at(run, dir)->names[name] >= 0)
		expected = -EEXIST;
	expect(run, expected,
	       ubtrfs_link(run->fx.fs, object->node, object_at(run, dir)->node, texts[name],
			   strlen(texts[name])),
	       "link");
	if (expected)
		return;
	object->nlink++;
	object->linkable = false;
	object_at(run, dir)->names[name] = (int)file;
}

static void step_remove(struct run *run, bool want_dir)
{
	unsigned dir = pick_object(run, true), name = pick(run, NR_NAMES);
	struct ubtrfs_node node = object_at(run, dir)->node;
	int there = object_at(run, dir)->names[name];
	int expected = 0;

	if (is_removed(object_at(run, dir)) || there < 0)
		expected = -ENOENT;
	else if (object_at(run, (unsigned)there)->is_dir != want_dir)
		expected = want_dir ? -ENOTDIR : -EISDIR;
	else if (want_dir && !is_empty(object_at(run, (unsigned)there)))
		expected = -ENOTEMPTY;
	expect(run, expected,
	       (want_dir ? ubtrfs_rmdir : ubtrfs_unlink)(run->fx.fs, node, texts[name],
							 strlen(texts[name])),
	       want_dir ? "rmdir" : "unlink");
	if (expected)
		return;
	object_at(run, dir)->names[name] = -1;
	lose_name(object_at(run, (unsigned)there));
}

/* What Linux says, in its order. */
static int rename_expected(struct run *run, unsigned from_dir, int from, unsigned to_dir, int to,
			   unsigned flags)
{
	bool exchange = flags & UBTRFS_RENAME_EXCHANGE;
	const struct object *source, *target;

	if (is_removed(object_at(run, from_dir)) || is_removed(object_at(run, to_dir)) || from < 0)
		return -ENOENT;
	if (to >= 0 && flags & UBTRFS_RENAME_NOREPLACE)
		return -EEXIST;
	if (to < 0 && exchange)
		return -ENOENT;
	source = object_at(run, (unsigned)from);
	if (from_dir != to_dir && source->is_dir && is_above(run, (unsigned)from, to_dir))
		return -EINVAL;
	if (to < 0)
		return 0;
	target = object_at(run, (unsigned)to);
	if (from_dir != to_dir && target->is_dir && is_above(run, (unsigned)to, from_dir))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (from == to || exchange)
		return 0;
	if (source->is_dir != target->is_dir)
		return source->is_dir ? -ENOTDIR : -EISDIR;
	return target->is_dir && !is_empty(target) ? -ENOTEMPTY : 0;
}

static void rename_apply(struct run *run, unsigned from_dir, unsigned from_name, unsigned to_dir,
			 unsigned to_name, unsigned flags, unsigned whiteout)
{
	int *from = &object_at(run, from_dir)->names[from_name];
	int *to = &object_at(run, to_dir)->names[to_name];
	int moved = *from, target = *to;

	if (moved == target)
		return;
	*to = moved;
	object_at(run, (unsigned)moved)->parent = to_dir;
	*from = -1;
	if (flags & UBTRFS_RENAME_EXCHANGE) {
		*from = target;
		object_at(run, (unsigned)target)->parent = from_dir;
	} else if (target >= 0) {
		lose_name(object_at(run, (unsigned)target));
	}
	if (flags & UBTRFS_RENAME_WHITEOUT) {
		struct ubtrfs_node node = { 0, 0 };

		OK(ubtrfs_lookup(run->fx.fs, object_at(run, from_dir)->node, texts[from_name],
				 strlen(texts[from_name]), &node));
		object_init(object_at(run, whiteout), false, node);
		object_at(run, whiteout)->nlink = 1;
		*from = (int)whiteout;
	}
}

static void step_rename(struct run *run)
{
	static const unsigned flags_of[] = { 0,
					     0,
					     0,
					     UBTRFS_RENAME_NOREPLACE,
					     UBTRFS_RENAME_EXCHANGE,
					     UBTRFS_RENAME_EXCHANGE,
					     UBTRFS_RENAME_WHITEOUT,
					     UBTRFS_RENAME_WHITEOUT | UBTRFS_RENAME_NOREPLACE };
	unsigned from_dir = pick_object(run, true), to_dir = pick_object(run, true);
	unsigned from = pick(run, NR_NAMES), to = pick(run, NR_NAMES);
	unsigned flags = flags_of[pick(run, ARRAY_LEN(flags_of))];
	unsigned whiteout = free_object(run);
	int expected = rename_expected(run, from_dir, object_at(run, from_dir)->names[from], to_dir,
				       object_at(run, to_dir)->names[to], flags);

	if (!whiteout)
		return;
	expect(run, expected,
	       ubtrfs_rename(run->fx.fs, object_at(run, from_dir)->node, texts[from],
			     strlen(texts[from]), object_at(run, to_dir)->node, texts[to],
			     strlen(texts[to]), flags),
	       "rename");
	if (!expected)
		rename_apply(run, from_dir, from, to_dir, to, flags, whiteout);
}

static void step_hold(struct run *run)
{
	unsigned at = pick_object(run, pick(run, 4) == 0);
	struct object *object = object_at(run, at);

	if (!at)
		return;
	if (object->nr_holds && pick(run, 2)) {
		ubtrfs_release(run->fx.fs, object->node, object->nr_holds);
		object->nr_holds = 0;
		object->used = object->nlink != 0;
		return;
	}
	OK(ubtrfs_hold(run->fx.fs, object->node));
	object->nr_holds++;
}

static int count_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	(void)entry;
	(*(unsigned *)ctx)++;
	return 0;
}

static void dir_compare(struct run *run, const struct object *dir)
{
	unsigned wanted = 0, found = 0;

	for (unsigned i = 0; i < NR_NAMES; i++) {
		struct ubtrfs_node node = { 0, 0 };

		if (dir->names[i] < 0)
			continue;
		wanted++;
		OK(ubtrfs_lookup(run->fx.fs, dir->node, texts[i], strlen(texts[i]), &node));
		assert_int_equal(node.ino, object_at(run, (unsigned)dir->names[i])->node.ino);
	}
	if (!is_removed(dir))
		OK(ubtrfs_readdir(run->fx.fs, dir->node, 0, count_entry, &found));
	assert_int_equal(found, wanted);
}

static void world_compare(struct run *run)
{
	for (unsigned i = 0; i < NR_OBJECTS; i++) {
		struct object *object = object_at(run, i);
		struct ubtrfs_attr attr;

		if (!object->used)
			continue;
		attr = fixture_attr(&run->fx, object->node);
		assert_int_equal(attr.nlink, object->nlink);
		if (object->is_dir)
			dir_compare(run, object);
		else
			assert_int_equal(attr.size, object->size);
	}
}

/* Nobody holds anything any more. */
static void world_forget(struct run *run)
{
	for (unsigned i = 1; i < NR_OBJECTS; i++) {
		struct object *object = object_at(run, i);
		struct ubtrfs_attr attr;

		object->nr_holds = 0;
		if (!object->used || object->nlink)
			continue;
		object->used = false;
		FAILS(ENOENT, ubtrfs_getattr(run->fx.fs, object->node, &attr));
	}
}

static void no_orphans(struct run *run)
{
	struct root *root;
	uint64_t ino = 0;
	bool found = true;

	assert_int_equal(root_get(run->fx.fs->core.roots, BTRFS_FS_TREE_OBJECTID, &root), 0);
	assert_int_equal(orphan_next(&root->tree, &ino, &found), 0);
	assert_false(found);
}

static void step_die(struct run *run)
{
	ubtrfs_abandon(run->fx.fs);
	run->fx.fs = NULL;
	if (pick(run, 4) == 0)
		fixture_check(&run->fx);
	fixture_open(&run->fx, true);
	no_orphans(run);
	run->now = run->committed;
	world_forget(run);
	world_compare(run);
}

static void step_close(struct run *run)
{
	fixture_close(&run->fx);
	if (pick(run, 4) == 0)
		fixture_check(&run->fx);
	fixture_open(&run->fx, true);
	no_orphans(run);
	world_forget(run);
	world_compare(run);
	run->committed = run->now;
}

static void step(struct run *run)
{
	unsigned kind = pick(run, 100);

	if (kind < 25)
		step_create(run, kind < 8);
	else if (kind < 50)
		step_rename(run);
	else if (kind < 65)
		step_remove(run, kind < 55);
	else if (kind < 72)
		step_link(run);
	else if (kind < 76)
		step_tmpfile(run);
	else if (kind < 92)
		step_hold(run);
	else if (kind < 96)
		OK(ubtrfs_commit(run->fx.fs));
	else if (kind < 99)
		step_die(run);
	else
		step_close(run);
	if (kind >= 92 && kind < 96)
		run->committed = run->now;
}

static void run_seed(uint64_t seed)
{
	struct run *run = calloc(1, sizeof(*run));

	assert_non_null(run);
	print_message("# seed %u\n", (unsigned)seed);
	rng_init(&run->rng, seed);
	fixture_init(&run->fx);
	run->fx.mkfs.byte_count = 256 * MIB;
	run->fx.mkfs.features = seed % 3 == 0 ? "^no-holes" : "";
	fixture_make(&run->fx);
	fixture_finish(&run->fx);
	/* A background that never commits by itself: the model knows when. */
	run->fx.how.background = seed % 2;
	run->fx.how.commit_interval_s = 100000;
	fixture_open(&run->fx, true);
	object_init(object_at(run, 0), true, run->fx.top);
	object_at(run, 0)->nlink = 1;
	run->committed = run->now;
	for (run->nr_step = 0; run->nr_step < OPS; run->nr_step++)
		step(run);
	world_compare(run);
	assert_true(run->nr_done > OPS / 5 && run->nr_refused > OPS / 20);
	fixture_close(&run->fx);
	fixture_check(&run->fx);
	fixture_fini(&run->fx);
	free(run);
}

static void test_names_crash__seeds(void **state)
{
	const char *chosen = getenv("UBTRFS_NAMES_SEEDS");
	unsigned long first = 1, last = getenv("UBTRFS_FULL") ? SEEDS_FULL : SEEDS;

	(void)state;
	if (chosen)
		assert_int_equal(sscanf(chosen, "%lu-%lu", &first, &last), 2);
	for (unsigned long seed = first; seed <= last; seed++)
		run_seed(seed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_crash__seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
