#include <inttypes.h>
#include <stdio.h>

#include "fields.h"

#define SHOWN 48 /* bytes of a string that are printed */

/* A line that takes what fits; one past the last character stays free for the NUL. */
typedef struct {
    char *text;
    size_t size;
    size_t used;
} line_t;

static void put(line_t *line, const char *text, size_t length)
{
    size_t room = line->size - 1 - line->used;
    if (length > room)
        length = room;
    memcpy(line->text + line->used, text, length);
    line->used += length;
}

static void put_number(line_t *line, uint64_t number)
{
    char digits[24];
    put(line, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number));
}

static void put_hex(line_t *line, const uint8_t *bytes, size_t count)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        char pair[2] = {digit[bytes[i] >> 4], digit[bytes[i] & 15]};
        put(line, pair, sizeof pair);
    }
}

/* Quoted; what could disturb a terminal or a log becomes \xNN, and long ones end in dots and their size. */
static void put_bytes(line_t *line, promp_slice_t bytes)
{
    size_t shown = bytes.size < SHOWN ? bytes.size : SHOWN;
    put(line, "\"", 1);
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = bytes.data[i];
        if (c >= 0x20 && c < 0x7F && c != '"' && c != '\\') {
            put(line, (const char *)&bytes.data[i], 1);
        } else {
            put(line, "\\x", 2);
            put_hex(line, &c, 1);
        }
    }
    put(line, "\"", 1);
    if (shown < bytes.size) {
        put(line, "...", 3);
        put_number(line, bytes.size);
    }
}

size_t promp_fields_print(promp_fields_t fields, const void *from, char *text, size_t size)
{
    line_t line = {text, size, 0};

    for (size_t i = 0; i < fields.count; i++) {
        const promp_field_t *field = &fields.field[i];
        const void *value = (const uint8_t *)from + field->at;
        put(&line, " ", 1);
        put(&line, field->name, strlen(field->name));
        put(&line, "=", 1);
        switch (field->kind) {
        case PROMP_FIELD_U8:
            put_number(&line, *(const uint8_t *)value);
            break;
        case PROMP_FIELD_U16:
            put_number(&line, *(const uint16_t *)value);
            break;
        case PROMP_FIELD_U32:
            put_number(&line, *(const uint32_t *)value);
            break;
        case PROMP_FIELD_U64:
            put_number(&line, *(const uint64_t *)value);
            break;
        case PROMP_FIELD_ID:
            put_hex(&line, ((const promp_id_t *)value)->b, sizeof(promp_id_t));
            break;
        default:
            put_bytes(&line, *(const promp_slice_t *)value);
        }
    }
    line.text[line.used] = 0;
    return line.used;
}
