/* zload.h - whether libzmq is there. Programs that are linked with it always have it (zload.c); libpromp, which many use without
 * any broker, loads it when it is needed (zlazy.c). */
#ifndef PROMP_NET_ZLOAD_H
#define PROMP_NET_ZLOAD_H

#include "error.h"

/* To be called before the first call into libzmq. OK; ZMQ_MISSING. Any thread. */
promp_err_t promp_zload(promp_error_t *error);

#endif
