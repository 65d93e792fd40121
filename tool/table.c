#include "table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* --- escaping --- */

/* The character at text, whose UTF-8 is well formed, and its bytes. */
static size_t decode(const char *text, uint32_t *c)
{
    const unsigned char *b = (const unsigned char *)text;
    size_t size = *b < 0x80 ? 1 : *b < 0xE0 ? 2 : *b < 0xF0 ? 3 : 4, n = 1;

    *c = size == 1 ? *b : *b & (0x7Fu >> size);
    for (; n < size && (b[n] & 0xC0) == 0x80; n++)
        *c = *c << 6 | (b[n] & 0x3F);
    return n;
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x61C || (c >= 0x200E && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

void promp_table_escape(FILE *out, const char *text, bool quote)
{
    uint32_t c;

    if (quote)
        putc('"', out);
    for (size_t size; *text; text += size) {
        size = decode(text, &c);
        if (is_control(c))
            fprintf(out, "\\u%04x", c);
        else if (quote && (c == '"' || c == '\\'))
            fprintf(out, "\\%c", (char)c);
        else
            fwrite(text, 1, size, out);
    }
    if (quote)
        putc('"', out);
}

static char *escaped(const char *text)
{
    char *copy = NULL;
    size_t size;
    FILE *out = open_memstream(&copy, &size);

    if (!out)
        return NULL;
    promp_table_escape(out, text, false);
    if (fclose(out) == 0)
        return copy;
    free(copy);
    return NULL;
}

/* --- cells --- */

static bool grow(promp_table_t *table)
{
    size_t room = table->room ? 2 * table->room : 64;
    char **cell = reallocarray(table->cell, room, sizeof *cell);

    if (!cell)
        return false;
    table->cell = cell;
    table->room = room;
    return true;
}

void promp_table_add(promp_table_t *table, const char *text)
{
    char *copy = NULL;

    if (!table->broken && (table->count < table->room || grow(table)))
        copy = escaped(text);
    if (copy)
        table->cell[table->count++] = copy;
    else
        table->broken = true;
}

void promp_table_addf(promp_table_t *table, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    promp_table_add(table, text);
}

/* --- printing --- */

/* Characters, each taken for one column. */
static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static size_t widest(const promp_table_t *table, size_t column)
{
    size_t most = 0;

    for (size_t i = column; i < table->count; i += table->columns)
        most = width(table->cell[i]) > most ? width(table->cell[i]) : most;
    return most;
}

static bool print(const promp_table_t *table, FILE *out)
{
    size_t *wide = calloc(table->columns, sizeof *wide);

    if (!wide)
        return false;
    for (size_t i = 0; i < table->columns; i++)
        wide[i] = widest(table, i);
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        bool last = column + 1 == table->columns;

        fputs(table->cell[i], out);
        if (last)
            putc('\n', out);
        else
            fprintf(out, "%*s", (int)(wide[column] - width(table->cell[i]) + 2), "");
    }
    free(wide);
    return true;
}

bool promp_table_print(promp_table_t *table, FILE *out)
{
    bool done = !table->broken && print(table, out);

    for (size_t i = 0; i < table->count; i++)
        free(table->cell[i]);
    free(table->cell);
    *table = (promp_table_t){.columns = table->columns};
    return done;
}
