#include "auth_store.h"

#include <stdlib.h>

#include "auth_store_inside.h"

promp_auth_store_t *promp_auth_store_new(void)
{
    promp_auth_store_t *store = calloc(1, sizeof *store);
    if (store)
        atomic_init(&store->shares, 1);
    return store;
}

promp_err_t promp_auth_store_add(promp_auth_store_t *store, const promp_auth_entry_t *entry,
                                 promp_error_t *error)
{
    if (store->count == PROMP_LIMIT_KEYS)
        return promp_error_set(error, PROMP_ERR_STORE_FULL, 0, "%d", PROMP_LIMIT_KEYS);
    if (store->count == store->room) {
        size_t room = store->room ? 2 * store->room : 16;
        promp_auth_entry_t *entries = realloc(store->entries, room * sizeof *entries);
        if (!entries)
            return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
        store->entries = entries;
        store->room = room;
    }
    store->entries[store->count++] = *entry;
    return PROMP_OK;
}

static int by_key(const void *a, const void *b)
{
    return memcmp(((const promp_auth_entry_t *)a)->key, ((const promp_auth_entry_t *)b)->key,
                  PROMP_AUTH_KEY_SIZE);
}

promp_err_t promp_auth_store_finish(promp_auth_store_t *store, promp_error_t *error)
{
    if (!store->count)
        return PROMP_OK;
    qsort(store->entries, store->count, sizeof *store->entries, by_key);
    for (size_t i = 1; i < store->count; i++)
        if (by_key(&store->entries[i - 1], &store->entries[i]) == 0)
            return promp_error_set(error, PROMP_ERR_STORE_ENTRY, 0, "the key of %s is there twice",
                                   store->entries[i].name);
    store->used = calloc(store->count, sizeof *store->used);
    if (!store->used)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    for (size_t i = 0; i < store->count; i++) {
        const promp_auth_entry_t *entry = &store->entries[i];
        const promp_auth_entry_t *token =
            entry->has_token ? promp_auth_store_find(store, entry->token) : NULL;
        if (token)
            store->used[token - store->entries]++;
    }
    return PROMP_OK;
}

promp_err_t promp_auth_store_of(const promp_auth_entry_t *entries, size_t count, promp_auth_store_t **store,
                                promp_error_t *error)
{
    promp_err_t code = PROMP_OK;
    *store = promp_auth_store_new();
    if (!*store)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    for (size_t i = 0; i < count && !code; i++)
        code = promp_auth_store_add(*store, &entries[i], error);
    if (!code)
        code = promp_auth_store_finish(*store, error);
    if (code)
        promp_auth_store_destroy(store);
    return code;
}

promp_auth_store_t *promp_auth_store_share(promp_auth_store_t *store)
{
    atomic_fetch_add_explicit(&store->shares, 1, memory_order_relaxed);
    return store;
}

void promp_auth_store_destroy(promp_auth_store_t **store)
{
    promp_auth_store_t *s = *store;
    *store = NULL;
    if (!s || atomic_fetch_sub_explicit(&s->shares, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < PROMP_AUTH_PROBLEMS_TOLD; i++)
        free(s->problem[i]);
    free(s->used);
    free(s->entries);
    free(s);
}

const promp_auth_entry_t *promp_auth_store_find(const promp_auth_store_t *store,
                                                const uint8_t key[PROMP_AUTH_KEY_SIZE])
{
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(key, store->entries[middle].key, PROMP_AUTH_KEY_SIZE);
        if (!order)
            return &store->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

uint32_t promp_auth_store_used(const promp_auth_store_t *store, const promp_auth_entry_t *token)
{
    return store->used[token - store->entries];
}

promp_err_t promp_auth_store_state(const promp_auth_store_t *store, const promp_auth_entry_t *entry,
                                   int64_t now)
{
    const bool token = entry->role == PROMP_AUTH_JOIN;
    if (entry->revoked != PROMP_NEVER)
        return token ? PROMP_ERR_TOKEN_REVOKED : PROMP_ERR_ACCESS_REVOKED;
    if (now >= entry->expires)
        return token ? PROMP_ERR_TOKEN_EXPIRED : PROMP_ERR_ACCESS_EXPIRED;
    if (token && promp_auth_store_used(store, entry) >= entry->uses)
        return PROMP_ERR_TOKEN_USED;
    return PROMP_OK;
}

promp_err_t promp_auth_store_check(const promp_auth_store_t *store, const uint8_t key[PROMP_AUTH_KEY_SIZE],
                                   int64_t now, const promp_auth_entry_t **entry)
{
    const promp_auth_entry_t *found = promp_auth_store_find(store, key);
    if (entry)
        *entry = found;
    return found ? promp_auth_store_state(store, found, now) : PROMP_ERR_ACCESS_UNKNOWN;
}

size_t promp_auth_store_count(const promp_auth_store_t *store)
{
    return store->count;
}

const promp_auth_entry_t *promp_auth_store_at(const promp_auth_store_t *store, size_t index)
{
    return &store->entries[index];
}

size_t promp_auth_store_problems(const promp_auth_store_t *store)
{
    return store->problems;
}

const char *promp_auth_store_problem(const promp_auth_store_t *store, size_t index)
{
    return index < PROMP_AUTH_PROBLEMS_TOLD ? store->problem[index] : NULL;
}
