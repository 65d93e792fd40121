/* value_testing.h - what the tests of values share. Each asserts that what it does succeeds. */
#ifndef PROMP_PROTO_VALUE_TESTING_H
#define PROMP_PROTO_VALUE_TESTING_H

#include "value.h"

#define BYTES(...) promp_slice((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* The next number of a sequence that is always the same. */
uint64_t test_random(uint64_t *state);

promp_value_t *test_text(const char *s);
void test_append(promp_value_t *list, promp_value_t *item);
void test_insert(promp_value_t *dict, promp_value_t *key, promp_value_t *item);

/* The trees are equal, in the order of their pairs too. */
void test_equal(const promp_value_t *a, const promp_value_t *b);

/* Decoding wire gives err and no value. */
void test_refused(promp_slice_t wire, promp_err_t err);

#endif
