#include "auth_joined.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "auth_file.h"

#define NAME_ROOM 24

static const char *file_name(promp_auth_role_t role, char name[NAME_ROOM])
{
    snprintf(name, NAME_ROOM, "%s.broker", promp_auth_role_text(role));
    return name;
}

promp_err_t promp_auth_joined_load(int folder, promp_auth_role_t role, promp_auth_joined_t *joined,
                                   promp_error_t *error)
{
    char name[NAME_ROOM], text[PROMP_LIMIT_KEY_FILE];
    promp_error_t inner;
    size_t size;

    file_name(role, name);
    promp_err_t code = promp_auth_file_read(folder, name, PROMP_AUTH_FILE_SECRET, text, &size, error);
    if (code == PROMP_ERR_KEY_MISSING)
        return promp_error_set(error, PROMP_ERR_NO_BROKER, 0, "%s is not there", name);
    if (code)
        return code;
    code = promp_auth_joined_parse(promp_slice(text, size), joined, &inner);
    if (!code)
        return PROMP_OK;
    const char *detail = strstr(inner.text, ": ");
    return promp_error_set(error, code, 0, "%s%s", name, detail ? detail : "");
}

promp_err_t promp_auth_joined_save(int folder, promp_auth_role_t role, const promp_auth_joined_t *joined,
                                   promp_error_t *error)
{
    char name[NAME_ROOM], text[PROMP_LIMIT_KEY_FILE];
    size_t size;
    promp_err_t code = promp_auth_joined_format(joined, text, &size, error);
    return code ? code : promp_auth_file_write(folder, file_name(role, name), 0600, text, size, error);
}

/* What is to be changed in a file; returns whether anything is. */
typedef bool change_f(promp_auth_joined_t *joined, const void *arg);

static promp_err_t change(int folder, promp_auth_role_t role, change_f *f, const void *arg,
                          promp_error_t *error)
{
    promp_auth_joined_t joined;
    int lock;
    promp_err_t code = promp_auth_joined_load(folder, role, &joined, error);
    if (code || !f(&joined, arg))
        return code;
    code = promp_auth_folder_lock(folder, PROMP_TIME_JOINED_LOCK, &lock, error);
    if (code)
        return code;
    code = promp_auth_joined_load(folder, role, &joined, error);
    if (!code && f(&joined, arg))
        code = promp_auth_joined_save(folder, role, &joined, error);
    close(lock);
    return code;
}

typedef struct {
    promp_slice_t key;
    int64_t from;
} next_t;

static bool set_next(promp_auth_joined_t *joined, const void *arg)
{
    const next_t *next = arg;
    return promp_auth_joined_take_next(joined, next->key, next->from, (int64_t)time(NULL));
}

promp_err_t promp_auth_joined_next(int folder, promp_auth_role_t role, promp_slice_t key, int64_t from,
                                   promp_error_t *error)
{
    const next_t next = {key, from};
    if (key.size && (key.size != PROMP_AUTH_KEY_SIZE || !promp_auth_key_valid(key.data)))
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "the next key of a broker");
    return change(folder, role, set_next, &next, error);
}

static bool set_key(promp_auth_joined_t *joined, const void *arg)
{
    if (!joined->has_next || memcmp(joined->next, arg, sizeof joined->next) != 0)
        return false;
    memcpy(joined->key, joined->next, sizeof joined->key);
    joined->has_next = false;
    joined->from = 0;
    return true;
}

promp_err_t promp_auth_joined_change(int folder, promp_auth_role_t role,
                                     const uint8_t key[PROMP_AUTH_KEY_SIZE], promp_error_t *error)
{
    return change(folder, role, set_key, key, error);
}
