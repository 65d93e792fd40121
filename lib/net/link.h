/* link.h - one Unix stream socket that carries frames: non-blocking, with bounded queues, descriptors and the peer's
 * credentials. Knows nothing of sessions. One thread (or lock) at a time.
 *
 * Out: two queues, urgent frames before data frames, never inside one. A frame that the socket takes at once is not
 * copied. In: one buffer, filled by one recvmsg(2) at a time; frames borrow from it.
 * Windows: both ends count the data (non-urgent DATA) bytes they send; promp_link_room() is what the peer has not yet
 * released. The reader calls promp_link_release() when it has let go of a frame, and the link sends LINK_ACK by itself
 * each quarter of a window. LINK_ACK frames never leave promp_link_next().
 */
#ifndef PROMP_NET_LINK_H
#define PROMP_NET_LINK_H

#include <sys/types.h>

#include "base.h"
#include "frame.h"

typedef struct promp_link promp_link_t;

/* Takes fd over (non-blocking and close-on-exec are set here), also on failure. NULL without memory. */
promp_link_t *promp_link_new(int fd);
/* Closes; descriptors received and not claimed are closed too. */
void promp_link_destroy(promp_link_t **link);

int promp_link_fd(const promp_link_t *link);
/* Credentials of the peer as the kernel tells them (SO_PEERCRED). */
promp_err_t promp_link_peer(const promp_link_t *link, pid_t *pid, uid_t *uid);

/* Reads once. OK (something or nothing came), CLOSED at end of file or reset (FRAME_TRUNCATED when a frame was
 * incomplete), SYSTEM, DESCRIPTOR_COUNT, MEMORY. Whatever it returns, frames read before can still be taken.
 * *again (may be NULL): the buffer was filled, there may be more. */
promp_err_t promp_link_read(promp_link_t *link, bool *again);

/* Next complete frame: OK and *got; OK and not *got when more bytes are needed; FRAME_SIZE, FRAME_HEADER: the link is
 * spoilt and must be dropped. The frame borrows until the next call of next or read. Its descriptors are claimed:
 * fds[0..frame->fds-1] belong to the caller (fds has room for PROMP_LIMIT_FRAME_FDS). */
promp_err_t promp_link_next(promp_link_t *link, promp_frame_t *frame, int *fds, bool *got);

/* The caller is done with bytes of data frames of the peer (size of the whole frame, for DATA that was not urgent). */
void promp_link_release(promp_link_t *link, uint64_t bytes);

/* Queues a frame: header from out->frame, body from out->part. fds[0..count-1] are duplicated. tag: comes back from
 * promp_link_flushed for data frames when tag is not 0. With the link corked nothing is written yet.
 * OK; CLOSED, SYSTEM when the socket is broken; QUEUE_FULL when PROMP_LIMIT_LINK_QUEUE would be passed (the frame is
 * not queued); MEMORY. */
promp_err_t promp_link_send(promp_link_t *link, const promp_out_t *out, const int *fds, size_t count, uint64_t tag);

/* Likewise for a frame as it was received (a relay's way): header and body are sent as they are. */
promp_err_t promp_link_forward(promp_link_t *link, const promp_frame_t *frame, bool urgent, uint64_t tag);

/* Between cork and uncork sends are gathered and then go out in one system call. Not nested. */
void promp_link_cork(promp_link_t *link);
promp_err_t promp_link_uncork(promp_link_t *link);

/* Writes what the socket takes. OK, CLOSED, SYSTEM. */
promp_err_t promp_link_flush(promp_link_t *link);
bool promp_link_wants_write(const promp_link_t *link); /* something waits: poll for POLLOUT and flush */
size_t promp_link_queued(const promp_link_t *link);     /* bytes that wait here */
uint64_t promp_link_room(const promp_link_t *link);     /* data bytes the window and our queue take now */

/* Data frames with a tag that have left (or were dropped by destroy's caller: see link's end) since the last call:
 * true and one of them, false when there is none. */
bool promp_link_flushed(promp_link_t *link, uint64_t *tag, uint64_t *bytes);

#endif
