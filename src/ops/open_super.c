/*
 * Opening: the superblock of one device.
 *
 * The primary one counts. When it is damaged the other copies are looked at: for reading the newest
 * good one is believed, with a warning; for writing the user says which (--super), because then it
 * replaces the primary. Copies that are newer than a good primary are normal: they are written
 * before it. Owns nothing; takes no lock.
 */
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

static bool copy_fits(const struct device *device, unsigned copy)
{
	return device->size_bytes >= super_mirror_offset((int)copy) + SUPER_SIZE;
}

/* The newest good copy behind the primary: its number; 0 when there is none. */
static unsigned best_copy(struct device *device, uint8_t *ret_super)
{
	uint8_t super[SUPER_SIZE];
	unsigned best = 0;

	for (unsigned copy = 1; copy < BTRFS_SUPER_MIRROR_MAX && copy_fits(device, copy); copy++) {
		if (copy_read(device, copy, super) < 0)
			continue;
		if (best && super_generation(super) <= super_generation(ret_super))
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

	if (err != -ERR_SUPER_BAD)
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
	return copy_read(device, copy, ret_super);
}
