/*
 * How large the devices must be for what is to be put into a new filesystem: an upper bound.
 *
 * First what the items take in tree blocks that are not full, and data in sectors. Then the chunks
 * (space/chunk_plan.c, mkfs/mkfs_layout.c). Chunks are made when the ones before are full, so when
 * data finds no room, all that is wasted is in metadata, less than one chunk; and the other way round.
 * On several devices a profile that needs K of them can leave K - 1 with a hole, none longer than a
 * stripe. Because chunks are a part of the devices the size is found by repeating until it holds.
 *
 * Estimates only: keeps no state, does no I/O. Sums are cut off at ROOM_MAX_BYTES.
 */
#include "ops/mkfs_room.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "format/disk_ids.h"
#include "volume/volume.h"

/* Nothing larger is asked for, and nothing below overflows. */
#define ROOM_MAX_BYTES ((uint64_t)1 << 60)
#define ROUNDS_MAX 4096u
/* Names stand in the order of their hashes: leaves split in their middle, and are then 2/3 full. */
#define SCATTERED_NUMERATOR 3u
#define SCATTERED_DENOMINATOR 2u
/* What the door wants free at any time: blocks for the commit, the reserve, and for one operation. */
#define STANDBY_NODES 128u
#define STANDBY_BYTES (2 * MIB)
/* What the door holds back for a queued reference. */
#define BYTES_PER_REF 192u
/* Sectors promised to runs that writers have begun. */
#define DATA_STANDBY_BYTES (9 * MIB)
/* Moving the tree into a group of its size (commit/shrink.c): itself, a rehearsal and a rest. */
#define SHRINK_COPIES 3u
#define SHRINK_NODES 1024u
/* Starts of devices, places of superblocks, rounding. */
#define DEVICE_SPARE_BYTES (4 * MIB)
/* Chunks: chunk_plan.c. */
#define CHUNK_ROUND (16 * MIB)
#define CHUNK_MAX_STRIPE GIB
#define DATA_MAX_BYTES (10 * GIB)
#define LARGE_FS_BYTES (50 * GIB)

struct room {
	const struct mkfs_plan *plan;
	const struct profile *data, *metadata;
	uint64_t data_bytes, metadata_bytes; /* logical */
	uint64_t extra_raw_bytes;	     /* on all devices together */
};

static uint64_t add(uint64_t a, uint64_t b)
{
	return MIN(a, ROOM_MAX_BYTES) + MIN(b, ROOM_MAX_BYTES);
}

/* For counts of things that cost little: no product comes near the limit of the type. */
static uint64_t times(uint64_t a, uint64_t b)
{
	return b && a > ROOM_MAX_BYTES / b ? ROOM_MAX_BYTES : a * b;
}

/* ---- items ---- */

/* Bytes of leaves when items of this kind, so long at most, follow one another. */
static uint64_t in_leaves(const struct mkfs_plan *plan, uint64_t bytes, uint64_t longest)
{
	uint64_t leaf = geometry_leaf_bytes(&plan->geometry);

	longest = MIN(longest, leaf / 2);
	return times(bytes, plan->geometry.nodesize) / (leaf - longest) + 1;
}

static uint64_t inline_item_bytes(uint64_t nr, uint64_t bytes)
{
	return add(times(nr, ITEM_SIZE + FILE_EXTENT_INLINE_AT), bytes);
}

/* Of an inode, its names, attributes and contents in the tree. */
static uint64_t tree_bytes(const struct mkfs_plan *plan,
			   const struct ubtrfs_mkfs_contents *contents)
{
	uint64_t names = add(times(contents->nr_names,
				   2 * (ITEM_SIZE + DIR_ITEM_SIZE) + ITEM_SIZE + INODE_EXTREF_SIZE),
			     times(contents->name_bytes, 3));
	uint64_t xattrs =
		add(times(contents->nr_xattrs, ITEM_SIZE + DIR_ITEM_SIZE), contents->xattr_bytes);
	uint64_t scattered = in_leaves(plan, add(names, xattrs), 0);
	uint64_t bytes = times(contents->nr_inodes, ITEM_SIZE + INODE_ITEM_SIZE);
	uint64_t longest = contents->nr_inline ? contents->inline_max_bytes : 0;

	bytes = add(bytes, inline_item_bytes(contents->nr_inline, contents->inline_bytes));
	bytes = add(bytes, times(contents->nr_extents, ITEM_SIZE + FILE_EXTENT_SIZE));
	bytes = add(in_leaves(plan, bytes, longest),
		    times(scattered, SCATTERED_NUMERATOR) / SCATTERED_DENOMINATOR);
	return add(bytes, times(contents->nr_subvols, 2 * (uint64_t)plan->geometry.nodesize));
}

