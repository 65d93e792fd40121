/* Tasks of the worker's core: their order, their ends, abort and stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "worker_core_pair.h"

/* --- tasks --- */

static void test_setup(void **state)
{
    /* Aim: what SETUP says is there, and only from then on. */
    (void)state;
    pair_t p;
    pair_connect(&p);
    assert_null(promp_worker_core_setup(p.core));
    assert_int_equal(pair_ops->lease(p.core), 0);
    promp_message_t full = pair_setup;
    full.setup.extra = promp_slice("\xa0", 1);
    full.setup.address = promp_slice("ipc:///x", 8);
    pair_post(&p, &full);
    pair_run(&p, 0);
    const promp_worker_setup_t *s = promp_worker_core_setup(p.core);
    assert_non_null(s);
    assert_int_equal(s->worker, 7);
    assert_int_equal(s->level, 2);
    assert_int_equal(s->options, 1);
    assert_int_equal(s->extra.size, 1);
    assert_string_equal(s->address, "ipc:///x");
    assert_int_equal(pair_ops->lease(p.core), 1000);
    pair_close(&p);
}

static void test_tasks_in_order(void **state)
{
    /* Aim: tasks run one after the other in the order given, also those that came before READY; each end is told. */
    (void)state;
    pair_t *p = pair_open();
    for (int i = 0; i < 3; i++)
        pair_give(p);
    pair_run(p, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_true(promp_worker_core_has_task(p->core));
        assert_int_equal(pair_begin(p), i);
        assert_int_equal(promp_worker_core_running(p->core), i);
        assert_false(promp_worker_core_has_task(p->core)); /* one at a time */
        assert_int_equal(pair_begin(p), 0);
        assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_OK);
        pair_run(p, 0);
        pair_assert_done(p, i, 0);
    }
    assert_int_equal(pair_begin(p), 0);
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_ERR_STATE);
    pair_close(p);
}

static void test_task_before_setup(void **state)
{
    /* Aim: a task whose lane was faster than SETUP's waits for it. */
    (void)state;
    pair_t p;
    pair_connect(&p);
    p.lane_off[PROMP_LANE_CONTROL] = true;
    pair_post(&p, &pair_setup);
    pair_give(&p);
    pair_run(&p, 0);
    assert_false(promp_worker_core_has_task(p.core));
    p.lane_off[PROMP_LANE_CONTROL] = false;
    pair_run(&p, 2000); /* the lost piece is found and repeated */
    assert_int_equal(pair_begin(&p), 1);
    pair_close(&p);
}

static void test_end_names_lanes(void **state)
{
    /* Aim: DONE names the ends of messages and output at that moment; result, output and DONE are all queued. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    assert_int_equal(promp_worker_core_output(p->core, 1, promp_slice("hello", 5)), PROMP_OK);
    pair_return(p, "\x2a", 1);
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_OK);
    pair_run(p, 0);
    promp_message_t m = pair_take(p, PROMP_LANE_CONTROL);
    assert_int_equal(m.type, PROMP_TYPE_DONE);
    uint64_t end_messages = m.done.end_messages, end_output = m.done.end_output;
    m = pair_take(p, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_RESULT);
    assert_int_equal(m.result.task, 1);
    assert_memory_equal(m.result.value.data, "\x2a", 1);
    assert_int_equal(promp_session_taken(p->manager, PROMP_LANE_MESSAGES), end_messages);
    m = pair_take(p, PROMP_LANE_OUTPUT);
    assert_int_equal(m.type, PROMP_TYPE_OUTPUT);
    assert_memory_equal(m.output.text.data, "hello", 5);
    assert_int_equal(promp_session_taken(p->manager, PROMP_LANE_OUTPUT), end_output);
    pair_close(p);
}

static void test_failure_texts(void **state)
{
    /* Aim: a failure arrives whatever its texts hold: bytes that are no UTF-8, too much of them, none. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    char *trace = malloc(PROMP_LIMIT_TRACE + 100);
    memset(trace, 'x', PROMP_LIMIT_TRACE + 99);
    trace[PROMP_LIMIT_TRACE + 99] = 0;
    assert_int_equal(promp_worker_core_failure(p->core, PROMP_ERR_TASK_FAILED, NULL, "a\xff b", trace),
                     PROMP_OK);
    free(trace);
    pair_run(p, 0);
    for (int i = 0; i < 20; i++)
        pair_run(p, 5); /* larger than the window: acknowledgements are needed */
    promp_message_t m = pair_take(p, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_FAILURE);
    assert_int_equal(m.failure.error, PROMP_ERR_TASK_FAILED);
    assert_int_equal(m.failure.kind.size, 0);
    assert_memory_equal(m.failure.text.data, "a? b", 4);
    assert_int_equal(m.failure.trace.size, PROMP_LIMIT_TRACE);
    pair_close(p);
}

/* --- abort and stop --- */

static void test_abort_drops_waiting(void **state)
{
    /* Aim: an abort drops what has not begun; the running one ends by itself and then all of it is told as over. */
    (void)state;
    pair_t *p = pair_open();
    for (int i = 0; i < 4; i++)
        pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    assert_false(promp_worker_core_aborted(p->core, false));
    pair_abort(p, 3, 1000);
    assert_true(promp_worker_core_aborted(p->core, false));
    assert_int_equal(promp_worker_core_finish(p->core, 2), PROMP_OK);
    pair_run(p, 0);
    pair_assert_done(p, 1, 2);
    pair_assert_done(p, 3, 2);
    assert_int_equal(pair_begin(p), 4); /* was not meant */
    assert_false(promp_worker_core_aborted(p->core, false));
    pair_close(p);
}

