#include "zpl_rows.h"

#include "auth_file.h"

static size_t find(const promp_zpl_rows_t *rows, promp_slice_t name)
{
    size_t i = 0;

    while (i < rows->count && !promp_zpl_is(name, rows->row[i].name))
        i++;
    return i;
}

const char *promp_zpl_rows_set(const promp_zpl_rows_t *rows, const char *name, promp_slice_t value,
                               void *into)
{
    size_t i = find(rows, promp_slice_str(name));

    return i < rows->count ? rows->row[i].set(into, value) : "there is no such setting";
}

/* --- the file --- */

/* NULL, or what is wrong. seen: a bit for each row. */
static const char *take(const promp_zpl_rows_t *rows, const promp_zpl_item_t *item, uint64_t *seen,
                        void *into)
{
    size_t i = item->section.size ? rows->count : find(rows, item->name);

    if (i == rows->count || rows->row[i].hidden)
        return "there is no such setting";
    if (*seen >> i & 1 && !rows->row[i].repeats)
        return "it is set twice";
    *seen |= 1ULL << i;
    return rows->row[i].set(into, item->value);
}

static promp_err_t wrong(const promp_zpl_rows_t *rows, unsigned line, promp_slice_t name, const char *why,
                         promp_error_t *error)
{
    return promp_error_set(error, PROMP_ERR_CONFIG_FILE, 0, "%s line %u: %.*s%s%s", rows->file, line,
                           (int)promp_min64((int64_t)name.size, 64), name.size ? (const char *)name.data : "",
                           name.size ? ": " : "", why);
}

promp_err_t promp_zpl_rows_parse(const promp_zpl_rows_t *rows, promp_slice_t text, void *into,
                                 promp_error_t *error)
{
    promp_zpl_item_t item;
    promp_zpl_t zpl;
    promp_zpl_result_t result;
    uint64_t seen = 0;

    promp_zpl_start(&zpl, text);
    while ((result = promp_zpl_next(&zpl, &item)) == PROMP_ZPL_ITEM) {
        const char *why = take(rows, &item, &seen, into);

        if (why)
            return wrong(rows, zpl.line, item.name, why, error);
    }
    if (result == PROMP_ZPL_MALFORMED)
        return wrong(rows, zpl.line, promp_slice(NULL, 0), "a line is name = \"value\"", error);
    return PROMP_OK;
}

promp_err_t promp_zpl_rows_read(const promp_zpl_rows_t *rows, int folder, void *into, promp_error_t *error)
{
    char text[PROMP_LIMIT_KEY_FILE];
    size_t size;
    promp_error_t why;
    promp_err_t code = promp_auth_file_read(folder, rows->file, PROMP_AUTH_FILE_PUBLIC, text, &size, &why);

    if (code == PROMP_ERR_KEY_MISSING)
        return PROMP_OK;
    if (code)
        return promp_error_set(error, PROMP_ERR_CONFIG_FILE, 0, "%s", why.text);
    return promp_zpl_rows_parse(rows, promp_slice(text, size), into, error);
}

/* --- values --- */

bool promp_zpl_rows_digits(promp_slice_t text, size_t *end, uint64_t most, uint64_t *value)
{
    *value = 0;
    for (*end = 0; *end < text.size && text.data[*end] >= '0' && text.data[*end] <= '9'; ++*end) {
        uint64_t digit = (uint64_t)(text.data[*end] - '0');

        if (digit > most || *value > (most - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return *end > 0;
}

bool promp_zpl_rows_number(promp_slice_t text, uint64_t least, uint64_t most, uint64_t *value)
{
    size_t end;

    return promp_zpl_rows_digits(text, &end, most, value) && end == text.size && *value >= least;
}

bool promp_zpl_rows_text(promp_slice_t value, char *text, size_t room)
{
    if (!value.size || value.size >= room || memchr(value.data, 0, value.size))
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    return true;
}

const char *promp_zpl_rows_level(promp_slice_t value, promp_log_level_t *level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (promp_zpl_is(value, names[i])) {
            *level = (promp_log_level_t)i;
            return NULL;
        }
    return "error, warning, info or debug is needed";
}
