#include <stdio.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_key.h"

#define NAME_ROOM (PROMP_LIMIT_KEY_NAME + 16)

/* The names of a key's two files. */
static const char *file_name(const char *name, bool secret, char text[NAME_ROOM])
{
    snprintf(text, NAME_ROOM, "%.*s.cert%s", PROMP_LIMIT_KEY_NAME, name, secret ? "_secret" : "");
    return text;
}

/* Puts the file's name before what went wrong in it. */
static promp_err_t in_file(const char *file, promp_err_t code, promp_error_t *error)
{
    if (code != PROMP_ERR_KEY_FORMAT || !error)
        return code;
    const char *detail = strstr(error->text, ": ");
    return promp_error_set(error, code, 0, "%s%s", file, detail ? detail : "");
}

promp_err_t promp_auth_key_load(int folder, const char *name, promp_slice_t passphrase,
                                promp_auth_key_t **key, promp_auth_key_info_t *info, promp_error_t *error)
{
    char file[NAME_ROOM];
    size_t size;
    void *text = promp_auth_secret_alloc(PROMP_LIMIT_KEY_FILE);
    if (!text)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    file_name(name, true, file);
    promp_err_t code = promp_auth_file_read(folder, file, PROMP_AUTH_FILE_SECRET, text, &size, error);
    if (!code)
        code =
            in_file(file, promp_auth_key_parse(promp_slice(text, size), passphrase, key, info, error), error);
    promp_auth_secret_free(text);
    return code;
}

promp_err_t promp_auth_key_load_public(int folder, const char *name, uint8_t key[PROMP_AUTH_KEY_SIZE],
                                       promp_error_t *error)
{
    char file[NAME_ROOM], text[PROMP_LIMIT_KEY_FILE];
    size_t size;
    file_name(name, false, file);
    promp_err_t code = promp_auth_file_read(folder, file, PROMP_AUTH_FILE_PUBLIC, text, &size, error);
    return code ? code
                : in_file(file, promp_auth_key_parse_public(promp_slice(text, size), key, error), error);
}

promp_err_t promp_auth_key_save_public(int folder, const char *name, const uint8_t key[PROMP_AUTH_KEY_SIZE],
                                       const promp_auth_key_note_t *note, promp_error_t *error)
{
    char file[NAME_ROOM], text[PROMP_LIMIT_KEY_FILE];
    size_t size;
    promp_err_t code = promp_auth_key_format_public(key, note, text, &size, error);
    return code ? code : promp_auth_file_write(folder, file_name(name, false, file), 0644, text, size, error);
}

promp_err_t promp_auth_key_save(int folder, const char *name, promp_auth_key_t *key,
                                const promp_auth_key_note_t *note, promp_slice_t passphrase,
                                promp_error_t *error)
{
    char file[NAME_ROOM];
    size_t size;
    char *text = promp_auth_secret_alloc(PROMP_LIMIT_KEY_FILE);
    if (!text)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    promp_err_t code = promp_auth_key_format_secret(key, note, passphrase, text, &size, error);
    if (!code)
        code = promp_auth_file_write(folder, file_name(name, true, file), 0600, text, size, error);
    promp_auth_secret_free(text);
    return code ? code : promp_auth_key_save_public(folder, name, promp_auth_key_public(key), note, error);
}

promp_err_t promp_auth_key_relock(int folder, const char *name, promp_slice_t old, promp_slice_t passphrase,
                                  promp_error_t *error)
{
    promp_auth_key_info_t info;
    promp_auth_key_t *key;
    int lock;
    promp_err_t code = promp_auth_folder_lock(folder, PROMP_TIME_STORE_LOCK, &lock, error);
    if (code)
        return code;
    code = promp_auth_key_load(folder, name, old, &key, &info, error);
    if (!code) {
        code = promp_auth_key_save(folder, name, key, &info.note, passphrase, error);
        promp_auth_key_destroy(&key);
    }
    close(lock);
    return code;
}
