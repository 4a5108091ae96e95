/*
 * Images in private mappings: the device over them, forgetting what was changed, and a list of all
 * tree blocks with the places of their copies, from the library's own reading of the pristine
 * image.
 *
 * What goes wrong here is wrong with the test: it ends the program.
 */
#include "mutate.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "device/device_priv.h"
#include "format/format.h"

#define DIE_IF(condition, ...)               \
	do {                                 \
		if (condition) {             \
			printf(__VA_ARGS__); \
			putchar('\n');       \
			exit(1);             \
		}                            \
	} while (0)

static uint64_t page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- the device ---- */

struct mapped_device {
	struct device device;
	struct image *image;
	unsigned index;
};

static struct mapped_device *mapped_of(struct device *device)
{
	return container_of(device, struct mapped_device, device);
}

static void note_dirty(struct image *image, unsigned index, uint64_t start, uint64_t end)
{
	struct image_device *device = &image->devices[index];
	struct image_range *last;

	mutex_lock(&image->lock);
	last = device->nr_dirty ? &device->dirty[device->nr_dirty - 1] : NULL;
	if (last && start <= last->end && end >= last->start) {
		last->start = MIN(last->start, start);
		last->end = MAX(last->end, end);
	} else {
		if (device->nr_dirty == device->capacity) {
			device->capacity = MAX(64u, device->capacity * 2);
			device->dirty =
				realloc(device->dirty, device->capacity * sizeof(*device->dirty));
			DIE_IF(!device->dirty, "no memory");
		}
		device->dirty[device->nr_dirty++] = (struct image_range){ start, end };
	}
	mutex_unlock(&image->lock);
}

void image_write(struct image *image, unsigned device, uint64_t at, const void *data, size_t len)
{
	if (!len)
		return;
	ASSERT(at + len <= image->devices[device].size_bytes);
	note_dirty(image, device, at, at + len);
	for (uint64_t grain = at / IMAGE_GRAIN; grain <= (at + len - 1) / IMAGE_GRAIN; grain++)
		image->devices[device].held[grain] = 1;
	memcpy(image->devices[device].map + at, data, len);
}

static int mapped_read(struct device *device, struct phys at, void *data, size_t len)
{
	struct mapped_device *mapped = mapped_of(device);
	const struct image_device *from = &mapped->image->devices[mapped->index];
	uint8_t *to = data;

	while (len) {
		size_t step = MIN(len, IMAGE_GRAIN - at.at % IMAGE_GRAIN);

		if (from->held[at.at / IMAGE_GRAIN])
			memcpy(to, from->map + at.at, step);
		else
			memset(to, 0, step);
		to += step;
		at.at += step;
		len -= step;
	}
	return 0;
}

static int mapped_writev(struct device *device, struct phys at, const struct iovec *parts,
			 int nr_parts, size_t len)
{
	struct mapped_device *mapped = mapped_of(device);

	(void)len;
	for (int i = 0; i < nr_parts; i++) {
		image_write(mapped->image, mapped->index, at.at, parts[i].iov_base,
			    parts[i].iov_len);
		at.at += parts[i].iov_len;
	}
	return 0;
}

static int mapped_flush(struct device *device)
{
	(void)device;
	return 0;
}

static int mapped_discard(struct device *device, struct phys at, uint64_t len)
{
	(void)at;
	(void)len;
	return THROW(ERR_UNSUPPORTED, "%s: no discard", device->name);
}

static int mapped_resize(struct device *device, uint64_t size_bytes)
{
	(void)size_bytes;
	return THROW(ERR_UNSUPPORTED, "%s: no resize", device->name);
}

static void mapped_free(struct device *device)
{
	struct mapped_device *mapped = mapped_of(device);

	mapped->image->opened[mapped->index] = NULL;
	free(mapped);
}

static const struct device_ops mapped_ops = {
	.kind = "mapping",
	.read = mapped_read,
	.writev = mapped_writev,
	.flush = mapped_flush,
	.discard = mapped_discard,
	.resize = mapped_resize,
	.free = mapped_free,
};

static void mapped_new(struct image *image, unsigned index)
{
	struct mapped_device *mapped = calloc(1, sizeof(*mapped));
	char name[32];

	DIE_IF(!mapped, "no memory");
	snprintf(name, sizeof(name), "device%u", index);
	DIE_IF(device_init(&mapped->device, &mapped_ops, name, image->devices[index].size_bytes) <
		       0,
	       "no device: %s", err_last_text());
	mapped->image = image;
	mapped->index = index;
	image->opened[index] = &mapped->device;
}

