/* link_inside.h - what the files of the link share, and nobody else sees. */
#ifndef PROMP_NET_LINK_INSIDE_H
#define PROMP_NET_LINK_INSIDE_H

#include <sys/uio.h>

#include "link.h"

#define PROMP_LINK_FRAME_IOV (1 + PROMP_OUT_PARTS) /* runs of bytes of one frame */

/* A frame, or the rest of one, that waits to be written. */
typedef struct promp_link_entry {
    struct promp_link_entry *next;
    uint64_t tag;   /* 0: none */
    uint32_t frame; /* bytes of the whole frame, for its tag */
    uint32_t size;  /* bytes below */
    uint32_t sent;  /* of them written */
    bool begun;     /* its first byte has left: nothing may come in between */
    bool urgent;    /* which queue it is in */
    uint8_t fd_count;
    int fds[PROMP_LIMIT_FRAME_FDS]; /* our duplicates */
    uint8_t bytes[];
} promp_link_entry_t;

typedef struct {
    promp_link_entry_t *first, *last;
} promp_link_queue_t;

typedef struct {
    uint64_t tag, bytes;
} promp_link_tag_t;

/* A frame that is to be sent and that nothing has been copied of yet. */
typedef struct {
    struct iovec iov[PROMP_LINK_FRAME_IOV];
    size_t iovs;
    size_t size;
    bool urgent;
    const int *fds;
    size_t fd_count;
    uint64_t tag;
} promp_link_fresh_t;

struct promp_link {
    int fd;

    /* in */
    uint8_t *in; /* allocated by the first read */
    size_t in_capacity, in_start, in_end;
    size_t need;       /* bytes of the frame at in_start, as far as known */
    unsigned calm;     /* reads in a row that a small buffer would have held */
    uint64_t received; /* bytes, in all */
    promp_err_t spoilt;
    promp_frame_t begun; /* the frame that is handed out while it comes; offset of what comes next */
    size_t rest;         /* bytes of it that have not been handed out; 0: there is none */
    uint8_t *place;      /* where the first of them go with the next read */
    size_t place_size;   /* 0: into the buffer */
    size_t placed;       /* of them there and not handed out */
    struct {
        int fd;
        uint64_t end; /* of the bytes it came with, counted as received */
    } fds[PROMP_LIMIT_LINK_FDS];
    size_t fd_count;

    /* windows, bytes since the link began */
    uint64_t in_windowed, in_released, in_told; /* theirs: arrived, let go of, as LINK_ACK said */
    uint64_t out_windowed, out_released;        /* ours */

    /* out */
    promp_link_queue_t urgent, data;
    size_t queued; /* bytes in both */
    bool full;     /* the socket took less than it was offered */
    bool corked;
    promp_err_t broken;
    promp_link_tag_t *tags; /* that have left: a ring */
    size_t tags_first, tags_count, tags_capacity;
    size_t tags_waiting; /* in the queues; there is always room for them in the ring */
};

/* link_queue.c */
/* Room for one more tag, so that none can be lost later for want of memory. OK, MEMORY. */
promp_err_t promp_link_reserve_tag(promp_link_t *link);
void promp_link_tag_left(promp_link_t *link, uint64_t tag, uint64_t bytes);
/* Copies what is behind the first `sent` bytes of a frame into its queue. OK, MEMORY, DESCRIPTORS. */
promp_err_t promp_link_enqueue(promp_link_t *link, const promp_link_fresh_t *fresh, size_t sent);
void promp_link_take_off(promp_link_t *link, promp_link_entry_t *entry); /* the first of its queue has left */
void promp_link_close_fds(promp_link_entry_t *entry);

/* link_read.c */
promp_err_t promp_link_note(promp_link_t *link,
                            const promp_frame_t *frame); /* what the link itself does with a frame */

/* link_begun.c */
bool promp_link_more(promp_link_t *link,
                     promp_frame_t *frame); /* the next piece of the rest; false: none is here */

/* link.c */
/* Sends LINK_ACK when a quarter of the window has been released since the last one. */
void promp_link_tell_released(promp_link_t *link);
/* Takes in a LINK_ACK of the peer. OK, OFFSET, MESSAGE_*. */
promp_err_t promp_link_take_ack(promp_link_t *link, const promp_frame_t *frame);

#endif
