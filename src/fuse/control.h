/*
 * The control channel of a mount: a unix socket, by which the command reaches the filesystem that
 * is mounted.
 *
 * The socket is named after the device number of the mount (stat's st_dev: MAJOR:MINOR) and stands
 * in /run/ubtrfs for root, for others in $XDG_RUNTIME_DIR/ubtrfs, or without that variable in
 * /tmp/ubtrfs-UID. Directory and socket are the owner's alone, and each end asks who the other one
 * is: the owner answers, and he or root asks. Who the owner of a mount is says the kernel.
 *
 * A request is a line with a JSON object, and so is its answer; several may follow each other:
 *
 *   {"version":1,"request":"info"}
 *   {"version":1,"result":{...}}
 *   {"version":1,"error":"sentence","errno":22}
 *
 * Requests: info, spaces, devices, chunks, available, used, sync, label (with "label": sets it).
 * Bytes that are no UTF-8 appear as in base/json_writer.h (NAME_hex). 64-bit numbers are digits.
 */
#ifndef UBTRFS_FUSE_CONTROL_H
#define UBTRFS_FUSE_CONTROL_H

#include <stddef.h>
#include <sys/types.h>

#include <ubtrfs/ubtrfs.h>

#include "base/err.h"

#define CONTROL_VERSION 1
#define CONTROL_REQUEST_MAX (64u << 10)
#define CONTROL_ANSWER_MAX ((size_t)64 << 20)
#define CONTROL_PATH_MAX 108u /* of sockaddr_un */

/* Which directory: the n-th that the sockets of this user may stand in; false past the last. */
bool control_dir(uid_t uid, unsigned n, char ret_path[CONTROL_PATH_MAX]);
/* The socket of a mount in a directory. ERR_NAME_TOO_LONG. */
int control_socket_path(const char *dir, dev_t dev, char ret_path[CONTROL_PATH_MAX]) must_check;

/* ---- control_server.c ---- */

struct control_server;
/* Answers for fs, which is borrowed, on threads of its own. */
int control_server_start(struct ubtrfs *fs, dev_t dev,
			 struct control_server **ret_server) must_check;
/* Ends all connections; NULL is allowed. */
void control_server_stop(struct control_server *server);

#endif
