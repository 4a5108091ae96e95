/*
 * Changing the ACLs of a file. Keeps no state.
 */
#include "cli/acl_edit.h"

#include <string.h>

#include "base/mem.h"

void acl_ops_fini(struct acl_ops *ops)
{
	mem_free(ops->ops);
	memset(ops, 0, sizeof(*ops));
}

static int ops_push(struct acl_ops *ops, const struct acl_op *op)
{
	if (ops->nr == ops->capacity) {
		size_t capacity = ops->capacity ? 2 * ops->capacity : 16;
		void *grown = mem_resize(ops->ops, capacity * sizeof(*ops->ops));

		if (!grown)
			return MEM_FAIL("changes of ACLs");
		ops->ops = grown;
		ops->capacity = capacity;
	}
	ops->ops[ops->nr++] = *op;
	return 0;
}

int acl_ops_add(struct acl_ops *ops, enum acl_op_what what, enum acl_kind kind)
{
	const struct acl_op op = { .what = what, .kind = kind };

	return ops_push(ops, &op);
}

int acl_ops_add_list(struct acl_ops *ops, enum acl_op_what what, const struct acl_list *list,
		     bool all_default)
{
	for (size_t i = 0; i < list->nr; i++) {
		const struct acl_entry *entry = &list->entries[i];
		const struct acl_op op = { .what = what,
					   .kind = entry->is_default || all_default ?
							   ACL_KIND_DEFAULT :
							   ACL_KIND_ACCESS,
					   .entry = *entry };

		TRY(ops_push(ops, &op));
	}
	return 0;
}

void acl_pair_fini(struct acl_pair *pair)
{
	for (unsigned kind = 0; kind < ACL_KINDS; kind++)
		acl_list_fini(&pair->lists[kind]);
}

/* ---- one operation ---- */

static bool any_may_execute(const struct acl_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		if (list->entries[i].perm & 1)
			return true;
	return false;
}

static int modify(struct acl_list *list, const struct acl_entry *entry, bool is_dir)
{
	struct acl_entry *there = acl_list_find(list, entry->tag, entry->id);
	struct acl_entry new = *entry;

	if (entry->is_conditional && (is_dir || any_may_execute(list)))
		new.perm |= 1;
	if (!there) {
		TRY(acl_list_append(list, &new));
		acl_list_sort(list);
		return 0;
	}
	there->perm = new.perm;
	return 0;
}

static void remove_entry(struct acl_list *list, const struct acl_entry *entry)
{
	struct acl_entry *there = acl_list_find(list, entry->tag, entry->id);
	size_t behind;

	if (!there)
		return;
	behind = (size_t)(list->entries + list->nr - (there + 1));
	memmove(there, there + 1, behind * sizeof(*there));
	list->nr--;
}

/* What the mask held back from the group stays held back. */
static void strip(struct acl_list *list)
{
	const struct acl_entry *mask = acl_list_find(list, ACL_MASK, ACL_NO_ID);
	struct acl_entry *group = acl_list_find(list, ACL_GROUP_OBJ, ACL_NO_ID);
	size_t nr = 0;

	if (mask && group)
		group->perm &= mask->perm;
	for (size_t i = 0; i < list->nr; i++)
		if (!(list->entries[i].tag & (ACL_NAMED | ACL_MASK)))
			list->entries[nr++] = list->entries[i];
	list->nr = nr;
}

static int apply_one(struct acl_pair *pair, const struct acl_op *op, bool is_dir)
{
	struct acl_list *list = &pair->lists[op->kind];

	switch (op->what) {
	case ACL_OP_MODIFY:
		TRY(modify(list, &op->entry, is_dir));
		break;
	case ACL_OP_REMOVE:
		remove_entry(list, &op->entry);
		break;
	case ACL_OP_STRIP:
		strip(list);
		break;
	case ACL_OP_CLEAR:
		acl_list_clear(list);
		break;
	}
	return 0;
}

static bool entries_differ(const struct acl_entry *a, const struct acl_entry *b)
{
	return a->tag != b->tag || a->id != b->id || a->perm != b->perm;
}

