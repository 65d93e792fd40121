/* cluster_scale: many nodes with many workers each, and one manager of them all, over real CURVE connections to a broker; the
 * processes are played, the connections and frames are what they would be.
 *
 *   cluster_scale ADDRESS BROKER-KEY NODES WORKERS LEASE-MS    (key: 64 hexadecimal digits)
 *
 * Reads two lines from standard input: the secret (64 digits) of a node token's join key, and of a manager token's. Then goes on
 * by one step for each further line, and prints what it did: "joined", "nodes", "workers". While it waits it beats. */
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "message.h"
#include "zpart.h"

typedef struct {
    uint8_t secret[32], public[32];
} pair_t;

typedef struct {
    void *socket;
    pair_t key;
    int64_t sent;
} peer_t;

static void *context;
static const char *address;
static uint8_t broker[32];
static uint32_t nodes, workers, lease, answered;
static peer_t *peer; /* the nodes, and the manager behind them */
static pair_t join[2];

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "cluster_scale: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void read_hex(const char *text, uint8_t out[32], const char *what)
{
    size_t size = 0;
    check(sodium_hex2bin(out, 32, text, strlen(text), "\n", &size, NULL) == 0 && size == 32, what);
}

static void dial(peer_t *p, const pair_t *key)
{
    int none = 0;

    p->socket = zmq_socket(context, ZMQ_DEALER);
    check(p->socket != NULL, "socket");
    zmq_setsockopt(p->socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(p->socket, ZMQ_CURVE_SERVERKEY, broker, 32);
    zmq_setsockopt(p->socket, ZMQ_CURVE_PUBLICKEY, key->public, 32);
    zmq_setsockopt(p->socket, ZMQ_CURVE_SECRETKEY, key->secret, 32);
    check(zmq_connect(p->socket, address) == 0, "connect");
}

static void say(peer_t *p, promp_message_t *m, const promp_id_t *session)
{
    promp_out_t out;
    zmq_msg_t part;

    check(!promp_message_out(m, session, 0, &out) && !promp_zpart_make(&part, &out), "frame");
    check(zmq_msg_send(&part, p->socket, 0) >= 0, "send");
    p->sent = promp_clock_ms();
}

/* The next frame within so many ms; false: none came. */
static bool hear(peer_t *p, promp_message_t *m, promp_type_t *type, int ms)
{
    static zmq_msg_t part;
    static bool open;
    zmq_pollitem_t item = {p->socket, 0, ZMQ_POLLIN, 0};
    promp_frame_t frame;
    promp_who_t self = p == &peer[nodes] ? PROMP_WHO_MANAGER : PROMP_WHO_NODE;

    if (open)
        zmq_msg_close(&part);
    zmq_msg_init(&part);
    open = true;
    if (zmq_poll(&item, 1, ms) <= 0)
        return false;
    check(zmq_msg_recv(&part, p->socket, 0) >= 0 && !promp_zpart_read(&part, &frame), "recv");
    *type = (promp_type_t)frame.type;
    memset(m, 0, sizeof *m);
    if (frame.type == PROMP_TYPE_JOINED || frame.type == PROMP_TYPE_REFUSED ||
        frame.type == PROMP_TYPE_WELCOME)
        (void)promp_message_decode(frame.type, frame.body, PROMP_WHO_BROKER,
                                   frame.type == PROMP_TYPE_JOINED ? PROMP_WHO_JOINER : self, PROMP_AT_NEW, 1,
                                   m);
    return true;
}

static void expect(peer_t *p, promp_type_t wanted)
{
    promp_message_t m;
    promp_type_t type;

    check(hear(p, &m, &type, 30000), "no answer of the broker");
    if (type == wanted)
        return;
    fprintf(stderr, "cluster_scale: %s for %s: %.*s\n", promp_message_row((uint16_t)type)->name,
            promp_message_row((uint16_t)wanted)->name, (int)m.refused.text.size,
            type == PROMP_TYPE_REFUSED ? (const char *)m.refused.text.data : "");
    exit(1);
}

/* --- the steps --- */

static void join_all(void)
{
    for (uint32_t i = 0; i <= nodes; i++) {
        peer_t *p = &peer[i];
        promp_message_t m = {.type = PROMP_TYPE_JOIN, .join = {.version_low = 1, .version_high = 1}};

        randombytes_buf(p->key.secret, 32);
        crypto_scalarmult_base(p->key.public, p->key.secret);
        m.join.key = promp_slice(p->key.public, 32);
        m.join.name = promp_slice_str("scale");
        dial(p, &join[i == nodes]);
        say(p, &m, NULL);
        expect(p, PROMP_TYPE_JOINED);
        zmq_close(p->socket);
        p->socket = NULL;
    }
    puts("joined");
}

static promp_id_t session_of(uint32_t node, uint32_t worker)
{
    promp_id_t id = {{1}};
    uint32_t number[2] = {node, worker};

    memcpy(id.b + 8, number, sizeof number);
    return id;
}

static void hello(peer_t *p, uint8_t role)
{
    promp_message_t m = {.type = PROMP_TYPE_HELLO,
                         .hello = {.version_low = 1, .version_high = 1, .role = role, .lease_ms = lease}};

    m.hello.build = promp_slice_str("scale");
    dial(p, &p->key);
    say(p, &m, NULL);
    expect(p, PROMP_TYPE_WELCOME);
}

static void nodes_come(void)
{
    for (uint32_t i = 0; i < nodes; i++) {
        promp_message_t m = {.type = PROMP_TYPE_OFFER,
                             .offer = {.places = workers, .cpus = workers * 1000, .memory = 1ULL << 40}};

        hello(&peer[i], 3);
        m.offer.node = session_of(i, UINT32_MAX);
        say(&peer[i], &m, NULL);
        m = (promp_message_t){.type = PROMP_TYPE_HELD_END};
        say(&peer[i], &m, NULL);
    }
    hello(&peer[nodes], 1);
    puts("nodes");
}

/* Takes what came: nodes answer starts, the manager counts the answers. */
static void turn(peer_t *p)
{
    zmq_msg_t part;
    promp_frame_t frame;
    promp_message_t m = {.type = PROMP_TYPE_STARTED, .started = {.pid = 1}};

    for (;;) {
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, p->socket, ZMQ_DONTWAIT) < 0)
            return;
        check(!promp_zpart_read(&part, &frame), "frame");
        if (frame.type == PROMP_TYPE_START)
            say(p, &m, &frame.session);
        answered += frame.type == PROMP_TYPE_STARTED;
        check(frame.type != PROMP_TYPE_REFUSED && frame.type != PROMP_TYPE_KILL,
              "refused, or a worker was ended");
        zmq_msg_close(&part);
    }
}

