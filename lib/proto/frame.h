/* frame.h - what travels on a link: a fixed header and a body. Pure functions.
 *
 * Header, little-endian, 40 bytes:
 *   0 u32 size       of the whole frame, 40..PROMP_LIMIT_FRAME
 *   4 u8  type       promp_type_t, below PROMP_TYPE_RECORD
 *   5 u8  lane       promp_lane_t for DATA and CONGESTED, else 0
 *   6 u8  fds        descriptors that belong to this frame, 0..PROMP_LIMIT_FRAME_FDS (Unix links only)
 *   7 u8  reserved   0 when sent, ignored when read
 *   8 u32 epoch      of the session's path; 0 outside sessions
 *  12 u32 reserved2  0 when sent, ignored when read
 *  16 16  session    all zero: about the link itself
 *  32 u64 offset     DATA, CONGESTED: byte offset in the lane; else 0
 *
 * The body of DATA is a piece of the lane's byte stream. In that stream each record has a head of 8 bytes,
 * little-endian: type in the upper 16 bits, size of its body in the lower 48.
 * All other bodies, and the bodies of records, are written by message.h.
 */
#ifndef PROMP_PROTO_FRAME_H
#define PROMP_PROTO_FRAME_H

#include "base.h"
#include "limits.h"

#define PROMP_FRAME_HEADER 40
#define PROMP_RECORD_HEAD  8

typedef enum { PROMP_LANE_CONTROL, PROMP_LANE_MESSAGES, PROMP_LANE_OUTPUT, PROMP_LANE_BULK } promp_lane_t;
#define PROMP_LANES 4

typedef struct {
    uint32_t size;
    uint8_t type;
    uint8_t lane;
    uint8_t fds;
    uint32_t epoch;
    promp_id_t session;
    uint64_t offset;
    promp_slice_t body; /* size - PROMP_FRAME_HEADER bytes, borrowed */
} promp_frame_t;

/* Size of a frame with a body of so many bytes. */
static inline uint32_t promp_frame_size(size_t body)
{
    return (uint32_t)(PROMP_FRAME_HEADER + body);
}

/* Writes the header; frame->size must be set (promp_frame_size helps). */
void promp_frame_pack(const promp_frame_t *frame, uint8_t header[PROMP_FRAME_HEADER]);

/* Reads a frame from the start of data. PROMP_OK with *need = 0: frame is complete and borrows from data.
 * PROMP_OK with *need > 0: so many bytes in all are needed before it can be read. Else FRAME_SIZE or FRAME_HEADER;
 * those are found as soon as the header is there, before its body is waited for. FRAME_HEADER: a type that is no
 * frame's, more descriptors than allowed, no such lane, an end of data beyond 2^64, or a lane or offset in a frame
 * that has none. Types without a row are left to promp_message_decode. */
promp_err_t promp_frame_unpack(promp_slice_t data, promp_frame_t *frame, size_t *need);

static inline uint64_t promp_record_head(uint16_t type, uint64_t size)
{
    return (uint64_t)type << 48 | size;
}

/* A frame on its way out: a header and up to PROMP_OUT_PARTS runs of bytes that make its body. Borrowed: valid until
 * the next call into the core that gave it. small: room for bodies that are made on the spot. */
#define PROMP_OUT_PARTS 16
#define PROMP_OUT_SMALL 512
typedef struct {
    promp_frame_t frame; /* size set; body unused */
    promp_slice_t part[PROMP_OUT_PARTS];
    size_t parts;
    /* Goes before data that waits at the same link, and needs no window: all but PROBE and DATA of lanes other than
     * control. In a relay, too, PROBE never overtakes data and a lane's frames keep their order. */
    bool urgent;
    uint8_t small[PROMP_OUT_SMALL];
} promp_out_t;

#endif
