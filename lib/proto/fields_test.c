#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fields.h"
#include "utf8.h"

/* A message that has grown optional fields, as a later version's may. */
typedef struct {
    uint8_t small;
    promp_slice_t name;
    promp_slice_t folder;
    promp_slice_t list;
    uint32_t added32;
    uint64_t added64;
    promp_slice_t added_text;
} sample_t;

static const promp_field_t sample_field[] = {
    {"small", offsetof(sample_t, small), PROMP_FIELD_U8, 0, 0},
    {"name", offsetof(sample_t, name), PROMP_FIELD_STR, 0, 8},
    {"folder", offsetof(sample_t, folder), PROMP_FIELD_PATH, 0, 8},
    {"list", offsetof(sample_t, list), PROMP_FIELD_STRS, 0, 8},
    {"added32", offsetof(sample_t, added32), PROMP_FIELD_U32, 1, 0},
    {"added64", offsetof(sample_t, added64), PROMP_FIELD_U64, 7, 0},
    {"added_text", offsetof(sample_t, added_text), PROMP_FIELD_STR, 255, 4},
};
static const promp_fields_t sample_fields = {sample_field, sizeof sample_field / sizeof *sample_field};

#define HEAD "\x05\x02\0\0\0hi\x01\0\0\0\xFF\x02\0\0\0x\0" /* small, name, folder, list */

/* Decodes HEAD with these bytes behind it; the sample borrows from body. */
static promp_err_t decode(const char *options, size_t size, uint8_t body[128], sample_t *sample)
{
    size_t head = sizeof HEAD - 1;
    memcpy(body, HEAD, head);
    memcpy(body + head, options, size);
    memset(sample, 0, sizeof *sample);
    return promp_fields_decode(sample_fields, promp_slice(body, head + size), sample);
}

#define DECODE(bytes, sample) decode(bytes, sizeof(bytes) - 1, body, sample)

static void optional_fields_are_read(void **state)
{
    /* Aim: optional fields are read in any order, absent ones are zero, unknown ones are skipped. */
    uint8_t body[128];
    sample_t sample;
    (void)state;

    assert_int_equal(DECODE("", &sample), PROMP_OK);
    assert_int_equal(sample.small, 5);
    assert_int_equal(sample.added32, 0);
    assert_int_equal(sample.added_text.size, 0);
    assert_int_equal(DECODE("\xFF\x02\0\0\0ok"
                            "\x07\x08\0\0\0\x01\0\0\0\0\0\0\x80"
                            "\x63\x03\0\0\0\xFF\0\xFF"
                            "\x01\x04\0\0\0\x02\0\0\0"
                            "\xFE\0\0\0\0",
                            &sample),
                     PROMP_OK);
    assert_int_equal(sample.added32, 2);
    assert_true(sample.added64 == 0x8000000000000001);
    assert_int_equal(sample.added_text.size, 2);
    assert_memory_equal(sample.added_text.data, "ok", 2);
}

static void malformed_options_are_refused(void **state)
{
    /* Aim: cut heads and bodies, sizes beyond the end, tag 0, repeated tags (known and unknown), wrong sizes of numbers
     * and strings against their rules. */
    uint8_t body[128];
    sample_t sample;
    (void)state;

    assert_int_equal(DECODE("\x01", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\x01\x04\0\0", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\x01\x04\0\0\0\x01\x02\x03", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\x63\xFF\xFF\xFF\xFF\x01", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\0\0\0\0\0", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\x63\0\0\0\0\x63\0\0\0\0", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\xFF\0\0\0\0\xFF\0\0\0\0", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\x01\x05\0\0\0\x01\0\0\0\0", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\x07\x04\0\0\0\x01\0\0\0", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\xFF\x05\0\0\0abcde", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\xFF\x01\0\0\0\xFF", &sample), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(DECODE("\xFF\x01\0\0\0\0", &sample), PROMP_ERR_MESSAGE_FIELD);
}

static void zero_options_are_not_sent(void **state)
{
    /* Aim: the writer leaves out optional fields that are zero, writes the others, and measures exactly. */
    sample_t sample = {.name = promp_slice_str("n"), .added64 = 1};
    sample_t read = {0};
    uint8_t body[64];
    uint64_t size;
    promp_slice_t rest = promp_slice(body, 1);
    (void)state;

    assert_int_equal(promp_fields_measure(sample_fields, &sample, &size), PROMP_OK);
    assert_int_equal(size, 1 + 5 + 4 + 4 + 13);
    assert_ptr_equal(promp_fields_write(sample_fields, &sample, body, &rest), body + size);
    assert_int_equal(rest.size, 0); /* the last field is no BYTES */
    assert_int_equal(promp_fields_decode(sample_fields, promp_slice(body, size), &read), PROMP_OK);
    assert_true(read.added64 == 1);
    assert_int_equal(read.added32, 0);

    sample.added_text = promp_slice_str("long!");
    assert_int_equal(promp_fields_measure(sample_fields, &sample, &size), PROMP_ERR_MESSAGE_FIELD);
    sample.added_text = promp_slice_str("four");
    assert_int_equal(promp_fields_measure(sample_fields, &sample, &size), PROMP_OK);
    promp_fields_write(sample_fields, &sample, body, NULL);
    assert_int_equal(promp_fields_decode(sample_fields, promp_slice(body, size), &read), PROMP_OK);
    assert_memory_equal(read.added_text.data, "four", 4);
}

static void utf8_is_strict(void **state)
{
    /* Aim: the edges of RFC 3629, at every place in a text that is read eight bytes at a time. */
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"\x7F", true},
        {"\xC2\x80", true},
        {"\xDF\xBF", true},
        {"\xE0\xA0\x80", true},
        {"\xED\x9F\xBF", true},
        {"\xEE\x80\x80", true},
        {"\xEF\xBF\xBF", true},
        {"\xF0\x90\x80\x80", true},
        {"\xF4\x8F\xBF\xBF", true},
        {"\x80", false},
        {"\xBF", false},
        {"\xC0\x80", false},
        {"\xC1\xBF", false},
        {"\xC2", false},
        {"\xC2\x7F", false},
        {"\xC2\xC0", false},
        {"\xE0\x9F\xBF", false},
        {"\xED\xA0\x80", false},
        {"\xEF\xBF", false},
        {"\xEF\xBF\x7F", false},
        {"\xF0\x8F\xBF\xBF", false},
        {"\xF1\x80\x80", false},
        {"\xF1\x80\x80\x41", false},
        {"\xF4\x90\x80\x80", false},
        {"\xF5\x80\x80\x80", false},
        {"\xFE", false},
        {"\xFF", false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].text);
        for (size_t before = 0; before <= 17; before++) {
            for (size_t after = 0; after <= 9; after += 9) {
                uint8_t *text = malloc(before + length + after + !(before + length + after));
                memset(text, 'a', before + length + after);
                memcpy(text + before, cases[i].text, length);
                assert_int_equal(promp_utf8_valid(promp_slice(text, before + length + after)),
                                 cases[i].valid);
                free(text);
            }
        }
    }
    assert_true(promp_utf8_valid(promp_slice("a\0b", 3)));
    assert_true(promp_utf8_valid(promp_slice(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(optional_fields_are_read),
        cmocka_unit_test(malformed_options_are_refused),
        cmocka_unit_test(zero_options_are_not_sent),
        cmocka_unit_test(utf8_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
