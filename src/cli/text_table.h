/*
 * Tables of text whose columns are as wide as their widest cell.
 *
 * A cell begins with how it stands: '<' left, '>' right, '*' a line of the character behind. Cells
 * that are not set are blank. Without memory nothing is printed and text_table_print tells.
 */
#ifndef UBTRFS_CLI_TEXT_TABLE_H
#define UBTRFS_CLI_TEXT_TABLE_H

#include <stdbool.h>

#include "base/err.h"

struct text_table {
	unsigned nr_columns, nr_rows;
	char **cells; /* by row; owned */
	bool failed;
};

int text_table_init(struct text_table *table, unsigned nr_columns, unsigned nr_rows) must_check;
void text_table_fini(struct text_table *table);
void text_table_set(struct text_table *table, unsigned column, unsigned row, const char *format,
		    ...) __attribute__((format(printf, 4, 5)));
/* To stdout. 0, or 1 with a message. */
int text_table_print(const struct text_table *table) must_check;

#endif
