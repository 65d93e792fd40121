/* Routes and limits of the relay, and peers that break the rules. */
#include "agent_world.h"

static promp_err_t refused(world_t *w, uint32_t link)
{
    const seen_t *s = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_REFUSED, link);

    assert_int_equal(count_of(w, PROMP_AGENT_CLOSE, 0, link), 1);
    assert_true(s->message.refused.text.size > 0);
    return (promp_err_t)s->message.refused.error;
}

static void flush_all(world_t *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->seen[i].effect.kind == PROMP_AGENT_FORWARD && w->seen[i].effect.tag)
            promp_agent_core_flushed(w->core, w->seen[i].effect.tag, w->seen[i].frame.size);
    forget(w);
}

static void both_ways(void **state)
{
    /* Data goes through between the two ends of a session, as it is, with a tag. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);
    const seen_t *s;

    attach(w, m, 1, 1, 0);
    data(w, m, 1, 1, PROMP_LANE_MESSAGES, 0, 10);
    s = last_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, worker);
    assert_false(s->effect.urgent);
    assert_int_not_equal(s->effect.tag, 0);
    data(w, worker, 1, 1, PROMP_LANE_MESSAGES, 0, 10);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, m), 1);
}

static promp_msg_gone_t gone_of(world_t *w, uint32_t m, uint32_t worker)
{
    promp_agent_core_closed(w->core, worker, PROMP_ERR_CLOSED, w->now);
    exited(w, 1, PROMP_ERR_WORKER_EXITED, 0, 0);
    return last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m)->message.gone;
}

static void attached(world_t *w, uint32_t worker, uint32_t epoch)
{
    say(w, worker, &(promp_message_t){.type = PROMP_TYPE_ATTACHED}, 1, epoch);
}

static void direct_way(void **state)
{
    /* After a direct way was given GONE says so, also when the answer to an earlier ATTACH is told twice. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    attach(w, m, 1, 1, 0);
    attached(w, worker, 1);
    simple(w, m, PROMP_TYPE_LEND, 1);
    attached(w, worker, 1);
    data(w, worker, 1, 1, PROMP_LANE_OUTPUT, 0, 10);
    promp_msg_gone_t gone = gone_of(w, m, worker);
    assert_int_equal(gone.lanes, 2);
    assert_int_equal(gone.end_output, 10);
}

static void direct_way_given_up(void **state)
{
    /* Once the worker has answered a new ATTACH over us we see everything again; not before. */
    for (int answered = 0; answered < 2; answered++) {
        world_t *w = *state;
        uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

        attach(w, m, 1, 1, 0);
        attached(w, worker, 1);
        simple(w, m, PROMP_TYPE_LEND, 1);
        attach(w, m, 1, 2, 0);
        if (answered)
            attached(w, worker, 2);
        assert_int_equal(gone_of(w, m, worker).lanes, answered ? 1 : 2);
        teardown(state);
        setup(state);
    }
}

