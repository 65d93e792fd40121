/* value_tree.h - the insides of promp_value_t, for value*.c only. Values lie in one another's arrays by
 * value: a value is 24 bytes and a list of numbers is one allocation. "Moves": the source is forgotten, also
 * on failure (then what it held was freed), so on every way out there is one owner. */
#ifndef PROMP_PROTO_VALUE_TREE_H
#define PROMP_PROTO_VALUE_TREE_H

#include "base.h"
#include "limits.h"
#include "promp_value.h"

struct promp_value {
    union {
        bool truth;
        int64_t integer;
        double real;
        uint8_t *bytes;      /* BYTES, STR, BIGINT (big-endian, no zero in front); NUL behind; NULL: empty */
        promp_value_t *item; /* LIST; DICT: keys and values in turn, then the index (value_dict.c) */
    };
    size_t size;       /* bytes, items or pairs in use */
    uint32_t capacity; /* items or pairs that there is room for */
    uint8_t type;      /* promp_value_type_t */
    uint8_t height;    /* lists and dicts below one another here, 0..PROMP_LIMIT_VALUE_DEPTH */
    bool negative;     /* BIGINT */
};

_Static_assert(PROMP_LIMIT_VALUE_DEPTH < UINT8_MAX, "height is a byte");
_Static_assert(PROMP_LIMIT_VALUE_ITEMS < UINT32_MAX, "capacity is 32 bits");
_Static_assert(sizeof(size_t) == sizeof(uint64_t), "sizes on the wire are 64 bits wide");

/* Copies bytes into a new BYTES or STR. False: no memory. */
bool promp_value_tree_bytes(promp_value_t *value, promp_value_type_t type, promp_slice_t bytes);

/* Makes an INT or a BIGINT of magnitude + add (0 or 1), negated when negative. False: no memory. */
bool promp_value_tree_bigint(promp_value_t *value, bool negative, promp_slice_t magnitude, unsigned add);

/* Moves item behind the others of list. expected: items that the list will have as far as is known, 0:
 * unknown; it is never believed, only used to leave no slack. OK, MEMORY, VALUE_DEPTH, VALUE_SIZE. */
promp_err_t promp_value_tree_push(promp_value_t *list, promp_value_t *item, uint64_t expected);

/* Room for the next array of something that grows: doubles, but not beyond what is expected. 0: limit
 * reached. */
uint32_t promp_value_tree_grown(const promp_value_t *value, uint64_t expected);

/* What a list or dict becomes when item moves into it. OK or VALUE_DEPTH. */
promp_err_t promp_value_tree_raise(promp_value_t *value, const promp_value_t *item);

/* Frees what value holds; it is a NONE afterwards. */
void promp_value_tree_clear(promp_value_t *value);

/* Likewise for pairs (value_dict.c). An equal key's value is replaced in its place. */
promp_err_t promp_value_dict_put(promp_value_t *dict, promp_value_t *key, promp_value_t *item,
                                 uint64_t expected);

/* The value of an equal key, or NULL. */
const promp_value_t *promp_value_dict_find(const promp_value_t *dict, const promp_value_t *key);

static inline bool promp_value_tree_is_key(const promp_value_t *value)
{
    return value->type == PROMP_VALUE_STR || value->type == PROMP_VALUE_INT ||
           value->type == PROMP_VALUE_BIGINT;
}

/* Values in value's array: items, or keys and values. */
static inline size_t promp_value_tree_children(const promp_value_t *value)
{
    if (value->type == PROMP_VALUE_LIST)
        return value->size;
    return value->type == PROMP_VALUE_DICT ? 2 * value->size : 0;
}

#endif
