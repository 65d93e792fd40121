/* message.h - messages as structs: made from messages.def, checked by one decoder. Pure functions; any thread.
 *
 * Strings and bytes in a decoded message borrow from the body it was decoded from. Everything a row of the table says
 * is checked before a handler sees the message: sender, receiver, state, size, limits, UTF-8 of STR.
 *
 * The body on the wire: the required fields in the order of the row, then optional ones (messages.def). DATA has a RAW
 * body, bytes of a lane without a form: decoding it only checks the row and borrows the whole body as data.piece.
 */
#ifndef PROMP_PROTO_MESSAGE_H
#define PROMP_PROTO_MESSAGE_H

#include "base.h"
#include "buf.h"
#include "counters.h"
#include "frame.h"
#include "limits.h"

#define PROMP_PROTOCOL_MAJOR 1
#define PROMP_VERSION_LOW    1 /* protocol versions that this build speaks */
#define PROMP_VERSION_HIGH   2

typedef enum {
    PROMP_WHO_MANAGER = 1,
    PROMP_WHO_WORKER = 2,
    PROMP_WHO_NODE = 4,
    PROMP_WHO_KEEPER = 8,
    PROMP_WHO_BROKER = 16,
    PROMP_WHO_OBSERVER = 32,
    PROMP_WHO_ADMIN = 64,
    PROMP_WHO_ENDS = PROMP_WHO_MANAGER | PROMP_WHO_WORKER,
    PROMP_WHO_GUESTS =
        PROMP_WHO_MANAGER | PROMP_WHO_NODE | PROMP_WHO_OBSERVER | PROMP_WHO_ADMIN, /* of a broker */
    PROMP_WHO_RELAYED = PROMP_WHO_ENDS | PROMP_WHO_NODE | PROMP_WHO_BROKER,
    PROMP_WHO_ALL = 127,
    PROMP_WHO_JOINER = 128 /* connected to a broker by a token's key */
} promp_who_t;

typedef enum { PROMP_AT_NEW = 1, PROMP_AT_UP = 2 } promp_at_t;

typedef enum {
    PROMP_ON_LINK,
    PROMP_ON_NODE,
    PROMP_ON_SESSION,
    PROMP_ON_KEEPER,
    PROMP_ON_CONTROL, /* PROMP_ON_CONTROL + lane for the lanes */
    PROMP_ON_MESSAGES,
    PROMP_ON_OUTPUT,
    PROMP_ON_BULK
} promp_on_t;

#define PROMP_TYPE_RECORD 64 /* types from here on are records in a lane, below it frames */

/* enum { PROMP_TYPE_HELLO = 1, ... } promp_type_t; struct { uint16_t version_low; ... } promp_msg_hello_t; ... and
 * promp_message_t { promp_type_t type; union { promp_msg_hello_t hello; ... }; } */
#include "message_types.h"

typedef struct {
    const char *name; /* "HELLO" */
    uint16_t type;
    uint8_t from, to, states, on;
    uint64_t max;
    uint16_t since;
} promp_message_row_t;

/* The row of a type, NULL when there is none. */
const promp_message_row_t *promp_message_row(uint16_t type);

/* Decodes body into *message, zeroed first. from: who the peer is, by the handshake; to: who we are (one bit each);
 * state: of the link. version: protocol version agreed on the link (rows with a higher `since` are unknown there).
 * Returns PROMP_OK or MESSAGE_UNKNOWN, MESSAGE_SENDER, MESSAGE_STATE, MESSAGE_SIZE, MESSAGE_FIELD; on an error
 * *message is all zero. */
promp_err_t promp_message_decode(uint16_t type, promp_slice_t body, promp_who_t from, promp_who_t to,
                                 promp_at_t state, uint16_t version, promp_message_t *message);

/* Appends the body of message to out. Returns PROMP_OK, MEMORY, or MESSAGE_FIELD / MESSAGE_SIZE where the message
 * breaks its own row (a sender's bug or a user's value that is too large), MESSAGE_UNKNOWN where its type has none;
 * then out is as before. */
promp_err_t promp_message_encode(const promp_message_t *message, promp_buf_t *out);

/* Likewise, but when the row's last field is BYTES or RAW those bytes are not copied: *rest is set to them and they belong
 * right behind out. Else *rest is empty. */
promp_err_t promp_message_encode_head(const promp_message_t *message, promp_buf_t *out, promp_slice_t *rest);

/* Fills out as a frame for message: header (type, session (NULL: none), epoch, size) and body. The body goes into
 * out->small, so this is for messages that fit there (all on LINK, all SESSION frames but DATA, and short NODE ones); a
 * longer one gives MESSAGE_SIZE. out->urgent is set: such frames are control (the caller of a PROBE clears it). The
 * caller of a CONGESTED also sets its lane and offset. */
promp_err_t promp_message_out(const promp_message_t *message, const promp_id_t *session, uint32_t epoch,
                              promp_out_t *out);

/* One line for people, "HELLO version_low=1 ..."; long bytes are cut. Returns text. */
char *promp_message_print(const promp_message_t *message, char *text, size_t size);

#endif
