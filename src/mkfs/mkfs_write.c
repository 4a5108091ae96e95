/*
 * Onto the devices: old superblocks away, tree blocks on every copy, flush, superblocks, flush
 * (law L8).
 *
 * The filesystem is whole in memory before the first write. Superblocks are wiped first, and again
 * after a failure, so that neither an old filesystem nor half of a new one is left to be taken for
 * a whole one. Bytes outside superblocks and tree blocks are left alone.
 */
#include "base/assert.h"
#include "base/log.h"
#include "format/superblock.h"
#include "format/validate_node.h"
#include "format/validate_super.h"
#include "mkfs/mkfs_priv.h"

/* Wipes what looks like a superblock, also beyond the bytes that the new filesystem will have. */
static int wipe_supers(struct device *device)
{
	uint8_t block[BTRFS_SUPER_INFO_SIZE];

	for (int copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++) {
		struct phys at = PHYS(super_mirror_offset(copy));

		if (device->size_bytes < at.at + sizeof(block))
			break;
		TRY(device_read(device, at, block, sizeof(block)));
		if (!super_magic(block))
			continue;
		memset(block, 0, sizeof(block));
		TRY(device_write(device, at, block, sizeof(block)));
	}
	return device_flush(device);
}

/* One tree block to each of its copies. */
static int write_block(const struct mkfs_build *build, uint64_t addr, const uint8_t *block)
{
	const struct mkfs_plan *plan = build->plan;
	unsigned nr_mirrors = volume_nr_mirrors(build->volume, addr);

	ASSERT(nr_mirrors >= 1);
	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++) {
		uint64_t devid = 0;
		struct phys at = { 0 };

		TRY(volume_map(build->volume, addr, mirror, &devid, &at));
		ASSERT(devid >= 1 && devid <= plan->nr_devices && at.at >= MKFS_FIRST_BYTE);
		TRY(device_write(plan->devices[devid - 1].device, at, block,
				 plan->geometry.nodesize));
	}
	return 0;
}

static int write_tree(const struct mkfs_build *build, const struct mkfs_tree *tree, uint8_t *block)
{
	for (size_t n = 0; n < tree->nr_nodes; n++) {
		mkfs_node_format(build->plan, tree, &tree->nodes[n], block);
		/* Law L7: what we write passes what we read with. */
		TRY(validate_node(&build->plan->geometry, block, tree->nodes[n].addr));
		TRY(write_block(build, tree->nodes[n].addr, block));
	}
	return 0;
}

static int flush_all(const struct mkfs_plan *plan)
{
	for (unsigned i = 0; i < plan->nr_devices; i++)
		TRY(device_flush(plan->devices[i].device));
	return 0;
}

static int write_supers(const struct mkfs_build *build)
{
	const struct mkfs_plan *plan = build->plan;
	uint8_t super[SUPER_SIZE];

	for (unsigned i = 0; i < plan->nr_devices; i++) {
		mkfs_super_fill(build, i, super);
		super_set_magic(super, BTRFS_MAGIC);
		TRY(validate_super(super));
		super_set_magic(super, plan->magic);
		TRY(super_write(plan->devices[i].device, super, plan->devices[i].total_bytes));
	}
	return flush_all(plan);
}

static int write_all(const struct mkfs_build *build, uint8_t *block)
{
	for (unsigned i = 0; i < build->plan->nr_devices; i++)
		TRY(wipe_supers(build->plan->devices[i].device));
	for (unsigned i = 0; i < MKFS_NR_TREES; i++)
		TRY(write_tree(build, &build->trees[i], block));
	TRY(flush_all(build->plan));
	return write_supers(build);
}

/*
 * After a failure: superblocks that did get written must not stay. What fails here too cannot be
 * helped.
 */
static int undo_supers(const struct mkfs_plan *plan, int err)
{
	struct err_report report;

	err_capture(err, &report);
	for (unsigned i = 0; i < plan->nr_devices; i++)
		if (wipe_supers(plan->devices[i].device) < 0)
			log_warn("%s: a superblock may be left behind",
				 plan->devices[i].device->name);
	return err_rethrow(&report);
}

int mkfs_write_empty(const struct mkfs_plan *plan)
{
	struct mkfs_build build SCOPED(mkfs_build) = { 0 };
	uint8_t *block SCOPED_MEM = NULL;
	int err;

	TRY(mkfs_plan_check(plan));
	TRY(mkfs_build_init(&build, plan));
	block = mem_alloc(plan->geometry.nodesize);
	if (!block)
		return MEM_FAIL("a tree block");
	err = write_all(&build, block);
	return err < 0 ? undo_supers(plan, err) : 0;
}
