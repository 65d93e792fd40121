/* table.h - text from peers, for a terminal: with nothing in it that moves the cursor, in columns. One thread. */
#ifndef PROMP_TOOL_TABLE_H
#define PROMP_TOOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct {
    size_t columns;
    char **cell; /* row by row */
    size_t count, room;
    bool broken; /* no memory */
} promp_table_t; /* {.columns = n} before the first call */

/* One more cell, copied; text is UTF-8. */
void promp_table_add(promp_table_t *table, const char *text);
__attribute__((format(printf, 2, 3))) void promp_table_addf(promp_table_t *table, const char *format, ...);
/* Prints all rows and frees them; false: there was no memory for some, and nothing is printed. */
bool promp_table_print(promp_table_t *table, FILE *out);

/* text with control characters, and characters that turn the direction of writing, as \\uXXXX. quote: between quotation marks and
 * with those and backslashes escaped, as JSON has it. */
void promp_table_escape(FILE *out, const char *text, bool quote);

#endif
