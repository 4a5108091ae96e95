/*
 * Directories: DIR_ITEM (found by hash of the name) and DIR_INDEX (found by number, the order of
 * readdir).
 *
 * Each name has one entry in both. The size of a directory is twice the sum of the lengths of its
 * names (Linux).
 */
#include "base/assert.h"
#include "codec/name_hash.h"
#include "inode/name_pack.h"

/* A position of readdir(3) is signed, and a front end puts "." and ".." before the names. */
#define INDEX_END ((uint64_t)INT64_MAX - 2)

static int name_check(const char *name, size_t name_len)
{
	if (name_len == 0 || (name_len == 1 && name[0] == '.') ||
	    (name_len == 2 && name[0] == '.' && name[1] == '.'))
		return THROW(ERR_INVALID, "\"%.*s\" is no name for a file", (int)name_len, name);
	if (name_len > INODE_NAME_MAX)
		return THROW(ERR_NAME_TOO_LONG, "a name of %zu bytes: more than %u", name_len,
			     INODE_NAME_MAX);
	if (memchr(name, '/', name_len) || memchr(name, '\0', name_len))
		return THROW(ERR_INVALID, "\"%.*s\": a name holds neither '/' nor a zero byte",
			     (int)name_len, name);
	return 0;
}

static int entry_parse(const struct pack_entry *packed, uint64_t index, struct dir_entry *ret_entry)
{
	CORRUPT_IF(packed->name_len == 0 || packed->name_len > INODE_NAME_MAX,
		   "a directory entry has a name of %u bytes", packed->name_len);
	ret_entry->location = key_load(dir_item_location(packed->head));
	ret_entry->type = dir_item_type(packed->head);
	ret_entry->index = index;
	ret_entry->name_len = (uint16_t)packed->name_len;
	memcpy(ret_entry->name, packed->name, packed->name_len);
	ret_entry->name[packed->name_len] = '\0';
	return 0;
}

int dir_find(struct inode *dir, const char *name, size_t name_len, struct dir_entry *ret_entry)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	struct pack_entry packed;

	if (name_len > INODE_NAME_MAX)
		return THROW(ERR_NAME_TOO_LONG, "a name of %zu bytes: more than %u", name_len,
			     INODE_NAME_MAX);
	TRY(delayed_view(dir, BTRFS_DIR_ITEM_KEY, name_hash(name, name_len), &view));
	TRY(pack_find(&pack_dir_item, view.data, view.len, name, name_len, &packed));
	return entry_parse(&packed, 0, ret_entry);
}

/* A listing goes on behind an index, and the next name gets the one behind the last. */
static int index_check(const struct inode *dir, uint64_t index)
{
	CORRUPT_IF(index >= INDEX_END, "directory %llu: a name has the impossible index %llu",
		   (unsigned long long)dir->ino, (unsigned long long)index);
	return 0;
}

static int next_index_load(struct inode *dir)
{
	struct key last = KEY(dir->ino, BTRFS_DIR_INDEX_KEY, UINT64_MAX);
	struct cursor cursor;
	struct key found;
	int err;

	dir->next_index = 2;
	cursor_init(&cursor, &dir->root->tree);
	err = cursor_seek_le(&cursor, &last);
	if (err == 0) {
		found = cursor_key(&cursor);
		if (found.objectid == dir->ino && found.type == BTRFS_DIR_INDEX_KEY)
			dir->next_index = found.offset + 1;
	}
	cursor_release(&cursor);
	return err == -ERR_KEY_NOT_FOUND ? 0 : err;
}

/* Whether so many names can be added, and listed. */
static int next_index_check(struct inode *dir, unsigned nr)
{
	uint64_t last;

	if (!dir->next_index)
		TRY(next_index_load(dir));
	/* It is 0 behind the last number that there is. */
	last = dir->next_index - 1;
	return index_check(dir, last < INDEX_END ? last + nr : last);
}

static void dir_changed(struct inode *dir, int64_t name_bytes)
{
	inode_set_size(dir, inode_size(dir) + (uint64_t)(2 * name_bytes));
	inode_touch(dir);
}

int dir_add(struct inode *dir, const char *name, size_t name_len, const struct key *location,
	    uint8_t type, uint64_t *ret_index)
{
	uint8_t entry[DIR_ITEM_SIZE + INODE_NAME_MAX] = { 0 };
	uint32_t len = DIR_ITEM_SIZE + (uint32_t)name_len;
	struct dir_entry clash;
	uint64_t hash;
	int err;

	TRY(name_check(name, name_len));
	err = dir_find(dir, name, name_len, &clash);
	if (err == 0)
		return THROW(ERR_EXISTS, "\"%.*s\" is in directory %llu already", (int)name_len,
			     name, (unsigned long long)dir->ino);
	if (err != -ERR_KEY_NOT_FOUND)
		return err;
	TRY(next_index_check(dir, 1));
	hash = name_hash(name, name_len);
	key_store(dir_item_location_mut(entry), location);
	dir_item_set_transid(entry, inode_item_transid(dir->item));
	dir_item_set_name_len(entry, (uint16_t)name_len);
	dir_item_set_type(entry, type);
	memcpy(entry + DIR_ITEM_SIZE, name, name_len);
	TRY(delayed_put(dir, BTRFS_DIR_INDEX_KEY, dir->next_index, entry, len, false));
	err = pack_append(dir, BTRFS_DIR_ITEM_KEY, hash, entry, len);
	if (err < 0) {
		/* It was never in the tree, so it just leaves the overlay. */
		int undone = delayed_remove(dir, BTRFS_DIR_INDEX_KEY, dir->next_index);

		ASSERT(undone == 0);
		return err;
	}
	*ret_index = dir->next_index++;
	dir_changed(dir, (int64_t)name_len);
	return 0;
}

