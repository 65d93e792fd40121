/* zlink_rig.h - for the tests of both ends: keys, a ZAP handler, a port and links that are driven by one thread in the way that
 * zlink.h and zport.h ask for. Everything waits for at most ZRIG_PATIENCE ms, asleep in poll: a lost wake-up fails. */
#ifndef PROMP_NET_ZLINK_RIG_H
#define PROMP_NET_ZLINK_RIG_H

#include <pthread.h>
#include <stdatomic.h>

#include "zlink.h"
#include "zport.h"

#define ZRIG_PATIENCE 10000
#define ZRIG_LINKS    4
#define ZRIG_DOMAIN   "promp"

typedef struct {
    uint8_t public_key[32], secret_key[32];
    char text[41]; /* the public one in Z85 */
} zrig_keys_t;

typedef struct zrig zrig_t;
/* A frame came: from is the link's number, or -1 and the peer. Its bytes are released by the rig when true is returned. */
typedef bool zrig_frame_f(zrig_t *rig, int from, promp_zpeer_t peer, const promp_frame_t *frame);

struct zrig {
    void *context;
    zrig_keys_t server, known[2], unknown; /* the handler lets known in */
    pthread_t zap;
    void *zap_stop;
    _Atomic(const char *) zap_status; /* for unknown keys */
    atomic_bool zap_nameless;         /* it gives known keys no User-Id */
    atomic_int zap_asked;

    void *other; /* a socket of the test, closed at its end */

    promp_zport_config_t port_config;
    promp_zport_t *port;
    promp_zlink_t *link[ZRIG_LINKS];
    bool hold_link[ZRIG_LINKS]; /* it reads nothing */
    promp_err_t spoilt[ZRIG_LINKS];

    zrig_frame_f *on_frame; /* NULL: all are released and counted */
    uint64_t frames[ZRIG_LINKS], port_frames;
    promp_zpeer_t peer[16], gone[16]; /* NEW and GONE, in their order */
    promp_err_t why[16];
    size_t peers, gones;
    void *test; /* the test's own */
};

int zrig_setup(void **state); /* a zrig_t with a handler and a port at a free port of 127.0.0.1 */
int zrig_teardown(void **state);

void zrig_make_keys(zrig_keys_t *keys);
void zrig_listen(zrig_t *rig, const char *endpoint);
void zrig_config(const zrig_t *rig, const zrig_keys_t *keys, promp_zlink_config_t *config);
void zrig_dial(zrig_t *rig, int number, const char *address,
               const zrig_keys_t *keys); /* address NULL: the port's */

/* Drives everything until done(rig) or for ms; says whether done. */
bool zrig_drive(zrig_t *rig, bool (*done)(zrig_t *rig), int64_t ms);
void zrig_until(zrig_t *rig, bool (*done)(zrig_t *rig)); /* fails when that does not come */
void zrig_up(zrig_t *rig, int number);                   /* dials with known[number % 2] and says HELLO */

/* A frame with its number as offset; on the control lane it is urgent. */
promp_out_t zrig_out(promp_lane_t lane, uint64_t n, const uint8_t *body, size_t size);
promp_err_t zrig_send(promp_zlink_t *link, promp_lane_t lane, uint64_t n, size_t size, uint64_t tag);
promp_err_t zrig_post(zrig_t *rig, promp_zpeer_t peer, promp_lane_t lane, uint64_t n, size_t size,
                      uint64_t tag);
void zrig_check(const promp_frame_t *frame, uint64_t n, size_t size); /* every byte of it */

/* A plain listening socket at 127.0.0.1; *address becomes "tcp://…". */
int zrig_plain_listen(char address[64]);
int zrig_plain_connect(const char *endpoint);

#endif