static void link_with_more(void **state)
{
    /* A worker's link that was not read to its clean end leaves the ends of the lanes unknown. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);

    attach(w, m, 1, 1, 0);
    attached(w, worker, 1);
    promp_agent_core_closed(w->core, worker, PROMP_ERR_FRAME_TRUNCATED, w->now);
    exited(w, 1, PROMP_ERR_WORKER_SIGNALLED, 0, 9);
    assert_int_equal(last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_GONE, m)->message.gone.lanes, 0);
}

static void congestion(void **state)
{
    /* What exceeds the limit of a session is dropped and told with lane and offset; others on the link go on, and
     * flushing makes room again. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), slow = start(w, m, 1), other = start(w, m, 2);
    const size_t piece = 200 * 1024;
    const size_t fit = PROMP_LIMIT_RELAY_SESSION / promp_frame_size(piece);
    const seen_t *s;

    attach(w, m, 1, 1, 0);
    attach(w, m, 2, 1, 0);
    for (size_t i = 0; i <= fit; i++)
        data(w, m, 1, 1, PROMP_LANE_MESSAGES, i * piece, piece);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, slow), fit);
    s = last_of(w, PROMP_AGENT_SEND, PROMP_TYPE_CONGESTED, m);
    assert_int_equal(s->frame.lane, PROMP_LANE_MESSAGES);
    assert_int_equal(s->frame.offset, fit * piece);
    assert_int_equal(s->frame.epoch, 1);
    data(w, m, 2, 1, PROMP_LANE_MESSAGES, 0, piece);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, other), 1);
    flush_all(w);
    data(w, m, 1, 1, PROMP_LANE_MESSAGES, fit * piece, piece);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, slow), 1);
}

static void late_flush(void **state)
{
    /* A tag of a session that is gone, or of an older link, counts for nobody. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1);
    uint64_t tag;

    attach(w, m, 1, 1, 0);
    data(w, worker, 1, 1, PROMP_LANE_OUTPUT, 0, 1000);
    tag = last_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, m)->effect.tag;
    promp_agent_core_closed(w->core, worker, PROMP_ERR_CLOSED, w->now);
    exited(w, 1, PROMP_ERR_WORKER_EXITED, 0, 0);
    simple(w, m, PROMP_TYPE_GONE_ACK, 1);
    worker = start(w, m, 3);
    attach(w, m, 3, 1, 0);
    data(w, worker, 3, 1, PROMP_LANE_OUTPUT, 0, 1000);
    promp_agent_core_flushed(w->core, tag, 1040);
    promp_agent_core_flushed(w->core, UINT64_MAX, 5);
    assert_int_not_equal(tag, last_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_DATA, m)->effect.tag);
}

static void strangers(void **state)
{
    /* Nobody reaches the session of another process, nor a worker one that is not below it; the owner goes on. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1), thief, lower = start(w, worker, 2);
    promp_message_t kill = {.type = PROMP_TYPE_KILL, .kill = {.cause = PROMP_ERR_WORKER_ABORTED}};

    for (int i = 0; i < 4; i++) {
        thief = open_manager(w, 51);
        forget(w);
        if (i == 0)
            attach(w, thief, 1, 9, 0);
        else if (i == 1)
            say(w, thief, &kill, 1, 0);
        else if (i == 2)
            data(w, thief, 1, 1, PROMP_LANE_CONTROL, 0, 10);
        else
            start_with(w, thief, 1, LEASE);
        assert_int_equal(refused(w, thief), PROMP_ERR_SESSION_FOREIGN);
    }
    thief = open_manager(w, 50); /* the manager of 1 is not that of 2 */
    forget(w);
    say(w, thief, &kill, 2, 0);
    assert_int_equal(refused(w, thief), PROMP_ERR_SESSION_FOREIGN);
    forget(w);
    attach(w, m, 1, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, worker), 1);
    say(w, lower, &kill, 1, 0); /* a worker about its parent's session */
    assert_int_equal(refused(w, lower), PROMP_ERR_SESSION_FOREIGN);
    assert_int_equal(last_of(w, PROMP_AGENT_TO_KEEPER, PROMP_TYPE_SLAY, PROMP_AGENT_NONE)->message.slay.cause,
                     PROMP_ERR_WORKER_PROTOCOL);
}

static void second_link_of_the_owner(void **state)
{
    /* Another link of the same process gets a session only when the first has been silent for a beat. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1), again = open_manager(w, 50);

    attach(w, again, 1, 2, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_NO_ROUTE, again), 1);
    live(w, LEASE / 5, &worker, 1);
    attach(w, again, 1, 2, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, worker), 1);
}

static void other_user(void **state)
{
    /* Another user is turned away before a word. */
    world_t *w = *state;
    promp_agent_peer_t peer = {.pid = 60, .uid = 8, .start = 1};
    uint32_t link = promp_agent_core_opened(w->core, &peer, w->now);

    drain(w);
    assert_int_equal(refused(w, link), PROMP_ERR_FOREIGN_USER);
}

static void too_many_links(void **state)
{
    /* One manager more than allowed is refused, unless it comes back to its workers; after one has left there is
     * room. */
    world_t *w = *state;
    uint32_t back = open_manager(w, 50);

    start(w, back, 1);
    promp_agent_core_closed(w->core, back, PROMP_ERR_CLOSED, w->now);
    promp_agent_peer_t peer = {.pid = 60, .uid = 7, .start = 1};
    uint32_t first = open_manager(w, 60), link = first;

    for (size_t i = 0; i < PROMP_LIMIT_LINKS; i++) {
        forget(w);
        link = promp_agent_core_opened(w->core, &peer, w->now);
        drain(w);
    }
    assert_int_equal(refused(w, link), PROMP_ERR_LIMIT_LINKS);
    forget(w);
    back = open_manager(w, 50); /* who has a worker here, and no other link */
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_WELCOME, back), 1);
    peer = (promp_agent_peer_t){.pid = 50, .uid = 7, .start = 500};
    link = promp_agent_core_opened(w->core, &peer, w->now);
    drain(w);
    assert_int_equal(refused(w, link), PROMP_ERR_LIMIT_LINKS);
    simple(w, back, PROMP_TYPE_BYE, 0);
    forget(w);
    promp_agent_core_closed(w->core, first, PROMP_ERR_CLOSED, w->now);
    drain(w);
    link = open_manager(w, 61);
    assert_int_equal(count_of(w, PROMP_AGENT_SEND, PROMP_TYPE_WELCOME, link), 1);
}

