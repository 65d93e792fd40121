/* What flows beside tasks: progress, messages, output, large values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "worker_core_pair.h"

/* --- progress, messages, output --- */

static void test_progress_newest(void **state)
{
    /* Aim: while one is on its way only the newest of the rest follows; the last one precedes DONE. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    assert_int_equal(promp_worker_core_progress(p->core, 1), PROMP_ERR_STATE);
    pair_begin(p);
    promp_worker_core_progress(p->core, 1);
    pair_run(p, 0); /* on its way: not acknowledged */
    for (int i = 2; i <= 50; i++)
        promp_worker_core_progress(p->core, i);
    promp_worker_core_text(p->core, "old");
    promp_worker_core_text(p->core, "new");
    pair_run(p, 0);
    assert_int_equal(pair_take(p, PROMP_LANE_CONTROL).progress.value, 1);
    promp_message_t m = pair_take(p, PROMP_LANE_CONTROL);
    assert_int_equal(m.type, PROMP_TYPE_TEXT);
    assert_memory_equal(m.text.text.data, "new", 3);
    assert_int_equal(pair_take(p, PROMP_LANE_CONTROL).type, 0);
    pair_run(p, 100); /* acknowledged meanwhile */
    m = pair_take(p, PROMP_LANE_CONTROL);
    assert_int_equal(m.type, PROMP_TYPE_PROGRESS);
    assert_int_equal(m.progress.value, 50);
    promp_worker_core_progress(p->core, 51);
    pair_run(p, 0);
    promp_worker_core_progress(p->core, -100);
    promp_worker_core_finish(p->core, 0);
    pair_run(p, 0);
    assert_int_equal(pair_take(p, PROMP_LANE_CONTROL).progress.value, 51);
    assert_int_equal((int32_t)pair_take(p, PROMP_LANE_CONTROL).progress.value, -100);
    pair_assert_done(p, 1, 0);
    pair_close(p);
}

static void test_text_refused(void **state)
{
    /* Aim: a text that cannot travel is the caller's error and leaves the one before. */
    (void)state;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    static char large[PROMP_LIMIT_TEXT + 2];
    memset(large, 'a', PROMP_LIMIT_TEXT + 1);
    assert_int_equal(promp_worker_core_text(p->core, "good"), PROMP_OK);
    assert_int_equal(promp_worker_core_text(p->core, large), PROMP_ERR_VALUE_SIZE);
    assert_int_equal(promp_worker_core_text(p->core, "\xff"), PROMP_ERR_ARGUMENT);
    pair_run(p, 0);
    assert_memory_equal(pair_take(p, PROMP_LANE_CONTROL).text.text.data, "good", 4);
    pair_close(p);
}

static void test_messages(void **state)
{
    /* Aim: messages keep their order both ways, those that come while no task runs are kept for the next. */
    (void)state;
    pair_t *p = pair_open();
    for (uint32_t i = 0; i < 3; i++)
        pair_post(p, &(promp_message_t){PROMP_TYPE_USER_MESSAGE,
                                        .user_message = {.id = i, .data = promp_slice("abc", i)}});
    pair_give(p);
    pair_run(p, 0);
    assert_int_equal(pair_begin(p), 1);
    promp_worker_job_t message;
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(promp_worker_core_has_message(p->core));
        assert_true(promp_worker_core_receive(p->core, &message));
        assert_int_equal(message.number, i);
        assert_int_equal(message.args.size, i);
        if (i)
            assert_memory_equal(message.args.data, "abc", i);
        promp_worker_job_free(&message);
    }
    assert_false(promp_worker_core_has_message(p->core));
    assert_false(promp_worker_core_receive(p->core, &message));
    assert_int_equal(promp_worker_core_send(p->core, 0x80000000u, promp_slice(NULL, 0)),
                     PROMP_ERR_MESSAGE_ID);
    assert_int_equal(promp_worker_core_send(p->core, 0x7FFFFFFFu, promp_slice(NULL, 0)), PROMP_OK);
    pair_run(p, 0);
    assert_int_equal(pair_take(p, PROMP_LANE_MESSAGES).user_message.id, 0x7FFFFFFFu);
    pair_close(p);
}

