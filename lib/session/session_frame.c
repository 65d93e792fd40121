#include "mutant.h"
#include "session_inner.h"

/* A gap is told once; if the repeat does not come within this time, again. */
#define GAP_AGAIN (2 * PROMP_TIME_ACK)

/* What the peer has and grants, as in ATTACH, ATTACHED and ACK. */
typedef struct {
    uint64_t recv[PROMP_LANES], credit[PROMP_LANES];
} position_t;

#define POSITION(body)                                                                                       \
    ((position_t){{(body)->recv0, (body)->recv1, (body)->recv2, (body)->recv3},                              \
                  {(body)->credit0, (body)->credit1, (body)->credit2, (body)->credit3}})

static bool was_sent(const promp_session_t *session, const position_t *position)
{
    for (int i = 0; i < PROMP_LANES; i++)
        if (position->recv[i] > session->out[i].high)
            return false;
    return true;
}

/* True when something moved. position was checked by was_sent. */
static bool take_position(promp_session_t *session, const position_t *position)
{
    bool progress = false;
    for (int i = 0; i < PROMP_LANES; i++)
        (void)promp_lane_out_ack(&session->out[i], position->recv[i], position->credit[i], &progress);
    return progress;
}

static promp_err_t on_attach(promp_session_t *session, uint32_t epoch, const promp_msg_attach_t *attach,
                             int64_t now)
{
    if (session->manager)
        return PROMP_ERR_MESSAGE_SENDER;
    if (epoch == 0)
        return PROMP_ERR_FRAME_HEADER;
    if (epoch < session->epoch)
        return PROMP_OK;
    position_t position = POSITION(attach);
    if (!was_sent(session, &position))
        return PROMP_ERR_OFFSET;
    for (int i = 0; i < PROMP_LANES; i++) /* a new epoch cannot know less than the last one acknowledged */
        if (epoch > session->epoch && position.recv[i] < session->out[i].acked)
            return PROMP_ERR_OFFSET;
    session->epoch = epoch;
    session->attach_due = false;
    session->attached_due = true;
    take_position(session, &position);
    promp_session_open(session, now);
    return PROMP_OK;
}

static promp_err_t on_attached(promp_session_t *session, const promp_msg_attached_t *attached, int64_t now)
{
    if (!session->manager)
        return PROMP_ERR_MESSAGE_SENDER;
    position_t position = POSITION(attached);
    if (!was_sent(session, &position))
        return PROMP_ERR_OFFSET;
    bool progress = take_position(session, &position);
    if (session->state == PROMP_SESSION_ATTACHING) {
        session->attach_due = false;
        promp_session_open(session, now);
    } else {
        promp_session_patience(session, progress, now);
    }
    return PROMP_OK;
}

static promp_err_t on_reattach(promp_session_t *session, uint32_t epoch, int64_t now)
{
    if (!session->manager)
        return PROMP_ERR_MESSAGE_SENDER;
    if (session->state == PROMP_SESSION_ATTACHING)
        session->attach_due = true; /* the worker is there now: do not wait for the back-off */
    else if (epoch == session->epoch)
        promp_session_attach(session, true, now);
    return PROMP_OK;
}

static promp_err_t on_data(promp_session_t *session, const promp_frame_t *frame, promp_who_t peer,
                           int64_t now)
{
    promp_lane_in_t *in = &session->in[frame->lane];
    bool gap;
    promp_err_t error = promp_lane_in_data(in, frame->lane, peer, frame->offset, frame->body, &gap);
    if (error)
        return error;
    if (gap && (in->gap_told != in->recv + 1 || in->gap_again <= now)) {
        in->gap = true;
        in->gap_told = in->recv + 1;
        in->gap_again = now + GAP_AGAIN;
        session->ack_due = true;
    }
    if (promp_lane_in_due(in))
        session->ack_due = true;
    else if (session->ack_at == PROMP_NEVER)
        session->ack_at = now + PROMP_TIME_ACK;
    return PROMP_OK;
}

/* On its way since before the last attach, or ahead of its answer. At an offset there is only ever the same byte, so it is as good as what would
 * be sent again, and the only copy when its sender has died. What it lacks is no news. */
static promp_err_t on_late_data(promp_session_t *session, const promp_frame_t *frame, promp_who_t peer,
                                int64_t now)
{
    promp_lane_in_t *in = &session->in[frame->lane];
    bool gap;
    promp_err_t error = promp_lane_in_data(in, frame->lane, peer, frame->offset, frame->body, &gap);
    if (!error && !gap && session->ack_at == PROMP_NEVER)
        session->ack_at = now + PROMP_TIME_ACK;
    return error;
}

static promp_err_t on_ack(promp_session_t *session, const promp_msg_ack_t *ack, int64_t now)
{
    position_t position = POSITION(ack);
    const uint32_t urgent[PROMP_SLOTS] = {ack->urgent0, ack->urgent1};
    if (!was_sent(session, &position))
        return PROMP_ERR_OFFSET;
    for (int i = 0; i < PROMP_SLOTS; i++)
        if (urgent[i] > session->slot_out[i].version)
            return PROMP_ERR_OFFSET;
    if (ack->gaps >> PROMP_LANES)
        return PROMP_ERR_MESSAGE_FIELD;

    bool progress = take_position(session, &position);
    for (int i = 0; i < PROMP_SLOTS; i++) {
        promp_slot_t *slot = &session->slot_out[i];
        if (urgent[i] > slot->seen) {
            slot->seen = urgent[i];
            slot->due = slot->due && slot->seen < slot->version;
            progress = true;
        }
    }
    bool answer = session->probe_open && ack->nonce == session->probe_nonce;
    for (int i = 0; i < PROMP_LANES; i++) {
        promp_lane_out_t *out = &session->out[i];
        bool hole = answer && position.recv[i] < out->probed && !PROMP_MUTANT(4);
        if (hole || (ack->gaps >> i & 1))
            promp_lane_out_go_back(out, position.recv[i]);
    }
    if (answer)
        session->probe_open = false;
    promp_session_patience(session, progress, now);
    return PROMP_OK;
}

