/* Starts that a broker puts in its queue, and what gets lost behind one. */
#include "core_rig.h"

#include <stdlib.h>

static const promp_message_t started = {.type = PROMP_TYPE_STARTED, .started.pid = 4711};
static const promp_message_t ready = {.type = PROMP_TYPE_READY, .ready.pid = 4711};

static void refuse(rig_t *rig, uint32_t id, promp_err_t error, const char *text)
{
    const promp_message_t message = {.type = PROMP_TYPE_START_REFUSED,
                                     .start_refused = {.error = error, .text = promp_slice_str(text)}};
    rig_answer(rig, id, &message);
}

static int setup(void **state)
{
    rig_setup(state);
    rig_t *rig = *state;
    promp_manager_core_set_remote(rig->core, true);
    rig->queue = true;
    return 0;
}

static void expect_exit(rig_t *rig, uint32_t id, promp_err_t cause)
{
    promp_worker_exit_t end;
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_int_equal(end.cause, cause);
    assert_false(promp_manager_core_worker_alive(rig->core, id));
    assert_int_equal(promp_manager_core_alive(rig->core), 0);
    assert_int_equal(promp_manager_core_unsettled(rig->core), 0);
}

static void queued_is_accepted(void **state)
{
    /* QUEUED: the user has his worker, which lives and is not ready; what he gives waits until it is there. */
    rig_t *rig = *state;
    promp_error_t error;
    uint32_t id = rig_start(rig, 0, false);
    assert_true(promp_manager_core_answer(rig->core, id, &error));
    assert_int_equal(error.code, PROMP_OK);
    assert_true(promp_manager_core_worker_alive(rig->core, id));
    assert_false(promp_manager_core_worker_ready(rig->core, id));
    assert_int_equal(promp_manager_core_pid(rig->core, id), 0);
    assert_int_equal(promp_manager_core_alive(rig->core), 1);
    rig_task(rig, id);
    rig_sleep(rig, 60000); /* as long as the broker is there */
    assert_true(promp_manager_core_worker_alive(rig->core, id));
    assert_int_equal(rig->worker[0].started, 1);
    assert_int_equal(rig->worker[0].tasks, 0);
    rig_answer(rig, id, &started);
    rig_send(rig, id, PROMP_LANE_CONTROL, &ready);
    assert_true(promp_manager_core_worker_ready(rig->core, id));
    assert_int_equal(promp_manager_core_pid(rig->core, id), 4711);
    assert_int_equal(rig->worker[0].tasks, 1);
    assert_int_equal(promp_manager_core_alive(rig->core), 1);
    rig_answer(rig, id, &(promp_message_t){.type = PROMP_TYPE_QUEUED}); /* late: it means nothing */
    assert_true(promp_manager_core_worker_ready(rig->core, id));
    rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, true);
    expect_exit(rig, id, PROMP_ERR_WORKER_EXITED);
}

static void who_waits_knows_why(void **state)
{
    /* Why a start waits is what the broker said last; who has a place, or is not known, does not wait. */
    rig_t *rig = *state;
    char text[256];

    uint32_t id = rig_start(rig, 0, false);
    assert_true(promp_manager_core_waits(rig->core, id, rig->now, text, sizeof text));
    assert_string_equal(text, "all places are in use");
    rig_answer(rig, id, &(promp_message_t){.type = PROMP_TYPE_QUEUED, .queued.ahead = 7});
    assert_true(promp_manager_core_waits(rig->core, id, rig->now, text, sizeof text));
    assert_string_equal(text, "all places are in use, and starts of the same key wait before it: 7");
    rig_answer(rig, id,
               &(promp_message_t){.type = PROMP_TYPE_QUEUED,
                                  .queued = {.reason = PROMP_ERR_NO_PLACE, .patience_ms = 30000}});
    assert_true(promp_manager_core_waits(rig->core, id, rig->now + 1500, text, sizeof text));
    assert_string_equal(
        text, "1307 NO_PLACE: no node can ever serve what the worker asks for; one may come in the next "
              "29 s");
    assert_int_equal(promp_manager_core_alive(rig->core), 1);
    assert_false(promp_manager_core_waits(rig->core, id + 1, rig->now, text, sizeof text));
    rig_answer(rig, id, &(promp_message_t){.type = PROMP_TYPE_STARTED, .started.pid = 4711});
    assert_false(promp_manager_core_waits(rig->core, id, rig->now, text, sizeof text));
    rig_answer(rig, id, &(promp_message_t){.type = PROMP_TYPE_QUEUED}); /* late */
    assert_false(promp_manager_core_waits(rig->core, id, rig->now, text, sizeof text));
}

