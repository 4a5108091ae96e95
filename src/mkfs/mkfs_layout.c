/*
 * Where the first chunks stand: sizes as mkfs.btrfs chooses them, devices with most room first.
 *
 * Logical addresses start at 1 MiB and grow without gaps: system, metadata (or mixed), data. Each
 * device is used from both ends: `low` starts behind the first MiB, `high` at the last whole
 * stripe; metadata_from_end takes system and metadata from `high`. When the sizes wanted do not
 * fit, all sizes that the plan leaves open are halved until they do or reach their floor; the sum
 * of the floors is mkfs_min_device_bytes.
 *
 * Not here: addresses of tree blocks (mkfs_build.c), and any device I/O.
 */
#include "base/assert.h"
#include "mkfs/mkfs_priv.h"

/* Below 64 KiB per stripe after so many halvings, for any size a device can have. */
#define MAX_SHIFT 48u
/* A device for mkfs_min_device_bytes: nothing fails to fit. */
#define ENDLESS_BYTES ((uint64_t)1 << 60)
/* Two such system chunks fit the superblock's array: one can be relocated into another. */
#define MAX_SYSTEM_STRIPES 28u
/*
 * The kernel keeps a reserve of metadata and refuses to create anything in a full filesystem whose
 * metadata chunk has fewer than about 700 nodes, whatever their size (measured: 512 fail, 768 do).
 */
#define MIN_METADATA_NODES 1024u

/* One chunk on its way to a place. */
struct request {
	uint64_t flags;
	const struct profile *profile;
	uint64_t len_bytes; /* wanted by the plan; 0 = open */
	uint32_t nodesize;
	uint64_t total_bytes; /* of all devices */
	unsigned shift;	      /* halvings of an open size */
	bool from_end;
};

/* What a chunk type wants per stripe, and in all, when the plan leaves its size open. */
struct size_rule {
	uint64_t single_bytes; /* the whole chunk when the profile is single */
	uint64_t stripe_bytes; /* otherwise: per stripe */
	uint64_t max_bytes;    /* of the whole chunk */
	uint64_t min_bytes;    /* per stripe, while there is room */
	uint64_t floor_bytes;  /* per stripe, at any rate */
};

static struct size_rule size_rule_of(const struct request *request)
{
	uint64_t metadata_max = request->total_bytes > 50 * GIB ? GIB : 256 * MIB;
	uint64_t metadata_min = MAX(8 * MIB, MIN_METADATA_NODES * request->nodesize);

	if (request->flags & BTRFS_BLOCK_GROUP_SYSTEM)
		return (struct size_rule){ 4 * MIB, 8 * MIB, 16 * MIB, MIB, MIB };
	if (!(request->flags & BTRFS_BLOCK_GROUP_METADATA))
		return (struct size_rule){ 8 * MIB, GIB, 10 * GIB, 64 * MIB, 8 * MIB };
	return (struct size_rule){ 8 * MIB, metadata_max, metadata_max, 32 * MIB, metadata_min };
}

static unsigned request_data_stripes(const struct request *request, unsigned nr_stripes)
{
	return nr_stripes / request->profile->copies;
}

/* Bytes of each stripe when the chunk has so many. */
static uint64_t request_stripe_bytes(const struct request *request, unsigned nr_stripes)
{
	struct size_rule rule = size_rule_of(request);
	unsigned nr_data = request_data_stripes(request, nr_stripes);
	uint64_t max_bytes = MIN(rule.max_bytes, request->total_bytes / 10);
	uint64_t stripe = rule.stripe_bytes;

	ASSERT(nr_data > 0);
	if (request->len_bytes)
		return round_up(div_up(request->len_bytes, nr_data), VOLUME_STRIPE_LEN);
	if (!request->profile->flag) {
		stripe = rule.single_bytes;
	} else {
		/* No first chunk takes more than a tenth of the devices, copies included. */
		if (stripe * nr_data > max_bytes)
			stripe = max_bytes / nr_stripes;
		stripe = MAX(stripe, rule.min_bytes);
	}
	return MAX(round_down(stripe >> request->shift, VOLUME_STRIPE_LEN), rule.floor_bytes);
}

static uint64_t span_bytes(const struct mkfs_span *span)
{
	return span->high > span->low ? span->high - span->low : 0;
}

/* Indexes of the devices, most room first, then in order of devid. */
static void order_devices(const struct mkfs_span *spans, unsigned nr, unsigned *order)
{
	for (unsigned i = 0; i < nr; i++) {
		unsigned at = i;

		while (at > 0 && span_bytes(&spans[order[at - 1]]) < span_bytes(&spans[i])) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = i;
	}
}

