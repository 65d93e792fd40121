/* zpart.h - one part of a ZeroMQ message is one frame: header and body, never with descriptors. One thread at a time. */
#ifndef PROMP_NET_ZPART_H
#define PROMP_NET_ZPART_H

#include <zmq.h>

#include "frame.h"

/* Makes part from a frame on its way out. On OK the caller closes part; on MEMORY or ARGUMENT (size and parts do not fit
 * together) there is nothing to close. */
promp_err_t promp_zpart_make(zmq_msg_t *part, const promp_out_t *out);

/* Likewise from a frame as it was received. came (may be NULL): the part that it was read from; then its bytes are shared, not
 * copied, where they are what would be sent. */
promp_err_t promp_zpart_pass(zmq_msg_t *part, const promp_frame_t *frame, zmq_msg_t *came);

/* Reads the frame that a received part is; it borrows from part. FRAME_SIZE: it is not exactly one frame; FRAME_HEADER: it is
 * malformed, or more parts follow; DESCRIPTOR_COUNT: it says that it has descriptors. */
promp_err_t promp_zpart_read(zmq_msg_t *part, promp_frame_t *frame);

#endif
