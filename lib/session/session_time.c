#include "session_inner.h"

/* Only an ACK can end these waits, so they are what PROBE is for. */
static bool waits_for_ack(const promp_session_t *session)
{
    for (int i = 0; i < PROMP_LANES; i++)
        if (promp_lane_out_waits(&session->out[i]))
            return true;
    for (int i = 0; i < PROMP_SLOTS; i++)
        if (session->slot_out[i].seen < session->slot_out[i].version)
            return true;
    return false;
}

void promp_session_patience(promp_session_t *session, bool progress, int64_t now)
{
    if (session->state != PROMP_SESSION_OPEN || !waits_for_ack(session)) {
        session->probe_at = PROMP_NEVER;
        session->probe_wait = PROMP_TIME_PROBE;
        return;
    }
    if (progress)
        session->probe_wait = PROMP_TIME_PROBE;
    if (progress || session->probe_at == PROMP_NEVER)
        session->probe_at = now + session->probe_wait;
}

static uint32_t longer(uint32_t wait, uint32_t most)
{
    return wait < most / 2 ? wait * 2 : most;
}

static void try_attach(promp_session_t *session, int64_t now)
{
    session->attach_due = true;
    session->attach_at = now + session->attach_wait;
    session->attach_wait = longer(session->attach_wait, PROMP_TIME_ATTACH_MAX);
}

static void probe(promp_session_t *session, int64_t now)
{
    session->probe_due = true;
    for (int i = 0; i < PROMP_SLOTS; i++)
        session->slot_out[i].due = session->slot_out[i].seen < session->slot_out[i].version;
    session->probe_wait = longer(session->probe_wait, PROMP_TIME_PROBE_MAX);
    session->probe_at = now + session->probe_wait;
}

/* next() has a frame that needs no room and no more time. */
static bool has_frame(const promp_session_t *session)
{
    if (!session->path)
        return false;
    if (session->state == PROMP_SESSION_OVER)
        return session->reset_due;
    if (session->attach_due)
        return true;
    if (session->state != PROMP_SESSION_OPEN)
        return false;
    for (int i = 0; i < PROMP_SLOTS; i++)
        if (session->slot_out[i].due)
            return true;
    return session->attached_due || session->ack_due || session->probe_due;
}

int64_t promp_session_tick(promp_session_t *session, int64_t now)
{
    if (session->attach_at <= now)
        try_attach(session, now);
    int64_t wake = session->attach_at;
    if (session->state == PROMP_SESSION_OPEN) {
        if (session->ack_at <= now) {
            session->ack_due = true;
            session->ack_at = PROMP_NEVER;
        }
        promp_session_patience(session, false, now);
        if (session->probe_at <= now)
            probe(session, now);
        wake = promp_min64(session->ack_at, session->probe_at);
        for (int i = 0; i < PROMP_LANES; i++)
            if (session->out[i].resume_at > now)
                wake = promp_min64(wake, session->out[i].resume_at);
    }
    return has_frame(session) ? now : wake;
}
