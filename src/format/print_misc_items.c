/*
 * Printers of the small kinds: quota, balance status, device statistics, device replace, UUIDs.
 */
#include "format/item_print.h"

void item_print_qgroup_status(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;
	uint64_t flags, known;

	if (!item_print_holds(out, item, QGROUP_STATUS_SIZE))
		return;
	flags = qgroup_status_flags(p);
	known = BTRFS_QGROUP_STATUS_FLAG_ON | BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE |
		BTRFS_QGROUP_STATUS_FLAG_RESCAN | BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT;
	strbuf_addf(out, "\t\tversion %" PRIu64 " generation %" PRIu64 " flags %s",
		    qgroup_status_version(p), qgroup_status_generation(p),
		    flags & BTRFS_QGROUP_STATUS_FLAG_ON ? "ON" : "OFF");
	if (flags & BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE)
		strbuf_add(out, "|SIMPLE_MODE");
	if (flags & BTRFS_QGROUP_STATUS_FLAG_RESCAN)
		strbuf_add(out, "|SCANNING");
	if (flags & BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT)
		strbuf_add(out, "|INCONSISTENT");
	if (flags & ~known)
		strbuf_addf(out, "|UNKNOWN(0x%" PRIx64 ")", flags & ~known);
	strbuf_addf(out, " scan %" PRIu64, qgroup_status_rescan(p));
	if ((flags & BTRFS_QGROUP_STATUS_FLAG_SIMPLE_MODE) &&
	    item->len >= QGROUP_STATUS_SIZE + QGROUP_STATUS_SQUOTA_SIZE)
		strbuf_addf(out, " enable_gen %" PRIu64,
			    qgroup_status_squota_enable_gen(p + QGROUP_STATUS_SIZE));
	strbuf_add(out, "\n");
}

void item_print_qgroup_info(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;

	if (!item_print_holds(out, item, QGROUP_INFO_SIZE))
		return;
	strbuf_addf(out, "\t\tgeneration %" PRIu64 "\n", qgroup_info_generation(p));
	strbuf_addf(out, "\t\treferenced %" PRIu64 " referenced_compressed %" PRIu64 "\n",
		    qgroup_info_rfer(p), qgroup_info_rfer_cmpr(p));
	strbuf_addf(out, "\t\texclusive %" PRIu64 " exclusive_compressed %" PRIu64 "\n",
		    qgroup_info_excl(p), qgroup_info_excl_cmpr(p));
}

void item_print_qgroup_limit(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;

	if (!item_print_holds(out, item, QGROUP_LIMIT_SIZE))
		return;
	strbuf_addf(out, "\t\tflags %" PRIx64 "\n", qgroup_limit_flags(p));
	strbuf_addf(out, "\t\tmax_referenced %" PRId64 " max_exclusive %" PRId64 "\n",
		    (int64_t)qgroup_limit_max_rfer(p), (int64_t)qgroup_limit_max_excl(p));
	strbuf_addf(out, "\t\trsv_referenced %" PRId64 " rsv_exclusive %" PRId64 "\n",
		    (int64_t)qgroup_limit_rsv_rfer(p), (int64_t)qgroup_limit_rsv_excl(p));
}

/*
 * ---- balance
 * -------------------------------------------------------------------------------------------------
 */

static void print_balance_args(struct strbuf *out, const char *name, const uint8_t *p)
{
	uint64_t usage = balance_args_usage(p), limit = balance_args_limit(p);

	strbuf_addf(out,
		    "\t\t%s\n\t\tprofiles %" PRIu64 " devid %" PRIu64 " target %" PRIu64
		    " flags %" PRIu64 "\n",
		    name, balance_args_profiles(p), balance_args_devid(p), balance_args_target(p),
		    balance_args_flags(p));
	strbuf_addf(out, "\t\tusage_min %u usage_max %u pstart %" PRIu64 " pend %" PRIu64 "\n",
		    (uint32_t)usage, (uint32_t)(usage >> 32), balance_args_pstart(p),
		    balance_args_pend(p));
	strbuf_addf(out, "\t\tvstart %" PRIu64 " vend %" PRIu64 " limit_min %u limit_max %u\n",
		    balance_args_vstart(p), balance_args_vend(p), (uint32_t)limit,
		    (uint32_t)(limit >> 32));
	strbuf_addf(out, "\t\tstripes_min %u stripes_max %u\n", balance_args_stripes_min(p),
		    balance_args_stripes_max(p));
}

