/* The link to the broker: dialled, greeted, heard, lost, dialled again. */
#include "agent_broker.h"

#define PAUSE_FIRST 100  /* ms before the second try; doubled up to a tenth of the smallest lease */
#define PAUSE_LEAST 50   /* ms, the longest pause at least, however small a lease is */
#define PATIENCE    1000 /* ms for WELCOME at least: a handshake takes several round trips */
#define STANDS      1000 /* ms after which a link counts as one that stood */
#define TWICE       3000 /* ms in which a node that ran before us may be found gone */

promp_agent_link_t *promp_agent_broker_up(const promp_agent_core_t *core)
{
    promp_agent_link_t *link = core->broker.link;

    return link && link->state == PROMP_AGENT_LINK_UP ? link : NULL;
}

void promp_agent_broker_say(promp_agent_core_t *core, const promp_message_t *m, const promp_id_t *session)
{
    const promp_agent_link_t *link = promp_agent_broker_up(core);

    if (link)
        promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, link->number, m, session, 0, true);
}

void promp_agent_broker_offer(promp_agent_core_t *core)
{
    const promp_agent_offer_t *offer = &core->config.offer;
    uint32_t places = offer->places < PROMP_LIMIT_WORKERS ? offer->places : PROMP_LIMIT_WORKERS;
    promp_message_t m = {.type = PROMP_TYPE_OFFER,
                         .offer = {.node = core->node,
                                   .places = core->draining || core->stopping ? 0 : places,
                                   .cpus = offer->cpus,
                                   .memory = offer->memory,
                                   .gpus = offer->gpus,
                                   .labels = promp_slice_str(offer->labels ? offer->labels : ""),
                                   .pythons = promp_slice_str(offer->pythons ? offer->pythons : "")}};

    promp_agent_broker_say(core, &m, NULL);
}

/* --- dialling --- */

static uint32_t smallest_lease(const promp_agent_core_t *core)
{
    uint32_t lease = 0;

    for (uint32_t i = 0; i < core->slots.size; i++) {
        const promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (s && (!lease || s->lease < lease))
            lease = s->lease;
    }
    return lease;
}

static int64_t lease_of(const promp_agent_broker_t *broker)
{
    return broker->lease ? broker->lease : PROMP_TIME_NO_LEASE;
}

static int64_t by_chance(promp_agent_broker_t *broker, int64_t below)
{
    broker->random = broker->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (int64_t)((broker->random >> 33) % (uint64_t)(below + 1));
}

/* Half of it by chance, so that those who lost the same broker do not come back all at once. */
static int64_t next_pause(promp_agent_broker_t *broker)
{
    int64_t most = broker->lease ? promp_max64(broker->lease / 10, PAUSE_LEAST) : PROMP_TIME_NO_LEASE;
    int64_t pause = promp_min64((int64_t)PAUSE_FIRST << promp_min64(broker->attempts, 16), most);

    broker->attempts++;
    return pause - by_chance(broker, pause / 2);
}

/* What a broker that is about to end asks for, and by chance as much again; but sessions shall outlive it. */
static int64_t away_pause(promp_agent_broker_t *broker, int64_t retry)
{
    int64_t pause = promp_min64(retry, broker->lease ? broker->lease / 5 : PROMP_TIME_NO_LEASE);

    return pause + by_chance(broker, pause);
}

static void dial(promp_agent_core_t *core, int64_t now)
{
    promp_agent_broker_t *broker = &core->broker;
    promp_message_t m = {.type = PROMP_TYPE_HELLO,
                         .hello = {.version_low = PROMP_VERSION_LOW,
                                   .version_high = PROMP_VERSION_HIGH,
                                   .role = 3,
                                   .lease_ms = broker->lease,
                                   .build = promp_slice_str(core->config.build)}};
    promp_agent_link_t *link = promp_agent_table_link_new(core, now);

    if (!link) {
        broker->dial_at = now + next_pause(broker);
        return;
    }
    link->broker = true;
    broker->link = link;
    broker->told = broker->lease;
    broker->dial_at = broker->away_at = PROMP_NEVER;
    promp_agent_effects_add(&core->effects, PROMP_AGENT_DIAL)->link = link->number;
    promp_agent_effects_message(&core->effects, PROMP_AGENT_SEND, link->number, &m, NULL, 0, true);
}

void promp_agent_broker_begin(promp_agent_core_t *core, int64_t now)
{
    core->broker.heard = core->broker.began = core->broker.dial_at = now;
    promp_agent_core_due(core, now);
}

/* --- losing it --- */

