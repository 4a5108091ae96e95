/*
 * The chunk map: which chunk holds a logical address.
 *
 * Owns the chunks. Invariants: chunks do not overlap; each has passed chunk_check, so that the
 * arithmetic on it cannot overflow or leave its device extents; used_bytes of each device is the
 * sum over the stripes on it. Locks: RANK_CHUNK_MAP over the tree, then RANK_DEVICE_SET over
 * used_bytes. A chunk handed out stays valid until it is removed: who removes knows that nobody
 * uses its range. Knows nothing of the chunk tree on disk.
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "format/disk_ids.h"
#include "volume/volume_priv.h"

#define CHUNK_CORRUPT_IF(cond, spec, text)                                                        \
	CORRUPT_IF(cond, "chunk at %llu, %llu bytes: " text, (unsigned long long)(spec)->logical, \
		   (unsigned long long)(spec)->len_bytes)

static struct chunk *chunk_of(struct rb_node *node)
{
	return node ? rb_entry(node, struct chunk, node) : NULL;
}

static int chunk_key_compare(const void *key, const struct rb_node *node)
{
	uint64_t want = *(const uint64_t *)key;
	uint64_t have = rb_entry(node, struct chunk, node)->logical;

	return (want > have) - (want < have);
}

/* ---- what a chunk must look like ---- */

static int check_type(const struct chunk_spec *spec)
{
	uint64_t type = spec->flags & BTRFS_BLOCK_GROUP_TYPE_MASK;

	CHUNK_CORRUPT_IF(!type, spec, "neither data nor metadata nor system");
	CHUNK_CORRUPT_IF((type & BTRFS_BLOCK_GROUP_SYSTEM) && type != BTRFS_BLOCK_GROUP_SYSTEM,
			 spec, "system mixed with another type");
	CHUNK_CORRUPT_IF(spec->flags &
				 ~(BTRFS_BLOCK_GROUP_TYPE_MASK | BTRFS_BLOCK_GROUP_PROFILE_MASK),
			 spec, "unknown type bits");
	return 0;
}

static int check_nr_stripes(const struct chunk_spec *spec, const struct profile *profile)
{
	unsigned max = profile->max_devices * profile->per_device;
	unsigned min = profile->min_devices * profile->per_device;

	CHUNK_CORRUPT_IF(spec->nr_stripes < min || (max && spec->nr_stripes > max), spec,
			 "the number of stripes does not fit the profile");
	CHUNK_CORRUPT_IF(spec->nr_stripes % profile->sub_stripes, spec,
			 "the number of stripes is no multiple of the sub-stripes");
	CHUNK_CORRUPT_IF(profile->sub_stripes > 1 && spec->sub_stripes != profile->sub_stripes,
			 spec, "the number of sub-stripes does not fit the profile");
	return 0;
}

static int check_length(const struct chunk_spec *spec, const struct profile *profile)
{
	unsigned nr_columns = stripe_columns(profile, spec->nr_stripes);
	uint64_t row = profile->striped ? (uint64_t)nr_columns * VOLUME_STRIPE_LEN :
					  VOLUME_GRAIN_BYTES;
	uint64_t end;

	CHUNK_CORRUPT_IF(!spec->len_bytes || spec->len_bytes % row, spec,
			 "the length is no multiple of what one row of stripes holds");
	CHUNK_CORRUPT_IF(!is_aligned(spec->logical, VOLUME_GRAIN_BYTES), spec,
			 "the address is not aligned");
	CHUNK_CORRUPT_IF(!add_fits(spec->logical, spec->len_bytes, &end), spec,
			 "the end lies beyond the last address");
	return 0;
}

/*
 * A chunk whose copies lie on each other would be no copy, and a write to it would damage
 * itself.
 */
static bool stripes_overlap(const struct chunk_spec *spec, unsigned index, uint64_t len_bytes)
{
	const struct stripe *one = &spec->stripes[index];

	for (unsigned i = 0; i < index; i++) {
		const struct stripe *other = &spec->stripes[i];

		if (other->devid == one->devid && other->at.at < one->at.at + len_bytes &&
		    one->at.at < other->at.at + len_bytes)
			return true;
	}
	return false;
}

static int check_stripes(struct volume *volume, const struct chunk_spec *spec,
			 const struct profile *profile)
{
	uint64_t len_bytes = stripe_bytes(profile, spec->nr_stripes, spec->len_bytes);

	for (unsigned i = 0; i < spec->nr_stripes; i++) {
		const struct stripe *stripe = &spec->stripes[i];
		const struct volume_device *device = volume_device_find(volume, stripe->devid);
		uint64_t end;

		CHUNK_CORRUPT_IF(!is_aligned(stripe->at.at, VOLUME_GRAIN_BYTES), spec,
				 "a stripe is not aligned on its device");
		CHUNK_CORRUPT_IF(!add_fits(stripe->at.at, len_bytes, &end) ||
					 (device && end > device->total_bytes),
				 spec, "a stripe ends behind the end of its device");
		CHUNK_CORRUPT_IF(stripes_overlap(spec, i, len_bytes), spec,
				 "two stripes lie on each other");
	}
	return 0;
}

