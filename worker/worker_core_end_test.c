/* What ends the worker's core: lease, RESET, a node that is lost, managers that break the protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "worker_core_pair.h"

/* --- what ends it --- */

static void test_lease(void **state)
{
    /* Aim: without a path to the manager for the lease the process is to end; a path that comes back in time saves it. */
    (void)state;
    static const promp_id_t node;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    pair_ops->path(p->core, false, false, &node, p->now);
    promp_session_path(p->manager, false, p->now);
    pair_run(p, 900);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_ops->path(p->core, true, false, &node, p->now);
    promp_session_path(p->manager, true, p->now);
    pair_run(p, 5000);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_OK);
    pair_ops->path(p->core, false, false, &node, p->now);
    int64_t start = p->now;
    pair_run(p, 995);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_run(p, start + 1000 - p->now);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_DIE);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_ERR_WORKER_LEASE);
    assert_true(promp_worker_core_aborted(p->core, false));
    pair_close(p);
}

static void test_slept(void **state)
{
    /* Aim: a worker that was not running itself does not blame the manager for the silence. */
    (void)state;
    static const promp_id_t node;
    pair_t *p = pair_open();
    pair_ops->path(p->core, false, false, &node, p->now);
    p->now += 5;
    pair_ops->tick(p->core, p->now);
    p->now += 100000; /* nobody ticked */
    pair_ops->tick(p->core, p->now);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_run(p, 1000);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_DIE);
    pair_close(p);
}

static void test_never_attached(void **state)
{
    /* Aim: a worker to which no manager ever speaks ends after the default lease. */
    (void)state;
    static const promp_id_t id = {{9}};
    pair_t p = {
        .now = 1000, .core = promp_worker_core_new(&id, 1000), .manager = promp_session_new(&id, true)};
    pair_ops->path(p.core, true, false, &id, p.now);
    p.deaf = p.mute = true;
    pair_run(&p, PROMP_TIMEOUT_DEFAULT - 5);
    assert_int_equal(pair_act(&p), PROMP_WORKER_ACT_NONE);
    pair_run(&p, 5);
    assert_int_equal(pair_act(&p), PROMP_WORKER_ACT_DIE);
    pair_close(&p);
}

static void test_reset(void **state)
{
    /* Aim: RESET stops the worker; a task that goes on all the same is ended a second later. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    promp_session_over(p->manager, PROMP_ERR_WORKER_STOPPED);
    pair_run(p, 0);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_ERR_WORKER_STOPPED);
    assert_true(promp_worker_core_stopped(p->core));
    assert_true(promp_worker_core_aborted(p->core, false));
    assert_int_equal(promp_worker_core_output(p->core, 1, promp_slice("x", 1)), PROMP_ERR_CLOSED);
    assert_int_equal(promp_worker_core_progress(p->core, 1), PROMP_ERR_CLOSED);
    pair_run(p, PROMP_TIME_ABORT - 5);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_ERR_CLOSED);
    assert_int_equal(pair_begin(p), 0);
    pair_run(p, 10);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_DIE);
    pair_close(p);
}

static void test_node_lost(void **state)
{
    /* Aim: when the node is gone for good the process ends at once. */
    (void)state;
    static const promp_id_t node;
    pair_t *p = pair_open();
    pair_ops->path(p->core, false, true, &node, p->now);
    pair_run(p, 0);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_DIE);
    pair_close(p);
}

/* --- hostile managers --- */

/* The record ends the session with this error, at both ends; the honest pair beside it lives. */
static void assert_breaks(promp_lane_t lane, uint16_t type, const void *body, size_t size, promp_err_t error)
{
    pair_t *p = pair_open();
    promp_slice_t part = promp_slice(body, size);
    assert_int_equal(promp_session_send(p->manager, lane, type, &part, 1), PROMP_OK);
    pair_run(p, 10);
    assert_int_equal(promp_worker_core_state(p->core), error);
    assert_int_equal(promp_session_state(p->manager), PROMP_SESSION_OVER);
    assert_int_equal(promp_session_error(p->manager), error);
    pair_close(p);
}

