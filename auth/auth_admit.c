#include "auth_admit.h"

#include <stdio.h>

#include "auth_change.h"

/* A valid name, as near to the wish as can be. */
static void tidy_name(promp_slice_t wish, promp_auth_role_t role, char name[PROMP_LIMIT_KEY_NAME + 1])
{
    size_t size = 0;
    for (size_t i = 0; i < wish.size && size < PROMP_LIMIT_KEY_NAME; i++) {
        const bool good = promp_auth_key_name_valid(promp_slice(wish.data + i, 1)) ||
                          (size && (wish.data[i] == '.' || wish.data[i] == '_'));
        if (good || size)
            name[size++] = good ? (char)wish.data[i] : '-';
    }
    name[size] = '\0';
    if (!size)
        strcpy(name, promp_auth_role_text(role));
}

/* The name, with a number behind it where it is taken. There are fewer keys than numbers. */
static void free_name(const promp_auth_store_t *store, int64_t now, char name[PROMP_LIMIT_KEY_NAME + 1])
{
    char wish[PROMP_LIMIT_KEY_NAME + 1], number[24];
    strcpy(wish, name);
    for (unsigned i = 2; promp_auth_name_taken(store, name, now); i++) {
        int size = snprintf(number, sizeof number, "-%u", i);
        snprintf(name, PROMP_LIMIT_KEY_NAME + 1, "%.*s%s", PROMP_LIMIT_KEY_NAME - size, wish, number);
    }
}

/* The entry of a key that a token lets in. */
static void describe(const promp_auth_store_t *store, const promp_auth_entry_t *token, promp_slice_t wish,
                     int64_t now, promp_auth_entry_t *entry)
{
    entry->expires = token->key_expires;
    entry->workers = token->workers;
    entry->bytes = token->bytes;
    strcpy(entry->labels, token->labels);
    entry->has_token = true;
    memcpy(entry->token, token->key, sizeof entry->token);
    tidy_name(token->as[0] ? promp_slice_str(token->as) : wish, token->grants, entry->name);
    if (!token->renews)
        free_name(store, now, entry->name);
}

static promp_err_t admit(promp_auth_change_t *change, const promp_auth_entry_t *token, promp_err_t state,
                         const uint8_t *new_key, promp_slice_t wish, int64_t now, promp_auth_entry_t *entry,
                         promp_error_t *error)
{
    const promp_auth_store_t *store = promp_auth_change_store(change);
    const promp_auth_entry_t *known = promp_auth_store_find(store, new_key);

    if (known && known->has_token && memcmp(known->token, token->key, sizeof known->token) == 0) {
        *entry = *known;
        state = promp_auth_store_state(store, known, now);
        return state ? promp_error_set(error, state, 0, NULL) : PROMP_OK;
    }
    if (state)
        return promp_error_set(error, state, 0, "%s", token->name);
    if (known)
        return promp_error_set(error, PROMP_ERR_KEY_EXISTS, 0, "%s has it", known->name);
    if (!promp_auth_key_valid(new_key))
        return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "the key of the joiner");
    promp_auth_entry_start(entry, new_key, token->grants, now);
    describe(store, token, wish, now, entry);
    return promp_auth_change_put(change, entry, error);
}

promp_err_t promp_auth_admit(int folder, const uint8_t join_key[PROMP_AUTH_KEY_SIZE],
                             const uint8_t new_key[PROMP_AUTH_KEY_SIZE], promp_slice_t name, int64_t now,
                             int64_t wait, promp_auth_entry_t *entry, promp_error_t *error)
{
    promp_auth_change_t *change;
    const promp_auth_entry_t *token;
    promp_err_t code = promp_auth_change_begin(folder, false, wait, &change, error);
    if (code)
        return code;
    promp_err_t state = promp_auth_store_check(promp_auth_change_store(change), join_key, now, &token);
    if (!token || token->role != PROMP_AUTH_JOIN)
        code = promp_error_set(error, PROMP_ERR_ACCESS_UNKNOWN, 0, "it is no token's");
    else
        code = admit(change, token, state, new_key, name, now, entry, error);
    promp_auth_change_end(&change);
    return code;
}
