/*
 * Listing directories, with and without the attributes of what is in them.
 *
 * A batch of entries is copied under the lock, then shown to the caller with no lock held, so that he
 * may call us, and a slow caller holds up nobody. What changes between two batches is seen or not,
 * as with readdir(3); an entry that stays is seen once, and the listing ends where the directory
 * ended when it began: what gets a new place meanwhile, behind that, is not seen for ever.
 */
#include "base/assert.h"
#include "ops/op_attr.h"

#define LISTING_ENTRIES 64u

/* What is copied under the lock. */
struct listing {
	bool with_attrs;
	uint64_t subvolid; /* of the directory */
	uint64_t cookie;   /* the last entry that was shown */
	uint64_t end;	   /* the last entry when the listing began; 0: not known yet */
	size_t nr;
	struct dir_entry entries[LISTING_ENTRIES];
	struct ubtrfs_node nodes[LISTING_ENTRIES];
	bool in_tree[LISTING_ENTRIES]; /* the node has an item in the directory's own subvolume */
	bool has_attr[LISTING_ENTRIES];
	struct ubtrfs_attr attrs[LISTING_ENTRIES];
	struct inode *inodes[LISTING_ENTRIES]; /* those that are in RAM: references */
};

/* From inodes in RAM, which know more than the tree; and what names of subvolumes lead to. */
static int fill_known(struct ubtrfs *fs, struct listing *listing, size_t i)
{
	int err = getattr_node(fs, listing->nodes[i], &listing->attrs[i]);

	if (err == -ERR_WANTS_ALONE)
		return err;
	/* The caller is told when he asks for it. */
	listing->has_attr[i] = err == 0;
	return 0;
}

/*
 * The others, which are most: their items lie near each other in the order of the entries. No lock
 * of the table of inodes is taken under the cursor's.
 */
static void fill_from_tree(const struct ubtrfs *fs, struct listing *listing, struct root *root)
{
	SCOPED(cursor) struct cursor cursor;
	uint8_t item[INODE_ITEM_SIZE];
	bool no_xattrs;

	cursor_init(&cursor, &root->tree);
	for (size_t i = 0; i < listing->nr; i++) {
		if (!listing->in_tree[i] || listing->inodes[i])
			continue;
		if (inode_item_peek(&cursor, listing->nodes[i].ino, item, &no_xattrs) < 0)
			continue;
		attr_from_item(fs, item, listing->nodes[i], &listing->attrs[i]);
		listing->attrs[i].no_xattrs = no_xattrs;
		listing->has_attr[i] = true;
	}
}

static int listing_fill_attrs(struct ubtrfs *fs, struct listing *listing, struct root *root)
{
	int err = 0;

	for (size_t i = 0; i < listing->nr; i++) {
		listing->has_attr[i] = false;
		listing->inodes[i] = listing->in_tree[i] ? inode_find(&fs->core.inodes, root,
								      listing->nodes[i].ino) :
							   NULL;
	}
	fill_from_tree(fs, listing, root);
	for (size_t i = 0; i < listing->nr; i++) {
		if (err == 0 && (!listing->in_tree[i] || listing->inodes[i]))
			err = fill_known(fs, listing, i);
		if (listing->inodes[i])
			inode_put(listing->inodes[i]);
	}
	return err;
}

/* The next entries behind the cookie. */
static int listing_fill(struct ubtrfs *fs, struct ubtrfs_node node, struct listing *listing)
{
	SCOPED(inode) struct inode *dir = NULL;

	TRY(node_dir(fs, node, &dir));
	TRY(inode_check_named(dir));
	TRY(dir_list(dir, listing->cookie, listing->entries, LISTING_ENTRIES, &listing->nr));
	if (!listing->end)
		TRY(dir_last_index(dir, &listing->end));
	listing->subvolid = dir->root->objectid;
	for (size_t i = 0; i < listing->nr; i++) {
		TRY(entry_node(fs, dir, &listing->entries[i], &listing->nodes[i]));
		listing->in_tree[i] = listing->entries[i].location.type == BTRFS_INODE_ITEM_KEY;
	}
	return listing->with_attrs ? listing_fill_attrs(fs, listing, dir->root) : 0;
}

static void entry_show(const struct listing *listing, size_t i, struct ubtrfs_dirent *ret_dirent)
{
	const struct dir_entry *entry = &listing->entries[i];

	*ret_dirent = (struct ubtrfs_dirent){
		.cookie = entry->index,
		.node = listing->nodes[i],
		.type = entry->type,
		.is_subvolume = listing->nodes[i].subvolid != listing->subvolid,
		.name = entry->name,
		.name_len = entry->name_len,
	};
}

typedef int (*plus_visit)(void *ctx, const struct ubtrfs_dirent *entry,
			  const struct ubtrfs_attr *attr);

static int listing_run(struct ubtrfs *fs, struct ubtrfs_node dir, struct listing *listing,
		       plus_visit visit, void *ctx)
{
	do {
		TRY(FS_READ(fs, listing_fill(fs, dir, listing)));
		for (size_t i = 0; i < listing->nr; i++) {
			struct ubtrfs_dirent entry;
			int stop;

			entry_show(listing, i, &entry);
			if (entry.cookie > listing->end)
				return 0;
			listing->cookie = entry.cookie;
			stop = visit(ctx, &entry,
				     listing->with_attrs && listing->has_attr[i] ?
					     &listing->attrs[i] :
					     NULL);
			if (stop)
				return fs_errno(stop);
		}
	} while (listing->nr == LISTING_ENTRIES);
	return 0;
}

static int list_dir(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t cookie, bool with_attrs,
		    plus_visit visit, void *ctx)
{
	SCOPED_MEM struct listing *listing = mem_alloc(sizeof(*listing));
	int ret;

	if (!listing)
		return fs_errno(MEM_FAIL("listing a directory"));
	listing->with_attrs = with_attrs;
	listing->end = 0;
	listing->cookie = cookie;
	ret = listing_run(fs, dir, listing, visit, ctx);
	if (ret >= 0)
		atime_note_read(fs, dir);
	return ret;
}

/* A visitor without attributes behind one with them. */
struct plain_visitor {
	int (*visit)(void *ctx, const struct ubtrfs_dirent *entry);
	void *ctx;
};

static int visit_plain(void *ctx, const struct ubtrfs_dirent *entry, const struct ubtrfs_attr *attr)
{
	struct plain_visitor *plain = ctx;

	(void)attr;
	return plain->visit(plain->ctx, entry);
}

UBTRFS_API int ubtrfs_readdir(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t cookie,
			      int (*visit)(void *ctx, const struct ubtrfs_dirent *entry), void *ctx)
{
	struct plain_visitor plain = { visit, ctx };

	return list_dir(fs, dir, cookie, false, visit_plain, &plain);
}

UBTRFS_API int ubtrfs_readdir_plus(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t cookie,
				   int (*visit)(void *ctx, const struct ubtrfs_dirent *entry,
						const struct ubtrfs_attr *attr),
				   void *ctx)
{
	return list_dir(fs, dir, cookie, true, visit, ctx);
}

static int dir_end(struct ubtrfs *fs, struct ubtrfs_node node, uint64_t *ret_cookie)
{
	SCOPED(inode) struct inode *dir = NULL;

	TRY(node_dir(fs, node, &dir));
	return dir_last_index(dir, ret_cookie);
}

UBTRFS_API int ubtrfs_readdir_end(struct ubtrfs *fs, struct ubtrfs_node dir, uint64_t *ret_cookie)
{
	return FS_READ(fs, dir_end(fs, dir, ret_cookie));
}