static void beat(void)
{
    int64_t now = promp_clock_ms();

    for (uint32_t i = 0; i <= nodes; i++) {
        promp_message_t m = {.type = PROMP_TYPE_BEAT, .beat = {.lease_ms = lease}};

        if (!peer[i].socket)
            continue;
        turn(&peer[i]);
        if (now - peer[i].sent >= lease / 5)
            say(&peer[i], &m, NULL);
    }
}

static void workers_start(void)
{
    for (uint32_t i = 0; i < nodes * workers; i++) {
        promp_id_t id = session_of(i / workers, i % workers);
        promp_message_t m = {.type = PROMP_TYPE_START, .start = {.lease_ms = lease, .umask = 022}};
        promp_buf_t body = {0};
        promp_out_t out = {.parts = 1, .urgent = true};
        zmq_msg_t part;

        m.start.program = promp_slice_str("/bin/true");
        m.start.argv = promp_slice("true", 5);
        check(!promp_message_encode(&m, &body), "start");
        out.frame =
            (promp_frame_t){.size = promp_frame_size(body.size), .type = PROMP_TYPE_START, .session = id};
        out.part[0] = promp_slice(body.data, body.size);
        check(!promp_zpart_make(&part, &out) && zmq_msg_send(&part, peer[nodes].socket, 0) >= 0, "start");
        promp_buf_free(&body);
        while (i + 1 > answered + 500) /* a key has a limit on starts that wait */
            beat();
    }
    while (answered < nodes * workers)
        beat();
    puts("workers");
}

static bool line_came(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};

    while (poll(&in, 1, 50) == 0)
        beat();
    int c;

    do
        c = getchar();
    while (c != EOF && c != '\n');
    return c != EOF;
}

int main(int argc, char **argv)
{
    static void (*const steps[])(void) = {join_all, nodes_come, workers_start};
    char line[2][80];

    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    check(argc == 6 && sodium_init() >= 0, "usage: cluster_scale ADDRESS BROKER-KEY NODES WORKERS LEASE-MS");
    address = argv[1];
    read_hex(argv[2], broker, "key");
    nodes = (uint32_t)atoi(argv[3]);
    workers = (uint32_t)atoi(argv[4]);
    lease = (uint32_t)atoi(argv[5]);
    for (int i = 0; i < 2; i++) {
        check(fgets(line[i], sizeof line[i], stdin) != NULL, "no token");
        read_hex(line[i], join[i].secret, "token");
        crypto_scalarmult_base(join[i].public, join[i].secret);
    }
    context = zmq_ctx_new();
    zmq_ctx_set(context, ZMQ_MAX_SOCKETS, (int)nodes + 64);
    peer = calloc(nodes + 1, sizeof *peer);
    check(context && peer, "memory");
    for (size_t i = 0; i < sizeof steps / sizeof *steps && line_came(); i++)
        steps[i]();
    while (line_came())
        ;
    _exit(0);
}
