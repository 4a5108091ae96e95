/*
 * The same calls on files of a directory, by system calls: what a kernel's filesystem answers to them.
 */
#ifndef UBTRFS_TEST_RANGE_MIRROR_H
#define UBTRFS_TEST_RANGE_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define MIRROR_FILES 8u

struct range_mirror {
	const char *dir; /* NULL: there is none, and every call answers with `same` */
	int fds[MIRROR_FILES];
};

/* Makes file0, file1, ... new; nodatacow tells which get chattr +C. */
void mirror_open(struct range_mirror *mirror, const char *dir, unsigned nr_files,
		 const bool *nodatacow);
void mirror_close(struct range_mirror *mirror);

/* 0 or a negative errno. */
int mirror_write(struct range_mirror *mirror, unsigned file, uint64_t offset, const void *data,
		 size_t len);
int mirror_truncate(struct range_mirror *mirror, unsigned file, uint64_t size);
int mirror_fallocate(struct range_mirror *mirror, unsigned file, unsigned mode, uint64_t offset,
		     uint64_t len);
int mirror_clone(struct range_mirror *mirror, unsigned src, uint64_t src_offset, unsigned dst,
		 uint64_t dst_offset, uint64_t len);
int mirror_dedupe(struct range_mirror *mirror, unsigned src, uint64_t src_offset, unsigned dst,
		  uint64_t dst_offset, uint64_t len, bool *ret_same);
bool mirror_holds(struct range_mirror *mirror, unsigned file, const void *data, size_t len);
/* Behind an fsync. */
void mirror_stat(struct range_mirror *mirror, unsigned file, struct stat *ret_stat);
/* SEEK_DATA or SEEK_HOLE; -ENXIO. */
int mirror_seek(struct range_mirror *mirror, unsigned file, uint64_t offset, int whence,
		uint64_t *ret_offset);

#endif
