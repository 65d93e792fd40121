/* Sessions that are here, as the broker is told of them, and what it says about their life. */
#include "agent_broker.h"

#include "mutant.h"

/* --- what it is told --- */

/* 1 it starts, 2 it runs, 3 its exit record waits, 0: the broker counts it no more. */
static uint8_t held_state(const promp_agent_session_t *s)
{
    if (s->state == PROMP_AGENT_ELSEWHERE || s->over)
        return 0;
    if (s->exited)
        return s->remote ? 3 : 0;
    return s->pid ? 2 : 1;
}

void promp_agent_broker_held(promp_agent_core_t *core)
{
    for (uint32_t i = 0; i < core->slots.size; i++) {
        const promp_agent_session_t *s = promp_numbers_get(&core->slots, i);
        uint8_t state = s ? held_state(s) : 0;
        promp_message_t m = {.type = PROMP_TYPE_HELD};

        if (!state || PROMP_MUTANT(31))
            continue;
        m.held = (promp_msg_held_t){.owner = s->key,
                                    .parent = s->parent_id,
                                    .lease_ms = s->lease,
                                    .pid = s->pid,
                                    .state = state,
                                    .cpus = s->cpus,
                                    .memory = s->memory,
                                    .gpus = s->gpus};
        promp_agent_broker_say(core, &m, &s->id);
    }
}

void promp_agent_broker_settled(promp_agent_core_t *core, int64_t now)
{
    for (uint32_t i = 0; i < core->slots.size; i++) {
        promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        if (!s || !s->remote)
            continue;
        promp_agent_table_bind(core, s, core->broker.link);
        if (s->state == PROMP_AGENT_ENDED)
            promp_agent_life_tell(core, s, now);
    }
}

/* A root manager, or one on another node, hears it from the broker already. */
void promp_agent_broker_started(promp_agent_core_t *core, promp_agent_session_t *s)
{
    promp_message_t m = {.type = PROMP_TYPE_STARTED, .started = {.pid = s->pid}};

    promp_agent_table_drop_start(core, s);
    if (!promp_id_is_none(&s->key) && !s->remote)
        promp_agent_broker_say(core, &m, &s->id);
}

void promp_agent_broker_over(promp_agent_core_t *core, promp_agent_session_t *s)
{
    promp_message_t m = {.type = PROMP_TYPE_OVER};

    if (!promp_id_is_none(&s->key) && !s->over && !PROMP_MUTANT(33))
        promp_agent_broker_say(core, &m, &s->id);
    s->over = true;
}

void promp_agent_broker_ended(promp_agent_core_t *core, promp_agent_session_t *s)
{
    if (s->state != PROMP_AGENT_ENDED)
        return;
    if (!s->remote)
        promp_agent_broker_over(core, s); /* its manager is here, its place is free */
    else if (!s->longer && !promp_agent_broker_up(core)) {
        s->longer = true;
        s->keep_until += s->lease;
    }
}

/* --- starts --- */

static void refuse(promp_agent_core_t *core, const promp_id_t *id, promp_err_t error, uint32_t system,
                   promp_slice_t text)
{
    promp_message_t m = {.type = PROMP_TYPE_START_REFUSED,
                         .start_refused = {.error = error, .system = system, .text = text}};

    if (!text.size)
        m.start_refused.text = promp_slice_str(promp_error_text(error));
    promp_agent_broker_say(core, &m, id);
}

static bool has_place(const promp_agent_core_t *core)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < core->slots.size; i++) {
        const promp_agent_session_t *s = promp_numbers_get(&core->slots, i);

        used += s && s->state != PROMP_AGENT_ELSEWHERE && s->state != PROMP_AGENT_ENDED;
    }
    return !core->draining && used < core->config.offer.places;
}

/* A path, or the name of a program; a folder, or none. */
static promp_err_t may_find(const promp_msg_start_t *start)
{
    if (start->program.data[0] != '/' && memchr(start->program.data, '/', start->program.size))
        return PROMP_ERR_PROGRAM_MISSING;
    return start->folder.size && start->folder.data[0] != '/' ? PROMP_ERR_START_FOLDER : PROMP_OK;
}

/* s: its row, where a worker here has asked for it; else NULL. */
static promp_err_t begin(promp_agent_core_t *core, promp_agent_session_t *s, const promp_id_t *id,
                         const promp_msg_start_t *start, int64_t now)
{
    promp_agent_session_t *parent = promp_map_get(core->sessions, &start->parent);
    bool fresh = !s;
    promp_err_t error;

    if (promp_id_is_none(&start->parent) || (parent && parent->state == PROMP_AGENT_ELSEWHERE))
        parent = NULL;
    error = promp_agent_life_may_start(core, parent, start);
    if (!error)
        error = has_place(core) ? may_find(start) : PROMP_ERR_LIMIT_WORKERS;
    if (!error && promp_id_is_none(&start->owner))
        error = PROMP_ERR_ARGUMENT;
    if (!error && s && s->parent != parent)
        error = PROMP_ERR_WORKER_MANAGER_GONE;
    if (!error && fresh && !(s = promp_agent_table_session_new(core, id, start->lease_ms, now)))
        error = PROMP_ERR_MEMORY;
    if (error)
        return error;
    if (fresh && parent) {
        promp_agent_table_own(s, NULL, parent);
        if (parent->worker && parent->worker->state == PROMP_AGENT_LINK_UP)
            promp_agent_table_bind(core, s, parent->worker);
    } else if (fresh) {
        s->remote = true;
        s->parent_id = start->parent;
        promp_agent_table_bind(core, s, core->broker.link);
    }
    promp_agent_table_cut(core, s, PROMP_AGENT_TO_WORKER);
    promp_agent_table_state(core, s, PROMP_AGENT_SPAWNING);
    s->lease = start->lease_ms;
    s->key = start->owner;
    s->cpus = start->cpus;
    s->memory = start->memory;
    s->gpus = start->gpus;
    s->worker_heard = now;
    s->keep_until = PROMP_NEVER;
    promp_agent_core_due(core, now);
    return promp_agent_life_spawn(core, s, start, now);
}

