#include "worker_core.h"

#include <stdlib.h>

#include "mutant.h"
#include "worker_core_impl.h"

promp_worker_core_t *promp_worker_core_new(const promp_id_t *id, int64_t now)
{
    promp_worker_core_t *core = calloc(1, sizeof *core);
    if (!core)
        goto err0;
    core->session = promp_session_new(id, false);
    if (!core->session)
        goto err1;
    promp_list_init(&core->jobs);
    promp_list_init(&core->inbox);
    promp_list_init(&core->openings);
    core->cache = PROMP_CACHE;
    core->setup.timeout = PROMP_TIMEOUT_DEFAULT;
    core->setup.address = "";
    core->interrupt_at = core->terminate_at = core->die_at = core->wanted = PROMP_NEVER;
    core->quiet_since = core->now = now;
    return core;

err1:
    free(core);
err0:
    return NULL;
}

void promp_worker_core_destroy(promp_worker_core_t **core_p)
{
    promp_worker_core_t *core = *core_p;
    if (!core)
        return;
    *core_p = NULL;
    promp_worker_job_t job;
    while (promp_worker_core_shift(core, &core->jobs, &job) ||
           promp_worker_core_shift(core, &core->inbox, &job))
        promp_worker_job_free(&job);
    promp_buf_free(&core->progress.waiting);
    promp_buf_free(&core->text.waiting);
    promp_reader_destroy(&core->reader);
    free(core->setup_body);
    free(core->address);
    promp_session_destroy(&core->session);
    free(core);
}

const promp_worker_setup_t *promp_worker_core_setup(const promp_worker_core_t *core)
{
    return core->set_up ? &core->setup : NULL;
}

promp_err_t promp_worker_core_state(const promp_worker_core_t *core)
{
    if (core->over)
        return core->over;
    return promp_worker_core_stopped(core) ? PROMP_ERR_CLOSED : PROMP_OK;
}

bool promp_worker_core_settled(const promp_worker_core_t *core)
{
    return !core->progress.waiting.data && !core->text.waiting.data && promp_session_settled(core->session);
}

bool promp_worker_core_may_move(const promp_worker_core_t *core)
{
    return promp_session_settled(core->session) || PROMP_MUTANT(21);
}

promp_err_t promp_worker_core_post(promp_worker_core_t *core, const promp_message_t *message,
                                   promp_buf_t *moved)
{
    const uint16_t type = (uint16_t)message->type;
    promp_buf_t head = {0};
    promp_slice_t rest;
    promp_err_t err = promp_message_encode_head(message, &head, &rest);
    if (!err) {
        const promp_slice_t parts[] = {{head.data, head.size}, rest};
        const promp_lane_t lane = (promp_lane_t)(promp_message_row(type)->on - PROMP_ON_CONTROL);
        err = moved ? promp_session_send_moved(core->session, lane, type, parts[0], moved)
                    : promp_session_send(core->session, lane, type, parts, rest.size ? 2 : 1);
    }
    promp_buf_free(&head);
    return err;
}

promp_err_t promp_worker_core_ready(promp_worker_core_t *core, uint32_t pid)
{
    if (core->ready)
        return PROMP_OK;
    promp_err_t err =
        promp_worker_core_post(core, &(promp_message_t){PROMP_TYPE_READY, .ready = {.pid = pid}}, NULL);
    core->ready = !err;
    return err;
}

/* --- what ends it --- */

static void end(promp_worker_core_t *core, promp_err_t error, int64_t die_at)
{
    if (core->over)
        return;
    core->over = error;
    core->die_at = die_at;
    atomic_store(&core->stopped, true);
    atomic_store(&core->aborted, true);
    promp_worker_core_drop(core, UINT64_MAX);
    promp_worker_core_unanswered(core);
}

void promp_worker_core_break(promp_worker_core_t *core, promp_err_t error)
{
    promp_session_over(core->session, error);
    end(core, error, core->now + PROMP_TIME_ABORT);
}

/* Sees what frames, times and the link have done to the session. Urgent things first: they say what of the
 * rest counts. */
static void look(promp_worker_core_t *core, int64_t now)
{
    uint64_t a, b;
    promp_err_t err = PROMP_OK;
    core->now = now;
    if (promp_session_urged(core->session, PROMP_SLOT_STOP, &a, &b)) {
        atomic_store(&core->stopped, true);
        atomic_store(&core->aborted, true);
        promp_worker_core_drop(core, UINT64_MAX);
    }
    if (promp_session_urged(core->session, PROMP_SLOT_ABORT, &a, &b))
        err = promp_worker_core_on_abort(core, a, b, now);
    if (!err)
        err = promp_worker_core_take(core);
    if (err)
        promp_worker_core_break(core, err);
    if (promp_session_state(core->session) == PROMP_SESSION_OVER)
        end(core, promp_session_error(core->session), now + PROMP_TIME_ABORT);

    if (promp_worker_core_connected(core))
        core->quiet_since = PROMP_NEVER;
    else if (core->quiet_since == PROMP_NEVER)
        core->quiet_since = now;
}

