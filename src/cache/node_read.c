/*
 * Reading a node: every mirror in turn until one holds the node that was asked for.
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

int node_check_expect(const struct node *node, const struct node_expect *expect)
{
	const uint8_t *data = node->data;

	if (!expect->any_generation && node_generation(data) != expect->generation)
		return unexpected(node, "generation", node_generation(data), expect->generation);
	if (node_level(data) != expect->level)
		return unexpected(node, "level", node_level(data), expect->level);
	if (expect->owner && node_owner(data) != expect->owner)
		return unexpected(node, "owner", node_owner(data), expect->owner);
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
	if (memcmp(header_fsid(data), cache->fsid, sizeof(cache->fsid)) != 0)
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

int node_read(struct node *node, const struct node_expect *expect)
{
	struct node_cache *cache = node->cache;
	unsigned nr_mirrors = volume_nr_mirrors(cache->volume, node->addr);
	struct err_report first = { 0 };

	if (nr_mirrors == 0)
		return THROW(ERR_NO_MAPPING, "tree block %llu: no chunk maps this address",
			     (unsigned long long)node->addr);
	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++) {
		int ret = volume_read(cache->volume, node->addr, node->data,
				      cache->geometry.nodesize, mirror);

		if (ret >= 0)
			ret = node_verify(node, expect);
		if (ret >= 0) {
			/* Otherwise nobody would learn of it. */
			if (first.err)
				log_warn("%s; mirror %u of %u is good", first.text, mirror,
					 nr_mirrors);
			return 0;
		}
		if (first.err == 0)
			err_capture(ret, &first);
	}
	return err_rethrow(&first);
}
