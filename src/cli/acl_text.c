/*
 * POSIX ACLs as lists of entries. Users and groups are named as this machine knows them. Keeps no state.
 */
#include "cli/acl_text.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define ACL_VERSION 2u
#define ACL_HEAD_BYTES 4u
#define ACL_ENTRY_BYTES 8u
/* More do not fit into a value. */
#define ACL_ENTRIES_MAX ((ACL_VALUE_MAX - ACL_HEAD_BYTES) / ACL_ENTRY_BYTES)
#define WORD_MAX 128u

/* ---- lists ---- */

void acl_list_fini(struct acl_list *list)
{
	mem_free(list->entries);
	memset(list, 0, sizeof(*list));
}

void acl_list_clear(struct acl_list *list)
{
	list->nr = 0;
}

int acl_list_append(struct acl_list *list, const struct acl_entry *entry)
{
	if (list->nr == ACL_ENTRIES_MAX)
		return THROW(ERR_LIMIT, "an ACL has at most %u entries", ACL_ENTRIES_MAX);
	if (list->nr == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 8;
		void *entries = mem_resize(list->entries, capacity * sizeof(*list->entries));

		if (!entries)
			return MEM_FAIL("an ACL");
		list->entries = entries;
		list->capacity = capacity;
	}
	list->entries[list->nr++] = *entry;
	return 0;
}