static bool lists_equal(const struct acl_list *a, const struct acl_list *b)
{
	if (a->nr != b->nr)
		return false;
	for (size_t i = 0; i < a->nr; i++)
		if (entries_differ(&a->entries[i], &b->entries[i]))
			return false;
	return true;
}

/* ---- what follows from the rest ---- */

static int complete_base(struct acl_pair *pair)
{
	static const enum acl_tag tags[] = { ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_OTHER };
	struct acl_list *list = &pair->lists[ACL_KIND_DEFAULT];

	for (unsigned i = 0; i < 3; i++) {
		const struct acl_entry *base =
			acl_list_find(&pair->lists[ACL_KIND_ACCESS], tags[i], ACL_NO_ID);

		if (base && !acl_list_find(list, tags[i], ACL_NO_ID))
			TRY(acl_list_append(list, base));
	}
	acl_list_sort(list);
	return 0;
}

static bool needs_mask(const struct acl_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		if (list->entries[i].tag & (ACL_NAMED | ACL_MASK))
			return true;
	return false;
}

static int complete_mask(struct acl_list *list, int how, bool given)
{
	struct acl_entry *mask = acl_list_find(list, ACL_MASK, ACL_NO_ID);
	const struct acl_entry *group = acl_list_find(list, ACL_GROUP_OBJ, ACL_NO_ID);
	struct acl_entry new = { .tag = ACL_MASK, .id = ACL_NO_ID };

	if (!needs_mask(list))
		return 0;
	if (!mask && (!given || how > 0)) {
		new.perm = group ? group->perm : 0;
		TRY(acl_list_append(list, &new));
		acl_list_sort(list);
		mask = acl_list_find(list, ACL_MASK, ACL_NO_ID);
	}
	if (!mask || how < 0 || (how == 0 && given))
		return 0;
	mask->perm = 0;
	for (size_t i = 0; i < list->nr; i++)
		if (list->entries[i].tag & ACL_MASKED)
			mask->perm |= list->entries[i].perm;
	return 0;
}

static int list_check(const struct acl_list *list)
{
	bool named = false;

	for (size_t i = 0; i < list->nr; i++)
		named |= list->entries[i].tag & ACL_NAMED;
	if (!acl_list_find(list, ACL_USER_OBJ, ACL_NO_ID) ||
	    !acl_list_find(list, ACL_GROUP_OBJ, ACL_NO_ID) ||
	    !acl_list_find(list, ACL_OTHER, ACL_NO_ID))
		return THROW(ERR_INVALID, "an ACL has entries for owner, group and others");
	if (named && !acl_list_find(list, ACL_MASK, ACL_NO_ID))
		return THROW(ERR_INVALID, "an ACL with named users or groups has a mask");
	return 0;
}

/* ops are applied to one list, and what follows from them. */
static int kind_apply(const struct acl_ops *ops, struct acl_pair *pair, enum acl_kind kind,
		      bool is_dir)
{
	struct acl_list *list = &pair->lists[kind];
	bool given = false, named = false;

	for (size_t i = 0; i < ops->nr; i++) {
		const struct acl_op *op = &ops->ops[i];

		if (op->kind != kind)
			continue;
		named = true;
		TRY(apply_one(pair, op, is_dir));
		given |= op->entry.tag == ACL_MASK;
	}
	if (!named || (kind == ACL_KIND_DEFAULT && !list->nr))
		return 0;
	if (kind == ACL_KIND_DEFAULT)
		TRY(complete_base(pair));
	TRY(complete_mask(list, ops->mask, given));
	return list_check(list);
}

static int list_copy(const struct acl_list *from, struct acl_list *to)
{
	for (size_t i = 0; i < from->nr; i++)
		TRY(acl_list_append(to, &from->entries[i]));
	return 0;
}

int acl_ops_apply(const struct acl_ops *ops, struct acl_pair *pair, bool is_dir)
{
	for (enum acl_kind kind = ACL_KIND_ACCESS; kind < ACL_KINDS; kind++) {
		struct acl_list before = { .nr = 0 };
		int err = list_copy(&pair->lists[kind], &before);

		if (err == 0)
			err = kind_apply(ops, pair, kind, is_dir);
		pair->changed[kind] = !lists_equal(&before, &pair->lists[kind]);
		acl_list_fini(&before);
		TRY(err);
	}
	return 0;
}
