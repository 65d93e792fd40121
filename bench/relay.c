#include "relay.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

static relay_keys_t server, client;

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, zmq_strerror(zmq_errno()));
    _exit(1);
}

void relay_make_keys(relay_keys_t *keys)
{
    char public_key[41], secret_key[41];

    check(zmq_curve_keypair(public_key, secret_key) == 0, "keys");
    zmq_z85_decode(keys->public_key, public_key);
    zmq_z85_decode(keys->secret_key, secret_key);
}

pid_t relay_fork(void (*run)(int to), char endpoint[64])
{
    int ends[2];

    check(pipe(ends) == 0, "pipe");
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        run(ends[1]);
        _exit(1);
    }
    close(ends[1]);
    check(read(ends[0], endpoint, 64) > 0, "the relay");
    close(ends[0]);
    return child;
}

void relay_kill(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void *listen_router(void *context, int to)
{
    int yes = 1;
    char endpoint[64];
    size_t size = sizeof endpoint;
    void *router = zmq_socket(context, ZMQ_ROUTER);

    zmq_setsockopt(router, ZMQ_CURVE_SERVER, &yes, sizeof yes);
    zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, server.secret_key, 32);
    check(zmq_bind(router, "tcp://127.0.0.1:*") == 0, "bind");
    zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &size);
    check(write(to, endpoint, size) > 0, "pipe");
    return router;
}

static void run_router(int to)
{
    size_t known = 0;
    uint8_t id[2][8], from[8];
    void *router = listen_router(zmq_ctx_new(), to);

    for (;;) {
        zmq_msg_t body;
        zmq_msg_init(&body);
        check(zmq_recv(router, from, sizeof from, 0) == 5 && zmq_msg_recv(&body, router, 0) >= 0, "recv");
        if (known < 2) { /* each says a word first */
            memcpy(id[known++], from, 5);
            zmq_msg_close(&body);
            continue;
        }
        zmq_send(router, id[memcmp(from, id[0], 5) == 0], 5, ZMQ_SNDMORE);
        check(zmq_msg_send(&body, router, 0) >= 0, "send");
    }
}

static void *dial(void **context, const char *endpoint)
{
    *context = zmq_ctx_new();
    void *dealer = zmq_socket(*context, ZMQ_DEALER);

    zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, server.public_key, 32);
    zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, client.public_key, 32);
    zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, client.secret_key, 32);
    check(zmq_connect(dealer, endpoint) == 0, "connect");
    check(zmq_send(dealer, "hello", 5, 0) == 5, "send");
    return dealer;
}

static char near_endpoint[64], far_endpoint[64]; /* of the relay next to this process, and to the far end */

static void run_second(int to)
{
    uint8_t id[8];
    void *context, *dealer = dial(&context, near_endpoint), *router = listen_router(context, to);
    zmq_pollitem_t items[] = {{dealer, 0, ZMQ_POLLIN, 0}, {router, 0, ZMQ_POLLIN, 0}};
    bool known = false;

    for (;;) {
        zmq_msg_t body;
        zmq_msg_init(&body);
        check(!known || zmq_poll(items, 2, -1) > 0, "poll");
        if (!known) { /* the far end says a word before anything comes */
            check(zmq_recv(router, id, sizeof id, 0) == 5 && zmq_msg_recv(&body, router, 0) >= 0, "recv");
            known = true;
        } else if (items[0].revents) {
            check(zmq_msg_recv(&body, dealer, 0) >= 0 && zmq_send(router, id, 5, ZMQ_SNDMORE) == 5 &&
                      zmq_msg_send(&body, router, 0) >= 0,
                  "outwards");
        } else {
            check(zmq_recv(router, id, sizeof id, 0) == 5 && zmq_msg_recv(&body, router, 0) >= 0 &&
                      zmq_msg_send(&body, dealer, 0) >= 0,
                  "inwards");
        }
    }
}

static void run_far(int to)
{
    void *context, *dealer = dial(&context, far_endpoint);

    check(write(to, "", 1) == 1, "pipe");
    for (;;) {
        zmq_msg_t body;
        zmq_msg_init(&body);
        check(zmq_msg_recv(&body, dealer, 0) >= 0 && zmq_msg_send(&body, dealer, 0) >= 0, "echo");
    }
}

void relay_start(relay_t *relay, int relays)
{
    char word[64];

    relay_make_keys(&server);
    relay_make_keys(&client);
    relay->relay = relay_fork(run_router, near_endpoint);
    memcpy(far_endpoint, near_endpoint, sizeof far_endpoint);
    relay->second = relays == 2 ? relay_fork(run_second, far_endpoint) : 0;
    relay->far = relay_fork(run_far, word);
}

void relay_connect(relay_t *relay)
{
    relay->socket = dial(&relay->context, near_endpoint);
}

void relay_stop(relay_t *relay)
{
    zmq_close(relay->socket);
    relay_kill(relay->far);
    if (relay->second)
        relay_kill(relay->second);
    relay_kill(relay->relay);
}

void relay_send(relay_t *relay, const uint8_t *bytes, size_t size)
{
    check(zmq_send(relay->socket, bytes, size, 0) == (int)size, "send");
}

void relay_take(relay_t *relay)
{
    zmq_msg_t body;

    zmq_msg_init(&body);
    check(zmq_msg_recv(&body, relay->socket, 0) >= 0, "recv");
    zmq_msg_close(&body);
}
