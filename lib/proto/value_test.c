#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "limits.h"
#include "value.h"

#define BYTES(...) promp_slice((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static promp_value_t *text(const char *s)
{
    return promp_value_str(s, strlen(s));
}

static void append(promp_value_t *list, promp_value_t *item)
{
    assert_non_null(item);
    assert_int_equal(promp_value_append(list, &item), PROMP_OK);
    assert_null(item);
}

static void insert(promp_value_t *dict, promp_value_t *key, promp_value_t *item)
{
    assert_non_null(key);
    assert_non_null(item);
    assert_int_equal(promp_value_insert(dict, &key, &item), PROMP_OK);
    assert_null(key);
    assert_null(item);
}

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

static void assert_refused(promp_slice_t wire, promp_err_t err)
{
    promp_value_t *value = (promp_value_t *)&value;
    assert_int_equal(promp_value_decode(wire, &value), err);
    assert_null(value);
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
    assert_refused(promp_slice(NULL, 0), PROMP_ERR_CBOR);
    assert_refused(BYTES(0, 0), PROMP_ERR_CBOR);                             /* a second value */
    assert_refused(BYTES(0x5F, 0x41, 'a', 0xFF), PROMP_ERR_CBOR);            /* indefinite bytes */
    assert_refused(BYTES(0x7F, 0x61, 'a', 0xFF), PROMP_ERR_CBOR);            /* text */
    assert_refused(BYTES(0x9F, 0xFF), PROMP_ERR_CBOR);                       /* list */
    assert_refused(BYTES(0xBF, 0xFF), PROMP_ERR_CBOR);                       /* dict */
    assert_refused(BYTES(0xFF), PROMP_ERR_CBOR);                             /* break */
    assert_refused(BYTES(0xF7), PROMP_ERR_CBOR);                             /* undefined */
    assert_refused(BYTES(0xE5), PROMP_ERR_CBOR);                             /* simple */
    assert_refused(BYTES(0xF8, 32), PROMP_ERR_CBOR);                         /* simple */
    assert_refused(BYTES(0x1C), PROMP_ERR_CBOR);                             /* reserved */
    assert_refused(BYTES(0xFC), PROMP_ERR_CBOR);                             /* reserved */
    assert_refused(BYTES(0xC0, 0x61, 'a'), PROMP_ERR_CBOR);                  /* date */
    assert_refused(BYTES(0xD9, 0xD9, 0xF7, 0), PROMP_ERR_CBOR);              /* self-described */
    assert_refused(BYTES(0xC2, 0xC2, 0x41, 1), PROMP_ERR_CBOR);              /* tag of a tag */
    assert_refused(BYTES(0xC2, 0x61, 'a'), PROMP_ERR_CBOR);                  /* bignum of text */
    assert_refused(BYTES(0xC2, 0x80), PROMP_ERR_CBOR);                       /* bignum of a list */
    assert_refused(BYTES(0xC2, 1), PROMP_ERR_CBOR);                          /* bignum of an integer */
    assert_refused(BYTES(0x82, 1), PROMP_ERR_CBOR);                          /* an item is missing */
    assert_refused(BYTES(0x82, 0x41, 1, 0xC2), PROMP_ERR_CBOR);              /* ends behind a tag */
    assert_refused(BYTES(0xA1, 1), PROMP_ERR_CBOR);                          /* a value is missing */
    assert_refused(BYTES(0xA1, 0x80, 1), PROMP_ERR_CBOR);                    /* key is a list */
    assert_refused(BYTES(0xA1, 0x41, 'a', 1), PROMP_ERR_CBOR);               /* key is bytes */
    assert_refused(BYTES(0xA1, 0xF4, 1), PROMP_ERR_CBOR);                    /* key is a bool */
    assert_refused(BYTES(0xA2, 0x61, 'a', 0x61, 'b', 0x61), PROMP_ERR_CBOR); /* ends in a key */
    assert_refused(BYTES(0x62, 0xC3, 0x28), PROMP_ERR_CBOR);                 /* not UTF-8 */
    assert_refused(BYTES(0x63, 0xED, 0xA0, 0x80), PROMP_ERR_CBOR);           /* surrogate */
    assert_refused(BYTES(0x62, 0xC0, 0x80), PROMP_ERR_CBOR);                 /* overlong */
    assert_refused(BYTES(0x64, 0xF4, 0x90, 0x80, 0x80), PROMP_ERR_CBOR);     /* beyond U+10FFFF */
}

