/* zlazy.c - libzmq for those who are not linked with it: functions of the same names, hidden in libpromp, which lead to the
 * library that promp_zload() has loaded. Without zmq.h, which would make them visible to everybody. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "zload.h"

#define LIBRARY "libzmq.so.5"

typedef struct zmq_msg_t zmq_msg_t;

/* CALL(result, name, parameters, arguments): every function that a link to a broker uses. */
#define CALLS(CALL)                                                                                          \
    CALL(void, version, (int *a, int *b, int *c), (a, b, c))                                                 \
    CALL(int, has, (const char *name), (name))                                                               \
    CALL(void *, ctx_new, (void), ())                                                                        \
    CALL(int, ctx_term, (void *context), (context))                                                          \
    CALL(void *, socket, (void *context, int type), (context, type))                                         \
    CALL(int, close, (void *socket), (socket))                                                               \
    CALL(int, connect, (void *socket, const char *to), (socket, to))                                         \
    CALL(int, setsockopt, (void *socket, int option, const void *value, size_t size),                        \
         (socket, option, value, size))                                                                      \
    CALL(int, getsockopt, (void *socket, int option, void *value, size_t *size),                             \
         (socket, option, value, size))                                                                      \
    CALL(int, socket_monitor, (void *socket, const char *to, int events), (socket, to, events))              \
    CALL(int, msg_init, (zmq_msg_t * part), (part))                                                          \
    CALL(int, msg_init_size, (zmq_msg_t * part, size_t size), (part, size))                                  \
    CALL(int, msg_close, (zmq_msg_t * part), (part))                                                         \
    CALL(int, msg_move, (zmq_msg_t * to, zmq_msg_t * from), (to, from))                                      \
    CALL(int, msg_copy, (zmq_msg_t * to, zmq_msg_t * from), (to, from))                                      \
    CALL(void *, msg_data, (zmq_msg_t * part), (part))                                                       \
    CALL(size_t, msg_size, (const zmq_msg_t *part), (part))                                                  \
    CALL(int, msg_more, (const zmq_msg_t *part), (part))                                                     \
    CALL(int, msg_send, (zmq_msg_t * part, void *socket, int flags), (part, socket, flags))                  \
    CALL(int, msg_recv, (zmq_msg_t * part, void *socket, int flags), (part, socket, flags))

/* Filled in once, before anybody calls; all NULL when something is missing. */
static struct {
#define POINTER(result, name, parameters, arguments) result(*name) parameters;
    CALLS(POINTER)
    char why[200];
    bool there;
} zmq;

#define FORWARD(result, name, parameters, arguments)                                                         \
    result zmq_##name parameters;                                                                            \
    result zmq_##name parameters                                                                             \
    {                                                                                                        \
        return zmq.name arguments;                                                                           \
    }
CALLS(FORWARD)

/* POSIX has it that a function's address may be had this way. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool all = library != NULL;

#define FIND(result, name, parameters, arguments) all = all && find(library, "zmq_" #name, &zmq.name);
    CALLS(FIND)
    zmq.there = all;
    const char *why = all ? NULL : dlerror();
    snprintf(zmq.why, sizeof zmq.why, "%s", why ? why : LIBRARY);
    if (!all && library)
        dlclose(library);
}

promp_err_t promp_zload(promp_error_t *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return zmq.there ? PROMP_OK : promp_error_set(error, PROMP_ERR_ZMQ_MISSING, 0, "%s", zmq.why);
}
