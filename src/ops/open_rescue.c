/*
 * Opening for reading what is damaged, as Linux's mount option rescue= does: an older root of the
 * tree of roots, data without its checksums.
 *
 * Only for reading: what is chosen here never gets to a device.
 */
#include <inttypes.h>

#include "ops/open_devices.h"

#define NR_BACKUPS 4u

static int block_check(const struct core *core, uint64_t addr, uint64_t generation, uint8_t level,
		       uint64_t owner)
{
	/* As the tree itself would read it: it stays in the cache. */
	enum tree_class class = owner == BTRFS_FS_TREE_OBJECTID ? TREE_SHARED : TREE_PRIVATE;
	const struct node_expect expect = { .generation = generation,
					    .level = level,
					    .owner = owner,
					    .lock_order = NODE_LOCK_ORDER(class, level) };
	SCOPED(node) struct node *node = NULL;

	if (level >= TREE_MAX_LEVEL)
		return THROW(ERR_CORRUPT, "tree block %llu: the root of tree %llu at level %u",
			     (unsigned long long)addr, (unsigned long long)owner, level);
	return node_get(core->cache, addr, &expect, &node);
}

static int super_check_roots(const struct core *core)
{
	return block_check(core, super_root(core->super), super_generation(core->super),
			   super_root_level(core->super), BTRFS_ROOT_TREE_OBJECTID);
}

/* The newest backup whose roots of the root tree and of the top subvolume can be read. */
static const uint8_t *backup_find(const struct core *core)
{
	const uint8_t *best = NULL;

	for (unsigned i = 0; i < NR_BACKUPS; i++) {
		const uint8_t *backup = super_root_backup(core->super, i);

		if (!root_backup_tree_root(backup) ||
		    (best && root_backup_tree_root_gen(backup) <= root_backup_tree_root_gen(best)))
			continue;
		if (block_check(
			    core, root_backup_tree_root(backup), root_backup_tree_root_gen(backup),
			    root_backup_tree_root_level(backup), BTRFS_ROOT_TREE_OBJECTID) == 0 &&
		    block_check(core, root_backup_fs_root(backup), root_backup_fs_root_gen(backup),
				root_backup_fs_root_level(backup), BTRFS_FS_TREE_OBJECTID) == 0)
			best = backup;
	}
	return best;
}

int open_backup_root(struct core *core, const struct core_open *how)
{
	struct err_report current;
	const uint8_t *backup;
	int err;

	if (!(how->rescue & UBTRFS_RESCUE_USEBACKUPROOT))
		return 0;
	err = super_check_roots(core);
	if (err == 0)
		return 0;
	err_capture(err, &current);
	backup = backup_find(core);
	if (!backup)
		return err_prefix(err_rethrow(&current), "no backup root can be read either: ");
	open_warn(how,
		  "%s: the tree of roots cannot be read; that of generation %" PRIu64 " is used",
		  core->name, root_backup_tree_root_gen(backup));
	super_set_root(core->super, root_backup_tree_root(backup));
	super_set_root_level(core->super, root_backup_tree_root_level(backup));
	super_set_generation(core->super, root_backup_tree_root_gen(backup));
	return root_table_load(core->roots, core->super);
}

bool open_ignores_csums(struct core *core, const struct core_open *how)
{
	struct root *root;

	if (how->no_verify || how->rescue & UBTRFS_RESCUE_IGNOREDATACSUMS)
		return true;
	if (!(how->rescue & UBTRFS_RESCUE_IGNOREBADROOTS))
		return false;
	if (root_get(core->roots, BTRFS_CSUM_TREE_OBJECTID, &root) == 0 &&
	    block_check(core, root->tree.root_addr, root->tree.root_generation,
			root->tree.root_level, BTRFS_CSUM_TREE_OBJECTID) == 0)
		return false;
	open_warn(how, "%s: the tree of checksums cannot be read: contents are not verified",
		  core->name);
	return true;
}
