/*
 * What the folder codec offers: bytes in, bytes out, through libraries. It knows nothing of blocks,
 * trees or files.
 *
 *   csum_algo   crc32c, xxhash64, sha256, blake2b as stored; the bare crc32c
 *   name_hash   the hashes in keys
 *   parity      giving back lost columns of RAID5 and RAID6
 *   compress    zlib, lzo, zstd: one front over zlib_codec, lzo_codec, zstd_codec
 *
 * Everything is safe from any thread, a compress_workspace from one at a time. Equal input gives
 * equal output on every host: no codec is used whose output depends on the CPU.
 */
#ifndef UBTRFS_CODEC_CODEC_H
#define UBTRFS_CODEC_CODEC_H

#include "codec/compress.h"
#include "codec/csum_algo.h"
#include "codec/name_hash.h"
#include "codec/parity.h"

#endif
