/* options.h - the command line of promp-broker. */
#ifndef PROMP_BROKER_OPTIONS_H
#define PROMP_BROKER_OPTIONS_H

#include "config.h"

#define PROMP_OPTIONS_USAGE 2 /* exit code for a wrong command line or configuration file */
#define PROMP_OPTIONS_SETS  7

typedef struct {
    const char *folder; /* of --config; NULL: not given */
    int passphrase_fd;  /* -1: not given */
    struct {
        const char *name, *value;
    } set[PROMP_OPTIONS_SETS]; /* settings that go before those of the file */
    size_t sets;
} promp_options_t;

/* Reads the command line. True: go on with *options. False: all is said, end with *code. */
bool promp_options_read(int argc, char *argv[], promp_options_t *options, int *code);

/* What holds: the file of the folder, if there is one, and over it the command line. */
promp_err_t promp_options_config(const promp_options_t *options, int folder, promp_config_t *config,
                                 promp_error_t *error);

#endif
