/*
 * The side of the control channel that asks: a filesystem that `ubtrfs mount` has mounted, by a path
 * in it.
 */
#ifndef UBTRFS_CLI_CONTROL_CLIENT_H
#define UBTRFS_CLI_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct control_client;

/*
 * The mount that a path lies in. ERR_NOT_FOUND when it lies in none of ours: the sentence says what
 * it lies in.
 */
int control_client_open(const char *path, struct control_client **ret_client) must_check;
/* NULL is allowed. */
void control_client_close(struct control_client *client);
/*
 * Asks; label NULL: the request has none. *ret_result is an object, to be given back with
 * json_decref. Errors of the other side come with its sentence.
 */
int control_client_ask(struct control_client *client, const char *request, const char *label,
		       json_t **ret_result) must_check;

/* A member; 0, false or "" when it is not there. */
uint64_t control_number(const json_t *object, const char *name);
/* Bytes of a string: 0, or ERR_INVALID when they do not fit with a zero behind them. */
int control_bytes(const json_t *object, const char *name, char *ret_text,
		  size_t capacity) must_check;
/* As many bytes as a member in hexadecimal digits has to have. */
int control_hex(const json_t *object, const char *name, uint8_t *ret_bytes, size_t len) must_check;

#endif
