#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "message.h"

/* A second, plain reading of messages.def, against which message.c is held. kind: 1 2 4 8 bytes of a number, I identity,
 * T text, P path, S strings, B bytes, R raw. */
typedef struct {
    char kind;
    uint8_t tag;
    size_t at;
    uint64_t limit;
} cell_t;

typedef struct {
    promp_message_row_t row;
    cell_t cell[24]; /* the one behind the last has kind 0 */
} line_t;

#define AT(field)                        offsetof(self, field)
#define U8(field, doc)                   {1, 0, AT(field), 0},
#define U16(field, doc)                  {2, 0, AT(field), 0},
#define U32(field, doc)                  {4, 0, AT(field), 0},
#define U64(field, doc)                  {8, 0, AT(field), 0},
#define ID(field, doc)                   {'I', 0, AT(field), 0},
#define STR(field, limit, doc)           {'T', 0, AT(field), limit},
#define PATH(field, limit, doc)          {'P', 0, AT(field), limit},
#define STRS(field, limit, doc)          {'S', 0, AT(field), limit},
#define BYTES(field, limit, doc)         {'B', 0, AT(field), limit},
#define RAW(field, doc)                  {'R', 0, AT(field), PROMP_LIMIT_FRAME},
#define OPT32(number, field, doc)        {4, number, AT(field), 0},
#define OPT64(number, field, doc)        {8, number, AT(field), 0},
#define OPTSTR(number, field, size, doc) {'T', number, AT(field), size},

