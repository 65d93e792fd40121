#include "hub_zfake.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LOOK 10 /* ms in which the thread sees what the test wants */

static void say(zfake_t *fake, promp_zpeer_t peer, const promp_message_t *message)
{
    static const promp_id_t none;
    promp_out_t out;

    if (promp_message_out(message, &none, 0, &out) == PROMP_OK)
        (void)promp_zport_send(fake->rig->port, peer, &out, 0);
}

static void greet(zfake_t *fake, promp_zpeer_t peer)
{
    promp_message_t welcome = {.type = PROMP_TYPE_WELCOME, .welcome.version = PROMP_VERSION_HIGH},
                    refused = {.type = PROMP_TYPE_REFUSED, .refused.error = fake->refuse};

    fake->hellos++;
    fake->hello_at = promp_clock_ms();
    welcome.welcome.node = fake->id;
    refused.refused.text = promp_slice_str("the fake says so");
    if (!fake->mute)
        say(fake, peer, fake->refuse ? &refused : &welcome);
}

static void on_event(zfake_t *fake, const promp_zport_event_t *event)
{
    const promp_message_t beat = {.type = PROMP_TYPE_BEAT};
    bool is_data = event->frame.type == PROMP_TYPE_DATA;

    if (event->type != PROMP_ZPORT_FRAME)
        return;
    if (event->frame.type == PROMP_TYPE_HELLO)
        greet(fake, event->peer);
    else if (event->frame.type == PROMP_TYPE_BEAT && !fake->mute)
        say(fake, event->peer, &beat);
    else if (is_data && !fake->mute)
        (void)promp_zport_forward(fake->rig->port, event->peer, &event->frame, false, 0);
    if (is_data)
        promp_zport_release(fake->rig->port, event->peer, event->frame.size);
}

/* The rig's list of peers stays empty: the thread keeps its own. */
static void *run(void *arg)
{
    zfake_t *fake = arg;
    promp_zport_t *port = fake->rig->port;
    promp_zpeer_t peers[64];
    promp_zport_event_t event;
    size_t count = 0;

    pthread_mutex_lock(&fake->lock);
    while (!fake->stop) {
        for (int i = 0; i < 100 && promp_zport_next(port, &event) == PROMP_OK && event.type; i++) {
            if (event.type == PROMP_ZPORT_NEW && count < 64)
                peers[count++] = event.peer;
            on_event(fake, &event);
        }
        for (size_t i = 0; fake->say.type && i < count; i++)
            say(fake, peers[i], &fake->say);
        fake->say = (promp_message_t){.type = 0};
        int64_t now = promp_clock_ms(), due = promp_min64(promp_zport_tick(port, now), now + LOOK);
        struct pollfd fd = {promp_zport_fd(port), POLLIN, 0};
        bool ready = promp_zport_ready(port);
        pthread_mutex_unlock(&fake->lock);
        poll(&fd, 1, ready || due < now ? 0 : (int)(due - now));
        pthread_mutex_lock(&fake->lock);
    }
    pthread_mutex_unlock(&fake->lock);
    return NULL;
}

static void start(zfake_t *fake)
{
    fake->stop = false;
    assert_int_equal(pthread_create(&fake->thread, NULL, run, fake), 0);
    fake->runs = true;
}

void zfake_begin(zfake_t *fake, zrig_t *rig)
{
    *fake = (zfake_t){.rig = rig, .id = {{7}}};
    pthread_mutex_init(&fake->lock, NULL);
    snprintf(fake->endpoint, sizeof fake->endpoint, "%s", promp_zport_endpoint(rig->port));
    start(fake);
}

void zfake_stop(zfake_t *fake)
{
    if (!fake->runs)
        return;
    pthread_mutex_lock(&fake->lock);
    fake->stop = true;
    pthread_mutex_unlock(&fake->lock);
    pthread_join(fake->thread, NULL);
    fake->runs = false;
    promp_zport_destroy(&fake->rig->port);
}

