/* The connection to the broker: its keys, dialling, frames both ways. */
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "agent_shell.h"
#include "auth_file.h"
#include "limits.h"
#include "zload.h"

#define ROLE PROMP_AUTH_NODE

/* --- from the folder --- */

/* The one that the keeper wrote into a pipe. */
static promp_err_t get_key(promp_auth_key_t **key, promp_error_t *error)
{
    uint8_t *secret = promp_auth_secret_alloc(PROMP_AUTH_KEY_SIZE);
    promp_err_t code;

    if (!secret)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    if (read(PROMP_AGENT_FD_LISTEN, secret, PROMP_AUTH_KEY_SIZE) == PROMP_AUTH_KEY_SIZE)
        code = promp_auth_key_of_secret(secret, key, error);
    else
        code = promp_error_set(error, PROMP_ERR_SYSTEM, 0, "the key does not come from the keeper");
    close(PROMP_AGENT_FD_LISTEN);
    promp_auth_secret_free(secret);
    return code;
}

promp_err_t promp_agent_dial_open(promp_agent_t *a, promp_error_t *error)
{
    promp_agent_dial_t *d = &a->dial;
    promp_err_t code = promp_zload(error);

    if (!code)
        code = promp_auth_folder_open(a->config.folder, false, &d->folder, error);
    if (!code)
        code = promp_auth_joined_load(d->folder, ROLE, &d->joined, error);
    return code ? code : get_key(&d->key, error);
}

void promp_agent_dial_free(promp_agent_t *a)
{
    promp_agent_dial_close(a, PROMP_OK);
    promp_auth_key_destroy(&a->dial.key);
    if (a->dial.folder >= 0)
        close(a->dial.folder);
    a->dial.folder = -1;
}

/* --- what is told about it --- */

void promp_agent_dial_report(promp_agent_t *a, const promp_error_t *error, bool over)
{
    promp_message_t m = {
        .type = PROMP_TYPE_REPORT,
        .report = {.error = error->code, .over = over, .text = promp_slice_str(error->text)}};
    promp_buf_t body = {0};
    promp_out_t out = {.frame.type = PROMP_TYPE_REPORT, .urgent = true, .parts = 1};

    if (a->keeper && !promp_message_encode(&m, &body)) {
        out.part[0] = promp_slice(body.data, body.size);
        out.frame.size = promp_frame_size(body.size);
        (void)promp_link_send(a->keeper, &out, NULL, 0, 0);
    }
    promp_buf_free(&body);
}

/* Why we are not connected, once for each reason. */
static void complain(promp_agent_t *a)
{
    promp_agent_dial_t *d = &a->dial;

    d->unsaid = false;
    if (d->told == d->why.code)
        return;
    d->told = d->why.code;
    promp_log(a->config.log, PROMP_LOG_WARNING, d->why.code, "%s", d->why.text);
    promp_agent_dial_report(a, &d->why, false);
}

static void welcome(promp_agent_t *a)
{
    promp_agent_dial_t *d = &a->dial;
    promp_error_t good = {0}, ignored;
    const uint8_t *key = d->next ? d->joined.next : d->joined.key;

    d->welcomed = true;
    d->told = PROMP_OK;
    d->why = (promp_error_t){0};
    snprintf(good.text, sizeof good.text, "%s %s", d->joined.address, d->joined.name);
    promp_log(a->config.log, PROMP_LOG_INFO, PROMP_OK, "welcome at %s", good.text);
    promp_agent_dial_report(a, &good, false);
    if (promp_auth_joined_change(d->folder, ROLE, key, &ignored)) /* it is tried again with each welcome */
        promp_log(a->config.log, PROMP_LOG_WARNING, ignored.code, "%s", ignored.text);
}

/* --- dialling --- */

bool promp_agent_dial_is(const promp_agent_t *a, uint32_t number)
{
    return number != PROMP_AGENT_NONE && number == a->dial.number;
}

static void hide(promp_agent_dial_t *d)
{
    if (d->shown)
        promp_auth_key_hide(d->key);
    d->shown = false;
}

void promp_agent_dial_begin(promp_agent_t *a, uint32_t number, int64_t now)
{
    promp_agent_dial_t *d = &a->dial;
    promp_auth_joined_t joined;
    promp_error_t error;

    d->number = number;
    d->welcomed = false;
    if (!promp_auth_joined_load(d->folder, ROLE, &joined, &error)) /* somebody may have changed it */
        d->joined = joined;
    d->next = d->next && d->joined.has_next;

    const promp_zlink_config_t config = {.address = d->joined.address,
                                         .server_key = d->next ? d->joined.next : d->joined.key,
                                         .public_key = promp_auth_key_public(d->key),
                                         .secret_key = promp_auth_key_show(d->key)};

    d->shown = true;
    if (!promp_zlink_dial(&config, now, &d->link, &d->why) &&
        !promp_agent_watch(a, promp_zlink_fd(d->link), PROMP_AGENT_ON_BROKER, number, true, false))
        promp_error_set(&d->why, PROMP_ERR_SYSTEM, 0, "epoll");
    else if (d->link)
        return;
    hide(d);
    d->unsaid = true;
    promp_agent_core_closed(a->core, number, d->why.code, now);
}

void promp_agent_dial_close(promp_agent_t *a, promp_err_t why)
{
    promp_agent_dial_t *d = &a->dial;

    if (d->link && d->welcomed && why)
        promp_log(a->config.log, PROMP_LOG_WARNING, why == PROMP_ERR_CLOSED ? PROMP_OK : why,
                  "the connection to %s has ended%s%s", d->joined.address,
                  why == PROMP_ERR_CLOSED ? "" : ": ", why == PROMP_ERR_CLOSED ? "" : promp_error_text(why));
    promp_zlink_destroy(&d->link);
    hide(d);
    d->number = PROMP_AGENT_NONE;
}

