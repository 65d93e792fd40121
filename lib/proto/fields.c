#include "fields.h"

#include "utf8.h"

#define OPTION_HEAD 5 /* u8 tag, u32 size */

static bool holds_nul(promp_slice_t bytes)
{
    return bytes.size && memchr(bytes.data, 0, bytes.size);
}

static bool content_ok(const promp_field_t *field, promp_slice_t bytes)
{
    if (bytes.size > field->limit)
        return false;
    switch (field->kind) {
    case PROMP_FIELD_STR:
        return !holds_nul(bytes) && promp_utf8_valid(bytes);
    case PROMP_FIELD_PATH:
        return !holds_nul(bytes);
    case PROMP_FIELD_STRS:
        return bytes.size == 0 || bytes.data[bytes.size - 1] == 0;
    default:
        return true;
    }
}

/* Bytes of a number or an identity on the wire; 0 for what carries its own size. */
static size_t fixed_size(uint8_t kind)
{
    static const uint8_t size[] = {[PROMP_FIELD_U8] = 1,
                                   [PROMP_FIELD_U16] = 2,
                                   [PROMP_FIELD_U32] = 4,
                                   [PROMP_FIELD_U64] = 8,
                                   [PROMP_FIELD_ID] = sizeof(promp_id_t),
                                   [PROMP_FIELD_RAW] = 0};
    return size[kind];
}

static void load_fixed(uint8_t kind, const uint8_t *p, void *into)
{
    switch (kind) {
    case PROMP_FIELD_U8:
        *(uint8_t *)into = *p;
        break;
    case PROMP_FIELD_U16:
        *(uint16_t *)into = promp_get16(p);
        break;
    case PROMP_FIELD_U32:
        *(uint32_t *)into = promp_get32(p);
        break;
    case PROMP_FIELD_U64:
        *(uint64_t *)into = promp_get64(p);
        break;
    default:
        memcpy(into, p, sizeof(promp_id_t));
    }
}

static void store_fixed(uint8_t kind, const void *from, uint8_t *p)
{
    switch (kind) {
    case PROMP_FIELD_U8:
        *p = *(const uint8_t *)from;
        break;
    case PROMP_FIELD_U16:
        promp_put16(p, *(const uint16_t *)from);
        break;
    case PROMP_FIELD_U32:
        promp_put32(p, *(const uint32_t *)from);
        break;
    case PROMP_FIELD_U64:
        promp_put64(p, *(const uint64_t *)from);
        break;
    default:
        memcpy(p, from, sizeof(promp_id_t));
    }
}

static const promp_field_t *field_of_tag(promp_fields_t fields, uint8_t tag)
{
    for (size_t i = fields.count; i-- > 0 && fields.field[i].tag;)
        if (fields.field[i].tag == tag)
            return &fields.field[i];
    return NULL;
}

static promp_err_t decode_options(promp_fields_t fields, promp_slice_t body, void *into)
{
    uint64_t seen[4] = {0};
    const uint8_t *p = body.data;
    size_t left = body.size;

    while (left) {
        if (left < OPTION_HEAD)
            return PROMP_ERR_MESSAGE_FIELD;
        uint8_t tag = *p;
        promp_slice_t bytes = promp_slice(p + OPTION_HEAD, promp_get32(p + 1));
        left -= OPTION_HEAD;
        uint64_t bit = 1ULL << (tag & 63);
        if (tag == 0 || bytes.size > left || (seen[tag >> 6] & bit))
            return PROMP_ERR_MESSAGE_FIELD;
        seen[tag >> 6] |= bit;
        p += OPTION_HEAD + bytes.size;
        left -= bytes.size;

        const promp_field_t *field = field_of_tag(fields, tag);
        if (!field)
            continue; /* from a later version */
        void *value = (uint8_t *)into + field->at;
        if (field->kind < PROMP_FIELD_STR) {
            if (bytes.size != fixed_size(field->kind))
                return PROMP_ERR_MESSAGE_FIELD;
            load_fixed(field->kind, bytes.data, value);
        } else {
            if (!content_ok(field, bytes))
                return PROMP_ERR_MESSAGE_FIELD;
            *(promp_slice_t *)value = bytes;
        }
    }
    return PROMP_OK;
}

