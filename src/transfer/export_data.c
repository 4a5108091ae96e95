/*
 * Contents of files for an archive: small ones came with the walk, others are read here, in pieces that
 * other threads read ahead.
 *
 * The data of a file is a list of ranges, or all of it. Pieces are taken from the ranges in order, a few
 * ahead of what is written. Where the format has no holes they are written as zeroes; pax leaves out of
 * what it is given what the entry says is a hole.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "transfer/export_priv.h"
#include "transfer/read_ahead.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define PIECES_AHEAD 8u

/* ---- holes ---- */

int export_map_zeroes(struct export *export)
{
	void *zeroes = mmap(NULL, EXPORT_ZERO_BYTES, PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (zeroes == MAP_FAILED)
		return MEM_FAIL("the zeroes of holes");
	export->zeroes = zeroes;
	return 0;
}

void export_unmap_zeroes(struct export *export)
{
	if (export->zeroes)
		(void)munmap(export->zeroes, EXPORT_ZERO_BYTES);
}

static int range_add(struct export *export, uint64_t start, uint64_t end)
{
	size_t capacity = export->range_capacity ? 2 * export->range_capacity : 16;
	struct data_range *last = export->nr_ranges ? &export->ranges[export->nr_ranges - 1] : NULL;
	struct data_range *ranges;

	if (last && last->end >= start) {
		last->end = MAX(last->end, end);
		return 0;
	}
	if (export->nr_ranges == export->range_capacity) {
		ranges = mem_resize(export->ranges, capacity * sizeof(*ranges));
		if (!ranges)
			return MEM_FAIL("the holes of a file");
		export->ranges = ranges;
		export->range_capacity = capacity;
	}
	export->ranges[export->nr_ranges++] = (struct data_range){ start, end };
	return 0;
}

static int find_ranges(struct export *export, const struct walk_entry *from)
{
	uint64_t size = from->attr.size, pos = 0, start, end;

	while (pos < size) {
		int err = ubtrfs_seek_data(export->options->fs, from->node, pos, &start, &end);

		if (err == -ENXIO || (err == 0 && start >= size))
			return 0;
		TRY(err);
		if (end <= pos)
			return THROW(ERR_CORRUPT, "a range of data ends before it begins");
		TRY(range_add(export, MAX(start, pos), MIN(end, size)));
		pos = end;
	}
	return 0;
}

static bool is_whole(const struct export *export, uint64_t size)
{
	return export->nr_ranges == 1 && !export->ranges[0].start && export->ranges[0].end >= size;
}

int export_find_holes(struct export *export, const struct walk_entry *from)
{
	uint64_t size = from->attr.size;
	int err;

	export->nr_ranges = 0;
	export->has_holes = false;
	if (from->data || !size)
		return 0;
	err = find_ranges(export, from);
	/* What is known is read, the rest is a hole: a damaged length may be EiB. */
	if (err < 0)
		export->options->failed(export->options->ctx, from->path, NULL);
	if (is_whole(export, size) || export->options->format != EXPORT_PAX)
		return 0;
	export->has_holes = true;
	for (size_t i = 0; i < export->nr_ranges; i++)
		archive_entry_sparse_add_entry(
			export->entry, (la_int64_t) export->ranges[i].start,
			(la_int64_t)(export->ranges[i].end - export->ranges[i].start));
	/* Nothing but a hole. */
	if (!export->nr_ranges)
		archive_entry_sparse_add_entry(export->entry, 0, 0);
	return 0;
}

/* ---- pieces ---- */

struct piece {
	struct ahead_job job;
	struct ubtrfs *fs;
	struct ubtrfs_node node;
	uint64_t start;
	size_t len;
	uint8_t *data; /* PIECE_BYTES; owned */
	struct err_report failure;
};

struct pieces {
	struct export *export;
	struct read_ahead *ahead;
	size_t range;	    /* that the next piece is of */
	uint64_t next;	    /* where it begins */
	unsigned first, nr; /* those that are queued, a ring */
	struct piece ring[PIECES_AHEAD];
};

static int piece_fill(struct piece *piece)
{
	size_t done = 0, len;
	uint64_t start;

	while (done < piece->len) {
		TRY(ubtrfs_read_data(piece->fs, piece->node, piece->start + done,
				     piece->data + done, piece->len - done, &start, &len));
		if (start != piece->start + done || !len)
			return THROW(ERR_CORRUPT, "data is not where the extents say");
		done += len;
	}
	return 0;
}

/* What cannot be read is zeroes. */
static void piece_run(struct ahead_job *job)
{
	struct piece *piece = container_of(job, struct piece, job);
	int err;

	if (!piece->data)
		piece->data = mem_alloc(PIECE_BYTES);
	err = piece->data ? piece_fill(piece) : MEM_FAIL("reading ahead");
	err_capture(err, &piece->failure);
	if (err < 0 && piece->data)
		memset(piece->data, 0, piece->len);
	job->bytes = piece->len;
}

static void pieces_queue(struct pieces *pieces, struct ubtrfs_node node)
{
	const struct export *export = pieces->export;

	while (pieces->nr < PIECES_AHEAD && pieces->range < export->nr_ranges) {
		const struct data_range *range = &export->ranges[pieces->range];
		struct piece *piece = &pieces->ring[(pieces->first + pieces->nr) % PIECES_AHEAD];

		pieces->next = MAX(pieces->next, range->start);
		piece->job.run = piece_run;
		piece->fs = export->options->fs;
		piece->node = node;
		piece->start = pieces->next;
		/* Pieces end at multiples, so that compressed extents are rarely cut. */
		piece->len = (size_t)(MIN(range->end,
					  round_down(pieces->next + PIECE_BYTES, PIECE_BYTES)) -
				      pieces->next);
		pieces->next += piece->len;
		if (pieces->next >= range->end)
			pieces->range++;
		ahead_queue(pieces->ahead, &piece->job);
		pieces->nr++;
	}
}

/* ---- writing ---- */

static int write_bytes(struct export *export, const uint8_t *data, size_t len)
{
	while (len) {
		la_ssize_t done = archive_write_data(export->archive, data, len);

		if (done <= 0)
			return export_broken(export);
		data += done;
		len -= (size_t)done;
	}
	return 0;
}

static int write_zeroes(struct export *export, uint64_t len)
{
	while (len) {
		size_t part = (size_t)MIN(len, EXPORT_ZERO_BYTES);

		TRY(write_bytes(export, export->zeroes, part));
		len -= part;
	}
	return 0;
}

static int write_piece(struct export *export, const struct walk_entry *from, struct piece *piece,
		       uint64_t *pos, bool *told)
{
	if (piece->failure.err && !*told) {
		(void)err_rethrow(&piece->failure);
		export->options->failed(export->options->ctx, from->path, NULL);
		*told = true;
	}
	TRY(write_zeroes(export, piece->start - *pos));
	*pos = piece->start + piece->len;
	return piece->data ? write_bytes(export, piece->data, piece->len) :
			     write_zeroes(export, piece->len);
}

static int write_pieces(struct pieces *pieces, const struct walk_entry *from)
{
	uint64_t pos = 0, left;
	bool told = false;

	for (;;) {
		struct piece *piece = &pieces->ring[pieces->first];

		pieces_queue(pieces, from->node);
		if (!pieces->nr)
			break;
		ahead_take(pieces->ahead, &piece->job);
		pieces->first = (pieces->first + 1) % PIECES_AHEAD;
		pieces->nr--;
		TRY(write_piece(pieces->export, from, piece, &pos, &told));
	}
	left = from->attr.size - pos;
	/* What is left of a hole comes with the end of the entry; the list of holes with some data. */
	if (pieces->export->has_holes)
		left = MIN(left, EXPORT_ZERO_BYTES);
	return write_zeroes(pieces->export, left);
}

int export_write_data(struct export *export, const struct walk_entry *from)
{
	SCOPED_MEM struct pieces *pieces = NULL;
	int err;

	if (!from->attr.size)
		return 0;
	if (from->data)
		return write_bytes(export, from->data, (size_t)from->attr.size);
	pieces = mem_zalloc(sizeof(*pieces));
	if (!pieces)
		return MEM_FAIL("reading a big file");
	pieces->export = export;
	pieces->ahead = from->ahead;
	err = write_pieces(pieces, from);
	while (pieces->nr) {
		(void)!ahead_drop(pieces->ahead, &pieces->ring[pieces->first].job);
		pieces->first = (pieces->first + 1) % PIECES_AHEAD;
		pieces->nr--;
	}
	for (size_t i = 0; i < PIECES_AHEAD; i++)
		mem_free(pieces->ring[i].data);
	return err;
}
