/*
 * Any bytes as a request on the control channel of a mount. Each is answered by one line of JSON, and
 * nothing is changed but the label.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/log.h"
#include "fuse/control_answer.h"
#include "mutate/mutate.h"

FUZZ_TARGET(control)
{
	struct image *image;
	struct strbuf answer;
	struct ubtrfs *fs;
	json_t *json;
	uint64_t leaf;

	log_set_level(LOG_LEVEL_NONE);
	image = fuzz_image(&leaf);
	if (image_open(image, true, &fs) < 0)
		abort();
	strbuf_init(&answer);
	control_answer(fs, (const char *)in, len, &answer);
	json = json_loadb(strbuf_text(&answer), answer.len, 0, NULL);
	if (!json || !answer.len || memchr(answer.text, '\n', answer.len - 1) ||
	    answer.text[answer.len - 1] != '\n')
		abort();
	json_decref(json);
	strbuf_fini(&answer);
	ubtrfs_abandon(fs);
	image_reset(image);
	return 0;
}