void zfake_again(zfake_t *fake, const zrig_keys_t *server)
{
    int64_t end = promp_clock_ms() + ZRIG_PATIENCE;
    promp_error_t error = {0};
    promp_err_t err;

    zfake_stop(fake);
    fake->rig->port_config.endpoint = fake->endpoint;
    fake->rig->port_config.secret_key = server->secret_key;
    do { /* libzmq closes the old one by and by */
        err = promp_zport_new(fake->rig->context, &fake->rig->port_config, &fake->rig->port, &error);
        if (err)
            poll(NULL, 0, 5);
    } while (err == PROMP_ERR_PORT_TAKEN && promp_clock_ms() < end);
    if (err)
        fail_msg("%s", error.text);
    start(fake);
}

void zfake_end(zfake_t *fake)
{
    zfake_stop(fake);
    pthread_mutex_destroy(&fake->lock);
}

void zfake_refuse(zfake_t *fake, promp_err_t why)
{
    pthread_mutex_lock(&fake->lock);
    fake->refuse = why;
    pthread_mutex_unlock(&fake->lock);
}

void zfake_mute(zfake_t *fake, bool mute)
{
    pthread_mutex_lock(&fake->lock);
    fake->mute = mute;
    pthread_mutex_unlock(&fake->lock);
}

void zfake_say(zfake_t *fake, const promp_message_t *message)
{
    pthread_mutex_lock(&fake->lock);
    fake->say = *message;
    if (message->type == PROMP_TYPE_NEXT_KEY && message->next_key.key.size) {
        memcpy(fake->said_key, message->next_key.key.data, sizeof fake->said_key);
        fake->say.next_key.key.data = fake->said_key;
    }
    pthread_mutex_unlock(&fake->lock);
}

uint32_t zfake_hellos(zfake_t *fake)
{
    pthread_mutex_lock(&fake->lock);
    uint32_t hellos = fake->hellos;
    pthread_mutex_unlock(&fake->lock);
    return hellos;
}

int64_t zfake_hello_at(zfake_t *fake)
{
    pthread_mutex_lock(&fake->lock);
    int64_t at = fake->hello_at;
    pthread_mutex_unlock(&fake->lock);
    return at;
}

promp_zdial_t *zfake_dialer(const zfake_t *fake, const char *address, const zrig_keys_t *keys,
                            const uint8_t *next)
{
    promp_zdial_config_t config = {.address = address ? address : fake->endpoint,
                                   .server_key = fake->rig->server.public_key,
                                   .next_key = next};

    assert_int_equal(promp_auth_key_of_secret(keys->secret_key, &config.key, NULL), PROMP_OK);
    promp_zdial_t *dial = promp_zdial_new(&config);
    assert_non_null(dial);
    return dial;
}

/* --- tests --- */

int zworld_setup(void **state)
{
    zworld_t *w = calloc(1, sizeof *w);
    void *rig;

    assert_non_null(w);
    zrig_setup(&rig);
    w->rig = rig;
    zfake_begin(&w->fake, w->rig);
    *state = w;
    return 0;
}

int zworld_teardown(void **state)
{
    zworld_t *w = *state;
    void *rig = w->rig;

    if (w->hub) {
        promp_hub_detach(w->hub, &w->core);
        promp_hub_destroy(&w->hub);
    }
    promp_zdial_destroy(&w->dial);
    zfake_end(&w->fake);
    zrig_teardown(&rig);
    free(w);
    return 0;
}

void zworld_up(zworld_t *w, uint32_t lease, const uint8_t *next)
{
    promp_error_t error = {0};

    w->dial = zfake_dialer(&w->fake, NULL, &w->rig->known[0], next);
    w->hub = promp_zdial_hub(w->dial, 5000, &error);
    if (!w->hub)
        fail_msg("%s", error.text);
    w->core.lease_ms = lease;
    assert_int_equal(promp_hub_attach(w->hub, fake_core_port(&w->core)), PROMP_OK);
    fake_expect_paths(w->hub, &w->core, 1, 0, 0);
}

void zworld_send(zworld_t *w, uint64_t count, size_t size)
{
    promp_hub_lock(w->hub);
    w->core.size = size;
    w->core.to_send += count;
    promp_hub_unlock(w->hub);
}
