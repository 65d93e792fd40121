/* serve_keys.c - the broker's identity, and the store: loaded, looked at, swapped. */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "auth_file.h"
#include "serve_inside.h"

#define IDENTITY "identity"
#define DIGITS   32

/* --- identity --- */

static bool read_digits(const char *text, promp_id_t *id)
{
    for (size_t i = 0; i < DIGITS; i++) {
        const char *digits = "0123456789abcdef", *at = text[i] ? strchr(digits, text[i]) : NULL;

        if (!at)
            return false;
        id->b[i / 2] = (uint8_t)(id->b[i / 2] << 4 | (at - digits));
    }
    return !promp_id_is_none(id);
}

static promp_err_t make_identity(int folder, promp_id_t *id, promp_error_t *error)
{
    char text[DIGITS + 2];

    if (promp_id_make(id))
        return promp_error_set(error, PROMP_ERR_SYSTEM, 0, "no random bits");
    promp_id_text(id, text);
    text[DIGITS] = '\n';
    return promp_auth_file_write(folder, IDENTITY, 0644, text, DIGITS + 1, error);
}

promp_err_t promp_serve_identity(int folder, promp_id_t *id, promp_error_t *error)
{
    char text[PROMP_LIMIT_KEY_FILE];
    size_t size;
    int lock;
    promp_err_t code = promp_auth_folder_lock(folder, PROMP_TIME_STORE_LOCK, &lock, error);

    if (code)
        return code;
    code = promp_auth_file_read(folder, IDENTITY, PROMP_AUTH_FILE_PUBLIC, text, &size, error);
    if (code == PROMP_ERR_KEY_MISSING)
        code = make_identity(folder, id, error);
    else if (!code && (size != DIGITS + 1 || text[DIGITS] != '\n' || !read_digits(text, id)))
        code = promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0,
                               "the file " IDENTITY " is not of 32 hexadecimal digits");
    close(lock);
    return code;
}

/* --- the store --- */

/* When the next of the keys that are good now expires. */
static int64_t next_expiry(const promp_auth_store_t *store, int64_t now)
{
    int64_t next = PROMP_NEVER;

    for (size_t i = 0; i < promp_auth_store_count(store); i++) {
        const promp_auth_entry_t *entry = promp_auth_store_at(store, i);

        if (entry->revoked == PROMP_NEVER && entry->expires > now)
            next = promp_min64(next, entry->expires);
    }
    return next;
}

promp_err_t promp_serve_keys_load(promp_serve_t *s, promp_error_t *error)
{
    promp_auth_store_t *store, *share;
    promp_err_t code = promp_auth_store_load(s->folder, &store, error);

    if (code)
        return code;
    for (size_t i = 0; promp_auth_store_problem(store, i); i++)
        promp_serve_say(s, PROMP_LOG_WARNING, PROMP_ERR_STORE_ENTRY, "%s",
                        promp_auth_store_problem(store, i));
    if (s->handler) {
        share = promp_auth_store_share(store);
        promp_auth_handler_swap(s->handler, &share);
    }
    promp_auth_store_destroy(&s->store);
    s->store = store;
    s->expiry = next_expiry(store, (int64_t)time(NULL));
    return PROMP_OK;
}

void promp_serve_keys_reload(promp_serve_t *s, int64_t now)
{
    promp_error_t error = {0};
    promp_err_t code = promp_serve_keys_load(s, &error);

    if (code && code != s->store_said)
        promp_serve_say(s, PROMP_LOG_ERROR, code, "%s; the keys that were read before count", error.text);
    else if (!code)
        promp_serve_say(s, s->store_said ? PROMP_LOG_INFO : PROMP_LOG_DEBUG, PROMP_OK,
                        "the store has %zu keys", promp_auth_store_count(s->store));
    s->store_said = code;
    if (code)
        return;
    promp_broker_core_keys_changed(s->core, now);
    promp_serve_do(s, now);
}

void promp_serve_keys_look(promp_serve_t *s, int64_t now)
{
    const int64_t seconds = (int64_t)time(NULL);

    if (promp_auth_store_changed(s->folder, s->store))
        promp_serve_keys_reload(s, now);
    if (seconds >= s->expiry || seconds < s->looked) {
        s->expiry = next_expiry(s->store, seconds);
        promp_broker_core_keys_changed(s->core, now);
        promp_serve_do(s, now);
    }
    s->looked = seconds;
}

promp_auth_store_t *promp_serve_keys_newer(void *arg, const promp_auth_store_t *old)
{
    const promp_serve_t *s = arg;
    promp_auth_store_t *store;

    if (!promp_auth_store_changed(s->folder, old) || promp_auth_store_load(s->folder, &store, NULL))
        return NULL;
    return store;
}

/* --- who a key is --- */

/* The first entry whose key begins with these bytes or comes behind them. */
static size_t find_first(const promp_auth_store_t *store, const promp_id_t *id)
{
    size_t low = 0, high = promp_auth_store_count(store);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (memcmp(promp_auth_store_at(store, middle)->key, id->b, sizeof id->b) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

promp_err_t promp_serve_keys_find(void *arg, const promp_id_t *id, promp_broker_key_info_t *info)
{
    static const promp_broker_role_t roles[] = {[PROMP_AUTH_MANAGER] = PROMP_BROKER_MANAGER,
                                                [PROMP_AUTH_NODE] = PROMP_BROKER_NODE,
                                                [PROMP_AUTH_OBSERVER] = PROMP_BROKER_OBSERVER,
                                                [PROMP_AUTH_ADMIN] = PROMP_BROKER_ADMIN};
    const promp_serve_t *s = arg;
    size_t at = find_first(s->store, id);
    const promp_auth_entry_t *entry =
        at < promp_auth_store_count(s->store) ? promp_auth_store_at(s->store, at) : NULL;

    if (!entry || memcmp(entry->key, id->b, sizeof id->b) != 0)
        return PROMP_ERR_ACCESS_UNKNOWN;
    promp_err_t code = promp_auth_store_state(s->store, entry, (int64_t)time(NULL));
    if (code)
        return code;
    if (entry->role < PROMP_AUTH_MANAGER || entry->role > PROMP_AUTH_ADMIN)
        return PROMP_ERR_KEY_ROLE;
    *info = (promp_broker_key_info_t){
        .role = roles[entry->role], .workers = entry->workers, .bytes = entry->bytes};
    strcpy(info->name, entry->name);
    strcpy(info->labels, entry->labels);
    return PROMP_OK;
}
