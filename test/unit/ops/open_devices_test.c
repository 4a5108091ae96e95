/*
 * Opening: devices that are missing, doubled, left behind or cut, or that somebody else writes.
 */
#include "open_fixture.h"

#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "format/superblock.h"
#include "ops/ops.h"

static void only(struct open_fs *ofs, unsigned index)
{
	ofs->devices[0] = ofs->paths[index];
	ofs->fx.how.nr_devices = 1;
}

static void test_open_devices__missing_device(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1", 2);
	only(&ofs, 1);
	reads(&ofs, NULL); /* the other is found */
	ofs.fx.how.scan = false;
	reads(&ofs, "device 1 is missing");
	write_refused(&ofs, EOPNOTSUPP, "device 1 is missing");
	only(&ofs, 0);
	reads(&ofs, "device 2 is missing");
	/* One that is named and holds no filesystem. */
	noise(ofs.paths[1], super_mirror_offset(0), SUPER_SIZE);
	noise(ofs.paths[1], super_mirror_offset(1), SUPER_SIZE);
	ofs.fx.how.nr_devices = 2;
	ofs.devices[1] = ofs.paths[1];
	reads(&ofs, "no btrfs superblock at 65536; it is taken for missing");
	write_refused(&ofs, EUCLEAN, "no btrfs superblock at 65536");
	open_fs_fini(&ofs);
}

static void file_copy(const char *from, const char *to)
{
	char *bytes = malloc(DEVICE_BYTES);
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_non_null(bytes);
	bytes_at(from, false, 0, bytes, DEVICE_BYTES);
	assert_int_equal(write(fd, bytes, DEVICE_BYTES), DEVICE_BYTES);
	close(fd);
	free(bytes);
}

static void test_open_devices__copies_of_a_device(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1", 2);
	snprintf(ofs.paths[2], sizeof(ofs.paths[2]), "%s/copy", ofs.fx.dir);
	file_copy(ofs.paths[1], ofs.paths[2]);
	ofs.devices[1] = ofs.paths[0];
	write_refused(&ofs, EINVAL, "are the same device");
	ofs.devices[0] = ofs.paths[1];
	ofs.devices[1] = ofs.paths[2];
	refused(&ofs, false, EINVAL, "are copies of one device (2)");
	/* Found: which one is asked for when it matters. */
	only(&ofs, 0);
	reads(&ofs, "is passed over: it is a copy of device 2");
	write_refused(&ofs, EINVAL, "name the one to write with --device");
	/* Left behind: the copy is of before, and alone with the first it was what that knows. */
	ofs.fx.how.nr_devices = 2;
	ofs.devices[1] = ofs.paths[1];
	writes(&ofs, "new");
	writes(&ofs, "newer");
	ofs.devices[1] = ofs.paths[2];
	reads(&ofs, "was left behind at generation");
	write_refused(&ofs, EOPNOTSUPP, "was left behind at generation");
	only(&ofs, 0);
	reads(&ofs, "is passed over: it is a copy of device 2");
	open_fs_fini(&ofs);
}

/* The place of a file that is no device of the filesystem. */
static const char *more_path(struct open_fs *ofs, unsigned index, const char *name)
{
	snprintf(ofs->paths[index], sizeof(ofs->paths[index]), "%s/%s", ofs->fx.dir, name);
	return ofs->paths[index];
}

static void test_open_devices__named_before_found(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1c3", 3);
	file_copy(ofs.paths[1], more_path(&ofs, 3, "0copy"));
	ofs.fx.how.nr_devices = 2;
	ofs.devices[1] = ofs.paths[3];
	reads(&ofs, NULL);
	writes(&ofs, "new");
	writes(&ofs, "newer");
	/* It was the copy that was written, not the other. */
	reads(&ofs, NULL);
	ofs.devices[1] = ofs.paths[1];
	write_refused(&ofs, EOPNOTSUPP, "was left behind");
	open_fs_fini(&ofs);
}

/* A backup beside what went on: its own members belong together. */
static void test_open_devices__members_of_one_commit(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1", 2);
	file_copy(ofs.paths[0], more_path(&ofs, 2, "backup1"));
	file_copy(ofs.paths[1], more_path(&ofs, 3, "backup2"));
	writes(&ofs, "new");
	writes(&ofs, "newer");
	only(&ofs, 2);
	reads(&ofs, "device2 is passed over");
	assert_null(strstr(ofs.told, "left behind"));
	only(&ofs, 0);
	reads(&ofs, "backup2 is passed over");
	assert_null(strstr(ofs.told, "left behind"));
	open_fs_fini(&ofs);
}

