/* hub_broker.c - the link of a hub whose other end is a broker: dialling, and when to dial again. */
#include "hub_inside.h"

promp_who_t promp_hub_peer(const promp_hub_t *hub)
{
    return hub->broker.ops ? PROMP_WHO_BROKER : PROMP_WHO_NODE;
}

void promp_hub_broker_dial(promp_hub_t *hub, int64_t now)
{
    promp_line_t line = {NULL, NULL};
    promp_error_t error = {.code = PROMP_OK};
    int64_t left = hub->opening ? promp_max64(hub->open_by - now, 1) : PROMP_TIME_CONNECT;
    int timeout = (int)promp_min64(left, PROMP_TIME_CONNECT);
    promp_err_t err = hub->broker.ops->dial(hub->broker.arg, timeout, now, &line, &error);

    if (!err) {
        promp_hub_begin(hub, line, now);
        return;
    }
    hub->trouble = error;
    promp_hub_drop(hub, err, now);
}

void promp_hub_broker_said(promp_hub_t *hub, const promp_message_t *message)
{
    if (message->type == PROMP_TYPE_AWAY) {
        hub->away = true;
        hub->away_ms = promp_min64(message->away.retry_ms, PROMP_TIME_NO_LEASE);
    } else if (message->type == PROMP_TYPE_NEXT_KEY) {
        hub->broker.ops->next_key(hub->broker.arg, &message->next_key);
    }
}

/* --- the end of a connection --- */

/* The longest pause between two attempts. */
static int64_t pause_most(const promp_hub_t *hub)
{
    return hub->lease ? promp_max64(hub->lease / 10, PROMP_TIME_REDIAL) : PROMP_TIME_NO_LEASE;
}

/* From PROMP_TIME_REDIAL on, doubled; half of it by chance, so that those who lost the same broker do not come back all at
 * once. A broker that leaves names the time itself. */
static void plan_dial(promp_hub_t *hub, int64_t now)
{
    int64_t most = pause_most(hub), delay = PROMP_TIME_REDIAL;

    for (unsigned i = 0; i < hub->attempts && delay < most; i++)
        delay *= 2;
    hub->attempts++;
    delay = promp_min64(delay, most);
    delay -= promp_hub_chance(hub, delay / 2);
    if (hub->away) {
        delay = hub->away_ms + promp_hub_chance(hub, hub->away_ms);
        hub->not_before = now + delay;
    }
    hub->away = false;
    hub->dial_at = now + delay;
    promp_hub_stir(hub);
}

void promp_hub_broker_hurry(promp_hub_t *hub, int64_t now)
{
    if (!hub->broker.ops || hub->state != PROMP_HUB_DOWN)
        return;
    hub->dial_at = promp_min64(hub->dial_at, promp_max64(now + pause_most(hub), hub->not_before));
}

/* As the caller of promp_manager_new shall hear it. */
static promp_err_t in_words_of_brokers(promp_err_t why, bool greeted)
{
    if (promp_hub_is_fault(why))
        return PROMP_ERR_NOT_A_BROKER;
    if (why == PROMP_ERR_NODE_TIMEOUT)
        return PROMP_ERR_BROKER_SILENT;
    return why == PROMP_ERR_CLOSED && !greeted ? PROMP_ERR_BROKER_AWAY : why;
}

/* Asked again, a broker that was reached would say the same. Everything else is waited for: the sessions' leases decide. */
static bool is_final(promp_err_t why)
{
    return why == PROMP_ERR_KEY_REFUSED || why == PROMP_ERR_KEY_ROLE || why == PROMP_ERR_VERSION;
}

void promp_hub_broker_dropped(promp_hub_t *hub, promp_err_t why, int64_t stood, int64_t now)
{
    promp_err_t told = in_words_of_brokers(why, stood >= 0);

    if (hub->trouble.code != why && hub->trouble.code != told)
        promp_error_set(&hub->trouble, told, 0, NULL);
    if (stood < 0 && hub->broker.ops->failed(hub->broker.arg, why)) {
        hub->dial_at = now;
        return;
    }
    if (hub->opening) {
        *hub->error = hub->trouble;
        hub->state = PROMP_HUB_LOST;
        return;
    }
    if (stood >= PROMP_TIME_GAP)
        hub->attempts = 0;
    if (is_final(why)) {
        promp_hub_lose(hub, now);
        return;
    }
    if (stood >= 0)
        promp_hub_path(hub, false, false, now);
    plan_dial(hub, now);
}
