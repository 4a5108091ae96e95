/*
 * Planning chunks: how long, on which devices, where on them, at which logical address.
 *
 * The length, as Linux does it, when exact_bytes does not say: at most 10 % of the bytes of the
 * writable devices, and at most (max_chunk 0) 10 GiB for data, for metadata 1 GiB, or 256 MiB while
 * the devices have up to 50 GiB together, and
 * 32 MiB for system. That is divided by the columns of the profile and rounded up to 16 MiB; a
 * stripe has at most 1 GiB. When devices may grow, small totals say nothing about the size to come:
 * then the 10 % count as at least 32 MiB. An explicit max_chunk is kept to the byte (rounded down
 * to a row), unless min_bytes asks for more.
 *
 * The devices: those with the longest hole first (holes longer than a stripe may be count as
 * equal), then those with the most room, then by devid; raid0 and raid10 take as many as still give
 * min_bytes. A hole shorter than wanted makes a shorter chunk; when devices may grow, one shorter
 * than 32 MiB is left and the devices are enlarged. The place: the lowest hole that is long enough,
 * or with from_end the highest, from its end down.
 *
 * Lock: space->lock is held over the whole plan, so that two plans never take one hole; the
 * volume's locks inside.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "space/device_holes.h"
#include "space/space_priv.h"

#define CHUNK_FIRST_LOGICAL MIB
#define CHUNK_MAX_STRIPE GIB
#define CHUNK_ROUND (16 * MIB)
#define CHUNK_MIN_GROWN (32 * MIB)
/* So many stripes fit into the superblock's array of system chunks beside a second chunk. */
#define CHUNK_MAX_SYSTEM_STRIPES 58u

struct chunk_plan {
	struct space *space;
	enum space_kind slot;
	uint64_t flags;
	const struct profile *profile;
	uint64_t min_bytes, exact_bytes;
	uint64_t logical;
	struct device_holes *devices; /* best first */
	unsigned nr_devices;
	/* chosen */
	unsigned nr_used;      /* the first devices, each with per_device stripes */
	uint64_t stripe_bytes; /* on each */
};

/* ---- the length ---- */

static uint64_t plan_device_bytes(const struct chunk_plan *plan)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < plan->nr_devices; i++)
		bytes += plan->devices[i].device->total_bytes;
	return bytes;
}

static uint64_t plan_max_chunk(const struct chunk_plan *plan)
{
	uint64_t max_chunk = plan->space->policy.max_chunk[plan->slot];

	if (max_chunk)
		return max_chunk;
	if (plan->slot == SPACE_SYSTEM)
		return 32 * MIB;
	if (plan->slot == SPACE_DATA)
		return 10 * GIB;
	return plan_device_bytes(plan) > 50 * GIB ? GIB : 256 * MIB;
}

/* Stripes that hold different bytes. */
static unsigned plan_columns(const struct chunk_plan *plan, unsigned nr_devices)
{
	return nr_devices * plan->profile->per_device / plan->profile->copies;
}

static uint64_t stripe_for(uint64_t bytes, unsigned columns)
{
	return round_up(div_up(bytes, columns), VOLUME_STRIPE_LEN);
}

/* Below this a plan is refused. */
static uint64_t plan_stripe_needed(const struct chunk_plan *plan, unsigned columns)
{
	if (plan->exact_bytes)
		return stripe_for(plan->exact_bytes, columns);
	return stripe_for(MAX(plan->min_bytes, 1), columns);
}

static uint64_t plan_stripe_wanted(const struct chunk_plan *plan, unsigned columns)
{
	uint64_t max_chunk = plan_max_chunk(plan);
	uint64_t bytes = MIN(plan_device_bytes(plan) / 10, max_chunk);
	uint64_t stripe;

	if (plan->exact_bytes)
		return plan_stripe_needed(plan, columns);
	if (plan->space->policy.may_grow)
		bytes = MAX(bytes, MIN(CHUNK_MIN_GROWN, max_chunk));
	stripe = MIN(round_up(div_up(bytes, columns), CHUNK_ROUND), CHUNK_MAX_STRIPE);
	if (plan->space->policy.max_chunk[plan->slot])
		stripe = MIN(stripe, round_down(max_chunk / columns, VOLUME_STRIPE_LEN));
	return MAX(stripe, plan_stripe_needed(plan, columns));
}

/* ---- the devices ---- */

struct device_rank {
	uint64_t longest, total, devid;
	struct device_holes holes;
};

static int compare_ranks(const void *a, const void *b)
{
	const struct device_rank *rank_a = a, *rank_b = b;

	if (rank_a->longest != rank_b->longest)
		return rank_a->longest > rank_b->longest ? -1 : 1;
	if (rank_a->total != rank_b->total)
		return rank_a->total > rank_b->total ? -1 : 1;
	return rank_a->devid < rank_b->devid ? -1 : rank_a->devid > rank_b->devid;
}

