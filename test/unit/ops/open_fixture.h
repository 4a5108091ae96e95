/*
 * For the tests of opening: a filesystem on several files, opened again and again, what was told in
 * between, and hands that break superblocks.
 */
#ifndef UBTRFS_TEST_OPEN_FIXTURE_H
#define UBTRFS_TEST_OPEN_FIXTURE_H

#include "fs_fixture.h"

#define MAX_DEVICES 4u
#define DEVICE_BYTES (256 * MIB)
#define TOLD_MAX 2048

struct open_fs {
	struct fs_fixture fx;
	char paths[MAX_DEVICES][200];
	const char *devices[MAX_DEVICES];
	unsigned nr_devices;
	struct content content;
	char told[TOLD_MAX]; /* all warnings of the last opening */
};

void open_fs_make_how(struct open_fs *ofs, const char *profile, unsigned nr_devices,
		      uint32_t sectorsize, const char *features);
void open_fs_make(struct open_fs *ofs, const char *profile, unsigned nr_devices);
void open_fs_fini(struct open_fs *ofs);
/* Opens for reading; everything that is expected is there. text: a warning, NULL: none at all. */
void reads(struct open_fs *ofs, const char *text);
void refused(struct open_fs *ofs, bool writable, int expected, const char *text);
void write_refused(struct open_fs *ofs, int expected, const char *text);
void writes(struct open_fs *ofs, const char *name);
void bytes_at(const char *path, bool writing, uint64_t at, void *data, size_t len);
void noise(const char *path, uint64_t at, size_t len);
/* Changes one copy of a superblock; the checksum is right afterwards. */
void super_change(const char *path, int copy, void (*change)(uint8_t *super, uint64_t value),
		  uint64_t value);
void supers_change(struct open_fs *ofs, void (*change)(uint8_t *super, uint64_t value),
		   uint64_t value);

#endif
