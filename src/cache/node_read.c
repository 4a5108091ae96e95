/*
 * Reading a node: any mirror, and when that is bad every one in turn until one holds the node that
 * was asked for.
 *
 * A copy is good when its checksum, address, filesystem, level, generation, owner and first key are
 * what the caller expects and the format's validator finds nothing (law L7). Bad disk data is an
 * error that names the block, never an assertion. Takes no lock: the thread that reads owns the
 * node until it is valid. Repairing bad copies is not here.
 */
#include "base/assert.h"
#include "base/log.h"
#include "cache/cache_priv.h"
#include "format/node_layout.h"
#include "format/validate_node.h"

static int unexpected(const struct node *node, const char *what, uint64_t is, uint64_t expected)
{
	return THROW(ERR_NODE_UNEXPECTED, "tree block %llu: %s is %llu, expected %llu",
		     (unsigned long long)node->addr, what, (unsigned long long)is,
		     (unsigned long long)expected);
}

/*
 * The first key lies at the same place in leaves and internal nodes. nritems is not looked at:
 * it may be changing.
 */
static int check_first_key(const struct node *node, const struct key *expected)
{
	struct key is = key_load(node->data + HEADER_SIZE);

	if (key_equal(&is, expected))
		return 0;
	return THROW(
		ERR_NODE_UNEXPECTED,
		"tree block %llu: the first key is (%llu %u %llu), its parent says (%llu %u %llu)",
		(unsigned long long)node->addr, (unsigned long long)is.objectid, is.type,
		(unsigned long long)is.offset, (unsigned long long)expected->objectid,
		expected->type, (unsigned long long)expected->offset);
}

static bool owner_is_subvolume(uint64_t owner)
{
	return owner == BTRFS_FS_TREE_OBJECTID || owner == BTRFS_TREE_RELOC_OBJECTID ||
	       (owner >= BTRFS_FIRST_FREE_OBJECTID && owner <= BTRFS_LAST_FREE_OBJECTID);
}

static int check_owner(const struct node *node, uint64_t expected)
{
	uint64_t owner = node_owner(node->data);

	if (expected == NODE_OWNER_SUBVOLUME && !owner_is_subvolume(owner))
		return THROW(ERR_NODE_UNEXPECTED,
			     "tree block %llu: owner is %llu, which is no subvolume",
			     (unsigned long long)node->addr, (unsigned long long)owner);
	if (expected && expected != NODE_OWNER_SUBVOLUME && owner != expected)
		return unexpected(node, "owner", owner, expected);
	return 0;
}

int node_check_expect(const struct node *node, const struct node_expect *expect)
{
	const uint8_t *data = node->data;

	if (!expect->any_generation && node_generation(data) != expect->generation)
		return unexpected(node, "generation", node_generation(data), expect->generation);
	if (node_level(data) != expect->level)
		return unexpected(node, "level", node_level(data), expect->level);
	TRY(check_owner(node, expect->owner));
	if (expect->first_key)
		return check_first_key(node, expect->first_key);
	return 0;
}

static int node_verify(const struct node *node, const struct node_expect *expect)
{
	const struct node_cache *cache = node->cache;
	const uint8_t *data = node->data;

	if (!node_csum_ok(&cache->geometry, data))
		return THROW(ERR_NODE_CSUM, "tree block %llu: wrong checksum",
			     (unsigned long long)node->addr);
	if (node_addr(data) != node->addr)
		return unexpected(node, "the address in it", node_addr(data), node->addr);
	if (memcmp(header_fsid(data), cache->fsid, sizeof(cache->fsid)) != 0 &&
	    !volume_has_seed(cache->volume, header_fsid(data)))
		return THROW(ERR_NODE_UNEXPECTED,
			     "tree block %llu: it belongs to another filesystem",
			     (unsigned long long)node->addr);
	if (expect) {
		TRY(node_check_expect(node, expect));
		if (expect->first_key && node_nritems(data) == 0)
			return THROW(ERR_NODE_UNEXPECTED, "tree block %llu: empty, but not a root",
				     (unsigned long long)node->addr);
	}
	return validate_node(&cache->geometry, data, node->addr);
}

/* One copy: 0 any, or the mirror of that number. */
static int node_read_mirror(struct node *node, const struct node_expect *expect, unsigned mirror)
{
	struct node_cache *cache = node->cache;

	TRY(volume_read(cache->volume, node->addr, node->data, cache->geometry.nodesize, mirror));
	return node_verify(node, expect);
}

/* Any mirror was bad: which one is good? Tells whose fault it was. */
static int node_read_others(struct node *node, const struct node_expect *expect,
			    const struct err_report *first)
{
	struct volume *volume = node->cache->volume;
	unsigned nr_mirrors = volume_nr_mirrors(volume, node->addr);

	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++) {
		if (node_read_mirror(node, expect, mirror) < 0)
			continue;
		/* Otherwise nobody would learn of it. */
		log_warn("%s; mirror %u of %u is good", first->text, mirror, nr_mirrors);
		volume_blame(volume, node->addr, mirror);
		return 0;
	}
	return err_rethrow(first);
}

int node_read(struct node *node, const struct node_expect *expect)
{
	unsigned nr_mirrors = volume_nr_mirrors(node->cache->volume, node->addr);
	struct err_report first = { 0 };
	int err;

	if (nr_mirrors == 0)
		return THROW(ERR_NO_MAPPING, "tree block %llu: no chunk maps this address",
			     (unsigned long long)node->addr);
	err = node_read_mirror(node, expect, 0);
	if (err < 0 && nr_mirrors > 1) {
		err_capture(err, &first);
		return node_read_others(node, expect, &first);
	}
	return err;
}
