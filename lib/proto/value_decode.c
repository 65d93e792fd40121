#include <cbor.h>
#include <stdlib.h>

#include "utf8.h"
#include "value.h"
#include "value_tree.h"

/* A list or dict that is being read. */
typedef struct {
    promp_value_t value;
    promp_value_t key; /* of a dict's pair whose value has not come yet, else NONE */
    uint64_t claimed;  /* items or pairs, as its head says */
    uint64_t left;     /* items that have not come; a pair is two */
} level_t;

typedef struct {
    level_t level[PROMP_LIMIT_VALUE_DEPTH]; /* open ones, the outermost first */
    size_t depth;                           /* how many */
    promp_value_t root;
    bool done;    /* root is there */
    uint64_t tag; /* of the item that comes next: 2, 3; 0: none */
    size_t items; /* begun so far */
    size_t bytes; /* not read, the item at hand included */
    promp_err_t err;
} reader_t;

static void fail(reader_t *reader, promp_err_t err)
{
    if (!reader->err)
        reader->err = err;
}

/* Every item but tags comes through here first. False: it is not welcome. */
static bool begin(reader_t *reader)
{
    if (++reader->items > PROMP_LIMIT_VALUE_ITEMS)
        fail(reader, PROMP_ERR_VALUE_SIZE);
    if (reader->tag)
        fail(reader, PROMP_ERR_CBOR);
    return !reader->err;
}

/* Moves a complete value to where it belongs, and then each list or dict that it completes. */
static void finish(reader_t *reader, promp_value_t value)
{
    while (reader->depth) {
        level_t *level = &reader->level[reader->depth - 1];
        if (level->value.type == PROMP_VALUE_LIST) {
            fail(reader, promp_value_tree_push(&level->value, &value, level->claimed));
        } else if (level->left % 2) {
            fail(reader, promp_value_dict_put(&level->value, &level->key, &value, level->claimed));
            level->key = (promp_value_t){.type = PROMP_VALUE_NONE};
        } else if (promp_value_tree_is_key(&value)) {
            level->key = value;
        } else {
            promp_value_tree_clear(&value);
            fail(reader, PROMP_ERR_CBOR);
        }
        if (reader->err || --level->left)
            return;
        value = level->value;
        reader->depth--;
    }
    reader->root = value;
    reader->done = true;
}

/* A head claims what it likes: here only what cannot be true is refused, and memory comes with the items. */
static void open_level(reader_t *reader, promp_value_type_t type, uint64_t count)
{
    if (!begin(reader))
        return;
    uint64_t each = type == PROMP_VALUE_DICT ? 2 : 1;
    if (count > (reader->bytes - 1) / each)
        fail(reader, PROMP_ERR_CBOR);
    else if (count * each > PROMP_LIMIT_VALUE_ITEMS - reader->items)
        fail(reader, PROMP_ERR_VALUE_SIZE);
    else if (reader->depth == PROMP_LIMIT_VALUE_DEPTH)
        fail(reader, PROMP_ERR_VALUE_DEPTH);
    if (reader->err)
        return;
    promp_value_t value = {.type = (uint8_t)type, .height = 1};
    if (count == 0) {
        finish(reader, value);
        return;
    }
    level_t *level = &reader->level[reader->depth++];
    *level = (level_t){.value = value, .claimed = count, .left = count * each};
}

/* v, or -1 - v. */
static void on_integer(reader_t *reader, bool negative, uint64_t v)
{
    promp_value_t value = {.type = PROMP_VALUE_INT, .integer = negative ? -1 - (int64_t)v : (int64_t)v};
    uint8_t big[8];

    if (!begin(reader))
        return;
    if (v > INT64_MAX) {
        for (int i = 0; i < 8; i++)
            big[i] = (uint8_t)(v >> (56 - 8 * i));
        if (!promp_value_tree_bigint(&value, negative, promp_slice(big, sizeof big), negative)) {
            fail(reader, PROMP_ERR_MEMORY);
            return;
        }
    }
    finish(reader, value);
}

static void on_unsigned(void *context, uint64_t v)
{
    on_integer(context, false, v);
}

static void on_negative(void *context, uint64_t v)
{
    on_integer(context, true, v);
}

static void on_uint8(void *context, uint8_t v)
{
    on_unsigned(context, v);
}

static void on_uint16(void *context, uint16_t v)
{
    on_unsigned(context, v);
}

static void on_uint32(void *context, uint32_t v)
{
    on_unsigned(context, v);
}

static void on_negint8(void *context, uint8_t v)
{
    on_negative(context, v);
}

static void on_negint16(void *context, uint16_t v)
{
    on_negative(context, v);
}

