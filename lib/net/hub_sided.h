/* hub_sided.h - for tests of sides: a core with a side, whose other end is in the test's hands. */
#ifndef PROMP_NET_HUB_SIDED_H
#define PROMP_NET_HUB_SIDED_H

#include "hub_fake.h"

/* peer is the other end, a fake_node_t only for its functions. */
typedef struct {
    fake_core_t core;
    fake_node_t peer;
} sided_t;

void sided_add(promp_hub_t *hub, sided_t *sided);
void sided_attach(promp_hub_t *hub, sided_t *sided);
/* The other end sees it, whoever else holds ours. */
void sided_expect_end(sided_t *sided);
void sided_detach(promp_hub_t *hub, sided_t *sided);
/* For promp_hub_wait; arg: a fake_core_t. */
bool sided_has_none(void *arg);
void sided_send(promp_hub_t *hub, fake_core_t *core, uint64_t count);
void sided_expect_data(fake_node_t *node, const fake_core_t *core);
void sided_expect_frames(promp_hub_t *hub, fake_core_t *core, uint64_t frames);
void sided_say(fake_node_t *node, promp_type_t type, const promp_id_t *session);

#endif
