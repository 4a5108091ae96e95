/*
 * Between libfuse and the kernel: what version 3.14 of the library does not know.
 *
 * FUSE_HANDLE_KILLPRIV_V2: the filesystem takes set-id bits away when somebody else writes. Without
 * it the kernel asks for security.capability before every single write; with it once per file. The
 * offer is accepted in the reply to INIT, and that a request shall take the bits away is passed on
 * in fields that nobody here uses otherwise: a handle (there are none), a flag of open.
 *
 * Everything else goes through as it is.
 */
#include "fuse/fuse_wire.h"

#include <string.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "fuse/fuse_priv.h"

struct wire_request {
	struct fuse_in_header header;
	union {
		struct fuse_init_in init;
		struct fuse_write_in write;
		struct fuse_setattr_in setattr;
	};
};

static void init_seen(struct wire *wire, const struct wire_request *request)
{
	if (request->init.flags & FUSE_HANDLE_KILLPRIV_V2)
		atomic_store(&wire->init_unique, request->header.unique);
}

static void setattr_mark(struct fuse_setattr_in *in)
{
	in->fh = in->valid & FATTR_FH ? WIRE_OPEN_HANDLE : 0;
	if (in->valid & FATTR_KILL_SUIDGID)
		in->fh |= WIRE_KILL_HANDLE;
	if (in->fh)
		in->valid |= FATTR_FH;
}

static ssize_t wire_read(int fd, void *buf, size_t len, void *userdata)
{
	struct front *front = userdata;
	struct wire_request *request = buf;
	ssize_t got = read(fd, buf, len);

	if (got < (ssize_t)sizeof(request->header))
		return got;
	if (request->header.opcode == FUSE_INIT) {
		init_seen(&front->wire, request);
	} else if (request->header.opcode == FUSE_WRITE) {
		request->write.flags &= ~WIRE_KILL_FLAG;
		if (request->write.write_flags & FUSE_WRITE_KILL_SUIDGID)
			request->write.flags |= WIRE_KILL_FLAG;
	} else if (request->header.opcode == FUSE_SETATTR) {
		setattr_mark(&request->setattr);
	}
	return got;
}

static ssize_t wire_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct front *front = userdata;
	uint64_t unique = atomic_load_explicit(&front->wire.init_unique, memory_order_relaxed);
	const struct fuse_out_header *header = iov[0].iov_base;

	if (unique && header->unique == unique && !header->error && count == 2 &&
	    iov[1].iov_len >= FUSE_COMPAT_22_INIT_OUT_SIZE) {
		struct fuse_init_out *init = iov[1].iov_base;

		init->flags |= FUSE_HANDLE_KILLPRIV_V2;
		atomic_store(&front->wire.init_unique, 0);
		front->wire.kills_privileges = true;
	}
	return writev(fd, iov, count);
}

int wire_start(struct front *front)
{
	static const struct fuse_custom_io io = { .writev = wire_writev, .read = wire_read };
	int err = fuse_session_custom_io(front->session, &io, fuse_session_fd(front->session));

	return err < 0 ? THROW(ERR_MOUNT, "the connection to the kernel is not to be had") : 0;
}