promp_err_t promp_fields_decode(promp_fields_t fields, promp_slice_t body, void *into)
{
    const uint8_t *p = body.data;
    size_t left = body.size;

    for (size_t i = 0; i < fields.count && !fields.field[i].tag; i++) {
        const promp_field_t *field = &fields.field[i];
        void *value = (uint8_t *)into + field->at;
        size_t size = fixed_size(field->kind);
        if (field->kind < PROMP_FIELD_STR) {
            if (left < size)
                return PROMP_ERR_MESSAGE_FIELD;
            load_fixed(field->kind, p, value);
        } else {
            if (field->kind == PROMP_FIELD_RAW) {
                size = left;
            } else {
                if (left < 4)
                    return PROMP_ERR_MESSAGE_FIELD;
                size = promp_get32(p);
                p += 4;
                left -= 4;
            }
            promp_slice_t bytes = promp_slice(p, size);
            if (size > left || !content_ok(field, bytes))
                return PROMP_ERR_MESSAGE_FIELD;
            *(promp_slice_t *)value = bytes;
        }
        p += size;
        left -= size;
    }
    return left ? decode_options(fields, promp_slice(p, left), into) : PROMP_OK;
}

/* An optional field that is zero is not sent. */
static bool left_out(const promp_field_t *field, const void *value)
{
    if (!field->tag)
        return false;
    if (field->kind == PROMP_FIELD_STR)
        return ((const promp_slice_t *)value)->size == 0;
    static const uint8_t zero[sizeof(promp_id_t)];
    return memcmp(value, zero, fixed_size(field->kind)) == 0;
}

promp_err_t promp_fields_measure(promp_fields_t fields, const void *from, uint64_t *size)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < fields.count; i++) {
        const promp_field_t *field = &fields.field[i];
        const void *value = (const uint8_t *)from + field->at;
        if (left_out(field, value))
            continue;
        if (field->tag)
            sum += OPTION_HEAD;
        if (field->kind < PROMP_FIELD_STR) {
            sum += fixed_size(field->kind);
            continue;
        }
        promp_slice_t bytes = *(const promp_slice_t *)value;
        if (!content_ok(field, bytes) || bytes.size > UINT32_MAX)
            return PROMP_ERR_MESSAGE_FIELD;
        if (!field->tag && field->kind != PROMP_FIELD_RAW)
            sum += 4;
        sum += bytes.size;
    }
    *size = sum;
    return PROMP_OK;
}

uint8_t *promp_fields_write(promp_fields_t fields, const void *from, uint8_t *to, promp_slice_t *rest)
{
    if (rest)
        *rest = promp_slice(NULL, 0);
    for (size_t i = 0; i < fields.count; i++) {
        const promp_field_t *field = &fields.field[i];
        const void *value = (const uint8_t *)from + field->at;
        if (left_out(field, value))
            continue;
        bool fixed = field->kind < PROMP_FIELD_STR;
        promp_slice_t bytes =
            fixed ? promp_slice(NULL, fixed_size(field->kind)) : *(const promp_slice_t *)value;
        if (field->tag)
            *to++ = field->tag;
        if (field->tag || (!fixed && field->kind != PROMP_FIELD_RAW)) {
            promp_put32(to, (uint32_t)bytes.size);
            to += 4;
        }
        if (fixed) {
            store_fixed(field->kind, value, to);
        } else if (rest && i + 1 == fields.count && field->kind >= PROMP_FIELD_BYTES) {
            *rest = bytes;
            break;
        } else if (bytes.size) {
            memcpy(to, bytes.data, bytes.size);
        }
        to += bytes.size;
    }
    return to;
}