/* Nothing that we could do would help, and nothing of ours would be lost: the operator shall see it. */
static bool is_final(const promp_agent_core_t *core, promp_err_t why, int64_t now)
{
    const promp_agent_broker_t *broker = &core->broker;

    if (promp_map_count(core->sessions))
        return false;
    switch (why) {
    case PROMP_ERR_KEY_REFUSED:
    case PROMP_ERR_KEY_ROLE:
    case PROMP_ERR_BROKER_KEY:
    case PROMP_ERR_NOT_A_BROKER:
    case PROMP_ERR_NOT_CURVE:
    case PROMP_ERR_CURVE_MISSING:
    case PROMP_ERR_VERSION:
        return !broker->welcomed;
    case PROMP_ERR_NODE_TWICE: /* perhaps one that has just ended, which the broker has not noticed yet */
        return !broker->accepted && now - broker->began >= TWICE;
    default:
        return false;
    }
}

/* The broker turned us away on purpose: that will not change soon. */
static bool is_slow(promp_err_t why)
{
    return why == PROMP_ERR_KEY_REFUSED || why == PROMP_ERR_KEY_ROLE || why == PROMP_ERR_BROKER_KEY ||
           why == PROMP_ERR_VERSION;
}

void promp_agent_broker_lost(promp_agent_core_t *core, promp_err_t why, int64_t now)
{
    promp_agent_broker_t *broker = &core->broker;
    bool was_up = promp_agent_broker_up(core) != NULL;

    if (was_up && now - broker->up_since >= STANDS)
        broker->attempts = 0;
    promp_agent_table_link_lose(core, broker->link, why);
    if (was_up)
        promp_agent_broker_children_down(core, now);
    for (uint32_t i = 0; was_up && i < core->slots.size; i++) {
        promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (s && s->remote)
            promp_agent_broker_ended(core, s); /* its manager may need longer to ask how it ended */
    }
    if (is_final(core, why, now)) {
        broker->over = true;
        promp_agent_effects_add(&core->effects, PROMP_AGENT_END)->error = why;
        return;
    }
    if (is_slow(why))
        broker->attempts = 16;
    broker->lease = smallest_lease(core);
    broker->dial_at = now + next_pause(broker);
    if (why == PROMP_ERR_NODE_TWICE)
        broker->dial_at = promp_max64(broker->dial_at, now + PROMP_TIME_AWAY);
    if (why == PROMP_ERR_BROKER_AWAY)
        broker->away_at = now + away_pause(broker, PROMP_TIME_AWAY);
    if (broker->away_at != PROMP_NEVER)
        broker->dial_at = promp_max64(broker->dial_at, broker->away_at);
    promp_agent_core_due(core, broker->dial_at);
}

void promp_agent_broker_leave(promp_agent_core_t *core)
{
    promp_message_t m = {.type = PROMP_TYPE_BYE};

    core->broker.over = true;
    promp_agent_broker_say(core, &m, NULL);
    if (core->broker.link)
        promp_agent_table_link_close(core, core->broker.link);
}

/* --- what it says about the link --- */

static promp_err_t welcome(promp_agent_core_t *core, promp_agent_link_t *link,
                           const promp_msg_welcome_t *welcome, int64_t now)
{
    promp_agent_broker_t *broker = &core->broker;
    promp_message_t end = {.type = PROMP_TYPE_HELD_END};

    if (welcome->version < PROMP_VERSION_LOW || welcome->version > PROMP_VERSION_HIGH)
        return PROMP_ERR_VERSION;
    link->version = welcome->version;
    link->state = PROMP_AGENT_LINK_UP;
    link->sent = now;
    broker->heard = broker->up_since = broker->lease_since = now;
    broker->welcomed = true;
    promp_agent_broker_offer(core);
    promp_agent_broker_held(core);
    promp_agent_broker_say(core, &end, NULL);
    promp_agent_broker_settled(core, now);
    promp_agent_broker_children_up(core);
    promp_agent_core_due(core, now);
    return PROMP_OK;
}

/* As soon as this link ends after that; then anyhow. */
static void away(promp_agent_core_t *core, uint32_t retry, int64_t now)
{
    promp_agent_broker_t *broker = &core->broker;

    broker->away_at = now + away_pause(broker, retry);
    broker->attempts = 0;
    promp_agent_core_due(core, broker->away_at);
}