static void claims_are_not_believed(void **state)
{
    /* Aim: heads that claim more than there is are refused before memory is taken for them. */
    (void)state;
    assert_refused(BYTES(0x9B, 255, 255, 255, 255, 255, 255, 255, 255), PROMP_ERR_CBOR);
    assert_refused(BYTES(0xBB, 255, 255, 255, 255, 255, 255, 255, 255), PROMP_ERR_CBOR);
    assert_refused(BYTES(0xBB, 0x80, 0, 0, 0, 0, 0, 0, 0, 1), PROMP_ERR_CBOR);
    assert_refused(BYTES(0x5B, 255, 255, 255, 255, 255, 255, 255, 255, 1), PROMP_ERR_CBOR);
    assert_refused(BYTES(0x7B, 255, 255, 255, 255, 255, 255, 255, 247, 1), PROMP_ERR_CBOR);
    assert_refused(BYTES(0x9A, 0x7F, 255, 255, 255, 1), PROMP_ERR_CBOR);
    assert_refused(BYTES(0xBA, 0x7F, 255, 255, 255, 1, 1), PROMP_ERR_CBOR);
    assert_refused(BYTES(0xA2, 1, 1, 1), PROMP_ERR_CBOR);
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
    assert_refused(promp_slice(wire, million), PROMP_ERR_VALUE_DEPTH);
    wire[PROMP_LIMIT_VALUE_DEPTH] = 0;
    assert_refused(promp_slice(wire, PROMP_LIMIT_VALUE_DEPTH), PROMP_ERR_CBOR);
    assert_int_equal(promp_value_decode(promp_slice(wire, PROMP_LIMIT_VALUE_DEPTH + 1), &value), PROMP_OK);
    promp_value_free(&value);
    wire[PROMP_LIMIT_VALUE_DEPTH] = 0x80;
    assert_refused(promp_slice(wire, PROMP_LIMIT_VALUE_DEPTH + 1), PROMP_ERR_VALUE_DEPTH);
    for (size_t i = 0; i < million; i++)
        wire[i] = i % 2 ? 0 : 0xA1;
    assert_refused(promp_slice(wire, million), PROMP_ERR_VALUE_DEPTH);
    free(wire);
}

static void building_too_deep_fails(void **state)
{
    /* Aim: a tree deeper than the limit cannot be built, and what could be built can be sent and read. */
    promp_value_t *value = promp_value_list();
    promp_buf_t out = {0};
    (void)state;

    for (int depth = 1; depth < PROMP_LIMIT_VALUE_DEPTH; depth++) {
        promp_value_t *outer = depth % 2 ? promp_value_dict() : promp_value_list();
        if (depth % 2)
            insert(outer, promp_value_int(depth), value);
        else
            append(outer, value);
        value = outer;
    }
    assert_int_equal(promp_value_encode(value, &out), PROMP_OK);
    promp_value_t *read;
    assert_int_equal(promp_value_decode(promp_slice(out.data, out.size), &read), PROMP_OK);
    promp_value_free(&read);
    promp_buf_free(&out);

    promp_value_t *list = promp_value_list();
    assert_int_equal(promp_value_append(list, &value), PROMP_ERR_VALUE_DEPTH);
    assert_null(value);
    assert_int_equal(promp_value_count(list), 0);
    promp_value_free(&list);
}

static void put_list_head(uint8_t *wire, uint32_t count)
{
    wire[0] = 0x9A;
    for (int i = 0; i < 4; i++)
        wire[1 + i] = (uint8_t)(count >> (24 - 8 * i));
}

