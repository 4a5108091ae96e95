/*
 * 04 volume: many devices as one logical address space.
 *
 * Owns the set of devices and the map from logical ranges (chunks) to stripes on devices. Reads
 * pick a mirror, writes go to all mirrors. It knows no checksums: who reads verifies, and asks for
 * another mirror. Chunks are added and removed by the layers above; a range in use must stay
 * mapped. Locks: RANK_CHUNK_MAP (map; readers-writer), RANK_DEVICE_SET.
 *
 * A mirror is one way to get a byte, counted from 1 to volume_nr_mirrors:
 *   single, RAID0        1
 *   DUP, RAID1*, RAID10  1..copies: the copies, in the order of the chunk's stripes
 *   RAID5                1 the data stripe; 2 rebuilt from P and the rest of the row
 *   RAID6                1 the data stripe; 2 rebuilt without Q; 3 rebuilt without P; 3 + k rebuilt
 *                        from P and Q without the k-th other data stripe (k = 1, 2, ...)
 * So for every pair of devices of RAID6 one mirror reads neither. A range over several stripes
 * means another pair in each: who looks for good bytes does so by pieces of 64 KiB or less.
 * Mirror 0 is any: a mirror whose devices are all there, missed no commit, and gave nothing wrong
 * lately. A device is passed over for a while when a read of it failed or volume_blame says that its bytes were wrong;
 * the while doubles with each time (VOLUME_AVOID_*), and shrinks again with reads that are good.
 */
#ifndef UBTRFS_VOLUME_VOLUME_H
#define UBTRFS_VOLUME_VOLUME_H

#include <stdatomic.h>

#include "base/lock.h"
#include "base/rbtree.h"
#include "device/device.h"

#define VOLUME_STRIPE_LEN 65536u
#define VOLUME_MAX_DEVICES 1024u
/* Reads that pass a device over after it gave something wrong: the first time, and at most. */
#define VOLUME_AVOID_FIRST 16u
#define VOLUME_AVOID_MAX 65536u

struct volume_device {
	uint64_t devid;
	uint8_t uuid[16];
	struct device *device; /* owned; NULL when missing */
	uint64_t total_bytes;  /* as in DEV_ITEM: what btrfs may use */
	uint64_t used_bytes; /* sum of the lengths of its device extents: kept by chunk_map_add/remove */
	uint32_t sector_bytes; /* io_align etc. of DEV_ITEM */
	uint8_t fsid[16];      /* of the seed filesystem that it belongs to, if is_seed */
	bool is_seed;	       /* read only; its tree blocks carry the fsid above */
	bool is_stale;	       /* missed commits: what has no checksum may be wrong there */
	/* private to volume/ */
	_Atomic uint32_t avoid_left; /* reads that still pass it over */
	_Atomic uint32_t avoid_span; /* how many it was the last time, less the good ones since */
};

struct stripe {
	uint64_t devid;
	struct phys at;
	uint8_t dev_uuid[16];
};

/* One chunk in RAM. Immutable once added, except by chunk_map_trim. */
struct chunk {
	struct rb_node node; /* by logical */
	uint64_t logical;
	uint64_t len_bytes;
	uint64_t flags; /* BTRFS_BLOCK_GROUP_* type and profile; 0 profile = single */
	uint16_t nr_stripes;
	uint16_t sub_stripes; /* 2 for raid10, else 1 (0 is written for old ones) */
	/* private to volume/: of each stripe, once it was looked up; entries live as long as chunks */
	struct volume_device *_Atomic *devices;
	struct stripe stripes[];
};

struct volume;

int volume_new(struct volume **ret_volume) must_check;
/* Closes all devices. */
void volume_free(struct volume *volume);

/*
 * Takes over device on success; NULL for one that is known but missing. ERR_EXISTS when the
 * devid is there.
 */
int volume_add_device(struct volume *volume, uint64_t devid, const uint8_t uuid[16],
		      struct device *device, uint64_t total_bytes) must_check;
unsigned volume_nr_devices(const struct volume *volume);
/* In order of devid; borrowed. NULL past the end. */
struct volume_device *volume_device_at(struct volume *volume, unsigned index);
struct volume_device *volume_device_find(struct volume *volume, uint64_t devid);
/* This device belongs to a seed filesystem. ERR_NOT_FOUND without such a device. */
int volume_set_seed(struct volume *volume, uint64_t devid, const uint8_t fsid[16]) must_check;
/* This device missed commits: it is asked last, before what is missing. Before the first read. */
int volume_set_stale(struct volume *volume, uint64_t devid) must_check;
/* Is it the fsid of one of the seed devices? */
bool volume_has_seed(struct volume *volume, const uint8_t fsid[16]);
/*
 * Can all of it be written? ERR_UNSUPPORTED names the first thing in the way: a missing device, a
 * chunk of RAID5 or RAID6, a stripe tree. Ask when all chunks are there. (Seeds are not written, and
 * need not be: block groups on them are for reading.)
 */
int volume_check_writable(struct volume *volume) must_check;

/* Chunks. The map copies what it is given. Overlap: ERR_EXISTS. Bad geometry: ERR_CORRUPT. */
struct chunk_spec {
	uint64_t logical, len_bytes, flags;
	uint16_t nr_stripes, sub_stripes;
	const struct stripe *stripes;
};
int chunk_map_add(struct volume *volume, const struct chunk_spec *spec) must_check;
int chunk_map_remove(struct volume *volume, uint64_t logical) must_check;
/*
 * Shortens a chunk to len_bytes (a multiple of what one row of its profile holds); nothing
 * behind it may be in use.
 */
