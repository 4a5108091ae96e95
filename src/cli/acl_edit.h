/*
 * Changing the ACLs of a file as setfacl(1) does: operations in the order of the arguments, then what
 * is missing (base entries of a default ACL, the mask) follows from the rest.
 */
#ifndef UBTRFS_CLI_ACL_EDIT_H
#define UBTRFS_CLI_ACL_EDIT_H

#include "cli/acl_text.h"

enum acl_kind { ACL_KIND_ACCESS, ACL_KIND_DEFAULT, ACL_KINDS };

enum acl_op_what {
	ACL_OP_MODIFY, /* the entry is there, with these permissions */
	ACL_OP_REMOVE, /* it is not */
	ACL_OP_STRIP,  /* only owner, group and others are left */
	ACL_OP_CLEAR,  /* nothing is left */
};
struct acl_op {
	enum acl_op_what what;
	enum acl_kind kind;
	struct acl_entry entry;
};

struct acl_ops {
	struct acl_op *ops; /* owned */
	size_t nr, capacity;
	int mask; /* above 0: the mask is made anew also when one is given; below: never */
};

void acl_ops_fini(struct acl_ops *ops);
/* kind: of the operation; of each entry its own. */
int acl_ops_add(struct acl_ops *ops, enum acl_op_what what, enum acl_kind kind) must_check;
/* all_default: also entries without "default:" are of the default ACL. */
int acl_ops_add_list(struct acl_ops *ops, enum acl_op_what what, const struct acl_list *list,
		     bool all_default) must_check;

/* The ACLs of one file; an empty default ACL is none. The access ACL begins with the mode's entries. */
struct acl_pair {
	struct acl_list lists[ACL_KINDS];
	bool changed[ACL_KINDS];
};
void acl_pair_fini(struct acl_pair *pair);
/* Applies all; ERR_INVALID when no ACL comes of it. A default ACL may come of it for what is none: the
 * caller's to judge. */
int acl_ops_apply(const struct acl_ops *ops, struct acl_pair *pair, bool is_dir) must_check;

#endif
