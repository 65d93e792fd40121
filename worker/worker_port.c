/* worker_port.c - between hub and core: passes the calls on and does what the core asks for. */
#include <signal.h>
#include <unistd.h>

#include "worker_inner.h"

/* Nobody is there for whom to work: we go, and what we started with us. */
static void die(void)
{
    if (getpgrp() == getpid())
        kill(0, SIGKILL);
    kill(getpid(), SIGKILL);
}

static void act(promp_worker_t *worker)
{
    uint64_t task;
    promp_worker_act_t what;
    while ((what = promp_worker_core_act(worker->core, &task)) != PROMP_WORKER_ACT_NONE) {
        if (what == PROMP_WORKER_ACT_DIE)
            die();
        else if (what == PROMP_WORKER_ACT_TERMINATE)
            kill(getpid(), SIGTERM);
        else if (worker->interrupt) {
            worker->interrupt(worker->interrupt_arg, task);
            worker->interrupts++;
        }
    }
    promp_worker_pipes_watch(worker);
}

static void on_path(void *arg, bool up, bool lost, const promp_id_t *node, int64_t now)
{
    promp_worker_t *worker = arg;
    promp_worker_core_ops.path(worker->core, up, lost, node, now);
    act(worker);
}

static promp_err_t on_frame(void *arg, const promp_frame_t *frame, bool *mine, int64_t now)
{
    promp_worker_t *worker = arg;
    promp_err_t err = promp_worker_core_ops.frame(worker->core, frame, mine, now);
    if (*mine)
        act(worker);
    return err;
}

static bool on_next(void *arg, promp_out_t *out, uint64_t room, int64_t now)
{
    promp_worker_t *worker = arg;
    bool some = promp_worker_core_ops.next(worker->core, out, room, now);
    if (!some) {
        promp_worker_pipes_watch(worker);
        if (promp_worker_core_may_move(worker->core))
            promp_hub_side_use(worker->hub, promp_hub_session(worker->hub));
    }
    return some;
}

static int64_t on_tick(void *arg, int64_t now)
{
    promp_worker_t *worker = arg;
    int64_t part_due = promp_worker_pipes_tick(worker, now);
    int64_t wanted = promp_worker_core_ops.tick(worker->core, now);
    act(worker);
    return promp_min64(part_due, wanted);
}

static uint32_t on_lease(void *arg)
{
    promp_worker_t *worker = arg;
    return promp_worker_core_ops.lease(worker->core);
}

static promp_err_t on_handed(void *arg, const promp_frame_t *frame, int fd, bool *mine, int64_t now)
{
    promp_worker_t *worker = arg;
    promp_message_t message;
    (void)now;
    if (!promp_id_equal(&frame->session, promp_hub_session(worker->hub)))
        return PROMP_OK;
    promp_err_t err = promp_message_decode(frame->type, frame->body, PROMP_WHO_MANAGER, PROMP_WHO_WORKER,
                                           PROMP_AT_UP, PROMP_VERSION_HIGH, &message);
    if (!err && fd >= 0 && !message.lend.request) { /* a direct way to the manager */
        *mine = true;
        (void)promp_hub_side_add(worker->hub, worker, &frame->session, fd, true);
    } else if (!err && fd >= 0) {
        *mine = promp_worker_core_lent(worker->core, message.lend.request, fd);
    }
    return err;
}

static void on_side(void *arg, const promp_id_t *session, promp_way_t way, uint64_t room, int64_t now)
{
    promp_worker_t *worker = arg;
    promp_worker_core_ops.side(worker->core, session, way, room, now);
}

static uint8_t *on_place(void *arg, const promp_frame_t *frame, size_t *size)
{
    promp_worker_t *worker = arg;
    return promp_worker_core_ops.place(worker->core, frame, size);
}

const promp_port_ops_t promp_worker_port_ops = {on_path,  on_frame, on_next,   on_tick,
                                                on_lease, on_side,  on_handed, on_place};