static int plan_sort_devices(struct chunk_plan *plan)
{
	struct device_rank *ranks = mem_array(plan->nr_devices + 1, sizeof(*ranks));
	uint64_t enough = MAX(MIN(plan_max_chunk(plan), CHUNK_MAX_STRIPE),
			      MAX(plan->min_bytes, plan->exact_bytes));

	if (!ranks)
		return MEM_FAIL("a plan for a chunk");
	for (unsigned i = 0; i < plan->nr_devices; i++) {
		struct device_holes *holes = &plan->devices[i];

		ranks[i].longest =
			MIN(device_holes_longest(holes), enough * plan->profile->per_device);
		ranks[i].total = holes->holes.free_bytes;
		ranks[i].devid = holes->device->devid;
		ranks[i].holes = *holes;
	}
	qsort(ranks, plan->nr_devices, sizeof(*ranks), compare_ranks);
	for (unsigned i = 0; i < plan->nr_devices; i++)
		plan->devices[i] = ranks[i].holes;
	mem_free(ranks);
	return 0;
}

/*
 * How many of nr devices the profile can use: whole increments, and an item that fits into its
 * leaf.
 */
static unsigned plan_nr_usable(const struct chunk_plan *plan, unsigned nr)
{
	const struct profile *profile = plan->profile;
	/*
	 * Header, item and the chunk with its first stripe take 206 bytes, each further stripe
	 * 32.
	 */
	unsigned max_stripes = (plan->space->config.nodesize - 206) / 32 + 1;

	if (plan->slot == SPACE_SYSTEM)
		max_stripes = MIN(max_stripes, CHUNK_MAX_SYSTEM_STRIPES);
	nr = MIN(nr, max_stripes / profile->per_device);
	if (profile->max_devices)
		nr = MIN(nr, profile->max_devices);
	nr -= nr % profile->increment;
	return nr < profile->min_devices ? 0 : nr;
}

/* Uses the holes that there are; false when they do not do. */
static bool plan_choose(struct chunk_plan *plan)
{
	const struct profile *profile = plan->profile;
	unsigned nr = plan_nr_usable(plan, plan->nr_devices);

	for (; nr > 0; nr = plan_nr_usable(plan, nr - 1)) {
		unsigned columns = plan_columns(plan, nr);
		uint64_t wanted = plan_stripe_wanted(plan, columns);
		uint64_t least = plan_stripe_needed(plan, columns);
		uint64_t room = device_holes_longest(&plan->devices[nr - 1]) / profile->per_device;

		if (plan->space->policy.may_grow)
			least = MAX(least, MIN(wanted, stripe_for(CHUNK_MIN_GROWN, columns)));
		room = round_down(room, VOLUME_STRIPE_LEN);
		if (room < least)
			continue;
		plan->nr_used = nr;
		plan->stripe_bytes = MIN(wanted, room);
		return true;
	}
	return false;
}

/* Moves the devices to the front that have, or can be given, a hole of len. */
static unsigned plan_growable_first(struct chunk_plan *plan, uint64_t len)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < plan->nr_devices; i++) {
		struct device_holes holes = plan->devices[i];

		if (device_holes_longest(&holes) < len && !holes.device->device->resizable)
			continue;
		plan->devices[i] = plan->devices[nr];
		plan->devices[nr++] = holes;
	}
	return nr;
}

/* Enlarges what has no hole of len; the model follows only when all devices did. */
static int plan_enlarge(struct chunk_plan *plan, uint64_t len)
{
	for (unsigned i = 0; i < plan->nr_used; i++) {
		struct device_holes *holes = &plan->devices[i];
		struct device *device = holes->device->device;
		uint64_t size = device_holes_size_for(holes, len);

		if (device_holes_longest(holes) < len && device->size_bytes < size)
			TRY(device_resize(device, size));
	}
	for (unsigned i = 0; i < plan->nr_used; i++) {
		struct device_holes *holes = &plan->devices[i];

		if (device_holes_longest(holes) < len)
			TRY(device_holes_extend(holes, device_holes_size_for(holes, len)));
	}
	return 0;
}

static int plan_no_space(const struct chunk_plan *plan)
{
	return THROW(ERR_NO_SPACE,
		     "the %u writable devices have no room for a %s chunk of profile %s with %llu "
		     "bytes",
		     plan->nr_devices,
		     plan->slot == SPACE_DATA	? "data" :
		     plan->slot == SPACE_SYSTEM ? "system" :
						  "metadata",
		     plan->profile->name,
		     (unsigned long long)MAX(plan->min_bytes, plan->exact_bytes));
}

static int plan_grow_devices(struct chunk_plan *plan)
{
	unsigned nr = plan_nr_usable(plan, plan->nr_devices);
	uint64_t len = 0;

	/* With fewer devices a stripe is longer, which fewer devices may be able to hold. */
	while (nr > 0) {
		unsigned nr_able;

		plan->stripe_bytes = plan_stripe_wanted(plan, plan_columns(plan, nr));
		len = plan->stripe_bytes * plan->profile->per_device;
		nr_able = plan_growable_first(plan, len);
		if (nr_able >= nr)
			break;
		nr = plan_nr_usable(plan, nr_able);
	}
	if (nr == 0)
		return plan_no_space(plan);
	plan->nr_used = nr;
	return plan_enlarge(plan, len);
}