static void hostile_frames(void **state)
{
    /* Frames of the wrong kind, sender or state: a number and the end of that link; the honest one is not touched. */
    world_t *w = *state;
    uint32_t m = open_manager(w, 50), worker = start(w, m, 1), bad;
    const struct {
        uint8_t type, fds;
        const char *body;
        promp_err_t error;
    } cases[] = {
        {63, 0, "", PROMP_ERR_MESSAGE_UNKNOWN},
        {PROMP_TYPE_NO_ROUTE, 0, "", PROMP_ERR_MESSAGE_SENDER},
        {PROMP_TYPE_CONGESTED, 0, "", PROMP_ERR_MESSAGE_SENDER},
        {PROMP_TYPE_GONE, 0, "", PROMP_ERR_MESSAGE_SENDER},
        {PROMP_TYPE_SPAWN, 0, "", PROMP_ERR_MESSAGE_SENDER},
        {PROMP_TYPE_REST, 0, "", PROMP_ERR_MESSAGE_SENDER},
        {PROMP_TYPE_KILL, 0, "x", PROMP_ERR_MESSAGE_FIELD},
        {PROMP_TYPE_START, 0, "", PROMP_ERR_MESSAGE_FIELD},
        {PROMP_TYPE_BEAT, 1, "", PROMP_ERR_DESCRIPTOR_COUNT},
        {PROMP_TYPE_HELLO, 0, "", PROMP_ERR_MESSAGE_STATE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        promp_frame_t frame = {.size = promp_frame_size(strlen(cases[i].body)),
                               .type = cases[i].type,
                               .fds = cases[i].fds,
                               .session = id_of(99),
                               .body = promp_slice_str(cases[i].body)};

        bad = open_manager(w, 51);
        forget(w);
        promp_agent_core_frame(w->core, bad, &frame, w->now);
        drain(w);
        assert_int_equal(refused(w, bad), cases[i].error);
    }
    attach(w, m, 1, 1, 0);
    assert_int_equal(count_of(w, PROMP_AGENT_FORWARD, PROMP_TYPE_ATTACH, worker), 1);
}

static void before_hello(void **state)
{
    /* Nothing but HELLO comes first, and only in a version that both speak and with the role of that link. */
    world_t *w = *state;
    promp_agent_peer_t peer = {.pid = 60, .uid = 7, .start = 1};
    const promp_msg_hello_t hellos[] = {
        {.version_low = PROMP_VERSION_HIGH + 1, .version_high = 99, .role = 1},
        {.version_low = 3, .version_high = 1, .role = 1},
        {.version_low = 1, .version_high = 1, .role = 2}};
    const promp_err_t errors[] = {PROMP_ERR_VERSION, PROMP_ERR_MESSAGE_FIELD, PROMP_ERR_MESSAGE_SENDER};
    uint32_t link = promp_agent_core_opened(w->core, &peer, w->now);

    drain(w);
    attach(w, link, 1, 1, 0);
    assert_int_equal(refused(w, link), PROMP_ERR_MESSAGE_STATE);
    for (size_t i = 0; i < 3; i++) {
        promp_message_t m = {.type = PROMP_TYPE_HELLO, .hello = hellos[i]};

        forget(w);
        link = promp_agent_core_opened(w->core, &peer, w->now);
        say(w, link, &m, 0, 0);
        assert_int_equal(refused(w, link), errors[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(both_ways),  CASE(direct_way),     CASE(direct_way_given_up), CASE(link_with_more),
        CASE(congestion), CASE(late_flush),     CASE(strangers),           CASE(second_link_of_the_owner),
        CASE(other_user), CASE(too_many_links), CASE(hostile_frames),      CASE(before_hello),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
