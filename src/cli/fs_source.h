/*
 * Where the facts about a filesystem come from: the library, when it is an image, or the control
 * channel, when it is mounted by us. The functions are those of <ubtrfs/admin.h> and
 * <ubtrfs/ubtrfs.h>.
 */
#ifndef UBTRFS_CLI_FS_SOURCE_H
#define UBTRFS_CLI_FS_SOURCE_H

#include <ubtrfs/admin.h>

#include "cli/control_client.h"
#include "cli/image_path.h"

struct fs_source {
	struct ubtrfs *fs;	 /* borrowed from the view; NULL: the channel is asked */
	struct image_view *view; /* with fs */
	struct control_client *channel;
};

/*
 * An argument: an image (IMAGE, IMAGE:/PATH), which is opened in the view as its options say, or a
 * directory in a mount of ours. 0, or 1 with a message. Closed by fs_source_close in every case.
 */
int fs_source_open(struct image_view *view, const char *argument,
		   struct fs_source *source) must_check;
void fs_source_close(struct fs_source *source);

int fs_source_info(struct fs_source *source, struct ubtrfs_info *ret_info) must_check;
int fs_source_available(struct fs_source *source, uint64_t *ret_bytes) must_check;
int fs_source_used(struct fs_source *source, uint64_t *ret_bytes) must_check;
int fs_source_space_each(struct fs_source *source,
			 int (*visit)(void *ctx, const struct ubtrfs_space *space),
			 void *ctx) must_check;
int fs_source_device_each(struct fs_source *source,
			  int (*visit)(void *ctx, const struct ubtrfs_device *device),
			  void *ctx) must_check;
int fs_source_chunk_each(struct fs_source *source,
			 int (*visit)(void *ctx, const struct ubtrfs_chunk *chunk),
			 void *ctx) must_check;
/* Durable afterwards; in the shell what it does waits for the commit. */
int fs_source_set_label(struct fs_source *source, const char *label) must_check;
int fs_source_sync(struct fs_source *source) must_check;

#endif