static int chunk_check(struct volume *volume, const struct chunk_spec *spec)
{
	const struct profile *profile = profile_of(spec->flags);

	TRY(check_type(spec));
	CHUNK_CORRUPT_IF(!profile, spec, "more than one profile");
	TRY(check_nr_stripes(spec, profile));
	TRY(check_length(spec, profile));
	return check_stripes(volume, spec, profile);
}

/* ---- changing the map ---- */

/* The chunk that holds the address. */
static struct chunk *find_locked(const struct volume *volume, uint64_t logical)
{
	struct chunk *chunk =
		chunk_of(rbtree_find_le(&volume->chunks, &logical, chunk_key_compare));

	return chunk && logical - chunk->logical < chunk->len_bytes ? chunk : NULL;
}

static struct chunk *find_exact_locked(const struct volume *volume, uint64_t logical)
{
	return chunk_of(rbtree_find(&volume->chunks, &logical, chunk_key_compare));
}

static void account_locked(struct volume *volume, const struct chunk *chunk, int64_t delta_bytes)
{
	rwlock_write(&volume->set_lock);
	for (unsigned i = 0; i < chunk->nr_stripes; i++)
		device_set_account_locked(volume, chunk->stripes[i].devid, delta_bytes);
	rwlock_unwrite(&volume->set_lock);
}

static struct chunk *chunk_new(const struct chunk_spec *spec)
{
	size_t stripes_bytes = spec->nr_stripes * sizeof(struct stripe);
	struct chunk *chunk = mem_zalloc(sizeof(*chunk) + stripes_bytes +
					 spec->nr_stripes * sizeof(chunk->devices[0]));

	if (!chunk)
		return NULL;
	chunk->devices = (void *)((uint8_t *)chunk->stripes + stripes_bytes);
	chunk->logical = spec->logical;
	chunk->len_bytes = spec->len_bytes;
	chunk->flags = spec->flags;
	chunk->nr_stripes = spec->nr_stripes;
	chunk->sub_stripes = spec->sub_stripes;
	memcpy(chunk->stripes, spec->stripes, spec->nr_stripes * sizeof(chunk->stripes[0]));
	return chunk;
}

static int insert_locked(struct volume *volume, struct chunk *chunk)
{
	uint64_t last = chunk->logical + chunk->len_bytes - 1;
	struct chunk *before = chunk_of(rbtree_find_le(&volume->chunks, &last, chunk_key_compare));

	if (before && before->logical + before->len_bytes > chunk->logical)
		return THROW(ERR_EXISTS,
			     "chunk at %llu, %llu bytes: it overlaps the one at %llu, %llu bytes",
			     (unsigned long long)chunk->logical,
			     (unsigned long long)chunk->len_bytes,
			     (unsigned long long)before->logical,
			     (unsigned long long)before->len_bytes);
	rbtree_insert(&volume->chunks, &chunk->node);
	account_locked(volume, chunk, (int64_t)chunk_stripe_bytes(chunk));
	return 0;
}

int chunk_map_add(struct volume *volume, const struct chunk_spec *spec)
{
	struct chunk *chunk;
	int err;

	TRY(chunk_check(volume, spec));
	chunk = chunk_new(spec);
	if (!chunk)
		return MEM_FAIL("a chunk");
	rwlock_write(&volume->map_lock);
	err = insert_locked(volume, chunk);
	rwlock_unwrite(&volume->map_lock);
	if (err < 0)
		mem_free(chunk);
	return err;
}

static int no_chunk(uint64_t logical)
{
	return THROW(ERR_NO_MAPPING, "no chunk starts at %llu", (unsigned long long)logical);
}

int chunk_map_remove(struct volume *volume, uint64_t logical)
{
	struct chunk *chunk;

	rwlock_write(&volume->map_lock);
	chunk = find_exact_locked(volume, logical);
	if (chunk) {
		rbtree_remove(&volume->chunks, &chunk->node);
		account_locked(volume, chunk, -(int64_t)chunk_stripe_bytes(chunk));
	}
	rwlock_unwrite(&volume->map_lock);
	if (!chunk)
		return no_chunk(logical);
	mem_free(chunk);
	return 0;
}

static int trim_locked(struct volume *volume, struct chunk *chunk, uint64_t len_bytes)
{
	const struct profile *profile = profile_of(chunk->flags);
	struct chunk_spec spec = {
		.logical = chunk->logical,
		.len_bytes = len_bytes,
		.nr_stripes = chunk->nr_stripes,
	};
	int64_t before = (int64_t)chunk_stripe_bytes(chunk);

	if (len_bytes > chunk->len_bytes)
		return THROW(ERR_INVALID, "chunk at %llu: %llu bytes cannot be trimmed to %llu",
			     (unsigned long long)chunk->logical,
			     (unsigned long long)chunk->len_bytes, (unsigned long long)len_bytes);
	TRY(check_length(&spec, profile));
	chunk->len_bytes = len_bytes;
	account_locked(volume, chunk, (int64_t)chunk_stripe_bytes(chunk) - before);
	return 0;
}

