/*
 * dump-tree: what is written, as text in the layout of btrfs-progs or as JSON (docs/json.md).
 *
 * Every piece goes through the one strbuf of the dump and from there to the file, so that memory is
 * bounded by a node's text.
 */
#include <inttypes.h>
#include <uuid/uuid.h>

#include "format/json_fields.h"
#include "format/json_node.h"
#include "format/print_key.h"
#include "format/print_node.h"
#include "format/superblock.h"
#include "ops/dump.h"

static int text_out(struct dump *dump)
{
	TRY(strbuf_status(&dump->text));
	fwrite(strbuf_text(&dump->text), 1, dump->text.len, dump->out);
	strbuf_clear(&dump->text);
	return 0;
}

bool dump_asked_barely(const struct ubtrfs_dump_tree *what)
{
	return what->tree_id == BTRFS_ROOT_TREE_OBJECTID ||
	       what->tree_id == BTRFS_CHUNK_TREE_OBJECTID ||
	       what->tree_id == BTRFS_BLOCK_GROUP_TREE_OBJECTID ||
	       what->tree_id == BTRFS_TREE_LOG_OBJECTID;
}

static unsigned print_choices(const struct ubtrfs_dump_tree *what)
{
	return (what->hide_names ? PRINT_HIDE_NAMES : 0) |
	       (what->csum_headers ? PRINT_CSUM_HEADERS : 0) |
	       (what->csum_items ? PRINT_CSUM_ITEMS : 0);
}

/*
 * ---- the frame
 * -----------------------------------------------------------------------------------------------
 */

static void json_begin(struct dump *dump)
{
	const uint8_t *super = dump->core->super;
	struct json *json = &dump->json;

	json_object_begin(json, NULL);
	json_object_begin(json, "__header");
	json_text(json, "version", "1");
	json_end(json);
	json_object_begin(json, "dump-tree");
	json_uuid(json, "fsid", super_fsid(super));
	json_number(json, "generation", super_generation(super));
	json_number(json, "total_bytes", super_total_bytes(super));
	json_number(json, "bytes_used", super_bytes_used(super));
	json_number(json, "nodesize", super_nodesize(super));
	json_number(json, "sectorsize", super_sectorsize(super));
	json_number(json, "csum_type", super_csum_type(super));
	if (dump->what->backups) {
		json_array_begin(json, "backup_roots");
		for (unsigned i = 0; i < BTRFS_NUM_BACKUP_ROOTS; i++) {
			json_object_begin(json, NULL);
			json_root_backup_fields(json, super_root_backup(super, i));
			json_end(json);
		}
		json_end(json);
	}
	json_array_begin(json, dump->what->nr_blocks ? "nodes" : "trees");
}

int dump_begin(struct dump *dump)
{
	if (dump->what->json)
		json_begin(dump);
	else if (!dump->what->no_header)
		strbuf_add(&dump->text, "ubtrfs v" UBTRFS_VERSION "\n");
	return text_out(dump);
}

int dump_end(struct dump *dump)
{
	while (dump->what->json && dump->json.depth)
		json_end(&dump->json);
	return text_out(dump);
}

/*
 * ---- trees and nodes
 * -----------------------------------------------------------------------------------------
 */

bool dump_shows_nodes(const struct dump *dump, const struct key *key)
{
	return !dump->what->roots_only || (key && dump->what->extents_only);
}

static void json_tree_begin(struct dump *dump, const char *title, const struct key *key,
			    const struct node_pointer *root)
{
	struct json *json = &dump->json;

	json_object_begin(json, NULL);
	json_text(json, "title", title);
	if (key)
		json_key(json, "key", key);
	json_number(json, "bytenr", root->addr);
	json_number(json, "generation", root->generation);
	json_number(json, "level", root->level);
	if (dump_shows_nodes(dump, key))
		json_array_begin(json, "nodes");
}

