/* serve.h - the broker's life: from its folder to a port that serves, and down again. */
#ifndef PROMP_BROKER_SERVE_H
#define PROMP_BROKER_SERVE_H

#include "options.h"

/* Returns when the broker has ended; the exit code. What went wrong is said on stderr. */
int promp_serve_run(const promp_options_t *options);

#endif
