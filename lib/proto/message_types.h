/* message_types.h - part of message.h: the enum of types and one struct per message, made from messages.def.
 */
#ifndef PROMP_PROTO_MESSAGE_TYPES_H
#define PROMP_PROTO_MESSAGE_TYPES_H

#define PROMP_MESSAGE(NAME, name, number, from, to, states, on, max, since, meaning, fields)                 \
    PROMP_TYPE_##NAME = number,
typedef enum {
#include "messages.def"
} promp_type_t;
#undef PROMP_MESSAGE

#define U8(field, doc)                 uint8_t field;
#define U16(field, doc)                uint16_t field;
#define U32(field, doc)                uint32_t field;
#define U64(field, doc)                uint64_t field;
#define ID(field, doc)                 promp_id_t field;
#define STR(field, limit, doc)         promp_slice_t field;
#define PATH(field, limit, doc)        promp_slice_t field;
#define STRS(field, limit, doc)        promp_slice_t field;
#define BYTES(field, limit, doc)       promp_slice_t field;
#define RAW(field, doc)                promp_slice_t field;
#define OPT32(tag, field, doc)         uint32_t field;
#define OPT64(tag, field, doc)         uint64_t field;
#define OPTID(tag, field, doc)         promp_id_t field;
#define OPTSTR(tag, field, limit, doc) promp_slice_t field;

#define PROMP_MESSAGE(NAME, name, number, from, to, states, on, max, since, meaning, fields)                 \
    typedef struct {                                                                                         \
        fields                                                                                               \
    } promp_msg_##name##_t;
#include "messages.def"
#undef PROMP_MESSAGE

#undef U8
#undef U16
#undef U32
#undef U64
#undef ID
#undef STR
#undef PATH
#undef STRS
#undef BYTES
#undef RAW
#undef OPT32
#undef OPT64
#undef OPTID
#undef OPTSTR

#define PROMP_MESSAGE(NAME, name, number, from, to, states, on, max, since, meaning, fields)                 \
    promp_msg_##name##_t name;
typedef struct {
    promp_type_t type; /* 0: none */
    union {
#include "messages.def"
    };
} promp_message_t;
#undef PROMP_MESSAGE

#endif