static void assert_message_breaks(const promp_message_t *message, promp_err_t error)
{
    promp_buf_t body = {0};
    assert_int_equal(promp_message_encode(message, &body), PROMP_OK);
    promp_lane_t lane = promp_message_row(message->type)->on - PROMP_ON_CONTROL;
    assert_breaks(lane, message->type, body.data, body.size, error);
    promp_buf_free(&body);
}

static void test_hostile_records(void **state)
{
    /* Aim: each record that a manager may not send ends the session with its number and no crash. */
    (void)state;
    assert_message_breaks(&pair_setup, PROMP_ERR_MESSAGE_STATE); /* a second one */
    assert_breaks(PROMP_LANE_CONTROL, PROMP_TYPE_SETUP, "abc", 3, PROMP_ERR_MESSAGE_FIELD);
    assert_breaks(PROMP_LANE_MESSAGES, PROMP_TYPE_TASK, "abc", 3, PROMP_ERR_MESSAGE_FIELD);
    assert_breaks(PROMP_LANE_MESSAGES, PROMP_TYPE_USER_MESSAGE, "", 0, PROMP_ERR_MESSAGE_FIELD);
    static const uint64_t numbers[] = {0, 2, UINT64_MAX};
    for (size_t i = 0; i < 3; i++)
        assert_message_breaks(&(promp_message_t){PROMP_TYPE_TASK, .task = {.number = numbers[i]}},
                              PROMP_ERR_MESSAGE_FIELD);
    assert_message_breaks(&(promp_message_t){PROMP_TYPE_USER_MESSAGE, .user_message = {.id = 0x80000000u}},
                          PROMP_ERR_MESSAGE_FIELD);
}

static void test_hostile_setup(void **state)
{
    /* Aim: a SETUP with a lease outside its limits is refused. */
    (void)state;
    static const uint32_t leases[] = {0, PROMP_TIMEOUT_MIN - 1, PROMP_TIMEOUT_MAX + 1u, UINT32_MAX};
    for (size_t i = 0; i < sizeof leases / sizeof *leases; i++) {
        pair_t p;
        pair_connect(&p);
        promp_message_t bad = pair_setup;
        bad.setup.timeout_ms = leases[i];
        pair_post(&p, &bad);
        pair_run(&p, 0);
        assert_null(promp_worker_core_setup(p.core));
        assert_int_equal(promp_worker_core_state(p.core), PROMP_ERR_MESSAGE_FIELD);
        pair_close(&p);
    }
}

static void test_hostile_abort(void **state)
{
    /* Aim: an abort of all numbers there are leaves a core that works by its rules: later tasks are dropped. */
    (void)state;
    pair_t *p = pair_open();
    pair_abort(p, UINT64_MAX, UINT64_MAX);
    pair_assert_done(p, UINT64_MAX, 2);
    pair_give(p);
    pair_run(p, 0);
    assert_int_equal(pair_begin(p), 0);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_OK);
    pair_close(p);
}

static void test_foreign_frame(void **state)
{
    /* Aim: a frame of another session is not ours and changes nothing. */
    (void)state;
    pair_t *p = pair_open();
    promp_frame_t frame = {.size = PROMP_FRAME_HEADER, .type = PROMP_TYPE_REATTACH, .session = {{5}}};
    bool mine = true;
    assert_int_equal(pair_ops->frame(p->core, &frame, &mine, p->now), PROMP_OK);
    assert_false(mine);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_OK);
    pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease),          cmocka_unit_test(test_slept),
        cmocka_unit_test(test_never_attached), cmocka_unit_test(test_reset),
        cmocka_unit_test(test_node_lost),      cmocka_unit_test(test_hostile_records),
        cmocka_unit_test(test_hostile_setup),  cmocka_unit_test(test_hostile_abort),
        cmocka_unit_test(test_foreign_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