int image_rescue(struct image *image, struct rescue **ret_rescue)
{
	struct ubtrfs_rescue_options options;
	struct device *devices[IMAGE_DEVICES_MAX];
	struct rescue_config config = { .devices = devices,
					.nr_devices = image->nr_devices,
					.options = &options };
	int err;

	ubtrfs_rescue_options_init(&options);
	for (unsigned i = 0; i < image->nr_devices; i++) {
		mapped_new(image, i);
		devices[i] = image->opened[i];
	}
	err = rescue_new(&config, ret_rescue);
	for (unsigned i = 0; i < image->nr_devices; i++)
		device_free(devices[i]);
	return err;
}

int image_open_with(struct image *image, const struct ubtrfs_open_options *with,
		    struct ubtrfs **ret_fs)
{
	static const char *const names[IMAGE_DEVICES_MAX] = { "device0", "device1", "device2",
							      "device3", "device4", "device5",
							      "device6", "device7" };
	struct device *opened[IMAGE_DEVICES_MAX];
	struct ubtrfs_open_options options = *with;
	struct core_open how;
	int err;

	options.devices = names;
	options.nr_devices = image->nr_devices;
	options.scan = false;
	options.threads = 1;
	core_open_from_options(&options, &how);
	for (unsigned i = 0; i < image->nr_devices; i++) {
		mapped_new(image, i);
		opened[i] = image->opened[i];
	}
	how.opened = opened;
	err = fs_new(&how, ret_fs);
	if (err >= 0)
		return 0;
	/* Those whose turn did not come are still ours. */
	for (unsigned i = 0; i < image->nr_devices; i++)
		if (image->opened[i])
			device_free(image->opened[i]);
	return err;
}

int image_open(struct image *image, bool writable, struct ubtrfs **ret_fs)
{
	struct ubtrfs_open_options options;

	ubtrfs_open_options_init(&options);
	options.writable = writable;
	return image_open_with(image, &options, ret_fs);
}

/* ---- the list of blocks ---- */

static void block_places(struct image *image, struct core *core, struct image_block *block)
{
	unsigned nr = MIN(volume_nr_mirrors(core->volume, block->addr), IMAGE_COPIES_MAX);
	const struct chunk *chunk = chunk_map_find(core->volume, block->addr);

	DIE_IF(!chunk, "%s: block %llu is not mapped", image->name,
	       (unsigned long long)block->addr);
	/* The other ways to get a block in these profiles are no copies. */
	if (profile_of(chunk->flags)->parity)
		nr = 1;
	for (unsigned i = 0; i < nr; i++) {
		uint64_t devid;
		struct phys at;

		DIE_IF(volume_map(core->volume, block->addr, i + 1, &devid, &at) < 0, "%s: %s",
		       image->name, err_last_text());
		for (unsigned d = 0; d < image->nr_devices; d++) {
			const uint8_t *super = image->devices[d].map + BTRFS_SUPER_INFO_OFFSET;

			if (dev_item_devid(super + SUPER_DEV_ITEM_AT) != devid)
				continue;
			block->copies[block->nr_copies++] = (struct image_copy){ d, at.at };
		}
	}
	DIE_IF(!block->nr_copies, "%s: block %llu is on no device", image->name,
	       (unsigned long long)block->addr);
}

const struct image_block *image_block_at(const struct image *image, uint64_t addr)
{
	for (size_t i = 0; i < image->nr_blocks; i++)
		if (image->blocks[i].addr == addr)
			return &image->blocks[i];
	return NULL;
}

static void walk_block(struct image *image, struct core *core, uint64_t addr);

static void walk_roots(struct image *image, struct core *core, const uint8_t *leaf, unsigned slot)
{
	const struct key key = leaf_key(leaf, slot);
	uint64_t addr = root_item_bytenr(leaf_item_data(leaf, slot));

	if (key.objectid == BTRFS_FS_TREE_OBJECTID || (key.objectid >= BTRFS_FIRST_FREE_OBJECTID &&
						       key.objectid <= BTRFS_LAST_FREE_OBJECTID)) {
		image->subvolumes = realloc(image->subvolumes, (image->nr_subvolumes + 1) * 8);
		DIE_IF(!image->subvolumes, "no memory");
		image->subvolumes[image->nr_subvolumes++] = key.objectid;
	}
	if (addr)
		walk_block(image, core, addr);
}

