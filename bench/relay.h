/* relay.h - the floor of relays between machines: processes and bare ZeroMQ with CURVE, as simple as it can be. This one is a
 * DEALER, a ROUTER passes on what it gets to the other of its two peers, the far DEALER answers. A second relay stands between
 * ROUTER and far end: a DEALER of the first and a ROUTER for the far end, as a node between broker and worker. */
#ifndef PROMP_BENCH_RELAY_H
#define PROMP_BENCH_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    uint8_t public_key[32], secret_key[32];
} relay_keys_t;

typedef struct {
    void *context, *socket;
    pid_t relay, second, far; /* second: 0 with one relay */
} relay_t;

void relay_make_keys(relay_keys_t *keys);

/* Starts a process before this one has threads: run(to) writes its endpoint, ended by a NUL, to descriptor `to` and never
 * returns. */
pid_t relay_fork(void (*run)(int to), char endpoint[64]);
void relay_kill(pid_t child);

void relay_start(relay_t *relay, int relays); /* forks all; relays: 1 or 2 */
void relay_connect(relay_t *relay);           /* once all have been forked: this process gets threads */
void relay_stop(relay_t *relay);
/* One message there, and one back; size bytes. */
void relay_send(relay_t *relay, const uint8_t *bytes, size_t size);
void relay_take(relay_t *relay);

#endif
