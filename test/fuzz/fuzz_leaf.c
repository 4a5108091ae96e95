/*
 * A tree block of any bytes, after one byte that chooses the geometry: printed as it is; with its
 * address and checksum right, judged. What passes is searched and edited as the trees do it, and
 * must then pass again.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/format.h"
#include "format/json_node.h"

#define ADDR (5 * MIB)

static struct geometry geometry_of(uint8_t choice)
{
	static const uint32_t nodesizes[4] = { 4096, 4096, 8192, 16384 };
	struct geometry g = { .nodesize = nodesizes[choice & 3],
			      .sectorsize = 4096,
			      .csum_type = (enum csum_type)(choice >> 2 & 3) };

	g.csum_size = csum_size(g.csum_type);
	return g;
}

/* Moves all items to another leaf, one at a time, and back in one go. */
static void leaf_edits(const struct geometry *g, uint8_t *node)
{
	uint8_t *other = calloc(1, g->nodesize);

	if (!other)
		abort();
	node_init(g, other, ADDR, 0, node_owner(node), node_generation(node));
	for (unsigned i = 0; i < node_nritems(node); i++)
		leaf_move_raw(g, node, i, 1, other, i);
	/* Some flags say what a tree may hold. */
	header_set_flags(other, header_flags(node));
	if (validate_node(g, other, ADDR) < 0)
		abort();
	if (node_nritems(node))
		leaf_remove_raw(g, node, node_nritems(node) / 2, 1);
	free(other);
}

static void node_use(const struct geometry *g, uint8_t *node)
{
	struct key key = KEY(256, BTRFS_DIR_INDEX_KEY, 3);
	unsigned slot;

	(void)node_search(node, &key, &slot);
	for (unsigned i = 0; i < node_nritems(node); i++) {
		key = node_slot_key(node, i);
		if (!node_search(node, &key, &slot) || slot != i)
			abort();
	}
	if (node_level(node) == 0)
		leaf_edits(g, node);
	node_clear_unused(g, node);
}

FUZZ_TARGET(leaf)
{
	struct geometry g = geometry_of(len ? in[0] : 0);
	uint8_t *node = calloc(1, g.nodesize);
	unsigned choices = len ? in[0] >> 4 : 0;
	struct strbuf text;
	struct json json;

	if (!node)
		abort();
	log_set_level(LOG_LEVEL_NONE);
	if (len > 1)
		memcpy(node, in + 1, MIN(len - 1, g.nodesize));
	strbuf_init(&text);
	print_node(&text, &g, node, choices);
	json_init(&json, &text);
	json_node(&json, NULL, &g, node, choices);
	strbuf_clear(&text);
	node_set_addr(node, ADDR);
	node_add_flag(node, BTRFS_HEADER_FLAG_WRITTEN);
	if (validate_node(&g, node, ADDR) >= 0) {
		print_node(&text, &g, node, choices);
		node_use(&g, node);
	}
	strbuf_fini(&text);
	free(node);
	return 0;
}