/* The line of a type, or NULL. */
static const line_t *line_of(unsigned type)
{
    switch (type) {
#define PROMP_MESSAGE(NAME, name, number, from, to, states, on, max, since, meaning, fields)                 \
    case number: {                                                                                           \
        typedef promp_msg_##name##_t self __attribute__((unused));                                               \
        static const line_t line = {{#NAME, number, from, to, states, PROMP_ON_##on, max, since},            \
                                    {fields{0, 0, 0, 0}}};                                                   \
        return &line;                                                                                        \
    }
#include "messages.def"
#undef PROMP_MESSAGE
    default:
        return NULL;
    }
}

#define TYPES   256 /* all numbers are below */
#define LARGEST 200 /* bytes of a random string */
#define BODY(m) ((uint8_t *)&(m)->hello)

/* The line with the next higher number; NULL: the first, or none. */
static const line_t *next_line(const line_t *line)
{
    const line_t *next = NULL;
    for (unsigned type = line ? line->row.type + 1u : 0; type < TYPES && !next; type++)
        next = line_of(type);
    return next;
}

static uint64_t random_state = 88172645463325252;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Random bytes by the rules of a cell; valid until much more has been asked for. */
static promp_slice_t random_bytes(const cell_t *cell)
{
    static uint8_t pool[1 << 16];
    static size_t used;
    size_t size = next_random() % ((cell->limit < LARGEST ? cell->limit : LARGEST) + 1);

    if (used + size > sizeof pool)
        used = 0;
    uint8_t *p = pool + used;
    used += size;
    for (size_t i = 0; i < size; i++) {
        p[i] = (uint8_t)next_random();
        if (cell->kind == 'T')
            p[i] = p[i] % 127 + 1;
        else if (cell->kind == 'P' && p[i] == 0)
            p[i] = 255;
    }
    if (cell->kind == 'T' && size >= 4)
        memcpy(p, "\xF0\x9F\x98\x80", 4);
    if (cell->kind == 'S' && size)
        p[size - 1] = 0;
    return promp_slice(size ? p : NULL, size);
}

static void fill(promp_message_t *message, const line_t *line)
{
    memset(message, 0, sizeof *message);
    message->type = (promp_type_t)line->row.type;
    for (const cell_t *cell = line->cell; cell->kind; cell++) {
        uint8_t *value = BODY(message) + cell->at;
        size_t size = cell->kind == 'I' ? 16 : (size_t)cell->kind;
        if (cell->kind <= 8 || cell->kind == 'I')
            while (size--)
                value[size] = (uint8_t)next_random();
        else
            *(promp_slice_t *)value = random_bytes(cell);
    }
}

/* Appends what the wire form of a cell is said to be. */
static void put(promp_buf_t *out, const cell_t *cell, const uint8_t *value)
{
    bool number = cell->kind <= 8 || cell->kind == 'I';
    promp_slice_t bytes = number ? promp_slice(value, cell->kind == 'I' ? 16 : (size_t)cell->kind)
                                 : *(const promp_slice_t *)value;
    uint8_t size[4];

    static const uint8_t zero[16];
    if (cell->tag && (number ? memcmp(bytes.data, zero, bytes.size) == 0 : bytes.size == 0))
        return; /* optional, not sent */
    promp_put32(size, (uint32_t)bytes.size);
    if (cell->tag)
        assert_int_equal(promp_buf_append(out, &cell->tag, 1), PROMP_OK);
    if (cell->tag || (!number && cell->kind != 'R'))
        assert_int_equal(promp_buf_append(out, size, sizeof size), PROMP_OK);
    assert_int_equal(promp_buf_append(out, bytes.data, bytes.size), PROMP_OK);
}

static void assert_same(const promp_message_t *a, const promp_message_t *b, const line_t *line)
{
    assert_int_equal(a->type, b->type);
    for (const cell_t *cell = line->cell; cell->kind; cell++) {
        const uint8_t *x = BODY(a) + cell->at;
        const uint8_t *y = BODY(b) + cell->at;
        if (cell->kind <= 8 || cell->kind == 'I') {
            assert_memory_equal(x, y, cell->kind == 'I' ? 16 : (size_t)cell->kind);
        } else {
            promp_slice_t s = *(const promp_slice_t *)x;
            promp_slice_t t = *(const promp_slice_t *)y;
            assert_int_equal(s.size, t.size);
            if (s.size)
                assert_memory_equal(s.data, t.data, s.size);
        }
    }
}

static unsigned lowest(unsigned mask)
{
    return mask & -mask;
}

static promp_err_t decode(const line_t *line, promp_slice_t body, promp_message_t *message)
{
    const promp_message_row_t *row = &line->row;
    return promp_message_decode(row->type, body, (promp_who_t)lowest(row->from), (promp_who_t)lowest(row->to),
                                (promp_at_t)lowest(row->states), row->since, message);
}

static void assert_fails(const line_t *line, promp_slice_t body, promp_err_t err)
{
    static const promp_message_t zero;
    promp_message_t message;

    memset(&message, 0xEE, sizeof message);
    assert_int_equal(decode(line, body, &message), err);
    assert_memory_equal(&message, &zero, sizeof message);
}

static void rows_are_what_the_table_says(void **state)
{
    /* Aim: promp_message_row knows exactly the rows of the table; frames and records keep to their numbers. */
    int rows = 0;
    (void)state;

    for (unsigned type = 0; type < 1024; type++) {
        const line_t *line = line_of(type);
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
    const line_t *line;
    (void)state;

    for (line = next_line(NULL); line; line = next_line(line)) {
        for (int round = 0; round < 50; round++) {
            promp_message_t message, read;
            promp_buf_t plain = {0};
            promp_buf_t out = {0};
            promp_slice_t rest;

            fill(&message, line);
            for (const cell_t *cell = line->cell; cell->kind; cell++)
                put(&plain, cell, BODY(&message) + cell->at);
            assert_int_equal(promp_buf_append(&out, "head", 4), PROMP_OK);
            assert_int_equal(promp_message_encode(&message, &out), PROMP_OK);
            assert_int_equal(out.size, 4 + plain.size);
            assert_memory_equal(out.data, "head", 4);
            if (plain.size)
                assert_memory_equal(out.data + 4, plain.data, plain.size);
            assert_int_equal(decode(line, promp_slice(plain.data, plain.size), &read), PROMP_OK);
            assert_same(&message, &read, line);

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
    const line_t *line;
    (void)state;

    for (line = next_line(NULL); line; line = next_line(line)) {
        if (line->cell[0].kind == 'R')
            continue;
        promp_message_t message, read;
        promp_buf_t out = {0};
        bool whole[4096] = {false}; /* sizes at which a message may end */
        fill(&message, line);
        for (const cell_t *cell = line->cell; cell->kind; cell++) {
            whole[out.size] = cell->tag;
            put(&out, cell, BODY(&message) + cell->at);
            assert_in_range(out.size, 0, sizeof whole - 1);
        }
        for (size_t size = 0; size < out.size; size++) {
            /* A copy of that size, so that a read beyond its end is seen. */
            uint8_t *cut = malloc(size ? size : 1);
            if (size)
                memcpy(cut, out.data, size);
            if (whole[size])
                assert_int_equal(decode(line, promp_slice(cut, size), &read), PROMP_OK);
            else
                assert_fails(line, promp_slice(cut, size), PROMP_ERR_MESSAGE_FIELD);
            free(cut);
        }
        assert_int_equal(promp_buf_append(&out, "", 1), PROMP_OK);
        assert_fails(line, promp_slice(out.data, out.size), PROMP_ERR_MESSAGE_FIELD);
        promp_buf_free(&out);
    }
}

static void unknown_options_are_skipped(void **state)
{
    /* Aim: fields that a later version adds behind any row are skipped; repeated or cut ones are errors. */
    static const uint8_t added[] = {200, 3, 0, 0, 0, 1, 2, 3, 201, 0, 0, 0, 0};
    const line_t *line;
    (void)state;

    for (line = next_line(NULL); line; line = next_line(line)) {
        if (line->cell[0].kind == 'R')
            continue;
        promp_message_t message = {.type = (promp_type_t)line->row.type};
        promp_message_t read;
        promp_buf_t out = {0};
        assert_int_equal(promp_message_encode(&message, &out), PROMP_OK);
        size_t size = out.size;
        assert_int_equal(promp_buf_append(&out, added, sizeof added), PROMP_OK);
        assert_int_equal(decode(line, promp_slice(out.data, out.size), &read), PROMP_OK);
        assert_same(&message, &read, line);
        assert_fails(line, promp_slice(out.data, size + 7), PROMP_ERR_MESSAGE_FIELD);
        assert_int_equal(promp_buf_append(&out, added, 8), PROMP_OK);
        if (out.size <= line->row.max)
            assert_fails(line, promp_slice(out.data, out.size), PROMP_ERR_MESSAGE_FIELD);
        promp_buf_free(&out);
    }
}

static void limits_of_fields_hold(void **state)
{
    /* Aim: of every field with a limit, that many bytes pass where memory allows, and one more fails both ways. (Bytes
     * beyond a limit are never looked at, so here they do not exist.) */
    const line_t *line;
    (void)state;

    for (line = next_line(NULL); line; line = next_line(line)) {
        for (const cell_t *cell = line->cell; cell->kind; cell++) {
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
                assert_int_equal(decode(line, promp_slice(out.data, out.size), &read), PROMP_OK);
                assert_same(&message, &read, line);
                free(bytes);
            }
            out.size = 0;
            *value = promp_slice("", cell->limit + 1);
            assert_int_equal(promp_message_encode(&message, &out), PROMP_ERR_MESSAGE_FIELD);
            assert_int_equal(out.size, 0);

            for (const cell_t *before = line->cell; before < cell; before++)
                put(&out, before, BODY(&message) + before->at);
            assert_int_equal(promp_buf_reserve(&out, 5), PROMP_OK);
            if (cell->tag)
                out.data[out.size++] = cell->tag;
            promp_put32(out.data + out.size, (uint32_t)cell->limit + 1);
            uint64_t whole = out.size + 4 + cell->limit + 1;
            bool larger = whole > line->row.max;
            assert_fails(line, promp_slice(out.data, whole),
                         larger ? PROMP_ERR_MESSAGE_SIZE : PROMP_ERR_MESSAGE_FIELD);
            promp_buf_free(&out);
        }
    }
}

static void limits_of_bodies_hold(void **state)
{
    /* Aim: a body larger than its row allows is MESSAGE_SIZE: read, and written where its fields allow that much. */
    static uint8_t strings[PROMP_LIMIT_START];
    const line_t *line;
    (void)state;

    for (line = next_line(NULL); line; line = next_line(line))
        assert_fails(line, promp_slice(strings, line->row.max + 1), PROMP_ERR_MESSAGE_SIZE);

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
    const line_t *line;
    (void)state;

    for (line = next_line(NULL); line; line = next_line(line)) {
        for (const cell_t *cell = line->cell; cell->kind; cell++) {
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
                for (const cell_t *each = line->cell; each->kind; each++)
                    put(&out, each, BODY(&message) + each->at);
                assert_int_equal(decode(line, promp_slice(out.data, out.size), &read), expected);
                promp_buf_free(&out);
            }
        }
    }
}

static void rules_of_rows_hold(void **state)
{
    /* Aim: every wrong sender, receiver, state and version is refused, every right one passes, and unknown types are
     * unknown whatever else is wrong. */
    const line_t *line;
    promp_message_t read;
    (void)state;

    for (line = next_line(NULL); line; line = next_line(line)) {
        const promp_message_row_t *row = &line->row;
        promp_message_t message = {.type = (promp_type_t)row->type};
        promp_buf_t out = {0};
        assert_int_equal(promp_message_encode(&message, &out), PROMP_OK);
        promp_slice_t body = promp_slice(out.data, out.size);
        promp_who_t from = (promp_who_t)lowest(row->from);
        promp_who_t to = (promp_who_t)lowest(row->to);
        promp_at_t at = (promp_at_t)lowest(row->states);
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            assert_int_equal(promp_message_decode(row->type, body, (promp_who_t)bit, to, at, 1, &read),
                             row->from & bit ? PROMP_OK : PROMP_ERR_MESSAGE_SENDER);
            assert_int_equal(promp_message_decode(row->type, body, from, (promp_who_t)bit, at, 1, &read),
                             row->to & bit ? PROMP_OK : PROMP_ERR_MESSAGE_SENDER);
            assert_int_equal(promp_message_decode(row->type, body, from, to, (promp_at_t)bit, 1, &read),
                             row->states & bit ? PROMP_OK : PROMP_ERR_MESSAGE_STATE);
        }
        assert_int_equal(promp_message_decode(row->type, body, from, to, at, row->since - 1, &read),
                         PROMP_ERR_MESSAGE_UNKNOWN);
        assert_int_equal(read.type, 0);
        promp_buf_free(&out);
    }
    for (unsigned type = 0; type <= UINT16_MAX; type++)
        if (!line_of(type))
            assert_int_equal(promp_message_decode((uint16_t)type, promp_slice(NULL, 0), PROMP_WHO_NODE,
                                                  PROMP_WHO_NODE, PROMP_AT_UP, 1, &read),
                             PROMP_ERR_MESSAGE_UNKNOWN);
    promp_buf_t out = {0};
    read.type = (promp_type_t)0;
    assert_int_equal(promp_message_encode(&read, &out), PROMP_ERR_MESSAGE_UNKNOWN);
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
    const line_t *line;
    char text[1024];
    (void)state;

    for (line = next_line(NULL); line; line = next_line(line)) {
        promp_message_t message;
        fill(&message, line);
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
        cmocka_unit_test(limits_of_fields_hold),
        cmocka_unit_test(limits_of_bodies_hold),
        cmocka_unit_test(contents_are_checked),
        cmocka_unit_test(rules_of_rows_hold),
        cmocka_unit_test(large_bytes_are_not_copied),
        cmocka_unit_test(printing_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
