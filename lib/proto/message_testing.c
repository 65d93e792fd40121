#include "message_testing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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
#define OPTID(number, field, doc)        {'I', number, AT(field), 0},
#define OPTSTR(number, field, size, doc) {'T', number, AT(field), size},

#define TYPES   256 /* all numbers are below */
#define LARGEST 200 /* bytes of a random string */

const test_line_t *test_line_of(unsigned type)
{
    switch (type) {
#define PROMP_MESSAGE(NAME, name, number, from, to, states, on, max, since, meaning, fields)                 \
    case number: {                                                                                           \
        typedef promp_msg_##name##_t self __attribute__((unused));                                           \
        static const test_line_t line = {{#NAME, number, from, to, states, PROMP_ON_##on, max, since},       \
                                         {fields{0, 0, 0, 0}}};                                              \
        return &line;                                                                                        \
    }
#include "messages.def"
#undef PROMP_MESSAGE
    default:
        return NULL;
    }
}

const test_line_t *test_next_line(const test_line_t *line)
{
    const test_line_t *next = NULL;
    for (unsigned type = line ? line->row.type + 1u : 0; type < TYPES && !next; type++)
        next = test_line_of(type);
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
static promp_slice_t random_bytes(const test_cell_t *cell)
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

void test_fill(promp_message_t *message, const test_line_t *line)
{
    memset(message, 0, sizeof *message);
    message->type = (promp_type_t)line->row.type;
    for (const test_cell_t *cell = line->cell; cell->kind; cell++) {
        uint8_t *value = BODY(message) + cell->at;
        size_t size = cell->kind == 'I' ? 16 : (size_t)cell->kind;
        if (cell->kind <= 8 || cell->kind == 'I')
            while (size--)
                value[size] = (uint8_t)next_random();
        else
            *(promp_slice_t *)value = random_bytes(cell);
    }
}

void test_put(promp_buf_t *out, const test_cell_t *cell, const uint8_t *value)
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

void test_same(const promp_message_t *a, const promp_message_t *b, const test_line_t *line)
{
    assert_int_equal(a->type, b->type);
    for (const test_cell_t *cell = line->cell; cell->kind; cell++) {
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

unsigned test_lowest(unsigned mask)
{
    return mask & -mask;
}

promp_err_t test_decode(const test_line_t *line, promp_slice_t body, promp_message_t *message)
{
    const promp_message_row_t *row = &line->row;
    return promp_message_decode(row->type, body, (promp_who_t)test_lowest(row->from),
                                (promp_who_t)test_lowest(row->to), (promp_at_t)test_lowest(row->states),
                                row->since, message);
}

void test_fails(const test_line_t *line, promp_slice_t body, promp_err_t err)
{
    static const promp_message_t zero;
    promp_message_t message;

    memset(&message, 0xEE, sizeof message);
    assert_int_equal(test_decode(line, body, &message), err);
    assert_memory_equal(&message, &zero, sizeof message);
}