static void test_output_bound(void **state)
{
    /* Aim: a manager that takes no output fills the queue up to its bound; room comes back when it does. */
    (void)state;
    pair_t *p = pair_open();
    static char block[64 * 1024];
    size_t records = 0;
    while (promp_worker_core_output_room(p->core)) {
        assert_int_equal(promp_worker_core_output(p->core, 3, promp_slice(block, sizeof block)), PROMP_OK);
        pair_run(p, 30);
        assert_true(++records < 1000);
    }
    assert_true(records * sizeof block >= PROMP_WINDOW_OUTPUT + PROMP_LIMIT_OUTPUT_QUEUE);
    assert_true(records * sizeof block <
                PROMP_WINDOW_OUTPUT + PROMP_LIMIT_OUTPUT_QUEUE + PROMP_WINDOW_OUTPUT + 3 * sizeof block);
    /* The other lanes go on. */
    promp_worker_core_send(p->core, 5, promp_slice(NULL, 0));
    pair_run(p, 0);
    assert_int_equal(pair_take(p, PROMP_LANE_MESSAGES).user_message.id, 5);
    for (size_t i = 0; i < records; i++) {
        assert_int_equal(pair_take(p, PROMP_LANE_OUTPUT).type, PROMP_TYPE_OUTPUT);
        pair_run(p, 30);
    }
    assert_int_equal(pair_take(p, PROMP_LANE_OUTPUT).type, 0);
    assert_true(promp_worker_core_output_room(p->core));
    assert_int_equal(promp_worker_core_output(p->core, 0, promp_slice(block, 1)), PROMP_ERR_ARGUMENT);
    assert_int_equal(promp_worker_core_output(p->core, 5, promp_slice(block, 1)), PROMP_ERR_ARGUMENT);
    pair_close(p);
}

static void test_large_value(void **state)
{
    /* Aim: a value that moves in instead of being copied arrives whole, also over a path that breaks, and what follows it too. */
    (void)state;
    static const promp_id_t node;
    pair_t *p = pair_open();
    pair_give(p);
    pair_run(p, 0);
    pair_begin(p);
    const size_t size = 3 * PROMP_WINDOW_MESSAGES + 12345;
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 1000);
    pair_return(p, bytes, size);
    promp_worker_core_send(p->core, 9, promp_slice("after", 5));
    assert_int_equal(promp_worker_core_finish(p->core, 0), PROMP_OK);
    for (int i = 0; i < 3; i++) {
        while (pair_step(p))
            continue;
        p->mute = true; /* pieces are lost */
        pair_run(p, 30);
        p->mute = false;
        pair_ops->path(p->core, false, false, &node, p->now);
        promp_session_path(p->manager, false, p->now);
        pair_ops->path(p->core, true, false, &node, p->now);
        promp_session_path(p->manager, true, p->now);
        pair_run(p, 100);
    }
    pair_run(p, 3000);
    promp_message_t m = pair_take(p, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_RESULT);
    assert_int_equal(m.result.value.size, size);
    assert_memory_equal(m.result.value.data, bytes, size);
    m = pair_take(p, PROMP_LANE_MESSAGES);
    assert_int_equal(m.type, PROMP_TYPE_USER_MESSAGE);
    assert_memory_equal(m.user_message.data.data, "after", 5);
    pair_run(p, 100);
    assert_true(promp_worker_core_settled(p->core));
    free(bytes);
    pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress_newest), cmocka_unit_test(test_text_refused),
        cmocka_unit_test(test_messages),        cmocka_unit_test(test_output_bound),
        cmocka_unit_test(test_large_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
