/*
 * Makes, opens and breaks what open_fixture.h says. Every failed call shows its sentence.
 */
#include "open_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "format/superblock.h"
#include "ops/ops.h"

static void tell(void *ctx, const char *sentence)
{
	struct open_fs *ofs = ctx;
	size_t len = strlen(ofs->told);

	snprintf(ofs->told + len, sizeof(ofs->told) - len, "%s\n", sentence);
}

void open_fs_make_how(struct open_fs *ofs, const char *profile, unsigned nr_devices,
		      uint32_t sectorsize, const char *features)
{
	struct fs_fixture *fx = &ofs->fx;

	memset(ofs, 0, sizeof(*ofs));
	ofs->nr_devices = nr_devices;
	fixture_init(fx);
	for (unsigned i = 0; i < nr_devices; i++) {
		snprintf(ofs->paths[i], sizeof(ofs->paths[i]), "%s/device%u", fx->dir, i + 1);
		ofs->devices[i] = ofs->paths[i];
	}
	fx->mkfs.devices = fx->how.devices = ofs->devices;
	fx->mkfs.nr_devices = fx->how.nr_devices = nr_devices;
	fx->mkfs.byte_count = DEVICE_BYTES;
	fx->mkfs.data_profile = fx->mkfs.metadata_profile = profile;
	fx->mkfs.sectorsize = sectorsize;
	fx->mkfs.features = features;
	fx->how.warn = tell;
	fx->how.warn_ctx = ofs;
	fixture_make(fx);
	content_write(fx, fixture_file(fx, "file"), &ofs->content, 0, 300000, 1);
	fixture_finish(fx);
}

void open_fs_make(struct open_fs *ofs, const char *profile, unsigned nr_devices)
{
	open_fs_make_how(ofs, profile, nr_devices, 0, NULL);
}

void open_fs_fini(struct open_fs *ofs)
{
	ubtrfs_abandon(ofs->fx.fs);
	ofs->fx.fs = NULL;
	for (unsigned i = 0; i < MAX_DEVICES; i++)
		if (ofs->paths[i][0])
			unlink(ofs->paths[i]);
	content_free(&ofs->content);
	fixture_fini(&ofs->fx);
}

void reads(struct open_fs *ofs, const char *text)
{
	ofs->told[0] = '\0';
	fixture_open(&ofs->fx, false);
	ofs->fx.top = ubtrfs_top(ofs->fx.fs);
	content_compare(&ofs->fx, fixture_lookup(&ofs->fx, ofs->fx.top, "file"), &ofs->content);
	ubtrfs_abandon(ofs->fx.fs);
	ofs->fx.fs = NULL;
	if (text ? !strstr(ofs->told, text) : ofs->told[0] != '\0')
		fail_msg("expected to be told '%s', not '%s'", text ? text : "nothing", ofs->told);
}

void refused(struct open_fs *ofs, bool writable, int expected, const char *text)
{
	int ret;

	ofs->told[0] = '\0';
	ofs->fx.how.writable = writable;
	ret = ubtrfs_open(&ofs->fx.how, &ofs->fx.fs);
	if (ret != -expected || !strstr(ubtrfs_error_text(), text))
		fail_msg("expected %d and '%s', not %d: %s", -expected, text, ret,
			 ret < 0 ? ubtrfs_error_text() : "");
}

void write_refused(struct open_fs *ofs, int expected, const char *text)
{
	refused(ofs, true, expected, text);
}

void writes(struct open_fs *ofs, const char *name)
{
	fixture_open(&ofs->fx, true);
	ofs->fx.top = ubtrfs_top(ofs->fx.fs);
	(void)fixture_create(&ofs->fx, ofs->fx.top, name, S_IFREG | 0644);
	fixture_close(&ofs->fx);
}

void bytes_at(const char *path, bool writing, uint64_t at, void *data, size_t len)
{
	int fd = open(path, writing ? O_WRONLY : O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(
		writing ? pwrite(fd, data, len, (off_t)at) : pread(fd, data, len, (off_t)at), len);
	close(fd);
}

void noise(const char *path, uint64_t at, size_t len)
{
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 37 + at / 4096 + 11);
	bytes_at(path, true, at, bytes, len);
	free(bytes);
}

void super_change(const char *path, int copy, void (*change)(uint8_t *super, uint64_t value),
		  uint64_t value)
{
	uint8_t super[SUPER_SIZE];

	bytes_at(path, false, super_mirror_offset(copy), super, SUPER_SIZE);
	change(super, value);
	super_csum_update(super);
	bytes_at(path, true, super_mirror_offset(copy), super, SUPER_SIZE);
}

void supers_change(struct open_fs *ofs, void (*change)(uint8_t *super, uint64_t value),
		   uint64_t value)
{
	for (unsigned i = 0; i < ofs->nr_devices; i++)
		for (int copy = 0; copy < 2; copy++)
			super_change(ofs->paths[i], copy, change, value);
}
