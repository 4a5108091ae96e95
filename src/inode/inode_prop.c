/*
 * Properties: the extended attribute btrfs.compression, what it means, and that new files have it
 * from their directory, as Linux does.
 *
 * Of the value only the algorithm at its beginning counts (Linux); what is behind it, a level, is kept
 * in the attribute and has no effect. The attribute and the flags COMPRESS and NOCOMPRESS are changed together. What the
 * attribute of an inode says is looked up once (inode->compress_prop).
 */
#include <sys/stat.h>

#include "base/mem.h"
#include "codec/compress.h"
#include "inode/inode.h"

static bool has_props(const struct inode *inode)
{
	return S_ISREG(inode_mode(inode)) || S_ISDIR(inode_mode(inode));
}

static bool can_compress(uint64_t flags)
{
	return !(flags & (BTRFS_INODE_NODATACOW | BTRFS_INODE_NODATASUM));
}

/* COMPRESS_NONE for "no" and for what is none; *ret_known. */
static int value_algorithm(const void *value, size_t len, bool *ret_known)
{
	static const enum compress_type types[] = { COMPRESS_ZLIB, COMPRESS_LZO, COMPRESS_ZSTD };
	const char *text = value;

	*ret_known = true;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		size_t name_len = strlen(compress_name(types[i]));

		if (len >= name_len && !memcmp(text, compress_name(types[i]), name_len))
			return types[i];
	}
	*ret_known = !len || (len == 2 && !memcmp(text, "no", 2)) ||
		     (len == 4 && !memcmp(text, "none", 4));
	return COMPRESS_NONE;
}

int inode_compress_prop(struct inode *inode, int *ret_type)
{
	SCOPED_MEM uint8_t *value = NULL;
	uint32_t len = 0;
	bool known;
	int err;

	if (inode->compress_prop >= 0 || !has_props(inode)) {
		*ret_type = MAX(inode->compress_prop, COMPRESS_NONE);
		return 0;
	}
	value = mem_alloc(inode->table->geometry.nodesize);
	if (!value)
		return MEM_FAIL("a property");
	err = xattr_get(inode, PROP_COMPRESSION, strlen(PROP_COMPRESSION), value, &len);
	if (err < 0 && err != -ERR_KEY_NOT_FOUND)
		return err;
	inode->compress_prop = (int8_t)value_algorithm(value, err == 0 ? len : 0, &known);
	*ret_type = inode->compress_prop;
	return 0;
}

int prop_check(const struct inode *inode, const char *name, const void *value, size_t len)
{
	bool known;

	if (strcmp(name, PROP_COMPRESSION) != 0)
		return THROW(ERR_INVALID, "inode %llu: there is no property %s",
			     (unsigned long long)inode->ino, name);
	value_algorithm(value, len, &known);
	if (!known)
		return THROW(ERR_INVALID,
			     "inode %llu: property %s: the value is none of zlib, lzo, zstd, no",
			     (unsigned long long)inode->ino, name);
	if (has_props(inode) && len && !can_compress(inode_item_flags(inode->item)))
		return THROW(ERR_INVALID,
			     "inode %llu: what is stored without checksums is not compressed",
			     (unsigned long long)inode->ino);
	return 0;
}

void prop_apply(struct inode *inode, const void *value, size_t len)
{
	uint64_t flags = inode_item_flags(inode->item) &
			 ~(uint64_t)(BTRFS_INODE_COMPRESS | BTRFS_INODE_NOCOMPRESS);
	bool known;
	int type = value_algorithm(value, len, &known);

	if (!has_props(inode))
		return;
	if (type)
		flags |= BTRFS_INODE_COMPRESS;
	else if (len)
		flags |= BTRFS_INODE_NOCOMPRESS;
	inode_item_set_flags(inode->item, flags);
	inode->compress_prop = (int8_t)type;
	inode_mark_dirty(inode);
}

int prop_inherit(struct inode *dir, struct inode *inode)
{
	const char *name;
	int type;

	if (!has_props(inode) || !can_compress(inode_item_flags(inode->item)))
		return 0;
	TRY(inode_compress_prop(dir, &type));
	if (!type)
		return 0;
	name = compress_name(type);
	TRY(xattr_set(inode, PROP_COMPRESSION, strlen(PROP_COMPRESSION), name, strlen(name)));
	prop_apply(inode, name, strlen(name));
	return 0;
}
