/*
 * Validators of the small kinds: quota, balance status, device statistics, device replace, UUIDs.
 *
 * Records that Linux declares to grow (statistics, quota status, replace) may be longer than what
 * we know.
 */
#include "format/item_validate.h"

#define REFUSE_SMALLER(item, want)                                                     \
	REFUSE_IF(item, (item)->len < (want), "item size is %u, expected at least %u", \
		  (item)->len, (unsigned)(want))

int item_validate_qgroup_status(const struct item_view *item)
{
	REFUSE_SMALLER(item, QGROUP_STATUS_SIZE);
	if (qgroup_status_flags(item->data) & BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE)
		REFUSE_SMALLER(item, QGROUP_STATUS_SIZE + QGROUP_STATUS_SQUOTA_SIZE);
	return 0;
}

/* QGROUP_INFO and QGROUP_LIMIT: five numbers each. */
int item_validate_qgroup_numbers(const struct item_view *item)
{
	REFUSE_SIZE(item, QGROUP_INFO_SIZE);
	return 0;
}

int item_validate_qgroup_relation(const struct item_view *item)
{
	REFUSE_SIZE(item, 0);
	return 0;
}

int item_validate_temporary(const struct item_view *item)
{
	if (item->key.objectid == BTRFS_BALANCE_OBJECTID)
		REFUSE_SIZE(item, BALANCE_ITEM_SIZE);
	return 0;
}

int item_validate_persistent(const struct item_view *item)
{
	if (item->key.objectid == BTRFS_DEV_STATS_OBJECTID)
		REFUSE_IF(item, item->len == 0 || item->len % 8, "item size %u is no multiple of 8",
			  item->len);
	return 0;
}

int item_validate_dev_replace(const struct item_view *item)
{
	REFUSE_SMALLER(item, DEV_REPLACE_SIZE);
	return 0;
}

int item_validate_uuid(const struct item_view *item)
{
	REFUSE_IF(item, item->len == 0 || item->len % 8, "item size %u is no multiple of 8",
		  item->len);
	return 0;
}