static promp_err_t on_urgent(promp_session_t *session, const promp_msg_urgent_t *urgent)
{
    if (urgent->slot >= PROMP_SLOTS)
        return PROMP_ERR_MESSAGE_FIELD;
    promp_slot_t *slot = &session->slot_in[urgent->slot];
    if (urgent->version > slot->version || PROMP_MUTANT(6)) {
        slot->version = urgent->version;
        slot->a = urgent->a;
        slot->b = urgent->b;
    }
    session->ack_due = true;
    return PROMP_OK;
}

static void on_no_route(promp_session_t *session, int64_t now)
{
    if (session->state != PROMP_SESSION_OPEN)
        return; /* we are trying already */
    if (session->manager) {
        promp_session_attach(session, false, now);
        return;
    }
    /* The manager will attach when it is back; should it have missed nothing, this makes it. */
    session->state = PROMP_SESSION_DOWN;
    session->attach_at = now + session->attach_wait;
}

static promp_err_t on_congested(promp_session_t *session, const promp_frame_t *frame, int64_t now)
{
    promp_lane_out_t *out = &session->out[frame->lane];
    if (frame->offset > out->high)
        return PROMP_ERR_OFFSET;
    promp_lane_out_congested(out, frame->offset, now);
    return PROMP_OK;
}

/* Frames that need a path under the same epoch. */
static promp_err_t on_path(promp_session_t *session, const promp_frame_t *frame,
                           const promp_message_t *message, promp_who_t peer, int64_t now)
{
    bool from_relay = frame->type == PROMP_TYPE_NO_ROUTE || frame->type == PROMP_TYPE_CONGESTED;
    bool any = from_relay && frame->epoch == 0; /* a relay that answers no certain frame */
    if (frame->epoch > session->epoch)
        return PROMP_ERR_MESSAGE_STATE;
    if (frame->type == PROMP_TYPE_DATA &&
        (frame->epoch < session->epoch || session->state != PROMP_SESSION_OPEN))
        return on_late_data(session, frame, peer, now);
    if (frame->epoch < session->epoch && !any && !PROMP_MUTANT(5))
        return PROMP_OK;
    if (frame->type == PROMP_TYPE_ATTACHED && session->state != PROMP_SESSION_DOWN)
        return on_attached(session, &message->attached, now);
    if (session->state != PROMP_SESSION_OPEN)
        return PROMP_OK;
    switch (frame->type) {
    case PROMP_TYPE_DATA:
        return on_data(session, frame, peer, now);
    case PROMP_TYPE_ACK:
        return on_ack(session, &message->ack, now);
    case PROMP_TYPE_PROBE:
        session->ack_nonce = message->probe.nonce;
        session->ack_due = true;
        return PROMP_OK;
    case PROMP_TYPE_URGENT:
        return on_urgent(session, &message->urgent);
    case PROMP_TYPE_NO_ROUTE:
        on_no_route(session, now);
        return PROMP_OK;
    case PROMP_TYPE_CONGESTED:
        return on_congested(session, frame, now);
    default:
        return PROMP_OK;
    }
}

uint8_t *promp_session_place(promp_session_t *session, const promp_frame_t *frame, size_t *size)
{
    bool ours = frame->type == PROMP_TYPE_DATA && frame->lane < PROMP_LANES && frame->epoch <= session->epoch;
    return ours && session->path && session->state == PROMP_SESSION_OPEN
               ? promp_lane_in_place(&session->in[frame->lane], frame->offset, size)
               : NULL;
}

promp_err_t promp_session_frame(promp_session_t *session, const promp_frame_t *frame, promp_who_t from,
                                int64_t now)
{
    promp_who_t self = session->manager ? PROMP_WHO_MANAGER : PROMP_WHO_WORKER;
    promp_who_t peer = session->manager ? PROMP_WHO_WORKER : PROMP_WHO_MANAGER;
    if (frame->type < PROMP_TYPE_ATTACH || frame->type > PROMP_TYPE_CONGESTED)
        return PROMP_ERR_MESSAGE_STATE;
    if (frame->lane >= PROMP_LANES)
        return PROMP_ERR_FRAME_HEADER;

    /* DATA has no fields: its body is the piece. */
    promp_message_t message;
    if (frame->type == PROMP_TYPE_DATA) {
        if (!(from & peer))
            return PROMP_ERR_MESSAGE_SENDER;
        if (frame->body.size == 0)
            return PROMP_ERR_MESSAGE_SIZE;
    } else {
        promp_err_t error = promp_message_decode(frame->type, frame->body, from, self, PROMP_AT_UP,
                                                 PROMP_VERSION_HIGH, &message);
        if (error)
            return error;
    }

    if (!session->path)
        return PROMP_OK;
    if (session->state == PROMP_SESSION_OVER) {
        session->reset_due = frame->type != PROMP_TYPE_RESET; /* the peer has not heard it */
        return PROMP_OK;
    }
    switch (frame->type) {
    case PROMP_TYPE_ATTACH:
        return on_attach(session, frame->epoch, &message.attach, now);
    case PROMP_TYPE_REATTACH:
        return on_reattach(session, frame->epoch, now);
    case PROMP_TYPE_RESET:
        promp_session_close(session,
                            message.reset.error ? (promp_err_t)message.reset.error : PROMP_ERR_CLOSED);
        return PROMP_OK;
    default:
        return on_path(session, frame, &message, peer, now);
    }
}
