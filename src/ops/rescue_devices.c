/*
 * The devices of a damaged filesystem. Those that are named are opened whatever they hold; members
 * that are missing are looked for beside the first by the fsid of any superblock copy that is left.
 *
 * Of several files that say to be one device the one of the generation of what is named counts, else
 * the newest. Seeds are not looked for: they are named. Owns nothing that lives on.
 */
#include "ops/rescue_devices.h"

#include <sys/stat.h>

#include "format/superblock.h"
#include "format/validate_super.h"
#include "ops/open_devices.h"

#define FOUND_MAX 1024u

struct found {
	char *path; /* owned */
	uint64_t devid, generation;
};

struct finding {
	const struct ubtrfs_open_options *how;
	uint8_t super[SUPER_SIZE]; /* of what is named */
	struct found found[FOUND_MAX];
	unsigned nr;
};

static int device_add(struct rescue_devices *devices, const struct core_open *window,
		      const char *path)
{
	struct device *device, *part = NULL;
	struct device **all = mem_resize(devices->all, (devices->nr + 1) * sizeof(*all));
	int err;

	if (!all)
		return MEM_FAIL("the devices");
	devices->all = all;
	TRY(device_file_open(path, 0, &device));
	err = window ? open_partition(window, path, device, &part) : 0;
	if (err == 0 && part)
		device = part;
	if (err == 0)
		err = device_fault_new(device, &all[devices->nr]);
	if (err < 0) {
		device_free(device);
		return err;
	}
	devices->nr++;
	return 0;
}

/* Any copy. */
static bool super_left(struct device *device, uint8_t *ret_super)
{
	for (unsigned copy = 0; copy < BTRFS_SUPER_MIRROR_MAX; copy++) {
		if (super_mirror_offset((int)copy) + SUPER_SIZE <= device->size_bytes &&
		    super_read(device, copy, ret_super) == 0 && validate_super(ret_super) == 0)
			return true;
	}
	return false;
}

static bool is_named(const struct finding *finding, const char *path)
{
	struct stat st, other;

	if (stat(path, &st) < 0)
		return true;
	for (unsigned i = 0; i < finding->how->nr_devices; i++) {
		if (stat(finding->how->devices[i], &other) == 0 && other.st_ino == st.st_ino &&
		    other.st_dev == st.st_dev && other.st_rdev == st.st_rdev)
			return true;
	}
	return false;
}

static int found_visit(void *ctx, const char *path, const uint8_t *super)
{
	struct finding *finding = ctx;
	uint64_t devid = dev_item_devid(super_dev_item(super)), wanted;
	unsigned at = 0;

	if (!super_has_magic(super) ||
	    memcmp(super_fsid(super), super_fsid(finding->super), BTRFS_FSID_SIZE) != 0 ||
	    !super_csum_ok(super) || validate_super(super) < 0 || is_named(finding, path))
		return 0;
	wanted = super_generation(finding->super);
	while (at < finding->nr && finding->found[at].devid != devid)
		at++;
	if (at == FOUND_MAX)
		return 0;
	if (at < finding->nr) {
		uint64_t have = finding->found[at].generation;

		if (have == wanted ||
		    (super_generation(super) != wanted && super_generation(super) <= have))
			return 0;
		mem_free(finding->found[at].path);
	} else {
		finding->nr++;
	}
	finding->found[at] = (struct found){ .path = mem_strdup(path),
					     .devid = devid,
					     .generation = super_generation(super) };
	return finding->found[at].path ? 0 : MEM_FAIL("the name of a device");
}

static int members_find(const struct ubtrfs_open_options *how, struct rescue_devices *devices,
			struct finding *finding)
{
	bool known = false;
	int err;

	for (unsigned i = 0; i < devices->nr && !known; i++)
		known = super_left(devices->all[i], finding->super);
	if (!known || super_num_devices(finding->super) <= devices->nr)
		return 0;
	err = device_scan(how->devices[0], super_mirror_offset(0), SUPER_SIZE, found_visit,
			  finding);
	for (unsigned i = 0; err == 0 && i < finding->nr; i++)
		err = device_add(devices, NULL, finding->found[i].path);
	for (unsigned i = 0; i < finding->nr; i++)
		mem_free(finding->found[i].path);
	return err;
}

int rescue_devices_open(const struct ubtrfs_open_options *how, struct rescue_devices *ret_devices)
{
	struct core_open window;
	struct finding *finding;
	int err;

	*ret_devices = (struct rescue_devices){ 0 };
	core_open_from_options(how, &window);
	for (unsigned i = 0; i < how->nr_devices; i++)
		TRY(device_add(ret_devices, i ? NULL : &window, how->devices[i]));
	if (!how->scan)
		return 0;
	finding = mem_zalloc(sizeof(*finding));
	if (!finding)
		return MEM_FAIL("looking for devices");
	finding->how = how;
	err = members_find(how, ret_devices, finding);
	mem_free(finding);
	return err;
}

void rescue_devices_fini(struct rescue_devices *devices)
{
	for (unsigned i = 0; i < devices->nr; i++)
		device_free(devices->all[i]);
	mem_free(devices->all);
}
