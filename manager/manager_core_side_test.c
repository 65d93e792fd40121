/* Direct ways as the manager's core sees them: how often they are made, and what they tell of a worker's end. */
#include "core_rig.h"

#include <string.h>

#define RECORD (PROMP_RECORD_HEAD + 1 + 4 + 4) /* one of four bytes of output */

static bool wanted(rig_t *rig)
{
    promp_id_t session;
    return promp_manager_core_side_wanted(rig->core, &session);
}

static promp_worker_exit_t end_of(rig_t *rig, uint32_t id)
{
    promp_worker_exit_t end;
    char log[256] = "";
    rig_process(rig, log, sizeof log);
    assert_true(promp_manager_core_exit(rig->core, id, &end));
    return end;
}

/* It has a direct way, has said "here", and the way is over like this when the node says so much. */
static promp_worker_exit_t end_with(rig_t *rig, promp_way_t way, uint32_t lanes, uint64_t output_seen)
{
    uint32_t id = rig_start(rig, PROMP_OPT_REDIRECT, true);
    (void)wanted(rig);
    rig_side(rig, id, PROMP_WAY_OPEN);
    rig_output(rig, id, "here");
    rig_side(rig, id, way);
    rig_gone_as(rig, id, PROMP_ERR_WORKER_SIGNALLED, lanes, output_seen);
    return end_of(rig, id);
}

static void certain(void **state)
{
    /* Nothing is missing for certain: the node has seen all; or the direct way was read to its end, or never used. */
    const struct {
        promp_way_t way;
        uint32_t lanes;
    } cases[] = {{PROMP_WAY_CUT, 1}, {PROMP_WAY_READ_OUT, 2}, {PROMP_WAY_UNUSED, 2}};
    for (size_t i = 0; i < 3; i++) {
        promp_worker_exit_t end = end_with(*state, cases[i].way, cases[i].lanes, RECORD);
        assert_false(end.unsure);
        assert_int_equal(end.lost_output, 0);
    }
}

static void uncertain(void **state)
{
    /* A way that broke, or a node that has not seen all: nobody knows, and the end says so. */
    const struct {
        promp_way_t way;
        uint32_t lanes;
    } cases[] = {{PROMP_WAY_CUT, 2}, {PROMP_WAY_READ_OUT, 0}, {PROMP_WAY_UNUSED, 0}, {PROMP_WAY_CUT, 0}};
    for (size_t i = 0; i < 4; i++) {
        promp_worker_exit_t end = end_with(*state, cases[i].way, cases[i].lanes, 0);
        assert_true(end.unsure);
        assert_int_equal(end.lost_output, 0);
    }
}

static void seen_by_the_node(void **state)
{
    /* What the node has seen of its output and could not pass on is known to be lost. */
    promp_worker_exit_t end = end_with(*state, PROMP_WAY_READ_OUT, 2, RECORD + 100);
    assert_false(end.unsure);
    assert_int_equal(end.lost_output, 100);
}

static void gap(void **state)
{
    /* Output behind a gap that never closes was heard of: it and what is missing are lost. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, PROMP_OPT_REDIRECT, true);
    uint8_t piece[7] = {0};
    const promp_frame_t frame = {.size = PROMP_FRAME_HEADER + sizeof piece,
                                 .type = PROMP_TYPE_DATA,
                                 .lane = PROMP_LANE_OUTPUT,
                                 .epoch = 1,
                                 .session = rig->worker[id - 1].key,
                                 .offset = RECORD,
                                 .body = promp_slice(piece, sizeof piece)};
    bool mine;
    rig_side(rig, id, PROMP_WAY_OPEN);
    assert_int_equal(promp_manager_core_ops.frame(rig->core, &frame, &mine, rig->now), PROMP_OK);
    assert_true(mine);
    rig_side(rig, id, PROMP_WAY_READ_OUT);
    rig_gone_as(rig, id, PROMP_ERR_WORKER_SIGNALLED, 2, 0);
    assert_int_equal(end_of(rig, id).lost_output, RECORD + sizeof piece);
}

static void lost_node(void **state)
{
    /* A worker that went with its node may have said more. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, PROMP_OPT_REDIRECT, true);
    rig_path(rig, false, true);
    promp_worker_exit_t end = end_of(rig, id);
    assert_int_equal(end.cause, PROMP_ERR_WORKER_NODE_LOST);
    assert_true(end.unsure);
}

/* How many ways are made when each breaks after so many ms; no more than `most`. */
static int made(rig_t *rig, uint32_t id, int64_t stands, int most)
{
    int count = 0;
    while (count < most && wanted(rig)) {
        count++;
        rig_side(rig, id, PROMP_WAY_OPEN);
        rig_sleep(rig, stands);
        rig_side(rig, id, PROMP_WAY_CUT);
        rig_pump(rig); /* it is attached anew */
    }
    return count;
}

static void breaks_at_once(void **state)
{
    /* A way that always breaks at once is let be; with a new link to the node it is tried again. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    int before = made(rig, id, 0, 100);
    assert_in_range(before, 2, 20);
    rig_path(rig, false, false);
    rig_path(rig, true, false);
    rig_pump(rig);
    assert_int_equal(made(rig, id, 0, 100), before);
}

static void breaks_now_and_then(void **state)
{
    /* Ways that stood for a while before they broke do not count, however many they are. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    assert_int_equal(made(rig, id, 10000, 30), 30);
}

static void reconnects(void **state)
{
    /* Each new link to the node gets a direct way again, however often. */
    rig_t *rig = *state;
    uint32_t id = rig_start(rig, 0, true);
    for (int i = 0; i < 30; i++) {
        assert_true(wanted(rig));
        rig_side(rig, id, PROMP_WAY_OPEN);
        rig_side(rig, id, PROMP_WAY_CUT);
        rig_path(rig, false, false);
        rig_path(rig, true, false);
        rig_pump(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_CASE(certain),   RIG_CASE(uncertain),      RIG_CASE(seen_by_the_node),    RIG_CASE(gap),
        RIG_CASE(lost_node), RIG_CASE(breaks_at_once), RIG_CASE(breaks_now_and_then), RIG_CASE(reconnects),
    };
    return cmocka_run_group_tests_name("manager_core_side", tests, NULL, NULL);
}