static void on_negint32(void *context, uint32_t v)
{
    on_negative(context, v);
}

static void on_bytes(void *context, cbor_data data, size_t size)
{
    reader_t *reader = context;
    promp_slice_t bytes = promp_slice(data, size);
    promp_value_t value;
    uint64_t tag = reader->tag;

    reader->tag = 0;
    if (!begin(reader))
        return;
    if (tag ? promp_value_tree_bigint(&value, tag == 3, bytes, tag == 3)
            : promp_value_tree_bytes(&value, PROMP_VALUE_BYTES, bytes))
        finish(reader, value);
    else
        fail(reader, PROMP_ERR_MEMORY);
}

static void on_text(void *context, cbor_data data, size_t size)
{
    reader_t *reader = context;
    promp_slice_t text = promp_slice(data, size);
    promp_value_t value;

    if (!begin(reader))
        return;
    if (!promp_utf8_valid(text))
        fail(reader, PROMP_ERR_CBOR);
    else if (promp_value_tree_bytes(&value, PROMP_VALUE_STR, text))
        finish(reader, value);
    else
        fail(reader, PROMP_ERR_MEMORY);
}

static void on_list(void *context, size_t count)
{
    open_level(context, PROMP_VALUE_LIST, count);
}

static void on_dict(void *context, size_t count)
{
    open_level(context, PROMP_VALUE_DICT, count);
}

static void on_tag(void *context, uint64_t tag)
{
    reader_t *reader = context;
    if (reader->tag || (tag != 2 && tag != 3))
        fail(reader, PROMP_ERR_CBOR);
    reader->tag = tag;
}

static void on_double(void *context, double v)
{
    reader_t *reader = context;
    if (begin(reader))
        finish(reader, (promp_value_t){.type = PROMP_VALUE_FLOAT, .real = v});
}

static void on_float(void *context, float v)
{
    on_double(context, v);
}

static void on_none(void *context)
{
    reader_t *reader = context;
    if (begin(reader))
        finish(reader, (promp_value_t){.type = PROMP_VALUE_NONE});
}

static void on_bool(void *context, bool v)
{
    reader_t *reader = context;
    if (begin(reader))
        finish(reader, (promp_value_t){.type = PROMP_VALUE_BOOL, .truth = v});
}

/* Indefinite lengths, their end, and undefined: not ours. */
static void on_foreign(void *context)
{
    fail(context, PROMP_ERR_CBOR);
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_unsigned,
    .negint64 = on_negative,
    .negint32 = on_negint32,
    .negint16 = on_negint16,
    .negint8 = on_negint8,
    .byte_string_start = on_foreign,
    .byte_string = on_bytes,
    .string = on_text,
    .string_start = on_foreign,
    .indef_array_start = on_foreign,
    .array_start = on_list,
    .indef_map_start = on_foreign,
    .map_start = on_dict,
    .tag = on_tag,
    .float2 = on_float,
    .float4 = on_float,
    .float8 = on_double,
    .undefined = on_foreign,
    .null = on_none,
    .boolean = on_bool,
    .indef_break = on_foreign,
};

promp_err_t promp_value_decode(promp_slice_t data, promp_value_t **value)
{
    reader_t reader; /* the levels are filled as they are opened */
    reader.depth = reader.items = 0;
    reader.root = (promp_value_t){.type = PROMP_VALUE_NONE};
    reader.done = false;
    reader.tag = 0;
    reader.err = PROMP_OK;
    reader.bytes = data.size;

    *value = NULL;
    if (data.size > PROMP_LIMIT_VALUE)
        return PROMP_ERR_VALUE_SIZE;
    if (data.size == 0)
        return PROMP_ERR_CBOR;
    while (!reader.done && !reader.err) {
        const uint8_t *at = data.data + (data.size - reader.bytes);
        struct cbor_decoder_result result = cbor_stream_decode(at, reader.bytes, &callbacks, &reader);
        if (result.status != CBOR_DECODER_FINISHED)
            fail(&reader, PROMP_ERR_CBOR); /* more bytes will not come */
        reader.bytes -= result.read;
    }
    if (!reader.err && reader.bytes)
        reader.err = PROMP_ERR_CBOR;
    if (!reader.err) {
        *value = malloc(sizeof **value);
        if (*value) {
            **value = reader.root;
            return PROMP_OK;
        }
        reader.err = PROMP_ERR_MEMORY;
    }
    promp_value_tree_clear(&reader.root);
    while (reader.depth) {
        level_t *level = &reader.level[--reader.depth];
        promp_value_tree_clear(&level->key);
        promp_value_tree_clear(&level->value);
    }
    return reader.err;
}
