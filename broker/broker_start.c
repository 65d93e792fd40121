/* Starts, from asking to the answer. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker_table.h"
#include "text.h"

void promp_broker_start_refuse(promp_broker_core_t *core, promp_broker_peer_t *peer, const promp_id_t *id,
                               promp_err_t error, uint32_t system, promp_slice_t text)
{
    promp_message_t m = {.type = PROMP_TYPE_START_REFUSED,
                         .start_refused = {.error = error, .system = system, .text = text}};

    if (!text.size)
        m.start_refused.text = promp_slice_str(promp_error_text(error));
    promp_broker_effects_say(core, peer, &m, id, 0);
}

#define WANTED 500 /* bytes of a sentence about what was asked for; fits into a refusal */

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *format, ...)
{
    size_t size = strlen(text);
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text + size, WANTED - size, format, args);
    va_end(args);
    promp_text_tidy(text, n < 0 || (size_t)n >= WANTED - size);
}

/* Why there is no place: what the worker asks for, which its user may not have said himself. */
static promp_slice_t wanted(const promp_broker_core_t *core, const promp_msg_start_t *ask, char text[WANTED])
{
    size_t count = core->nodes.count;

    snprintf(text, WANTED, "%s: among %zu node%s there is none", promp_error_text(PROMP_ERR_NO_PLACE), count,
             count == 1 ? "" : "s");
    if (ask->node.size)
        add(text, " called '%.*s'", (int)ask->node.size, (const char *)ask->node.data);
    if (ask->python.size)
        add(text, " with Python %.*s", (int)ask->python.size, (const char *)ask->python.data);
    if (ask->cpus)
        add(text, " with %u.%03u processors", (unsigned)(ask->cpus / 1000), (unsigned)(ask->cpus % 1000));
    if (ask->memory)
        add(text, " with %llu bytes of memory", (unsigned long long)ask->memory);
    if (ask->gpus)
        add(text, " with %u GPUs", (unsigned)ask->gpus);
    if (ask->labels.size) /* last, being the longest */
        add(text, " with labels '%.*s'", (int)ask->labels.size, (const char *)ask->labels.data);
    return promp_slice_str(text);
}

void promp_broker_start_fail(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t error,
                             uint32_t system, promp_slice_t text)
{
    char why[WANTED];

    if (error == PROMP_ERR_NO_PLACE && !text.size && s->start)
        text = wanted(core, &s->start->ask, why);
    if (s->manager)
        promp_broker_start_refuse(core, s->manager, &s->id, error, system, text);
    core->count.starts_refused++;
    promp_broker_table_free(core, s);
}

/* --- asked for --- */

/* What can be said without knowing who asks. */
static promp_err_t well_formed(const promp_msg_start_t *start)
{
    if (start->lease_ms < PROMP_TIMEOUT_MIN || start->lease_ms > PROMP_TIMEOUT_MAX || start->umask > 0777 ||
        !promp_id_is_none(&start->owner))
        return PROMP_ERR_ARGUMENT;
    return start->argv.size + start->env.size > PROMP_LIMIT_START ? PROMP_ERR_START_SIZE : PROMP_OK;
}

static promp_err_t within_limits(const promp_broker_core_t *core, const promp_broker_key_t *key, size_t size)
{
    if (key->workers >= key->info.workers || core->count.sessions >= PROMP_LIMIT_SESSIONS)
        return PROMP_ERR_LIMIT_WORKERS;
    if (core->count.starts_bytes + size > PROMP_LIMIT_STARTS || key->starts + size > PROMP_LIMIT_STARTS_KEY ||
        key->held + size > promp_broker_key_bytes(key))
        return PROMP_ERR_START_QUEUE;
    return PROMP_OK;
}

