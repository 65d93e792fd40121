/* fields.h - one codec for all messages: structs described by a list of fields, as messages.def makes them
 * (message.c). Pure functions; nothing is allocated when reading. */
#ifndef PROMP_PROTO_FIELDS_H
#define PROMP_PROTO_FIELDS_H

#include "base.h"
#include "buf.h"

typedef enum {
    PROMP_FIELD_U8,
    PROMP_FIELD_U16,
    PROMP_FIELD_U32,
    PROMP_FIELD_U64,
    PROMP_FIELD_ID,
    PROMP_FIELD_STR,   /* UTF-8 without NUL */
    PROMP_FIELD_PATH,  /* bytes without NUL */
    PROMP_FIELD_STRS,  /* run of NUL-ended strings */
    PROMP_FIELD_BYTES, /* any bytes */
    PROMP_FIELD_RAW    /* all that is left of the body; the only field of its message */
} promp_field_kind_t;

typedef struct {
    const char *name;
    uint16_t at;    /* offset in the struct */
    uint8_t kind;   /* promp_field_kind_t */
    uint8_t tag;    /* 0: required; else optional (U32, U64, ID, STR), behind all required ones */
    uint64_t limit; /* bytes; kinds from STR on */
} promp_field_t;

typedef struct {
    const promp_field_t *field;
    size_t count;
} promp_fields_t;

/* Reads body into the struct `into`, which the caller has zeroed. OK or MESSAGE_FIELD; then `into` is half
 * filled. */
promp_err_t promp_fields_decode(promp_fields_t fields, promp_slice_t body, void *into);

/* Checks the struct's values against the limits and tells the size of its body. OK or MESSAGE_FIELD. */
promp_err_t promp_fields_measure(promp_fields_t fields, const void *from, uint64_t *size);

/* Writes the body of a struct that has been measured; leaves out the bytes of its last field when that is
 * BYTES or RAW and rest is not NULL (*rest is then these bytes, else empty). Returns the end of what it
 * wrote. */
uint8_t *promp_fields_write(promp_fields_t fields, const void *from, uint8_t *to, promp_slice_t *rest);

/* Writes " name=value ..." for people into text (cut to size, NUL-ended; size > 0). Returns the length
 * written. */
size_t promp_fields_print(promp_fields_t fields, const void *from, char *text, size_t size);

#endif
