/*
 * POSIX ACLs as lists of entries: from and to the attribute's value, from text as setfacl(1) reads it,
 * to text as getfacl(1) prints it.
 */
#ifndef UBTRFS_CLI_ACL_TEXT_H
#define UBTRFS_CLI_ACL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ubtrfs/file.h>

#include "base/strbuf.h"

#define ACL_XATTR_ACCESS "system.posix_acl_access"
#define ACL_XATTR_DEFAULT "system.posix_acl_default"
/* Linux takes no larger attribute. */
#define ACL_VALUE_MAX 65536u

enum acl_tag {
	ACL_USER_OBJ = 0x01,
	ACL_USER = 0x02,
	ACL_GROUP_OBJ = 0x04,
	ACL_GROUP = 0x08,
	ACL_MASK = 0x10,
	ACL_OTHER = 0x20,
};

#define ACL_NAMED (ACL_USER | ACL_GROUP)
/* What a mask holds back. */
#define ACL_MASKED (ACL_USER | ACL_GROUP | ACL_GROUP_OBJ)
#define ACL_NO_ID UINT32_MAX

struct acl_entry {
	enum acl_tag tag;
	uint32_t id; /* of ACL_NAMED, else ACL_NO_ID */
	uint8_t perm;
	/* Of text: */
	bool is_default;     /* "default:" */
	bool is_conditional; /* X: executable if something is, or a directory */
};

/* Ordered by tag and id, but for what came from text. */
struct acl_list {
	struct acl_entry *entries; /* owned */
	size_t nr, capacity;
};

void acl_list_fini(struct acl_list *list);
void acl_list_clear(struct acl_list *list);
int acl_list_append(struct acl_list *list, const struct acl_entry *entry) must_check;
/* Appended entries are put in order. */
void acl_list_sort(struct acl_list *list);
/* NULL when there is none. */
struct acl_entry *acl_list_find(const struct acl_list *list, enum acl_tag tag, uint32_t id);

/* The entries of an attribute's value, or of a mode that has none. Appended. */
int acl_list_from_value(struct acl_list *list, const void *value, size_t len) must_check;
int acl_list_from_mode(struct acl_list *list, uint32_t mode) must_check;
/* The ACL of a file that has one of this name (ACL_XATTR_*); otherwise nothing is appended. */
int acl_list_read(struct ubtrfs *fs, struct ubtrfs_node node, const char *name,
		  struct acl_list *list) must_check;
int acl_list_to_value(const struct acl_list *list, struct strbuf *value) must_check;

/*
 * "u:joe:rwx,d:g::r-x": entries separated by commas, behind '#' nothing. Without permissions
 * (setfacl -x) wants_perm is false. Appended. ERR_INVALID.
 */
int acl_list_parse(struct acl_list *list, const char *text, bool wants_perm) must_check;

enum acl_effective { ACL_EFFECTIVE_SOME, ACL_EFFECTIVE_ALL, ACL_EFFECTIVE_NONE };
struct acl_style {
	const char *prefix; /* before each entry: "", "default:" */
	bool numeric;
	bool is_short; /* "u::rw-,g::r--", in one line */
	enum acl_effective effective;
};
void acl_list_print(const struct acl_list *list, const struct acl_style *style);

/* A user's or group's name, or its number; text: at least 64 bytes, in which the number is put. */
#define OWNER_TEXT_MAX 64u
const char *owner_text(uint32_t id, bool is_group, bool numeric, char text[OWNER_TEXT_MAX]);
/* ERR_INVALID. */
int owner_id(const char *text, bool is_group, uint32_t *ret_id) must_check;

#endif
