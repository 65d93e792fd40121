#include "zpl.h"

#include <stdio.h>

#define INDENT 4

void promp_zpl_start(promp_zpl_t *zpl, promp_slice_t text)
{
    *zpl = (promp_zpl_t){.rest = text};
}

bool promp_zpl_is(promp_slice_t slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

static promp_slice_t tail(promp_slice_t text, size_t from)
{
    return promp_slice(text.data + from, text.size - from);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_name(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("$-_@.&+/", c));
}

static promp_slice_t skip_blanks(promp_slice_t text)
{
    size_t n = 0;
    while (n < text.size && is_blank(text.data[n]))
        n++;
    return n ? tail(text, n) : text;
}

/* Nothing more, or a comment. */
static bool is_over(promp_slice_t text)
{
    text = skip_blanks(text);
    return !text.size || text.data[0] == '#';
}

static promp_slice_t take_line(promp_zpl_t *zpl)
{
    const uint8_t *end = memchr(zpl->rest.data, '\n', zpl->rest.size);
    size_t size = end ? (size_t)(end - zpl->rest.data) : zpl->rest.size;
    promp_slice_t line = promp_slice(zpl->rest.data, size);
    zpl->rest = tail(zpl->rest, end ? size + 1 : size);
    zpl->line++;
    return line;
}

/* The value behind a '=': in quotes of either kind, or up to a comment. */
static bool read_value(promp_slice_t text, promp_slice_t *value)
{
    text = skip_blanks(text);
    if (text.size && (text.data[0] == '"' || text.data[0] == '\'')) {
        promp_slice_t inside = tail(text, 1);
        const uint8_t *end = inside.size ? memchr(inside.data, text.data[0], inside.size) : NULL;
        if (!end)
            return false;
        size_t size = (size_t)(end - inside.data);
        *value = promp_slice(inside.data, size);
        return is_over(tail(inside, size + 1));
    }
    const uint8_t *comment = text.size ? memchr(text.data, '#', text.size) : NULL;
    size_t size = comment ? (size_t)(comment - text.data) : text.size;
    while (size && is_blank(text.data[size - 1]))
        size--;
    *value = promp_slice(text.data, size);
    return true;
}

static bool has_control(promp_slice_t text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] < ' ' && text.data[i] != '\t' && text.data[i] != '\r') || text.data[i] == 0x7F)
            return true;
    return false;
}

/* One line that says something: a property (ITEM), or the start of a section and what is too deep (END). */
static promp_zpl_result_t read_line(promp_zpl_t *zpl, promp_slice_t line, promp_zpl_item_t *item)
{
    size_t indent = 0, size = 0;
    while (indent < line.size && line.data[indent] == ' ')
        indent++;
    promp_slice_t rest = tail(line, indent);
    while (size < rest.size && is_name(rest.data[size]))
        size++;
    if (!size || indent % INDENT)
        return PROMP_ZPL_MALFORMED;
    promp_slice_t name = promp_slice(rest.data, size);
    if (indent == 0)
        zpl->section = name;
    rest = skip_blanks(tail(rest, size));
    if (is_over(rest))
        return PROMP_ZPL_END;
    if (rest.data[0] != '=')
        return PROMP_ZPL_MALFORMED;
    *item = (promp_zpl_item_t){.name = name};
    if (indent)
        item->section = zpl->section;
    if (!read_value(tail(rest, 1), &item->value))
        return PROMP_ZPL_MALFORMED;
    return indent <= INDENT ? PROMP_ZPL_ITEM : PROMP_ZPL_END;
}

promp_zpl_result_t promp_zpl_next(promp_zpl_t *zpl, promp_zpl_item_t *item)
{
    while (zpl->rest.size) {
        promp_slice_t line = take_line(zpl);
        if (has_control(line))
            return PROMP_ZPL_MALFORMED;
        if (is_over(line))
            continue;
        promp_zpl_result_t result = read_line(zpl, line, item);
        if (result != PROMP_ZPL_END)
            return result;
    }
    return PROMP_ZPL_END;
}

static void append(promp_zpl_out_t *out, const char *text)
{
    size_t size = strlen(text);
    if (out->failed || size >= out->room - out->size) {
        out->failed = true;
        return;
    }
    memcpy(out->data + out->size, text, size + 1);
    out->size += size;
}

void promp_zpl_line(promp_zpl_out_t *out, const char *text)
{
    append(out, text);
    append(out, "\n");
}

void promp_zpl_put(promp_zpl_out_t *out, const char *name, const char *value)
{
    if (strchr(value, '"') || has_control(promp_slice_str(value)))
        out->failed = true;
    append(out, "    ");
    append(out, name);
    append(out, " = \"");
    append(out, value);
    append(out, "\"\n");
}

void promp_zpl_put_number(promp_zpl_out_t *out, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    promp_zpl_put(out, name, text);
}