static void test_abort_before_record(void **state)
{
    /* Aim: an abort that overtakes the record of a task ends it; the record is dropped when it comes. */
    (void)state;
    pair_t *p = pair_open();
    p->lane_off[PROMP_LANE_MESSAGES] = true;
    pair_give(p);
    pair_give(p);
    pair_run(p, 0);
    pair_abort(p, 2, 1000);
    pair_assert_done(p, 2, 2);
    p->lane_off[PROMP_LANE_MESSAGES] = false;
    pair_give(p);
    pair_run(p, 3000);
    assert_int_equal(pair_begin(p), 3);
    assert_false(promp_worker_core_aborted(p->core, false));
    pair_close(p);
}

static void test_abort_idle(void **state)
{
    /* Aim: an abort that finds everything done leaves no flag and tells nothing; an old one spares a newer task. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    promp_worker_core_finish(p->core, 0);
    pair_run(p, 0);
    pair_assert_done(p, 1, 0);
    pair_abort(p, 1, 1000);
    assert_false(promp_worker_core_aborted(p->core, false));
    assert_int_equal(pair_take(p, PROMP_LANE_CONTROL).type, 0);
    pair_give(p);
    pair_run(p, 0);
    assert_int_equal(pair_begin(p), 2);
    pair_abort(p, 1, 1000);
    assert_false(promp_worker_core_aborted(p->core, false));
    pair_run(p, 2000);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_close(p);
}

static void test_abort_escalates(void **state)
{
    /* Aim: interrupt at T/2, terminate at 0.9 T, each once and naming the task. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    assert_false(promp_worker_core_aborted(p->core, true)); /* a look before it came does not count */
    pair_abort(p, 1, 1000);
    assert_true(promp_worker_core_aborted(p->core, false)); /* nor does one of ours */
    int64_t start = p->now;
    uint64_t task = 0;
    pair_run(p, 495);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_run(p, start + 500 - p->now);
    assert_int_equal(promp_worker_core_act(p->core, &task), PROMP_WORKER_ACT_INTERRUPT);
    assert_int_equal(task, 1);
    pair_run(p, start + 895 - p->now);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_run(p, start + 900 - p->now);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_TERMINATE);
    pair_run(p, 2000);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_close(p);
}

static void test_abort_looked_at(void **state)
{
    /* Aim: a task that has asked for the flag is not interrupted, but terminated when it does not end all the same. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    pair_abort(p, 1, 1000);
    assert_true(promp_worker_core_aborted(p->core, true));
    pair_run(p, 890);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_run(p, 20);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_TERMINATE);
    pair_close(p);
}

static void test_abort_obeyed(void **state)
{
    /* Aim: the steps of an abort end with its task, those not yet taken by the shell too; T = 0 has none. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    pair_abort(p, 1, 100);
    pair_run(p, 60); /* INTERRUPT is pending */
    promp_worker_core_finish(p->core, 2);
    assert_int_equal(pair_begin(p), 2);
    pair_run(p, 1000);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_abort(p, 2, 0);
    assert_true(promp_worker_core_aborted(p->core, false));
    pair_run(p, 1000);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_close(p);
}

static void test_abort_again_sooner(void **state)
{
    /* Aim: a second abort with less patience counts, one with more does not prolong the first. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    pair_abort(p, 1, 100000);
    pair_abort(p, 1, 100);
    pair_abort(p, 1, UINT64_MAX);
    pair_run(p, 55);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_INTERRUPT);
    pair_run(p, 50);
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_TERMINATE);
    pair_close(p);
}

static void test_stop(void **state)
{
    /* Aim: stop sets both flags, drops what waits and what comes, lets the running task end in good order. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    assert_int_equal(promp_worker_core_state(p->core), PROMP_OK);
    promp_session_urge(p->manager, PROMP_SLOT_STOP, 0, 0);
    pair_run(p, 0);
    assert_true(promp_worker_core_stopped(p->core));
    assert_true(promp_worker_core_aborted(p->core, false));
    assert_int_equal(promp_worker_core_state(p->core), PROMP_ERR_CLOSED);
    pair_return(p, "\x01", 1);
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_OK);
    assert_false(promp_worker_core_settled(p->core));
    pair_give(p);
    pair_run(p, 100);
    assert_false(promp_worker_core_has_task(p->core));
    assert_int_equal(pair_take(p, PROMP_LANE_MESSAGES).type, PROMP_TYPE_RESULT);
    pair_assert_done(p, 1, 0);
    pair_run(p, 100);
    assert_true(promp_worker_core_settled(p->core));
    assert_int_equal(pair_act(p), PROMP_WORKER_ACT_NONE);
    pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setup),
        cmocka_unit_test(test_tasks_in_order),
        cmocka_unit_test(test_task_before_setup),
        cmocka_unit_test(test_end_names_lanes),
        cmocka_unit_test(test_failure_texts),
        cmocka_unit_test(test_abort_drops_waiting),
        cmocka_unit_test(test_abort_before_record),
        cmocka_unit_test(test_abort_idle),
        cmocka_unit_test(test_abort_escalates),
        cmocka_unit_test(test_abort_looked_at),
        cmocka_unit_test(test_abort_obeyed),
        cmocka_unit_test(test_abort_again_sooner),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
