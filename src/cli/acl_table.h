/*
 * The ACLs of a file side by side, as getfacl --tabular shows them.
 */
#ifndef UBTRFS_CLI_ACL_TABLE_H
#define UBTRFS_CLI_ACL_TABLE_H

#include "cli/acl_text.h"

struct acl_table {
	/* Both in order; an empty list: its column is. */
	const struct acl_list *access, *inherited;
	uint32_t uid, gid; /* of the file */
	bool numeric;
};

/* Upper-case letters are what the mask takes away. */
void acl_table_print(const struct acl_table *table);

#endif
