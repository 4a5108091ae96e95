/*
 * One tree block, from the first copy that is what its pointer says.
 *
 * Owns the cache of verified blocks: a slot per hash of the address, the newer replaces the older.
 * What is handed out is borrowed until the next block is read. A copy that is valid but not the one
 * expected (a mirror that was not written) is passed over like a damaged one. No locks.
 */
#include <stdarg.h>
#include <stdio.h>

#include "rescue/rescue_priv.h"

void rescue_warn(struct rescue *rescue, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	if (!rescue->options.how.warn)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	rescue->options.how.warn(rescue->options.how.warn_ctx, text);
}

bool err_is_fatal(int err)
{
	return err == -ERR_NO_MEMORY || err == -ENOMEM || err == -ERR_INTERRUPTED;
}

int block_cache_init(struct rescue *rescue)
{
	rescue->nr_slots = BLOCK_CACHE_BYTES / rescue->geometry.nodesize;
	rescue->slots = mem_array(rescue->nr_slots, sizeof(*rescue->slots));
	rescue->scratch = mem_alloc(rescue->geometry.nodesize);
	return rescue->slots && rescue->scratch ? 0 : MEM_FAIL("a cache of tree blocks");
}

void block_cache_fini(struct rescue *rescue)
{
	for (size_t i = 0; rescue->slots && i < rescue->nr_slots; i++)
		mem_free(rescue->slots[i].data);
	mem_free(rescue->slots);
	mem_free(rescue->scratch);
}

bool block_looks_right(const struct rescue *rescue, const uint8_t *block, uint64_t addr)
{
	return header_bytenr(block) == addr && node_level(block) < BTRFS_MAX_LEVEL &&
	       (memcmp(header_fsid(block), rescue->fsid, 16) == 0 ||
		volume_has_seed(rescue->volume, header_fsid(block)));
}

int block_verify(const struct rescue *rescue, const uint8_t *block, uint64_t addr)
{
	if (!node_csum_ok(&rescue->geometry, block))
		return THROW(ERR_NODE_CSUM, "tree block %llu: wrong checksum",
			     (unsigned long long)addr);
	if (!block_looks_right(rescue, block, addr))
		return THROW(ERR_NODE_UNEXPECTED,
			     "tree block %llu: what lies there is another block",
			     (unsigned long long)addr);
	return validate_node(&rescue->geometry, block, addr);
}

static int block_check(const uint8_t *block, uint64_t addr, const struct block_expect *expect)
{
	struct key first = key_load(block + HEADER_SIZE);

	if (expect->generation && node_generation(block) != expect->generation)
		return THROW(ERR_NODE_UNEXPECTED, "tree block %llu: generation %llu, expected %llu",
			     (unsigned long long)addr, (unsigned long long)node_generation(block),
			     (unsigned long long)expect->generation);
	if (expect->level >= 0 && node_level(block) != expect->level)
		return THROW(ERR_NODE_UNEXPECTED, "tree block %llu: level %u, expected %d",
			     (unsigned long long)addr, node_level(block), expect->level);
	if (expect->has_first && (!node_nritems(block) || !key_equal(&first, &expect->first)))
		return THROW(ERR_NODE_UNEXPECTED,
			     "tree block %llu: its first key is not the one its parent names",
			     (unsigned long long)addr);
	return 0;
}

static int block_fill(struct rescue *rescue, uint64_t addr, const struct block_expect *expect,
		      uint8_t *data)
{
	unsigned nr_mirrors = volume_nr_mirrors(rescue->volume, addr);
	struct err_report first = { 0 };

	if (!addr || !nr_mirrors)
		return THROW(ERR_NO_MAPPING, "tree block %llu: no chunk maps this address",
			     (unsigned long long)addr);
	for (unsigned mirror = 1; mirror <= nr_mirrors; mirror++) {
		int err =
			volume_read(rescue->volume, addr, data, rescue->geometry.nodesize, mirror);

		if (err == 0)
			err = block_verify(rescue, data, addr);
		if (err == 0)
			err = block_check(data, addr, expect);
		if (err == 0 || err_is_fatal(err))
			return err;
		if (!first.err)
			err_capture(err, &first);
	}
	return err_rethrow(&first);
}

int block_read(struct rescue *rescue, uint64_t addr, const struct block_expect *expect,
	       const uint8_t **ret_block)
{
	struct block_slot *slot = &rescue->slots[hash_mix(addr) % rescue->nr_slots];

	if (addr && slot->addr == addr && block_check(slot->data, addr, expect) == 0) {
		*ret_block = slot->data;
		return 0;
	}
	if (!slot->data)
		slot->data = mem_alloc(rescue->geometry.nodesize);
	if (!slot->data)
		return MEM_FAIL("a tree block");
	slot->addr = 0;
	TRY(block_fill(rescue, addr, expect, slot->data));
	slot->addr = addr;
	*ret_block = slot->data;
	return 0;
}
