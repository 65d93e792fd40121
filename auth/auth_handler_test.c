/* Real CURVE handshakes over loopback, with the handler that answers for the store. */
#include "auth_handler.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <zmq.h>

#include "auth_rig.h"

#define WAIT 10000 /* ms, for what has to come */

/* What a client without CURVE sees, whichever side notices first. */
#define NO_CURVE (ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)

static void *context, *server;
static promp_auth_handler_t *handler;
static promp_auth_key_t *server_key;
static char address[128];
static atomic_int reasons[10000]; /* how often the handler told each reason */

static void told(void *arg, const promp_auth_decision_t *decision, const char *peer)
{
    (void)arg;
    assert_non_null(peer);
    reasons[decision->reason]++;
}

static void *open_socket(int type)
{
    const int none = 0;
    void *socket = zmq_socket(context, type);
    assert_non_null(socket);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    return socket;
}

static void start_handler(const promp_auth_entry_t *entries, size_t count)
{
    promp_auth_store_t *store;
    assert_code(promp_auth_store_of(entries, count, &store, NULL), PROMP_OK);
    assert_code(promp_auth_handler_start(context, &store, told, NULL, &handler, NULL), PROMP_OK);
    assert_null(store);
}

static void start_server(void)
{
    size_t size = sizeof address;
    server = open_socket(ZMQ_ROUTER);
    assert_code(promp_auth_guard(server, server_key, NULL), PROMP_OK);
    assert_int_equal(zmq_bind(server, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, address, &size), 0);
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        reasons[i] = 0;
    context = zmq_ctx_new();
    return promp_auth_key_make(&server_key, NULL);
}

static int teardown(void **state)
{
    (void)state;
    if (server)
        zmq_close(server);
    server = NULL;
    promp_auth_handler_stop(&handler);
    promp_auth_key_destroy(&server_key);
    return zmq_ctx_term(context);
}

/* A client that says `hi`; key NULL: without CURVE. */
static void *open_client(promp_auth_key_t *key, void **monitor)
{
    static int number;
    char name[64];
    void *client = open_socket(ZMQ_DEALER);
    if (key) {
        zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, promp_auth_key_public(server_key), 32);
        zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, promp_auth_key_public(key), 32);
        assert_int_equal(zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, promp_auth_key_show(key), 32), 0);
        promp_auth_key_hide(key);
    }
    snprintf(name, sizeof name, "inproc://monitor-%d", number++);
    assert_int_equal(zmq_socket_monitor(client, name,
                                        ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                                            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                            ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL),
                     0);
    *monitor = open_socket(ZMQ_PAIR);
    assert_int_equal(zmq_connect(*monitor, name), 0);
    return client;
}

static void close_client(void *client, void *monitor)
{
    zmq_socket_monitor(client, NULL, 0);
    zmq_close(monitor);
    zmq_close(client);
}

/* What became of the handshake, and the value that came with it. */
static int outcome(void *client, void *monitor, uint32_t *value)
{
    uint8_t frame[6];
    uint16_t event;
    const int wait = WAIT;
    assert_int_equal(zmq_connect(client, address), 0);
    zmq_send(client, "hi", 2, ZMQ_DONTWAIT);
    zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &wait, sizeof wait);
    assert_int_equal(zmq_recv(monitor, frame, sizeof frame, 0), sizeof frame);
    memcpy(&event, frame, sizeof event);
    memcpy(value, frame + 2, sizeof *value);
    return event;
}

static void assert_nothing_heard(void)
{
    char byte;
    assert_int_equal(zmq_recv(server, &byte, 1, ZMQ_DONTWAIT), -1);
}