static int entry_compare(const void *a, const void *b)
{
	const struct acl_entry *x = a, *y = b;

	if (x->tag != y->tag)
		return x->tag < y->tag ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

void acl_list_sort(struct acl_list *list)
{
	if (list->nr)
		qsort(list->entries, list->nr, sizeof(*list->entries), entry_compare);
}

struct acl_entry *acl_list_find(const struct acl_list *list, enum acl_tag tag, uint32_t id)
{
	for (size_t i = 0; i < list->nr; i++)
		if (list->entries[i].tag == tag && list->entries[i].id == id)
			return &list->entries[i];
	return NULL;
}

/* ---- values and modes ---- */

int acl_list_from_value(struct acl_list *list, const void *value, size_t len)
{
	const uint8_t *pos = (const uint8_t *)value + ACL_HEAD_BYTES;

	if (len < ACL_HEAD_BYTES || (len - ACL_HEAD_BYTES) % ACL_ENTRY_BYTES ||
	    load32(value) != ACL_VERSION)
		return THROW(ERR_CORRUPT, "an ACL of %zu bytes cannot be read", len);
	for (; pos < (const uint8_t *)value + len; pos += ACL_ENTRY_BYTES) {
		struct acl_entry entry = { .tag = (enum acl_tag)load16(pos),
					   .perm = (uint8_t)(load16(pos + 2) & 7),
					   .id = load32(pos + 4) };

		if (!(entry.tag & ACL_NAMED))
			entry.id = ACL_NO_ID;
		TRY(acl_list_append(list, &entry));
	}
	return 0;
}

int acl_list_from_mode(struct acl_list *list, uint32_t mode)
{
	const struct acl_entry entries[] = {
		{ .tag = ACL_USER_OBJ, .id = ACL_NO_ID, .perm = mode >> 6 & 7 },
		{ .tag = ACL_GROUP_OBJ, .id = ACL_NO_ID, .perm = mode >> 3 & 7 },
		{ .tag = ACL_OTHER, .id = ACL_NO_ID, .perm = mode & 7 },
	};

	for (size_t i = 0; i < ARRAY_LEN(entries); i++)
		TRY(acl_list_append(list, &entries[i]));
	return 0;
}

int acl_list_read(struct ubtrfs *fs, struct ubtrfs_node node, const char *name,
		  struct acl_list *list)
{
	SCOPED_MEM void *value = mem_alloc(ACL_VALUE_MAX);
	size_t len;
	int ret;

	if (!value)
		return MEM_FAIL("an ACL");
	ret = ubtrfs_getxattr(fs, node, name, value, ACL_VALUE_MAX, &len);
	if (ret == -ENODATA)
		return 0;
	TRY(err_adopt(ret));
	return acl_list_from_value(list, value, len);
}

int acl_list_to_value(const struct acl_list *list, struct strbuf *value)
{
	uint8_t bytes[ACL_ENTRY_BYTES];

	store32(bytes, ACL_VERSION);
	strbuf_add_bytes(value, bytes, ACL_HEAD_BYTES);
	for (size_t i = 0; i < list->nr; i++) {
		store16(bytes, (uint16_t)list->entries[i].tag);
		store16(bytes + 2, list->entries[i].perm);
		store32(bytes + 4, list->entries[i].id);
		strbuf_add_bytes(value, bytes, sizeof(bytes));
	}
	return strbuf_status(value);
}

/* ---- owners ---- */

const char *owner_text(uint32_t id, bool is_group, bool numeric, char text[OWNER_TEXT_MAX])
{
	const struct passwd *user = numeric || is_group ? NULL : getpwuid(id);
	const struct group *group = numeric || !is_group ? NULL : getgrgid(id);
	const char *name = user ? user->pw_name : group ? group->gr_name : NULL;

	if (name && strlen(name) < OWNER_TEXT_MAX)
		snprintf(text, OWNER_TEXT_MAX, "%s", name);
	else
		snprintf(text, OWNER_TEXT_MAX, "%u", id);
	return text;
}

int owner_id(const char *text, bool is_group, uint32_t *ret_id)
{
	const struct passwd *user = is_group ? NULL : getpwnam(text);
	const struct group *group = is_group ? getgrnam(text) : NULL;
	unsigned long long number;
	char *end;

	if (user || group) {
		*ret_id = user ? user->pw_uid : group->gr_gid;
		return 0;
	}
	number = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : ACL_NO_ID;
	if (number >= ACL_NO_ID || *end)
		return THROW(ERR_INVALID, "there is no %s '%s'", is_group ? "group" : "user", text);
	*ret_id = (uint32_t)number;
	return 0;
}

/* ---- from text ---- */

static void pass_blanks(const char **text)
{
	while (isspace((unsigned char)**text))
		(*text)++;
}

/* One part of an entry, up to a colon or the entry's end; blanks around it do not count. */
static int take_part(const char **text, char part[WORD_MAX], bool *ret_more)
{
	size_t len;

	pass_blanks(text);
	len = strcspn(*text, ":,# \t\r\n");
	if (len >= WORD_MAX)
		return THROW(ERR_INVALID, "'%.40s...' is too long", *text);
	memcpy(part, *text, len);
	part[len] = '\0';
	*text += len;
	pass_blanks(text);
	*ret_more = **text == ':';
	*text += *ret_more;
	return 0;
}

static bool is_word(const char *part, const char *word)
{
	return strcmp(part, word) == 0 || (part[0] == word[0] && !part[1]);
}

/* A letter that was not there before. */
static int take_letter(char letter, struct acl_entry *entry)
{
	static const char letters[] = "xwr";
	const char *found = strchr(letters, letter);
	unsigned bit = found ? 1u << (found - letters) : 0;

	if (letter == '-')
		return 0;
	if (letter == 'X' && !entry->is_conditional) {
		entry->is_conditional = true;
		return 0;
	}
	if (!bit || entry->perm & bit)
		return THROW(ERR_INVALID, "'%c' is no permission, or there twice", letter);
	entry->perm |= (uint8_t)bit;
	return 0;
}

static int take_perm(const char *part, struct acl_entry *entry)
{
	size_t nr_digits = strspn(part, "01234567");

	if (!*part)
		return THROW(ERR_INVALID, "an entry without permissions");
	if (nr_digits && !part[nr_digits]) {
		unsigned long perm = strtoul(part, NULL, 8);

		if (perm > 7)
			return THROW(ERR_INVALID, "'%s' are no permissions", part);
		entry->perm = (uint8_t)perm;
		return 0;
	}
	for (; *part; part++)
		TRY(take_letter(*part, entry));
	return 0;
}

/* What stands between the tag and the permissions: "u:joe:", "u::"; "m:" and "o:" may leave it out. */
static int take_qualifier(const char **text, char part[WORD_MAX], struct acl_entry *entry,
			  bool wants_perm, bool *more)
{
	bool may_have = entry->tag == ACL_USER_OBJ || entry->tag == ACL_GROUP_OBJ;

	if (!*more)
		return 0;
	if (!may_have && **text != ':' && wants_perm)
		return 0;
	TRY(take_part(text, part, more));
	if (!*part)
		return 0;
	if (!may_have)
		return THROW(ERR_INVALID, "'%s' stands where no name is", part);
	entry->tag = entry->tag == ACL_USER_OBJ ? ACL_USER : ACL_GROUP;
	return owner_id(part, entry->tag == ACL_GROUP, &entry->id);
}

static int take_tag(const char **text, char part[WORD_MAX], struct acl_entry *entry, bool *more)
{
	static const struct {
		const char *word;
		enum acl_tag tag;
	} tags[] = { { "user", ACL_USER_OBJ },
		     { "group", ACL_GROUP_OBJ },
		     { "mask", ACL_MASK },
		     { "other", ACL_OTHER } };

	TRY(take_part(text, part, more));
	if (*more && is_word(part, "default")) {
		entry->is_default = true;
		TRY(take_part(text, part, more));
	}
	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		if (!is_word(part, tags[i].word))
			continue;
		entry->tag = tags[i].tag;
		return 0;
	}
	/* A user without a tag. */
	entry->tag = ACL_USER;
	return owner_id(part, false, &entry->id);
}