void item_print_temporary(struct strbuf *out, const struct item_view *item)
{
	strbuf_add(out, "\t\ttemporary item objectid ");
	print_objectid(out, item->key.objectid, item->key.type);
	strbuf_addf(out, " offset %" PRIu64 "\n", item->key.offset);
	if (item->key.objectid == BTRFS_CSUM_CHANGE_OBJECTID) {
		if (csum_type_known(item->key.offset))
			strbuf_addf(out, "\t\ttarget csum type %s (%" PRIu64 ")\n",
				    csum_name((enum csum_type)item->key.offset), item->key.offset);
		else
			strbuf_addf(out, "\t\tunknown csum type %" PRIu64 "\n", item->key.offset);
		return;
	}
	if (item->key.objectid != BTRFS_BALANCE_OBJECTID) {
		strbuf_addf(out, "\t\tunknown temporary item objectid %" PRIu64 "\n",
			    item->key.objectid);
		return;
	}
	if (!item_print_holds(out, item, BALANCE_ITEM_SIZE))
		return;
	strbuf_addf(out, "\t\tbalance status flags %" PRIu64 "\n", balance_item_flags(item->data));
	print_balance_args(out, "DATA", balance_item_data(item->data));
	print_balance_args(out, "METADATA", balance_item_meta(item->data));
	print_balance_args(out, "SYSTEM", balance_item_sys(item->data));
}

/*
 * ---- devices
 * -------------------------------------------------------------------------------------------------
 */

static void print_dev_stats(struct strbuf *out, const struct item_view *item)
{
	const uint8_t *p = item->data;

	strbuf_add(out, "\t\tdevice stats\n");
	if (!item_print_holds(out, item, DEV_STATS_SIZE))
		return;
	strbuf_addf(out,
		    "\t\twrite_errs %" PRIu64 " read_errs %" PRIu64 " flush_errs %" PRIu64
		    " corruption_errs %" PRIu64 " generation %" PRIu64 "\n",
		    dev_stats_write_errs(p), dev_stats_read_errs(p), dev_stats_flush_errs(p),
		    dev_stats_corruption_errs(p), dev_stats_generation_errs(p));
	/* A later version's values; the missing end of line is dump-tree's. */
	if (item->len > DEV_STATS_SIZE)
		strbuf_addf(out, "\t\tunknown stats item bytes %u", item->len - DEV_STATS_SIZE);
	for (uint32_t at = DEV_STATS_SIZE; at + 8 <= item->len; at += 8)
		strbuf_addf(out, "\t\tunknown item %u offset %u value %" PRIu64 "\n", at / 8, at,
			    load64(p + at));
}

void item_print_persistent(struct strbuf *out, const struct item_view *item)
{
	strbuf_add(out, "\t\tpersistent item objectid ");
	print_objectid(out, item->key.objectid, item->key.type);
	strbuf_addf(out, " offset %" PRIu64 "\n", item->key.offset);
	if (item->key.objectid == BTRFS_DEV_STATS_OBJECTID)
		print_dev_stats(out, item);
	else
		strbuf_addf(out, "\t\tunknown persistent item objectid %" PRIu64 "\n",
			    item->key.objectid);
}

void item_print_dev_replace(struct strbuf *out, const struct item_view *item)
{
	static const char *const modes[] = { "ALWAYS", "AVOID" };
	static const char *const states[] = { "NEVER_STARTED", "STARTED", "FINISHED", "CANCELED",
					      "SUSPENDED" };
	const uint8_t *p = item->data;
	uint64_t mode, state;

	if (!item_print_holds(out, item, DEV_REPLACE_SIZE))
		return;
	mode = dev_replace_cont_reading_from_srcdev_mode(p);
	state = dev_replace_replace_state(p);
	strbuf_addf(out,
		    "\t\tsrc devid %" PRId64 " cursor left %" PRIu64 " cursor right %" PRIu64
		    " mode ",
		    (int64_t)dev_replace_src_devid(p), dev_replace_cursor_left(p),
		    dev_replace_cursor_right(p));
	if (mode < ARRAY_LEN(modes))
		strbuf_add(out, modes[mode]);
	else
		strbuf_addf(out, "unknown(%" PRIu64 ")", mode);
	strbuf_add(out, "\n\t\tstate ");
	if (state < ARRAY_LEN(states))
		strbuf_add(out, states[state]);
	else
		strbuf_addf(out, "unknown(%" PRIu64 ")", state);
	strbuf_addf(out, " write errors %" PRIu64 " uncorrectable read errors %" PRIu64 "\n",
		    dev_replace_num_write_errors(p), dev_replace_num_uncorrectable_read_errors(p));
	strbuf_addf(out, "\t\tstart time %" PRIu64, dev_replace_time_started(p));
	print_time(out, dev_replace_time_started(p));
	strbuf_addf(out, "\t\tstop time %" PRIu64, dev_replace_time_stopped(p));
	print_time(out, dev_replace_time_stopped(p));
}

void item_print_uuid(struct strbuf *out, const struct item_view *item)
{
	for (uint32_t at = 0; at + 8 <= item->len; at += 8)
		strbuf_addf(out, "\t\tsubvol_id %" PRIu64 "\n", load64(item->data + at));
}
