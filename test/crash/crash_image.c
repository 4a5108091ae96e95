/* Crash states out of a recording; see crash_image.h. */
#include "crash_image.h"

#include "ops/fs_fixture.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

void crash_copy_image(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;
	off_t at = 0;

	assert_true(in >= 0 && out >= 0 && fstat(in, &st) == 0 && ftruncate(out, st.st_size) == 0);
	while ((at = lseek(in, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(in, at, SEEK_HOLE);

		assert_true(lseek(out, at, SEEK_SET) == at);
		while (at < end)
			assert_true(sendfile(out, in, &at, (size_t)(end - at)) > 0);
	}
	close(in);
	close(out);
}

static void entry_apply(const struct device_record_entry *entry, struct device *target)
{
	if (entry->kind == RECORD_WRITE)
		OK(device_write(target, entry->at, entry->data, entry->len));
}

void crash_apply_prefix(struct device *record, const char *path, size_t *done, size_t nr)
{
	struct device *target;

	OK(device_file_open(path, DEVICE_WRITE, &target));
	for (; *done < nr; ++*done)
		entry_apply(device_record_at(record, *done), target);
	device_free(target);
}

size_t crash_apply_some(struct device *record, const char *base, const char *path, size_t nr,
			struct rng *rng)
{
	struct device *target;
	size_t flushed = nr;

	while (flushed && device_record_at(record, flushed - 1)->kind != RECORD_FLUSH)
		flushed--;
	crash_copy_image(base, path);
	OK(device_file_open(path, DEVICE_WRITE, &target));
	for (size_t i = 0; i < nr; i++)
		if (i < flushed || rng_one_in(rng, 2))
			entry_apply(device_record_at(record, i), target);
	device_free(target);
	return flushed;
}
