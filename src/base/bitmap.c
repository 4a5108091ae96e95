/*
 * A dense array of bits; every operation works on whole words. Owns its words, locks nothing.
 */
#include "base/assert.h"
#include "base/bitmap.h"
#include "base/bytes.h"
#include "base/mem.h"

#define WORD_BITS 64

static size_t nr_words(size_t nr_bits)
{
	return div_up(nr_bits, WORD_BITS);
}

/* The bits of one word that lie in [first, end); the word begins at bit base. */
static uint64_t word_mask(size_t base, size_t first, size_t end)
{
	uint64_t mask = UINT64_MAX;

	if (first > base)
		mask &= UINT64_MAX << (first - base);
	if (end - base < WORD_BITS)
		mask &= ~(UINT64_MAX << (end - base));
	return mask;
}

static void check_range(const struct bitmap *bitmap, size_t first, size_t nr)
{
	ASSERT(first <= bitmap->nr_bits);
	ASSERT(nr <= bitmap->nr_bits - first);
}

int bitmap_init(struct bitmap *bitmap, size_t nr_bits)
{
	uint64_t *words = mem_array(nr_words(nr_bits), sizeof(*words));

	if (!words)
		return MEM_FAIL("a bitmap");
	bitmap->words = words;
	bitmap->nr_bits = nr_bits;
	return 0;
}

void bitmap_fini(struct bitmap *bitmap)
{
	mem_free(bitmap->words);
	bitmap->words = NULL;
	bitmap->nr_bits = 0;
}

bool bitmap_test(const struct bitmap *bitmap, size_t bit)
{
	ASSERT(bit < bitmap->nr_bits);
	return bitmap->words[bit / WORD_BITS] >> (bit % WORD_BITS) & 1;
}

void bitmap_set(struct bitmap *bitmap, size_t first, size_t nr)
{
	check_range(bitmap, first, nr);
	for (size_t base = round_down(first, WORD_BITS); base < first + nr; base += WORD_BITS)
		bitmap->words[base / WORD_BITS] |= word_mask(base, first, first + nr);
}

void bitmap_clear(struct bitmap *bitmap, size_t first, size_t nr)
{
	check_range(bitmap, first, nr);
	for (size_t base = round_down(first, WORD_BITS); base < first + nr; base += WORD_BITS)
		bitmap->words[base / WORD_BITS] &= ~word_mask(base, first, first + nr);
}

/*
 * The first bit in [from, end) that differs from those of `flip` (0: looks for ones; all ones:
 * for zeros), or end.
 */
static size_t next_differing(const struct bitmap *bitmap, size_t from, size_t end, uint64_t flip)
{
	for (size_t base = round_down(from, WORD_BITS); base < end; base += WORD_BITS) {
		uint64_t word = bitmap->words[base / WORD_BITS] ^ flip;

		word &= word_mask(base, from, end);
		if (word)
			return base + (size_t)__builtin_ctzll(word);
	}
	return end;
}

size_t bitmap_next_set(const struct bitmap *bitmap, size_t from)
{
	ASSERT(from <= bitmap->nr_bits);
	return next_differing(bitmap, from, bitmap->nr_bits, 0);
}

size_t bitmap_next_zero(const struct bitmap *bitmap, size_t from)
{
	ASSERT(from <= bitmap->nr_bits);
	return next_differing(bitmap, from, bitmap->nr_bits, UINT64_MAX);
}

bool bitmap_all_set(const struct bitmap *bitmap, size_t first, size_t nr)
{
	check_range(bitmap, first, nr);
	return next_differing(bitmap, first, first + nr, UINT64_MAX) == first + nr;
}

bool bitmap_all_zero(const struct bitmap *bitmap, size_t first, size_t nr)
{
	check_range(bitmap, first, nr);
	return next_differing(bitmap, first, first + nr, 0) == first + nr;
}

size_t bitmap_count(const struct bitmap *bitmap, size_t first, size_t nr)
{
	size_t count = 0;

	check_range(bitmap, first, nr);
	for (size_t base = round_down(first, WORD_BITS); base < first + nr; base += WORD_BITS) {
		uint64_t word = bitmap->words[base / WORD_BITS];

		count += (size_t)__builtin_popcountll(word & word_mask(base, first, first + nr));
	}
	return count;
}

size_t bitmap_find_zeros(const struct bitmap *bitmap, size_t from, size_t nr)
{
	size_t first = bitmap_next_zero(bitmap, from);
	size_t end;

	ASSERT(nr > 0);
	while (nr <= bitmap->nr_bits - first) {
		end = next_differing(bitmap, first, first + nr, 0);
		if (end == first + nr)
			return first;
		first = bitmap_next_zero(bitmap, end);
	}
	return bitmap->nr_bits;
}

bool bitmap_invariant(const struct bitmap *bitmap)
{
	size_t used = bitmap->nr_bits % WORD_BITS;

	return !used || !(bitmap->words[bitmap->nr_bits / WORD_BITS] >> used);
}
