/* options.h - the command line of promp-node. */
#ifndef PROMP_NODE_OPTIONS_H
#define PROMP_NODE_OPTIONS_H

#include "base.h"
#include "log.h"

typedef enum { PROMP_OPTIONS_LOCAL, PROMP_OPTIONS_STATUS, PROMP_OPTIONS_AGENT } promp_options_what_t;

typedef struct {
    promp_options_what_t what;
    bool detach;
    int64_t idle; /* ms; PROMP_NEVER: stay */
    promp_log_level_t level;
    const char *instance; /* NULL: not given */
} promp_options_t;

#define PROMP_OPTIONS_USAGE 2 /* exit code for a wrong command line */

/* Reads the command line and PROMP_NODE_IDLE_MS. True: go on with *options. False: all is said, end with *code. */
bool promp_options_read(int argc, char *argv[], promp_options_t *options, int *code);

#endif