static void start_is_said_again(void **state)
{
    /* A broker forgets its queue: START goes out on each path until STARTED, also to another broker. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, false);
    for (uint32_t i = 2; i < 5; i++) {
        rig->node.b[0] += i == 4;
        rig_path(rig, false, false);
        rig_sleep(rig, 500);
        rig_path(rig, true, false);
        rig_pump(rig);
        assert_int_equal(rig->worker[0].started, i);
    }
    rig_answer(rig, id, &started);
    rig_path(rig, false, false);
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].started, 4);
    assert_true(promp_manager_core_worker_alive(rig->core, id));
}

static void refused_in_the_queue(void **state)
{
    /* A refusal that comes later ends the worker, in the words of the refusal, and its tasks fail. */
    rig_t *rig = *state;
    promp_worker_exit_t end;
    char log[100] = "";
    uint32_t id = rig_start(rig, 0, false);
    rig_task(rig, id);
    refuse(rig, id, PROMP_ERR_NO_PLACE, "no such node");
    expect_exit(rig, id, PROMP_ERR_WORKER_START);
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    assert_non_null(strstr(end.text, "no such node"));
    assert_int_equal(rig->worker[0].kills, 0);
    rig_process(rig, log, sizeof log);
    rig_take_failure(rig, id, PROMP_ERR_WORKER_START, 1);
    assert_false(promp_manager_core_busy(rig->core));
}

static void stopped_in_the_queue(void **state)
{
    /* Who waits for a place has nothing to bring to its end: KILL at once, and the broker's word is what was asked for. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, false);
    promp_manager_core_stop(rig->core, id, rig->now);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_STOPPED);
    rig_path(rig, false, false); /* the broker starts anew, or the KILL got lost */
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].started, 1);
    assert_int_equal(rig->worker[0].kills, 2);
    refuse(rig, id, PROMP_ERR_NO_WORKER, "");
    expect_exit(rig, id, PROMP_ERR_WORKER_STOPPED);
}

static void abandoned_in_the_queue(void **state)
{
    /* Nobody waits for the answer any more: what is queued after all is ended, and forgotten. */
    rig_t *rig = *state;
    rig->mute = true;
    uint32_t id = rig_start(rig, 0, false);
    promp_manager_core_abandon(rig->core, id);
    rig_answer(rig, id, &(promp_message_t){.type = PROMP_TYPE_QUEUED});
    assert_int_equal(promp_manager_core_alive(rig->core), 0);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_STOPPED);
    refuse(rig, id, PROMP_ERR_WORKER_STOPPED, "");
    assert_int_equal(promp_manager_core_unsettled(rig->core), 0);
}