/* An operator takes the node out: the keeper ends it as after a SIGTERM, and tells us so. */
static void drain(promp_agent_core_t *core)
{
    promp_message_t m = {.type = PROMP_TYPE_LEAVE};

    promp_agent_effects_message(&core->effects, PROMP_AGENT_TO_KEEPER, PROMP_AGENT_NONE, &m, NULL, 0, true);
}

static promp_err_t on_link(promp_agent_core_t *core, promp_agent_link_t *link, const promp_frame_t *frame,
                           int64_t now)
{
    promp_message_t m;
    promp_err_t error = promp_message_decode(frame->type, frame->body, PROMP_WHO_BROKER, PROMP_WHO_NODE,
                                             link->state == PROMP_AGENT_LINK_NEW ? PROMP_AT_NEW : PROMP_AT_UP,
                                             link->version, &m);

    if (error)
        return error;
    switch (m.type) {
    case PROMP_TYPE_WELCOME:
        return welcome(core, link, &m.welcome, now);
    case PROMP_TYPE_REFUSED:
        return m.refused.error ? (promp_err_t)m.refused.error : PROMP_ERR_CLOSED;
    case PROMP_TYPE_AWAY:
        away(core, m.away.retry_ms, now);
        return PROMP_OK;
    case PROMP_TYPE_DRAIN:
        drain(core);
        return PROMP_OK;
    case PROMP_TYPE_BEAT:
    case PROMP_TYPE_LINK_ACK: /* the shell's link has taken it */
    case PROMP_TYPE_NEXT_KEY: /* the shell keeps it */
        return PROMP_OK;
    default:
        return PROMP_ERR_MESSAGE_SENDER;
    }
}

promp_err_t promp_agent_broker_frame(promp_agent_core_t *core, promp_agent_link_t *link,
                                     const promp_frame_t *frame, int64_t now)
{
    const promp_message_row_t *row = promp_message_row(frame->type);

    if (link->state == PROMP_AGENT_LINK_UP && frame->type != PROMP_TYPE_REFUSED)
        core->broker.accepted = true;
    if (row->on == PROMP_ON_LINK)
        return on_link(core, link, frame, now);
    if (row->on == PROMP_ON_NODE)
        return promp_agent_broker_life(core, link, frame, now);
    return PROMP_ERR_MESSAGE_SENDER;
}

/* --- time --- */

static int64_t silent_at(const promp_agent_broker_t *broker)
{
    int64_t patience = lease_of(broker) * 2 / 5;

    if (broker->link->state == PROMP_AGENT_LINK_NEW)
        return broker->link->heard + promp_min64(promp_max64(patience, PATIENCE), PROMP_TIME_HANDSHAKE);
    /* Before it knew of so small a lease it was right to be silent for longer. */
    return promp_max64(broker->link->heard, broker->lease_since) + patience;
}

/* It expects us as often as the lease demands that it was told of last. */
static int64_t beat_at(const promp_agent_broker_t *broker)
{
    int64_t lease = lease_of(broker);

    if (broker->told)
        lease = promp_min64(lease, broker->told);
    return broker->link->sent + lease / 5;
}

/* What it must know to beat often enough is told at once. */
static void beat(promp_agent_core_t *core, int64_t now)
{
    promp_agent_broker_t *broker = &core->broker;
    promp_message_t m = {.type = PROMP_TYPE_BEAT, .beat.lease_ms = broker->lease};
    bool smaller = broker->lease && (!broker->told || broker->lease < broker->told);

    if (!promp_agent_broker_up(core))
        return;
    if (smaller || now >= beat_at(broker)) {
        promp_agent_broker_say(core, &m, NULL);
        broker->link->sent = now;
        broker->told = broker->lease;
    }
    promp_agent_core_due(core, beat_at(broker));
}

void promp_agent_broker_tick(promp_agent_core_t *core, int64_t now)
{
    promp_agent_broker_t *broker = &core->broker;
    int64_t before = lease_of(broker);

    if (!core->config.cluster || !core->ready || core->resting || broker->over)
        return;
    broker->lease = smallest_lease(core);
    if (lease_of(broker) < before)
        broker->lease_since = now;
    if (broker->link && now >= silent_at(broker))
        promp_agent_broker_lost(core, PROMP_ERR_SILENT, now);
    else if (broker->link && now >= broker->away_at)
        promp_agent_broker_lost(core, PROMP_ERR_CLOSED, now);
    if (!broker->link && !broker->over && now >= broker->dial_at)
        dial(core, now);
    if (!broker->link) {
        promp_agent_core_due(core, broker->dial_at);
        return;
    }
    beat(core, now);
    promp_agent_core_due(core, promp_min64(silent_at(broker), broker->away_at));
}
