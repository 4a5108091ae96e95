/*
 * For the tests that cut the power: an image is copied, and recorded writes are applied to the copy.
 */
#ifndef UBTRFS_TEST_CRASH_IMAGE_H
#define UBTRFS_TEST_CRASH_IMAGE_H

#include "base/rng.h"
#include "device/device.h"

/* Sparse, as it is. */
void crash_copy_image(const char *from, const char *to);
/* The first nr entries that are not yet applied to the file at path; *done follows. */
void crash_apply_prefix(struct device *record, const char *path, size_t *done, size_t nr);
/*
 * A state that a cut behind the first nr entries could leave, in a new copy of base: writes since the
 * last flush may have arrived or not, in any choice. Returns how many entries surely arrived.
 */
size_t crash_apply_some(struct device *record, const char *base, const char *path, size_t nr,
			struct rng *rng);

#endif
