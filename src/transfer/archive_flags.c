/*
 * File flags of an archive (mtree's flags=, SCHILY.fflags of tar) as flags of a btrfs inode, and back.
 * Keeps no state.
 */
#include <linux/fs.h>

#include <string.h>

#include "base/bytes.h"
#include "transfer/unpack.h"

static const struct {
	unsigned long fs;
	uint32_t inode;
} both_flags[] = {
	{ FS_IMMUTABLE_FL, BTRFS_INODE_IMMUTABLE }, { FS_APPEND_FL, BTRFS_INODE_APPEND },
	{ FS_NODUMP_FL, BTRFS_INODE_NODUMP },	    { FS_NOATIME_FL, BTRFS_INODE_NOATIME },
	{ FS_SYNC_FL, BTRFS_INODE_SYNC },	    { FS_DIRSYNC_FL, BTRFS_INODE_DIRSYNC },
	{ FS_COMPR_FL, BTRFS_INODE_COMPRESS },	    { FS_NOCOMP_FL, BTRFS_INODE_NOCOMPRESS },
	{ FS_NOCOW_FL, BTRFS_INODE_NODATACOW },
};

/* Words of BSD that Linux's libarchive gives no bit for, but that mean something it has. */
static uint32_t flags_of_words(const char *text)
{
	static const struct {
		const char *word;
		uint32_t inode;
	} words[] = {
		{ "uchg", BTRFS_INODE_IMMUTABLE },	 { "uchange", BTRFS_INODE_IMMUTABLE },
		{ "uimmutable", BTRFS_INODE_IMMUTABLE }, { "uappnd", BTRFS_INODE_APPEND },
		{ "uappend", BTRFS_INODE_APPEND },
	};
	uint32_t result = 0;
	size_t len;

	for (; *text; text += len + (text[len] != 0)) {
		len = strcspn(text, ", ");
		for (size_t i = 0; i < ARRAY_LEN(words); i++) {
			if (strlen(words[i].word) == len && !memcmp(words[i].word, text, len))
				result |= words[i].inode;
		}
	}
	return result;
}

uint32_t archive_flags_of(struct archive_entry *entry, bool *ret_lost)
{
	const char *text = archive_entry_fflags_text(entry);
	unsigned long set = 0, clear = 0;
	uint32_t result = text ? flags_of_words(text) : 0;

	archive_entry_fflags(entry, &set, &clear);
	/* Words that this system's libarchive does not know leave no bit. */
	*ret_lost = text && *text && !set && !clear && !result;
	for (size_t i = 0; i < ARRAY_LEN(both_flags); i++) {
		if (set & both_flags[i].fs)
			result |= both_flags[i].inode;
		set &= ~both_flags[i].fs;
	}
	*ret_lost |= set != 0;
	return result;
}

unsigned long archive_flags_from(uint64_t inode_flags)
{
	unsigned long set = 0;

	for (size_t i = 0; i < ARRAY_LEN(both_flags); i++)
		if (inode_flags & both_flags[i].inode)
			set |= both_flags[i].fs;
	return set;
}
