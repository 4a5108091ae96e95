#!/usr/bin/env bats
# Tables of what system calls answer: line by line the same on a mount of ours and on the kernel's.

setup()
{
	load fuse_lib
	fuse_setup
	TABLES=$ROOT/test/fuse
}

teardown()
{
	fuse_teardown
}

@test 'attributes of every kind of file, by name, size and user: the same values and errors' {
	work()
	{
		mkdir files
		python3 "$TABLES/xattr_errors.py" files
	}
	same_on_both allow_other,default_permissions '' 7000
}
