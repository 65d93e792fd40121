#include "auth_issue.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth_broker.h"
#include "auth_change.h"
#include "auth_token.h"

/* What a token says about the broker. */
static promp_err_t describe(int folder, const char *address, int64_t now, promp_auth_token_t *token,
                            promp_error_t *error)
{
    promp_auth_broker_info_t info;
    promp_err_t code = promp_auth_broker_look(folder, now, &info, error);
    if (code)
        return code;
    if (!*address)
        address = info.address;
    if (!promp_auth_address_valid(promp_slice_str(address)))
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0,
                               "a token needs the broker's address, tcp://HOST:PORT");
    strcpy(token->address, address);
    memcpy(token->broker, info.key, sizeof token->broker);
    memcpy(token->next, info.next, sizeof token->next);
    token->has_next = info.has_next;
    return PROMP_OK;
}

/* Gives the order a key and a name of its own. */
static promp_err_t make_key(promp_auth_entry_t *order, promp_auth_token_t *token, promp_error_t *error)
{
    promp_err_t code = promp_auth_key_make(&token->key, error);
    if (code)
        return code;
    memcpy(order->key, promp_auth_key_public(token->key), sizeof order->key);
    snprintf(order->name, sizeof order->name, "token-%02x%02x%02x%02x", order->key[0], order->key[1],
             order->key[2], order->key[3]);
    return PROMP_OK;
}

/* Writes a token for an order, and its entry; text first, so that no token is left that nobody has. */
static promp_err_t issue(promp_auth_change_t *change, int folder, promp_auth_entry_t *order,
                         const char *address, int64_t now, char *text, promp_error_t *error)
{
    promp_auth_token_t *token = calloc(1, sizeof *token);
    if (!token)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    token->role = order->grants;
    token->expires = order->expires;
    promp_err_t code = describe(folder, address, now, token, error);
    if (!code)
        code = make_key(order, token, error);
    if (!code)
        code = promp_auth_token_format(token, text, error);
    if (!code)
        code = promp_auth_change_put(change, order, error);
    promp_auth_token_destroy(&token);
    return code;
}

promp_err_t promp_auth_issue(int folder, promp_auth_entry_t *order, const char *address, int64_t now,
                             char *text, promp_error_t *error)
{
    promp_auth_change_t *change;
    promp_err_t code = promp_auth_change_begin(folder, false, PROMP_TIME_STORE_LOCK, &change, error);
    if (code)
        return code;
    if (order->as[0] && promp_auth_name_taken(promp_auth_change_store(change), order->as, now))
        code = promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "the name %s is taken", order->as);
    else
        code = issue(change, folder, order, address, now, text, error);
    promp_auth_change_end(&change);
    return code;
}

/* The living key of a name that lasts longest; tokens cannot be renewed. */
static const promp_auth_entry_t *find_living(const promp_auth_store_t *store, const char *name, int64_t now)
{
    const promp_auth_entry_t *best = NULL;
    for (size_t i = 0; i < promp_auth_store_count(store); i++) {
        const promp_auth_entry_t *entry = promp_auth_store_at(store, i);
        if (strcmp(entry->name, name) == 0 && entry->role != PROMP_AUTH_JOIN &&
            !promp_auth_store_state(store, entry, now) && (!best || entry->expires > best->expires))
            best = entry;
    }
    return best;
}

promp_err_t promp_auth_issue_renewal(int folder, const char *name, int64_t end, const char *address,
                                     int64_t now, promp_auth_entry_t *order, char *text, promp_error_t *error)
{
    promp_auth_change_t *change;
    promp_err_t code = promp_auth_change_begin(folder, false, PROMP_TIME_STORE_LOCK, &change, error);
    if (code)
        return code;
    const promp_auth_entry_t *living = find_living(promp_auth_change_store(change), name, now);
    if (!living) {
        code = promp_error_set(error, PROMP_ERR_NOT_FOUND, 0, "no living key is called %s", name);
        goto out;
    }
    const int64_t until = order->expires;
    promp_auth_entry_t old = *living;
    *order = old; /* with its limits */
    order->expires = until;
    order->role = PROMP_AUTH_JOIN;
    order->has_token = false;
    order->created = now;
    order->grants = old.role;
    order->uses = 1;
    order->key_expires = old.expires;
    strcpy(order->as, old.name);
    order->renews = true;
    old.expires = promp_min64(old.expires, end);
    /* The token first: should we be interrupted, the old key still lasts as long as it did. */
    code = issue(change, folder, order, address, now, text, error);
    if (!code)
        code = promp_auth_change_put(change, &old, error);
out:
    promp_auth_change_end(&change);
    return code;
}