static void text_tree_begin(struct dump *dump, const char *title, const struct key *key,
			    const struct node_pointer *root)
{
	const struct ubtrfs_dump_tree *what = dump->what;
	struct strbuf *text = &dump->text;

	strbuf_addf(text, "%s tree", title);
	if (!key && what->roots_only) {
		strbuf_addf(text, ": %" PRIu64 " level %u\n", root->addr, root->level);
		return;
	}
	if (!key || dump_asked_barely(what)) {
		strbuf_add(text, "\n");
		return;
	}
	strbuf_add(text, " ");
	print_key(text, key);
	if (what->roots_only && !what->extents_only)
		strbuf_addf(text, " %" PRIu64 " level %u\n", root->addr, root->level);
	else
		/* btrfs-progs ends this line with a blank, but not with -e. */
		strbuf_add(text, what->extents_only ? "\n" : " \n");
}

int dump_tree_begin(struct dump *dump, const char *title, const struct key *key,
		    const struct node_pointer *root)
{
	if (dump->what->json)
		json_tree_begin(dump, title, key, root);
	else
		text_tree_begin(dump, title, key, root);
	return text_out(dump);
}

int dump_tree_end(struct dump *dump, const struct key *key)
{
	if (!dump->what->json)
		return 0;
	if (dump_shows_nodes(dump, key))
		json_end(&dump->json);
	json_end(&dump->json);
	return text_out(dump);
}

int dump_node(struct dump *dump, const uint8_t *node)
{
	const struct geometry *g = &dump->core->geometry;

	if (dump->what->json)
		json_node(&dump->json, NULL, g, node, print_choices(dump->what));
	else
		print_node(&dump->text, g, node, print_choices(dump->what));
	return text_out(dump);
}

void dump_damage(struct dump *dump, uint64_t addr, int err)
{
	if (dump->what->json) {
		json_object_begin(&dump->json, NULL);
		json_number(&dump->json, "bytenr", addr);
		json_text(&dump->json, "error", err_text(err));
		json_end(&dump->json);
	} else {
		strbuf_addf(&dump->text, "ERROR: %s\n", err_text(err));
	}
	if (!dump->first_error.err)
		err_capture(err, &dump->first_error);
	/* A lack of memory shows at the next piece. */
	if (strbuf_status(&dump->text) == 0 && text_out(dump) < 0)
		return;
}

/*
 * ---- backup roots and totals
 * ---------------------------------------------------------------------------------
 */

static void text_backup(struct strbuf *text, unsigned i, const uint8_t *b)
{
	strbuf_addf(text,
		    "btrfs root backup slot %u\n"
		    "\ttree root gen %" PRIu64 " block %" PRIu64 "\n"
		    "\t\textent root gen %" PRIu64 " block %" PRIu64 "\n"
		    "\t\tchunk root gen %" PRIu64 " block %" PRIu64 "\n"
		    "\t\tdevice root gen %" PRIu64 " block %" PRIu64 "\n"
		    "\t\tcsum root gen %" PRIu64 " block %" PRIu64 "\n"
		    "\t\tfs root gen %" PRIu64 " block %" PRIu64 "\n"
		    "\t\t%" PRIu64 " used %" PRIu64 " total %" PRIu64 " devices\n",
		    i, root_backup_tree_root_gen(b), root_backup_tree_root(b),
		    root_backup_extent_root_gen(b), root_backup_extent_root(b),
		    root_backup_chunk_root_gen(b), root_backup_chunk_root(b),
		    root_backup_dev_root_gen(b), root_backup_dev_root(b),
		    root_backup_csum_root_gen(b), root_backup_csum_root(b),
		    root_backup_fs_root_gen(b), root_backup_fs_root(b), root_backup_bytes_used(b),
		    root_backup_total_bytes(b), root_backup_num_devices(b));
}

int dump_totals(struct dump *dump)
{
	const struct ubtrfs_dump_tree *what = dump->what;
	const uint8_t *super = dump->core->super;
	char uuid[UUID_STR_LEN];

	/* JSON has them at the front. */
	if (what->json || what->extents_only || what->devices_only || what->uuid_only ||
	    dump_asked_barely(what))
		return 0;
	for (unsigned i = 0; what->backups && i < BTRFS_NUM_BACKUP_ROOTS; i++)
		text_backup(&dump->text, i, super_root_backup(super, i));
	uuid_unparse_lower(super_fsid(super), uuid);
	strbuf_addf(&dump->text, "total bytes %" PRIu64 "\nbytes used %" PRIu64 "\nuuid %s\n",
		    super_total_bytes(super), super_bytes_used(super), uuid);
	return text_out(dump);
}
