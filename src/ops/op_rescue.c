/*
 * Damaged filesystems through the public API: devices are opened here, everything else is the
 * rescue folder's. Owns the handles; takes no lock: a handle is for one thread at a time.
 */
#include <ubtrfs/rescue.h>

#include "ops/ops.h"
#include "ops/rescue_devices.h"
#include "rescue/rescue.h"

struct ubtrfs_rescue {
	struct rescue *rescue;
	struct rescue_view *view;
	bool is_older; /* rescue is another handle's */
};

/* What a visitor returns is the caller's own: only our errors are mapped. */
static int to_errno(int err)
{
	return err <= -ERR_FIRST ? -err_to_errno(err) : err;
}

UBTRFS_API void ubtrfs_rescue_options_init(struct ubtrfs_rescue_options *options)
{
	memset(options, 0, sizeof(*options));
	ubtrfs_open_options_init(&options->how);
}

static int rescue_open(const struct ubtrfs_rescue_options *options, struct ubtrfs_rescue *handle)
{
	struct rescue_devices devices;
	int err = rescue_devices_open(&options->how, &devices);

	if (err == 0) {
		const struct rescue_config config = { .devices = devices.all,
						      .nr_devices = devices.nr,
						      .options = options };

		err = rescue_new(&config, &handle->rescue);
	}
	rescue_devices_fini(&devices);
	if (err == 0)
		handle->view = rescue_current(handle->rescue);
	return err;
}

UBTRFS_API int ubtrfs_rescue_open(const struct ubtrfs_rescue_options *options,
				  struct ubtrfs_rescue **ret_rescue)
{
	struct ubtrfs_rescue *handle = mem_zalloc(sizeof(*handle));
	int err = handle ? rescue_open(options, handle) : MEM_FAIL("a damaged filesystem");

	if (err < 0) {
		mem_free(handle);
		return to_errno(err);
	}
	*ret_rescue = handle;
	return 0;
}

UBTRFS_API int ubtrfs_rescue_at(struct ubtrfs_rescue *rescue, uint64_t generation,
				struct ubtrfs_rescue **ret_older)
{
	struct ubtrfs_rescue *handle = mem_zalloc(sizeof(*handle));
	int err = handle ? rescue_view_at(rescue->rescue, generation, &handle->view) :
			   MEM_FAIL("an older state");

	if (err < 0) {
		mem_free(handle);
		return to_errno(err);
	}
	handle->rescue = rescue->rescue;
	handle->is_older = true;
	*ret_older = handle;
	return 0;
}

UBTRFS_API void ubtrfs_rescue_close(struct ubtrfs_rescue *rescue)
{
	if (!rescue)
		return;
	if (rescue->is_older)
		rescue_view_free(rescue->view);
	else
		rescue_free(rescue->rescue);
	mem_free(rescue);
}

UBTRFS_API uint64_t ubtrfs_rescue_generation(const struct ubtrfs_rescue *rescue)
{
	return rescue_view_generation(rescue->view);
}

UBTRFS_API uint64_t ubtrfs_rescue_blocks_lost(const struct ubtrfs_rescue *rescue)
{
	return rescue_blocks_lost(rescue->rescue);
}

UBTRFS_API int ubtrfs_rescue_roots(struct ubtrfs_rescue *rescue, bool scan,
				   int (*visit)(void *ctx, const struct ubtrfs_rescue_root *root),
				   void *ctx)
{
	return to_errno(rescue_roots(rescue->view, scan, visit, ctx));
}

UBTRFS_API int ubtrfs_rescue_generations(struct ubtrfs_rescue *rescue, uint64_t subvolid,
					 int (*visit)(void *ctx, uint64_t generation), void *ctx)
{
	return to_errno(rescue_generations(rescue->view, subvolid, visit, ctx));
}

UBTRFS_API int ubtrfs_rescue_subvolumes(struct ubtrfs_rescue *rescue,
					int (*visit)(void *ctx,
						     const struct ubtrfs_rescue_subvolume *subvol),
					void *ctx)
{
	return to_errno(rescue_subvolumes(rescue->view, visit, ctx));
}

UBTRFS_API int ubtrfs_rescue_subvolume(struct ubtrfs_rescue *rescue, uint64_t subvolid,
				       struct ubtrfs_rescue_subvolume *ret_subvol)
{
	return to_errno(rescue_subvolume(rescue->view, subvolid, ret_subvol));
}

UBTRFS_API int ubtrfs_rescue_getattr(struct ubtrfs_rescue *rescue, struct ubtrfs_node node,
				     struct ubtrfs_attr *ret_attr, unsigned *ret_state)
{
	return to_errno(salvage_getattr(rescue->view, node, ret_attr, ret_state));
}

UBTRFS_API int ubtrfs_rescue_first_dir(struct ubtrfs_rescue *rescue, uint64_t subvolid,
				       struct ubtrfs_node *ret_dir)
{
	return to_errno(salvage_first_dir(rescue->view, subvolid, ret_dir));
}

UBTRFS_API int ubtrfs_rescue_lookup(struct ubtrfs_rescue *rescue, struct ubtrfs_node dir,
				    const char *name, size_t name_len,
				    struct ubtrfs_dirent *ret_entry)
{
	return to_errno(salvage_lookup(rescue->view, dir, name, name_len, ret_entry));
}

UBTRFS_API int ubtrfs_rescue_readdir(struct ubtrfs_rescue *rescue, struct ubtrfs_node dir,
				     int (*visit)(void *ctx, const struct ubtrfs_dirent *entry),
				     void *ctx, unsigned *ret_state)
{
	return to_errno(salvage_readdir(rescue->view, dir, visit, ctx, ret_state));
}

UBTRFS_API int ubtrfs_rescue_readlink(struct ubtrfs_rescue *rescue, struct ubtrfs_node node,
				      char *target, size_t capacity, size_t *ret_len,
				      unsigned *ret_state)
{
	return to_errno(salvage_readlink(rescue->view, node, target, capacity, ret_len, ret_state));
}

UBTRFS_API int ubtrfs_rescue_listxattr(struct ubtrfs_rescue *rescue, struct ubtrfs_node node,
				       int (*visit)(void *ctx, const char *name, size_t name_len,
						    const void *value, size_t len),
				       void *ctx, unsigned *ret_state)
{
	return to_errno(salvage_listxattr(rescue->view, node, visit, ctx, ret_state));
}

UBTRFS_API int ubtrfs_rescue_read(struct ubtrfs_rescue *rescue, struct ubtrfs_node node,
				  const struct ubtrfs_rescue_sink *sink, uint64_t *ret_len,
				  unsigned *ret_state)
{
	return to_errno(salvage_read(rescue->view, node, sink, ret_len, ret_state));
}

UBTRFS_API int ubtrfs_rescue_strays(struct ubtrfs_rescue *rescue, uint64_t subvolid,
				    int (*visit)(void *ctx,
						 const struct ubtrfs_rescue_stray *stray),
				    void *ctx)
{
	return to_errno(salvage_strays(rescue->view, subvolid, visit, ctx));
}

UBTRFS_API bool ubtrfs_rescue_may_have_strays(struct ubtrfs_rescue *rescue, uint64_t subvolid)
{
	return salvage_may_have_strays(rescue->view, subvolid);
}
