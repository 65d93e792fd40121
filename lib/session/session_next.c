#include "mutant.h"
#include "session_inner.h"

/* A link that has room for less gets nothing: frames would only become small. */
#define ROOM_WORTH (4 * PROMP_KIB)

/* Where we are in the lanes coming in; from here on the peer may count on it. */
typedef struct {
    uint64_t recv[PROMP_LANES], credit[PROMP_LANES];
} position_t;

static position_t tell_position(promp_session_t *session)
{
    position_t position;
    for (int i = 0; i < PROMP_LANES; i++) {
        promp_lane_in_t *in = &session->in[i];
        position.recv[i] = in->told = in->recv;
        position.credit[i] = in->granted = promp_lane_in_grant(in);
    }
    session->ack_due = false;
    session->ack_at = PROMP_NEVER;
    return position;
}

/* ATTACH, ATTACHED and ACK have the same eight fields. */
#define SET_POSITION(body, position)                                                                         \
    do {                                                                                                     \
        (body)->recv0 = (position).recv[0];                                                                  \
        (body)->recv1 = (position).recv[1];                                                                  \
        (body)->recv2 = (position).recv[2];                                                                  \
        (body)->recv3 = (position).recv[3];                                                                  \
        (body)->credit0 = (position).credit[0];                                                              \
        (body)->credit1 = (position).credit[1];                                                              \
        (body)->credit2 = (position).credit[2];                                                              \
        (body)->credit3 = (position).credit[3];                                                              \
    } while (0)

static bool give(promp_session_t *session, const promp_message_t *message, promp_out_t *out)
{
    return promp_message_out(message, &session->id, session->epoch, out) == PROMP_OK;
}

static bool next_reset(promp_session_t *session, promp_out_t *out)
{
    promp_message_t message = {.type = PROMP_TYPE_RESET};
    message.reset.error = session->error;
    session->reset_due = false;
    return give(session, &message, out);
}

static bool next_attach(promp_session_t *session, promp_out_t *out)
{
    session->attach_due = false;
    promp_message_t message = {.type = session->manager ? PROMP_TYPE_ATTACH : PROMP_TYPE_REATTACH};
    if (session->manager) {
        position_t position = tell_position(session);
        SET_POSITION(&message.attach, position);
    }
    return give(session, &message, out);
}

static bool next_attached(promp_session_t *session, promp_out_t *out)
{
    session->attached_due = false;
    promp_message_t message = {.type = PROMP_TYPE_ATTACHED};
    position_t position = tell_position(session);
    SET_POSITION(&message.attached, position);
    return give(session, &message, out);
}

static bool next_urgent(promp_session_t *session, int slot, promp_out_t *out)
{
    promp_slot_t *from = &session->slot_out[slot];
    from->due = false;
    promp_message_t message = {.type = PROMP_TYPE_URGENT};
    message.urgent.slot = (uint8_t)slot;
    message.urgent.version = from->version;
    message.urgent.a = from->a;
    message.urgent.b = from->b;
    return give(session, &message, out);
}

static bool next_ack(promp_session_t *session, promp_out_t *out)
{
    promp_message_t message = {.type = PROMP_TYPE_ACK};
    position_t position = tell_position(session);
    SET_POSITION(&message.ack, position);
    for (int i = 0; i < PROMP_LANES; i++) {
        if (session->in[i].gap)
            message.ack.gaps |= (uint8_t)(1 << i);
        session->in[i].gap = false;
    }
    message.ack.nonce = session->ack_nonce;
    session->ack_nonce = 0;
    message.ack.urgent0 = session->slot_in[0].version;
    message.ack.urgent1 = session->slot_in[1].version;
    return give(session, &message, out);
}

static bool next_probe(promp_session_t *session, promp_out_t *out)
{
    session->probe_due = false;
    session->probe_open = true;
    if (++session->probe_nonce == 0)
        session->probe_nonce = 1;
    for (int i = 0; i < PROMP_LANES; i++)
        session->out[i].probed = session->out[i].next;
    promp_message_t message = {.type = PROMP_TYPE_PROBE};
    message.probe.nonce = session->probe_nonce;
    if (!give(session, &message, out))
        return false;
    out->urgent =
        false; /* behind the data it asks about: an answer from ahead of it would look like a hole */
    return true;
}

static bool next_data(promp_session_t *session, promp_lane_t lane, promp_out_t *out, uint64_t room,
                      int64_t now)
{
    promp_lane_out_t *from = &session->out[lane];
    uint64_t ready = promp_lane_out_ready(from, now);
    if (room > PROMP_LIMIT_FRAME || lane == PROMP_LANE_CONTROL)
        room = PROMP_LIMIT_FRAME;
    uint64_t most = room > PROMP_FRAME_HEADER ? room - PROMP_FRAME_HEADER : 0;
    if (ready == 0 || (most < ready && most < ROOM_WORTH))
        return false;

    uint64_t offset = from->next;
    size_t size = promp_lane_out_send(from, most < ready ? most : ready, out);
    out->frame = (promp_frame_t){.size = (uint32_t)(PROMP_FRAME_HEADER + size),
                                 .type = PROMP_TYPE_DATA,
                                 .lane = (uint8_t)lane,
                                 .epoch = session->epoch,
                                 .session = session->id,
                                 .offset = offset};
    out->urgent = lane == PROMP_LANE_CONTROL;
    return true;
}

static bool next_of_lanes(promp_session_t *session, promp_out_t *out, uint64_t room, int64_t now)
{
    if (next_data(session, PROMP_LANE_CONTROL, out, room, now))
        return true;
    for (int i = 0; i < PROMP_LANES - 1; i++) {
        promp_lane_t lane = session->turn;
        session->turn = lane + 1 < PROMP_LANES ? lane + 1 : PROMP_LANE_MESSAGES;
        if (next_data(session, lane, out, room, now))
            return true;
    }
    return false;
}

static bool next_when_open(promp_session_t *session, promp_out_t *out, uint64_t room, int64_t now)
{
    if (session->attached_due)
        return next_attached(session, out);
    for (int i = 0; i < PROMP_SLOTS; i++)
        if (session->slot_out[i].due)
            return next_urgent(session, i, out);
    if (session->ack_due || session->ack_at <= now)
        return next_ack(session, out);
    if (session->probe_due)
        return next_probe(session, out);
    return next_of_lanes(session, out, room, now);
}

bool promp_session_next(promp_session_t *session, promp_out_t *out, uint64_t room, int64_t now)
{
    if (!session->path)
        return false;
    if (session->state == PROMP_SESSION_OVER)
        return session->reset_due && next_reset(session, out);
    if (session->attach_due)
        return next_attach(session, out);
    if (session->state != PROMP_SESSION_OPEN)
        return false;
    bool given = next_when_open(session, out, room, now);
    promp_session_patience(session, false, now);
    return given;
}