static void items_have_a_limit(void **state)
{
    /* Aim: a head that would bring more items than the limit is refused before they are read, and so is one
     * that does so only together with the items before it. */
    uint32_t count = PROMP_LIMIT_VALUE_ITEMS;
    size_t size = (size_t)count + 32;
    uint8_t *wire = calloc(size, 1);
    (void)state;

    assert_non_null(wire);
    put_list_head(wire, count); /* with the list itself one too many */
    assert_refused(promp_slice(wire, 5 + (size_t)count), PROMP_ERR_VALUE_SIZE);

    /* A list of two lists: 3 + 10 + (limit - 12). */
    memcpy(wire, "\x82\x8A\0\0\0\0\0\0\0\0\0\0", 12);
    put_list_head(wire + 12, count - 12);
    assert_refused(promp_slice(wire, 12 + 5 + (size_t)count - 12), PROMP_ERR_VALUE_SIZE);
    free(wire);
}

static void misuse_is_an_error(void **state)
{
    /* Aim: wrong types and NULLs give ARGUMENT, free what was handed over and change nothing. */
    promp_value_t *number = promp_value_int(1);
    promp_value_t *dict = promp_value_dict();
    promp_value_t *item = text("item");
    promp_value_t *key = promp_value_float(1);
    (void)state;

    assert_int_equal(promp_value_append(number, &item), PROMP_ERR_ARGUMENT);
    assert_null(item);
    assert_int_equal(promp_value_append(dict, &item), PROMP_ERR_ARGUMENT);
    item = text("item");
    assert_int_equal(promp_value_insert(dict, &key, &item), PROMP_ERR_ARGUMENT);
    assert_null(key);
    assert_null(item);
    key = text("key");
    assert_int_equal(promp_value_insert(dict, &key, &item), PROMP_ERR_ARGUMENT);
    assert_null(key);
    key = item = text("both");
    assert_int_equal(promp_value_insert(dict, &key, &item), PROMP_ERR_ARGUMENT);
    assert_null(key);
    assert_null(item);
    assert_null(promp_value_str("\xFF", 1));
    assert_int_equal(promp_value_count(dict), 0);
    assert_null(promp_value_at(dict, 0));
    assert_null(promp_value_key_at(number, 0));
    assert_null(promp_value_find(number, "a"));
    assert_true(promp_value_as_float(number) == 1.0);
    assert_false(promp_value_as_bool(number));
    size_t size = 1;
    assert_non_null(promp_value_data(number, &size));
    assert_int_equal(size, 0);
    promp_value_free(&number);
    promp_value_free(&dict);
    promp_value_free(&dict);
    promp_value_free(NULL);
}

static void equal_keys_replace(void **state)
{
    /* Aim: an equal key replaces the value in its place, in trees that are built and in those that are read;
     * keys of different types never are equal. */
    static const uint8_t big[9] = {1};
    static const uint8_t wire[] = {0xA4, 0x61, 'a', 1, 1, 2, 0x61, 'a', 0x81, 9, 1, 0xF6};
    promp_value_t *dict = promp_value_dict();
    (void)state;

    insert(dict, text("a"), promp_value_int(1));
    insert(dict, promp_value_int(1), promp_value_int(2));
    insert(dict, text("1"), promp_value_int(3));
    insert(dict, promp_value_bigint(false, big, sizeof big), promp_value_int(4));
    insert(dict, promp_value_bigint(true, big, sizeof big), promp_value_int(5));
    insert(dict, text("a"), text("new"));
    insert(dict, promp_value_bigint(true, big, sizeof big), promp_value_int(6));
    assert_int_equal(promp_value_count(dict), 5);
    assert_int_equal(promp_value_type(promp_value_at(dict, 0)), PROMP_VALUE_STR);
    assert_ptr_equal(promp_value_find(dict, "a"), promp_value_at(dict, 0));
    assert_int_equal(promp_value_as_int(promp_value_find(dict, "1")), 3);
    assert_int_equal(promp_value_as_int(promp_value_at(dict, 3)), 4);
    assert_int_equal(promp_value_as_int(promp_value_at(dict, 4)), 6);
    assert_null(promp_value_find(dict, "b"));
    promp_value_free(&dict);

    assert_int_equal(promp_value_decode(promp_slice(wire, sizeof wire), &dict), PROMP_OK);
    assert_int_equal(promp_value_count(dict), 2);
    assert_int_equal(promp_value_type(promp_value_find(dict, "a")), PROMP_VALUE_LIST);
    assert_int_equal(promp_value_type(promp_value_at(dict, 1)), PROMP_VALUE_NONE);
    promp_value_free(&dict);
}

