#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "message_testing.h"

static void rows_are_what_the_table_says(void **state)
{
    /* Aim: promp_message_row knows exactly the rows of the table; frames and records keep to their numbers. */
    int rows = 0;
    (void)state;

    for (unsigned type = 0; type < 1024; type++) {
        const test_line_t *line = test_line_of(type);
        const promp_message_row_t *row = promp_message_row((uint16_t)type);
        assert_int_equal(!line, !row);
        if (!row)
            continue;
        rows++;
        assert_int_equal(row->type, type);
        assert_string_equal(row->name, line->row.name);
        assert_int_equal(row->max, line->row.max);
        assert_int_equal(row->from, line->row.from);
        assert_int_equal(row->to, line->row.to);
        assert_int_equal(row->states, line->row.states);
        assert_int_equal(row->on, line->row.on);
        assert_int_equal(type >= PROMP_TYPE_RECORD, row->on >= PROMP_ON_CONTROL);
        if (type < PROMP_TYPE_RECORD)
            assert_true(row->max <= PROMP_LIMIT_FRAME - PROMP_FRAME_HEADER);
        assert_in_range(row->since, 1, PROMP_VERSION_HIGH);
    }
    assert_true(rows >= 40);
}

static void every_row_comes_back(void **state)
{
    /* Aim: random content of every row is encoded as the wire form says, comes back equal, and the three ways to encode
     * agree. */
    const test_line_t *line;
    (void)state;

    for (line = test_next_line(NULL); line; line = test_next_line(line)) {
        for (int round = 0; round < 50; round++) {
            promp_message_t message, read;
            promp_buf_t plain = {0};
            promp_buf_t out = {0};
            promp_slice_t rest;

            test_fill(&message, line);
            for (const test_cell_t *cell = line->cell; cell->kind; cell++)
                test_put(&plain, cell, BODY(&message) + cell->at);
            assert_int_equal(promp_buf_append(&out, "head", 4), PROMP_OK);
            assert_int_equal(promp_message_encode(&message, &out), PROMP_OK);
            assert_int_equal(out.size, 4 + plain.size);
            assert_memory_equal(out.data, "head", 4);
            if (plain.size)
                assert_memory_equal(out.data + 4, plain.data, plain.size);
            assert_int_equal(test_decode(line, promp_slice(plain.data, plain.size), &read), PROMP_OK);
            test_same(&message, &read, line);

            out.size = 0;
            assert_int_equal(promp_message_encode_head(&message, &out, &rest), PROMP_OK);
            assert_int_equal(promp_buf_append(&out, rest.data, rest.size), PROMP_OK);
            assert_int_equal(out.size, plain.size);
            if (plain.size)
                assert_memory_equal(out.data, plain.data, plain.size);

            promp_out_t frame;
            promp_id_t id = {{9}};
            promp_err_t err = promp_message_out(&message, &id, 7, &frame);
            assert_int_equal(err, plain.size > PROMP_OUT_SMALL ? PROMP_ERR_MESSAGE_SIZE : PROMP_OK);
            if (!err) {
                assert_int_equal(frame.frame.size, PROMP_FRAME_HEADER + plain.size);
                assert_int_equal(frame.frame.type, (uint8_t)line->row.type);
                assert_int_equal(frame.frame.epoch, 7);
                assert_true(promp_id_equal(&frame.frame.session, &id));
                assert_true(frame.urgent);
                assert_int_equal(frame.parts, plain.size ? 1 : 0);
                if (plain.size)
                    assert_memory_equal(frame.part[0].data, plain.data, plain.size);
            }
            promp_buf_free(&plain);
            promp_buf_free(&out);
        }
    }
}

static void truncation_fails(void **state)
{
    /* Aim: a body cut at any byte, but before an optional field, and one with a byte too many is MESSAGE_FIELD and leaves
     * *message zero. */
    const test_line_t *line;
    (void)state;

    for (line = test_next_line(NULL); line; line = test_next_line(line)) {
        if (line->cell[0].kind == 'R')
            continue;
        promp_message_t message, read;
        promp_buf_t out = {0};
        bool whole[4096] = {false}; /* sizes at which a message may end */
        test_fill(&message, line);
        for (const test_cell_t *cell = line->cell; cell->kind; cell++) {
            whole[out.size] = cell->tag;
            test_put(&out, cell, BODY(&message) + cell->at);
            assert_in_range(out.size, 0, sizeof whole - 1);
        }
        for (size_t size = 0; size < out.size; size++) {
            /* A copy of that size, so that a read beyond its end is seen. */
            uint8_t *cut = malloc(size ? size : 1);
            if (size)
                memcpy(cut, out.data, size);
            if (whole[size])
                assert_int_equal(test_decode(line, promp_slice(cut, size), &read), PROMP_OK);
            else
                test_fails(line, promp_slice(cut, size), PROMP_ERR_MESSAGE_FIELD);
            free(cut);
        }
        assert_int_equal(promp_buf_append(&out, "", 1), PROMP_OK);
        test_fails(line, promp_slice(out.data, out.size), PROMP_ERR_MESSAGE_FIELD);
        promp_buf_free(&out);
    }
}

