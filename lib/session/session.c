#include "session_inner.h"

#include <stdlib.h>

/* Shorter bodies are copied: they share memory and frames with their neighbours. */
#define MOVED_LEAST (16 * PROMP_KIB)

promp_session_t *promp_session_new(const promp_id_t *id, bool manager)
{
    promp_session_t *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->id = *id;
    session->manager = manager;
    session->turn = PROMP_LANE_MESSAGES;
    session->attach_wait = PROMP_TIME_RECONNECT;
    session->probe_wait = PROMP_TIME_PROBE;
    session->attach_at = session->ack_at = session->probe_at = PROMP_NEVER;
    for (int i = 0; i < PROMP_LANES; i++)
        promp_lane_in_init(&session->in[i], i);
    return session;
}

void promp_session_destroy(promp_session_t **session)
{
    if (!session || !*session)
        return;
    for (int i = 0; i < PROMP_LANES; i++) {
        promp_lane_out_clear(&(*session)->out[i]);
        promp_lane_in_clear(&(*session)->in[i]);
    }
    free(*session);
    *session = NULL;
}

const promp_id_t *promp_session_id(const promp_session_t *session)
{
    return &session->id;
}

promp_session_state_t promp_session_state(const promp_session_t *session)
{
    return session->state;
}

promp_err_t promp_session_error(const promp_session_t *session)
{
    return session->error;
}

/* --- lanes --- */

/* What the peer would refuse is refused here. *size: of the parts. */
static promp_err_t check_record(const promp_session_t *session, promp_lane_t lane, uint16_t type,
                                const promp_slice_t *parts, size_t count, uint64_t rest, uint64_t *size)
{
    if (session->state == PROMP_SESSION_OVER)
        return PROMP_ERR_CLOSED;
    const promp_message_row_t *row = type < PROMP_TYPE_RECORD ? NULL : promp_message_row(type);
    promp_who_t self = session->manager ? PROMP_WHO_MANAGER : PROMP_WHO_WORKER;
    if (!row || !(row->from & self) || row->on != PROMP_ON_CONTROL + lane)
        return PROMP_ERR_ARGUMENT;
    uint64_t most = row->max < PROMP_LIMIT_RECORD ? row->max : PROMP_LIMIT_RECORD;
    if (rest > most)
        return PROMP_ERR_VALUE_SIZE;
    most -= rest;
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > most - *size)
            return PROMP_ERR_VALUE_SIZE;
        *size += parts[i].size;
    }
    return PROMP_OK;
}

promp_err_t promp_session_send(promp_session_t *session, promp_lane_t lane, uint16_t type,
                               const promp_slice_t *parts, size_t count)
{
    uint64_t size;
    promp_err_t error = check_record(session, lane, type, parts, count, 0, &size);
    return error ? error : promp_lane_out_queue(&session->out[lane], type, parts, count, size, NULL);
}

promp_err_t promp_session_send_moved(promp_session_t *session, promp_lane_t lane, uint16_t type,
                                     promp_slice_t head, promp_buf_t *rest)
{
    const promp_slice_t parts[] = {head, {rest->data, rest->size}};
    uint64_t size;
    promp_err_t error;
    if (rest->size < MOVED_LEAST) {
        error = promp_session_send(session, lane, type, parts, 2);
        if (!error)
            promp_buf_free(rest);
        return error;
    }
    error = check_record(session, lane, type, parts, 1, rest->size, &size);
    return error ? error : promp_lane_out_queue(&session->out[lane], type, parts, 1, size, rest);
}

void promp_session_pool(promp_session_t *session, promp_lane_t lane, promp_pool_t *pool)
{
    session->out[lane].pool = pool;
}

uint8_t *promp_session_last(promp_session_t *session, promp_lane_t lane, size_t size)
{
    return promp_lane_out_last(&session->out[lane], size);
}

uint64_t promp_session_sent(const promp_session_t *session, promp_lane_t lane)
{
    return session->out[lane].end;
}

uint64_t promp_session_acked(const promp_session_t *session, promp_lane_t lane)
{
    return session->out[lane].acked;
}

uint64_t promp_session_backlog(const promp_session_t *session, promp_lane_t lane)
{
    if (session->state == PROMP_SESSION_OVER)
        return 0;
    return session->out[lane].end - session->out[lane].acked;
}

uint64_t promp_session_unsent(const promp_session_t *session, promp_lane_t lane)
{
    if (session->state == PROMP_SESSION_OVER)
        return 0;
    return session->out[lane].end - session->out[lane].high;
}