int chunk_map_trim(struct volume *volume, uint64_t logical, uint64_t len_bytes) must_check;
/* The chunk that holds the address, or NULL; borrowed, valid until removed. */
const struct chunk *chunk_map_find(struct volume *volume, uint64_t logical);
/* First chunk starting at or after logical, or NULL. */
const struct chunk *chunk_map_next(struct volume *volume, uint64_t logical);
/* Length of each device extent of a chunk of this profile (what one stripe takes on its device). */
uint64_t chunk_stripe_bytes(const struct chunk *chunk);

/* What a profile means. */
struct profile {
	uint64_t flag;			   /* BTRFS_BLOCK_GROUP_*; 0 single */
	const char *name;		   /* "single", "DUP", "RAID0", ... as btrfs-progs prints */
	unsigned min_devices, max_devices; /* max 0 = any number */
	unsigned increment;  /* a chunk has a multiple of this many stripes (per_device aside) */
	unsigned copies;     /* mirrors of each byte */
	unsigned per_device; /* stripes on one device (dup 2) */
	unsigned sub_stripes;
	unsigned tolerated; /* devices that may fail */
	unsigned parity;    /* stripes of a row that hold no data */
	bool striped;	    /* units of 64 KiB go round the stripes */
};
/* NULL for more than one profile. */
const struct profile *profile_of(uint64_t flags);
const struct profile *profile_by_name(const char *name); /* case-insensitive */

/*
 * A map beside the chunks: the stripe tree. It says where the mirrors of data lie in chunks of the
 * profiles DUP, RAID0, RAID1* and RAID10; other chunks never ask (metadata must not: finding an
 * entry reads metadata). Implemented by a layer above.
 */
#define VOLUME_MAX_STRIDES 16u
struct map_extent {
	uint64_t logical, len_bytes;
	unsigned nr_strides;
	struct map_stride {
		uint64_t devid;
		struct phys at; /* of the byte at logical */
	} strides[VOLUME_MAX_STRIDES];
};
struct map_ops {
	/* The entry that holds the address. ERR_NO_MAPPING names what is not mapped. Called without
	 * a lock of volume/. */
	int (*find)(void *ctx, uint64_t logical, struct map_extent *ret_extent);
};
/* Before the first read; NULL for none. Such a volume is for reading only. */
void volume_set_map_ops(struct volume *volume, const struct map_ops *ops, void *ctx);

/* Number of mirrors of the byte at this address; 0 when unmapped, at most VOLUME_MAX_DEVICES. */
unsigned volume_nr_mirrors(struct volume *volume, uint64_t logical);
/*
 * mirror 1..n; 0 = any. All of len or an error; crosses stripes and chunks as needed. ERR_NO_MIRROR
 * when a device is missing, also when no mirror can be read.
 */
int volume_read(struct volume *volume, uint64_t logical, void *data, size_t len,
		unsigned mirror) must_check;
/*
 * Any mirror of this address gave wrong bytes, good_mirror gives right ones: the device at fault is
 * passed over for a while. Cheap; a matter of speed only.
 */
void volume_blame(struct volume *volume, uint64_t logical, unsigned good_mirror);
/*
 * To all mirrors; a missing device is ERR_DEVICE_IO, parity and a stripe tree are ERR_UNSUPPORTED.
 * May have written some of it when it fails.
 */
int volume_write(struct volume *volume, uint64_t logical, const void *data, size_t len) must_check;
int volume_writev(struct volume *volume, uint64_t logical, const struct iovec *parts,
		  int nr_parts) must_check;
/*
 * How many writes at once are of use, of the devices that are here: one for each when a host writes
 * one after the other to any of them; 0: any number.
 */
unsigned volume_nr_writers(struct volume *volume);
/*
 * Lets all mirrors of the range share the blocks of an open file from `from` on; whole sectors.
 * ERR_UNSUPPORTED.
 */
int volume_clone(struct volume *volume, uint64_t logical, int from_fd, uint64_t from,
		 uint64_t len) must_check;
int volume_flush(struct volume *volume) must_check;
/*
 * Maps one logical byte of one mirror that lies on a device (not one that is rebuilt): for tests and
 * dumps, and for who writes past the volume. 0 means 1.
 */
int volume_map(struct volume *volume, uint64_t logical, unsigned mirror, uint64_t *ret_devid,
	       struct phys *ret_at) must_check;
/* The logical ranges whose bytes lie on a superblock copy of any device, clipped to the chunk,
 * whole stripes (64 KiB): no data may be put there. Also what lies below logical 64 KiB. Calls
 * visit for each, ascending and apart. */
int volume_super_ranges(struct volume *volume, const struct chunk *chunk,
			int (*visit)(void *ctx, uint64_t logical, uint64_t len_bytes),
			void *ctx) must_check;

/*
 * Superblock I/O (super_io.c). copy 0..2; the buffer has 4096 bytes. Reading verifies magic,
 * bytenr and checksum.
 */
int super_read(struct device *device, unsigned copy, uint8_t *ret_super) must_check;
/* The same for one that carries another magic: a filesystem that mkfs is still populating. */
int super_read_magic(struct device *device, unsigned copy, uint64_t magic,
		     uint8_t *ret_super) must_check;
/*
 * Writes copies of a superblock to one device; bytenr and checksum are filled in; only copies
 * that fit below total_bytes of it.
 */
int super_write(struct device *device, const uint8_t *super, uint64_t total_bytes) must_check;

#endif
