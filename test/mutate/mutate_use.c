/*
 * What a mutant is put through: opened for reading, everything listed and read, trees printed;
 * opened for writing, files copied in, changed and removed, committed.
 *
 * Everything is bounded here, since a mutant may hold cycles and endless files: by entries, depth,
 * bytes. What one call of the library does is not: that it ends is what is tested.
 */
#include "mutate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <ubtrfs/inspect.h>

#include "base/mem.h"

#define ENTRIES_MAX 600u
#define ENTRIES_ALL 40u /* of these each is used, then one of four */
#define DEPTH_MAX 24u
#define READS_MAX 90u
#define RANGES_MAX 12u
#define VICTIMS_MAX 6u
#define READ_BYTES (64u * 1024)
#define XATTR_BYTES 70000u

struct walk {
	struct use *use;
	struct ubtrfs *fs;
	struct ubtrfs_node dir;
	unsigned depth;
	char victims[VICTIMS_MAX][256]; /* names in the top directory */
	uint8_t victim_types[VICTIMS_MAX];
	unsigned nr_victims;
};

static uint8_t buffer[READ_BYTES];

/* Notes the sentence of a failure; the result, for going on or not. */
static int noted(struct use *use, int err, const char *call)
{
	if (err < 0)
		use->failed(use->ctx, err, call, ubtrfs_error_text());
	return err;
}

#define NOTED(use, call) noted(use, call, #call)

static void read_at(struct walk *walk, struct ubtrfs_node node, uint64_t offset)
{
	size_t len = 1 + (size_t)rng_below(walk->use->rng, sizeof(buffer));

	if (walk->use->nr_read++ < READS_MAX)
		(void)NOTED(walk->use, ubtrfs_read(walk->fs, node, offset, buffer, len, &len));
}

static void use_file(struct walk *walk, const struct ubtrfs_attr *attr)
{
	uint64_t at = 0, start, end;

	read_at(walk, attr->node, 0);
	for (unsigned i = 0; i < RANGES_MAX; i++) {
		int err = ubtrfs_seek_data(walk->fs, attr->node, at, &start, &end);

		if (err == -ENXIO || noted(walk->use, err, "ubtrfs_seek_data") < 0)
			break;
		read_at(walk, attr->node, start);
		if (end <= at)
			break;
		at = end;
	}
	if (attr->size)
		read_at(walk, attr->node, attr->size - 1);
}

static int use_xattr(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	(void)ctx;
	if (name_len < 256)
		memcpy(buffer, name, name_len);
	if (len <= sizeof(buffer))
		memcpy(buffer, value, len);
	return 0;
}

static void use_node(struct walk *walk, struct ubtrfs_node node)
{
	struct use *use = walk->use;
	struct ubtrfs_attr attr;
	struct ubtrfs_node found;
	char target[4096];
	size_t len;

	if (NOTED(use, ubtrfs_getattr(walk->fs, node, &attr)) < 0)
		return;
	(void)NOTED(use, ubtrfs_listxattr(walk->fs, node, use_xattr, NULL));
	len = 0;
	if (ubtrfs_getxattr(walk->fs, node, "user.a", buffer, XATTR_BYTES, &len) < 0)
		len = 0;
	if (S_ISLNK(attr.mode))
		(void)NOTED(use, ubtrfs_readlink(walk->fs, node, target, sizeof(target), &len));
	/* One of many names is enough. */
	else if (S_ISREG(attr.mode) && (attr.nlink < 3 || rng_one_in(use->rng, 8)))
		use_file(walk, &attr);
	else if (S_ISDIR(attr.mode))
		(void)NOTED(use, ubtrfs_resolve(walk->fs, node, "../.", true, &found));
}

static int use_dir(struct walk *walk, struct ubtrfs_node dir);

