/* zdial.c - dialling a broker for a hub. zline.c is the connection itself. */
#include "zdial.h"

#include <stdlib.h>
#include <time.h>

#include "zline.h"

struct promp_zdial {
    char *address;
    promp_auth_key_t *key;
    uint8_t keys[2][PROMP_AUTH_KEY_SIZE]; /* the broker's: the one it is known by, the next */
    bool has_next;
    int64_t from; /* seconds since 1970 from which on that one is used; 0: not known */
    bool next;    /* that one is being tried */
    bool tried;   /* both have been, one after the other */
    promp_zdial_news_t news;
};

promp_zdial_t *promp_zdial_new(const promp_zdial_config_t *config)
{
    promp_zdial_t *dial = calloc(1, sizeof *dial);
    promp_auth_key_t *key = config->key;

    if (!dial)
        goto err0;
    dial->address = strdup(config->address);
    if (!dial->address)
        goto err1;
    memcpy(dial->keys[0], config->server_key, PROMP_AUTH_KEY_SIZE);
    dial->has_next = config->next_key != NULL;
    if (dial->has_next)
        memcpy(dial->keys[1], config->next_key, PROMP_AUTH_KEY_SIZE);
    dial->from = config->next_from;
    dial->key = key;
    return dial;

err1:
    free(dial);
err0:
    promp_auth_key_destroy(&key);
    return NULL;
}

void promp_zdial_destroy(promp_zdial_t **dial_p)
{
    promp_zdial_t *dial = *dial_p;

    *dial_p = NULL;
    if (!dial)
        return;
    promp_auth_key_destroy(&dial->key);
    free(dial->address);
    free(dial);
}

/* --- for the hub --- */

static promp_err_t dial_broker(void *arg, int timeout, int64_t now, promp_line_t *line, promp_error_t *error)
{
    promp_zdial_t *dial = arg;
    const promp_zlink_config_t config = {.address = dial->address,
                                         .server_key = dial->keys[dial->next],
                                         .public_key = promp_auth_key_public(dial->key),
                                         .timeout = timeout};

    return promp_zline_dial(&config, dial->key, now, line, error);
}

/* Which of the two keys counts is seen by which one lets us in: a clock may be wrong. */
static bool failed(void *arg, promp_err_t why)
{
    promp_zdial_t *dial = arg;

    if (why != PROMP_ERR_BROKER_KEY || !dial->has_next) {
        dial->tried = false;
        return false;
    }
    dial->next = !dial->next;
    dial->tried = !dial->tried;
    return dial->tried;
}

static void welcomed(void *arg)
{
    promp_zdial_t *dial = arg;

    dial->tried = false;
    if (!dial->next)
        return;
    memcpy(dial->keys[0], dial->keys[1], PROMP_AUTH_KEY_SIZE);
    dial->next = dial->has_next = false;
    dial->news = (promp_zdial_news_t){.moved = true};
    memcpy(dial->news.key, dial->keys[0], PROMP_AUTH_KEY_SIZE);
}

static void next_key(void *arg, const promp_msg_next_key_t *message)
{
    promp_zdial_t *dial = arg;
    bool any = message->key.size == PROMP_AUTH_KEY_SIZE && promp_auth_key_valid(message->key.data);
    bool same = any && memcmp(message->key.data, dial->keys[0], PROMP_AUTH_KEY_SIZE) == 0;

    if ((message->key.size && !any) || same)
        return; /* no key that anybody could use, or the one it has already */
    if (!any && dial->has_next && dial->from <= (int64_t)time(NULL))
        return; /* its time has come: it may be the one that is served */
    dial->has_next = any;
    dial->from = (int64_t)message->from;
    dial->next = false;
    dial->news.told = true;
    dial->news.any = any;
    dial->news.from = dial->from;
    if (any) {
        memcpy(dial->keys[1], message->key.data, PROMP_AUTH_KEY_SIZE);
        memcpy(dial->news.next, message->key.data, PROMP_AUTH_KEY_SIZE);
    }
}

static const promp_hub_broker_ops_t ops = {
    .dial = dial_broker, .failed = failed, .welcomed = welcomed, .next_key = next_key};

promp_hub_t *promp_zdial_hub(promp_zdial_t *dial, int timeout, promp_error_t *error)
{
    const promp_hub_config_t config = {.fd = -1, .lifeline = -1, .broker = {dial, &ops}};

    return promp_hub_new(&config, timeout, error);
}

bool promp_zdial_news(promp_zdial_t *dial, promp_zdial_news_t *news)
{
    *news = dial->news;
    dial->news.moved = dial->news.told = false;
    return news->moved || news->told;
}