/* Of the extents of data, in the trees of extents and checksums. */
static uint64_t extent_bytes(const struct mkfs_plan *plan,
			     const struct ubtrfs_mkfs_contents *contents)
{
	uint64_t csums =
		times(contents->data_bytes / plan->geometry.sectorsize, plan->geometry.csum_size);

	/* Checksum items are long, but what does not fit goes into the next one. */
	return add(times(contents->nr_extents, BYTES_PER_REF), in_leaves(plan, csums, 512));
}

static uint64_t metadata_bytes(const struct mkfs_plan *plan, bool shrink,
			       const struct ubtrfs_mkfs_contents *contents)
{
	uint64_t nodesize = plan->geometry.nodesize;
	uint64_t bytes = add(tree_bytes(plan, contents), extent_bytes(plan, contents));
	unsigned ptrs = geometry_node_ptrs(&plan->geometry);

	/* The blocks that point to them, half full, and the references of all of them. */
	bytes = add(bytes, 2 * (bytes / (ptrs / 2)));
	bytes = add(bytes, times(bytes / nodesize, BYTES_PER_REF));
	bytes = add(bytes, STANDBY_NODES * nodesize + STANDBY_BYTES);
	if (shrink)
		bytes = add(times(bytes, SHRINK_COPIES), SHRINK_NODES * nodesize);
	return bytes;
}

/*
 * A file of one sector takes a sector, or is compressed and stands in the tree. Whatever costs
 * more: the sectors are counted already, this is the rest.
 */
static uint64_t small_extra_raw(const struct room *room,
				const struct ubtrfs_mkfs_contents *contents)
{
	uint64_t bytes = inline_item_bytes(
		contents->nr_small, MIN(contents->small_bytes,
					times(contents->nr_small, contents->inline_limit_bytes)));
	uint64_t in_tree = times(in_leaves(room->plan, bytes, contents->inline_limit_bytes),
				 room->metadata->copies);
	uint64_t in_sectors = times(times(contents->nr_small, room->plan->geometry.sectorsize),
				    room->data->copies);

	return in_tree > in_sectors ? in_tree - in_sectors : 0;
}

/* ---- chunks ---- */

/* How many devices a chunk spans at most. */
static unsigned profile_span(const struct profile *profile, unsigned nr_devices)
{
	unsigned nr = profile->max_devices ? MIN(profile->max_devices, nr_devices) : nr_devices;

	nr -= nr % profile->increment;
	return MAX(nr, 1u);
}

static unsigned profile_columns(const struct profile *profile, unsigned nr_devices)
{
	return MAX(profile_span(profile, nr_devices) * profile->per_device / profile->copies, 1u);
}

/* The longest stripe that a chunk of at most so many bytes can have. */
static uint64_t stripe_bytes(const struct room *room, const struct profile *profile,
			     uint64_t total_bytes, uint64_t max_bytes)
{
	unsigned columns = profile_columns(profile, room->plan->nr_devices);
	uint64_t bytes = MIN(total_bytes / 10, max_bytes);

	return MIN(round_up(div_up(bytes, columns), CHUNK_ROUND), CHUNK_MAX_STRIPE);
}

/* The chunk of metadata that mkfs itself makes when there is room enough: logical bytes. */
static uint64_t first_metadata_bytes(const struct room *room, uint64_t total_bytes)
{
	unsigned columns = profile_columns(room->metadata, room->plan->nr_devices);
	uint64_t largest = total_bytes > LARGE_FS_BYTES ? GIB : 256 * MIB;
	uint64_t max_bytes = MIN(largest, total_bytes / 10);
	uint64_t floor_bytes = MAX(8 * MIB, 1024 * (uint64_t)room->plan->geometry.nodesize);
	uint64_t stripe = 8 * MIB;

	if (room->metadata->flag) {
		stripe = largest;
		if (stripe * columns > max_bytes)
			stripe = max_bytes / (columns * room->metadata->copies);
		stripe = MAX(stripe, 32 * MIB);
	}
	return MAX(round_down(stripe, VOLUME_STRIPE_LEN), floor_bytes) * columns;
}

