/*
 * Requests of the control channel, each a function of the library, and their answers as JSON.
 */
#include "fuse/control_answer.h"

#include <string.h>

#include <jansson.h>

#include <ubtrfs/admin.h>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "fuse/control.h"

struct answer {
	struct ubtrfs *fs;
	const json_t *request;
	struct json json;
};

static int answer_info(struct answer *answer)
{
	struct json *json = &answer->json;
	struct ubtrfs_info info;

	TRY(ubtrfs_info(answer->fs, &info));
	json_hex(json, "fsid", info.fsid, sizeof(info.fsid));
	json_bytes(json, "label", info.label, strlen(info.label));
	json_number(json, "generation", info.generation);
	json_number(json, "total_bytes", info.total_bytes);
	json_number(json, "used_bytes", info.used_bytes);
	json_number(json, "nodesize", info.nodesize);
	json_number(json, "sectorsize", info.sectorsize);
	json_number(json, "nr_devices", info.nr_devices);
	json_number(json, "csum_type", info.csum_type);
	json_number(json, "incompat", info.incompat);
	json_number(json, "compat_ro", info.compat_ro);
	json_number(json, "default_subvol", info.default_subvol);
	return 0;
}

static int add_space(void *ctx, const struct ubtrfs_space *space)
{
	struct json *json = ctx;

	json_object_begin(json, NULL);
	json_number(json, "flags", space->flags);
	json_number(json, "total_bytes", space->total_bytes);
	json_number(json, "used_bytes", space->used_bytes);
	json_end(json);
	return 0;
}

static int add_device(void *ctx, const struct ubtrfs_device *device)
{
	struct json *json = ctx;

	json_object_begin(json, NULL);
	json_number(json, "devid", device->devid);
	json_hex(json, "uuid", device->uuid, sizeof(device->uuid));
	json_number(json, "total_bytes", device->total_bytes);
	json_number(json, "used_bytes", device->used_bytes);
	json_number(json, "size_bytes", device->size_bytes);
	if (device->path)
		json_bytes(json, "path", device->path, strlen(device->path));
	json_bool(json, "seed", device->seed);
	json_end(json);
	return 0;
}

static int add_chunk(void *ctx, const struct ubtrfs_chunk *chunk)
{
	struct json *json = ctx;

	json_object_begin(json, NULL);
	json_number(json, "logical", chunk->logical);
	json_number(json, "len_bytes", chunk->len_bytes);
	json_number(json, "flags", chunk->flags);
	json_number(json, "used_bytes", chunk->used_bytes);
	json_number(json, "stripe_bytes", chunk->stripe_bytes);
	json_array_begin(json, "stripes");
	for (unsigned i = 0; i < chunk->nr_stripes; i++) {
		json_number(json, NULL, chunk->stripes[i].devid);
		json_number(json, NULL, chunk->stripes[i].physical);
	}
	json_end(json);
	json_end(json);
	return 0;
}

static int answer_spaces(struct answer *answer)
{
	int err;

	json_array_begin(&answer->json, "spaces");
	err = ubtrfs_space_each(answer->fs, add_space, &answer->json);
	json_end(&answer->json);
	return err;
}

static int answer_devices(struct answer *answer)
{
	int err;

	json_array_begin(&answer->json, "devices");
	err = ubtrfs_device_each(answer->fs, add_device, &answer->json);
	json_end(&answer->json);
	return err;
}

static int answer_chunks(struct answer *answer)
{
	int err;

	json_array_begin(&answer->json, "chunks");
	err = ubtrfs_chunk_each(answer->fs, add_chunk, &answer->json);
	json_end(&answer->json);
	return err;
}

static int answer_available(struct answer *answer)
{
	uint64_t bytes;

	TRY(ubtrfs_available(answer->fs, &bytes));
	json_number(&answer->json, "bytes", bytes);
	return 0;
}

static int answer_used(struct answer *answer)
{
	struct ubtrfs_info info;

	/* Now, not as the last commit left it: what a mount is asked for. */
	TRY(ubtrfs_info(answer->fs, &info));
	json_number(&answer->json, "bytes", info.used_bytes);
	return 0;
}

static int answer_sync(struct answer *answer)
{
	return ubtrfs_commit(answer->fs);
}

static int answer_label(struct answer *answer)
{
	const char *label = json_string_value(json_object_get(answer->request, "label"));

	if (!label)
		return THROW(ERR_INVALID, "a request for a label without one");
	TRY(ubtrfs_set_label(answer->fs, label));
	return ubtrfs_commit(answer->fs);
}

static const struct {
	const char *name;
	int (*answer)(struct answer *answer);
} requests[] = {
	{ "info", answer_info },	   { "spaces", answer_spaces },
	{ "devices", answer_devices },	   { "chunks", answer_chunks },
	{ "used", answer_used },	   { "sync", answer_sync },
	{ "available", answer_available }, { "label", answer_label },
};

static int answer_request(struct answer *answer)
{
	const char *name = json_string_value(json_object_get(answer->request, "request"));
	json_int_t version = json_integer_value(json_object_get(answer->request, "version"));

	if (version != CONTROL_VERSION)
		return THROW(ERR_UNSUPPORTED,
			     "the mount speaks version %d of the control channel, not %lld",
			     CONTROL_VERSION, (long long)version);
	for (size_t i = 0; name && i < ARRAY_LEN(requests); i++)
		if (strcmp(requests[i].name, name) == 0)
			return requests[i].answer(answer);
	return THROW(ERR_UNSUPPORTED, "the mount knows no request '%s'", name ? name : "");
}

static void answer_error(struct strbuf *text, int err)
{
	struct json json;

	json_init(&json, text);
	json_object_begin(&json, NULL);
	json_number(&json, "version", CONTROL_VERSION);
	json_text(&json, "error", err_text(err));
	json_number(&json, "errno", (uint64_t)err_to_errno(err));
	json_end(&json);
}

static int answer_build(struct ubtrfs *fs, const char *line, size_t len, struct strbuf *text)
{
	struct answer answer = { .fs = fs };
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	int err;

	if (!request)
		return THROW(ERR_INVALID, "a request that is no JSON");
	answer.request = request;
	json_init(&answer.json, text);
	json_object_begin(&answer.json, NULL);
	json_number(&answer.json, "version", CONTROL_VERSION);
	json_object_begin(&answer.json, "result");
	err = err_adopt(answer_request(&answer));
	if (err == 0) {
		json_end(&answer.json);
		json_end(&answer.json);
	}
	json_decref(request);
	return err < 0 ? err : strbuf_status(text);
}

/* The writer breaks lines for readers; here a line is an answer, and no string holds a newline. */
static void lines_join(struct strbuf *text, size_t from)
{
	for (size_t i = from; i < text->len; i++)
		if (text->text[i] == '\n')
			text->text[i] = ' ';
	strbuf_add(text, "\n");
}

void control_answer(struct ubtrfs *fs, const char *line, size_t len, struct strbuf *answer)
{
	size_t before = answer->len;
	int err = answer_build(fs, line, len, answer);

	if (err < 0 && before == 0) {
		strbuf_clear(answer);
		answer_error(answer, err);
	}
	if (strbuf_status(answer) == 0)
		lines_join(answer, before);
}