static int use_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct walk *walk = ctx;
	struct ubtrfs_node found;

	if (walk->use->nr_entries++ >= ENTRIES_MAX)
		return 1;
	if (rng_one_in(walk->use->rng, 3))
		(void)NOTED(walk->use, ubtrfs_lookup(walk->fs, walk->dir, entry->name,
						     entry->name_len, &found));
	if (!walk->depth && walk->nr_victims < VICTIMS_MAX && entry->name_len < 256 &&
	    rng_one_in(walk->use->rng, 2)) {
		char *victim = walk->victims[walk->nr_victims];

		memcpy(victim, entry->name, entry->name_len);
		victim[entry->name_len] = '\0';
		walk->victim_types[walk->nr_victims++] = entry->type;
	}
	if (walk->use->nr_entries > ENTRIES_ALL && !rng_one_in(walk->use->rng, 4))
		return 0;
	use_node(walk, entry->node);
	if (entry->type == 2)
		return use_dir(walk, entry->node) > 0;
	return 0;
}

/* 1 when there was enough of it. */
static int use_dir(struct walk *walk, struct ubtrfs_node dir)
{
	struct ubtrfs_node above = walk->dir;
	int err;

	if (walk->depth >= DEPTH_MAX)
		return 0;
	walk->dir = dir;
	walk->depth++;
	err = ubtrfs_readdir(walk->fs, dir, 0, use_entry, walk);
	walk->depth--;
	walk->dir = above;
	return noted(walk->use, err, "ubtrfs_readdir");
}

static void use_tops(struct walk *walk)
{
	const struct image *image = walk->use->image;
	struct ubtrfs_node top = ubtrfs_top(walk->fs);

	walk->use->nr_entries = walk->use->nr_read = 0;
	use_node(walk, top);
	(void)use_dir(walk, top);
	/* Also those that no name leads to any more. */
	for (size_t i = 0; i < image->nr_subvolumes && walk->use->nr_entries < ENTRIES_MAX; i++) {
		if (image->subvolumes[i] < 256)
			continue;
		use_node(walk, (struct ubtrfs_node){ image->subvolumes[i], UBTRFS_ROOT_INO });
		if (rng_one_in(walk->use->rng, 4))
			(void)use_dir(walk, (struct ubtrfs_node){ image->subvolumes[i],
								  UBTRFS_ROOT_INO });
	}
}

static void use_print(struct use *use, struct ubtrfs *fs)
{
	struct ubtrfs_dump_tree what = { .depth_first = rng_one_in(use->rng, 2) };
	struct ubtrfs_info info;

	(void)NOTED(use, ubtrfs_info(fs, &info));
	(void)ubtrfs_default_top(fs);
	what.json = rng_one_in(use->rng, 3);
	what.csum_headers = what.csum_items = what.hide_names = rng_one_in(use->rng, 4);
	if (!rng_one_in(use->rng, 6))
		what.roots_only = what.backups = true;
	(void)NOTED(use, ubtrfs_dump_tree(fs, &what, use->sink));
	rewind(use->sink);
}

/* ---- writing ---- */

static void write_new(struct walk *walk, const char *name, uint64_t len)
{
	struct ubtrfs_new what = { .attr = { .mode = S_IFREG | 0644 } };
	struct ubtrfs_node node;

	if (NOTED(walk->use, ubtrfs_create(walk->fs, ubtrfs_top(walk->fs), name, strlen(name),
					   &what, &node)) < 0)
		return;
	rng_fill(walk->use->rng, buffer, len < 4096 ? len : 4096);
	(void)NOTED(walk->use,
		    ubtrfs_write(walk->fs, node, rng_below(walk->use->rng, 9000), buffer, len));
	(void)NOTED(walk->use, ubtrfs_setxattr(walk->fs, node, "user.new", buffer, len % 3000));
}

static void change_file(struct walk *walk, struct ubtrfs_node node)
{
	struct ubtrfs_attr attr = { .size = rng_below(walk->use->rng, 300000) };

	if (rng_one_in(walk->use->rng, 2))
		(void)NOTED(walk->use, ubtrfs_setattr(walk->fs, node, &attr, UBTRFS_ATTR_SIZE));
	else
		(void)NOTED(walk->use, ubtrfs_write(walk->fs, node, attr.size, buffer, 5000));
}

