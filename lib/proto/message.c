#include "message.h"

#include "fields.h"

/* A row and the fields of its struct. */
typedef struct {
    promp_message_row_t row;
    promp_fields_t fields;
} entry_t;

#define FIELD(kind, field, limit, tag)  {#field, offsetof(self, field), PROMP_FIELD_##kind, tag, limit},
#define U8(field, doc)                  FIELD(U8, field, 0, 0)
#define U16(field, doc)                 FIELD(U16, field, 0, 0)
#define U32(field, doc)                 FIELD(U32, field, 0, 0)
#define U64(field, doc)                 FIELD(U64, field, 0, 0)
#define ID(field, doc)                  FIELD(ID, field, 0, 0)
#define STR(field, limit, doc)          FIELD(STR, field, limit, 0)
#define PATH(field, limit, doc)         FIELD(PATH, field, limit, 0)
#define STRS(field, limit, doc)         FIELD(STRS, field, limit, 0)
#define BYTES(field, limit, doc)        FIELD(BYTES, field, limit, 0)
#define RAW(field, doc)                 FIELD(RAW, field, UINT32_MAX, 0)
#define OPT32(number, field, doc)       FIELD(U32, field, 0, number)
#define OPT64(number, field, doc)       FIELD(U64, field, 0, number)
#define OPTID(number, field, doc)       FIELD(ID, field, 0, number)
#define OPTSTR(number, field, max, doc) FIELD(STR, field, max, number)

/* The table. A switch gives each row a scope of its own, where `self` names its struct for offsetof. */
static const entry_t *entry_of(uint16_t type)
{
#define PROMP_MESSAGE(NAME, name, number, from, to, states, on, max, since, meaning, list)                   \
    case number: {                                                                                           \
        typedef promp_msg_##name##_t self __attribute__((unused));                                           \
        static const promp_field_t field[] = {list{NULL, 0, 0, 0, 0}};                                       \
        static const entry_t entry = {{#NAME, number, from, to, states, PROMP_ON_##on, max, since},          \
                                      {field, sizeof field / sizeof *field - 1}};                            \
        return &entry;                                                                                       \
    }
    switch (type) {
#include "messages.def"
    default:
        return NULL;
    }
#undef PROMP_MESSAGE
}

/* Where the struct of any message lies in a promp_message_t. */
#define BODY_OFFSET offsetof(promp_message_t, hello)

static const void *body_of(const promp_message_t *message)
{
    return (const uint8_t *)message + BODY_OFFSET;
}

const promp_message_row_t *promp_message_row(uint16_t type)
{
    const entry_t *entry = entry_of(type);
    return entry ? &entry->row : NULL;
}

promp_err_t promp_message_decode(uint16_t type, promp_slice_t body, promp_who_t from, promp_who_t to,
                                 promp_at_t state, uint16_t version, promp_message_t *message)
{
    memset(message, 0, sizeof *message);
    const entry_t *entry = entry_of(type);
    if (!entry || entry->row.since > version)
        return PROMP_ERR_MESSAGE_UNKNOWN;
    if (!(entry->row.from & from) || !(entry->row.to & to))
        return PROMP_ERR_MESSAGE_SENDER;
    if (!(entry->row.states & state))
        return PROMP_ERR_MESSAGE_STATE;
    if (body.size > entry->row.max)
        return PROMP_ERR_MESSAGE_SIZE;
    promp_err_t err = promp_fields_decode(entry->fields, body, (uint8_t *)message + BODY_OFFSET);
    if (err) {
        memset(message, 0, sizeof *message);
        return err;
    }
    message->type = (promp_type_t)type;
    return PROMP_OK;
}

/* Finds the row of a message that is to be sent, and checks the message against it. */
static promp_err_t check(const promp_message_t *message, const entry_t **entry, uint64_t *size)
{
    *entry = entry_of((uint16_t)message->type);
    if (!*entry)
        return PROMP_ERR_MESSAGE_UNKNOWN;
    promp_err_t err = promp_fields_measure((*entry)->fields, body_of(message), size);
    if (err)
        return err;
    return *size > (*entry)->row.max ? PROMP_ERR_MESSAGE_SIZE : PROMP_OK;
}

static promp_err_t encode(const promp_message_t *message, promp_buf_t *out, promp_slice_t *rest)
{
    const entry_t *entry;
    uint64_t size;
    promp_err_t err = check(message, &entry, &size);
    if (err)
        return err;
    /* What goes into *rest needs no room here. */
    if (rest && entry->fields.count) {
        const promp_field_t *last = &entry->fields.field[entry->fields.count - 1];
        if (last->kind >= PROMP_FIELD_BYTES)
            size -= ((const promp_slice_t *)((const uint8_t *)body_of(message) + last->at))->size;
    }
    err = promp_buf_reserve(out, size ? size : 1); /* out->data is there then */
    if (err)
        return err;
    promp_fields_write(entry->fields, body_of(message), out->data + out->size, rest);
    out->size += size;
    return PROMP_OK;
}

promp_err_t promp_message_encode(const promp_message_t *message, promp_buf_t *out)
{
    return encode(message, out, NULL);
}

promp_err_t promp_message_encode_head(const promp_message_t *message, promp_buf_t *out, promp_slice_t *rest)
{
    *rest = promp_slice(NULL, 0);
    return encode(message, out, rest);
}

promp_err_t promp_message_out(const promp_message_t *message, const promp_id_t *session, uint32_t epoch,
                              promp_out_t *out)
{
    const entry_t *entry;
    uint64_t size;
    promp_err_t err = check(message, &entry, &size);
    if (err)
        return err;
    if (size > sizeof out->small)
        return PROMP_ERR_MESSAGE_SIZE;
    promp_fields_write(entry->fields, body_of(message), out->small, NULL);
    out->frame =
        (promp_frame_t){.size = promp_frame_size(size), .type = (uint8_t)message->type, .epoch = epoch};
    if (session)
        out->frame.session = *session;
    out->part[0] = promp_slice(out->small, size);
    out->parts = size ? 1 : 0;
    out->urgent = true;
    return PROMP_OK;
}

char *promp_message_print(const promp_message_t *message, char *text, size_t size)
{
    if (size == 0)
        return text;
    const entry_t *entry = entry_of((uint16_t)message->type);
    const char *name = entry ? entry->row.name : "UNKNOWN";
    size_t used = strnlen(name, size - 1);
    memcpy(text, name, used);
    text[used] = 0;
    if (entry)
        promp_fields_print(entry->fields, body_of(message), text + used, size - used);
    return text;
}
