#include "settings.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_key.h"
#include "zpl.h"

#define DRAIN  60000 /* ms */
#define CPUS   65536 /* processors of one machine */
#define GPUS   1024  /* likewise */
#define MEMORY (PROMP_GIB * PROMP_MIB)

typedef const char *set_f(promp_settings_t *settings, promp_slice_t value);

/* --- this machine --- */

static uint32_t processors(void)
{
    cpu_set_t *set;
    long count = 0;

    /* More than fit into cpu_set_t may be there. */
    for (int most = 1024; !count && most <= CPUS; most *= 2) {
        set = CPU_ALLOC((size_t)most);
        if (set && sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)most), set) == 0)
            count = CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)most), set);
        CPU_FREE(set);
    }
    return count > 0 ? (uint32_t)count : 1;
}

void promp_settings_start(promp_settings_t *s)
{
    uint32_t count = processors();

    *s = (promp_settings_t){.drain = DRAIN, .level = PROMP_LOG_INFO};
    s->places = count < PROMP_LIMIT_WORKERS ? count : PROMP_LIMIT_WORKERS;
    s->cpus = count * 1000;
    s->memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* --- values --- */

/* Digits up to *end. */
static bool digits(promp_slice_t text, size_t *end, uint64_t most, uint64_t *value)
{
    *value = 0;
    for (*end = 0; *end < text.size && text.data[*end] >= '0' && text.data[*end] <= '9'; ++*end) {
        *value = *value * 10 + (uint64_t)(text.data[*end] - '0');
        if (*value > most)
            return false;
    }
    return *end > 0;
}

static bool read_number(promp_slice_t text, uint64_t least, uint64_t most, uint64_t *value)
{
    size_t end;

    return digits(text, &end, most, value) && end == text.size && *value >= least;
}

static bool copy(promp_slice_t value, char *text, size_t room)
{
    if (!value.size || value.size >= room || memchr(value.data, 0, value.size))
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    return true;
}

/* Words with single spaces, however they stand there. */
static bool copy_words(promp_slice_t value, bool (*is_word)(promp_slice_t), char text[PROMP_LIMIT_LABELS + 1])
{
    size_t used = 0;

    for (size_t at = 0; at < value.size;) {
        size_t begin = at;

        while (at < value.size && value.data[at] != ' ')
            at++;
        promp_slice_t word = promp_slice(value.data + begin, at - begin);

        at++;
        if (!word.size)
            continue;
        if (!is_word(word) || used + (used > 0) + word.size > PROMP_LIMIT_LABELS)
            return false;
        used += (size_t)snprintf(text + used, PROMP_LIMIT_LABELS + 1 - used, "%s%.*s", used ? " " : "",
                                 (int)word.size, (const char *)word.data);
    }
    text[used] = '\0';
    return true;
}

/* --- one setting each --- */

static const char *set_places(promp_settings_t *s, promp_slice_t value)
{
    uint64_t number;

    if (!read_number(value, 1, PROMP_LIMIT_WORKERS, &number))
        return "a number of workers is needed, 1 to 4096";
    s->places = (uint32_t)number;
    return NULL;
}

/* "3" or "2.5" */
static const char *set_cpus(promp_settings_t *s, promp_slice_t value)
{
    uint64_t whole, part = 0, unit = 1000;
    size_t end;

    if (!digits(value, &end, CPUS - 1, &whole))
        return "a number of processors is needed, such as 4 or 2.5";
    if (end < value.size) {
        size_t places = value.size - end - 1;

        if (value.data[end] != '.' || places < 1 || places > 3 ||
            !read_number(promp_slice(value.data + end + 1, places), 0, 999, &part))
            return "a number of processors is needed, such as 4 or 2.5";
        for (; places; places--)
            unit /= 10;
        part *= unit;
    }
    s->cpus = (uint32_t)(whole * 1000 + part);
    return NULL;
}

static const char *set_memory(promp_settings_t *s, promp_slice_t value)
{
    static const char units[] = "KMGT";
    uint64_t number, factor = 1;
    size_t end;

    if (!digits(value, &end, MEMORY, &number))
        return "a number of bytes is needed, such as 16G";
    if (end + 1 == value.size && value.data[end]) {
        const char *unit = strchr(units, value.data[end]);

        end += unit != NULL;
        factor = unit ? 1ULL << 10 * (unit - units + 1) : 1;
    }
    if (end != value.size || number > MEMORY / factor)
        return "a number of bytes is needed, such as 16G";
    s->memory = number * factor;
    return NULL;
}

static const char *set_gpus(promp_settings_t *s, promp_slice_t value)
{
    uint64_t number;

    if (!read_number(value, 0, GPUS, &number))
        return "a number of graphics processors is needed";
    s->gpus = (uint32_t)number;
    return NULL;
}

static const char *set_labels(promp_settings_t *s, promp_slice_t value)
{
    return copy_words(value, promp_auth_key_name_valid, s->labels)
               ? NULL
               : "words of A-Z a-z 0-9 . _ - are needed, 256 bytes at most";
}

static const char *set_pythons(promp_settings_t *s, promp_slice_t value)
{
    return copy_words(value, promp_auth_key_name_valid, s->pythons) ? NULL : "versions are needed";
}

static const char *set_python(promp_settings_t *s, promp_slice_t value)
{
    if (s->python_count == PROMP_LIMIT_PYTHONS)
        return "these are too many interpreters";
    if (!copy(value, s->python[s->python_count], sizeof s->python[0]))
        return "the path of an interpreter is needed";
    s->python_count++;
    return NULL;
}

static const char *set_passphrase(promp_settings_t *s, promp_slice_t value)
{
    return copy(value, s->passphrase, sizeof s->passphrase) ? NULL : "the path of a file is needed";
}

static const char *set_drain(promp_settings_t *s, promp_slice_t value)
{
    uint64_t number;

    if (!read_number(value, 0, PROMP_TIMEOUT_MAX, &number))
        return "a number of milliseconds is needed, a day at most";
    s->drain = (int64_t)number;
    return NULL;
}

static const char *set_log(promp_settings_t *s, promp_slice_t value)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (promp_zpl_is(value, names[i])) {
            s->level = (promp_log_level_t)i;
            return NULL;
        }
    return "error, warning, info or debug is needed";
}

