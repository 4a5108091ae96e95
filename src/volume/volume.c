/*
 * The volume: the set of devices, and the questions about it that need no I/O; flush.
 *
 * Owns the devices and their entries. Invariants: entries are in order of devid, each devid once;
 * an entry lives as long as the volume, so that a borrowed one needs no count. A device whose entry
 * has no struct device, or that has no entry at all, is missing. Lock: RANK_DEVICE_SET over the
 * array; device I/O is done without it.
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "volume/volume_priv.h"

static int chunk_compare(const struct rb_node *a, const struct rb_node *b)
{
	uint64_t one = rb_entry(a, struct chunk, node)->logical;
	uint64_t other = rb_entry(b, struct chunk, node)->logical;

	return (one > other) - (one < other);
}

int volume_new(struct volume **ret_volume)
{
	struct volume *volume = mem_zalloc(sizeof(*volume));

	if (!volume)
		return MEM_FAIL("a volume");
	rwlock_init(&volume->map_lock, RANK_CHUNK_MAP, "chunk_map");
	rwlock_init(&volume->set_lock, RANK_DEVICE_SET, "device_set");
	rbtree_init(&volume->chunks, chunk_compare);
	*ret_volume = volume;
	return 0;
}

void volume_free(struct volume *volume)
{
	struct rb_node *node;

	if (!volume)
		return;
	while ((node = rbtree_first(&volume->chunks))) {
		rbtree_remove(&volume->chunks, node);
		mem_free(rb_entry(node, struct chunk, node));
	}
	for (unsigned i = 0; i < volume->nr_devices; i++) {
		device_free(volume->devices[i]->device);
		mem_free(volume->devices[i]);
	}
	rwlock_fini(&volume->set_lock);
	rwlock_fini(&volume->map_lock);
	mem_free(volume);
}

/* ---- the set ---- */

