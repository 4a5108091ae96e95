/*
 * device_store: DEV_ITEMs of the chunk tree, and what the superblock says of a device.
 *
 * Size and used bytes come from the volume; fields that we have no use for stay as they are. Locks:
 * none of its own.
 */
#include "store/store_priv.h"

static struct key dev_item_key(uint64_t devid)
{
	return KEY(BTRFS_DEV_ITEMS_OBJECTID, BTRFS_DEV_ITEM_KEY, devid);
}

/* Fields of a device into an item that holds its old bytes, or zeroes. */
static void device_store_fill(const struct store *store, const struct volume_device *device,
			      uint8_t *item)
{
	uint32_t sector = device->sector_bytes ? device->sector_bytes : store->geometry.sectorsize;

	dev_item_set_devid(item, device->devid);
	dev_item_set_total_bytes(item, device->total_bytes);
	dev_item_set_bytes_used(item, device->used_bytes);
	dev_item_set_io_align(item, sector);
	dev_item_set_io_width(item, sector);
	dev_item_set_sector_size(item, sector);
	memcpy(dev_item_uuid_mut(item), device->uuid, BTRFS_UUID_SIZE);
	/* The item of a seed says which filesystem it is from. */
	memcpy(dev_item_fsid_mut(item), device->is_seed ? device->fsid : store->fsid,
	       BTRFS_FSID_SIZE);
}

int device_store_load(struct store *store, uint64_t devid, const uint8_t *item, uint32_t len)
{
	struct volume_device *device = volume_device_find(store->volume, devid);

	CORRUPT_IF(len != DEV_ITEM_SIZE || dev_item_devid(item) != devid,
		   "the item of device %" PRIu64 " is damaged", devid);
	if (!device)
		return THROW(ERR_NOT_FOUND, "device %" PRIu64 " of the filesystem is missing",
			     devid);
	CORRUPT_IF(memcmp(device->uuid, dev_item_uuid(item), BTRFS_UUID_SIZE) != 0,
		   "device %" PRIu64 " has another uuid than its item", devid);
	device->total_bytes = dev_item_total_bytes(item);
	device->sector_bytes = dev_item_sector_size(item);
	return 0;
}

static int device_save(struct txn *txn, struct store *store, struct tree *tree,
		       const struct volume_device *device)
{
	struct key key = dev_item_key(device->devid);
	uint8_t item[DEV_ITEM_SIZE] = { 0 };
	uint32_t len;
	int err = tree_lookup(tree, &key, item, sizeof(item), &len);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	device_store_fill(store, device, item);
	if (err == -ERR_KEY_NOT_FOUND)
		return tree_insert(txn, tree, &key, item, sizeof(item));
	return tree_replace(txn, tree, &key, item, sizeof(item));
}

int device_store_save(struct txn *txn, struct store *store)
{
	struct tree *tree;

	TRY(store_tree(store, BTRFS_CHUNK_TREE_OBJECTID, &tree));
	for (unsigned i = 0; i < volume_nr_devices(store->volume); i++)
		TRY(device_save(txn, store, tree, volume_device_at(store->volume, i)));
	store->devices_dirty = false;
	return 0;
}

uint64_t store_device_end(struct store *store, uint64_t devid)
{
	const struct chunk *chunk = chunk_map_next(store->volume, 0);
	uint64_t end = 0;

	for (; chunk; chunk = chunk_map_next(store->volume, chunk->logical + chunk->len_bytes))
		for (unsigned i = 0; i < chunk->nr_stripes; i++)
			if (chunk->stripes[i].devid == devid)
				end = MAX(end, chunk->stripes[i].at.at + chunk_stripe_bytes(chunk));
	return end;
}

int store_resize_device(struct store *store, uint64_t devid, uint64_t total_bytes)
{
	struct volume_device *device = volume_device_find(store->volume, devid);

	if (!device)
		return THROW(ERR_NOT_FOUND, "there is no device %" PRIu64, devid);
	if (!is_aligned(total_bytes, store->geometry.sectorsize))
		return THROW(ERR_INVALID, "%" PRIu64 " bytes are no multiple of the sector size",
			     total_bytes);
	if (total_bytes < store_device_end(store, devid))
		return THROW(ERR_NO_SPACE, "device %" PRIu64 " is in use up to byte %" PRIu64,
			     devid, store_device_end(store, devid));
	device->total_bytes = total_bytes;
	store->devices_dirty = true;
	return 0;
}

int store_fill_super(struct store *store, uint64_t devid, uint8_t *super)
{
	struct volume_device *device = volume_device_find(store->volume, devid);
	uint64_t total_bytes = 0;

	if (!device)
		return THROW(ERR_NOT_FOUND, "there is no device %" PRIu64, devid);
	TRY(chunk_store_fill_array(store, super));
	for (unsigned i = 0; i < volume_nr_devices(store->volume); i++)
		total_bytes += volume_device_at(store->volume, i)->total_bytes;
	super_set_total_bytes(super, total_bytes);
	super_set_bytes_used(super, space_used_total(store->space));
	super_set_num_devices(super, volume_nr_devices(store->volume));
	memset(super_dev_item_mut(super), 0, DEV_ITEM_SIZE);
	device_store_fill(store, device, super_dev_item_mut(super));
	return 0;
}
