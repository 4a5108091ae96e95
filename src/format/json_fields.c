/*
 * Structures as JSON: see json_fields.h. What is left out while it is zero: bytes that mean nothing, and what the
 * caller has cleared because it is told in another way. Owns the tables of fields, made from those of
 * disk_structs.h.
 */
#include "format/json_fields.h"

#include "format/item_ops.h"

enum field_kind { FIELD_U8, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_BYTES, FIELD_NEST };

struct field {
	const char *name;
	enum field_kind kind;
	uint16_t at, len;
};

static void json_fields(struct json *json, const uint8_t *p, const struct field *fields, size_t nr);

#define ROW_U8(field, at) { #field, FIELD_U8, (at), 1 },
#define ROW_U16(field, at) { #field, FIELD_U16, (at), 2 },
#define ROW_U32(field, at) { #field, FIELD_U32, (at), 4 },
#define ROW_U64(field, at) { #field, FIELD_U64, (at), 8 },
#define ROW_BYTES(field, at, len) { #field, FIELD_BYTES, (at), (len) },
#define ROW_NEST(field, at, len) { #field, FIELD_NEST, (at), (len) },
#define ROW(kind, prefix, ...) ROW_##kind(__VA_ARGS__)
#define FIELDS_FUNCTION(prefix, PREFIX)                                        \
	void json_##prefix##_fields(struct json *json, const uint8_t *p)       \
	{                                                                      \
		static const struct field fields[] = { PREFIX##_FIELDS(ROW) }; \
                                                                               \
		json_fields(json, p, fields, ARRAY_LEN(fields));               \
	}
DISK_STRUCTS(FIELDS_FUNCTION)

void json_key(struct json *json, const char *name, const struct key *key)
{
	json_object_begin(json, name);
	json_number(json, "objectid", key->objectid);
	json_number(json, "type", key->type);
	json_text(json, "type_name", item_type_name(key->type));
	json_number(json, "offset", key->offset);
	json_end(json);
}

static void json_time(struct json *json, const char *name, const uint8_t *p)
{
	json_object_begin(json, name);
	json_signed(json, "sec", (int64_t)timespec_sec(p));
	json_number(json, "nsec", timespec_nsec(p));
	json_end(json);
}

static bool all_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static void json_backups(struct json *json, const char *name, const uint8_t *p)
{
	json_array_begin(json, name);
	for (unsigned i = 0; i < BTRFS_NUM_BACKUP_ROOTS; i++) {
		json_object_begin(json, NULL);
		json_root_backup_fields(json, p + (size_t)i * ROOT_BACKUP_SIZE);
		json_end(json);
	}
	json_end(json);
}

/* What is nested is known by its size; no two kinds of it have the same. */
static void json_nested(struct json *json, const struct field *field, const uint8_t *p)
{
	struct key key;

	switch (field->len) {
	case KEY_DISK_SIZE:
		key = key_load(p);
		json_key(json, field->name, &key);
		return;
	case TIMESPEC_SIZE:
		json_time(json, field->name, p);
		return;
	case BTRFS_NUM_BACKUP_ROOTS *ROOT_BACKUP_SIZE:
		if (!all_zero(p, field->len))
			json_backups(json, field->name, p);
		return;
	}
	json_object_begin(json, field->name);
	if (field->len == DEV_ITEM_SIZE)
		json_dev_item_fields(json, p);
	else if (field->len == INODE_ITEM_SIZE)
		json_inode_item_fields(json, p);
	else if (field->len == BALANCE_ARGS_SIZE)
		json_balance_args_fields(json, p);
	json_end(json);
}

static void json_byte_field(struct json *json, const struct field *field, const uint8_t *p)
{
	static const char *const left_out[] = { "reserved", "unused", "unused_64",	"unused_8",
						"padding",  "csum",   "sys_chunk_array" };

	if (strcmp(field->name, "label") == 0) {
		json_bytes(json, field->name, p, strnlen((const char *)p, field->len));
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(left_out); i++)
		if (strcmp(field->name, left_out[i]) == 0 && all_zero(p, field->len))
			return;
	if (field->len == BTRFS_UUID_SIZE)
		json_uuid(json, field->name, p);
	else
		json_hex(json, field->name, p, field->len);
}

static void json_field(struct json *json, const struct field *field, const uint8_t *p)
{
	switch (field->kind) {
	case FIELD_U8:
		json_number(json, field->name, *p);
		break;
	case FIELD_U16:
		json_number(json, field->name, load16(p));
		break;
	case FIELD_U32:
		json_number(json, field->name, load32(p));
		break;
	case FIELD_U64:
		json_number(json, field->name, load64(p));
		break;
	case FIELD_BYTES:
		json_byte_field(json, field, p);
		break;
	case FIELD_NEST:
		json_nested(json, field, p);
		break;
	}
}

static void json_fields(struct json *json, const uint8_t *p, const struct field *fields, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		json_field(json, &fields[i], p + fields[i].at);
}
