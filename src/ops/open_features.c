/*
 * Opening: features and states of a filesystem against what is built.
 *
 * Incompat bits that are not known prevent opening, compat_ro bits that are not known prevent
 * writing; each by name. What Linux has begun and not finished (a log, a balance that moves blocks,
 * a replacement of a device, quotas that are on) is told or passed for reading and prevents
 * writing. Owns nothing; takes no lock.
 */
#include <inttypes.h>

#include "base/strbuf.h"
#include "ops/open_devices.h"

#define INCOMPAT_READ                                                                   \
	(BTRFS_FEATURE_INCOMPAT_MIXED_BACKREF | BTRFS_FEATURE_INCOMPAT_DEFAULT_SUBVOL | \
	 BTRFS_FEATURE_INCOMPAT_MIXED_GROUPS | BTRFS_FEATURE_INCOMPAT_COMPRESS_LZO |    \
	 BTRFS_FEATURE_INCOMPAT_COMPRESS_ZSTD | BTRFS_FEATURE_INCOMPAT_BIG_METADATA |   \
	 BTRFS_FEATURE_INCOMPAT_EXTENDED_IREF | BTRFS_FEATURE_INCOMPAT_RAID56 |         \
	 BTRFS_FEATURE_INCOMPAT_SKINNY_METADATA | BTRFS_FEATURE_INCOMPAT_NO_HOLES |     \
	 BTRFS_FEATURE_INCOMPAT_METADATA_UUID | BTRFS_FEATURE_INCOMPAT_RAID1C34 |       \
	 BTRFS_FEATURE_INCOMPAT_ZONED | BTRFS_FEATURE_INCOMPAT_SIMPLE_QUOTA |           \
	 BTRFS_FEATURE_INCOMPAT_RAID_STRIPE_TREE)
/* RAID56 and SIMPLE_QUOTA stay set when nothing of the kind is left: open_state_check looks. */
#define INCOMPAT_WRITE \
	(INCOMPAT_READ & ~(BTRFS_FEATURE_INCOMPAT_ZONED | BTRFS_FEATURE_INCOMPAT_RAID_STRIPE_TREE))
#define COMPAT_RO_WRITE                                                                            \
	(BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE | BTRFS_FEATURE_COMPAT_RO_FREE_SPACE_TREE_VALID | \
	 BTRFS_FEATURE_COMPAT_RO_VERITY | BTRFS_FEATURE_COMPAT_RO_BLOCK_GROUP_TREE)

/* "A, B, bit 40" */
static int refuse_bits(const struct core *core, uint64_t bits, const char *(*name_of)(unsigned bit),
		       const char *what)
{
	struct strbuf names;
	int err;

	strbuf_init(&names);
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = name_of(bit);

		if (!(bits & (1ULL << bit)))
			continue;
		if (names.len)
			strbuf_add(&names, ", ");
		if (name)
			strbuf_add(&names, name);
		else
			strbuf_addf(&names, "bit %u", bit);
	}
	err = THROW(ERR_UNSUPPORTED, "%s: %s %s", core->name, what, strbuf_text(&names));
	strbuf_fini(&names);
	return err;
}

/* Flags that say: look, and touch nothing. */
static int check_flags(const struct core *core)
{
	uint64_t flags = super_flags(core->super);

	if (flags & BTRFS_SUPER_FLAG_SEEDING)
		return THROW(ERR_READ_ONLY,
			     "%s is a seed: it can be read, and written only through a filesystem "
			     "that grows from it",
			     core->name);
	if (flags & (BTRFS_SUPER_FLAG_METADUMP | BTRFS_SUPER_FLAG_METADUMP_V2))
		return THROW(ERR_READ_ONLY,
			     "%s is a dump of metadata, without the data: it can only be read",
			     core->name);
	if (flags & BTRFS_SUPER_FLAG_ERROR)
		return THROW(ERR_READ_ONLY,
			     "%s is marked as damaged (flag ERROR): it can only be read",
			     core->name);
	return 0;
}