static void unknown_options_are_skipped(void **state)
{
    /* Aim: fields that a later version adds behind any row are skipped; repeated or cut ones are errors. */
    static const uint8_t added[] = {200, 3, 0, 0, 0, 1, 2, 3, 201, 0, 0, 0, 0};
    const test_line_t *line;
    (void)state;

    for (line = test_next_line(NULL); line; line = test_next_line(line)) {
        if (line->cell[0].kind == 'R')
            continue;
        promp_message_t message = {.type = (promp_type_t)line->row.type};
        promp_message_t read;
        promp_buf_t out = {0};
        assert_int_equal(promp_message_encode(&message, &out), PROMP_OK);
        size_t size = out.size;
        assert_int_equal(promp_buf_append(&out, added, sizeof added), PROMP_OK);
        assert_int_equal(test_decode(line, promp_slice(out.data, out.size), &read), PROMP_OK);
        test_same(&message, &read, line);
        test_fails(line, promp_slice(out.data, size + 7), PROMP_ERR_MESSAGE_FIELD);
        assert_int_equal(promp_buf_append(&out, added, 8), PROMP_OK);
        if (out.size <= line->row.max)
            test_fails(line, promp_slice(out.data, out.size), PROMP_ERR_MESSAGE_FIELD);
        promp_buf_free(&out);
    }
}

static void large_bytes_are_not_copied(void **state)
{
    /* Aim: encode_head gives the last BYTES of a row back as they are, and the head tells their size. */
    promp_message_t message = {.type = PROMP_TYPE_USER_MESSAGE, .user_message.id = 1};
    promp_buf_t out = {0};
    promp_slice_t rest;
    (void)state;

    message.user_message.data = promp_slice("x", PROMP_LIMIT_VALUE); /* not read, so it need not be there */
    assert_int_equal(promp_message_encode_head(&message, &out, &rest), PROMP_OK);
    assert_int_equal(out.size, 8);
    assert_int_equal(promp_get32(out.data + 4), PROMP_LIMIT_VALUE);
    assert_ptr_equal(rest.data, message.user_message.data.data);
    assert_int_equal(rest.size, PROMP_LIMIT_VALUE);
    promp_buf_free(&out);
}

static void printing_fits(void **state)
{
    /* Aim: every row prints as one line of plain characters that begins with its name, cut to any size. */
    const test_line_t *line;
    char text[1024];
    (void)state;

    for (line = test_next_line(NULL); line; line = test_next_line(line)) {
        promp_message_t message;
        test_fill(&message, line);
        size_t length = strlen(promp_message_print(&message, text, sizeof text));
        assert_memory_equal(text, line->row.name, strlen(line->row.name));
        for (size_t i = 0; i < length; i++)
            assert_in_range(text[i], ' ', '~');
        for (size_t size = 1; size <= 64; size++) {
            char *cut = malloc(size);
            assert_ptr_equal(promp_message_print(&message, cut, size), cut);
            assert_int_equal(strlen(cut), length < size - 1 ? length : size - 1);
            free(cut);
        }
    }
    promp_message_t hello = {.type = PROMP_TYPE_HELLO, .hello = {1, 2, 3, 2, 500, promp_slice_str("a\"\n")}};
    assert_string_equal(
        promp_message_print(&hello, text, sizeof text),
        "HELLO version_low=1 version_high=2 features=3 role=2 lease_ms=500 build=\"a\\x22\\x0a\"");
    hello.type = (promp_type_t)0;
    assert_string_equal(promp_message_print(&hello, text, sizeof text), "UNKNOWN");
    assert_ptr_equal(promp_message_print(&hello, text, 0), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_the_table_says),
        cmocka_unit_test(every_row_comes_back),
        cmocka_unit_test(truncation_fails),
        cmocka_unit_test(unknown_options_are_skipped),
        cmocka_unit_test(large_bytes_are_not_copied),
        cmocka_unit_test(printing_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