/* Index of the first device whose devid is not smaller. */
static unsigned set_position(const struct volume *volume, uint64_t devid)
{
	unsigned low = 0, high = volume->nr_devices;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (volume->devices[middle]->devid < devid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct volume_device *device_set_find_locked(const struct volume *volume, uint64_t devid)
{
	unsigned at = set_position(volume, devid);

	if (at == volume->nr_devices || volume->devices[at]->devid != devid)
		return NULL;
	return volume->devices[at];
}

void device_set_account_locked(struct volume *volume, uint64_t devid, int64_t delta_bytes)
{
	struct volume_device *entry = device_set_find_locked(volume, devid);

	if (!entry)
		return;
	ASSERT(delta_bytes >= 0 || entry->used_bytes >= (uint64_t)-delta_bytes);
	entry->used_bytes += (uint64_t)delta_bytes;
}

static int set_insert_locked(struct volume *volume, struct volume_device *entry)
{
	unsigned at = set_position(volume, entry->devid);

	if (at < volume->nr_devices && volume->devices[at]->devid == entry->devid)
		return THROW(ERR_EXISTS, "device %llu is in the volume already",
			     (unsigned long long)entry->devid);
	if (volume->nr_devices == VOLUME_MAX_DEVICES)
		return THROW(ERR_LIMIT, "a volume has at most %u devices", VOLUME_MAX_DEVICES);
	memmove(volume->devices + at + 1, volume->devices + at,
		(volume->nr_devices - at) * sizeof(volume->devices[0]));
	volume->devices[at] = entry;
	volume->nr_devices++;
	return 0;
}

int volume_add_device(struct volume *volume, uint64_t devid, const uint8_t uuid[16],
		      struct device *device, uint64_t total_bytes)
{
	struct volume_device *entry = mem_zalloc(sizeof(*entry));
	int err;

	if (!entry)
		return MEM_FAIL("a device of a volume");
	entry->devid = devid;
	memcpy(entry->uuid, uuid, sizeof(entry->uuid));
	entry->device = device;
	entry->total_bytes = total_bytes;
	entry->sector_bytes = VOLUME_GRAIN_BYTES;
	/* Chunks may have come before their devices. */
	rwlock_read(&volume->map_lock);
	entry->used_bytes = chunk_map_used_locked(volume, devid);
	rwlock_write(&volume->set_lock);
	err = set_insert_locked(volume, entry);
	rwlock_unwrite(&volume->set_lock);
	rwlock_unread(&volume->map_lock);
	if (err < 0)
		mem_free(entry);
	return err;
}

unsigned volume_nr_devices(const struct volume *volume)
{
	return __atomic_load_n(&volume->nr_devices, __ATOMIC_ACQUIRE);
}

unsigned volume_nr_writers(struct volume *volume)
{
	bool limited = false;
	unsigned nr = 0;

	rwlock_read(&volume->set_lock);
	for (unsigned i = 0; i < volume->nr_devices; i++) {
		const struct device *device = volume->devices[i]->device;

		nr += device != NULL;
		limited |= device && device->one_writer;
	}
	rwlock_unread(&volume->set_lock);
	return limited ? nr : 0;
}

struct volume_device *volume_device_at(struct volume *volume, unsigned index)
{
	struct volume_device *entry;

	rwlock_read(&volume->set_lock);
	entry = index < volume->nr_devices ? volume->devices[index] : NULL;
	rwlock_unread(&volume->set_lock);
	return entry;
}

struct volume_device *volume_device_find(struct volume *volume, uint64_t devid)
{
	struct volume_device *entry;

	rwlock_read(&volume->set_lock);
	entry = device_set_find_locked(volume, devid);
	rwlock_unread(&volume->set_lock);
	return entry;
}

static int no_device(uint64_t devid)
{
	return THROW(ERR_NOT_FOUND, "there is no device %llu", (unsigned long long)devid);
}

int volume_set_seed(struct volume *volume, uint64_t devid, const uint8_t fsid[16])
{
	struct volume_device *entry;

	rwlock_write(&volume->set_lock);
	entry = device_set_find_locked(volume, devid);
	if (entry) {
		memcpy(entry->fsid, fsid, sizeof(entry->fsid));
		entry->is_seed = true;
	}
	rwlock_unwrite(&volume->set_lock);
	return entry ? 0 : no_device(devid);
}

int volume_set_stale(struct volume *volume, uint64_t devid)
{
	struct volume_device *entry;

	rwlock_write(&volume->set_lock);
	entry = device_set_find_locked(volume, devid);
	if (entry)
		entry->is_stale = true;
	rwlock_unwrite(&volume->set_lock);
	return entry ? 0 : no_device(devid);
}

bool volume_has_seed(struct volume *volume, const uint8_t fsid[16])
{
	bool found = false;

	rwlock_read(&volume->set_lock);
	for (unsigned i = 0; i < volume->nr_devices && !found; i++) {
		const struct volume_device *entry = volume->devices[i];

		found = entry->is_seed && memcmp(entry->fsid, fsid, sizeof(entry->fsid)) == 0;
	}
	rwlock_unread(&volume->set_lock);
	return found;
}

void volume_set_map_ops(struct volume *volume, const struct map_ops *ops, void *ctx)
{
	volume->map_ops = ops;
	volume->map_ctx = ctx;
}

/* ---- questions and the flush ---- */

int volume_check_writable(struct volume *volume)
{
	struct volume_device *entry;

	for (unsigned i = 0; (entry = volume_device_at(volume, i)); i++) {
		if (!entry->device)
			return THROW(ERR_UNSUPPORTED,
				     "device %llu is missing: writing without it is not supported",
				     (unsigned long long)entry->devid);
	}
	if (volume->map_ops)
		return THROW(ERR_UNSUPPORTED,
			     "the filesystem has a stripe tree: writing that is not supported");
	return chunk_map_check_writable(volume);
}

unsigned volume_nr_mirrors(struct volume *volume, uint64_t logical)
{
	const struct chunk *chunk = chunk_map_find(volume, logical);

	return chunk ? profile_mirrors(profile_of(chunk->flags), chunk->nr_stripes) : 0;
}

int volume_map(struct volume *volume, uint64_t logical, unsigned mirror, uint64_t *ret_devid,
	       struct phys *ret_at)
{
	struct chunk_view view;
	struct stripe_piece piece;
	struct phys at;

	TRY(chunk_map_view(volume, logical, &view));
	if (!mirror)
		mirror = 1;
	if (mirror > view.profile->copies)
		return THROW(ERR_NO_MIRROR, "logical %llu has %u copies, not %u",
			     (unsigned long long)logical, view.profile->copies, mirror);
	piece = stripe_map(&view, logical - view.chunk->logical, 1);
	at = stripe_phys(view.chunk, &piece, mirror);
	if (chunk_is_remapped(volume, view.chunk))
		TRY(volume_map_by_tree(volume, &view, logical, mirror, &at));
	*ret_devid = view.chunk->stripes[piece.first_stripe + mirror - 1].devid;
	*ret_at = at;
	return 0;
}

/*
 * Every device gets its flush, also after one has failed: what can be made durable is. The first
 * failure is told.
 */
int volume_flush(struct volume *volume)
{
	struct err_report first = { 0 };
	struct volume_device *entry;

	for (unsigned i = 0; (entry = volume_device_at(volume, i)); i++) {
		int err = entry->device ? device_flush(entry->device) : 0;

		if (err < 0 && !first.err)
			err_capture(err, &first);
	}
	return err_rethrow(&first);
}
