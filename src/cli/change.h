/*
 * A command that changes an image as one transaction: what it did is there as a whole when it ends
 * with 0, and not at all otherwise, whatever ended it; with --commit-every a part stays, and how
 * much is told.
 *
 * Order: change_init, options, change_begin (before any thread is started), the work: opening the view,
 * with change_progress in its import options, change_end.
 */
#ifndef UBTRFS_CLI_CHANGE_H
#define UBTRFS_CLI_CHANGE_H

#include "cli/image_path.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "transfer/transfer.h"

enum change_option {
	OPTION_COMPRESS = 0x300,
	OPTION_COMMIT_EVERY,
	OPTION_STRICT_SOURCE,
	OPTION_QUIET,
};
/* And "j:" among the letters. */
/* clang-format off */
#define CHANGE_LONG_OPTIONS                                                \
	{ "compress", required_argument, NULL, OPTION_COMPRESS },          \
	{ "commit-every", required_argument, NULL, OPTION_COMMIT_EVERY },  \
	{ "jobs", required_argument, NULL, 'j' },                          \
	{ "strict", no_argument, NULL, OPTION_STRICT_SOURCE },             \
	{ "quiet", no_argument, NULL, OPTION_QUIET }
/* clang-format on */
#define CHANGE_HELP                                                                                 \
	"      --compress ALG[:LEVEL]  of new data: no (default), zlib (1..9), lzo, zstd (1..15)\n" \
	"      --commit-every SIZE  commit whenever so much was copied, not only at the end\n"      \
	"      --strict          a source that changes or vanishes while it is read is an error\n"  \
	"  -j, --jobs N          threads; as many as processors when not given\n"                   \
	"      --quiet           no progress on a terminal\n"

struct change {
	struct image_view view; /* the image, open for writing */
	struct interrupt interrupt;
	struct progress progress;
	bool in_session; /* of the shell, whose signals count */
	bool quiet;
	bool has_option; /* one of CHANGE_LONG_OPTIONS was given */
	uint64_t commit_every_bytes;
	bool strict;
	bool committed; /* by --commit-every: so far */
	struct import_progress committed_at;
};

int change_init(struct change *change, unsigned max_devices) must_check;
void change_fini(struct change *change);
/* Takes one of CHANGE_LONG_OPTIONS or IMAGE_LONG_OPTIONS. 0; 1 after a message; -1: none of them. */
int change_option(struct change *change, int option) must_check;
/* From here on signals end the work in order. 0, or 1 after a message. */
int change_begin(struct change *change) must_check;
/* A signal asked the work to end. */
bool change_interrupted(const struct change *change);
/* Fills what an import needs to be told about: progress, warnings, commits. */
void change_import_options(struct change *change, struct import_options *options);
/*
 * The work ended with err (its sentence is current); commits when it is 0. Yields the exit code,
 * after messages.
 */
int change_end(struct change *change, int err) must_check;

#endif
