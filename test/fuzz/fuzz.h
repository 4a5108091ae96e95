/*
 * Fuzz targets: each takes any bytes, makes of them one structure with a good checksum, and hands
 * it to those who read that structure. What they say is of no interest; that they say it is.
 *
 * A file with FUZZ_TARGET(x) is a program of libFuzzer's (`make fuzz`) and, in the other builds, a
 * function that fuzz_replay_test calls with each file of corpus/x.
 */
#ifndef UBTRFS_TEST_FUZZ_H
#define UBTRFS_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#ifdef UBTRFS_FUZZ
#define FUZZ_TARGET(name)                                          \
	int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len); \
	int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
#else
#define FUZZ_TARGET(name) int fuzz_##name(const uint8_t *in, size_t len)
int fuzz_super(const uint8_t *in, size_t len);
int fuzz_leaf(const uint8_t *in, size_t len);
int fuzz_chunk(const uint8_t *in, size_t len);
int fuzz_extent(const uint8_t *in, size_t len);
int fuzz_stream(const uint8_t *in, size_t len);
int fuzz_xattr(const uint8_t *in, size_t len);
int fuzz_fuse(const uint8_t *in, size_t len);
int fuzz_control(const uint8_t *in, size_t len);
int fuzz_text(const uint8_t *in, size_t len);
#endif

struct image;

/*
 * fuzz_image.c: a small filesystem of our own, made once, whose subvolume tree is one leaf (the
 * first block of it that image_block_at finds at *ret_leaf).
 */
struct image *fuzz_image(uint64_t *ret_leaf);

#endif
