#include "value.h"

#include <stdlib.h>

#include "utf8.h"
#include "value_tree.h"

/* Puts a value on the heap; NULL, with nothing lost, without memory. */
static promp_value_t *box(promp_value_t value)
{
    promp_value_t *boxed = malloc(sizeof *boxed);
    if (!boxed) {
        promp_value_tree_clear(&value);
        return NULL;
    }
    *boxed = value;
    return boxed;
}

/* The other way round: takes the value out of *boxed, which is NULL afterwards. */
static promp_value_t unbox(promp_value_t **boxed)
{
    promp_value_t value = **boxed;
    free(*boxed);
    *boxed = NULL;
    return value;
}

promp_value_t *promp_value_none(void)
{
    return box((promp_value_t){.type = PROMP_VALUE_NONE});
}

promp_value_t *promp_value_bool(bool v)
{
    return box((promp_value_t){.type = PROMP_VALUE_BOOL, .truth = v});
}

promp_value_t *promp_value_int(int64_t v)
{
    return box((promp_value_t){.type = PROMP_VALUE_INT, .integer = v});
}

promp_value_t *promp_value_bigint(bool negative, const uint8_t *magnitude, size_t size)
{
    promp_value_t value;
    return promp_value_tree_bigint(&value, negative, promp_slice(magnitude, size), 0) ? box(value) : NULL;
}

promp_value_t *promp_value_float(double v)
{
    return box((promp_value_t){.type = PROMP_VALUE_FLOAT, .real = v});
}

promp_value_t *promp_value_bytes(const void *data, size_t size)
{
    promp_value_t value;
    return promp_value_tree_bytes(&value, PROMP_VALUE_BYTES, promp_slice(data, size)) ? box(value) : NULL;
}

promp_value_t *promp_value_str(const char *text, size_t size)
{
    promp_value_t value;
    promp_slice_t bytes = promp_slice(text, size);
    if (!promp_utf8_valid(bytes) || !promp_value_tree_bytes(&value, PROMP_VALUE_STR, bytes))
        return NULL;
    return box(value);
}

promp_value_t *promp_value_list(void)
{
    return box((promp_value_t){.type = PROMP_VALUE_LIST, .height = 1});
}

promp_value_t *promp_value_dict(void)
{
    return box((promp_value_t){.type = PROMP_VALUE_DICT, .height = 1});
}

promp_err_t promp_value_append(promp_value_t *list, promp_value_t **item)
{
    if (!list || !*item || list == *item || list->type != PROMP_VALUE_LIST) {
        promp_value_free(item);
        return PROMP_ERR_ARGUMENT;
    }
    promp_value_t value = unbox(item);
    return promp_value_tree_push(list, &value, 0);
}

promp_err_t promp_value_insert(promp_value_t *dict, promp_value_t **key, promp_value_t **item)
{
    if (!dict || !*key || !*item || dict == *key || dict == *item || *key == *item ||
        dict->type != PROMP_VALUE_DICT || !promp_value_tree_is_key(*key)) {
        if (*key == *item)
            *key = NULL;
        promp_value_free(key);
        promp_value_free(item);
        return PROMP_ERR_ARGUMENT;
    }
    promp_value_t name = unbox(key);
    promp_value_t value = unbox(item);
    return promp_value_dict_put(dict, &name, &value, 0);
}

void promp_value_free(promp_value_t **value)
{
    if (!value || !*value)
        return;
    promp_value_tree_clear(*value);
    free(*value);
    *value = NULL;
}

promp_value_type_t promp_value_type(const promp_value_t *value)
{
    return value ? (promp_value_type_t)value->type : PROMP_VALUE_NONE;
}

bool promp_value_as_bool(const promp_value_t *value)
{
    return promp_value_type(value) == PROMP_VALUE_BOOL && value->truth;
}

int64_t promp_value_as_int(const promp_value_t *value)
{
    return promp_value_type(value) == PROMP_VALUE_INT ? value->integer : 0;
}

double promp_value_as_float(const promp_value_t *value)
{
    if (promp_value_type(value) == PROMP_VALUE_INT)
        return (double)value->integer;
    return promp_value_type(value) == PROMP_VALUE_FLOAT ? value->real : 0.0;
}

const uint8_t *promp_value_data(const promp_value_t *value, size_t *size)
{
    static const uint8_t empty[1];
    bool has = promp_value_type(value) == PROMP_VALUE_BYTES || promp_value_type(value) == PROMP_VALUE_STR ||
               promp_value_type(value) == PROMP_VALUE_BIGINT;

    *size = has ? value->size : 0;
    return *size ? value->bytes : empty;
}

bool promp_value_is_negative(const promp_value_t *value)
{
    if (promp_value_type(value) == PROMP_VALUE_INT)
        return value->integer < 0;
    return promp_value_type(value) == PROMP_VALUE_BIGINT && value->negative;
}

size_t promp_value_count(const promp_value_t *value)
{
    return promp_value_type(value) == PROMP_VALUE_LIST || promp_value_type(value) == PROMP_VALUE_DICT
               ? value->size
               : 0;
}

const promp_value_t *promp_value_at(const promp_value_t *value, size_t index)
{
    if (index >= promp_value_count(value))
        return NULL;
    return value->type == PROMP_VALUE_LIST ? &value->item[index] : &value->item[2 * index + 1];
}

const promp_value_t *promp_value_key_at(const promp_value_t *dict, size_t index)
{
    return promp_value_type(dict) == PROMP_VALUE_DICT && index < dict->size ? &dict->item[2 * index] : NULL;
}

const promp_value_t *promp_value_find(const promp_value_t *dict, const char *key)
{
    if (promp_value_type(dict) != PROMP_VALUE_DICT)
        return NULL;
    promp_value_t name = {.type = PROMP_VALUE_STR, .bytes = (uint8_t *)key, .size = strlen(key)};
    return promp_value_dict_find(dict, &name);
}
