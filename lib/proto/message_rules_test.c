#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "message_testing.h"

static void limits_of_fields_hold(void **state)
{
    /* Aim: of every field with a limit, that many bytes pass where memory allows, and one more fails both ways. (Bytes
     * beyond a limit are never looked at, so here they do not exist.) */
    const test_line_t *line;
    (void)state;

    for (line = test_next_line(NULL); line; line = test_next_line(line)) {
        for (const test_cell_t *cell = line->cell; cell->kind; cell++) {
            if (cell->limit == 0 || cell->kind == 'R')
                continue;
            promp_message_t message = {.type = (promp_type_t)line->row.type};
            promp_message_t read;
            promp_slice_t *value = (promp_slice_t *)(BODY(&message) + cell->at);
            promp_buf_t out = {0};
            if (cell->limit <= 4 * PROMP_MIB) {
                uint8_t *bytes = malloc(cell->limit);
                memset(bytes, 'a', cell->limit);
                if (cell->kind == 'S')
                    bytes[cell->limit - 1] = 0;
                *value = promp_slice(bytes, cell->limit);
                assert_int_equal(promp_message_encode(&message, &out), PROMP_OK);
                assert_int_equal(test_decode(line, promp_slice(out.data, out.size), &read), PROMP_OK);
                test_same(&message, &read, line);
                free(bytes);
            }
            out.size = 0;
            *value = promp_slice("", cell->limit + 1);
            assert_int_equal(promp_message_encode(&message, &out), PROMP_ERR_MESSAGE_FIELD);
            assert_int_equal(out.size, 0);

            for (const test_cell_t *before = line->cell; before < cell; before++)
                test_put(&out, before, BODY(&message) + before->at);
            assert_int_equal(promp_buf_reserve(&out, 5), PROMP_OK);
            if (cell->tag)
                out.data[out.size++] = cell->tag;
            promp_put32(out.data + out.size, (uint32_t)cell->limit + 1);
            uint64_t whole = out.size + 4 + cell->limit + 1;
            bool larger = whole > line->row.max;
            test_fails(line, promp_slice(out.data, whole),
                       larger ? PROMP_ERR_MESSAGE_SIZE : PROMP_ERR_MESSAGE_FIELD);
            promp_buf_free(&out);
        }
    }
}

static void limits_of_bodies_hold(void **state)
{
    /* Aim: a body larger than its row allows is MESSAGE_SIZE: read, and written where its fields allow that much. */
    static uint8_t strings[PROMP_LIMIT_START];
    const test_line_t *line;
    (void)state;

    for (line = test_next_line(NULL); line; line = test_next_line(line))
        test_fails(line, promp_slice(strings, line->row.max + 1), PROMP_ERR_MESSAGE_SIZE);

    promp_message_t start = {.type = PROMP_TYPE_START};
    promp_buf_t out = {0};
    start.start.argv = start.start.env = promp_slice(strings, sizeof strings);
    assert_int_equal(promp_message_encode(&start, &out), PROMP_ERR_MESSAGE_SIZE);
    assert_int_equal(out.size, 0);
}

static void contents_are_checked(void **state)
{
    /* Aim: STR is UTF-8 without NUL, PATH any bytes without NUL, STRS ends in NUL; both ways. */
    static const struct {
        char kind;
        const char *bytes;
        size_t size;
        bool valid;
    } cases[] = {
        {'T', "\xC3\xA9", 2, true}, {'T', "a\0", 2, false},        {'T', "\xC3", 1, false},
        {'T', "\xFF", 1, false},    {'P', "\xFF\x01", 2, true},    {'P', "\0", 1, false},
        {'P', "a\0b", 3, false},    {'S', "a\0\0\xFF\0", 5, true}, {'S', "a\0b", 3, false},
        {'S', "\0", 1, true},       {'B', "\0\xFF", 2, true},
    };
    const test_line_t *line;
    (void)state;

    for (line = test_next_line(NULL); line; line = test_next_line(line)) {
        for (const test_cell_t *cell = line->cell; cell->kind; cell++) {
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                if (cases[i].kind != cell->kind)
                    continue;
                promp_message_t message = {.type = (promp_type_t)line->row.type};
                promp_message_t read;
                promp_buf_t out = {0};
                *(promp_slice_t *)(BODY(&message) + cell->at) = promp_slice(cases[i].bytes, cases[i].size);
                promp_err_t expected = cases[i].valid ? PROMP_OK : PROMP_ERR_MESSAGE_FIELD;
                assert_int_equal(promp_message_encode(&message, &out), expected);
                out.size = 0;
                for (const test_cell_t *each = line->cell; each->kind; each++)
                    test_put(&out, each, BODY(&message) + each->at);
                assert_int_equal(test_decode(line, promp_slice(out.data, out.size), &read), expected);
                promp_buf_free(&out);
            }
        }
    }
}

static void rules_of_rows_hold(void **state)
{
    /* Aim: every wrong sender, receiver, state and version is refused, every right one passes, and unknown types are
     * unknown whatever else is wrong. */
    const test_line_t *line;
    promp_message_t read;
    (void)state;

    for (line = test_next_line(NULL); line; line = test_next_line(line)) {
        const promp_message_row_t *row = &line->row;
        promp_message_t message = {.type = (promp_type_t)row->type};
        promp_buf_t out = {0};
        assert_int_equal(promp_message_encode(&message, &out), PROMP_OK);
        promp_slice_t body = promp_slice(out.data, out.size);
        promp_who_t from = (promp_who_t)test_lowest(row->from);
        promp_who_t to = (promp_who_t)test_lowest(row->to);
        promp_at_t at = (promp_at_t)test_lowest(row->states);
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            assert_int_equal(
                promp_message_decode(row->type, body, (promp_who_t)bit, to, at, PROMP_VERSION_HIGH, &read),
                row->from & bit ? PROMP_OK : PROMP_ERR_MESSAGE_SENDER);
            assert_int_equal(
                promp_message_decode(row->type, body, from, (promp_who_t)bit, at, PROMP_VERSION_HIGH, &read),
                row->to & bit ? PROMP_OK : PROMP_ERR_MESSAGE_SENDER);
            assert_int_equal(
                promp_message_decode(row->type, body, from, to, (promp_at_t)bit, PROMP_VERSION_HIGH, &read),
                row->states & bit ? PROMP_OK : PROMP_ERR_MESSAGE_STATE);
        }
        assert_int_equal(promp_message_decode(row->type, body, from, to, at, row->since - 1, &read),
                         PROMP_ERR_MESSAGE_UNKNOWN);
        assert_int_equal(read.type, 0);
        promp_buf_free(&out);
    }
    for (unsigned type = 0; type <= UINT16_MAX; type++)
        if (!test_line_of(type))
            assert_int_equal(promp_message_decode((uint16_t)type, promp_slice(NULL, 0), PROMP_WHO_NODE,
                                                  PROMP_WHO_NODE, PROMP_AT_UP, PROMP_VERSION_HIGH, &read),
                             PROMP_ERR_MESSAGE_UNKNOWN);
    promp_buf_t out = {0};
    read.type = (promp_type_t)0;
    assert_int_equal(promp_message_encode(&read, &out), PROMP_ERR_MESSAGE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_fields_hold),
        cmocka_unit_test(limits_of_bodies_hold),
        cmocka_unit_test(contents_are_checked),
        cmocka_unit_test(rules_of_rows_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
