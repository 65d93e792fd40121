/* A manager's end of its link: HELLO, beats, silence, dialling again. */
#include <stdlib.h>

#include "buf.h"
#include "cluster.h"

static int64_t lease_of(const end_t *end)
{
    uint32_t lease = promp_manager_core_ops.lease(((cluster_user_t *)end->body)->core);

    return lease ? lease : PROMP_TIME_NO_LEASE;
}

void cluster_end_say(end_t *end, const promp_message_t *message, const promp_id_t *session, uint32_t epoch)
{
    promp_buf_t body = {0};
    promp_out_t out = {.urgent = true};

    if (!end->conn)
        return;
    sim_check(end->cluster->sim, promp_message_encode(message, &body) == PROMP_OK);
    out.frame = (promp_frame_t){.type = (uint8_t)message->type,
                                .epoch = epoch,
                                .size = promp_frame_size(body.size),
                                .session = *session};
    out.part[0] = promp_slice(body.data, body.size);
    out.parts = body.size ? 1 : 0;
    cluster_send(end->conn, &out, NULL, 0);
    end->sent = end->cluster->sim->now;
    promp_buf_free(&body);
}

void cluster_end_close(end_t *end)
{
    sim_t *sim = end->cluster->sim;
    bool was_up = end->up;

    if (!end->conn)
        return;
    cluster_break(end->conn, sim_between(sim, 1, 2 * PROMP_TIME_SWEEP), 0);
    end->conn->end = NULL;
    end->conn = NULL;
    end->up = false;
    end->dial_at = sim->now + sim_between(sim, 1, 100);
    if (was_up)
        cluster_user_path(end->body, false);
}

static void dial(end_t *end)
{
    static const promp_id_t none;
    sim_t *sim = end->cluster->sim;
    promp_message_t hello = {.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = 1, .version_high = PROMP_VERSION_HIGH, .role = 1}};

    end->conn = cluster_dial(end);
    end->heard = sim->now;
    end->told = PROMP_TIME_NO_LEASE;
    cluster_end_say(end, &hello, &none, 0);
}

static void frame_came(end_t *end, const promp_frame_t *frame)
{
    sim_t *sim = end->cluster->sim;
    promp_message_t m;
    bool mine;

    end->heard = sim->now;
    if (frame->type != PROMP_TYPE_WELCOME && frame->type != PROMP_TYPE_REFUSED &&
        frame->type != PROMP_TYPE_BEAT) {
        cluster_user_frame(end->body, frame, &mine);
        return;
    }
    sim_check(sim,
              promp_message_decode(frame->type, frame->body, PROMP_WHO_BROKER, PROMP_WHO_MANAGER,
                                   end->up ? PROMP_AT_UP : PROMP_AT_NEW, PROMP_VERSION_HIGH, &m) == PROMP_OK);
    if (m.type == PROMP_TYPE_REFUSED && m.refused.error != PROMP_ERR_SILENT)
        sim_fail(sim, "an honest peer is refused: %s", promp_error_name((promp_err_t)m.refused.error));
    if (m.type != PROMP_TYPE_WELCOME)
        return;
    end->up = true;
    cluster_user_path(end->body, true);
}

static void send_all(end_t *end)
{
    static const promp_id_t none;
    sim_t *sim = end->cluster->sim;
    promp_message_t beat = {.type = PROMP_TYPE_BEAT};
    cluster_user_t *user = end->body;
    promp_out_t out;

    while (promp_manager_core_ops.next(user->core, &out, UINT64_MAX, sim->now)) {
        cluster_send(end->conn, &out, NULL, 0);
        end->sent = sim->now;
    }
    if (sim->now - end->sent >= promp_min64(lease_of(end), end->told) / 5) {
        end->told = lease_of(end);
        beat.beat.lease_ms = (uint32_t)(end->told == PROMP_TIME_NO_LEASE ? 0 : end->told);
        cluster_end_say(end, &beat, &none, 0);
    }
}

void cluster_end_turn(end_t *end)
{
    sim_t *sim = end->cluster->sim;
    parcel_t *parcel;

    if (end->node) {
        cluster_node_turn(end->body);
        return;
    }
    if (!end->conn && sim->now >= end->dial_at)
        dial(end);
    while (end->conn && (parcel = cluster_take(end->cluster, &end->conn->to_end))) {
        promp_frame_t frame = sim_frame_read(sim, parcel->frame);

        sim_trace_frame(end->cluster->sim, "manager <-", &frame);
        frame_came(end, &frame);
        cluster_done(end->cluster, parcel);
    }
    cluster_user_turn(end->body);
    if (end->conn && (sim->now >= end->conn->end_sees || sim->now - end->heard >= lease_of(end) * 2 / 5))
        cluster_end_close(end);
    else if (end->up)
        send_all(end);
}
