/*
 * Memory given back all at once: a list of chunks, filled from the newest. Owns the chunks. Takes
 * no lock.
 */
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "transfer/arena.h"

#define ARENA_CHUNK_BYTES 8192
#define ARENA_ALIGN 16

struct arena_chunk {
	struct arena_chunk *next;
	size_t capacity;
	_Alignas(ARENA_ALIGN) uint8_t bytes[];
};

void arena_init(struct arena *arena)
{
	memset(arena, 0, sizeof(*arena));
}

void arena_fini(struct arena *arena)
{
	struct arena_chunk *chunk;

	while ((chunk = arena->chunks)) {
		arena->chunks = chunk->next;
		mem_free(chunk);
	}
	arena_init(arena);
}

void *arena_alloc(struct arena *arena, size_t len_bytes)
{
	struct arena_chunk *chunk = arena->chunks;
	size_t len = round_up(len_bytes, ARENA_ALIGN);
	size_t capacity;
	void *result;

	if (!chunk || chunk->capacity - arena->used < len) {
		capacity = MAX(len, (size_t)ARENA_CHUNK_BYTES - sizeof(*chunk));
		chunk = mem_alloc(sizeof(*chunk) + capacity);
		if (!chunk)
			return NULL;
		chunk->capacity = capacity;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
		arena->used = 0;
	}
	result = chunk->bytes + arena->used;
	arena->used += len;
	arena->total_bytes += len;
	return result;
}

void *arena_dup(struct arena *arena, const void *data, size_t len_bytes)
{
	void *copy = arena_alloc(arena, len_bytes);

	if (copy)
		memcpy(copy, data, len_bytes);
	return copy;
}
