/*
 * Holds: who is outside of the library (an open file, a kernel that knows the number) and wants an
 * inode to stay when its last name goes.
 *
 * All holds of an inode have one reference together, and the inode is on the table's list while there
 * are any. Lock: table->lock (RANK_INODE_TABLE) over the counts and the list; the number of links
 * changes only under the lock of ops/, held alone.
 */
#include "base/assert.h"
#include "inode/inode.h"

void inode_hold(struct inode *inode)
{
	struct inode_table *table = inode->table;

	mutex_lock(&table->lock);
	ASSERT(inode->count > 0 && !inode->dying);
	if (!inode->nr_held++) {
		inode->count++;
		list_push_back(&table->held, &inode->held_link);
	}
	mutex_unlock(&table->lock);
}

void inode_unhold(struct inode *inode, uint64_t nr, bool keep_nameless, bool *ret_kept)
{
	struct inode_table *table = inode->table;
	bool last;

	mutex_lock(&table->lock);
	last = inode->nr_held && nr >= inode->nr_held;
	*ret_kept = last && keep_nameless && !inode_item_nlink(inode->item);
	if (*ret_kept)
		inode->nr_held = 1;
	else if (last)
		inode->nr_held = 0;
	else if (inode->nr_held)
		inode->nr_held -= nr;
	if (last && !*ret_kept)
		link_remove(&inode->held_link);
	mutex_unlock(&table->lock);
	if (last && !*ret_kept)
		inode_put(inode);
}

struct inode *inode_any_held(struct inode_table *table)
{
	struct inode *inode = NULL;
	struct link *first;

	mutex_lock(&table->lock);
	first = list_first(&table->held);
	if (first)
		inode = list_entry(first, struct inode, held_link);
	mutex_unlock(&table->lock);
	return inode;
}
