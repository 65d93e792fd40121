/* config.h - what the broker can be told: by its file `broker.zpl`, and by options of the same names, which go before it. */
#ifndef PROMP_BROKER_CONFIG_H
#define PROMP_BROKER_CONFIG_H

#include "error.h"
#include "limits.h"
#include "log.h"

#define PROMP_CONFIG_FILE "broker.zpl"

typedef struct {
    char listen[PROMP_LIMIT_ADDRESS + 1]; /* "tcp://ADDRESS:PORT" */
    uint32_t peers;                       /* connections at the same time; 0: as many as descriptors allow */
    int threads;                          /* of libzmq, which encrypt and move bytes */
    int64_t gather;                       /* ms after the start in which nodes may come back */
    promp_log_level_t level;
    char metrics[PROMP_LIMIT_ADDRESS + 1]; /* ADDRESS:PORT; "": nobody is told them by HTTP */
    char passphrase[PROMP_LIMIT_PATH + 1]; /* file that it is read from; "": none */
} promp_config_t;

/* What holds when nobody says anything. */
void promp_config_start(promp_config_t *config);

/* Sets one thing by its name: listen, peers, threads, gather, log, metrics, passphrase-file. NULL, or what is wrong (static). */
const char *promp_config_set(promp_config_t *config, const char *name, promp_slice_t value);

/* Reads the file of the folder over *config; none there is fine. CONFIG_FILE: a line, by its number, says what is not
 * understood; or the file can be written by others. */
promp_err_t promp_config_read(int folder, promp_config_t *config, promp_error_t *error);

/* Likewise its text; pure. */
promp_err_t promp_config_parse(promp_slice_t text, promp_config_t *config, promp_error_t *error);

#endif
