/* settings.h - what a node of a cluster can be told: by its file `node.zpl`, and by options of the same names, which go before
 * it. Pure, but for reading the file and looking at this machine. */
#ifndef PROMP_NODE_SETTINGS_H
#define PROMP_NODE_SETTINGS_H

#include "error.h"
#include "limits.h"
#include "log.h"

#define PROMP_SETTINGS_FILE "node.zpl"

typedef struct {
    uint32_t places;                                        /* workers at the same time */
    uint32_t cpus;                                          /* thousandths of a processor */
    uint64_t memory;                                        /* bytes */
    uint32_t gpus;                                          /* graphics processors */
    char labels[PROMP_LIMIT_LABELS + 1];                    /* words with single spaces */
    char pythons[PROMP_LIMIT_LABELS + 1];                   /* versions, likewise; of an agent only */
    char python[PROMP_LIMIT_PYTHONS][PROMP_LIMIT_PATH + 1]; /* interpreters, named by path or name */
    size_t python_count;
    char passphrase[PROMP_LIMIT_PATH + 1]; /* file that it is read from; "": none */
    int64_t drain;                         /* ms that a node that shall end waits for its workers */
    bool limit_cpus;          /* a worker may use no more processors than it asked for, not even idle ones */
    uint32_t limit_processes; /* of a worker, threads included */
    promp_log_level_t level;
} promp_settings_t;

/* What holds when nobody says anything: what this machine has, and we may use of it. */
void promp_settings_start(promp_settings_t *settings);

/* Sets one thing by its name: places, cpus, memory, gpus, labels, python (adds one), pythons, passphrase-file, drain-timeout,
 * limit-cpus, limit-processes, log. NULL, or what is wrong (static). */
const char *promp_settings_set(promp_settings_t *settings, const char *name, promp_slice_t value);

/* Reads the file of the folder over *settings; none there is fine. CONFIG_FILE: a line, by its number, says what is not
 * understood; or the file can be written by others. */
promp_err_t promp_settings_read(int folder, promp_settings_t *settings, promp_error_t *error);

/* Likewise its text. */
promp_err_t promp_settings_parse(promp_slice_t text, promp_settings_t *settings, promp_error_t *error);

#endif
