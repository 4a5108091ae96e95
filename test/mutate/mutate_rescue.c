/*
 * A mutant as a damaged filesystem: its subvolumes, directories, contents and strays are read by
 * what restores. Bounded here by entries, depth and calls, like mutate_use.c.
 */
#include "mutate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRIES_MAX 300u
#define DEPTH_MAX 24u
#define CALLS_MAX 200u

struct saving {
	struct use *use;
	struct rescue_view *view;
	unsigned nr_entries, nr_calls, depth;
};

static void noted(struct saving *saving, int err, const char *call)
{
	if (err < 0)
		saving->use->failed(saving->use->ctx, err, call, ubtrfs_error_text());
}

/* ---- contents ---- */

static int take_data(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct saving *saving = ctx;
	const uint8_t *bytes = data;
	volatile uint8_t sum = 0;

	(void)offset;
	for (size_t i = 0; i < len; i += 512)
		sum ^= bytes[i];
	return ++saving->nr_calls > CALLS_MAX;
}

static int take_lost(void *ctx, uint64_t offset, uint64_t len, const char *why)
{
	struct saving *saving = ctx;

	(void)offset;
	(void)len;
	return !why[0] || ++saving->nr_calls > CALLS_MAX;
}

static int take_xattr(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	static uint8_t copy[70000];

	(void)ctx;
	if (name_len + len <= sizeof(copy)) {
		memcpy(copy, name, name_len);
		memcpy(copy + name_len, value, len);
	}
	return 0;
}

static void take_node(struct saving *saving, struct ubtrfs_node node, uint32_t *ret_mode)
{
	const struct ubtrfs_rescue_sink sink = { .data = take_data,
						 .lost = take_lost,
						 .ctx = saving };
	struct ubtrfs_attr attr;
	char target[4096];
	unsigned state;
	uint64_t len_bytes;
	size_t len;
	int err = salvage_getattr(saving->view, node, &attr, &state);

	*ret_mode = err < 0 ? 0 : attr.mode;
	noted(saving, err, "salvage_getattr");
	noted(saving, salvage_listxattr(saving->view, node, take_xattr, NULL, &state),
	      "salvage_listxattr");
	if (S_ISLNK(*ret_mode))
		noted(saving,
		      salvage_readlink(saving->view, node, target, sizeof(target), &len, &state),
		      "salvage_readlink");
	if (S_ISREG(*ret_mode) && saving->nr_calls < CALLS_MAX)
		noted(saving, salvage_read(saving->view, node, &sink, &len_bytes, &state),
		      "salvage_read");
}

/* ---- names ---- */

static int take_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct saving *saving = ctx;
	struct ubtrfs_dirent found;
	uint32_t mode;
	unsigned state;
	int err;

	if (++saving->nr_entries > ENTRIES_MAX)
		return 1;
	take_node(saving, entry->node, &mode);
	if (!S_ISDIR(mode) || saving->depth >= DEPTH_MAX)
		return 0;
	err = salvage_lookup(saving->view, entry->node, "a", 1, &found);
	if (err != -ERR_NOT_FOUND)
		noted(saving, err, "salvage_lookup");
	saving->depth++;
	err = salvage_readdir(saving->view, entry->node, take_entry, saving, &state);
	saving->depth--;
	noted(saving, err, "salvage_readdir");
	return err > 0;
}

static int take_stray(void *ctx, const struct ubtrfs_rescue_stray *stray)
{
	struct saving *saving = ctx;

	return !stray->path[0] || ++saving->nr_entries > 2 * ENTRIES_MAX;
}

static int take_subvolume(void *ctx, const struct ubtrfs_rescue_subvolume *subvol)
{
	struct saving *saving = ctx;
	struct ubtrfs_dirent top = { .node = { subvol->subvolid, UBTRFS_ROOT_INO } };
	int ret = take_entry(saving, &top);

	noted(saving, salvage_strays(saving->view, subvol->subvolid, take_stray, saving),
	      "salvage_strays");
	return ret;
}

static int take_root(void *ctx, const struct ubtrfs_rescue_root *root)
{
	(void)ctx;
	return root->blocks_readable > root->blocks_total ? -EIO : 0;
}

static int take_generation(void *ctx, uint64_t generation)
{
	*(uint64_t *)ctx = generation;
	return 1;
}

static void take_all(struct saving *saving)
{
	noted(saving, rescue_subvolumes(saving->view, take_subvolume, saving), "rescue_subvolumes");
}

void image_use_rescue(struct use *use)
{
	struct saving saving = { .use = use };
	struct rescue_view *older;
	struct rescue *rescue;
	uint64_t generation = 0;
	int err = image_rescue(use->image, &rescue);

	noted(&saving, err, "rescue_new");
	if (err < 0)
		return;
	saving.view = rescue_current(rescue);
	take_all(&saving);
	/* The index of all blocks is the longest part; not each time. */
	if (rng_one_in(use->rng, 4)) {
		noted(&saving, rescue_roots(saving.view, true, take_root, NULL), "rescue_roots");
		noted(&saving, rescue_generations(saving.view, 5, take_generation, &generation),
		      "rescue_generations");
	}
	if (generation && rescue_view_at(rescue, generation, &older) == 0) {
		saving.view = older;
		saving.nr_entries = saving.nr_calls = 0;
		take_all(&saving);
		rescue_view_free(older);
	}
	rescue_free(rescue);
}
