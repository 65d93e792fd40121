#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker_heap.h"

#define TIMERS 500

static void timers_come_in_order(void **state)
{
    /* Aim: whatever is set, moved and taken out at random, timers come when they are due, the earliest first, each once. */
    promp_broker_heap_t heap = {0};
    static promp_broker_timer_t timer[TIMERS];
    uint64_t random = 1;
    int64_t now = 0;

    (void)state;
    for (size_t i = 0; i < TIMERS; i++)
        assert_int_equal(promp_broker_heap_reserve(&heap), PROMP_OK);
    for (int round = 0; round < 20000; round++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        promp_broker_timer_t *t = &timer[(random >> 33) % TIMERS];
        int64_t at = now + (int64_t)((random >> 40) % 1000);

        if (random >> 61 == 0) {
            promp_broker_heap_set(&heap, t, PROMP_NEVER);
            assert_int_equal(t->at, 0);
        } else if (random >> 61 == 1) {
            promp_broker_heap_sooner(&heap, t, at);
            assert_true(t->due <= at);
        } else {
            promp_broker_heap_set(&heap, t, at);
            assert_int_equal(t->due, at);
        }
        if (round % 3)
            continue;
        int64_t earliest = PROMP_NEVER;
        for (size_t i = 0; i < TIMERS; i++)
            if (timer[i].at && timer[i].due < earliest)
                earliest = timer[i].due;
        assert_int_equal(promp_broker_heap_next(&heap), earliest);
        if (earliest == PROMP_NEVER)
            continue;
        assert_null(promp_broker_heap_take(&heap, earliest - 1));
        t = promp_broker_heap_take(&heap, earliest);
        assert_non_null(t);
        assert_int_equal(t->due, earliest);
        assert_int_equal(t->at, 0);
        now = earliest;
    }
    for (size_t i = 0; i < TIMERS; i++)
        promp_broker_heap_release(&heap, &timer[i]);
    assert_int_equal(promp_broker_heap_next(&heap), PROMP_NEVER);
    promp_broker_heap_free(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(timers_come_in_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
