/* message_testing.h - what the tests of messages share: a second, plain reading of messages.def, against which message.c
 * is held. What cannot fail is asserted. */
#ifndef PROMP_PROTO_MESSAGE_TESTING_H
#define PROMP_PROTO_MESSAGE_TESTING_H

#include "message.h"

/* kind: 1 2 4 8 bytes of a number, I identity, T text, P path, S strings, B bytes, R raw. */
typedef struct {
    char kind;
    uint8_t tag;
    size_t at;
    uint64_t limit;
} test_cell_t;

typedef struct {
    promp_message_row_t row;
    test_cell_t cell[64]; /* the one behind the last has kind 0 */
} test_line_t;

/* Where the struct of a message lies. */
#define BODY(message) ((uint8_t *)&(message)->hello)

/* The line of a type, or NULL. */
const test_line_t *test_line_of(unsigned type);
/* The line with the next higher number; NULL: the first, or none. */
const test_line_t *test_next_line(const test_line_t *line);

/* Random content; what it borrows is valid until much more has been asked for. */
void test_fill(promp_message_t *message, const test_line_t *line);
/* Appends what the wire form of a cell is said to be. */
void test_put(promp_buf_t *out, const test_cell_t *cell, const uint8_t *value);
void test_same(const promp_message_t *a, const promp_message_t *b, const test_line_t *line);

/* Decodes with a sender, receiver, state and version that the row allows. */
promp_err_t test_decode(const test_line_t *line, promp_slice_t body, promp_message_t *message);
/* That gives err, and a message that is all zero. */
void test_fails(const test_line_t *line, promp_slice_t body, promp_err_t err);

unsigned test_lowest(unsigned mask); /* its lowest bit */

#endif
