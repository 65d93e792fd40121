#include "zsocket.h"

#include <errno.h>

#include "zload.h"

#define OLDEST ZMQ_MAKE_VERSION(4, 3, 3) /* before: CVE-2019-13132, CVE-2020-15166 and others, by strangers */

/* A frame is one part; encrypted it is 33 bytes longer, and commands of the handshake are small. */
#define LARGEST_PART (PROMP_LIMIT_FRAME + PROMP_KIB)

promp_err_t promp_zsocket_check(promp_error_t *error)
{
    int major, minor, patch;
    promp_err_t err = promp_zload(error);

    if (err)
        return err;
    zmq_version(&major, &minor, &patch);
    if (ZMQ_MAKE_VERSION(major, minor, patch) < OLDEST)
        return promp_error_set(error, PROMP_ERR_CURVE_MISSING, 0, "this is %d.%d.%d", major, minor, patch);
    if (!zmq_has("curve"))
        return promp_error_set(error, PROMP_ERR_CURVE_MISSING, 0, "it was built without CURVE");
    return PROMP_OK;
}

promp_err_t promp_zsocket_set(void *socket, const promp_zsocket_option_t *options, size_t count,
                              promp_error_t *error)
{
    for (size_t i = 0; i < count; i++)
        if (zmq_setsockopt(socket, options[i].option, &options[i].value, sizeof options[i].value) != 0)
            return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "libzmq refused its option %s",
                                   options[i].name);
    return PROMP_OK;
}

promp_err_t promp_zsocket_limit(void *socket, int beat, promp_error_t *error)
{
    const int64_t largest = (int64_t)LARGEST_PART;
    const int interval = beat ? beat : PROMP_TIME_ZMQ_BEAT;
    const promp_zsocket_option_t options[] = {
        {ZMQ_HEARTBEAT_IVL, interval, "HEARTBEAT_IVL"},
        {ZMQ_HEARTBEAT_TIMEOUT, 3 * interval, "HEARTBEAT_TIMEOUT"},
        {ZMQ_HEARTBEAT_TTL, 0, "HEARTBEAT_TTL"}, /* one would arm the peer's timer: it judges for itself */
        {ZMQ_TCP_MAXRT, 3 * PROMP_TIME_ZMQ_BEAT, "TCP_MAXRT"},
        {ZMQ_TCP_KEEPALIVE, 1, "TCP_KEEPALIVE"},
        {ZMQ_TCP_KEEPALIVE_IDLE, PROMP_TIME_ZMQ_BEAT / 1000, "TCP_KEEPALIVE_IDLE"},
        {ZMQ_TCP_KEEPALIVE_INTVL, PROMP_TIME_ZMQ_BEAT / 1000, "TCP_KEEPALIVE_INTVL"},
        {ZMQ_TCP_KEEPALIVE_CNT, 3, "TCP_KEEPALIVE_CNT"},
        {ZMQ_IPV6, 1, "IPV6"},
        {ZMQ_SNDHWM, PROMP_LIMIT_ZMQ_FRAMES, "SNDHWM"},
        {ZMQ_LINGER, 0, "LINGER"},
    };

    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) != 0)
        return promp_error_set(error, PROMP_ERR_SYSTEM, errno, "libzmq refused its option MAXMSGSIZE");
    return promp_zsocket_set(socket, options, sizeof options / sizeof options[0], error);
}

void *promp_zsocket_new(void *context, int type, promp_error_t *error)
{
    void *socket = zmq_socket(context, type);

    if (!socket)
        promp_error_set(error, promp_error_from_errno(errno), errno, "a socket of libzmq");
    return socket;
}

int promp_zsocket_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof fd;

    return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

#ifdef __SANITIZE_THREAD__
/* libzmq and libsodium are not built for the thread sanitizer, which therefore does not see how their threads keep order, nor that
 * libzmq has closed the descriptor that zlink_dial.c looked at last: the next one with its number is another. */
PROMP_EXPORT const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so.5\ncalled_from_lib:libsodium.so.23\nrace:unwatch\n"
           "race:^connected$\n"; /* zport_peer.c: a number of libzmq that somebody else may have by now */
}
#endif
