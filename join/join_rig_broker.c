#include "join_rig_broker.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "auth_admit.h"
#include "auth_store.h"
#include "join_rig.h"
#include "message.h"
#include "z85.h"

void rig_broker_reload(rig_broker_t *broker)
{
    promp_auth_store_t *store;
    if (promp_auth_store_load(broker->folder, &store, NULL))
        abort();
    promp_auth_handler_swap(broker->handler, &store);
}

static uint8_t wire_role(promp_auth_role_t role)
{
    static const uint8_t number[] = {0, 1, 3, 4, 5, 0};
    return number[role];
}

static void say(rig_broker_t *broker, promp_zpeer_t peer, const promp_message_t *message)
{
    promp_out_t out;
    if (promp_message_out(message, NULL, 0, &out) || promp_zport_send(broker->port, peer, &out, 0))
        abort();
}

static void refuse(rig_broker_t *broker, promp_zpeer_t peer, uint32_t number)
{
    const promp_message_t message = {.type = PROMP_TYPE_REFUSED,
                                     .refused = {.error = number, .text = promp_slice_str("\033[31mno")}};
    say(broker, peer, &message);
}

static void say_joined(rig_broker_t *broker, promp_zpeer_t peer, const promp_auth_entry_t *entry)
{
    promp_message_t message = {.type = PROMP_TYPE_JOINED,
                               .joined = {.role = wire_role(entry->role),
                                          .broker = broker->identity,
                                          .name = promp_slice_str(entry->name)}};
    if (broker->mode == RIG_OTHER)
        message.joined.role ^= 1;
    say(broker, peer, &message);
}

static void let_in(rig_broker_t *broker, promp_zpeer_t peer, const uint8_t *join_key,
                   const promp_msg_join_t *join)
{
    promp_auth_entry_t entry;
    promp_err_t code = promp_auth_admit(broker->folder, join_key, join->key.data, join->name,
                                        (int64_t)time(NULL), 2000, &entry, NULL);
    rig_broker_reload(broker);
    if (code)
        refuse(broker, peer, PROMP_ERR_TOKEN_REFUSED);
    else if (broker->mode == RIG_LOSE)
        promp_zport_kick(broker->port, peer);
    else if (broker->mode != RIG_LET_IN)
        say_joined(broker, peer, &entry);
    if (broker->mode == RIG_LOSE)
        broker->mode = RIG_ANSWER;
}

static void on_join(rig_broker_t *broker, promp_zpeer_t peer, const uint8_t *join_key,
                    const promp_msg_join_t *join)
{
    const promp_message_t nonsense = {.type = PROMP_TYPE_BEAT};
    broker->joins++;
    switch (broker->mode) {
    case RIG_SILENT:
        break;
    case RIG_AWAY:
        broker->mode = RIG_ANSWER;
        refuse(broker, peer, PROMP_ERR_BROKER_AWAY);
        break;
    case RIG_VERSION:
        refuse(broker, peer, PROMP_ERR_VERSION);
        break;
    case RIG_UNKNOWN:
        refuse(broker, peer, 9999);
        break;
    case RIG_NONSENSE:
        say(broker, peer, &nonsense);
        break;
    default:
        let_in(broker, peer, join_key, join);
    }
}

static void on_hello(rig_broker_t *broker, promp_zpeer_t peer, promp_auth_role_t role,
                     const promp_msg_hello_t *hello)
{
    const promp_message_t welcome = {.type = PROMP_TYPE_WELCOME,
                                     .welcome = {.version = PROMP_VERSION_HIGH, .node = broker->identity}};
    if (hello->role != wire_role(role)) {
        refuse(broker, peer, PROMP_ERR_KEY_ROLE);
        return;
    }
    broker->hellos++;
    say(broker, peer, &welcome);
}

static void on_frame(rig_broker_t *broker, promp_zpeer_t peer, const promp_frame_t *frame)
{
    static const promp_who_t who[] = {
        0, PROMP_WHO_MANAGER, PROMP_WHO_NODE, PROMP_WHO_OBSERVER, PROMP_WHO_ADMIN, PROMP_WHO_JOINER};
    const char *user = promp_zport_property(broker->port, peer, "User-Id");
    promp_auth_role_t role =
        promp_auth_role_find(promp_slice_str(promp_zport_property(broker->port, peer, "Role")));
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    promp_message_t message;
    if (!promp_z85_decode(promp_slice_str(user), key) ||
        promp_message_decode(frame->type, frame->body, who[role], PROMP_WHO_BROKER, PROMP_AT_NEW,
                             PROMP_VERSION_HIGH, &message))
        promp_zport_kick(broker->port, peer);
    else if (message.type == PROMP_TYPE_JOIN)
        on_join(broker, peer, key, &message.join);
    else if (message.type == PROMP_TYPE_HELLO)
        on_hello(broker, peer, role, &message.hello);
}

static void take(rig_broker_t *broker)
{
    promp_zport_event_t event;
    while (promp_zport_next(broker->port, &event) == PROMP_OK && event.type)
        if (event.type == PROMP_ZPORT_FRAME)
            on_frame(broker, event.peer, &event.frame);
}

void *rig_broker_run(void *arg)
{
    rig_broker_t *broker = arg;
    struct pollfd items[] = {{.fd = promp_zport_fd(broker->port), .events = POLLIN},
                             {.fd = broker->stop, .events = POLLIN}};
    while (!items[1].revents) {
        take(broker);
        int64_t now = promp_clock_ms(), due = promp_zport_tick(broker->port, now);
        if (!promp_zport_ready(broker->port))
            poll(items, 2, due > now ? (int)promp_min64(due - now, 1000) : 0);
    }
    return NULL;
}
