/*
 * Tables of text: see text_table.h. Width counts bytes, as btrfs-progs does.
 */
#include "cli/text_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "cli/cli.h"

#define CELL_MAX_BYTES 4352

int text_table_init(struct text_table *table, unsigned nr_columns, unsigned nr_rows)
{
	*table = (struct text_table){ .nr_columns = nr_columns, .nr_rows = nr_rows };
	table->cells = mem_array((size_t)nr_columns * nr_rows + 1, sizeof(*table->cells));
	return table->cells ? 0 : MEM_FAIL("a table");
}

void text_table_fini(struct text_table *table)
{
	for (size_t i = 0; table->cells && i < (size_t)table->nr_columns * table->nr_rows; i++)
		mem_free(table->cells[i]);
	mem_free(table->cells);
	table->cells = NULL;
}

static char **cell_at(const struct text_table *table, unsigned column, unsigned row)
{
	ASSERT(column < table->nr_columns && row < table->nr_rows);
	return &table->cells[(size_t)row * table->nr_columns + column];
}

void text_table_set(struct text_table *table, unsigned column, unsigned row, const char *format,
		    ...)
{
	char **cell = cell_at(table, column, row);
	char text[CELL_MAX_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mem_free(*cell);
	*cell = mem_strdup(text);
	table->failed |= !*cell;
}

static int column_width(const struct text_table *table, unsigned column)
{
	size_t width = 0;

	for (unsigned row = 0; row < table->nr_rows; row++) {
		const char *cell = *cell_at(table, column, row);

		if (cell && cell[0] != '*')
			width = MAX(width, strlen(cell + 1));
	}
	return (int)width;
}

static void print_cell(const char *cell, int width)
{
	if (!cell)
		printf("%*s", width, "");
	else if (cell[0] == '*')
		while (width-- > 0)
			putchar(cell[1]);
	else
		printf("%*s", cell[0] == '<' ? -width : width, cell + 1);
}

int text_table_print(const struct text_table *table)
{
	SCOPED_MEM int *widths = mem_array(table->nr_columns + 1, sizeof(*widths));

	if (!widths || table->failed)
		return cli_error("no memory for a table");
	for (unsigned column = 0; column < table->nr_columns; column++)
		widths[column] = column_width(table, column);
	for (unsigned row = 0; row < table->nr_rows; row++) {
		for (unsigned column = 0; column < table->nr_columns; column++) {
			if (column)
				putchar(' ');
			print_cell(*cell_at(table, column, row), widths[column]);
		}
		putchar('\n');
	}
	return 0;
}
