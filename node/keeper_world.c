#include "keeper_world.h"

void forget(world_t *w)
{
    w->count = 0;
}

void drain(world_t *w)
{
    promp_keeper_effect_t e;

    while (promp_keeper_core_next(w->core, &e)) {
        assert_true(w->count < 64);
        seen_t *s = &w->seen[w->count++];

        *s = (seen_t){.effect = e};
        if (e.kind == PROMP_KEEPER_SWEEP)
            promp_keeper_core_swept(w->core, w->left, w->now);
        if (e.kind == PROMP_KEEPER_COLLECT)
            promp_keeper_core_collected(w->core, e.worker, promp_slice_str("last words"));
        if (!e.out)
            continue;
        s->frame = e.out->frame;
        if (e.out->parts)
            memcpy(s->body, e.out->part[0].data, e.out->part[0].size);
        assert_int_equal(promp_message_decode(
                             s->frame.type, promp_slice(s->body, s->frame.size - PROMP_FRAME_HEADER),
                             PROMP_WHO_KEEPER, PROMP_WHO_NODE, PROMP_AT_UP, PROMP_VERSION_HIGH, &s->message),
                         PROMP_OK);
    }
}

void pass(world_t *w, int64_t ms)
{
    for (int64_t until = w->now + ms;; w->now++) {
        promp_keeper_core_tick(w->core, w->now);
        drain(w);
        if (w->now >= until)
            return;
    }
}

size_t count_of(const world_t *w, promp_keeper_effect_kind_t kind, int type)
{
    size_t n = 0;

    for (size_t i = 0; i < w->count; i++)
        n += w->seen[i].effect.kind == kind && (!type || w->seen[i].frame.type == type);
    return n;
}

const seen_t *last_of(const world_t *w, promp_keeper_effect_kind_t kind, int type)
{
    for (size_t i = w->count; i-- > 0;)
        if (w->seen[i].effect.kind == kind && (!type || w->seen[i].frame.type == type))
            return &w->seen[i];
    fail_msg("no effect %d with message %d", kind, type);
    return NULL;
}

void says(world_t *w, const promp_message_t *m, uint8_t session, uint8_t fds)
{
    promp_buf_t body = {0};
    promp_frame_t frame = {.type = (uint8_t)m->type, .fds = fds, .session = {{session}}};

    assert_int_equal(promp_message_encode(m, &body), PROMP_OK);
    frame.size = promp_frame_size(body.size);
    frame.body = promp_slice(body.data, body.size);
    promp_keeper_core_frame(w->core, &frame, w->now);
    drain(w);
    promp_buf_free(&body);
}

void pulse(world_t *w, uint32_t patience)
{
    promp_message_t m = {.type = PROMP_TYPE_PULSE, .pulse = {.patience_ms = patience}};

    says(w, &m, 0, 0);
}

/* SPAWN up to SPAWNED; the number of the worker, its process is session + 1000. */
uint32_t spawn(world_t *w, uint8_t session)
{
    promp_message_t m = {
        .type = PROMP_TYPE_SPAWN,
        .spawn = {.lease_ms = 1000, .owner_pid = 50, .owner_start = 500, .program = promp_slice_str("/x")}};
    uint32_t number;

    says(w, &m, session, 1);
    number = last_of(w, PROMP_KEEPER_SPAWN, 0)->effect.worker;
    promp_keeper_core_spawned(w->core, number, session + 1000u, w->now);
    drain(w);
    return number;
}

void ends(world_t *w, uint32_t number, int code, int signal, bool out_of_memory)
{
    promp_keeper_exit_t how = {.code = code,
                               .signal = signal,
                               .out_of_memory = out_of_memory,
                               .limit = out_of_memory ? 8192 : 0,
                               .memory = 4096};

    promp_keeper_core_exited(w->core, number, &how, w->now);
    pass(w, 0);
}

int setup(void **state)
{
    world_t *w = calloc(1, sizeof *w);

    if (!w)
        return -1;
    w->now = 100000;
    w->core = promp_keeper_core_new(1, &NODE_ID, w->now);
    pass(w, 0);
    assert_int_equal(count_of(w, PROMP_KEEPER_START_AGENT, 0), 1);
    promp_keeper_core_agent_up(w->core, w->now);
    drain(w);
    *state = w;
    return 0;
}

int teardown(void **state)
{
    world_t *w = *state;

    promp_keeper_core_destroy(&w->core);
    free(w);
    return 0;
}
