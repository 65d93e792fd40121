#include "auth_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_token.h"

#define NAME    PROMP_AUTH_BROKER_NAME
#define NEXT    PROMP_AUTH_BROKER_NAME ".next"
#define ADDRESS "address"

static const promp_slice_t no_passphrase;

/* The public file is a copy of what the secret one says; it is missing or old when a call was interrupted between. */
static promp_err_t copy_public(int folder, const promp_auth_key_info_t *info, promp_error_t *error)
{
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    if (!promp_auth_key_load_public(folder, NAME, key, NULL) &&
        memcmp(key, info->public_key, sizeof key) == 0)
        return PROMP_OK;
    return promp_auth_key_save_public(folder, NAME, info->public_key, &info->note, error);
}

/* Makes the next key the key, where its time has come; the lock is held. The renaming of the secret file is the moment of
 * the change. */
static promp_err_t settle(int folder, int64_t now, promp_error_t *error)
{
    promp_auth_key_info_t info;
    promp_err_t code = promp_auth_key_load(folder, NEXT, no_passphrase, NULL, &info, error);
    if (code == PROMP_ERR_KEY_MISSING)
        return PROMP_OK;
    if (code || info.note.from > now)
        return code;
    if (renameat(folder, NEXT ".cert_secret", folder, NAME ".cert_secret") < 0 || fsync(folder) < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "renaming %s", NEXT);
    unlinkat(folder, NEXT ".cert", 0);
    return copy_public(folder, &info,
                       error); /* also done by who loads the key, should we be interrupted here */
}

static promp_err_t make(int folder, promp_slice_t passphrase, promp_error_t *error)
{
    promp_auth_key_info_t info;
    promp_auth_key_note_t note = {.name = NAME};
    promp_auth_key_t *key;
    promp_err_t code = promp_auth_key_load(folder, NAME, no_passphrase, NULL, &info, error);

    if (!code && promp_auth_key_load_public(folder, NAME, info.public_key, NULL) == PROMP_ERR_KEY_MISSING)
        return copy_public(folder, &info, error);
    if (!code)
        return promp_error_set(error, PROMP_ERR_KEY_EXISTS, 0, NAME ".cert_secret");
    if (code != PROMP_ERR_KEY_MISSING)
        return code;
    code = promp_auth_key_make(&key, error);
    if (code)
        return code;
    code = promp_auth_key_save(folder, NAME, key, &note, passphrase, error);
    promp_auth_key_destroy(&key);
    return code;
}

promp_err_t promp_auth_broker_make(int folder, promp_slice_t passphrase, const char *address,
                                   promp_error_t *error)
{
    int lock, store;
    promp_err_t code = promp_auth_folder_lock(folder, PROMP_TIME_STORE_LOCK, &lock, error);
    if (code)
        return code;
    promp_auth_folder_sweep(folder);
    code = promp_auth_folder_open_at(folder, "store", true, &store, error);
    if (!code) {
        close(store);
        code = make(folder, passphrase, error);
    }
    if (!code && *address)
        code = promp_auth_broker_set_address(folder, address, error);
    close(lock);
    return code;
}

static promp_err_t read_address(int folder, char address[PROMP_LIMIT_ADDRESS + 1], promp_error_t *error)
{
    char text[PROMP_LIMIT_KEY_FILE];
    size_t size;
    promp_err_t code = promp_auth_file_read(folder, ADDRESS, PROMP_AUTH_FILE_PUBLIC, text, &size, error);
    *address = '\0';
    if (code == PROMP_ERR_KEY_MISSING)
        return PROMP_OK;
    if (code)
        return code;
    const promp_slice_t line = promp_slice(text, size && text[size - 1] == '\n' ? size - 1 : size);
    if (!promp_auth_address_valid(line))
        return promp_error_set(error, PROMP_ERR_KEY_FORMAT, 0, "the file address has no tcp://HOST:PORT");
    memcpy(address, line.data, line.size);
    address[line.size] = '\0';
    return PROMP_OK;
}

promp_err_t promp_auth_broker_set_address(int folder, const char *address, promp_error_t *error)
{
    char line[PROMP_LIMIT_ADDRESS + 2];
    if (!promp_auth_address_valid(promp_slice_str(address)))
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "an address is tcp://HOST:PORT");
    int size = snprintf(line, sizeof line, "%s\n", address);
    return promp_auth_file_write(folder, ADDRESS, 0644, line, (size_t)size, error);
}

promp_err_t promp_auth_broker_look(int folder, int64_t now, promp_auth_broker_info_t *info,
                                   promp_error_t *error)
{
    promp_auth_key_info_t current, next;
    *info = (promp_auth_broker_info_t){0};
    promp_err_t code = promp_auth_key_load(folder, NAME, no_passphrase, NULL, &current, error);
    if (code)
        return code;
    code = promp_auth_key_load(folder, NEXT, no_passphrase, NULL, &next, error);
    if (code && code != PROMP_ERR_KEY_MISSING)
        return code;
    if (!code && next.note.from <= now) {
        current = next;
    } else if (!code) {
        info->has_next = true;
        info->next_locked = next.locked;
        info->change = next.note.from;
        memcpy(info->next, next.public_key, sizeof info->next);
    }
    memcpy(info->key, current.public_key, sizeof info->key);
    info->locked = current.locked;
    return read_address(folder, info->address, error);
}

promp_err_t promp_auth_broker_load(int folder, promp_slice_t passphrase, int64_t now, promp_auth_key_t **key,
                                   promp_error_t *error)
{
    promp_auth_key_info_t info;
    int lock;
    promp_err_t code = promp_auth_folder_lock(folder, PROMP_TIME_STORE_LOCK, &lock, error);
    if (code)
        return code;
    code = settle(folder, now, error);
    if (!code)
        code = promp_auth_key_load(folder, NAME, passphrase, key, &info, error);
    if (!code && (code = copy_public(folder, &info, error)))
        promp_auth_key_destroy(key);
    close(lock);
    return code;
}

static promp_err_t rotate(int folder, promp_slice_t passphrase, int64_t now, int64_t change,
                          promp_error_t *error)
{
    promp_auth_key_info_t info;
    promp_auth_key_note_t note = {.name = NAME, .from = promp_max64(1, change)};
    promp_auth_key_t *key;
    promp_err_t code = promp_auth_key_load(folder, NAME, no_passphrase, NULL, &info, error);
    if (!code)
        code = settle(folder, now, error);
    if (!code)
        code = promp_auth_key_make(&key, error);
    if (code)
        return code;
    code = promp_auth_key_save(folder, NEXT, key, &note, passphrase, error);
    promp_auth_key_destroy(&key);
    return code ? code : settle(folder, now, error);
}

promp_err_t promp_auth_broker_rotate(int folder, promp_slice_t passphrase, int64_t now, int64_t change,
                                     promp_error_t *error)
{
    int lock;
    promp_err_t code = promp_auth_folder_lock(folder, PROMP_TIME_STORE_LOCK, &lock, error);
    if (code)
        return code;
    promp_auth_folder_sweep(folder);
    code = rotate(folder, passphrase, now, change, error);
    close(lock);
    return code;
}