/* Who is charged and who manages. A node asks for its workers, and only for those that are placed there. */
static promp_err_t charge(promp_broker_core_t *core, const promp_broker_peer_t *peer,
                          const promp_msg_start_t *start, promp_broker_key_t **key,
                          promp_broker_session_t **parent)
{
    *key = peer->key;
    *parent = NULL;
    if (!peer->node)
        return promp_id_is_none(&start->parent) ? PROMP_OK : PROMP_ERR_ARGUMENT;
    *parent = promp_map_get(core->sessions, &start->parent);
    if (!*parent || (*parent)->node != peer->node || (*parent)->state != PROMP_BROKER_RUNNING ||
        !(*parent)->key || (*parent)->cause)
        return PROMP_ERR_WORKER_MANAGER_GONE;
    *key = (*parent)->key;
    return (*parent)->children.count >= PROMP_LIMIT_WORKER_STARTS ? PROMP_ERR_LIMIT_WORKERS : PROMP_OK;
}

/* Keeps the body for as long as no node has answered. */
static promp_broker_start_t *keep(promp_broker_core_t *core, promp_broker_key_t *key, promp_slice_t body)
{
    promp_broker_start_t *start = calloc(1, sizeof *start + body.size);
    promp_message_t m;

    if (!start)
        return NULL;
    start->size = body.size;
    memcpy(start->body, body.data, body.size);
    /* It has been decoded before; this one borrows from the copy. */
    if (promp_message_decode(PROMP_TYPE_START, promp_slice(start->body, start->size), PROMP_WHO_MANAGER,
                             PROMP_WHO_BROKER, PROMP_AT_UP, PROMP_VERSION_HIGH, &m)) {
        free(start);
        return NULL;
    }
    start->ask = m.start;
    core->count.starts_bytes += start->size;
    key->starts += start->size;
    key->held += start->size;
    return start;
}

static promp_broker_session_t *make(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                    const promp_frame_t *frame, const promp_msg_start_t *start,
                                    promp_broker_key_t *key, promp_broker_session_t *parent)
{
    promp_broker_session_t *s = promp_broker_table_new(core, &frame->session, start->lease_ms);

    if (!s)
        return NULL;
    promp_broker_table_own(s, key, parent);
    s->start = keep(core, key, frame->body);
    if (!s->start) {
        promp_broker_table_free(core, s);
        return NULL;
    }
    s->needs = (promp_broker_needs_t){.cpus = start->cpus, .gpus = start->gpus, .memory = start->memory};
    promp_broker_table_bind(core, s, peer);
    return s;
}

/* The worker runs; where, is what its manager cannot know. */
static promp_message_t started_at(const promp_broker_session_t *s)
{
    promp_message_t m = {.type = PROMP_TYPE_STARTED, .started = {.pid = s->pid}};

    if (s->node)
        m.started.node = promp_slice_str(s->node->key->info.name);
    return m;
}

/* Asked for again: the same answer, to whoever asks now. */
static void again(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_peer_t *peer)
{
    promp_message_t m = started_at(s);

    promp_broker_table_bind(core, s, peer);
    if (s->state == PROMP_BROKER_ENDED && !s->node)
        promp_broker_life_tell_lost(core, s);
    else if (s->state == PROMP_BROKER_WAITING ||
             (s->state == PROMP_BROKER_ASKED && s->node && !s->node->peer))
        promp_broker_start_waits(core, s, 0);
    else if (s->state == PROMP_BROKER_RUNNING)
        promp_broker_effects_say(core, peer, &m, &s->id, 0);
}

promp_err_t promp_broker_start_asked(promp_broker_core_t *core, promp_broker_peer_t *peer,
                                     const promp_frame_t *frame, const promp_msg_start_t *start)
{
    promp_broker_session_t *s = promp_map_get(core->sessions, &frame->session), *parent;
    promp_broker_key_t *key;
    promp_err_t error = well_formed(start);

    if (core->drain_until != PROMP_NEVER)
        return PROMP_OK; /* the next broker is asked again */
    core->count.starts++;
    if (!error)
        error = charge(core, peer, start, &key, &parent);
    if (!error && s && (s->key != key || s->parent != parent)) {
        if (!peer->node)
            return PROMP_ERR_SESSION_FOREIGN;
        error = PROMP_ERR_SESSION_FOREIGN; /* one of its workers is to blame, not the node */
    } else if (!error && s) {
        again(core, s, peer);
        return PROMP_OK;
    }
    if (!error)
        error = within_limits(core, key, frame->body.size);
    if (!error && !(s = make(core, peer, frame, start, key, parent)))
        error = PROMP_ERR_MEMORY;
    if (error) {
        core->count.starts_refused++;
        promp_broker_start_refuse(core, peer, &frame->session, error, 0, promp_slice(NULL, 0));
        return PROMP_OK;
    }
    promp_broker_start_seek(core, s, PROMP_ERR_NO_PLACE, 0, promp_slice(NULL, 0));
    return PROMP_OK;
}

