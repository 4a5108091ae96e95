/*
 * A device that remembers, in order, what was done to it: the witness of law L8 (order of
 * durability) and the source of crash states.
 *
 * Owns the device below and the entries, with copies of the data. Only what succeeded is recorded.
 * Invariant: an entry before a flush was complete below before that flush began, so everything
 * before the last flush of a prefix is durable there. To hold it, a write is recorded after it is
 * done, a flush takes its place before it starts and gives it back when it fails. An entry stays
 * where it is in memory until the device is freed. Lock: RANK_DEVICE over the list of entries;
 * never held while the device below works.
 */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/lock.h"
#include "base/mem.h"
#include "device/device_priv.h"

struct device_record {
	struct device device;
	struct device *lower; /* owned */
	struct mutex lock;
	struct device_record_entry **entries;
	size_t nr, max;
};

static const struct device_ops device_record_ops;

static struct device_record *record_of(const struct device *device)
{
	ASSERT(device->ops == &device_record_ops);
	/*
	 * A record is asked through a const pointer; its lock is not part of what the caller
	 * sees.
	 */
	return (struct device_record *)container_of(device, const struct device_record, device);
}

static void entry_free(struct device_record_entry *entry)
{
	if (entry)
		mem_free(entry->data);
	mem_free(entry);
}

static struct device_record_entry *entry_new(int kind, uint64_t at, uint64_t len)
{
	struct device_record_entry *entry = mem_zalloc(sizeof(*entry));

	if (!entry)
		return NULL;
	entry->kind = kind;
	entry->at = PHYS(at);
	entry->len = len;
	return entry;
}

static int append_locked(struct device_record *record, struct device_record_entry *entry)
{
	mutex_assert_held(&record->lock);
	if (record->nr == record->max) {
		size_t max = record->max ? 2 * record->max : 64;
		void *grown = mem_resize(record->entries, max * sizeof(*record->entries));

		if (!grown)
			return MEM_FAIL("the list of a record device");
		record->entries = grown;
		record->max = max;
	}
	record->entries[record->nr++] = entry;
	return 0;
}

/* Takes over entry, also when it fails. */
static int entry_append(struct device_record *record, struct device_record_entry *entry)
{
	int err;

	if (!entry)
		return MEM_FAIL("an entry of a record device");
	mutex_lock(&record->lock);
	err = append_locked(record, entry);
	mutex_unlock(&record->lock);
	if (err < 0)
		entry_free(entry);
	return err;
}

static void entry_take_back(struct device_record *record, struct device_record_entry *entry)
{
	size_t index;

	mutex_lock(&record->lock);
	for (index = record->nr; record->entries[index - 1] != entry; index--)
		ASSERT(index > 1);
	memmove(record->entries + index - 1, record->entries + index,
		(record->nr - index) * sizeof(*record->entries));
	record->nr--;
	mutex_unlock(&record->lock);
	entry_free(entry);
}

static int device_record_read(struct device *device, struct phys at, void *data, size_t len)
{
	return device_read(record_of(device)->lower, at, data, len);
}

static struct device_record_entry *write_entry(struct phys at, const struct iovec *parts,
					       int nr_parts, size_t len)
{
	struct device_record_entry *entry = entry_new(RECORD_WRITE, at.at, len);
	size_t done = 0;

	if (!entry)
		return NULL;
	entry->data = mem_alloc(len);
	if (!entry->data) {
		entry_free(entry);
		return NULL;
	}
	for (int i = 0; i < nr_parts; i++) {
		if (parts[i].iov_len)
			memcpy(entry->data + done, parts[i].iov_base, parts[i].iov_len);
		done += parts[i].iov_len;
	}
	ASSERT(done == len);
	return entry;
}

static int device_record_writev(struct device *device, struct phys at, const struct iovec *parts,
				int nr_parts, size_t len)
{
	struct device_record *record = record_of(device);
	struct device_record_entry *entry = write_entry(at, parts, nr_parts, len);
	int err;

	if (!entry)
		return MEM_FAIL("an entry of a record device");
	err = device_writev(record->lower, at, parts, nr_parts);
	if (err < 0) {
		entry_free(entry);
		return err;
	}
	return entry_append(record, entry);
}

static int device_record_flush(struct device *device)
{
	struct device_record *record = record_of(device);
	struct device_record_entry *entry = entry_new(RECORD_FLUSH, 0, 0);
	int err;

	TRY(entry_append(record, entry));
	err = device_flush(record->lower);
	if (err < 0)
		entry_take_back(record, entry);
	return err;
}

static int device_record_discard(struct device *device, struct phys at, uint64_t len)
{
	struct device_record *record = record_of(device);

	TRY(device_discard(record->lower, at, len));
	return entry_append(record, entry_new(RECORD_DISCARD, at.at, len));
}

static int device_record_resize(struct device *device, uint64_t size_bytes)
{
	struct device_record *record = record_of(device);

	TRY(device_resize(record->lower, size_bytes));
	return entry_append(record, entry_new(RECORD_RESIZE, 0, size_bytes));
}

static void device_record_free(struct device *device)
{
	struct device_record *record = record_of(device);

	device_free(record->lower);
	for (size_t i = 0; i < record->nr; i++)
		entry_free(record->entries[i]);
	mem_free(record->entries);
	mutex_fini(&record->lock);
	mem_free(record);
}

static const struct device_ops device_record_ops = {
	.kind = "record",
	.read = device_record_read,
	.writev = device_record_writev,
	.flush = device_record_flush,
	.discard = device_record_discard,
	.resize = device_record_resize,
	.free = device_record_free,
};

int device_record_new(struct device *lower, struct device **ret_device)
{
	struct device_record *record = mem_zalloc(sizeof(*record));
	int err;

	if (!record)
		return MEM_FAIL("a record device");
	err = device_init_over(&record->device, &device_record_ops, lower);
	if (err < 0) {
		mem_free(record);
		return err;
	}
	record->lower = lower;
	mutex_init(&record->lock, RANK_DEVICE, "device_record");
	*ret_device = &record->device;
	return 0;
}

size_t device_record_nr(const struct device *device)
{
	struct device_record *record = record_of(device);
	size_t nr;

	mutex_lock(&record->lock);
	nr = record->nr;
	mutex_unlock(&record->lock);
	return nr;
}

const struct device_record_entry *device_record_at(const struct device *device, size_t index)
{
	struct device_record *record = record_of(device);
	const struct device_record_entry *entry;

	mutex_lock(&record->lock);
	ASSERT(index < record->nr);
	entry = record->entries[index];
	mutex_unlock(&record->lock);
	return entry;
}

static int entry_apply(const struct device_record_entry *entry, struct device *target)
{
	switch (entry->kind) {
	case RECORD_WRITE:
		return device_write(target, entry->at, entry->data, entry->len);
	case RECORD_FLUSH:
		return device_flush(target);
	case RECORD_DISCARD:
		return device_discard(target, entry->at, entry->len);
	case RECORD_RESIZE:
		return device_resize(target, entry->len);
	}
	ASSERT(!"a kind of entry that replay knows");
	return 0;
}

int device_record_replay(const struct device *device, size_t nr, struct device *target)
{
	ASSERT(nr <= device_record_nr(device));
	for (size_t i = 0; i < nr; i++)
		TRY(entry_apply(device_record_at(device, i), target));
	return 0;
}
