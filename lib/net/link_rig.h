/* link_rig.h - for the link's tests: two links over a socket pair, frames whose bytes can be told apart. */
#ifndef PROMP_NET_LINK_RIG_H
#define PROMP_NET_LINK_RIG_H

#include "link.h"

typedef struct {
    promp_link_t *a, *b;
} link_pair_t;

int link_rig_setup(void **state); /* a link_pair_t */
int link_rig_teardown(void **state);

extern const promp_id_t link_rig_session;

uint8_t link_rig_byte(uint64_t n, size_t i);     /* byte i of the body of frame n */
uint8_t *link_rig_body(uint64_t n, size_t size); /* malloc'd */
/* A DATA frame with number n as its offset; on the control lane it is urgent. */
promp_out_t link_rig_out(promp_lane_t lane, uint64_t n, const uint8_t *body, size_t size);
promp_err_t link_rig_send(promp_link_t *link, promp_lane_t lane, uint64_t n, size_t size, uint64_t tag);

void link_rig_expect(promp_link_t *link, promp_frame_t *frame, int *fds); /* reads until there is a frame */
void link_rig_expect_data(promp_link_t *link, uint64_t n, size_t size);   /* frame n, every byte of it */
void link_rig_expect_none(promp_link_t *link);

/* Behind the link's back. */
void link_rig_pack(uint8_t *header, uint8_t type, uint32_t size, uint8_t fds);
void link_rig_write(promp_link_t *link, const void *data, size_t size);

#endif
