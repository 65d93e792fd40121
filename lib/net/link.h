/* link.h - one Unix stream socket that carries frames: non-blocking, with bounded queues, descriptors and the
 * peer's credentials. Knows nothing of sessions. One thread (or lock) at a time.
 *
 * Out: two queues, urgent frames before data frames, never inside one. A frame that the socket takes at once
 * is not copied. In: one buffer, filled by one recvmsg(2) at a time; frames borrow from it. Windows: both
 * ends count the bytes of DATA frames that they send, those of the control lane apart (promp_link_windowed);
 * promp_link_room() is what the peer has not yet released. The reader calls promp_link_release() when it has
 * let go of a frame, and the link sends LINK_ACK by itself each quarter of a window. LINK_ACK frames never
 * leave promp_link_next().
 */
#ifndef PROMP_NET_LINK_H
#define PROMP_NET_LINK_H

#include <sys/types.h>

#include "base.h"
#include "frame.h"
#include "message.h"

typedef struct promp_link promp_link_t;

/* The frame counts against the window: who takes it from promp_link_next() owes a promp_link_release(). */
static inline bool promp_link_windowed(const promp_frame_t *frame)
{
    return frame->type == PROMP_TYPE_DATA && frame->lane != PROMP_LANE_CONTROL;
}

/* Takes fd over (non-blocking and close-on-exec are set here), also on failure. NULL without memory. */
promp_link_t *promp_link_new(int fd);
/* Closes; descriptors received and not claimed are closed too. */
void promp_link_destroy(promp_link_t **link);

int promp_link_fd(const promp_link_t *link);
/* Credentials of the peer as the kernel tells them (SO_PEERCRED). */
promp_err_t promp_link_peer(const promp_link_t *link, pid_t *pid, uid_t *uid);

/* Reads once. OK (something or nothing came), CLOSED at end of file or reset (FRAME_TRUNCATED when a frame
 * was incomplete), SYSTEM, DESCRIPTOR_COUNT (more than a frame may have, or unclaimed ones pile up),
 * DESCRIPTORS (none left here: some were lost; who can do without them goes on, their frame has -1 in their
 * places), QUEUE_FULL (what was read before must be taken first), MEMORY. Whatever it returns, frames read
 * before can still be taken. *again (may be NULL): there may be more. */
promp_err_t promp_link_read(promp_link_t *link, bool *again);

/* Bytes read since the link began: has the peer been heard? */
uint64_t promp_link_received(const promp_link_t *link);

/* Next complete frame: OK and *got; OK and not *got when more bytes are needed; FRAME_SIZE, FRAME_HEADER,
 * DESCRIPTOR_COUNT (other descriptors came than were announced), CREDIT (beyond the window), OFFSET or
 * MESSAGE_* (a bad LINK_ACK): the link is spoilt, says the same from then on, and must be dropped. The frame
 * borrows until the next call of next or read. Its descriptors are claimed: fds[0..frame->fds-1] belong to
 * the caller (fds has room for PROMP_LIMIT_FRAME_FDS; -1: lost, as promp_link_read has said). */
promp_err_t promp_link_next(promp_link_t *link, promp_frame_t *frame, int *fds, bool *got);

/* For who can do with a part of a large DATA frame. When next() has no whole frame: is there one at the front that lacks a
 * good deal? Then *got, and what is here of it comes as a frame of its own; what follows comes from next(), piece by piece,
 * as frames at the offsets behind (size: bytes to be released; fds 0). Errors as of next(). */
promp_err_t promp_link_begin(promp_link_t *link, promp_frame_t *frame, bool *got);
/* What is still to come of such a frame: its header, offset and size of the rest. NULL: nothing, or it is in the buffer. */
const promp_frame_t *promp_link_begun(promp_link_t *link);
/* The next read, which must be the next call, writes the first size bytes of that rest to data (at most the rest; not 0);
 * next() then gives a frame whose body lies there. */
void promp_link_place(promp_link_t *link, uint8_t *data, size_t size);

/* The caller is done with bytes of windowed frames of the peer (size of the whole frame). */
void promp_link_release(promp_link_t *link, uint64_t bytes);

/* Queues a frame: header from out->frame, body from out->part. fds[0..count-1] stay the caller's. tag: comes
 * back from promp_link_flushed for frames that are not urgent when tag is not 0. With the link corked small
 * frames are not written yet. OK; CLOSED, SYSTEM when the socket is broken (says so from then on; reading
 * goes on); QUEUE_FULL when PROMP_LIMIT_LINK_QUEUE would be passed; DESCRIPTORS, MEMORY; ARGUMENT when size
 * and parts do not fit together. Where it does not return OK the frame is not queued. */
promp_err_t promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count,
                            uint64_t tag);

/* Likewise for a frame as it was received (a relay's way): header and body are sent as they are, without
 * descriptors. */
promp_err_t promp_link_forward(promp_link_t *link, const promp_frame_t *frame, bool urgent, uint64_t tag);

/* Between cork and uncork sends are gathered and then go out in one system call. Not nested. */
void promp_link_cork(promp_link_t *link);
promp_err_t promp_link_uncork(promp_link_t *link);

/* Writes what the socket takes. OK, CLOSED, SYSTEM. */
promp_err_t promp_link_flush(promp_link_t *link);
/* Something waits for the socket: poll for POLLOUT and flush. What only gathers under a cork does not. */
bool promp_link_wants_write(const promp_link_t *link);
size_t promp_link_queued(const promp_link_t *link); /* bytes that wait here */
uint64_t promp_link_room(const promp_link_t *link); /* data bytes the window and our queue take now */

/* Drops what is queued, for good: the way to get all tags back before destroying a link. A broken socket does
 * the same. */
void promp_link_drop(promp_link_t *link);

/* Frames with a tag that have left, or were dropped, since the last call: true and one of them (neighbours
 * with the same tag may come as one, their bytes added), false when there is none. */
bool promp_link_flushed(promp_link_t *link, uint64_t *tag, uint64_t *bytes);

#endif