static void large_dicts_are_quick(void **state)
{
    /* Aim: a dict of a million keys, each of them twice, is built, read and searched without comparing all
     * with all (which would not end within the test's time). */
    const int count = 1000000;
    promp_value_t *dict = promp_value_dict();
    promp_value_t *read;
    promp_buf_t out = {0};
    char name[16];
    (void)state;

    for (int i = 0; i < 2 * count; i++) {
        snprintf(name, sizeof name, "key %d", i % count);
        insert(dict, text(name), promp_value_int(i));
    }
    assert_int_equal(promp_value_count(dict), count);
    assert_int_equal(promp_value_encode(dict, &out), PROMP_OK);
    promp_value_free(&dict);

    /* The same pairs once more behind the first ones. */
    size_t body = out.size - 5;
    assert_int_equal(out.data[0], 0xBA);
    assert_int_equal(promp_buf_reserve(&out, body), PROMP_OK);
    memcpy(out.data + out.size, out.data + 5, body);
    out.size += body;
    uint32_t pairs = 2 * (uint32_t)count;
    for (int i = 0; i < 4; i++)
        out.data[1 + i] = (uint8_t)(pairs >> (24 - 8 * i));
    assert_int_equal(promp_value_decode(promp_slice(out.data, out.size), &read), PROMP_OK);
    assert_int_equal(promp_value_count(read), count);
    for (int i = 0; i < count; i += 997) {
        snprintf(name, sizeof name, "key %d", i);
        assert_int_equal(promp_value_as_int(promp_value_find(read, name)), count + i);
    }
    promp_value_free(&read);
    promp_buf_free(&out);
}

/* A random scalar; keys are of the types that may be keys. */
static promp_value_t *random_scalar(uint64_t *seed, bool key)
{
    uint8_t bytes[40];
    uint64_t r = next_random(seed);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)next_random(seed);
    size_t size = r % sizeof bytes;

    switch ((r >> 32) % (key ? 3 : 7)) {
    case 0:
        return promp_value_int((int64_t)(next_random(seed) >> (r % 64)) * (r & 64 ? -1 : 1));
    case 1:
        for (size_t i = 0; i < size; i++)
            bytes[i] &= 0x7F;
        return promp_value_str((const char *)bytes, size);
    case 2:
        return promp_value_bigint(r & 1, bytes, size);
    case 3:
        return promp_value_bytes(bytes, size);
    case 4:
        return promp_value_float((double)(int64_t)next_random(seed) / 1024);
    case 5:
        return promp_value_bool(r & 1);
    default:
        return promp_value_none();
    }
}

static void assert_equal(const promp_value_t *a, const promp_value_t *b)
{
    size_t a_size, b_size;

    assert_int_equal(promp_value_type(a), promp_value_type(b));
    assert_int_equal(promp_value_as_int(a), promp_value_as_int(b));
    assert_int_equal(promp_value_as_bool(a), promp_value_as_bool(b));
    assert_true(promp_value_as_float(a) == promp_value_as_float(b));
    assert_int_equal(promp_value_is_negative(a), promp_value_is_negative(b));
    const uint8_t *data = promp_value_data(a, &a_size);
    assert_memory_equal(data, promp_value_data(b, &b_size), a_size);
    assert_int_equal(a_size, b_size);
    assert_int_equal(promp_value_count(a), promp_value_count(b));
    for (size_t i = 0; i < promp_value_count(a); i++) {
        if (promp_value_type(a) == PROMP_VALUE_DICT)
            assert_equal(promp_value_key_at(a, i), promp_value_key_at(b, i));
        assert_equal(promp_value_at(a, i), promp_value_at(b, i));
    }
}

