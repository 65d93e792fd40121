#include "config.h"

#include <stdio.h>

#include "auth_token.h"
#include "metrics_address.h"
#include "zpl_rows.h"

#define LISTEN  "tcp://*:"
#define THREADS 2

void promp_config_start(promp_config_t *config)
{
    *config = (promp_config_t){.threads = THREADS, .gather = PROMP_TIME_GATHER, .level = PROMP_LOG_INFO};
    snprintf(config->listen, sizeof config->listen, LISTEN "%d", PROMP_AUTH_PORT);
}

/* --- one setting each --- */

static const char *set_listen(void *into, promp_slice_t value)
{
    promp_config_t *config = into;
    char text[PROMP_LIMIT_ADDRESS + 1];
    uint64_t port;

    if (!promp_zpl_rows_text(value, text, sizeof text) || strncmp(text, "tcp://", 6) != 0)
        return "an address is tcp://ADDRESS:PORT";
    const char *colon = strrchr(text + 6, ':');
    if (!colon || colon == text + 6 ||
        !promp_zpl_rows_number(promp_slice_str(colon + 1), 0, UINT16_MAX, &port))
        return "an address is tcp://ADDRESS:PORT";
    strcpy(config->listen, text);
    return NULL;
}

static const char *set_peers(void *into, promp_slice_t value)
{
    promp_config_t *config = into;
    uint64_t number;

    if (!promp_zpl_rows_number(value, 1, PROMP_LIMIT_PEERS, &number))
        return "a number of connections is needed, at most 65536";
    config->peers = (uint32_t)number;
    return NULL;
}

static const char *set_threads(void *into, promp_slice_t value)
{
    promp_config_t *config = into;
    uint64_t number;

    if (!promp_zpl_rows_number(value, 1, PROMP_LIMIT_BROKER_THREADS, &number))
        return "a number of threads is needed, at most 16";
    config->threads = (int)number;
    return NULL;
}

static const char *set_gather(void *into, promp_slice_t value)
{
    promp_config_t *config = into;
    uint64_t number;

    if (!promp_zpl_rows_number(value, 0, PROMP_TIMEOUT_MAX, &number))
        return "a number of milliseconds is needed, at most a day";
    config->gather = (int64_t)number;
    return NULL;
}

static const char *set_log(void *into, promp_slice_t value)
{
    promp_config_t *config = into;

    return promp_zpl_rows_level(value, &config->level);
}

static const char *set_metrics(void *into, promp_slice_t value)
{
    promp_config_t *config = into;
    promp_metrics_address_t address;
    char text[PROMP_LIMIT_ADDRESS + 1];

    if (!promp_zpl_rows_text(value, text, sizeof text) || !promp_metrics_address_read(text, &address))
        return "an address is ADDRESS:PORT, in digits, [IPv6]:PORT, or *:PORT for all interfaces";
    strcpy(config->metrics, text);
    return NULL;
}

static const char *set_passphrase(void *into, promp_slice_t value)
{
    promp_config_t *config = into;

    return promp_zpl_rows_text(value, config->passphrase, sizeof config->passphrase)
               ? NULL
               : "the path of a file is needed";
}

static const promp_zpl_row_t settings[] = {{.name = "listen", .set = set_listen},
                                           {.name = "peers", .set = set_peers},
                                           {.name = "threads", .set = set_threads},
                                           {.name = "gather", .set = set_gather},
                                           {.name = "log", .set = set_log},
                                           {.name = "metrics", .set = set_metrics},
                                           {.name = "passphrase-file", .set = set_passphrase}};

static const promp_zpl_rows_t rows = {PROMP_CONFIG_FILE, settings, sizeof settings / sizeof *settings};

const char *promp_config_set(promp_config_t *config, const char *name, promp_slice_t value)
{
    return promp_zpl_rows_set(&rows, name, value, config);
}

promp_err_t promp_config_parse(promp_slice_t text, promp_config_t *config, promp_error_t *error)
{
    return promp_zpl_rows_parse(&rows, text, config, error);
}

promp_err_t promp_config_read(int folder, promp_config_t *config, promp_error_t *error)
{
    return promp_zpl_rows_read(&rows, folder, config, error);
}
