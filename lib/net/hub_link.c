/* hub_link.c - the life of a hub's link: HELLO and WELCOME, beats and silence, dialling again, the lifeline. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hub_inside.h"
#include "local.h"

#define FAULTS_MOST 3 /* links in a row that a peer spoils; then it is no node */

static const promp_id_t no_session;

int64_t promp_hub_patience(const promp_hub_t *hub)
{
    if (hub->lease)
        return hub->lease;
    /* A worker learns its lease from its manager, later than its node: it may be as small as they come. */
    return hub->worker ? PROMP_TIMEOUT_MIN : PROMP_TIME_NO_LEASE;
}

/* So long nothing may be heard. A worker outlives even the node's death for its longest lease: the lifeline
 * tells it what it must know at once. */
static int64_t silence_limit(const promp_hub_t *hub)
{
    if (!hub->worker)
        return promp_hub_patience(hub) * 2 / 5;
    return hub->lease_most ? (int64_t)hub->lease_most : PROMP_NEVER;
}

static int64_t after(int64_t start, int64_t ms)
{
    return ms == PROMP_NEVER ? PROMP_NEVER : start + ms;
}

/* --- a new link --- */

static promp_err_t say_hello(promp_hub_t *hub, int64_t now)
{
    promp_message_t hello = {.type = PROMP_TYPE_HELLO};

    hello.hello.version_low = PROMP_VERSION_LOW;
    hello.hello.version_high = PROMP_VERSION_HIGH;
    hello.hello.role = hub->worker ? 2 : 1;
    hello.hello.lease_ms = hub->lease;
    hello.hello.build = promp_slice_str(promp_local_build());
    return promp_hub_post(hub, &hello, &no_session, now);
}

void promp_hub_begin(promp_hub_t *hub, promp_line_t line, int64_t now)
{
    hub->line = line;
    hub->number++;
    hub->mute = false;
    hub->state = PROMP_HUB_HELLO;
    hub->dial_at = PROMP_NEVER;
    hub->handshake_at = hub->opening ? PROMP_NEVER : now + PROMP_TIME_HANDSHAKE;
    promp_err_t err = line.self ? PROMP_OK : PROMP_ERR_MEMORY;
    if (!err) {
        hub->link_fd = line.ops->fd(line.self);
        hub->line_due = line.ops->tick ? now : PROMP_NEVER;
        err = say_hello(hub, now);
    }
    if (err)
        promp_hub_drop(hub, err, now);
    promp_hub_stir(hub);
}

promp_err_t promp_hub_refused(promp_hub_t *hub, const promp_msg_refused_t *message)
{
    promp_err_t code = (promp_err_t)message->error;

    if (code == PROMP_OK || strcmp(promp_error_name(code), "UNKNOWN") == 0)
        code = hub->broker.ops ? PROMP_ERR_NOT_A_BROKER : PROMP_ERR_NOT_A_NODE;
    promp_error_set(&hub->trouble, code, 0, "%.*s", (int)message->text.size,
                    (const char *)message->text.data);
    if (hub->error)
        *hub->error = hub->trouble;
    return code;
}

static void welcomed(promp_hub_t *hub, const promp_msg_welcome_t *message, const promp_frame_t *frame,
                     int64_t now)
{
    hub->state = PROMP_HUB_UP;
    hub->handshake_at = PROMP_NEVER;
    hub->up_since = now;
    hub->version = message->version;
    hub->session = frame->session;
    if (hub->known && !promp_id_equal(&hub->node, &message->node))
        promp_hub_path(hub, false, true, now); /* what the node before this one knew died with it */
    hub->node = message->node;
    hub->known = true;
    hub->trouble = (promp_error_t){.code = PROMP_OK};
    if (hub->broker.ops)
        hub->broker.ops->welcomed(hub->broker.arg);
    promp_hub_path(hub, true, false, now);
}

