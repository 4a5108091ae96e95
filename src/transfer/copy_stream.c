/*
 * Contents of what is no regular file (a pipe, a terminal, /dev/zero up to an end): read in order
 * until there is no more. Keeps no state, takes no lock.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "transfer/copy_priv.h"

#define STREAM_BYTES ((size_t)1 << 20)

int copy_stream_write(struct copy_walk *walk, struct ubtrfs_node node)
{
	SCOPED_MEM uint8_t *buffer = mem_alloc(STREAM_BYTES);
	struct import *import = walk->import;
	uint64_t offset = 0;
	ssize_t nr;
	int ret;

	if (!buffer)
		return MEM_FAIL("a buffer");
	while ((nr = read(walk->stream_fd, buffer, STREAM_BYTES)) != 0) {
		if (nr < 0 && errno == EINTR)
			continue;
		if (nr < 0)
			return THROW_SYS(errno, "cannot read %s", walk->source->path);
		ret = ubtrfs_write(import->fs, node, offset, buffer, (size_t)nr);
		if (ret < 0)
			return import_fail(import, ret, "%s", walk->source->path);
		offset += (uint64_t)nr;
		import->stats.bytes += (uint64_t)nr;
		TRY(import_step(import));
	}
	return 0;
}

int copy_stream(struct copy_walk *walk, const struct scan_dest *dir, const char *name)
{
	struct scan_entry entry = { .path = name, .name = name, .name_len = strlen(name) };
	struct stat st;

	if (fstat(walk->stream_fd, &st))
		return THROW_SYS(errno, "cannot read %s", walk->source->path);
	entry.meta = (struct import_meta){
		.mode = S_IFREG | (st.st_mode & 07777),
		.uid = st.st_uid,
		.gid = st.st_gid,
		.atime = { st.st_atim.tv_sec, (uint32_t)st.st_atim.tv_nsec },
		.mtime = { st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec },
	};
	return copy_entry(walk, dir, name, &entry);
}
