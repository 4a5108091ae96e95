/*
 * A superblock made up from tree blocks, for one device of which all copies are gone.
 *
 * The first tree block tells fsid, node size and checksum; the leaf of the chunk tree with the
 * device's item tells the device. With several devices nobody can say which is which, so that is
 * refused by name. The roots are then found by generation. Owns nothing.
 */
#include "rescue/rescue_priv.h"

struct guess {
	uint8_t *super;
	uint64_t generation; /* of the leaf that device was taken from */
	bool has_device;
};

static int guess_block(void *ctx, struct device *device, uint64_t at, const uint8_t *block)
{
	struct guess *guess = ctx;

	(void)device;
	(void)at;
	if (node_generation(block) > super_generation(guess->super))
		super_set_generation(guess->super, node_generation(block));
	if (node_level(block) || node_owner(block) != BTRFS_CHUNK_TREE_OBJECTID)
		return 0;
	for (unsigned i = 0; i < node_nritems(block); i++) {
		if (leaf_key(block, i).type != BTRFS_DEV_ITEM_KEY ||
		    node_generation(block) < guess->generation)
			continue;
		memcpy(guess->super + SUPER_DEV_ITEM_AT, leaf_item_data(block, i), DEV_ITEM_SIZE);
		guess->generation = node_generation(block);
		guess->has_device = true;
	}
	return 0;
}

/* Leaves of the chunk tree name the sector size and are valid with no other: the usual one first. */
static int guess_sectors(struct rescue *rescue, struct device *device, struct guess *guess)
{
	static const uint32_t sizes[] = { 4096, 16384, 65536, 8192, 32768, 2048 };
	struct sweep sweep = { .fsid = rescue->fsid, .visit = guess_block, .ctx = guess };

	for (size_t i = 0; i < ARRAY_LEN(sizes) && !guess->has_device; i++) {
		if (sizes[i] > rescue->geometry.nodesize)
			continue;
		rescue->geometry.sectorsize = sizes[i];
		sweep.geometry = rescue->geometry;
		TRY(device_sweep(&sweep, device));
	}
	return 0;
}

int super_guess(struct rescue *rescue, struct device **devices, unsigned nr_devices)
{
	struct guess guess = { .super = rescue->super };
	const uint8_t *item = rescue->super + SUPER_DEV_ITEM_AT;

	if (nr_devices > 1)
		return THROW(ERR_UNSUPPORTED,
			     "none of %u devices has a superblock left: which is which cannot be "
			     "told",
			     nr_devices);
	TRY(device_guess(devices[0], &rescue->geometry, rescue->fsid));
	rescue_warn(rescue, "%s has no superblock left: looking for tree blocks", devices[0]->name);
	memset(rescue->super, 0, SUPER_SIZE);
	TRY(guess_sectors(rescue, devices[0], &guess));
	if (!guess.has_device)
		return THROW(ERR_SUPER_BAD,
			     "%s has no superblock and no leaf of the chunk tree left: where its "
			     "chunks lie cannot be told",
			     devices[0]->name);
	memcpy(super_fsid_mut(rescue->super), rescue->fsid, BTRFS_FSID_SIZE);
	TRY(volume_add_device(rescue->volume, dev_item_devid(item), dev_item_uuid(item), devices[0],
			      MAX(dev_item_total_bytes(item), devices[0]->size_bytes)));
	devices[0] = NULL;
	return 0;
}