/* It is over: the core hears why. With the broker's old key refused, the next one is tried before that counts. */
static void lost(promp_agent_t *a, int64_t now)
{
    promp_agent_dial_t *d = &a->dial;
    promp_err_t code = promp_zlink_why(d->link, &d->why);

    hide(d);
    d->unsaid = !d->welcomed;
    if (code == PROMP_ERR_BROKER_KEY && d->joined.has_next && !d->next) {
        d->next = true;
        d->unsaid = false;
        code = PROMP_ERR_CLOSED;
    } else if (code == PROMP_ERR_BROKER_KEY) {
        d->next = false;
    }
    promp_agent_core_closed(a->core, d->number, code, now);
}

static void give_tags_back(promp_agent_t *a)
{
    uint64_t tag, bytes;

    while (promp_zlink_flushed(a->dial.link, &tag, &bytes))
        promp_agent_core_flushed(a->core, tag, bytes);
}

/* After anything that may have changed its state. */
static void look(promp_agent_t *a, int64_t now)
{
    promp_agent_dial_t *d = &a->dial;

    give_tags_back(a);
    if (promp_zlink_state(d->link) == PROMP_ZLINK_LOST)
        lost(a, now);
    else if (promp_zlink_state(d->link) == PROMP_ZLINK_UP)
        hide(d);
}

int64_t promp_agent_dial_tick(promp_agent_t *a, int64_t now)
{
    int64_t due;

    if (a->dial.unsaid && !a->ended) /* the core goes on all the same */
        complain(a);
    if (!a->dial.link)
        return PROMP_NEVER;
    due = promp_zlink_tick(a->dial.link, now);
    look(a, now);
    return due;
}

/* --- frames --- */

/* What the shell has to know of the broker's words. */
static void listen_in(promp_agent_t *a, const promp_frame_t *frame)
{
    promp_agent_dial_t *d = &a->dial;
    promp_message_t m;
    promp_error_t error;

    if (frame->type != PROMP_TYPE_WELCOME && frame->type != PROMP_TYPE_REFUSED &&
        frame->type != PROMP_TYPE_NEXT_KEY)
        return;
    if (promp_message_decode(frame->type, frame->body, PROMP_WHO_BROKER, PROMP_WHO_NODE,
                             d->welcomed ? PROMP_AT_UP : PROMP_AT_NEW, PROMP_VERSION_HIGH, &m))
        return; /* the core will say so */
    if (frame->type == PROMP_TYPE_WELCOME) {
        welcome(a);
    } else if (frame->type == PROMP_TYPE_REFUSED) {
        promp_error_set(&d->why, (promp_err_t)m.refused.error, 0, "%.*s", (int)m.refused.text.size,
                        (const char *)m.refused.text.data);
        d->unsaid = true;
    } else if (promp_auth_joined_next(d->folder, ROLE, m.next_key.key, (int64_t)m.next_key.from, &error)) {
        promp_log(a->config.log, PROMP_LOG_WARNING, error.code, "the broker's next key is not kept: %s",
                  error.text);
    } else {
        promp_auth_joined_take_next(&d->joined, m.next_key.key, (int64_t)m.next_key.from,
                                    (int64_t)time(NULL));
    }
}

bool promp_agent_dial_ready(const promp_agent_t *a)
{
    return a->dial.link && promp_zlink_ready(a->dial.link);
}

void promp_agent_dial_read(promp_agent_t *a, int64_t now)
{
    promp_agent_dial_t *d = &a->dial;
    promp_zlink_t *link = d->link;
    promp_frame_t frame;
    promp_err_t error;
    bool got;

    if (!link)
        return;
    promp_zlink_read(link, NULL);
    a->gathering = true;
    while (!(error = promp_zlink_next(link, &frame, &got)) && got) {
        uint32_t number = d->number;

        listen_in(a, &frame);
        promp_agent_core_frame(a->core, number, &frame, now);
        promp_agent_do(a, now);
        if (d->link != link)
            break;
        if (promp_link_windowed(&frame))
            promp_zlink_release(link, frame.size);
    }
    promp_agent_links_uncork(a);
    if (d->link != link)
        return;
    if (error) {
        promp_error_set(&d->why, error, 0, "what the broker sent");
        promp_agent_core_closed(a->core, d->number, error, now);
    } else {
        look(a, now);
    }
    promp_agent_do(a, now);
}

promp_err_t promp_agent_dial_send(promp_agent_t *a, const promp_out_t *out, int64_t now)
{
    promp_err_t error = a->dial.link ? promp_zlink_send(a->dial.link, out, 0) : PROMP_ERR_CLOSED;

    (void)now;
    if (a->dial.link)
        give_tags_back(a);
    return error;
}

promp_err_t promp_agent_dial_forward(promp_agent_t *a, const promp_agent_effect_t *e)
{
    promp_frame_t plain = *e->frame;

    if (!a->dial.link)
        return PROMP_ERR_CLOSED;
    /* What is no data is said again until it is answered: a reader so slow does not get it twice. */
    if (!e->tag && promp_zlink_queued(a->dial.link) > PROMP_LIMIT_LINK_QUEUE / 8 * 7)
        return PROMP_OK;
    plain.fds = 0; /* none goes to another machine */
    promp_err_t error = promp_zlink_forward(a->dial.link, &plain, e->urgent, e->tag);

    give_tags_back(a);
    return error;
}
