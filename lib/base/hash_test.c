#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hash.h"

/* Equal bytes hash equally; a bit, the length or the seed changed changes the hash. */
static void every_byte_counts(void **state)
{
    (void)state;
    uint8_t bytes[40] = {0};
    const promp_hash_seed_t seed = promp_hash_seed(7), other = promp_hash_seed(8);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        uint64_t hash = promp_hash(&seed, bytes, size);
        assert_int_equal(hash, promp_hash(&seed, bytes, size));
        assert_int_not_equal(hash, promp_hash(&other, bytes, size));
        if (size < sizeof bytes)
            assert_int_not_equal(hash, promp_hash(&seed, bytes, size + 1));
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(hash, promp_hash(&seed, bytes, size));
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

/* Numbers that follow one another fall evenly into few slots. */
static void spreads_evenly(void **state)
{
    (void)state;
    const promp_hash_seed_t seed = promp_hash_seed(1);
    unsigned slots[64] = {0};
    for (uint64_t i = 0; i < 64000; i++)
        slots[promp_hash32(&seed, &i, sizeof i) & 63]++;
    for (size_t i = 0; i < 64; i++)
        assert_in_range(slots[i], 800, 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_byte_counts), cmocka_unit_test(spreads_evenly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