static void broker_stays_away(void **state)
{
    /* Without a broker for a whole time-out it is given up; a broker that comes back is told so. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, false);
    rig_path(rig, false, false);
    rig_sleep(rig, 1900);
    assert_true(promp_manager_core_worker_alive(rig->core, id));
    rig_sleep(rig, 200);
    expect_exit(rig, id, PROMP_ERR_WORKER_NODE_LOST);
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].started, 1);
    assert_int_equal(rig->worker[0].killed, PROMP_ERR_WORKER_NODE_LOST);
}

static void ended_in_the_queue(void **state)
{
    /* It started and ended while there was no way to us. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, false);
    rig_gone(rig, id, PROMP_ERR_WORKER_EXITED, false);
    expect_exit(rig, id, PROMP_ERR_WORKER_EXITED);
    assert_int_equal(rig->worker[0].acked, 1);
}

static void kill_is_repeated(void **state)
{
    /* A broker may forget a KILL, so it is said each second until GONE; a node on this host does not. */
    rig_t *rig = *state;
    rig->queue = false;
    uint32_t id = rig_start(rig, 0, true);
    promp_manager_core_kill(rig->core, id, PROMP_ERR_WORKER_STOPPED);
    rig_pump(rig);
    assert_int_equal(rig->worker[0].kills, 1);
    rig_sleep(rig, 3 * PROMP_TIME_ATTACH_MAX + 100);
    assert_int_equal(rig->worker[0].kills, 4);
    rig_gone(rig, id, PROMP_ERR_WORKER_STOPPED, false);
    rig_sleep(rig, 3000);
    assert_int_equal(rig->worker[0].kills, 4);

    promp_manager_core_set_remote(rig->core, false);
    id = rig_start(rig, 0, true);
    promp_manager_core_kill(rig->core, id, PROMP_ERR_WORKER_STOPPED);
    rig_sleep(rig, 3000);
    assert_int_equal(rig->worker[1].kills, 1);
}

static void no_direct_way(void **state)
{
    /* Behind a broker none is asked for. */
    rig_t *rig = *state;
    promp_id_t session;
    rig->queue = false;
    rig_start(rig, 0, true);
    assert_false(promp_manager_core_side_wanted(rig->core, &session));
    promp_manager_core_set_remote(rig->core, false);
    rig_start(rig, 0, true);
    assert_true(promp_manager_core_side_wanted(rig->core, &session));
}

static void what_it_asks_for(void **state)
{
    /* START carries what a worker asks of its node. */
    rig_t *rig = *state;
    promp_manager_core_start_t start = {.session = {{9}},
                                        .timeout = 2000,
                                        .program = "worker",
                                        .folder = "",
                                        .labels = "fast big",
                                        .node = "n1",
                                        .python = "3.11",
                                        .cpus = 1500,
                                        .gpus = 2,
                                        .memory = 1 << 30,
                                        .spread = true};
    promp_message_t m;
    promp_out_t out;
    uint32_t id;
    assert_int_equal(promp_manager_core_start(rig->core, &start, &id, rig->now), PROMP_OK);
    assert_true(promp_manager_core_ops.next(rig->core, &out, rig->room, rig->now));
    assert_int_equal(out.frame.type, PROMP_TYPE_START);
    assert_int_equal(promp_message_decode(PROMP_TYPE_START, out.part[0], PROMP_WHO_MANAGER, PROMP_WHO_BROKER,
                                          PROMP_AT_UP, PROMP_VERSION_HIGH, &m),
                     PROMP_OK);
    assert_memory_equal(m.start.labels.data, "fast big", m.start.labels.size);
    assert_memory_equal(m.start.node.data, "n1", m.start.node.size);
    assert_memory_equal(m.start.python.data, "3.11", m.start.python.size);
    assert_int_equal(m.start.cpus, 1500);
    assert_int_equal(m.start.gpus, 2);
    assert_int_equal(m.start.memory, 1 << 30);
    assert_int_equal(m.start.spread, 1);
    assert_int_equal(m.start.folder.size, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(queued_is_accepted),   CASE(who_waits_knows_why),  CASE(start_is_said_again),
        CASE(refused_in_the_queue), CASE(stopped_in_the_queue), CASE(abandoned_in_the_queue),
        CASE(broker_stays_away),    CASE(ended_in_the_queue),   CASE(kill_is_repeated),
        CASE(no_direct_way),        CASE(what_it_asks_for),
    };
    return cmocka_run_group_tests_name("manager_core_queue", tests, NULL, NULL);
}