static void random_trees_come_back(void **state)
{
    /* Aim: 2000 random trees read back equal, and every truncation of them is refused. */
    uint64_t seed = 20240229;
    (void)state;

    for (int round = 0; round < 2000; round++) {
        promp_value_t *value = random_scalar(&seed, false);
        uint64_t steps = next_random(&seed) % 40;
        for (uint64_t i = 0; i < steps; i++) {
            uint64_t r = next_random(&seed);
            promp_value_t *outer = r % 2 ? promp_value_dict() : promp_value_list();
            for (uint64_t extra = r >> 32 & 3; extra; extra--) {
                if (r % 2)
                    insert(outer, random_scalar(&seed, true), random_scalar(&seed, false));
                else
                    append(outer, random_scalar(&seed, false));
            }
            if (r % 2)
                insert(outer, random_scalar(&seed, true), value);
            else
                append(outer, value);
            value = outer;
        }

        promp_buf_t out = {0};
        promp_value_t *read;
        assert_int_equal(promp_value_encode(value, &out), PROMP_OK);
        assert_int_equal(promp_value_decode(promp_slice(out.data, out.size), &read), PROMP_OK);
        assert_equal(value, read);
        promp_value_free(&read);
        promp_value_free(&value);
        size_t step = out.size > 200 ? out.size / 100 : 1;
        for (size_t size = 0; size < out.size; size += step) {
            /* A copy of that size, so that a read beyond its end is seen. */
            uint8_t *cut = malloc(size ? size : 1);
            memcpy(cut, out.data, size);
            assert_refused(promp_slice(cut, size), PROMP_ERR_CBOR);
            free(cut);
        }
        promp_buf_free(&out);
    }
}

static void encoding_appends(void **state)
{
    /* Aim: encoding leaves what is in the buffer before it, and many small items and one large stand side by
     * side. */
    static uint8_t large[300000];
    promp_value_t *list = promp_value_list();
    promp_value_t *read;
    promp_buf_t out = {0};
    (void)state;

    memset(large, 'x', sizeof large);
    for (int i = 0; i < 10000; i++)
        append(list, promp_value_int(i * i));
    append(list, promp_value_bytes(large, sizeof large));
    append(list, promp_value_str((const char *)large, sizeof large));
    assert_int_equal(promp_buf_append(&out, "before", 6), PROMP_OK);
    assert_int_equal(promp_value_encode(list, &out), PROMP_OK);
    assert_memory_equal(out.data, "before", 6);
    assert_int_equal(promp_value_decode(promp_slice(out.data + 6, out.size - 6), &read), PROMP_OK);
    assert_equal(list, read);
    size_t size;
    const uint8_t *text_data = promp_value_data(promp_value_at(read, 10001), &size);
    assert_int_equal(text_data[size], 0);
    promp_value_free(&read);
    promp_value_free(&list);
    promp_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_have_their_cbor), cmocka_unit_test(bigints_narrow_at_the_edges),
        cmocka_unit_test(longer_forms_are_read),   cmocka_unit_test(foreign_forms_are_refused),
        cmocka_unit_test(claims_are_not_believed), cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(building_too_deep_fails), cmocka_unit_test(items_have_a_limit),
        cmocka_unit_test(misuse_is_an_error),      cmocka_unit_test(equal_keys_replace),
        cmocka_unit_test(large_dicts_are_quick),   cmocka_unit_test(random_trees_come_back),
        cmocka_unit_test(encoding_appends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