static uint64_t system_raw_bytes(const struct room *room)
{
	unsigned nr_stripes =
		profile_span(room->metadata, room->plan->nr_devices) * room->metadata->per_device;

	return MAX(16 * MIB, times(nr_stripes, 8 * MIB));
}

/* What the devices may be left with that no chunk can use. */
static uint64_t uneven_bytes(const struct room *room, uint64_t data_stripe,
			     uint64_t metadata_stripe)
{
	unsigned nr = room->plan->nr_devices;
	unsigned needed = MAX(room->data->increment, room->metadata->increment);

	if (profile_span(room->data, nr) == nr && profile_span(room->metadata, nr) == nr)
		return 0;
	return times(needed - 1, MAX(data_stripe, metadata_stripe));
}

static uint64_t raw_bytes_for(const struct room *room, uint64_t total_bytes)
{
	unsigned nr = room->plan->nr_devices;
	uint64_t max_metadata = total_bytes > LARGE_FS_BYTES ? GIB : 256 * MIB;
	uint64_t data_stripe = stripe_bytes(room, room->data, total_bytes, DATA_MAX_BYTES);
	uint64_t metadata_stripe = stripe_bytes(room, room->metadata, total_bytes, max_metadata);
	uint64_t data_chunk = data_stripe * profile_columns(room->data, nr);
	uint64_t metadata_chunk = metadata_stripe * profile_columns(room->metadata, nr);
	uint64_t first = first_metadata_bytes(room, total_bytes);
	uint64_t data = times(room->data_bytes, room->data->copies);
	uint64_t metadata = times(MAX(first, room->metadata_bytes), room->metadata->copies);
	uint64_t fixed = add(system_raw_bytes(room), room->extra_raw_bytes);

	fixed = add(fixed, uneven_bytes(room, data_stripe, metadata_stripe));
	if (room->plan->mixed)
		return add(fixed, times(MAX(first, add(room->data_bytes, room->metadata_bytes)),
					room->data->copies));
	/* Whichever finds no room, the other has at most a chunk too much; but the first chunk of metadata is there. */
	if (room->metadata_bytes <= first)
		data_chunk = metadata_chunk = 0;
	return add(fixed,
		   add(add(data, metadata), MAX(times(data_chunk, room->data->copies),
						times(metadata_chunk, room->metadata->copies))));
}

int mkfs_room(const struct mkfs_plan *plan, const struct mkfs_room_how *how,
	      const struct ubtrfs_mkfs_contents *contents, uint64_t *ret_device_bytes)
{
	struct room room = { .plan = plan,
			     .data = profile_of(plan->data_profile),
			     .metadata = profile_of(plan->metadata_profile),
			     .data_bytes = add(contents->data_bytes, DATA_STANDBY_BYTES),
			     .metadata_bytes = metadata_bytes(plan, how->shrink, contents) };
	uint64_t device_bytes;

	ASSERT(room.data && room.metadata && plan->nr_devices);
	TRY(mkfs_min_device_bytes(plan, &device_bytes));
	if (how->compress)
		room.extra_raw_bytes = small_extra_raw(&room, contents);
	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		uint64_t raw = raw_bytes_for(&room, times(device_bytes, plan->nr_devices));
		uint64_t need = add(div_up(raw, plan->nr_devices), DEVICE_SPARE_BYTES);

		if (need <= device_bytes) {
			*ret_device_bytes = round_up(device_bytes, MIB);
			return 0;
		}
		/* In whole MiB, so that the end is not approached for ever. */
		device_bytes = round_up(need, MIB);
		if (device_bytes >= ROOM_MAX_BYTES)
			break;
	}
	return THROW(ERR_LIMIT, "no size of devices can be told that would hold it");
}