int open_features_check(const struct core *core, const struct core_open *how)
{
	uint64_t incompat = super_incompat_flags(core->super);
	uint64_t compat_ro = super_compat_ro_flags(core->super);

	if (incompat & ~(uint64_t)INCOMPAT_READ)
		return refuse_bits(core, incompat & ~(uint64_t)INCOMPAT_READ, super_incompat_name,
				   "it cannot be opened without these incompat features:");
	if (super_log_root(core->super) && !how->writable)
		open_warn(how,
			  "%s has a log that was not replayed: what was synced last is not shown",
			  core->name);
	if (!how->writable)
		return 0;
	if (incompat & ~(uint64_t)INCOMPAT_WRITE)
		return refuse_bits(core, incompat & ~(uint64_t)INCOMPAT_WRITE, super_incompat_name,
				   "writing is not built yet for");
	if (compat_ro & ~(uint64_t)COMPAT_RO_WRITE)
		return refuse_bits(core, compat_ro & ~(uint64_t)COMPAT_RO_WRITE,
				   super_compat_ro_name,
				   "these compat_ro features allow reading only:");
	TRY(check_flags(core));
	if (super_log_root(core->super))
		return THROW(ERR_UNSUPPORTED,
			     "%s has a log that was not replayed: writing is not built yet",
			     core->name);
	return 0;
}

/* ---- what the trees say ---- */

/* Missing devices, seeds, profiles without writing. */
static int check_volume(struct core *core)
{
	int err = volume_check_writable(core->volume);

	return err < 0 ? err_prefix(err, "%s: ", core->name) : 0;
}

/* *ret_len is 0 when the tree has no such item. */
static int item_find(struct core *core, uint64_t tree_id, const struct key *key, void *item,
		     size_t capacity, uint32_t *ret_len)
{
	struct root *root;
	int err = root_get(core->roots, tree_id, &root);

	*ret_len = 0;
	if (err == -ERR_NOT_FOUND)
		return 0;
	TRY(err);
	err = tree_lookup(&root->tree, key, item, capacity, ret_len);
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

static int check_quota(struct core *core)
{
	struct key key = KEY(0, BTRFS_QGROUP_STATUS_KEY, 0);
	uint8_t item[QGROUP_STATUS_SIZE] = { 0 };
	uint32_t len;

	TRY(item_find(core, BTRFS_QUOTA_TREE_OBJECTID, &key, item, sizeof(item), &len));
	if (len && (qgroup_status_flags(item) & BTRFS_QGROUP_STATUS_FLAG_ON))
		return THROW(ERR_UNSUPPORTED,
			     "%s has %squotas switched on: writing is not built yet for that",
			     core->name,
			     qgroup_status_flags(item) & BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE ?
				     "simple " :
				     "");
	return 0;
}

#define REPLACE_STARTED 1u
#define REPLACE_SUSPENDED 4u

static int check_replace(struct core *core)
{
	struct key key = KEY(0, BTRFS_DEV_REPLACE_KEY, 0);
	uint8_t item[DEV_REPLACE_SIZE] = { 0 };
	uint64_t state;
	uint32_t len;

	TRY(item_find(core, BTRFS_DEV_TREE_OBJECTID, &key, item, sizeof(item), &len));
	state = len ? dev_replace_replace_state(item) : 0;
	if (state == REPLACE_STARTED || state == REPLACE_SUSPENDED)
		return THROW(ERR_UNSUPPORTED,
			     "%s: the replacement of device %" PRIu64
			     " has begun and is not finished: writing is not built yet for that",
			     core->name, dev_replace_src_devid(item));
	return 0;
}

/* A balance that was stopped between chunks is no harm, one that has blocks in two places is. */
static int check_relocation(struct core *core)
{
	struct key first = KEY(BTRFS_TREE_RELOC_OBJECTID, BTRFS_ROOT_ITEM_KEY, 0), key;
	SCOPED(cursor) struct cursor cursor;
	struct root *root;
	bool exact;
	int err;

	cursor_init(&cursor, NULL);
	TRY(root_get(core->roots, BTRFS_ROOT_TREE_OBJECTID, &root));
	cursor_init(&cursor, &root->tree);
	err = cursor_seek(&cursor, &first, &exact);
	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	key = cursor_key(&cursor);
	if (key.objectid == first.objectid && key.type == BTRFS_ROOT_ITEM_KEY)
		return THROW(ERR_UNSUPPORTED,
			     "%s: a balance has begun and is not finished: writing is not built "
			     "yet for that",
			     core->name);
	return 0;
}

int open_state_check(struct core *core, const struct core_open *how)
{
	if (!how->writable)
		return 0;
	TRY(check_volume(core));
	TRY(check_quota(core));
	TRY(check_replace(core));
	return check_relocation(core);
}
