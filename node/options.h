/* options.h - the command line of promp-node. */
#ifndef PROMP_NODE_OPTIONS_H
#define PROMP_NODE_OPTIONS_H

#include "settings.h"

typedef enum {
    PROMP_OPTIONS_CLUSTER,
    PROMP_OPTIONS_LOCAL,
    PROMP_OPTIONS_STATUS,
    PROMP_OPTIONS_AGENT
} promp_options_what_t;

#define PROMP_OPTIONS_SETS 64

typedef struct {
    promp_options_what_t what;
    bool detach, verbose, replace;
    bool join_only;       /* end when it has joined */
    bool stop;            /* end the one that serves */
    int64_t idle;         /* ms; PROMP_NEVER: stay */
    const char *instance; /* NULL: not given, like the next ones */
    const char *config, *join, *name;
    int passphrase_fd; /* -1: not given */
    struct {
        const char *name, *value;
    } set[PROMP_OPTIONS_SETS]; /* settings, which go before those of the file */
    size_t sets;
} promp_options_t;

#define PROMP_OPTIONS_USAGE 2 /* exit code for a wrong command line */

/* Reads the command line and PROMP_NODE_IDLE_MS. True: go on with *options. False: all is said, end with *code. */
bool promp_options_read(int argc, char *argv[], promp_options_t *options, int *code);

/* What holds: the file of the folder (-1: none), if there is one, and over it the command line. */
promp_err_t promp_options_settings(const promp_options_t *options, int folder, promp_settings_t *settings,
                                   promp_error_t *error);

#endif