/* The most devices this chunk may stand on. */
static unsigned request_max_devices(const struct request *request, const struct mkfs_plan *plan)
{
	const struct profile *profile = request->profile;
	unsigned nr = plan->nr_devices;
	unsigned max_item = (geometry_max_item(&plan->geometry) - CHUNK_SIZE) / STRIPE_SIZE;

	if (!(profile->flag & (BTRFS_BLOCK_GROUP_RAID0 | BTRFS_BLOCK_GROUP_RAID10)))
		return profile->copies / profile->per_device;
	nr = MIN(nr, max_item);
	if (request->flags & BTRFS_BLOCK_GROUP_SYSTEM)
		nr = MIN(nr, MAX_SYSTEM_STRIPES);
	return nr - nr % profile->sub_stripes;
}

/* Takes the stripes from the devices order[0..nr_devices). */
static int chunk_place(struct mkfs_layout *layout, const struct mkfs_plan *plan,
		       const struct request *request, const unsigned *order, unsigned nr_devices,
		       uint64_t stripe_bytes)
{
	struct mkfs_chunk *chunk = &layout->chunks[layout->nr_chunks];
	unsigned per_device = request->profile->per_device;
	unsigned nr_stripes = nr_devices * per_device;
	struct stripe *stripes = mem_array(nr_stripes, sizeof(*stripes));

	if (!stripes)
		return MEM_FAIL("stripes");
	for (unsigned i = 0; i < nr_stripes; i++) {
		unsigned index = order[i / per_device];
		struct mkfs_span *span = &layout->spans[index];

		ASSERT(span_bytes(span) >= stripe_bytes);
		stripes[i].devid = index + 1;
		if (plan->devices) /* none yet when the smallest size is asked for */
			memcpy(stripes[i].dev_uuid, plan->devices[index].uuid, BTRFS_UUID_SIZE);
		if (request->from_end)
			span->high -= stripe_bytes;
		stripes[i].at = PHYS(request->from_end ? span->high : span->low);
		if (!request->from_end)
			span->low += stripe_bytes;
	}
	*chunk = (struct mkfs_chunk){
		.logical = MKFS_FIRST_BYTE,
		.len_bytes = stripe_bytes * request_data_stripes(request, nr_stripes),
		.stripe_bytes = stripe_bytes,
		.flags = request->flags,
		.nr_stripes = (uint16_t)nr_stripes,
		.sub_stripes = (uint16_t)request->profile->sub_stripes,
		.stripes = stripes,
	};
	if (layout->nr_chunks)
		chunk->logical = chunk[-1].logical + chunk[-1].len_bytes;
	layout->nr_chunks++;
	return 0;
}

/* 1 when the chunk got its place, 0 when there is no room for it. */
static int chunk_add(struct mkfs_layout *layout, const struct mkfs_plan *plan,
		     const struct request *request, unsigned *order)
{
	unsigned max = request_max_devices(request, plan);
	unsigned min = MAX(MIN(max, request->profile->min_devices), 1u);

	ASSERT(max >= 1 && max <= plan->nr_devices);
	order_devices(layout->spans, plan->nr_devices, order);
	/* As wide as there are devices with room; order[nr - 1] has the least of those taken. */
	for (unsigned nr = max; nr >= min; nr -= request->profile->sub_stripes) {
		unsigned per_device = request->profile->per_device;
		uint64_t stripe_bytes = request_stripe_bytes(request, nr * per_device);

		if (stripe_bytes <= span_bytes(&layout->spans[order[nr - 1]]) / per_device) {
			TRY(chunk_place(layout, plan, request, order, nr, stripe_bytes));
			return 1;
		}
	}
	return 0;
}

static void layout_clear(struct mkfs_layout *layout)
{
	for (unsigned i = 0; i < layout->nr_chunks; i++)
		mem_free(layout->chunks[i].stripes);
	layout->nr_chunks = 0;
}

void mkfs_layout_fini(struct mkfs_layout *layout)
{
	layout_clear(layout);
	mem_free(layout->spans);
	layout->spans = NULL;
}

/* The flags of the chunk with this number. */
static uint64_t chunk_flags(const struct mkfs_plan *plan, enum mkfs_chunk_nr nr)
{
	switch (nr) {
	case MKFS_CHUNK_SYSTEM:
		return BTRFS_BLOCK_GROUP_SYSTEM | plan->metadata_profile;
	case MKFS_CHUNK_METADATA:
		return BTRFS_BLOCK_GROUP_METADATA | plan->metadata_profile |
		       (plan->mixed ? BTRFS_BLOCK_GROUP_DATA : 0);
	default:
		return BTRFS_BLOCK_GROUP_DATA | plan->data_profile;
	}
}

