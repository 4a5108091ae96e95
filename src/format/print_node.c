/*
 * The text of a node: see print_node.h.
 */
#include "format/print_node.h"

#include "format/item_print.h"

static const struct number_name node_flags[] = {
	{ BTRFS_HEADER_FLAG_WRITTEN, "WRITTEN" },
	{ BTRFS_HEADER_FLAG_RELOC, "RELOC" },
};

void print_item(struct strbuf *out, const struct geometry *g, const uint8_t *node, unsigned slot,
		unsigned choices)
{
	const uint8_t *head = leaf_item(node, slot);
	uint32_t offset = item_offset(head), len = item_size(head);
	struct item_view item = {
		.geometry = g,
		.node = node,
		.addr = node_addr(node),
		.owner = node_owner(node),
		.slot = slot,
		.len = len,
		.key = key_load(head),
		.choices = choices,
	};
	const struct item_ops *ops = item_ops_of(item.key.type);

	strbuf_addf(out, "\titem %u ", slot);
	print_key(out, &item.key);
	strbuf_addf(out, " itemoff %u itemsize %u\n", offset, len);
	if (len > geometry_leaf_bytes(g) || offset > geometry_leaf_bytes(g) - len) {
		strbuf_add(out, "\t\titem data outside the leaf\n");
		return;
	}
	item.data = node + HEADER_SIZE + offset;
	if (ops->print)
		ops->print(out, &item);
}

static void print_node_head(struct strbuf *out, const struct geometry *g, const uint8_t *node,
			    unsigned choices)
{
	uint64_t flags = header_flags(node) & ~BTRFS_BACKREF_REV_MASK;
	const char *kind = node_level(node) ? "node" : "leaf";
	uint32_t nr = node_nritems(node);
	char uuid[UUID_TEXT_SIZE];

	if (node_level(node))
		strbuf_addf(out, "node %" PRIu64 " level %u items %u free space %u",
			    node_addr(node), node_level(node), nr, geometry_node_ptrs(g) - nr);
	else
		strbuf_addf(out, "leaf %" PRIu64 " items %u free space %d", node_addr(node), nr,
			    nr <= geometry_leaf_bytes(g) / ITEM_SIZE ?
				    (int)leaf_free_bytes(g, node) :
				    -1);
	strbuf_addf(out, " generation %" PRIu64 " owner ", node_generation(node));
	print_tree_name(out, node_owner(node));
	strbuf_addf(out, "\n%s %" PRIu64 " flags 0x%" PRIx64 "(", kind, node_addr(node), flags);
	print_flags(out, flags & (BTRFS_HEADER_FLAG_WRITTEN | BTRFS_HEADER_FLAG_RELOC), node_flags,
		    ARRAY_LEN(node_flags));
	strbuf_addf(out, ") backref revision %u",
		    (unsigned)(header_flags(node) >> BTRFS_BACKREF_REV_SHIFT));
	if (choices & PRINT_CSUM_HEADERS) {
		strbuf_add(out, " csum 0x");
		for (uint32_t i = 0; i < g->csum_size; i++)
			strbuf_addf(out, "%02x", header_csum(node)[i]);
	}
	strbuf_add(out, "\n");
	uuid_format(header_fsid(node), uuid);
	strbuf_addf(out, "fs uuid %s\n", uuid);
	uuid_format(header_chunk_tree_uuid(node), uuid);
	strbuf_addf(out, "chunk uuid %s\n", uuid);
}

void print_node(struct strbuf *out, const struct geometry *g, const uint8_t *node, unsigned choices)
{
	uint32_t nr = node_nritems(node);

	print_node_head(out, g, node, choices);
	if (node_level(node) == 0) {
		nr = MIN(nr, geometry_leaf_bytes(g) / ITEM_SIZE);
		for (unsigned slot = 0; slot < nr; slot++)
			print_item(out, g, node, slot, choices);
		return;
	}
	nr = MIN(nr, geometry_node_ptrs(g));
	for (unsigned slot = 0; slot < nr; slot++) {
		struct key key = node_key(node, slot);

		strbuf_add(out, "\t");
		print_key(out, &key);
		strbuf_addf(out, " block %" PRIu64 " gen %" PRIu64 "\n",
			    node_child_addr(node, slot), node_child_generation(node, slot));
	}
}
