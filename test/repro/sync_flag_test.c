/*
 * An operation on a file with the flag SYNC is durable when it returns. That it has to be was noted for
 * the filesystem, not for the operation: when it gave up the lock on its way to wait for room, whoever
 * changed something meanwhile made a commit of it, and the operation itself returned without one.
 */
#include "ops/fs_fixture.h"

#include <linux/fs.h>
#include <ubtrfs/attr.h>

#include "ops/ops.h"

static uint64_t durable(const struct fs_fixture *fx)
{
	return fx->fs->core.durable_generation;
}

static void fs_make(struct fs_fixture *fx, struct ubtrfs_node *ret_node)
{
	fixture_init(fx);
	fx->mkfs.byte_count = 128 * MIB;
	fixture_make_open(fx);
	*ret_node = fixture_file(fx, "file");
	OK(ubtrfs_fsflags_set(fx->fs, *ret_node, FS_SYNC_FL, FS_SYNC_FL));
	OK(ubtrfs_commit(fx->fs));
}

static void test_sync_flag__goes_with_the_operation(void **state)
{
	SCOPED(inode) struct inode *inode = NULL;
	struct ubtrfs_node node;
	struct fs_fixture fx;
	uint64_t before;

	(void)state;
	fs_make(&fx, &node);
	before = durable(&fx);
	fs_lock(fx.fs);
	OK(node_inode(fx.fs, node, &inode));
	inode_begin_change(fx.fs, inode);
	/* Others change something while the lock is given up. */
	fx.fs->unclean_subvolid = BTRFS_FS_TREE_OBJECTID;
	fs_make_room(fx.fs);
	assert_int_equal(durable(&fx), before);
	inode_put(inode);
	inode = NULL;
	assert_int_equal(fs_change_end(fx.fs, 0), 0);
	assert_true(durable(&fx) > before);
	fixture_done(&fx);
}

/* One that failed leaves nothing to the next, which has nothing to do with it. */
static void test_sync_flag__ends_with_the_operation(void **state)
{
	SCOPED(inode) struct inode *inode = NULL;
	struct ubtrfs_node node;
	struct fs_fixture fx;
	uint64_t before;

	(void)state;
	fs_make(&fx, &node);
	before = durable(&fx);
	fs_lock(fx.fs);
	OK(node_inode(fx.fs, node, &inode));
	inode_begin_change(fx.fs, inode);
	inode_put(inode);
	inode = NULL;
	assert_int_equal(fs_unlock(fx.fs, 0), 0);
	(void)fixture_file(&fx, "other");
	assert_int_equal(durable(&fx), before);
	OK(ubtrfs_write(fx.fs, node, 0, "x", 1));
	assert_true(durable(&fx) > before);
	fixture_close(&fx);
	fixture_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync_flag__goes_with_the_operation),
		cmocka_unit_test(test_sync_flag__ends_with_the_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
