/*
 * dump-super: the bytes of superblocks in words or as JSON (docs/json.md). Needs no filesystem that
 * opens.
 */
#include <inttypes.h>
#include <ubtrfs/inspect.h>

#include "base/json_writer.h"
#include "device/device.h"
#include "format/json_node.h"
#include "format/print_super.h"
#include "ops/ops.h"

struct super_dump {
	const struct ubtrfs_dump_super *what;
	FILE *out;
	struct strbuf text;
	struct json json;
};

static int super_load(struct device *device, const char *path, uint64_t at, uint8_t *ret_super)
{
	uint64_t end;

	if (!add_fits(at, SUPER_SIZE, &end) || device->size_bytes < end)
		return THROW(ERR_NOT_FOUND, "%s ends before the superblock at %" PRIu64, path, at);
	return device_read(device, PHYS(at), ret_super, SUPER_SIZE);
}

static int text_out(struct super_dump *dump)
{
	TRY(strbuf_status(&dump->text));
	fwrite(strbuf_text(&dump->text), 1, dump->text.len, dump->out);
	strbuf_clear(&dump->text);
	return 0;
}

static int super_show(struct super_dump *dump, const char *path, uint64_t at, const uint8_t *super)
{
	if (dump->what->json) {
		json_object_begin(&dump->json, NULL);
		json_bytes(&dump->json, "device", path, strlen(path));
		json_number(&dump->json, "offset", at);
		json_superblock(&dump->json, super, dump->what->full);
		json_end(&dump->json);
	} else {
		strbuf_addf(&dump->text,
			    "superblock: bytenr=%" PRIu64 ", device=%s\n"
			    "---------------------------------------------------------\n",
			    at, path);
		print_super(&dump->text, super, dump->what->full);
		strbuf_add(&dump->text, "\n");
	}
	return text_out(dump);
}

static int dump_at(struct super_dump *dump, struct device *device, const char *path, uint64_t at)
{
	uint8_t super[SUPER_SIZE];

	TRY(super_load(device, path, at, super));
	if (!super_has_magic(super) && !dump->what->force)
		return THROW(ERR_SUPER_BAD,
			     "%s has no btrfs superblock at %" PRIu64 " (--force prints it anyway)",
			     path, at);
	return super_show(dump, path, at, super);
}

/* Copies that lie beyond the end of a device are left out when all are wanted, but for the first. */
static int dump_copies(struct super_dump *dump, struct device *device, const char *path)
{
	for (unsigned copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++) {
		uint64_t at = super_mirror_offset((int)copy);

		if (copy && at + SUPER_SIZE > device->size_bytes)
			break;
		TRY(dump_at(dump, device, path, at));
	}
	return 0;
}

static int dump_device(struct super_dump *dump, const char *path)
{
	const struct ubtrfs_dump_super *what = dump->what;
	struct device *device;
	int err;

	TRY(device_file_open(path, 0, &device));
	if (what->other_place)
		err = dump_at(dump, device, path, what->bytenr);
	else if (what->all)
		err = dump_copies(dump, device, path);
	else
		err = dump_at(dump, device, path, super_mirror_offset((int)what->copy));
	device_free(device);
	return err;
}

/* One that fails does not keep the others from being shown. */
static int dump_devices(struct super_dump *dump)
{
	const struct ubtrfs_dump_super *what = dump->what;
	struct err_report first = { 0 };

	for (unsigned i = 0; i < what->nr_devices; i++) {
		int err = dump_device(dump, what->devices[i]);

		if (err < 0 && what->tell)
			what->tell(what->tell_ctx, err_text(err));
		if (err < 0 && !first.err)
			err_capture(err, &first);
	}
	return err_rethrow(&first);
}

static int dump_supers(struct super_dump *dump)
{
	struct json *json = &dump->json;
	int err;

	if (dump->what->copy >= BTRFS_SUPER_MIRROR_MAX)
		return THROW(ERR_INVALID, "there is no superblock copy %u", dump->what->copy);
	if (!dump->what->json)
		return dump_devices(dump);
	json_object_begin(json, NULL);
	json_object_begin(json, "__header");
	json_text(json, "version", "1");
	json_end(json);
	json_array_begin(json, "dump-super");
	err = dump_devices(dump);
	json_end(json);
	json_end(json);
	if (err == 0)
		return text_out(dump);
	if (strbuf_status(&dump->text) == 0)
		fputs(strbuf_text(&dump->text), dump->out);
	return err;
}

UBTRFS_API int ubtrfs_dump_super(const struct ubtrfs_dump_super *what, FILE *out)
{
	struct super_dump dump = { .what = what, .out = out };
	int err;

	strbuf_init(&dump.text);
	json_init(&dump.json, &dump.text);
	err = dump_supers(&dump);
	strbuf_fini(&dump.text);
	return err < 0 ? -err_to_errno(err) : 0;
}
