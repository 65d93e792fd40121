/* value_fuzz.c - a stranger's CBOR into promp_value_decode(); what passes is encoded and must come back. */
#include <stdlib.h>

#include "value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Touches all that a reader may touch: each child, and the byte behind each string. */
static void walk(const promp_value_t *value)
{
    size_t size;
    const uint8_t *data = promp_value_data(value, &size);

    if (promp_value_type(value) == PROMP_VALUE_STR && data[size] != 0)
        abort();
    if (promp_value_type(value) == PROMP_VALUE_BIGINT && (size < 8 || *data == 0))
        abort();
    for (size_t i = 0; i < promp_value_count(value); i++) {
        if (promp_value_key_at(value, i))
            walk(promp_value_key_at(value, i));
        walk(promp_value_at(value, i)); /* not deeper than PROMP_LIMIT_VALUE_DEPTH */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    promp_value_t *value, *again;
    promp_buf_t first = {0};
    promp_buf_t second = {0};

    if (promp_value_decode(promp_slice(data, size), &value)) {
        if (value)
            abort();
        return 0;
    }
    walk(value);
    if (promp_value_encode(value, &first) || promp_value_decode(promp_slice(first.data, first.size), &again))
        abort();
    if (promp_value_encode(again, &second) || first.size != second.size ||
        memcmp(first.data, second.data, first.size) != 0)
        abort();
    promp_value_free(&value);
    promp_value_free(&again);
    promp_buf_free(&first);
    promp_buf_free(&second);
    return 0;
}