/* --- the port --- */

static void on_path(void *arg, bool up, bool lost, const promp_id_t *node, int64_t now)
{
    promp_worker_core_t *core = arg;
    (void)node;
    core->path_up = up;
    promp_session_path(core->session, up, now);
    if (lost)
        end(core, PROMP_ERR_NODE_GONE, now);
    look(core, now);
}

/* A peer that breaks the session's protocol loses the session, not the link: the frames of others travel
 * there too. */
static promp_err_t on_frame(void *arg, const promp_frame_t *frame, bool *mine, int64_t now)
{
    promp_worker_core_t *core = arg;
    *mine = promp_id_equal(&frame->session, promp_session_id(core->session));
    if (!*mine)
        return PROMP_OK;
    core->now = now;
    promp_err_t err = promp_session_frame(core->session, frame, PROMP_WHO_MANAGER | PROMP_WHO_NODE, now);
    if (err)
        promp_worker_core_break(core, err);
    look(core, now);
    return PROMP_OK;
}

static bool on_next(void *arg, promp_out_t *out, uint64_t room, int64_t now)
{
    promp_worker_core_t *core = arg;
    promp_worker_core_flush_latest(core, false);
    promp_worker_core_ask(core);
    return promp_session_next(core->session, out, core->side ? core->side_room : room, now);
}

/* True once, when the time has come. */
static bool due(int64_t *at, int64_t now)
{
    if (*at > now)
        return false;
    *at = PROMP_NEVER;
    return true;
}

static int64_t on_tick(void *arg, int64_t now)
{
    promp_worker_core_t *core = arg;
    /* Called much too late, it was us who slept: the manager is not to blame for the silence since we last ran. */
    bool slept = core->wanted != PROMP_NEVER && now - core->wanted > PROMP_TIME_GAP;
    if (slept && core->quiet_since != PROMP_NEVER)
        core->quiet_since += now - core->now;

    int64_t wanted = promp_session_tick(core->session, now);
    look(core, now);
    if (core->quiet_since != PROMP_NEVER) {
        int64_t lease_end = core->quiet_since + core->setup.timeout;
        if (lease_end <= now && !core->over) {
            promp_session_over(core->session, PROMP_ERR_WORKER_LEASE);
            end(core, PROMP_ERR_WORKER_LEASE, now);
        }
        wanted = promp_min64(wanted, core->over ? PROMP_NEVER : lease_end);
    }
    if (due(&core->interrupt_at, now) && !atomic_load(&core->looked))
        core->acts |= 1u << PROMP_WORKER_ACT_INTERRUPT;
    if (due(&core->terminate_at, now))
        core->acts |= 1u << PROMP_WORKER_ACT_TERMINATE;
    if (due(&core->die_at, now))
        core->acts |= 1u << PROMP_WORKER_ACT_DIE;
    wanted = promp_min64(wanted, promp_min64(core->interrupt_at, core->terminate_at));
    core->wanted = promp_min64(wanted, core->die_at);
    return core->wanted;
}

/* The manager attaches anew on a way that it has made; when that breaks we ask for it. */
static void on_side(void *arg, const promp_id_t *session, promp_way_t way, uint64_t room, int64_t now)
{
    promp_worker_core_t *core = arg;
    (void)session;
    const bool up = way == PROMP_WAY_OPEN;
    if (core->side && !up) {
        promp_session_path(core->session, false, now);
        promp_session_path(core->session, core->path_up, now);
    }
    core->side = up;
    core->side_room = room;
}

/* None before SETUP: what we wait by ourselves until then is not what the manager has asked the node for. */
static uint32_t on_lease(void *arg)
{
    const promp_worker_setup_t *setup = promp_worker_core_setup(arg);
    return setup ? setup->timeout : 0;
}

static uint8_t *on_place(void *arg, const promp_frame_t *frame, size_t *size)
{
    promp_worker_core_t *core = arg;
    return promp_id_equal(&frame->session, promp_session_id(core->session))
               ? promp_session_place(core->session, frame, size)
               : NULL;
}

const promp_port_ops_t promp_worker_core_ops = {on_path,  on_frame, on_next, on_tick,
                                                on_lease, on_side,  NULL,    on_place};

promp_worker_act_t promp_worker_core_act(promp_worker_core_t *core, uint64_t *task)
{
    for (unsigned act = PROMP_WORKER_ACT_INTERRUPT; act <= PROMP_WORKER_ACT_DIE; act++)
        if (core->acts & 1u << act) {
            core->acts &= ~(1u << act);
            *task = core->running;
            return (promp_worker_act_t)act;
        }
    return PROMP_WORKER_ACT_NONE;
}
