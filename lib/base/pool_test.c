#include "pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Aim: what is given comes back, the last one first, and no more is kept than may be. */
static void again(void **state)
{
    (void)state;
    promp_pool_t pool = {.size = 1000};
    promp_buf_t buf[PROMP_POOL_SPARE + 2];

    for (size_t i = 0; i < PROMP_POOL_SPARE + 2; i++) {
        assert_int_equal(promp_pool_take(&pool, &buf[i]), PROMP_OK);
        assert_int_equal(buf[i].size, 0);
        assert_true(promp_pool_fits(&pool, &buf[i]));
        memset(buf[i].data, (int)i, 1000);
    }
    for (size_t i = 0; i < PROMP_POOL_SPARE + 2; i++)
        promp_pool_give(&pool, buf[i].data);
    assert_int_equal(pool.count, PROMP_POOL_SPARE);
    promp_buf_t back;
    assert_int_equal(promp_pool_take(&pool, &back), PROMP_OK);
    assert_ptr_equal(back.data, buf[PROMP_POOL_SPARE - 1].data);
    assert_int_equal(pool.count, PROMP_POOL_SPARE - 1);
    promp_buf_free(&back);
    promp_pool_clear(&pool);
    assert_int_equal(pool.count, 0);
}

/* Aim: a buffer of another size is not one of the pool's. */
static void other_sizes(void **state)
{
    (void)state;
    promp_pool_t pool = {.size = 1000};
    promp_buf_t buf = {0};

    assert_int_equal(promp_buf_reserve(&buf, 1001), PROMP_OK);
    assert_false(promp_pool_fits(&pool, &buf));
    promp_buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(again), cmocka_unit_test(other_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