/* It is somewhere else from now on, perhaps: the broker looks for another node. */
static void give_back(promp_agent_core_t *core, promp_agent_session_t *s)
{
    if (s->worker)
        promp_agent_table_link_close(core, s->worker);
    promp_agent_table_cut(core, s, PROMP_AGENT_TO_WORKER);
    promp_agent_table_state(core, s, PROMP_AGENT_ELSEWHERE);
    s->key = (promp_id_t){{0}};
    s->attach.type = 0;
    s->ends = false;
}

void promp_agent_broker_failed(promp_agent_core_t *core, promp_agent_session_t *s,
                               const promp_msg_spawn_failed_t *failed)
{
    /* One that is being ended already is not looked for on another node, unless that is the broker's to say. */
    if (s->state == PROMP_AGENT_SPAWNING || s->remote) {
        refuse(core, &s->id, (promp_err_t)failed->error, failed->system, failed->text);
    } else {
        if (s->manager)
            promp_agent_life_refuse(core, s->manager, &s->id, (promp_err_t)failed->error, failed->system,
                                    failed->text);
        promp_agent_broker_over(core, s);
    }
    if (s->parent && s->state == PROMP_AGENT_SPAWNING)
        give_back(core, s);
    else
        promp_agent_table_session_free(core, s);
}

static void on_start(promp_agent_core_t *core, promp_agent_session_t *s, const promp_id_t *id,
                     const promp_msg_start_t *start, int64_t now)
{
    promp_message_t over = {.type = PROMP_TYPE_OVER};
    promp_msg_spawn_failed_t failed = {0};
    bool here = s && s->state != PROMP_AGENT_ELSEWHERE;

    if (here && !promp_id_equal(&s->key, &start->owner)) {
        refuse(core, id, PROMP_ERR_SESSION_FOREIGN, 0, promp_slice(NULL, 0));
    } else if (here && s->remote) {
        promp_agent_life_again(core, core->broker.link, s, now);
    } else if (here && s->exited) {
        promp_agent_broker_say(core, &over, id);
    } else if (here && s->pid) { /* its manager here has its own answer */
        promp_agent_broker_started(core, s);
    } else if (!here) {
        failed.error = begin(core, s, id, start, now);
        s = promp_map_get(core->sessions, id);
        if (failed.error && s && s->state == PROMP_AGENT_SPAWNING)
            promp_agent_broker_failed(core, s, &failed);
        else if (failed.error)
            refuse(core, id, (promp_err_t)failed.error, 0, promp_slice(NULL, 0));
    }
}

/* --- ends --- */

static void on_kill(promp_agent_core_t *core, promp_agent_session_t *s, const promp_id_t *id,
                    promp_err_t cause, int64_t now)
{
    promp_message_t over = {.type = PROMP_TYPE_OVER};

    if (!s || s->state == PROMP_AGENT_ELSEWHERE) { /* it believes that we have it */
        promp_agent_broker_say(core, &over, id);
        return;
    }
    promp_agent_life_slay(core, s, cause);
    if (s->state == PROMP_AGENT_ENDED && s->remote)
        promp_agent_life_tell(core, s, now);
}

static void on_gone_ack(promp_agent_core_t *core, promp_agent_session_t *s)
{
    if (!s || !s->remote || !s->exited)
        return;
    s->over = true;
    if (s->state == PROMP_AGENT_ENDED)
        promp_agent_life_forget(core, s);
    else
        promp_agent_table_disown(core, s); /* forgotten when its link is drained */
}

promp_err_t promp_agent_broker_life(promp_agent_core_t *core, promp_agent_link_t *link,
                                    const promp_frame_t *frame, int64_t now)
{
    promp_agent_session_t *s = promp_map_get(core->sessions, &frame->session);
    promp_message_t m;
    promp_err_t error = promp_message_decode(frame->type, frame->body, PROMP_WHO_BROKER, PROMP_WHO_NODE,
                                             link->state == PROMP_AGENT_LINK_NEW ? PROMP_AT_NEW : PROMP_AT_UP,
                                             link->version, &m);

    if (error)
        return error;
    if (promp_id_is_none(&frame->session))
        return PROMP_ERR_MESSAGE_FIELD;
    switch (m.type) {
    case PROMP_TYPE_START:
        on_start(core, s, &frame->session, &m.start, now);
        return PROMP_OK;
    case PROMP_TYPE_KILL:
        if (!promp_agent_life_is_cause(m.kill.cause))
            return PROMP_ERR_MESSAGE_FIELD;
        on_kill(core, s, &frame->session, (promp_err_t)m.kill.cause, now);
        return PROMP_OK;
    case PROMP_TYPE_GONE_ACK:
        on_gone_ack(core, s);
        return PROMP_OK;
    case PROMP_TYPE_QUEUED:
    case PROMP_TYPE_STARTED:
    case PROMP_TYPE_START_REFUSED:
    case PROMP_TYPE_GONE:
        if (s && s->state == PROMP_AGENT_ELSEWHERE)
            promp_agent_broker_child_told(core, s, frame, &m, now);
        return PROMP_OK;
    default:
        return PROMP_ERR_MESSAGE_SENDER;
    }
}
