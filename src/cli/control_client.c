/*
 * Asking a mount through its control channel, which control_find.c finds.
 *
 * What comes back is not trusted: an answer has at most CONTROL_ANSWER_MAX bytes, and what it lacks
 * is told.
 */
#include "cli/control_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/control_find.h"
#include "fuse/control.h"

struct control_client {
	int fd;
	FILE *in; /* of the same descriptor */
};

int control_client_open(const char *path, struct control_client **ret_client)
{
	struct control_client *client;
	int fd = -1;

	TRY(control_find(path, &fd));
	client = mem_zalloc(sizeof(*client));
	if (client)
		client->in = fdopen(fd, "r");
	if (!client || !client->in) {
		close(fd);
		mem_free(client);
		return MEM_FAIL("the control channel");
	}
	client->fd = fd;
	*ret_client = client;
	return 0;
}

void control_client_close(struct control_client *client)
{
	if (!client)
		return;
	fclose(client->in);
	mem_free(client);
}

static int send_request(struct control_client *client, const char *request, const char *label)
{
	json_t *object = json_pack("{s:i, s:s}", "version", CONTROL_VERSION, "request", request);
	char *text = NULL;
	int err = 0;

	if (object && label && json_object_set_new(object, "label", json_string(label)) < 0)
		err = THROW(ERR_INVALID, "a label that is not UTF-8");
	if (object)
		text = json_dumps(object, JSON_COMPACT);
	if (err == 0 && !text)
		err = MEM_FAIL("a request");
	if (err == 0 && dprintf(client->fd, "%s\n", text) < 0)
		err = THROW_SYS(errno, "the mount cannot be asked");
	json_decref(object);
	free(text); /* tidy: libc free */
	return err;
}

/* An answer of the other side, which is at most CONTROL_ANSWER_MAX bytes long. */
static int receive_answer(struct control_client *client, json_t **ret_answer)
{
	char chunk[4096];
	struct strbuf line;
	json_t *answer = NULL;
	int err = 0;

	strbuf_init(&line);
	do {
		if (!fgets(chunk, sizeof(chunk), client->in))
			err = THROW(ERR_INTERRUPTED, "the mount went away while it was asked");
		else
			strbuf_add(&line, chunk);
		if (err == 0)
			err = strbuf_status(&line);
		if (err == 0 && line.len > CONTROL_ANSWER_MAX)
			err = THROW(ERR_LIMIT, "the mount answers with more than %zu bytes",
				    CONTROL_ANSWER_MAX);
	} while (err == 0 && line.text[line.len - 1] != '\n');
	if (err == 0) {
		answer = json_loadb(line.text, line.len, 0, NULL);
		if (!answer)
			err = THROW(ERR_INVALID, "the mount answers with what is no JSON");
	}
	strbuf_fini(&line);
	if (err == 0)
		*ret_answer = answer;
	return err;
}

int control_client_ask(struct control_client *client, const char *request, const char *label,
		       json_t **ret_result)
{
	json_t *answer = NULL, *result;
	const char *sentence;
	int err = 0;

	TRY(send_request(client, request, label));
	TRY(receive_answer(client, &answer));
	sentence = json_string_value(json_object_get(answer, "error"));
	result = json_object_get(answer, "result");
	if (sentence)
		err = THROW(ERR_MOUNT, "%s", sentence);
	else if (!json_is_object(result))
		err = THROW(ERR_INVALID, "the mount's answer to '%s' has no result", request);
	else
		*ret_result = json_incref(result);
	json_decref(answer);
	return err;
}

uint64_t control_number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (json_is_boolean(value))
		return json_is_true(value);
	return (uint64_t)json_integer_value(value);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex_decode(const char *text, size_t len, uint8_t *ret_bytes)
{
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(text[2 * i]);
		int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);

		if (low < 0)
			return THROW(ERR_INVALID, "the mount answers with bytes that are none");
		ret_bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int control_hex(const json_t *object, const char *name, uint8_t *ret_bytes, size_t len)
{
	const char *text = json_string_value(json_object_get(object, name));

	if (!text || strlen(text) != 2 * len)
		return THROW(ERR_INVALID, "the mount's answer has no '%s'", name);
	return hex_decode(text, len, ret_bytes);
}

int control_bytes(const json_t *object, const char *name, char *ret_text, size_t capacity)
{
	const char *text = json_string_value(json_object_get(object, name));
	char hex_name[64];
	const char *hex;
	size_t len;

	snprintf(hex_name, sizeof(hex_name), "%s_hex", name);
	hex = json_string_value(json_object_get(object, hex_name));
	len = hex ? strlen(hex) / 2 : text ? strlen(text) : 0;
	if (len >= capacity)
		return THROW(ERR_INVALID, "the mount's '%s' is too long", name);
	ret_text[len] = '\0';
	if (hex)
		return hex_decode(hex, len, (uint8_t *)ret_text);
	if (text)
		memcpy(ret_text, text, len);
	return 0;
}
