/*
 * dump-super: the bytes of one superblock copy in words. Needs no filesystem that opens.
 */
#include <inttypes.h>
#include <ubtrfs/inspect.h>

#include "device/device.h"
#include "format/print_super.h"
#include "ops/ops.h"

static int super_load(const char *path, unsigned copy, uint8_t *ret_super)
{
	uint64_t at = super_mirror_offset((int)copy);
	struct device *device;
	int err = 0;

	TRY(device_file_open(path, 0, &device));
	if (device->size_bytes < at + SUPER_SIZE)
		err = THROW(ERR_NOT_FOUND, "%s ends before superblock copy %u", path, copy);
	else
		err = device_read(device, PHYS(at), ret_super, SUPER_SIZE);
	device_free(device);
	return err;
}

static int super_print(const char *path, unsigned copy, const uint8_t *super, bool full, FILE *out)
{
	struct strbuf text;
	int err;

	strbuf_init(&text);
	print_super(&text, super, full);
	err = strbuf_status(&text);
	if (err == 0)
		fprintf(out,
			"superblock: bytenr=%" PRIu64 ", device=%s\n"
			"---------------------------------------------------------\n%s\n",
			super_mirror_offset((int)copy), path, strbuf_text(&text));
	strbuf_fini(&text);
	return err;
}

static int dump_super(const char *path, unsigned copy, bool full, bool force, FILE *out)
{
	uint8_t super[SUPER_SIZE];

	if (copy >= BTRFS_SUPER_MIRROR_MAX)
		return THROW(ERR_INVALID, "there is no superblock copy %u", copy);
	TRY(super_load(path, copy, super));
	if (!super_has_magic(super) && !force)
		return THROW(ERR_SUPER_BAD,
			     "%s has no btrfs superblock at %" PRIu64 " (--force prints it anyway)",
			     path, super_mirror_offset((int)copy));
	return super_print(path, copy, super, full, out);
}

UBTRFS_API int ubtrfs_dump_super(const char *path, unsigned copy, bool full, bool force, FILE *out)
{
	int err = dump_super(path, copy, full, force, out);

	return err < 0 ? -err_to_errno(err) : 0;
}
