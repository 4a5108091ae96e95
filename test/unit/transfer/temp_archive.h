/* Archives for tests: a list of entries written by libarchive. */
#ifndef TEST_TEMP_ARCHIVE_H
#define TEST_TEMP_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct temp_entry {
	const char *path;
	mode_t mode;	  /* with type; 0 with a link: a hard link */
	const char *data; /* of a file */
	const char *link; /* target of a symlink or a hard link */
	int64_t mtime;
};

/* ARCHIVE_FORMAT_*; asserts. */
void temp_archive(const char *file, int format, const struct temp_entry *entries,
		  size_t nr_entries);

#endif
