/*
 * Flags of inodes (FS_*_FL) in the letters and words of lsattr and chattr.
 */
#ifndef UBTRFS_CLI_FSFLAG_TEXT_H
#define UBTRFS_CLI_FSFLAG_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define FSFLAG_LETTERS 22
/* A letter or '-' for each flag, as lsattr prints them. */
const char *fsflags_letters(uint32_t flags, char text[FSFLAG_LETTERS + 1]);
/* "Immutable, No_Atime", "---" for none, to stdout. */
void fsflags_print_words(uint32_t flags);
/* The flag of a letter; 0: there is none. */
uint32_t fsflag_of_letter(char letter);

#endif
