/*
 * Flags of inodes in letters and words; the table of e2fsprogs' tools.
 */
#include "cli/fsflag_text.h"

#include <linux/fs.h>
#include <stdio.h>

#include "base/bytes.h"

static const struct {
	uint32_t flag;
	char letter;
	const char *word;
} table[FSFLAG_LETTERS] = {
	{ FS_SECRM_FL, 's', "Secure_Deletion" },
	{ FS_UNRM_FL, 'u', "Undelete" },
	{ FS_SYNC_FL, 'S', "Synchronous_Updates" },
	{ FS_DIRSYNC_FL, 'D', "Synchronous_Directory_Updates" },
	{ FS_IMMUTABLE_FL, 'i', "Immutable" },
	{ FS_APPEND_FL, 'a', "Append_Only" },
	{ FS_NODUMP_FL, 'd', "No_Dump" },
	{ FS_NOATIME_FL, 'A', "No_Atime" },
	{ FS_COMPR_FL, 'c', "Compression_Requested" },
	{ FS_ENCRYPT_FL, 'E', "Encrypted" },
	{ FS_JOURNAL_DATA_FL, 'j', "Journaled_Data" },
	{ FS_INDEX_FL, 'I', "Indexed_directory" },
	{ FS_NOTAIL_FL, 't', "No_Tailmerging" },
	{ FS_TOPDIR_FL, 'T', "Top_of_Directory_Hierarchies" },
	{ FS_EXTENT_FL, 'e', "Extents" },
	{ FS_NOCOW_FL, 'C', "No_COW" },
	{ FS_DAX_FL, 'x', "DAX" },
	{ FS_CASEFOLD_FL, 'F', "Casefold" },
	{ FS_INLINE_DATA_FL, 'N', "Inline_Data" },
	{ FS_PROJINHERIT_FL, 'P', "Project_Hierarchy" },
	{ FS_VERITY_FL, 'V', "Verity" },
	{ FS_NOCOMP_FL, 'm', "Dont_Compress" },
};

const char *fsflags_letters(uint32_t flags, char text[FSFLAG_LETTERS + 1])
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		text[i] = flags & table[i].flag ? table[i].letter : '-';
	text[FSFLAG_LETTERS] = '\0';
	return text;
}

void fsflags_print_words(uint32_t flags)
{
	const char *separator = "";

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (!(flags & table[i].flag))
			continue;
		printf("%s%s", separator, table[i].word);
		separator = ", ";
	}
	if (!*separator)
		fputs("---", stdout);
}

uint32_t fsflag_of_letter(char letter)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].letter == letter)
			return table[i].flag;
	return 0;
}
