/*
 * The ACLs of a file side by side: the two lists are in one order, and merged. Keeps no state.
 */
#include "cli/acl_table.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

#define NAME_WIDTH_MIN 8

static const char *tag_text(enum acl_tag tag)
{
	switch (tag) {
	case ACL_USER_OBJ:
		return "USER";
	case ACL_USER:
		return "user";
	case ACL_GROUP_OBJ:
		return "GROUP";
	case ACL_GROUP:
		return "group";
	case ACL_MASK:
		return "mask";
	case ACL_OTHER:
		return "other";
	}
	return "?";
}

static const char *name_text(const struct acl_table *table, const struct acl_entry *entry,
			     char text[OWNER_TEXT_MAX])
{
	switch (entry->tag) {
	case ACL_USER_OBJ:
		return owner_text(table->uid, false, table->numeric, text);
	case ACL_GROUP_OBJ:
		return owner_text(table->gid, true, table->numeric, text);
	case ACL_USER:
	case ACL_GROUP:
		return owner_text(entry->id, entry->tag == ACL_GROUP, table->numeric, text);
	default:
		return "";
	}
}

static const char *perm_text(const struct acl_list *list, const struct acl_entry *entry,
			     char text[4])
{
	const struct acl_entry *mask = acl_list_find(list, ACL_MASK, ACL_NO_ID);
	unsigned kept = mask && entry->tag & ACL_MASKED ? mask->perm : 7;

	for (unsigned i = 0; i < 3; i++) {
		unsigned bit = 4u >> i;

		text[i] = !(entry->perm & bit) ? '-' : (kept & bit ? "rwx" : "RWX")[i];
	}
	text[3] = '\0';
	return text;
}

static int entry_compare(const struct acl_entry *a, const struct acl_entry *b)
{
	if (!a || !b)
		return a ? -1 : 1;
	if (a->tag != b->tag)
		return a->tag < b->tag ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

static const struct acl_entry *entry_at(const struct acl_list *list, size_t index)
{
	return index < list->nr ? &list->entries[index] : NULL;
}

static int name_width(const struct acl_table *table, const struct acl_list *list)
{
	char name[OWNER_TEXT_MAX];
	size_t width = NAME_WIDTH_MIN;

	for (size_t i = 0; i < list->nr; i++)
		width = MAX(width, strlen(name_text(table, &list->entries[i], name)));
	return (int)width;
}

void acl_table_print(const struct acl_table *table)
{
	const struct acl_list *lists[2] = { table->access, table->inherited };
	int width = MAX(name_width(table, lists[0]), name_width(table, lists[1]));
	size_t next[2] = { 0, 0 };

	for (;;) {
		const struct acl_entry *left = entry_at(lists[0], next[0]);
		const struct acl_entry *right = entry_at(lists[1], next[1]);
		char name[OWNER_TEXT_MAX], perm[2][4];
		int order;

		if (!left && !right)
			return;
		order = entry_compare(left, right);
		printf("%-5s  %*s  %-3s  %-3s\n", tag_text(order <= 0 ? left->tag : right->tag),
		       -width, name_text(table, order <= 0 ? left : right, name),
		       order <= 0 ? perm_text(lists[0], left, perm[0]) : "",
		       order >= 0 ? perm_text(lists[1], right, perm[1]) : "");
		next[0] += order <= 0;
		next[1] += order >= 0;
	}
}
