/*
 * Who holds the counted references. Debug builds only; in release builds just the refusal is left.
 *
 * Owns one table per process: the held references in chains by id, and the last GRAVES released
 * ones, so that a second put of the same handle can show the first. All of it under `lock`
 * (RANK_REF_TRACKER, taken under any lock; inside it no other). Ids are never given out twice.
 * Records come from mem_debug_alloc: tracking adds no fault point and cannot fail.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/ref_tracker.h"

#ifdef UBTRFS_DEBUG

#include <execinfo.h>
#include <stdlib.h>

#define TRACK_FRAMES_MAX 24
#define TRACK_BUCKETS 4096
#define GRAVES 4096
#define SELECTION_MAX 256

struct track_stack {
	int nr_frames;
	void *frames[TRACK_FRAMES_MAX];
};

struct track {
	struct track *next;
	uint64_t id;
	const struct ref *ref;
	const char *type;
	const void *domain;
	struct track_stack got;
	struct track_stack put; /* of a released one */
};

struct tracker {
	struct mutex lock;
	uint64_t last_id;
	char selection[SELECTION_MAX];
	struct track *held[TRACK_BUCKETS];
	struct track *graves[GRAVES];
};

static struct tracker tracker;

__attribute__((constructor)) static void tracker_init(void)
{
	mutex_init(&tracker.lock, RANK_REF_TRACKER, "ref tracker");
}

static void stack_take(struct track_stack *stack)
{
	stack->nr_frames = backtrace(stack->frames, TRACK_FRAMES_MAX);
}

static void stack_log(const struct track_stack *stack)
{
	char **names = backtrace_symbols(stack->frames, stack->nr_frames);

	for (int i = 0; i < stack->nr_frames; i++)
		log_error("    %s", names ? names[i] : "?");
	mem_free(names);
}

/* Is the type a word of the selection? Under the lock. */
static bool is_selected(const char *type)
{
	size_t len;

	for (const char *word = tracker.selection; *word; word += len + (word[len] == ',')) {
		len = strcspn(word, ",");
		if ((len == 3 && memcmp(word, "all", 3) == 0) ||
		    (len == strlen(type) && memcmp(word, type, len) == 0))
			return true;
	}
	return false;
}

int ref_tracker_select(const char *types)
{
	if (strlen(types) >= SELECTION_MAX)
		return THROW(ERR_LIMIT, "ref_tracker=%s: longer than %d", types, SELECTION_MAX - 1);
	mutex_lock(&tracker.lock);
	memcpy(tracker.selection, types, strlen(types) + 1);
	mutex_unlock(&tracker.lock);
	return 0;
}

void ref_track_init(struct ref *ref, const char *type, const void *domain)
{
	ref->type = type;
	ref->domain = domain;
	mutex_lock(&tracker.lock);
	ref->tracked = is_selected(type);
	mutex_unlock(&tracker.lock);
}

void ref_track_get(struct ref *ref, struct ref_handle *ret_handle)
{
	struct track *track;

	ret_handle->id = 0;
	if (!ref->tracked)
		return;
	track = mem_debug_alloc(sizeof(*track));
	track->ref = ref;
	track->type = ref->type;
	track->domain = ref->domain;
	stack_take(&track->got);
	mutex_lock(&tracker.lock);
	track->id = ++tracker.last_id;
	track->next = tracker.held[track->id % TRACK_BUCKETS];
	tracker.held[track->id % TRACK_BUCKETS] = track;
	mutex_unlock(&tracker.lock);
	ret_handle->id = track->id;
}

/*
 * Ends the program: says what is wrong, then the stack of now and those that are known of the
 * handle.
 */
static void put_refused(const struct ref *ref, const struct track *known, const char *what)
{
	struct track_stack now;

	stack_take(&now);
	log_error("reference to %s %p: %s; put here:", ref->type, (const void *)ref, what);
	stack_log(&now);
	if (known) {
		log_error("  taken here, for %s %p:", known->type, (const void *)known->ref);
		stack_log(&known->got);
	}
	if (known && known->put.nr_frames) {
		log_error("  put before here:");
		stack_log(&known->put);
	}
	ASSERT(!"each reference is given back once, by whom it was given to");
}

/*
 * Moves a record from the held ones to the graves; the caller frees what had to make room. Under
 * the lock.
 */
static struct track *bury(struct track **slot, const struct track_stack *now)
{
	struct track *track = *slot;
	struct track **grave = &tracker.graves[track->id % GRAVES];
	struct track *evicted = *grave;

	*slot = track->next;
	track->next = NULL;
	track->put = *now;
	*grave = track;
	return evicted;
}

void ref_track_put(struct ref *ref, struct ref_handle *handle)
{
	struct track **slot;
	struct track *grave;
	struct track_stack now;

	if (!ref->tracked)
		return;
	if (!handle->id)
		put_refused(ref, NULL, "put without a get");
	stack_take(&now);
	mutex_lock(&tracker.lock);
	slot = &tracker.held[handle->id % TRACK_BUCKETS];
	while (*slot && (*slot)->id != handle->id)
		slot = &(*slot)->next;
	grave = tracker.graves[handle->id % GRAVES];
	if (!*slot)
		put_refused(ref, grave && grave->id == handle->id ? grave : NULL, "put twice");
	if ((*slot)->ref != ref)
		put_refused(ref, *slot, "put with the handle of another object");
	grave = bury(slot, &now);
	mutex_unlock(&tracker.lock);
	/* The id stays in the handle: a second put of it is told from a put without a get. */
	mem_free(grave);
}

size_t ref_tracker_report(const void *domain)
{
	size_t nr = 0;

	mutex_lock(&tracker.lock);
	for (unsigned i = 0; i < TRACK_BUCKETS; i++) {
		for (const struct track *track = tracker.held[i]; track; track = track->next) {
			if (domain && track->domain != domain)
				continue;
			log_error("leaked reference to %s %p, taken here:", track->type,
				  (const void *)track->ref);
			stack_log(&track->got);
			nr++;
		}
	}
	mutex_unlock(&tracker.lock);
	return nr;
}

#else

#include <stdlib.h>

int ref_tracker_select(const char *types)
{
	if (!*types)
		return 0;
	return THROW(ERR_UNSUPPORTED,
		     "ref_tracker=%s: only a build with -Dchecks=true tracks references", types);
}

size_t ref_tracker_report(const void *domain)
{
	(void)domain;
	return 0;
}

#endif

int ref_tracker_select_from_env(void)
{
	const char *types = getenv("UBTRFS_REF_TRACKER");

	return types ? ref_tracker_select(types) : 0;
}