static void change_some(struct walk *walk)
{
	struct ubtrfs_node top = ubtrfs_top(walk->fs), node;

	for (unsigned i = 0; i < walk->nr_victims; i++) {
		const char *name = walk->victims[i];

		if (walk->victim_types[i] == 2) {
			int err = ubtrfs_rmdir(walk->fs, top, name, strlen(name));

			if (err != -ENOTEMPTY)
				(void)noted(walk->use, err, "ubtrfs_rmdir");
		} else if (rng_one_in(walk->use->rng, 2)) {
			(void)NOTED(walk->use, ubtrfs_unlink(walk->fs, top, name, strlen(name)));
		} else if (walk->victim_types[i] == 1 &&
			   NOTED(walk->use,
				 ubtrfs_lookup(walk->fs, top, name, strlen(name), &node)) >= 0) {
			change_file(walk, node);
		}
	}
}

/* As mounts are: with a thread of its own in the background, one time in four, and any options. */
static int open_for_writing(struct use *use, struct ubtrfs **ret_fs)
{
	struct ubtrfs_open_options how;

	ubtrfs_open_options_init(&how);
	how.writable = true;
	how.background = rng_one_in(use->rng, 4);
	if (how.background && rng_one_in(use->rng, 2))
		how.dirty_bytes = 256u << 10;
	if (rng_one_in(use->rng, 4))
		how.atime = UBTRFS_ATIME_STRICT;
	if (rng_one_in(use->rng, 4))
		how.compress = 1 + (int)rng_below(use->rng, 3);
	else if (rng_one_in(use->rng, 6))
		how.nodatacow = true;
	how.compress_force = how.compress && rng_one_in(use->rng, 2);
	if (rng_one_in(use->rng, 6))
		how.max_inline = 0;
	return image_open_with(use->image, &how, ret_fs);
}

static void use_writing(struct walk *walk)
{
	struct use *use = walk->use;
	struct ubtrfs_new dir = { .attr = { .mode = S_IFDIR | 0755 } };
	struct ubtrfs_node made;
	int err;

	if (NOTED(use, open_for_writing(use, &walk->fs)) < 0)
		return;
	write_new(walk, "new-small", 900);
	write_new(walk, "new-large", READ_BYTES);
	(void)NOTED(use, ubtrfs_create(walk->fs, ubtrfs_top(walk->fs), "new-dir", 7, &dir, &made));
	change_some(walk);
	image_ops(use, walk->fs);
	if (rng_one_in(use->rng, 4))
		(void)NOTED(use, ubtrfs_commit(walk->fs));
	err = NOTED(use, ubtrfs_close(walk->fs));
	use->nr_committed += err >= 0;
	if (err >= 0)
		image_reopen(use);
}

/* With what helps to read what is damaged; it may help nothing. */
static void use_helped(struct walk *walk)
{
	struct ubtrfs_open_options how;

	ubtrfs_open_options_init(&how);
	how.rescue = 1 + (unsigned)rng_below(walk->use->rng, 15);
	how.super_copy = (int)rng_below(walk->use->rng, 3) - 1;
	if (NOTED(walk->use, image_open_with(walk->use->image, &how, &walk->fs)) < 0)
		return;
	use_tops(walk);
	ubtrfs_abandon(walk->fs);
}

void image_use(struct use *use)
{
	static struct walk walk;

	memset(&walk, 0, sizeof(walk));
	walk.use = use;
	use->nr_entries = 0;
	if (NOTED(use, image_open(use->image, false, &walk.fs)) >= 0) {
		use->nr_opened++;
		use_tops(&walk);
		use_print(use, walk.fs);
		if (rng_one_in(use->rng, 5))
			image_ask(use, walk.fs);
		ubtrfs_abandon(walk.fs);
	}
	if (rng_one_in(use->rng, 6))
		use_helped(&walk);
	use_writing(&walk);
	/* It may read all of the devices. */
	if (rng_one_in(use->rng, 10))
		image_use_rescue(use);
}
