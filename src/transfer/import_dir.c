/*
 * Importing a directory: takes the walk's batches in order and turns each entry into API calls.
 *
 * This thread is the one that drives the trees, so it does nothing but that: scanning goes on
 * beside it, contents are read by the library's threads. Times of a directory that got entries are
 * set again when its last batch is done. Holds no lock. Owns the table of hard links and of
 * specifications for the duration of the call.
 */
#include <sys/stat.h>

#include <ubtrfs/subvolume.h>

#include "transfer/hardlinks.h"
#include "transfer/import_spec.h"
#include "transfer/scan_queue.h"
#include "transfer/source_file.h"

struct dir_import {
	struct import *import;
	struct ubtrfs_node dest;
	struct scan_queue *queue;
	struct spec_table *specs;
	struct hardlinks hardlinks;
};

static int dir_fail(struct dir_import *self, int ret, const struct scan_entry *entry)
{
	return import_fail(self->import, ret, "%s/%s", self->import->root_path, entry->path);
}

/* The top: everything but its name. */
static int dir_import_top(struct dir_import *self, struct scan_entry *entry)
{
	struct import *import = self->import;
	struct ubtrfs_attr attr;
	unsigned set = UBTRFS_ATTR_MODE | UBTRFS_ATTR_UID | UBTRFS_ATTR_GID;
	int ret;

	import_attr_fill(import, &entry->meta, true, &attr);
	attr.flags = spec_flags_find(self->specs, "");
	if (attr.flags)
		set |= UBTRFS_ATTR_FLAGS;
	ret = ubtrfs_setattr(import->fs, self->dest, &attr, set);
	if (ret < 0)
		return import_fail(import, ret, "%s", import->root_path);
	TRY(import_set_xattrs(import, self->dest, import->root_path, entry->xattrs,
			      entry->nr_xattrs));
	entry->dir->node = self->dest;
	entry->dir->inode_flags = attr.flags;
	entry->dir->is_stamped = true;
	import->stats.dirs++;
	return 0;
}

/*
 * A new subvolume is the library's; it becomes the source's directory by attributes. Flags do not
 * cross into it.
 */
static int dir_import_subvol(struct dir_import *self, struct ubtrfs_node parent,
			     struct scan_entry *entry, struct spec *spec, struct ubtrfs_attr *attr)
{
	struct import *import = self->import;
	unsigned set = UBTRFS_ATTR_MODE | UBTRFS_ATTR_UID | UBTRFS_ATTR_GID | ATTR_TIMES;
	struct ubtrfs_node top;
	int ret = ubtrfs_subvolume_create(import->fs, parent, entry->name, entry->name_len, NULL,
					  &top);

	if (ret < 0)
		return dir_fail(self, ret, entry);
	attr->flags = spec_flags_find(self->specs, entry->path);
	if (attr->flags)
		set |= UBTRFS_ATTR_FLAGS;
	ret = ubtrfs_setattr(import->fs, top, attr, set);
	if (ret < 0)
		return dir_fail(self, ret, entry);
	spec_subvol_set(spec, top.subvolid);
	entry->dir->node = top;
	entry->dir->inode_flags = attr->flags;
	return 0;
}

static int dir_create(struct dir_import *self, const struct scan_dir *parent,
		      const struct scan_entry *entry, const struct ubtrfs_attr *attr,
		      struct ubtrfs_node *ret_node)
{
	struct ubtrfs_new what = { .attr = *attr,
				   .set = ATTR_TIMES,
				   .symlink_target = entry->target,
				   .symlink_len = entry->target_len };
	int ret;

	what.attr.flags = parent->inode_flags | spec_flags_find(self->specs, entry->path);
	if (what.attr.flags & BTRFS_INODE_NODATACOW && S_ISREG(entry->meta.mode))
		what.attr.flags |= BTRFS_INODE_NODATASUM;
	if (what.attr.flags)
		what.set |= UBTRFS_ATTR_FLAGS;
	ret = ubtrfs_create(self->import->fs, parent->node, entry->name, entry->name_len, &what,
			    ret_node);
	if (ret < 0)
		return dir_fail(self, ret, entry);
	if (entry->dir) {
		entry->dir->node = *ret_node;
		entry->dir->inode_flags = what.attr.flags;
	}
	return 0;
}

