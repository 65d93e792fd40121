#include "map.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static promp_id_t key_of(uint32_t n)
{
    promp_id_t key = {{0}};
    memcpy(key.b + 4, &n, sizeof n);
    return key;
}

/* Aim: an empty map has nothing and gives nothing. */
static void empty(void **state)
{
    (void)state;
    promp_map_t *map = promp_map_new(1);
    promp_id_t key = key_of(0);
    size_t at = 0;

    assert_non_null(map);
    assert_null(promp_map_get(map, &key));
    assert_null(promp_map_remove(map, &key));
    assert_null(promp_map_next(map, &at));
    assert_null(promp_map_next(map, &at));
    assert_int_equal(promp_map_count(map), 0);
    promp_map_destroy(&map);
    assert_null(map);
    promp_map_destroy(&map);
    promp_map_destroy(NULL);
}

/* Aim: putting an equal key replaces the value. */
static void replaces(void **state)
{
    (void)state;
    promp_map_t *map = promp_map_new(2);
    promp_id_t key = key_of(5);
    int a, b;

    assert_int_equal(promp_map_put(map, &key, &a), PROMP_OK);
    assert_int_equal(promp_map_put(map, &key, &b), PROMP_OK);
    assert_int_equal(promp_map_count(map), 1);
    assert_ptr_equal(promp_map_get(map, &key), &b);
    assert_ptr_equal(promp_map_remove(map, &key), &b);
    assert_null(promp_map_get(map, &key));
    promp_map_destroy(&map);
}

/* Aim: after 200,000 random puts and removals the map holds what a plain array says, for several seeds. */
static void agrees_with_an_array(void **state)
{
    (void)state;
    enum { KEYS = 3000 };
    static char values[KEYS];
    static void *model[KEYS];

    for (uint64_t seed = 0; seed < 4; seed++) {
        promp_map_t *map = promp_map_new(seed);
        uint32_t random = 12345 + (uint32_t)seed;
        size_t count = 0;

        memset(model, 0, sizeof model);
        for (int i = 0; i < 50000; i++) {
            random = random * 1664525 + 1013904223;
            uint32_t k = (random >> 8) % KEYS;
            promp_id_t key = key_of(k);
            assert_ptr_equal(promp_map_get(map, &key), model[k]);
            if (random >> 31) {
                count += !model[k];
                model[k] = &values[random % KEYS];
                assert_int_equal(promp_map_put(map, &key, model[k]), PROMP_OK);
            } else {
                count -= model[k] != NULL;
                assert_ptr_equal(promp_map_remove(map, &key), model[k]);
                model[k] = NULL;
            }
            assert_int_equal(promp_map_count(map), count);
        }
        for (uint32_t k = 0; k < KEYS; k++) {
            promp_id_t key = key_of(k);
            assert_ptr_equal(promp_map_get(map, &key), model[k]);
        }
        promp_map_destroy(&map);
    }
}

/* Aim: a walk shows every value once, also when each second one is removed as it is shown. */
static void walks(void **state)
{
    (void)state;
    enum { KEYS = 1000 };
    struct {
        promp_id_t key;
        int seen;
    } items[KEYS] = {{{{0}}, 0}}, *item;
    promp_map_t *map = promp_map_new(3);

    for (uint32_t i = 0; i < KEYS; i++) {
        items[i].key = key_of(i);
        assert_int_equal(promp_map_put(map, &items[i].key, &items[i]), PROMP_OK);
    }
    for (size_t at = 0; (item = promp_map_next(map, &at));) {
        item->seen++;
        if ((item - items) % 2)
            assert_ptr_equal(promp_map_remove(map, &item->key), item);
    }
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(items[i].seen, 1);
    assert_int_equal(promp_map_count(map), KEYS / 2);
    for (size_t at = 0; (item = promp_map_next(map, &at));)
        item->seen++;
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(items[i].seen, i % 2 ? 1 : 2);
    for (size_t at = 0; (item = promp_map_next(map, &at));)
        promp_map_remove(map, &item->key);
    assert_int_equal(promp_map_count(map), 0);
    promp_map_destroy(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(replaces),
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