/* The client is let in, and the server sees who it is on the message itself. */
static void assert_served(promp_auth_key_t *key, const char *role)
{
    void *monitor, *client = open_client(key, &monitor);
    const int wait = WAIT;
    char z85[PROMP_Z85_KEY + 1];
    uint32_t value;
    zmq_msg_t message;

    assert_int_equal(outcome(client, monitor, &value), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    zmq_setsockopt(server, ZMQ_RCVTIMEO, &wait, sizeof wait);
    zmq_msg_init(&message);
    assert_true(zmq_msg_recv(&message, server, 0) > 0); /* who it is for libzmq */
    assert_int_equal(zmq_msg_recv(&message, server, 0), 2);
    promp_z85_encode(promp_auth_key_public(key), z85);
    assert_string_equal(zmq_msg_gets(&message, "User-Id"), z85);
    assert_string_equal(zmq_msg_gets(&message, "Role"), role);
    zmq_msg_close(&message);
    close_client(client, monitor);
}

static void assert_turned_away(promp_auth_key_t *key, int event, uint32_t wanted, promp_err_t reason)
{
    void *monitor, *client = open_client(key, &monitor);
    const int before = reasons[reason];
    uint32_t value;
    assert_true(outcome(client, monitor, &value) & event);
    if (wanted)
        assert_int_equal(value, wanted);
    if (reason)
        assert_true(reasons[reason] > before);
    assert_nothing_heard();
    close_client(client, monitor);
}

/* Aim: known keys come in with identity and role; unknown, revoked and expired ones get the same refusal, those without CURVE
 * none of a handler at all; nothing that they said is heard, and an honest peer is served after them. */
static void who_comes_in(void **state)
{
    promp_auth_key_t *node, *token, *gone, *old, *stranger;
    promp_auth_entry_t entries[] = {
        rig_entry("node1", PROMP_AUTH_NODE, &node), rig_entry("token-1", PROMP_AUTH_JOIN, &token),
        rig_entry("gone", PROMP_AUTH_ADMIN, &gone), rig_entry("old", PROMP_AUTH_MANAGER, &old)};
    (void)state;
    assert_code(promp_auth_key_make(&stranger, NULL), PROMP_OK);
    entries[2].revoked = 1;
    entries[3].expires = 1;
    entries[0].expires = entries[1].expires = PROMP_NEVER;
    start_handler(entries, 4);
    start_server();
    assert_served(node, "node");
    assert_served(token, "join");
    assert_turned_away(stranger, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400, PROMP_ERR_ACCESS_UNKNOWN);
    assert_turned_away(gone, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400, PROMP_ERR_ACCESS_REVOKED);
    assert_turned_away(old, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400, PROMP_ERR_ACCESS_EXPIRED);
    assert_turned_away(NULL, NO_CURVE, 0, PROMP_OK);
    assert_served(node, "node");
    promp_auth_key_destroy(&node);
    promp_auth_key_destroy(&token);
    promp_auth_key_destroy(&gone);
    promp_auth_key_destroy(&old);
    promp_auth_key_destroy(&stranger);
}

/* Aim: a password does not help. */
static void plain(void **state)
{
    promp_auth_entry_t entry = rig_entry("node1", PROMP_AUTH_NODE, NULL);
    uint32_t value;
    void *monitor;
    (void)state;
    start_handler(&entry, 1);
    start_server();
    void *client = open_client(NULL, &monitor);
    zmq_setsockopt(client, ZMQ_PLAIN_USERNAME, "admin", 5);
    zmq_setsockopt(client, ZMQ_PLAIN_PASSWORD, "admin", 5);
    assert_true(outcome(client, monitor, &value) & NO_CURVE);
    assert_nothing_heard();
    close_client(client, monitor);
}

/* Aim: a swapped store decides from then on, and no store lets nobody in. */
static void swapped(void **state)
{
    promp_auth_key_t *key;
    promp_auth_entry_t entry = rig_entry("node1", PROMP_AUTH_NODE, &key);
    promp_auth_store_t *store = NULL;
    (void)state;
    assert_code(promp_auth_handler_start(context, &store, told, NULL, &handler, NULL), PROMP_OK);
    start_server();
    assert_turned_away(key, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400, PROMP_ERR_ACCESS_UNKNOWN);
    assert_code(promp_auth_store_of(&entry, 1, &store, NULL), PROMP_OK);
    promp_auth_handler_swap(handler, &store);
    assert_null(store);
    assert_served(key, "node");
    entry.revoked = 1;
    assert_code(promp_auth_store_of(&entry, 1, &store, NULL), PROMP_OK);
    promp_auth_handler_swap(handler, &store);
    assert_turned_away(key, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400, PROMP_ERR_ACCESS_REVOKED);
    promp_auth_key_destroy(&key);
}

static _Atomic(promp_auth_store_t *) newest; /* what a look finds, or NULL */
static atomic_int looks;

static promp_auth_store_t *store_of_two(const promp_auth_entry_t *entries)
{
    promp_auth_store_t *store;
    assert_code(promp_auth_store_of(entries, 2, &store, NULL), PROMP_OK);
    return store;
}

static promp_auth_store_t *look(void *arg, const promp_auth_store_t *old)
{
    assert_null(arg);
    assert_non_null(old);
    looks++;
    return atomic_exchange(&newest, NULL);
}

/* Aim: an unknown key makes the handler look for a newer store, by which it decides from then on; a known one does not. */
static void newer(void **state)
{
    promp_auth_key_t *old_key, *new_key;
    promp_auth_entry_t entries[2] = {rig_entry("old", PROMP_AUTH_NODE, &old_key),
                                     rig_entry("new", PROMP_AUTH_MANAGER, &new_key)};
    (void)state;
    looks = 0;
    start_handler(entries, 1);
    promp_auth_handler_newer(handler, look);
    start_server();
    assert_served(old_key, "node");
    assert_int_equal(looks, 0);
    assert_turned_away(new_key, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400, PROMP_ERR_ACCESS_UNKNOWN);
    assert_int_equal(looks, 1);
    newest = store_of_two(entries);
    assert_served(new_key, "manager");
    assert_int_equal(looks, 2);
    assert_served(new_key, "manager");
    assert_int_equal(looks, 2);
    promp_auth_key_destroy(&old_key);
    promp_auth_key_destroy(&new_key);
}

static _Atomic(promp_auth_store_t *) told_meanwhile;

/* While the handler looks, the program has taken a store into use that is newer than what the look found. */
static promp_auth_store_t *look_late(void *arg, const promp_auth_store_t *old)
{
    promp_auth_store_t *found = look(arg, old), *told = atomic_exchange(&told_meanwhile, NULL);
    promp_auth_handler_swap(handler, &told);
    return found;
}

/* Aim: what a look has found does not take the place of a store that came meanwhile: a key revoked there stays out. */
static void newer_late(void **state)
{
    promp_auth_key_t *old_key, *new_key;
    promp_auth_entry_t entries[2] = {rig_entry("old", PROMP_AUTH_NODE, &old_key),
                                     rig_entry("new", PROMP_AUTH_MANAGER, &new_key)};
    (void)state;
    looks = 0;
    start_handler(entries, 1);
    promp_auth_handler_newer(handler, look_late);
    start_server();
    newest = store_of_two(entries);
    entries[0].revoked = 1;
    told_meanwhile = store_of_two(entries);
    assert_served(new_key, "manager");
    assert_int_equal(looks, 1);
    assert_turned_away(old_key, ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, 400, PROMP_ERR_ACCESS_REVOKED);
    promp_auth_key_destroy(&old_key);
    promp_auth_key_destroy(&new_key);
}

/* Aim: a context has one handler; a second one is told so. This libzmq is fit. */
static void taken(void **state)
{
    promp_auth_entry_t entry = rig_entry("node1", PROMP_AUTH_NODE, NULL);
    promp_auth_handler_t *second = NULL;
    promp_auth_store_t *store = NULL;
    (void)state;
    assert_code(promp_auth_zmq_check(NULL), PROMP_OK);
    start_handler(&entry, 1);
    assert_code(promp_auth_handler_start(context, &store, NULL, NULL, &second, NULL), PROMP_ERR_ZAP_TAKEN);
    assert_null(second);
    promp_auth_handler_stop(&handler);
    start_handler(&entry, 1);
}

/* Sends parts, "-" ends them; the status of the answer, or 0 when none comes. */
static int ask(void *asker, const char *const *parts)
{
    char status[8] = "";
    const int wait = 200;
    for (; strcmp(*parts, "-") != 0; parts++)
        assert_true(zmq_send(asker, *parts, strlen(*parts), strcmp(parts[1], "-") ? ZMQ_SNDMORE : 0) >= 0);
    zmq_setsockopt(asker, ZMQ_RCVTIMEO, &wait, sizeof wait);
    for (int part = 0;; part++) {
        char text[300] = "";
        int more = 0;
        size_t size = sizeof more;
        if (zmq_recv(asker, text, sizeof text - 1, 0) < 0)
            return 0;
        if (part == 3)
            memcpy(status, text, sizeof status - 1);
        zmq_getsockopt(asker, ZMQ_RCVMORE, &more, &size);
        if (!more)
            return atoi(status);
    }
}

/* Aim: questions that libzmq would never ask get a refusal or nothing, and the next good one its answer. */
static void malformed(void **state)
{
    char huge[400], good_key[33] = "", *many[64];
    promp_auth_key_t *key;
    promp_auth_entry_t entry;
    (void)state;
    do { /* a key without a zero byte, so that it can be sent as a string here */
        entry = rig_entry("node1", PROMP_AUTH_NODE, &key);
        promp_auth_key_destroy(&key);
    } while (memchr(entry.key, 0, 32) || entry.key[0] == '-');
    memcpy(good_key, entry.key, 32);
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (size_t i = 0; i < 63; i++)
        many[i] = (char *)(i ? "1.0" : "");
    many[63] = (char *)"-";
    start_handler(&entry, 1);
    void *asker = open_socket(ZMQ_DEALER);
    assert_int_equal(zmq_connect(asker, "inproc://zeromq.zap.01"), 0);
    const char *const good[] = {"", "1.0", "1", "promp", "127.0.0.1", "", "CURVE", good_key, "-"};
    const char *const none[] = {"x", "-"};
    const char *const empty[] = {"", "-"};
    const char *const version[] = {"", "2.0", "1", "promp", "a", "", "CURVE", good_key, "-"};
    const char *const few[] = {"", "1.0", "1", "promp", "a", "-"};
    const char *const no_key[] = {"", "1.0", "1", "promp", "a", "", "CURVE", "-"};
    const char *const long_key[] = {"", "1.0", "1", "promp", "a", "", "CURVE", huge, "-"};
    const char *const long_peer[] = {"", "1.0", "1", "promp", huge, "", "CURVE", good_key, "-"};
    const char *const two[] = {"", "1.0", "1", "promp", "a", "", "CURVE", good_key, good_key, "-"};
    assert_int_equal(ask(asker, good), 200);
    assert_int_equal(ask(asker, none), 0);
    assert_int_equal(ask(asker, empty), 0);
    assert_int_equal(ask(asker, version), 400);
    assert_int_equal(ask(asker, few), 400);
    assert_int_equal(ask(asker, no_key), 400);
    assert_int_equal(ask(asker, long_key), 400);
    assert_int_equal(ask(asker, two), 400);
    assert_int_equal(ask(asker, (const char *const *)many), 400);
    assert_int_equal(ask(asker, long_peer), 200);
    assert_int_equal(ask(asker, good), 200);
    zmq_close(asker);
}

#define IN_CONTEXT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {IN_CONTEXT(who_comes_in), IN_CONTEXT(plain),      IN_CONTEXT(swapped),
                                       IN_CONTEXT(newer),        IN_CONTEXT(newer_late), IN_CONTEXT(taken),
                                       IN_CONTEXT(malformed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
