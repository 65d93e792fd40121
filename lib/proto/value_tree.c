#include "value_tree.h"

#include <stdlib.h>

bool promp_value_tree_bytes(promp_value_t *value, promp_value_type_t type, promp_slice_t bytes)
{
    *value = (promp_value_t){.type = (uint8_t)type};
    if (bytes.size == 0)
        return true;
    if (bytes.size == SIZE_MAX)
        return false;
    value->bytes = malloc(bytes.size + 1);
    if (!value->bytes) {
        value->type = PROMP_VALUE_NONE;
        return false;
    }
    memcpy(value->bytes, bytes.data, bytes.size);
    value->bytes[bytes.size] = 0;
    value->size = bytes.size;
    return true;
}

/* Makes an INT when the magnitude of value, a BIGINT, is small enough. */
static void narrow(promp_value_t *value)
{
    uint64_t sum = 0;

    if (value->size > sizeof sum)
        return;
    for (size_t i = 0; i < value->size; i++)
        sum = sum << 8 | value->bytes[i];
    if (sum > (uint64_t)INT64_MAX + value->negative)
        return;
    int64_t integer = value->negative && sum ? -(int64_t)(sum - 1) - 1 : (int64_t)sum;
    free(value->bytes);
    *value = (promp_value_t){.type = PROMP_VALUE_INT, .integer = integer};
}

bool promp_value_tree_bigint(promp_value_t *value, bool negative, promp_slice_t magnitude, unsigned add)
{
    while (magnitude.size && *magnitude.data == 0) {
        magnitude.data++;
        magnitude.size--;
    }
    *value = (promp_value_t){.type = PROMP_VALUE_NONE};
    if (magnitude.size > SIZE_MAX - 2)
        return false;
    /* One byte in front for the carry, one behind for the NUL. */
    uint8_t *bytes = malloc(magnitude.size + 2);
    if (!bytes)
        return false;
    bytes[0] = 0;
    if (magnitude.size)
        memcpy(bytes + 1, magnitude.data, magnitude.size);
    size_t size = magnitude.size + 1;
    for (size_t i = size; i-- > 0 && add;) {
        add += bytes[i];
        bytes[i] = (uint8_t)add;
        add >>= 8;
    }
    if (bytes[0] == 0)
        memmove(bytes, bytes + 1, --size);
    bytes[size] = 0;
    *value = (promp_value_t){.type = PROMP_VALUE_BIGINT, .bytes = bytes, .size = size, .negative = negative};
    narrow(value);
    return true;
}

uint32_t promp_value_tree_grown(const promp_value_t *value, uint64_t expected)
{
    uint64_t capacity = value->capacity ? 2 * (uint64_t)value->capacity : 4;

    if (capacity > expected && expected > value->capacity)
        capacity = expected;
    if (capacity > PROMP_LIMIT_VALUE_ITEMS)
        capacity = PROMP_LIMIT_VALUE_ITEMS;
    return capacity > value->capacity ? (uint32_t)capacity : 0;
}

promp_err_t promp_value_tree_raise(promp_value_t *value, const promp_value_t *item)
{
    if (item->height >= PROMP_LIMIT_VALUE_DEPTH)
        return PROMP_ERR_VALUE_DEPTH;
    if (value->height <= item->height)
        value->height = item->height + 1;
    return PROMP_OK;
}

promp_err_t promp_value_tree_push(promp_value_t *list, promp_value_t *item, uint64_t expected)
{
    promp_err_t err = promp_value_tree_raise(list, item);
    if (err)
        goto err0;
    if (list->size == list->capacity) {
        uint32_t capacity = promp_value_tree_grown(list, expected);
        err = PROMP_ERR_VALUE_SIZE;
        if (!capacity)
            goto err0;
        promp_value_t *grown = realloc(list->item, capacity * sizeof *grown);
        err = PROMP_ERR_MEMORY;
        if (!grown)
            goto err0;
        list->item = grown;
        list->capacity = capacity;
    }
    list->item[list->size++] = *item;
    return PROMP_OK;

err0:
    promp_value_tree_clear(item);
    return err;
}

static void release(promp_value_t *value)
{
    switch (value->type) {
    case PROMP_VALUE_BIGINT:
    case PROMP_VALUE_BYTES:
    case PROMP_VALUE_STR:
        free(value->bytes);
        break;
    case PROMP_VALUE_LIST:
    case PROMP_VALUE_DICT:
        free(value->item);
        break;
    default:
        break;
    }
    *value = (promp_value_t){.type = PROMP_VALUE_NONE};
}

void promp_value_tree_clear(promp_value_t *value)
{
    /* A way down the tree: no list or dict is higher than the limit. */
    promp_value_t *path[PROMP_LIMIT_VALUE_DEPTH];
    size_t next[PROMP_LIMIT_VALUE_DEPTH];
    size_t depth = 0;

    for (;;) {
        if (promp_value_tree_children(value)) {
            path[depth] = value;
            next[depth++] = 0;
        } else {
            release(value);
        }
        while (depth && next[depth - 1] == promp_value_tree_children(path[depth - 1]))
            release(path[--depth]);
        if (!depth)
            return;
        value = &path[depth - 1]->item[next[depth - 1]++];
    }
}
