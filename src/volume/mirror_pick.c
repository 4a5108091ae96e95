/*
 * Which mirror is asked first: one whose devices are there, missed nothing, and were right lately.
 *
 * Owns avoid_left and avoid_span of each device: plain atomic counters without order, because they
 * are a matter of speed only. Takes no lock.
 * A device that gave something wrong is passed over for avoid_left reads, then asked again. Each
 * time it is wrong again the number doubles, up to VOLUME_AVOID_MAX; each good read takes one off.
 * So a device of noise costs few reads twice, and one bad sector does not cost a device.
 */
#include "base/bytes.h"
#include "volume/volume_priv.h"

/* What a bad column counts: a missing device is worse than any number of suspects. */
#define COST_MISSING (VOLUME_MAX_DEVICES + 1)
/* One that missed commits has old bytes where nothing may tell: better than none. */
#define COST_STALE VOLUME_MAX_DEVICES

static uint32_t counter_get(const _Atomic uint32_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void counter_set(_Atomic uint32_t *counter, uint32_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

void device_distrust(struct volume_device *device)
{
	uint32_t span = counter_get(&device->avoid_span);

	span = MIN(MAX(span * 2, VOLUME_AVOID_FIRST), VOLUME_AVOID_MAX);
	counter_set(&device->avoid_span, span);
	counter_set(&device->avoid_left, span);
}

static void count_down(_Atomic uint32_t *counter)
{
	uint32_t value = counter_get(counter);

	if (value)
		counter_set(counter, value - 1);
}

static unsigned device_cost(const struct volume_device *device)
{
	if (!device || !device->device)
		return COST_MISSING;
	if (device->is_stale)
		return COST_STALE;
	return device_is_trusted(device) ? 0 : 1;
}

static unsigned stripe_cost(struct volume *volume, const struct chunk_view *view, unsigned stripe)
{
	return device_cost(chunk_device(volume, view->chunk, stripe));
}

/* The cheapest copy; the first of equals. */
static unsigned pick_copy(struct volume *volume, const struct chunk_view *view,
			  const struct stripe_piece *piece)
{
	unsigned best = 1, best_cost = UINT32_MAX;

	for (unsigned mirror = 1; mirror <= view->profile->copies && best_cost; mirror++) {
		unsigned cost = stripe_cost(volume, view, piece->first_stripe + mirror - 1);

		if (cost < best_cost) {
			best = mirror;
			best_cost = cost;
		}
	}
	return best;
}

/* The rebuild that needs the fewest bad columns; the data itself when that is no better. */
static unsigned pick_rebuild(struct volume *volume, const struct chunk_view *view,
			     const struct stripe_piece *piece)
{
	unsigned nr_stripes = view->chunk->nr_stripes;
	unsigned nr_mirrors = profile_mirrors(view->profile, nr_stripes);
	unsigned best = 1, best_cost = stripe_cost(volume, view, piece->first_stripe);
	unsigned others = 0;

	for (unsigned stripe = 0; stripe < nr_stripes; stripe++) {
		if (stripe != piece->first_stripe)
			others += stripe_cost(volume, view, stripe);
	}
	for (unsigned mirror = 2; mirror <= nr_mirrors && best_cost; mirror++) {
		unsigned second = parity_second(view, piece, mirror);
		unsigned cost = others;

		if (second < nr_stripes)
			cost -= stripe_cost(volume, view, parity_stripe(view, piece, second));
		if (cost < best_cost) {
			best = mirror;
			best_cost = cost;
		}
	}
	return best;
}

unsigned mirror_pick(struct volume *volume, const struct chunk_view *view,
		     const struct stripe_piece *piece)
{
	struct volume_device *first = chunk_device(volume, view->chunk, piece->first_stripe);
	unsigned mirror;

	if (!device_cost(first)) {
		if (counter_get(&first->avoid_span))
			count_down(&first->avoid_span);
		return 1;
	}
	if (profile_mirrors(view->profile, view->chunk->nr_stripes) == 1)
		return 1;
	mirror = view->profile->parity ? pick_rebuild(volume, view, piece) :
					 pick_copy(volume, view, piece);
	if (first)
		count_down(&first->avoid_left);
	return mirror;
}

/*
 * The device that the picked mirror reads and the good one does not; NULL when that is no single
 * one.
 */
static struct volume_device *find_culprit(struct volume *volume, const struct chunk_view *view,
					  const struct stripe_piece *piece, unsigned picked,
					  unsigned good)
{
	unsigned second;

	if (!view->profile->parity)
		return chunk_device(volume, view->chunk, piece->first_stripe + picked - 1);
	if (picked == 1)
		return chunk_device(volume, view->chunk, piece->first_stripe);
	if (good == 1)
		return NULL;
	second = parity_second(view, piece, good);
	return second < view->chunk->nr_stripes ?
		       chunk_device(volume, view->chunk, parity_stripe(view, piece, second)) :
		       NULL;
}

void volume_blame(struct volume *volume, uint64_t logical, unsigned good_mirror)
{
	struct volume_device *device;
	struct stripe_piece piece;
	struct chunk_view view;
	unsigned picked;

	if (chunk_map_view(volume, logical, &view) < 0 || !good_mirror ||
	    good_mirror > profile_mirrors(view.profile, view.chunk->nr_stripes))
		return;
	piece = stripe_map(&view, logical - view.chunk->logical, 1);
	picked = mirror_pick(volume, &view, &piece);
	if (picked == good_mirror)
		return;
	device = find_culprit(volume, &view, &piece, picked, good_mirror);
	if (device) {
		device_distrust(device);
		return;
	}
	/* A rebuild was wrong and the data itself is right: there is no reason to pass it over. */
	device = chunk_device(volume, view.chunk, piece.first_stripe);
	if (device)
		counter_set(&device->avoid_left, 0);
}
