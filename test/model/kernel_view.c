/* An image under a kernel mount; see kernel_view.h. */
#include "model/kernel_view.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cmocka_all.h"

extern char **environ;

static int run_script(const char *script, const char *a, const char *b, const char *c)
{
	char *argv[] = { "sh", "-c", (char *)script, "sh", (char *)a, (char *)b, (char *)c, NULL };
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, "sh", NULL, NULL, argv, environ) != 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool kernel_can_mount(void)
{
	return geteuid() == 0 &&
	       run_script("grep -qw btrfs /proc/filesystems || modprobe -q btrfs", "", "", "") == 0;
}

void kernel_mount(struct kernel_view *view, const char *image, const char *dir, const char *options)
{
	/* Somebody else may take a loop device between the question for a free one and its use. */
	static const char script[] = "loop=$(flock /run/lock losetup -f --show \"$1\") || exit 1\n"
				     "mount -t btrfs -o \"$3\" \"$loop\" \"$2\"; code=$?\n"
				     "losetup -d \"$loop\"; exit $code";

	snprintf(view->dir, sizeof(view->dir), "%s/kernel", dir);
	assert_int_equal(mkdir(view->dir, 0755), 0);
	if (run_script(script, image, view->dir, options) != 0) {
		rmdir(view->dir);
		fail_msg("the kernel does not mount %s", image);
	}
}

void kernel_umount(struct kernel_view *view)
{
	assert_int_equal(run_script("umount \"$1\"", view->dir, "", ""), 0);
	rmdir(view->dir);
}
