/*
 * Runs by where they are in their file, and what RAM tells of a file.
 *
 * inode->writing holds every run from its submission until its bytes are on the devices; they are
 * disjoint. Dirty ranges lie above them.
 */
#include "base/assert.h"
#include "file/file.h"

static int writing_compare(const struct rb_node *a, const struct rb_node *b)
{
	uint64_t left = rb_entry(a, struct file_run, node)->offset;
	uint64_t right = rb_entry(b, struct file_run, node)->offset;

	return (left > right) - (left < right);
}

static int writing_key_compare(const void *key, const struct rb_node *node)
{
	uint64_t pos = *(const uint64_t *)key;
	uint64_t offset = rb_entry(node, struct file_run, node)->offset;

	return (pos > offset) - (pos < offset);
}

static uint64_t run_end(const struct file_run *run)
{
	return run->offset + round_up(run->len, run->writeback->geometry.sectorsize);
}

struct file_run *writing_find(const struct inode *inode, uint64_t pos)
{
	struct rb_node *node = rbtree_find_le(&inode->writing, &pos, writing_key_compare);

	if (!node)
		node = rbtree_first(&inode->writing);
	else if (run_end(rb_entry(node, struct file_run, node)) <= pos)
		node = rb_next(node);
	return node ? rb_entry(node, struct file_run, node) : NULL;
}

bool writing_overlaps(const struct inode *inode, uint64_t start, uint64_t end)
{
	const struct file_run *run = writing_find(inode, start);

	return run && run->offset < end;
}

void writing_add(struct file_run *run)
{
	struct inode *inode = run->inode;
	struct rb_node *clash;

	if (!inode->writing.nr)
		rbtree_init(&inode->writing, writing_compare);
	ASSERT_SLOW(!writing_overlaps(inode, run->offset, run_end(run)));
	clash = rbtree_insert(&inode->writing, &run->node);
	ASSERT(!clash);
	inode->nr_sources += run->source != NULL;
}

void writing_remove(struct file_run *run)
{
	struct inode *inode = run->inode;

	rbtree_remove(&inode->writing, &run->node);
	inode->nr_sources -= run->source != NULL;
}

void ram_find(const struct inode *inode, uint64_t pos, struct ram_piece *ret_piece)
{
	const struct dirty_range *range = dirty_find(inode, pos);
	const struct file_run *run;

	*ret_piece = (struct ram_piece){ .end = UINT64_MAX };
	if (range && range->offset <= pos) {
		ret_piece->data = range->data + (pos - range->offset);
		ret_piece->end = range->offset + range->len;
		return;
	}
	if (range)
		ret_piece->end = range->offset;
	run = writing_find(inode, pos);
	if (run && run->offset <= pos) {
		ret_piece->end = MIN(ret_piece->end, run_end(run));
		ret_piece->from_source = run->source != NULL;
		if (!run->source)
			ret_piece->data = run->data + (pos - run->offset);
		return;
	}
	if (run)
		ret_piece->end = MIN(ret_piece->end, run->offset);
}
