/*
 * What the files of export share.
 */
#ifndef UBTRFS_TRANSFER_EXPORT_PRIV_H
#define UBTRFS_TRANSFER_EXPORT_PRIV_H

#include <archive.h>
#include <archive_entry.h>

#include "base/hash.h"
#include "transfer/export.h"
#include "transfer/walk.h"

/* A stretch of data in a file. */
struct data_range {
	uint64_t start, end;
};

struct export
{
	const struct export_options *options;
	struct archive *archive;
	struct archive_entry *entry;
	struct hash_table links; /* nodes with several names -> the first */
	uint8_t *zeroes;	 /* EXPORT_ZERO_BYTES; export_map_zeroes */
	/* Of the file being written, when it has holes; owned. */
	struct data_range *ranges;
	size_t nr_ranges, range_capacity;
	bool has_holes; /* and the entry says where */
	bool told_lost; /* that the format does not keep xattrs */
};

/* Addresses, not memory: a hole of 16 TiB is not many calls, pax does not look at what is in it. */
#define EXPORT_ZERO_BYTES (((size_t)1 << 31) - ((size_t)1 << 20))

/* The archive is broken: libarchive says why. */
int export_broken(struct export *export) must_check;

/* ---- export_entry.c ---- */

/* Fills export->entry with everything but links and holes. */
void export_fill_entry(struct export *export, const struct walk_entry *from, const char *name);

/* ---- export_data.c ---- */

int export_map_zeroes(struct export *export) must_check;
void export_unmap_zeroes(struct export *export);
/* Finds the holes of a file and notes them in the entry. */
int export_find_holes(struct export *export, const struct walk_entry *from) must_check;
/*
 * Writes the contents. What cannot be read is zeroes in the archive, and told: only a broken archive
 * is an error.
 */
int export_write_data(struct export *export, const struct walk_entry *from) must_check;

#endif
