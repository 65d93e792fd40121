/* Containers in the worker's core: answers to openings, and what becomes of those that nobody waits for any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "worker_core_pair.h"

static const promp_id_t id = {{1, 2, 3}};

/* Asks for "a"; the manager has heard it. */
static void open_one(pair_t *p, promp_worker_opening_t *opening)
{
    assert_int_equal(promp_worker_core_open(p->core, promp_slice_str("a"), false, opening), PROMP_OK);
    pair_run(p, 0);
    promp_message_t m = pair_take(p, PROMP_LANE_BULK);
    assert_int_equal(m.type, PROMP_TYPE_OPEN);
    assert_int_equal(m.open.request, opening->request);
}

static void answer(pair_t *p, const promp_msg_opened_t *opened)
{
    pair_post(p, &(promp_message_t){PROMP_TYPE_OPENED, .opened = *opened});
    pair_run(p, 0);
}

static void test_answers(void **state)
{
    /* Aim: an answer finds its opening, with all that it says; nothing is taken back. */
    (void)state;
    pair_t *p = pair_open();
    promp_worker_opening_t first, second;
    open_one(p, &first);
    open_one(p, &second);
    answer(p, &(promp_msg_opened_t){.request = second.request, .container = id, .size = 100});
    assert_true(second.over);
    assert_false(first.over);
    assert_int_equal(second.error.code, PROMP_OK);
    assert_int_equal(second.size, 100);
    assert_true(promp_id_equal(&second.id, &id));
    answer(p, &(promp_msg_opened_t){.request = first.request, .error = PROMP_ERR_CONTAINER_NAME});
    assert_true(first.over);
    assert_int_equal(first.error.code, PROMP_ERR_CONTAINER_NAME);
    promp_worker_core_opened(p->core, &first);
    promp_worker_core_opened(p->core, &second);
    free(first.body);
    free(second.body);
    assert_int_equal(pair_take(p, PROMP_LANE_BULK).type, 0);
    pair_close(p);
}

static void test_given_up(void **state)
{
    /* Aim: when the answer to an opening that was given up has made an entry at the manager, and only then, it is closed. */
    (void)state;
    static const promp_msg_opened_t answers[] = {
        {.container = {{1, 2, 3}}, .size = 100}, /* the entry */
        {.container = {{1, 2, 3}}, .size = 0},
        {.container = {{1, 2, 3}}, .size = 3, .data = {(const uint8_t *)"abc", 3}},
        {.container = {{1, 2, 3}}, .size = 100, .lent = PROMP_LEND_MEMORY},
        {.error = PROMP_ERR_CONTAINER_NAME},
    };
    pair_t *p = pair_open();
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        promp_worker_opening_t opening;
        promp_msg_opened_t opened = answers[i];
        open_one(p, &opening);
        promp_worker_core_opened(p->core, &opening); /* a signal ended the wait */
        assert_false(promp_worker_core_lent(p->core, opening.request, 0));
        opened.request = opening.request;
        answer(p, &opened);
        promp_message_t m = pair_take(p, PROMP_LANE_BULK);
        assert_int_equal(m.type, i == 0 ? PROMP_TYPE_CLOSE : 0);
        if (i == 0)
            assert_true(promp_id_equal(&m.close.container, &id));
        assert_int_equal(pair_take(p, PROMP_LANE_BULK).type, 0);
    }
    assert_int_equal(promp_worker_core_state(p->core), PROMP_OK);
    pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_given_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