/* ---- the place ---- */

static void plan_place(const struct chunk_plan *plan, struct stripe *stripes)
{
	unsigned per_device = plan->profile->per_device;
	uint64_t len = plan->stripe_bytes * per_device;

	for (unsigned i = 0; i < plan->nr_used; i++) {
		const struct device_holes *holes = &plan->devices[i];
		uint64_t at;
		bool found;

		if (plan->space->policy.from_end[plan->slot])
			found = free_index_find_last(&holes->holes, len, VOLUME_STRIPE_LEN, &at);
		else
			found = free_index_find(&holes->holes, 0, len, VOLUME_STRIPE_LEN, &at);
		ASSERT(found && at >= DEVICE_RESERVED_BYTES);
		for (unsigned j = 0; j < per_device; j++) {
			struct stripe *stripe = &stripes[i * per_device + j];

			stripe->devid = holes->device->devid;
			stripe->at = PHYS(at + j * plan->stripe_bytes);
			memcpy(stripe->dev_uuid, holes->device->uuid, sizeof(stripe->dev_uuid));
		}
	}
}

/* Into the chunk map and the groups: both or none. */
static int plan_commit(const struct chunk_plan *plan, struct block_group **ret_group)
{
	struct volume *volume = plan->space->config.volume;
	unsigned nr_stripes = plan->nr_used * plan->profile->per_device;
	SCOPED_MEM struct stripe *stripes = mem_array(nr_stripes, sizeof(*stripes));
	struct chunk_spec spec = {
		.logical = plan->logical,
		.len_bytes = plan->stripe_bytes * plan_columns(plan, plan->nr_used),
		.flags = plan->flags,
		.nr_stripes = (uint16_t)nr_stripes,
		.sub_stripes = (uint16_t)plan->profile->sub_stripes,
		.stripes = stripes,
	};
	int ret, undo;

	if (!stripes)
		return MEM_FAIL("the stripes of a chunk");
	CORRUPT_IF(spec.logical + spec.len_bytes < spec.logical,
		   "the chunks leave no logical address for another one");
	plan_place(plan, stripes);
	TRY(chunk_map_add(volume, &spec));
	ret = group_create_locked(plan->space, chunk_map_find(volume, spec.logical), ret_group);
	if (ret < 0) {
		undo = chunk_map_remove(volume, spec.logical);
		ASSERT(undo == 0);
	}
	return ret;
}

/* ---- all of it ---- */

static uint64_t slot_type(const struct space *space, enum space_kind slot)
{
	if (slot == SPACE_SYSTEM)
		return BTRFS_BLOCK_GROUP_SYSTEM;
	if (slot == SPACE_METADATA)
		return BTRFS_BLOCK_GROUP_METADATA;
	return BTRFS_BLOCK_GROUP_DATA | (space->config.mixed ? BTRFS_BLOCK_GROUP_METADATA : 0);
}

static int plan_init(struct chunk_plan *plan)
{
	uint64_t profile = plan->space->policy.profile[plan->slot];

	plan->profile = profile_of(profile);
	if (!plan->profile || (profile & BTRFS_BLOCK_GROUP_RAID56_MASK))
		return THROW(ERR_UNSUPPORTED, "chunks of profile %s (0x%llx) cannot be written",
			     plan->profile ? plan->profile->name : "unknown",
			     (unsigned long long)profile);
	plan->flags = slot_type(plan->space, plan->slot) | profile;
	TRY(device_holes_collect(plan->space->config.volume, &plan->devices, &plan->nr_devices,
				 &plan->logical));
	plan->logical = round_up(MAX(plan->logical, CHUNK_FIRST_LOGICAL), VOLUME_STRIPE_LEN);
	return 0;
}

static int plan_run(struct chunk_plan *plan, struct block_group **ret_group)
{
	TRY(plan_sort_devices(plan));
	if (!plan_choose(plan)) {
		if (!plan->space->policy.may_grow)
			return plan_no_space(plan);
		TRY(plan_grow_devices(plan));
	}
	return plan_commit(plan, ret_group);
}

int space_grow(struct space *space, enum space_kind kind, uint64_t min_bytes, uint64_t exact_bytes,
	       struct block_group **ret_group)
{
	struct chunk_plan plan = {
		.space = space,
		.slot = space_slot(space, kind),
		.min_bytes = min_bytes,
		.exact_bytes = exact_bytes,
	};
	int ret;

	/* Longer than any device: refused before rounding could overflow. */
	if (MAX(min_bytes, exact_bytes) > UINT64_MAX >> 3)
		return THROW(ERR_NO_SPACE, "a chunk of %llu bytes is out of reach",
			     (unsigned long long)MAX(min_bytes, exact_bytes));
	mutex_lock(&space->lock);
	ret = plan_init(&plan);
	if (ret == 0) {
		ret = plan_run(&plan, ret_group);
		device_holes_free(plan.devices, plan.nr_devices);
	}
	mutex_unlock(&space->lock);
	return ret;
}
