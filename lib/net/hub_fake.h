/* hub_fake.h - for the hub's tests: a node whose every frame the test writes, and a core that counts. */
#ifndef PROMP_NET_HUB_FAKE_H
#define PROMP_NET_HUB_FAKE_H

#include <pthread.h>

#include "hub.h"
#include "link.h"
#include "message.h"

#define FAKE_WAIT 20000 /* ms until a condition counts as never coming */

/* --- the node's side --- */

typedef struct {
    promp_local_t local; /* folder and socket of this test alone */
    int listener;
    promp_link_t *link;
    promp_id_t id;
    promp_id_t session; /* in WELCOME's header */
} fake_node_t;

void fake_node_open(fake_node_t *node);
void fake_node_close(fake_node_t *node);
void fake_node_stop_listening(fake_node_t *node);
void fake_node_accept(fake_node_t *node);
void fake_node_take(fake_node_t *node, int fd); /* fd is the link now */
void fake_node_hang_up(fake_node_t *node);

/* The next frame; the test fails when none comes. BEATs are passed over (fake_node_beat takes them). */
void fake_node_frame(fake_node_t *node, promp_frame_t *frame);
/* Likewise, and it must be of this type; decoded. */
void fake_node_expect(fake_node_t *node, promp_type_t type, promp_message_t *message, promp_id_t *session);
/* The next BEAT, whatever else comes; returns ms since the call. */
int64_t fake_node_beat(fake_node_t *node, promp_message_t *message);
/* True when the link has ended, false when a frame came within ms. */
bool fake_node_ended(fake_node_t *node);

void fake_node_send(fake_node_t *node, const promp_message_t *message, const promp_id_t *session);
void fake_node_data(fake_node_t *node, const promp_id_t *session, const void *body, size_t size);
void fake_node_welcome(fake_node_t *node); /* takes HELLO, says WELCOME */

/* --- opening a hub while the test plays the node --- */

typedef struct {
    promp_hub_config_t config;
    int timeout;
    pthread_t thread;
    promp_hub_t *hub;
    promp_error_t error;
} fake_open_t;

void fake_open_start(fake_open_t *open); /* calls promp_hub_new in a thread */
promp_hub_t *fake_open_end(fake_open_t *open);
promp_hub_t *fake_manager_hub(fake_node_t *node); /* a manager's hub that is up */

/* --- a core --- */

typedef struct fake_core {
    promp_id_t id;      /* its session */
    uint32_t lease_ms;  /* what it tells */
    int up, down, lost; /* calls of path */
    promp_id_t node;    /* as told by the last path(up) */
    uint64_t frames;    /* DATA frames that came */
    uint64_t bytes;     /* of their bodies */
    uint8_t last;       /* first byte of the last one */
    promp_err_t answer; /* what frame returns */
    uint64_t to_send;   /* DATA frames that it wants to send */
    size_t size;        /* bytes of each */
    uint64_t sent;
    int ticks;
    int64_t tick_at;

    bool sided;
    int unsided;                             /* ends of sides */
    promp_way_t way;                         /* as told last */
    uint64_t room;                           /* of its side, as last told */
    uint64_t others;                         /* frames that were no DATA */
    uint64_t frames_then;                    /* frames, when the last of those came */
    void (*on_data)(struct fake_core *core); /* called with each DATA frame, may be NULL; for it: */
    promp_hub_t *hub;
    void *arg;
    promp_err_t handed;
} fake_core_t;

promp_port_t fake_core_port(fake_core_t *core);

/* Waits under the hub's lock, by promp_hub_wait, until condition; fails after FAKE_WAIT. */
void fake_wait(promp_hub_t *hub, bool (*condition)(void *arg), void *arg);

typedef struct {
    fake_core_t *core;
    uint64_t frames;
} fake_frames_t;
bool fake_has_frames(void *arg); /* a fake_frames_t: the core has got so many */
bool fake_never(void *arg);

/* Waits until path was called so often; fails when it was called more often. */
void fake_expect_paths(promp_hub_t *hub, fake_core_t *core, int up, int down, int lost);

/* --- tests --- */

int fake_setup(void **state); /* a fake_node_t that listens */
int fake_teardown(void **state);
void fake_finish(promp_hub_t **hub, fake_core_t *core); /* detaches and destroys */

#endif