static int take_entry(const char **text, bool wants_perm, struct acl_entry *entry)
{
	char part[WORD_MAX];
	bool more;

	TRY(take_tag(text, part, entry, &more));
	if (entry->tag != ACL_USER)
		TRY(take_qualifier(text, part, entry, wants_perm, &more));
	if (!more)
		return wants_perm ? THROW(ERR_INVALID, "an entry without permissions") : 0;
	TRY(take_part(text, part, &more));
	if (more)
		return THROW(ERR_INVALID, "more stands behind '%s'", part);
	if (!wants_perm)
		return *part ? THROW(ERR_INVALID, "an entry to be removed has no permissions") : 0;
	return take_perm(part, entry);
}

int acl_list_parse(struct acl_list *list, const char *text, bool wants_perm)
{
	pass_blanks(&text);
	while (*text && *text != '#') {
		struct acl_entry entry = { .id = ACL_NO_ID };

		TRY(take_entry(&text, wants_perm, &entry));
		TRY(acl_list_append(list, &entry));
		pass_blanks(&text);
		if (*text && *text != ',' && *text != '#')
			return THROW(ERR_INVALID, "no comma before '%s'", text);
		text += *text == ',';
		pass_blanks(&text);
	}
	return 0;
}

/* ---- to text ---- */

static const char *perm_text(unsigned perm, char text[4])
{
	snprintf(text, 4, "%c%c%c", perm & 4 ? 'r' : '-', perm & 2 ? 'w' : '-',
		 perm & 1 ? 'x' : '-');
	return text;
}

static const char *tag_text(enum acl_tag tag)
{
	switch (tag) {
	case ACL_USER_OBJ:
	case ACL_USER:
		return "user";
	case ACL_GROUP_OBJ:
	case ACL_GROUP:
		return "group";
	case ACL_MASK:
		return "mask";
	case ACL_OTHER:
		return "other";
	}
	return "?";
}

static void print_entry(const struct acl_entry *entry, const struct acl_style *style)
{
	const char *tag = tag_text(entry->tag);
	char owner[OWNER_TEXT_MAX] = "", perm[4];

	if (entry->tag & ACL_NAMED)
		owner_text(entry->id, entry->tag == ACL_GROUP, style->numeric, owner);
	printf("%s%.*s:%s:%s", style->prefix, style->is_short ? 1 : 8, tag, owner,
	       perm_text(entry->perm, perm));
}

static void print_effective(const struct acl_entry *entry, const struct acl_entry *mask,
			    const struct acl_style *style)
{
	char perm[4];

	if (!mask || !(entry->tag & ACL_MASKED) || style->effective == ACL_EFFECTIVE_NONE)
		return;
	if (style->effective == ACL_EFFECTIVE_ALL || entry->perm & ~mask->perm)
		printf("\t#effective:%s", perm_text(entry->perm & mask->perm, perm));
}

void acl_list_print(const struct acl_list *list, const struct acl_style *style)
{
	const struct acl_entry *mask = acl_list_find(list, ACL_MASK, ACL_NO_ID);

	for (size_t i = 0; i < list->nr; i++) {
		if (style->is_short && i)
			putchar(',');
		print_entry(&list->entries[i], style);
		if (style->is_short)
			continue;
		print_effective(&list->entries[i], mask, style);
		putchar('\n');
	}
}
