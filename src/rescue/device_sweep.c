/*
 * All tree blocks on one device, by physical address: what is left when nothing says where they are.
 *
 * Reads the whole device in order, in pieces. A block counts when its checksum is right and its
 * contents pass; where it says that it lives (its logical address) is not looked at. Owns nothing.
 */
#include "rescue/rescue_priv.h"

#define SWEEP_PIECE_BYTES ((size_t)4 << 20)

static bool sweep_hit(const struct sweep *sweep, const uint8_t *block)
{
	if (node_level(block) >= BTRFS_MAX_LEVEL ||
	    memcmp(header_fsid(block), sweep->fsid, BTRFS_FSID_SIZE) != 0)
		return false;
	if (!is_aligned(header_bytenr(block), sweep->geometry.sectorsize))
		return false;
	return node_csum_ok(&sweep->geometry, block) &&
	       validate_node(&sweep->geometry, block, header_bytenr(block)) == 0;
}

static int sweep_piece(const struct sweep *sweep, struct device *device, uint64_t at,
		       const uint8_t *data, size_t len, size_t have)
{
	size_t pos = 0;

	while (pos < len && have - pos >= sweep->geometry.nodesize) {
		if (!sweep_hit(sweep, data + pos)) {
			pos += sweep->geometry.sectorsize;
			continue;
		}
		TRY(sweep->visit(sweep->ctx, device, at + pos, data + pos));
		pos += sweep->geometry.nodesize;
	}
	return 0;
}

int device_sweep(const struct sweep *sweep, struct device *device)
{
	SCOPED_MEM uint8_t *data = mem_alloc(SWEEP_PIECE_BYTES + sweep->geometry.nodesize);

	if (!data)
		return MEM_FAIL("reading a device");
	for (uint64_t at = 0; at < device->size_bytes; at += SWEEP_PIECE_BYTES) {
		size_t len = MIN(SWEEP_PIECE_BYTES, device->size_bytes - at);
		size_t have = MIN(len + sweep->geometry.nodesize, device->size_bytes - at);

		/* What cannot be read is passed over, a piece at a time. */
		if (device_read(device, PHYS(at), data, have) == 0)
			TRY(sweep_piece(sweep, device, at, data, len, have));
	}
	return 0;
}

/* ---- without a superblock ---- */

/* Worth the checksums: a header that nothing but a tree block has. */
static bool header_plausible(const uint8_t *block)
{
	uint64_t flags = header_flags(block);

	return flags >> BTRFS_BACKREF_REV_SHIFT == BTRFS_MIXED_BACKREF_REV &&
	       (flags & BTRFS_HEADER_FLAG_WRITTEN) &&
	       !(flags &
		 ~(BTRFS_BACKREF_REV_MASK | BTRFS_HEADER_FLAG_WRITTEN | BTRFS_HEADER_FLAG_RELOC)) &&
	       header_bytenr(block) && is_aligned(header_bytenr(block), BTRFS_MIN_BLOCKSIZE) &&
	       node_level(block) < BTRFS_MAX_LEVEL && node_nritems(block) &&
	       node_nritems(block) < BTRFS_MAX_METADATA_BLOCKSIZE / ITEM_SIZE;
}

static bool guess_block(const uint8_t *block, size_t have, struct geometry *ret_geometry)
{
	struct geometry geometry = { .sectorsize = BTRFS_MIN_BLOCKSIZE };

	for (unsigned type = 0; type < CSUM_TYPES; type++) {
		geometry.csum_type = (enum csum_type)type;
		geometry.csum_size = csum_size(geometry.csum_type);
		for (geometry.nodesize = BTRFS_MIN_BLOCKSIZE;
		     geometry.nodesize <= BTRFS_MAX_METADATA_BLOCKSIZE; geometry.nodesize *= 2) {
			if (have < geometry.nodesize || !node_csum_ok(&geometry, block))
				continue;
			*ret_geometry = geometry;
			return true;
		}
	}
	return false;
}

int device_guess(struct device *device, struct geometry *ret_geometry, uint8_t ret_fsid[16])
{
	size_t piece = SWEEP_PIECE_BYTES;
	SCOPED_MEM uint8_t *data = mem_alloc(piece + BTRFS_MAX_METADATA_BLOCKSIZE);

	if (!data)
		return MEM_FAIL("reading a device");
	for (uint64_t at = 0; at < device->size_bytes; at += piece) {
		size_t len = MIN(piece, device->size_bytes - at);
		size_t have = MIN(len + BTRFS_MAX_METADATA_BLOCKSIZE, device->size_bytes - at);

		if (device_read(device, PHYS(at), data, have) < 0)
			continue;
		for (size_t pos = 0; pos + BTRFS_MIN_BLOCKSIZE <= len; pos += BTRFS_MIN_BLOCKSIZE) {
			if (!header_plausible(data + pos) ||
			    !guess_block(data + pos, have - pos, ret_geometry))
				continue;
			memcpy(ret_fsid, header_fsid(data + pos), BTRFS_FSID_SIZE);
			return 0;
		}
	}
	return THROW(ERR_NOT_FOUND, "%s holds no superblock and no tree block of btrfs",
		     device->name);
}