/* --- a place --- */

void promp_broker_start_ask(promp_broker_core_t *core, promp_broker_session_t *s, promp_broker_node_t *node)
{
    promp_message_t m = {.type = PROMP_TYPE_START, .start = s->start->ask};

    promp_broker_table_place(core, s, node);
    promp_broker_table_state(core, s, PROMP_BROKER_ASKED);
    s->confirmed = true;
    m.start.owner = s->key->id;
    m.start.parent = s->parent_id;
    promp_broker_effects_say(core, node->peer, &m, &s->id, 0);
}

void promp_broker_start_waits(promp_broker_core_t *core, promp_broker_session_t *s, size_t ahead)
{
    promp_message_t m = {.type = PROMP_TYPE_QUEUED, .queued = {.ahead = (uint32_t)ahead}};

    if (s->nowhere) {
        m.queued.reason = PROMP_ERR_NO_PLACE;
        m.queued.patience_ms = (uint32_t)promp_max64(1, core->gather_until - core->now);
    }
    if (s->manager)
        promp_broker_effects_say(core, s->manager, &m, &s->id, 0);
}

void promp_broker_start_seek(promp_broker_core_t *core, promp_broker_session_t *s, promp_err_t error,
                             uint32_t system, promp_slice_t text)
{
    size_t ahead = s->key->waiting.count;
    bool first = s->start->tries > 0;
    promp_broker_node_t *node = promp_broker_place_choose(core, s);

    if (node) {
        promp_broker_start_ask(core, s, node);
        return;
    }
    /* Before the time to gather is over, the right node may be on its way. */
    s->nowhere = !promp_broker_place_exists(core, s);
    if (s->nowhere && (core->now >= core->gather_until || first)) {
        promp_broker_start_fail(core, s, error, system, text);
        return;
    }
    if (core->count.waiting > PROMP_LIMIT_WAITING || s->key->waiting.count >= PROMP_LIMIT_WAITING_KEY) {
        promp_broker_start_fail(core, s, PROMP_ERR_START_QUEUE, 0, promp_slice(NULL, 0));
        return;
    }
    promp_broker_table_queue(core, s, first);
    promp_broker_place_review_soon(core);
    if (!first)
        promp_broker_start_waits(core, s, ahead);
}

/* --- the node's answer --- */

void promp_broker_start_started(promp_broker_core_t *core, promp_broker_session_t *s, uint32_t pid)
{
    promp_message_t m;

    s->pid = pid;
    if (s->state != PROMP_BROKER_ASKED)
        return;
    m = started_at(s);
    promp_broker_table_state(core, s, PROMP_BROKER_RUNNING);
    promp_broker_table_drop_start(core, s);
    if (s->manager && !promp_broker_table_local(s))
        promp_broker_effects_say(core, s->manager, &m, &s->id, 0);
}

void promp_broker_start_refused(promp_broker_core_t *core, promp_broker_session_t *s,
                                const promp_msg_start_refused_t *refused)
{
    promp_err_t error = refused->error ? (promp_err_t)refused->error : PROMP_ERR_PROGRAM_FAILED;
    bool drains = !s->node || !s->node->places; /* that says nothing about the start */

    if (s->state != PROMP_BROKER_ASKED)
        return;
    if (s->orphan) {
        promp_broker_table_free(core, s);
        return;
    }
    if (s->cause || !s->start || (!drains && s->start->tries == PROMP_LIMIT_START_TRIES - 1)) {
        promp_broker_start_fail(core, s, s->cause ? s->cause : error, refused->system,
                                s->cause ? promp_slice(NULL, 0) : refused->text);
        return;
    }
    if (!drains)
        s->start->tried[s->start->tries++] = s->node->key->id;
    promp_broker_table_unplace(core, s);
    promp_broker_start_seek(core, s, error, refused->system, refused->text);
}
