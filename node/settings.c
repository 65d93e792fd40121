#include "settings.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth_key.h"
#include "machine.h"
#include "zpl_rows.h"

#define DRAIN  60000   /* ms */
#define CPUS   65536   /* processors of one machine */
#define GPUS   1024    /* likewise */
#define TASKS  4194304 /* processes and threads of one machine: the kernel's own limit */
#define MEMORY (PROMP_GIB * PROMP_MIB)

void promp_settings_start(promp_settings_t *s)
{
    *s =
        (promp_settings_t){.drain = DRAIN, .level = PROMP_LOG_INFO, .limit_processes = PROMP_LIMIT_PROCESSES};
    s->cpus = promp_machine_cpus("/proc/self");
    s->memory = promp_machine_memory("/proc/self");
    s->places = s->cpus / 1000;
    if (!s->places)
        s->places = 1;
    if (s->places > PROMP_LIMIT_WORKERS)
        s->places = PROMP_LIMIT_WORKERS;
}

/* --- values --- */

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

static const char *set_places(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    uint64_t number;

    if (!promp_zpl_rows_number(value, 1, PROMP_LIMIT_WORKERS, &number))
        return "a number of workers is needed, 1 to 4096";
    s->places = (uint32_t)number;
    return NULL;
}

/* "3" or "2.5" */
static const char *set_cpus(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    uint64_t whole, part = 0, unit = 1000;
    size_t end;

    if (!promp_zpl_rows_digits(value, &end, CPUS - 1, &whole))
        return "a number of processors is needed, such as 4 or 2.5";
    if (end < value.size) {
        size_t places = value.size - end - 1;

        if (value.data[end] != '.' || places < 1 || places > 3 ||
            !promp_zpl_rows_number(promp_slice(value.data + end + 1, places), 0, 999, &part))
            return "a number of processors is needed, such as 4 or 2.5";
        for (; places; places--)
            unit /= 10;
        part *= unit;
    }
    s->cpus = (uint32_t)(whole * 1000 + part);
    return NULL;
}

static const char *set_memory(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    static const char units[] = "KMGT";
    uint64_t number, factor = 1;
    size_t end;

    if (!promp_zpl_rows_digits(value, &end, MEMORY, &number))
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

static const char *set_gpus(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    uint64_t number;

    if (!promp_zpl_rows_number(value, 0, GPUS, &number))
        return "a number of graphics processors is needed";
    s->gpus = (uint32_t)number;
    return NULL;
}

static const char *set_labels(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    return copy_words(value, promp_auth_key_name_valid, s->labels)
               ? NULL
               : "words of A-Z a-z 0-9 . _ - are needed, 256 bytes at most";
}

static const char *set_pythons(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    return copy_words(value, promp_auth_key_name_valid, s->pythons) ? NULL : "versions are needed";
}

static const char *set_python(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    if (s->python_count == PROMP_LIMIT_PYTHONS)
        return "these are too many interpreters";
    if (!promp_zpl_rows_text(value, s->python[s->python_count], sizeof s->python[0]))
        return "the path of an interpreter is needed";
    s->python_count++;
    return NULL;
}

static const char *set_passphrase(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    return promp_zpl_rows_text(value, s->passphrase, sizeof s->passphrase) ? NULL
                                                                           : "the path of a file is needed";
}

static const char *set_drain(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    uint64_t number;

    if (!promp_zpl_rows_number(value, 0, PROMP_TIMEOUT_MAX, &number))
        return "a number of milliseconds is needed, a day at most";
    s->drain = (int64_t)number;
    return NULL;
}

static bool says(promp_slice_t value, const char *word)
{
    return value.size == strlen(word) && memcmp(value.data, word, value.size) == 0;
}

static const char *set_limit_cpus(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;

    s->limit_cpus = says(value, "yes");
    return s->limit_cpus || says(value, "no") ? NULL : "yes or no is needed";
}

static const char *set_limit_processes(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;
    uint64_t number;

    if (!promp_zpl_rows_number(value, 1, TASKS, &number))
        return "a number of processes is needed, 1 to 4194304";
    s->limit_processes = (uint32_t)number;
    return NULL;
}

static const char *set_log(void *into, promp_slice_t value)
{
    promp_settings_t *s = into;

    return promp_zpl_rows_level(value, &s->level);
}

static const promp_zpl_row_t settings_rows[] = {{.name = "places", .set = set_places},
                                                {.name = "cpus", .set = set_cpus},
                                                {.name = "memory", .set = set_memory},
                                                {.name = "gpus", .set = set_gpus},
                                                {.name = "labels", .set = set_labels},
                                                {.name = "python", .set = set_python, .repeats = true},
                                                {.name = "passphrase-file", .set = set_passphrase},
                                                {.name = "drain-timeout", .set = set_drain},
                                                {.name = "limit-cpus", .set = set_limit_cpus},
                                                {.name = "limit-processes", .set = set_limit_processes},
                                                {.name = "log", .set = set_log},
                                                {.name = "pythons", .set = set_pythons, .hidden = true}};

static const promp_zpl_rows_t rows = {PROMP_SETTINGS_FILE, settings_rows,
                                      sizeof settings_rows / sizeof *settings_rows};

const char *promp_settings_set(promp_settings_t *settings, const char *name, promp_slice_t value)
{
    return promp_zpl_rows_set(&rows, name, value, settings);
}

promp_err_t promp_settings_parse(promp_slice_t text, promp_settings_t *settings, promp_error_t *error)
{
    return promp_zpl_rows_parse(&rows, text, settings, error);
}

promp_err_t promp_settings_read(int folder, promp_settings_t *settings, promp_error_t *error)
{
    return promp_zpl_rows_read(&rows, folder, settings, error);
}