static void walk_block(struct image *image, struct core *core, uint64_t addr)
{
	uint8_t *data = malloc(image->geometry.nodesize);
	struct image_block *block;

	DIE_IF(!data, "no memory");
	if (image_block_at(image, addr)) {
		free(data);
		return;
	}
	DIE_IF(volume_read(core->volume, addr, data, image->geometry.nodesize, 0) < 0, "%s: %s",
	       image->name, err_last_text());
	DIE_IF(validate_node(&image->geometry, data, addr) < 0, "%s: %s", image->name,
	       err_last_text());
	image->blocks = realloc(image->blocks, (image->nr_blocks + 1) * sizeof(*image->blocks));
	DIE_IF(!image->blocks, "no memory");
	block = &image->blocks[image->nr_blocks++];
	*block = (struct image_block){ .addr = addr,
				       .generation = node_generation(data),
				       .owner = node_owner(data),
				       .level = node_level(data) };
	block_places(image, core, block);
	for (unsigned slot = 0; slot < node_nritems(data); slot++) {
		if (node_level(data))
			walk_block(image, core, node_child_addr(data, slot));
		else if (node_owner(data) == BTRFS_ROOT_TREE_OBJECTID &&
			 leaf_key(data, slot).type == BTRFS_ROOT_ITEM_KEY)
			walk_roots(image, core, data, slot);
	}
	free(data);
}

/* ---- loading ---- */

static void device_map(struct image *image, const char *path)
{
	struct image_device *device = &image->devices[image->nr_devices++];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	DIE_IF(fd < 0 || fstat(fd, &st) < 0, "%s: cannot be opened", path);
	device->size_bytes = (uint64_t)st.st_size;
	device->map = mmap(NULL, device->size_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	DIE_IF(device->map == MAP_FAILED, "%s: cannot be mapped", path);
	device->held = calloc(device->size_bytes / IMAGE_GRAIN + 1, 1);
	DIE_IF(!device->held, "no memory");
	for (off_t at = 0; (at = lseek(fd, at, SEEK_DATA)) >= 0;) {
		off_t end = lseek(fd, at, SEEK_HOLE);

		for (off_t grain = at / IMAGE_GRAIN; grain <= (end - 1) / IMAGE_GRAIN; grain++)
			device->held[grain] = 1;
		at = end;
	}
	close(fd);
}

void image_load(struct image *image, const char *const *paths, unsigned nr_paths)
{
	struct ubtrfs *fs;

	DIE_IF(!nr_paths || nr_paths > IMAGE_DEVICES_MAX, "%u devices", nr_paths);
	memset(image, 0, sizeof(*image));
	snprintf(image->name, sizeof(image->name), "%s", paths[0]);
	mutex_init(&image->lock, RANK_LEAF, "image");
	for (unsigned i = 0; i < nr_paths; i++)
		device_map(image, paths[i]);
	memcpy(image->super, image->devices[0].map + BTRFS_SUPER_INFO_OFFSET, SUPER_SIZE);
	DIE_IF(image_open(image, false, &fs) < 0, "%s: %s", image->name, err_last_text());
	image->geometry = fs->core.geometry;
	walk_block(image, &fs->core, super_root(image->super));
	walk_block(image, &fs->core, super_chunk_root(image->super));
	ubtrfs_abandon(fs);
}

void image_free(struct image *image)
{
	for (unsigned i = 0; i < image->nr_devices; i++) {
		munmap(image->devices[i].map, image->devices[i].size_bytes);
		free(image->devices[i].held);
		free(image->devices[i].dirty);
	}
	mutex_fini(&image->lock);
	free(image->blocks);
	free(image->subvolumes);
}

void image_reset(struct image *image)
{
	uint64_t page = page_bytes();

	for (unsigned i = 0; i < image->nr_devices; i++) {
		struct image_device *device = &image->devices[i];

		for (size_t j = 0; j < device->nr_dirty; j++) {
			uint64_t start = device->dirty[j].start / page * page;
			uint64_t end = round_up(device->dirty[j].end, page);

			DIE_IF(madvise(device->map + start, end - start, MADV_DONTNEED) < 0,
			       "madvise");
		}
		device->nr_dirty = 0;
	}
}

void image_save(const struct image *image, const char *dir)
{
	for (unsigned i = 0; i < image->nr_devices; i++) {
		const struct image_device *device = &image->devices[i];
		char path[512];
		int fd;

		snprintf(path, sizeof(path), "%s/disk%u.img", dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		DIE_IF(fd < 0 || ftruncate(fd, (off_t)device->size_bytes) < 0, "%s: cannot be made",
		       path);
		for (uint64_t at = 0; at < device->size_bytes; at += IMAGE_GRAIN) {
			size_t len = (size_t)MIN(IMAGE_GRAIN, device->size_bytes - at);

			if (device->held[at / IMAGE_GRAIN])
				DIE_IF(pwrite(fd, device->map + at, len, (off_t)at) != (ssize_t)len,
				       "%s: cannot be written", path);
		}
		close(fd);
	}
}
