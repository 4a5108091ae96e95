/* Archives for tests; see temp_archive.h. */
#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "temp_archive.h"

void temp_archive(const char *file, int format, const struct temp_entry *entries, size_t nr_entries)
{
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();

	assert(archive_write_set_format(archive, format) == ARCHIVE_OK);
	assert(archive_write_open_filename(archive, file) == ARCHIVE_OK);
	for (size_t i = 0; i < nr_entries; i++) {
		const struct temp_entry *from = &entries[i];
		size_t len = from->data ? strlen(from->data) : 0;

		archive_entry_clear(entry);
		archive_entry_set_pathname(entry, from->path);
		archive_entry_set_mode(entry, from->mode ? from->mode : S_IFREG | 0644);
		archive_entry_set_uid(entry, 1000);
		archive_entry_set_gid(entry, 1001);
		archive_entry_set_mtime(entry, from->mtime, 0);
		archive_entry_set_size(entry, len);
		if (S_ISLNK(from->mode))
			archive_entry_set_symlink(entry, from->link);
		else if (from->link)
			archive_entry_set_hardlink(entry, from->link);
		assert(archive_write_header(archive, entry) >= ARCHIVE_WARN);
		assert(archive_write_data(archive, from->data, len) == (ssize_t)len);
	}
	archive_entry_free(entry);
	assert(archive_write_free(archive) == ARCHIVE_OK);
}
