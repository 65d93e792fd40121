#include "auth_change.h"

#include <stdlib.h>
#include <unistd.h>

#include "auth_file.h"

struct promp_auth_change {
    int entries; /* descriptor of the folder `store` */
    int lock;
    promp_auth_store_t *store; /* as it was at the beginning */
    size_t added;              /* entries put that were not in it */
};

promp_err_t promp_auth_change_begin(int folder, bool make, int64_t wait, promp_auth_change_t **change,
                                    promp_error_t *error)
{
    promp_err_t code;
    promp_auth_change_t *c = calloc(1, sizeof *c);
    if (!c)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    code = promp_auth_folder_lock(folder, wait, &c->lock, error);
    if (code)
        goto err0;
    code = promp_auth_folder_open_at(folder, "store", make, &c->entries, error);
    if (code)
        goto err1;
    promp_auth_folder_sweep(folder);
    promp_auth_folder_sweep(c->entries);
    code = promp_auth_store_load(folder, &c->store, error);
    if (code)
        goto err2;
    *change = c;
    return PROMP_OK;

err2:
    close(c->entries);
err1:
    close(c->lock);
err0:
    free(c);
    return code;
}

const promp_auth_store_t *promp_auth_change_store(const promp_auth_change_t *change)
{
    return change->store;
}

promp_err_t promp_auth_change_put(promp_auth_change_t *change, const promp_auth_entry_t *entry,
                                  promp_error_t *error)
{
    char text[PROMP_LIMIT_KEY_FILE], file[PROMP_AUTH_STORE_FILE];
    const bool added = !promp_auth_store_find(change->store, entry->key);
    size_t size;

    if (added && promp_auth_store_count(change->store) + change->added >= PROMP_LIMIT_KEYS)
        return promp_error_set(error, PROMP_ERR_STORE_FULL, 0, "%d", PROMP_LIMIT_KEYS);
    promp_err_t code = promp_auth_entry_format(entry, text, &size, error);
    if (!code)
        code = promp_auth_file_write(change->entries, promp_auth_store_file(entry->key, file), 0644, text,
                                     size, error);
    change->added += !code && added;
    return code;
}

void promp_auth_change_end(promp_auth_change_t **change)
{
    promp_auth_change_t *c = *change;
    if (!c)
        return;
    promp_auth_store_destroy(&c->store);
    close(c->entries);
    close(c->lock);
    free(c);
    *change = NULL;
}

bool promp_auth_name_taken(const promp_auth_store_t *store, const char *name, int64_t now)
{
    if (strcmp(name, "broker") == 0)
        return true;
    for (size_t i = 0; i < promp_auth_store_count(store); i++) {
        const promp_auth_entry_t *entry = promp_auth_store_at(store, i);
        if (strcmp(entry->name, name) == 0 && !promp_auth_store_state(store, entry, now))
            return true;
    }
    return false;
}

/* What `revoke name` is about. */
static bool is_meant(const promp_auth_entry_t *entry, const char *name)
{
    return strcmp(entry->name, name) == 0 || (entry->renews && strcmp(entry->as, name) == 0);
}

promp_err_t promp_auth_revoke(int folder, const char *name, int64_t now, int64_t wait, size_t *count,
                              promp_error_t *error)
{
    promp_auth_change_t *change;
    bool found = false;
    *count = 0;
    promp_err_t code = promp_auth_change_begin(folder, false, wait, &change, error);
    if (code)
        return code;
    const promp_auth_store_t *store = promp_auth_change_store(change);
    for (size_t i = 0; i < promp_auth_store_count(store) && !code; i++) {
        promp_auth_entry_t entry = *promp_auth_store_at(store, i);
        if (!is_meant(&entry, name))
            continue;
        found = true;
        if (entry.revoked != PROMP_NEVER)
            continue;
        entry.revoked = now;
        code = promp_auth_change_put(change, &entry, error);
        *count += !code;
    }
    promp_auth_change_end(&change);
    if (!code && !found)
        code = promp_error_set(error, PROMP_ERR_NOT_FOUND, 0, "no key or token is called %s", name);
    return code;
}