int chunk_map_trim(struct volume *volume, uint64_t logical, uint64_t len_bytes)
{
	struct chunk *chunk;
	int err;

	rwlock_write(&volume->map_lock);
	chunk = find_exact_locked(volume, logical);
	err = chunk ? trim_locked(volume, chunk, len_bytes) : no_chunk(logical);
	rwlock_unwrite(&volume->map_lock);
	return err;
}

/* ---- asking the map ---- */

const struct chunk *chunk_map_find(struct volume *volume, uint64_t logical)
{
	const struct chunk *chunk;

	rwlock_read(&volume->map_lock);
	chunk = find_locked(volume, logical);
	rwlock_unread(&volume->map_lock);
	return chunk;
}

const struct chunk *chunk_map_next(struct volume *volume, uint64_t logical)
{
	const struct chunk *chunk;

	rwlock_read(&volume->map_lock);
	chunk = chunk_of(rbtree_find_ge(&volume->chunks, &logical, chunk_key_compare));
	rwlock_unread(&volume->map_lock);
	return chunk;
}

struct volume_device *chunk_device(struct volume *volume, const struct chunk *chunk,
				   unsigned stripe)
{
	struct volume_device *device =
		atomic_load_explicit(&chunk->devices[stripe], memory_order_acquire);

	if (!device) {
		device = volume_device_find(volume, chunk->stripes[stripe].devid);
		atomic_store_explicit(&chunk->devices[stripe], device, memory_order_release);
	}
	return device;
}

int chunk_map_view(struct volume *volume, uint64_t logical, struct chunk_view *ret_view)
{
	const struct chunk *chunk;
	const struct profile *profile;
	uint64_t end = 0;

	rwlock_read(&volume->map_lock);
	chunk = find_locked(volume, logical);
	if (chunk)
		end = chunk->logical + chunk->len_bytes;
	rwlock_unread(&volume->map_lock);
	if (!chunk)
		return THROW(ERR_NO_MAPPING, "no chunk holds the logical address %llu",
			     (unsigned long long)logical);
	profile = profile_of(chunk->flags);
	*ret_view = (struct chunk_view){
		.chunk = chunk,
		.profile = profile,
		.nr_columns = stripe_columns(profile, chunk->nr_stripes),
		.end = end,
	};
	return 0;
}

static int chunk_check_writable(const struct volume *volume, const struct chunk *chunk)
{
	const struct profile *profile = profile_of(chunk->flags);

	if (profile->parity)
		return THROW(ERR_UNSUPPORTED, "chunk at %llu is %s: writing that is not supported",
			     (unsigned long long)chunk->logical, profile->name);
	if (chunk_is_remapped(volume, chunk))
		return THROW(
			ERR_UNSUPPORTED,
			"chunk at %llu is mapped by the stripe tree: writing that is not supported",
			(unsigned long long)chunk->logical);
	return 0;
}

int chunk_map_view_writable(struct volume *volume, uint64_t logical, struct chunk_view *ret_view)
{
	struct chunk_view view;

	TRY(chunk_map_view(volume, logical, &view));
	TRY(chunk_check_writable(volume, view.chunk));
	*ret_view = view;
	return 0;
}

int chunk_map_check_writable(struct volume *volume)
{
	const struct chunk *chunk = chunk_map_next(volume, 0);

	for (; chunk; chunk = chunk_map_next(volume, chunk->logical + chunk->len_bytes))
		TRY(chunk_check_writable(volume, chunk));
	return 0;
}

/* The profiles are Linux's choice: in all others, and in mixed groups, chunks say where data is. */
bool chunk_is_remapped(const struct volume *volume, const struct chunk *chunk)
{
	const uint64_t mapped = BTRFS_BLOCK_GROUP_DUP | BTRFS_BLOCK_GROUP_RAID0 |
				BTRFS_BLOCK_GROUP_RAID1_MASK | BTRFS_BLOCK_GROUP_RAID10;

	return volume->map_ops &&
	       (chunk->flags & BTRFS_BLOCK_GROUP_TYPE_MASK) == BTRFS_BLOCK_GROUP_DATA &&
	       (chunk->flags & mapped);
}

uint64_t chunk_map_used_locked(const struct volume *volume, uint64_t devid)
{
	uint64_t used_bytes = 0;

	for (struct rb_node *node = rbtree_first(&volume->chunks); node; node = rb_next(node)) {
		const struct chunk *chunk = chunk_of(node);

		for (unsigned i = 0; i < chunk->nr_stripes; i++) {
			if (chunk->stripes[i].devid == devid)
				used_bytes += chunk_stripe_bytes(chunk);
		}
	}
	return used_bytes;
}
