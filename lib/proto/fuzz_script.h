/* fuzz_script.h - what the fuzz targets of cores share: the input read as a script, frames that it decides, and the tags that a
 * core waits for. A check that fails ends the process, as a fuzzer wants it. */
#ifndef PROMP_PROTO_FUZZ_SCRIPT_H
#define PROMP_PROTO_FUZZ_SCRIPT_H

#include "buf.h"
#include "frame.h"
#include "message.h"

#define FUZZ_TAGS 32 /* that are remembered; those before them never come back */

typedef struct {
    promp_slice_t left;
    uint64_t tag[FUZZ_TAGS], size[FUZZ_TAGS];
    size_t tags, end;
} fuzz_script_t;

void fuzz_check(bool holds);
promp_id_t fuzz_id(uint8_t n);

/* The next byte; 0 at the script's end. */
uint8_t fuzz_next(fuzz_script_t *script);

/* A frame of which the script says everything, its session one of so many, so that it meets others; its body lies in the script.
 * False: it is one that promp_frame_unpack does not let through. */
bool fuzz_frame(fuzz_script_t *script, unsigned sessions, promp_frame_t *frame);

/* A well formed message as a frame; session NULL: of none. The frame's body lies in body, which the caller frees. */
promp_frame_t fuzz_message(const promp_message_t *message, const promp_id_t *session, promp_buf_t *body);

/* Notes that a frame with that tag was handed over; fuzz_flushed gives them back, the last one first, false: no more. */
void fuzz_sent(fuzz_script_t *script, uint64_t tag, uint64_t size);
bool fuzz_flushed(fuzz_script_t *script, uint64_t *tag, uint64_t *size);

#endif
