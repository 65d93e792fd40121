/* port.h - what a core (a manager's or a worker's) looks like to the shell that moves its frames. A shell may have
 * several cores on one link: a worker's own and those of the managers it creates. The shell calls, the core never calls
 * back. One thread (or lock) at a time. */
#ifndef PROMP_SESSION_PORT_H
#define PROMP_SESSION_PORT_H

#include "base.h"
#include "frame.h"

/* What a core knows of a direct way to the other end of one of its sessions. */
typedef enum {
    PROMP_WAY_CUT,     /* there is none, or none any more: what was under way on it may be lost */
    PROMP_WAY_OPEN,    /* frames may be sent on it */
    PROMP_WAY_UNUSED,  /* over; the other end has closed it and never sent anything on it */
    PROMP_WAY_READ_OUT /* over likewise; all that came on it was read */
} promp_way_t;

typedef struct {
    /* The link is up (after WELCOME, which names the node) or down. lost: it will not come back (the node ended). */
    void (*path)(void *core, bool up, bool lost, const promp_id_t *node, int64_t now);
    /* A frame with a session in its header. *mine: the session is this core's. An error: the peer broke the protocol. */
    promp_err_t (*frame)(void *core, const promp_frame_t *frame, bool *mine, int64_t now);
    /* Next frame to send, room as in promp_session_next; false: none. */
    bool (*next)(void *core, promp_out_t *out, uint64_t room, int64_t now);
    /* Does what time demands; returns when it wants the next call. */
    int64_t (*tick)(void *core, int64_t now);
    /* Smallest lease of its sessions in ms, 0: it has none. */
    uint32_t (*lease)(void *core);
    /* The direct way to the other end of one of its sessions is open, with so much room for data; or it is over, and the
     * session goes on over the link. Not told again while nothing changes. NULL: the core has no sides. */
    void (*side)(void *core, const promp_id_t *session, promp_way_t way, uint64_t room, int64_t now);
    /* A frame that may bring a descriptor (LEND); fd: the core's from now on, where it says mine; -1: none came. NULL: the
     * core wants none. */
    promp_err_t (*handed)(void *core, const promp_frame_t *frame, int fd, bool *mine, int64_t now);
    /* Where the rest of a DATA frame that is still coming belongs (offset and size of frame: what is missing): room for *size
     * bytes, made less where fewer fit, good for a read at once; the frame that then comes with its body there is not copied.
     * NULL result: nowhere. The operation may be NULL. */
    uint8_t *(*place)(void *core, const promp_frame_t *frame, size_t *size);
} promp_port_ops_t;

typedef struct {
    void *core;
    const promp_port_ops_t *ops;
} promp_port_t;

#endif