static const struct {
    const char *name;
    set_f *set;
    bool repeats, hidden;
} rows[] = {{"places", set_places, false, false},
            {"cpus", set_cpus, false, false},
            {"memory", set_memory, false, false},
            {"gpus", set_gpus, false, false},
            {"labels", set_labels, false, false},
            {"python", set_python, true, false},
            {"passphrase-file", set_passphrase, false, false},
            {"drain-timeout", set_drain, false, false},
            {"log", set_log, false, false},
            {"pythons", set_pythons, false, true}};

#define ROWS (sizeof rows / sizeof *rows)

static size_t find(promp_slice_t name)
{
    size_t i = 0;

    while (i < ROWS && !promp_zpl_is(name, rows[i].name))
        i++;
    return i;
}

const char *promp_settings_set(promp_settings_t *settings, const char *name, promp_slice_t value)
{
    size_t i = find(promp_slice_str(name));

    return i < ROWS ? rows[i].set(settings, value) : "there is no such setting";
}

/* --- the file --- */

static promp_err_t wrong(unsigned line, promp_slice_t name, const char *why, promp_error_t *error)
{
    return promp_error_set(error, PROMP_ERR_CONFIG_FILE, 0, PROMP_SETTINGS_FILE " line %u: %.*s%s%s", line,
                           (int)promp_min64((int64_t)name.size, 64), name.size ? (const char *)name.data : "",
                           name.size ? ": " : "", why);
}

promp_err_t promp_settings_parse(promp_slice_t text, promp_settings_t *settings, promp_error_t *error)
{
    promp_zpl_item_t item;
    promp_zpl_t zpl;
    promp_zpl_result_t result;
    bool seen[ROWS] = {false};

    promp_zpl_start(&zpl, text);
    while ((result = promp_zpl_next(&zpl, &item)) == PROMP_ZPL_ITEM) {
        size_t i = item.section.size ? ROWS : find(item.name);
        const char *why;

        if (i == ROWS || rows[i].hidden)
            return wrong(zpl.line, item.name, "there is no such setting", error);
        if (seen[i] && !rows[i].repeats)
            return wrong(zpl.line, item.name, "it is set twice", error);
        why = rows[i].set(settings, item.value);
        if (why)
            return wrong(zpl.line, item.name, why, error);
        seen[i] = true;
    }
    if (result == PROMP_ZPL_MALFORMED)
        return wrong(zpl.line, promp_slice(NULL, 0), "a line is name = \"value\"", error);
    return PROMP_OK;
}

promp_err_t promp_settings_read(int folder, promp_settings_t *settings, promp_error_t *error)
{
    char text[PROMP_LIMIT_KEY_FILE];
    size_t size;
    promp_error_t why;
    promp_err_t code =
        promp_auth_file_read(folder, PROMP_SETTINGS_FILE, PROMP_AUTH_FILE_PUBLIC, text, &size, &why);

    if (code == PROMP_ERR_KEY_MISSING)
        return PROMP_OK;
    if (code)
        return promp_error_set(error, PROMP_ERR_CONFIG_FILE, 0, "%s", why.text);
    return promp_settings_parse(promp_slice(text, size), settings, error);
}
