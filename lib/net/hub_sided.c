#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub_sided.h"

void sided_add(promp_hub_t *hub, sided_t *sided)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fake_node_take(&sided->peer, ends[1]);
    promp_hub_lock(hub);
    assert_int_equal(promp_hub_side_add(hub, &sided->core, &sided->core.id, ends[0], false), PROMP_OK);
    promp_hub_unlock(hub);
}

void sided_attach(promp_hub_t *hub, sided_t *sided)
{
    assert_int_equal(promp_hub_attach(hub, fake_core_port(&sided->core)), PROMP_OK);
    sided_add(hub, sided);
}

void sided_expect_end(sided_t *sided)
{
    assert_true(fake_node_ended(&sided->peer));
    fake_node_hang_up(&sided->peer);
}

void sided_detach(promp_hub_t *hub, sided_t *sided)
{
    promp_hub_detach(hub, &sided->core);
    if (sided->peer.link)
        sided_expect_end(sided);
}

bool sided_has_none(void *arg)
{
    return ((fake_core_t *)arg)->unsided > 0;
}

void sided_send(promp_hub_t *hub, fake_core_t *core, uint64_t count)
{
    promp_hub_lock(hub);
    core->to_send += count;
    promp_hub_unlock(hub);
}

void sided_expect_data(fake_node_t *node, const fake_core_t *core)
{
    promp_frame_t frame;
    fake_node_frame(node, &frame);
    assert_int_equal(frame.type, PROMP_TYPE_DATA);
    assert_true(promp_id_equal(&frame.session, &core->id));
}

void sided_expect_frames(promp_hub_t *hub, fake_core_t *core, uint64_t frames)
{
    fake_wait(hub, fake_has_frames, &(fake_frames_t){core, frames});
}

void sided_say(fake_node_t *node, promp_type_t type, const promp_id_t *session)
{
    const promp_message_t message = {.type = type};
    fake_node_send(node, &message, session);
}