promp_err_t promp_hub_greeted(promp_hub_t *hub, const promp_frame_t *frame, int64_t now)
{
    promp_who_t self = hub->worker ? PROMP_WHO_WORKER : PROMP_WHO_MANAGER;
    promp_message_t message;

    if (promp_message_decode(frame->type, frame->body, promp_hub_peer(hub), self, PROMP_AT_NEW,
                             PROMP_VERSION_HIGH, &message))
        return PROMP_ERR_NOT_A_NODE;
    if (message.type == PROMP_TYPE_REFUSED)
        return promp_hub_refused(hub, &message.refused);
    if (message.type != PROMP_TYPE_WELCOME)
        return PROMP_ERR_NOT_A_NODE;
    if (message.welcome.version < PROMP_VERSION_LOW || message.welcome.version > PROMP_VERSION_HIGH)
        return PROMP_ERR_VERSION;
    welcomed(hub, &message.welcome, frame, now);
    return PROMP_OK;
}

/* --- the end of one --- */

bool promp_hub_is_fault(promp_err_t why)
{
    return why == PROMP_ERR_NOT_A_NODE || (why >= PROMP_ERR_FRAME_SIZE && why < PROMP_ERR_WORKER_EXITED &&
                                           why != PROMP_ERR_FRAME_TRUNCATED && why != PROMP_ERR_SILENT);
}

int64_t promp_hub_chance(promp_hub_t *hub, int64_t most)
{
    hub->jitter = hub->jitter * 6364136223846793005ULL + 1442695040888963407ULL;
    return (int64_t)((hub->jitter >> 33) % (uint64_t)(most + 1));
}

/* 0 at first, then from PROMP_TIME_RECONNECT on, doubled up to a tenth of the lease; half of it by chance, so
 * that those who lost the same node do not come back all at once. */
static int64_t back_off(promp_hub_t *hub)
{
    if (hub->attempts++ == 0)
        return 0;
    int64_t delay = PROMP_TIME_RECONNECT,
            most = promp_max64(promp_hub_patience(hub) / 10, PROMP_TIME_RECONNECT);
    for (unsigned i = 2; i < hub->attempts && delay < most; i++)
        delay *= 2;
    delay = promp_min64(delay, most);
    return delay - promp_hub_chance(hub, delay / 2);
}

static void close_link(promp_hub_t *hub)
{
    hub->link_fd = -1;
    if (hub->line.self)
        hub->line.ops->destroy(hub->line.self, false);
    hub->line.self = NULL;
    hub->line_due = PROMP_NEVER;
    hub->number++;
    hub->mute = false;
    hub->handshake_at = PROMP_NEVER;
}

void promp_hub_lose(promp_hub_t *hub, int64_t now)
{
    if (hub->state == PROMP_HUB_LOST)
        return;
    hub->state = PROMP_HUB_LOST; /* nothing begins while the sides end */
    promp_hub_sides_end(hub, NULL, now);
    close_link(hub);
    hub->dial_at = PROMP_NEVER;
    promp_hub_path(hub, false, true, now);
    promp_hub_stir(hub);
}

void promp_hub_drop(promp_hub_t *hub, promp_err_t why, int64_t now)
{
    bool was_up = hub->state == PROMP_HUB_UP;
    int64_t stood = was_up ? now - hub->up_since : 0;
    promp_error_t words;

    if (hub->line.self && hub->line.ops->why && hub->line.ops->why(hub->line.self, &words))
        hub->trouble = words;
    hub->state = PROMP_HUB_DOWN; /* nothing begins while the sides end */
    promp_hub_sides_end(hub, NULL, now);
    close_link(hub);
    if (hub->broker.ops) {
        promp_hub_broker_dropped(hub, why, was_up ? stood : -1, now);
        return;
    }
    if (hub->opening && why == PROMP_ERR_FRAME_TRUNCATED)
        why = PROMP_ERR_CLOSED;
    /* Even before WELCOME a worker may be given another link, by the next agent. */
    if (hub->opening && (hub->lifeline < 0 || why != PROMP_ERR_CLOSED)) {
        /* What speaks something else is no node. */
        if (hub->error->code == PROMP_OK)
            promp_error_set(hub->error, promp_hub_is_fault(why) ? PROMP_ERR_NOT_A_NODE : why, 0,
                            "before WELCOME");
        hub->state = PROMP_HUB_LOST;
        return;
    }
    if (stood >= PROMP_TIME_GAP)
        hub->attempts = 0;
    if (!promp_hub_is_fault(why) || stood >= promp_hub_patience(hub))
        hub->faults = 0;
    if (promp_hub_is_fault(why))
        hub->faults++;
    bool final = hub->faults >= FAULTS_MOST || why == PROMP_ERR_VERSION || why == PROMP_ERR_FOREIGN_USER;
    if (!hub->worker && (final || !hub->path)) {
        promp_hub_lose(hub, now);
        return;
    }
    if (was_up)
        promp_hub_path(hub, false, false, now);
    if (!hub->worker)
        hub->dial_at = now + back_off(hub);
    promp_hub_stir(hub);
}

