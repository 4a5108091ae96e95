/*
 * Private to format: the contents of an item as members of a JSON object.
 */
#ifndef UBTRFS_FORMAT_JSON_ITEM_H
#define UBTRFS_FORMAT_JSON_ITEM_H

#include "base/json_writer.h"
#include "format/item_ops.h"

/*
 * What the item holds, by its key type. Of a type that nobody knows, and of an item too small for its
 * type ("error" says so), "bytes" are all of it, hexadecimal.
 */
void json_item(struct json *json, const struct item_view *item);

/* A chunk (len_bytes, at least CHUNK_SIZE) with "stripes", as many as are there. */
void json_chunk_members(struct json *json, const uint8_t *chunk, uint32_t len_bytes);

#endif
