/*
 * For the tests of the public API: a filesystem in a file of its own directory, made, reopened,
 * judged by `btrfs check`.
 *
 * A call that must succeed is wrapped in OK(): a failure shows its sentence. Contents come from a
 * seed, so that nobody has to keep them.
 */
#ifndef UBTRFS_TEST_FS_FIXTURE_H
#define UBTRFS_TEST_FS_FIXTURE_H

#include "base/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <ubtrfs/admin.h>
#include <ubtrfs/file.h>
#include <ubtrfs/mkfs.h>
#include <ubtrfs/subvolume.h>

#include "base/bytes.h"

struct fs_fixture {
	char dir[128];
	char path[192];
	const char *devices[1];
	struct ubtrfs_mkfs_options mkfs;
	struct ubtrfs_open_options how;
	struct ubtrfs_time now;
	struct ubtrfs *fs;
	struct ubtrfs_node top;
};

#define OK(call)                                                                    \
	do {                                                                        \
		int ok_ret = (call);                                                \
		if (ok_ret < 0)                                                     \
			fail_msg("%s: %d, %s", #call, ok_ret, ubtrfs_error_text()); \
	} while (0)
#define FAILS(expected, call)                                                                \
	do {                                                                                 \
		int fails_ret = (call);                                                      \
		if (fails_ret != -(expected))                                                \
			fail_msg("%s: %d instead of %d (%s)", #call, fails_ret, -(expected), \
				 ubtrfs_error_text());                                       \
	} while (0)

/*
 * Defaults: a growing image, reproducible, one thread. The caller may change mkfs and how before
 * fixture_make.
 */
void fixture_init(struct fs_fixture *fx);
/* mkfs_open. */
void fixture_make(struct fs_fixture *fx);
/* mkfs_finish. */
void fixture_finish(struct fs_fixture *fx);
/* Both, and opened for writing. */
void fixture_make_open(struct fs_fixture *fx);
/* All of that with 256 MiB; change, if there is one, has its say before the opening. */
void fixture_fresh_with(struct fs_fixture *fx, void (*change)(struct fs_fixture *fx));
void fixture_fresh(struct fs_fixture *fx);
void fixture_open(struct fs_fixture *fx, bool writable);
void fixture_close(struct fs_fixture *fx);
/* Gives up what is open, removes the files. */
void fixture_fini(struct fs_fixture *fx);
/*
 * `btrfs check --check-data-csum` finds nothing; its output is shown otherwise. The image is
 * closed.
 */
void fixture_check(struct fs_fixture *fx);
/* The same as an answer: 0 when clean. ret_output: malloced text. */
int fixture_judge(const char *path, char **ret_output);
/* Close, check, open. */
void fixture_reopen(struct fs_fixture *fx, bool writable);
/* Close, check, remove. */
void fixture_done(struct fs_fixture *fx);

struct ubtrfs_node fixture_create(struct fs_fixture *fx, struct ubtrfs_node dir, const char *name,
				  uint32_t mode);
struct ubtrfs_node fixture_file(struct fs_fixture *fx, const char *name);
struct ubtrfs_node fixture_file_with_flags(struct fs_fixture *fx, const char *name, uint64_t flags);
struct ubtrfs_node fixture_lookup(struct fs_fixture *fx, struct ubtrfs_node dir, const char *name);
struct ubtrfs_attr fixture_attr(struct fs_fixture *fx, struct ubtrfs_node node);
void fixture_truncate(struct fs_fixture *fx, struct ubtrfs_node node, uint64_t size);

/* The extents of a file, committed. */
struct piece_list {
	struct ubtrfs_piece pieces[64];
	unsigned nr;
};
struct piece_list fixture_pieces(struct fs_fixture *fx, struct ubtrfs_node node);

/* What a file should hold, in memory. */
struct content {
	uint8_t *data;
	uint64_t len, capacity;
};
void content_free(struct content *content);
/* Half compressible bytes of a seed, written to both. */
void content_write(struct fs_fixture *fx, struct ubtrfs_node node, struct content *content,
		   uint64_t offset, uint64_t len, uint64_t seed);
void content_truncate(struct fs_fixture *fx, struct ubtrfs_node node, struct content *content,
		      uint64_t size);
/* In memory only. */
void content_put(struct content *content, uint64_t offset, uint64_t len, uint64_t seed);
void content_resize(struct content *content, uint64_t size);
/* Fills a buffer as content_write does at this offset of the file. */
void content_bytes(uint64_t seed, uint64_t offset, void *data, size_t len);
/* The file holds exactly this, read in one piece. */
void content_compare(struct fs_fixture *fx, struct ubtrfs_node node, const struct content *content);

#endif
