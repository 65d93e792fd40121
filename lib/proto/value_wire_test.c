#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "limits.h"
#include "value_testing.h"

/* Asserts that value has exactly these bytes on the wire, that they read back as the same, and frees value.
 */
static void assert_wire(promp_value_t *value, promp_slice_t wire)
{
    promp_buf_t out = {0};
    promp_buf_t again = {0};
    promp_value_t *read;

    assert_non_null(value);
    assert_int_equal(promp_value_encode(value, &out), PROMP_OK);
    assert_int_equal(out.size, wire.size);
    assert_memory_equal(out.data, wire.data, wire.size);
    assert_int_equal(promp_value_decode(wire, &read), PROMP_OK);
    assert_int_equal(promp_value_type(read), promp_value_type(value));
    assert_int_equal(promp_value_encode(read, &again), PROMP_OK);
    assert_int_equal(again.size, out.size);
    assert_memory_equal(again.data, out.data, out.size);
    promp_value_free(&read);
    promp_value_free(&value);
    promp_buf_free(&out);
    promp_buf_free(&again);
}

static void scalars_have_their_cbor(void **state)
{
    /* Aim: each scalar type has the bytes that RFC 8949 gives it, the shortest for integers. */
    (void)state;
    assert_wire(promp_value_none(), BYTES(0xF6));
    assert_wire(promp_value_bool(true), BYTES(0xF5));
    assert_wire(promp_value_bool(false), BYTES(0xF4));
    assert_wire(promp_value_int(0), BYTES(0));
    assert_wire(promp_value_int(23), BYTES(0x17));
    assert_wire(promp_value_int(24), BYTES(0x18, 24));
    assert_wire(promp_value_int(256), BYTES(0x19, 1, 0));
    assert_wire(promp_value_int(65536), BYTES(0x1A, 0, 1, 0, 0));
    assert_wire(promp_value_int(-1), BYTES(0x20));
    assert_wire(promp_value_int(-500), BYTES(0x39, 1, 0xF3));
    assert_wire(promp_value_int(INT64_MAX), BYTES(0x1B, 0x7F, 255, 255, 255, 255, 255, 255, 255));
    assert_wire(promp_value_int(INT64_MIN), BYTES(0x3B, 0x7F, 255, 255, 255, 255, 255, 255, 255));
    assert_wire(promp_value_float(1.5), BYTES(0xFB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0));
    assert_wire(promp_value_bytes("a\0b", 3), BYTES(0x43, 'a', 0, 'b'));
    assert_wire(promp_value_bytes(NULL, 0), BYTES(0x40));
    assert_wire(promp_value_str("", 0), BYTES(0x60));
    assert_wire(promp_value_str("a\0\xC3\xA9", 4), BYTES(0x64, 'a', 0, 0xC3, 0xA9));
    assert_wire(promp_value_list(), BYTES(0x80));
    assert_wire(promp_value_dict(), BYTES(0xA0));
}

