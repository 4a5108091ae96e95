/*
 * Features of a new filesystem: the table, its defaults, and the parser of -O.
 */
#include "ops/mkfs_features.h"

#include <string.h>

#include <ubtrfs/mkfs.h>

#include "base/bytes.h"
#include "format/disk_ids.h"
#include "ops/ops.h"

struct feature {
	const char *name;
	const char *other_name; /* accepted too; NULL */
	uint64_t incompat, compat_ro;
	bool by_default;
	bool built;
	const char *text;
};

#define RO(bit) BTRFS_FEATURE_COMPAT_RO_##bit
#define IN(bit) BTRFS_FEATURE_INCOMPAT_##bit

static const struct feature features[] = {
	{ "mixed-bg", NULL, IN(MIXED_GROUPS), 0, false, true,
	  "mixed data and metadata block groups" },
	{ "quota", NULL, 0, 0, false, false, "quota support (qgroups)" },
	{ "extref", NULL, IN(EXTENDED_IREF), 0, true, true,
	  "increased hardlink limit per file to 65536" },
	{ "raid56", NULL, IN(RAID56), 0, false, false, "raid56 extended format" },
	{ "skinny-metadata", NULL, IN(SKINNY_METADATA), 0, true, true,
	  "reduced-size metadata extent refs" },
	{ "no-holes", NULL, IN(NO_HOLES), 0, true, true, "no explicit hole extents for files" },
	{ "free-space-tree", "fst", 0, RO(FREE_SPACE_TREE) | RO(FREE_SPACE_TREE_VALID), true, true,
	  "free space tree (space_cache=v2)" },
	{ "raid1c34", NULL, IN(RAID1C34), 0, false, true, "RAID1 with 3 or 4 copies" },
	{ "zoned", NULL, IN(ZONED), 0, false, false, "support zoned devices" },
	{ "block-group-tree", "bgt", 0, RO(BLOCK_GROUP_TREE), true, true,
	  "block group tree, more efficient block group tracking" },
	{ "raid-stripe-tree", "rst", 1ull << 14, 0, false, false,
	  "raid stripe tree, enhanced file extent tracking" },
	{ "squota", NULL, 1ull << 16, 0, false, false,
	  "squota support (simple accounting qgroups)" },
	{ "extent-tree-v2", NULL, 1ull << 13, 0, false, false, "new extent tree format" },
	{ "remap-tree", NULL, 1ull << 17, 0, false, false, "remap tree" },
};

UBTRFS_API const char *ubtrfs_mkfs_feature(unsigned index, const char **ret_text, bool *ret_default,
					   bool *ret_built)
{
	if (index >= ARRAY_LEN(features))
		return NULL;
	*ret_text = features[index].text;
	*ret_default = features[index].by_default;
	*ret_built = features[index].built;
	return features[index].name;
}

static bool name_is(const char *name, size_t len, const char *candidate)
{
	return candidate && strlen(candidate) == len && memcmp(name, candidate, len) == 0;
}

static int feature_apply(struct mkfs_features *set, uint64_t *asked_ro, const char *name,
			 size_t len)
{
	bool clear = len && name[0] == '^';

	name += clear;
	len -= clear;
	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		const struct feature *feature = &features[i];

		if (!name_is(name, len, feature->name) && !name_is(name, len, feature->other_name))
			continue;
		if (clear) {
			set->incompat &= ~feature->incompat;
			set->compat_ro &= ~feature->compat_ro;
			*asked_ro &= ~feature->compat_ro;
			return 0;
		}
		if (!feature->built)
			return THROW(ERR_UNSUPPORTED, "feature %s is not built yet", feature->name);
		set->incompat |= feature->incompat;
		set->compat_ro |= feature->compat_ro;
		*asked_ro |= feature->compat_ro;
		return 0;
	}
	return THROW(ERR_INVALID, "unknown feature \"%.*s\"", (int)len, name);
}

int mkfs_features_parse(const char *list, struct mkfs_features *ret_features)
{
	struct mkfs_features set = { .incompat = IN(MIXED_BACKREF) };
	uint64_t asked_ro = 0;

	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		if (!features[i].by_default)
			continue;
		set.incompat |= features[i].incompat;
		set.compat_ro |= features[i].compat_ro;
	}
	while (list && *list) {
		size_t len = strcspn(list, ",");

		if (len)
			TRY(feature_apply(&set, &asked_ro, list, len));
		list += len;
		list += *list == ',';
	}
	/*
	 * The block group tree needs two others: as a default it gives way to their absence,
	 * asked for it is refused (mkfs_plan_check).
	 */
	if (!(asked_ro & RO(BLOCK_GROUP_TREE)) &&
	    (!(set.incompat & IN(NO_HOLES)) || !(set.compat_ro & RO(FREE_SPACE_TREE))))
		set.compat_ro &= ~(uint64_t)RO(BLOCK_GROUP_TREE);
	*ret_features = set;
	return 0;
}
