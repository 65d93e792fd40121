#include "config.h"

#include <stdio.h>

#include "auth_file.h"
#include "auth_token.h"
#include "zpl.h"

#define LISTEN  "tcp://*:"
#define THREADS 2

typedef const char *set_f(promp_config_t *config, promp_slice_t value);

void promp_config_start(promp_config_t *config)
{
    *config = (promp_config_t){.threads = THREADS, .gather = PROMP_TIME_GATHER, .level = PROMP_LOG_INFO};
    snprintf(config->listen, sizeof config->listen, LISTEN "%d", PROMP_AUTH_PORT);
}

/* --- one setting each --- */

static bool read_number(promp_slice_t text, uint64_t least, uint64_t most, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || *value > most)
            return false;
        *value = *value * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.size && *value >= least && *value <= most;
}

static bool copy(promp_slice_t value, char *text, size_t room)
{
    if (!value.size || value.size >= room || memchr(value.data, 0, value.size))
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    return true;
}

static const char *set_listen(promp_config_t *config, promp_slice_t value)
{
    char text[PROMP_LIMIT_ADDRESS + 1];
    uint64_t port;

    if (!copy(value, text, sizeof text) || strncmp(text, "tcp://", 6) != 0)
        return "an address is tcp://ADDRESS:PORT";
    const char *colon = strrchr(text + 6, ':');
    if (!colon || colon == text + 6 || !read_number(promp_slice_str(colon + 1), 0, UINT16_MAX, &port))
        return "an address is tcp://ADDRESS:PORT";
    strcpy(config->listen, text);
    return NULL;
}

static const char *set_peers(promp_config_t *config, promp_slice_t value)
{
    uint64_t number;

    if (!read_number(value, 1, PROMP_LIMIT_PEERS, &number))
        return "a number of connections is needed, at most 65536";
    config->peers = (uint32_t)number;
    return NULL;
}

static const char *set_threads(promp_config_t *config, promp_slice_t value)
{
    uint64_t number;

    if (!read_number(value, 1, PROMP_LIMIT_BROKER_THREADS, &number))
        return "a number of threads is needed, at most 16";
    config->threads = (int)number;
    return NULL;
}

static const char *set_gather(promp_config_t *config, promp_slice_t value)
{
    uint64_t number;

    if (!read_number(value, 0, PROMP_TIMEOUT_MAX, &number))
        return "a number of milliseconds is needed, at most a day";
    config->gather = (int64_t)number;
    return NULL;
}

static const char *set_log(promp_config_t *config, promp_slice_t value)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (promp_zpl_is(value, names[i])) {
            config->level = (promp_log_level_t)i;
            return NULL;
        }
    return "error, warning, info or debug is needed";
}

static const char *set_passphrase(promp_config_t *config, promp_slice_t value)
{
    return copy(value, config->passphrase, sizeof config->passphrase) ? NULL : "the path of a file is needed";
}

static const struct {
    const char *name;
    set_f *set;
} settings[] = {{"listen", set_listen}, {"peers", set_peers}, {"threads", set_threads},
                {"gather", set_gather}, {"log", set_log},     {"passphrase-file", set_passphrase}};

#define SETTINGS (sizeof settings / sizeof *settings)

static size_t find(promp_slice_t name)
{
    size_t i = 0;

    while (i < SETTINGS && !promp_zpl_is(name, settings[i].name))
        i++;
    return i;
}

const char *promp_config_set(promp_config_t *config, const char *name, promp_slice_t value)
{
    size_t i = find(promp_slice_str(name));

    return i < SETTINGS ? settings[i].set(config, value) : "there is no such setting";
}

/* --- the file --- */

static promp_err_t wrong(unsigned line, promp_slice_t name, const char *why, promp_error_t *error)
{
    return promp_error_set(error, PROMP_ERR_CONFIG_FILE, 0, PROMP_CONFIG_FILE " line %u: %.*s%s%s", line,
                           (int)promp_min64((int64_t)name.size, 64), name.size ? (const char *)name.data : "",
                           name.size ? ": " : "", why);
}

promp_err_t promp_config_parse(promp_slice_t text, promp_config_t *config, promp_error_t *error)
{
    promp_zpl_item_t item;
    promp_zpl_t zpl;
    promp_zpl_result_t result;
    bool seen[SETTINGS] = {false};

    promp_zpl_start(&zpl, text);
    while ((result = promp_zpl_next(&zpl, &item)) == PROMP_ZPL_ITEM) {
        size_t i = item.section.size ? SETTINGS : find(item.name);

        if (i == SETTINGS)
            return wrong(zpl.line, item.name, "there is no such setting", error);
        if (seen[i])
            return wrong(zpl.line, item.name, "it is set twice", error);
        const char *why = settings[i].set(config, item.value);
        if (why)
            return wrong(zpl.line, item.name, why, error);
        seen[i] = true;
    }
    if (result == PROMP_ZPL_MALFORMED)
        return wrong(zpl.line, promp_slice(NULL, 0), "a line is name = \"value\"", error);
    return PROMP_OK;
}

promp_err_t promp_config_read(int folder, promp_config_t *config, promp_error_t *error)
{
    char text[PROMP_LIMIT_KEY_FILE];
    size_t size;
    promp_error_t why;
    promp_err_t code =
        promp_auth_file_read(folder, PROMP_CONFIG_FILE, PROMP_AUTH_FILE_PUBLIC, text, &size, &why);

    if (code == PROMP_ERR_KEY_MISSING)
        return PROMP_OK;
    if (code)
        return promp_error_set(error, PROMP_ERR_CONFIG_FILE, 0, "%s", why.text);
    return promp_config_parse(promp_slice(text, size), config, error);
}
