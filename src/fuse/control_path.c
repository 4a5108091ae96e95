/*
 * Where the sockets of mounts stand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fuse/control.h"

bool control_dir(uid_t uid, unsigned n, char ret_path[CONTROL_PATH_MAX])
{
	/* The variable tells of the caller's own directory. */
	const char *runtime = uid == geteuid() ? getenv("XDG_RUNTIME_DIR") : NULL;
	int len;

	/* Those that others could have made themselves come last. */
	if (n == 0)
		len = snprintf(ret_path, CONTROL_PATH_MAX, "/run/ubtrfs");
	else if (n == 1)
		len = runtime && runtime[0] == '/' ?
			      snprintf(ret_path, CONTROL_PATH_MAX, "%s/ubtrfs", runtime) :
			      snprintf(ret_path, CONTROL_PATH_MAX, "/run/user/%u/ubtrfs", uid);
	else if (n == 2)
		len = snprintf(ret_path, CONTROL_PATH_MAX, "/tmp/ubtrfs-%u", uid);
	else
		return false;
	if (len < 0 || len >= (int)CONTROL_PATH_MAX)
		ret_path[0] = '\0';
	return true;
}

int control_socket_path(const char *dir, dev_t dev, char ret_path[CONTROL_PATH_MAX])
{
	int len = snprintf(ret_path, CONTROL_PATH_MAX, "%s/%u:%u", dir, major(dev), minor(dev));

	if (len < 0 || len >= (int)CONTROL_PATH_MAX)
		return THROW(ERR_NAME_TOO_LONG, "a socket cannot have a name as long as %s/...",
			     dir);
	return 0;
}
