/*
 * Opening: the superblock of one device.
 *
 * The primary one counts. When it is damaged or cannot be read, the other copies are looked at: for reading the newest
 * good one is believed, with a warning; for writing the user says which (--super), because then it
 * replaces the primary. Copies that are newer by one than a good primary are normal: they are
 * written before it. Owns nothing; takes no lock.
 */
#include <inttypes.h>

#include "format/validate_super.h"
#include "ops/open_devices.h"

static int copy_read(struct device *device, unsigned copy, uint8_t *ret_super)
{
	uint8_t super[SUPER_SIZE];

	TRY(super_read(device, copy, super));
	TRY(validate_super(super));
	memcpy(ret_super, super, SUPER_SIZE);
	return 0;
}

static bool same_filesystem(const uint8_t *a, const uint8_t *b)
{
	return memcmp(super_fsid(a), super_fsid(b), BTRFS_FSID_SIZE) == 0;
}

static bool copy_fits(const struct device *device, unsigned copy)
{
	return device->size_bytes >= super_mirror_offset((int)copy) + SUPER_SIZE;
}

/*
 * The newest good copy behind the primary: its number; 0 when there is none. A filesystem of before
 * may have left copies where this one has none: what the first good one belongs to counts.
 */
static unsigned best_copy(struct device *device, uint8_t *ret_super)
{
	uint8_t super[SUPER_SIZE];
	unsigned best = 0;

	for (unsigned copy = 1; copy < BTRFS_SUPER_MIRROR_MAX && copy_fits(device, copy); copy++) {
		if (copy_read(device, copy, super) < 0)
			continue;
		if (best && (!same_filesystem(super, ret_super) ||
			     super_generation(super) <= super_generation(ret_super)))
			continue;
		memcpy(ret_super, super, SUPER_SIZE);
		best = copy;
	}
	return best;
}

static int primary_read(struct device *device, const struct core_open *how, uint8_t *ret_super)
{
	int err = copy_read(device, 0, ret_super);
	struct err_report damage;
	unsigned copy;

	if (err == 0 || err == -ERR_NO_MEMORY)
		return err;
	err_capture(err, &damage);
	copy = best_copy(device, ret_super);
	if (!copy)
		return err_rethrow(&damage);
	if (how->writable)
		return THROW(ERR_SUPER_BAD,
			     "%s; copy %u is good: --super %u believes it, and writing replaces "
			     "the others by it",
			     damage.text, copy, copy);
	open_warn(how, "%s; copy %u of the superblock is used", damage.text, copy);
	return 0;
}

/*
 * A copy that missed more than a commit that was cut short is no place to go on from: what was
 * written since may lie where it says that nothing is.
 */
static int check_newest(struct device *device, unsigned chosen, const uint8_t *chosen_super)
{
	uint64_t is = super_generation(chosen_super);
	uint8_t super[SUPER_SIZE];

	for (unsigned copy = 0; copy < BTRFS_SUPER_MIRROR_MAX && copy_fits(device, copy); copy++) {
		if (copy == chosen || copy_read(device, copy, super) < 0 ||
		    !same_filesystem(super, chosen_super) || super_generation(super) <= is + 1)
			continue;
		return THROW(ERR_INVALID,
			     "%s: copy %u of the superblock was left behind at generation %" PRIu64
			     " of %" PRIu64 " (copy %u): it can be read, not written",
			     device->name, chosen, is, super_generation(super), copy);
	}
	return 0;
}

int open_super_read(struct device *device, const struct core_open *how, uint8_t *ret_super)
{
	unsigned copy = how->super_copy > 0 ? (unsigned)how->super_copy : 0;

	if (how->unfinished)
		return super_read_magic(device, 0, BTRFS_MAGIC_TEMPORARY, ret_super);
	if (how->super_copy < 0)
		return primary_read(device, how, ret_super);
	if (!copy_fits(device, copy))
		return THROW(ERR_SUPER_BAD, "%s ends before copy %u of the superblock",
			     device->name, copy);
	TRY(copy_read(device, copy, ret_super));
	return how->writable ? check_newest(device, copy, ret_super) : 0;
}
