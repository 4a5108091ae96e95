/*
 * A superblock of any bytes: printed as it is; with its magic, place and checksum right, judged, and
 * its system chunks loaded.
 */
#include "fuzz.h"

#include <string.h>

#include "base/log.h"
#include "format/format.h"
#include "format/json_node.h"
#include "store/store.h"
#include "volume/volume.h"

FUZZ_TARGET(super)
{
	uint8_t super[SUPER_SIZE] = { 0 };
	struct volume *volume;
	struct strbuf text;
	struct json json;

	log_set_level(LOG_LEVEL_NONE);
	memcpy(super, in, MIN(len, sizeof(super)));
	strbuf_init(&text);
	print_super(&text, super, true);
	json_init(&json, &text);
	json_superblock(&json, super, true);
	super_set_magic(super, BTRFS_MAGIC);
	super_set_bytenr(super, BTRFS_SUPER_INFO_OFFSET);
	if (csum_type_known(super_csum_type(super)))
		super_csum_update(super);
	print_super(&text, super, true);
	if (super_csum_ok(super) && validate_super(super) >= 0 && volume_new(&volume) >= 0) {
		for (uint64_t devid = 1; devid < 5; devid++) {
			uint8_t uuid[16] = { (uint8_t)devid };

			if (volume_add_device(volume, devid, uuid, NULL, GIB) < 0)
				break;
		}
		(void)!store_load_sys_chunks(volume, super);
		volume_free(volume);
	}
	strbuf_fini(&text);
	return 0;
}