/*
 * The index of a name is in the INODE_REF of what it names; for the callers that know it,
 * entry->index is set.
 */
int dir_remove(struct inode *dir, const struct dir_entry *entry)
{
	uint64_t hash = name_hash(entry->name, entry->name_len);
	struct pack_entry packed;
	const uint8_t *data;
	uint32_t len;

	ASSERT(entry->index >= 2);
	TRY(delayed_get(dir, BTRFS_DIR_ITEM_KEY, hash, &data, &len));
	TRY(pack_find(&pack_dir_item, data, len, entry->name, entry->name_len, &packed));
	TRY(pack_remove(dir, BTRFS_DIR_ITEM_KEY, hash, packed.at, packed.len));
	TRY(delayed_remove(dir, BTRFS_DIR_INDEX_KEY, entry->index));
	dir_changed(dir, -(int64_t)entry->name_len);
	return 0;
}

int dir_check_add(struct inode *dir, const char *name, size_t name_len, bool replacing)
{
	const uint8_t *data;
	uint32_t len = 0;
	int err;

	TRY(name_check(name, name_len));
	/* Two names may change places in one directory. */
	TRY(next_index_check(dir, 2));
	if (replacing)
		return 0;
	err = delayed_get(dir, BTRFS_DIR_ITEM_KEY, name_hash(name, name_len), &data, &len);
	if (err == -ERR_KEY_NOT_FOUND)
		return 0;
	TRY(err);
	if (len + DIR_ITEM_SIZE + name_len > geometry_max_item(&dir->table->geometry))
		return THROW(ERR_LIMIT, "directory %llu: too many names have the hash of \"%.*s\"",
			     (unsigned long long)dir->ino, (int)name_len, name);
	return 0;
}

int dir_list(struct inode *dir, uint64_t cookie, struct dir_entry *ret_entries, size_t capacity,
	     size_t *ret_nr)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	struct pack_entry packed;
	size_t nr = 0;

	while (nr < capacity && cookie < INDEX_END) {
		int err = delayed_next(dir, BTRFS_DIR_INDEX_KEY, cookie + 1, &view);

		if (err == -ERR_KEY_NOT_FOUND)
			break;
		TRY(err);
		TRY(pack_entry_at(&pack_dir_item, view.data, view.len, 0, &packed));
		cookie = view.key.offset;
		TRY(index_check(dir, cookie));
		TRY(entry_parse(&packed, cookie, &ret_entries[nr++]));
	}
	*ret_nr = nr;
	return 0;
}

int dir_last_index(struct inode *dir, uint64_t *ret_index)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	int err = delayed_last(dir, BTRFS_DIR_INDEX_KEY, UINT64_MAX, &view);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_index = err == 0 ? view.key.offset : 1;
	return 0;
}

int dir_is_empty(struct inode *dir, bool *ret_empty)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	int err = delayed_next(dir, BTRFS_DIR_INDEX_KEY, 0, &view);

	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	*ret_empty = err == -ERR_KEY_NOT_FOUND;
	return 0;
}

int dir_parent(struct inode *dir, uint64_t *ret_parent)
{
	SCOPED(delayed_view) struct delayed_view view = { 0 };
	int err = delayed_next(dir, BTRFS_INODE_REF_KEY, 0, &view);

	CORRUPT_IF(err == -ERR_KEY_NOT_FOUND, "directory %llu has no reference to its parent",
		   (unsigned long long)dir->ino);
	TRY(err);
	*ret_parent = view.key.offset;
	return 0;
}

int dir_find_index(struct inode *dir, const char *name, size_t name_len, uint64_t *ret_index)
{
	struct dir_entry entry = { .index = 0 };
	size_t nr;

	for (;;) {
		TRY(dir_list(dir, entry.index, &entry, 1, &nr));
		CORRUPT_IF(!nr, "directory %llu: \"%.*s\" has no DIR_INDEX",
			   (unsigned long long)dir->ino, (int)name_len, name);
		if (entry.name_len == name_len && memcmp(entry.name, name, name_len) == 0)
			break;
	}
	CORRUPT_IF(entry.index < 2, "directory %llu: \"%.*s\" has the index %llu",
		   (unsigned long long)dir->ino, (int)name_len, name,
		   (unsigned long long)entry.index);
	*ret_index = entry.index;
	return 0;
}