static void bigints_narrow_at_the_edges(void **state)
{
    /* Aim: integers around 2^63 and 2^64 take the right type and the right form on the wire, on both sides of
     * zero. */
    static const uint8_t two63[] = {0, 0x80, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t two63_1[] = {0x80, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t two64_1[] = {255, 255, 255, 255, 255, 255, 255, 255};
    static const uint8_t two64[] = {1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t two64p1[] = {1, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t two72[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    (void)state;

    promp_value_t *value = promp_value_bigint(true, two63, sizeof two63);
    assert_int_equal(promp_value_type(value), PROMP_VALUE_INT);
    assert_true(promp_value_as_int(value) == INT64_MIN);
    promp_value_free(&value);
    value = promp_value_bigint(true, two63, 1);
    assert_int_equal(promp_value_type(value), PROMP_VALUE_INT);
    assert_false(promp_value_is_negative(value));
    promp_value_free(&value);

    value = promp_value_bigint(false, two63, sizeof two63);
    size_t size;
    assert_int_equal(promp_value_type(value), PROMP_VALUE_BIGINT);
    assert_memory_equal(promp_value_data(value, &size), two63 + 1, 8);
    assert_int_equal(size, 8);
    assert_false(promp_value_is_negative(value));

    assert_wire(value, BYTES(0x1B, 0x80, 0, 0, 0, 0, 0, 0, 0));
    assert_wire(promp_value_bigint(true, two63_1, 8), BYTES(0x3B, 0x80, 0, 0, 0, 0, 0, 0, 0));
    assert_wire(promp_value_bigint(false, two64_1, 8), BYTES(0x1B, 255, 255, 255, 255, 255, 255, 255, 255));
    assert_wire(promp_value_bigint(true, two64_1, 8), BYTES(0x3B, 255, 255, 255, 255, 255, 255, 255, 254));
    assert_wire(promp_value_bigint(false, two64, 9), BYTES(0xC2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_wire(promp_value_bigint(true, two64, 9), BYTES(0x3B, 255, 255, 255, 255, 255, 255, 255, 255));
    assert_wire(promp_value_bigint(true, two64p1, 9), BYTES(0xC3, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_wire(promp_value_bigint(false, two72, 10), BYTES(0xC2, 0x4A, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    assert_wire(promp_value_bigint(true, two72, 10),
                BYTES(0xC3, 0x49, 255, 255, 255, 255, 255, 255, 255, 255, 255));
}

static void longer_forms_are_read(void **state)
{
    /* Aim: forms that a stranger's encoder may choose (long heads, small bignums, short floats) are read. */
    static const struct {
        uint8_t wire[8];
        size_t size;
        int64_t value;
    } integer[] = {{{0x18, 5}, 2, 5},
                   {{0x1A, 0, 0, 0, 5}, 5, 5},
                   {{0x38, 4}, 2, -5},
                   {{0xC2, 0x40}, 2, 0},
                   {{0xC3, 0x40}, 2, -1},
                   {{0xC2, 0x43, 0, 1, 0}, 5, 256},
                   {{0xC3, 0x42, 0, 255}, 4, -256},
                   {{0xD8, 2, 0x41, 7}, 4, 7}};
    promp_value_t *value;
    (void)state;

    for (size_t i = 0; i < sizeof integer / sizeof *integer; i++) {
        assert_int_equal(promp_value_decode(promp_slice(integer[i].wire, integer[i].size), &value), PROMP_OK);
        assert_int_equal(promp_value_type(value), PROMP_VALUE_INT);
        assert_int_equal(promp_value_as_int(value), integer[i].value);
        promp_value_free(&value);
    }
    assert_int_equal(promp_value_decode(BYTES(0xF9, 0x3E, 0), &value), PROMP_OK);
    assert_true(promp_value_as_float(value) == 1.5);
    promp_value_free(&value);
    assert_int_equal(promp_value_decode(BYTES(0xFA, 0xC0, 0x20, 0, 0), &value), PROMP_OK);
    assert_true(promp_value_as_float(value) == -2.5);
    promp_value_free(&value);
    assert_int_equal(promp_value_decode(BYTES(0xF9, 0x7E, 0), &value), PROMP_OK);
    assert_true(isnan(promp_value_as_float(value)));
    promp_value_free(&value);
}

static void foreign_forms_are_refused(void **state)
{
    /* Aim: what is CBOR but not ours, or not CBOR at all, is an error and leaves nothing behind. */
    (void)state;
    test_refused(promp_slice(NULL, 0), PROMP_ERR_CBOR);
    test_refused(BYTES(0, 0), PROMP_ERR_CBOR);                             /* a second value */
    test_refused(BYTES(0x5F, 0x41, 'a', 0xFF), PROMP_ERR_CBOR);            /* indefinite bytes */
    test_refused(BYTES(0x7F, 0x61, 'a', 0xFF), PROMP_ERR_CBOR);            /* test_text */
    test_refused(BYTES(0x9F, 0xFF), PROMP_ERR_CBOR);                       /* list */
    test_refused(BYTES(0xBF, 0xFF), PROMP_ERR_CBOR);                       /* dict */
    test_refused(BYTES(0xFF), PROMP_ERR_CBOR);                             /* break */
    test_refused(BYTES(0xF7), PROMP_ERR_CBOR);                             /* undefined */
    test_refused(BYTES(0xE5), PROMP_ERR_CBOR);                             /* simple */
    test_refused(BYTES(0xF8, 32), PROMP_ERR_CBOR);                         /* simple */
    test_refused(BYTES(0x1C), PROMP_ERR_CBOR);                             /* reserved */
    test_refused(BYTES(0xFC), PROMP_ERR_CBOR);                             /* reserved */
    test_refused(BYTES(0xC0, 0x61, 'a'), PROMP_ERR_CBOR);                  /* date */
    test_refused(BYTES(0xD9, 0xD9, 0xF7, 0), PROMP_ERR_CBOR);              /* self-described */
    test_refused(BYTES(0xC2, 0xC2, 0x41, 1), PROMP_ERR_CBOR);              /* tag of a tag */
    test_refused(BYTES(0xC2, 0x61, 'a'), PROMP_ERR_CBOR);                  /* bignum of test_text */
    test_refused(BYTES(0xC2, 0x80), PROMP_ERR_CBOR);                       /* bignum of a list */
    test_refused(BYTES(0xC2, 1), PROMP_ERR_CBOR);                          /* bignum of an integer */
    test_refused(BYTES(0x82, 1), PROMP_ERR_CBOR);                          /* an item is missing */
    test_refused(BYTES(0x82, 0x41, 1, 0xC2), PROMP_ERR_CBOR);              /* ends behind a tag */
    test_refused(BYTES(0xA1, 1), PROMP_ERR_CBOR);                          /* a value is missing */
    test_refused(BYTES(0xA1, 0x80, 1), PROMP_ERR_CBOR);                    /* key is a list */
    test_refused(BYTES(0xA1, 0x41, 'a', 1), PROMP_ERR_CBOR);               /* key is bytes */
    test_refused(BYTES(0xA1, 0xF4, 1), PROMP_ERR_CBOR);                    /* key is a bool */
    test_refused(BYTES(0xA2, 0x61, 'a', 0x61, 'b', 0x61), PROMP_ERR_CBOR); /* ends in a key */
    test_refused(BYTES(0x62, 0xC3, 0x28), PROMP_ERR_CBOR);                 /* not UTF-8 */
    test_refused(BYTES(0x63, 0xED, 0xA0, 0x80), PROMP_ERR_CBOR);           /* surrogate */
    test_refused(BYTES(0x62, 0xC0, 0x80), PROMP_ERR_CBOR);                 /* overlong */
    test_refused(BYTES(0x64, 0xF4, 0x90, 0x80, 0x80), PROMP_ERR_CBOR);     /* beyond U+10FFFF */
}

static void claims_are_not_believed(void **state)
{
    /* Aim: heads that claim more than there is are refused before memory is taken for them. */
    (void)state;
    test_refused(BYTES(0x9B, 255, 255, 255, 255, 255, 255, 255, 255), PROMP_ERR_CBOR);
    test_refused(BYTES(0xBB, 255, 255, 255, 255, 255, 255, 255, 255), PROMP_ERR_CBOR);
    test_refused(BYTES(0xBB, 0x80, 0, 0, 0, 0, 0, 0, 0, 1), PROMP_ERR_CBOR);
    test_refused(BYTES(0x5B, 255, 255, 255, 255, 255, 255, 255, 255, 1), PROMP_ERR_CBOR);
    test_refused(BYTES(0x7B, 255, 255, 255, 255, 255, 255, 255, 247, 1), PROMP_ERR_CBOR);
    test_refused(BYTES(0x9A, 0x7F, 255, 255, 255, 1), PROMP_ERR_CBOR);
    test_refused(BYTES(0xBA, 0x7F, 255, 255, 255, 1, 1), PROMP_ERR_CBOR);
    test_refused(BYTES(0xA2, 1, 1, 1), PROMP_ERR_CBOR);
}

static void depth_has_a_limit(void **state)
{
    /* Aim: the limit's depth passes, one more fails, and a million openings fail as quickly, for lists and
     * dicts. */
    size_t million = 1000000;
    uint8_t *wire = malloc(million);
    promp_value_t *value;
    (void)state;

    assert_non_null(wire);
    memset(wire, 0x81, million);
    test_refused(promp_slice(wire, million), PROMP_ERR_VALUE_DEPTH);
    wire[PROMP_LIMIT_VALUE_DEPTH] = 0;
    test_refused(promp_slice(wire, PROMP_LIMIT_VALUE_DEPTH), PROMP_ERR_CBOR);
    assert_int_equal(promp_value_decode(promp_slice(wire, PROMP_LIMIT_VALUE_DEPTH + 1), &value), PROMP_OK);
    promp_value_free(&value);
    wire[PROMP_LIMIT_VALUE_DEPTH] = 0x80;
    test_refused(promp_slice(wire, PROMP_LIMIT_VALUE_DEPTH + 1), PROMP_ERR_VALUE_DEPTH);
    for (size_t i = 0; i < million; i++)
        wire[i] = i % 2 ? 0 : 0xA1;
    test_refused(promp_slice(wire, million), PROMP_ERR_VALUE_DEPTH);
    free(wire);
}

static void put_list_head(uint8_t *wire, uint32_t count)
{
    wire[0] = 0x9A;
    for (int i = 0; i < 4; i++)
        wire[1 + i] = (uint8_t)(count >> (24 - 8 * i));
}

static void items_have_a_limit(void **state)
{
    /* Aim: a head that would bring more items than the limit is refused, alone or together with the items before it, and
     * before its own are read (here they do not exist). */
    uint32_t count = PROMP_LIMIT_VALUE_ITEMS;
    uint8_t *wire = malloc(17);
    (void)state;

    assert_non_null(wire);
    put_list_head(wire + 12, count); /* with the list itself one too many */
    test_refused(promp_slice(wire + 12, 5 + (size_t)count), PROMP_ERR_VALUE_SIZE);

    /* A list of two lists: 3 + 10 + (limit - 12). */
    memcpy(wire, "\x82\x8A\0\0\0\0\0\0\0\0\0\0", 12);
    put_list_head(wire + 12, count - 12);
    test_refused(promp_slice(wire, 12 + 5 + (size_t)count - 12), PROMP_ERR_VALUE_SIZE);
    free(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_have_their_cbor), cmocka_unit_test(bigints_narrow_at_the_edges),
        cmocka_unit_test(longer_forms_are_read),   cmocka_unit_test(foreign_forms_are_refused),
        cmocka_unit_test(claims_are_not_believed), cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(items_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
