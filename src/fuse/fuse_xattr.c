/*
 * Extended attributes.
 *
 * The kernel has compared permissions; names are passed as they are, those of ACLs too.
 */
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "fuse/fuse_priv.h"

void front_setxattr(fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size,
		    int flags)
{
	struct ubtrfs_node node;
	int err = 0;

	if (!request_node(req, id, &node))
		return;
	if (strcmp(name, "system.posix_acl_access") == 0)
		err = request_kill_setgid(req, node);
	/* The values of setxattr(2) are the library's. */
	if (err == 0)
		err = ubtrfs_setxattr_flags(front_of(req)->fs, node, name, value, size,
					    (unsigned)flags);
	reply_result(req, err);
}

void front_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size)
{
	struct ubtrfs *fs = front_of(req)->fs;
	struct ubtrfs_node node;
	void *value = NULL;
	size_t len = 0;
	int err = 0;

	if (!request_node(req, id, &node))
		return;
	if (size) {
		value = mem_alloc(size);
		if (!value)
			err = MEM_FAIL("an attribute");
	}
	if (err == 0)
		err = ubtrfs_getxattr(fs, node, name, value, size, &len);
	if (err < 0)
		reply_read_error(req, err);
	else if (size)
		fuse_reply_buf(req, value, len);
	else
		fuse_reply_xattr(req, len);
	mem_free(value);
}

static int add_name(void *ctx, const char *name, size_t name_len, const void *value, size_t len)
{
	struct strbuf *names = ctx;

	(void)value;
	(void)len;
	strbuf_add_bytes(names, name, name_len);
	strbuf_add_bytes(names, "", 1);
	return 0;
}

void front_listxattr(fuse_req_t req, fuse_ino_t id, size_t size)
{
	struct ubtrfs_node node;
	struct strbuf names;
	int err;

	if (!request_node(req, id, &node))
		return;
	strbuf_init(&names);
	err = ubtrfs_listxattr(front_of(req)->fs, node, add_name, &names);
	if (err == 0)
		err = strbuf_status(&names);
	if (err == 0 && size && names.len > size)
		err = -ERANGE;
	if (err < 0)
		reply_read_error(req, err);
	else if (size)
		fuse_reply_buf(req, names.text, names.len);
	else
		fuse_reply_xattr(req, names.len);
	strbuf_fini(&names);
}

void front_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	struct ubtrfs_node node;

	if (request_node(req, id, &node))
		reply_result(req, ubtrfs_removexattr(front_of(req)->fs, node, name));
}
