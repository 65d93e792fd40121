#include <cbor.h>

#include "value.h"
#include "value_tree.h"

#define HEAD 9 /* largest head of an item */

/* Bytes of a tag's or string's head, then its bytes. */
static promp_err_t put_bytes(promp_buf_t *out, bool text, promp_slice_t bytes)
{
    if (bytes.size > PROMP_LIMIT_VALUE)
        return PROMP_ERR_VALUE_SIZE;
    promp_err_t err = promp_buf_reserve(out, HEAD + bytes.size);
    if (err)
        return err;
    uint8_t *to = out->data + out->size;
    out->size += text ? cbor_encode_string_start(bytes.size, to, HEAD)
                      : cbor_encode_bytestring_start(bytes.size, to, HEAD);
    return promp_buf_append(out, bytes.data, bytes.size);
}

/* Of a negative integer the wire has the magnitude less one. */
static promp_err_t put_bigint(promp_buf_t *out, const promp_value_t *value)
{
    promp_slice_t magnitude = promp_slice(value->bytes, value->size);
    uint64_t low = 0; /* the last eight bytes */
    for (size_t i = 0; i < magnitude.size; i++)
        low = low << 8 | magnitude.data[i];

    bool one_more = value->negative && magnitude.size == 9 && *magnitude.data == 1 && low == 0; /* -2^64 */
    if (magnitude.size <= 8 || one_more) {
        uint8_t *to = out->data + out->size;
        out->size +=
            value->negative ? cbor_encode_negint(low - 1, to, HEAD) : cbor_encode_uint(low, to, HEAD);
        return PROMP_OK;
    }
    out->size += cbor_encode_tag(value->negative ? 3 : 2, out->data + out->size, HEAD);
    if (!value->negative)
        return put_bytes(out, false, magnitude);

    /* Less one: of 01 00 .. 00 the first byte goes. Zeros at the end become FF, the byte before them is one
     * less. */
    size_t zeros = 0;
    while (magnitude.data[magnitude.size - 1 - zeros] == 0)
        zeros++;
    bool shorter = *magnitude.data == 1 && zeros == magnitude.size - 1;
    promp_err_t err = put_bytes(out, false, promp_slice(magnitude.data + shorter, magnitude.size - shorter));
    if (err)
        return err;
    memset(out->data + out->size - zeros, 0xFF, zeros);
    if (!shorter)
        out->data[out->size - zeros - 1]--;
    return PROMP_OK;
}

/* One item; of a list or dict the head. */
static promp_err_t put_item(promp_buf_t *out, const promp_value_t *value)
{
    /* Room for two heads, and at least as much again as there is, so that many small items do not crawl. */
    size_t room = out->capacity - out->size;
    promp_err_t err = room < 2 * HEAD ? promp_buf_reserve(out, 2 * HEAD + out->size) : PROMP_OK;
    if (err)
        return err;

    uint8_t *to = out->data + out->size;
    switch ((promp_value_type_t)value->type) {
    case PROMP_VALUE_NONE:
        out->size += cbor_encode_null(to, HEAD);
        break;
    case PROMP_VALUE_BOOL:
        out->size += cbor_encode_bool(value->truth, to, HEAD);
        break;
    case PROMP_VALUE_INT:
        out->size += value->integer < 0 ? cbor_encode_negint((uint64_t)(-1 - value->integer), to, HEAD)
                                        : cbor_encode_uint((uint64_t)value->integer, to, HEAD);
        break;
    case PROMP_VALUE_BIGINT:
        return put_bigint(out, value);
    case PROMP_VALUE_FLOAT:
        out->size += cbor_encode_double(value->real, to, HEAD);
        break;
    case PROMP_VALUE_BYTES:
    case PROMP_VALUE_STR:
        return put_bytes(out, value->type == PROMP_VALUE_STR, promp_slice(value->bytes, value->size));
    case PROMP_VALUE_LIST:
        out->size += cbor_encode_array_start(value->size, to, HEAD);
        break;
    case PROMP_VALUE_DICT:
        out->size += cbor_encode_map_start(value->size, to, HEAD);
        break;
    }
    return PROMP_OK;
}

promp_err_t promp_value_encode(const promp_value_t *value, promp_buf_t *out)
{
    const promp_value_t *path[PROMP_LIMIT_VALUE_DEPTH];
    size_t next[PROMP_LIMIT_VALUE_DEPTH];
    size_t depth = 0;
    size_t items = 0;
    size_t start = out->size;
    promp_err_t err;

    for (;;) {
        err = ++items > PROMP_LIMIT_VALUE_ITEMS ? PROMP_ERR_VALUE_SIZE : put_item(out, value);
        if (!err && out->size - start > PROMP_LIMIT_VALUE)
            err = PROMP_ERR_VALUE_SIZE;
        if (err)
            break;
        if (promp_value_tree_children(value)) {
            path[depth] = value;
            next[depth++] = 0;
        }
        while (depth && next[depth - 1] == promp_value_tree_children(path[depth - 1]))
            depth--;
        if (!depth)
            return PROMP_OK;
        value = &path[depth - 1]->item[next[depth - 1]++];
    }
    out->size = start;
    return err;
}
