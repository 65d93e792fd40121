/* text_value.h - values as words on a line, so that tests can write and read them without CBOR.
 *
 *   n none · t f bool · i-5 int · I-ff00 bigint (hexadecimal magnitude) · d<16 hex digits> float (its bits) ·
 * b<hex> bytes s<hex> str · [ v v ] list · { k v k v } dict
 */
#ifndef PROMP_TESTS_TEXT_VALUE_H
#define PROMP_TESTS_TEXT_VALUE_H

#include <stdio.h>

#include "promp_value.h"

/* Reads one value from the words at *words (ended by NULL) and moves *words behind it. NULL: not a value. */
promp_value_t *text_value_read(char ***words);
void text_value_write(FILE *out, const promp_value_t *value);
/* A copy made with the public makers only; NULL without memory. */
promp_value_t *text_value_copy(const promp_value_t *value);

/* Bytes that can be checked after a journey: byte i is a function of i. */
void pattern_fill(uint8_t *data, size_t size);
size_t pattern_check(const uint8_t *data,
                     size_t size); /* offset of the first wrong byte, size when all are right */

/* Undoes hexadecimal in place; the number of bytes, or (size_t)-1. */
size_t text_hex(char *text);

#endif
