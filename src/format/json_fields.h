/*
 * Private to format: any structure of disk_structs.h as members of a JSON object, made from its
 * table: the names in JSON are the names of the accessors, for every structure and for ever.
 *
 * Numbers are numbers; keys, times and nested structures are objects; 16 bytes of identity are UUIDs;
 * reserved and unused bytes are left out while they are zero, and hexadecimal otherwise.
 */
#ifndef UBTRFS_FORMAT_JSON_FIELDS_H
#define UBTRFS_FORMAT_JSON_FIELDS_H

#include "base/json_writer.h"
#include "format/disk_structs.h"
#include "format/key.h"

/* One function for each structure: json_<prefix>_fields(json, bytes). */
#define DECLARE_FIELDS(prefix, PREFIX) \
	void json_##prefix##_fields(struct json *json, const uint8_t *p);
DISK_STRUCTS(DECLARE_FIELDS)
#undef DECLARE_FIELDS

/* {"objectid", "type", "type_name" (null: none), "offset"} */
void json_key(struct json *json, const char *name, const struct key *key);

#endif