bool promp_session_settled(const promp_session_t *session)
{
    for (int i = 0; i < PROMP_LANES; i++)
        if (session->out[i].acked < session->out[i].end)
            return false;
    for (int i = 0; i < PROMP_SLOTS; i++)
        if (session->slot_out[i].seen < session->slot_out[i].version)
            return false;
    return true;
}

bool promp_session_take(promp_session_t *session, promp_lane_t lane, promp_record_t *record)
{
    if (!promp_lane_in_take(&session->in[lane], record))
        return false;
    if (promp_lane_in_due(&session->in[lane]))
        session->ack_due = true;
    return true;
}

uint64_t promp_session_taken(const promp_session_t *session, promp_lane_t lane)
{
    return session->in[lane].taken;
}

uint64_t promp_session_received(const promp_session_t *session, promp_lane_t lane)
{
    return session->in[lane].recv;
}

uint64_t promp_session_heard(const promp_session_t *session, promp_lane_t lane)
{
    return session->in[lane].heard;
}

bool promp_session_has_record(const promp_session_t *session, promp_lane_t lane)
{
    return session->in[lane].count > 0;
}

void promp_session_ack_now(promp_session_t *session)
{
    if (session->ack_at != PROMP_NEVER)
        session->ack_due = true;
}

/* --- urgent slots --- */

void promp_session_urge(promp_session_t *session, int slot, uint64_t a, uint64_t b)
{
    promp_slot_t *out = &session->slot_out[slot];
    out->version++;
    out->a = a;
    out->b = b;
    out->due = true;
}

bool promp_session_urged(promp_session_t *session, int slot, uint64_t *a, uint64_t *b)
{
    promp_slot_t *in = &session->slot_in[slot];
    if (in->seen == in->version)
        return false;
    in->seen = in->version;
    *a = in->a;
    *b = in->b;
    return true;
}

/* --- states --- */

static void fall(promp_session_t *session)
{
    session->state = PROMP_SESSION_DOWN;
    session->attach_due = session->attached_due = session->probe_due = false;
    session->attach_at = session->ack_at = session->probe_at = PROMP_NEVER;
}

void promp_session_attach(promp_session_t *session, bool at_once, int64_t now)
{
    fall(session);
    session->state = PROMP_SESSION_ATTACHING;
    session->epoch++;
    /* Tries on one path share an epoch: with a new one for each, an answer slower than the back-off would
     * never count. */
    session->attach_due = at_once;
    session->attach_at = now + session->attach_wait;
}

void promp_session_open(promp_session_t *session, int64_t now)
{
    session->state = PROMP_SESSION_OPEN;
    session->attach_wait = PROMP_TIME_RECONNECT;
    session->attach_at = PROMP_NEVER;
    session->probe_open = false;
    for (int i = 0; i < PROMP_LANES; i++) {
        promp_lane_out_t *out = &session->out[i];
        promp_lane_out_go_back(out, out->acked);
        out->resume_at = 0;
        out->pause = 0;
        session->in[i].gap = false;
        session->in[i].gap_told = 0;
    }
    for (int i = 0; i < PROMP_SLOTS; i++)
        session->slot_out[i].due = session->slot_out[i].seen < session->slot_out[i].version;
    promp_session_patience(session, true, now);
}

void promp_session_path(promp_session_t *session, bool up, int64_t now)
{
    session->path = up;
    if (session->state == PROMP_SESSION_OVER)
        return;
    fall(session);
    if (!up)
        return;
    session->attach_wait = PROMP_TIME_RECONNECT;
    if (session->manager) {
        promp_session_attach(session, true, now);
    } else if (session->lost) {
        session->attach_due = true;
        session->attach_at = now + session->attach_wait;
    }
    session->lost = true;
}

void promp_session_close(promp_session_t *session, promp_err_t error)
{
    fall(session);
    session->state = PROMP_SESSION_OVER;
    session->error = error;
    session->ack_due = false;
    for (int i = 0; i < PROMP_LANES; i++) {
        promp_lane_out_clear(&session->out[i]);
        promp_lane_in_drop_part(&session->in[i]);
    }
}

void promp_session_over(promp_session_t *session, promp_err_t error)
{
    if (session->state == PROMP_SESSION_OVER)
        return;
    promp_session_close(session, error);
    session->reset_due = session->path;
}