/* --- times --- */

static void dial(promp_hub_t *hub, int64_t now)
{
    int fd;

    if (hub->broker.ops) {
        promp_hub_broker_dial(hub, now);
        return;
    }
    promp_err_t err = promp_local_open(hub->path, &fd, NULL);

    if (err == PROMP_ERR_NODE_GONE || err == PROMP_ERR_FOREIGN_USER)
        promp_hub_lose(hub, now);
    else if (err)
        hub->dial_at = now + promp_max64(back_off(hub), 1);
    else
        promp_hub_begin(hub, promp_line_of(fd), now);
}

static void beat(promp_hub_t *hub, int64_t now)
{
    promp_message_t message = {.type = PROMP_TYPE_BEAT, .beat.lease_ms = hub->lease};

    if (hub->busy_since)
        message.beat.busy_ms = (uint32_t)promp_min64(promp_max64(now - hub->busy_since, 1), UINT32_MAX);
    promp_err_t err = promp_hub_post(hub, &message, &no_session, now);
    hub->last_sent = now;
    if (err)
        promp_hub_drop(hub, err, now);
}

static void silent(promp_hub_t *hub, int64_t now)
{
    if (hub->worker) {
        hub->orphaned = true;
        promp_hub_lose(hub, now);
    } else {
        promp_hub_drop(hub, PROMP_ERR_SILENT, now);
    }
}

/* Who listens at all: a manager's hub only when there is a link that stands. */
static int64_t silent_at(const promp_hub_t *hub)
{
    bool waits = hub->worker ? hub->state != PROMP_HUB_LOST : hub->state == PROMP_HUB_UP;
    return waits ? after(hub->last_heard, silence_limit(hub)) : PROMP_NEVER;
}

/* A line that is over does not always show it by its descriptor. */
static void look_at_line(promp_hub_t *hub, int64_t now)
{
    const promp_line_t *line = &hub->line;

    hub->line_due = line->ops->tick(line->self, now);
    promp_err_t why = line->ops->why(line->self, NULL);
    if (why)
        promp_hub_drop(hub, why, now);
}

void promp_hub_times(promp_hub_t *hub, int64_t now)
{
    if (now >= hub->dial_at)
        dial(hub, now);
    if (hub->line.self && hub->line.ops->tick)
        look_at_line(hub, now);
    if (now >= hub->handshake_at)
        promp_hub_drop(hub, PROMP_ERR_NODE_TIMEOUT, now);
    if (now >= silent_at(hub)) {
        promp_hub_read(hub, now); /* it may be us who were late */
        if (now >= silent_at(hub))
            silent(hub, now);
    }
    if (hub->state == PROMP_HUB_UP && now - hub->last_sent >= promp_hub_patience(hub) / 5)
        beat(hub, now);
}

int64_t promp_hub_times_due(const promp_hub_t *hub)
{
    int64_t due = promp_min64(promp_min64(hub->dial_at, hub->handshake_at), silent_at(hub));

    due = promp_min64(due, hub->line_due);
    return hub->state == PROMP_HUB_UP ? promp_min64(due, hub->last_sent + promp_hub_patience(hub) / 5) : due;
}