/* 1: the entry is another name of an inode that is there, and done. 0: it is to be created. */
static int dir_try_link(struct dir_import *self, const struct scan_dir *parent,
			const struct scan_entry *entry, const struct ubtrfs_attr *attr)
{
	struct import *import = self->import;
	struct ubtrfs_node node;
	int ret;

	if (!hardlinks_find(&self->hardlinks, entry->dev, entry->ino, parent->node.subvolid, &node))
		return 0;
	ret = ubtrfs_link(import->fs, node, parent->node, entry->name, entry->name_len);
	if (ret == -EMLINK) {
		TRY(import_warn(import,
				"%s/%s: its inode takes no more links, so it becomes a copy",
				import->root_path, entry->path));
		return 0;
	}
	if (ret >= 0)
		ret = ubtrfs_setattr(import->fs, node, attr, UBTRFS_ATTR_CTIME);
	if (ret < 0)
		return dir_fail(self, ret, entry);
	import->stats.hardlinks++;
	return 1;
}

static int dir_import_new(struct dir_import *self, const struct scan_dir *parent,
			  struct scan_entry *entry, struct ubtrfs_attr *attr)
{
	struct import *import = self->import;
	struct spec *spec = entry->dir ? spec_subvol_find(self->specs, entry->path) : NULL;
	struct ubtrfs_node node;
	int ret;

	if (spec) {
		TRY(dir_import_subvol(self, parent->node, entry, spec, attr));
		node = entry->dir->node;
	} else {
		TRY(dir_create(self, parent, entry, attr, &node));
	}
	if (entry->nlink > 1 && !entry->dir)
		TRY(hardlinks_set(&self->hardlinks, entry->dev, entry->ino, node));
	import_stats_count(&import->stats, entry->meta.mode);
	TRY(import_set_xattrs(import, node, entry->path, entry->xattrs, entry->nr_xattrs));
	if (S_ISREG(entry->meta.mode))
		TRY(source_file_write(import, entry, node, attr));
	if (!entry->nr_xattrs)
		return 0;
	ret = ubtrfs_setattr(import->fs, node, attr, ATTR_TIMES);
	return ret < 0 ? dir_fail(self, ret, entry) : 0;
}

static int dir_import_entry(struct dir_import *self, struct scan_dir *parent,
			    struct scan_entry *entry)
{
	struct ubtrfs_attr attr;
	int ret = 0;

	TRY(import_step(self->import));
	import_attr_fill(self->import, &entry->meta, false, &attr);
	parent->is_stamped = true;
	if (entry->nlink > 1 && !entry->dir)
		ret = dir_try_link(self, parent, entry, &attr);
	TRY(ret);
	return ret ? 0 : dir_import_new(self, parent, entry, &attr);
}

/* All entries are there, so the directory's own times can stay. */
static int dir_finish(struct dir_import *self, const struct scan_dir *dir)
{
	struct import *import = self->import;
	struct ubtrfs_attr attr;
	int ret;

	if (!dir->is_stamped)
		return 0;
	import_attr_fill(import, &dir->meta, dir->is_top, &attr);
	ret = ubtrfs_setattr(import->fs, dir->node, &attr, ATTR_TIMES);
	return ret < 0 ? import_fail(import, ret, "%s/%s", import->root_path, dir->path) : 0;
}

static int dir_import_batch(struct dir_import *self, struct scan_batch *batch)
{
	if (!batch->dir)
		return dir_import_top(self, &batch->entries[0]);
	for (size_t i = 0; i < batch->nr_entries; i++)
		TRY(dir_import_entry(self, batch->dir, &batch->entries[i]));
	return batch->is_last ? dir_finish(self, batch->dir) : 0;
}

static int dir_import_all(struct dir_import *self)
{
	struct scan_batch *batch;
	int ret;

	for (;;) {
		TRY(scan_queue_next(self->queue, &batch));
		if (!batch)
			break;
		ret = dir_import_batch(self, batch);
		scan_batch_put(batch, &batch->handle);
		TRY(ret);
	}
	TRY(spec_table_finish(self->specs, self->import));
	return import_finish(self->import, self->import->root_path);
}

int import_directory(struct ubtrfs *fs, struct ubtrfs_node dest, const char *path,
		     const struct import_options *options, struct import_stats *stats)
{
	struct dir_import self = { .dest = dest };
	int ret;

	TRY(import_new(fs, options, path, &self.import));
	hardlinks_init(&self.hardlinks);
	ret = spec_table_new(self.import, &self.specs);
	if (ret >= 0)
		ret = scan_queue_new(self.import, options->threads, &self.queue);
	if (ret >= 0)
		ret = dir_import_all(&self);
	scan_queue_free(self.queue);
	spec_table_free(self.specs);
	hardlinks_fini(&self.hardlinks);
	import_close(self.import, stats);
	return ret;
}
