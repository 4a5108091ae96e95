/*
 * A set of inodes: see ino_set.h. Owns its pieces.
 */
#include "cli/ino_set.h"

#include "base/mem.h"

#define PIECE_BITS 4096u

struct piece {
	struct hash_node hash;
	uint64_t subvolid, first;
	uint64_t words[PIECE_BITS / 64];
};

void ino_set_init(struct ino_set *set)
{
	hash_init(&set->pieces);
}

void ino_set_fini(struct ino_set *set)
{
	struct hash_node *node = hash_first(&set->pieces), *next;

	for (; node; node = next) {
		next = hash_next(&set->pieces, node);
		hash_remove(&set->pieces, node);
		mem_free(hash_entry(node, struct piece, hash));
	}
	hash_fini(&set->pieces);
}

static struct piece *piece_find(const struct ino_set *set, struct ubtrfs_node node)
{
	uint64_t first = node.ino / PIECE_BITS;
	struct hash_node *at = hash_find(&set->pieces, hash_mix2(node.subvolid, first));

	for (; at; at = hash_find_next(at)) {
		struct piece *piece = hash_entry(at, struct piece, hash);

		if (piece->subvolid == node.subvolid && piece->first == first)
			return piece;
	}
	return NULL;
}

static uint64_t *word_of(struct piece *piece, uint64_t ino, uint64_t *ret_bit)
{
	*ret_bit = (uint64_t)1 << ino % 64;
	return &piece->words[ino % PIECE_BITS / 64];
}

bool ino_set_has(const struct ino_set *set, struct ubtrfs_node node)
{
	struct piece *piece = piece_find(set, node);
	uint64_t bit;

	return piece && (*word_of(piece, node.ino, &bit) & bit);
}

bool ino_set_add(struct ino_set *set, struct ubtrfs_node node)
{
	struct piece *piece = piece_find(set, node);
	uint64_t bit, *word;

	if (!piece) {
		if (set->pieces.nr >= INO_SET_PIECES_MAX)
			return true;
		piece = mem_zalloc(sizeof(*piece));
		if (!piece)
			return true;
		piece->subvolid = node.subvolid;
		piece->first = node.ino / PIECE_BITS;
		hash_insert(&set->pieces, &piece->hash, hash_mix2(node.subvolid, piece->first));
	}
	word = word_of(piece, node.ino, &bit);
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}