/*
 * 1 when all chunks fit with sizes halved `shift` times; 0 when they do not. endless: see
 * mkfs_min_device_bytes.
 */
static int layout_try(struct mkfs_layout *layout, const struct mkfs_plan *plan, unsigned shift,
		      bool endless, unsigned *order)
{
	uint64_t sizes[] = { plan->system_bytes, plan->metadata_bytes, plan->data_bytes };
	unsigned nr_chunks = plan->mixed || plan->no_data_chunk ? MKFS_CHUNK_DATA : MKFS_MAX_CHUNKS;
	struct request request = { .shift = shift, .nodesize = plan->geometry.nodesize };

	layout_clear(layout);
	for (unsigned i = 0; i < plan->nr_devices; i++) {
		uint64_t bytes = endless ? ENDLESS_BYTES : plan->devices[i].total_bytes;

		layout->spans[i].low = MKFS_FIRST_BYTE;
		layout->spans[i].high = round_down(bytes, VOLUME_STRIPE_LEN);
		request.total_bytes += endless ? 0 : bytes;
	}
	for (unsigned nr = 0; nr < nr_chunks; nr++) {
		int placed;

		request.flags = chunk_flags(plan, nr);
		request.profile = profile_of(request.flags);
		request.len_bytes = sizes[nr];
		request.from_end = plan->metadata_from_end && !endless && nr != MKFS_CHUNK_DATA;
		ASSERT(request.profile);
		placed = chunk_add(layout, plan, &request, order);
		if (placed <= 0)
			return placed;
	}
	return 1;
}

static int layout_alloc(struct mkfs_layout *layout, const struct mkfs_plan *plan,
			unsigned **ret_order)
{
	unsigned *order = mem_array(plan->nr_devices, sizeof(*order));

	*layout = (struct mkfs_layout){ .spans = mem_array(plan->nr_devices,
							   sizeof(*layout->spans)) };
	if (!order || !layout->spans) {
		mem_free(order);
		mem_free(layout->spans);
		layout->spans = NULL;
		return MEM_FAIL("the layout of chunks");
	}
	*ret_order = order;
	return 0;
}

int mkfs_layout_init(struct mkfs_layout *layout, const struct mkfs_plan *plan)
{
	unsigned *order SCOPED_MEM = NULL;
	uint64_t min_bytes = 0, largest_bytes = 0;

	TRY(mkfs_min_device_bytes(plan, &min_bytes));
	TRY(layout_alloc(layout, plan, &order));
	for (unsigned i = 0; i < plan->nr_devices; i++)
		largest_bytes = MAX(largest_bytes, plan->devices[i].total_bytes);
	/*
	 * Devices of different size may be smaller, if others are larger; but none is made
	 * narrower than it must be.
	 */
	for (unsigned shift = 0; shift <= MAX_SHIFT && largest_bytes >= min_bytes; shift++) {
		int fits = layout_try(layout, plan, shift, false, order);

		if (fits < 0)
			return fits;
		if (fits)
			return 0;
	}
	return THROW(ERR_TOO_SMALL, "the devices are too small: each must have at least %llu bytes",
		     (unsigned long long)min_bytes);
}

uint64_t mkfs_layout_used_bytes(const struct mkfs_layout *layout, unsigned device_index)
{
	uint64_t used = 0;

	for (unsigned i = 0; i < layout->nr_chunks; i++)
		for (unsigned s = 0; s < layout->chunks[i].nr_stripes; s++)
			if (layout->chunks[i].stripes[s].devid == device_index + 1)
				used += layout->chunks[i].stripe_bytes;
	return used;
}

/*
 * All chunks at their floors on endless devices: what the fullest device holds is what each must
 * have.
 */
int mkfs_min_device_bytes(const struct mkfs_plan *plan, uint64_t *ret_bytes)
{
	struct mkfs_layout layout;
	unsigned *order SCOPED_MEM = NULL;
	uint64_t min_bytes = 0;
	int fits;

	TRY(mkfs_shape_check(plan));
	TRY(layout_alloc(&layout, plan, &order));
	fits = layout_try(&layout, plan, MAX_SHIFT, true, order);
	ASSERT(fits != 0);
	for (unsigned i = 0; fits > 0 && i < plan->nr_devices; i++)
		min_bytes = MAX(min_bytes, layout.spans[i].low);
	mkfs_layout_fini(&layout);
	if (fits < 0)
		return fits;
	*ret_bytes = min_bytes;
	return 0;
}