/* Data without checksums: nothing but the generation of its superblock tells which mirror is old. */
static void test_open_devices__old_mirror_is_not_believed(void **state)
{
	const struct ubtrfs_attr no_csums = { .flags = BTRFS_INODE_NODATASUM };

	(void)state;
	for (unsigned old = 0; old < 2; old++) {
		struct open_fs ofs;
		struct ubtrfs_node node;

		open_fs_make(&ofs, "raid1", 2);
		snprintf(ofs.paths[2], sizeof(ofs.paths[2]), "%s/copy", ofs.fx.dir);
		file_copy(ofs.paths[old], ofs.paths[2]);
		for (unsigned i = 0; i < 2; i++)
			writes(&ofs, i ? "one" : "two");
		fixture_open(&ofs.fx, true);
		ofs.fx.top = ubtrfs_top(ofs.fx.fs);
		OK(ubtrfs_unlink(ofs.fx.fs, ofs.fx.top, "file", 4));
		node = fixture_create(&ofs.fx, ofs.fx.top, "file", S_IFREG | 0644);
		OK(ubtrfs_setattr(ofs.fx.fs, node, &no_csums, UBTRFS_ATTR_FLAGS));
		content_truncate(&ofs.fx, node, &ofs.content, 0);
		content_write(&ofs.fx, node, &ofs.content, 0, 300000, 2);
		fixture_close(&ofs.fx);
		ofs.devices[old] = ofs.paths[2];
		/* More often than what is wrong in trees keeps readers from it. */
		fixture_open(&ofs.fx, false);
		node = fixture_lookup(&ofs.fx, ubtrfs_top(ofs.fx.fs), "file");
		for (unsigned i = 0; i < 1000; i++)
			content_compare(&ofs.fx, node, &ofs.content);
		assert_non_null(strstr(ofs.told, "was left behind at generation"));
		open_fs_fini(&ofs);
	}
}

static void change_dev_uuid(uint8_t *super, uint64_t value)
{
	dev_item_uuid_mut(super_dev_item_mut(super))[0] ^= (uint8_t)value;
}

static void test_open_devices__uuid_of_device(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "raid1", 2);
	super_change(ofs.paths[1], 0, change_dev_uuid, 1);
	reads(&ofs, "device 2 is missing");
	assert_non_null(strstr(ofs.told, "is not used"));
	write_refused(&ofs, EOPNOTSUPP, "device 2 is missing");
	open_fs_fini(&ofs);
}

static bool another_is_told(struct open_fs *ofs, const char *text)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		ofs->told[0] = '\0';
		ofs->fx.how.writable = false;
		_exit(ubtrfs_open(&ofs->fx.how, &ofs->fx.fs) == 0 && strstr(ofs->told, text) ? 0 :
											       1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_open_devices__one_writer(void **state)
{
	struct ubtrfs *first;
	struct open_fs ofs;
	char who[64];

	(void)state;
	open_fs_make(&ofs, "single", 1);
	fixture_open(&ofs.fx, true);
	first = ofs.fx.fs;
	snprintf(who, sizeof(who), "process %d (open_devices_te) has it open", (int)getpid());
	write_refused(&ofs, EBUSY, who);
	/* Who writes it himself knows; another process is told. */
	reads(&ofs, NULL);
	assert_true(another_is_told(&ofs, "is being written by process"));
	ubtrfs_abandon(first);
	writes(&ofs, "new");
	open_fs_fini(&ofs);
}

static void test_open_devices__cut_device(void **state)
{
	struct open_fs ofs;

	(void)state;
	open_fs_make(&ofs, "single", 1);
	assert_int_equal(truncate(ofs.paths[0], 200 * MIB), 0);
	reads(&ofs, "the filesystem on it has 268435456");
	write_refused(&ofs, EINVAL, "the filesystem on it has 268435456");
	open_fs_fini(&ofs);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_devices__missing_device),
		cmocka_unit_test(test_open_devices__copies_of_a_device),
		cmocka_unit_test(test_open_devices__named_before_found),
		cmocka_unit_test(test_open_devices__members_of_one_commit),
		cmocka_unit_test(test_open_devices__old_mirror_is_not_believed),
		cmocka_unit_test(test_open_devices__uuid_of_device),
		cmocka_unit_test(test_open_devices__one_writer),
		cmocka_unit_test(test_open_devices__cut_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
